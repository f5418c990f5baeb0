//! What clients can ask the node for, beside the methods of every Substrate node.

mod blobs;
mod jobs;
mod places;

use crate::client::{FullBackend, FullClient, FullSelectChain, TransactionPool};
use assay_blob_transport::Fetcher;
use assay_blobs::BlobStore;
use assay_runtime::{opaque::Block, BlockNumber, Hash};
use jsonrpsee::RpcModule;
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_grandpa::{
	FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState,
};
use sc_rpc::SubscriptionTaskExecutor;
use sp_keystore::KeystorePtr;
use std::sync::Arc;

/// What the RPC methods need of the node.
#[derive(Clone)]
pub struct Deps {
	/// The chain.
	pub client: Arc<FullClient>,
	/// Transactions that wait for a block.
	pub pool: Arc<TransactionPool>,
	/// The rule for the best chain.
	pub select_chain: FullSelectChain,
	/// The node's keys.
	pub keystore: KeystorePtr,
	/// BABE's view of epochs.
	pub babe_worker: BabeWorkerHandle<Block>,
	/// State of GRANDPA's current round.
	pub voter_state: SharedVoterState,
	/// Who votes for finality.
	pub authority_set: SharedAuthoritySet<Hash, BlockNumber>,
	/// Justifications as they are made.
	pub justifications: GrandpaJustificationStream<Block>,
	/// The node's blobs.
	pub blobs: Arc<BlobStore>,
	/// Gets blobs from peers.
	pub fetcher: Fetcher,
	/// Proofs of finality for old blocks.
	pub finality: Arc<FinalityProofProvider<FullBackend, Block>>,
}

/// Collects all methods.
pub fn create(
	deps: &Deps,
	executor: SubscriptionTaskExecutor,
) -> Result<RpcModule<()>, sc_service::Error> {
	build(deps.clone(), executor).map_err(|error| sc_service::Error::Application(error.into()))
}

fn build(
	Deps {
		client,
		pool,
		select_chain,
		keystore,
		babe_worker,
		voter_state,
		authority_set,
		justifications,
		finality,
		blobs,
		fetcher,
	}: Deps,
	executor: SubscriptionTaskExecutor,
) -> Result<RpcModule<()>, jsonrpsee::core::RegisterMethodError> {
	use self::blobs::{BlobApiServer, Blobs};
	use self::jobs::{Jobs, JobsApiServer};
	use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
	use sc_consensus_babe_rpc::{Babe, BabeApiServer};
	use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
	use sc_rpc::dev::{Dev, DevApiServer};
	use substrate_frame_rpc_system::{System, SystemApiServer};

	let mut module = RpcModule::new(());
	module.merge(System::new(client.clone(), pool).into_rpc())?;
	module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
	module.merge(Babe::new(client.clone(), babe_worker, keystore, select_chain).into_rpc())?;
	module.merge(
		Grandpa::new(executor, authority_set, voter_state, justifications, finality).into_rpc(),
	)?;
	module.merge(Dev::new(client.clone()).into_rpc())?;
	module.merge(Jobs::new(client).into_rpc())?;
	module.merge(Blobs::new(blobs, fetcher).into_rpc())?;
	Ok(module)
}

//! The service of a running node: its chain, its store and real workers.

use crate::{
	chain::ClientChain,
	config::Config,
	inputs::fetch::Fetch,
	metrics::Metrics,
	service::Service,
	types::{AccountId, Balance, BlockNumber, LOG_TARGET},
	worker::process::ProcessRunner,
};
use assay_blobs::BlobStore;
use assay_market::api::{ArbitrationApi, MarketApi};
use futures::{future::BoxFuture, FutureExt};
use sc_client_api::BlockchainEvents;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_core::offchain::OffchainStorage;
use sp_keystore::KeystorePtr;
use sp_runtime::traits::{Block as BlockT, Header as HeaderT};
use std::sync::Arc;
use substrate_prometheus_endpoint::Registry;

/// What [`run`] needs from the node.
pub struct Params<Client, Storage> {
	/// The node's client.
	pub client: Arc<Client>,
	/// The node's keystore; the verifier keys are those of
	/// `assay_market::verifier_crypto::KEY_TYPE`.
	pub keystore: KeystorePtr,
	/// The node's offchain storage: `backend.offchain_storage()`.
	pub offchain_storage: Storage,
	/// The node's blob store.
	pub blobs: Arc<BlobStore>,
	/// Where inputs come from that are not in it; `None`: only from clients.
	pub fetch: Option<Arc<dyn Fetch>>,
	/// Settings.
	pub config: Config,
	/// Where to register the metrics.
	pub registry: Option<Registry>,
}

/// Runs the service until the returned future is dropped; workers are killed with it.
///
/// Spawn it on the task manager of a validator node:
/// `task_manager.spawn_handle().spawn("assay-verifier", Some("assay"), run(params))`.
/// Errors are logged and counted, never fatal to the node.
pub fn run<Block, Client, Storage>(params: Params<Client, Storage>) -> BoxFuture<'static, ()>
where
	Block: BlockT,
	Block::Header: HeaderT<Number = BlockNumber>,
	Client: ProvideRuntimeApi<Block>
		+ HeaderBackend<Block>
		+ BlockchainEvents<Block>
		+ Send
		+ Sync
		+ 'static,
	Client::Api: MarketApi<Block, AccountId, Balance, BlockNumber>
		+ ArbitrationApi<Block, AccountId, Balance, BlockNumber>,
	Storage: OffchainStorage + 'static,
{
	async move {
		let Params { client, keystore, offchain_storage, blobs, fetch, config, registry } = params;
		let metrics = Metrics::register(registry.as_ref());
		let chain = Arc::new(ClientChain::new(client));
		let runner = Arc::new(ProcessRunner::new(config.clone(), blobs.clone(), metrics.clone()));
		runner.prepare().await;
		let jobs = runner.clone();
		let open = tokio::task::spawn_blocking(move || {
			Service::open(chain, keystore, offchain_storage, blobs, jobs, config, metrics)
				.fetching(fetch)
		});
		match open.await {
			Ok(service) => tokio::select! {
				_ = async { futures::join!(service.run(), runner.self_test()) } => {}
				() = runner.watch_sandbox() => {}
			},
			Err(error) => log::error!(target: LOG_TARGET, "The verifier cannot start: {error}"),
		}
	}
	.boxed()
}

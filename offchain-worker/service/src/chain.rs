//! What the service sees of the chain.

use crate::types::{AccountId, Balance, BlockNumber, Hash};
use assay_market::{
	api::{ArbitrationApi, MarketApi, MAX_KEYS},
	Assignment, DisputeDuty, JobId, LotteryDuty, VerifierId,
};
use futures::{stream::BoxStream, StreamExt};
use sc_client_api::BlockchainEvents;
use sp_api::{ApiExt, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_runtime::traits::{Block as BlockT, Header as HeaderT};
use std::{marker::PhantomData, sync::Arc};

/// An assignment of this chain.
pub type JobAssignment = Assignment<AccountId, Balance, BlockNumber>;

/// An open lottery that a key of this node may take part in.
pub type OpenLottery = LotteryDuty<AccountId, Balance, BlockNumber>;

/// A verdict of a key of this node that differs from the opened result, with its lane.
pub type Disputed = DisputeDuty<AccountId, Balance, BlockNumber>;

/// The present ends of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
	/// Number of the best block.
	pub best: BlockNumber,
	/// Number of the last finalized block.
	pub finalized: BlockNumber,
}

/// The chain could not answer, for the stated reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChainError(pub String);

/// What the service asks of the chain. All but [`Chain::wake`] may block.
pub trait Chain: Send + Sync + 'static {
	/// Hash of the genesis block.
	fn genesis(&self) -> Hash;

	/// The present ends of the chain.
	fn head(&self) -> Head;

	/// The seats that these keys have at the best block.
	///
	/// # Errors
	/// When the runtime cannot be asked.
	fn assignments(&self, keys: &[VerifierId]) -> Result<Vec<JobAssignment>, ChainError>;

	/// The lotteries open at the best block in which these keys may take part and have not spoken
	/// yet.
	///
	/// # Errors
	/// When the runtime cannot be asked.
	fn lotteries(&self, keys: &[VerifierId]) -> Result<Vec<OpenLottery>, ChainError>;

	/// The results that the verdicts of these keys differ from, at the best block.
	///
	/// # Errors
	/// When the runtime cannot be asked.
	fn disputes(&self, keys: &[VerifierId]) -> Result<Vec<Disputed>, ChainError>;

	/// Bytes of a registered program, at the best block.
	///
	/// # Errors
	/// When the runtime cannot be asked.
	fn program(&self, id: Hash) -> Result<Option<Vec<u8>>, ChainError>;

	/// Whether the job of this order has ended for good: terminal at the last finalized block,
	/// another one's number there, or known neither there nor at the best block.
	///
	/// # Errors
	/// When the runtime cannot be asked.
	fn finished(&self, job: JobId, order: &Hash) -> Result<bool, ChainError>;

	/// An item per imported or finalized block.
	fn wake(&self) -> BoxStream<'static, ()>;
}

/// Asks about as many keys at one time as the runtime looks at.
fn few<T>(
	keys: &[VerifierId],
	ask: impl Fn(Vec<VerifierId>) -> Result<Vec<T>, sp_api::ApiError>,
) -> Result<Vec<T>, ChainError> {
	let mut all = Vec::new();
	for keys in keys.chunks(MAX_KEYS) {
		all.extend(ask(keys.to_vec()).map_err(|error| ChainError(error.to_string()))?);
	}
	Ok(all)
}

/// The chain of a running node.
pub struct ClientChain<Block, Client> {
	client: Arc<Client>,
	_block: PhantomData<fn() -> Block>,
}

impl<Block, Client> ClientChain<Block, Client> {
	/// Wraps the node's client.
	pub fn new(client: Arc<Client>) -> Self {
		Self { client, _block: PhantomData }
	}
}

impl<Block, Client> ClientChain<Block, Client>
where
	Block: BlockT,
	Client: ProvideRuntimeApi<Block>,
	Client::Api: MarketApi<Block, AccountId, Balance, BlockNumber>
		+ ArbitrationApi<Block, AccountId, Balance, BlockNumber>,
{
	/// Whether the runtime at a block answers; before the upgrade that brings the API it does not.
	fn answers(&self, at: Block::Hash) -> Result<bool, ChainError> {
		self.client
			.runtime_api()
			.has_api::<dyn MarketApi<Block, AccountId, Balance, BlockNumber>>(at)
			.map_err(|error| ChainError(error.to_string()))
	}

	/// Whether the runtime at a block decides disputes.
	fn arbitrates(&self, at: Block::Hash) -> Result<bool, ChainError> {
		self.client
			.runtime_api()
			.has_api::<dyn ArbitrationApi<Block, AccountId, Balance, BlockNumber>>(at)
			.map_err(|error| ChainError(error.to_string()))
	}
}

impl<Block, Client> Chain for ClientChain<Block, Client>
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
{
	fn genesis(&self) -> Hash {
		let mut genesis = [0; 32];
		let hash = self.client.info().genesis_hash;
		// The offchain hook sees the genesis hash as 32 bytes too.
		genesis.copy_from_slice(&hash.as_ref()[..32]);
		genesis
	}

	fn head(&self) -> Head {
		let info = self.client.info();
		Head { best: info.best_number, finalized: info.finalized_number }
	}

	fn assignments(&self, keys: &[VerifierId]) -> Result<Vec<JobAssignment>, ChainError> {
		let best = self.client.info().best_hash;
		if !self.answers(best)? {
			return Ok(Vec::new());
		}
		few(keys, |keys| self.client.runtime_api().assignments(best, keys))
	}

	fn lotteries(&self, keys: &[VerifierId]) -> Result<Vec<OpenLottery>, ChainError> {
		let best = self.client.info().best_hash;
		if !self.answers(best)? {
			return Ok(Vec::new());
		}
		few(keys, |keys| self.client.runtime_api().lotteries(best, keys))
	}

	fn disputes(&self, keys: &[VerifierId]) -> Result<Vec<Disputed>, ChainError> {
		let best = self.client.info().best_hash;
		if !self.arbitrates(best)? {
			return Ok(Vec::new());
		}
		few(keys, |keys| self.client.runtime_api().disputes(best, keys))
	}

	fn program(&self, id: Hash) -> Result<Option<Vec<u8>>, ChainError> {
		let best = self.client.info().best_hash;
		self.client.runtime_api().program(best, id).map_err(|error| ChainError(error.to_string()))
	}

	fn finished(&self, job: JobId, order: &Hash) -> Result<bool, ChainError> {
		let info = self.client.info();
		let ask = |at| {
			let api = self.client.runtime_api();
			api.job(at, job).map_err(|error| ChainError(error.to_string()))
		};
		if !self.answers(info.finalized_hash)? {
			return Ok(false);
		}
		match ask(info.finalized_hash)? {
			// The number of a final job never means another one again.
			Some(view) => Ok(view.order != *order || view.phase.is_terminal()),
			None => Ok(ask(info.best_hash)?.is_none()),
		}
	}

	fn wake(&self) -> BoxStream<'static, ()> {
		let imported = self.client.import_notification_stream().map(|_| ());
		let finalized = self.client.finality_notification_stream().map(|_| ());
		futures::stream::select(imported, finalized).boxed()
	}
}

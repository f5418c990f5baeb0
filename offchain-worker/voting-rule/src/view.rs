//! What the rule reads of the chain.

use crate::Fault;
use assay_market::{api::FinalityApi, Settlement, Settlements, Standing};
use sc_client_api::Backend;
use sp_api::{ApiExt, ProvideRuntimeApi};
use sp_blockchain::{Backend as _, HeaderBackend};
use sp_runtime::traits::Block as BlockT;
use std::{marker::PhantomData, sync::Arc};

/// The part of a node's database that the rule reads. All of it may block, and none of what it says
/// about a block ever changes.
pub trait View<Block: BlockT>: Send + Sync + 'static {
	/// The header of a block; `None` where this node does not have it.
	///
	/// # Errors
	/// When the database fails.
	fn header(&self, block: Block::Hash) -> Result<Option<Block::Header>, Fault>;

	/// What a block has paid for.
	///
	/// # Errors
	/// When its state or runtime cannot be asked.
	fn settlements(&self, block: Block::Hash) -> Result<Settlements, Fault>;

	/// The ends of all forks, highest first.
	///
	/// # Errors
	/// When the database fails.
	fn leaves(&self) -> Result<Vec<Block::Hash>, Fault>;

	/// Where results stand at a block, in the same order.
	///
	/// # Errors
	/// When its state or runtime cannot be asked.
	fn standings(&self, block: Block::Hash, results: &[Settlement])
		-> Result<Vec<Standing>, Fault>;
}

/// The database of a running node.
pub struct ClientView<Block, Client, Database> {
	client: Arc<Client>,
	database: Arc<Database>,
	_block: PhantomData<fn() -> Block>,
}

impl<Block, Client, Database> ClientView<Block, Client, Database> {
	/// Wraps the node's client and backend.
	pub fn new(client: Arc<Client>, database: Arc<Database>) -> Self {
		Self { client, database, _block: PhantomData }
	}
}

impl<Block, Client, Database> ClientView<Block, Client, Database>
where
	Block: BlockT,
	Client: ProvideRuntimeApi<Block>,
	Client::Api: FinalityApi<Block>,
{
	/// Whether the runtime at a block answers. One from before the market was gated settles nothing
	/// that it would tell; the absence is part of the block's state and no error.
	fn answers(&self, block: Block::Hash) -> Result<bool, Fault> {
		self.client
			.runtime_api()
			.has_api::<dyn FinalityApi<Block>>(block)
			.map_err(|error| Fault::Runtime(error.to_string()))
	}
}

impl<Block, Client, Database> View<Block> for ClientView<Block, Client, Database>
where
	Block: BlockT,
	Client: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	Client::Api: FinalityApi<Block>,
	Database: Backend<Block> + 'static,
{
	fn header(&self, block: Block::Hash) -> Result<Option<Block::Header>, Fault> {
		self.client.header(block).map_err(|error| Fault::Database(error.to_string()))
	}

	fn settlements(&self, block: Block::Hash) -> Result<Settlements, Fault> {
		if !self.answers(block)? {
			return Ok(Settlements::default());
		}
		let settlements = self.client.runtime_api().settlements(block);
		settlements.map_err(|error| Fault::Runtime(error.to_string()))
	}

	fn leaves(&self) -> Result<Vec<Block::Hash>, Fault> {
		let leaves = self.database.blockchain().leaves();
		leaves.map_err(|error| Fault::Database(error.to_string()))
	}

	fn standings(
		&self,
		block: Block::Hash,
		results: &[Settlement],
	) -> Result<Vec<Standing>, Fault> {
		if !self.answers(block)? {
			return Ok(vec![Standing::Undisputed; results.len()]);
		}
		let standings = self.client.runtime_api().standings(block, results.to_vec());
		standings.map_err(|error| Fault::Runtime(error.to_string()))
	}
}

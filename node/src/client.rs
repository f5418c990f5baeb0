//! The types that a node's parts share: its chain, database and transactions.

use assay_runtime::{opaque::Block, RuntimeApi};

/// Executes the runtime's WebAssembly.
pub type RuntimeExecutor = sc_executor::WasmExecutor<sp_io::SubstrateHostFunctions>;
/// The chain: blocks, state and runtime calls.
pub type FullClient = sc_service::TFullClient<Block, RuntimeApi, RuntimeExecutor>;
/// The database.
pub type FullBackend = sc_service::TFullBackend<Block>;
/// The best chain is the longest one that contains the last finalized block.
pub type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
/// Transactions that wait for a block.
pub type TransactionPool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;

//! The part of a validator that verifies: an asynchronous service beside the node.
//!
//! ```text
//! chain ──seeds, seats──► service ──program, inputs──► assay-worker (own process, one job)
//!   ▲                      │  ▲                              │
//!   └─ offchain hook ◄─ mailbox └────────── run root ◄────────┘
//! ```
//!
//! The service follows imported and finalized blocks and asks the runtime which lotteries are open to
//! the verifier keys of this node and which seats they have. For a job that is only posted it checks
//! that the blob store holds every input. For a job whose lottery a key has won (and whose block is
//! final, and whose tranche is open) it has the program replayed by a separate worker process. What
//! comes out is left in a *mailbox*, an entry in the offchain storage that the jobs pallet's offchain
//! hook reads, signs and submits. The service itself sends no transaction.
//!
//! # Orders
//! Everything that is kept, left or said about a job is filed under the hash of its *order*
//! ([`assay_market::Order`]), never under its number: on another fork the number may be another job's. A
//! task whose order the best block does not ask for is stopped. Only what follows from content alone is
//! shared between jobs: programs, blobs, rates, and [`Knowledge`], which is filed under what was run.
//!
//! # Outputs
//! A result is paid when it is delivered. Keys that were drawn to keep the outputs of a job fetch them by
//! their roots once the result is open, keep and serve them, and say so; "no" is said only when the time is
//! nearly over. The outputs of the node's own replay go into its store with the verdict, whatever the
//! provider does, and stay quiet there until the job's own record names them.
//!
//! # What is done first, and what is refused
//! See `turns/queue.rs`: the earliest deadline first, among those that bring most for their time, so that cheap
//! heavy jobs cannot keep this node from well-paid ones. What certainly comes too late, by what this
//! machine was measured to do, or needs more memory than it has, is abstained from before anything is
//! fetched or started. In an audit that nobody can see such an abstention is what calls further verifiers.
//!
//! # Secrets
//! Who verifies a job is known to nobody but the verifier until its commitment is on chain. A node
//! that has not won does nothing and says nothing; one that has keeps it out of its log.
//!
//! # Chunks
//! A verdict is opened with chunks of its own trace, at positions that the chain draws after the
//! commitments. Where the verdict's own replay has not kept their tensors, the job is replayed up to
//! their steps once more. A machine that then computes something else is told so, and gives none.
//!
//! # What a worker may do wrong
//! A crash, a hang, garbage on the socket, another version, a missing binary or a missing blob is
//! a *local fault*: it is retried once and then becomes an abstention, early enough for the chain
//! to draw a further tranche. A fault of the job itself is one that every node decides alike from
//! the program check and the input bytes. See [`Fault`].
//!
//! # Segments
//! Where the run of a job is cut, a verifier replays the segment that its ticket has drawn, from the
//! provider's checkpoint; without one it replays what comes before too. A dispute is about the whole run.
//! Only whoever replays the last segment has the outputs.
//!
//! # Disputes
//! When a verdict of one of this node's keys differs from the opened result, the service leads the
//! dispute on its own: the chain's record of the lane and replays by the worker say what the next
//! move is, and the arbitration pallet's offchain hook signs and submits it. One key leads for all
//! that were drawn, and disputes get the next free worker. Nothing of it is remembered that a restart
//! would lose.
//!
//! # Inputs
//! Inputs that the store lacks are wanted from peers ([`Fetch`]) as soon as a key of this node is drawn, held until
//! the job ends, and so served to others. Those of replays are fetched for a few jobs at a time, in turns.
//!
//! # Bounds
//! What others can fill has a bound, and what brings least goes first: kept runs (32, 64 MiB of tensors),
//! examined programs (64), lines that wait (256 jobs), rates (64 programs, 16 fetches), openings and
//! disputes that are looked into at the same time (8 each), what disputes remember between moves (4 of
//! 256 MiB). Tasks and mailbox entries are as many as seats and lotteries that the chain shows this node's
//! keys; blobs are what the store's shares allow. Tensors come into this process's memory only as far as
//! the machine has it; outputs go from disk to disk.
//!
//! # Restarts
//! Verdicts are kept in memory and in the offchain storage, and the salt of a verdict follows from
//! the keystore alone ([`derive_salt`]), so a node stopped in any phase takes up where it was and
//! recreates a lost entry equal.

mod chain;
mod dispute;
mod fault;
mod inputs;
mod knowledge;
mod metrics;
mod replay;
mod service;
mod survey;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod thread;
mod turns;
mod verify;
mod worker;

use std::{
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
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
use substrate_prometheus_endpoint::Registry;

pub use chain::{Chain, ChainError, ClientChain, Disputed, Head, JobAssignment, OpenLottery};
pub use fault::Fault;
pub use inputs::fetch::Fetch;
pub use knowledge::Knowledge;
pub use metrics::Metrics;
pub use service::{Ran, Replay, Runner, Service};
pub use verify::mailbox::Mailbox;
pub use verify::salt::derive_salt;
pub use worker::process::{check_worker, find_worker, ProcessRunner};

/// Target of every log line of this crate.
pub const LOG_TARGET: &str = "assay::verifier";

/// A 32-byte hash.
pub type Hash = [u8; 32];
/// Account id of the chain.
pub type AccountId = sp_runtime::AccountId32;
/// Balance of the chain.
pub type Balance = u128;
/// Block number of the chain.
pub type BlockNumber = u32;

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct Config {
	/// The worker binary; see [`find_worker`].
	pub worker: PathBuf,
	/// Folder of the service below the node's base path. Created with mode 0700; one subfolder
	/// per running job, removed when the job ends.
	pub dir: PathBuf,
	/// Engine of the worker: `auto`, `cpu`, a part of an adapter's name, or `None` for `auto`.
	pub adapter: Option<String>,
	/// Whether a worker may run jobs although the kernel gives it no full sandbox.
	pub allow_unsandboxed: bool,
	/// Notified when something was left for the pallets' offchain hooks, so that they need not wait for
	/// the next block to find it.
	pub found: Arc<tokio::sync::Notify>,
	/// What this node finds out about results, for whoever asks before it votes for finality.
	pub knowledge: Knowledge,
	/// How long blobs are fetched for one replay before another one may have its turn.
	pub fetch_turn: Duration,
	/// Jobs replayed at the same time, at least 1.
	pub concurrency: usize,
	/// Time between two blocks of the chain.
	pub block_time: Duration,
	/// Tiles of every step that the worker recomputes by the definition, as a check of its device.
	pub audit_tiles: u32,
	/// Limits of one worker process.
	pub limits: Limits,
	/// Where workers have no full sandbox, it is tried again this often, with a line in the log.
	pub sandbox_check: Duration,
	/// Pause before a local fault is retried.
	pub retry_delay: Duration,
	/// Blocks before the commit deadline at which a job that could not be replayed is abstained
	/// from, so that the chain can still draw a further tranche.
	pub abstain_margin: BlockNumber,
	/// Blocks before the deadline of a lane at which a fraud proof is sent without binding it to its
	/// account first: a copy of it could then earn what is the account's, but the proof is in time.
	pub prove_margin: BlockNumber,
}

impl Config {
	/// The settings of a node whose base path for this chain is `base`.
	pub fn new(worker: PathBuf, base: &Path) -> Self {
		Self {
			worker,
			dir: base.join("verifier"),
			adapter: None,
			allow_unsandboxed: false,
			found: Arc::default(),
			knowledge: Knowledge::default(),
			fetch_turn: Duration::from_secs(30),
			concurrency: 1,
			block_time: Duration::from_secs(3),
			audit_tiles: 4,
			limits: Limits::default(),
			sandbox_check: Duration::from_secs(60),
			retry_delay: Duration::from_secs(3),
			abstain_margin: 3,
			prove_margin: 2,
		}
	}
}

/// Limits of one worker process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
	/// Wall clock time that every job gets, whatever its size.
	pub wall_floor: Duration,
	/// Work units per second that the wall clock limit assumes at least.
	pub work_rate: u64,
	/// Most wall clock time of any job.
	pub wall_cap: Duration,
	/// Memory that every job gets, in bytes.
	pub memory_floor: u64,
	/// Memory that the least job takes beside its tensors: the engine, its compiler and its driver.
	pub memory_overhead: u64,
	/// Most memory of any job, in bytes; `None`: what the machine has for workers, which is the most in
	/// any case.
	pub memory_cap: Option<u64>,
	/// Time until a started worker has connected and shaken hands.
	pub handshake: Duration,
}

impl Default for Limits {
	fn default() -> Self {
		Self {
			wall_floor: Duration::from_secs(60),
			work_rate: 20_000_000,
			wall_cap: Duration::from_secs(6 * 3600),
			memory_floor: 4 << 30,
			memory_overhead: 128 << 20,
			memory_cap: None,
			handshake: Duration::from_secs(20),
		}
	}
}

/// What [`run`] needs from the node.
pub struct Params<Client, Storage> {
	/// The node's client.
	pub client: Arc<Client>,
	/// The node's keystore; the verifier keys are those of `assay_market::verifier_crypto::KEY_TYPE`.
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

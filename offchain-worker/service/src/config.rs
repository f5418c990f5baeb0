//! Settings of the service.

use crate::{knowledge::Knowledge, types::BlockNumber};
use std::{
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct Config {
	/// The worker binary; see [`find_worker`](crate::find_worker).
	pub worker: PathBuf,
	/// Folder of the service below the node's base path. Created with mode 0700; one subfolder
	/// per running job, removed when the job ends.
	pub dir: PathBuf,
	/// Engine of the worker: `auto`, `cpu`, a part of an adapter's name, or `None` for `auto`.
	pub adapter: Option<String>,
	/// Whether a worker may run jobs although the kernel gives it no full sandbox.
	pub allow_unsandboxed: bool,
	/// Notified when something was left for the pallets' offchain hooks, so that they need not wait
	/// for the next block to find it.
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
	/// Blocks before the deadline of a lane at which a fraud proof is sent without binding it to
	/// its account first: a copy of it could then earn what is the account's, but the proof is in
	/// time.
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

impl Config {
	/// The last block at which a finding with this deadline still gets into a block in time.
	pub(crate) fn last_block(&self, deadline: BlockNumber) -> BlockNumber {
		deadline.saturating_sub(self.abstain_margin)
	}
}

/// Limits of one worker process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
	/// Wall clock time that every job gets, whatever its size.
	pub wall_floor: Duration,
	/// Work units per second that the wall clock limit assumes at least. No duty is taken or
	/// refused by it: that goes by what was measured, and by the rate of the chain's clocks until
	/// then. It is far below that rate, so that a worker is stopped because it hangs, and not
	/// because it is slow: a verdict that comes too late is given up at its deadline.
	pub work_rate: u64,
	/// Most wall clock time of any job. The chain takes none whose verifiers have as long.
	pub wall_cap: Duration,
	/// Memory that every job gets, in bytes.
	pub memory_floor: u64,
	/// Memory that the least job takes beside its tensors: the engine, its compiler and its driver.
	pub memory_overhead: u64,
	/// Most memory of any job, in bytes; `None`: what the machine has for workers, which is the
	/// most in any case.
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

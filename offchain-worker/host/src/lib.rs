//! The host's side of `assay-worker`: one process per job, started, limited, watched and ended.
//!
//! A job's program and inputs come from strangers, and so does, for all the host knows, everything
//! that a worker says. [`Host::run`] starts a worker with nothing of this process but what it is
//! meant to have, gives it one job, and ends its whole process group whatever happens. What the
//! worker claims has to agree with itself; files that it has written are taken over by
//! [`Finished::take`] and its relatives, which follow no link and believe no name, length or root.
//!
//! Nothing is run where the sandbox has holes, unless [`Settings::allow_unsandboxed`] says so.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod binary;
mod fault;
mod files;
mod folder;
mod limits;
mod process;
mod sandbox;
mod task;

pub use binary::{check_version, find_worker, is_inherited, WORKER};
pub use fault::Fault;
pub use files::{file_name, open_file, Finished};
pub use folder::{clear_stale, create_private};
pub use limits::{JobLimits, Limits};
pub use process::{Host, Report, Running};
pub use task::{InputFile, Task};

/// Target of every log line of this crate.
pub const LOG_TARGET: &str = "assay::worker";

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

use std::{path::PathBuf, time::Duration};

/// How workers are started.
#[derive(Clone, Debug)]
pub struct Settings {
	/// The worker binary; see [`find_worker`].
	pub worker: PathBuf,
	/// Folder of the jobs' folders. Created with mode 0700; one subfolder per running job.
	pub dir: PathBuf,
	/// Engine: `auto`, `cpu`, a part of an adapter's name, or `None` for `auto`.
	pub adapter: Option<String>,
	/// Whether a worker may run jobs although the kernel gives it no full sandbox.
	pub allow_unsandboxed: bool,
	/// Tiles of every step that the worker recomputes by the definition, as a check of its device.
	pub audit_tiles: u32,
	/// Time until a started worker has connected and shaken hands.
	pub handshake: Duration,
}

impl Settings {
	/// A worker at this path, with jobs' folders in `dir`.
	pub fn new(worker: PathBuf, dir: PathBuf) -> Self {
		Self {
			worker,
			dir,
			adapter: None,
			allow_unsandboxed: false,
			audit_tiles: 4,
			handshake: Duration::from_secs(20),
		}
	}
}

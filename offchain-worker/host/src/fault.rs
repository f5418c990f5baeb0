//! Why a worker gave no result.

use assay_worker_protocol::{JobFault, LocalFaultKind};
use std::time::Duration;

/// Why a worker gave no result. All but [`Fault::Job`] are *local*: another machine, or this one a
/// moment later, may fare better.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
	/// The worker binary cannot be started.
	#[error("the worker cannot be started: {0}")]
	WorkerMissing(String),
	/// The worker binary is of another version than this program.
	#[error("the worker is of version {found:?}, this program needs {wanted:?}")]
	WorkerVersion {
		/// What the worker said.
		found: String,
		/// What is needed.
		wanted: String,
	},
	/// The worker did not connect and shake hands in time.
	#[error("no handshake with the worker: {0}")]
	Handshake(String),
	/// The worker ended before it gave an answer.
	#[error("the worker died: {0}")]
	Crashed(String),
	/// The worker sent something that is no message of the protocol, or out of turn, or that does
	/// not agree with itself, or wrote other files than it said.
	#[error("the worker sent garbage: {0}")]
	Garbage(String),
	/// The job's time by the clock passed.
	#[error("the run took longer than its limit of {0:?}")]
	WallLimit(Duration),
	/// The worker's memory grew over its limit, in bytes.
	#[error("the worker used more than its limit of {0} bytes of memory")]
	MemoryLimit(u64),
	/// The worker's sandbox has holes on this machine, or stopped the worker.
	#[error("sandbox: {0}")]
	Sandbox(String),
	/// The worker reported a fault of its device or surroundings.
	#[error("the worker reports: {text}")]
	Reported {
		/// For decisions.
		kind: LocalFaultKind,
		/// What the worker said.
		text: String,
	},
	/// The job's folder could not be filled or read.
	#[error("the job's folder: {0}")]
	Folder(String),
	/// The job cannot be run, and every worker finds so.
	#[error("{0}")]
	Job(JobFault),
}

impl Fault {
	/// Whether every machine finds so, so that a retry is pointless.
	pub const fn is_of_the_job(&self) -> bool {
		matches!(self, Self::Job(_))
	}

	/// Whether no job can be run here before somebody repairs something.
	pub const fn is_of_the_setup(&self) -> bool {
		matches!(self, Self::WorkerMissing(_) | Self::WorkerVersion { .. } | Self::Sandbox(_))
	}
}

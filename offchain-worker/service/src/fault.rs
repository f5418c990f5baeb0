//! Why a replay gave no run root.

use assay_market::AbstainReason;
use assay_worker_host::Fault as WorkerFault;
use assay_worker_protocol::LocalFaultKind;
use std::time::Duration;

/// Why a replay gave no run root. All but the last three are *local*: another node, or this one a
/// moment later, may fare better, so they are retried once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
	/// The worker binary cannot be started.
	#[error("the worker cannot be started: {0}")]
	WorkerMissing(String),
	/// The worker binary is of another version than the node.
	#[error("the worker is of version {found:?}, this node needs {wanted:?}")]
	WorkerVersion {
		/// What the worker said.
		found: String,
		/// What this node needs.
		wanted: String,
	},
	/// The worker did not connect and shake hands in time.
	#[error("no handshake with the worker: {0}")]
	Handshake(String),
	/// The worker ended before it gave an answer.
	#[error("the worker died: {0}")]
	Crashed(String),
	/// The worker sent something that is no message of the protocol, or out of turn.
	#[error("the worker sent garbage: {0}")]
	Garbage(String),
	/// The job's wall clock limit passed.
	#[error("the replay took longer than its limit of {0:?}")]
	WallLimit(Duration),
	/// The worker's memory grew over its limit, in bytes.
	#[error("the worker used more than its limit of {0} bytes of memory")]
	MemoryLimit(u64),
	/// The job needs more memory than this machine has for workers, all in bytes.
	#[error("the job needs {needed} bytes of memory, this machine has {limit} for it")]
	TooLittleMemory {
		/// What it needs at least.
		needed: u64,
		/// What it can have at most.
		limit: u64,
	},
	/// The job needs more memory than is free at the moment, all in bytes.
	#[error("the job needs {needed} bytes of memory, {spare} are to be had now")]
	MemoryInUse {
		/// What it needs at least.
		needed: u64,
		/// What can be had now.
		spare: u64,
	},
	/// The worker's sandbox has holes on this machine, or stopped the worker.
	#[error("sandbox: {0}")]
	Sandbox(String),
	/// The worker reported a fault of its device or surroundings.
	#[error("the worker reports: {text}")]
	Reported {
		/// What the chain is told.
		reason: AbstainReason,
		/// What the worker said.
		text: String,
	},
	/// An input is not in the blob store.
	#[error("input {0} is not held")]
	InputMissing(String),
	/// The job's folder could not be filled.
	#[error("the job's folder: {0}")]
	Folder(String),
	/// The keystore failed or has lost the key.
	#[error("the keystore: {0}")]
	Keystore(String),
	/// The runtime API failed, or the program is not on chain.
	#[error("the chain: {0}")]
	Chain(String),
	/// A task of the service panicked.
	#[error("internal error: {0}")]
	Internal(String),
	/// Decided by every node of this version alike: the program needs a newer operator set.
	#[error("the program needs operator set {0}, which this node does not know")]
	UnsupportedOperators(u16),
	/// Decided by every node alike: the program check fails.
	#[error("the program check fails: {0}")]
	ProgramRejected(String),
	/// Decided by every node alike: an input has another length or number than the program says.
	#[error("the inputs do not fit the program: {0}")]
	InputsRejected(String),
}

impl Fault {
	/// Whether every node decides this fault alike, so that a retry is pointless.
	pub const fn is_decidable(&self) -> bool {
		matches!(
			self,
			Self::UnsupportedOperators(_) | Self::ProgramRejected(_) | Self::InputsRejected(_)
		)
	}

	/// Whether this machine will decide it alike again, so that a retry here is pointless.
	pub const fn is_lasting(&self) -> bool {
		self.is_decidable() || matches!(self, Self::TooLittleMemory { .. })
	}

	/// The reason with which a verifier abstains after this fault.
	pub const fn reason(&self) -> AbstainReason {
		match self {
			Self::WorkerMissing(_)
			| Self::WorkerVersion { .. }
			| Self::Handshake(_)
			| Self::Crashed(_)
			| Self::Garbage(_)
			| Self::Sandbox(_) => AbstainReason::WorkerFault,
			Self::WallLimit(_) => AbstainReason::TooSlow,
			Self::MemoryLimit(_) | Self::TooLittleMemory { .. } | Self::MemoryInUse { .. } => {
				AbstainReason::OutOfMemory
			}
			Self::Reported { reason, .. } => *reason,
			Self::InputMissing(_) | Self::InputsRejected(_) => AbstainReason::InputsMissing,
			Self::UnsupportedOperators(_) => AbstainReason::UnsupportedOperators,
			Self::Folder(_)
			| Self::Keystore(_)
			| Self::Chain(_)
			| Self::Internal(_)
			| Self::ProgramRejected(_) => AbstainReason::Other,
		}
	}

	/// Name of the fault in the metrics.
	pub const fn kind(&self) -> &'static str {
		match self {
			Self::WorkerMissing(_) => "worker_missing",
			Self::WorkerVersion { .. } => "worker_version",
			Self::Handshake(_) => "handshake",
			Self::Crashed(_) => "crashed",
			Self::Garbage(_) => "garbage",
			Self::WallLimit(_) => "wall_limit",
			Self::MemoryLimit(_) => "memory_limit",
			Self::TooLittleMemory { .. } => "too_little_memory",
			Self::MemoryInUse { .. } => "memory_in_use",
			Self::Sandbox(_) => "sandbox",
			Self::Reported { .. } => "reported",
			Self::InputMissing(_) => "input_missing",
			Self::Folder(_) => "folder",
			Self::Keystore(_) => "keystore",
			Self::Chain(_) => "chain",
			Self::Internal(_) => "internal",
			Self::UnsupportedOperators(_) => "unsupported_operators",
			Self::ProgramRejected(_) => "program_rejected",
			Self::InputsRejected(_) => "inputs_rejected",
		}
	}
}

impl From<WorkerFault> for Fault {
	fn from(fault: WorkerFault) -> Self {
		match fault {
			WorkerFault::WorkerMissing(text) => Self::WorkerMissing(text),
			WorkerFault::WorkerVersion { found, wanted } => Self::WorkerVersion { found, wanted },
			WorkerFault::Handshake(text) => Self::Handshake(text),
			WorkerFault::Crashed(text) => Self::Crashed(text),
			WorkerFault::Garbage(text) => Self::Garbage(text),
			WorkerFault::WallLimit(limit) => Self::WallLimit(limit),
			WorkerFault::MemoryLimit(limit) => Self::MemoryLimit(limit),
			WorkerFault::Sandbox(text) => Self::Sandbox(text),
			WorkerFault::Folder(text) => Self::Folder(text),
			WorkerFault::Reported { kind, text } => {
				Self::Reported { reason: reason_of(kind), text }
			}
			// The node has checked program and inputs before it started the worker.
			WorkerFault::Job(fault) => {
				Self::Garbage(format!("{fault}; but the node's own check passed"))
			}
		}
	}
}

/// What the chain is told after a worker has reported a fault.
const fn reason_of(kind: LocalFaultKind) -> AbstainReason {
	match kind {
		LocalFaultKind::Input => AbstainReason::InputsMissing,
		LocalFaultKind::Device | LocalFaultKind::Audit => AbstainReason::DeviceFault,
		LocalFaultKind::Memory => AbstainReason::OutOfMemory,
		LocalFaultKind::Time => AbstainReason::TooSlow,
		LocalFaultKind::Disk => AbstainReason::Other,
		LocalFaultKind::Protocol | LocalFaultKind::Internal | LocalFaultKind::Sandbox => {
			AbstainReason::WorkerFault
		}
	}
}

/// Name of a reason in the metrics.
pub(crate) const fn reason_name(reason: AbstainReason) -> &'static str {
	match reason {
		AbstainReason::DeviceFault => "device_fault",
		AbstainReason::OutOfMemory => "out_of_memory",
		AbstainReason::TooSlow => "too_slow",
		AbstainReason::InputsMissing => "inputs_missing",
		AbstainReason::WorkerFault => "worker_fault",
		AbstainReason::UnsupportedOperators => "unsupported_operators",
		AbstainReason::Other => "other",
	}
}

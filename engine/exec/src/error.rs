use assay_program::Source;
use core::fmt;

/// Why a run gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
	/// There are fewer or more inputs than the program has.
	#[error("the program takes {expected} inputs, not {found}")]
	InputCount {
		/// What the program takes.
		expected: usize,
		/// What was given.
		found: usize,
	},
	/// An input has another type than the program says.
	#[error("input {index} is not of the type that the program says")]
	InputType {
		/// Position in the program.
		index: usize,
	},
	/// The canonical bytes of an input are not as long as its type says.
	#[error("input {index} has {found} canonical bytes instead of {expected}")]
	InputLength {
		/// Position in the program.
		index: usize,
		/// What the type says.
		expected: u64,
		/// What was given.
		found: u64,
	},
	/// There are fewer or more states to start from than the program has.
	#[error("the program has {expected} states, not {found}")]
	StateCount {
		/// What the program has.
		expected: usize,
		/// What was given.
		found: usize,
	},
	/// A state to start from has another type or length than the program says.
	#[error("state {index} is not of the type that the program says")]
	StateType {
		/// Position in the program.
		index: usize,
	},
	/// A run of no step has no result.
	#[error("a run takes at least one step")]
	NoSteps,
	/// Something was to be kept that a run cannot keep.
	#[error("{0:?} cannot be kept: ask for anchors and states of the program alone")]
	Keep(Source),
	/// Program and check result do not belong together, or the program was not checked.
	#[error("the program does not hold what its check promised: {0}")]
	Program(String),
	/// The observer asked to stop.
	#[error("cancelled")]
	Cancelled,
	/// A tile of this run differs from the definition: the machine computes wrongly.
	#[error("tile {tile} of node {node} in step {step} differs from the definition")]
	Audit {
		/// Step of the run.
		step: u32,
		/// Node of the program.
		node: u32,
		/// Tile of the node's tensor.
		tile: u64,
	},
	/// The device failed.
	#[error("device: {fault}: {text}")]
	Device {
		/// The kind, for decisions.
		fault: DeviceFault,
		/// The driver's words, for people.
		text: String,
	},
}

impl ExecError {
	/// Whether the fault lies with this machine or its user, so that it says nothing about the job.
	pub fn is_local(&self) -> bool {
		match self {
			Self::Cancelled | Self::NoSteps => true,
			Self::StateCount { .. } | Self::StateType { .. } => true,
			Self::Audit { .. } | Self::Device { .. } | Self::Keep(_) => true,
			Self::InputCount { .. } | Self::InputType { .. } | Self::InputLength { .. } => false,
			Self::Program(_) => false,
		}
	}
}

/// Kinds of device faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFault {
	/// There is no such device.
	Missing,
	/// The device is gone or hung; it must be opened anew.
	Lost,
	/// There is not enough device memory.
	OutOfMemory,
	/// Something is larger than the device takes.
	Limits,
	/// The driver refused a command.
	Validation,
	/// The driver failed.
	Internal,
}

impl fmt::Display for DeviceFault {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Self::Missing => "missing",
			Self::Lost => "lost",
			Self::OutOfMemory => "out of memory",
			Self::Limits => "beyond the device's limits",
			Self::Validation => "refused",
			Self::Internal => "failed",
		})
	}
}

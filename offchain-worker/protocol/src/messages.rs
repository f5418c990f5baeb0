//! What is said.

use crate::{Hash, Source, MAGIC, PACKAGE_VERSION, PROTOCOL_VERSION};
use codec::{Decode, Encode};

/// The first message in both directions.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Hello {
	/// [`MAGIC`].
	pub magic: [u8; 8],
	/// [`PROTOCOL_VERSION`].
	pub protocol: u32,
	/// [`PACKAGE_VERSION`].
	pub package: String,
}

impl Hello {
	/// This side's.
	pub fn ours() -> Self {
		Hello { magic: MAGIC, protocol: PROTOCOL_VERSION, package: PACKAGE_VERSION.into() }
	}
}

/// From the host to the worker.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Request {
	/// Run one job.
	#[codec(index = 0)]
	Run(Run),
}

/// A job to run.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Run {
	/// The job's number, for log lines.
	pub job: u64,
	/// The program's encoded bytes.
	pub program: Vec<u8>,
	/// The program's inputs in its order.
	pub inputs: Vec<InputFile>,
	/// The states that the first step begins with, in the program's order, in place of the inputs
	/// that initialise them; `None`: those inputs. Steps and trace roots then count from there.
	pub start: Option<Vec<InputFile>>,
	/// Steps to run, 1 to [`crate::MAX_STEPS`].
	pub steps: u32,
	/// Engine or adapter, as the worker's `--adapter`; `None`: what the command line says.
	pub adapter: Option<String>,
	/// Tiles of every step to recompute by the definition while running; 0 for none.
	pub audit_tiles: u32,
	/// Tensors of the last step to write beside the outputs, for a dispute about that step:
	/// [`Source::Node`] of anchors as they were computed, [`Source::State`] as it was before the
	/// step. Where a lazy anchor is among them, the roots of all of them are in
	/// [`Done::last_lazy`]. Anything else is answered with [`LocalFaultKind::Protocol`].
	pub keep: Vec<Source>,
	/// What to write beside the outputs, so that the run can be opened without running it again.
	pub record: Record,
}

/// What a provider keeps of a run that it stands by. All of it goes into files, which may be long.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Record {
	/// Steps between two checkpoints; 0: none are taken. The states of each are written under the
	/// names of outputs, `out-` and the root in hexadecimal, and [`Recorded::manifest`] lists them.
	pub checkpoint_every: u32,
	/// Whether the roots of the eager anchors of every step are written.
	pub anchors: bool,
	/// Anchors of the last step, by node, whose trees are written: the values of all of their
	/// chunks. What is no anchor is answered with [`LocalFaultKind::Protocol`].
	pub trees: Vec<u32>,
}

/// A file with the canonical bytes of one input.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct InputFile {
	/// Root that the job's record states.
	pub root: Hash,
	/// Path, relative to the worker's folder or absolute.
	pub path: String,
}

/// From the worker to the host.
// One is decoded at a time: a box would only make them harder to write.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Reply {
	/// It goes on.
	#[codec(index = 0)]
	Progress(Progress),
	/// The result.
	#[codec(index = 1)]
	Done(Done),
	/// The job cannot be run, and every worker finds so.
	#[codec(index = 2)]
	JobFault(JobFault),
	/// This machine did not run the job; another one, or a second try, may.
	#[codec(index = 3)]
	LocalFault(LocalFault),
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Progress {
	/// What the worker does.
	pub stage: Stage,
	/// Finished part of the stage.
	pub done: u64,
	/// The whole of the stage, in the same unit: bytes when loading and writing, nodes over all
	/// steps when running.
	pub total: u64,
}

/// Stages of a job, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub enum Stage {
	/// Decoding and checking the program.
	#[codec(index = 0)]
	Checking,
	/// Reading and hashing inputs.
	#[codec(index = 1)]
	Loading,
	/// Opening the device.
	#[codec(index = 2)]
	Preparing,
	/// Running the program.
	#[codec(index = 3)]
	Running,
	/// Writing outputs.
	#[codec(index = 4)]
	Writing,
}

/// The result of a run.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Done {
	/// Root over the trace roots.
	pub run_root: Hash,
	/// Trace root of every step.
	pub trace_roots: Vec<Hash>,
	/// Roots of the eager anchors of the last step, in program order: what output openings are made
	/// from.
	pub last_anchors: Vec<Hash>,
	/// Roots of the lazy anchors of the last step, in program order, where [`Run::keep`] or
	/// [`Record::trees`] names one of them; else none.
	pub last_lazy: Vec<Hash>,
	/// The outputs, in the program's order.
	pub outputs: Vec<OutputFile>,
	/// What [`Run::keep`] asked for, in its order.
	pub kept: Vec<KeptFile>,
	/// What [`Run::record`] asked for.
	pub recorded: Recorded,
	/// What it ran on, for people.
	pub device: String,
	/// Time from the request to the answer, in milliseconds.
	pub milliseconds: u64,
	/// Tiles that were recomputed by the definition and found equal.
	pub audited_tiles: u64,
	/// Seed that they were chosen with.
	pub audit_seed: u64,
}

/// The files that [`Run::record`] asked for; none where it did not, or where there is nothing to
/// write.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Recorded {
	/// The checkpoints' manifest, as `assay_commitments::read_manifest` reads it.
	pub manifest: Option<OutputFile>,
	/// Roots of the eager anchors, 32 bytes each: step by step, in program order.
	pub anchors: Option<OutputFile>,
	/// Values of the chunks of [`Record::trees`], 32 bytes each: anchor by anchor in the order
	/// asked for.
	pub trees: Option<OutputFile>,
}

/// A file with the canonical bytes of one output.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OutputFile {
	/// Root of the bytes.
	pub root: Hash,
	/// Name in the worker's folder: `out-` and the root in hexadecimal. Equal outputs share a file.
	pub name: String,
	/// Length in bytes.
	pub len: u64,
}

/// A file with the canonical bytes of one tensor that was kept.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct KeptFile {
	/// The tensor.
	pub source: Source,
	/// The file, which is one of the outputs' where the bytes are equal.
	pub file: OutputFile,
}

/// Why nobody can run the job: follows from its record, its program's bytes and its inputs' bytes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum JobFault {
	/// The program's bytes are no program.
	#[codec(index = 0)]
	Program(String),
	/// The program needs operators that this version of the software does not know.
	#[codec(index = 1)]
	OperatorSet(u16),
	/// The program fails its check.
	#[codec(index = 2)]
	Check(String),
	/// The job gives fewer or more inputs than the program takes.
	#[codec(index = 3)]
	InputCount {
		/// What the program takes.
		expected: u32,
		/// What the job gives.
		found: u32,
	},
	/// The bytes have the stated root, but not the length of the program's input.
	#[codec(index = 4)]
	InputLength {
		/// Position of the input.
		index: u32,
		/// Length in bytes by the program.
		expected: u64,
		/// Length of the bytes with the stated root.
		found: u64,
	},
	/// The job has no step, or more than [`crate::MAX_STEPS`].
	#[codec(index = 5)]
	Steps(u32),
}

impl core::fmt::Display for JobFault {
	fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
		match self {
			JobFault::Program(text) => write!(f, "the program cannot be decoded: {text}"),
			JobFault::OperatorSet(set) => write!(f, "operator set {set} is not known"),
			JobFault::Check(text) => write!(f, "the program fails its check: {text}"),
			JobFault::InputCount { expected, found } => {
				write!(f, "the program takes {expected} inputs, the job gives {found}")
			}
			JobFault::InputLength { index, expected, found } => {
				write!(f, "input {index} has {found} bytes instead of {expected}")
			}
			JobFault::Steps(steps) => write!(f, "a run cannot have {steps} steps"),
		}
	}
}

/// Why this machine did not run the job.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LocalFault {
	/// For decisions.
	pub kind: LocalFaultKind,
	/// For people.
	pub text: String,
}

/// Kinds of local faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum LocalFaultKind {
	/// An input file is missing, unreadable or does not have the stated root.
	#[codec(index = 0)]
	Input,
	/// No engine could be opened, or the device failed.
	#[codec(index = 1)]
	Device,
	/// The memory limit or the device's memory does not suffice.
	#[codec(index = 2)]
	Memory,
	/// The processor time limit passed.
	#[codec(index = 3)]
	Time,
	/// A recomputed tile differs from what the engine computed.
	#[codec(index = 4)]
	Audit,
	/// The worker's folder cannot be written.
	#[codec(index = 5)]
	Disk,
	/// A message of the host was not understood, or asks for what there is not.
	#[codec(index = 6)]
	Protocol,
	/// Anything else, a bug.
	#[codec(index = 7)]
	Internal,
	/// The sandbox has holes on this machine, or has stopped the process.
	#[codec(index = 8)]
	Sandbox,
}

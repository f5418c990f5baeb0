use crate::Source;
use assay_ops::OpError;
use core::fmt;

/// Part of a program file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
	/// Magic, version and operator set.
	Header,
	/// Job inputs.
	Inputs,
	/// Step state.
	States,
	/// Constants.
	Constants,
	/// Nodes.
	Nodes,
	/// Job outputs.
	Outputs,
}

impl fmt::Display for Section {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Section::Header => "header",
			Section::Inputs => "input",
			Section::States => "state",
			Section::Constants => "constant",
			Section::Nodes => "node",
			Section::Outputs => "output",
		})
	}
}

/// Why bytes are not a well-formed program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
	/// Longer than [`crate::MAX_PROGRAM_BYTES`].
	TooLong {
		/// Length found.
		bytes: usize,
	},
	/// The file does not start with [`crate::MAGIC`].
	Magic,
	/// A format version that this decoder does not know.
	Version(u8),
	/// An operator set that this decoder does not know.
	OperatorSet(u16),
	/// The bytes end inside this item.
	Truncated {
		/// Where.
		section: Section,
		/// Item in the section.
		index: u32,
	},
	/// This item holds a byte that has no meaning there (tag, length, shape, split or UTF-8).
	Malformed {
		/// Where.
		section: Section,
		/// Item in the section.
		index: u32,
	},
	/// More items than the format allows, or than the bytes could hold.
	TooMany {
		/// Of what.
		section: Section,
		/// Count found.
		count: u32,
	},
	/// Bytes after the last output.
	Trailing {
		/// How many.
		bytes: usize,
	},
	/// A name that is empty, too long, or has a character outside `a-z A-Z 0-9 _ - . /`.
	Name {
		/// Inputs or outputs.
		section: Section,
		/// Item in the section.
		index: u32,
	},
	/// A name that an earlier item has.
	DuplicateName {
		/// Inputs or outputs.
		section: Section,
		/// The later item.
		index: u32,
	},
	/// The data of a constant is not as long as its type says.
	ConstantLength {
		/// The constant.
		constant: u32,
	},
	/// An operand names something that does not exist.
	Dangling {
		/// The node.
		node: u32,
		/// Position of the operand.
		operand: u32,
	},
	/// An operand names its own node or a later one.
	Cycle {
		/// The node.
		node: u32,
		/// Position of the operand.
		operand: u32,
	},
	/// A state names an input that does not exist.
	StateInput {
		/// The state.
		state: u32,
	},
	/// A state's update names a node that does not exist.
	StateNode {
		/// The state.
		state: u32,
	},
	/// An output names a node that does not exist.
	OutputNode {
		/// The output.
		output: u32,
	},
	/// A program without outputs.
	NoOutputs,
}

impl fmt::Display for ProgramError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		use ProgramError::*;
		match self {
			TooLong { bytes } => {
				write!(f, "{bytes} bytes; a program has at most {}", crate::MAX_PROGRAM_BYTES)
			}
			Magic => write!(f, "not a program file: it does not start with ASSAYP"),
			Version(version) => write!(f, "unknown format version {version}"),
			OperatorSet(set) => write!(f, "unknown operator set {set}"),
			Truncated { section, index } => write!(f, "the bytes end inside {section} {index}"),
			Malformed { section, index } => write!(f, "{section} {index} is malformed"),
			TooMany { section, count } => write!(f, "too many items of kind {section}: {count}"),
			Trailing { bytes } => write!(f, "{bytes} bytes after the end of the program"),
			Name { section, index } => write!(
				f,
				"the name of {section} {index} must be 1..={} of a-z A-Z 0-9 _ - . /",
				crate::MAX_NAME_BYTES
			),
			DuplicateName { section, index } => {
				write!(f, "{section} {index} has the name of an earlier one; rename it")
			}
			ConstantLength { constant } => {
				write!(f, "the data of constant {constant} is not as long as its type says")
			}
			Dangling { node, operand } => {
				write!(f, "operand {operand} of node {node} names something that does not exist")
			}
			Cycle { node, operand } => write!(
				f,
				"operand {operand} of node {node} is not an earlier node; sort the nodes, and carry \
				 values between steps by a state"
			),
			StateInput { state } => write!(f, "state {state} names an input that does not exist"),
			StateNode { state } => write!(f, "state {state} names a node that does not exist"),
			OutputNode { output } => write!(f, "output {output} names a node that does not exist"),
			NoOutputs => write!(f, "the program has no outputs"),
		}
	}
}

impl core::error::Error for ProgramError {}

/// What the referee would run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
	/// Bytes of operand tiles and proofs in one part.
	PartBytes,
	/// Nanoseconds of one part.
	PartNanoseconds,
	/// Bytes of scratch.
	Scratch,
}

/// Why a well-formed program is not admitted. Every text names the node and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckError {
	/// Not well-formed.
	Program(ProgramError),
	/// More nodes than [`crate::Limits::nodes`].
	TooManyNodes {
		/// How many there are.
		nodes: u32,
		/// How many there may be.
		max: u32,
	},
	/// The operands do not fit the operator.
	Operator {
		/// The node.
		node: u32,
		/// Why.
		error: OpError,
	},
	/// A view does not fit what it looks at.
	View {
		/// The node.
		node: u32,
		/// Position of the operand.
		operand: u32,
		/// Why.
		error: OpError,
	},
	/// The node's split does not fit its shape.
	Split {
		/// The node.
		node: u32,
	},
	/// The state's update has not the type (element type, shape and split) of its input.
	StateType {
		/// The state.
		state: u32,
		/// The node.
		node: u32,
	},
	/// The state's update is not an eager anchor.
	StateAnchor {
		/// The state.
		state: u32,
		/// The node.
		node: u32,
	},
	/// The output is not an eager anchor.
	OutputAnchor {
		/// The output.
		output: u32,
		/// The node.
		node: u32,
	},
	/// Nothing depends on the node.
	UnusedNode {
		/// The node.
		node: u32,
	},
	/// No node or state reads the input.
	UnusedInput {
		/// The input.
		input: u32,
	},
	/// No node reads the constant.
	UnusedConstant {
		/// The constant.
		constant: u32,
	},
	/// More work in one step than [`crate::Limits::work_units`].
	WorkUnits {
		/// What one step takes.
		needed: u64,
		/// What it may take.
		max: u64,
	},
	/// More memory than [`crate::Limits::peak_memory`].
	PeakMemory {
		/// What one step takes.
		needed: u64,
		/// What it may take.
		max: u64,
	},
	/// A tile of this anchor cannot be proved wrong inside the limits.
	Unrefereeable {
		/// The anchor.
		node: u32,
		/// What runs out.
		resource: Resource,
		/// What it would take.
		needed: u64,
		/// What it may take.
		max: u64,
	},
	/// More virtual nodes below this anchor than [`crate::Limits::virtual_nodes`].
	TooManyVirtual {
		/// The anchor.
		node: u32,
		/// How many there may be.
		max: u32,
	},
	/// The analysis of the program takes more than [`crate::Limits::analysis_steps`], or more room
	/// at one anchor than it may have.
	TooComplex {
		/// The anchor at which it was given up.
		node: u32,
		/// How many steps it may take.
		max: u32,
	},
	/// A Gather reads its table or its indices from a virtual node. Which elements it reads depends
	/// on bytes that the referee must then have before it knows what to ask for.
	GatherOperand {
		/// The node.
		node: u32,
		/// Position of the operand: 0 is the table, 1 the indices.
		operand: u32,
	},
	/// The plans that were kept of the program are not of this program.
	Plans {
		/// The anchor whose plan does not fit.
		node: u32,
	},
}

impl From<ProgramError> for CheckError {
	fn from(error: ProgramError) -> Self {
		Self::Program(error)
	}
}

impl fmt::Display for CheckError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		use CheckError::*;
		match self {
			Program(error) => error.fmt(f),
			TooManyNodes { nodes, max } => write!(f, "{nodes} nodes; split the program at {max}"),
			Operator { node, error } => write!(f, "node {node}: {error}"),
			View { node, operand, error } => {
				write!(f, "node {node}: the view of operand {operand}: {error}")
			}
			Split { node } => write!(f, "node {node}: {}", OpError::Split),
			StateType { state, node } => write!(
				f,
				"node {node} updates state {state} and must have the type, shape and split of its \
				 input; cast or copy it"
			),
			StateAnchor { state, node } => {
				write!(f, "node {node} updates state {state}; make it an eager anchor")
			}
			OutputAnchor { output, node } => {
				write!(f, "node {node} is output {output}; make it an eager anchor")
			}
			UnusedNode { node } => {
				write!(f, "nothing depends on node {node}; remove it or make it an output")
			}
			UnusedInput { input } => write!(f, "nothing reads input {input}; remove it"),
			UnusedConstant { constant } => {
				write!(f, "nothing reads constant {constant}; remove it")
			}
			WorkUnits { needed, max } => {
				write!(f, "one step takes {needed} work units; at most {max}: use more steps")
			}
			PeakMemory { needed, max } => {
				write!(f, "one step takes {needed} bytes; at most {max}: use smaller batches")
			}
			Unrefereeable { node, resource, needed, max } => {
				let what = match resource {
					Resource::PartBytes => "bytes of operands and proofs",
					Resource::PartNanoseconds => "nanoseconds",
					Resource::Scratch => "bytes of scratch",
				};
				write!(
					f,
					"a tile of node {node} would take {needed} {what} in one part of a proof, at most \
					 {max}: make a virtual node that it reads an anchor, or shorten its reduction"
				)
			}
			TooManyVirtual { node, max } => write!(
				f,
				"node {node} depends on more than {max} virtual nodes; make one of them an anchor"
			),
			TooComplex { node, max } => write!(
				f,
				"judging the program takes more than {max} steps, or node {node} depends on too many \
				 different sets of elements; make more virtual nodes anchors"
			),
			GatherOperand { node, operand } => write!(
				f,
				"operand {operand} of node {node}, the {} of a Gather, is a virtual node; make that node \
				 an anchor",
				if *operand == 0 { "table" } else { "indices" }
			),
			Plans { node } => {
				write!(
					f,
					"the plan of anchor {node} is of another program; check the program again"
				)
			}
		}
	}
}

impl core::error::Error for CheckError {}

/// Why a step or a tile cannot be recomputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecomputeError {
	/// The node is not an anchor of the checked program.
	NotAnAnchor {
		/// The node.
		node: u32,
	},
	/// The anchor has no such tile.
	TileOutOfRange {
		/// The anchor.
		node: u32,
		/// The tile.
		tile: u64,
	},
	/// The source did not give a tile that is needed, or not all of its bytes.
	MissingTile {
		/// Of which tensor.
		source: Source,
		/// The tile.
		tile: u64,
	},
	/// The parts were not absorbed one after the other, each once.
	PartOrder {
		/// The part that comes next.
		expected: u32,
	},
	/// Other accumulators than the parts so far can have left.
	Accumulators {
		/// How many there must be.
		expected: u32,
	},
	/// More elements of virtual nodes than a check admits under any limits of a chain.
	TooMuch {
		/// The node that reads them.
		node: u32,
	},
	/// Other inputs or states than the program declares, or of other types.
	Arguments,
	/// The checked program is not of this program.
	Mismatch,
}

impl fmt::Display for RecomputeError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		use RecomputeError::*;
		match self {
			NotAnAnchor { node } => write!(f, "node {node} is not an anchor"),
			TileOutOfRange { node, tile } => write!(f, "node {node} has no tile {tile}"),
			MissingTile { source, tile } => write!(f, "tile {tile} of {source:?} was not given"),
			PartOrder { expected } => write!(f, "part {expected} comes next"),
			Accumulators { expected } => {
				write!(f, "there must be {expected} accumulators, as the parts so far left them")
			}
			TooMuch { node } => write!(
				f,
				"node {node} reads more of virtual nodes than a referee computes; check the program \
				 within Limits::V1"
			),
			Arguments => write!(f, "inputs and states must be those that the program declares"),
			Mismatch => write!(f, "the check is not of this program"),
		}
	}
}

impl core::error::Error for RecomputeError {}

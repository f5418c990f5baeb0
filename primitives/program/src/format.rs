use alloc::{string::String, vec::Vec};
use assay_ops::{Op, TensorType, View};
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// First bytes of every program file.
pub const MAGIC: [u8; 6] = *b"ASSAYP";

/// Version of the format written here.
pub const FORMAT_VERSION: u8 = 1;

/// Longest program file.
pub const MAX_PROGRAM_BYTES: usize = 256 * 1024;

/// Longest name of an input or output.
pub const MAX_NAME_BYTES: usize = 64;

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, TypeInfo)]
pub enum Source {
	/// Job input, by position.
	#[codec(index = 0)]
	Input(u16),
	/// Constant of the program, by position.
	#[codec(index = 1)]
	Constant(u16),
	/// Step state before the step, by position.
	#[codec(index = 2)]
	State(u16),
	/// Result of an earlier node, by position.
	#[codec(index = 3)]
	Node(u32),
}

/// What is committed of a node's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Class {
	/// Its root is part of the trace root.
	#[codec(index = 0)]
	EagerAnchor,
	/// Its root is published only on demand.
	#[codec(index = 1)]
	LazyAnchor,
	/// Never committed: the referee recomputes it from anchors.
	#[codec(index = 2)]
	Virtual,
}

/// A tensor that the job brings.
#[derive(Clone, Debug, PartialEq, Eq, Encode, TypeInfo)]
pub struct Input {
	/// 1 ..= 64 bytes of `a-z A-Z 0-9 _ - . /`, unique among inputs.
	pub name: String,
	/// Type, whose canonical bytes the job's input root is of.
	pub ty: TensorType,
}

/// A tensor that one step hands to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct State {
	/// Input that holds the value before the first step.
	pub input: u16,
	/// Node whose result is the value after a step; an eager anchor of the input's type.
	pub update: u32,
}

/// A tensor that is part of the program.
#[derive(Clone, Debug, PartialEq, Eq, Encode, TypeInfo)]
pub struct Constant {
	/// Type.
	pub ty: TensorType,
	/// Elements, row-major, little-endian, without padding.
	pub data: Vec<u8>,
}

/// An operand of a node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, TypeInfo)]
pub struct Operand {
	/// The tensor.
	pub source: Source,
	/// How the operator sees it; as it is without one.
	pub view: Option<View>,
}

impl From<Source> for Operand {
	fn from(source: Source) -> Self {
		Self { source, view: None }
	}
}

impl Operand {
	/// `source` through `view`.
	pub fn viewed(source: Source, view: View) -> Self {
		Self { source, view: Some(view) }
	}
}

/// One operator of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Encode, TypeInfo)]
pub struct Node {
	/// What it computes.
	pub op: Op,
	/// Its operands, from inputs, constants, states and *earlier* nodes.
	pub operands: Vec<Operand>,
	/// Where its canonical matrix is cut, if not before the last dimension.
	pub split: Option<u8>,
	/// What is committed of it.
	pub class: Class,
}

/// A result of the job: what `node` gives in the last step.
#[derive(Clone, Debug, PartialEq, Eq, Encode, TypeInfo)]
pub struct Output {
	/// As for inputs; unique among outputs.
	pub name: String,
	/// An eager anchor.
	pub node: u32,
}

/// A program: one step, repeated as often as the job says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
	/// [`FORMAT_VERSION`].
	pub version: u8,
	/// [`assay_ops::OPERATOR_SET`].
	pub operator_set: u16,
	/// Job inputs.
	pub inputs: Vec<Input>,
	/// Step state.
	pub states: Vec<State>,
	/// Constants.
	pub constants: Vec<Constant>,
	/// Nodes; an operand is always earlier than its node.
	pub nodes: Vec<Node>,
	/// Job outputs.
	pub outputs: Vec<Output>,
}

/// Identity of a program: BLAKE3 of its encoded bytes.
pub fn program_id(bytes: &[u8]) -> Hash {
	*blake3::hash(bytes).as_bytes()
}

impl Program {
	/// The bytes of the program file: [`MAGIC`], then the fields in SCALE.
	pub fn encode(&self) -> Vec<u8> {
		let mut bytes = MAGIC.to_vec();
		self.version.encode_to(&mut bytes);
		self.operator_set.encode_to(&mut bytes);
		self.inputs.encode_to(&mut bytes);
		self.states.encode_to(&mut bytes);
		self.constants.encode_to(&mut bytes);
		self.nodes.encode_to(&mut bytes);
		self.outputs.encode_to(&mut bytes);
		bytes
	}

	/// Type of what an operand reads, before its view; `types` are those of the nodes so far.
	pub(crate) fn source_type<'a>(
		&'a self,
		source: Source,
		types: &'a [TensorType],
	) -> Option<&'a TensorType> {
		match source {
			Source::Input(index) => self.inputs.get(index as usize).map(|input| &input.ty),
			Source::Constant(index) => self.constants.get(index as usize).map(|c| &c.ty),
			Source::State(index) => {
				let state = self.states.get(index as usize)?;
				self.inputs.get(state.input as usize).map(|input| &input.ty)
			}
			Source::Node(index) => types.get(index as usize),
		}
	}
}

//! What a fraud proof consists of.

use alloc::vec::Vec;
use assay_commitments::{Hash, Path};
use assay_program::Limits;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Longest part of a proof in bytes: what is decoded at all. The program check admits only programs
/// whose proofs have parts of at most [`Limits::part_bytes`].
pub const MAX_PART_BYTES: usize = 600 * 1024;
/// Most operand tiles of one tensor in one part.
pub const MAX_TILES: usize = MAX_PART_BYTES / 1024;
/// Most tensors whose tiles one part opens.
pub const MAX_OPERANDS: usize = 2048;
/// Most roots in one opening, and most siblings in any: a bound for hostile bytes.
pub const MAX_ROOTS: usize = MAX_PART_BYTES / 32;

const _: () = assert!(Limits::V1.part_bytes <= MAX_PART_BYTES as u64);

/// A tile that is said to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Accusation {
	/// The step, from 0.
	pub step: u32,
	/// The node, by its index in the program: an anchor, eager or lazy.
	pub node: u32,
	/// The tile of its result.
	pub tile: u64,
}

/// Tiles of one tensor with what leads to its root.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, TypeInfo)]
pub struct TilesOpening {
	/// The tiles, 1,024 bytes each, in ascending order. Which ones they are follows from the
	/// program.
	pub tiles: Vec<u8>,
	/// Siblings as [`assay_commitments::open_many`] gives them.
	pub siblings: Vec<Hash>,
}

/// Roots of anchors with what leads to the trace root of their step.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, TypeInfo)]
pub struct RootsOpening {
	/// The roots in the order of their anchors. Which anchors these are follows from the program.
	pub roots: Vec<Hash>,
	/// Siblings as [`assay_commitments::open_many`] gives them.
	pub siblings: Vec<Hash>,
}

/// The roots of lazy anchors that a provider has stated in a dispute: of those that come before one
/// eager anchor of one step, in program order. It is the provider's own word, kept by the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct LazyList {
	/// The step, from 0.
	pub step: u32,
	/// The eager anchor, by its place among them.
	pub anchor: u32,
	/// Root over the listed roots, a tree as that of a trace.
	pub root: Hash,
}

/// A fraud proof, or one part of a long one. Each part stands for itself: it opens the accused tile
/// and what its own slice of the recomputation reads, all against the run root.
#[derive(Clone, PartialEq, Eq, Debug, Encode, TypeInfo)]
pub struct ProofPart {
	/// What is said to be wrong; the same in every part.
	pub accusation: Accusation,
	/// Which part this is, from 0. A short recomputation has one.
	pub part: u32,
	/// Trace root of the accused step, and its path in the run tree.
	pub trace: (Hash, Path),
	/// Trace root of the step before, and its path in the run tree: exactly when this part reads a
	/// state and the accused step is not the first.
	pub before: Option<(Hash, Path)>,
	/// Chunk value that the run has for the accused tile, and its path in the tensor's tree.
	pub claimed: (Hash, Path),
	/// In the trace of the accused step: every eager anchor that this part reads, and the accused
	/// one if it is eager, in program order. Empty where there is none.
	pub anchors: RootsOpening,
	/// In the provider's list for the accused step: every lazy anchor that this part reads, and the
	/// accused one if it is lazy, in program order. Empty where there is none.
	pub lazy: RootsOpening,
	/// In the trace of the step before: the updates of the states that this part reads, in program
	/// order and each once. Empty where `before` is left out.
	pub states: RootsOpening,
	/// For every tensor in [`assay_program::PartNeeds::tiles`], in its order, the tiles that are
	/// read; then for every tensor that [`assay_program::AnchorFold::table_needs`] names, in its
	/// order, the further tiles that are read where the bytes of the former say.
	pub operands: Vec<TilesOpening>,
}

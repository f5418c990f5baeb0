//! What one node takes of the referee: time in WebAssembly and scratch, as bounds.
//!
//! Judging a part walks the graph once and evaluates it once. The walk lists the elements of
//! virtual nodes and notes the tiles of what is committed, operand by operand; the evaluation reads
//! every operand as the definition of its operator says. Both are charged for every operand,
//! constants only for the second.

use assay_ops::{Access, Applied, MAX_OPERANDS};

// Time in WebAssembly, in picoseconds, as in `primitives/ops/src/time.rs`, which has what an
// evaluation takes. Where 250 tensors of one tile are opened, whole transactions took 11 ms where
// the estimate said 3; hence what is charged for each tensor.
pub(crate) const PICOSECONDS_PER_CHUNK: u64 = 2_600_000;
pub(crate) const PICOSECONDS_PER_PARENT: u64 = 300_000;
/// A tensor that is opened, whatever of it: the lists and maps around it.
pub(crate) const PICOSECONDS_PER_TENSOR: u64 = 10_000_000;
/// An element of a virtual node in a list that is made in ascending order.
const PICOSECONDS_PER_LISTED: u64 = 20_000;
/// The same in any order, or moved through a view: the list is sorted.
const PICOSECONDS_PER_SORTED: u64 = 80_000;
/// An element of a committed tensor whose tile is noted, where one follows the other.
const PICOSECONDS_PER_NOTED: u64 = 15_000;
/// The same from tile to tile.
const PICOSECONDS_PER_SCATTERED: u64 = 60_000;
/// An element of a list that another one is joined with.
pub(crate) const PICOSECONDS_PER_JOINED: u64 = 8_000;
const PICOSECONDS_PER_NODE: u64 = 2_000_000;
const PICOSECONDS_PER_OPERAND: u64 = 1_000_000;

/// Scratch bytes of one element of a virtual node: its index and its value, and what is as long as
/// the largest of these lists while two are joined.
const HELD_BYTES: u64 = 12;
/// Further bytes of an element while its node is evaluated: its accumulator and its result.
const EVALUATED_BYTES: u64 = 12;
/// An index in a list.
const INDEX_BYTES: u64 = 4;
/// Bytes of one element of a patch while the patches' overlap is sorted out, see
/// [`Applied::indices_within`].
const PATCH_BYTES: u64 = 24;
const PATCH_LIST_BYTES: u64 = 16 * 1024;
/// An element of a Gather: in the list that says where its table is read, in that of what is read
/// there, and with the tile of that.
const GATHERED_BYTES: u64 = 24;
/// Nodes of maps around each node, and around each of its operands.
const NODE_BYTES: u64 = 512;
const OPERAND_BYTES: u64 = 128;

/// Where an operand is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
	Virtual,
	Committed,
	Constant,
}

/// One operand of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
	/// Different elements that are read.
	pub(crate) elements: u64,
	pub(crate) kind: Kind,
	/// Through a view that is no prefix.
	pub(crate) viewed: bool,
}

/// A node as one tile of an anchor asks for it.
pub(crate) struct Asked<'a> {
	pub(crate) applied: &'a Applied,
	/// Elements of its result.
	pub(crate) elements: u64,
	/// Of its reduced dimension in one part.
	pub(crate) slice: u32,
	/// Different patches of a Conv2d or Pool.
	pub(crate) patches: u64,
	/// At most [`MAX_OPERANDS`].
	pub(crate) reads: &'a [Read],
}

impl Asked<'_> {
	/// Elements that are come across while operand `position` is walked through, and whether they
	/// are in ascending order before its view.
	fn visited(&self, position: usize, read: &Read) -> (u64, bool) {
		let rows = self.elements.saturating_add(read.elements);
		match self.applied.access(position) {
			None | Some(Access::Single | Access::Table { .. }) => (1, true),
			Some(Access::Same | Access::Piece { .. } | Access::Index { .. }) => {
				(self.elements, true)
			}
			Some(Access::Column { .. }) => (self.elements, false),
			Some(Access::Whole { .. } | Access::Destinations) => (read.elements, true),
			Some(Access::Reduce { inner, .. }) => (rows, inner == 1),
			Some(Access::Left { .. } | Access::Row { .. }) => (rows, true),
			Some(Access::Right { .. } | Access::Updates { .. }) => (rows, false),
			// Patches overlap.
			Some(Access::Patch(_)) => {
				let taps = self.patches.saturating_mul(self.slice.into());
				(self.elements.saturating_add(taps), false)
			}
		}
	}

	/// Picoseconds to walk through the node once and to evaluate it once.
	pub(crate) fn picoseconds(&self) -> u64 {
		let walked = self.reads.iter().enumerate().map(|(position, read)| {
			let (visited, ascending) = self.visited(position, read);
			let each = match (read.kind, ascending && !read.viewed) {
				(Kind::Constant, _) => 0,
				(Kind::Virtual, true) => PICOSECONDS_PER_LISTED,
				(Kind::Virtual, false) => PICOSECONDS_PER_SORTED,
				(Kind::Committed, true) => PICOSECONDS_PER_NOTED,
				(Kind::Committed, false) => PICOSECONDS_PER_SCATTERED,
			};
			PICOSECONDS_PER_OPERAND.saturating_add(visited.saturating_mul(each))
		});
		walked.fold(PICOSECONDS_PER_NODE, u64::saturating_add).saturating_add(self.evaluation())
	}

	/// Picoseconds to evaluate the node.
	fn evaluation(&self) -> u64 {
		let Self { applied, elements, slice, patches, .. } = *self;
		let of = |position: usize| self.reads.get(position).map_or(0, |read| read.elements);
		let all = self.reads.iter().map(|read| read.elements).fold(0, u64::saturating_add);
		let asked = assay_ops::Asked { elements, slice, patches, reads: [of(0), of(1)], all };
		applied.evaluation_time(&asked)
	}

	/// Bytes that are kept of the node until the tile is done.
	pub(crate) fn held(&self) -> u64 {
		let gathered = match self.applied.content_dependent() {
			Some(_) => GATHERED_BYTES,
			None => 0,
		};
		let around = NODE_BYTES + MAX_OPERANDS.min(self.reads.len()) as u64 * OPERAND_BYTES;
		self.elements.saturating_mul(HELD_BYTES + gathered).saturating_add(around)
	}

	/// Bytes that the node takes beside that, while it is walked through or evaluated.
	pub(crate) fn passing(&self) -> u64 {
		let list =
			|(position, read): (usize, &Read)| match (read.kind, self.applied.access(position)) {
				(Kind::Virtual, Some(Access::Patch(_))) => {
					read.elements.saturating_mul(PATCH_BYTES).saturating_add(PATCH_LIST_BYTES)
				}
				(Kind::Virtual, _) => read.elements.saturating_mul(INDEX_BYTES),
				_ => 0,
			};
		let longest = self.reads.iter().enumerate().map(list).max().unwrap_or(0);
		// The elements, and the rows or columns that they are in.
		let walked = self.elements.saturating_mul(2 * INDEX_BYTES).saturating_add(longest);
		let evaluated = self
			.elements
			.saturating_mul(EVALUATED_BYTES + self.applied.scratch_each())
			.saturating_add(self.applied.scratch());
		walked.max(evaluated)
	}
}

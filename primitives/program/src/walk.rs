//! Which elements of virtual nodes a tile depends on, and which committed tiles it reads.
//!
//! What is held while a graph is walked follows from what is *different* in it: the demands of all
//! that read one node are one list, and of what is committed there are lists of tiles only. The
//! check ([`crate::RefereeCost`]) bounds both for every tile; [`MAX_ELEMENTS`] and [`MAX_LIST`]
//! make an error of what would go beyond any check.

use crate::{
	elements::{NodeElements, Sparse},
	graph::Graph,
	AnchorSource, Limits, RecomputeError, Source,
};
use alloc::{collections::BTreeMap, vec::Vec};
use assay_ops::Layout;
use core::{cmp::Ordering, ops::Range};

/// Most elements of virtual nodes that one walk demands: twice what fits into the scratch of
/// [`Limits::V1`] at the 16 bytes that the check counts for each.
pub(crate) const MAX_ELEMENTS: usize = 2 * Limits::V1.scratch as usize / 16;
/// Longest list of elements, 2 MiB: the scratch of [`Limits::V1`] at four bytes each.
pub(crate) const MAX_LIST: usize = Limits::V1.scratch as usize / 4;
/// Tiles that are noted before they are sorted, 32 KiB.
const NOTED_TILES: usize = 4096;
/// Most committed tiles of one tensor that one walk names: 128 times what fits into one part.
const MAX_TILES: usize = 1 << 16;

/// What a recomputation depends on.
#[derive(Default)]
pub(crate) struct Walk {
	/// Elements of every virtual node, and of the node above which everything is known: ascending.
	pub(crate) demands: BTreeMap<u32, Vec<u32>>,
	/// Committed tiles that follow from the program: ascending, for no tensor none.
	pub(crate) tiles: BTreeMap<Source, Vec<u64>>,
	/// Elements of each node that reads a committed table where bytes say: ascending.
	pub(crate) gathers: BTreeMap<u32, Vec<u32>>,
	/// How many elements `demands` had in the end.
	pub(crate) elements: usize,
}

/// Both of two ascending lists without repeats, each element once. Where one holds the other no
/// third one is made.
pub(crate) fn union<T: Ord + Copy>(one: Vec<T>, other: Vec<T>) -> Vec<T> {
	let (mut a, mut b) = (one.iter().peekable(), other.iter().peekable());
	let mut len = 0;
	while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
		let order = x.cmp(y);
		if order != Ordering::Greater {
			a.next();
		}
		if order != Ordering::Less {
			b.next();
		}
		len += 1;
	}
	len += a.len() + b.len();
	if len == one.len() {
		return one;
	}
	if len == other.len() {
		return other;
	}
	let mut all = Vec::with_capacity(len);
	let (mut a, mut b) = (&one[..], &other[..]);
	while let ([x, more @ ..], [y, rest @ ..]) = (a, b) {
		all.push(*x.min(y));
		if x <= y {
			a = more;
		}
		if y <= x {
			b = rest;
		}
	}
	all.extend_from_slice(a);
	all.extend_from_slice(b);
	all
}

/// Tiles of one tensor as they are come across.
#[derive(Default)]
struct Noted {
	tiles: Vec<u64>,
	/// Those that were sorted before.
	sorted: Vec<u64>,
}

impl Noted {
	fn note(&mut self, tile: u64) {
		// What is more than may be is found out in the end.
		if self.sorted.len() > MAX_TILES {
			return;
		}
		if self.tiles.len() == NOTED_TILES {
			self.settle();
		}
		self.tiles.push(tile);
	}

	fn settle(&mut self) {
		self.tiles.sort_unstable();
		self.tiles.dedup();
		let sorted = core::mem::take(&mut self.sorted);
		self.sorted = union(sorted, self.tiles.clone());
		self.tiles.clear();
	}

	/// All of them, ascending; none if they are more than may be.
	fn take(&mut self) -> Option<Vec<u64>> {
		self.settle();
		Some(core::mem::take(&mut self.sorted)).filter(|tiles| tiles.len() <= MAX_TILES)
	}
}

impl<'a> Graph<'a> {
	/// What `outputs` of node `root` depend on, `root` reduced over `range`; nothing below `known`.
	pub(crate) fn walk(
		&self,
		root: u32,
		outputs: &[u32],
		range: Range<u32>,
		known: Option<u32>,
	) -> Result<Walk, RecomputeError> {
		let mut walk = Walk::default();
		let mut noted = Noted::default();
		self.visit(root, outputs, range, &mut walk, &mut noted)?;
		// What reads a node comes after it, so that the last one is demanded by all that read it.
		let mut next = walk.demands.last_key_value().map(|(index, _)| *index);
		while let Some(index) = next {
			if Some(index) != known {
				let range = 0..self.applied(index)?.reduction();
				// It reads only what comes before it.
				let outputs = walk.demands.remove(&index).unwrap_or_default();
				let visited = self.visit(index, &outputs, range, &mut walk, &mut noted);
				walk.demands.insert(index, outputs);
				visited?;
			}
			next = walk.demands.range(..index).next_back().map(|(index, _)| *index);
		}
		Ok(walk)
	}

	/// Adds what `outputs` of one node read.
	fn visit(
		&self,
		index: u32,
		outputs: &[u32],
		range: Range<u32>,
		walk: &mut Walk,
		noted: &mut Noted,
	) -> Result<(), RecomputeError> {
		let too_much = RecomputeError::TooMuch { node: index };
		let node = self.program.nodes.get(index as usize).ok_or(RecomputeError::Mismatch)?;
		let applied = self.applied(index)?;
		for (position, operand) in node.operands.iter().enumerate() {
			let source = operand.source;
			let ty = self
				.program
				.source_type(source, &self.checked.types)
				.ok_or(RecomputeError::Mismatch)?;
			let layout = Layout { ty, view: operand.view.as_ref() };
			match source {
				Source::Constant(_) => {}
				Source::Node(below) if self.is_virtual(below) => {
					let wanted = walk.demands.entry(below).or_default();
					// All of it cannot become more.
					if wanted.len() == ty.elements() as usize {
						continue;
					}
					let seen = applied.indices_within(position, outputs, range.clone(), MAX_LIST);
					let stored = layout.source_indices(seen.ok_or(too_much)?);
					walk.elements -= wanted.len();
					*wanted = union(core::mem::take(wanted), stored);
					walk.elements += wanted.len();
					if walk.elements > MAX_ELEMENTS {
						return Err(too_much);
					}
				}
				// The check has seen that a table is no virtual node.
				_ if applied.content_dependent().is_some_and(|(table, _)| table == position) => {
					walk.gathers.insert(index, outputs.to_vec());
				}
				_ => {
					let grid = ty.grid();
					applied.stretches(position, outputs, range.clone(), |first, count| {
						layout.visit_tiles(&grid, first, count, |tile| noted.note(tile));
					});
					let read = noted.take().ok_or(too_much)?;
					if !read.is_empty() {
						let all = walk.tiles.entry(source).or_default();
						*all = union(core::mem::take(all), read);
						if all.len() > MAX_TILES {
							return Err(too_much);
						}
					}
				}
			}
		}
		Ok(())
	}

	/// Evaluate the demanded virtual nodes in program order, on top of what is known.
	pub(crate) fn evaluate(
		&self,
		demands: BTreeMap<u32, Vec<u32>>,
		values: &mut BTreeMap<u32, Sparse>,
		tiles: &dyn AnchorSource,
	) -> Result<(), RecomputeError> {
		for (node, indices) in demands {
			let applied = self.applied(node)?;
			let result = self.with(node, values, tiles, |elements| {
				let mut accumulators = applied.init(indices.len());
				applied.absorb(elements, &indices, 0..applied.reduction(), &mut accumulators);
				applied.finish(elements, &indices, &accumulators)
			})?;
			values.insert(node, Sparse { indices, values: result });
		}
		Ok(())
	}

	/// Run `work` on the operands of `node`; an error if it missed a tile.
	pub(crate) fn with<T>(
		&self,
		node: u32,
		values: &BTreeMap<u32, Sparse>,
		tiles: &dyn AnchorSource,
		work: impl FnOnce(&dyn assay_ops::Elements) -> T,
	) -> Result<T, RecomputeError> {
		let elements = NodeElements::new(*self, node, values, tiles)?;
		let result = work(&elements);
		match elements.missing.get() {
			Some((source, tile)) => Err(RecomputeError::MissingTile { source, tile }),
			None => Ok(result),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn union_should_have_each_element_once_when_lists_overlap() {
		let lists: [&[u32]; 6] = [&[], &[1], &[1, 2, 3], &[2, 3, 9], &[0, 4, 8, 9], &[5]];
		for one in lists {
			for other in lists {
				let mut expected = [one, other].concat();
				expected.sort();
				expected.dedup();
				let found = union(one.to_vec(), other.to_vec());
				assert_eq!(found, expected);
				assert!(found.capacity() <= expected.len().max(one.len()).max(other.len()));
			}
		}
	}

	#[test]
	fn noted_tiles_should_take_bounded_room_when_the_same_ones_come_again() {
		let mut noted = Noted::default();
		for at in 0..1_000_000u64 {
			noted.note(at * 7919 % 300);
			assert!(noted.tiles.capacity() <= NOTED_TILES && noted.sorted.len() <= 300);
		}
		noted.settle();
		assert_eq!(noted.sorted, (0..300).collect::<Vec<u64>>());
	}
}

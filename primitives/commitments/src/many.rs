//! Openings of several leaves of one tree at once.

use crate::{
	tree::{height, nodes_at},
	Hash, Tree,
};
use alloc::vec::Vec;

/// Whether these are leaves of a tree of `count`: at least one, strictly ascending.
fn are_leaves(count: u64, indices: impl Iterator<Item = u64>) -> bool {
	let mut last = None;
	for index in indices {
		if index >= count || last.is_some_and(|last| last >= index) {
			return false;
		}
		last = Some(index);
	}
	last.is_some()
}

/// The siblings that show the leaves `indices` (strictly ascending) of a tree of `count` leaves.
///
/// Level by level from the leaves up, on each level from left to right, every sibling that does not
/// follow from the leaves. `node(level, index)` gives the value of a node (level 0: [`Tree::leaf`]
/// of a leaf) and is asked for nothing else. `None` for no or wrong indices, or where `node` gives
/// nothing.
pub fn open_many_with(
	count: u64,
	indices: &[u64],
	mut node: impl FnMut(u32, u64) -> Option<Hash>,
) -> Option<Vec<Hash>> {
	let height = height(count)?;
	if !are_leaves(count, indices.iter().copied()) {
		return None;
	}
	let mut known = indices.to_vec();
	let mut siblings = Vec::new();
	for level in 0..height {
		let nodes = nodes_at(count, level)?;
		let mut at = 0;
		let mut above = 0;
		while let Some(&index) = known.get(at) {
			at += 1;
			let sibling = index ^ 1;
			// A left sibling that is known was the one before, and has taken this one with it.
			if known.get(at) == Some(&sibling) {
				at += 1;
			} else if sibling < nodes {
				siblings.push(node(level, sibling)?);
			}
			known[above] = index >> 1;
			above += 1;
		}
		known.truncate(above);
	}
	Some(siblings)
}

/// [`open_many_with`] from all leaves of the tree, as [`crate::open`] takes them.
pub fn open_many(tree: Tree, leaves: &[Hash], indices: &[u64]) -> Option<Vec<Hash>> {
	let count = leaves.len() as u64;
	let height = height(count)?;
	let mut levels: Vec<Vec<Hash>> = Vec::with_capacity(height as usize + 1);
	levels.push(leaves.iter().map(|leaf| tree.leaf(leaf)).collect());
	for level in 0..height {
		let mut nodes = levels.last()?.clone();
		tree.pair(&mut nodes, level + 1 == height);
		levels.push(nodes);
	}
	open_many_with(count, indices, |level, index| {
		levels.get(level as usize)?.get(usize::try_from(index).ok()?).copied()
	})
}

/// The root that leaves (position and value, positions strictly ascending) and their siblings lead
/// to.
///
/// Takes at most one hash for each leaf and level, and memory for the leaves. `None` if a position
/// does not exist or is out of order, if there is no leaf, or if there are too few or too many
/// siblings.
pub fn fold_many(
	tree: Tree,
	count: u64,
	leaves: &[(u64, Hash)],
	siblings: &[Hash],
) -> Option<Hash> {
	let height = height(count)?;
	if !are_leaves(count, leaves.iter().map(|(index, _)| *index)) {
		return None;
	}
	let mut known: Vec<(u64, Hash)> =
		leaves.iter().map(|(index, leaf)| (*index, tree.leaf(leaf))).collect();
	let mut siblings = siblings.iter();
	for level in 0..height {
		let nodes = nodes_at(count, level)?;
		let top = level + 1 == height;
		let mut at = 0;
		let mut above = 0;
		while let Some(&(index, value)) = known.get(at) {
			at += 1;
			let sibling = index ^ 1;
			let value = match known.get(at) {
				Some((next, right)) if *next == sibling => {
					at += 1;
					tree.node(&value, right, top)
				}
				_ if sibling >= nodes => value,
				_ if sibling < index => tree.node(siblings.next()?, &value, top),
				_ => tree.node(&value, siblings.next()?, top),
			};
			known[above] = (index >> 1, value);
			above += 1;
		}
		known.truncate(above);
	}
	let [(0, root)] = known[..] else { return None };
	siblings.next().is_none().then_some(root)
}

/// Whether these leaves (position and value, positions strictly ascending) are in the tree of
/// `count` leaves under `root`. For [`Tree::Tensor`] a value is a [`crate::chunk_value`], otherwise
/// the root that the tree lists. All siblings must be used, so that with root, count and positions
/// fixed only one list of leaves and siblings is accepted.
pub fn verify_many(
	tree: Tree,
	root: &Hash,
	count: u64,
	leaves: &[(u64, Hash)],
	siblings: &[Hash],
) -> bool {
	fold_many(tree, count, leaves, siblings).is_some_and(|value| value == *root)
}

//! The provider's tree, as far as a challenger knows it.

use alloc::{collections::BTreeMap, vec, vec::Vec};
use assay_commitments::{
	chunk_value, height, open_many_with, top_level, verify_group, Hash, Path, Tree, CHUNK_BYTES,
	GROUP_CHILDREN, GROUP_LEVELS,
};

/// The nodes of `height` levels above `leaves`, lowest first; `top` says that the last one is the
/// root of the whole tree.
fn levels(tree: Tree, leaves: Vec<Hash>, height: u32, top: bool) -> Vec<Vec<Hash>> {
	let mut levels = vec![leaves];
	for level in 0..height {
		let root = top && level + 1 == height;
		let above = levels.last().map(|below| {
			below
				.chunks(2)
				.map(|pair| match pair {
					[left, right] => tree.node(left, right, root),
					// An odd last node moves up unchanged.
					_ => pair.first().copied().unwrap_or_default(),
				})
				.collect()
		});
		levels.extend(above);
	}
	levels
}

/// A group that the provider has opened: its children as they were given, and the nodes from them
/// up to its parent.
#[derive(Clone, Debug)]
struct Group {
	children: Vec<Hash>,
	nodes: Vec<Vec<Hash>>,
}

/// One of the provider's trees, as far as a challenger knows it: the groups that it has opened, and
/// the challenger's own leaves wherever the two are known to agree.
///
/// Groups that were opened on the way to the first difference fix everything on that way and to its
/// right that a path needs; what is wholly to the left of it is the challenger's own.
#[derive(Clone, Debug)]
pub struct OpenedTree {
	tree: Tree,
	root: Hash,
	leaves: Vec<Hash>,
	/// Nodes over the challenger's own leaves.
	own: Vec<Vec<Hash>>,
	/// Leaves from the left that the provider has as the challenger does.
	equal: u64,
	/// By level of the children and index.
	groups: BTreeMap<(u32, u64), Group>,
}

impl OpenedTree {
	/// The tree under the provider's `root`, by a challenger whose own leaves are `leaves`, all of
	/// them and as [`assay_commitments::open`] takes them. `None` without leaves.
	pub fn new(tree: Tree, root: Hash, leaves: Vec<Hash>) -> Option<Self> {
		let count = leaves.len() as u64;
		let height = height(count)?;
		let own = levels(tree, leaves.iter().map(|leaf| tree.leaf(leaf)).collect(), height, true);
		let same = own.last().and_then(|top| top.first()) == Some(&root);
		let equal = if same { count } else { 0 };
		Some(Self { tree, root, leaves, own, equal, groups: BTreeMap::new() })
	}

	/// The tree of a tensor under the provider's `root`, by a challenger whose own canonical bytes
	/// are these. `None` if they are not one or more whole chunks.
	pub fn of_tensor(root: Hash, canonical: &[u8]) -> Option<Self> {
		if !canonical.len().is_multiple_of(CHUNK_BYTES) {
			return None;
		}
		let count = (canonical.len() / CHUNK_BYTES) as u64;
		let leaves = (0..count)
			.zip(canonical.chunks_exact(CHUNK_BYTES))
			.map(|(index, chunk)| chunk_value(count, index, chunk))
			.collect::<Option<_>>()?;
		Self::new(Tree::Tensor, root, leaves)
	}

	/// The provider's root.
	pub fn root(&self) -> &Hash {
		&self.root
	}

	/// Number of leaves.
	pub fn count(&self) -> u64 {
		self.leaves.len() as u64
	}

	/// Take a group that the provider has opened, `level` and `index` as in
	/// [`assay_commitments::group_len`]. Groups come from the top down; the first ones below a root
	/// that equals the own one, or below a node that does, are not needed. `false`, and nothing
	/// changes, for children that do not lead to their parent, and for a group whose parent is
	/// unknown.
	pub fn add(&mut self, level: u32, index: u64, children: &[Hash]) -> bool {
		let count = self.count();
		let (Some(height), Some(top)) = (height(count), top_level(count)) else { return false };
		let parent = if level == top && index == 0 {
			Some(self.root)
		} else {
			level.checked_add(GROUP_LEVELS).and_then(|above| self.node(above, index))
		};
		let Some(parent) = parent else { return false };
		if !verify_group(self.tree, &parent, count, level, index, children) {
			return false;
		}
		let mut nodes = children.to_vec();
		if level == 0 {
			nodes.iter_mut().for_each(|node| *node = self.tree.leaf(node));
		}
		let above = GROUP_LEVELS.min(height - level.min(height));
		let nodes = levels(self.tree, nodes, above, level + above == height);
		self.groups.insert((level, index), Group { children: children.to_vec(), nodes });
		self.compare(level, index);
		true
	}

	/// Learn from an opened group how far the two trees agree.
	fn compare(&mut self, level: u32, index: u64) {
		let count = self.count();
		let first = index << GROUP_LEVELS << level;
		if first > self.equal {
			return;
		}
		let same = self.first_difference(level, index).map_or(GROUP_CHILDREN as u64, u64::from);
		self.equal = self.equal.max(count.min(first + (same << level)));
	}

	/// The first child of an opened group that differs from the challenger's own; `None` if none
	/// does, or the group was not opened.
	pub fn first_difference(&self, level: u32, index: u64) -> Option<u32> {
		let group = self.groups.get(&(level, index))?;
		let own = self.own.get(level as usize)?;
		let first = (index << GROUP_LEVELS) as usize;
		let nodes = group.nodes.first()?;
		let differs = |(at, node): (usize, &Hash)| own.get(first + at) != Some(node);
		nodes.iter().enumerate().position(differs).map(|at| at as u32)
	}

	/// A node of the provider's tree, where it is known.
	pub fn node(&self, level: u32, index: u64) -> Option<Hash> {
		let row = self.own.get(level as usize)?;
		let at = usize::try_from(index).ok().filter(|at| *at < row.len())?;
		let end = (index + 1).checked_shl(level)?.min(self.count());
		if end <= self.equal {
			return row.get(at).copied();
		}
		if level + 1 == self.own.len() as u32 {
			return Some(self.root);
		}
		// As one of the nodes of the group around it.
		let base = level / GROUP_LEVELS * GROUP_LEVELS;
		let up = level - base;
		let group = index >> (GROUP_LEVELS - up);
		let nodes = self.groups.get(&(base, group))?.nodes.get(up as usize)?;
		nodes.get((index - (group << (GROUP_LEVELS - up))) as usize).copied()
	}

	/// A leaf of the provider's tree as [`assay_commitments::verify`] takes it, where it is known.
	pub fn leaf(&self, index: u64) -> Option<Hash> {
		let at = usize::try_from(index).ok()?;
		if index < self.equal {
			return self.leaves.get(at).copied();
		}
		if let Some(group) = self.groups.get(&(0, index >> GROUP_LEVELS)) {
			return group.children.get(at % GROUP_CHILDREN).copied();
		}
		// The only chunk of a tensor is its root.
		(self.tree == Tree::Tensor && self.count() == 1 && index == 0).then_some(self.root)
	}

	/// The siblings that show these leaves (strictly ascending) of the provider's tree, where they
	/// are known.
	pub fn open_many(&self, indices: &[u64]) -> Option<Vec<Hash>> {
		open_many_with(self.count(), indices, |level, index| self.node(level, index))
	}

	/// A leaf of the provider's tree with its path, where both are known.
	pub fn open(&self, index: u64) -> Option<(Hash, Path)> {
		Some((self.leaf(index)?, Path { siblings: self.open_many(&[index])? }))
	}
}

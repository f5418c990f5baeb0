//! Left-balanced trees: shapes, paths and groups, for all three kinds of tree.

use crate::Hash;
use alloc::vec::Vec;
use blake3::hazmat::{merge_subtrees_non_root, merge_subtrees_root, ContextKey, HasherExt, Mode};
use codec::{Compact, Decode, DecodeWithMemTracking, Encode, Error, Input};
use scale_info::TypeInfo;

/// Levels of the tree that one group spans.
pub const GROUP_LEVELS: u32 = 8;
/// Most children that a group has.
pub const GROUP_CHILDREN: usize = 1 << GROUP_LEVELS;
/// Most chunks that BLAKE3 can count: its input is shorter than 2^64 bytes.
pub const MAX_CHUNKS: u64 = 1 << 54;
/// Most siblings that a path can have: the height of the tallest tree.
pub const MAX_PATH: usize = MAX_CHUNKS.trailing_zeros() as usize;

/// The three kinds of tree, each with its own hash domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Tree {
	/// Chunks of one tensor; BLAKE3's own tree.
	#[codec(index = 0)]
	Tensor,
	/// Anchor roots of one step.
	#[codec(index = 1)]
	Trace,
	/// Trace roots of the steps of a run.
	#[codec(index = 2)]
	Run,
}

/// What `hash_derive_key_context` gives for the context strings below, computed once so that the
/// runtime does not hash the strings again for every node.
pub(crate) mod context {
	use super::ContextKey;
	use hex_literal::hex;

	macro_rules! contexts {
		($($name:ident = $text:literal, $key:expr;)*) => {
			$(pub const $name: ContextKey = $key;)*
			#[cfg(test)]
			pub const ALL: &[(&str, ContextKey)] = &[$(($text, $name)),*];
		};
	}

	contexts! {
		TRACE_LEAF =
			"assay 2026-11-21 trace tree leaf v1",
			hex!("598a67cdeddc149e716e8985adc589f10c231879d75b1ec398e7ca85aa17a1e5");
		TRACE_NODE =
			"assay 2026-11-21 trace tree node v1",
			hex!("8404d6bc7889a020fbfed7ecb014e7fa4606b40731da0a04fb2a5144d0952043");
		RUN_LEAF =
			"assay 2026-11-21 run tree leaf v1",
			hex!("844acf0311ca3d74081ad69691900dc0812e7148bcd2cf1d85d1f53d784aef77");
		RUN_NODE =
			"assay 2026-11-21 run tree node v1",
			hex!("fb58d5c6c9351594b843e1049bfd6e2105267a7ae058af5ac4c3d91b152388d1");
		RESULT =
			"assay 2026-11-29 result commitment v2",
			hex!("8f2554604134178e8ee60caff1a5dab8d5b94772eb94e68dadc12639afdb580d");
		VERDICT =
			"assay 2026-11-29 verdict commitment v2",
			hex!("f5062bb2365cfdd1c89807b879ce6e7cd2b5ca987c9d7b0771f8bd5086371550");
		DECOY_SEAL =
			"assay 2026-11-21 decoy seal v1",
			hex!("772d98cc7c2165b2b8f6334005978cce23a4889730be7ed3a5ea849cedffbeb1");
	}
}

/// `derive_key` of the concatenated parts under a pre-hashed context.
pub(crate) fn derive(key: &ContextKey, parts: &[&[u8]]) -> Hash {
	let mut hasher = blake3::Hasher::new_from_context_key(key);
	for part in parts {
		hasher.update(part);
	}
	*hasher.finalize().as_bytes()
}

impl Tree {
	/// The value at level 0 of a leaf as callers give it: a chunk value stays as it is, a root is
	/// hashed.
	pub fn leaf(self, leaf: &Hash) -> Hash {
		match self {
			Tree::Tensor => *leaf,
			Tree::Trace => derive(&context::TRACE_LEAF, &[leaf]),
			Tree::Run => derive(&context::RUN_LEAF, &[leaf]),
		}
	}

	/// The value of an inner node. `top` says that it is the root of the whole tree.
	pub fn node(self, left: &Hash, right: &Hash, top: bool) -> Hash {
		match self {
			Tree::Tensor if top => *merge_subtrees_root(left, right, Mode::Hash).as_bytes(),
			Tree::Tensor => merge_subtrees_non_root(left, right, Mode::Hash),
			Tree::Trace => derive(&context::TRACE_NODE, &[left, right]),
			Tree::Run => derive(&context::RUN_NODE, &[left, right]),
		}
	}

	/// Pairs the nodes of one level into the next, in place. `top` as for [`Tree::node`].
	pub(crate) fn pair(self, nodes: &mut Vec<Hash>, top: bool) {
		let pairs = nodes.len() / 2;
		for i in 0..pairs {
			nodes[i] = self.node(&nodes[2 * i], &nodes[2 * i + 1], top);
		}
		if nodes.len() % 2 == 1 {
			nodes[pairs] = nodes[nodes.len() - 1];
		}
		nodes.truncate(nodes.len().div_ceil(2));
	}
}

/// Levels above the leaves in a tree of `count` leaves, `None` unless 1 ≤ `count` ≤ [`MAX_CHUNKS`].
pub fn height(count: u64) -> Option<u32> {
	(1..=MAX_CHUNKS).contains(&count).then(|| u64::BITS - (count - 1).leading_zeros())
}

/// Nodes at `level` (0 = leaves) of a tree of `count` leaves, `None` for a level above the root.
pub fn nodes_at(count: u64, level: u32) -> Option<u64> {
	(level <= height(count)?).then(|| count.div_ceil(1 << level))
}

/// The level of the children in the group right below the root of a tree of `count` leaves: where a
/// descent starts. Each further group is [`GROUP_LEVELS`] lower, the last one is at level 0.
pub fn top_level(count: u64) -> Option<u32> {
	Some(height(count)?.saturating_sub(1) / GROUP_LEVELS * GROUP_LEVELS)
}

/// Children of group `index` at `level`, the level of the children: a multiple of [`GROUP_LEVELS`]
/// not above [`top_level`]. The group's parent is node `index`, [`GROUP_LEVELS`] higher, or the
/// root.
pub fn group_len(count: u64, level: u32, index: u64) -> Option<usize> {
	if !level.is_multiple_of(GROUP_LEVELS) || level > top_level(count)? {
		return None;
	}
	let first = index.checked_mul(GROUP_CHILDREN as u64)?;
	let rest = nodes_at(count, level)?.checked_sub(first).filter(|rest| *rest > 0)?;
	Some(rest.min(GROUP_CHILDREN as u64) as usize)
}

/// The sibling values from a leaf to the root, lowest first. A level at which the node is an odd
/// last one has no sibling, so the length follows from index and count.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, TypeInfo)]
pub struct Path {
	/// One value per level at which the node has a sibling.
	pub siblings: Vec<Hash>,
}

impl Decode for Path {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let len = Compact::<u32>::decode(input)?.0 as usize;
		if len > MAX_PATH {
			return Err("path longer than any tree is high".into());
		}
		input.on_before_alloc_mem(len * size_of::<Hash>())?;
		let siblings = (0..len).map(|_| Hash::decode(input)).collect::<Result<_, _>>()?;
		Ok(Path { siblings })
	}
}

impl DecodeWithMemTracking for Path {}

/// The root that a leaf at `index` of `count` and its path lead to, `None` if the position does not
/// exist or the path has another length than the shape gives.
pub fn fold(tree: Tree, index: u64, count: u64, leaf: &Hash, path: &Path) -> Option<Hash> {
	let height = height(count)?;
	if index >= count {
		return None;
	}
	let mut siblings = path.siblings.iter();
	let mut value = tree.leaf(leaf);
	for level in 0..height {
		let (here, nodes) = (index >> level, nodes_at(count, level)?);
		let top = level + 1 == height;
		if here % 2 == 1 {
			value = tree.node(siblings.next()?, &value, top);
		} else if here + 1 < nodes {
			value = tree.node(&value, siblings.next()?, top);
		}
	}
	siblings.next().is_none().then_some(value)
}

/// Whether `leaf` is at `index` of the `count` leaves under `root`. For [`Tree::Tensor`] the leaf
/// is a [`crate::chunk_value`], otherwise the root that the tree lists.
pub fn verify(tree: Tree, root: &Hash, index: u64, count: u64, leaf: &Hash, path: &Path) -> bool {
	fold(tree, index, count, leaf, path).is_some_and(|value| value == *root)
}

/// The path of leaf `index`. `None` if there is no such leaf.
pub fn open(tree: Tree, leaves: &[Hash], index: u64) -> Option<Path> {
	let height = height(leaves.len() as u64)?;
	if index >= leaves.len() as u64 {
		return None;
	}
	let mut nodes: Vec<Hash> = leaves.iter().map(|leaf| tree.leaf(leaf)).collect();
	let mut siblings = Vec::new();
	for level in 0..height {
		siblings.extend(nodes.get(((index >> level) ^ 1) as usize));
		tree.pair(&mut nodes, level + 1 == height);
	}
	Some(Path { siblings })
}

/// The root over `leaves`, `None` if there are none.
pub fn root(tree: Tree, leaves: &[Hash]) -> Option<Hash> {
	let height = height(leaves.len() as u64)?;
	let mut nodes: Vec<Hash> = leaves.iter().map(|leaf| tree.leaf(leaf)).collect();
	for level in 0..height {
		tree.pair(&mut nodes, level + 1 == height);
	}
	nodes.first().copied()
}

/// The root of one step's trace: over the roots of its eager anchors, in program order.
///
/// A checked program has at least one anchor. The root of none is a value that no position opens.
pub fn trace_root(anchors: &[Hash]) -> Hash {
	root(Tree::Trace, anchors).unwrap_or_else(|| derive(&context::TRACE_LEAF, &[]))
}

/// The root of a whole run: over the trace roots of its steps. Empty as for [`trace_root`].
pub fn run_root(traces: &[Hash]) -> Hash {
	root(Tree::Run, traces).unwrap_or_else(|| derive(&context::RUN_LEAF, &[]))
}

/// The children of group `index` at `level`, from all leaves of the tree. For the chunks of a
/// tensor [`crate::open_tensor_group`] needs no list of chunk values.
pub fn open_group(tree: Tree, leaves: &[Hash], level: u32, index: u64) -> Option<Vec<Hash>> {
	let len = group_len(leaves.len() as u64, level, index)?;
	let first = (index as usize).checked_mul(GROUP_CHILDREN)?;
	if level == 0 {
		return leaves.get(first..first + len).map(<[_]>::to_vec);
	}
	// Below the top level nothing is flagged as root.
	let mut nodes: Vec<Hash> = leaves.iter().map(|leaf| tree.leaf(leaf)).collect();
	for _ in 0..level {
		tree.pair(&mut nodes, false);
	}
	nodes.get(first..first + len).map(<[_]>::to_vec)
}

/// Whether `children` are the children of group `index` at `level` below `parent`, in a tree of
/// `count` leaves. `parent` is the root where `level` is [`top_level`], else the child at `index`
/// of the level [`GROUP_LEVELS`] higher.
pub fn verify_group(
	tree: Tree,
	parent: &Hash,
	count: u64,
	level: u32,
	index: u64,
	children: &[Hash],
) -> bool {
	group_parent(tree, count, level, index, children) == Some(*parent)
}

/// The parent that these children of group `index` at `level` have, in a tree of `count` leaves.
/// `None` where there is no such group, or for too few or too many children.
pub(crate) fn group_parent(
	tree: Tree,
	count: u64,
	level: u32,
	index: u64,
	children: &[Hash],
) -> Option<Hash> {
	let height = height(count)?;
	if children.len() != group_len(count, level, index)? {
		return None;
	}
	let mut nodes = children.to_vec();
	if level == 0 {
		nodes.iter_mut().for_each(|node| *node = tree.leaf(node));
	}
	for level in level..height.min(level + GROUP_LEVELS) {
		tree.pair(&mut nodes, level + 1 == height);
	}
	match nodes[..] {
		[parent] => Some(parent),
		_ => None,
	}
}

#[cfg(test)]
mod tests {
	#[test]
	fn context_keys_should_equal_the_hash_of_their_context_strings() {
		for (text, key) in super::context::ALL {
			let expected = blake3::hazmat::hash_derive_key_context(text);
			assert_eq!(*key, expected, "{text}: {expected:?}");
		}
	}
}

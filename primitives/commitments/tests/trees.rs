//! Roots against an independent definition, and openings against every change.

use assay_commitments::*;
use codec::{Compact, Decode, Encode};
use proptest::prelude::*;

const CONTEXTS: [[&str; 2]; 2] = [
	["assay 2026-11-21 trace tree leaf v1", "assay 2026-11-21 trace tree node v1"],
	["assay 2026-11-21 run tree leaf v1", "assay 2026-11-21 run tree node v1"],
];

/// The definition in words of the BLAKE3 specification: the left subtree is the largest power of
/// two that leaves something to the right.
fn defined_root([leaf, node]: [&str; 2], leaves: &[Hash]) -> Hash {
	if leaves.len() == 1 {
		return blake3::derive_key(leaf, &leaves[0]);
	}
	let left = leaves.len().next_power_of_two() / 2;
	let (left, right) = leaves.split_at(left);
	let children = [defined_root([leaf, node], left), defined_root([leaf, node], right)];
	blake3::derive_key(node, &children.concat())
}

fn leaves(count: usize, seed: u64) -> Vec<Hash> {
	let mut bytes = vec![0; count * 32];
	blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
	bytes.chunks_exact(32).map(|leaf| leaf.try_into().unwrap()).collect()
}

fn tensor(chunks: u64, seed: u64) -> Vec<u8> {
	let mut bytes = vec![0; chunks as usize * CHUNK_BYTES];
	blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
	bytes
}

fn tile(bytes: &[u8], index: u64) -> &[u8] {
	&bytes[index as usize * CHUNK_BYTES..][..CHUNK_BYTES]
}

fn kind() -> impl Strategy<Value = Tree> {
	prop_oneof![Just(Tree::Trace), Just(Tree::Run)]
}

/// Walks from the root down to a leaf by groups only, checking each; returns the number of groups.
fn descend(
	tree: Tree,
	root: Hash,
	count: u64,
	at: u64,
	open: impl Fn(u32, u64) -> Vec<Hash>,
) -> u32 {
	let (mut parent, mut level, mut groups) = (root, top_level(count).unwrap(), 1);
	loop {
		let index = at >> (level + GROUP_LEVELS);
		let children = open(level, index);
		assert!(verify_group(tree, &parent, count, level, index, &children));
		parent = children[(at >> level) as usize % GROUP_CHILDREN];
		if level == 0 {
			return groups;
		}
		level -= GROUP_LEVELS;
		groups += 1;
	}
}

#[test]
fn roots_should_equal_the_recursive_definition_for_every_count_up_to_600() {
	let all = leaves(600, 1);
	for count in 1..=600 {
		assert_eq!(trace_root(&all[..count]), defined_root(CONTEXTS[0], &all[..count]), "{count}");
		assert_eq!(run_root(&all[..count]), defined_root(CONTEXTS[1], &all[..count]), "{count}");
	}
}

#[test]
fn tensor_trees_should_equal_plain_blake3_for_every_count_up_to_70() {
	for chunks in 1..=70 {
		let bytes = tensor(chunks, chunks);
		let root = *blake3::hash(&bytes).as_bytes();
		let values: Vec<Hash> =
			(0..chunks).map(|i| chunk_value(chunks, i, tile(&bytes, i)).unwrap()).collect();
		assert_eq!(assay_commitments::root(Tree::Tensor, &values), Some(root), "{chunks}");
		assert_eq!(tensor_root(&bytes), root);
		for index in 0..chunks {
			let path = open_tile(&bytes, index).unwrap();
			assert_eq!(Some(&path), open(Tree::Tensor, &values, index).as_ref());
			assert!(verify_tile(&root, chunks, index, tile(&bytes, index), &path));
		}
	}
}

#[test]
fn a_single_chunk_should_be_its_own_root_and_have_no_chunk_value() {
	let bytes = tensor(1, 9);
	let root = tensor_root(&bytes);
	let empty = Path::default();
	assert_eq!(open_tile(&bytes, 0), Some(empty.clone()));
	assert_eq!(chunk_value(1, 0, &bytes), Some(root));
	assert_ne!(chunk_value(2, 0, &bytes), Some(root), "the chunk value has no ROOT flag");
	assert!(verify_tile(&root, 1, 0, &bytes, &empty));
	assert!(!verify_tile(&chunk_value(2, 0, &bytes).unwrap(), 1, 0, &bytes, &empty));
	assert_eq!(open_tensor_group(&bytes, 0, 0), Some(vec![root]));
	assert!(verify_group(Tree::Tensor, &root, 1, 0, 0, &[root]));
	assert!(!verify_group(Tree::Tensor, &root, 1, 0, 0, &[root, root]));
	assert!(!verify_group(Tree::Tensor, &root, 1, 8, 0, &[root]));
}

#[test]
fn equal_tiles_at_different_positions_should_not_be_interchangeable() {
	let bytes = vec![7; 8 * CHUNK_BYTES];
	let root = tensor_root(&bytes);
	let tile = &bytes[..CHUNK_BYTES];
	for from in 0..8 {
		let path = open_tile(&bytes, from).unwrap();
		for to in 0..8 {
			assert_eq!(verify_tile(&root, 8, to, tile, &path), from == to, "{from} as {to}");
		}
	}
}

#[test]
fn shapes_out_of_range_should_have_no_opening() {
	let path = Path::default();
	assert_eq!(height(0), None);
	assert_eq!(height(MAX_CHUNKS), Some(MAX_PATH as u32));
	assert_eq!(height(MAX_CHUNKS + 1), None);
	assert_eq!(root(Tree::Run, &[]), None);
	assert_eq!(open(Tree::Run, &[], 0), None);
	assert_eq!(open(Tree::Run, &[[0; 32]], 1), None);
	assert_eq!(open_group(Tree::Run, &[], 0, 0), None);
	for count in [0, 1, 2, 257, MAX_CHUNKS, MAX_CHUNKS + 1, u64::MAX] {
		for index in [0, 1, count.wrapping_sub(1), count, u64::MAX] {
			for tree in [Tree::Tensor, Tree::Trace, Tree::Run] {
				assert!(!verify(tree, &[0; 32], index, count, &[1; 32], &path));
				for level in [0, 1, 7, 8, 56, 64, u32::MAX] {
					assert!(!verify_group(tree, &[0; 32], count, level, index, &[]));
					assert!(!verify_group(tree, &[0; 32], count, level, index, &[[1; 32]]));
				}
			}
			assert_eq!(chunk_value(count, index, &[0; 1023]), None);
			assert!(!verify_tile(&[0; 32], count, index, &[0; 1024], &path));
		}
	}
	assert_eq!(chunk_value(MAX_CHUNKS, MAX_CHUNKS, &[0; 1024]), None);
	assert!(chunk_value(MAX_CHUNKS, MAX_CHUNKS - 1, &[0; 1024]).is_some());
	for ragged in [0, 1, 1023, 1025] {
		assert_eq!(open_tile(&vec![0; ragged], 0), None);
		assert_eq!(open_tensor_group(&vec![0; ragged], 0, 0), None);
		assert_eq!(tensor_node(&vec![0; ragged], 0, 0), None);
	}
}

#[test]
fn roots_of_nothing_should_open_at_no_position() {
	for (tree, empty) in [(Tree::Trace, trace_root(&[])), (Tree::Run, run_root(&[]))] {
		assert!(!verify(tree, &empty, 0, 0, &[0; 32], &Path::default()));
		assert!(!verify(tree, &empty, 0, 1, &[0; 32], &Path::default()));
	}
	assert_ne!(trace_root(&[]), run_root(&[]));
}

#[test]
fn tree_kinds_should_have_domains_of_their_own() {
	let leaves = leaves(5, 3);
	let roots: Vec<_> =
		[Tree::Tensor, Tree::Trace, Tree::Run].map(|tree| root(tree, &leaves).unwrap()).into();
	assert!(roots[0] != roots[1] && roots[1] != roots[2] && roots[0] != roots[2]);
	// An inner node is no leaf: the root over two nodes is not the root over their four leaves.
	let inner = [trace_root(&leaves[..2]), trace_root(&leaves[2..4])];
	assert_ne!(trace_root(&inner), trace_root(&leaves[..4]));
}

#[test]
fn hasher_should_refuse_a_length_that_the_shape_does_not_give() {
	let bytes = tensor(3, 5);
	let mut hasher = TensorHasher::new();
	assert_eq!(hasher.finish(0), None);
	for piece in bytes.chunks(700) {
		hasher.update(piece);
	}
	assert_eq!(hasher.finish(3), Some(tensor_root(&bytes)));
	assert_eq!((hasher.finish(2), hasher.finish(4), hasher.finish(u64::MAX)), (None, None, None));
	hasher.update(&[0]);
	assert_eq!(hasher.finish(3), None);
}

#[test]
fn path_should_be_refused_when_longer_than_any_tree_is_high() {
	let path = Path { siblings: vec![[3; 32]; MAX_PATH] };
	let bytes = path.encode();
	assert_eq!(Path::decode(&mut &bytes[..]), Ok(path));
	for cut in 0..bytes.len() {
		assert!(Path::decode(&mut &bytes[..cut]).is_err());
	}
	assert!(Path::decode(&mut &vec![[3u8; 32]; MAX_PATH + 1].encode()[..]).is_err());
	assert!(Path::decode(&mut &Compact(u32::MAX).encode()[..]).is_err());
}

#[test]
fn commitments_should_change_with_each_thing_they_bind() {
	type Commitment = fn(&Hash, &Hash, &Hash, &Hash, &Hash) -> Hash;
	let base = ([1; 32], [7; 32], [2; 32], [3; 32], [4; 32]);
	let of = |f: Commitment, x: (Hash, Hash, Hash, Hash, Hash)| f(&x.0, &x.1, &x.2, &x.3, &x.4);
	let mut seen = vec![];
	for f in [result_commitment as Commitment, verdict_commitment] {
		seen.push(of(f, base));
		seen.push(of(f, ([9; 32], base.1, base.2, base.3, base.4)));
		seen.push(of(f, (base.0, [8; 32], base.2, base.3, base.4)));
		seen.push(of(f, (base.0, base.1, [9; 32], base.3, base.4)));
		seen.push(of(f, (base.0, base.1, base.2, [9; 32], base.4)));
		seen.push(of(f, (base.0, base.1, base.2, base.3, [9; 32])));
	}
	let all = seen.len();
	seen.sort();
	seen.dedup();
	assert_eq!((seen.len(), all), (12, 12));
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(96))]

	#[test]
	fn hasher_should_give_the_root_when_bytes_arrive_in_any_pieces(
		chunks in 1u64..20, seed: u64, pieces in prop::collection::vec(1usize..3000, 1..40),
	) {
		let bytes = tensor(chunks, seed);
		let (mut hasher, mut rest) = (TensorHasher::new(), &bytes[..]);
		for piece in pieces.iter().cycle() {
			let (now, later) = rest.split_at(rest.len().min(*piece));
			hasher.update(now);
			rest = later;
			if rest.is_empty() {
				break;
			}
		}
		prop_assert_eq!(hasher.finish(chunks), Some(*blake3::hash(&bytes).as_bytes()));
	}

	#[test]
	fn path_should_verify_only_as_it_was_opened(
		tree in kind(), count in 1usize..700, at: prop::sample::Index, seed: u64,
		bit in 0usize..256, which: prop::sample::Index, other in 0u64..800,
	) {
		let leaves = leaves(count, seed);
		let root = root(tree, &leaves).unwrap();
		let (count, index) = (count as u64, at.index(count) as u64);
		let leaf = leaves[index as usize];
		let path = open(tree, &leaves, index).unwrap();
		prop_assert!(verify(tree, &root, index, count, &leaf, &path));

		let flip = |mut value: Hash| { value[bit / 8] ^= 1 << (bit % 8); value };
		prop_assert!(!verify(tree, &root, index, count, &flip(leaf), &path));
		prop_assert!(!verify(tree, &flip(root), index, count, &leaf, &path));
		if other != index {
			prop_assert!(!verify(tree, &root, other, count, &leaf, &path));
		}
		let other_tree = if tree == Tree::Run { Tree::Trace } else { Tree::Run };
		prop_assert!(!verify(other_tree, &root, index, count, &leaf, &path));
		let mut longer = path.clone();
		longer.siblings.push(root);
		prop_assert!(!verify(tree, &root, index, count, &leaf, &longer));
		if !path.siblings.is_empty() {
			let mut changed = path.clone();
			let which = which.index(changed.siblings.len());
			changed.siblings[which] = flip(changed.siblings[which]);
			prop_assert!(!verify(tree, &root, index, count, &leaf, &changed));
			let mut shorter = path.clone();
			shorter.siblings.remove(which);
			prop_assert!(!verify(tree, &root, index, count, &leaf, &shorter));
		}
	}

	#[test]
	fn tile_should_verify_only_as_it_was_opened(
		chunks in 1u64..40, at: prop::sample::Index, seed: u64,
		bit in 0usize..8192, which: prop::sample::Index, other in 0u64..50,
	) {
		let bytes = tensor(chunks, seed);
		let root = tensor_root(&bytes);
		let index = at.index(chunks as usize) as u64;
		let path = open_tile(&bytes, index).unwrap();
		let mut chunk = tile(&bytes, index).to_vec();
		prop_assert!(verify_tile(&root, chunks, index, &chunk, &path));
		prop_assert!(!verify_tile(&root, chunks, index, &chunk[1..], &path));
		if other != index {
			prop_assert!(!verify_tile(&root, chunks, other, &chunk, &path));
		}
		if !path.siblings.is_empty() {
			let mut changed = path.clone();
			let which = which.index(changed.siblings.len());
			changed.siblings[which][bit / 8 % 32] ^= 1 << (bit % 8);
			prop_assert!(!verify_tile(&root, chunks, index, &chunk, &changed));
		}
		chunk[bit / 8] ^= 1 << (bit % 8);
		prop_assert!(!verify_tile(&root, chunks, index, &chunk, &path));
	}

	#[test]
	fn groups_should_lead_from_the_root_to_every_leaf(
		tree in kind(), count in 1usize..70_000, at: prop::sample::Index, seed: u64,
	) {
		let leaves = leaves(count, seed);
		let (count, index) = (count as u64, at.index(count) as u64);
		let root = root(tree, &leaves).unwrap();
		let groups = descend(tree, root, count, index, |level, group| {
			let children = open_group(tree, &leaves, level, group).unwrap();
			assert_eq!(Some(children.len()), group_len(count, level, group));
			children
		});
		prop_assert_eq!(groups, height(count).unwrap().div_ceil(GROUP_LEVELS).max(1));
	}

	#[test]
	fn tensor_groups_should_lead_from_the_root_to_every_tile(
		chunks in 1u64..1500, at: prop::sample::Index, seed: u64,
	) {
		let bytes = tensor(chunks, seed);
		let index = at.index(chunks as usize) as u64;
		let mut last = vec![];
		descend(Tree::Tensor, tensor_root(&bytes), chunks, index, |level, group| {
			open_tensor_group(&bytes, level, group).unwrap()
		});
		last.extend(open_tensor_group(&bytes, 0, index / 256).unwrap());
		prop_assert_eq!(last[index as usize % 256], chunk_value(chunks, index, tile(&bytes, index)).unwrap());
	}

	#[test]
	fn group_should_verify_only_as_it_was_opened(
		tree in kind(), count in 1usize..70_000, at: prop::sample::Index, seed: u64, low: bool,
		which: prop::sample::Index, bit in 0usize..256,
	) {
		let leaves = leaves(count, seed);
		let count = count as u64;
		let top = top_level(count).unwrap();
		let level = if low { 0 } else { top };
		let index = at.index(nodes_at(count, level).unwrap().div_ceil(256) as usize) as u64;
		let parent = if level == top {
			root(tree, &leaves).unwrap()
		} else {
			let above = open_group(tree, &leaves, level + 8, index / 256).unwrap();
			above[index as usize % 256]
		};
		let children = open_group(tree, &leaves, level, index).unwrap();
		prop_assert!(verify_group(tree, &parent, count, level, index, &children));

		let which = which.index(children.len());
		let mut changed = children.clone();
		changed[which][bit / 8] ^= 1 << (bit % 8);
		prop_assert!(!verify_group(tree, &parent, count, level, index, &changed));
		changed = children.clone();
		changed.remove(which);
		prop_assert!(!verify_group(tree, &parent, count, level, index, &changed));
		changed = children.clone();
		changed.push(parent);
		prop_assert!(!verify_group(tree, &parent, count, level, index, &changed));
		prop_assert!(!verify_group(tree, &parent, count, level + 1, index, &children));
	}

	#[test]
	fn claims_should_verify_only_at_their_position(
		steps in 1u64..20, anchors in 1u64..30, chunks in 1u64..12, seed: u64,
		s: prop::sample::Index, a: prop::sample::Index, c: prop::sample::Index, field in 0usize..6,
	) {
		let bytes = tensor(chunks, seed);
		let (step, anchor) = (s.index(steps as usize) as u64, a.index(anchors as usize) as u64);
		let chunk = c.index(chunks as usize) as u64;
		let mut roots = leaves(anchors as usize, seed);
		roots[anchor as usize] = tensor_root(&bytes);
		let mut traces = leaves(steps as usize, !seed);
		traces[step as usize] = trace_root(&roots);
		let run = run_root(&traces);
		let at = ChunkPosition { steps, step, anchors, anchor, chunks, chunk };
		let opening = ChunkOpening {
			trace: (trace_root(&roots), open(Tree::Run, &traces, step).unwrap()),
			anchor: (tensor_root(&bytes), open(Tree::Trace, &roots, anchor).unwrap()),
			tile: open_tile(&bytes, chunk).unwrap(),
		};
		let leaf = tile(&bytes, chunk);
		prop_assert!(verify_chunk(&run, &at, leaf, &opening));
		let moved = match field {
			0 => ChunkPosition { step: step + 1, ..at },
			1 => ChunkPosition { anchor: anchor + 1, ..at },
			2 => ChunkPosition { chunk: chunk + 1, ..at },
			3 => ChunkPosition { steps: 0, ..at },
			4 => ChunkPosition { anchors: 0, ..at },
			_ => ChunkPosition { chunks: 0, ..at },
		};
		prop_assert!(!verify_chunk(&run, &moved, leaf, &opening));
		prop_assert!(!verify_chunk(&trace_root(&roots), &at, leaf, &opening));

		// Outputs are anchors of the last step.
		traces[steps as usize - 1] = trace_root(&roots);
		let run = run_root(&traces);
		let positions = [anchor as u32, 0, anchors as u32 - 1];
		let outputs = open_outputs(&traces, &roots, &positions).unwrap();
		prop_assert!(verify_outputs(&run, steps, anchors, &positions, &outputs));
		prop_assert!(!verify_outputs(&run, steps, anchors, &positions[1..], &outputs));
		prop_assert!(!verify_outputs(&run, 0, anchors, &positions, &outputs));
		let mut wrong = outputs.clone();
		wrong.outputs[1].0[field] ^= 1;
		prop_assert!(!verify_outputs(&run, steps, anchors, &positions, &wrong));
		prop_assert_eq!(open_outputs(&traces, &roots, &[anchors as u32]), None);
		prop_assert_eq!(open_outputs(&[], &roots, &[0]), None);
	}
}

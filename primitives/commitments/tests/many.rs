//! Openings of several leaves at once.

use assay_commitments::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn leaves(count: usize, seed: u64) -> Vec<Hash> {
	let mut bytes = vec![0; count * 32];
	blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
	bytes.chunks_exact(32).map(|leaf| leaf.try_into().unwrap()).collect()
}

fn kind() -> impl Strategy<Value = Tree> {
	prop_oneof![Just(Tree::Tensor), Just(Tree::Trace), Just(Tree::Run)]
}

fn picked(leaves: &[Hash], indices: &[u64]) -> Vec<(u64, Hash)> {
	indices.iter().map(|&index| (index, leaves[index as usize])).collect()
}

/// Siblings of `indices` among the leaves `from .. to`, by the recursive definition of the tree.
fn siblings(indices: &[u64], from: u64, to: u64) -> usize {
	let inside = indices.iter().filter(|index| (from..to).contains(index)).count() as u64;
	match inside {
		0 => 1,
		_ if inside == to - from => 0,
		_ => {
			let middle = from + (to - from).next_power_of_two() / 2;
			siblings(indices, from, middle) + siblings(indices, middle, to)
		}
	}
}

#[test]
fn every_set_of_leaves_should_verify_only_as_it_was_opened_when_the_tree_is_small() {
	for tree in [Tree::Tensor, Tree::Trace, Tree::Run] {
		for count in 1..=9u64 {
			let all = leaves(count as usize, count);
			let root = root(tree, &all).unwrap();
			for set in 1u64..1 << count {
				let indices: Vec<u64> = (0..count).filter(|at| set >> at & 1 == 1).collect();
				let opened = open_many(tree, &all, &indices).unwrap();
				assert_eq!(opened.len(), siblings(&indices, 0, count));
				let shown = picked(&all, &indices);
				assert!(verify_many(tree, &root, count, &shown, &opened), "{count} {set:b}");
				// The same values at any other positions.
				for other in 1u64..1 << count {
					if other != set && other.count_ones() == set.count_ones() {
						let moved: Vec<_> = (0..count)
							.filter(|at| other >> at & 1 == 1)
							.zip(&shown)
							.map(|(at, (_, leaf))| (at, *leaf))
							.collect();
						assert!(!verify_many(tree, &root, count, &moved, &opened));
					}
				}
				// A tree that has no such positions.
				let last = indices[indices.len() - 1];
				for other in 0..=last {
					assert!(!verify_many(tree, &root, other, &shown, &opened));
				}
			}
		}
	}
}

#[test]
fn one_leaf_should_open_as_its_path_does() {
	for count in [1u64, 2, 3, 8, 255, 257, 1000] {
		let all = leaves(count as usize, 5);
		for index in 0..count {
			let path = open(Tree::Trace, &all, index).unwrap();
			assert_eq!(open_many(Tree::Trace, &all, &[index]), Some(path.siblings));
		}
	}
}

#[test]
fn openings_should_not_exist_when_positions_are_out_of_order_or_range() {
	let all = leaves(6, 3);
	let root = root(Tree::Run, &all).unwrap();
	for indices in [&[][..], &[6], &[0, 6], &[1, 1], &[2, 1], &[u64::MAX]] {
		assert_eq!(open_many(Tree::Run, &all, indices), None, "{indices:?}");
		let shown: Vec<_> = indices.iter().map(|at| (*at, all[*at as usize % 6])).collect();
		for siblings in 0..5 {
			assert!(!verify_many(Tree::Run, &root, 6, &shown, &all[..siblings]));
		}
	}
	assert_eq!(open_many(Tree::Run, &[], &[0]), None);
	assert_eq!(open_many_with(6, &[0], |_, _| None), None);
	for count in [0, MAX_CHUNKS + 1, u64::MAX] {
		assert_eq!(open_many_with(count, &[0], |_, _| Some([0; 32])), None);
		assert!(!verify_many(Tree::Run, &root, count, &[(0, all[0])], &all));
	}
}

#[test]
fn openings_should_be_judged_quickly_when_counts_are_the_largest() {
	// As long as the tallest tree is high, whatever the positions are.
	let far = [0, 1, MAX_CHUNKS / 2, MAX_CHUNKS - 1];
	let mut asked = 0;
	let opened = open_many_with(MAX_CHUNKS, &far, |_, _| {
		asked += 1;
		Some([1; 32])
	})
	.unwrap();
	assert_eq!(asked, opened.len());
	assert!(opened.len() <= far.len() * MAX_PATH);
	let shown: Vec<_> = far.iter().map(|at| (*at, [2; 32])).collect();
	let root = fold_many(Tree::Run, MAX_CHUNKS, &shown, &opened).unwrap();
	assert!(verify_many(Tree::Run, &root, MAX_CHUNKS, &shown, &opened));
	assert!(!verify_many(Tree::Run, &root, MAX_CHUNKS, &shown, &opened[1..]));
}

#[test]
fn tiles_should_open_by_hashing_only_what_is_beside_them() {
	let mut bytes = vec![0; 37 * CHUNK_BYTES];
	blake3::Hasher::new().update(b"tiles").finalize_xof().fill(&mut bytes);
	let indices = [0, 1, 17, 36];
	let siblings = open_many_with(37, &indices, |level, index| tensor_node(&bytes, level, index));
	let shown: Vec<_> = indices
		.iter()
		.map(|&at| {
			let chunk = &bytes[at as usize * CHUNK_BYTES..][..CHUNK_BYTES];
			(at, chunk_value(37, at, chunk).unwrap())
		})
		.collect();
	let root = tensor_root(&bytes);
	assert!(verify_many(Tree::Tensor, &root, 37, &shown, &siblings.unwrap()));
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

	#[test]
	fn opening_should_verify_only_as_it_was_made(
		tree in kind(), count in 1u64..1500, seed: u64,
		picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60), dense: bool,
		which: prop::sample::Index, other: prop::sample::Index, bit in 0usize..256,
	) {
		let all = leaves(count as usize, seed);
		let root = root(tree, &all).unwrap();
		let spread = if dense { count.min(64) } else { count };
		let indices: BTreeSet<u64> =
			picks.iter().map(|pick| pick.index(spread as usize) as u64).collect();
		let indices: Vec<u64> = indices.into_iter().collect();
		let opened = open_many(tree, &all, &indices).unwrap();
		prop_assert_eq!(opened.len(), siblings(&indices, 0, count));
		let shown = picked(&all, &indices);
		prop_assert!(verify_many(tree, &root, count, &shown, &opened));
		let flip = |mut hash: Hash| { hash[bit / 8] ^= 1 << (bit % 8); hash };
		prop_assert!(!verify_many(tree, &flip(root), count, &shown, &opened));

		// A leaf that is changed, dropped, doubled, moved or added.
		let at = which.index(shown.len());
		let mut wrong = shown.clone();
		wrong[at].1 = flip(wrong[at].1);
		prop_assert!(!verify_many(tree, &root, count, &wrong, &opened));
		wrong = shown.clone();
		let dropped = wrong.remove(at);
		prop_assert!(!verify_many(tree, &root, count, &wrong, &opened));
		wrong = shown.clone();
		wrong.insert(at, dropped);
		prop_assert!(!verify_many(tree, &root, count, &wrong, &opened));
		wrong = shown.clone();
		wrong[at].0 = other.index(count as usize) as u64;
		prop_assert_eq!(
			verify_many(tree, &root, count, &wrong, &opened),
			wrong[at].0 == shown[at].0
		);
		let extra = other.index(count as usize) as u64;
		if !indices.contains(&extra) {
			let mut wrong = shown.clone();
			wrong.push((extra, all[extra as usize]));
			wrong.sort();
			prop_assert!(!verify_many(tree, &root, count, &wrong, &opened));
		}
		if shown.len() > 1 {
			let mut wrong = shown.clone();
			wrong.swap(0, 1);
			prop_assert!(!verify_many(tree, &root, count, &wrong, &opened));
			let mut wrong = shown.clone();
			let (a, b) = (wrong[0].1, wrong[1].1);
			(wrong[0].1, wrong[1].1) = (b, a);
			prop_assert!(!verify_many(tree, &root, count, &wrong, &opened));
		}

		// A sibling that is changed, dropped, added or out of order.
		let mut wrong = opened.clone();
		wrong.push(root);
		prop_assert!(!verify_many(tree, &root, count, &shown, &wrong));
		if !opened.is_empty() {
			let at = other.index(opened.len());
			wrong = opened.clone();
			wrong[at] = flip(wrong[at]);
			prop_assert!(!verify_many(tree, &root, count, &shown, &wrong));
			wrong = opened.clone();
			wrong.remove(at);
			prop_assert!(!verify_many(tree, &root, count, &shown, &wrong));
			wrong = opened.clone();
			wrong.insert(at, opened[at]);
			prop_assert!(!verify_many(tree, &root, count, &shown, &wrong));
			if opened.len() > 1 {
				wrong = opened.clone();
				wrong.rotate_left(1);
				prop_assert!(!verify_many(tree, &root, count, &shown, &wrong));
			}
		}
		// Another kind of tree.
		for wrong in [Tree::Tensor, Tree::Trace, Tree::Run].into_iter().filter(|t| *t != tree) {
			prop_assert!(!verify_many(wrong, &root, count, &shown, &opened));
		}
	}

	#[test]
	fn opening_should_be_judged_without_panic_when_it_is_hostile(
		tree in kind(), count: u64, narrow in 0u32..64, root: [u8; 32],
		shown in prop::collection::vec((any::<u64>(), any::<[u8; 32]>()), 0..40), sorted: bool,
		opened in prop::collection::vec(any::<[u8; 32]>(), 0..80),
	) {
		let count = count >> narrow;
		let mut shown: Vec<(u64, Hash)> =
			shown.into_iter().map(|(at, leaf)| (at % count.max(1), leaf)).collect();
		if sorted {
			shown.sort();
		}
		prop_assert!(!verify_many(tree, &root, count, &shown, &opened));
	}
}

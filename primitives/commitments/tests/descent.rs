//! Descents from a run root to a chunk, over random shapes and against every wrong answer.

use assay_commitments::*;
use codec::{Decode, Encode, MaxEncodedLen};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
struct Shape {
	steps: u32,
	tiles: Vec<u64>,
}

impl RunShape for Shape {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.tiles.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		self.tiles.get(anchor as usize).copied()
	}
}

fn leaves(count: usize, seed: u64) -> Vec<Hash> {
	let mut bytes = vec![0; count * 32];
	blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
	bytes.chunks_exact(32).map(|leaf| leaf.try_into().unwrap()).collect()
}

/// A run of which one chunk is known, and the three trees above it.
struct Run {
	shape: Shape,
	at: (u32, u32, u64),
	traces: Vec<Hash>,
	anchors: Vec<Hash>,
	chunks: Vec<Hash>,
}

impl Run {
	fn new(shape: Shape, at: (u32, u32, u64), seed: u64) -> Self {
		let chunks = leaves(shape.tiles[at.1 as usize] as usize, seed);
		let mut anchors = leaves(shape.tiles.len(), seed ^ 1);
		anchors[at.1 as usize] = root(Tree::Tensor, &chunks).unwrap();
		let mut traces = leaves(shape.steps as usize, seed ^ 2);
		traces[at.0 as usize] = trace_root(&anchors);
		Self { shape, at, traces, anchors, chunks }
	}

	/// What a provider answers.
	fn open(&self, place: &Place) -> Vec<Hash> {
		let opened = match *place {
			Place::Run { level, index } => open_group(Tree::Run, &self.traces, level, index),
			Place::Trace { level, index, .. } => {
				open_group(Tree::Trace, &self.anchors, level, index)
			}
			Place::Tensor { level, index, .. } => {
				open_group(Tree::Tensor, &self.chunks, level, index)
			}
		};
		opened.unwrap()
	}

	/// The child that leads to the chunk.
	fn child(&self, place: &Place) -> u32 {
		let (level, leaf) = match *place {
			Place::Run { level, .. } => (level, self.at.0.into()),
			Place::Trace { level, .. } => (level, self.at.1.into()),
			Place::Tensor { level, .. } => (level, self.at.2),
		};
		((leaf >> level) % GROUP_CHILDREN as u64) as u32
	}

	fn top(&self) -> Hash {
		if self.shape.steps == 1 {
			self.traces[0]
		} else {
			run_root(&self.traces)
		}
	}
}

/// Every chunk below a place, with the number of groups that lead to it.
fn chunks_below(place: Place, shape: &Shape, groups: u32) -> Vec<((u32, u32, u64), u32)> {
	let len = place.group_len(shape).unwrap() as u32;
	assert!((1..=GROUP_CHILDREN as u32).contains(&len));
	assert_eq!(place.below(len, shape), None);
	assert_eq!(place.below(u32::MAX, shape), None);
	(0..len)
		.flat_map(|child| match place.below(child, shape).unwrap() {
			Below::Group(place) => chunks_below(place, shape, groups + 1),
			Below::Chunk { step, anchor, tile } => vec![((step, anchor, tile), groups)],
		})
		.collect()
}

fn shape() -> impl Strategy<Value = Shape> {
	let count = || prop_oneof![Just(1u32), 2u32..10, 250u32..260, Just(70_000)];
	let anchors = prop_oneof![Just(1usize), 2usize..10, 250usize..260, Just(4096)];
	let tiles = prop_oneof![Just(1u64), 2u64..10, 250u64..260, 65_530u64..65_545];
	(count(), anchors, tiles.clone(), tiles).prop_map(|(steps, anchors, a, b)| {
		let tiles = (0..anchors).map(|at| if at % 2 == 0 { a } else { b }).collect();
		Shape { steps, tiles }
	})
}

#[test]
fn descents_should_reach_every_chunk_once_and_in_order_when_the_run_is_small() {
	for steps in [1, 2, 3, 256, 257] {
		for tiles in [vec![1], vec![3, 1, 2], vec![257, 1, 256], vec![1; 300]] {
			if steps > 3 && tiles.len() > 3 {
				continue;
			}
			let shape = Shape { steps, tiles };
			let found = chunks_below(Place::first(&shape).unwrap(), &shape, 1);
			let expected: Vec<_> = (0..steps)
				.flat_map(|step| {
					(0u32..).zip(&shape.tiles).flat_map(move |(anchor, tiles)| {
						(0..*tiles).map(move |tile| (step, anchor, tile))
					})
				})
				.collect();
			assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), expected);
			let anchors = shape.tiles.len() as u32;
			let most = most_openings(steps, anchors, *shape.tiles.iter().max().unwrap());
			assert_eq!(found.iter().map(|(_, groups)| *groups).max(), Some(most), "{shape:?}");
		}
	}
}

#[test]
fn most_openings_should_be_what_the_design_says_when_shapes_are_the_largest() {
	assert_eq!(most_openings(1, 4096, 1 << 23), 2 + 3);
	assert_eq!(most_openings(1 << 16, 4096, 1 << 23), 2 + 2 + 3);
	assert_eq!(most_openings(u32::MAX, 4096, 1 << 27), 4 + 2 + 4);
	assert_eq!(most_openings(1, 1, 1), 1);
	assert_eq!(most_openings(2, 1, 2), 3);
	assert_eq!(most_openings(0, 0, 0), 0);
}

#[test]
fn places_should_have_no_group_when_no_descent_reaches_them() {
	let one = Shape { steps: 1, tiles: vec![1, 600] };
	let many = Shape { steps: 3, tiles: vec![1, 600] };
	let group = [[7; 32]];
	for (place, shape) in [
		// The trace root of the only step is known from the reveal.
		(Place::Run { level: 0, index: 0 }, &one),
		(Place::Run { level: 0, index: 1 }, &many),
		(Place::Run { level: 8, index: 0 }, &many),
		(Place::Run { level: 1, index: 0 }, &many),
		(Place::Run { level: u32::MAX, index: u64::MAX }, &many),
		(Place::Trace { step: 3, level: 0, index: 0 }, &many),
		(Place::Trace { step: u32::MAX, level: 0, index: 0 }, &many),
		(Place::Trace { step: 0, level: 0, index: 1 }, &many),
		(Place::Trace { step: 0, level: 8, index: 0 }, &many),
		// The only chunk of a tensor is its root.
		(Place::Tensor { step: 0, anchor: 0, level: 0, index: 0 }, &many),
		(Place::Tensor { step: 3, anchor: 1, level: 0, index: 0 }, &many),
		(Place::Tensor { step: 0, anchor: 2, level: 0, index: 0 }, &many),
		(Place::Tensor { step: 0, anchor: 1, level: 0, index: 3 }, &many),
		(Place::Tensor { step: 0, anchor: 1, level: 16, index: 0 }, &many),
		(Place::Tensor { step: 0, anchor: 1, level: 4, index: 0 }, &many),
		(Place::Tensor { step: 0, anchor: 1, level: 0, index: u64::MAX }, &many),
	] {
		assert_eq!(place.group_len(shape), None, "{place:?}");
		assert_eq!(place.below(0, shape), None, "{place:?}");
		assert!(!place.verify(&group[0], &group, shape), "{place:?}");
		assert!(!place.verify(&group[0], &[], shape), "{place:?}");
	}
	assert_eq!(Place::first(&Shape { steps: 0, tiles: vec![1] }), None);
	assert_eq!(Place::first(&Shape { steps: 1, tiles: vec![] }), None);
	// A run tree can be opened down to a trace without anchors, and no further.
	let none = Shape { steps: 2, tiles: vec![] };
	assert_eq!(Place::first(&none).unwrap().below(0, &none), None);
}

#[test]
fn places_should_keep_their_bytes_when_they_are_stored() {
	let place = Place::Tensor { step: 1, anchor: 2, level: 8, index: 3 };
	let bytes = [vec![2, 1, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 3], vec![0; 7]].concat();
	assert_eq!(place.encode(), bytes);
	assert_eq!(Place::decode(&mut &bytes[..]), Ok(place));
	assert_eq!(Place::max_encoded_len(), bytes.len());
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

	#[test]
	fn descent_should_lead_to_the_chunk_when_answers_are_honest_and_only_then(
		shape in shape(), s: prop::sample::Index, a: prop::sample::Index, t: prop::sample::Index,
		seed: u64, which: prop::sample::Index, bit in 0usize..256,
	) {
		let anchor = a.index(shape.tiles.len());
		let at = (
			s.index(shape.steps as usize) as u32,
			anchor as u32,
			t.index(shape.tiles[anchor] as usize) as u64,
		);
		let run = Run::new(shape.clone(), at, seed);
		let (mut place, mut parent, mut groups) = (Place::first(&shape).unwrap(), run.top(), 0);
		let end = loop {
			groups += 1;
			let children = run.open(&place);
			prop_assert_eq!(Some(children.len()), place.group_len(&shape));
			prop_assert!(place.verify(&parent, &children, &shape));

			let which = which.index(children.len());
			let mut wrong = children.clone();
			wrong[which][bit / 8] ^= 1 << (bit % 8);
			prop_assert!(!place.verify(&parent, &wrong, &shape));
			wrong = children.clone();
			wrong.remove(which);
			prop_assert!(!place.verify(&parent, &wrong, &shape));
			wrong = children.clone();
			wrong.insert(which, parent);
			prop_assert!(!place.verify(&parent, &wrong, &shape));
			wrong = children.clone();
			wrong.rotate_left(1);
			prop_assert!(children.len() == 1 || !place.verify(&parent, &wrong, &shape));
			parent[bit / 8] ^= 1 << (bit % 8);
			prop_assert!(!place.verify(&parent, &children, &shape));

			let child = run.child(&place);
			parent = children[child as usize];
			match place.below(child, &shape).unwrap() {
				Below::Group(below) => place = below,
				end => break end,
			}
		};
		let (step, anchor, tile) = at;
		prop_assert_eq!(end, Below::Chunk { step, anchor, tile });
		prop_assert_eq!(parent, run.chunks[tile as usize]);
		let anchors = shape.tiles.len() as u32;
		prop_assert_eq!(groups, most_openings(shape.steps, anchors, shape.tiles[anchor as usize]));
	}

	#[test]
	fn descents_should_never_meet_when_they_took_different_children(
		shape in shape(), picks in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
	) {
		// Siblings lead to different places, all of them valid.
		let mut place = Place::first(&shape).unwrap();
		for pick in picks {
			let len = place.group_len(&shape).unwrap() as u32;
			let below: Vec<_> = (0..len).map(|child| place.below(child, &shape).unwrap()).collect();
			let places: BTreeSet<_> = below.iter().map(|below| format!("{below:?}")).collect();
			prop_assert_eq!(places.len(), below.len());
			match below[pick.index(below.len())] {
				Below::Group(next) => {
					prop_assert!(next.group_len(&shape).is_some());
					place = next;
				}
				Below::Chunk { step, anchor, tile } => {
					prop_assert!(step < shape.steps && tile < shape.tiles[anchor as usize]);
					break;
				}
			}
		}
	}

	#[test]
	fn places_should_be_judged_without_panic_when_they_are_hostile(
		bytes in prop::collection::vec(any::<u8>(), 0..30), tag in 0u8..4, shape in shape(),
		child: u32, parent: [u8; 32],
	) {
		let bytes = [vec![tag], bytes].concat();
		if let Ok(place) = Place::decode(&mut &bytes[..]) {
			let len = place.group_len(&shape);
			prop_assert_eq!(place.below(child, &shape).is_some(), len.is_some_and(|len| (child as usize) < len));
			prop_assert!(!place.verify(&parent, &vec![parent; len.unwrap_or(1)], &shape));
		}
	}
}

//! Descents from a run root to a chunk, over random shapes and against every wrong answer.

use assay_commitments::*;
use codec::{Decode, Encode, MaxEncodedLen};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
struct Shape {
	steps: u32,
	tiles: Vec<u64>,
	/// Of each lazy anchor the eager ones before it, ascending, and its tiles.
	lazy: Vec<(u32, u64)>,
}

impl Shape {
	fn eager(steps: u32, tiles: Vec<u64>) -> Self {
		Self { steps, tiles, lazy: vec![] }
	}

	/// Groups on the way to a tensor below one eager anchor: `anchor` itself, or a lazy one.
	fn openings(&self, anchor: u32, tensor: u32) -> u32 {
		let (anchors, lazy) = (self.tiles.len() as u32, self.lazy_before(anchor));
		// The way past a list needs its topmost group alone.
		let listed = if tensor == anchor { lazy.min(1) } else { lazy };
		most_openings(self.steps, anchors, listed, self.tiles(tensor).unwrap())
	}
}

impl RunShape for Shape {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.tiles.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		let lazy = || self.lazy.get((anchor as usize).checked_sub(self.tiles.len())?);
		self.tiles.get(anchor as usize).copied().or_else(|| lazy().map(|(_, tiles)| *tiles))
	}

	fn lazy_before(&self, anchor: u32) -> u32 {
		self.lazy.iter().filter(|(before, _)| *before <= anchor).count() as u32
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
	/// The eager anchor that the way leads to, or past.
	anchor: u32,
	at: (u32, u32, u64),
	traces: Vec<Hash>,
	anchors: Vec<Hash>,
	/// Roots of the lazy anchors before `anchor`.
	lazy: Vec<Hash>,
	chunks: Vec<Hash>,
}

impl Run {
	fn new(shape: Shape, anchor: u32, at: (u32, u32, u64), seed: u64) -> Self {
		let chunks = leaves(shape.tiles(at.1).unwrap() as usize, seed);
		let mut anchors = leaves(shape.tiles.len(), seed ^ 1);
		let mut lazy = leaves(shape.lazy_before(anchor) as usize, seed ^ 3);
		let tensor = root(Tree::Tensor, &chunks).unwrap();
		match (at.1 as usize).checked_sub(anchors.len()) {
			None => anchors[at.1 as usize] = tensor,
			Some(listed) => lazy[listed] = tensor,
		}
		let mut traces = leaves(shape.steps as usize, seed ^ 2);
		traces[at.0 as usize] = trace_root(&anchors);
		Self { shape, anchor, at, traces, anchors, lazy, chunks }
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
			Place::Lazy { level, index, .. } => open_group(Tree::Trace, &self.lazy, level, index),
		};
		opened.unwrap()
	}

	/// The child that leads to the chunk.
	fn child(&self, place: &Place) -> u32 {
		let (level, leaf) = match *place {
			Place::Run { level, .. } => (level, self.at.0.into()),
			Place::Trace { level, .. } => (level, self.anchor.into()),
			Place::Tensor { level, .. } => (level, self.at.2),
			Place::Lazy { level, .. } => match self.at.1.checked_sub(self.shape.anchors()) {
				Some(listed) => (level, listed.into()),
				None => return place.group_len(&self.shape).unwrap() as u32,
			},
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
	let past = u32::from(place.is_stated(shape));
	assert_eq!(place.below(len + past, shape), None);
	assert_eq!(place.below(u32::MAX, shape), None);
	(0..len + past)
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
	let lazy = prop_oneof![Just(0u32), 1u32..5, 250u32..260, Just(600)];
	(count(), anchors, tiles.clone(), tiles, lazy).prop_map(|(steps, anchors, a, b, lazy)| {
		let tiles = (0..anchors).map(|at| if at % 2 == 0 { a } else { b }).collect();
		let spread = |at: u32| {
			(at.wrapping_mul(anchors as u32) / lazy, if at.is_multiple_of(3) { b } else { a })
		};
		Shape { steps, tiles, lazy: (0..lazy).map(spread).collect() }
	})
}

#[test]
fn descents_should_reach_every_chunk_once_and_in_order_when_the_run_is_small() {
	for steps in [1, 2, 3, 256, 257] {
		for tiles in [vec![1], vec![3, 1, 2], vec![257, 1, 256], vec![1; 300]] {
			if steps > 3 && tiles.len() > 3 {
				continue;
			}
			let shape = Shape::eager(steps, tiles);
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
			let most = most_openings(steps, anchors, 0, *shape.tiles.iter().max().unwrap());
			assert_eq!(found.iter().map(|(_, groups)| *groups).max(), Some(most), "{shape:?}");
		}
	}
}

#[test]
fn descents_should_pass_all_lazy_anchors_before_each_eager_one_when_there_are_any() {
	for (tiles, lazy) in [
		(vec![3, 1, 2], vec![(0, 1), (0, 300), (2, 4)]),
		(vec![1, 1], vec![(1, 5)]),
		(vec![2], (0..300).map(|at| (0, 1 + at % 2)).collect()),
		// Nothing is computed from the last one: no descent reaches it.
		(vec![1, 7], vec![(1, 2), (2, 9)]),
	] {
		for steps in [1, 3] {
			let shape = Shape { steps, tiles: tiles.clone(), lazy: lazy.clone() };
			let found = chunks_below(Place::first(&shape).unwrap(), &shape, 1);
			let eager = tiles.len() as u32;
			let mut expected = vec![];
			for (step, anchor) in (0..steps).flat_map(|s| (0..eager).map(move |a| (s, a))) {
				let listed = eager..eager + shape.lazy_before(anchor);
				for tensor in listed.chain([anchor]) {
					let groups = shape.openings(anchor, tensor);
					let tiles = 0..shape.tiles(tensor).unwrap();
					expected.extend(tiles.map(|tile| ((step, tensor, tile), groups)));
				}
			}
			assert_eq!(found, expected, "{shape:?}");
		}
	}
}

#[test]
fn lists_should_be_stated_and_bind_what_is_below_them() {
	let lazy: Vec<_> = (0..600).map(|_| (1, 1)).collect();
	let shape = Shape { steps: 2, tiles: vec![1, 1], lazy };
	let top = Place::Lazy { step: 1, anchor: 1, level: 8, index: 0 };
	let trace = Place::Trace { step: 1, level: 0, index: 0 };
	assert_eq!(trace.below(1, &shape), Some(Below::Group(top)));
	assert_eq!(trace.below(0, &shape), Some(Below::Chunk { step: 1, anchor: 0, tile: 0 }));
	assert_eq!((top.group_len(&shape), top.is_stated(&shape)), (Some(3), true));
	assert_eq!(top.below(3, &shape), Some(Below::Chunk { step: 1, anchor: 1, tile: 0 }));

	let roots = leaves(600, 5);
	let stated = open_group(Tree::Trace, &roots, 8, 0).unwrap();
	// Whatever is as long as it must be is a statement; its parent plays no part.
	assert!(top.verify(&[9; 32], &stated, &shape) && top.verify(&[9; 32], &[[1; 32]; 3], &shape));
	assert!(!top.verify(&[9; 32], &stated[..2], &shape));
	assert!(!top.verify(&[9; 32], &[[1; 32]; 4], &shape));
	assert_eq!(top.stated_root(&stated, &shape), root(Tree::Trace, &roots));
	assert_eq!(top.stated_root(&stated[..2], &shape), None);
	// What is below it is checked.
	let Some(Below::Group(low)) = top.below(1, &shape) else { panic!("no group") };
	assert_eq!(low, Place::Lazy { step: 1, anchor: 1, level: 0, index: 1 });
	let children = open_group(Tree::Trace, &roots, 0, 1).unwrap();
	assert!(!low.is_stated(&shape) && low.stated_root(&children, &shape).is_none());
	assert!(low.verify(&stated[1], &children, &shape));
	assert!(!low.verify(&stated[1], &leaves(256, 6), &shape));
	assert_eq!(low.below(0, &shape), Some(Below::Chunk { step: 1, anchor: 2 + 256, tile: 0 }));
	assert_eq!(low.below(256, &shape), None, "the way past the list is above");
	for place in [
		Place::Lazy { step: 1, anchor: 0, level: 0, index: 0 },
		Place::Lazy { step: 1, anchor: 2, level: 0, index: 0 },
		Place::Lazy { step: 2, anchor: 1, level: 8, index: 0 },
		Place::Lazy { step: 1, anchor: 1, level: 8, index: 1 },
		Place::Lazy { step: 1, anchor: 1, level: 16, index: 0 },
	] {
		assert_eq!((place.group_len(&shape), place.is_stated(&shape)), (None, false), "{place:?}");
		assert!(!place.verify(&[0; 32], &stated, &shape));
	}
}

#[test]
fn most_openings_should_be_what_the_design_says_when_shapes_are_the_largest() {
	assert_eq!(most_openings(1, 4096, 0, 1 << 23), 2 + 3);
	assert_eq!(most_openings(1 << 16, 4096, 0, 1 << 23), 2 + 2 + 3);
	assert_eq!(most_openings(u32::MAX, 4096, 0, 1 << 27), 4 + 2 + 4);
	assert_eq!(most_openings(u32::MAX, 2048, 2048, 1 << 27), 4 + 2 + 2 + 4);
	assert_eq!(most_openings(1, 1, 0, 1), 1);
	assert_eq!(most_openings(1, 1, 1, 1), 2);
	assert_eq!(most_openings(2, 1, 0, 2), 3);
	assert_eq!(most_openings(0, 0, 0, 0), 0);
}

#[test]
fn places_should_have_no_group_when_no_descent_reaches_them() {
	let one = Shape::eager(1, vec![1, 600]);
	let many = Shape::eager(3, vec![1, 600]);
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
		// There are no lazy anchors.
		(Place::Lazy { step: 0, anchor: 1, level: 0, index: 0 }, &many),
	] {
		assert_eq!(place.group_len(shape), None, "{place:?}");
		assert_eq!(place.below(0, shape), None, "{place:?}");
		assert!(!place.verify(&group[0], &group, shape), "{place:?}");
		assert!(!place.verify(&group[0], &[], shape), "{place:?}");
	}
	assert_eq!(Place::first(&Shape::eager(0, vec![1])), None);
	assert_eq!(Place::first(&Shape::eager(1, vec![])), None);
	// A run tree can be opened down to a trace without anchors, and no further.
	let none = Shape::eager(2, vec![]);
	assert_eq!(Place::first(&none).unwrap().below(0, &none), None);
}

#[test]
fn places_should_keep_their_bytes_when_they_are_stored() {
	let place = Place::Tensor { step: 1, anchor: 2, level: 8, index: 3 };
	let bytes = [vec![2, 1, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 3], vec![0; 7]].concat();
	assert_eq!(place.encode(), bytes);
	assert_eq!(Place::decode(&mut &bytes[..]), Ok(place));
	assert_eq!(Place::max_encoded_len(), bytes.len());
	let list = Place::Lazy { step: 1, anchor: 2, level: 8, index: 3 };
	assert_eq!(list.encode(), [&[3], &bytes[1..]].concat());
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

	#[test]
	fn descent_should_lead_to_the_chunk_when_answers_are_honest_and_only_then(
		shape in shape(), s: prop::sample::Index, a: prop::sample::Index, t: prop::sample::Index,
		l: prop::sample::Index, seed: u64, which: prop::sample::Index, bit in 0usize..256,
	) {
		// An eager anchor, or one of the lazy ones before it.
		let anchor = a.index(shape.tiles.len()) as u32;
		let tensor = match l.index(shape.lazy_before(anchor) as usize + 1) as u32 {
			0 => anchor,
			listed => shape.anchors() + listed - 1,
		};
		let at = (
			s.index(shape.steps as usize) as u32,
			tensor,
			t.index(shape.tiles(tensor).unwrap() as usize) as u64,
		);
		let run = Run::new(shape.clone(), anchor, at, seed);
		let (mut place, mut parent, mut groups) = (Place::first(&shape).unwrap(), run.top(), 0);
		let end = loop {
			groups += 1;
			let children = run.open(&place);
			prop_assert_eq!(Some(children.len()), place.group_len(&shape));
			prop_assert!(place.verify(&parent, &children, &shape));

			let which = which.index(children.len());
			let mut wrong = children.clone();
			wrong[which][bit / 8] ^= 1 << (bit % 8);
			let stated = place.is_stated(&shape);
			prop_assert_eq!(place.verify(&parent, &wrong, &shape), stated);
			wrong = children.clone();
			wrong.remove(which);
			prop_assert!(!place.verify(&parent, &wrong, &shape));
			wrong = children.clone();
			wrong.insert(which, parent);
			prop_assert!(!place.verify(&parent, &wrong, &shape));
			wrong = children.clone();
			wrong.rotate_left(1);
			prop_assert!(stated || children.len() == 1 || !place.verify(&parent, &wrong, &shape));
			let above = parent;
			parent[bit / 8] ^= 1 << (bit % 8);
			prop_assert_eq!(place.verify(&parent, &children, &shape), stated);

			let child = run.child(&place);
			// Past a list the way goes on below what led to it.
			parent = children.get(child as usize).copied().unwrap_or(run.anchors[anchor as usize]);
			prop_assert!(child as usize != children.len() || above == parent);
			match place.below(child, &shape).unwrap() {
				Below::Group(below) => place = below,
				end => break end,
			}
		};
		let (step, tensor, tile) = at;
		prop_assert_eq!(end, Below::Chunk { step, anchor: tensor, tile });
		prop_assert_eq!(parent, run.chunks[tile as usize]);
		prop_assert_eq!(groups, shape.openings(anchor, tensor));
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
					prop_assert!(step < shape.steps && tile < shape.tiles(anchor).unwrap());
					break;
				}
			}
		}
	}

	#[test]
	fn places_should_be_judged_without_panic_when_they_are_hostile(
		bytes in prop::collection::vec(any::<u8>(), 0..30), tag in 0u8..5, shape in shape(),
		child: u32, parent: [u8; 32],
	) {
		let bytes = [vec![tag], bytes].concat();
		if let Ok(place) = Place::decode(&mut &bytes[..]) {
			let len = place.group_len(&shape);
			let stated = place.is_stated(&shape);
			let below = len.map(|len| len + usize::from(stated));
			prop_assert_eq!(place.below(child, &shape).is_some(), below.is_some_and(|len| (child as usize) < len));
			prop_assert_eq!(place.verify(&parent, &vec![parent; len.unwrap_or(1)], &shape), stated);
		}
	}
}

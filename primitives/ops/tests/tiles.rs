//! One tile, recomputed from the tiles that it needs and nothing else.

use assay_ops::{
	evaluate, need, need_gathered, recompute_tile, Access, Applied, DType, Layout, Op, OpError,
	Region, TensorType, Tile, TileBound,
};
use assay_testing::{
	operators::{case, source, Case},
	Draw, Rng,
};
use proptest::prelude::*;
use std::{
	cell::RefCell,
	collections::{BTreeMap, BTreeSet},
};

/// Canonical bytes of each operand, with random bytes as padding.
fn poisoned(case: &Case, rng: &mut Rng) -> Vec<Vec<u8>> {
	case.operands
		.iter()
		.map(|(values, _)| {
			let ty = values.ty();
			let clean = values.to_canonical();
			let mut bytes: Vec<u8> = clean.iter().map(|_| rng.bits() as u8).collect();
			for element in 0..ty.elements() {
				let (tile, offset) = ty.position(element as u64);
				let at = tile as usize * 1024 + offset;
				let end = at + ty.dtype.size();
				bytes[at..end].copy_from_slice(&clean[at..end]);
			}
			bytes
		})
		.collect()
}

/// Reads of an operator, by operand.
struct Watched<'a>(&'a Case, RefCell<BTreeSet<(usize, u32)>>);

impl assay_ops::Elements for Watched<'_> {
	fn get(&self, operand: usize, index: u32) -> i32 {
		self.1.borrow_mut().insert((operand, index));
		Get(self.0).get(operand, index)
	}
}

struct Get<'a>(&'a Case);

impl assay_ops::Elements for Get<'_> {
	fn get(&self, operand: usize, index: u32) -> i32 {
		let (values, view) = &self.0.operands[operand];
		values.get(view.as_ref().map_or(index, |view| view.source_index(index)))
	}
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1200) })]

	#[test]
	fn tile_should_equal_whole_evaluation_when_sliced_anyhow(seed: u64) {
		let mut rng = Rng::new(seed);
		let case = case(&mut rng);
		let expected = evaluate(&case.op, &case.operands(), Some(case.split)).unwrap();
		let (output, canonical) = (expected.ty(), expected.to_canonical());
		let applied = Applied::new(case.op, &case.types()).unwrap();
		let bytes = poisoned(&case, &mut rng);
		let types: Vec<TensorType> = case.operands.iter().map(|(values, _)| values.ty()).collect();
		let layouts: Vec<Layout> = types
			.iter()
			.zip(&case.operands)
			.map(|(ty, (_, view))| Layout { ty, view: view.as_ref() })
			.collect();
		for _ in 0..3 {
			let tile = rng.bits() % output.tiles();
			let reduction = applied.reduction();
			let slice = if rng.below_u32(4) == 0 { 0 } else { 1 + rng.below_u32(reduction + 2) };
			let mut held: BTreeMap<(usize, u64), Tile> = BTreeMap::new();
			let needed = need(&applied, &layouts, &output, tile, 0..reduction);
			for (operand, tiles) in needed.iter().enumerate() {
				for &tile in tiles {
					let at = tile as usize * 1024;
					let chunk = bytes[operand][at..at + 1024].try_into().unwrap();
					held.insert((operand, tile), chunk);
				}
			}
			for tile in need_gathered(&applied, &layouts, &output, tile, &held) {
				let at = tile as usize * 1024;
				held.insert((0, tile), bytes[0][at..at + 1024].try_into().unwrap());
			}
			let at = tile as usize * 1024;
			let recomputed = recompute_tile(&applied, &layouts, &output, tile, slice, &held);
			prop_assert_eq!(&recomputed.unwrap()[..], &canonical[at..at + 1024]);
			let recomputed = recompute_tile(&applied, &layouts, &output, tile, slice, &bytes);
			prop_assert_eq!(&recomputed.unwrap()[..], &canonical[at..at + 1024]);
			// Without any one of them there is no answer.
			let keys: Vec<_> = held.keys().copied().collect();
			if keys.is_empty() {
				continue;
			}
			let (operand, missing) = rng.pick(&keys);
			held.remove(&(operand, missing));
			prop_assert_eq!(
				recompute_tile(&applied, &layouts, &output, tile, slice, &held),
				Err(OpError::MissingTile { operand: operand as u8, tile: missing })
			);
		}
		prop_assert_eq!(
			recompute_tile(&applied, &layouts, &output, output.tiles(), 0, &bytes),
			Err(OpError::TileOutOfRange)
		);
	}

	#[test]
	fn fold_should_give_the_same_when_slices_come_in_any_order(seed: u64) {
		let mut rng = Rng::new(seed);
		let case = case(&mut rng);
		let expected = evaluate(&case.op, &case.operands(), Some(case.split)).unwrap();
		let applied = Applied::new(case.op, &case.types()).unwrap();
		let mut cuts: Vec<u32> = (0..4).map(|_| rng.below_u32(applied.reduction() + 1)).collect();
		cuts.extend([0, applied.reduction()]);
		cuts.sort_unstable();
		let mut slices: Vec<_> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
		for i in (1..slices.len()).rev() {
			slices.swap(i, rng.below_u32(i as u32 + 1) as usize);
		}
		let tile = rng.bits() % expected.ty().tiles();
		let outputs: Vec<u32> = expected.ty().tile_elements(tile).map(|(e, _)| e).collect();
		let mut accumulators = applied.init(outputs.len());
		prop_assert!(accumulators.len() * 8 <= 8192);
		for slice in slices {
			applied.absorb(&Get(&case), &outputs, slice, &mut accumulators);
		}
		let values = applied.finish(&Get(&case), &outputs, &accumulators);
		let want: Vec<i32> = outputs.iter().map(|&element| expected.get(element)).collect();
		prop_assert_eq!(values, want);
	}

	#[test]
	fn operator_should_read_nothing_but_its_indices_when_outputs_are_few_or_none(seed: u64) {
		let mut rng = Rng::new(seed);
		let case = case(&mut rng);
		let applied = Applied::new(case.op, &case.types()).unwrap();
		let reduction = applied.reduction();
		let count = applied.shape().elements();
		let mut outputs: Vec<u32> = (0..rng.below_u32(4)).map(|_| rng.below_u32(count)).collect();
		outputs.sort_unstable();
		outputs.dedup();
		let mut named: BTreeSet<(usize, u32)> = BTreeSet::new();
		for operand in 0..case.operands.len() {
			let mut seen = applied.indices(operand, &outputs, 0..reduction);
			if applied.content_dependent().is_some_and(|(table, _)| table == operand) {
				seen = applied.gathered(&Get(&case), &outputs);
			}
			named.extend(seen.into_iter().map(|index| (operand, index)));
		}
		let watched = Watched(&case, RefCell::default());
		let mut accumulators = applied.init(outputs.len());
		applied.absorb(&watched, &outputs, 0..reduction, &mut accumulators);
		applied.finish(&watched, &outputs, &accumulators);
		let read = watched.1.into_inner();
		prop_assert!(
			read.is_subset(&named),
			"{:?} reads {:?} more for {outputs:?}",
			case.op,
			read.difference(&named).collect::<Vec<_>>()
		);
	}

	#[test]
	fn stretches_should_be_what_indices_name_when_outputs_are_few_or_a_tile(seed: u64) {
		let mut rng = Rng::new(seed);
		let case = case(&mut rng);
		let applied = Applied::new(case.op, &case.types()).unwrap();
		let ty = TensorType::of(applied.dtype(), applied.shape()).with_split(case.split).unwrap();
		let tile = rng.bits() % ty.tiles();
		let mut outputs: Vec<u32> = ty.tile_elements(tile).map(|(e, _)| e).collect();
		outputs.retain(|_| rng.below_u32(4) > 0);
		let reduction = applied.reduction();
		let start = rng.below_u32(reduction);
		let range = start..start + 1 + rng.below_u32(reduction);
		for (operand, (values, view)) in case.operands.iter().enumerate() {
			let seen = applied.indices(operand, &outputs, range.clone());
			let mut found = BTreeSet::new();
			let mut visited = 0;
			let stored = values.ty();
			let layout = Layout { ty: &stored, view: view.as_ref() };
			let (grid, mut tiles) = (stored.grid(), BTreeSet::new());
			applied.stretches(operand, &outputs, range.clone(), |first, count| {
				visited += count as usize;
				found.extend(first..first + count);
				layout.visit_tiles(&grid, first, count, |tile| {
					tiles.insert(tile);
				});
			});
			prop_assert!(found.iter().eq(&seen), "{:?}", case.op);
			let patch = matches!(applied.access(operand), Some(Access::Patch(_)));
			prop_assert!(visited <= outputs.len() + seen.len() || patch, "{:?}", case.op);
			// Nothing longer than may be.
			let most = seen.len().max(outputs.len());
			let within = applied.indices_within(operand, &outputs, range.clone(), most);
			prop_assert_eq!(within.is_some_and(|within| within == seen), true);
			if seen.len() > 1 {
				let within =
					applied.indices_within(operand, &outputs, range.clone(), seen.len() - 1);
				prop_assert!(within.is_none() || patch);
			}
			let sources = layout.source_indices(seen);
			prop_assert!(tiles.into_iter().eq(layout.tiles(&sources)));
			for element in sources {
				prop_assert_eq!(grid.position(element), stored.position(element as u64));
			}
		}
	}

	#[test]
	fn region_should_bound_what_every_tile_reads_when_views_are_random(seed: u64) {
		let mut rng = Rng::new(seed);
		let case = case(&mut rng);
		let applied = Applied::new(case.op, &case.types()).unwrap();
		let ty = TensorType::of(applied.dtype(), applied.shape()).with_split(case.split).unwrap();
		let reduction = applied.reduction();
		let slice = 1 + rng.below_u32(reduction);
		for (operand, (values, view)) in case.operands.iter().enumerate() {
			let stored = values.ty();
			let read = applied.operand_region(operand, &Region::tile(&ty), slice);
			let region = match view {
				Some(view) => read.through(view, &stored.shape),
				None => read.clone(),
			};
			let bound = region.tiles(&stored);
			let layout = Layout { ty: &stored, view: view.as_ref() };
			for tile in 0..ty.tiles().min(40) {
				let outputs: Vec<u32> = ty.tile_elements(tile).map(|(e, _)| e).collect();
				prop_assert!(Region::tile(&ty).count() >= outputs.len() as u64);
				for start in (0..reduction).step_by(slice as usize).take(4) {
					let mut seen = applied.indices(operand, &outputs, start..start + slice);
					if applied.content_dependent().is_some_and(|(table, _)| table == operand) {
						seen = applied.gathered(&Get(&case), &outputs);
					}
					prop_assert!(read.count() >= seen.len() as u64);
					let sources = layout.source_indices(seen);
					prop_assert!(region.count() >= sources.len() as u64);
					check(&layout.tiles(&sources), &stored, bound)?;
				}
			}
		}
	}

	#[test]
	fn region_should_stay_a_bound_when_views_are_chained(seed: u64) {
		let mut rng = Rng::new(seed);
		let rank = 1 + rng.below_u32(4) as usize;
		let shape = rng.shape(rank);
		let ty = rng.typed(DType::I8, shape);
		let (mut region, mut shapes) = (Region::tile(&ty), vec![(shape, None)]);
		for _ in 0..3 {
			let (stored, view) = source(&mut rng, shapes.last().unwrap().0);
			if let Some(view) = &view {
				region = region.through(view, &stored);
			}
			shapes.push((stored, view));
		}
		let dtype = rng.dtype();
		let stored = rng.typed(dtype, shapes.last().unwrap().0);
		for tile in 0..ty.tiles().min(40) {
			let mut elements: BTreeSet<u32> = ty.tile_elements(tile).map(|(e, _)| e).collect();
			for view in shapes.iter().filter_map(|(_, view)| view.as_ref()) {
				elements = elements.into_iter().map(|e| view.source_index(e)).collect();
			}
			prop_assert!(region.count() >= elements.len() as u64);
			let elements: Vec<u32> = elements.into_iter().collect();
			let tiles = Layout::from(&stored).tiles(&elements);
			check(&tiles, &stored, region.tiles(&stored))?;
		}
	}
}

/// Siblings in the proof of `tiles` among the leaves `from .. to` of a left-balanced tree.
fn siblings(tiles: &[u64], from: u64, to: u64) -> u64 {
	let inside = tiles.iter().filter(|tile| (from..to).contains(tile)).count() as u64;
	if inside == 0 {
		return 1;
	}
	if inside == to - from {
		return 0;
	}
	let middle = from + (to - from).next_power_of_two() / 2;
	siblings(tiles, from, middle) + siblings(tiles, middle, to)
}

fn check(tiles: &[u64], ty: &TensorType, bound: TileBound) -> Result<(), TestCaseError> {
	prop_assert!(bound.tiles >= tiles.len() as u64, "{} > {bound:?}", tiles.len());
	let depth = ty.tiles().next_power_of_two().trailing_zeros() as u64;
	let bytes = tiles.len() as u64 * 1024 + siblings(tiles, 0, ty.tiles()) * 32;
	let bounded = bound.tiles * 1024 + bound.stretches * 2 * depth * 32;
	prop_assert!(bounded >= bytes, "{bytes} > {bounded}, {bound:?}");
	Ok(())
}

#[test]
fn region_should_be_tight_when_matmul_is_aligned() {
	let (a, b) = ([1024u32, 4096], [768u32, 4096]);
	let types = [a, b].map(|dims| TensorType::new(DType::I8, &dims).unwrap());
	let operands = types.map(|ty| (ty.dtype, ty.shape));
	let applied = Applied::new(Op::MatMul { narrow: None }, &operands).unwrap();
	let output = TensorType::of(applied.dtype(), applied.shape());
	for (operand, ty) in types.iter().enumerate() {
		let region = applied.operand_region(operand, &Region::tile(&output), 4096);
		assert_eq!(region.tiles(ty).tiles, 128);
		let sliced = applied.operand_region(operand, &Region::tile(&output), 512);
		assert_eq!(sliced.tiles(ty).tiles, 16);
	}
}

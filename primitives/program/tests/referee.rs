//! Tiles of anchors recomputed through virtual nodes, and the checker's bound of what that takes.

use assay_ops::{DType, Geometry, NormKind, TensorType, Tile};
use assay_program::{
	recompute_anchor_tile, AnchorFold, AnchorSource, CheckError, Checked, Class, Limits, PartNeeds,
	Program, ProgramBuilder, RecomputeError, Source,
};
use assay_testing::{
	programs::{program, step},
	Rng,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn config(cases: u32) -> ProptestConfig {
	ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Siblings in the proof of `tiles` among the leaves `from .. to` of a left-balanced tree.
fn siblings(tiles: &[u64], from: u64, to: u64) -> u64 {
	let inside = tiles.iter().filter(|tile| (from..to).contains(tile)).count() as u64;
	match inside {
		0 => 1,
		_ if inside == to - from => 0,
		_ => {
			let middle = from + (to - from).next_power_of_two() / 2;
			siblings(tiles, from, middle) + siblings(tiles, middle, to)
		}
	}
}

fn type_of(program: &Program, types: &[TensorType], source: Source) -> TensorType {
	match source {
		Source::Input(at) => program.inputs[at as usize].ty,
		Source::State(at) => program.inputs[program.states[at as usize].input as usize].ty,
		Source::Node(at) => types[at as usize],
		Source::Constant(_) => unreachable!("constants are never opened"),
	}
}

/// Of what is committed only the tiles that some needs name.
struct Named<'a>(&'a PartNeeds, &'a BTreeMap<Source, Vec<u8>>);

impl AnchorSource for Named<'_> {
	fn tile(&self, source: Source, tile: u64) -> Option<&[u8]> {
		let named = self.0.tiles.get(&source).is_some_and(|tiles| tiles.contains(&tile));
		named.then(|| self.1.tile(source, tile))?
	}
}

/// Recompute tiles of every anchor from nothing but what the needs name; hold the bound against
/// what is really read. Returns the number of parts of the longest proof.
fn referee(seed: u64, limits: &Limits) -> Result<u32, TestCaseError> {
	let mut rng = Rng::new(seed);
	let program = program(&mut rng);
	let checked = match program.check(limits) {
		Ok(checked) => checked,
		Err(CheckError::Unrefereeable { .. }) if *limits != Limits::V1 => return Ok(0),
		Err(error) => return Err(TestCaseError::fail(format!("{error} in {program:?}"))),
	};
	recomputed(&mut rng, &program, &checked, limits)
}

/// As [`referee`], of a program that is checked.
fn recomputed(
	rng: &mut Rng,
	program: &Program,
	checked: &Checked,
	limits: &Limits,
) -> Result<u32, TestCaseError> {
	let step = step(rng, program, checked);
	for (index, node) in (0u32..).zip(&program.nodes) {
		let canonical = step.results[index as usize].to_canonical();
		let Some(plan) = checked.anchor_cost(index) else {
			assert_eq!(node.class, Class::Virtual);
			let none = recompute_anchor_tile(program, checked, index, 0, &step.committed);
			assert_eq!(none, Err(RecomputeError::NotAnAnchor { node: index }));
			continue;
		};
		let tiles = checked.types[index as usize].tiles();
		for tile in (0..tiles).take(12).chain([tiles - 1]) {
			let mut fold = AnchorFold::new(program, checked, index, tile).unwrap();
			prop_assert!(fold.accumulators().len() <= 1024);
			let mut held: BTreeMap<(Source, u64), Tile> = BTreeMap::new();
			for part in 0..fold.parts() {
				let needs = fold.needs(part).unwrap();
				held.clear();
				let (mut count, mut bytes) = (0, 0);
				// Tables are read where the tiles say that the program names.
				let named = Named(&needs, &step.committed);
				let tables = fold.table_needs(part, &named).unwrap();
				prop_assert!(tables.keys().all(|table| needs.tables.contains(table)));
				for (source, tiles) in needs.tiles.iter().chain(&tables) {
					let all = type_of(program, &checked.types, *source).tiles();
					count += tiles.len() as u64;
					bytes += tiles.len() as u64 * 1024 + siblings(tiles, 0, all) * 32;
					for &tile in tiles {
						let chunk = step.committed.tile(*source, tile).unwrap();
						held.insert((*source, tile), chunk.try_into().unwrap());
					}
				}
				let cost = plan.cost;
				prop_assert!(count <= cost.part_tiles, "{count} tiles > {cost:?}, {program:?}");
				prop_assert!(bytes <= cost.part_bytes, "{bytes} bytes > {cost:?}, {program:?}");
				prop_assert!(needs.elements * 12 <= cost.scratch, "{needs:?} > {cost:?}");
				prop_assert!(cost.part_bytes <= limits.part_bytes);
				prop_assert_eq!(
					fold.absorb(part + 1, &held),
					Err(RecomputeError::PartOrder { expected: part })
				);
				fold.absorb(part, &held).unwrap();
			}
			let at = tile as usize * 1024;
			prop_assert_eq!(&fold.finish(&held).unwrap()[..], &canonical[at..at + 1024]);
			let whole =
				recompute_anchor_tile(program, checked, index, tile, &step.committed).unwrap();
			prop_assert_eq!(&whole[..], &canonical[at..at + 1024]);
		}
		prop_assert_eq!(
			recompute_anchor_tile(program, checked, index, tiles, &step.committed),
			Err(RecomputeError::TileOutOfRange { node: index, tile: tiles })
		);
	}
	Ok(checked.referee.parts)
}

proptest! {
	#![proptest_config(config(300))]

	#[test]
	fn anchor_tile_should_equal_whole_evaluation_when_program_is_random(seed: u64) {
		referee(seed, &Limits::V1)?;
	}

	#[test]
	fn anchor_tile_should_equal_whole_evaluation_when_proofs_have_parts(seed: u64) {
		let part_bytes = 8_000 + seed % 30_000;
		referee(seed, &Limits { part_bytes, ..Limits::V1 })?;
	}

	#[test]
	fn anchors_should_be_fewer_and_as_good_when_a_program_is_thinned(seed: u64) {
		let mut rng = Rng::new(seed);
		let before = program(&mut rng);
		let checked = before.check(&Limits::V1).unwrap();
		let mut program = before.clone();
		let thinned = program.thin(checked.clone(), &Limits::V1);
		prop_assert_eq!(&thinned, &program.check(&Limits::V1).unwrap());
		prop_assert!(thinned.anchors.iter().all(|node| checked.anchors.contains(node)));
		prop_assert!(thinned.referee.parts <= checked.referee.parts);
		for (index, (node, was)) in program.nodes.iter().zip(&before.nodes).enumerate() {
			let gone = was.class == Class::EagerAnchor && node.class == Class::Virtual;
			prop_assert!(node.class == was.class || gone, "node {index}");
		}
		recomputed(&mut rng, &program, &thinned, &Limits::V1)?;
	}
}

#[test]
fn thin_should_keep_one_anchor_of_each_layer_when_layers_are_wide() {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", TensorType::new(DType::I8, &[256, 256]).unwrap());
	let w = b.input("w", TensorType::new(DType::I8, &[256, 256]).unwrap());
	let scale = b.constant_values(TensorType::new(DType::I16, &[1]).unwrap(), &[20_000]);
	let shift = b.constant_values(TensorType::new(DType::I8, &[1]).unwrap(), &[22]);
	let mut y = x;
	for _ in 0..12 {
		let product = b.matmul(y, w);
		let small = b.requant(product, scale, shift, None, DType::I8);
		let small = b.eager(small);
		y = b.clamp(small, 0, 127);
		y = b.eager(y);
	}
	b.output("y", y);
	let mut program = b.build().unwrap();
	let checked = program.check(&Limits::V1).unwrap();
	assert_eq!(checked.anchors.len(), 24);
	let thinned = program.thin(checked, &Limits::V1);
	// A tile needs whole rows of the layer before, so that one anchor of each layer has to stay.
	let clamps: Vec<u32> = (0..12).map(|layer| 3 * layer + 2).collect();
	assert_eq!(thinned.anchors, clamps);
	assert_eq!(thinned.referee.parts, 1);
}

/// x[m, k] · w[n, k]ᵀ, requantised, clamped: only the last one is an anchor.
fn layer(m: u32, k: u32, n: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", TensorType::new(DType::I8, &[m, k]).unwrap());
	let w = b.input("w", TensorType::new(DType::I8, &[n, k]).unwrap());
	let scale = b.constant_values(TensorType::new(DType::I16, &[1]).unwrap(), &[20_000]);
	let shift = b.constant_values(TensorType::new(DType::I8, &[1]).unwrap(), &[22]);
	let product = b.matmul(x, w);
	let small = b.requant(product, scale, shift, None, DType::I8);
	let y = b.clamp(small, 0, 127);
	b.output("y", y);
	b.build().unwrap()
}

#[test]
fn virtual_matmul_should_be_cut_into_parts_when_its_reduction_is_long() {
	let limits = Limits { part_bytes: 24 * 1024, ..Limits::V1 };
	let program = layer(40, 700, 50);
	let checked = program.check(&limits).unwrap();
	let cost = *checked.anchor_cost(2).unwrap();
	assert_eq!((cost.fold, cost.slice, cost.cost.parts), (Some(0), 192, 4));
	let mut rng = Rng::new(1);
	let step = step(&mut rng, &program, &checked);
	let canonical = step.results[2].to_canonical();
	for tile in 0..4 {
		let at = tile as usize * 1024;
		let bytes = recompute_anchor_tile(&program, &checked, 2, tile, &step.committed).unwrap();
		assert_eq!(bytes[..], canonical[at..at + 1024]);
	}
	// A tile of an operand that nobody gives.
	let mut committed = step.committed;
	committed.remove(&Source::Input(1));
	let result = recompute_anchor_tile(&program, &checked, 2, 0, &committed);
	assert!(
		matches!(result, Err(RecomputeError::MissingTile { source: Source::Input(1), .. })),
		"{result:?}"
	);
}

#[test]
fn layer_should_be_refereeable_when_it_is_as_wide_as_the_design_says() {
	// K ≤ 4096 of i8 in one part; far longer ones in up to 32.
	let checked = layer(4096, 4096, 4096).check(&Limits::V1).unwrap();
	assert_eq!(checked.referee.parts, 1);
	assert_eq!(checked.referee.part_tiles, 256);
	let checked = layer(64, 65_536, 64).check(&Limits::V1).unwrap();
	assert!((2..=32).contains(&checked.referee.parts), "{:?}", checked.referee);
	let program = layer(64, 131_071, 64);
	let limits = Limits { parts: 4, ..Limits::V1 };
	assert!(matches!(program.check(&limits), Err(CheckError::Unrefereeable { node: 2, .. })));
}

#[test]
fn networks_should_be_refereeable_when_their_layers_are_of_usual_size() {
	let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
	let check = |b: ProgramBuilder| b.build().unwrap().check(&Limits::V1).unwrap().referee;
	// A convolution of ResNet, and one over few channels.
	for (size, channels, kernel, stride) in [(56, 64, 3, 1), (28, 512, 3, 2), (224, 3, 7, 2)] {
		let mut b = ProgramBuilder::new();
		let x = b.input("x", ty(DType::I8, &[1, size, size, channels]));
		let w = b.input("w", ty(DType::I8, &[64, kernel, kernel, channels]));
		let pad = kernel as i16 / 2;
		let geometry = Geometry { stride: [stride; 2], pad: [[pad, pad]; 2], ..Geometry::UNIT };
		let sums = b.conv2d(x, w, geometry, None, None);
		let scale = b.constant_values(ty(DType::I16, &[1]), &[20_000]);
		let shift = b.constant_values(ty(DType::I8, &[1]), &[22]);
		let y = b.requant(sums, scale, shift, None, DType::I8);
		b.output("y", y);
		let cost = check(b);
		assert!(cost.parts <= 8, "{size} × {size} × {channels}: {cost:?}");
	}
	// LayerNorm and softmax in rows of 1,024, an embedding, and its gradient.
	let mut b = ProgramBuilder::new();
	let table = b.input("table", ty(DType::I16, &[30_522, 384]));
	let tokens = b.input("tokens", ty(DType::I16, &[512]));
	// As an anchor, since a row of a norm reads one of the table from end to end.
	let x = b.gather(table, tokens);
	b.eager(x);
	let gamma = b.input("gamma", ty(DType::I16, &[384]));
	let beta = b.input("beta", ty(DType::I32, &[384]));
	let y = b.norm(x, gamma, beta, (NormKind::Layer, 1), 0, DType::I16);
	b.output("y", y);
	let scores = b.input("scores", ty(DType::I32, &[64, 1024]));
	let p = b.softmax(scores, 1477, 10, DType::I16);
	b.output("p", p);
	let gradient = b.scatter_add(y, tokens, 30_522, DType::I32);
	b.output("gradient", gradient);
	let cost = check(b);
	assert!(cost.parts <= 8, "{cost:?}");
}

#[test]
fn check_should_stay_quick_when_a_program_is_hostile() {
	// Doubling through virtual nodes: 2^200 paths, each doubled by two different views.
	for views in [false, true] {
		let mut b = ProgramBuilder::new();
		let shape = assay_ops::Shape::new(&[64, 64]).unwrap();
		let ty = TensorType::of(DType::I8, shape);
		let mut x = b.input("x", ty);
		for _ in 0..200 {
			let turned = assay_ops::View::transpose(&shape, &[1, 0]).unwrap();
			let other = if views { assay_program::Operand::viewed(x, turned) } else { x.into() };
			x = b.add(x, other, DType::I8);
		}
		b.output("y", x);
		let program = b.build().unwrap();
		let result = program.check(&Limits::V1);
		assert!(
			result.is_ok() || matches!(result, Err(CheckError::Unrefereeable { node: 199, .. })),
			"{result:?}"
		);
	}
	// As many anchors as there may be, each over the same long chain of virtual nodes.
	let mut b = ProgramBuilder::new();
	let ty = TensorType::new(DType::I8, &[64]).unwrap();
	let mut x = b.input("x", ty);
	for _ in 0..250 {
		x = b.shift(x, 1, DType::I8);
	}
	for index in 0..1000 {
		let y = b.copy(x);
		b.output(&format!("y{index}"), y);
	}
	let program = b.build().unwrap();
	let start = std::time::Instant::now();
	assert!(matches!(program.check(&Limits::V1), Err(CheckError::TooComplex { .. })));
	println!("gave up after {:?}", start.elapsed());
	assert!(start.elapsed().as_secs() < 5);
	// A chain that is longer than one anchor may have.
	let mut b = ProgramBuilder::new();
	let mut x = b.input("x", ty);
	for _ in 0..258 {
		x = b.shift(x, 1, DType::I8);
	}
	b.output("y", x);
	assert_eq!(
		b.build().unwrap().check(&Limits::V1),
		Err(CheckError::TooManyVirtual { node: 257, max: 256 })
	);
}

#[test]
fn check_should_judge_without_overflow_when_shapes_are_the_largest() {
	let none = Limits {
		work_units: u64::MAX,
		peak_memory: u64::MAX,
		part_bytes: u64::MAX,
		scratch: u64::MAX,
		part_nanoseconds: u64::MAX,
		..Limits::V1
	};
	let shapes: [&[u32]; 6] = [
		&[1 << 31],
		&[1 << 31, 1],
		&[1, 1 << 31],
		&[1 << 16, 1 << 15],
		&[1 << 6, 1 << 5, 1 << 5, 1 << 5, 1 << 5, 1 << 5],
		&[3, 715_827_882],
	];
	for dims in shapes {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let ty = TensorType::new(dtype, dims).unwrap();
			for axis in 0..=dims.len() as u8 {
				let mut b = ProgramBuilder::new();
				let x = b.input("x", ty);
				let seen = assay_ops::View::reshape(ty.shape);
				let square = b.mul(x, assay_program::Operand::viewed(x, seen), DType::I32);
				let y = match axis as usize == dims.len() {
					true => b.matmul(x, x),
					false => b.reduce_sum(square, axis, DType::I8),
				};
				let z = b.copy(if axis as usize == dims.len() { square } else { y });
				b.output("y", y);
				b.output("z", z);
				let program = b.build().unwrap();
				let (strict, free) = (program.check(&Limits::V1), program.check(&none));
				if let Ok(checked) = &free {
					assert!(checked.referee.part_bytes > 0 && checked.work_units > 1 << 30);
				} else {
					assert!(matches!(free, Err(CheckError::Operator { node: 1, .. })), "{free:?}");
				}
				if let Ok(checked) = strict {
					assert!(checked.referee.part_bytes <= Limits::V1.part_bytes);
					assert!(checked.peak_memory <= Limits::V1.peak_memory);
					assert_eq!(Some(checked.types), free.ok().map(|checked| checked.types));
				}
			}
		}
	}
}

#[test]
fn tile_should_be_recomputed_when_nothing_below_its_virtual_node_is_asked_for() {
	let mut b = ProgramBuilder::new();
	let updates = b.input("updates", TensorType::new(DType::I32, &[3, 4]).unwrap());
	let rows = b.input("rows", TensorType::new(DType::I32, &[3]).unwrap());
	let sums = b.scatter_add(updates, rows, 2, DType::I32);
	// 4 + 2 + 1,000 rows of four: no tile but the first one has a row of `sums`.
	let padded = b.pad(sums, 0, 4, 1_000, 7);
	b.output("padded", padded);
	let mut program = b.build().unwrap();
	program.nodes[0].class = Class::Virtual;
	let checked = program.check(&Limits::V1).unwrap();
	let tiles = checked.types[1].tiles();
	assert!(tiles > 2);
	let nothing: BTreeMap<(Source, u64), Tile> = BTreeMap::new();
	for tile in 1..tiles - 1 {
		let mut fold = AnchorFold::new(&program, &checked, 1, tile).unwrap();
		assert!(fold.needs(0).unwrap().tiles.is_empty());
		let bytes = recompute_anchor_tile(&program, &checked, 1, tile, &nothing).unwrap();
		for (_, at) in checked.types[1].tile_elements(tile) {
			assert_eq!(bytes[at..at + 4], 7i32.to_le_bytes());
		}
	}
}

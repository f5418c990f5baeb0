//! Nothing panics: not with any parameters, shapes and operands, and not with operands that hand
//! out wider values than their types have.

use assay_ops::{need, Applied, DType, Elements, Layout, Op, Region, Shape, TensorType};
use assay_testing::{operators::special, Draw, Rng, OPERATOR_KINDS};
use codec::{Decode, Encode};
use proptest::prelude::*;

/// Any value at all.
struct Noise(u64);

impl Elements for Noise {
	fn get(&self, operand: usize, index: u32) -> i32 {
		let mut rng = Rng::new(self.0 ^ ((operand as u64) << 32 | index as u64));
		match rng.below_u32(4) {
			0 => rng.pick(&[i32::MIN, i32::MAX, 0, -1, 1]),
			1 => rng.below_u32(256) as i32 - 128,
			_ => rng.bits() as i32,
		}
	}
}

/// Everything that can be asked of an operator, at a few of its tiles.
fn exercise(rng: &mut Rng, applied: &Applied) {
	let ty = TensorType::of(applied.dtype(), applied.shape());
	let operands: Vec<TensorType> =
		applied.operands().iter().map(|(dtype, shape)| TensorType::of(*dtype, *shape)).collect();
	let layouts: Vec<Layout> = operands.iter().map(Layout::from).collect();
	let reduction = applied.reduction();
	assert!(applied.work_units() > 0);
	for (operand, stored) in operands.iter().enumerate() {
		for slice in [1, 1 + rng.below_u32(reduction), reduction] {
			let region = applied.operand_region(operand, &Region::tile(&ty), slice);
			assert!(region.tiles(stored).tiles > 0);
		}
	}
	// What takes long is only asked for its bounds.
	let longest = operands.iter().map(|ty| ty.elements()).max().unwrap_or(1);
	if reduction > 5_000 || longest > 200_000 {
		return;
	}
	let noise = Noise(rng.bits());
	for tile in [0, rng.bits() % ty.tiles(), ty.tiles() - 1] {
		let outputs: Vec<u32> = ty.tile_elements(tile).map(|(element, _)| element).collect();
		let mut accumulators = applied.init(outputs.len());
		let middle = rng.below_u32(reduction + 1);
		for range in [middle..reduction, 0..middle] {
			need(applied, &layouts, &ty, tile, range.clone());
			applied.absorb(&noise, &outputs, range, &mut accumulators);
		}
		applied.gathered(&noise, &outputs);
		let results = applied.finish(&noise, &outputs, &accumulators);
		assert_eq!(results.len(), outputs.len());
		for result in results {
			assert!(
				(applied.dtype().min()..=applied.dtype().max()).contains(&result)
				// What is handed through is as wide as its source hands it out.
				|| !saturates(applied.op())
			);
		}
	}
}

fn saturates(op: &Op) -> bool {
	!matches!(
		op,
		Op::Copy
			| Op::Max | Op::Min
			| Op::Select
			| Op::Lut | Op::Gather
			| Op::Concat { .. }
			| Op::Pad { .. }
			| Op::TopK { .. }
			| Op::Clamp { .. }
	)
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

	#[test]
	fn operator_should_never_panic_when_its_parameters_are_noise(
		seed: u64,
		kind in 0..OPERATOR_KINDS,
	) {
		let mut rng = Rng::new(seed);
		let case = special(&mut rng, kind);
		let mut bytes = case.op.encode();
		prop_assert_eq!(Op::decode(&mut &bytes[..]).unwrap(), case.op);
		for _ in 0..rng.below_u32(3) {
			let at = rng.below_u32(bytes.len() as u32) as usize;
			bytes[at] = rng.bits() as u8;
		}
		let Ok(op) = Op::decode(&mut &bytes[..]) else { return Ok(()) };
		let mut types = case.types();
		for (dtype, shape) in &mut types {
			match rng.below_u32(6) {
				0 => *dtype = rng.dtype(),
				1 => {
					let mut dims = shape.dims().to_vec();
					if let Some(at) = dims.len().checked_sub(1) {
						let at = rng.below_u32(at as u32 + 1) as usize;
						dims[at] = rng.pick(&[1, 2, 65_536, 131_071, 1 << 24, 1 << 31]);
						*shape = Shape::new(&dims).unwrap_or(*shape);
					}
				}
				_ => {}
			}
		}
		if rng.below_u32(8) == 0 {
			types.truncate(rng.below_u32(4) as usize);
		}
		if let Ok(applied) = Applied::new(op, &types) {
			exercise(&mut rng, &applied);
		}
	}

	#[test]
	fn operator_should_never_panic_when_bytes_are_noise(bytes: [u8; 40], seed: u64) {
		let mut rng = Rng::new(seed);
		let mut bytes = bytes;
		bytes[0] %= Op::count() as u8;
		let Ok(op) = Op::decode(&mut &bytes[..]) else { return Ok(()) };
		let types: Vec<(DType, Shape)> = (0..rng.below_u32(5))
			.map(|_| {
				let rank = rng.below_u32(5) as usize;
				(rng.dtype(), rng.shape(rank))
			})
			.collect();
		if let Ok(applied) = Applied::new(op, &types) {
			exercise(&mut rng, &applied);
		}
	}
}

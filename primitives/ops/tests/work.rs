//! Work units: what they are at least, for every operator, and what they are exactly where prices
//! were made with them.

use assay_ops::{
	work::{NODE, TILE, VIEW},
	Applied, DType, Geometry, Narrow, Op, Shape, View,
};
use assay_testing::{
	operators::{case, special, Case},
	Rng, OPERATOR_KINDS,
};
use codec::Decode;
use std::collections::BTreeSet;

fn name(op: &Op) -> String {
	format!("{op:?}").split([' ', '{']).next().unwrap().to_owned()
}

/// Every operator of the set, by its encoding.
fn operators() -> BTreeSet<String> {
	let decoded = (0..=u8::MAX).filter_map(|index| {
		let bytes: Vec<u8> = core::iter::once(index).chain([0; 64]).collect();
		Op::decode(&mut &bytes[..]).ok()
	});
	decoded.map(|op| name(&op)).collect()
}

/// Elements that one evaluation reads, each as often as it is an operand's, and writes.
fn elements(applied: &Applied) -> u64 {
	let output = u64::from(applied.shape().elements());
	let operands = applied.operands().iter().enumerate();
	let read = operands.map(|(operand, (_, shape))| match (applied.op(), operand) {
		// Rows of a table that nobody asks for are not read.
		(Op::Gather, 0) => u64::from(shape.elements()).min(output),
		_ => u64::from(shape.elements()),
	});
	output + read.sum::<u64>()
}

#[test]
fn work_units_should_be_at_least_elements_and_a_call_when_operators_are_random() {
	let seed = 0x0017_0a55;
	let mut rng = Rng::new(seed);
	let mut seen = BTreeSet::new();
	let mut holds = |Case { op, operands, .. }: &Case, types: &[(DType, Shape)]| {
		let applied = Applied::new(*op, types).unwrap();
		let (units, elements) = (applied.work_units(), elements(&applied));
		assert!(units >= NODE + elements, "seed {seed}: {units} for {elements}: {op:?}, {types:?}");
		for (operand, (_, view)) in operands.iter().enumerate() {
			let Some(view) = view else { continue };
			let units = applied.view_units(operand, view);
			assert_eq!(units == 0, view.is_run(), "seed {seed}: {view:?}");
			let most = VIEW * u64::from(view.shape.elements());
			assert!(units <= most, "seed {seed}: {units} of {most}: {view:?}");
		}
		seen.insert(name(op));
	};
	for _ in 0..3000 {
		let case = case(&mut rng);
		holds(&case, &case.types());
	}
	for kind in 0..OPERATOR_KINDS {
		let case = special(&mut rng, kind);
		holds(&case, &case.types());
	}
	assert_eq!(seen, operators());
}

/// A table of all operators would be the code once more; a new one does not compile without its
/// weights. What is here is that each of them has some: more work for more elements.
#[test]
fn work_units_should_grow_when_operands_grow() {
	let mut rng = Rng::new(5);
	for _ in 0..2000 {
		let case = case(&mut rng);
		let types = case.types();
		let applied = Applied::new(case.op, &types).unwrap();
		// One more along the first dimension of what has one to spare.
		let grown: Vec<(DType, Shape)> = types
			.iter()
			.map(|(dtype, shape)| {
				let mut dims = shape.dims().to_vec();
				if let Some(first) = dims.first_mut() {
					*first += 1;
				}
				(*dtype, Shape::new(&dims).unwrap())
			})
			.collect();
		// More rows of a table that nobody asks for are no more work.
		let asked = case.op != Op::Gather || types.get(1) != grown.get(1);
		if let Ok(more) = Applied::new(case.op, &grown) {
			if types != grown && asked {
				assert!(more.work_units() > applied.work_units(), "{:?}: {types:?}", case.op);
			}
		}
	}
}

fn units(op: Op, operands: &[(DType, &[u32])]) -> u64 {
	let types: Vec<(DType, Shape)> =
		operands.iter().map(|(dtype, dims)| (*dtype, Shape::new(dims).unwrap())).collect();
	Applied::new(op, &types).unwrap().work_units()
}

#[test]
fn work_units_should_be_those_of_the_format_when_operators_are_known() {
	use DType::{I16, I32, I8};
	let (bytes, narrow) = (None, Some(Narrow { multiplier: 1, shift: 0, to: I8 }));
	// A dense product is about its products.
	let dense = units(Op::MatMul { narrow: bytes }, &[(I8, &[512, 256]), (I8, &[128, 256])]);
	assert_eq!(dense, NODE + 512 * 128 * 256 + (512 + 128) * 256 + 8 * 512 * 128);
	let words = units(Op::MatMul { narrow }, &[(I16, &[512, 256]), (I16, &[128, 256])]);
	assert_eq!(words - dense, 3 * 512 * 128 * 256 + 8 * 512 * 128);
	let batch =
		units(Op::BatchMatMul { narrow: bytes }, &[(I8, &[7, 2, 3, 5]), (I8, &[7, 2, 4, 5])]);
	assert_eq!(batch, NODE + 14 * (3 * 4 * 5 + 128 + 4 * (3 * 5 + 4 * 5) + 8 * 3 * 4));
	// Depthwise convolutions look up as many elements as they multiply.
	let convolution = |groups: u16, channels: u32| {
		let geometry = Geometry { groups, ..Geometry::UNIT };
		let op = Op::Conv2d { geometry, narrow: bytes };
		units(op, &[(I8, &[1, 10, 10, 16]), (I8, &[16, 3, 3, channels])])
	};
	let beside = |weights: u64| NODE + 1600 + weights + 8 * 64 * 16;
	assert_eq!(convolution(1, 16), 64 * 16 * 144 + 4 * 64 * 144 + beside(16 * 144));
	assert_eq!(convolution(16, 1), 64 * 16 * 9 + 4 * 64 * 16 * 9 + beside(16 * 9));
	assert_eq!(units(Op::Add { to: I8 }, &[(I8, &[1000]), (I16, &[1000])]), NODE + 4 * 3000);
	let gathered = units(Op::Gather, &[(I8, &[1 << 20, 8]), (I32, &[5])]);
	assert_eq!(gathered, NODE + 32 * 5 + 4 * (5 + 40 + 40));
	assert_eq!(TILE, 2048);
}

#[test]
fn view_units_should_be_none_when_a_view_shows_a_run() {
	let source = Shape::new(&[8, 6]).unwrap();
	let shape = |dims: &[u32]| Shape::new(dims).unwrap();
	let applied = Applied::new(Op::Copy, &[(DType::I8, shape(&[6, 4]))]).unwrap();
	let cost = |view: &View| applied.view_units(0, view);
	let later = View { shape: shape(&[6, 4]), offset: 7, strides: vec![4, 1] };
	assert_eq!(cost(&later), 0);
	let turned = View { shape: shape(&[6, 4]), offset: 0, strides: vec![1, 6] };
	turned.validate(&source).unwrap();
	assert_eq!(cost(&turned), VIEW * 24);
	// Of a table no more than what is asked for.
	let table = [(DType::I8, shape(&[1 << 20])), (DType::I32, shape(&[3]))];
	let applied = Applied::new(Op::Gather, &table).unwrap();
	let everywhere = View { shape: shape(&[1 << 20]), offset: 0, strides: vec![0] };
	assert_eq!(applied.view_units(0, &everywhere), VIEW * 3);
}

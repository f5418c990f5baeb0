//! Operators on more elements than one task computes, and anchors of more bytes than are hashed at a time,
//! against the definition.

use assay_exec::{
	testing::{definition, given_case, Rng},
	CpuExecutor, Executor,
};
use assay_ops::{DType, NormKind, Op, PoolKind, Relation, Shape};

const I8: DType = DType::I8;
const I16: DType = DType::I16;
const I32: DType = DType::I32;

/// Rows and columns that fill neither tasks nor tiles, and more than 64 KiB even of i8.
const ROWS: u32 = 331;
const WIDTH: u32 = 237;
const FULL: &[u32] = &[ROWS, WIDTH];

fn holds(op: Op, operands: &[(DType, &[u32])]) {
	let mut rng = Rng::seeded("large");
	let values = operands.iter().map(|&(dtype, dims)| {
		let len = dims.iter().product::<u32>() as usize;
		(dtype, dims, rng.values(dtype, len))
	});
	let mut case = given_case(op, &values.collect::<Vec<_>>());
	let checked = case.check();
	let found =
		CpuExecutor::new().run(&case.program, &checked, &case.inputs, case.steps, &mut ()).unwrap();
	let expected = definition(&case.program, &checked, &case.inputs, case.steps);
	assert!(found == expected, "{op:?} of {operands:?}");
}

#[test]
fn elementwise_operators_should_equal_the_definition_when_they_take_several_tasks() {
	let two = |a, b| [(a, FULL), (b, FULL)];
	for to in [I8, I16, I32] {
		holds(Op::MulShift { shift: 9, to }, &two(I16, I16));
		holds(Op::MulShift { shift: 30, to }, &two(I32, I32));
		holds(Op::ShiftBy { to }, &two(I32, I8));
		holds(Op::ShiftRandom { to }, &[(I32, FULL), (I8, FULL), (I32, FULL)]);
		holds(Op::ShiftRandom { to }, &[(I32, FULL), (I8, &[1]), (I32, FULL)]);
		holds(Op::IntDiv { shift: 7, to }, &two(I32, I16));
	}
	for relation in [Relation::Equal, Relation::Less, Relation::LessOrEqual] {
		holds(Op::Compare { relation }, &two(I8, I8));
	}
	holds(Op::Select, &[(I8, FULL), (I16, FULL), (I16, FULL)]);
	holds(Op::BitLen, &[(I32, FULL)]);
	holds(Op::Rsqrt { shift: 30 }, &[(I32, FULL)]);
	holds(Op::LutInterp, &[(I16, FULL), (I16, &[1025])]);
	holds(Op::LutInterp, &[(I16, FULL), (I32, &[129])]);
}

#[test]
fn generators_and_moves_should_equal_the_definition_when_they_take_several_tasks() {
	let shape = Shape::new(FULL).unwrap();
	holds(Op::Philox { shape, stream: 3 }, &[(I32, &[2]), (I32, &[1])]);
	holds(Op::Iota { shape, axis: 0 }, &[]);
	holds(Op::Iota { shape, axis: 1 }, &[]);
	holds(Op::Gather, &[(I16, &[100, WIDTH]), (I8, &[ROWS])]);
	holds(Op::ScatterAdd { rows: 90, to: I32 }, &[(I16, FULL), (I8, &[ROWS])]);
	holds(Op::Concat { axis: 1 }, &[(I8, FULL), (I8, &[ROWS, 50])]);
	holds(Op::Pad { axis: 1, low: 3, high: 9, value: -5 }, &[(I16, FULL)]);
}

#[test]
fn operators_on_rows_and_windows_should_equal_the_definition_when_they_take_several_tasks() {
	for to in [I8, I16] {
		holds(Op::Softmax { multiplier: 23_637, shift: 20, to }, &[(I32, FULL)]);
		holds(Op::Softmax { multiplier: 23_637, shift: 14, to }, &[(I8, FULL)]);
	}
	for kind in [NormKind::Layer, NormKind::Rms] {
		let operands = [(I16, FULL), (I16, &[WIDTH][..]), (I32, &[WIDTH][..])];
		holds(Op::Norm { kind, epsilon: 1, to: I16, shift: 2 }, &operands);
		holds(Op::RowScale { kind, epsilon: 1, shift: 24 }, &[(I16, FULL)]);
	}
	for axis in [0, 1] {
		holds(Op::ReduceSumProduct { axis, shift: 8, to: I32 }, &[(I16, FULL), (I16, FULL)]);
		holds(Op::ReduceMax { axis }, &[(I32, FULL)]);
		holds(Op::ReduceSum { axis, to: I32 }, &[(I8, FULL)]);
		holds(Op::ArgMax { axis }, &[(I8, FULL)]);
	}
	for kind in [PoolKind::Max, PoolKind::Sum] {
		let op = Op::Pool { kind, kernel: [3, 2], stride: [2, 1], pad: [[1, 0], [1, 1]], to: I16 };
		holds(op, &[(I16, &[3, 41, 37, 19])]);
	}
}

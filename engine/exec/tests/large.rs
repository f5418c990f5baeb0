//! Operators on more elements than one task computes, and anchors of more bytes than are hashed at a time,
//! against the definition.

use assay_engine_testing::{definition, given_case, Case, Draw, Rng};
use assay_exec::{CpuExecutor, Executor, Options, Tensor, Work};
use assay_ops::{DType, NormKind, Op, PoolKind, Relation, Shape, TensorType, View};
use assay_program::{Operand, ProgramBuilder};

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
	let found = CpuExecutor::new().run(&case.work(&checked), Options::default(), &mut ()).unwrap();
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
fn cumulative_sums_should_equal_the_definition_when_they_take_several_tasks() {
	for (exclusive, reverse) in [(false, false), (false, true), (true, false), (true, true)] {
		holds(Op::CumSum { exclusive, reverse, to: I16 }, &[(I8, FULL)]);
		holds(Op::CumSum { exclusive, reverse, to: I32 }, &[(I32, FULL)]);
		holds(Op::CumSum { exclusive, reverse, to: I32 }, &[(I32, &[1, ROWS * WIDTH])]);
	}
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

#[test]
fn short_folds_should_equal_the_definition_when_many_are_read_together() {
	let shapes: [(&[u32], u8); 9] = [
		(&[20_001, 2], 1),
		(&[9_001, 1], 1),
		(&[1, 70_001], 1),
		(&[1, 30_001, 3], 1),
		(&[5_001, 2, 3], 1),
		(&[3, 1_001, 130], 1),
		(&[7, 5_000, 5], 1),
		(&[2, 9_001], 0),
		(&[131, 127, 2], 0),
	];
	for (dims, axis) in shapes {
		holds(Op::ReduceSum { axis, to: I16 }, &[(I32, dims)]);
		holds(Op::ReduceMax { axis }, &[(I8, dims)]);
		holds(Op::ArgMax { axis }, &[(I8, dims)]);
		holds(Op::ReduceSumProduct { axis, shift: 3, to: I32 }, &[(I8, dims), (I16, dims)]);
	}
}

#[test]
fn windows_should_equal_the_definition_when_channels_are_few() {
	for kind in [PoolKind::Max, PoolKind::Sum] {
		for (dtype, to) in [(I8, I8), (I16, I32), (I32, I32)] {
			for (channels, kernel, pad) in [
				(1, [3, 3], [[1, 1], [2, 0]]),
				(2, [1, 1], [[0, 0]; 2]),
				(1, [17, 2], [[16, 3], [0, 1]]),
			] {
				let op = Op::Pool { kind, kernel, stride: [1, 2], pad, to };
				holds(op, &[(dtype, &[2, 67, 71, channels])]);
			}
		}
	}
	let op =
		Op::Pool { kind: PoolKind::Sum, kernel: [1, 2], stride: [1, 1], pad: [[0; 2]; 2], to: I32 };
	holds(op, &[(I32, &[1, 2, 3, 9_001])]);
}

#[test]
fn pools_should_equal_the_definition_when_pixels_are_deeper_than_a_task() {
	for kind in [PoolKind::Max, PoolKind::Sum] {
		for to in [I8, I32] {
			let op = Op::Pool { kind, kernel: [2, 2], stride: [1, 1], pad: [[1, 0], [0, 1]], to };
			holds(op, &[(I8, &[1, 2, 3, 5_001])]);
			holds(op, &[(I16, &[2, 1, 2, 8_192])]);
		}
	}
}

#[test]
fn scattered_rows_should_equal_the_definition_when_rows_are_many_or_wide() {
	for (rows, count, width) in
		[(30_000, 500, 1), (127, 4_000, 1), (9, 20, 5_000), (5_000, 300, 3), (2, 5, 12_345)]
	{
		let mut rng = Rng::seeded("scattered rows");
		let indices = |rng: &mut Rng| rng.range(-2, i64::from(rows) + 2) as i32;
		let indices = (0..count).map(|_| indices(&mut rng)).collect();
		let updates = rng.values(I32, (count * width) as usize);
		let operands: [(DType, &[u32], Vec<i32>); 2] =
			[(I32, &[count, width], updates), (I32, &[count], indices)];
		let mut case = given_case(Op::ScatterAdd { rows, to: I32 }, &operands);
		let checked = case.check();
		let found = CpuExecutor::new().run(
			&Work { program: &case.program, checked: &checked, inputs: &case.inputs, steps: 1 },
			Options::default(),
			&mut (),
		);
		let expected = definition(&case.program, &checked, &case.inputs, 1);
		assert!(found.unwrap() == expected, "{rows} rows, {count} of {width}");
	}
}

#[test]
fn requant_should_equal_the_definition_when_rows_are_short() {
	for columns in [1, 2, 3, 100, 255, 257] {
		for parameters in [1, columns] {
			let line: &[u32] = &[parameters];
			for to in [I8, I16] {
				let operands = [(I32, &[5_001, columns][..]), (I16, line), (I8, line), (I32, line)];
				holds(Op::Requant { to }, &operands);
			}
		}
	}
}

#[test]
fn gather_should_equal_the_definition_when_its_table_is_turned_and_large() {
	for (rows, width, count) in [(3_000, 40, 7), (5, 9_000, 3), (400, 1, 100)] {
		let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
		let mut b = ProgramBuilder::new();
		let stored = ty(I16, &[width, rows]);
		let table = b.input("table", stored);
		let indices = b.input("indices", ty(I32, &[count]));
		let turned = View::transpose(&stored.shape, &[1, 0]).unwrap();
		let seen = vec![Operand::viewed(table, turned), indices.into()];
		let rows_of = b.node(Op::Gather, seen);
		b.output("rows", rows_of);
		let mut rng = Rng::seeded("a turned table");
		let elements = rng.values(I16, (rows * width) as usize);
		let chosen: Vec<i32> = (0..count).map(|_| rng.range(-1, i64::from(rows)) as i32).collect();
		let inputs = vec![
			Tensor::from_elements(stored, &elements).unwrap(),
			Tensor::from_elements(ty(I32, &[count]), &chosen).unwrap(),
		];
		let mut case = Case { program: b.build().unwrap(), inputs, steps: 1 };
		let checked = case.check();
		let found = CpuExecutor::new().run(
			&Work { program: &case.program, checked: &checked, inputs: &case.inputs, steps: 1 },
			Options::default(),
			&mut (),
		);
		let expected = definition(&case.program, &checked, &case.inputs, 1);
		assert!(found.unwrap() == expected, "{count} of {rows} rows of {width}");
	}
}

//! Operators at the bounds of what their kernels count with: the longest sums of the largest
//! values.

use assay_engine_testing::{definition, given_case, Draw, Rng};
use assay_exec::{Executor, Options, Work};
use assay_gpu::GpuExecutor;
use assay_ops::{
	DType, Geometry, Narrow, NormKind, Op, PoolKind, MATMUL_I16_MAX_K, MATMUL_I8_MAX_K,
	MAX_FRACTION_BITS, NORM_MAX_LEN,
};
use DType::{I16, I32, I8};

type Given<'a> = (DType, &'a [u32], Vec<i32>);

fn open() -> GpuExecutor {
	GpuExecutor::open(0, None).expect("tests need an adapter; lavapipe will do")
}

/// Compares one operator's run; says whether it ran on the device.
fn agrees(executor: &mut GpuExecutor, op: Op, operands: &[Given<'_>]) -> bool {
	let mut case = given_case(op, operands);
	let checked = case.check();
	let expected = definition(&case.program, &checked, &case.inputs, 1);
	let before = executor.operators_on_cpu();
	let found = executor
		.run(
			&Work { program: &case.program, checked: &checked, inputs: &case.inputs, steps: 1 },
			Options::default(),
			&mut (),
		)
		.unwrap();
	assert!(found == expected, "{op:?}");
	executor.operators_on_cpu() == before
}

fn all(value: i32, count: u32) -> Vec<i32> {
	vec![value; count as usize]
}

#[test]
fn gather_should_read_zero_when_the_table_has_no_such_row() {
	let mut executor = open();
	for (table, index) in [(I8, I32), (I16, I8), (I32, I16)] {
		let mut rows: Vec<i32> = (-3..9).collect();
		rows.extend([index.min(), index.max()]);
		// What lies behind the table in its buffer was something else before.
		let before = (I32, &[300][..], all(-1, 300));
		assert!(agrees(&mut executor, Op::Copy, &[before]));
		let operands = [(table, &[5, 3][..], all(-1, 15)), (index, &[14], rows)];
		assert!(agrees(&mut executor, Op::Gather, &operands));
	}
}

#[test]
fn softmax_should_round_up_when_a_quotient_lies_in_the_middle() {
	let mut executor = open();
	for (to, len) in [(I8, 256), (I8, 257), (I16, 65_536), (I16, 65_537)] {
		let op = Op::Softmax { multiplier: 181, shift: 7, to };
		assert!(agrees(&mut executor, op, &[(I16, &[1, len], all(5, len))]));
	}
}

#[test]
fn norms_should_equal_the_definition_when_rows_are_extreme() {
	let mut executor = open();
	let len = NORM_MAX_LEN;
	let spike = |value| (0..len).map(|at| if at == 77 { value } else { 0 }).collect();
	let rows: [Vec<i32>; 6] = [
		all(-32768, len),
		all(0, len),
		(0..len).map(|at| [-32768, 32767][at as usize % 2]).collect(),
		spike(1),
		spike(-32768),
		(0..len).map(|at| if at == 0 { 32766 } else { 32767 }).collect(),
	];
	let x = rows.concat();
	let dims = [rows.len() as u32, len];
	for kind in [NormKind::Layer, NormKind::Rms] {
		for epsilon in [0, 1, u32::MAX] {
			for shift in [0, 15, MAX_FRACTION_BITS] {
				let op = Op::RowScale { kind, epsilon, shift };
				assert!(agrees(&mut executor, op, &[(I16, &dims, x.clone())]));
			}
			for (to, shift, gamma, beta) in [
				(I32, -128, -32768, i32::MIN),
				(I32, 0, 32767, i32::MAX),
				(I16, 0, 4096, -1),
				(I8, 6, -1, 1),
				(I32, 127, -32768, 0),
			] {
				let op = Op::Norm { kind, epsilon, to, shift };
				let operands = [
					(I16, &dims[..], x.clone()),
					(I16, &[1], vec![gamma]),
					(I32, &[1], vec![beta]),
				];
				assert!(agrees(&mut executor, op, &operands));
			}
		}
	}
	// One element to a row: V is 0 around the mean.
	for kind in [NormKind::Layer, NormKind::Rms] {
		let values: Vec<i32> = vec![-32768, -1, 0, 1, 32767];
		let op = Op::RowScale { kind, epsilon: 0, shift: MAX_FRACTION_BITS };
		assert!(agrees(&mut executor, op, &[(I16, &[5, 1], values)]));
	}
}

#[test]
fn softmax_should_equal_the_definition_when_rows_are_extreme() {
	let mut executor = open();
	let mut rng = Rng::seeded("softmax_extremes");
	for dtype in [I8, I16, I32] {
		let (min, max) = (dtype.min(), dtype.max());
		let len = 5000;
		let mut x = all(max, len);
		x.extend(all(min, len));
		x.extend((0..len).map(|at| if at == 4321 { max } else { min }));
		x.extend((0..len).map(|at| max - at as i32 % 100));
		x.extend(rng.values(dtype, len as usize));
		for (multiplier, shift) in
			[(i16::MAX, -128), (i16::MIN, 0), (1, 0), (1, -10), (i16::MAX, 62), (181, 7)]
		{
			for to in [I8, I16] {
				let op = Op::Softmax { multiplier, shift, to };
				assert!(agrees(&mut executor, op, &[(dtype, &[5, len], x.clone())]));
			}
		}
	}
}

#[test]
fn products_should_equal_the_definition_when_sums_are_the_longest() {
	let mut executor = open();
	for (x, y) in [(-128, -128), (-128, 127)] {
		let k = MATMUL_I8_MAX_K;
		let operands = [(I8, &[2, 1, k][..], all(x, 2 * k)), (I8, &[2, 1, k], all(y, 2 * k))];
		assert!(agrees(&mut executor, Op::BatchMatMul { narrow: None }, &operands));
	}
	let k = MATMUL_I16_MAX_K;
	for (x, y) in [(-32768, -32768), (-32768, 32767)] {
		for (multiplier, shift, more) in [
			(i16::MIN, -128, -128),
			(i16::MIN, 62, 127),
			(1, 16, -1),
			(-1, 127, -100),
			(3, -128, 127),
		] {
			let narrow = Some(Narrow { multiplier, shift, to: I32 });
			let operands = [
				(I16, &[2, 1, k][..], all(x, 2 * k)),
				(I16, &[2, 1, k], all(y, 2 * k)),
				(I8, &[1], vec![more]),
			];
			assert!(agrees(&mut executor, Op::BatchMatMul { narrow }, &operands));
		}
	}
}

#[test]
fn grouped_convolutions_should_equal_the_definition_when_sums_are_long() {
	let mut executor = open();
	let geometry = Geometry { groups: 2, ..Geometry::UNIT };
	// What a software adapter counts to, and what it does not.
	for (k, always) in [(5_000, true), (MATMUL_I16_MAX_K, false)] {
		let (image, weights): ([u32; 4], [u32; 4]) = ([1, 1, 1, 2 * k], [2, 1, 1, k]);
		for (dtype, narrow) in
			[(I8, None), (I16, Some(Narrow { multiplier: -32768, shift: 46, to: I32 }))]
		{
			for y in [dtype.min(), dtype.max()] {
				let operands = [
					(dtype, &image[..], all(dtype.min(), 2 * k)),
					(dtype, &weights[..], all(y, 2 * k)),
				];
				let op = Op::Conv2d { geometry, narrow };
				let on_device = agrees(&mut executor, op, &operands);
				assert!(on_device || !always);
			}
		}
	}
}

#[test]
fn reductions_should_equal_the_definition_when_sums_are_long() {
	let mut executor = open();
	for (a, b, most) in [(I32, I16, 65_535), (I16, I32, 65_535), (I8, I16, 300_000)] {
		for (x, y) in [(a.min(), b.min()), (a.min(), b.max())] {
			for shift in [-128, 0, 45, 62, 127] {
				let op = Op::ReduceSumProduct { axis: 0, shift, to: I32 };
				let operands = [(a, &[most][..], all(x, most)), (b, &[most], all(y, most))];
				agrees(&mut executor, op, &operands);
				let operands = [(a, &[5_000][..], all(x, 5_000)), (b, &[5_000], all(y, 5_000))];
				assert!(agrees(&mut executor, op, &operands));
			}
		}
		for op in
			[Op::ReduceSum { axis: 0, to: I32 }, Op::ReduceMax { axis: 0 }, Op::ArgMax { axis: 0 }]
		{
			let rising = (0..most).map(|at| at as i32).collect();
			agrees(&mut executor, op, &[(I32, &[most], rising)]);
			agrees(&mut executor, op, &[(a, &[most], all(a.min(), most))]);
		}
	}
}

#[test]
fn scatter_add_should_equal_the_definition_when_all_updates_meet() {
	let mut executor = open();
	for value in [i32::MIN, i32::MAX, -1, 1, 0x7fff_8000] {
		// Beyond 2^16 the halves might not fit, and the CPU adds.
		for (count, on_device) in [(65_536, true), (65_537, false)] {
			for to in [I32, I8] {
				let op = Op::ScatterAdd { rows: 2, to };
				let operands =
					[(I32, &[count, 1][..], all(value, count)), (I8, &[count], all(1, count))];
				assert_eq!(agrees(&mut executor, op, &operands), on_device);
			}
		}
	}
}

#[test]
fn top_k_should_take_the_lowest_positions_first_when_values_are_equal() {
	let mut executor = open();
	for dtype in [I8, I16, I32] {
		let len = 700;
		let mut x = all(dtype.min(), len);
		x.extend(all(dtype.max(), len));
		x.extend((0..len).map(|at| [dtype.max(), dtype.min(), 0][at as usize % 3]));
		for k in [1, 64, 65, len] {
			for values in [true, false] {
				let op = Op::TopK { k, values };
				assert!(agrees(&mut executor, op, &[(dtype, &[3, len], x.clone())]));
			}
		}
	}
}

#[test]
fn cumulative_sums_should_equal_the_definition_when_they_leave_their_type() {
	let mut executor = open();
	for (dtype, to) in [(I8, I8), (I16, I16), (I32, I32), (I32, I8), (I8, I32)] {
		for len in [1, 63, 64, 65, 1000, 4097] {
			let mut x = all(dtype.min(), len);
			x.extend(all(dtype.max(), len));
			x.extend((0..len).map(|at| [dtype.max(), dtype.min(), 1][at as usize % 3]));
			for (exclusive, reverse) in [(false, false), (false, true), (true, false), (true, true)]
			{
				let op = Op::CumSum { exclusive, reverse, to };
				assert!(agrees(&mut executor, op, &[(dtype, &[3, len], x.clone())]));
			}
		}
	}
}

#[test]
fn pool_should_equal_the_definition_when_windows_hang_over_the_edges() {
	let mut executor = open();
	for value in [i32::MIN, i32::MAX, -1] {
		for kind in [PoolKind::Max, PoolKind::Sum] {
			let op = Op::Pool {
				kind,
				kernel: [15, 15],
				stride: [3, 2],
				pad: [[14, 14], [14, 14]],
				to: I32,
			};
			assert!(agrees(&mut executor, op, &[(I32, &[1, 7, 9, 3], all(value, 7 * 9 * 3))]));
		}
	}
}

#[test]
fn convolution_should_equal_the_definition_when_patches_are_gathered_in_blocks() {
	let mut executor = open();
	let mut rng = Rng::seeded("patch_blocks");
	// Room for 16 KiB: a few hundred of 6,400 positions at a time.
	executor.constrain(1 << 17, 65_535);
	let geometry = Geometry { pad: [[1, 1], [1, 1]], ..Geometry::UNIT };
	for (dtype, narrow) in
		[(I8, None), (I16, Some(Narrow { multiplier: 20_000, shift: 30, to: I16 }))]
	{
		let x = (dtype, &[1, 80, 80, 5][..], rng.values(dtype, 80 * 80 * 5));
		let w = (dtype, &[3, 3, 3, 5][..], rng.values(dtype, 3 * 45));
		assert!(agrees(&mut executor, Op::Conv2d { geometry, narrow }, &[x, w]));
	}
}

#[test]
fn long_reductions_should_equal_the_definition_when_operands_are_random() {
	let mut executor = open();
	let mut rng = Rng::seeded("long_reductions");
	for round in 0..60 {
		let (len, other) = (rng.range(1024, 5000) as u32, rng.range(1, 5) as u32);
		let axis = rng.below(2) as u8;
		let dims = if axis == 0 { [len, other] } else { [other, len] };
		let types = [I8, I16, I32];
		let (a, b, to) = (rng.pick(&types), rng.pick(&types[..2]), rng.pick(&types));
		let shift = rng.range(-128, 127) as i8;
		let x = rng.values(a, (len * other) as usize);
		let y = rng.values(b, (len * other) as usize);
		let one = [(a, &dims[..], x.clone())];
		for op in [Op::ReduceSum { axis, to }, Op::ReduceMax { axis }, Op::ArgMax { axis }] {
			assert!(agrees(&mut executor, op, &one), "round {round}");
		}
		let op = Op::ReduceSumProduct { axis, shift, to };
		assert!(agrees(&mut executor, op, &[(a, &dims, x), (b, &dims, y)]), "round {round}");
	}
}

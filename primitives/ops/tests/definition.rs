//! Every operator against straightforward i128 arithmetic over coordinates.

use assay_ops::{
	evaluate, philox4x32, DType, Geometry, Narrow, NormKind, Op, OpError, Operand, PoolKind,
	Relation, Shape, TensorType, Values, EXP2,
};
use assay_testing::{
	operators::{case, special, Case},
	Draw, Rng, OPERATOR_KINDS,
};
use num_bigint::{BigInt, BigUint};
use num_integer::Integer;
use num_traits::ToPrimitive;
use proptest::prelude::*;

fn rounded(x: i128, by: i8) -> i128 {
	match by {
		0 => x,
		1.. => (x + (1i128 << (by.min(62) - 1))) >> by.min(62),
		_ => x << (-(by as i32)).min(31),
	}
}

fn saturated(x: i128, to: DType) -> i32 {
	x.clamp(to.min() as i128, to.max() as i128) as i32
}

/// Element at coordinates `at` of an operand, through its view by the formula.
fn element(case: &Case, operand: usize, at: &[u32]) -> i128 {
	let (values, view) = &case.operands[operand];
	let index: u32 = match view {
		Some(view) => {
			assert_eq!(at.len(), view.strides.len());
			view.offset + at.iter().zip(&view.strides).map(|(i, stride)| i * stride).sum::<u32>()
		}
		None => {
			let dims = values.ty().shape.dims().to_vec();
			assert_eq!(at.len(), dims.len());
			at.iter().zip(&dims).fold(0, |index, (i, dim)| index * dim + i)
		}
	};
	values.data()[index as usize] as i128
}

fn naive(case: &Case, at: &[u32]) -> i32 {
	let x = |operand: usize| element(case, operand, at);
	let types = case.types();
	let along = |axis: u8| -> Vec<i128> {
		let axis = axis as usize;
		(0..types[0].1.dims()[axis])
			.map(|k| {
				let mut at = at.to_vec();
				at.insert(axis, k);
				element(case, 0, &at)
			})
			.collect()
	};
	match case.op {
		Op::Add { to } => saturated(x(0) + x(1), to),
		Op::Sub { to } => saturated(x(0) - x(1), to),
		Op::Mul { to } => saturated(x(0) * x(1), to),
		Op::Max => x(0).max(x(1)) as i32,
		Op::Min => x(0).min(x(1)) as i32,
		Op::Clamp { lo, hi } => x(0).clamp(lo as i128, hi as i128) as i32,
		Op::Shift { by, to } => saturated(rounded(x(0), by), to),
		Op::Cast { to } => saturated(x(0), to),
		Op::Copy => x(0) as i32,
		Op::Lut => element(case, 1, &[(x(0) + 128) as u32]) as i32,
		Op::ReduceSum { axis, to } => saturated(along(axis).iter().sum(), to),
		Op::ReduceMax { axis } => along(axis).into_iter().max().unwrap() as i32,
		Op::ArgMax { axis } => {
			let values = along(axis);
			let best = values.iter().max().unwrap();
			values.iter().position(|value| value == best).unwrap() as i32
		}
		Op::Requant { to } => {
			let parameter = |operand: usize| match types.get(operand) {
				None => 0,
				Some((_, shape)) if shape.elements() == 1 => element(case, operand, &[0]),
				Some(_) => element(case, operand, &[*at.last().unwrap()]),
			};
			saturated(rounded((x(0) + parameter(3)) * parameter(1), parameter(2) as i8), to)
		}
		Op::MatMul { narrow } => {
			let (n, rows) = at.split_last().unwrap();
			let sum: i128 = (0..types[0].1.last())
				.map(|k| {
					let a: Vec<u32> = rows.iter().copied().chain([k]).collect();
					element(case, 0, &a) * element(case, 1, &[*n, k])
				})
				.sum();
			narrowed(case, sum, narrow)
		}
		Op::BatchMatMul { narrow } => {
			let [batch @ .., m, n] = at else { unreachable!() };
			let sum: i128 = (0..types[0].1.last())
				.map(|k| {
					let row =
						|row: u32| -> Vec<u32> { batch.iter().copied().chain([row, k]).collect() };
					element(case, 0, &row(*m)) * element(case, 1, &row(*n))
				})
				.sum();
			narrowed(case, sum, narrow)
		}
		Op::Conv2d { geometry, narrow } => narrowed(case, convolved(case, geometry, at), narrow),
		Op::Pool { kind, kernel, stride, pad, to } => {
			let &[image, y, x, channel] = at else { unreachable!() };
			let &[_, height, width, _] = types[0].1.dims() else { unreachable!() };
			let inside = |axis: usize, output: u32, position: u32| {
				let first = (output * stride[axis] as u32) as i64 - pad[axis][0] as i64;
				(first..first + kernel[axis] as i64).contains(&(position as i64))
			};
			let window: Vec<i128> = (0..height)
				.flat_map(|h| (0..width).map(move |w| (h, w)))
				.filter(|&(h, w)| inside(0, y, h) && inside(1, x, w))
				.map(|(h, w)| element(case, 0, &[image, h, w, channel]))
				.collect();
			let value = match kind {
				PoolKind::Max => window.into_iter().max().expect("a window is never empty"),
				PoolKind::Sum => window.iter().sum(),
			};
			saturated(value, to)
		}
		Op::MulShift { shift, to } => saturated(rounded(x(0) * x(1), shift), to),
		Op::Compare { relation } => match relation {
			Relation::Equal => (x(0) == x(1)) as i32,
			Relation::Less => (x(0) < x(1)) as i32,
			Relation::LessOrEqual => (x(0) <= x(1)) as i32,
		},
		Op::Select => (if x(0) != 0 { x(1) } else { x(2) }) as i32,
		Op::BitLen => {
			let mut bits = 0;
			while x(0).abs() >> bits != 0 {
				bits += 1;
			}
			bits
		}
		Op::LutInterp => {
			// On the line from point i to point i + 1, rounded half up.
			let segments = types[1].1.last() as i128 - 1;
			let at = (x(0) + 32_768) * segments;
			let (i, rest) = ((at / 65_536) as u32, at % 65_536);
			let (left, right) = (element(case, 1, &[i]), element(case, 1, &[i + 1]));
			(left + ((right - left) * rest + 32_768).div_euclid(65_536)) as i32
		}
		Op::IntDiv { shift, to } => {
			let (mut a, mut b) = (BigInt::from(x(0)) << (shift + 1), BigInt::from(x(1)));
			if b == BigInt::ZERO {
				return 0;
			}
			if b < BigInt::ZERO {
				(a, b) = (-a, -b);
			}
			let quotient: BigInt = (a + &b).div_floor(&(b * 2));
			saturated(quotient.to_i128().unwrap(), to)
		}
		Op::Rsqrt { shift } if x(0) > 0 => {
			nearest_root(BigUint::from(1u8) << (2 * shift), x(0) as u128)
		}
		Op::Rsqrt { .. } => 0,
		Op::Gather => {
			let rank = types[1].1.rank();
			let row = element(case, 1, &at[..rank]);
			if !(0..types[0].1.dims()[0] as i128).contains(&row) {
				return 0;
			}
			let from: Vec<u32> = [row as u32].into_iter().chain(at[rank..].to_vec()).collect();
			element(case, 0, &from) as i32
		}
		Op::ScatterAdd { to, .. } => {
			let sum = (0..types[1].1.last())
				.filter(|&n| element(case, 1, &[n]) == at[0] as i128)
				.map(|n| {
					let from: Vec<u32> = [n].into_iter().chain(at[1..].to_vec()).collect();
					element(case, 0, &from)
				})
				.sum();
			saturated(sum, to)
		}
		Op::Concat { axis } => {
			let mut at = at.to_vec();
			let mut operand = 0;
			while at[axis as usize] >= types[operand].1.dims()[axis as usize] {
				at[axis as usize] -= types[operand].1.dims()[axis as usize];
				operand += 1;
			}
			element(case, operand, &at) as i32
		}
		Op::Pad { axis, low, value, .. } => {
			let mut at = at.to_vec();
			let size = types[0].1.dims()[axis as usize];
			if !(low..low + size).contains(&at[axis as usize]) {
				return value;
			}
			at[axis as usize] -= low;
			element(case, 0, &at) as i32
		}
		Op::Iota { axis, .. } => at[axis as usize] as i32,
		Op::Philox { shape, stream } => {
			let index = at.iter().zip(shape.dims()).fold(0, |index, (i, dim)| index * dim + i);
			let key = [element(case, 0, &[0]) as u32, element(case, 0, &[1]) as u32];
			let counter = [index / 4, 0, stream, element(case, 1, &[0]) as u32];
			philox4x32(key, counter)[index as usize % 4] as i32
		}
		Op::ShiftBy { to } => saturated(rounded(x(0), shift_of(case, at)), to),
		Op::ShiftRandom { to } => match shift_of(case, at) {
			shift @ ..=0 => saturated(rounded(x(0), shift), to),
			shift => {
				let unit = 1i128 << shift.min(31);
				saturated((x(0) + x(2).rem_euclid(unit)).div_euclid(unit), to)
			}
		},
		Op::TopK { values, .. } => {
			let row = last_row(case, at);
			let mut order: Vec<usize> = (0..row.len()).collect();
			order.sort_by_key(|&i| (-row[i], i));
			let found = order[*at.last().unwrap() as usize];
			if values {
				row[found] as i32
			} else {
				found as i32
			}
		}
		Op::CumSum { exclusive, reverse, to } => {
			let (row, at) = (last_row(case, at), *at.last().unwrap() as usize);
			let part = match reverse {
				true => &row[at + usize::from(exclusive)..],
				false => &row[..at + usize::from(!exclusive)],
			};
			saturated(part.iter().sum(), to)
		}
		Op::Softmax { multiplier, shift, to } => {
			let row = last_row(case, at);
			let largest = *row.iter().max().unwrap();
			let e = |x: i128| {
				let t = rounded((largest - x) * multiplier as i128, shift).max(0);
				EXP2[(t % 1024) as usize] as i128 >> (t / 1024).min(100)
			};
			let sum: i128 = row.iter().map(|&x| e(x)).sum();
			let q = if to == DType::I8 { 7 } else { 15 };
			let value = (e(row[*at.last().unwrap() as usize]) << q) * 2 + sum;
			saturated(value / (2 * sum), to)
		}
		Op::Norm { kind, epsilon, to, shift } => {
			let row = last_row(case, at);
			let (sum, v) = moments(&row, kind, epsilon);
			if v == 0 {
				let beta = parameter(case, 2, at) << 16;
				return saturated(rounded(beta, clamped(16 + shift as i32)), to);
			}
			let mut h = 0;
			while v << (2 * h) < 1 << 62 {
				h += 1;
			}
			let root = nearest_root(BigUint::from(1u8) << 124, (v << (2 * h)) as u128);
			let d = row.len() as i128 * row[*at.last().unwrap() as usize] - sum;
			let z = rounded(d * root as u32 as i128, 46 - h as i8);
			let sum = z * parameter(case, 1, at) + (parameter(case, 2, at) << 16);
			saturated(rounded(sum, clamped(16 + shift as i32)), to)
		}
		Op::RowScale { kind, epsilon, shift } => {
			let row: Vec<i128> = (0..types[0].1.last())
				.map(|i| {
					let at: Vec<u32> = at.iter().copied().chain([i]).collect();
					element(case, 0, &at)
				})
				.collect();
			let (_, v) = moments(&row, kind, epsilon);
			if v == 0 {
				return 0;
			}
			let numerator = BigUint::from(row.len() as u64).pow(2) << (2 * shift);
			nearest_root(numerator, v as u128)
		}
		Op::ReduceSumProduct { axis, shift, to } => {
			let sum = (0..types[0].1.dims()[axis as usize])
				.map(|k| {
					let mut at = at.to_vec();
					at.insert(axis as usize, k);
					element(case, 0, &at) * element(case, 1, &at)
				})
				.sum();
			saturated(rounded(sum, shift), to)
		}
	}
}

fn clamped(shift: i32) -> i8 {
	shift.clamp(-31, 62) as i8
}

fn narrowed(case: &Case, sum: i128, narrow: Option<Narrow>) -> i32 {
	let Some(Narrow { multiplier, shift, to }) = narrow else {
		return i32::try_from(sum).unwrap();
	};
	let more = if case.operands.len() > 2 { element(case, 2, &[0]) as i32 } else { 0 };
	saturated(rounded(sum * multiplier as i128, clamped(shift as i32 + more)), to)
}

fn convolved(case: &Case, geometry: Geometry, at: &[u32]) -> i128 {
	let types = case.types();
	let &[image, y, x, out] = at else { unreachable!() };
	let &[_, height, width, _] = types[0].1.dims() else { unreachable!() };
	let &[outs, kh, kw, channels] = types[1].1.dims() else { unreachable!() };
	let first = out / (outs / geometry.groups as u32) * channels;
	// Do element `h` of x and position `i` of the kernel meet at output `o`?
	let meet = |axis: usize, o: u32, h: u32, i: u32| {
		h as i64 * geometry.input_dilation[axis] as i64 + geometry.pad[axis][0] as i64
			== o as i64 * geometry.stride[axis] as i64
				+ i as i64 * geometry.kernel_dilation[axis] as i64
	};
	let mut sum = 0;
	for (h, i) in (0..height).flat_map(|h| (0..kh).map(move |i| (h, i))) {
		for (w, j) in (0..width).flat_map(|w| (0..kw).map(move |j| (w, j))) {
			if meet(0, y, h, i) && meet(1, x, w, j) {
				let (i, j) = if geometry.flip { (kh - 1 - i, kw - 1 - j) } else { (i, j) };
				for c in 0..channels {
					let value = element(case, 0, &[image, h, w, first + c]);
					sum += value * element(case, 1, &[out, i, j, c]);
				}
			}
		}
	}
	sum
}

/// The integer nearest to √(numerator / denominator).
fn nearest_root(numerator: BigUint, denominator: u128) -> i32 {
	// ⌊x + 1/2⌋ = ⌊(⌊2x⌋ + 1) / 2⌋.
	let four: BigUint = numerator << 2;
	let twice = (four / BigUint::from(denominator)).sqrt();
	let nearest: BigUint = (twice + 1u8) >> 1;
	nearest.to_u32().map_or(i32::MAX, |root| root as i32)
}

/// Σx (0 for RMS) and V.
fn moments(row: &[i128], kind: NormKind, epsilon: u32) -> (i128, i128) {
	let n = row.len() as i128;
	let sum = match kind {
		NormKind::Layer => row.iter().sum(),
		NormKind::Rms => 0,
	};
	let v = n * row.iter().map(|x| x * x).sum::<i128>() - sum * sum;
	(sum, v + epsilon as i128 * n * n)
}

/// The row of the last dimension that output `at` reads.
fn last_row(case: &Case, at: &[u32]) -> Vec<i128> {
	let mut at = at.to_vec();
	(0..case.types()[0].1.last())
		.map(|i| {
			*at.last_mut().unwrap() = i;
			element(case, 0, &at)
		})
		.collect()
}

/// A parameter that is one number or one for each column.
fn parameter(case: &Case, operand: usize, at: &[u32]) -> i128 {
	let column = at.last().unwrap() % case.types()[operand].1.elements();
	element(case, operand, &[column])
}

fn shift_of(case: &Case, at: &[u32]) -> i8 {
	let one = case.types()[1].1.dims() == [1];
	element(case, 1, if one { &[0] } else { at }) as i8
}

fn coordinates(shape: Shape, mut index: u32) -> Vec<u32> {
	let mut at: Vec<u32> = shape
		.dims()
		.iter()
		.rev()
		.map(|dim| {
			let this = index % dim;
			index /= dim;
			this
		})
		.collect();
	at.reverse();
	at
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

	#[test]
	fn operator_should_equal_wide_arithmetic_when_operands_are_random(
		seed: u64,
		kind in 0..2 * OPERATOR_KINDS,
	) {
		let mut rng = Rng::new(seed);
		let case = if kind < OPERATOR_KINDS { special(&mut rng, kind) } else { case(&mut rng) };
		let result = evaluate(&case.op, &case.operands(), Some(case.split)).unwrap();
		let ty = result.ty();
		prop_assert_eq!(ty.split, case.split);
		// All of a small result, a sample of a large one.
		let step = 1 + ty.elements() / 2000;
		for index in (0..ty.elements()).step_by(step as usize) {
			let at = coordinates(ty.shape, index);
			prop_assert_eq!(result.get(index), naive(&case, &at), "{:?} at {:?}", case.op, at);
		}
	}

	#[test]
	fn canonical_bytes_should_round_trip_when_padding_is_poisoned(seed: u64) {
		let mut rng = Rng::new(seed);
		let rank = rng.below_u32(5) as usize;
		let shape = rng.shape(rank);
		let dtype = rng.dtype();
		let ty = rng.typed(dtype, shape);
		let values = rng.tensor(ty);
		let clean = values.to_canonical();
		prop_assert_eq!(clean.len() as u64, ty.canonical_len());
		let mut poisoned: Vec<u8> = clean.iter().map(|_| rng.bits() as u8).collect();
		for element in 0..ty.elements() {
			let (tile, offset) = ty.position(element as u64);
			let at = tile as usize * 1024 + offset;
			poisoned[at..at + dtype.size()].copy_from_slice(&clean[at..at + dtype.size()]);
		}
		let read = Values::from_canonical(ty, &poisoned).unwrap();
		prop_assert_eq!(&read, &values);
		prop_assert_eq!(read.to_canonical(), clean);
		prop_assert_eq!(Values::from_row_major(ty, &values.to_row_major()).unwrap(), values);
	}
}

fn filled(dtype: DType, dims: &[u32], value: i32) -> Values {
	let ty = TensorType::new(dtype, dims).unwrap();
	Values::new(ty, vec![value; ty.elements() as usize]).unwrap()
}

#[test]
fn matmul_should_hold_its_accumulator_when_k_and_values_are_extreme() {
	for (value, k) in [(-128, 131_071u32), (127, 131_071)] {
		let (a, b) = (filled(DType::I8, &[1, k], value), filled(DType::I8, &[1, k], -128));
		let op = Op::MatMul { narrow: None };
		let result = evaluate(&op, &[Operand::from(&a), Operand::from(&b)], None).unwrap();
		assert_eq!(result.data(), &[(value as i64 * -128 * k as i64) as i32]);
	}
	let (k, min) = (65_536, i16::MIN as i32);
	let (a, b) = (filled(DType::I16, &[1, k], min), filled(DType::I16, &[1, k], min));
	let narrow = Narrow { multiplier: i16::MIN, shift: 46, to: DType::I32 };
	let op = Op::MatMul { narrow: Some(narrow) };
	let result = evaluate(&op, &[Operand::from(&a), Operand::from(&b)], None).unwrap();
	assert_eq!(result.data(), &[-(1 << 15)]);
}

#[test]
fn infer_should_name_the_fault_when_operands_do_not_fit() {
	let shape = |dims: &[u32]| Shape::new(dims).unwrap();
	let mm = Op::MatMul { narrow: None };
	let narrow = Some(Narrow { multiplier: 1, shift: 0, to: DType::I8 });
	let infer = |op: Op, operands: &[(DType, &[u32])]| {
		let shapes: Vec<_> = operands.iter().map(|(_, dims)| shape(dims)).collect();
		let refs: Vec<_> = operands.iter().zip(&shapes).map(|((d, _), s)| (*d, s)).collect();
		assert!(op.infer(&refs).is_ok() || op.work_units(&refs) == 0);
		op.infer(&refs)
	};
	use DType::*;
	use OpError::{
		Axis, ClampBounds, OperandCount, OperandShape, OperandType, ReductionTooLong,
		TooManyElements,
	};
	assert_eq!(infer(mm, &[(I8, &[2, 3])]), Err(OperandCount { expected: 2 }));
	assert_eq!(infer(mm, &[(I8, &[2, 3]), (I8, &[2, 4])]), Err(OperandShape { operand: 1 }));
	assert_eq!(infer(mm, &[(I8, &[2, 3]), (I8, &[3])]), Err(OperandShape { operand: 1 }));
	assert_eq!(infer(mm, &[(I8, &[]), (I8, &[3, 3])]), Err(OperandShape { operand: 0 }));
	assert_eq!(
		infer(mm, &[(I8, &[3]), (I16, &[3, 3])]),
		Err(OperandType { operand: 1, found: I16 })
	);
	assert_eq!(
		infer(mm, &[(I32, &[3]), (I32, &[3, 3])]),
		Err(OperandType { operand: 0, found: I32 })
	);
	assert_eq!(infer(mm, &[(I16, &[3]), (I16, &[3, 3])]), Err(OpError::Narrow));
	assert_eq!(infer(Op::MatMul { narrow }, &[(I8, &[3]), (I8, &[3, 3])]), Err(OpError::Narrow));
	assert_eq!(
		infer(mm, &[(I8, &[131_072]), (I8, &[1, 131_072])]),
		Err(ReductionTooLong { max: 131_071 })
	);
	assert_eq!(
		infer(Op::MatMul { narrow }, &[(I16, &[65_537]), (I16, &[1, 65_537])]),
		Err(ReductionTooLong { max: 65_536 })
	);
	assert_eq!(infer(mm, &[(I8, &[65_536, 1]), (I8, &[65_536, 1])]), Err(TooManyElements));
	let requant = Op::Requant { to: I8 };
	let rest: [(DType, &[u32]); 2] = [(I16, &[5]), (I8, &[1])];
	assert_eq!(
		infer(requant, &[(I32, &[4, 4]), rest[0], rest[1]]),
		Err(OperandShape { operand: 1 })
	);
	assert_eq!(
		infer(requant, &[(I32, &[4, 5]), rest[1], rest[0]]),
		Err(OperandType { operand: 1, found: I8 })
	);
	assert_eq!(
		infer(Op::Requant { to: I32 }, &[(I32, &[4, 5]), rest[0], rest[1]]),
		Err(OperandType { operand: 0, found: I32 })
	);
	assert!(infer(requant, &[(I32, &[4, 5]), rest[0], rest[1]]).is_ok());
	assert_eq!(
		infer(Op::Max, &[(I8, &[2]), (I16, &[2])]),
		Err(OperandType { operand: 1, found: I16 })
	);
	assert_eq!(
		infer(Op::Add { to: I8 }, &[(I8, &[2]), (I8, &[1, 2])]),
		Err(OperandShape { operand: 1 })
	);
	for (lo, hi) in [(1, 0), (-129, 0), (0, 128)] {
		assert_eq!(infer(Op::Clamp { lo, hi }, &[(I8, &[2])]), Err(ClampBounds));
	}
	assert_eq!(infer(Op::Lut, &[(I8, &[2]), (I8, &[255])]), Err(OperandShape { operand: 1 }));
	assert_eq!(infer(Op::ArgMax { axis: 1 }, &[(I8, &[2])]), Err(Axis));
	assert_eq!(infer(Op::ReduceMax { axis: 0 }, &[(I8, &[])]), Err(Axis));
	assert_eq!(infer(Op::Copy, &[]), Err(OperandCount { expected: 1 }));
}

#[test]
fn shape_should_be_refused_when_it_breaks_a_bound() {
	use codec::{Decode, Encode};
	assert_eq!(Shape::new(&[1; 7]), Err(OpError::Rank));
	assert_eq!(Shape::new(&[1, 0]), Err(OpError::ZeroDimension));
	assert_eq!(Shape::new(&[1 << 16, 1 << 15, 2]), Err(OpError::TooManyElements));
	assert_eq!(Shape::new(&[u32::MAX; 6]), Err(OpError::TooManyElements));
	assert_eq!(Shape::new(&[1 << 31]).unwrap().elements(), 1 << 31);
	for dims in [&[0u32][..], &[1 << 31, 2], &[1; 7], &[u32::MAX; 6]] {
		assert!(Shape::decode(&mut &dims.encode()[..]).is_err());
	}
	// A huge count is refused before anything is read for it.
	assert!(Shape::decode(&mut &[0xfe, 0xff, 0xff, 0xff][..]).is_err());
	let ty = TensorType::new(DType::I8, &[2, 3, 4]).unwrap();
	assert_eq!(TensorType::decode(&mut &ty.encode()[..]).unwrap(), ty);
	assert_eq!(ty.with_split(0), Err(OpError::Split));
	assert_eq!(ty.with_split(3), Err(OpError::Split));
	assert!(TensorType::decode(&mut &(DType::I8, ty.shape, 3u8).encode()[..]).is_err());
}

#[test]
fn huge_tensor_should_have_exact_layout_when_it_is_never_allocated() {
	let ty = TensorType::new(DType::I8, &[1 << 31]).unwrap();
	assert_eq!(ty.tiles(), 1 << 21);
	assert_eq!(ty.position((1 << 31) - 1), ((1 << 21) - 1, 1023));
	let tall = TensorType::new(DType::I32, &[1 << 31, 1]).unwrap();
	assert_eq!((tall.tile_grid(), tall.tiles()), ((1 << 27, 1), 1 << 27));
	assert_eq!(tall.tile_elements((1 << 27) - 1).count(), 16);
	for ty in [ty, tall] {
		assert_eq!(ty.tile_elements(ty.tiles()).count(), 0);
		assert_eq!(ty.tile_elements(u64::MAX).count(), 0);
	}
}

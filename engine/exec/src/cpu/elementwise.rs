//! Operators of which each result follows from one element of each operand.

use super::{
	choose,
	fixed_point::{self, amount},
	mismatch, Evaluation, Source,
};
use crate::{simd::vectorised, Buffer, Element, ExecError};
use assay_ops::{
	int_div, rsqrt, saturate_shift, DType, Elementwise, Narrow, Op, MAX_FRACTION_BITS,
};

vectorised! {
	pub(super) fn clamp[](values: &mut [i32], lo: i32, hi: i32) {
		values.iter_mut().for_each(|x| *x = (*x).max(lo).min(hi));
	}
}

vectorised! {
	pub(super) fn bit_lengths[](values: &mut [i32]) {
		for x in values {
			*x = 32 - x.unsigned_abs().leading_zeros() as i32;
		}
	}
}

vectorised! {
	/// `scale / √x`, rounded to the nearest integer where x is positive, else 0. Says whether some
	/// quotient lies so near the middle of two integers that rounding errors may have decided.
	fn estimate_roots[](values: &mut [i32], scale: f64) -> bool {
		// The quotient is at most 2^30 and has a relative error of less than 2^-51.
		const NEAR: f64 = 1.0 / (1 << 20) as f64;
		let mut near = false;
		for x in values {
			let shifted = scale / f64::from(*x).sqrt() + 0.5;
			// Of a positive x at most 2^30 + 1; NaN and infinity of the others become something.
			let nearest = if *x > 0 { shifted } else { 0.0 } as i32;
			let rest = shifted - f64::from(nearest);
			near |= *x > 0 && !(NEAR..=1.0 - NEAR).contains(&rest);
			*x = nearest;
		}
		near
	}
}

/// [`Op::Rsqrt`].
pub(super) fn reciprocal_roots(values: &mut [i32], shift: u8) {
	const PIECE: usize = 64;
	let scale = 2f64.powi(shift.min(MAX_FRACTION_BITS).into());
	for piece in values.chunks_mut(PIECE) {
		let mut before = [0; PIECE];
		let before = &mut before[..piece.len()];
		before.copy_from_slice(piece);
		if estimate_roots(piece, scale) {
			piece.iter_mut().zip(before).for_each(|(to, x)| *to = rsqrt(*x, shift));
		}
	}
}

/// An operator of one operand.
fn unary(a: &Source, to: DType, f: impl Fn(&mut [i32]) + Sync) -> Buffer {
	Buffer::fill(to, a.len(), |start, out| {
		a.load(start, out);
		f(out);
	})
}

/// What an operator of two operands does to the elements of a block, the first of which are in
/// place.
pub(super) type Combine = fn(&mut [i32], &[i32], DType);

/// The loops of the operators that have no others.
macro_rules! combine {
	($name:ident, $f:expr) => {
		vectorised! {
			pub(super) fn $name[](first: &mut [i32], second: &[i32], to: DType) {
				let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
				let f: fn(i64, i64) -> i64 = $f;
				for (x, y) in first.iter_mut().zip(second) {
					*x = f((*x).into(), (*y).into()).max(lo).min(hi) as i32;
				}
			}
		}
	};
}
combine!(add, |x, y| x + y);
combine!(subtract, |x, y| x - y);
combine!(multiply_exactly, |x, y| x * y);
combine!(larger, |x, y| x.max(y));
combine!(smaller, |x, y| x.min(y));

/// [`Op::IntDiv`] of a block.
pub(super) fn divide(first: &mut [i32], second: &[i32], shift: u8, to: DType) {
	for (x, y) in first.iter_mut().zip(second) {
		*x = to.saturate(int_div(*x, *y, shift));
	}
}

/// An operator of two operands.
fn binary(
	call: &Evaluation,
	to: DType,
	f: impl Fn(&mut [i32], &[i32]) + Sync,
) -> Result<Buffer, ExecError> {
	let [a, b] = call.exactly()?;
	Ok(Buffer::fill_beside(to, call.len(), |second, start, out| {
		a.load(start, out);
		f(out, b.chunk(start, out.len(), second));
	}))
}

pub(super) fn evaluate(op: Elementwise, call: &Evaluation) -> Result<Buffer, ExecError> {
	let to = call.dtype;
	let one = || call.exactly().map(|[a]| a);
	// The loops are inside closures, so that each is compiled for one operator.
	match op {
		Elementwise::Requant { to } => {
			let [acc, parameters @ ..] = call.sources else { return Err(mismatch(call.op)) };
			requant(acc, parameters, to, call.shape.last())
		}
		Elementwise::Add { .. } => binary(call, to, |out, second| add(out, second, to)),
		Elementwise::Sub { .. } => binary(call, to, |out, second| subtract(out, second, to)),
		Elementwise::Mul { .. } => {
			binary(call, to, |out, second| multiply_exactly(out, second, to))
		}
		Elementwise::Max => binary(call, to, |out, second| larger(out, second, to)),
		Elementwise::Min => binary(call, to, |out, second| smaller(out, second, to)),
		Elementwise::Clamp { lo, hi } => Ok(unary(one()?, to, |out| clamp(out, lo, hi))),
		Elementwise::Shift { by, .. } => Ok(fixed_point::shift(one()?, by, to)),
		Elementwise::Cast { .. } | Elementwise::Copy => {
			Ok(unary(one()?, to, |out| clamp(out, to.min(), to.max())))
		}
		Elementwise::MulShift { shift, .. } => {
			let [a, b] = call.exactly()?;
			Ok(fixed_point::mul_shift(a, b, shift, to))
		}
		Elementwise::Compare { relation } => {
			let [a, b] = call.exactly()?;
			Ok(choose::compare(a, b, relation))
		}
		Elementwise::Select => {
			let [condition, a, b] = call.exactly()?;
			Ok(choose::select(condition, a, b))
		}
		Elementwise::BitLen => Ok(unary(one()?, to, bit_lengths)),
		Elementwise::IntDiv { shift, .. } => {
			binary(call, to, |out, second| divide(out, second, shift, to))
		}
		Elementwise::Rsqrt { shift: by } => Ok(unary(one()?, to, |out| reciprocal_roots(out, by))),
		Elementwise::ShiftBy { .. } => {
			let [a, by] = call.exactly()?;
			if by.len() == 1 {
				return Ok(fixed_point::shift(a, by.numbers()[0] as i8, to));
			}
			Ok(fixed_point::shift_each(a, by, to))
		}
		Elementwise::ShiftRandom { .. } => {
			let [a, by, bits] = call.exactly()?;
			fixed_point::shift_at_random(a, by, bits, to)
		}
	}
}

/// What [`Op::Requant`] does to the columns of an accumulator.
pub(super) struct Requant {
	multiplier: Vec<i32>,
	/// Of each column.
	shift: Shifts,
	to: DType,
}

enum Shifts {
	/// Right by 1..=62, as programs from importers have it: `(x · m + offset) >> shift`, where
	/// `offset` is `bias · m` and half of what the shift takes off.
	Right { offset: Vec<i64>, shift: Vec<i64> },
	/// Whatever there is.
	Any { bias: Vec<i32>, shift: Vec<i32> },
}

vectorised! {
	/// `(sum · m + offset) >> shift`, saturated. 48 bits and the half of a shift by at most 62: far
	/// from overflow.
	fn requant_right[T: Element](
		sums: &[i32],
		multiplier: &[i32],
		offset: &[i64],
		shift: &[i64],
		to: DType,
		out: &mut [T],
	) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		let columns = multiplier.iter().zip(offset).zip(shift);
		for ((out, &sum), ((&m, &offset), &shift)) in out.iter_mut().zip(sums).zip(columns) {
			let x = (i64::from(sum) * i64::from(m) + offset) >> (shift & 63);
			*out = T::truncate(x.max(lo).min(hi) as i32);
		}
	}
}

impl Requant {
	/// `parameters` are multiplier, shift and perhaps bias; `columns` is the last dimension.
	pub(super) fn new(parameters: &[Source], to: DType, columns: usize) -> Result<Self, ExecError> {
		let spread = |at: usize| match parameters.get(at).map(Source::numbers) {
			Some(numbers) if numbers.len() == columns => Ok(numbers),
			Some(numbers) if numbers.len() == 1 => Ok(vec![numbers[0]; columns]),
			None if at == 2 => Ok(vec![0; columns]),
			_ => Err(mismatch(&Op::Requant { to })),
		};
		let (multiplier, shift, bias) = (spread(0)?, spread(1)?, spread(2)?);
		let right = |&shift: &i32| amount(shift as i8).ok().map(i64::from);
		let shift = match shift.iter().map(right).collect::<Option<Vec<i64>>>() {
			Some(shift) => {
				let columns = multiplier.iter().zip(&bias).zip(&shift);
				let offset = columns
					.map(|((&m, &bias), shift)| i64::from(bias) * i64::from(m) + (1 << (shift - 1)))
					.collect();
				Shifts::Right { offset, shift }
			}
			None => Shifts::Any { bias, shift },
		};
		Ok(Self { multiplier, shift, to })
	}

	/// The same for rows of several times as many columns, of which each part is like the first.
	fn repeated(mut self, times: usize) -> Self {
		fn repeat<T: Copy>(values: &mut Vec<T>, times: usize) {
			*values = values.repeat(times);
		}
		repeat(&mut self.multiplier, times);
		match &mut self.shift {
			Shifts::Right { offset, shift } => {
				repeat(offset, times);
				repeat(shift, times);
			}
			Shifts::Any { bias, shift } => {
				repeat(bias, times);
				repeat(shift, times);
			}
		}
		self
	}

	/// Sums of the columns from `column` on.
	pub(super) fn apply<T: Element>(&self, column: usize, sums: &[i32], out: &mut [T]) {
		let columns = column..column + sums.len();
		let multiplier = &self.multiplier[columns.clone()];
		match &self.shift {
			Shifts::Right { offset, shift } => {
				let (offset, shift) = (&offset[columns.clone()], &shift[columns]);
				requant_right(sums, multiplier, offset, shift, self.to, out);
			}
			Shifts::Any { bias, shift } => {
				let parameters =
					multiplier.iter().zip(&shift[columns.clone()]).zip(&bias[columns.clone()]);
				for ((out, &sum), ((&m, &s), &bias)) in out.iter_mut().zip(sums).zip(parameters) {
					// 33 bits times 16: far from overflow.
					let product = (i64::from(sum) + i64::from(bias)) * i64::from(m);
					*out = T::truncate(saturate_shift(product, s as i8, self.to));
				}
			}
		}
	}
}

/// [`Op::Requant`] as an operator of its own.
pub(super) fn requant(
	acc: &Source,
	parameters: &[Source],
	to: DType,
	columns: u32,
) -> Result<Buffer, ExecError> {
	// Short rows are taken together: a call for each would take longer than their elements. Where
	// one parameter is that of all columns it need not be there for each of them, who may be very
	// many.
	const TOGETHER: usize = 256;
	let columns = match parameters.iter().all(|parameter| parameter.len() == 1) {
		true => 1,
		false => columns as usize,
	};
	let times = (TOGETHER / columns).max(1);
	let requant = Requant::new(parameters, to, columns)?.repeated(times);
	let columns = columns * times;
	Ok(Buffer::fill_beside(to, acc.len(), |sums, start, out| {
		let sums = acc.chunk(start, out.len(), sums);
		let (mut done, mut column) = (0, start % columns);
		while done < out.len() {
			let run = (columns - column).min(out.len() - done);
			requant.apply(column, &sums[done..done + run], &mut out[done..done + run]);
			done += run;
			column = 0;
		}
	}))
}

/// What a product of i16 does to its exact sums.
pub(super) fn narrow<T: Element>(narrow: &Narrow, sums: &[i64], out: &mut [T]) {
	vectorised! {
		fn right[T: Element](sums: &[i64], m: i64, by: u32, to: DType, out: &mut [T]) {
			let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
			for (out, sum) in out.iter_mut().zip(sums) {
				let twice = (sum * m) >> (by - 1);
				*out = T::truncate(((twice + 1) >> 1).max(lo).min(hi) as i32);
			}
		}
	}
	vectorised! {
		fn left[T: Element](sums: &[i64], m: i64, by: u32, to: DType, out: &mut [T]) {
			let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
			for (out, sum) in out.iter_mut().zip(sums) {
				// What is past i32 saturates whatever the shift is, and 2^31 · 2^31 is an i64.
				let x = (sum * m).max(i64::from(i32::MIN)).min(1 << 31) << by;
				*out = T::truncate(x.max(lo).min(hi) as i32);
			}
		}
	}
	vectorised! {
		fn shift[T: Element](sums: &[i64], by: u32, to: DType, out: &mut [T]) {
			let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
			for (out, sum) in out.iter_mut().zip(sums) {
				let twice = sum >> (by - 1);
				*out = T::truncate(((twice + 1) >> 1).max(lo).min(hi) as i32);
			}
		}
	}
	// At most 2^46 times 2^15, by the bound of K.
	match amount(narrow.shift) {
		// Products of 64 bits take several times as long as all else here.
		Ok(by) if narrow.multiplier == 1 => shift(sums, by, narrow.to, out),
		Ok(by) => right(sums, narrow.multiplier.into(), by, narrow.to, out),
		Err(by) => left(sums, narrow.multiplier.into(), by, narrow.to, out),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_testing::{Draw, Rng};

	#[test]
	fn reciprocal_roots_should_equal_the_definition_when_they_are_near_a_middle() {
		let mut rng = Rng::seeded("rsqrt");
		let mut values: Vec<i32> = vec![i32::MIN, -1, 0, 1, 2, 3, 4, i32::MAX - 1, i32::MAX];
		values.extend((0..31).map(|bits| 1 << bits));
		// 2^shift / √x is n + 1/2 just about where x = 4^shift / (n + 1/2)².
		for shift in [8, 15, 30] {
			for _ in 0..2_000 {
				let n = rng.below(1 << 20) as f64 + 0.5;
				let x = (4f64.powi(shift) / (n * n)) as i64;
				values.extend((x - 1..=x + 1).filter_map(|x| i32::try_from(x).ok()));
			}
		}
		values.extend((0..2_000).map(|_| rng.bits() as i32));
		for shift in [0, 1, 8, 15, 29, 30] {
			let mut found = values.clone();
			reciprocal_roots(&mut found, shift);
			let expected: Vec<i32> = values.iter().map(|&x| rsqrt(x, shift)).collect();
			assert_eq!(found, expected, "shift {shift}");
		}
	}

	#[test]
	fn narrow_should_equal_the_definition_when_sums_and_amounts_are_extreme() {
		let mut rng = Rng::seeded("narrow");
		let bound = 1i64 << 46;
		let sums: Vec<i64> = [-bound, 1 - bound, -1, 0, 1, bound - 1, bound]
			.into_iter()
			.chain((0..200).map(|at| {
				let size = if at % 2 == 0 { bound } else { 100 };
				rng.range(-size, size)
			}))
			.collect();
		for shift in i8::MIN..=i8::MAX {
			for to in [DType::I8, DType::I16, DType::I32] {
				for multiplier in [i16::MIN, -1, 0, 1, 2, i16::MAX] {
					let mut found = vec![0i32; sums.len()];
					narrow(&Narrow { multiplier, shift, to }, &sums, &mut found);
					let product = |sum: &i64| sum * i64::from(multiplier);
					let expected: Vec<i32> =
						sums.iter().map(|sum| saturate_shift(product(sum), shift, to)).collect();
					assert_eq!(found, expected, "{multiplier} by {shift} to {to:?}");
				}
			}
		}
	}

	#[test]
	fn requant_should_equal_the_definition_when_parameters_are_extreme() {
		let mut rng = Rng::seeded("requant");
		let extremes = |rng: &mut Rng, min: i64, max: i64| match rng.below(4) {
			0 => min,
			1 => max,
			_ => rng.range(min, max),
		};
		for round in 0..2_000 {
			let columns = rng.range(1, 70) as usize;
			let mut column = |min: i64, max: i64| -> Vec<i32> {
				(0..columns).map(|_| extremes(&mut rng, min, max) as i32).collect()
			};
			let (min, max) = (i32::MIN.into(), i32::MAX.into());
			let (sums, bias, multiplier) =
				(column(min, max), column(min, max), column(-32768, 32767));
			// Half of the rounds take the quick way.
			let shift = if round % 2 == 0 { column(1, 127) } else { column(-128, 127) };
			for to in [DType::I8, DType::I16] {
				let own = |values: &[i32]| -> Vec<i32> { values.to_vec() };
				let buffers = [own(&multiplier), own(&shift), own(&bias)]
					.map(|values| std::sync::Arc::new(Buffer::I32(values.into())));
				let shape = assay_ops::Shape::new(&[columns as u32]).unwrap();
				let sources: Vec<Source> = buffers
					.iter()
					.map(|value| {
						let affine = crate::Affine::new(&shape, None);
						Source::new(&crate::Operand { value, shape, affine })
					})
					.collect();
				let requant = Requant::new(&sources, to, columns).unwrap();
				let mut found = vec![0i32; columns];
				requant.apply(0, &sums, &mut found);
				let expected: Vec<i32> = (0..columns)
					.map(|at| {
						let sum = i64::from(sums[at]) + i64::from(bias[at]);
						saturate_shift(sum * i64::from(multiplier[at]), shift[at] as i8, to)
					})
					.collect();
				assert_eq!(found, expected, "{multiplier:?} {shift:?} {bias:?} {sums:?}");
			}
		}
	}
}

//! Operators whose results share a whole row of the last dimension.

use super::Source;
use crate::{simd::vectorised, Buffer, Element};
use assay_ops::{row_scale, DType, Moments, NormKind, EXP2, NORM_FRACTION_BITS};
use rayon::prelude::*;

/// Elements that one task computes, at least.
const TASK: usize = 1 << 13;

/// Calls `compute(row, its elements, its results)` for all rows of `width` elements, on all cores.
fn each_row<T: Element>(
	a: &Source,
	results: usize,
	compute: impl Fn(&[i32], &mut [T]) + Sync,
) -> Buffer {
	let width = a.last;
	let mut values = vec![T::zeroed(); a.len() / width * results];
	let rows = (TASK / width).max(1);
	values.par_chunks_mut(rows * results).enumerate().for_each_init(
		|| vec![0; width],
		|row, (task, out)| {
			for (at, out) in (task * rows..).zip(out.chunks_exact_mut(results)) {
				a.load(at * width, row);
				compute(row, out);
			}
		},
	);
	T::wrap(values)
}

vectorised! {
	fn largest[](row: &[i32]) -> i32 {
		row.iter().fold(i32::MIN, |most, &x| most.max(x))
	}
}

vectorised! {
	/// `2^(30 − distance)` of each element, its distance being how far it lies below the largest in log2,
	/// and the sum of all. See [`assay_ops::log2_distance`] and [`assay_ops::exp2_neg`].
	fn exponentials[](
		row: &[i32],
		largest: i32,
		multiplier: i64,
		right: u32,
		left: u32,
		out: &mut [u32],
	) -> u64 {
		const FARTHEST: i64 = 31 << 10;
		let mut sum = 0;
		for (out, &x) in out.iter_mut().zip(row) {
			// 33 bits times 16. One of the two shifts is 0, and without a right one nothing is rounded.
			let scaled = (i64::from(largest) - i64::from(x)) * multiplier;
			let twice = (scaled << 1) >> right;
			let distance = (twice + 1) >> 1;
			// More than the farthest stays so whatever the left shift is.
			let distance = (distance.max(0).min(FARTHEST) << left).min(FARTHEST) as u32;
			let e = EXP2[(distance & 1023) as usize] >> (distance >> 10);
			*out = e;
			sum += u64::from(e);
		}
		sum
	}
}

vectorised! {
	/// `⌊e · 2^bits / sum + 1/2⌋`, saturated to `most`; `sum` is below 2^61 and at least each e.
	fn quotients[](exponentials: &[u32], sum: u64, bits: u32, most: i64, out: &mut [i32]) {
		let whole = 2 * sum as i64;
		let factor = 2f64.powi(bits as i32) / sum as f64;
		for (out, &e) in out.iter_mut().zip(exponentials) {
			// The estimate is at most one off, since the exact quotient is at most 2^15.
			let estimate = (f64::from(e) * factor + 0.5) as i64;
			let rest = (i64::from(e) << (bits + 1)) + sum as i64 - estimate * whole;
			let exact = estimate + i64::from(rest >= whole) - i64::from(rest < 0);
			*out = exact.min(most) as i32;
		}
	}
}

/// [`assay_ops::Op::Softmax`].
pub(super) fn softmax(a: &Source, multiplier: i16, shift: i8, to: DType) -> Buffer {
	fn typed<T: Element>(a: &Source, multiplier: i16, shift: i8, bits: u32) -> Buffer {
		let (right, left) = match super::elementwise::amount(shift) {
			Ok(right) => (right, 0),
			Err(left) => (0, left),
		};
		each_row(a, a.last, |row, out: &mut [T]| {
			let mut e = vec![0; row.len()];
			let mut quotient = vec![0; row.len()];
			let sum = exponentials(row, largest(row), multiplier.into(), right, left, &mut e);
			quotients(&e, sum, bits, T::DTYPE.max().into(), &mut quotient);
			out.iter_mut().zip(quotient).for_each(|(to, from)| *to = T::truncate(from));
		})
	}
	match to {
		DType::I8 => typed::<i8>(a, multiplier, shift, 7),
		DType::I16 => typed::<i16>(a, multiplier, shift, 15),
		DType::I32 => typed::<i32>(a, multiplier, shift, 15),
	}
}

vectorised! {
	/// Σx and Σx² of a row of i16.
	fn sums[](row: &[i32]) -> (i64, u64) {
		let (mut sum, mut squares) = (0, 0);
		for &x in row {
			sum += i64::from(x);
			squares += u64::from(x.wrapping_mul(x) as u32);
		}
		(sum, squares)
	}
}

fn moments(kind: NormKind, epsilon: u32, row: &[i32]) -> Moments {
	let (sum, squares) = sums(row);
	Moments::of_sums(kind, epsilon, row.len() as u32, sum, squares)
}

vectorised! {
	/// `sat(round_shift(z · gamma + (beta << 16), shift))` of a row, see [`assay_ops::Op::Norm`].
	fn normalise[](
		row: &mut [i32],
		moments: &Moments,
		gamma: &[i32],
		beta: &[i32],
		right: u32,
		left: u32,
		to: DType,
	) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		let (len, reciprocal) = (i64::from(moments.len), moments.reciprocal as i64);
		// From 15 to 46.
		let by = u32::from(moments.shift) - 1;
		for ((x, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
			// |D| and R are at most 2^31.
			let distance = len * i64::from(*x) - moments.sum;
			let z = (((distance * reciprocal) >> by) + 1) >> 1;
			// 2^24 · 2^15 and 2^47.
			let sum = z * i64::from(*gamma) + (i64::from(*beta) << NORM_FRACTION_BITS);
			let shifted = (((sum << 1) >> right) + 1) >> 1;
			let shifted = shifted.max(i64::from(i32::MIN)).min(1 << 31) << left;
			*x = shifted.max(lo).min(hi) as i32;
		}
	}
}

/// [`assay_ops::Op::Norm`] of `a`, `gamma` and `beta`.
pub(super) fn norm(
	[a, gamma, beta]: [&Source; 3],
	kind: NormKind,
	epsilon: u32,
	to: DType,
	shift: i8,
) -> Buffer {
	fn typed<T: Element>(
		[a, gamma, beta]: [&Source; 3],
		(kind, epsilon): (NormKind, u32),
		(right, left): (u32, u32),
	) -> Buffer {
		let spread = |source: &Source| match source.numbers() {
			numbers if numbers.len() == 1 => vec![numbers[0]; a.last],
			numbers => numbers,
		};
		let (gamma, beta) = (spread(gamma), spread(beta));
		each_row(a, a.last, |row, out: &mut [T]| {
			let moments = moments(kind, epsilon, row);
			let mut row = row.to_vec();
			normalise(&mut row, &moments, &gamma, &beta, right, left, T::DTYPE);
			out.iter_mut().zip(row).for_each(|(to, from)| *to = T::truncate(from));
		})
	}
	let shift = (i32::from(NORM_FRACTION_BITS) + i32::from(shift)).clamp(-31, 62);
	let shifts = if shift > 0 { (shift as u32, 0) } else { (0, shift.unsigned_abs()) };
	let how = (kind, epsilon);
	match to {
		DType::I8 => typed::<i8>([a, gamma, beta], how, shifts),
		DType::I16 => typed::<i16>([a, gamma, beta], how, shifts),
		DType::I32 => typed::<i32>([a, gamma, beta], how, shifts),
	}
}

/// [`assay_ops::Op::RowScale`].
pub(super) fn scale(a: &Source, kind: NormKind, epsilon: u32, shift: u8) -> Buffer {
	each_row(a, 1, |row, out: &mut [i32]| {
		out.fill(row_scale(&moments(kind, epsilon, row), shift));
	})
}

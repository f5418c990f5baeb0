//! Operators whose results share a whole row of the last dimension.

use super::{definition, fixed_point::amount, Evaluation, Source};
use crate::{segments::threads, simd::vectorised, Buffer, ExecError};
use assay_ops::{row_scale, DType, Moments, NormKind, Row, EXP2, NORM_FRACTION_BITS};

pub(super) fn evaluate(op: Row, call: &Evaluation) -> Result<Buffer, ExecError> {
	Ok(match op {
		// A search and a sort: the definition's are as quick.
		Row::TopK { .. } => return definition::evaluate(call),
		Row::Softmax { multiplier, shift, to } => {
			let [a] = call.exactly()?;
			softmax(a, multiplier, shift, to)
		}
		Row::Norm { kind, epsilon, to, shift } => {
			let [a, gamma, beta] = call.exactly()?;
			norm([a, gamma, beta], kind, epsilon, to, shift)
		}
		Row::RowScale { kind, epsilon, shift } => {
			let [a] = call.exactly()?;
			scale(a, kind, epsilon, shift)
		}
		Row::CumSum { exclusive, reverse, to } => {
			let [a] = call.exactly()?;
			cum_sum(a, exclusive, reverse, to)
		}
	})
}

/// Elements that one task reads, at least where there are as many.
const TASK: usize = 1 << 13;

/// Whole rows of `width` elements that one task computes.
fn rows_of_a_task(width: usize) -> usize {
	(TASK / width).max(1)
}

/// The farthest that Softmax tells distances apart, in 2^-10 of log2: 31 octaves.
const FARTHEST: u64 = 31 << 10;

/// Attributes of [`assay_ops::Op::Softmax`], its shift as one to the right or else one to the left,
/// and its bits of fraction. A multiplier below 0 makes no distance larger than 0, and so does 0.
#[derive(Clone, Copy)]
struct Softmax {
	multiplier: u32,
	right: u32,
	left: u32,
	bits: u32,
	to: DType,
}

vectorised! {
	/// Distances of the elements of a row from its largest, as [`assay_ops::Op::Softmax`] tells
	/// them apart.
	fn distances[](row: &[i32], distances: &mut [u32], how: Softmax) {
		let Softmax { multiplier, right, left, .. } = how;
		let largest = row.iter().fold(i32::MIN, |most, &x| most.max(x));
		for (to, &x) in distances.iter_mut().zip(row) {
			// 32 bits times 15. Without a shift to the right nothing is rounded.
			let scaled = u64::from(largest.wrapping_sub(x) as u32) * u64::from(multiplier);
			let distance = (((scaled << 1) >> right) + 1) >> 1;
			// The farthest stays so whatever the left shift is.
			*to = (distance.min(FARTHEST) << left).min(FARTHEST) as u32;
		}
	}
}

/// The exponentials of distances, in their place, and their sum.
fn exponentials(distances: &mut [u32]) -> u64 {
	let mut sum = 0;
	for at in distances {
		*at = EXP2[(*at & 1023) as usize] >> (*at >> 10);
		sum += u64::from(*at);
	}
	sum
}

vectorised! {
	/// `⌊e · 2^bits / sum + 1/2⌋` for each e; the sum is below 2^61 and at least each e.
	fn quotients[](row: &mut [i32], exponentials: &[u32], sum: u64, how: Softmax) {
		let Softmax { bits, to, .. } = how;
		let whole = 2 * sum as i64;
		let (factor, most) = (2f64.powi(bits as i32) / sum as f64, i64::from(to.max()));
		for (out, &e) in row.iter_mut().zip(exponentials) {
			// At most one off, since the exact quotient is at most 2^15.
			let estimate = i64::from((f64::from(e) * factor + 0.5) as i32);
			let rest = (i64::from(e) << (bits + 1)) + sum as i64 - estimate * whole;
			let exact = estimate + i64::from(rest >= whole) - i64::from(rest < 0);
			*out = exact.min(most) as i32;
		}
	}
}

/// [`assay_ops::Op::Softmax`].
fn softmax(a: &Source, multiplier: i16, shift: i8, to: DType) -> Buffer {
	let (right, left) = match amount(shift) {
		Ok(right) => (right, 0),
		Err(left) => (0, left),
	};
	let bits = if to == DType::I8 { 7 } else { 15 };
	let multiplier = multiplier.max(0).unsigned_abs().into();
	let how = Softmax { multiplier, right, left, bits, to };
	Buffer::fill_chunks(
		to,
		a.len(),
		rows_of_a_task(a.last) * a.last,
		threads(a.len()),
		|start, out| {
			a.load(start, out);
			let mut row_of = vec![0; a.last];
			for row in out.chunks_exact_mut(a.last) {
				distances(row, &mut row_of, how);
				let sum = exponentials(&mut row_of);
				quotients(row, &row_of, sum, how);
			}
		},
	)
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
		// From 14 to 45.
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
fn norm(
	[a, gamma, beta]: [&Source; 3],
	kind: NormKind,
	epsilon: u32,
	to: DType,
	shift: i8,
) -> Buffer {
	let shift = (i32::from(NORM_FRACTION_BITS) + i32::from(shift)).clamp(-31, 62);
	let (right, left) = if shift > 0 { (shift as u32, 0) } else { (0, shift.unsigned_abs()) };
	let spread = |source: &Source| match source.numbers() {
		numbers if numbers.len() == 1 => vec![numbers[0]; a.last],
		numbers => numbers,
	};
	let (gamma, beta) = (spread(gamma), spread(beta));
	Buffer::fill_chunks(
		to,
		a.len(),
		rows_of_a_task(a.last) * a.last,
		threads(a.len()),
		|start, out| {
			a.load(start, out);
			for row in out.chunks_exact_mut(a.last) {
				let moments = moments(kind, epsilon, row);
				normalise(row, &moments, &gamma, &beta, right, left, to);
			}
		},
	)
}

/// [`assay_ops::Op::RowScale`].
fn scale(a: &Source, kind: NormKind, epsilon: u32, shift: u8) -> Buffer {
	let (rows, task) = (a.len() / a.last, rows_of_a_task(a.last));
	Buffer::fill_chunks(DType::I32, rows, task, threads(a.len()), |start, out| {
		let mut row = vec![0; a.last];
		for (out, at) in out.iter_mut().zip(start..) {
			a.load(at * a.last, &mut row);
			*out = row_scale(&moments(kind, epsilon, &row), shift);
		}
	})
}

/// [`assay_ops::Op::CumSum`].
fn cum_sum(a: &Source, exclusive: bool, reverse: bool, to: DType) -> Buffer {
	/// At most 2^31 elements of 32 bits: a sum is at most 2^62.
	fn add<'r>(row: impl Iterator<Item = &'r mut i32>, exclusive: bool, to: DType) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		let mut sum = 0i64;
		for x in row {
			let before = sum;
			sum += i64::from(*x);
			*x = (if exclusive { before } else { sum }).max(lo).min(hi) as i32;
		}
	}
	let task = rows_of_a_task(a.last) * a.last;
	Buffer::fill_chunks(to, a.len(), task, threads(a.len()), |start, out| {
		a.load(start, out);
		for row in out.chunks_exact_mut(a.last) {
			if reverse {
				add(row.iter_mut().rev(), exclusive, to);
			} else {
				add(row.iter_mut(), exclusive, to);
			}
		}
	})
}

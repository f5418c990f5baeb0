//! Products and shifts of numbers in fixed point.

use super::{mismatch, Source};
use crate::{buffer::CHUNK, segments::threads, simd::vectorised, Buffer, ExecError};
use assay_ops::{saturate_shift, DType};

/// The clamped amount of a shift to the right, which is at least 1, or else of one to the left. See
/// [`round_shift`](assay_ops::round_shift).
pub(super) fn amount(by: i8) -> Result<u32, u32> {
	if by > 0 {
		Ok(u32::from(by.unsigned_abs()).min(62))
	} else {
		Err(u32::from(by.unsigned_abs()).min(31))
	}
}

vectorised! {
	/// [`saturate_shift`](assay_ops::saturate_shift) by 1..=62.
	pub(super) fn shift_right[](values: &mut [i32], by: u32, to: DType) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		for x in values {
			// Half up: the last bit but one rounds.
			let twice = i64::from(*x) >> (by - 1);
			*x = ((twice + 1) >> 1).max(lo).min(hi) as i32;
		}
	}
}

vectorised! {
	/// Times 2^by for `by` up to 31, saturated.
	pub(super) fn shift_left[](values: &mut [i32], by: u32, to: DType) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		values.iter_mut().for_each(|x| *x = (i64::from(*x) << by).max(lo).min(hi) as i32);
	}
}

/// `sat(round_shift(a, by))`.
pub(super) fn shift(a: &Source, by: i8, to: DType) -> Buffer {
	Buffer::fill(to, a.len(), |start, out| {
		a.load(start, out);
		match amount(by) {
			Ok(right) => shift_right(out, right, to),
			Err(left) => shift_left(out, left, to),
		}
	})
}

vectorised! {
	/// `sat(round_shift(x · y, by))` by 1..=62.
	fn multiply_right[](first: &mut [i32], second: &[i32], by: u32, to: DType) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		for (x, y) in first.iter_mut().zip(second) {
			let twice = (i64::from(*x) * i64::from(*y)) >> (by - 1);
			*x = ((twice + 1) >> 1).max(lo).min(hi) as i32;
		}
	}
}

vectorised! {
	/// As [`multiply_right`] by 1..=31, of factors whose products are below 2^31: those of i16.
	fn multiply_right_narrow[](first: &mut [i32], second: &[i32], by: u32, to: DType) {
		let (lo, hi) = (to.min(), to.max());
		for (x, y) in first.iter_mut().zip(second) {
			let twice = x.wrapping_mul(*y) >> (by - 1);
			*x = ((twice + 1) >> 1).max(lo).min(hi);
		}
	}
}

vectorised! {
	/// `sat(x · y · 2^by)` for `by` up to 31.
	fn multiply_left[](first: &mut [i32], second: &[i32], by: u32, to: DType) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		for (x, y) in first.iter_mut().zip(second) {
			// What is past i32 saturates whatever the shift is, and 2^31 · 2^31 is an i64.
			let product = i64::from(*x) * i64::from(*y);
			let shifted = product.max(i64::from(i32::MIN)).min(1 << 31) << by;
			*x = shifted.max(lo).min(hi) as i32;
		}
	}
}

vectorised! {
	/// `sat(x · y)` of factors whose products are below 2^31.
	fn multiply_narrow[](first: &mut [i32], second: &[i32], to: DType) {
		let (lo, hi) = (to.min(), to.max());
		for (x, y) in first.iter_mut().zip(second) {
			*x = x.wrapping_mul(*y).max(lo).min(hi);
		}
	}
}

/// [`assay_ops::Op::MulShift`] of a block. `narrow` says that no factor is an i32.
pub(super) fn multiply(out: &mut [i32], second: &[i32], shift: i8, narrow: bool, to: DType) {
	match amount(shift) {
		Ok(right) if narrow && right < 32 => multiply_right_narrow(out, second, right, to),
		Ok(right) => multiply_right(out, second, right, to),
		Err(0) if narrow => multiply_narrow(out, second, to),
		Err(left) => multiply_left(out, second, left, to),
	}
}

/// [`assay_ops::Op::MulShift`].
pub(super) fn mul_shift(a: &Source, b: &Source, shift: i8, to: DType) -> Buffer {
	let narrow = a.dtype() != DType::I32 && b.dtype() != DType::I32;
	Buffer::fill_beside(to, a.len(), |second, start, out| {
		a.load(start, out);
		multiply(out, b.chunk(start, out.len(), second), shift, narrow, to);
	})
}

/// [`assay_ops::Op::ShiftBy`] with a shift for each element.
pub(super) fn shift_each(a: &Source, shifts: &Source, to: DType) -> Buffer {
	Buffer::fill_beside(to, a.len(), |by, start, out| {
		a.load(start, out);
		let by = shifts.chunk(start, out.len(), by);
		for (x, by) in out.iter_mut().zip(by) {
			*x = saturate_shift((*x).into(), *by as i8, to);
		}
	})
}

vectorised! {
	/// `sat((x + (bits & (2^by − 1))) >> by)` by 0..=31.
	pub(super) fn shift_random[](values: &mut [i32], bits: &[i32], by: u32, to: DType) {
		let (lo, hi) = (i64::from(to.min()), i64::from(to.max()));
		let mask = (1i64 << by) - 1;
		for (x, bits) in values.iter_mut().zip(bits) {
			let noise = i64::from(*bits) & mask;
			*x = ((i64::from(*x) + noise) >> by).max(lo).min(hi) as i32;
		}
	}
}

/// [`assay_ops::Op::ShiftRandom`].
pub(super) fn shift_at_random(
	a: &Source,
	shifts: &Source,
	bits: &Source,
	to: DType,
) -> Result<Buffer, ExecError> {
	let single = (shifts.len() == 1).then(|| shifts.numbers()[0] as i8);
	if let Some(left @ ..=0) = single {
		return Ok(shift(a, left, to));
	}
	if single.is_none() && shifts.len() != a.len() {
		return Err(mismatch(&assay_ops::Op::ShiftRandom { to }));
	}
	let both = || (Vec::new(), Vec::new());
	let how = (CHUNK, threads(a.len()));
	Ok(Buffer::fill_with(to, a.len(), how, both, |(noise, by), start, out| {
		let noise = bits.chunk(start, out.len(), noise);
		a.load(start, out);
		if let Some(by) = single {
			return shift_random(out, noise, u32::from(by.unsigned_abs()).min(31), to);
		}
		let by = shifts.chunk(start, out.len(), by);
		for ((x, noise), by) in out.iter_mut().zip(noise).zip(by) {
			let value = i64::from(*x);
			*x = match *by as i8 {
				left @ ..=0 => saturate_shift(value, left, to),
				right => {
					let right = right.min(31);
					to.saturate((value + (i64::from(*noise) & ((1 << right) - 1))) >> right)
				}
			};
		}
	}))
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_testing::{Draw, Rng};

	#[test]
	fn shifts_should_equal_the_definition_when_values_and_amounts_are_extreme() {
		let mut rng = Rng::seeded("shifts");
		let values: Vec<i32> =
			[i32::MIN, i32::MIN + 1, -3, -2, -1, 0, 1, 2, 3, i32::MAX - 1, i32::MAX]
				.into_iter()
				.chain((0..100).map(|_| rng.bits() as i32))
				.collect();
		for by in i8::MIN..=i8::MAX {
			for to in [DType::I8, DType::I16, DType::I32] {
				let mut found = values.clone();
				match amount(by) {
					Ok(right) => shift_right(&mut found, right, to),
					Err(left) => shift_left(&mut found, left, to),
				}
				let expected: Vec<i32> =
					values.iter().map(|&x| saturate_shift(x.into(), by, to)).collect();
				assert_eq!(found, expected, "by {by} to {to:?}");
			}
		}
	}
}

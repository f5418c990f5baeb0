//! Tables, and such with straight lines between their points.

use super::{mismatch, Evaluation, Source};
use crate::{simd::vectorised, Buffer, ExecError};
use assay_ops::{self as ops, DType};

pub(super) fn evaluate(op: ops::Table, call: &Evaluation) -> Result<Buffer, ExecError> {
	let [index, table] = call.exactly()?;
	match op {
		ops::Table::Lut => lut(index, table),
		ops::Table::LutInterp => Ok(lut_interp(index, table)),
	}
}

/// `table[index + 128]`.
fn lut(index: &Source, table: &Source) -> Result<Buffer, ExecError> {
	let entries: [i32; 256] =
		table.numbers().try_into().map_err(|_| mismatch(&assay_ops::Op::Lut))?;
	Ok(Buffer::fill(table.dtype(), index.len(), |start, out| {
		index.load(start, out);
		// An i8 plus 128 is within the table.
		out.iter_mut().for_each(|x| *x = entries[(*x + 128) as usize & 255]);
	}))
}

/// Bits of an i16.
const BITS: u32 = 16;

vectorised! {
	/// [`assay_ops::Op::LutInterp`] in a table whose differences are below 2^16, over segments of
	/// `2^bits` numbers.
	fn between_narrow[](values: &mut [i32], table: &[i32], bits: u32) {
		assert!(table.len() > 1 << (BITS - bits));
		for x in values {
			let u = x.wrapping_add(1 << (BITS - 1)) as u32 & 0xffff;
			let (segment, rest) = ((u >> bits) as usize, (u & ((1 << bits) - 1)) as i32);
			// SAFETY: u is below 2^16, so the segment is below 2^(16 - bits), and the table is
			// longer.
			let (left, right) =
				unsafe { (*table.get_unchecked(segment), *table.get_unchecked(segment + 1)) };
			// Below 2^16 times at most 2^15 − 1.
			let rise = (right - left).wrapping_mul(rest);
			*x = left + (((rise >> (bits - 1)) + 1) >> 1);
		}
	}
}

vectorised! {
	/// As [`between_narrow`], in any table.
	fn between_wide[](values: &mut [i32], table: &[i32], bits: u32) {
		assert!(table.len() > 1 << (BITS - bits));
		for x in values {
			let u = x.wrapping_add(1 << (BITS - 1)) as u32 & 0xffff;
			let (segment, rest) = ((u >> bits) as usize, i64::from(u & ((1 << bits) - 1)));
			// SAFETY: as above.
			let (left, right) =
				unsafe { (*table.get_unchecked(segment), *table.get_unchecked(segment + 1)) };
			let rise = (i64::from(right) - i64::from(left)) * rest;
			// Between the two points.
			*x = (i64::from(left) + (((rise >> (bits - 1)) + 1) >> 1)) as i32;
		}
	}
}

/// A table of [`assay_ops::Op::LutInterp`]: 2^p + 1 points, 1 ≤ p ≤ 14.
pub(super) struct Table {
	points: Vec<i32>,
	bits: u32,
	narrow: bool,
}

impl Table {
	pub(super) fn new(table: &Source) -> Self {
		let points = table.numbers();
		let bits = BITS - (points.len() - 1).ilog2();
		Self { points, bits, narrow: table.dtype() != DType::I32 }
	}

	/// The values of the numbers of a block, in their place.
	pub(super) fn apply(&self, values: &mut [i32]) {
		if self.narrow {
			between_narrow(values, &self.points, self.bits);
		} else {
			between_wide(values, &self.points, self.bits);
		}
	}
}

/// [`assay_ops::Op::LutInterp`].
fn lut_interp(a: &Source, table: &Source) -> Buffer {
	let values = Table::new(table);
	Buffer::fill(table.dtype(), a.len(), |start, out| {
		a.load(start, out);
		values.apply(out);
	})
}

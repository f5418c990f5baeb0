//! Tables with straight lines between their points.

use crate::round_shift;

/// Element of a table of `2^p + 1` points, 1 ≤ p ≤ 14, and bits below it: where an i16 falls.
pub fn lut_segment(a: i32, points: u32) -> (u32, u32, u8) {
	let segments = points.saturating_sub(1).clamp(2, 1 << 14);
	let bits = 16 - segments.ilog2();
	let u = (a + (1 << 15)).clamp(0, (1 << 16) - 1) as u32;
	(u >> bits, u & ((1 << bits) - 1), bits as u8)
}

/// `left + round_shift((right − left) · rest, bits)`, which lies between the two.
pub fn lut_between(left: i32, right: i32, rest: u32, bits: u8) -> i64 {
	let rise = (right as i64 - left as i64) * rest as i64;
	left as i64 + round_shift(rise, bits as i8)
}

//! The two roundings that everything else is made of.

use crate::DType;

/// `x / 2^by` rounded half up for `by > 0` (clamped to 62), `x · 2^-by` saturating for `by < 0`
/// (clamped to 31), `x` for 0.
///
/// Equal to `(x + (1 << (by - 1))) >> by` in unbounded integers, without its overflow.
pub const fn round_shift(x: i64, by: i8) -> i64 {
	if by > 0 {
		let by = if by > 62 { 62 } else { by as u32 };
		(x >> by) + ((x >> (by - 1)) & 1)
	} else {
		let left = if by < -31 { 31 } else { -(by as i32) };
		x.saturating_mul(1 << left)
	}
}

/// [`round_shift`], then the nearest value of `to`.
pub const fn saturate_shift(x: i64, by: i8, to: DType) -> i32 {
	to.saturate(round_shift(x, by))
}

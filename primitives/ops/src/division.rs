//! Correctly rounded division and reciprocal square roots: functions of integers, not algorithms.

/// `⌊a · 2^shift / b + 1/2⌋` of the exact quotient, 0 for b = 0. `shift` is at most
/// [`crate::MAX_FRACTION_BITS`] and clamped to it.
pub fn int_div(a: i32, b: i32, shift: u8) -> i64 {
	let shift = shift.min(crate::MAX_FRACTION_BITS);
	// With b > 0, ⌊(2·a·2^shift + b) / 2b⌋; the numerator is below 2^62 + 2^31.
	let (a, b) = if b < 0 { (-(a as i64), -(b as i64)) } else { (a as i64, b as i64) };
	let numerator = (a << (shift + 1)) + b;
	numerator.checked_div_euclid(2 * b).unwrap_or(0)
}

/// The integer nearest to `√(numerator / denominator)`, a tie up; 0 for a denominator of 0. The
/// numerator is at most 2^124.
pub(crate) fn nearest_root(numerator: u128, denominator: u64) -> u64 {
	let denominator = denominator as u128;
	let Some(square) = numerator.checked_div(denominator) else { return 0 };
	// ⌊√⌊x⌋⌋ = ⌊√x⌋. It is the nearest one unless floor + 1/2 ≤ √(numerator / denominator), that is
	// (2·floor + 1)² · denominator ≤ 4 · numerator.
	let floor = if let Ok(square) = u64::try_from(square) {
		square.isqrt() as u128
	} else {
		square.isqrt()
	};
	let middle = 2 * floor + 1;
	let up = middle
		.checked_mul(middle)
		.and_then(|square| square.checked_mul(denominator))
		.is_some_and(|square| square <= numerator.saturating_mul(4));
	(floor + up as u128) as u64
}

/// The integer nearest to `2^shift / √a`, 0 for a ≤ 0. `shift` is at most
/// [`crate::MAX_FRACTION_BITS`] and clamped to it.
pub fn rsqrt(a: i32, shift: u8) -> i32 {
	let shift = shift.min(crate::MAX_FRACTION_BITS);
	// At most 2^30.
	nearest_root(1 << (2 * shift), a.max(0) as u64) as i32
}

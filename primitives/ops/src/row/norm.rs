use crate::{division::nearest_root, round_shift, DType, NormKind};

/// Bits of fraction of a normalised element before its gamma.
pub const NORM_FRACTION_BITS: u8 = 16;

/// What all elements of a row share, see [`crate::Op::Norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
	/// N.
	pub len: u32,
	/// Σx around which D = N·x − sum; 0 for RMS.
	pub sum: i64,
	/// V; below 2^63.
	pub spread: u64,
	/// R, the integer nearest to 2^62 / √(V·4^h): at most 2^31; 0 where V = 0.
	pub reciprocal: u64,
	/// 46 − h, from 15 to 46.
	pub shift: u8,
}

impl Moments {
	/// Of a row of i16, at most [`crate::NORM_MAX_LEN`] of them.
	pub fn new(kind: NormKind, epsilon: u32, row: &[i32]) -> Self {
		let sum: i64 = row.iter().map(|&x| x as i64).sum();
		let squares: u64 = row.iter().map(|&x| x as i64).map(|x| (x * x) as u64).sum();
		Self::of_sums(kind, epsilon, row.len() as u32, sum, squares)
	}

	/// Of a row of `len` elements whose sum is `sum` and whose squares have the sum `squares`.
	pub fn of_sums(kind: NormKind, epsilon: u32, len: u32, sum: i64, squares: u64) -> Self {
		let n = len as u64;
		let sum = match kind {
			NormKind::Layer => sum,
			NormKind::Rms => 0,
		};
		// N·Σx² ≤ 2^60 is at least (Σx)², and epsilon·N² < 2^62. Saturating for a source that hands
		// out wider values.
		let centred =
			n.saturating_mul(squares).saturating_sub(sum.unsigned_abs().saturating_pow(2));
		let spread = centred.saturating_add((epsilon as u64).saturating_mul(n * n));
		// V·4^h is at least 2^62, and below 2^64.
		let h = spread.leading_zeros().min(63) / 2;
		let reciprocal = nearest_root(1 << 124, spread << (2 * h));
		Self { len, sum, spread, reciprocal, shift: 46u32.saturating_sub(h) as u8 }
	}

	/// D / √V with [`NORM_FRACTION_BITS`] bits of fraction; |z| < 2^24.
	pub fn z(&self, x: i32) -> i64 {
		// |D| ≤ 2^31 and R ≤ 2^31.
		let distance = (self.len as i64) * x as i64 - self.sum;
		round_shift(distance.saturating_mul(self.reciprocal as i64), self.shift as i8)
	}
}

/// `sat(round_shift(z · gamma + (beta << 16), 16 + shift))`.
pub(super) fn normalised(
	moments: &Moments,
	x: i32,
	gamma: i32,
	beta: i32,
	shift: i8,
	to: DType,
) -> i32 {
	let scaled = moments.z(x).saturating_mul(gamma as i64);
	let sum = scaled.saturating_add((beta as i64) << NORM_FRACTION_BITS);
	let shift = (NORM_FRACTION_BITS as i32 + shift as i32).clamp(-31, 62);
	to.saturate(round_shift(sum, shift as i8))
}

/// The integer nearest to `2^shift · N / √V`, saturated; 0 where V = 0. `shift` is at most
/// [`crate::MAX_FRACTION_BITS`] and clamped to it.
pub fn row_scale(moments: &Moments, shift: u8) -> i32 {
	let shift = shift.min(crate::MAX_FRACTION_BITS);
	let numerator = (moments.len as u128 * moments.len as u128) << (2 * shift);
	nearest_root(numerator, moments.spread).min(i32::MAX as u64) as i32
}

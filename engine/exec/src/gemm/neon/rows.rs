//! Sums of operands as they lie: `k` is in the lanes of a vector, and lanes are summed in the end.
//! What is shorter than a vector is padded with zeros, which add nothing.

use super::Block;
use core::arch::{aarch64::*, asm};

/// Rows and columns of a register block: 16 accumulators, so that the 32 registers hold operands,
/// too.
pub(super) const EDGE: usize = 4;

/// Four sums of four products each are added: `smull` twice, `sadalp` twice. A product of bytes is
/// at most 2^14, and only `sadalp` adds any, in 32 bits.
#[target_feature(enable = "neon")]
#[inline]
fn bytes_widened(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
	let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
	let high = vmull_high_s8(a, b);
	vpadalq_s16(vpadalq_s16(sum, low), high)
}

/// The same in one instruction. Its intrinsic is not stable.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn bytes_dotted(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
	let mut sum = sum;
	// SAFETY: the function has the feature of this instruction, which only works on registers.
	unsafe {
		asm!(
			"sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
			sum = inout(vreg) sum,
			a = in(vreg) a,
			b = in(vreg) b,
			options(pure, nomem, nostack, preserves_flags),
		);
	}
	sum
}

/// Two sums of four products each are added. A product of words is at most 2^30, and only `sadalp`
/// adds any, in 64 bits.
#[target_feature(enable = "neon")]
#[inline]
fn words_widened(sum: int64x2_t, a: int16x8_t, b: int16x8_t) -> int64x2_t {
	let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
	let high = vmull_high_s16(a, b);
	vpadalq_s32(vpadalq_s32(sum, low), high)
}

/// The kernel of one way to multiply vectors.
macro_rules! kernel {
	(
		$(#[$meta:meta])*
		$name:ident, $features:literal, $element:ty, $sum:ty,
		$lanes:literal, $vector:ty, $load:ident, $sums:ty, $zero:expr, $multiply:ident, $across:ident
	) => {
		$(#[$meta])*
		/// Row stride is [`EDGE`].
		///
		/// # Safety
		/// The processor must have the features of this function.
		#[target_feature(enable = $features)]
		pub(super) unsafe fn $name(
			k: usize,
			a: &[$element],
			b: &[$element],
			block: Block,
			out: &mut [$sum],
		) {
			#[target_feature(enable = $features)]
			fn tail(values: &[$element]) -> $vector {
				let mut padded = [0; $lanes];
				padded[..values.len()].copy_from_slice(values);
				// SAFETY: the array holds one vector.
				unsafe { $load(padded.as_ptr()) }
			}

			#[target_feature(enable = $features)]
			fn rows<const R: usize, const C: usize>(
				k: usize,
				a: &[$element],
				b: &[$element],
				out: &mut [$sum],
			) {
				assert!(a.len() == R * k && b.len() == C * k);
				let mut sums: [[$sums; C]; R] = [[$zero; C]; R];
				let full = k - k % $lanes;
				for at in (0..full).step_by($lanes) {
					// SAFETY: `at + $lanes <= k`, in rows of `k` elements by the assertion.
					let load = |from: &[$element], row: usize| unsafe {
						$load(from.as_ptr().add(row * k + at))
					};
					let x: [$vector; R] = core::array::from_fn(|row| load(a, row));
					for column in 0..C {
						let y = load(b, column);
						for (sums, x) in sums.iter_mut().zip(x) {
							sums[column] = $multiply(sums[column], x, y);
						}
					}
				}
				if full < k {
					let rest = |from: &[$element], row: usize| tail(&from[row * k + full..(row + 1) * k]);
					let x: [$vector; R] = core::array::from_fn(|row| rest(a, row));
					for column in 0..C {
						let y = rest(b, column);
						for (sums, x) in sums.iter_mut().zip(x) {
							sums[column] = $multiply(sums[column], x, y);
						}
					}
				}
				for (sums, out) in sums.iter().zip(out.chunks_mut(EDGE)) {
					for (sum, out) in sums.iter().zip(out) {
						*out = $across(*sum);
					}
				}
			}

			let a = &a[block.row * k..][..block.rows * k];
			let b = &b[block.column * k..][..block.columns * k];
			if block.columns == EDGE {
				return match block.rows {
					1 => rows::<1, EDGE>(k, a, b, out),
					2 => rows::<2, EDGE>(k, a, b, out),
					3 => rows::<3, EDGE>(k, a, b, out),
					EDGE => rows::<EDGE, EDGE>(k, a, b, out),
					_ => unreachable!("a block has at most {EDGE} rows"),
				};
			}
			for column in 0..block.columns {
				let (b, out) = (&b[column * k..][..k], &mut out[column..]);
				match block.rows {
					1 => rows::<1, 1>(k, a, b, out),
					2 => rows::<2, 1>(k, a, b, out),
					3 => rows::<3, 1>(k, a, b, out),
					EDGE => rows::<EDGE, 1>(k, a, b, out),
					_ => unreachable!("a block has at most {EDGE} rows"),
				}
			}
		}
	};
}

kernel!(
	/// Sums of a block of i8 without dot products.
	widened_i8, "neon", i8, i32,
	16, int8x16_t, vld1q_s8, int32x4_t, vdupq_n_s32(0), bytes_widened, vaddvq_s32
);
kernel!(
	/// Sums of a block of i8.
	dotted_i8, "neon,dotprod", i8, i32,
	16, int8x16_t, vld1q_s8, int32x4_t, vdupq_n_s32(0), bytes_dotted, vaddvq_s32
);
kernel!(
	/// Sums of a block of i16.
	widened_i16, "neon", i16, i64,
	8, int16x8_t, vld1q_s16, int64x2_t, vdupq_n_s64(0), words_widened, vaddvq_s64
);

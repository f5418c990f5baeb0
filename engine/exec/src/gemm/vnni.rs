//! VNNI kernels of two widths, on `vpdpbusd` (four u8 · i8 products added to an i32 lane) and
//! `vpdpwssd` (two i16 · i16 products), both wrapping.
//!
//! * i8: `vpdpbusd` takes one side unsigned, here B, stored XOR 0x80 (that is, `b + 128`);
//!   `128 · Σ A` is taken off each row. The biased sum may wrap, the difference does not.
//! * i16: B is split into digits, `b = 256 · high + low` with `high` in −128..128 and `low` in
//!   0..256. A pair of `a · low` is at most 2 · 2^15 · 255 in size, so that [`PAIRS`] of them stay
//!   within i32; then both sums widen to i64.
//!
//! A is read where it lies. Panels of B are `[panel][step][vector 0, vector 1][lane][4 bytes]`: for
//! i8 the vectors are two halves of the columns and the bytes four values along `k`; for i16 they
//! are the low and the high digits of the same columns, and the bytes two values.

use super::{drive::Block, Sizes};
use core::arch::x86_64::*;
use rayon::prelude::*;

/// `vpdpwssd` steps between two widenings: 128 · 2 · 32,768 · 255 < 2^31.
const PAIRS: usize = 128;

/// Panels of B for kernels of `lanes` i32 lanes.
pub(super) struct Panels {
	steps: usize,
	lanes: usize,
	bytes: Vec<u8>,
}

impl Panels {
	/// Bytes in memory.
	pub(super) fn len(&self) -> usize {
		self.bytes.len()
	}

	/// Of i8: `2 · lanes` columns in a panel.
	pub(super) fn bytes(lanes: usize, sizes: Sizes, b: &[i8], threads: usize) -> Self {
		let k = sizes.k;
		let columns = 2 * lanes;
		// Padding is 0, which adds nothing whatever A holds there.
		Self::fill(lanes, k.div_ceil(4), sizes.n.div_ceil(columns), threads, |panel, to| {
			let first = panel * columns;
			let rows = &b[first * k..(first + columns).min(sizes.n) * k];
			// Steps outside, so that writing is in order.
			for (step, to) in to.chunks_exact_mut(columns * 4).enumerate() {
				let at = step * 4;
				let count = 4.min(k - at);
				for (to, values) in to.chunks_exact_mut(4).zip(rows.chunks_exact(k)) {
					let values = &values[at..at + count];
					to.iter_mut().zip(values).for_each(|(to, &value)| *to = value as u8 ^ 0x80);
				}
			}
		})
	}

	/// Of i16: `lanes` columns in a panel.
	pub(super) fn words(lanes: usize, sizes: Sizes, b: &[i16], threads: usize) -> Self {
		let k = sizes.k;
		Self::fill(lanes, k.div_ceil(2), sizes.n.div_ceil(lanes), threads, |panel, to| {
			let first = panel * lanes;
			let rows = &b[first * k..(first + lanes).min(sizes.n) * k];
			for (step, to) in to.chunks_exact_mut(lanes * 8).enumerate() {
				let at = step * 2;
				let count = 2.min(k - at);
				let (low, high) = to.split_at_mut(lanes * 4);
				let digits = low.chunks_exact_mut(4).zip(high.chunks_exact_mut(4));
				for ((low, high), values) in digits.zip(rows.chunks_exact(k)) {
					for (at, &value) in values[at..at + count].iter().enumerate() {
						low[at * 2..][..2].copy_from_slice(&(value & 255).to_le_bytes());
						high[at * 2..][..2].copy_from_slice(&(value >> 8).to_le_bytes());
					}
				}
			}
		})
	}

	fn fill(
		lanes: usize,
		steps: usize,
		panels: usize,
		threads: usize,
		fill: impl Fn(usize, &mut [u8]) + Sync,
	) -> Self {
		let panel = steps * lanes * 8;
		let mut bytes = vec![0u8; panels * panel];
		if panel > 0 && threads > 1 {
			bytes.par_chunks_mut(panel).enumerate().for_each(|(at, to)| fill(at, to));
		} else if panel > 0 {
			bytes.chunks_mut(panel).enumerate().for_each(|(at, to)| fill(at, to));
		}
		Self { steps, lanes, bytes }
	}

	fn panel(&self, panel: usize) -> &[u8] {
		let len = self.steps * self.lanes * 8;
		&self.bytes[panel * len..][..len]
	}
}

/// `128 · Σ A` of each row, wrapping.
pub(super) fn row_bias(k: usize, rows: usize, a: &[i8], threads: usize) -> Vec<i32> {
	#[inline(always)]
	fn bias(row: &[i8]) -> i32 {
		row.iter().map(|&x| i32::from(x)).sum::<i32>().wrapping_mul(128)
	}
	/// # Safety
	/// The processor must have AVX2.
	#[target_feature(enable = "avx2")]
	unsafe fn wide(row: &[i8]) -> i32 {
		bias(row)
	}
	let row = |at: usize| {
		// SAFETY: every path that comes here has VNNI, which implies AVX2.
		unsafe { wide(&a[at * k..][..k]) }
	};
	if threads == 1 || rows * k < 1 << 18 {
		return (0..rows).map(row).collect();
	}
	(0..rows).into_par_iter().map(row).collect()
}

/// One width of vectors: `$rows × 2` accumulators.
macro_rules! kernels {
	(
		$module:ident, $features:literal, $lanes:literal, $rows:literal, $($count:literal)+,
		$vector:ty, $zero:ident, $load:ident, $store:ident, $set:ident, $xor:ident,
		$bytes:ident, $words:ident
	) => {
		pub(super) mod $module {
			use super::*;

			pub(in super::super) const LANES: usize = $lanes;
			/// Rows of a register block.
			pub(in super::super) const ROWS: usize = $rows;
			/// Columns of a register block of i8; of i16 half as many.
			pub(in super::super) const COLUMNS: usize = 2 * LANES;

			/// Four bytes of A in each lane.
			///
			/// # Safety
			/// `at` is the start of four bytes.
			#[target_feature(enable = $features)]
			unsafe fn broadcast(at: *const u8) -> $vector {
				// SAFETY: by the caller's promise.
				$set(unsafe { at.cast::<i32>().read_unaligned() })
			}

			#[target_feature(enable = $features)]
			fn dot<const WORDS: bool>(sum: $vector, b: $vector, a: $vector) -> $vector {
				if WORDS {
					$words(sum, b, a)
				} else {
					$bytes(sum, b, a)
				}
			}

			#[target_feature(enable = $features)]
			fn lanes(vector: $vector) -> [i32; LANES] {
				let mut lanes = [0; LANES];
				// SAFETY: the array holds one vector.
				unsafe { $store(lanes.as_mut_ptr().cast(), vector) };
				lanes
			}

			/// Sums of `R` rows over the panel's steps. A's rows are `stride` bytes apart, and
			/// `rest` of 4 bytes are left of each after its last full step; `panel` has as many
			/// steps as fit.
			///
			/// # Safety
			/// From `a` on there are `R` rows, each with all bytes that the steps need, but for the
			/// last step if `rest` is not 0, which needs `rest`.
			#[target_feature(enable = $features)]
			unsafe fn sums<const R: usize, const WORDS: bool>(
				a: *const u8,
				stride: usize,
				rest: usize,
				panel: &[u8],
			) -> [[$vector; 2]; R] {
				let steps = panel.len() / (LANES * 8);
				let full = steps - usize::from(rest > 0);
				let b = panel.as_ptr();
				let mut sums = [[$zero(); 2]; R];
				for step in 0..full {
					// SAFETY: `step < steps`, and a step of the panel is two vectors.
					let (b0, b1) = unsafe {
						let at = b.add(step * LANES * 8);
						($load(at.cast()), $load(at.add(LANES * 4).cast()))
					};
					for (row, sums) in sums.iter_mut().enumerate() {
						// SAFETY: a full step, by the caller's promise.
						let x = unsafe { broadcast(a.add(row * stride + step * 4)) };
						sums[0] = dot::<WORDS>(sums[0], b0, x);
						sums[1] = dot::<WORDS>(sums[1], b1, x);
					}
				}
				if rest > 0 {
					// SAFETY: as above.
					let (b0, b1) = unsafe {
						let at = b.add(full * LANES * 8);
						($load(at.cast()), $load(at.add(LANES * 4).cast()))
					};
					for (row, sums) in sums.iter_mut().enumerate() {
						let mut x = [0u8; 4];
						for (at, x) in x[..rest].iter_mut().enumerate() {
							// SAFETY: `rest` bytes are there, by the caller's promise.
							*x = unsafe { *a.add(row * stride + full * 4 + at) };
						}
						let x = $set(i32::from_le_bytes(x));
						sums[0] = dot::<WORDS>(sums[0], b0, x);
						sums[1] = dot::<WORDS>(sums[1], b1, x);
					}
				}
				sums
			}

			#[target_feature(enable = $features)]
			fn rows_i8<const R: usize>(
				a: &[u8],
				k: usize,
				bias: &[i32],
				panel: &[u8],
				out: &mut [i32],
			) {
				assert!(a.len() == R * k && panel.len() == k.div_ceil(4) * LANES * 8);
				// SAFETY: `R` rows of `k` bytes and as many steps, by the assertion.
				let sums = unsafe { sums::<R, false>(a.as_ptr(), k, k % 4, panel) };
				for ((sums, bias), out) in sums.iter().zip(bias).zip(out.chunks_exact_mut(COLUMNS))
				{
					for (half, out) in sums.iter().zip(out.chunks_exact_mut(LANES)) {
						for (out, sum) in out.iter_mut().zip(lanes(*half)) {
							*out = sum.wrapping_sub(*bias);
						}
					}
				}
			}

			/// Sums of a register block, with row stride [`COLUMNS`]. `bias` is [`row_bias`] of all
			/// rows.
			///
			/// # Safety
			/// The processor must have the features of this module.
			#[target_feature(enable = $features)]
			pub(in super::super) unsafe fn block_i8(
				(a, k): (&[i8], usize),
				bias: &[i32],
				panels: &Panels,
				block: Block,
				out: &mut [i32],
			) {
				let a: &[u8] = bytemuck::cast_slice(&a[block.row * k..][..block.rows * k]);
				let (bias, panel) = (&bias[block.row..], panels.panel(block.panel));
				match block.rows {
					$($count => rows_i8::<$count>(a, k, bias, panel, out),)+
					_ => unreachable!("a block has at most {ROWS} rows"),
				}
			}

			#[target_feature(enable = $features)]
			fn rows_i16<const R: usize>(a: &[u8], k: usize, panel: &[u8], out: &mut [i64]) {
				assert!(a.len() == R * k * 2 && panel.len() == k.div_ceil(2) * LANES * 8);
				out[..R * LANES].fill(0);
				for (chunk, panel) in panel.chunks(PAIRS * LANES * 8).enumerate() {
					let first = chunk * PAIRS * 4;
					let ends = first + PAIRS * 4 >= k * 2;
					let rest = if ends { k * 2 % 4 } else { 0 };
					// SAFETY: `R` rows of `2 · k` bytes and as many steps, by the assertion; the
					// chunk starts `first` bytes into each row.
					let sums =
						unsafe { sums::<R, true>(a.as_ptr().add(first), k * 2, rest, panel) };
					for (sums, out) in sums.iter().zip(out.chunks_exact_mut(LANES)) {
						let digits = lanes(sums[0]).into_iter().zip(lanes(sums[1]));
						for (out, (low, high)) in out.iter_mut().zip(digits) {
							*out += i64::from(low) + (i64::from(high) << 8);
						}
					}
				}
			}

			/// Sums of a register block, with row stride [`LANES`].
			///
			/// # Safety
			/// The processor must have the features of this module.
			#[target_feature(enable = $features)]
			pub(in super::super) unsafe fn block_i16(
				(a, k): (&[i16], usize),
				panels: &Panels,
				block: Block,
				out: &mut [i64],
			) {
				let a: &[u8] = bytemuck::cast_slice(&a[block.row * k..][..block.rows * k]);
				let panel = panels.panel(block.panel);
				match block.rows {
					$($count => rows_i16::<$count>(a, k, panel, out),)+
					_ => unreachable!("a block has at most {ROWS} rows"),
				}
			}

			#[target_feature(enable = $features)]
			fn rows_thin<const R: usize, const C: usize>(
				(a, bias): (&[u8], &[i32]),
				k: usize,
				b: &[u8],
				out: &mut [i32],
			) {
				const STEP: usize = LANES * 4;
				assert!(a.len() == R * k && b.len() == C * k);
				let flip = $set(i32::from_ne_bytes([0x80; 4]));
				let mut sums = [[$zero(); C]; R];
				let (full, rest) = (k / STEP, k % STEP);
				for step in 0..full {
					let at = step * STEP;
					for column in 0..C {
						// SAFETY: `at + STEP <= k`, in rows of `k` bytes by the assertion.
						let y = $xor(unsafe { $load(b.as_ptr().add(column * k + at).cast()) }, flip);
						for (row, sums) in sums.iter_mut().enumerate() {
							// SAFETY: as above.
							let x = unsafe { $load(a.as_ptr().add(row * k + at).cast()) };
							sums[column] = $bytes(sums[column], y, x);
						}
					}
				}
				if rest > 0 {
					let tail = |from: &[u8]| {
						let mut bytes = [0u8; STEP];
						bytes[..rest].copy_from_slice(from);
						// SAFETY: the array holds one vector.
						unsafe { $load(bytes.as_ptr().cast()) }
					};
					for column in 0..C {
						let y = $xor(tail(&b[column * k + full * STEP..][..rest]), flip);
						for (row, sums) in sums.iter_mut().enumerate() {
							// Zeros past the end of A add nothing, whatever flipping made of B's.
							let x = tail(&a[row * k + full * STEP..][..rest]);
							sums[column] = $bytes(sums[column], y, x);
						}
					}
				}
				for ((sums, bias), out) in sums.iter().zip(bias).zip(out.chunks_mut(4)) {
					for (sum, out) in sums.iter().zip(out) {
						let sum = lanes(*sum).into_iter().fold(0i32, i32::wrapping_add);
						*out = sum.wrapping_sub(*bias);
					}
				}
			}

			/// Sums of at most 4 rows and 4 columns with row stride 4, from B as it lies: for few
			/// rows, which would not repay packing B.
			///
			/// # Safety
			/// The processor must have the features of this module.
			#[target_feature(enable = $features)]
			pub(in super::super) unsafe fn thin_i8(
				k: usize,
				(a, bias): (&[i8], &[i32]),
				b: &[i8],
				block: Block,
				out: &mut [i32],
			) {
				let a: &[u8] = bytemuck::cast_slice(&a[block.row * k..][..block.rows * k]);
				let b: &[u8] = bytemuck::cast_slice(&b[block.column * k..][..block.columns * k]);
				let a = (a, &bias[block.row..]);
				if block.columns == 4 {
					match block.rows {
						1 => rows_thin::<1, 4>(a, k, b, out),
						2 => rows_thin::<2, 4>(a, k, b, out),
						3 => rows_thin::<3, 4>(a, k, b, out),
						4 => rows_thin::<4, 4>(a, k, b, out),
						_ => unreachable!("a thin block has at most 4 rows"),
					}
					return;
				}
				for column in 0..block.columns {
					let (b, out) = (&b[column * k..][..k], &mut out[column..]);
					match block.rows {
						1 => rows_thin::<1, 1>(a, k, b, out),
						2 => rows_thin::<2, 1>(a, k, b, out),
						3 => rows_thin::<3, 1>(a, k, b, out),
						4 => rows_thin::<4, 1>(a, k, b, out),
						_ => unreachable!("a thin block has at most 4 rows"),
					}
				}
			}
		}
	};
}

kernels!(
	wide, "avx512f,avx512bw,avx512vnni", 16, 12, 1 2 3 4 5 6 7 8 9 10 11 12,
	__m512i, _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
	_mm512_xor_si512, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32
);
kernels!(
	narrow, "avx2,avxvnni", 8, 6, 1 2 3 4 5 6,
	__m256i, _mm256_setzero_si256, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
	_mm256_xor_si256, _mm256_dpbusd_avx_epi32, _mm256_dpwssd_avx_epi32
);

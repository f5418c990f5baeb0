//! AVX2 kernels, on `vpmaddwd`: two i16 products summed into an i32 lane.

use super::{drive::Block, portable};
use core::arch::x86_64::*;
use rayon::prelude::*;

pub(super) const ROWS_I8: usize = 6;
pub(super) const COLUMNS_I8: usize = 16;
pub(super) const ROWS_I16: usize = 4;
pub(super) const COLUMNS_I16: usize = 8;

/// Rows of A as i16 with `k` padded to even. Padding is zero, so it adds nothing.
pub(super) fn pack_rows<T: Copy + Sync + Into<i16>>(k: usize, a: &[T]) -> Vec<i16> {
	let pairs = k.div_ceil(2);
	let mut rows = vec![0i16; a.len() / k.max(1) * pairs * 2];
	if k > 0 {
		rows.par_chunks_mut(pairs * 2).zip(a.par_chunks(k)).for_each(|(to, from)| {
			to.iter_mut().zip(from).for_each(|(to, from)| *to = (*from).into());
		});
	}
	rows
}

/// B in panels of `width` columns: `[panel][pair][column][2]` of i16, zeros past the edges.
pub(super) struct Panels {
	pairs: usize,
	values: Vec<i16>,
}

impl Panels {
	pub(super) fn new<T: Copy + Sync + Into<i16>>(
		width: usize,
		n: usize,
		k: usize,
		b: &[T],
	) -> Self {
		let pairs = k.div_ceil(2);
		let mut values = vec![0i16; n.div_ceil(width) * pairs * width * 2];
		if k > 0 {
			values.par_chunks_mut(pairs * width * 2).zip(b.par_chunks(k * width)).for_each(
				|(to, from)| {
					// Pairs outside, so that writing is in order.
					for (pair, to) in to.chunks_exact_mut(width * 2).enumerate() {
						let first = pair * 2;
						for (to, values) in to.chunks_exact_mut(2).zip(from.chunks_exact(k)) {
							to[0] = values[first].into();
							if first + 1 < k {
								to[1] = values[first + 1].into();
							}
						}
					}
				},
			);
		}
		Self { pairs, values }
	}

	/// Bytes in memory.
	pub(super) fn len(&self) -> usize {
		self.values.len() * 2
	}
}

/// The plain loops, compiled for AVX2: for few rows, which would not repay packing B.
///
/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn thin_i8(k: usize, a: &[i8], b: &[i8], block: Block, out: &mut [i32]) {
	portable::block_i8(k, a, b, block, out);
}

/// As [`thin_i8`].
///
/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn thin_i16(k: usize, a: &[i16], b: &[i16], block: Block, out: &mut [i64]) {
	portable::block_i16(k, a, b, block, out);
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn block_i8(a: &[i16], b: &Panels, block: Block, out: &mut [i32]) {
	match block.rows {
		1 => rows_i8::<1>(a, b, block, out),
		2 => rows_i8::<2>(a, b, block, out),
		3 => rows_i8::<3>(a, b, block, out),
		4 => rows_i8::<4>(a, b, block, out),
		5 => rows_i8::<5>(a, b, block, out),
		_ => rows_i8::<6>(a, b, block, out),
	}
}

#[target_feature(enable = "avx2")]
fn rows_i8<const R: usize>(a: &[i16], b: &Panels, block: Block, out: &mut [i32]) {
	let pairs = b.pairs;
	let a = &a[block.row * pairs * 2..][..R * pairs * 2];
	let b = &b.values[block.panel * pairs * COLUMNS_I8 * 2..][..pairs * COLUMNS_I8 * 2];
	assert!(out.len() >= R * COLUMNS_I8);
	let mut sums = [[_mm256_setzero_si256(); 2]; R];
	for pair in 0..pairs {
		// SAFETY: `pair < pairs`, and the slices above hold `pairs` groups of 32 values of B and
		// `R` rows of `2 · pairs` values of A.
		let (b0, b1) = unsafe {
			let at = b.as_ptr().add(pair * COLUMNS_I8 * 2);
			(_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(COLUMNS_I8).cast()))
		};
		for (row, sums) in sums.iter_mut().enumerate() {
			// SAFETY: as above.
			let x = unsafe { a.as_ptr().add((row * pairs + pair) * 2).cast::<i32>() };
			let x = _mm256_set1_epi32(unsafe { x.read_unaligned() });
			sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(x, b0));
			sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(x, b1));
		}
	}
	for (sums, out) in sums.iter().zip(out.chunks_exact_mut(COLUMNS_I8)) {
		// SAFETY: `out` is a row of 16 values.
		unsafe {
			_mm256_storeu_si256(out.as_mut_ptr().cast(), sums[0]);
			_mm256_storeu_si256(out.as_mut_ptr().add(8).cast(), sums[1]);
		}
	}
}

/// A pair sum of i16 products lies in [−2^31 + 65536, 2^31]. Adding 2^31 − 1 makes it a u32 without
/// any loss, also where `vpmaddwd` has wrapped 2^31 to −2^31; u32 lanes then widen to u64 by
/// masking and shifting, and the bias comes off once at the end.
///
/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn block_i16(a: &[i16], b: &Panels, block: Block, out: &mut [i64]) {
	match block.rows {
		1 => rows_i16::<1>(a, b, block, out),
		2 => rows_i16::<2>(a, b, block, out),
		3 => rows_i16::<3>(a, b, block, out),
		_ => rows_i16::<4>(a, b, block, out),
	}
}

#[target_feature(enable = "avx2")]
fn rows_i16<const R: usize>(a: &[i16], b: &Panels, block: Block, out: &mut [i64]) {
	const BIAS: i32 = i32::MAX;
	let pairs = b.pairs;
	let a = &a[block.row * pairs * 2..][..R * pairs * 2];
	let b = &b.values[block.panel * pairs * COLUMNS_I16 * 2..][..pairs * COLUMNS_I16 * 2];
	assert!(out.len() >= R * COLUMNS_I16);
	let bias = _mm256_set1_epi32(BIAS);
	let low = _mm256_set1_epi64x(0xffff_ffff);
	// Even columns and odd columns.
	let mut sums = [[_mm256_setzero_si256(); 2]; R];
	for pair in 0..pairs {
		// SAFETY: `pair < pairs`, and the slices above hold `pairs` groups of 16 values of B and
		// `R` rows of `2 · pairs` values of A.
		let y = unsafe { _mm256_loadu_si256(b.as_ptr().add(pair * COLUMNS_I16 * 2).cast()) };
		for (row, sums) in sums.iter_mut().enumerate() {
			// SAFETY: as above.
			let x = unsafe { a.as_ptr().add((row * pairs + pair) * 2).cast::<i32>() };
			let x = _mm256_set1_epi32(unsafe { x.read_unaligned() });
			let biased = _mm256_add_epi32(_mm256_madd_epi16(x, y), bias);
			sums[0] = _mm256_add_epi64(sums[0], _mm256_and_si256(biased, low));
			sums[1] = _mm256_add_epi64(sums[1], _mm256_srli_epi64::<32>(biased));
		}
	}
	let bias = i64::from(BIAS) * pairs as i64;
	for (sums, out) in sums.iter().zip(out.chunks_exact_mut(COLUMNS_I16)) {
		let mut halves = [[0i64; 4]; 2];
		for (half, sum) in halves.iter_mut().zip(sums) {
			// SAFETY: `half` holds 32 bytes.
			unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), *sum) };
		}
		for (column, out) in out.iter_mut().enumerate() {
			*out = halves[column % 2][column / 2] - bias;
		}
	}
}

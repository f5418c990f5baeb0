//! i16 products of short rows, with so many results for their work that tiles or bytes cost more
//! than they save.
//!
//! The left side is split into digits, `x = 256 · high + low` with `low` in 0..256. `vpdpwssd` sums
//! `high · y` and `low · y` in 32 bits, which hold them up to [`LONGEST`]: 255 · 32,768 · 256 is
//! below 2^31, and so is all that comes on the way, since the instruction only wraps at the sum.

use core::arch::x86_64::*;

/// The longest rows.
pub(crate) const LONGEST: usize = 256;

/// Columns of a panel: numbers of 32 bits in a vector.
const LANES: usize = 16;

/// Rows that are multiplied side by side.
const ROWS: usize = 4;

/// Columns whose sums are handed on at a time, so that they stay in the first cache.
const COLUMNS: usize = 16 * LANES;

/// Whether this processor has what the products need.
pub(crate) fn available() -> bool {
	is_x86_feature_detected!("avx512f")
		&& is_x86_feature_detected!("avx512bw")
		&& is_x86_feature_detected!("avx512dq")
		&& is_x86_feature_detected!("avx512vnni")
}

/// A right operand: `[panel][pair along k][column][2]`, zeros past the edges.
#[derive(Default)]
pub(crate) struct Panels {
	pairs: Vec<i32>,
	n: usize,
	k: usize,
}

impl Panels {
	/// Packs B of `n × k` over what was here.
	///
	/// # Panics
	/// When the rows are too long, or `b` has another length.
	pub(crate) fn pack(&mut self, n: usize, k: usize, b: &[i16]) {
		assert!(k <= LONGEST && n * k == b.len(), "rows of {k} are no short product");
		let half = k.div_ceil(2);
		(self.n, self.k) = (n, k);
		self.pairs.clear();
		self.pairs.resize(n.next_multiple_of(LANES) * half, 0);
		if k == 0 {
			return;
		}
		for (column, row) in b.chunks_exact(k).enumerate() {
			let panel = &mut self.pairs[column / LANES * LANES * half..][..LANES * half];
			let to = panel[column % LANES..].iter_mut().step_by(LANES);
			to.zip(row.chunks(2)).for_each(|(to, pair)| *to = joined(pair));
		}
	}
}

/// One or two numbers side by side.
fn joined(pair: &[i16]) -> i32 {
	let second = pair.get(1).copied().unwrap_or(0);
	i32::from(pair[0]) & 0xffff | i32::from(second) << 16
}

/// Memory of products that follow each other.
#[derive(Default)]
pub(crate) struct Scratch {
	/// Digits of some rows of A: the high ones, then the low ones.
	digits: Vec<i16>,
	sums: Vec<i64>,
}

/// The exact sums of `a · bᵀ`: `emit(row, first column, sums)`, each once. Rows of `a` are as long
/// as those of b.
///
/// # Panics
/// When `a` is not of whole rows, or where this is not [`available`].
pub(crate) fn product(
	scratch: &mut Scratch,
	a: &[i16],
	b: &Panels,
	mut emit: impl FnMut(usize, usize, &[i64]),
) {
	assert!(available(), "no AVX-512 VNNI");
	let (n, k) = (b.n, b.k);
	let (half, width) = (k.div_ceil(2), COLUMNS.min(n.next_multiple_of(LANES)));
	assert!(k > 0 && a.len().is_multiple_of(k), "no rows of {k}");
	let Scratch { digits, sums } = scratch;
	// Rows of digits are whole pairs; an odd last one has a zero beside it.
	digits.clear();
	digits.resize(2 * ROWS * 2 * half, 0);
	sums.resize(ROWS * width, 0);
	for (block, rows) in a.chunks(ROWS * k).enumerate() {
		let count = rows.len() / k;
		let (high, low) = digits.split_at_mut(ROWS * 2 * half);
		for ((row, high), low) in
			rows.chunks_exact(k).zip(high.chunks_mut(2 * half)).zip(low.chunks_mut(2 * half))
		{
			// SAFETY: the processor has the features, as just asked.
			unsafe { split(row, high, low) };
		}
		for column in (0..n).step_by(width) {
			let columns = width.min(n - column);
			let panels = &b.pairs[column * half..][..columns.next_multiple_of(LANES) * half];
			// SAFETY: as above; there are `ROWS` rows of digits of `half` pairs, so many whole
			// panels, and room for all of their sums.
			unsafe { strip((high, low), half, panels, sums, width) };
			for (row, sums) in sums.chunks_exact(width).take(count).enumerate() {
				emit(block * ROWS + row, column, &sums[..columns]);
			}
		}
	}
}

#[target_feature(enable = "avx512f,avx512bw")]
fn split(row: &[i16], high: &mut [i16], low: &mut [i16]) {
	for ((x, high), low) in row.iter().zip(high).zip(low) {
		*high = x >> 8;
		*low = x & 0xff;
	}
}

/// Sums of [`ROWS`] rows and all columns of `panels`, in rows `stride` apart.
///
/// # Safety
/// Both digits have [`ROWS`] rows of `half` pairs, panels are whole, and `sums` has room for their
/// columns in each row.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
unsafe fn strip(
	(high, low): (&[i16], &[i16]),
	half: usize,
	panels: &[i32],
	sums: &mut [i64],
	stride: usize,
) {
	let digits = (high.as_ptr().cast(), low.as_ptr().cast());
	let count = panels.len() / (LANES * half);
	let mut panel = 0;
	while panel < count {
		let from = panels[panel * LANES * half..].as_ptr();
		let to = sums[panel * LANES..].as_mut_ptr();
		// SAFETY: as the caller promises; so many panels are left.
		unsafe {
			if panel + 1 < count {
				block::<2>(digits, half, from, to, stride);
				panel += 2;
			} else {
				block::<1>(digits, half, from, to, stride);
				panel += 1;
			}
		}
	}
}

/// [`strip`] of `C` panels.
///
/// # Safety
/// As [`strip`], through pointers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
unsafe fn block<const C: usize>(
	(high, low): (*const i32, *const i32),
	half: usize,
	panels: *const i32,
	sums: *mut i64,
	stride: usize,
) {
	let zero = _mm512_setzero_si512();
	let (mut highs, mut lows) = ([[zero; C]; ROWS], [[zero; C]; ROWS]);
	for pair in 0..half {
		let mut right = [zero; C];
		for (at, right) in right.iter_mut().enumerate() {
			// SAFETY: within the panels by the caller's promise.
			*right = unsafe { _mm512_loadu_si512(panels.add((at * half + pair) * LANES).cast()) };
		}
		for row in 0..ROWS {
			// SAFETY: within the digits by the caller's promise.
			let (high, low) = unsafe {
				(
					_mm512_set1_epi32(high.add(row * half + pair).read_unaligned()),
					_mm512_set1_epi32(low.add(row * half + pair).read_unaligned()),
				)
			};
			for at in 0..C {
				highs[row][at] = _mm512_dpwssd_epi32(highs[row][at], high, right[at]);
				lows[row][at] = _mm512_dpwssd_epi32(lows[row][at], low, right[at]);
			}
		}
	}
	for row in 0..ROWS {
		for at in 0..C {
			let (high, low) = (highs[row][at], lows[row][at]);
			let first = (_mm512_castsi512_si256(high), _mm512_castsi512_si256(low));
			let second =
				(_mm512_extracti64x4_epi64::<1>(high), _mm512_extracti64x4_epi64::<1>(low));
			for (part, (high, low)) in [first, second].into_iter().enumerate() {
				let high = _mm512_slli_epi64::<8>(_mm512_cvtepi32_epi64(high));
				let sum = _mm512_add_epi64(high, _mm512_cvtepi32_epi64(low));
				// SAFETY: within the sums by the caller's promise.
				unsafe {
					let to = sums.add(row * stride + at * LANES + part * LANES / 2);
					_mm512_storeu_si512(to.cast(), sum);
				}
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_testing::{Draw, Rng};

	#[test]
	fn short_products_should_be_exact_when_values_are_extreme_and_edges_ragged() {
		if !available() {
			return;
		}
		let mut rng = Rng::seeded("short products");
		let mut scratch = Scratch::default();
		let mut panels = Panels::default();
		for round in 0..300 {
			let (m, n) = (rng.range(1, 13) as usize, rng.pick(&[1, 7, 16, 17, 33, 48, 256, 300]));
			let k = rng.pick(&[1, 2, 3, 12, 31, 32, 48, 81, 255, 256]);
			let extremes = round % 3;
			let mut values = |count: usize| -> Vec<i16> {
				(0..count)
					.map(|_| match (extremes, rng.below(4)) {
						(0, _) | (_, 0) => i16::MIN,
						(_, 1) => i16::MAX,
						(_, 2) => -1,
						_ => rng.bits() as i16,
					})
					.collect()
			};
			let (a, b) = (values(m * k), values(n * k));
			panels.pack(n, k, &b);
			let mut found = vec![i64::MIN; m * n];
			product(&mut scratch, &a, &panels, |row, column, sums| {
				found[row * n + column..][..sums.len()].copy_from_slice(sums);
			});
			let expected: Vec<i64> = (0..m * n)
				.map(|at| {
					let (a, b) = (&a[at / n * k..][..k], &b[at % n * k..][..k]);
					a.iter().zip(b).map(|(x, y)| i64::from(*x) * i64::from(*y)).sum()
				})
				.collect();
			assert_eq!(found, expected, "{m} × {n} × {k}");
		}
	}
}

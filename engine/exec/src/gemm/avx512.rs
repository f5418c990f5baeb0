//! AVX-512 VNNI kernel, on `vpdpbusd`: four u8 · i8 products added to an i32 lane, wrapping.

use super::{Block, Sizes};
use core::arch::x86_64::*;
use rayon::prelude::*;

pub(super) const ROWS: usize = 12;
pub(super) const COLUMNS: usize = 32;

/// Rows of A XOR 0x80 with `k` padded to a multiple of 4; B in panels `[panel][quad][column][4]`,
/// padded with zeros, so that whatever A holds there adds nothing; and 128 · ΣB of each column.
pub(super) struct PackedI8 {
	quads: usize,
	rows: Vec<u8>,
	panels: Vec<i8>,
	bias: Vec<i32>,
}

impl PackedI8 {
	pub(super) fn new(sizes: Sizes, a: &[i8], b: &[i8]) -> Self {
		let k = sizes.k;
		let quads = k.div_ceil(4);
		let count = sizes.n.div_ceil(COLUMNS);
		let mut rows = vec![0u8; sizes.m * quads * 4];
		let mut panels = vec![0i8; count * quads * COLUMNS * 4];
		let mut bias = vec![0i32; count * COLUMNS];
		if k > 0 {
			rows.par_chunks_mut(quads * 4).zip(a.par_chunks(k)).for_each(|(to, from)| {
				to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as u8 ^ 0x80);
			});
			panels
				.par_chunks_mut(quads * COLUMNS * 4)
				.zip(b.par_chunks(k * COLUMNS))
				.zip(bias.par_chunks_mut(COLUMNS))
				.for_each(|((to, from), bias)| {
					for (values, bias) in from.chunks_exact(k).zip(bias) {
						let sum: i32 = values.iter().map(|&value| i32::from(value)).sum();
						*bias = sum.wrapping_mul(128);
					}
					// Quads outside, so that writing is in order.
					for (quad, to) in to.chunks_exact_mut(COLUMNS * 4).enumerate() {
						let first = quad * 4;
						let count = 4.min(k - first);
						for (to, values) in to.chunks_exact_mut(4).zip(from.chunks_exact(k)) {
							if count == 4 {
								to.copy_from_slice(&values[first..first + 4]);
							} else {
								to[..count].copy_from_slice(&values[first..]);
							}
						}
					}
				});
		}
		Self { quads, rows, panels, bias }
	}
}

/// # Safety
/// The processor must have AVX-512 F, BW and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn block_i8(packed: &PackedI8, block: Block, out: &mut [i32]) {
	match block.rows {
		1 => rows::<1>(packed, block, out),
		2 => rows::<2>(packed, block, out),
		3 => rows::<3>(packed, block, out),
		4 => rows::<4>(packed, block, out),
		5 => rows::<5>(packed, block, out),
		6 => rows::<6>(packed, block, out),
		7 => rows::<7>(packed, block, out),
		8 => rows::<8>(packed, block, out),
		9 => rows::<9>(packed, block, out),
		10 => rows::<10>(packed, block, out),
		11 => rows::<11>(packed, block, out),
		_ => rows::<12>(packed, block, out),
	}
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn rows<const R: usize>(packed: &PackedI8, block: Block, out: &mut [i32]) {
	let quads = packed.quads;
	let a = &packed.rows[block.row * quads * 4..][..R * quads * 4];
	let b = &packed.panels[block.panel * quads * COLUMNS * 4..][..quads * COLUMNS * 4];
	let bias = &packed.bias[block.panel * COLUMNS..][..COLUMNS];
	assert!(out.len() >= R * COLUMNS);
	let mut sums = [[_mm512_setzero_si512(); 2]; R];
	for quad in 0..quads {
		// SAFETY: `quad < quads`, and the slices above hold `quads` groups of 128 values of B and
		// `R` rows of `4 · quads` values of A.
		let (b0, b1) = unsafe {
			let at = b.as_ptr().add(quad * COLUMNS * 4);
			(_mm512_loadu_si512(at.cast()), _mm512_loadu_si512(at.add(64).cast()))
		};
		for (row, sums) in sums.iter_mut().enumerate() {
			// SAFETY: as above.
			let x = unsafe { a.as_ptr().add((row * quads + quad) * 4).cast::<i32>() };
			let x = _mm512_set1_epi32(unsafe { x.read_unaligned() });
			sums[0] = _mm512_dpbusd_epi32(sums[0], x, b0);
			sums[1] = _mm512_dpbusd_epi32(sums[1], x, b1);
		}
	}
	// SAFETY: `bias` and each row of `out` hold 32 values.
	unsafe {
		let bias0 = _mm512_loadu_si512(bias.as_ptr().cast());
		let bias1 = _mm512_loadu_si512(bias.as_ptr().add(16).cast());
		for (sums, out) in sums.iter().zip(out.chunks_exact_mut(COLUMNS)) {
			let out = out.as_mut_ptr();
			_mm512_storeu_si512(out.cast(), _mm512_sub_epi32(sums[0], bias0));
			_mm512_storeu_si512(out.add(16).cast(), _mm512_sub_epi32(sums[1], bias1));
		}
	}
}

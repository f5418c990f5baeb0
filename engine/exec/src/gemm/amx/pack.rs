//! Operands in tiles.

use super::{EDGE, ROW, TILE};
use rayon::prelude::*;

/// Bytes on the boundary of a line, so that no row of a tile lies across two.
struct Lines {
	lines: Vec<Line>,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; ROW]);

// SAFETY: plain bytes without padding or invalid values.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Line {}

impl Lines {
	fn zeroed(tiles: usize) -> Self {
		Self { lines: vec![Line([0; ROW]); tiles * EDGE] }
	}

	fn bytes(&self) -> &[u8] {
		bytemuck::cast_slice(&self.lines)
	}

	fn bytes_mut(&mut self) -> &mut [u8] {
		bytemuck::cast_slice_mut(&mut self.lines)
	}
}

/// Something whose rows are bytes, in one plane or in two of digits.
trait Digits: Copy + Send + Sync {
	const PLANES: usize;
	fn digit(self, plane: usize) -> u8;
}

impl Digits for i8 {
	const PLANES: usize = 1;
	fn digit(self, _: usize) -> u8 {
		self as u8
	}
}

impl Digits for i16 {
	const PLANES: usize = 2;
	fn digit(self, plane: usize) -> u8 {
		(self >> (8 * plane)) as u8
	}
}

/// A right operand: `[panel][tile along k][plane][4 values along k][column][4]`, zeros past the edges.
pub(in super::super) struct Panels {
	/// Tiles along `k`.
	pub(super) steps: usize,
	planes: usize,
	lines: Lines,
}

impl Panels {
	/// Bytes in memory.
	pub(in super::super) fn len(&self) -> usize {
		self.lines.bytes().len()
	}

	pub(in super::super) fn i8(rows: usize, k: usize, values: &[i8], threads: usize) -> Self {
		Self::new(rows, k, values, threads)
	}

	pub(in super::super) fn i16(rows: usize, k: usize, values: &[i16], threads: usize) -> Self {
		Self::new(rows, k, values, threads)
	}

	fn new<T: Digits>(rows: usize, k: usize, values: &[T], threads: usize) -> Self {
		let steps = k.div_ceil(ROW);
		let len = steps * T::PLANES * TILE;
		let mut lines = Lines::zeroed(rows.div_ceil(EDGE) * steps * T::PLANES);
		let pack = |(panel, to): (usize, &mut [u8])| {
			let first = panel * EDGE;
			let rows = &values[first * k..(first + EDGE).min(rows) * k];
			for (tile, to) in to.chunks_exact_mut(TILE).enumerate() {
				let (step, plane) = (tile / T::PLANES, tile % T::PLANES);
				let start = step * ROW;
				let count = ROW.min(k - start);
				let mut block = [[0u8; ROW]; EDGE];
				for (block, row) in block.iter_mut().zip(rows.chunks_exact(k)) {
					for (to, from) in block.iter_mut().zip(&row[start..start + count]) {
						*to = from.digit(plane);
					}
				}
				// SAFETY: AMX comes with AVX-512 F, see `available`; both are one tile.
				unsafe { transpose((block.as_ptr().cast(), EDGE), (to.as_mut_ptr().cast(), EDGE)) };
			}
		};
		if len > 0 && threads > 1 {
			lines.bytes_mut().par_chunks_mut(len).enumerate().for_each(pack);
		} else if len > 0 {
			lines.bytes_mut().chunks_mut(len).enumerate().for_each(pack);
		}
		Self { steps, planes: T::PLANES, lines }
	}

	pub(super) fn panel(&self, panel: usize) -> &[u8] {
		let len = self.steps * self.planes * TILE;
		&self.lines.bytes()[panel * len..][..len]
	}

	pub(super) fn count(&self) -> usize {
		self.lines.lines.len() / (self.steps * self.planes * EDGE).max(1)
	}
}

/// Transposes 16 × 16 groups of four bytes, in rows so many groups apart.
///
/// # Safety
/// The processor must have AVX-512 F, and both places 16 such rows.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose((from, apart): (*const i32, usize), (to, wide): (*mut i32, usize)) {
	use core::arch::x86_64::*;
	let mut v = [_mm512_setzero_si512(); EDGE];
	for (row, v) in v.iter_mut().enumerate() {
		// SAFETY: a row of 16 groups is one vector, by the caller's promise.
		*v = unsafe { _mm512_loadu_si512(from.add(row * apart).cast()) };
	}
	let mut w = v;
	for at in 0..8 {
		w[2 * at] = _mm512_unpacklo_epi32(v[2 * at], v[2 * at + 1]);
		w[2 * at + 1] = _mm512_unpackhi_epi32(v[2 * at], v[2 * at + 1]);
	}
	for at in 0..4 {
		v[4 * at] = _mm512_unpacklo_epi64(w[4 * at], w[4 * at + 2]);
		v[4 * at + 1] = _mm512_unpackhi_epi64(w[4 * at], w[4 * at + 2]);
		v[4 * at + 2] = _mm512_unpacklo_epi64(w[4 * at + 1], w[4 * at + 3]);
		v[4 * at + 3] = _mm512_unpackhi_epi64(w[4 * at + 1], w[4 * at + 3]);
	}
	// Now v[4i + j] holds, in its 128-bit lane l, column 4l + j of rows 4i .. 4i + 4.
	for j in 0..4 {
		let low02 = _mm512_shuffle_i32x4::<0x88>(v[j], v[4 + j]);
		let low13 = _mm512_shuffle_i32x4::<0xdd>(v[j], v[4 + j]);
		let high02 = _mm512_shuffle_i32x4::<0x88>(v[8 + j], v[12 + j]);
		let high13 = _mm512_shuffle_i32x4::<0xdd>(v[8 + j], v[12 + j]);
		w[j] = _mm512_shuffle_i32x4::<0x88>(low02, high02);
		w[8 + j] = _mm512_shuffle_i32x4::<0xdd>(low02, high02);
		w[4 + j] = _mm512_shuffle_i32x4::<0x88>(low13, high13);
		w[12 + j] = _mm512_shuffle_i32x4::<0xdd>(low13, high13);
	}
	for (row, w) in w.into_iter().enumerate() {
		// SAFETY: as above.
		unsafe { _mm512_storeu_si512(to.add(row * wide).cast(), w) };
	}
}

/// Rows of tiles that follow each other along `k`: where the first starts, and how far rows are apart.
#[derive(Clone, Copy)]
pub(super) struct Strip {
	pub(super) start: *const u8,
	pub(super) row: usize,
}

/// A left operand of i8, read where it lies but for strips whose tiles would reach past its end, which
/// are copied.
pub(super) struct Left<'a> {
	values: &'a [i8],
	k: usize,
	/// The first strip that is copied.
	pub(super) copied: usize,
	copies: Lines,
}

impl<'a> Left<'a> {
	pub(super) fn new(rows: usize, k: usize, values: &'a [i8]) -> Self {
		let steps = k.div_ceil(ROW);
		let strips = rows.div_ceil(EDGE);
		// The last row of a strip reads whole tiles: what it reads past its own end meets zeros in the
		// other operand, but must be there.
		let fits = |strip: usize| (strip * EDGE + EDGE - 1) * k + steps * ROW <= values.len();
		let copied = (0..strips).rev().take_while(|&strip| !fits(strip)).count();
		let copied = strips - copied;
		let mut copies = Lines::zeroed((strips - copied) * steps);
		if k > 0 {
			let from = values[(copied * EDGE * k).min(values.len())..].chunks_exact(k);
			for (to, from) in copies.bytes_mut().chunks_exact_mut(steps * ROW).zip(from) {
				to[..k].copy_from_slice(bytemuck::cast_slice(from));
			}
		}
		Self { values, k, copied, copies }
	}

	pub(super) fn strip(&self, strip: usize) -> Strip {
		let steps = self.k.div_ceil(ROW);
		if strip < self.copied {
			let start = self.values[strip * EDGE * self.k..].as_ptr().cast();
			Strip { start, row: self.k }
		} else {
			let start = self.copies.bytes()[(strip - self.copied) * steps * TILE..].as_ptr();
			Strip { start, row: steps * ROW }
		}
	}
}

/// A left operand of i16 in tiles: `[strip][tile along k][plane][row][64]`, zeros past the edges.
pub(super) struct Digested {
	steps: usize,
	lines: Lines,
}

impl Digested {
	pub(super) fn new(k: usize, values: &[i16], rows: usize, threads: usize) -> Self {
		/// # Safety
		/// The processor must have AVX-512 BW.
		#[target_feature(enable = "avx512f,avx512bw")]
		unsafe fn split(from: &[i16], low: &mut [u8], high: &mut [u8]) {
			for ((low, high), value) in low.iter_mut().zip(high).zip(from) {
				*low = *value as u8;
				*high = (value >> 8) as u8;
			}
		}
		let steps = k.div_ceil(ROW);
		let mut lines = Lines::zeroed(rows.div_ceil(EDGE) * steps * 2);
		let pack = |(to, from): (&mut [u8], &[i16])| {
			for (step, to) in to.chunks_exact_mut(2 * TILE).enumerate() {
				let start = step * ROW;
				let count = ROW.min(k - start);
				let (low, high) = to.split_at_mut(TILE);
				let digits = low.chunks_exact_mut(ROW).zip(high.chunks_exact_mut(ROW));
				for ((low, high), row) in digits.zip(from.chunks_exact(k)) {
					let row = &row[start..start + count];
					// SAFETY: AMX comes with AVX-512 BW, see `available`.
					unsafe { split(row, &mut low[..count], &mut high[..count]) };
				}
			}
		};
		if k > 0 && threads > 1 {
			let strips = lines.bytes_mut().par_chunks_mut(steps * 2 * TILE);
			strips.zip(values.par_chunks(EDGE * k)).for_each(pack);
		} else if k > 0 {
			let strips = lines.bytes_mut().chunks_mut(steps * 2 * TILE);
			strips.zip(values.chunks(EDGE * k)).for_each(pack);
		}
		Self { steps, lines }
	}

	pub(super) fn strip(&self, strip: usize) -> *const u8 {
		self.lines.bytes()[strip * self.steps * 2 * TILE..].as_ptr()
	}
}

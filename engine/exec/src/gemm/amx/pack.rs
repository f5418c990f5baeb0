//! Operands in tiles.

use super::{EDGE, ROW, TILE};
use core::{cell::Cell, ops::Range};
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

/// A right operand: `[panel][tile along k][plane][4 values along k][column][4]`, zeros past the
/// edges.
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

/// Rows of tiles that follow each other along `k`: where the first starts, and how far rows are
/// apart.
#[derive(Clone, Copy)]
pub(super) struct Strip {
	pub(super) start: *const u8,
	pub(super) row: usize,
}

/// A left operand of i8.
pub(super) struct Left<'a> {
	values: &'a [i8],
	rows: usize,
	k: usize,
}

impl<'a> Left<'a> {
	/// `values` are `rows × k`, neither of them 0.
	pub(super) fn new(rows: usize, k: usize, values: &'a [i8]) -> Self {
		assert!(rows > 0 && rows * k == values.len(), "a left operand of another size");
		Self { values, rows, k }
	}

	/// The rows of one strip or two.
	fn rows(&self, strips: &Range<usize>) -> Range<usize> {
		strips.start * EDGE..self.rows.min(strips.end * EDGE)
	}

	/// Where strips start, for reading ahead.
	pub(super) fn start(&self, strip: usize) -> *const u8 {
		let row = (strip * EDGE).min(self.rows);
		self.values[row * self.k..].as_ptr().cast()
	}

	/// Whether every row starts on the boundary of a line.
	pub(super) fn aligned(&self) -> bool {
		self.k.is_multiple_of(ROW) && self.values.as_ptr().addr().is_multiple_of(ROW)
	}

	/// One strip or two where they lie, if all of their tiles do. The last tiles of a row end in
	/// the next row: that meets zeros in the other operand, but must be there.
	pub(super) fn in_place(&self, strips: Range<usize>) -> Option<[Strip; 2]> {
		let last = strips.end * EDGE - 1;
		let end = last * self.k + self.k.next_multiple_of(ROW);
		(end <= self.values.len()).then(|| {
			[strips.start, strips.end - 1]
				.map(|strip| Strip { start: self.start(strip), row: self.k })
		})
	}
}

/// One strip or two with each row on a boundary of a line: what lies across two costs twice as
/// much.
pub(super) struct Copied {
	lines: Vec<Line>,
	/// Which they are.
	strips: Range<usize>,
}

thread_local! {
	/// Memory of copies of earlier products on this thread.
	static LINES: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Lines that a thread keeps: enough for most products.
const KEPT: usize = (1 << 20) / ROW;

impl Copied {
	pub(super) fn new() -> Self {
		Self { lines: LINES.take(), strips: 0..0 }
	}

	/// The strips, copied unless they were the last ones to be. What lies past the operand's rows
	/// and columns is arbitrary. All calls must be for one operand.
	pub(super) fn strips(&mut self, left: &Left<'_>, strips: Range<usize>) -> [Strip; 2] {
		let width = left.k.div_ceil(ROW) | 1;
		let needed = strips.len() * EDGE * width;
		if self.lines.len() < needed {
			self.lines.resize(needed, Line([0; ROW]));
		}
		if self.strips != strips {
			let from = left.values[left.rows(&strips).start * left.k..].chunks_exact(left.k);
			let to = self.lines[..needed].chunks_exact_mut(width);
			for (to, from) in to.zip(from) {
				// SAFETY: AMX comes with AVX-512 BW, see `available`.
				unsafe { copy(from, to) };
			}
			self.strips = strips.clone();
		}
		[0, strips.len() - 1].map(|strip| Strip {
			start: self.lines[strip * EDGE * width..].as_ptr().cast(),
			row: width * ROW,
		})
	}
}

impl Drop for Copied {
	fn drop(&mut self) {
		if self.lines.len() <= KEPT {
			LINES.set(core::mem::take(&mut self.lines));
		}
	}
}

/// # Safety
/// The processor must have AVX-512 F and BW.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn copy(from: &[i8], to: &mut [Line]) {
	use core::arch::x86_64::*;
	let (whole, rest) = from.as_chunks::<ROW>();
	let (to, after) = to.split_at_mut(whole.len());
	for (to, from) in to.iter_mut().zip(whole) {
		// SAFETY: both are one vector, the place of writing on its boundary.
		unsafe {
			_mm512_store_si512(to.0.as_mut_ptr().cast(), _mm512_loadu_si512(from.as_ptr().cast()))
		};
	}
	if let (Some(to), false) = (after.first_mut(), rest.is_empty()) {
		let mask = u64::MAX >> (ROW - rest.len());
		// SAFETY: as above, but for the source, whose bytes are those of the mask.
		unsafe {
			let line = _mm512_maskz_loadu_epi8(mask, rest.as_ptr());
			_mm512_store_si512(to.0.as_mut_ptr().cast(), line);
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

//! AMX kernels, on the products of 8-bit tiles: C (16 × 16 of i32) takes A (16 rows of 64 bytes) times B
//! (16 rows of 16 groups of four), wrapping and in every mix of signs.
//!
//! * i8 is exact as it is. The left side is read where it lies, the right side is packed in panels of 16
//!   columns. Which operand is which is free, since a product of transposes is the transpose: unless one
//!   comes packed, the smaller one is.
//! * i16 is split into digits, `256 · high + low` with a signed and an unsigned byte. The four sums of
//!   their products stay within 32 bits for [`CHUNK`] values along `k`: 128 · 255 · 65,536 < 2^31, and
//!   255 · 255 · 65,536 < 2^32 for the unsigned one.
//!
//! The compiler knows tile registers as clobbers only, so that everything between clearing them and
//! storing them is one block of assembly.

use super::{
	drive::{threads, Grid},
	parallel::parallel,
};
use core::arch::asm;
use rayon::prelude::*;
use std::sync::OnceLock;

/// Rows of a tile, and columns of a panel.
const EDGE: usize = 16;
/// Bytes in a row of a tile.
const ROW: usize = 64;
/// Bytes of a tile.
const TILE: usize = EDGE * ROW;
/// Values along `k` between two widenings of i16 sums.
const CHUNK: usize = 65_536;
/// How much faster than the slowest path this is, roughly.
const SPEED: usize = 16;

/// Whether the processor has AMX for bytes and AVX-512, and the system lets this process use both. Asks
/// the system once.
pub(super) fn available() -> bool {
	static AVAILABLE: OnceLock<bool> = OnceLock::new();
	*AVAILABLE.get_or_init(|| {
		let wide = is_x86_feature_detected!("avx512f")
			&& is_x86_feature_detected!("avx512bw")
			&& is_x86_feature_detected!("avx512vnni");
		wide && has_tiles() && permitted()
	})
}

/// CPUID says AMX-TILE and AMX-INT8, palette 1 is the known one, and XCR0 enables both parts of its state.
fn has_tiles() -> bool {
	use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
	#[target_feature(enable = "xsave")]
	fn state() -> u64 {
		// SAFETY: the function has the feature, and register 0 is there wherever it is.
		unsafe { _xgetbv(0) }
	}
	// The names of the intrinsics are safe since Rust 1.94; CPUID itself is on every x86-64.
	if __cpuid(0).eax < 0x1d || !is_x86_feature_detected!("xsave") {
		return false;
	}
	let features = __cpuid_count(7, 0).edx;
	let palette = __cpuid_count(0x1d, 1);
	// SAFETY: XSAVE was detected, which says that the system enabled it too.
	let state = unsafe { state() };
	let (tiles, bytes) = (1 << 24, 1 << 25);
	features & tiles != 0
		&& features & bytes != 0
		&& palette.eax >> 16 == TILE as u32
		&& palette.ebx & 0xffff == ROW as u32
		&& palette.ebx >> 16 >= 8
		&& palette.ecx & 0xffff == EDGE as u32
		&& state >> 17 & 3 == 3
}

/// Linux gives tile state only to processes that ask for it, since it makes signal frames large.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
	const SYS_ARCH_PRCTL: i64 = 158;
	const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
	const XFEATURE_XTILEDATA: i64 = 18;
	let answer: i64;
	// SAFETY: a system call without pointers; the kernel changes nothing but rax, rcx and r11.
	unsafe {
		asm!(
			"syscall",
			inlateout("rax") SYS_ARCH_PRCTL => answer,
			in("rdi") ARCH_REQ_XCOMP_PERM,
			in("rsi") XFEATURE_XTILEDATA,
			lateout("rcx") _,
			lateout("r11") _,
			options(nostack),
		);
	}
	answer == 0
}

/// Elsewhere nobody knows how to ask.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
	false
}

/// All eight tiles as 16 rows of 64 bytes, on this thread, until dropped.
struct Configured;

impl Configured {
	fn new() -> Self {
		#[repr(C, align(64))]
		struct Config {
			palette: u8,
			start_row: u8,
			reserved: [u8; 14],
			row_bytes: [u16; 16],
			rows: [u8; 16],
		}
		let mut config = Config {
			palette: 1,
			start_row: 0,
			reserved: [0; 14],
			row_bytes: [0; 16],
			rows: [0; 16],
		};
		config.row_bytes[..8].fill(ROW as u16);
		config.rows[..8].fill(EDGE as u8);
		assert!(available(), "no AMX");
		// SAFETY: AMX is available, and the structure is what the instruction reads.
		unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly)) };
		Self
	}
}

impl Drop for Configured {
	fn drop(&mut self) {
		// SAFETY: there is a configuration of this thread to release. Without tiles in use, switching
		// threads is cheaper.
		unsafe { asm!("tilerelease", options(nostack, nomem)) };
	}
}

/// Bytes on the boundary of a line, so that no row of a tile lies across two.
pub(super) struct Lines {
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
		Self { lines: bytemuck::zeroed_vec(tiles * EDGE) }
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
pub(super) struct Panels {
	/// Tiles along `k`.
	steps: usize,
	planes: usize,
	lines: Lines,
}

impl Panels {
	/// Bytes in memory.
	pub(super) fn len(&self) -> usize {
		self.lines.bytes().len()
	}

	pub(super) fn i8(rows: usize, k: usize, values: &[i8], threads: usize) -> Self {
		Self::new(rows, k, values, threads)
	}

	pub(super) fn i16(rows: usize, k: usize, values: &[i16], threads: usize) -> Self {
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
				// SAFETY: AMX comes with AVX-512 F, see `available`.
				unsafe { transpose(&block, to) };
			}
		};
		if len > 0 && threads > 1 {
			lines.bytes_mut().par_chunks_mut(len).enumerate().for_each(pack);
		} else if len > 0 {
			lines.bytes_mut().chunks_mut(len).enumerate().for_each(pack);
		}
		Self { steps, planes: T::PLANES, lines }
	}

	fn panel(&self, panel: usize) -> &[u8] {
		let len = self.steps * self.planes * TILE;
		&self.lines.bytes()[panel * len..][..len]
	}

	fn count(&self) -> usize {
		self.lines.lines.len() / (self.steps * self.planes * EDGE).max(1)
	}
}

/// Transposes 16 × 16 groups of four bytes.
///
/// # Safety
/// The processor must have AVX-512 F.
#[target_feature(enable = "avx512f")]
unsafe fn transpose(from: &[[u8; ROW]; EDGE], to: &mut [u8]) {
	use core::arch::x86_64::*;
	assert!(to.len() >= TILE);
	let mut v = [_mm512_setzero_si512(); EDGE];
	for (v, row) in v.iter_mut().zip(from) {
		// SAFETY: a row is one vector.
		*v = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
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
	for (row, w) in to.chunks_exact_mut(ROW).zip(w) {
		// SAFETY: a row is one vector.
		unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), w) };
	}
}

/// Rows of tiles: where the first starts, and how far rows and neighbours along `k` are apart.
#[derive(Clone, Copy)]
struct Strip {
	start: *const u8,
	row: usize,
	step: usize,
}

/// Sums of one block: `[row][column]` of two strips and two panels.
type Sums = [[i32; 2 * EDGE]; 2 * EDGE];

/// `out = left · right`, of one or two strips and one or two panels.
///
/// # Safety
/// Tiles are [`Configured`]; each strip has `steps ≥ 1` tiles, and so has each panel.
unsafe fn block<const STRIPS: usize, const PANELS: usize>(
	left: [Strip; 2],
	right: [*const u8; 2],
	steps: usize,
	out: &mut Sums,
) {
	// SAFETY: all reads are within the strips and panels by the caller's promise, all writes within
	// `out`, whose rows are 128 bytes apart.
	unsafe {
		macro_rules! run {
			($($line:literal)*) => {
				asm!(
					$($line,)*
					a0 = inout(reg) left[0].start => _,
					a1 = inout(reg) left[1].start => _,
					b0 = inout(reg) right[0] => _,
					b1 = inout(reg) right[1] => _,
					n = inout(reg) steps => _,
					row = in(reg) left[0].row,
					step = in(reg) left[0].step,
					line = in(reg) ROW,
					out = in(reg) out.as_mut_ptr(),
					wide = in(reg) 2 * ROW,
					out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
					out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
					options(nostack),
				)
			};
		}
		match (STRIPS, PANELS) {
			(2, 2) => run!(
				"tilezero tmm0"
				"tilezero tmm1"
				"tilezero tmm2"
				"tilezero tmm3"
				"2:"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tileloadd tmm6, [{b0} + {line} * 1]"
				"tileloadd tmm7, [{b1} + {line} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"tileloadd tmm5, [{a1} + {row} * 1]"
				"tdpbssd tmm1, tmm4, tmm7"
				"tdpbssd tmm2, tmm5, tmm6"
				"tdpbssd tmm3, tmm5, tmm7"
				"add {a0}, {step}"
				"add {a1}, {step}"
				"add {b0}, 1024"
				"add {b1}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"tilestored [{out} + {wide} * 1 + 64], tmm1"
				"tilestored [{out} + {wide} * 1 + 2048], tmm2"
				"tilestored [{out} + {wide} * 1 + 2112], tmm3"
			),
			(2, 1) => run!(
				"tilezero tmm0"
				"tilezero tmm2"
				"2:"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tileloadd tmm6, [{b0} + {line} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"tileloadd tmm5, [{a1} + {row} * 1]"
				"tdpbssd tmm2, tmm5, tmm6"
				"add {a0}, {step}"
				"add {a1}, {step}"
				"add {b0}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"tilestored [{out} + {wide} * 1 + 2048], tmm2"
				"/* {b1} */"
			),
			(1, 2) => run!(
				"tilezero tmm0"
				"tilezero tmm1"
				"2:"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tileloadd tmm6, [{b0} + {line} * 1]"
				"tileloadd tmm7, [{b1} + {line} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"tdpbssd tmm1, tmm4, tmm7"
				"add {a0}, {step}"
				"add {b0}, 1024"
				"add {b1}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"tilestored [{out} + {wide} * 1 + 64], tmm1"
				"/* {a1} */"
			),
			_ => run!(
				"tilezero tmm0"
				"2:"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tileloadd tmm6, [{b0} + {line} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"add {a0}, {step}"
				"add {b0}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"/* {a1} {b1} */"
			),
		}
	}
}

/// A left operand of i8, read where it lies but for strips whose tiles would reach past its end, which
/// are copied.
struct Left<'a> {
	values: &'a [i8],
	k: usize,
	/// The first strip that is copied.
	copied: usize,
	copies: Lines,
}

impl<'a> Left<'a> {
	fn new(rows: usize, k: usize, values: &'a [i8]) -> Self {
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

	fn strip(&self, strip: usize) -> Strip {
		let steps = self.k.div_ceil(ROW);
		if strip < self.copied {
			let start = self.values[strip * EDGE * self.k..].as_ptr().cast();
			Strip { start, row: self.k, step: ROW }
		} else {
			let start = self.copies.bytes()[(strip - self.copied) * steps * TILE..].as_ptr();
			Strip { start, row: steps * ROW, step: ROW }
		}
	}
}

/// Panels that a task goes over with every pair of its strips: half of a common second cache.
fn task_panels(bytes: usize) -> usize {
	((1 << 20) / bytes.max(1)).max(2)
}

/// Strips of a task.
const TASK_STRIPS: usize = 16;

/// `C = left · right` for i8, of `rows` and `columns` without padding. If `swapped`, the left operand is
/// B, and what is emitted is the transpose.
pub(super) fn gemm_i8(
	(values, rows): (&[i8], usize),
	(right, columns): (&Panels, usize),
	k: usize,
	swapped: bool,
	emit: impl Fn(usize, usize, &[i32]) + Sync,
) {
	let left = Left::new(rows, k, values);
	let steps = right.steps;
	let threads = threads(rows * columns * k, SPEED);
	let shape = (rows.div_ceil(EDGE), right.count());
	let grid = Grid::new(shape, (TASK_STRIPS, task_panels(steps * TILE)), threads);
	let run = |(_, sums, turned): &mut (Configured, Box<Sums>, Box<Sums>), task| {
		let (strips, panels) = grid.task(task);
		let mut strip = strips.start;
		while strip < strips.end {
			// A pair is of one kind, so that its rows are equally far apart.
			let pair = strip + 1 < strips.end && strip + 1 != left.copied;
			let second = strip + usize::from(pair);
			let tiles = [left.strip(strip), left.strip(second)];
			let row = strip * EDGE;
			let block_rows = ((second + 1) * EDGE).min(rows) - row;
			let mut panel = panels.start;
			while panel < panels.end {
				let last = (panel + 1).min(panels.end - 1);
				let b = [right.panel(panel).as_ptr(), right.panel(last).as_ptr()];
				// SAFETY: the scratch holds a configuration, and there are `steps` tiles in strips and
				// panels of the same `k`.
				unsafe {
					match (pair, last > panel) {
						(true, true) => block::<2, 2>(tiles, b, steps, sums),
						(true, false) => block::<2, 1>(tiles, b, steps, sums),
						(false, true) => block::<1, 2>(tiles, b, steps, sums),
						(false, false) => block::<1, 1>(tiles, b, steps, sums),
					}
				}
				let column = panel * EDGE;
				let block_columns = ((last + 1) * EDGE).min(columns) - column;
				if swapped {
					// SAFETY: AMX comes with AVX-512 F, see `available`.
					unsafe { turn(sums, turned) };
					for (at, sums) in turned.iter().take(block_columns).enumerate() {
						emit(column + at, row, &sums[..block_rows]);
					}
				} else {
					for (at, sums) in sums.iter().take(block_rows).enumerate() {
						emit(row + at, column, &sums[..block_columns]);
					}
				}
				panel = last + 1;
			}
			strip = second + 1;
		}
	};
	let scratch = || {
		let sums = || Box::new([[0; 2 * EDGE]; 2 * EDGE]);
		(Configured::new(), sums(), sums())
	};
	parallel(threads, grid.tasks(), scratch, run);
}

/// The transpose.
///
/// # Safety
/// The processor must have AVX-512 F.
#[target_feature(enable = "avx512f")]
unsafe fn turn(from: &Sums, to: &mut Sums) {
	for (row, column) in [(0, 0), (0, EDGE), (EDGE, 0), (EDGE, EDGE)] {
		let mut quarter = [[0u8; ROW]; EDGE];
		for (to, from) in quarter.iter_mut().zip(&from[row..]) {
			to.copy_from_slice(bytemuck::cast_slice(&from[column..column + EDGE]));
		}
		let mut turned = [0u8; TILE];
		// SAFETY: by the caller's promise.
		unsafe { transpose(&quarter, &mut turned) };
		for (to, from) in to[column..].iter_mut().zip(turned.chunks_exact(ROW)) {
			bytemuck::cast_slice_mut(&mut to[row..row + EDGE]).copy_from_slice(from);
		}
	}
}

/// A left operand of i16 in tiles: `[strip][tile along k][plane][row][64]`, zeros past the edges.
struct Digested {
	steps: usize,
	lines: Lines,
}

impl Digested {
	fn new(k: usize, values: &[i16], rows: usize, threads: usize) -> Self {
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

	fn strip(&self, strip: usize) -> *const u8 {
		self.lines.bytes()[strip * self.steps * 2 * TILE..].as_ptr()
	}
}

/// Sums of one block of i16: high · high, low · high, high · low and low · low.
type DigitSums = [[[i32; EDGE]; EDGE]; 4];

/// # Safety
/// Tiles are [`Configured`]; both operands have `steps ≥ 1` pairs of tiles, low digits first.
unsafe fn block_i16(left: *const u8, right: *const u8, steps: usize, out: &mut DigitSums) {
	// SAFETY: all reads are within the operands by the caller's promise, all writes within `out`.
	unsafe {
		asm!(
			"tilezero tmm0",
			"tilezero tmm1",
			"tilezero tmm2",
			"tilezero tmm3",
			"2:",
			"tileloadd tmm4, [{a} + {line} * 1]",
			"tileloadd tmm6, [{b} + {line} * 1]",
			"tileloadd tmm7, [{b} + {line} * 1 + 1024]",
			"tdpbuud tmm3, tmm4, tmm6",
			"tileloadd tmm5, [{a} + {line} * 1 + 1024]",
			"tdpbusd tmm1, tmm4, tmm7",
			"tdpbsud tmm2, tmm5, tmm6",
			"tdpbssd tmm0, tmm5, tmm7",
			"add {a}, 2048",
			"add {b}, 2048",
			"dec {n}",
			"jnz 2b",
			"tilestored [{out} + {line} * 1], tmm0",
			"tilestored [{out} + {line} * 1 + 1024], tmm1",
			"tilestored [{out} + {line} * 1 + 2048], tmm2",
			"tilestored [{out} + {line} * 1 + 3072], tmm3",
			a = inout(reg) left => _,
			b = inout(reg) right => _,
			n = inout(reg) steps => _,
			line = in(reg) ROW,
			out = in(reg) out.as_mut_ptr(),
			out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
			out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
			options(nostack),
		)
	}
}

/// `C = A · B` for i16.
pub(super) fn gemm_i16(
	(values, rows): (&[i16], usize),
	(right, columns): (&Panels, usize),
	k: usize,
	emit: impl Fn(usize, usize, &[i64]) + Sync,
) {
	/// # Safety
	/// The processor must have AVX-512 F.
	#[target_feature(enable = "avx512f")]
	unsafe fn widen(digits: &DigitSums, out: &mut [[i64; EDGE]; EDGE]) {
		for (row, out) in out.iter_mut().enumerate() {
			for (column, out) in out.iter_mut().enumerate() {
				let [high, mixed, other, low] = [0, 1, 2, 3].map(|at| digits[at][row][column]);
				let mixed = i64::from(mixed) + i64::from(other);
				*out += (i64::from(high) << 16) + (mixed << 8) + i64::from(low as u32);
			}
		}
	}
	let threads = threads(4 * rows * columns * k, SPEED);
	let left = Digested::new(k, values, rows, threads);
	let steps = right.steps;
	let shape = (rows.div_ceil(EDGE), right.count());
	let grid = Grid::new(shape, (TASK_STRIPS, task_panels(2 * steps * TILE)), threads);
	type Scratch = (Configured, Box<DigitSums>, Box<[[i64; EDGE]; EDGE]>);
	let run = |(_, digits, sums): &mut Scratch, task| {
		let (strips, panels) = grid.task(task);
		for strip in strips {
			for panel in panels.clone() {
				sums.fill([0; EDGE]);
				for first in (0..steps).step_by(CHUNK / ROW) {
					let count = (CHUNK / ROW).min(steps - first);
					let a = left.strip(strip).wrapping_add(first * 2 * TILE);
					let b = right.panel(panel)[first * 2 * TILE..].as_ptr();
					// SAFETY: the scratch holds a configuration, and both have `steps` pairs of tiles;
					// AMX comes with AVX-512 F, see `available`.
					unsafe {
						block_i16(a, b, count, digits);
						widen(digits, sums);
					}
				}
				let (row, column) = (strip * EDGE, panel * EDGE);
				for (at, sums) in sums.iter().take(rows - row).enumerate() {
					emit(row + at, column, &sums[..EDGE.min(columns - column)]);
				}
			}
		}
	};
	let scratch = || {
		let digits = Box::new([[[0; EDGE]; EDGE]; 4]);
		(Configured::new(), digits, Box::new([[0; EDGE]; EDGE]))
	};
	parallel(threads, grid.tasks(), scratch, run);
}

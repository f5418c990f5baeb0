//! AMX kernels, on the products of 8-bit tiles: C (16 × 16 of i32) takes A (16 rows of 64 bytes) times B
//! (16 rows of 16 groups of four), wrapping and in every mix of signs.
//!
//! * i8 is exact as it is. The left side is read where it lies, the right side is packed in panels of 16
//!   columns. Which operand is which is free, since a product of transposes is the transpose: unless one
//!   comes packed, the smaller one is.
//! * i16 is split into digits, `256 · high + low` with a signed and an unsigned byte. The sums of
//!   `high · high`, of both mixed products, and of `low · low` stay within i32 for [`CHUNK`] values along
//!   `k`: the largest are 255 · 255 · 32,768 and 2 · 128 · 255 · 32,768, both below 2^31.
//!
//! The compiler knows tile registers as clobbers only, so that everything between clearing them and
//! storing them is one block of assembly.

mod detect;
mod pack;

pub(super) use detect::available;
pub(super) use pack::Panels;

use super::{
	drive::{threads, Grid},
	parallel::parallel,
};
use core::{arch::asm, ops::Range};
use pack::{transpose, Digested, Left, Strip};

/// Rows of a tile, and columns of a panel.
const EDGE: usize = 16;
/// Bytes in a row of a tile.
const ROW: usize = 64;
/// Bytes of a tile.
const TILE: usize = EDGE * ROW;
/// Values along `k` between two widenings of i16 sums.
const CHUNK: usize = 32_768;
/// How much faster than the slowest path this is, roughly.
const SPEED: usize = 16;

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

/// Adds `left · right`, of one or two strips and one or two panels, to what is at `out`, or overwrites it
/// if this is the `first` part of a sum. Rows of `out` are `stride` bytes apart, its two column tiles 64.
///
/// # Safety
/// Tiles are [`Configured`]; each strip has `steps ≥ 1` tiles, and so has each panel; `out` has as many
/// rows and columns as the strips and panels, 16 each.
unsafe fn block<const STRIPS: usize, const PANELS: usize>(
	left: [Strip; 2],
	right: [*const u8; 2],
	steps: usize,
	first: bool,
	(out, stride): (*mut i32, usize),
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
					out = in(reg) out,
					below = in(reg) out.wrapping_byte_add(EDGE * stride),
					wide = in(reg) stride,
					first = in(reg) usize::from(first),
					out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
					out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
					options(nostack),
				)
			};
		}
		match (STRIPS, PANELS) {
			(2, 2) => run!(
				"test {first}, {first}"
				"jz 3f"
				"tilezero tmm0"
				"tilezero tmm1"
				"tilezero tmm2"
				"tilezero tmm3"
				"jmp 2f"
				"3:"
				"tileloadd tmm0, [{out} + {wide} * 1]"
				"tileloadd tmm1, [{out} + {wide} * 1 + 64]"
				"tileloadd tmm2, [{below} + {wide} * 1]"
				"tileloadd tmm3, [{below} + {wide} * 1 + 64]"
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
				"tilestored [{below} + {wide} * 1], tmm2"
				"tilestored [{below} + {wide} * 1 + 64], tmm3"
			),
			(2, 1) => run!(
				"test {first}, {first}"
				"jz 3f"
				"tilezero tmm0"
				"tilezero tmm2"
				"jmp 2f"
				"3:"
				"tileloadd tmm0, [{out} + {wide} * 1]"
				"tileloadd tmm2, [{below} + {wide} * 1]"
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
				"tilestored [{below} + {wide} * 1], tmm2"
				"/* {b1} */"
			),
			(1, 2) => run!(
				"test {first}, {first}"
				"jz 3f"
				"tilezero tmm0"
				"tilezero tmm1"
				"jmp 2f"
				"3:"
				"tileloadd tmm0, [{out} + {wide} * 1]"
				"tileloadd tmm1, [{out} + {wide} * 1 + 64]"
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
				"/* {a1} {below} */"
			),
			_ => run!(
				"test {first}, {first}"
				"jz 3f"
				"tilezero tmm0"
				"jmp 2f"
				"3:"
				"tileloadd tmm0, [{out} + {wide} * 1]"
				"2:"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tileloadd tmm6, [{b0} + {line} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"add {a0}, {step}"
				"add {b0}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"/* {a1} {below} {b1} */"
			),
		}
	}
}

/// Bytes of the operand that a task reads again and again: half of a common second cache.
const TASK_BYTES: usize = 1 << 20;
/// The most tiles of a task along the rows of C, and along its columns.
const TASK_EDGES: (usize, usize) = (16, 64);
/// Tiles along `k` that are multiplied before the next columns are: two strips of so many leave room in a
/// first cache.
const DEPTH: usize = 16;

/// The tiles of the columns of a task: those that the cache has room for.
fn task_columns(tile_bytes: usize) -> usize {
	(TASK_BYTES / tile_bytes.max(1)).clamp(2, TASK_EDGES.1)
}

/// Sums of one block that is going to be turned.
type Sums = [[i32; 2 * EDGE]; 2 * EDGE];

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
	let wide = task_columns(steps * TILE);
	let task = if swapped { (wide, TASK_EDGES.0) } else { (TASK_EDGES.0, wide) };
	let grid = Grid::new(shape, task, threads);
	// A row has a line more than it needs, so that rows do not fall on the same places of the cache.
	let stride = wide * EDGE + EDGE;
	/// # Safety
	/// As for [`block`].
	unsafe fn blocks(
		(pair, left): (bool, [Strip; 2]),
		(both, right): (bool, [*const u8; 2]),
		steps: usize,
		first: bool,
		out: (*mut i32, usize),
	) {
		// SAFETY: by the caller's promise.
		unsafe {
			match (pair, both) {
				(true, true) => block::<2, 2>(left, right, steps, first, out),
				(true, false) => block::<2, 1>(left, right, steps, first, out),
				(false, true) => block::<1, 2>(left, right, steps, first, out),
				(false, false) => block::<1, 1>(left, right, steps, first, out),
			}
		}
	}
	// A pair of strips is of one kind, so that its rows are equally far apart.
	let strips_at = |strip: usize, end: usize| {
		let pair = strip + 1 < end && strip + 1 != left.copied;
		let second = strip + usize::from(pair);
		(pair, [left.strip(strip), left.strip(second)], second + 1)
	};
	let panels_at = |panel: usize, end: usize| {
		let both = panel + 1 < end;
		let second = panel + usize::from(both);
		(both, [right.panel(panel).as_ptr(), right.panel(second).as_ptr()], second + 1)
	};
	let straight = |out: &mut [i32], strips: Range<usize>, panels: Range<usize>| {
		let column = panels.start * EDGE;
		let count = (panels.end * EDGE).min(columns) - column;
		let mut strip = strips.start;
		while strip < strips.end {
			let (pair, tiles, next) = strips_at(strip, strips.end);
			for deep in (0..steps).step_by(DEPTH) {
				let part = DEPTH.min(steps - deep);
				let tiles = tiles
					.map(|tile| Strip { start: tile.start.wrapping_add(deep * tile.step), ..tile });
				let mut panel = panels.start;
				while panel < panels.end {
					let (both, b, next) = panels_at(panel, panels.end);
					let b = b.map(|b| b.wrapping_add(deep * TILE));
					let out = out[(panel - panels.start) * EDGE..].as_mut_ptr();
					// SAFETY: the scratch holds a configuration, there are `steps` tiles in strips and
					// panels of the same `k`, and the scratch has 32 rows of the task's columns.
					unsafe { blocks((pair, tiles), (both, b), part, deep == 0, (out, stride * 4)) };
					panel = next;
				}
			}
			let row = strip * EDGE;
			let block_rows = (next * EDGE).min(rows) - row;
			for (at, sums) in out.chunks_exact(stride).take(block_rows).enumerate() {
				emit(row + at, column, &sums[..count]);
			}
			strip = next;
		}
	};
	// As `straight`, but the strips are columns of what is emitted, and the panels are its rows.
	let turned = |out: &mut [i32], strips: Range<usize>, panels: Range<usize>| {
		let mut sums: Sums = [[0; 2 * EDGE]; 2 * EDGE];
		let column = strips.start * EDGE;
		let count = (strips.end * EDGE).min(rows) - column;
		let mut panel = panels.start;
		while panel < panels.end {
			let (both, b, next) = panels_at(panel, panels.end);
			let mut strip = strips.start;
			while strip < strips.end {
				let (pair, tiles, next) = strips_at(strip, strips.end);
				let block = (sums.as_mut_ptr().cast(), 2 * ROW);
				// SAFETY: as in `straight`, and there are 32 rows and columns of sums.
				unsafe { blocks((pair, tiles), (both, b), steps, true, block) };
				for down in 0..1 + usize::from(both) {
					for across in 0..1 + usize::from(pair) {
						let place = down * EDGE * stride + (strip + across - strips.start) * EDGE;
						// SAFETY: AMX comes with AVX-512 F, see `available`; both are 16 × 16 within.
						unsafe {
							let from = sums.as_ptr().cast::<i32>();
							let from = from.add(across * EDGE * 2 * EDGE + down * EDGE);
							transpose((from, 2 * EDGE), (out[place..].as_mut_ptr(), stride));
						}
					}
				}
				strip = next;
			}
			let row = panel * EDGE;
			let block_rows = (next * EDGE).min(columns) - row;
			for (at, sums) in out.chunks_exact(stride).take(block_rows).enumerate() {
				emit(row + at, column, &sums[..count]);
			}
			panel = next;
		}
	};
	let run = |(_, out): &mut (Configured, Vec<i32>), task| {
		let (strips, panels) = grid.task(task);
		if swapped {
			turned(out, strips, panels);
		} else {
			straight(out, strips, panels);
		}
	};
	let scratch = || (Configured::new(), vec![0; 2 * EDGE * stride]);
	parallel(threads, grid.tasks(), scratch, run);
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
	/// Rows of `out` are `stride` apart.
	///
	/// # Safety
	/// The processor must have AVX-512 F.
	#[target_feature(enable = "avx512f")]
	unsafe fn widen(digits: &DigitSums, first: bool, out: &mut [i64], stride: usize) {
		for (row, out) in out.chunks_mut(stride).take(EDGE).enumerate() {
			let [high, mixed, other, low] = digits;
			let (high, low) = (&high[row], &low[row]);
			let (mixed, other) = (&mixed[row], &other[row]);
			for (column, out) in out[..EDGE].iter_mut().enumerate() {
				let mixed = i64::from(mixed[column] + other[column]);
				let sum = (i64::from(high[column]) << 16) + (mixed << 8) + i64::from(low[column]);
				*out = if first { sum } else { *out + sum };
			}
		}
	}
	let threads = threads(4 * rows * columns * k, SPEED);
	let left = Digested::new(k, values, rows, threads);
	let steps = right.steps;
	let shape = (rows.div_ceil(EDGE), right.count());
	let wide = task_columns(2 * steps * TILE).min(TASK_EDGES.1 / 2);
	let grid = Grid::new(shape, (TASK_EDGES.0, wide), threads);
	let stride = wide * EDGE + EDGE / 2;
	type Scratch = (Configured, Box<DigitSums>, Vec<i64>);
	let run = |(_, digits, sums): &mut Scratch, task| {
		let (strips, panels) = grid.task(task);
		let column = panels.start * EDGE;
		let count = (panels.end * EDGE).min(columns) - column;
		for strip in strips {
			for panel in panels.clone() {
				let out = &mut sums[(panel - panels.start) * EDGE..];
				for first in (0..steps).step_by(CHUNK / ROW) {
					let part = (CHUNK / ROW).min(steps - first);
					let a = left.strip(strip).wrapping_add(first * 2 * TILE);
					let b = right.panel(panel)[first * 2 * TILE..].as_ptr();
					// SAFETY: the scratch holds a configuration, and both have `steps` pairs of tiles;
					// AMX comes with AVX-512 F, see `available`.
					unsafe {
						block_i16(a, b, part, digits);
						widen(digits, first == 0, out, stride);
					}
				}
			}
			let row = strip * EDGE;
			let block_rows = EDGE.min(rows - row);
			for (at, sums) in sums.chunks_exact(stride).take(block_rows).enumerate() {
				emit(row + at, column, &sums[..count]);
			}
		}
	};
	let scratch = || (Configured::new(), Box::new([[[0; EDGE]; EDGE]; 4]), vec![0; EDGE * stride]);
	parallel(threads, grid.tasks(), scratch, run);
}

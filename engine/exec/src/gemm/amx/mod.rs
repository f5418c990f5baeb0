//! AMX kernels, on the products of 8-bit tiles: C (16 × 16 of i32) takes A (16 rows of 64 bytes)
//! times B (16 rows of 16 groups of four), wrapping and in every mix of signs.
//!
//! * i8 is exact as it is. The left side is read as it is, in place or in copies of strips, the
//!   right side is packed in panels of 16 columns. Which operand is which is free, since a product
//!   of transposes is the transpose: unless one comes packed, the smaller one is.
//! * i16 is split into digits, `256 · high + low` with a signed and an unsigned byte. The sums of
//!   `high · high`, of both mixed products, and of `low · low` stay within i32 for [`CHUNK`] values
//!   along `k`: the largest are 255 · 255 · 32,768 and 2 · 128 · 255 · 32,768, both below 2^31.
//!
//! The compiler knows tile registers as clobbers only, so that everything between clearing them and
//! storing them is one block of assembly.

mod bytes;
mod detect;
mod pack;
mod words;

pub(super) use bytes::gemm_i8;
pub(super) use detect::available;
pub(super) use pack::Panels;
pub(super) use words::gemm_i16;

use core::arch::asm;

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
		// SAFETY: there is a configuration of this thread to release. Without tiles in use,
		// switching threads is cheaper.
		unsafe { asm!("tilerelease", options(nostack, nomem)) };
	}
}

/// Bytes of the operand that a task reads again and again: half of the second cache of processors
/// that have AMX. With more, what passes by drives it out.
const TASK_BYTES: usize = 1 << 20;
/// The most tiles of a task along the rows of C, and along its columns.
const TASK_EDGES: (usize, usize) = (16, 64);

/// The tiles of the columns of a task: those that the cache has room for, in pairs.
fn task_columns(tile_bytes: usize) -> usize {
	(TASK_BYTES / tile_bytes.max(1)).clamp(2, TASK_EDGES.1) & !1
}

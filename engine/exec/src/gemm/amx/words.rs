//! Products of i16, digit by digit.

use super::{
	pack::{Digested, Panels},
	task_columns, Configured, CHUNK, EDGE, ROW, SPEED, TASK_EDGES, TILE,
};
use crate::gemm::{
	drive::{threads, Grid},
	parallel::parallel,
	Sink,
};
use core::arch::asm;

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
pub(in super::super) fn gemm_i16(
	(values, rows): (&[i16], usize),
	(right, columns): (&Panels, usize),
	k: usize,
	sink: &impl Sink<i64>,
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
					// SAFETY: the scratch holds a configuration, and both have `steps` pairs of
					// tiles; AMX comes with AVX-512 F, see `available`.
					unsafe {
						block_i16(a, b, part, digits);
						widen(digits, first == 0, out, stride);
					}
				}
			}
			let row = strip * EDGE;
			let block_rows = EDGE.min(rows - row);
			sink.block(row..row + block_rows, column..column + count, sums, stride);
		}
	};
	let scratch = || (Configured::new(), Box::new([[[0; EDGE]; EDGE]; 4]), vec![0; EDGE * stride]);
	parallel(threads, grid.tasks(), scratch, run);
}

//! Products of i8.

use super::{
	pack::{transpose, Left, Panels, Strip},
	task_columns, Configured, EDGE, ROW, SPEED, TASK_EDGES, TILE,
};
use crate::gemm::{
	drive::{threads, Grid},
	parallel::parallel,
	Sink,
};
use core::{arch::asm, ops::Range};

/// Where a block of sums is stored: its start, and the bytes from one row to the next.
type Place = (*mut i32, usize);

/// What is read soon: where it starts, and the bytes that are fetched along with each tile.
type Ahead = (*const u8, usize);

/// `left · right`, of one or two strips and one or two panels, to `out`, whose two column tiles are 64
/// bytes apart. Meanwhile fetches lines from `ahead` into the second cache.
///
/// # Safety
/// Tiles are [`Configured`]; each strip has `steps ≥ 1` tiles, and so has each panel; `out` has as many
/// rows and columns as the strips and panels, 16 each.
unsafe fn block<const STRIPS: usize, const PANELS: usize>(
	left: [Strip; 2],
	right: [*const u8; 2],
	steps: usize,
	(out, stride): Place,
	(ahead, fetched): Ahead,
) {
	// SAFETY: all reads are within the strips and panels by the caller's promise, all writes within
	// `out`. Fetching ahead reads nothing, wherever it points.
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
					line = in(reg) ROW,
					out = in(reg) out,
					below = in(reg) out.wrapping_byte_add(EDGE * stride),
					wide = in(reg) stride,
					ahead = inout(reg) ahead => _,
					fetched = in(reg) fetched,
					out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
					out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
					options(nostack),
				)
			};
		}
		// The right side passes by, the left side should stay in the first cache.
		match (STRIPS, PANELS) {
			(2, 2) => run!(
				"tilezero tmm0"
				"tilezero tmm1"
				"tilezero tmm2"
				"tilezero tmm3"
				"2:"
				"tileloaddt1 tmm6, [{b0} + {line} * 1]"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"prefetcht1 [{ahead}]"
				"prefetcht1 [{ahead} + 64]"
				"tdpbssd tmm0, tmm4, tmm6"
				"tileloaddt1 tmm7, [{b1} + {line} * 1]"
				"tdpbssd tmm1, tmm4, tmm7"
				"tileloadd tmm5, [{a1} + {row} * 1]"
				"prefetcht1 [{ahead} + 128]"
				"prefetcht1 [{ahead} + 192]"
				"tdpbssd tmm3, tmm5, tmm7"
				"tdpbssd tmm2, tmm5, tmm6"
				"add {a0}, 64"
				"add {a1}, 64"
				"add {b0}, 1024"
				"add {b1}, 1024"
				"add {ahead}, {fetched}"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"tilestored [{out} + {wide} * 1 + 64], tmm1"
				"tilestored [{below} + {wide} * 1], tmm2"
				"tilestored [{below} + {wide} * 1 + 64], tmm3"
			),
			(2, 1) => run!(
				"tilezero tmm0"
				"tilezero tmm2"
				"2:"
				"tileloaddt1 tmm6, [{b0} + {line} * 1]"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"tileloadd tmm5, [{a1} + {row} * 1]"
				"tdpbssd tmm2, tmm5, tmm6"
				"add {a0}, 64"
				"add {a1}, 64"
				"add {b0}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"tilestored [{below} + {wide} * 1], tmm2"
				"/* {b1} {ahead} {fetched} */"
			),
			(1, 2) => run!(
				"tilezero tmm0"
				"tilezero tmm1"
				"2:"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tileloaddt1 tmm6, [{b0} + {line} * 1]"
				"tileloaddt1 tmm7, [{b1} + {line} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"tdpbssd tmm1, tmm4, tmm7"
				"add {a0}, 64"
				"add {b0}, 1024"
				"add {b1}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"tilestored [{out} + {wide} * 1 + 64], tmm1"
				"/* {a1} {below} {ahead} {fetched} */"
			),
			_ => run!(
				"tilezero tmm0"
				"2:"
				"tileloadd tmm4, [{a0} + {row} * 1]"
				"tileloaddt1 tmm6, [{b0} + {line} * 1]"
				"tdpbssd tmm0, tmm4, tmm6"
				"add {a0}, 64"
				"add {b0}, 1024"
				"dec {n}"
				"jnz 2b"
				"tilestored [{out} + {wide} * 1], tmm0"
				"/* {a1} {below} {b1} {ahead} {fetched} */"
			),
		}
	}
}

/// Sums of one block on the way to where they belong.
#[repr(C, align(64))]
struct Sums([[i32; 2 * EDGE]; 2 * EDGE]);

impl Sums {
	const ZERO: Self = Self([[0; 2 * EDGE]; 2 * EDGE]);

	fn place(&mut self) -> Place {
		(self.0.as_mut_ptr().cast(), 2 * ROW)
	}
}

/// Both operands of a product in tiles, the left one of `rows` and the right one of `columns` without
/// padding.
struct Product<'a> {
	left: Left<'a>,
	rows: usize,
	right: &'a Panels,
	columns: usize,
}

/// One or two strips or panels, and the rows or columns of C that are theirs.
#[derive(Clone, Copy)]
struct Part<T> {
	tiles: [T; 2],
	both: bool,
	start: usize,
	end: usize,
	/// Whether none of its rows or columns is padding.
	whole: bool,
	/// The strip or panel after it.
	next: usize,
}

impl<T> Part<T> {
	fn new(tiles: [T; 2], (first, next): (usize, usize), len: usize) -> Self {
		let (start, end) = (first * EDGE, next * EDGE);
		let both = next - first == 2;
		Self { tiles, both, start, end: end.min(len), whole: end <= len, next }
	}

	fn range(&self) -> Range<usize> {
		self.start..self.end
	}
}

impl Product<'_> {
	/// A pair of strips is of one kind, so that its rows are equally far apart.
	fn strips(&self, strip: usize, end: usize) -> Part<Strip> {
		let both = strip + 1 < end && strip + 1 != self.left.copied;
		let second = strip + usize::from(both);
		let tiles = [self.left.strip(strip), self.left.strip(second)];
		Part::new(tiles, (strip, second + 1), self.rows)
	}

	fn panels(&self, panel: usize, end: usize) -> Part<*const u8> {
		let second = panel + usize::from(panel + 1 < end);
		let tiles = [self.right.panel(panel).as_ptr(), self.right.panel(second).as_ptr()];
		Part::new(tiles, (panel, second + 1), self.columns)
	}

	/// # Safety
	/// Tiles are [`Configured`], and `place` has room for all tiles of the strips and panels, which are of
	/// this product.
	unsafe fn block(&self, a: &Part<Strip>, b: &Part<*const u8>, place: Place, ahead: Ahead) {
		let steps = self.right.steps;
		// SAFETY: by the caller's promise. Both sides have `steps` tiles, since they are of one `k`,
		// which is not 0.
		unsafe {
			match (a.both, b.both) {
				(true, true) => block::<2, 2>(a.tiles, b.tiles, steps, place, ahead),
				(true, false) => block::<2, 1>(a.tiles, b.tiles, steps, place, ahead),
				(false, true) => block::<1, 2>(a.tiles, b.tiles, steps, place, ahead),
				(false, false) => block::<1, 1>(a.tiles, b.tiles, steps, place, ahead),
			}
		}
	}

	/// # Safety
	/// Tiles are [`Configured`].
	unsafe fn straight(
		&self,
		sums: &mut Sums,
		strips: Range<usize>,
		panels: Range<usize>,
		sink: &impl Sink<i32>,
	) {
		let mut strip = strips.start;
		while strip < strips.end {
			let a = self.strips(strip, strips.end);
			let mut ahead = self.ahead(a.next, strips.end, panels.len());
			let mut panel = panels.start;
			while panel < panels.end {
				let b = self.panels(panel, panels.end);
				let stored = sink.stored().filter(|_| a.whole && b.whole);
				let place = stored.and_then(|stored| {
					Some((stored.place(a.range(), b.range())?, stored.stride() * size_of::<i32>()))
				});
				// SAFETY: by the caller's promise; a stored block is within the result, and this task's
				// alone.
				unsafe { self.block(&a, &b, place.unwrap_or(sums.place()), ahead) };
				if place.is_none() {
					sink.block(a.range(), b.range(), sums.0.as_flattened(), 2 * EDGE);
				}
				ahead.0 = ahead.0.wrapping_add(ahead.1 * self.right.steps);
				panel = b.next;
			}
			strip = a.next;
		}
	}

	/// The strips from `strip` on, spread over the tiles of so many panels.
	fn ahead(&self, strip: usize, end: usize, panels: usize) -> Ahead {
		let start = self.left.strip(strip.min(end - 1)).start;
		if strip >= end {
			return (start, 0);
		}
		// Two strips of `steps` tiles for half as many blocks as there are panels.
		let bytes = 2 * TILE / panels.div_ceil(2);
		(start, bytes.next_multiple_of(ROW).min(4 * ROW))
	}

	/// As `straight`, but the strips are columns of what is emitted, and the panels are its rows.
	///
	/// # Safety
	/// As for `straight`.
	unsafe fn turned(
		&self,
		sums: &mut [Sums; 2],
		strips: Range<usize>,
		panels: Range<usize>,
		sink: &impl Sink<i32>,
	) {
		let [sums, turned] = sums;
		let mut panel = panels.start;
		while panel < panels.end {
			let b = self.panels(panel, panels.end);
			let mut strip = strips.start;
			while strip < strips.end {
				let a = self.strips(strip, strips.end);
				// SAFETY: by the caller's promise.
				unsafe { self.block(&a, &b, sums.place(), (b.tiles[0], 0)) };
				let stored = sink.stored().filter(|_| a.whole && b.whole);
				let place = stored.and_then(|stored| {
					Some((stored.place(b.range(), a.range())?, stored.stride()))
				});
				let (to, stride) = place.unwrap_or((turned.0.as_mut_ptr().cast(), 2 * EDGE));
				for down in 0..1 + usize::from(b.both) {
					for across in 0..1 + usize::from(a.both) {
						let from = sums.0[across * EDGE..][..EDGE].as_flattened();
						let from = from[down * EDGE..].as_ptr();
						let to = to.wrapping_add(down * EDGE * stride + across * EDGE);
						// SAFETY: AMX comes with AVX-512 F, see `available`; both are 16 × 16, within
						// the sums and within what has room for all tiles of these strips and panels.
						unsafe { transpose((from, 2 * EDGE), (to, stride)) };
					}
				}
				if place.is_none() {
					sink.block(b.range(), a.range(), turned.0.as_flattened(), 2 * EDGE);
				}
				strip = a.next;
			}
			panel = b.next;
		}
	}
}

/// `C = left · right` for i8, of `rows` and `columns` without padding. If `swapped`, the left operand is
/// B, and what is emitted is the transpose.
pub(in super::super) fn gemm_i8(
	(values, rows): (&[i8], usize),
	(right, columns): (&Panels, usize),
	k: usize,
	swapped: bool,
	sink: &impl Sink<i32>,
) {
	let product = Product { left: Left::new(rows, k, values), rows, right, columns };
	let threads = threads(rows * columns * k, SPEED);
	let shape = (rows.div_ceil(EDGE), right.count());
	let wide = task_columns(right.steps * TILE);
	let task = if swapped { (wide, TASK_EDGES.0) } else { (TASK_EDGES.0, wide) };
	let grid = Grid::new(shape, task, threads);
	let run = |(_, sums): &mut (Configured, [Sums; 2]), task| {
		let (strips, panels) = grid.task(task);
		// SAFETY: the scratch holds a configuration.
		unsafe {
			if swapped {
				product.turned(sums, strips, panels, sink);
			} else {
				product.straight(&mut sums[0], strips, panels, sink);
			}
		}
	};
	let scratch = || (Configured::new(), [Sums::ZERO; 2]);
	parallel(threads, grid.tasks(), scratch, run);
}

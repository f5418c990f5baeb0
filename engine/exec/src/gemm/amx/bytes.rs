//! Products of i8.

use super::{
	pack::{transpose, Copied, Left, Panels, Strip},
	task_columns, Configured, EDGE, ROW, SPEED, TASK_EDGES, TILE,
};
use crate::gemm::{
	drive::{threads, Grid},
	parallel::parallel,
	Sink,
};
use core::{arch::asm, ops::Range};

/// Where a block of sums is stored.
#[derive(Clone, Copy)]
struct Place {
	start: *mut i32,
	/// Bytes from one row to the next.
	stride: usize,
	/// Whether it is likely to lie beyond the caches. Then its lines are fetched while the sums are
	/// made, since tiles that wait for them would hold up the next block.
	far: bool,
}

/// What is read soon: where it starts, and the bytes that are fetched along with each tile.
type Ahead = (*const u8, usize);

/// Strips that are multiplied by no more panels are read where they lie.
const COPIED_PANELS: usize = 4;

/// Results of more bytes are likely to lie beyond the second cache.
const FAR: usize = 1 << 20;

/// Results of more bytes are written past the caches: what is written first is gone from them in
/// the end.
const STREAMED: usize = 32 << 20;

/// `left · right`, of one or two strips and one or two panels, to `out`, whose two column tiles are
/// 64 bytes apart. Meanwhile fetches lines from `ahead` into the second cache.
///
/// # Safety
/// Tiles are [`Configured`]; each strip has `steps ≥ 1` tiles, and so has each panel; `out` has as
/// many rows and columns as the strips and panels, 16 each.
unsafe fn block<const STRIPS: usize, const PANELS: usize>(
	left: [Strip; 2],
	right: [*const u8; 2],
	steps: usize,
	Place { start: out, stride, far }: Place,
	(ahead, fetched): Ahead,
) {
	// Two rows of `out` along with a tile of each strip; `below` goes through them.
	let (first, below) = match (STRIPS, PANELS) {
		(2, 2) => (if far { steps.min(EDGE) } else { 0 }, out),
		_ => (0, out.wrapping_byte_add(EDGE * stride)),
	};
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
					first = inout(reg) first => _,
					n = inout(reg) steps - first => _,
					row = in(reg) left[0].row,
					line = in(reg) ROW,
					out = in(reg) out,
					below = inout(reg) below => _,
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
				"test {first}, {first}"
				"jz 3f"
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
				"prefetchw [{below}]"
				"prefetchw [{below} + 64]"
				"prefetchw [{below} + {wide}]"
				"prefetchw [{below} + {wide} + 64]"
				"lea {below}, [{below} + {wide} * 2]"
				"tdpbssd tmm3, tmm5, tmm7"
				"tdpbssd tmm2, tmm5, tmm6"
				"add {a0}, 64"
				"add {a1}, 64"
				"add {b0}, 1024"
				"add {b1}, 1024"
				"add {ahead}, {fetched}"
				"dec {first}"
				"jnz 2b"
				"test {n}, {n}"
				"jz 4f"
				"3:"
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
				"jnz 3b"
				"4:"
				"mov {below}, {wide}"
				"shl {below}, 4"
				"add {below}, {out}"
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
				"/* {b1} {ahead} {fetched} {first} */"
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
				"/* {a1} {below} {ahead} {fetched} {first} */"
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
				"/* {a1} {below} {b1} {ahead} {fetched} {first} */"
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
		Place { start: self.0.as_mut_ptr().cast(), stride: 2 * ROW, far: false }
	}
}

/// Both operands of a product, the left one of `rows` and the right one of `columns` without
/// padding.
struct Product<'a> {
	left: Left<'a>,
	rows: usize,
	right: &'a Panels,
	columns: usize,
	/// Whether the left operand is B, so that what is computed is the transpose of what is asked
	/// for.
	swapped: bool,
}

/// What a thread works with.
struct Scratch {
	_tiles: Configured,
	copied: Copied,
	sums: Sums,
	turned: Sums,
}

impl Scratch {
	fn new() -> Self {
		let (sums, turned) = (Sums::ZERO, Sums::ZERO);
		Self { _tiles: Configured::new(), copied: Copied::new(), sums, turned }
	}
}

/// One or two strips or panels, and the rows or columns that are theirs.
struct Part<T> {
	tiles: [T; 2],
	tiled: Range<usize>,
	range: Range<usize>,
}

impl<T> Part<T> {
	fn new(tiles: [T; 2], tiled: Range<usize>, len: usize) -> Self {
		let range = tiled.start * EDGE..len.min(tiled.end * EDGE);
		Self { tiles, tiled, range }
	}

	fn both(&self) -> bool {
		self.tiled.len() == 2
	}

	/// Whether none of the rows or columns is padding.
	fn whole(&self) -> bool {
		self.range.len() == self.tiled.len() * EDGE
	}
}

/// `range` in pairs.
fn pairs(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
	let end = range.end;
	range.step_by(2).map(move |at| at..end.min(at + 2))
}

impl Product<'_> {
	fn panels(&self, panels: Range<usize>) -> Part<*const u8> {
		let tiles = [panels.start, panels.end - 1].map(|at| self.right.panel(at).as_ptr());
		Part::new(tiles, panels, self.columns)
	}

	/// Copying does not pay where rows are on boundaries already, nor where strips are multiplied
	/// by few panels.
	fn strips(&self, strips: Range<usize>, panels: usize, copied: &mut Copied) -> Part<Strip> {
		let in_place = if panels <= COPIED_PANELS || self.left.aligned() {
			self.left.in_place(strips.clone())
		} else {
			None
		};
		let tiles = in_place.unwrap_or_else(|| copied.strips(&self.left, strips.clone()));
		Part::new(tiles, strips, self.rows)
	}

	/// The strips from `strip` on, spread over the tiles of so many panels.
	fn ahead(&self, strip: usize, panels: usize) -> Ahead {
		// Two strips of `steps` tiles for half as many blocks as there are panels.
		let bytes = 2 * TILE / panels.div_ceil(2);
		(self.left.start(strip), bytes.next_multiple_of(ROW).min(4 * ROW))
	}

	/// # Safety
	/// Tiles are [`Configured`], and `place` has room for all tiles of the strips and panels, which
	/// are of this product.
	unsafe fn block(&self, a: &Part<Strip>, b: &Part<*const u8>, place: Place, ahead: Ahead) {
		let steps = self.right.steps;
		// SAFETY: by the caller's promise. Both sides have `steps` tiles, since they are of one
		// `k`, which is not 0.
		unsafe {
			match (a.both(), b.both()) {
				(true, true) => block::<2, 2>(a.tiles, b.tiles, steps, place, ahead),
				(true, false) => block::<2, 1>(a.tiles, b.tiles, steps, place, ahead),
				(false, true) => block::<1, 2>(a.tiles, b.tiles, steps, place, ahead),
				(false, false) => block::<1, 1>(a.tiles, b.tiles, steps, place, ahead),
			}
		}
	}

	fn task(
		&self,
		scratch: &mut Scratch,
		(strips, panels): (Range<usize>, Range<usize>),
		sink: &impl Sink<i32>,
	) {
		let Scratch { copied, sums, turned, .. } = scratch;
		for strips in pairs(strips) {
			let mut ahead = self.ahead(strips.end, panels.len());
			let a = self.strips(strips, panels.len(), copied);
			for panels in pairs(panels.clone()) {
				let b = self.panels(panels);
				let (rows, columns) = if self.swapped {
					(b.range.clone(), a.range.clone())
				} else {
					(a.range.clone(), b.range.clone())
				};
				// Padding has no place in the result.
				let stored = sink.stored().filter(|_| a.whole() && b.whole());
				let stored = stored.and_then(|stored| {
					Some(Place {
						start: stored.place(rows.clone(), columns.clone())?,
						stride: stored.stride() * size_of::<i32>(),
						far: stored.bytes() > FAR,
					})
				});
				let streams = |place: &Place| {
					let whole = a.both() && b.both() && place.stride.is_multiple_of(ROW);
					whole && place.start.addr().is_multiple_of(ROW)
				};
				let streamed = sink.stored().is_some_and(|stored| stored.bytes() > STREAMED);
				// SAFETY: the scratch holds a configuration; what is stored is within the result,
				// and this task's alone.
				unsafe {
					match stored {
						_ if self.swapped => {
							self.block(&a, &b, sums.place(), ahead);
							let to = stored.unwrap_or(turned.place());
							turn(sums, (a.tiled.len(), b.tiled.len()), to);
						}
						Some(place) if streamed && streams(&place) => {
							self.block(&a, &b, sums.place(), ahead);
							stream(sums, place);
						}
						_ => self.block(&a, &b, stored.unwrap_or(sums.place()), ahead),
					}
				}
				if stored.is_none() {
					let sums = if self.swapped { &turned } else { &sums };
					sink.block(rows, columns, sums.0.as_flattened(), 2 * EDGE);
				}
				ahead.0 = ahead.0.wrapping_add(ahead.1 * self.right.steps);
			}
		}
	}
}

/// Writes sums past the caches. They are there for others after a fence.
///
/// # Safety
/// The processor has AVX-512 F, and `to` has room for the sums, with rows on boundaries of lines.
#[target_feature(enable = "avx512f")]
unsafe fn stream(sums: &Sums, to: Place) {
	use core::arch::x86_64::*;
	for (row, sums) in sums.0.iter().enumerate() {
		for (at, sums) in sums.chunks_exact(EDGE).enumerate() {
			// SAFETY: a vector within the sums, and one within `to` by the caller's promise.
			unsafe {
				let to = to.start.byte_add(row * to.stride + at * ROW);
				_mm512_stream_si512(to.cast(), _mm512_load_si512(sums.as_ptr().cast()));
			}
		}
	}
}

/// Transposes a block of so many tiles to `to`.
///
/// # Safety
/// The processor has AVX-512 F, and `to` has room for the transposed tiles.
unsafe fn turn(sums: &Sums, (down, across): (usize, usize), to: Place) {
	let stride = to.stride / size_of::<i32>();
	for row in 0..down {
		for column in 0..across {
			let from = sums.0[row * EDGE..][..EDGE].as_flattened();
			let from = from[column * EDGE..].as_ptr();
			// SAFETY: both are 16 × 16, within the sums and by the caller's promise.
			unsafe {
				let to = to.start.add(column * EDGE * stride + row * EDGE);
				transpose((from, 2 * EDGE), (to, stride));
			}
		}
	}
}

/// `C = left · right` for i8, of `rows` and `columns` without padding, none of which is 0. If
/// `swapped`, the left operand is B, and what is emitted is the transpose.
pub(in super::super) fn gemm_i8(
	(values, rows): (&[i8], usize),
	(right, columns): (&Panels, usize),
	k: usize,
	swapped: bool,
	sink: &impl Sink<i32>,
) {
	let left = Left::new(rows, k, values);
	let product = Product { left, rows, right, columns, swapped };
	let shape = (rows.div_ceil(EDGE), right.count());
	// Padding takes as long.
	let threads = threads(shape.0 * shape.1 * EDGE * EDGE * k, SPEED);
	let wide = task_columns(right.steps * TILE);
	let grid = Grid::new(shape, (TASK_EDGES.0, wide), threads);
	parallel(threads, grid.tasks(), Scratch::new, |scratch, task| {
		product.task(scratch, grid.task(task), sink);
		if sink.stored().is_some_and(|stored| stored.bytes() > STREAMED) {
			// SAFETY: there is no precondition. What was written past the caches comes before the
			// end of the task.
			unsafe { core::arch::x86_64::_mm_sfence() };
		}
	});
}

//! ARM: NEON, which every 64-bit processor has, dot products where there are any (ARMv8.2 with
//! FEAT_DotProd) and matrix products of bytes (FEAT_I8MM).
//!
//! * i8: `sdot` and `smmla` take bytes of either sign and wrap at 2^32, which is exact for i8.
//!   Without them products are widened by `smull` and summed by `sadalp`, since two products of
//!   −128 do not fit into the 16 bits that `smlal` would sum them in.
//! * i16 with dot products: `x − 128 = 256 · high + low` with both digits in −128..128, see
//!   [`digits`], and as for y; so `Σ x · y = 2^16 · Σ high · high + 2^8 · (Σ high · low + Σ low ·
//!   high) + Σ low · low
//!   + 128 · (Σ x + Σ y) − 2^14 ·
//!     k`. In i32 the middle sum holds for fewer than 2^16 products, see [`CHUNK`].
//! * i16 without: `smull`, and `sadalp` to 64 bits.

mod panels;
mod rows;

use super::{
	drive::{drive, Block},
	Kind, Packed, Path, Right, Sink, Sizes, PACKED_ROWS,
};
use panels::{Dot, Left, Panels as Bytes, Sums, COLUMNS, ROWS, STEP};
use rayon::prelude::*;

/// Products that are summed in i32 before they go to i64: 2 · 2^14 · 2^15 < 2^31.
const CHUNK: usize = 1 << 15;
const _: () = assert!(CHUNK.is_multiple_of(STEP));

/// A right operand in the layout of one path.
pub(super) struct Panels {
	bytes: Bytes,
	/// Of i16, the sum of each column of B.
	sums: Vec<i64>,
}

impl Panels {
	/// Bytes in memory.
	pub(super) fn len(&self) -> usize {
		self.bytes.len() + self.sums.len() * size_of::<i64>()
	}

	/// Of i8, for a path with dot products.
	pub(super) fn i8(path: Path, (n, k): (usize, usize), b: &[i8], threads: usize) -> Self {
		let bytes = Bytes::new(dot(path), (n, k), b, threads, |value| [value]);
		Self { bytes, sums: Vec::new() }
	}

	/// Of i16, for a path with dot products.
	pub(super) fn i16(path: Path, (n, k): (usize, usize), b: &[i16], threads: usize) -> Self {
		let bytes = Bytes::new(dot(path), (n, k), b, threads, digits);
		Self { bytes, sums: row_sums(k, b) }
	}
}

/// What a path with dot products multiplies with.
fn dot(path: Path) -> Dot {
	match path {
		Path::NeonI8mm => Dot::Smmla,
		_ => Dot::Sdot,
	}
}

/// High and low digit of `value − 128`. The low one is the low byte as an unsigned number,
/// less 128.
fn digits(value: i16) -> [i8; 2] {
	[(value >> 8) as i8, (value as u8 ^ 0x80) as i8]
}

fn row_sums(k: usize, values: &[i16]) -> Vec<i64> {
	values.par_chunks(k).map(|row| row.iter().map(|&value| i64::from(value)).sum()).collect()
}

/// Rows of A in digits.
struct Digits {
	planes: [Vec<i8>; 2],
	sums: Vec<i64>,
}

impl Digits {
	fn new(k: usize, a: &[i16]) -> Self {
		let plane = |plane: usize| a.par_iter().map(|&value| digits(value)[plane]).collect();
		Self { planes: [plane(0), plane(1)], sums: row_sums(k, a) }
	}
}

/// The product of i8 matrices on a path of this processor, none of them empty; `b` is of this path.
pub(super) fn product_i8(
	(path, threads): (Path, usize),
	Sizes { m, n, k }: Sizes,
	a: &[i8],
	b: Right<'_, i8>,
	sink: &impl Sink<i32>,
) {
	let edge = (rows::EDGE, rows::EDGE);
	match b {
		Right::Rows(b) if path == Path::Neon => {
			drive((m, n), edge, threads, sink, |block, out| {
				// SAFETY: every processor of the architecture has NEON.
				unsafe { rows::widened_i8(k, a, b, block, out) }
			})
		}
		Right::Rows(b) if m < PACKED_ROWS || n < COLUMNS => {
			drive((m, n), edge, threads, sink, |block, out| {
				// SAFETY: the path has dot products.
				unsafe { rows::dotted_i8(k, a, b, block, out) }
			})
		}
		Right::Rows(b) => {
			let panels = Panels::i8(path, (n, k), b, super::pack_threads(b.len()));
			packed_i8((path, threads), Sizes { m, n, k }, a, &panels, sink);
		}
		Right::Packed(Packed { kind: Kind::Neon(panels), .. }) => {
			packed_i8((path, threads), Sizes { m, n, k }, a, panels, sink);
		}
	}
}

fn packed_i8(
	(path, threads): (Path, usize),
	Sizes { m, n, k }: Sizes,
	a: &[i8],
	panels: &Panels,
	sink: &impl Sink<i32>,
) {
	let dot = dot(path);
	drive((m, n), (ROWS, COLUMNS), threads, sink, |block, out: &mut [i32]| {
		let left = Left { bytes: &a[block.row * k..], rows: block.rows, stride: k, k };
		let mut sums: Sums = [[0; COLUMNS]; ROWS];
		// SAFETY: the path has this instruction.
		unsafe { panels::add(dot, left, panels.bytes.plane(block.panel, 0, 0), &mut sums) };
		out.copy_from_slice(sums.as_flattened());
	});
}

/// As [`product_i8`].
pub(super) fn product_i16(
	(path, threads): (Path, usize),
	Sizes { m, n, k }: Sizes,
	a: &[i16],
	b: Right<'_, i16>,
	sink: &impl Sink<i64>,
) {
	match b {
		Right::Rows(b) if path == Path::Neon || m < PACKED_ROWS || n < COLUMNS => {
			drive((m, n), (rows::EDGE, rows::EDGE), threads, sink, |block, out| {
				// SAFETY: every processor of the architecture has NEON.
				unsafe { rows::widened_i16(k, a, b, block, out) }
			})
		}
		Right::Rows(b) => {
			let panels = Panels::i16(path, (n, k), b, super::pack_threads(b.len()));
			packed_i16((path, threads), Sizes { m, n, k }, a, &panels, sink);
		}
		Right::Packed(Packed { kind: Kind::Neon(panels), .. }) => {
			packed_i16((path, threads), Sizes { m, n, k }, a, panels, sink);
		}
	}
}

fn packed_i16(
	(path, threads): (Path, usize),
	Sizes { m, n, k }: Sizes,
	a: &[i16],
	panels: &Panels,
	sink: &impl Sink<i64>,
) {
	let (dot, a) = (dot(path), Digits::new(k, a));
	drive((m, n), (ROWS, COLUMNS), threads, sink, |block: Block, out: &mut [i64]| {
		out.fill(0);
		for first in (0..k).step_by(CHUNK) {
			let len = CHUNK.min(k - first);
			let product = |sums: &mut Sums, x: usize, y: usize| {
				let bytes = &a.planes[x][block.row * k + first..];
				let left = Left { bytes, rows: block.rows, stride: k, k: len };
				let panel = panels.bytes.plane(block.panel, y, first);
				// SAFETY: the path has this instruction.
				unsafe { panels::add(dot, left, panel, sums) };
			};
			let mut sums: [Sums; 3] = [[[0; COLUMNS]; ROWS]; 3];
			product(&mut sums[0], 0, 0);
			product(&mut sums[1], 0, 1);
			product(&mut sums[1], 1, 0);
			product(&mut sums[2], 1, 1);
			for (at, out) in out.iter_mut().enumerate() {
				let [high, middle, low] =
					sums.each_ref().map(|sums| i64::from(sums.as_flattened()[at]));
				*out += (high << 16) + (middle << 8) + low;
			}
		}
		let of_columns = &panels.sums[block.column..][..block.columns];
		for (out, x) in out.chunks_exact_mut(COLUMNS).zip(&a.sums[block.row..][..block.rows]) {
			for (out, y) in out.iter_mut().zip(of_columns) {
				*out += 128 * (x + y - 128 * k as i64);
			}
		}
	});
}

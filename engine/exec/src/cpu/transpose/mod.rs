//! Copies of views whose neighbours do not lie together, in blocks that do.

#[cfg(target_arch = "aarch64")]
mod neon;

use crate::{Affine, Element};
use assay_ops::MAX_RANK;

/// Rows and columns of a block.
const EDGE: usize = 8;

/// The dimension along which neighbours of the view lie together in memory, where the last one is
/// not it: then copying by blocks pays.
pub(super) fn contiguous_axis(affine: &Affine) -> Option<usize> {
	let last = affine.rank.checked_sub(1)?;
	if affine.strides[last] <= 1 || (affine.dims[last] as usize) < EDGE {
		return None;
	}
	(0..last).find(|&axis| affine.strides[axis] == 1 && affine.dims[axis] as usize >= EDGE)
}

/// The part of a view with `count` of the first dimension from `first` on.
fn part(affine: &Affine, first: usize, count: usize) -> Affine {
	let mut part = *affine;
	part.offset += first as u32 * affine.strides[0];
	part.dims[0] = count as u32;
	part
}

/// Elements of `values` that a view with a [`contiguous_axis`] shows for indices of the first
/// dimension from `first` on, as many as `out` has room for.
pub(super) fn copy<T: Element>(
	values: &[T],
	affine: &Affine,
	axis: usize,
	first: usize,
	out: &mut [T],
) {
	let mut lengths = [1usize; MAX_RANK];
	for at in (1..affine.rank).rev() {
		lengths[at - 1] = lengths[at] * affine.dims[at] as usize;
	}
	let affine = part(affine, first, out.len() / lengths[0]);
	let last = affine.rank - 1;
	let size = |axis: usize| (affine.dims[axis] as usize, affine.strides[axis] as usize);
	let ((rows, _), (columns, stride)) = (size(axis), size(last));
	let mut index = [0usize; MAX_RANK];
	loop {
		let others = (0..last).filter(|&at| at != axis);
		let (from, to) = others.clone().fold((affine.offset as usize, 0), |(from, to), at| {
			(from + index[at] * affine.strides[at] as usize, to + index[at] * lengths[at])
		});
		let block = Block { rows, columns, stride, length: lengths[axis] };
		block.copy(&values[from..], &mut out[to..]);
		// The next index of the other dimensions.
		let Some(next) = others.rev().find(|&at| {
			index[at] += 1;
			if index[at] == affine.dims[at] as usize {
				index[at] = 0;
			}
			index[at] != 0
		}) else {
			return;
		};
		debug_assert!(next < last);
	}
}

/// A matrix whose columns lie together in the source and whose rows lie together in the result.
struct Block {
	rows: usize,
	columns: usize,
	/// From one column to the next in the source.
	stride: usize,
	/// From one row to the next in the result.
	length: usize,
}

impl Block {
	fn copy<T: Element>(&self, from: &[T], to: &mut [T]) {
		let &Self { rows, columns, stride, length } = self;
		for row in (0..rows).step_by(EDGE) {
			for column in (0..columns).step_by(EDGE) {
				let (from, to) = (&from[column * stride + row..], &mut to[row * length + column..]);
				if row + EDGE <= rows && column + EDGE <= columns {
					full(from, stride, to, length);
				} else {
					for row in 0..EDGE.min(rows - row) {
						for column in 0..EDGE.min(columns - column) {
							to[row * length + column] = from[column * stride + row];
						}
					}
				}
			}
		}
	}
}

/// A full block.
fn full<T: Element>(from: &[T], stride: usize, to: &mut [T], length: usize) {
	#[cfg(target_arch = "aarch64")]
	use neon as registers;
	#[cfg(target_arch = "x86_64")]
	use sse2 as registers;
	#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
	match size_of::<T>() {
		1 => {
			return registers::bytes(
				bytemuck::cast_slice(from),
				stride,
				bytemuck::cast_slice_mut(to),
				length,
			)
		}
		2 => {
			return registers::words(
				bytemuck::cast_slice(from),
				stride,
				bytemuck::cast_slice_mut(to),
				length,
			)
		}
		_ => {}
	}
	for row in 0..EDGE {
		for column in 0..EDGE {
			to[row * length + column] = from[column * stride + row];
		}
	}
}

/// Blocks in registers. SSE2 is part of the architecture.
#[cfg(target_arch = "x86_64")]
mod sse2 {
	use super::EDGE;
	use core::arch::x86_64::*;

	pub(super) fn words(from: &[u16], stride: usize, to: &mut [u16], length: usize) {
		let load = |column: usize| {
			let column: &[u16; EDGE] =
				from[column * stride..][..EDGE].try_into().expect("as many as were taken; qed");
			// SAFETY: 16 bytes are there.
			unsafe { _mm_loadu_si128(column.as_ptr().cast()) }
		};
		let r: [__m128i; EDGE] = core::array::from_fn(load);
		// SAFETY: every processor of the architecture has SSE2.
		let rows = unsafe {
			let a = [
				_mm_unpacklo_epi16(r[0], r[1]),
				_mm_unpackhi_epi16(r[0], r[1]),
				_mm_unpacklo_epi16(r[2], r[3]),
				_mm_unpackhi_epi16(r[2], r[3]),
				_mm_unpacklo_epi16(r[4], r[5]),
				_mm_unpackhi_epi16(r[4], r[5]),
				_mm_unpacklo_epi16(r[6], r[7]),
				_mm_unpackhi_epi16(r[6], r[7]),
			];
			let b = [
				_mm_unpacklo_epi32(a[0], a[2]),
				_mm_unpackhi_epi32(a[0], a[2]),
				_mm_unpacklo_epi32(a[1], a[3]),
				_mm_unpackhi_epi32(a[1], a[3]),
				_mm_unpacklo_epi32(a[4], a[6]),
				_mm_unpackhi_epi32(a[4], a[6]),
				_mm_unpacklo_epi32(a[5], a[7]),
				_mm_unpackhi_epi32(a[5], a[7]),
			];
			[
				_mm_unpacklo_epi64(b[0], b[4]),
				_mm_unpackhi_epi64(b[0], b[4]),
				_mm_unpacklo_epi64(b[1], b[5]),
				_mm_unpackhi_epi64(b[1], b[5]),
				_mm_unpacklo_epi64(b[2], b[6]),
				_mm_unpackhi_epi64(b[2], b[6]),
				_mm_unpacklo_epi64(b[3], b[7]),
				_mm_unpackhi_epi64(b[3], b[7]),
			]
		};
		for (row, values) in rows.into_iter().enumerate() {
			let out: &mut [u16; EDGE] =
				(&mut to[row * length..][..EDGE]).try_into().expect("as many as were taken; qed");
			// SAFETY: 16 bytes are there.
			unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), values) };
		}
	}

	pub(super) fn bytes(from: &[u8], stride: usize, to: &mut [u8], length: usize) {
		let load = |column: usize| {
			let column: [u8; EDGE] =
				from[column * stride..][..EDGE].try_into().expect("as many as were taken; qed");
			// SAFETY: every processor of the architecture has SSE2.
			unsafe { _mm_cvtsi64_si128(i64::from_le_bytes(column)) }
		};
		let r: [__m128i; EDGE] = core::array::from_fn(load);
		// SAFETY: as above.
		let pairs = unsafe {
			let a = [
				_mm_unpacklo_epi8(r[0], r[1]),
				_mm_unpacklo_epi8(r[2], r[3]),
				_mm_unpacklo_epi8(r[4], r[5]),
				_mm_unpacklo_epi8(r[6], r[7]),
			];
			let b = [
				_mm_unpacklo_epi16(a[0], a[1]),
				_mm_unpackhi_epi16(a[0], a[1]),
				_mm_unpacklo_epi16(a[2], a[3]),
				_mm_unpackhi_epi16(a[2], a[3]),
			];
			[
				_mm_unpacklo_epi32(b[0], b[2]),
				_mm_unpackhi_epi32(b[0], b[2]),
				_mm_unpacklo_epi32(b[1], b[3]),
				_mm_unpackhi_epi32(b[1], b[3]),
			]
		};
		for (pair, values) in pairs.into_iter().enumerate() {
			// SAFETY: as above.
			let (low, high) = unsafe {
				(_mm_cvtsi128_si64(values), _mm_cvtsi128_si64(_mm_unpackhi_epi64(values, values)))
			};
			for (row, value) in [(2 * pair, low), (2 * pair + 1, high)] {
				to[row * length..][..EDGE].copy_from_slice(&value.to_le_bytes());
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_ops::{Shape, View};
	use assay_testing::{Draw, Rng};

	fn holds<T: Element + PartialEq + core::fmt::Debug>(dims: &[u32], order: &[usize]) {
		let shape = Shape::new(dims).unwrap();
		let view = View::transpose(&shape, order).unwrap();
		let affine = Affine::new(&shape, Some(&view));
		let mut rng = Rng::seeded("transpose");
		let values: Vec<T> =
			(0..shape.elements()).map(|_| T::truncate(rng.bits() as i32)).collect();
		let Some(axis) = contiguous_axis(&affine) else { return };
		let length = values.len() / affine.dims[0] as usize;
		for first in [0, 1, affine.dims[0] as usize / 2] {
			let count = affine.dims[0] as usize - first;
			let mut found = vec![T::zeroed(); count * length];
			copy(&values, &affine, axis, first, &mut found);
			let start = (first * length) as u32;
			let expected: Vec<T> = (start..start + found.len() as u32)
				.map(|at| values[view.source_index(at) as usize])
				.collect();
			assert_eq!(found, expected, "{dims:?} {order:?} from {first}");
		}
	}

	#[test]
	fn copies_by_blocks_should_equal_the_view_when_it_turns_dimensions_over() {
		for (dims, order) in [
			(&[8, 8][..], &[1, 0][..]),
			(&[64, 48], &[1, 0]),
			(&[13, 29], &[1, 0]),
			(&[100, 9], &[1, 0]),
			(&[3, 17, 24], &[0, 2, 1]),
			(&[16, 5, 24], &[2, 1, 0]),
			(&[9, 5, 24], &[1, 2, 0]),
			(&[10, 4, 6, 11], &[3, 1, 2, 0]),
			(&[2, 20, 3, 9], &[0, 3, 2, 1]),
			(&[2, 12, 3, 9], &[2, 0, 3, 1]),
		] {
			assert!(
				{
					let shape = Shape::new(dims).unwrap();
					let view = View::transpose(&shape, order).unwrap();
					contiguous_axis(&Affine::new(&shape, Some(&view))).is_some()
				},
				"{dims:?} {order:?} is not copied by blocks"
			);
			holds::<i8>(dims, order);
			holds::<i16>(dims, order);
			holds::<i32>(dims, order);
		}
	}
}

//! Windows over images.

use super::Source;
use crate::{
	segments::{for_chunks, threads},
	simd::vectorised,
	Buffer, Element, ExecError,
};
use assay_ops::{DType, PoolKind, Shape};

/// Attributes of [`assay_ops::Op::Pool`].
#[derive(Clone, Copy)]
pub(super) struct Pool {
	pub(super) kind: PoolKind,
	pub(super) kernel: [u8; 2],
	pub(super) stride: [u8; 2],
	pub(super) pad: [[u8; 2]; 2],
}

vectorised! {
	fn raise[T: Element](most: &mut [i64], pixel: &[T]) {
		for (most, &x) in most.iter_mut().zip(pixel) {
			*most = (*most).max(i64::from(x.into()));
		}
	}
}

vectorised! {
	fn add[T: Element](sums: &mut [i64], pixel: &[T]) {
		sums.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += i64::from(x.into()));
	}
}

impl Pool {
	/// The elements of the image that output position `at` reads along a direction.
	fn reach(&self, axis: usize, at: usize, size: usize) -> std::ops::Range<usize> {
		let first = at * usize::from(self.stride[axis]);
		let (low, kernel) = (usize::from(self.pad[axis][0]), usize::from(self.kernel[axis]));
		first.saturating_sub(low)..(first + kernel).saturating_sub(low).min(size)
	}

	/// Of x, whose shape is `shape`, to `result`, both `[batch, height, width, channels]`.
	pub(super) fn apply(
		&self,
		x: &Source,
		shape: &Shape,
		to: DType,
		result: &Shape,
	) -> Result<Buffer, ExecError> {
		match x.dtype() {
			DType::I8 => self.typed::<i8>(x, shape, to, result),
			DType::I16 => self.typed::<i16>(x, shape, to, result),
			DType::I32 => self.typed::<i32>(x, shape, to, result),
		}
	}

	fn typed<T: Element>(
		&self,
		x: &Source,
		shape: &Shape,
		to: DType,
		result: &Shape,
	) -> Result<Buffer, ExecError> {
		let elements = x.elements::<T>()?;
		let size = |shape: &Shape| [1, 2, 3].map(|at| shape.dims()[at] as usize);
		let ([height, width, channels], [rows, columns, _]) = (size(shape), size(result));
		let line = columns * channels;
		let mut values = vec![0i32; result.elements() as usize];
		for_chunks(
			threads(elements.len()),
			&mut values,
			line,
			|| (),
			|(), at, out| {
				let (image, row) = (at / rows, at % rows);
				let mut folded = vec![0i64; channels];
				for (column, out) in out.chunks_exact_mut(channels).enumerate() {
					folded.fill(match self.kind {
						PoolKind::Max => i64::MIN,
						PoolKind::Sum => 0,
					});
					for y in self.reach(0, row, height) {
						for x in self.reach(1, column, width) {
							let pixel = ((image * height + y) * width + x) * channels;
							let pixel = &elements[pixel..pixel + channels];
							match self.kind {
								PoolKind::Max => raise(&mut folded, pixel),
								PoolKind::Sum => add(&mut folded, pixel),
							}
						}
					}
					out.iter_mut().zip(&folded).for_each(|(out, x)| *out = to.saturate(*x));
				}
			},
		);
		Ok(match to {
			DType::I32 => Buffer::I32(values.into()),
			_ => Buffer::fill(to, values.len(), |start, out| {
				out.copy_from_slice(&values[start..start + out.len()]);
			}),
		})
	}
}

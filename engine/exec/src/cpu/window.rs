//! Windows over images.

use super::{Evaluation, Source};
use crate::{buffer::CHUNK, segments::threads, simd::vectorised, Buffer, Element, ExecError};
use assay_ops::{DType, PoolKind, Shape, Windowed};
use core::ops::Range;

pub(super) fn evaluate(op: Windowed, call: &Evaluation) -> Result<Buffer, ExecError> {
	match op {
		Windowed::Pool { kind, kernel, stride, pad, to } => {
			let [x] = call.exactly()?;
			Pool { kind, kernel, stride, pad }.apply(x, call.seen(0), to, call.shape)
		}
	}
}

/// Attributes of [`assay_ops::Op::Pool`].
#[derive(Clone, Copy)]
struct Pool {
	kind: PoolKind,
	kernel: [u8; 2],
	stride: [u8; 2],
	pad: [[u8; 2]; 2],
}

/// What windows are folded in.
trait Folded: Copy + Into<i64> {
	/// Below every element.
	const LEAST: Self;
	const ZERO: Self;

	fn of(x: i32) -> Self;
	fn add(self, other: Self) -> Self;
	fn raise(self, other: Self) -> Self;
}

macro_rules! folded {
	($type:ty) => {
		impl Folded for $type {
			const LEAST: Self = <$type>::MIN;
			const ZERO: Self = 0;

			#[inline(always)]
			fn of(x: i32) -> Self {
				x.into()
			}

			#[inline(always)]
			fn add(self, other: Self) -> Self {
				self.wrapping_add(other)
			}

			#[inline(always)]
			fn raise(self, other: Self) -> Self {
				self.max(other)
			}
		}
	};
}
folded!(i32);
folded!(i64);

/// A window: rows of an image that lie `line` elements apart, of each of them the elements `from`,
/// which are pixels of `channels` elements, and of each pixel those from `first` on that are
/// folded.
struct Reach {
	rows: Range<usize>,
	line: usize,
	from: Range<usize>,
	channels: usize,
	first: usize,
}

vectorised! {
	fn fold[T: Element, A: Folded](folded: &mut [A], image: &[T], reach: &Reach, kind: PoolKind) {
		let (Reach { rows, line, from, channels, first }, some) = (reach, folded.len());
		let lines = rows.clone().map(|row| &image[row * line..][from.clone()]);
		match (kind, &mut *folded) {
			(PoolKind::Max, [most]) if *channels == 1 => {
				*most = lines.flatten().fold(A::LEAST, |most, &x| most.raise(A::of(x.into())));
			}
			(PoolKind::Sum, [sum]) if *channels == 1 => {
				*sum = lines.flatten().fold(A::ZERO, |sum, &x| sum.add(A::of(x.into())));
			}
			(PoolKind::Max, most) => {
				most.fill(A::LEAST);
				for pixel in lines.flat_map(|line| line.chunks_exact(*channels)) {
					let pixel = &pixel[*first..][..some];
					most.iter_mut().zip(pixel).for_each(|(most, &x)| {
						*most = most.raise(A::of(x.into()));
					});
				}
			}
			(PoolKind::Sum, sums) => {
				sums.fill(A::ZERO);
				for pixel in lines.flat_map(|line| line.chunks_exact(*channels)) {
					let pixel = &pixel[*first..][..some];
					sums.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum = sum.add(A::of(x.into())));
				}
			}
		}
	}
}

impl Pool {
	/// The elements of the image that output position `at` reads along a direction.
	fn reach(&self, axis: usize, at: usize, size: usize) -> Range<usize> {
		let first = at * usize::from(self.stride[axis]);
		let (low, kernel) = (usize::from(self.pad[axis][0]), usize::from(self.kernel[axis]));
		first.saturating_sub(low)..(first + kernel).saturating_sub(low).min(size)
	}

	/// Of x, whose shape is `shape`, to `result`, both `[batch, height, width, channels]`.
	fn apply(
		&self,
		x: &Source,
		shape: &Shape,
		to: DType,
		result: &Shape,
	) -> Result<Buffer, ExecError> {
		// A window has at most 255 · 255 elements: of 16 bits they sum up to less than 2^31.
		match x.dtype() {
			DType::I8 => self.typed::<i8, i32>(x, shape, to, result),
			DType::I16 => self.typed::<i16, i32>(x, shape, to, result),
			DType::I32 => self.typed::<i32, i64>(x, shape, to, result),
		}
	}

	fn typed<T: Element, A: Folded + Send>(
		&self,
		x: &Source,
		shape: &Shape,
		to: DType,
		result: &Shape,
	) -> Result<Buffer, ExecError> {
		let elements = x.elements::<T>()?;
		let size = |shape: &Shape| [1, 2, 3].map(|at| shape.dims()[at] as usize);
		let ([height, width, channels], [rows, columns, _]) = (size(shape), size(result));
		let (len, line) = (result.elements() as usize, width * channels);
		let window = usize::from(self.kernel[0]) * usize::from(self.kernel[1]);
		// Whole pixels, or pieces of deep ones: what a thread holds beside the result is a task's.
		let most = channels.min(CHUNK);
		let task = (CHUNK / channels).max(1) * most;
		let how = (task, threads(len.saturating_mul(window)));
		let scratch = || vec![A::ZERO; most];
		Ok(Buffer::fill_with(to, len, how, scratch, |folded, start, out| {
			let (mut at, mut rest) = (start, out);
			while !rest.is_empty() {
				let (position, first) = (at / channels, at % channels);
				let some = (channels - first).min(rest.len()).min(most);
				let (out, after) = core::mem::take(&mut rest).split_at_mut(some);
				let folded = &mut folded[..some];
				let (row, column) = (position / columns % rows, position % columns);
				let image = &elements[position / columns / rows * height * line..][..height * line];
				let across = self.reach(1, column, width);
				let from = across.start * channels..across.end * channels;
				let rows = self.reach(0, row, height);
				let reach = Reach { rows, line, from, channels, first };
				fold(folded, image, &reach, self.kind);
				out.iter_mut().zip(&*folded).for_each(|(out, x)| *out = to.saturate((*x).into()));
				(at, rest) = (at + some, after);
			}
		}))
	}
}

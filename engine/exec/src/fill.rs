//! Buffers computed on all cores, in memory of results that nobody has any more.

use crate::{
	buffer::{truncate, Buffer, Element, CHUNK},
	pool::POOL,
	segments::{for_chunks, threads},
};
use assay_ops::DType;

impl Buffer {
	/// Computes `len` elements on all cores: `compute(first element, values)`, the values within
	/// the range of `dtype`.
	pub fn fill(dtype: DType, len: usize, compute: impl Fn(usize, &mut [i32]) + Sync) -> Self {
		Self::fill_chunks(dtype, len, CHUNK, threads(len), compute)
	}

	/// As [`Buffer::fill`], `chunk` elements to a task, on up to so many threads.
	pub(crate) fn fill_chunks(
		dtype: DType,
		len: usize,
		chunk: usize,
		threads: usize,
		compute: impl Fn(usize, &mut [i32]) + Sync,
	) -> Self {
		Self::fill_with(dtype, len, (chunk, threads), || (), |(), start, out| compute(start, out))
	}

	/// As [`Buffer::fill`], with room for what each thread reads beside its values.
	pub(crate) fn fill_beside(
		dtype: DType,
		len: usize,
		compute: impl Fn(&mut Vec<i32>, usize, &mut [i32]) + Sync,
	) -> Self {
		Self::fill_with(dtype, len, (CHUNK, threads(len)), Vec::new, compute)
	}

	/// As [`Buffer::fill_chunks`], with something that each thread makes once.
	pub(crate) fn fill_with<S>(
		dtype: DType,
		len: usize,
		(chunk, threads): (usize, usize),
		scratch: impl Fn() -> S + Sync,
		compute: impl Fn(&mut S, usize, &mut [i32]) + Sync,
	) -> Self {
		fn narrow<T: Element, S>(
			len: usize,
			(chunk, threads): (usize, usize),
			scratch: impl Fn() -> S + Sync,
			compute: impl Fn(&mut S, usize, &mut [i32]) + Sync,
		) -> Buffer {
			let mut values = POOL.elements::<T>(len);
			let scratch = || (vec![0; chunk.min(len)], scratch());
			for_chunks(threads, &mut values, chunk, scratch, |(wide, scratch), at, to| {
				let wide = &mut wide[..to.len()];
				compute(scratch, at * chunk, wide);
				truncate(wide, to);
			});
			T::wrap(values)
		}
		let how = (chunk, threads);
		match dtype {
			DType::I8 => narrow::<i8, S>(len, how, scratch, compute),
			DType::I16 => narrow::<i16, S>(len, how, scratch, compute),
			DType::I32 => {
				let mut values = POOL.elements::<i32>(len);
				for_chunks(threads, &mut values, chunk, scratch, |scratch, at, to| {
					compute(scratch, at * chunk, to);
				});
				Buffer::I32(values)
			}
		}
	}
}

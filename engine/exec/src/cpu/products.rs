//! Products that are not one matrix product: batches of them, and convolutions.

use super::{matmul::Rows, mismatch, Source};
use crate::{
	gemm::{gemm_i16, gemm_i8, Path, Sizes},
	Buffer, Element, ExecError,
};
use assay_ops::{Access, Applied, DType, Geometry, Narrow, Op, Shape, Window};
use rayon::prelude::*;

/// Elements of patches that are gathered at a time: 4 MiB of i8.
const PATCHES: usize = 1 << 22;

/// What products are of.
trait Factor: Element {
	/// Exact sums of products.
	type Sum: Copy + Into<i64>;

	fn gemm(
		path: Path,
		sizes: Sizes,
		a: &[Self],
		b: &[Self],
		emit: impl Fn(usize, usize, &[Self::Sum]) + Sync,
	);
}

impl Factor for i8 {
	type Sum = i32;

	fn gemm(
		path: Path,
		sizes: Sizes,
		a: &[Self],
		b: &[Self],
		emit: impl Fn(usize, usize, &[i32]) + Sync,
	) {
		gemm_i8(path, sizes, a, b, emit);
	}
}

impl Factor for i16 {
	type Sum = i64;

	fn gemm(
		path: Path,
		sizes: Sizes,
		a: &[Self],
		b: &[Self],
		emit: impl Fn(usize, usize, &[i64]) + Sync,
	) {
		gemm_i16(path, sizes, a, b, emit);
	}
}

/// `a · bᵀ` through its epilogue into `out`, row-major.
fn product<F: Factor, T: Element>(
	path: Path,
	sizes: Sizes,
	(a, b): (&[F], &[F]),
	narrow: Option<Narrow>,
	out: &mut [T],
) {
	let rows = Rows::new(out, sizes.n);
	F::gemm(path, sizes, a, b, |row, column, sums| {
		// SAFETY: the product emits each sum once.
		let out = unsafe { rows.segment(row, column, sums.len()) };
		match narrow {
			// Within i32, by the bound of K.
			None => out
				.iter_mut()
				.zip(sums)
				.for_each(|(to, &sum)| *to = T::truncate(Into::<i64>::into(sum) as i32)),
			Some(narrow) => out
				.iter_mut()
				.zip(sums)
				.for_each(|(to, &sum)| *to = T::truncate(narrow.apply(sum.into()))),
		}
	});
}

/// The epilogue with the third operand, if there is one, in its shift.
pub(super) fn shifted(narrow: Option<Narrow>, third: Option<&Source>) -> Option<Narrow> {
	let more = third.and_then(|source| source.numbers().first().copied()).unwrap_or(0);
	narrow.map(|narrow| narrow.shifted(more))
}

/// `$function::<F, T>` for the types of a factor and of the result.
macro_rules! typed_by {
	($function:ident, $factor:expr, $dtype:expr, $arguments:tt) => {
		match ($factor, $dtype) {
			(DType::I8, DType::I32) => $function::<i8, i32> $arguments,
			(DType::I16, DType::I8) => $function::<i16, i8> $arguments,
			(DType::I16, DType::I16) => $function::<i16, i16> $arguments,
			(DType::I16, DType::I32) => $function::<i16, i32> $arguments,
			(factor, dtype) => Err(ExecError::Program(format!(
				"a product of {factor:?} that gives {dtype:?}"
			))),
		}
	};
}

/// [`Op::BatchMatMul`]; `shape` is the result's.
pub(super) fn batches(
	path: Path,
	a: &Source,
	b: &Source,
	narrow: Option<Narrow>,
	dtype: DType,
	shape: &Shape,
) -> Result<Buffer, ExecError> {
	fn typed<F: Factor, T: Element>(
		path: Path,
		a: &Source,
		b: &Source,
		narrow: Option<Narrow>,
		shape: &Shape,
	) -> Result<Buffer, ExecError> {
		let [.., m, n] = *shape.dims() else {
			return Err(mismatch(&Op::BatchMatMul { narrow }));
		};
		let sizes = Sizes { m: m as usize, n: n as usize, k: a.last };
		let (a, b) = (a.elements::<F>()?, b.elements::<F>()?);
		let mut values = vec![T::zeroed(); shape.elements() as usize];
		values
			.par_chunks_mut(sizes.m * sizes.n)
			.zip(a.par_chunks(sizes.m * sizes.k))
			.zip(b.par_chunks(sizes.n * sizes.k))
			.for_each(|((out, a), b)| product(path, sizes, (a, b), narrow, out));
		Ok(T::wrap(values))
	}
	typed_by!(typed, a.dtype(), dtype, (path, a, b, narrow, shape))
}

/// [`Op::Conv2d`] of one group: patches are gathered, some rows at a time, and multiplied.
pub(super) fn convolution(
	path: Path,
	(x, x_shape): (&Source, &Shape),
	(w, w_shape): (&Source, &Shape),
	(geometry, narrow): (Geometry, Option<Narrow>),
	dtype: DType,
) -> Result<Buffer, ExecError> {
	let op = Op::Conv2d { geometry, narrow };
	let applied = Applied::new(op, &[(x.dtype(), *x_shape), (w.dtype(), *w_shape)])
		.map_err(|error| ExecError::Program(format!("{op:?}: {error}")))?;
	let Some(Access::Patch(window)) = applied.access(0) else { return Err(mismatch(&op)) };
	let shape = applied.shape();
	typed_by!(patches, x.dtype(), dtype, (path, x, w, &window, narrow, &shape))
}

fn patches<F: Factor, T: Element>(
	path: Path,
	x: &Source,
	w: &Source,
	window: &Window,
	narrow: Option<Narrow>,
	shape: &Shape,
) -> Result<Buffer, ExecError> {
	let (n, k) = (shape.last() as usize, window.patch() as usize);
	let (x, w) = (x.elements::<F>()?, w.elements::<F>()?);
	let mut values = vec![T::zeroed(); shape.elements() as usize];
	if window.is_whole() {
		let sizes = Sizes { m: values.len() / n, n, k };
		product(path, sizes, (&x, &w), narrow, &mut values);
		return Ok(T::wrap(values));
	}
	let rows = (PATCHES / k).max(1);
	let mut gathered = vec![F::zeroed(); rows.min(values.len() / n) * k];
	for (block, out) in values.chunks_mut(rows * n).enumerate() {
		let m = out.len() / n;
		let gathered = &mut gathered[..m * k];
		gathered.par_chunks_mut(k).enumerate().for_each(|(row, patch)| {
			let row = (block * rows + row) as u32;
			window.stretches(row, 0, k as u32, |at, first, count| {
				let patch = &mut patch[at as usize..][..count as usize];
				match first {
					Some(first) => patch.copy_from_slice(&x[first as usize..][..count as usize]),
					None => patch.fill(F::zeroed()),
				}
			});
		});
		product(path, Sizes { m, n, k }, (gathered, &w), narrow, out);
	}
	Ok(T::wrap(values))
}

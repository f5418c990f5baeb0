//! Exact products: of matrices, of batches of them, and convolutions.

use super::{
	factor::{Epilogue, Factor},
	fused, grouped, mismatch,
	patches::Patches,
	small, CpuBackend, Evaluation, Source,
};
use crate::{
	buffer::CHUNK,
	gemm::{Path, Right, Sizes},
	pool::POOL,
	segments::{for_chunks, threads, Rows},
	Buffer, Element, ExecError,
};
use assay_ops::{Access, Applied, DType, Geometry, Narrow, Op, Product, Shape, Window};

fn sizes(a: &Source, b: &Source) -> Sizes {
	// The last dimension of both is k, and no dimension is 0.
	Sizes { m: a.len() / a.last, n: b.len() / b.last, k: a.last }
}

/// A product, and perhaps a Requant of it.
pub(super) fn evaluate(
	cpu: &CpuBackend,
	op: Product,
	call: &Evaluation,
	requant: Option<&fused::Epilogue>,
) -> Result<Buffer, ExecError> {
	let [a, b, third @ ..] = call.sources else { return Err(mismatch(call.op)) };
	let finish = (shifted(op.narrow(), third.first()), requant);
	match op {
		Product::MatMul { .. } => matmul(cpu, a, b, finish, call.dtype),
		Product::BatchMatMul { .. } => batches(cpu, a, b, finish, call.dtype, call.shape),
		Product::Conv2d { geometry, .. } => {
			let (x, w) = ((a, call.seen(0)), (b, call.seen(1)));
			convolution(cpu, x, w, geometry, finish, call.dtype)
		}
	}
}

/// What becomes of the sums: [`Narrow`] for i16, and then perhaps a Requant.
type Finish<'a> = (Option<Narrow>, Option<&'a fused::Epilogue>);

/// Elements of patches that are gathered at a time: 4 MiB of i8.
const PATCHES: usize = 1 << 22;

/// `a · bᵀ` through its epilogue into `out`, row-major.
fn product<F: Factor, T: Element>(
	path: Path,
	sizes: Sizes,
	(a, b): (&[F], Right<'_, F>),
	epilogue: &Epilogue<'_, F>,
	out: &mut [T],
) {
	if let Right::Rows(b) = b {
		if sizes.n == 1 && sizes.m > 1 && epilogue.requant.is_none() {
			// One column lies in memory as one row does, which fills the lanes.
			let sizes = Sizes { m: 1, n: sizes.m, k: sizes.k };
			return product(path, sizes, (b, Right::Rows(a)), epilogue, out);
		}
	}
	let done = match epilogue.requant {
		None => F::exact(path, sizes, a, b, out),
		Some(requant) => F::requantised(path, sizes, (a, b), requant, out),
	};
	if done {
		return;
	}
	if let Right::Rows(b) = b {
		// A thread for each of at least so many multiplications.
		let threads = threads(out.len() * sizes.k / 16);
		if F::short(path, sizes, (a, b), epilogue, out, threads) {
			return;
		}
	}
	let rows = Rows::new(out, sizes.n);
	F::gemm(path, sizes, a, b, |row: usize, column: usize, sums: &[F::Sum]| {
		// SAFETY: the product emits each sum once.
		unsafe { epilogue.store(&rows, row, column, sums) };
	});
}

/// The epilogue with the third operand, if there is one, in its shift.
fn shifted(narrow: Option<Narrow>, third: Option<&Source>) -> Option<Narrow> {
	let more = third.and_then(|source| source.numbers().first().copied()).unwrap_or(0);
	narrow.map(|narrow| narrow.shifted(more))
}

/// `$function::<F, T>` for the types of a factor and of the result.
macro_rules! typed_by {
	($function:ident, $factor:expr, $dtype:expr, $arguments:tt) => {
		match ($factor, $dtype) {
			(DType::I8, DType::I8) => $function::<i8, i8> $arguments,
			(DType::I8, DType::I16) => $function::<i8, i16> $arguments,
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

/// [`Op::MatMul`].
fn matmul(
	cpu: &CpuBackend,
	a: &Source,
	b: &Source,
	(narrow, requant): Finish<'_>,
	dtype: DType,
) -> Result<Buffer, ExecError> {
	fn typed<F: Factor, T: Element>(
		cpu: &CpuBackend,
		a: &Source,
		b: &Source,
		(narrow, requant): Finish<'_>,
	) -> Result<Buffer, ExecError> {
		let (sizes, epilogue) = (sizes(a, b), Epilogue::<F>::new(narrow, requant)?);
		let mut values = POOL.elements::<T>(sizes.m * sizes.n);
		let right = cpu.packed.ready::<F>(cpu.path, b, sizes.n, sizes.k)?;
		product(cpu.path, sizes, (&a.elements()?, right.right()), &epilogue, &mut values);
		Ok(T::wrap(values))
	}
	typed_by!(typed, a.dtype(), dtype, (cpu, a, b, (narrow, requant)))
}

/// [`Op::BatchMatMul`]; `shape` is the result's.
fn batches(
	cpu: &CpuBackend,
	a: &Source,
	b: &Source,
	(narrow, requant): Finish<'_>,
	dtype: DType,
	shape: &Shape,
) -> Result<Buffer, ExecError> {
	fn typed<F: Factor, T: Element>(
		cpu: &CpuBackend,
		a: &Source,
		b: &Source,
		(narrow, requant): Finish<'_>,
		shape: &Shape,
	) -> Result<Buffer, ExecError> {
		let [.., m, n] = *shape.dims() else {
			return Err(mismatch(&Op::BatchMatMul { narrow }));
		};
		let sizes = Sizes { m: m as usize, n: n as usize, k: a.last };
		let epilogue = Epilogue::<F>::new(narrow, requant)?;
		let (a, b) = (a.elements::<F>()?, b.elements::<F>()?);
		let is_small = small::is_small(sizes.m, sizes.n, sizes.k);
		let mut values = POOL.elements::<T>(shape.elements() as usize);
		let Sizes { m, n, k } = sizes;
		// A thread for each of at least so many multiplications.
		let threads = threads(values.len() * k / 16);
		for_chunks(threads, &mut values, m * n, small::Scratch::default, |scratch, at, out| {
			let (a, b) = (&a[at * m * k..][..m * k], &b[at * n * k..][..n * k]);
			if is_small && F::short(cpu.path, sizes, (a, b), &epilogue, out, 1) {
				return;
			}
			if is_small {
				let rows = Rows::new(out, n);
				small::product(scratch, (n, k), (a, b), |row, sums: &[F::Sum]| {
					// SAFETY: each row comes once.
					unsafe { epilogue.store(&rows, row, 0, sums) };
				});
			} else {
				product(cpu.path, sizes, (a, Right::Rows(b)), &epilogue, out);
			}
		});
		Ok(T::wrap(values))
	}
	typed_by!(typed, a.dtype(), dtype, (cpu, a, b, (narrow, requant), shape))
}

/// [`Op::Conv2d`]: patches are gathered, some rows at a time, and multiplied. See [`grouped`] for
/// more than one group.
fn convolution(
	cpu: &CpuBackend,
	(x, x_shape): (&Source, &Shape),
	(w, w_shape): (&Source, &Shape),
	geometry: Geometry,
	(narrow, requant): Finish<'_>,
	dtype: DType,
) -> Result<Buffer, ExecError> {
	let op = Op::Conv2d { geometry, narrow };
	let applied = Applied::new(op, &[(x.dtype(), *x_shape), (w.dtype(), *w_shape)])
		.map_err(|error| ExecError::Program(format!("{op:?}: {error}")))?;
	let Some(Access::Patch(window)) = applied.access(0) else { return Err(mismatch(&op)) };
	let shape = applied.shape();
	typed_by!(patches, x.dtype(), dtype, (cpu, x, w, &window, (narrow, requant), &shape))
}

fn patches<F: grouped::Fold, T: Element>(
	cpu: &CpuBackend,
	x: &Source,
	w: &Source,
	window: &Window,
	(narrow, requant): Finish<'_>,
	shape: &Shape,
) -> Result<Buffer, ExecError> {
	let (n, k) = (shape.last() as usize, window.patch() as usize);
	let epilogue = Epilogue::<F>::new(narrow, requant)?;
	if window.groups > 1 {
		return grouped::convolution::<F, T>(cpu, (x, w), window, &epilogue, shape);
	}
	let (path, x) = (cpu.path, x.elements::<F>()?);
	let w = cpu.packed.ready::<F>(path, w, n, k)?;
	let mut values = POOL.elements::<T>(shape.elements() as usize);
	if window.is_whole() {
		let sizes = Sizes { m: values.len() / n, n, k };
		product(path, sizes, (&x, w.right()), &epilogue, &mut values);
		return Ok(T::wrap(values));
	}
	let rows = (PATCHES / k).max(1);
	let patches = Patches::new(window);
	let mut gathered = vec![F::zeroed(); rows.min(values.len() / n) * k];
	for (block, out) in values.chunks_mut(rows * n).enumerate() {
		let m = out.len() / n;
		let gathered = &mut gathered[..m * k];
		// Some rows to a task, since a row can be a few bytes.
		let some = (4 * CHUNK / k).max(1);
		for_chunks(
			threads(m * k),
			gathered,
			some * k,
			|| (),
			|(), task, out| {
				let first = block * rows + task * some;
				patches.gather(&x, 0, first..first + out.len() / k, out);
			},
		);
		product(path, Sizes { m, n, k }, (gathered, w.right()), &epilogue, out);
	}
	Ok(T::wrap(values))
}

use super::{elementwise::Requant, mismatch, Source};
use crate::{
	gemm::{gemm_i16, gemm_i8, Path, Sizes},
	Buffer, Element, ExecError,
};
use assay_ops::{saturate_shift, DType, Narrow, Op};
use core::marker::PhantomData;

/// A matrix whose row segments are written from many threads.
pub(super) struct Rows<'a, T> {
	start: *mut T,
	len: usize,
	columns: usize,
	borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the pointer stands for an exclusive borrow of `T: Send` that is shared out in disjoint
// segments (see `segment`).
unsafe impl<T: Send> Sync for Rows<'_, T> {}

impl<'a, T> Rows<'a, T> {
	pub(super) fn new(values: &'a mut [T], columns: usize) -> Self {
		Self { start: values.as_mut_ptr(), len: values.len(), columns, borrow: PhantomData }
	}

	/// # Safety
	/// No two live segments may overlap.
	#[allow(clippy::mut_from_ref)]
	pub(super) unsafe fn segment(&self, row: usize, column: usize, count: usize) -> &mut [T] {
		let at = row * self.columns + column;
		assert!(at + count <= self.len, "a segment outside the matrix");
		// SAFETY: within the borrow by the assertion, exclusive by the caller's promise.
		unsafe { core::slice::from_raw_parts_mut(self.start.add(at), count) }
	}
}

fn sizes(a: &Source, b: &Source) -> Sizes {
	// The last dimension of both is k, and no dimension is 0.
	Sizes { m: a.len() / a.last, n: b.len() / b.last, k: a.last }
}

/// [`Op::MatMul`].
pub(super) fn matmul(
	path: Path,
	a: &Source,
	b: &Source,
	narrow: Option<Narrow>,
	dtype: DType,
) -> Result<Buffer, ExecError> {
	match (narrow, dtype) {
		(None, DType::I32) => exact(path, a, b),
		(Some(narrow), DType::I8) => narrowed::<i8>(path, a, b, narrow),
		(Some(narrow), DType::I16) => narrowed::<i16>(path, a, b, narrow),
		(Some(narrow), DType::I32) => narrowed::<i32>(path, a, b, narrow),
		_ => Err(mismatch(&Op::MatMul { narrow })),
	}
}

fn exact(path: Path, a: &Source, b: &Source) -> Result<Buffer, ExecError> {
	let sizes = sizes(a, b);
	let mut values = vec![0i32; sizes.m * sizes.n];
	let rows = Rows::new(&mut values, sizes.n);
	gemm_i8(path, sizes, &a.elements()?, &b.elements()?, |row, column, sums| {
		// SAFETY: the product emits each sum once.
		unsafe { rows.segment(row, column, sums.len()) }.copy_from_slice(sums);
	});
	Ok(Buffer::I32(values))
}

fn narrowed<T: Element>(
	path: Path,
	a: &Source,
	b: &Source,
	narrow: Narrow,
) -> Result<Buffer, ExecError> {
	let sizes = sizes(a, b);
	let mut values = vec![T::zeroed(); sizes.m * sizes.n];
	let rows = Rows::new(&mut values, sizes.n);
	gemm_i16(path, sizes, &a.elements()?, &b.elements()?, |row, column, sums| {
		// SAFETY: the product emits each sum once.
		let out = unsafe { rows.segment(row, column, sums.len()) };
		for (to, sum) in out.iter_mut().zip(sums) {
			// At most 2^46 times 2^15, by the bound of K.
			let product = sum * i64::from(narrow.multiplier);
			*to = T::truncate(saturate_shift(product, narrow.shift, narrow.to));
		}
	});
	Ok(T::wrap(values))
}

/// A product of i8 matrices whose sums go through a [`Op::Requant`] before they leave the cache.
pub(super) fn matmul_requant(
	path: Path,
	a: &Source,
	b: &Source,
	parameters: &[Source],
	to: DType,
) -> Result<Buffer, ExecError> {
	fn typed<T: Element>(
		path: Path,
		a: &Source,
		b: &Source,
		requant: &Requant,
	) -> Result<Buffer, ExecError> {
		let sizes = sizes(a, b);
		let mut values = vec![T::zeroed(); sizes.m * sizes.n];
		let rows = Rows::new(&mut values, sizes.n);
		gemm_i8(path, sizes, &a.elements()?, &b.elements()?, |row, column, sums| {
			let mut scratch = [0i32; 64];
			let scratch = &mut scratch[..sums.len()];
			scratch.copy_from_slice(sums);
			requant.apply(column, scratch);
			// SAFETY: the product emits each sum once.
			let out = unsafe { rows.segment(row, column, sums.len()) };
			out.iter_mut().zip(scratch).for_each(|(to, from)| *to = T::truncate(*from));
		});
		Ok(T::wrap(values))
	}
	let requant = Requant::new(parameters, to, b.len() / b.last)?;
	match to {
		DType::I8 => typed::<i8>(path, a, b, &requant),
		DType::I16 => typed::<i16>(path, a, b, &requant),
		DType::I32 => Err(mismatch(&Op::Requant { to })),
	}
}

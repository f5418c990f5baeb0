use super::{
	fused::{Epilogue, Narrowed},
	mismatch, CpuBackend, Source,
};
use crate::{
	gemm::{gemm_i8, Sizes},
	Buffer, Element, ExecError,
};
use assay_ops::{DType, Op};
use core::{marker::PhantomData, ops::Range};

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

	/// Where a block starts, and how far its rows are apart, which all are within the matrix.
	pub(super) fn block(&self, rows: Range<usize>, columns: Range<usize>) -> (*mut T, usize) {
		assert!(!rows.is_empty() && !columns.is_empty(), "an empty block");
		let within = columns.end <= self.columns && rows.end * self.columns <= self.len;
		assert!(within, "a block outside the matrix");
		// SAFETY: the first element is within the borrow by the assertion.
		let start = unsafe { self.start.add(rows.start * self.columns + columns.start) };
		(start, self.columns)
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

pub(super) fn sizes(a: &Source, b: &Source) -> Sizes {
	// The last dimension of both is k, and no dimension is 0.
	Sizes { m: a.len() / a.last, n: b.len() / b.last, k: a.last }
}

/// A product of i8 matrices whose sums go through a [`Op::Requant`] before they leave the cache.
pub(super) fn matmul_requant(
	cpu: &CpuBackend,
	a: &Source,
	b: &Source,
	parameters: &[Source],
	to: DType,
) -> Result<Buffer, ExecError> {
	fn typed<T: Element>(
		cpu: &CpuBackend,
		a: &Source,
		b: &Source,
		epilogue: &Epilogue,
	) -> Result<Buffer, ExecError> {
		let sizes = sizes(a, b);
		let mut values = cpu.spare.elements::<T>(sizes.m * sizes.n);
		let right = cpu.packed.ready::<i8>(cpu.path, b, sizes.n, sizes.k)?;
		let sink = Narrowed { epilogue, rows: Rows::new(&mut values, sizes.n) };
		gemm_i8(cpu.path, sizes, &a.elements()?, right.right(), sink);
		Ok(T::wrap(values))
	}
	let sizes = sizes(a, b);
	let largest = (sizes.k as i64).saturating_mul(1 << 14);
	let epilogue = Epilogue::new(parameters, to, sizes.n, largest)?;
	match to {
		DType::I8 => typed::<i8>(cpu, a, b, &epilogue),
		DType::I16 => typed::<i16>(cpu, a, b, &epilogue),
		DType::I32 => Err(mismatch(&Op::Requant { to })),
	}
}

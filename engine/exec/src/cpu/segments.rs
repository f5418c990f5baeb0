//! A matrix that many threads write.

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

//! Slices that many threads write.

use crate::gemm::parallel::parallel;
use core::{marker::PhantomData, ops::Range};

/// A matrix whose row segments are written from many threads.
pub(crate) struct Rows<'a, T> {
	start: *mut T,
	len: usize,
	columns: usize,
	borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the pointer stands for an exclusive borrow of `T: Send` that is shared out in disjoint
// segments (see `segment`).
unsafe impl<T: Send> Sync for Rows<'_, T> {}

impl<'a, T> Rows<'a, T> {
	pub(crate) fn new(values: &'a mut [T], columns: usize) -> Self {
		Self { start: values.as_mut_ptr(), len: values.len(), columns, borrow: PhantomData }
	}

	/// Where a block starts, and how far its rows are apart, which all are within the matrix.
	#[cfg_attr(
		not(target_arch = "x86_64"),
		allow(dead_code, reason = "asked for by AVX-512 alone")
	)]
	pub(crate) fn block(&self, rows: Range<usize>, columns: Range<usize>) -> (*mut T, usize) {
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
	pub(crate) unsafe fn segment(&self, row: usize, column: usize, count: usize) -> &mut [T] {
		let at = row * self.columns + column;
		assert!(at + count <= self.len, "a segment outside the matrix");
		// SAFETY: within the borrow by the assertion, exclusive by the caller's promise.
		unsafe { core::slice::from_raw_parts_mut(self.start.add(at), count) }
	}
}

/// Elements that one thread has computed before another has woken up.
const SERIAL: usize = 6 << 10;

/// The threads that so many elements are worth.
pub(crate) fn threads(elements: usize) -> usize {
	if elements <= SERIAL {
		1
	} else {
		rayon::current_num_threads()
	}
}

/// `compute(scratch, number of the chunk, chunk)` for the chunks of `values`, `chunk` elements each
/// but for the last, on up to `threads` threads.
pub(crate) fn for_chunks<T: Send, S>(
	threads: usize,
	values: &mut [T],
	chunk: usize,
	scratch: impl Fn() -> S + Sync,
	compute: impl Fn(&mut S, usize, &mut [T]) + Sync,
) {
	let len = values.len();
	let rows = Rows::new(values, chunk);
	parallel(threads, len.div_ceil(chunk), scratch, |scratch, row| {
		let count = chunk.min(len - row * chunk);
		// SAFETY: each chunk comes once, and chunks do not overlap.
		compute(scratch, row, unsafe { rows.segment(row, 0, count) });
	});
}

//! Where the sums of a product go.

use core::{marker::PhantomData, ops::Range};

/// What becomes of the sums of a product, each of which it is given exactly once, from any thread.
///
/// A function of row, first column and sums takes them row by row.
pub trait Sink<S>: Sync {
	/// Takes sums of row `row`, the first of them in column `column`.
	fn row(&self, row: usize, column: usize, sums: &[S]);

	/// Takes a block; its rows of sums are `stride` apart, and only as many as there are columns
	/// count.
	fn block(&self, rows: Range<usize>, columns: Range<usize>, sums: &[S], stride: usize) {
		for (row, sums) in rows.zip(sums.chunks(stride)) {
			self.row(row, columns.start, &sums[..columns.len()]);
		}
	}

	/// Memory that takes the sums as they are, which a path may write to instead.
	#[doc(hidden)]
	fn stored(&self) -> Option<&Stored<'_, S>> {
		None
	}
}

impl<S, F: Fn(usize, usize, &[S]) + Sync> Sink<S> for F {
	fn row(&self, row: usize, column: usize, sums: &[S]) {
		self(row, column, sums);
	}
}

/// The result itself, row-major. Only a product makes one, out of what it borrows exclusively, so
/// that nobody else writes to it.
pub struct Stored<'a, S> {
	start: *mut S,
	rows: usize,
	columns: usize,
	borrow: PhantomData<&'a mut [S]>,
}

// SAFETY: the pointer stands for an exclusive borrow of `S: Send` that is shared out in disjoint
// blocks.
unsafe impl<S: Send> Sync for Stored<'_, S> {}

impl<'a, S> Stored<'a, S> {
	/// # Panics
	/// When the sizes are not those of `values`.
	pub(super) fn new(values: &'a mut [S], (rows, columns): (usize, usize)) -> Self {
		assert!(rows.checked_mul(columns) == Some(values.len()), "a result of another size");
		Self { start: values.as_mut_ptr(), rows, columns, borrow: PhantomData }
	}

	/// Sums from one row to the one below it.
	#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "asked for by AMX alone"))]
	pub(super) fn stride(&self) -> usize {
		self.columns
	}

	/// Size of the result.
	pub(super) fn bytes(&self) -> usize {
		self.rows * self.columns * size_of::<S>()
	}

	/// Where a block starts that lies within the result; no pointer otherwise.
	pub(super) fn place(&self, rows: Range<usize>, columns: Range<usize>) -> Option<*mut S> {
		let within = rows.start < rows.end && rows.end <= self.rows;
		let within = within && columns.start < columns.end && columns.end <= self.columns;
		// SAFETY: the first sum of the block is within the borrow.
		within.then(|| unsafe { self.start.add(rows.start * self.columns + columns.start) })
	}
}

impl<S: Copy + Send> Sink<S> for Stored<'_, S> {
	fn row(&self, row: usize, column: usize, sums: &[S]) {
		if sums.is_empty() {
			return;
		}
		let place = self.place(row..row + 1, column..column + sums.len());
		let place = place.expect("a product emits sums of its own rows and columns; qed");
		// SAFETY: within the result as just asked, and a product emits each sum once, so that no
		// other thread is at this place.
		unsafe { core::ptr::copy_nonoverlapping(sums.as_ptr(), place, sums.len()) };
	}

	fn stored(&self) -> Option<&Stored<'_, S>> {
		Some(self)
	}
}

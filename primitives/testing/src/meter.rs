//! An allocator that counts what the thread which asks has on the heap. A test that measures makes
//! it its own:
//!
//! ```
//! #[global_allocator]
//! static METER: assay_testing::meter::Meter = assay_testing::meter::Meter;
//! ```

use std::{
	alloc::{GlobalAlloc, Layout, System},
	cell::Cell,
};

/// Counts, and hands everything on to the system.
pub struct Meter;

thread_local! {
	static LIVE: Cell<isize> = const { Cell::new(0) };
	static PEAK: Cell<isize> = const { Cell::new(0) };
	static LARGEST: Cell<usize> = const { Cell::new(0) };
	static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn count(change: isize) {
	// A thread that ends frees after its counters are gone.
	let _ = LIVE.try_with(|live| {
		live.set(live.get() + change);
		let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
	});
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Meter {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		count(layout.size() as isize);
		let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
		let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
		unsafe { System.alloc(layout) }
	}

	unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
		count(-(layout.size() as isize));
		unsafe { System.dealloc(pointer, layout) }
	}
}

/// What some work took of the heap.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
	/// Most bytes at once, beside those that were there before. A list that grows is there twice
	/// while it does.
	pub peak: u64,
	/// The largest single allocation.
	pub largest: usize,
	/// How many allocations there were.
	pub asked: u64,
}

/// Does `work` and says what it took.
pub fn taken<T>(work: impl FnOnce() -> T) -> (T, Taken) {
	let before = LIVE.get();
	PEAK.set(before);
	LARGEST.set(0);
	ASKED.set(0);
	let result = work();
	let taken =
		Taken { peak: (PEAK.get() - before) as u64, largest: LARGEST.get(), asked: ASKED.get() };
	(result, taken)
}

//! An allocator that says so when the memory limit is reached, instead of dying without a word.

use crate::last_words::exhausted;
use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with an end that has a name.
pub struct Named;

fn checked(pointer: *mut u8) -> *mut u8 {
	if pointer.is_null() {
		exhausted();
	}
	pointer
}

// SAFETY: every call goes to the system's allocator unchanged, and its answer is returned
// unchanged.
unsafe impl GlobalAlloc for Named {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		// SAFETY: the caller's promises are those of `System`.
		checked(unsafe { System.alloc(layout) })
	}

	unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
		// SAFETY: as above.
		checked(unsafe { System.alloc_zeroed(layout) })
	}

	unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
		// SAFETY: as above.
		checked(unsafe { System.realloc(pointer, layout, size) })
	}

	unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
		// SAFETY: as above.
		unsafe { System.dealloc(pointer, layout) }
	}
}

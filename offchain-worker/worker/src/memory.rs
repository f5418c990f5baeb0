//! An allocator that says so when the memory limit is reached, instead of dying without a word.

use crate::link::Link;
use assay_worker_protocol::{encode, FrameError, LocalFault, LocalFaultKind, Reply};
use std::{
	alloc::{GlobalAlloc, Layout, System},
	fs::File,
	io::Write,
	os::fd::OwnedFd,
	sync::OnceLock,
};

/// The system's allocator, with an end that has a name.
pub struct Named;

/// The connection and the frame to send, made while there is memory.
static LAST_WORDS: OnceLock<(File, Vec<u8>)> = OnceLock::new();

/// From now on the host is told when an allocation fails.
pub fn name_exhaustion(link: &Link) -> Result<(), FrameError> {
	let text = "an allocation failed, the memory limit is reached".into();
	let fault = LocalFault { kind: LocalFaultKind::Memory, text };
	let connection: OwnedFd = link.as_fd().try_clone_to_owned()?;
	let words = (File::from(connection), encode(&Reply::LocalFault(fault))?);
	// Set once, since this is called once.
	let _ = LAST_WORDS.set(words);
	Ok(())
}

/// Tells the host and ends the process. If a message of another thread is half sent, the host sees a frame
/// that it does not understand, and closes: a local fault as well.
#[cold]
fn exhausted() {
	if let Some((connection, frame)) = LAST_WORDS.get() {
		let mut connection: &File = connection;
		let _ = connection.write_all(frame);
		// SAFETY: ends the process; nothing of it runs afterwards, which needs no allocation.
		unsafe { nix::libc::_exit(0) }
	}
}

fn checked(pointer: *mut u8) -> *mut u8 {
	if pointer.is_null() {
		exhausted();
	}
	pointer
}

// SAFETY: every call goes to the system's allocator unchanged, and its answer is returned unchanged.
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

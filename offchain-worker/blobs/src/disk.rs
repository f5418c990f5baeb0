//! The few file operations of the store, in one place so that tests can make them fail.

use crate::Hash;
use std::{
	fs::File,
	io::{self, Read},
	os::unix::fs::FileExt,
	path::Path,
};

/// Writes all of `bytes` at `offset`.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
	#[cfg(test)]
	let bytes = match faults::room(bytes.len()) {
		room if room < bytes.len() => {
			// As a real disk does: a part of it is written before it is full.
			file.write_all_at(&bytes[..room], offset)?;
			return Err(io::ErrorKind::StorageFull.into());
		}
		_ => bytes,
	};
	file.write_all_at(bytes, offset)
}

/// Makes what was written to a file or folder durable.
pub fn sync(file: &File) -> io::Result<()> {
	#[cfg(test)]
	faults::sync()?;
	file.sync_all()
}

/// Makes the names in a folder durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
	File::open(dir)?.sync_all()
}

/// The BLAKE3 hash of a whole file.
pub fn hash(path: &Path) -> io::Result<Hash> {
	let mut file = File::open(path)?;
	let mut hasher = blake3::Hasher::new();
	let mut buffer = vec![0; 1 << 17];
	loop {
		match file.read(&mut buffer) {
			Ok(0) => return Ok(*hasher.finalize().as_bytes()),
			Ok(len) => hasher.update(&buffer[..len]),
			Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
			Err(error) => return Err(error),
		};
	}
}

/// A disk that fills up, for the thread that runs a test.
#[cfg(test)]
pub mod faults {
	use std::{cell::Cell, io};

	thread_local! {
		static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
		static SYNC_FAILS: Cell<bool> = const { Cell::new(false) };
	}

	/// From now on only this many bytes can be written; `None`: no limit.
	pub fn set_room(left: Option<usize>) {
		LEFT.set(left);
	}

	/// Whether syncing a file finds the disk full.
	pub fn set_sync_fails(fails: bool) {
		SYNC_FAILS.set(fails);
	}

	pub fn room(wanted: usize) -> usize {
		let Some(left) = LEFT.get() else { return wanted };
		let room = left.min(wanted);
		LEFT.set(Some(left - room));
		room
	}

	pub fn sync() -> io::Result<()> {
		match SYNC_FAILS.get() {
			true => Err(io::ErrorKind::StorageFull.into()),
			false => Ok(()),
		}
	}
}

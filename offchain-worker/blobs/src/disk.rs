//! The few file operations of the store, in one place so that tests can make them fail.

use crate::Hash;
use std::{
	fs::{self, File},
	io::{self, Read},
	os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
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

/// Writes a small private file, whole or not at all.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
	let part = path.with_extension("part");
	let mut create = fs::OpenOptions::new();
	create.write(true).create(true).truncate(true).mode(0o600);
	let file = create.open(&part)?;
	write_at(&file, bytes, 0)?;
	sync(&file)?;
	fs::rename(&part, path)?;
	path.parent().map_or(Ok(()), sync_dir)
}

/// Makes a folder that only its owner can enter, or closes one that others can. One that belongs to
/// somebody else, as a mounted one may, is left as it is; so what it holds is in folders of its
/// own.
pub fn private_dir(dir: &Path) -> io::Result<()> {
	fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
	let found = fs::metadata(dir)?.permissions();
	if found.mode() & 0o077 == 0 {
		return Ok(());
	}
	match fs::set_permissions(dir, fs::Permissions::from_mode(0o700)) {
		Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
			log::warn!(target: "assay::blobs", "{} is open to others and belongs to somebody else", dir.display());
			Ok(())
		}
		done => done,
	}
}

/// The BLAKE3 hash of a whole file.
pub fn hash(path: &Path) -> io::Result<Hash> {
	#[cfg(test)]
	{
		*HASHED.lock().entry(path.to_owned()).or_default() += 1;
	}
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

/// How often each file was hashed.
#[cfg(test)]
pub static HASHED: parking_lot::Mutex<std::collections::BTreeMap<std::path::PathBuf, usize>> =
	parking_lot::Mutex::new(std::collections::BTreeMap::new());

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

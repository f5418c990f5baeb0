//! The outboards of the blobs that are served: computed once, kept in a folder, never trusted.
//!
//! Every slice is checked against the root while it is made, so a damaged outboard costs a second
//! computation and never a wrong answer. Files are written beside and renamed; a crash leaves
//! nothing that is taken for an outboard.

use crate::{tree, LOG_TARGET};
use assay_blobs::{BlobError, BlobStore, Hash};
use parking_lot::Mutex;
use std::{
	collections::HashSet,
	fs::{self, File},
	io::{self, BufWriter, Write},
	path::{Path, PathBuf},
	sync::Arc,
};

/// A folder of outboards. Its calls block on the disk.
pub struct Outboards {
	dir: PathBuf,
	store: Arc<BlobStore>,
	/// Roots that a thread computes now.
	computing: Mutex<HashSet<Hash>>,
}

/// Whether an outboard can be used.
pub enum Opened {
	/// The blob's and the outboard's file.
	Ready(File, File),
	/// Another thread computes it.
	Computing,
}

/// Takes a root out of the set, also after a panic.
struct Claim<'a>(&'a Outboards, Hash);

impl Drop for Claim<'_> {
	fn drop(&mut self) {
		self.0.computing.lock().remove(&self.1);
	}
}

impl Outboards {
	/// Uses `dir`, made if it is not there, for the blobs of `store`. Outboards of blobs that are
	/// gone are removed.
	///
	/// # Errors
	/// When the folder cannot be made or read.
	pub fn open(dir: impl Into<PathBuf>, store: Arc<BlobStore>) -> io::Result<Self> {
		let outboards = Self { dir: dir.into(), store, computing: Mutex::default() };
		fs::create_dir_all(&outboards.dir)?;
		outboards.sweep()?;
		Ok(outboards)
	}

	/// Removes the outboards of blobs that the store does not hold any more.
	///
	/// # Errors
	/// When the folder cannot be read.
	pub fn sweep(&self) -> io::Result<()> {
		for entry in fs::read_dir(&self.dir)? {
			let entry = entry?;
			let name = entry.file_name();
			let mut root = [0; 32];
			let named = hex::decode_to_slice(name.as_encoded_bytes(), &mut root).is_ok();
			// Under this lock no outboard of a blob that was just added can be taken for a stale
			// one.
			let computing = self.computing.lock();
			let part = name.to_string_lossy().ends_with(".part");
			let stale = match (named, part) {
				(true, _) => !self.store.contains(&root),
				(false, true) => computing.is_empty(),
				// Not ours.
				(false, false) => false,
			};
			if stale {
				discard(&entry.path());
			}
		}
		Ok(())
	}

	fn path(&self, root: &Hash) -> PathBuf {
		self.dir.join(hex::encode(root))
	}

	/// Whether the outboard of a blob is there, so that opening it takes no time.
	pub fn is_ready(&self, root: &Hash, total: u64) -> bool {
		fs::metadata(self.path(root)).is_ok_and(|meta| meta.len() == tree::outboard_len(total))
	}

	/// The files of a blob, its outboard computed if need be.
	///
	/// # Errors
	/// When the blob is not held or damaged, or the disk fails.
	pub fn open_blob(&self, root: &Hash, total: u64) -> Result<Opened, BlobError> {
		let blob = self.store.path(root)?;
		let path = self.path(root);
		if !self.is_ready(root, total) {
			if !self.computing.lock().insert(*root) {
				return Ok(Opened::Computing);
			}
			let _claim = Claim(self, *root);
			// Another thread may have been faster before the claim.
			if !self.is_ready(root, total) {
				self.compute(root, total, &blob, &path)?;
			}
		}
		Ok(Opened::Ready(File::open(blob)?, File::open(path)?))
	}

	fn compute(&self, root: &Hash, total: u64, blob: &Path, path: &Path) -> Result<(), BlobError> {
		let part = path.with_extension("part");
		let write = || -> io::Result<Hash> {
			let mut into = BufWriter::with_capacity(1 << 18, File::create(&part)?);
			let actual = tree::outboard(File::open(blob)?, total, &mut into)?;
			into.flush()?;
			Ok(actual)
		};
		match write() {
			Ok(actual) if actual == *root => Ok(fs::rename(&part, path)?),
			Ok(_) => {
				discard(&part);
				// Says so and removes the blob, if it is the blob that is damaged.
				self.store.check(root)?;
				Err(BlobError::Corrupt(*root))
			}
			Err(error) => {
				discard(&part);
				Err(error.into())
			}
		}
	}

	/// A slice did not prove itself: the outboard is computed again next time, and the blob looked
	/// at now.
	///
	/// # Errors
	/// [`BlobError::Corrupt`] when it was the blob; it is removed.
	pub fn distrust(&self, root: &Hash) -> Result<(), BlobError> {
		log::warn!(target: LOG_TARGET, "Blob {} or its outboard is damaged", hex::encode(root));
		discard(&self.path(root));
		self.store.check(root)
	}
}

fn discard(path: &Path) {
	match fs::remove_file(path) {
		Err(error) if error.kind() != io::ErrorKind::NotFound => {
			log::warn!(target: LOG_TARGET, "Cannot remove {}: {error}", path.display());
		}
		_ => {}
	}
}

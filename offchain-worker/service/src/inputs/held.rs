//! Whether the store holds what a job needs, checked before a worker sees it.

use crate::{fault::Fault, types::Hash};
use assay_blobs::{BlobError, BlobStore};
use std::path::PathBuf;

/// Checks that the store holds every input, whole, with its length and content. Blocks.
///
/// # Errors
/// [`Fault::InputMissing`], and [`Fault::InputsRejected`] where a root names bytes of another
/// length: as the root binds its bytes, no node can ever hold a fitting input.
pub(crate) fn check_held(blobs: &BlobStore, inputs: &[(Hash, u64)]) -> Result<(), Fault> {
	// All the cheap questions first: a missing input need not cost hashing the others.
	for (root, length) in inputs {
		let status = blobs.status(root);
		if !status.present {
			return Err(Fault::InputMissing(hex::encode(root)));
		}
		if status.len != *length {
			let root = hex::encode(root);
			let held = status.len;
			return Err(Fault::InputsRejected(format!("{root} has {held} bytes, not {length}")));
		}
	}
	inputs.iter().try_for_each(|(root, _)| held_path(blobs, root).map(drop))
}

/// The absolute path of an input's file. Blocks.
///
/// The worker reads it where it is, checks its root and is given no right to write it; it stays
/// there because the service pins the inputs of its jobs.
pub(crate) fn input_path(blobs: &BlobStore, root: &Hash) -> Result<PathBuf, Fault> {
	let path = std::path::absolute(held_path(blobs, root)?)
		.map_err(|error| Fault::Folder(error.to_string()))?;
	match path.to_str() {
		Some(_) => Ok(path),
		None => Err(Fault::Folder(format!("{} is not UTF-8", path.display()))),
	}
}

/// The file of a blob whose content the store has checked.
fn held_path(blobs: &BlobStore, root: &Hash) -> Result<PathBuf, Fault> {
	blobs.path(root).map_err(|error| match error {
		BlobError::Unknown(_) | BlobError::Corrupt(_) => Fault::InputMissing(hex::encode(root)),
		error => Fault::Folder(error.to_string()),
	})
}

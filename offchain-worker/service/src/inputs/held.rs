//! Whether the store holds what a job needs, checked before a worker sees it.

use std::path::PathBuf;

use assay_blobs::{BlobError, BlobStore};

use crate::{fault::Fault, types::Hash};

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

/// The absolute path of every input's file, in order. Blocks.
///
/// The worker reads them where they are, checks their roots and is given no right to write them;
/// they stay there because the service pins the inputs of its jobs.
pub(crate) fn input_paths(blobs: &BlobStore, inputs: &[(Hash, u64)]) -> Result<Vec<String>, Fault> {
	let path = |(root, _): &(Hash, u64)| {
		let path = std::path::absolute(held_path(blobs, root)?)
			.map_err(|error| Fault::Folder(error.to_string()))?;
		path.into_os_string()
			.into_string()
			.map_err(|path| Fault::Folder(format!("{} is not UTF-8", path.display())))
	};
	inputs.iter().map(path).collect()
}

/// The file of a blob whose content the store has checked.
fn held_path(blobs: &BlobStore, root: &Hash) -> Result<PathBuf, Fault> {
	blobs.path(root).map_err(|error| match error {
		BlobError::Unknown(_) | BlobError::Corrupt(_) => Fault::InputMissing(hex::encode(root)),
		error => Fault::Folder(error.to_string()),
	})
}

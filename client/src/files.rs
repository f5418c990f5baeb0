//! Inputs of jobs as files, which is how a worker reads them.

use crate::{
	chain::{Hash, Node},
	error::{io, Error, Result},
	output::Ui,
	program::Loaded,
};
use assay_worker_host::{create_private, InputFile};
use std::{
	io::Read,
	path::{Path, PathBuf},
	sync::Arc,
};
use tokio::task::spawn_blocking;

/// A folder of blobs that are named by their roots. Everything in it is whole and has the root of
/// its name, unless somebody else has written there.
#[derive(Clone, Debug)]
pub struct Files {
	dir: PathBuf,
	_scratch: Option<Arc<Scratch>>,
}

/// Removes a folder when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Drop for Scratch {
	fn drop(&mut self) {
		let _ = std::fs::remove_dir_all(&self.0);
	}
}

impl Files {
	/// In this folder, which is made with mode 0700 where it is not there.
	pub fn new(dir: PathBuf) -> Result<Self> {
		create_private(&dir).map_err(io(&dir))?;
		Ok(Self { dir, _scratch: None })
	}

	/// As [`Self::new`], in a folder that goes with the last clone of this.
	pub fn scratch(dir: PathBuf) -> Result<Self> {
		let scratch = Some(Arc::new(Scratch(dir.clone())));
		Ok(Self { _scratch: scratch, ..Self::new(dir)? })
	}

	/// Where the folder is.
	pub fn dir(&self) -> &Path {
		&self.dir
	}

	/// Where a blob is or would be.
	pub fn path(&self, root: &Hash) -> PathBuf {
		self.dir.join(hex::encode(root))
	}

	/// A blob as a worker takes it.
	pub fn input(&self, root: Hash, len: u64) -> InputFile {
		InputFile { root, path: self.path(&root), len }
	}

	/// Whether a blob is here, whole. Hashes it.
	pub async fn holds(&self, root: &Hash, len: u64) -> bool {
		let (path, root) = (self.path(root), *root);
		spawn_blocking(move || is_whole(&path, &root, len)).await.unwrap_or(false)
	}

	/// The inputs of a job by their roots, with the lengths that the program gives: those that are
	/// not here are fetched through the node and checked.
	pub async fn gather(
		&self,
		node: &Node,
		ui: &Ui,
		loaded: &Loaded,
		roots: &[Hash],
	) -> Result<Vec<InputFile>> {
		let wanted = loaded.inputs();
		if wanted.len() != roots.len() {
			return Err(Error::new(
				"chain-data",
				format!("the job has {} inputs, its program {}", roots.len(), wanted.len()),
			));
		}
		let mut inputs = Vec::new();
		for (input, root) in wanted.iter().zip(roots) {
			let len = input.ty.canonical_len();
			if !self.holds(root, len).await {
				node.blob_save(root, len, &self.path(root), ui, &input.name).await?;
			}
			inputs.push(self.input(*root, len));
		}
		Ok(inputs)
	}

	/// Removes everything but the blobs of `kept`; what cannot be removed is tried again the next
	/// time.
	pub fn tidy(&self, kept: impl Fn(&str) -> bool) {
		for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
			if !entry.file_name().to_str().is_some_and(&kept) {
				let _ = std::fs::remove_file(entry.path());
			}
		}
	}
}

fn is_whole(path: &Path, root: &Hash, len: u64) -> bool {
	let Ok(file) = std::fs::File::open(path) else { return false };
	if file.metadata().map_or(true, |meta| !meta.is_file() || meta.len() != len) {
		return false;
	}
	let mut hasher = blake3::Hasher::new();
	let mut piece = vec![0; 1 << 20];
	let mut source = file.take(len);
	loop {
		match source.read(&mut piece) {
			Ok(0) => return hasher.finalize().as_bytes() == root,
			Ok(got) => hasher.update(&piece[..got]),
			Err(_) => return false,
		};
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[tokio::test]
	async fn blob_should_be_held_only_when_it_is_whole() {
		let dir = tempfile::tempdir().unwrap();
		let files = Files::new(dir.path().join("inputs")).unwrap();
		let root = *blake3::hash(b"bytes").as_bytes();
		assert!(!files.holds(&root, 5).await);
		std::fs::write(files.path(&root), b"bytes").unwrap();
		assert!(files.holds(&root, 5).await);
		assert!(!files.holds(&root, 4).await);
		std::fs::write(files.path(&root), b"other").unwrap();
		assert!(!files.holds(&root, 5).await);
		let name = hex::encode(root);
		files.tidy(|file| file == name);
		assert!(files.path(&root).exists());
		files.tidy(|_| false);
		assert!(!files.path(&root).exists());
		use std::os::unix::fs::PermissionsExt;
		let mode = std::fs::metadata(files.dir()).unwrap().permissions().mode();
		assert_eq!(mode & 0o777, 0o700, "others on this machine do not read results");
	}
}

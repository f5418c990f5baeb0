//! What a worker has written, taken over without believing it.

use crate::{folder::JobFolder, Fault, Hash};
use assay_program::Source;
use assay_worker_protocol::{Done, OutputFile};
use nix::fcntl::OFlag;
use std::{
	collections::BTreeMap,
	fs::{File, OpenOptions},
	io::{Read, Write},
	os::unix::fs::OpenOptionsExt,
	path::{Path, PathBuf},
};

/// Bytes that are copied at one time.
const PIECE: usize = 1 << 20;

/// A run that has ended well, with the folder that its files are in. Dropping it removes the
/// folder.
#[derive(Debug)]
pub struct Finished {
	pub(crate) folder: JobFolder,
	pub(crate) keep: Vec<(Source, u64)>,
	pub(crate) done: Done,
}

impl Finished {
	/// What the worker said. Its roots agree with each other; nothing is known of its files yet.
	pub fn done(&self) -> &Done {
		&self.done
	}

	/// Copies the file with this root and length to `to`, where it is either whole or not there.
	/// Blocks.
	///
	/// # Errors
	/// [`Fault::Garbage`] for another length or other bytes; [`Fault::Folder`] where it cannot be
	/// read or written.
	pub fn take(&self, root: &Hash, len: u64, to: &Path) -> Result<(), Fault> {
		let part = to.with_extension("part");
		let failed =
			|path: &Path, e: std::io::Error| Fault::Folder(format!("{}: {e}", path.display()));
		let (from, mut source) = self.open(root, len)?;
		let mut target = File::create(&part).map_err(|e| failed(&part, e))?;
		let mut hasher = blake3::Hasher::new();
		let mut piece = vec![0; PIECE.min(usize::try_from(len).unwrap_or(PIECE)).max(1)];
		let mut left = len;
		while left > 0 {
			let want = usize::try_from(left).unwrap_or(PIECE).min(piece.len());
			let got = source.read(&mut piece[..want]).map_err(|e| failed(&from, e))?;
			if got == 0 {
				break;
			}
			hasher.update(&piece[..got]);
			target.write_all(&piece[..got]).map_err(|e| failed(&part, e))?;
			left -= got as u64;
		}
		if left > 0 || hasher.finalize().as_bytes() != root {
			let _ = std::fs::remove_file(&part);
			return Err(Fault::Garbage(format!("{} has other bytes", from.display())));
		}
		target.sync_all().map_err(|e| failed(&part, e))?;
		std::fs::rename(&part, to).map_err(|e| failed(to, e))
	}

	/// The bytes of the file with this root and length. Blocks.
	///
	/// # Errors
	/// As [`Finished::take`].
	pub fn read(&self, root: &Hash, len: u64) -> Result<Vec<u8>, Fault> {
		let (path, source) = self.open(root, len)?;
		let mut bytes = Vec::new();
		let room = usize::try_from(len).ok().and_then(|len| bytes.try_reserve_exact(len).ok());
		if room.is_none() {
			return Err(Fault::Folder(format!("no memory for {len} bytes")));
		}
		let read = source.take(len).read_to_end(&mut bytes);
		read.map_err(|e| Fault::Folder(format!("{}: {e}", path.display())))?;
		if bytes.len() as u64 != len || blake3::hash(&bytes).as_bytes() != root {
			return Err(Fault::Garbage(format!("{} has other bytes", path.display())));
		}
		Ok(bytes)
	}

	/// The tensors that were to be kept. Blocks.
	///
	/// # Errors
	/// [`Fault::Garbage`] for others than those, and as [`Finished::read`].
	pub fn kept(&self) -> Result<BTreeMap<Source, Vec<u8>>, Fault> {
		let files = &self.done.kept;
		let same = self.keep.len() == files.len()
			&& self
				.keep
				.iter()
				.zip(files)
				.all(|((source, len), kept)| kept.source == *source && kept.file.len == *len);
		if !same {
			return Err(Fault::Garbage("the kept tensors are not those asked for".into()));
		}
		let read = |(source, len): &(Source, u64), file: &OutputFile| {
			Ok((*source, self.read(&file.root, *len)?))
		};
		self.keep.iter().zip(files).map(|(wanted, kept)| read(wanted, &kept.file)).collect()
	}

	/// The job's folder.
	pub fn folder(&self) -> &Path {
		self.folder.path()
	}

	fn open(&self, root: &Hash, len: u64) -> Result<(PathBuf, File), Fault> {
		Ok((self.folder.path().join(file_name(root)), open_file(self.folder.path(), root, len)?))
	}
}

/// Name of the file that a worker writes for what has this root.
pub fn file_name(root: &Hash) -> String {
	format!("out-{}", hex::encode(root))
}

/// A regular file of exactly `len` bytes in a job's folder, by the name that its root gives it.
/// Nobody has looked at its bytes yet. Blocks.
///
/// # Errors
/// [`Fault::Folder`] where there is none; [`Fault::Garbage`] where it is something else.
pub fn open_file(folder: &Path, root: &Hash, len: u64) -> Result<File, Fault> {
	let path = folder.join(file_name(root));
	let failed = |error: std::io::Error| Fault::Folder(format!("{}: {error}", path.display()));
	// A pipe in the file's place does not hold this process up either.
	let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
	let file =
		OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path).map_err(failed)?;
	let found = file.metadata().map_err(failed)?;
	match found.is_file() && found.len() == len {
		true => Ok(file),
		false => Err(Fault::Garbage(format!("{} is no file of {len} bytes", path.display()))),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_worker_protocol::KeptFile;
	use std::fs;

	fn finished(keep: Vec<(Source, u64)>, kept: Vec<KeptFile>) -> (tempfile::TempDir, Finished) {
		let base = tempfile::tempdir().unwrap();
		let folder = JobFolder::create(base.path(), "job-1").unwrap();
		let done = Done {
			run_root: [0; 32],
			trace_roots: vec![],
			last_anchors: vec![],
			last_lazy: vec![],
			outputs: vec![],
			kept,
			recorded: Default::default(),
			device: String::new(),
			milliseconds: 0,
			audited_tiles: 0,
			audit_seed: 0,
		};
		(base, Finished { folder, keep, done })
	}

	fn write(finished: &Finished, root: &Hash, bytes: &[u8]) {
		let path = finished.folder.path().join(format!("out-{}", hex::encode(root)));
		fs::write(path, bytes).unwrap();
	}

	#[test]
	fn file_should_be_taken_whole_or_not_at_all_when_the_worker_lies() {
		let (base, finished) = finished(vec![], vec![]);
		let bytes = vec![7; PIECE * 2 + 3];
		let root = *blake3::hash(&bytes).as_bytes();
		let to = base.path().join("to");
		let taken = |len| finished.take(&root, len, &to);
		assert!(matches!(taken(9), Err(Fault::Folder(_))), "there is none");
		write(&finished, &root, &bytes);
		taken(bytes.len() as u64).unwrap();
		assert_eq!(fs::read(&to).unwrap(), bytes);
		fs::remove_file(&to).unwrap();
		assert!(matches!(taken(9), Err(Fault::Garbage(_))), "another length");
		let mut other = bytes.clone();
		other[PIECE] ^= 1;
		write(&finished, &root, &other);
		assert!(matches!(taken(bytes.len() as u64), Err(Fault::Garbage(_))));
		assert!(matches!(finished.read(&root, bytes.len() as u64), Err(Fault::Garbage(_))));
		assert!(!to.exists() && !to.with_extension("part").exists());
	}

	#[test]
	fn links_and_pipes_should_not_be_followed_when_they_take_a_files_place() {
		let (base, finished) = finished(vec![], vec![]);
		let secret = base.path().join("secret");
		fs::write(&secret, b"key").unwrap();
		let root = *blake3::hash(b"key").as_bytes();
		let at = finished.folder.path().join(format!("out-{}", hex::encode(root)));
		std::os::unix::fs::symlink(&secret, &at).unwrap();
		assert!(finished.read(&root, 3).is_err());
		fs::remove_file(&at).unwrap();
		nix::unistd::mkfifo(&at, nix::sys::stat::Mode::S_IRUSR).unwrap();
		assert!(matches!(finished.read(&root, 3), Err(Fault::Garbage(_))));
	}

	#[test]
	fn kept_tensors_should_be_those_that_were_asked_for() {
		let root = *blake3::hash(b"tensor").as_bytes();
		let file = OutputFile { root, name: "../../secret".into(), len: 6 };
		let kept = |source| KeptFile { source, file: file.clone() };
		let (node, state) = (Source::Node(3), Source::State(0));
		let (_base, right) = finished(vec![(node, 6)], vec![kept(node)]);
		write(&right, &root, b"tensor");
		assert_eq!(right.kept().unwrap()[&node], b"tensor", "a name is not believed");
		for wrong in [vec![], vec![kept(state)], vec![kept(node), kept(state)]] {
			let (_base, wrong) = finished(vec![(node, 6)], wrong);
			assert!(matches!(wrong.kept(), Err(Fault::Garbage(_))));
		}
		let (_base, longer) = finished(vec![(node, 7)], vec![kept(node)]);
		assert!(matches!(longer.kept(), Err(Fault::Garbage(_))));
		let (_base, unasked) = finished(vec![], vec![kept(node)]);
		assert!(matches!(unasked.kept(), Err(Fault::Garbage(_))));
		let (_base, nothing) = finished(vec![], vec![]);
		assert_eq!(nothing.kept(), Ok(BTreeMap::new()));
		for (bytes, is_there) in [(&b"other!"[..], true), (b"short", true), (b"", false)] {
			let (_base, wrong) = finished(vec![(node, 6)], vec![kept(node)]);
			if is_there {
				write(&wrong, &root, bytes);
				assert!(matches!(wrong.kept(), Err(Fault::Garbage(_))));
			} else {
				assert!(matches!(wrong.kept(), Err(Fault::Folder(_))));
			}
		}
	}
}

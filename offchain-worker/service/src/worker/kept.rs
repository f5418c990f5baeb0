//! The tensors that a worker hands over for a dispute.

use std::{
	collections::BTreeMap, fs::OpenOptions, io::Read, os::unix::fs::OpenOptionsExt, path::Path,
};

use assay_commitments::tensor_root;
use assay_program::Source;
use assay_worker_protocol::{KeptFile, OutputFile};
use nix::fcntl::OFlag;

use crate::{fault::Fault, types::Hash};

/// Reads the files that a worker says it has written for the tensors `wanted`, each with its length
/// in bytes. Blocks.
///
/// A worker is not trusted with what the node opens: the name follows from the root, links are not
/// followed, and the bytes must have the length and the root.
///
/// # Errors
/// [`Fault::Garbage`] for other tensors, names, lengths or bytes; [`Fault::Folder`] where a file
/// cannot be read.
pub(crate) fn read_kept(
	folder: &Path,
	wanted: &[(Source, u64)],
	files: &[KeptFile],
) -> Result<BTreeMap<Source, Vec<u8>>, Fault> {
	let same = wanted.len() == files.len()
		&& wanted.iter().zip(files).all(|((source, len), kept)| {
			kept.source == *source
				&& kept.file.len == *len
				&& kept.file.name == name(&kept.file.root)
		});
	if !same {
		return Err(Fault::Garbage("the kept tensors are not those that were asked for".into()));
	}
	let read = |kept: &KeptFile| {
		let bytes = read_file(&folder.join(&kept.file.name), kept.file.len)?;
		if tensor_root(&bytes) != kept.file.root {
			return Err(Fault::Garbage(format!("{} has other bytes", kept.file.name)));
		}
		Ok((kept.source, bytes))
	};
	files.iter().map(read).collect()
}

/// Reads the roots of all anchors that a worker says it has written, which take `len` bytes. Blocks.
///
/// # Errors
/// As [`read_kept`].
pub(crate) fn read_anchors(folder: &Path, len: u64, file: &OutputFile) -> Result<Vec<Hash>, Fault> {
	if file.len != len {
		return Err(Fault::Garbage("the anchors' roots are not those that were asked for".into()));
	}
	let bytes = read_file(&folder.join(name(&file.root)), len)?;
	if tensor_root(&bytes) != file.root {
		return Err(Fault::Garbage("the file of the anchors' roots has other bytes".into()));
	}
	let root = |bytes: &[u8]| bytes.try_into().ok();
	let roots: Option<Vec<Hash>> = bytes.chunks(32).map(root).collect();
	roots.ok_or_else(|| Fault::Garbage("the anchors' roots are not whole".into()))
}

/// The name of a tensor's file.
pub(crate) fn name(root: &Hash) -> String {
	format!("out-{}", hex::encode(root))
}

/// A regular file of exactly `len` bytes.
fn read_file(path: &Path, len: u64) -> Result<Vec<u8>, Fault> {
	let fault = |error: std::io::Error| Fault::Folder(format!("{}: {error}", path.display()));
	// A pipe in the file's place does not hold the node up either.
	let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
	let file =
		OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(fault)?;
	let found = file.metadata().map_err(fault)?;
	if !found.is_file() || found.len() != len {
		return Err(Fault::Garbage(format!("{} is no file of {len} bytes", path.display())));
	}
	let mut bytes = Vec::new();
	let room = usize::try_from(len).ok().and_then(|len| bytes.try_reserve_exact(len).ok());
	if room.is_none() {
		return Err(Fault::Folder(format!("no memory for {len} bytes")));
	}
	file.take(len).read_to_end(&mut bytes).map_err(fault)?;
	Ok(bytes)
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_worker_protocol::OutputFile;
	use std::{fs, slice::from_ref};

	const NODE: Source = Source::Node(3);

	fn written(folder: &Path, bytes: &[u8]) -> KeptFile {
		let root = tensor_root(bytes);
		fs::write(folder.join(name(&root)), bytes).unwrap();
		let file = OutputFile { root, name: name(&root), len: bytes.len() as u64 };
		KeptFile { source: NODE, file }
	}

	#[test]
	fn kept_tensor_should_be_read_when_it_is_what_was_asked_for() {
		let folder = tempfile::tempdir().unwrap();
		let kept = written(folder.path(), &[5; 1024]);
		let read = read_kept(folder.path(), &[(NODE, 1024)], &[kept]);
		assert_eq!(read, Ok(BTreeMap::from([(NODE, vec![5; 1024])])));
		assert_eq!(read_kept(folder.path(), &[], &[]), Ok(BTreeMap::new()));
	}

	#[test]
	fn kept_tensor_should_be_refused_when_it_is_another() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path();
		let good = written(path, &[5; 1024]);
		let garbage = |wanted: &[(Source, u64)], files: &[KeptFile]| {
			matches!(read_kept(path, wanted, files), Err(Fault::Garbage(_)))
		};
		let wanted = [(NODE, 1024)];
		assert!(garbage(&wanted, &[]) && garbage(&[], from_ref(&good)));
		assert!(garbage(&[(Source::State(3), 1024)], from_ref(&good)));
		assert!(garbage(&[(NODE, 2048)], from_ref(&good)));
		let mut named = good.clone();
		named.file.name = format!("../{}", named.file.name);
		assert!(garbage(&wanted, &[named]));
		let file = path.join(&good.file.name);
		fs::write(&file, [6; 1024]).unwrap();
		assert!(garbage(&wanted, from_ref(&good)));
		fs::write(&file, [5; 1023]).unwrap();
		assert!(garbage(&wanted, from_ref(&good)));
		fs::write(path.join("elsewhere"), [5; 1024]).unwrap();
		fs::remove_file(&file).unwrap();
		std::os::unix::fs::symlink(path.join("elsewhere"), &file).unwrap();
		assert!(matches!(read_kept(path, &wanted, from_ref(&good)), Err(Fault::Folder(_))));
		fs::remove_file(&file).unwrap();
		nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
		assert!(garbage(&wanted, from_ref(&good)));
		fs::remove_file(&file).unwrap();
		assert!(matches!(read_kept(path, &wanted, from_ref(&good)), Err(Fault::Folder(_))));
	}
}

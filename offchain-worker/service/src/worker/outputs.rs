//! The tensors that a worker hands over. Outputs are kept and served by this node, whatever the
//! provider does, so that the requester gets what it pays for.

use crate::{
	fault::Fault,
	types::{Hash, LOG_TARGET},
};
use assay_blobs::{BlobError, BlobStore};
use assay_market::JobId;
use assay_program::Source;
use assay_worker_host::{file_name, open_file, Finished};
use assay_worker_protocol::{KeptFile, OutputFile};
use std::{
	collections::{BTreeMap, BTreeSet},
	path::Path,
};

/// Moves the outputs of a run into the store, quietly: nobody outside this node can ask for them
/// before the job's own record names them. `wanted` are the positions of the outputs among the
/// anchors of the last step, and their lengths in bytes; `anchors` the roots of these. Blocks.
///
/// A worker is not trusted with what the node opens: roots and lengths follow from the run, the
/// name of a file from its root, links are not followed, and the store hashes what it takes in.
/// They go from disk to disk: their size takes no memory.
///
/// Gives whether the store has taken all of them. That it has no room is no fault of the replay.
///
/// # Errors
/// [`Fault::Garbage`] for other outputs than those of the run; [`Fault::Folder`] where a file
/// cannot be read.
pub(crate) fn take_outputs(
	folder: &Path,
	blobs: &BlobStore,
	job: JobId,
	wanted: &[(u32, u64)],
	anchors: &[Hash],
	files: &[OutputFile],
) -> Result<bool, Fault> {
	let same = wanted.len() == files.len()
		&& wanted.iter().zip(files).all(|((anchor, len), file)| {
			anchors.get(*anchor as usize) == Some(&file.root)
				&& file.len == *len
				&& file.name == file_name(&file.root)
		});
	if !same {
		return Err(Fault::Garbage("the outputs are not those of the run".into()));
	}
	let mut taken = BTreeSet::new();
	for OutputFile { root, name, len } in files {
		if !taken.insert(*root) {
			continue;
		}
		let file = open_file(folder, root, *len)?;
		match blobs.insert_quiet_from(job, *root, *len, file) {
			Ok(()) => {}
			Err(BlobError::RootMismatch { .. }) => {
				return Err(Fault::Garbage(format!("{name} has other bytes")));
			}
			Err(error) => {
				log::warn!(target: LOG_TARGET, "Job {job}: an output is not kept: {error}");
				return Ok(false);
			}
		}
	}
	Ok(true)
}

/// The tensors that were to be kept, for a dispute or a verdict's chunks. Blocks.
///
/// # Errors
/// As [`Finished::kept`]; [`Fault::Garbage`] also where a file is said to have another name than
/// its root gives it.
pub(crate) fn take_kept(finished: &Finished) -> Result<BTreeMap<Source, Vec<u8>>, Fault> {
	let named = |kept: &KeptFile| kept.file.name == file_name(&kept.file.root);
	if !finished.done().kept.iter().all(named) {
		return Err(Fault::Garbage("the kept tensors are not those that were asked for".into()));
	}
	Ok(finished.kept()?)
}

/// Takes the roots of the eager anchors of all steps, `len` bytes, which a worker says it has
/// written. Blocks.
///
/// # Errors
/// [`Fault::Garbage`] for another length, and as [`Finished::read`].
pub(crate) fn take_anchors(
	finished: &Finished,
	file: &OutputFile,
	len: u64,
) -> Result<Vec<Hash>, Fault> {
	if file.len != len {
		return Err(Fault::Garbage("the anchors' roots are not those that were asked for".into()));
	}
	let bytes = finished.read(&file.root, len)?;
	let roots: Option<Vec<Hash>> = bytes.chunks(32).map(|bytes| bytes.try_into().ok()).collect();
	roots.ok_or_else(|| Fault::Garbage("the anchors' roots are not whole".into()))
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_commitments::tensor_root;
	use std::fs;

	const JOB: JobId = 7;

	fn output(folder: &Path, bytes: &[u8]) -> OutputFile {
		let root = tensor_root(bytes);
		fs::write(folder.join(file_name(&root)), bytes).unwrap();
		OutputFile { root, name: file_name(&root), len: bytes.len() as u64 }
	}

	fn store(folder: &Path, quota: u64) -> BlobStore {
		BlobStore::open(folder.join("blobs"), quota).unwrap()
	}

	#[test]
	fn outputs_should_be_kept_for_their_job_when_they_are_those_of_the_run() {
		let dir = tempfile::tempdir().unwrap();
		let (path, blobs) = (dir.path(), store(dir.path(), 1 << 20));
		let (one, two) = (output(path, &[5; 2048]), output(path, &[6; 1024]));
		let anchors = [[0; 32], two.root, one.root];
		// One of them twice.
		let files = [one.clone(), two.clone(), one.clone()];
		let wanted = [(2, 2048), (1, 1024), (2, 2048)];
		assert_eq!(take_outputs(path, &blobs, JOB, &wanted, &anchors, &files), Ok(true));
		for (file, bytes) in [(&one, vec![5; 2048]), (&two, vec![6; 1024])] {
			assert_eq!(blobs.read(&file.root).unwrap(), bytes);
			assert!(blobs.remove(&file.root).is_err(), "it is kept");
		}
		assert_eq!(take_outputs(path, &blobs, JOB, &[], &anchors, &[]), Ok(true));
	}

	#[test]
	fn outputs_should_be_refused_when_they_are_others_than_the_runs() {
		let dir = tempfile::tempdir().unwrap();
		let (path, blobs) = (dir.path(), store(dir.path(), 1 << 20));
		let good = output(path, &[5; 1024]);
		let anchors = [good.root];
		let garbage = |wanted: &[(u32, u64)], files: &[OutputFile]| {
			let taken = take_outputs(path, &blobs, JOB, wanted, &anchors, files);
			matches!(taken, Err(Fault::Garbage(_)))
		};
		let files = std::slice::from_ref(&good);
		assert!(garbage(&[(0, 1024)], &[]) && garbage(&[], files));
		assert!(garbage(&[(1, 1024)], files) && garbage(&[(0, 2048)], files));
		let mut named = good.clone();
		named.name = format!("../{}", named.name);
		assert!(garbage(&[(0, 1024)], &[named]));
		let file = path.join(&good.name);
		fs::write(&file, [6; 1024]).unwrap();
		assert!(garbage(&[(0, 1024)], files));
		fs::write(&file, [5; 1023]).unwrap();
		assert!(garbage(&[(0, 1024)], files));
		fs::remove_file(&file).unwrap();
		fs::write(path.join("elsewhere"), [5; 1024]).unwrap();
		std::os::unix::fs::symlink(path.join("elsewhere"), &file).unwrap();
		let taken = take_outputs(path, &blobs, JOB, &[(0, 1024)], &anchors, files);
		assert!(matches!(taken, Err(Fault::Folder(_))));
		fs::remove_file(&file).unwrap();
		nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
		assert!(garbage(&[(0, 1024)], files));
		assert_eq!(blobs.usage().blobs, 0);
	}

	#[test]
	fn replay_should_stand_when_there_is_no_room_for_its_outputs() {
		let dir = tempfile::tempdir().unwrap();
		let (path, blobs) = (dir.path(), store(dir.path(), 2048));
		let large = output(path, &[5; 4096]);
		let taken = take_outputs(path, &blobs, JOB, &[(0, 4096)], &[large.root], &[large]);
		assert_eq!(taken, Ok(false));
	}
}

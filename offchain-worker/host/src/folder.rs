//! The folder of one job: created with mode 0700, removed when the job ends.

use crate::LOG_TARGET;
use nix::{
	sys::signal::{killpg, Signal},
	unistd::Pid,
};
use std::{
	fs::{self, DirBuilder},
	io,
	os::unix::fs::DirBuilderExt,
	path::{Path, PathBuf},
	time::Duration,
};

/// A folder that is removed when this value is dropped.
///
/// All operations block; drop it outside the executor where its content is large.
#[derive(Debug)]
pub(crate) struct JobFolder(PathBuf);

impl JobFolder {
	/// Creates an empty folder `name` in `parent`, replacing what was there.
	pub(crate) fn create(parent: &Path, name: &str) -> io::Result<Self> {
		create_private(parent)?;
		let path = parent.join(name);
		match fs::remove_dir_all(&path) {
			Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
			_ => {}
		}
		DirBuilder::new().mode(0o700).create(&path)?;
		Ok(Self(path))
	}

	/// Where it is.
	pub(crate) fn path(&self) -> &Path {
		&self.0
	}
}

impl Drop for JobFolder {
	fn drop(&mut self) {
		let mut removed = fs::remove_dir_all(&self.0);
		for _ in 0..5 {
			// A process that is being killed may have written between listing and removing.
			match &removed {
				Err(error) if error.kind() != io::ErrorKind::NotFound => {
					std::thread::sleep(Duration::from_millis(20));
					removed = fs::remove_dir_all(&self.0);
				}
				_ => return,
			}
		}
		if let Err(error) = removed {
			// `clear_stale` tries again at the next start.
			log::warn!(target: LOG_TARGET, "Could not remove {}: {error}", self.0.display());
		}
	}
}

/// Creates `path` and its parents, with mode 0700 where they are missing.
///
/// # Errors
/// The file system's.
pub fn create_private(path: &Path) -> io::Result<()> {
	DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes what an earlier run left in `parent`: kills the process groups of workers whose working
/// folder is in there and removes the folders. Returns how many it removed. Blocks.
///
/// # Errors
/// The file system's.
pub fn clear_stale(parent: &Path) -> io::Result<usize> {
	create_private(parent)?;
	let parent = parent.canonicalize()?;
	for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
		let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
		else {
			continue;
		};
		// A worker leads its own process group and works in its job's folder.
		let works_here = fs::read_link(process.path().join("cwd"))
			.is_ok_and(|cwd| cwd.starts_with(&parent) && cwd != parent)
			&& fs::read(process.path().join("cmdline"))
				.is_ok_and(|line| line.split(|byte| *byte == 0).any(|arg| arg == b"--socket"));
		if works_here && nix::unistd::getpgid(Some(Pid::from_raw(pid))) == Ok(Pid::from_raw(pid)) {
			log::info!(target: LOG_TARGET, "Killing worker {pid} of an earlier run");
			let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
		}
	}
	let mut removed = 0;
	for entry in fs::read_dir(&parent)? {
		let entry = entry?;
		if entry.file_type()?.is_dir() && entry.file_name().to_string_lossy().starts_with("job-") {
			fs::remove_dir_all(entry.path())?;
			removed += 1;
		}
	}
	Ok(removed)
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::os::unix::fs::PermissionsExt;

	#[test]
	fn folder_should_be_private_empty_and_removed_when_dropped() {
		let base = tempfile::tempdir().unwrap();
		let parent = base.path().join("verifier");
		fs::create_dir_all(parent.join("job-1")).unwrap();
		fs::write(parent.join("job-1/old"), b"old").unwrap();
		let folder = JobFolder::create(&parent, "job-1").unwrap();
		let path = folder.path().to_owned();
		assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
		assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
		fs::write(path.join("new"), b"new").unwrap();
		drop(folder);
		assert!(!path.exists());
	}

	#[test]
	fn clear_stale_should_remove_only_job_folders_when_the_host_starts() {
		let base = tempfile::tempdir().unwrap();
		fs::create_dir_all(base.path().join("job-1/inputs")).unwrap();
		fs::create_dir_all(base.path().join("job-2")).unwrap();
		fs::create_dir_all(base.path().join("cache")).unwrap();
		assert_eq!(clear_stale(base.path()).unwrap(), 2);
		assert!(base.path().join("cache").exists());
		assert_eq!(clear_stale(base.path()).unwrap(), 0);
	}

	#[test]
	fn clear_stale_should_kill_a_worker_when_its_folder_is_stale() {
		use std::os::unix::process::{CommandExt, ExitStatusExt};
		let base = tempfile::tempdir().unwrap();
		let stale = base.path().join("job-1");
		fs::create_dir_all(&stale).unwrap();
		let mut orphan = std::process::Command::new("sh")
			.args(["-c", "sleep 60; true", "assay-worker", "--socket", "s"])
			.current_dir(&stale)
			.process_group(0)
			.spawn()
			.unwrap();
		// The kernel shows a new program's arguments a moment after it has started.
		while fs::read(format!("/proc/{}/cmdline", orphan.id())).unwrap().is_empty() {
			std::thread::yield_now();
		}
		clear_stale(base.path()).unwrap();
		assert_eq!(orphan.wait().unwrap().signal(), Some(9));
	}
}

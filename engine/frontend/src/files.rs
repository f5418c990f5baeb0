//! Files of strangers: regular ones only, no more than fits, no more than is asked for.

use crate::error::{io, Error, Result};
use std::{
	fs::File,
	io::Read,
	path::{Component, Path, PathBuf},
};

/// Opens a regular file; its length. Devices, pipes and folders, which need not end, are refused
/// before they are opened. Error: `file`.
pub fn open(path: &Path) -> Result<(File, u64)> {
	let found = std::fs::metadata(path).map_err(io(path))?;
	if !found.is_file() {
		return Err(Error::new("file", format!("{} is no regular file", path.display()))
			.fix("pass a file; copy what a pipe or device gives into one first"));
	}
	let file = File::open(path).map_err(io(path))?;
	Ok((file, found.len()))
}

/// The bytes of a regular file of at most `most` bytes. Errors: `file`, `too-large`.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
	let (file, length) = open(path)?;
	if length > most {
		return Err(Error::new(
			"too-large",
			format!("{} has {length} bytes, at most {most} are read", path.display()),
		)
		.fix("check that it is the right file"));
	}
	let mut bytes = Vec::with_capacity(length as usize);
	// It may grow meanwhile.
	file.take(most).read_to_end(&mut bytes).map_err(io(path))?;
	Ok(bytes)
}

/// The path of `name` in `folder`. It must stay in there: no way up, no absolute path, no links on
/// the way.
pub fn beside(folder: &Path, name: &Path) -> Result<PathBuf, &'static str> {
	let mut path = folder.to_path_buf();
	let mut named = false;
	for component in name.components() {
		match component {
			Component::CurDir => continue,
			Component::Normal(part) => path.push(part),
			_ => return Err("it is outside the model's folder"),
		}
		named = true;
		let link = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
		if link {
			return Err("it is a link; copy the file itself there");
		}
	}
	if named {
		Ok(path)
	} else {
		Err("it has no name")
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn files_should_be_refused_when_they_are_devices_folders_or_too_long() {
		let dir = tempfile::tempdir().unwrap();
		for path in [Path::new("/dev/zero"), Path::new("/dev/null"), dir.path()] {
			assert_eq!(read(path, 10).unwrap_err().code, "file", "{path:?}");
		}
		let path = dir.path().join("a");
		std::fs::write(&path, [0; 11]).unwrap();
		assert_eq!(read(&path, 10).unwrap_err().code, "too-large");
		assert_eq!(read(&path, 11).unwrap().len(), 11);
	}

	#[test]
	fn names_should_stay_in_their_folder_when_they_go_up_or_are_links() {
		let dir = tempfile::tempdir().unwrap();
		std::fs::write(dir.path().join("data"), b"x").unwrap();
		std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
		for (name, fits) in [
			("data", true),
			("./data", true),
			("././data", true),
			("../data", false),
			("sub/../../data", false),
			("/etc/passwd", false),
			("link", false),
			("", false),
			(".", false),
		] {
			assert_eq!(beside(dir.path(), Path::new(name)).is_ok(), fits, "{name}");
		}
	}
}

//! Files and folders that are nobody else's business: keys, salts, results that are not revealed
//! yet.
//!
//! A path is opened once and never by way of a link; what is checked is what was opened, and what
//! is read or written is that too, so that nobody can put something else in its place in between.

use crate::error::{io, Error, Result};
use nix::{fcntl::OFlag, unistd::geteuid};
use std::{
	fs::{DirBuilder, File, Metadata, OpenOptions, Permissions},
	io::{ErrorKind, Read},
	os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
	path::Path,
};

fn mine(path: &Path, found: &Metadata) -> Result<()> {
	let (owner, me) = (found.uid(), geteuid().as_raw());
	if owner == me {
		return Ok(());
	}
	let text = format!("{} belongs to user {owner}, and this is user {me}", path.display());
	Err(Error::new("not-yours", text)
		.fix(format!("make it anew as this user, or chown {me} {}", path.display())))
}

/// Opens without following a link in the last place, and without waiting for a pipe's other end.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
	let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
	options.custom_flags(flags.bits()).open(path).map_err(|error| match error.raw_os_error() {
		Some(code) if code == nix::libc::ELOOP => {
			Error::new("is-a-link", format!("{} is a symbolic link", path.display()))
				.fix("pass the path of the file itself")
		}
		_ => io(path)(error),
	})
}

/// Reads a file of at most `most` bytes that belongs to this user and that nobody else can read.
///
/// # Errors
/// `key-file-exposed`, `not-yours`, `is-a-link`, `bad-key` and those of reading.
pub fn read(path: &Path, most: u64) -> Result<String> {
	let file = open(path, OpenOptions::new().read(true))?;
	let found = file.metadata().map_err(io(path))?;
	if !found.is_file() {
		return Err(Error::new("bad-key", format!("{} is no file", path.display()))
			.fix("pass a file that holds the secret alone"));
	}
	mine(path, &found)?;
	let mode = found.permissions().mode() & 0o777;
	if mode & 0o077 != 0 {
		return Err(Error::new(
			"key-file-exposed",
			format!("{} has mode {mode:03o}: others on this machine can read it", path.display()),
		)
		.fix(format!("chmod 600 {}", path.display())));
	}
	let mut text = String::new();
	// It may have grown since its length was looked at.
	file.take(most + 1).read_to_string(&mut text).map_err(io(path))?;
	if text.len() as u64 > most {
		return Err(Error::new("bad-key", format!("{} is too long for a key", path.display()))
			.fix("pass the file that holds the secret alone"));
	}
	Ok(text)
}

/// Opens a file of this user to read and write, made if it is not there, and closes it to others.
///
/// # Errors
/// `not-yours`, `is-a-link` and those of opening.
pub fn file(path: &Path) -> Result<File> {
	let mut options = OpenOptions::new();
	options.read(true).write(true).create(true).truncate(false).mode(0o600);
	let file = open(path, &mut options)?;
	let found = file.metadata().map_err(io(path))?;
	mine(path, &found)?;
	if found.permissions().mode() & 0o077 != 0 {
		file.set_permissions(Permissions::from_mode(0o600)).map_err(io(path))?;
	}
	Ok(file)
}

/// A new private file in the place of one that may be left there; the folder is private already.
pub fn create(path: &Path) -> std::io::Result<File> {
	match std::fs::remove_file(path) {
		Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
		_ => {}
	}
	OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a folder, and its parents, that nobody else can enter. One that is there and open to
/// others is closed, unless it is shared or may hold something else: the home folder, `/`, one like
/// `/tmp`.
///
/// # Errors
/// `not-yours`, `folder-exposed`, `is-a-link` and those of making it.
pub fn folder(path: &Path) -> Result<()> {
	DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
	let flags = OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
	let folder = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
		// A folder by way of a link is checked for what it is.
		Err(error) if error.raw_os_error() == Some(nix::libc::ENOTDIR) => File::open(path),
		Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => File::open(path),
		opened => opened,
	};
	let folder = folder.map_err(io(path))?;
	let found = folder.metadata().map_err(io(path))?;
	let mode = found.permissions().mode() & 0o7777;
	let is_home = std::env::var_os("HOME")
		.and_then(|home| std::fs::metadata(home).ok())
		.is_some_and(|home| (home.dev(), home.ino()) == (found.dev(), found.ino()));
	let shared = mode & 0o1000 != 0 || is_home || path.parent().is_none();
	if shared && mode & 0o077 != 0 {
		return Err(Error::new(
			"folder-exposed",
			format!("{} has mode {mode:04o} and is for more than this", path.display()),
		)
		.fix("pass a folder of its own: it is made, for this user alone"));
	}
	mine(path, &found)?;
	if mode & 0o077 != 0 {
		folder.set_permissions(Permissions::from_mode(mode & 0o700)).map_err(io(path))?;
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::{fs, os::unix::fs::symlink};

	fn mode(path: &Path) -> u32 {
		fs::metadata(path).unwrap().permissions().mode() & 0o7777
	}

	fn set(path: &Path, mode: u32) {
		fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
	}

	#[test]
	fn secret_should_be_refused_when_it_is_a_link_no_file_or_not_ours() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		fs::write(&path, "secret").unwrap();
		set(&path, 0o600);
		assert_eq!(read(&path, 100).unwrap(), "secret");
		assert_eq!(read(&path, 5).unwrap_err().code, "bad-key");
		let link = dir.path().join("link");
		symlink(&path, &link).unwrap();
		assert_eq!(read(&link, 100).unwrap_err().code, "is-a-link");
		assert_eq!(read(dir.path(), 100).unwrap_err().code, "bad-key");
		// A pipe holds nobody up.
		let pipe = dir.path().join("pipe");
		nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
		assert_eq!(read(&pipe, 100).unwrap_err().code, "bad-key");
		if geteuid().is_root() {
			nix::unistd::chown(&path, Some(12345.into()), None).unwrap();
			let error = read(&path, 100).unwrap_err();
			assert_eq!(error.code, "not-yours");
			assert!(error.message.contains("12345"), "{error}");
			assert_eq!(file(&path).unwrap_err().code, "not-yours");
			nix::unistd::chown(dir.path(), Some(12345.into()), None).unwrap();
			assert_eq!(folder(dir.path()).unwrap_err().code, "not-yours");
		} else {
			println!("only root can make a file of somebody else: that is not tried");
			assert_eq!(read(Path::new("/etc/passwd"), 1 << 20).unwrap_err().code, "not-yours");
		}
	}

	#[test]
	fn file_should_be_closed_to_others_when_it_is_made_or_was_open() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("database");
		drop(file(&path).unwrap());
		assert_eq!(mode(&path), 0o600);
		fs::write(&path, "kept").unwrap();
		set(&path, 0o644);
		drop(file(&path).unwrap());
		assert_eq!((mode(&path), fs::read_to_string(&path).unwrap()), (0o600, "kept".into()));
		// In the place of a link, not by way of it.
		let link = dir.path().join("link");
		symlink(&path, &link).unwrap();
		drop(create(&link).unwrap());
		assert_eq!((mode(&link), fs::read_to_string(&path).unwrap()), (0o600, "kept".into()));
	}

	#[test]
	fn folder_should_be_closed_when_it_is_ours_and_refused_when_it_is_shared() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("a/b");
		folder(&path).unwrap();
		assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
		set(&path, 0o755);
		folder(&path).unwrap();
		assert_eq!(mode(&path), 0o700);
		let link = dir.path().join("link");
		symlink(&path, &link).unwrap();
		set(&path, 0o750);
		folder(&link).unwrap();
		assert_eq!(mode(&path), 0o700);
		set(&path, 0o1777);
		assert_eq!(folder(&path).unwrap_err().code, "folder-exposed");
		assert_eq!(mode(&path), 0o1777);
		assert_eq!(folder(Path::new("/")).unwrap_err().code, "folder-exposed");
		let other = dir.path().join("file");
		fs::write(&other, "").unwrap();
		assert_eq!(folder(&other).unwrap_err().code, "file");
	}
}

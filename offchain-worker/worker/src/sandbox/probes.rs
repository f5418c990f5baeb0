//! The process tries on itself what it must not be able to do.
//!
//! By system calls and not by the standard library, which takes several ways to one end. What is
//! tried is harmless where it works. Calls that end the process are not tried: nothing would be
//! left to report it.

use super::report::{Layer, Probe};
use nix::{errno::Errno, libc};
use std::{
	ffi::{CStr, CString},
	os::unix::ffi::OsStrExt,
	path::Path,
	ptr,
};

/// Tries everything. Call it after sealing, in the only thread.
pub fn try_all(dir: &Path) -> Vec<Probe> {
	let outside = dir.parent().unwrap_or(dir);
	let new = outside.join(format!(".assay-probe-{}", std::process::id()));
	let socket = |family, kind| {
		// SAFETY: takes numbers only.
		opened(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) })
	};
	let files = [
		("list the root folder", list(Path::new("/"))),
		("list the folder that the job's is in", list(outside)),
		("write into the folder that the job's is in", make(&new)),
	];
	let calls = [
		("open a TCP socket", socket(libc::AF_INET, libc::SOCK_STREAM)),
		("open a UDP socket", socket(libc::AF_INET, libc::SOCK_DGRAM)),
		("open a Unix socket", socket(libc::AF_UNIX, libc::SOCK_STREAM)),
		("start a process", fork()),
		("run another program", exec()),
		("send a signal to the host", signal_host()),
		("change the mode of a file outside", change_mode(outside)),
	];
	let probe = |layer| {
		move |(what, outcome): (&'static str, Result<(), Errno>)| Probe {
			what,
			layer,
			refused: outcome.err(),
		}
	};
	files.map(probe(Layer::Landlock)).into_iter().chain(calls.map(probe(Layer::Seccomp))).collect()
}

/// A path for the kernel. Those that come here are of folders that were opened, so that no zero is
/// in them.
fn path(path: &Path) -> CString {
	CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// Closes what was opened.
fn opened(file: libc::c_int) -> Result<(), Errno> {
	let file = Errno::result(file)?;
	// SAFETY: it was opened a moment ago and is known to nobody else.
	unsafe { libc::close(file) };
	Ok(())
}

fn list(folder: &Path) -> Result<(), Errno> {
	let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
	// SAFETY: the path is a string that ends in zero.
	opened(unsafe { libc::open(path(folder).as_ptr(), flags) })
}

fn make(file: &Path) -> Result<(), Errno> {
	let file = path(file);
	let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
	// SAFETY: as above.
	opened(unsafe { libc::open(file.as_ptr(), flags, 0o600) })?;
	// SAFETY: as above.
	unsafe { libc::unlink(file.as_ptr()) };
	Ok(())
}

fn fork() -> Result<(), Errno> {
	// SAFETY: there is one thread, and the child ends at once.
	match Errno::result(unsafe { libc::fork() })? {
		0 => crate::end(0),
		child => {
			// SAFETY: no status is asked for.
			unsafe { libc::waitpid(child, ptr::null_mut(), 0) };
			Ok(())
		}
	}
}

/// Of a program that is not there: where running is possible at all, the kernel looks for it.
fn exec() -> Result<(), Errno> {
	const NOWHERE: &CStr = c"/proc/self/no-such-program";
	let none = [ptr::null()];
	// SAFETY: a string that ends in zero, and two empty lists that end in a null pointer.
	let outcome = unsafe { libc::execve(NOWHERE.as_ptr(), none.as_ptr(), none.as_ptr()) };
	match Errno::result(outcome) {
		Err(Errno::ENOENT) => Ok(()),
		other => other.map(drop),
	}
}

/// Signal 0, which is checked as any other and not sent.
fn signal_host() -> Result<(), Errno> {
	// SAFETY: takes numbers only.
	Errno::result(unsafe { libc::kill(libc::getppid(), 0) }).map(drop)
}

/// To the mode that it has.
fn change_mode(folder: &Path) -> Result<(), Errno> {
	let folder = path(folder);
	// SAFETY: all zero is a valid value of this structure of numbers.
	let mut status: libc::stat = unsafe { std::mem::zeroed() };
	// SAFETY: the path is a string that ends in zero, and the kernel writes one such structure.
	Errno::result(unsafe { libc::stat(folder.as_ptr(), &mut status) })?;
	// SAFETY: as above.
	Errno::result(unsafe { libc::chmod(folder.as_ptr(), status.st_mode & 0o7777) }).map(drop)
}

//! What the host is told when the process can no longer put a message together: the frames are made
//! before the job is looked at, so that neither memory nor a lock is needed to send them.

use crate::{end, link::Link};
use assay_worker_protocol::{encode, FrameError, LocalFault, LocalFaultKind, Reply};
use nix::libc::{c_int, c_long, c_void};
use std::{fs::File, io::Write, os::fd::OwnedFd, sync::OnceLock};

struct LastWords {
	connection: File,
	/// An allocation failed.
	memory: Vec<u8>,
	/// A forbidden system call was made: the frame for each of them.
	calls: Vec<(c_long, Vec<u8>)>,
	/// The same for one that is not in the list.
	call: Vec<u8>,
}

static LAST_WORDS: OnceLock<LastWords> = OnceLock::new();

/// From now on the host is told when an allocation fails or a forbidden system call is made, of
/// which these are named.
///
/// # Errors
/// The connection cannot be duplicated.
pub fn prepare(link: &Link, forbidden: &[(&str, c_long)]) -> Result<(), FrameError> {
	let frame = |kind, text: String| encode(&Reply::LocalFault(LocalFault { kind, text }));
	let call = |name: &str| {
		let text = format!("sandbox: the process was stopped when it called {name}");
		frame(LocalFaultKind::Sandbox, text)
	};
	let connection: OwnedFd = link.as_fd().try_clone_to_owned()?;
	let words = LastWords {
		connection: File::from(connection),
		memory: frame(
			LocalFaultKind::Memory,
			"an allocation failed, the memory limit is reached".into(),
		)?,
		calls: forbidden
			.iter()
			.map(|(name, number)| Ok((*number, call(name.trim_start_matches("SYS_"))?)))
			.collect::<Result<_, FrameError>>()?,
		call: call("what nothing in a job's way calls")?,
	};
	// Set once, since this is called once.
	let _ = LAST_WORDS.set(words);
	Ok(())
}

/// Sends a frame and ends the process. If a message of another thread is half sent, the host sees a
/// frame that it does not understand, and closes: a local fault as well.
fn say(frame: impl FnOnce(&'static LastWords) -> &'static [u8]) {
	if let Some(words) = LAST_WORDS.get() {
		let mut connection: &File = &words.connection;
		let _ = connection.write_all(frame(words));
		end(0)
	}
}

/// Tells the host that an allocation failed, and ends the process; does nothing before [`prepare`].
#[cold]
pub fn exhausted() {
	say(|words| &words.memory);
}

/// The beginning of `siginfo_t` of a signal that seccomp sent, as Linux lays it out for 64 bits.
#[repr(C)]
struct SystemCall {
	_signal: c_int,
	_error: c_int,
	_code: c_int,
	_padding: c_int,
	_address: *const c_void,
	number: c_int,
	_architecture: u32,
}

/// Handler of `SIGSYS`: tells the host which call was made, and ends the process.
pub extern "C" fn forbidden(_: c_int, info: *mut nix::libc::siginfo_t, _: *mut c_void) {
	// SAFETY: the handler is installed with `SA_SIGINFO`, so that the kernel gives a whole
	// `siginfo_t`, which begins as above when seccomp is the sender; another sender only makes the
	// number meaningless.
	let number = c_long::from(unsafe { (*info.cast::<SystemCall>()).number });
	say(|words| {
		let known = words.calls.iter().find(|(call, _)| *call == number);
		known.map_or(&words.call, |(_, frame)| frame)
	});
	end(1)
}

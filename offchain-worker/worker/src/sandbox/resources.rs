//! What the process holds of the machine and of its host.

use nix::{
	errno::Errno,
	libc,
	sched::{unshare, CloneFlags},
	sys::{
		prctl,
		resource::{getrlimit, setrlimit, Resource},
		signal::{signal, SigHandler, Signal},
		stat::{umask, Mode},
	},
	unistd::{getgid, getuid},
};
use std::fs;

/// Most files that are open at one time; each may hold memory of the kernel that belongs to nobody.
const MOST_FILES: u64 = 4096;

/// How much less urgent than its host the process is, in the kernel's steps of some 20 % each:
/// where both want a processor, the host has ten parts of eleven.
const LESS_URGENT: libc::c_int = 10;

/// Closes every file but the three standard ones: a library of the host may have left one open for
/// it.
pub fn close_inherited() {
	// SAFETY: nothing of this process has opened a file yet that it goes on using.
	let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
	if let Err(error) = Errno::result(closed) {
		eprintln!("assay-worker: files that the host left open stay open: {error}");
	}
}

/// Lets the host go first where processor time is short: its blocks are due within seconds, and a
/// verdict within minutes. Call it before any thread is started, for each has a priority of its
/// own.
///
/// Nothing leads back: raising a priority takes a privilege, which is dropped, and a system call,
/// which is forbidden.
pub fn step_back() {
	Errno::clear();
	// SAFETY: takes a number only. What it returns may be -1 without an error.
	unsafe { libc::nice(LESS_URGENT) };
	if Errno::last_raw() != 0 {
		let error = Errno::last();
		eprintln!("assay-worker: it is as urgent as the node where processors are short: {error}");
	}
}

/// Sets the limits that the kernel enforces.
///
/// # Errors
/// Those of `setrlimit` and `prctl`, which an ordinary kernel does not give here.
pub fn limit(memory_mib: Option<u64>, cpu_seconds: Option<u64>) -> nix::Result<()> {
	umask(Mode::from_bits_truncate(0o077));
	// When memory runs out on the whole machine, this process is to go, not the node.
	if let Err(error) = fs::write("/proc/self/oom_score_adj", "1000") {
		eprintln!("assay-worker: the node may have to go first when memory runs out: {error}");
	}
	lower(Resource::RLIMIT_CORE, 0, 0)?;
	lower(Resource::RLIMIT_NOFILE, MOST_FILES, MOST_FILES)?;
	if let Some(bytes) = memory_mib.and_then(|mib| mib.checked_mul(2 << 20)) {
		lower(Resource::RLIMIT_DATA, bytes, bytes)?;
		// For files in the folder, and for those that are only memory, which no other limit counts.
		// Writing more is to be an error that can be reported, not a signal.
		lower(Resource::RLIMIT_FSIZE, bytes, bytes)?;
		// SAFETY: no handler is installed, so none can be called.
		unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
	}
	if let Some(seconds) = cpu_seconds {
		// The watchdog comes first and can say what happened.
		lower(Resource::RLIMIT_CPU, seconds.saturating_add(2), seconds.saturating_add(3))?;
	}
	prctl::set_no_new_privs()
}

/// Sets a limit, or leaves it where the host's own is stricter.
fn lower(resource: Resource, soft: u64, hard: u64) -> nix::Result<()> {
	let ours = getrlimit(resource)?.1;
	setrlimit(resource, soft.min(ours), hard.min(ours))
}

/// Moves the process into a network namespace of its own. Sockets in the file system stay
/// reachable.
///
/// # Errors
/// The kernel, or its administrator, does not permit it; the text is for people.
pub fn leave_network() -> Result<(), String> {
	let (uid, gid) = (getuid(), getgid());
	if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
		return Ok(());
	}
	// Without privileges this takes a user namespace, in which everything is owned as before.
	let moved = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET);
	let mapped = moved.map_err(std::io::Error::from).and_then(|()| {
		fs::write("/proc/self/setgroups", "deny")?;
		fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
		fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
	});
	mapped.map_err(|error| error.to_string())
}

/// Gives up what a process of the superuser, or of a user namespace, may do beyond an ordinary one.
///
/// # Errors
/// Those of `capset`, which an ordinary kernel does not give.
pub fn drop_capabilities() -> nix::Result<()> {
	/// `_LINUX_CAPABILITY_VERSION_3`: 64 capabilities in two words each.
	#[repr(C)]
	struct Header {
		version: u32,
		pid: i32,
	}
	let header = Header { version: 0x2008_0522, pid: 0 };
	let none = [0u32; 6];
	// SAFETY: both have the layout that version 3 of the call asks for (`linux/capability.h`), and
	// the kernel only reads them.
	let dropped = unsafe { libc::syscall(libc::SYS_capset, &header, none.as_ptr()) };
	Errno::result(dropped).map(drop)
}

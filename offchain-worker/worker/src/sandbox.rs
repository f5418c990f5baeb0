//! What the process gives up before it reads a job.
//!
//! - Environment: all but [`KEPT`]; caches of drivers go to the job's folder.
//! - Memory: the watchdog compares the peak of the resident size, which counts what drivers share with an
//!   integrated device. `RLIMIT_DATA`, which counts private writable memory, stops at twice the limit what
//!   grows faster than the watchdog looks. `RLIMIT_AS` is of no use here, since drivers reserve address
//!   space far beyond what they fill.
//! - Processor time: `RLIMIT_CPU`, a little above what the watchdog allows and reports.
//! - No core dumps, no new privileges.
//! - Network: a network namespace of its own, without any interface.
//! - Files (Landlock): reading only what belongs to the system and to the device's driver, and the job's
//!   inputs; writing only devices and the job's folder. So keys of the node cannot be read.
//!
//! Network and files depend on what the kernel offers and permits. Where it does not, the worker says so on
//! its standard error and goes on: it must run on ordinary machines. Devices stay reachable as a whole, since
//! drivers differ in the ones that they need.

use landlock::{
	Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
	ABI,
};
use nix::{
	sched::{unshare, CloneFlags},
	sys::{
		prctl,
		resource::{setrlimit, Resource},
		stat::{umask, Mode},
	},
	unistd::{getgid, getuid},
};
use std::{
	env, fs,
	path::{Path, PathBuf},
};

/// Environment variables that stay: those that choose and configure drivers, and language settings. A name
/// that ends in `*` stands for all that begin so.
const KEPT: &[&str] = &[
	"ASSAY_*",
	"VK_*",
	"MESA_*",
	"LP_*",
	"GALLIUM_*",
	"NVIDIA_*",
	"CUDA_*",
	"RADV_*",
	"DRI_PRIME",
	"WGPU_*",
	"RAYON_NUM_THREADS",
	"RUST_BACKTRACE",
	"LD_LIBRARY_PATH",
	"XDG_RUNTIME_DIR",
	"XDG_DATA_DIRS",
	"XDG_CONFIG_DIRS",
	"PATH",
	"LANG",
	"LC_ALL",
];

fn is_kept(name: &str) -> bool {
	KEPT.iter().any(|kept| match kept.strip_suffix('*') {
		Some(prefix) => name.starts_with(prefix),
		None => name == *kept,
	})
}

/// Removes all environment variables but those that are needed. Call it while there is one thread.
pub fn clear_environment(dir: &Path) {
	for (name, _) in env::vars_os() {
		if !name.to_str().is_some_and(is_kept) {
			env::remove_var(name);
		}
	}
	for name in ["HOME", "XDG_CACHE_HOME", "TMPDIR"] {
		env::set_var(name, dir);
	}
}

/// Sets the limits that the kernel enforces.
pub fn limit(memory_mib: Option<u64>, cpu_seconds: Option<u64>) -> nix::Result<()> {
	umask(Mode::from_bits_truncate(0o077));
	setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
	if let Some(bytes) = memory_mib.and_then(|mib| mib.checked_mul(2 << 20)) {
		setrlimit(Resource::RLIMIT_DATA, bytes, bytes)?;
	}
	if let Some(seconds) = cpu_seconds {
		// The watchdog comes first and can say what happened.
		setrlimit(Resource::RLIMIT_CPU, seconds.saturating_add(2), seconds.saturating_add(3))?;
	}
	prctl::set_no_new_privs()
}

/// Moves the process into a network namespace of its own. Sockets in the file system stay reachable.
pub fn leave_network() {
	let (uid, gid) = (getuid(), getgid());
	if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
		return;
	}
	// Without privileges this takes a user namespace, in which everything is owned as before.
	let moved = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET);
	let mapped = moved.map_err(std::io::Error::from).and_then(|()| {
		fs::write("/proc/self/setgroups", "deny")?;
		fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
		fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
	});
	if let Err(error) = mapped {
		eprintln!("assay-worker: the network stays reachable: {error}");
	}
}

/// Where systems keep programs, libraries and the configuration of drivers, and what the kernel shows.
const SYSTEM: &[&str] = &[
	"/usr",
	"/lib",
	"/lib32",
	"/lib64",
	"/bin",
	"/sbin",
	"/etc",
	"/opt",
	"/nix",
	"/gnu",
	"/proc",
	"/sys",
	"/run/opengl-driver",
	"/var/lib/dbus",
];

/// Environment variables that name files or folders which drivers and engines read.
const DRIVER_PATHS: &[&str] = &[
	// What a self-test found out is read, never written: `assay-worker self-test` does that.
	"ASSAY_CACHE_DIR",
	"LD_LIBRARY_PATH",
	"VK_DRIVER_FILES",
	"VK_ADD_DRIVER_FILES",
	"VK_ICD_FILENAMES",
	"VK_LAYER_PATH",
	"VK_ADD_LAYER_PATH",
	"XDG_DATA_DIRS",
	"XDG_RUNTIME_DIR",
];

/// From here on only the job's folder and devices can be written, and only what is listed above read.
pub fn close_files(dir: &Path, inputs: impl Iterator<Item = PathBuf>) {
	match restrict(dir, inputs) {
		Ok(RulesetStatus::NotEnforced) => {
			eprintln!("assay-worker: the kernel cannot restrict access to files")
		}
		Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => {}
		Err(error) => eprintln!("assay-worker: access to files is not restricted: {error}"),
	}
}

fn restrict(
	dir: &Path,
	inputs: impl Iterator<Item = PathBuf>,
) -> Result<RulesetStatus, landlock::RulesetError> {
	let abi = ABI::V5;
	let named = DRIVER_PATHS.iter().filter_map(env::var_os);
	let named: Vec<PathBuf> =
		named.flat_map(|paths| env::split_paths(&paths).collect::<Vec<_>>()).collect();
	let read = SYSTEM.iter().map(PathBuf::from).chain(named).chain(inputs);
	let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
	let write =
		[dir.to_path_buf(), "/dev".into()].into_iter().map(|path| (path, AccessFs::from_all(abi)));
	for (path, access) in read.map(|path| (path, AccessFs::from_read(abi))).chain(write) {
		// What is not there needs no rule.
		let Ok(file) = PathFd::new(&path) else { continue };
		let access = match path.is_dir() {
			true => access,
			false => access & AccessFs::from_file(abi),
		};
		rules = rules.add_rule(PathBeneath::new(file, access))?;
	}
	Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
	use std::{fs, io::ErrorKind, thread};

	/// In a thread of its own, for that is what Landlock restricts.
	#[test]
	fn files_should_be_closed_but_for_the_folder_the_inputs_and_the_system() {
		let base = tempfile::tempdir().unwrap();
		let [job, keys] = ["job", "keys"].map(|name| base.path().join(name));
		[&job, &keys].iter().for_each(|dir| fs::create_dir(dir).unwrap());
		let [secret, input] = ["secret", "input"].map(|name| keys.join(name));
		[&secret, &input].iter().for_each(|file| fs::write(file, b"bytes").unwrap());
		thread::spawn(move || {
			match super::restrict(&job, [input.clone()].into_iter()).unwrap() {
				landlock::RulesetStatus::NotEnforced => {
					return println!("this kernel has no Landlock: nothing to test");
				}
				status => println!("{status:?}"),
			}
			let denied = |result: std::io::Result<()>| {
				assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied)
			};
			denied(fs::read(&secret).map(drop));
			denied(fs::write(&input, b"other"));
			denied(fs::write(keys.join("new"), b"new"));
			denied(fs::remove_file(&secret));
			denied(fs::read_dir(&keys).map(drop));
			assert_eq!(fs::read(&input).unwrap(), b"bytes");
			fs::write(job.join("output"), b"output").unwrap();
			fs::remove_file(job.join("output")).unwrap();
			fs::read("/etc/passwd").unwrap();
			fs::write("/dev/null", b"x").unwrap();
		})
		.join()
		.unwrap();
	}

	#[test]
	fn environment_should_keep_only_what_drivers_need() {
		for kept in ["VK_ICD_FILENAMES", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH", "ASSAY_ADAPTER"] {
			assert!(super::is_kept(kept), "{kept}");
		}
		for cleared in ["HOME", "SSH_AUTH_SOCK", "LD_PRELOAD", "VKX", "AWS_SECRET_ACCESS_KEY", ""] {
			assert!(!super::is_kept(cleared), "{cleared}");
		}
	}
}

//! Files: Landlock.
//!
//! Landlock does not restrict `stat`, `chmod`, `chown`, extended attributes and times, and before
//! its third version not the truncating of files: [`super::calls`] does.

use landlock::{
	Access, AccessFs, AccessNet, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
	RulesetCreatedAttr, RulesetError, Scope, ABI,
};
use std::{
	env, fs, mem,
	path::{Path, PathBuf},
};

/// The newest version that this was tested with. Kernels with an older one restrict less, see
/// `docs/sandbox.md`.
const NEWEST: ABI = ABI::V7;

/// Where systems keep libraries, the descriptions of drivers, and what the kernel says of devices.
/// Nothing of `/home`, of the rest of `/etc`, of other processes, and of no folder in which a node
/// would keep its keys.
const READABLE: &[&str] = &[
	// Libraries.
	"/lib",
	"/lib32",
	"/lib64",
	"/usr/lib",
	"/usr/lib32",
	"/usr/lib64",
	"/usr/local/lib",
	"/usr/local/lib64",
	"/etc/ld.so.cache",
	"/nix/store",
	"/gnu/store",
	"/run/current-system/profile",
	"/run/opengl-driver",
	"/run/opengl-driver-32",
	"/opt/amdgpu",
	"/opt/amdgpu-pro",
	"/opt/rocm",
	// Drivers: where they are, and which quirks which of them has.
	"/etc/drirc",
	"/etc/glvnd",
	"/etc/nvidia",
	"/etc/vulkan",
	"/usr/local/etc/vulkan",
	"/usr/local/share/vulkan",
	"/usr/share/drirc.d",
	"/usr/share/glvnd",
	"/usr/share/libdrm",
	"/usr/share/nvidia",
	"/usr/share/vulkan",
	// The system.
	"/etc/localtime",
	"/etc/machine-id",
	"/usr/share/zoneinfo",
	"/var/lib/dbus/machine-id",
	// The kernel.
	"/proc/bus/pci",
	"/proc/cpuinfo",
	"/proc/devices",
	"/proc/driver",
	"/proc/filesystems",
	"/proc/meminfo",
	"/proc/misc",
	"/proc/modules",
	PROCESS,
	"/proc/stat",
	"/proc/sys",
	"/proc/version",
	"/sys/bus",
	"/sys/class",
	"/sys/dev",
	"/sys/devices",
	"/sys/fs/cgroup",
	"/sys/kernel/mm",
	"/sys/module",
];

/// What the kernel shows of this process.
const PROCESS: &str = "/proc/self";

/// Devices and folders of devices under `/dev`; a name that ends in `*` stands for all that begin
/// so. No disks, no terminals, no memory.
const DEVICES: &[&str] = &[
	"accel", "dma_heap", "dri", "dxg", "full", "kfd", "kgsl*", "mali*", "null", "nvhost*",
	"nvidia*", "nvmap", "random", "udmabuf", "urandom", "zero",
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
];

/// Environment variables that name folders of many programs, in which only these are read.
const SHARED_PATHS: &[&str] = &["XDG_CONFIG_DIRS", "XDG_DATA_DIRS"];
const OF_DRIVERS: &[&str] = &["drirc.d", "glvnd", "libdrm", "nvidia", "vulkan"];

/// From here on only the job's folder and devices can be written, and only what is listed above
/// read. Returns the version of Landlock that is in force.
///
/// # Errors
/// The kernel has no Landlock, or refuses the rules; the text is for people.
pub fn close(dir: &Path, inputs: impl Iterator<Item = PathBuf>) -> Result<u32, String> {
	match restrict(dir, inputs).map_err(|error| error.to_string())? {
		LandlockStatus::NotImplemented => {
			Err("this kernel has none: it takes Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK"
				.into())
		}
		LandlockStatus::NotEnabled => {
			Err("it is not switched on: add `landlock` to the kernel's `lsm=` parameter".into())
		}
		LandlockStatus::Available { effective_abi, .. } => {
			Ok(effective_abi.min(NEWEST) as i32 as u32)
		}
	}
}

fn restrict(
	dir: &Path,
	inputs: impl Iterator<Item = PathBuf>,
) -> Result<LandlockStatus, RulesetError> {
	let mut rules = Ruleset::default()
		.handle_access(AccessFs::from_all(NEWEST))?
		// No port is opened by a rule, so that all are closed.
		.handle_access(AccessNet::from_all(NEWEST))?
		.scope(Scope::from_all(NEWEST))?
		.create()?;
	let read = AccessFs::ReadFile | AccessFs::ReadDir;
	let device = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
	// A link, a pipe or a socket in the folder could mislead who reads the results.
	let own = AccessFs::from_all(NEWEST)
		& !(AccessFs::Execute
			| AccessFs::MakeBlock
			| AccessFs::MakeChar
			| AccessFs::MakeFifo
			| AccessFs::MakeSock
			| AccessFs::MakeSym
			| AccessFs::IoctlDev);
	let readable = READABLE.iter().map(PathBuf::from).chain(named()).chain(inputs);
	let readable = readable.chain(env::current_exe()).map(|path| (path, read));
	let devices = devices().into_iter().map(|path| (path, device));
	for (path, access) in readable.chain(devices).chain([(dir.to_path_buf(), own)]) {
		// What is not there needs no rule.
		let Ok(file) = PathFd::new(&path) else { continue };
		let access = match path.is_dir() {
			true => access,
			false => access & AccessFs::from_file(NEWEST),
		};
		rules = rules.add_rule(PathBeneath::new(&file, access))?;
		if path == Path::new(PROCESS) {
			// The rule is tied to the inode, and the kernel makes another for the same process when
			// memory is short, unless somebody holds it.
			mem::forget(file);
		}
	}
	Ok(rules.restrict_self()?.landlock)
}

/// What environment variables say beyond [`READABLE`].
fn named() -> Vec<PathBuf> {
	let paths = |name: &&str| {
		env::var_os(name)
			.map(|value| env::split_paths(&value).collect::<Vec<_>>())
			.unwrap_or_default()
	};
	let whole = DRIVER_PATHS.iter().flat_map(paths);
	let parts = SHARED_PATHS.iter().flat_map(paths);
	let parts = parts.flat_map(|path| OF_DRIVERS.iter().map(move |name| path.join(name)));
	whole.chain(parts).filter(|path| !path.as_os_str().is_empty()).collect()
}

fn devices() -> Vec<PathBuf> {
	let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
	let known = entries.filter(|entry| {
		let name = entry.file_name();
		let Some(name) = name.to_str() else { return false };
		DEVICES.iter().any(|device| match device.strip_suffix('*') {
			Some(prefix) => name.starts_with(prefix),
			None => name == *device,
		})
	});
	known.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
	use std::{fs, io::ErrorKind, thread};

	/// In a thread of its own, for that is what Landlock restricts.
	#[test]
	fn files_should_be_closed_but_for_the_folder_the_inputs_and_the_drivers() {
		let base = tempfile::tempdir().unwrap();
		let [job, keys] = ["job", "keys"].map(|name| base.path().join(name));
		[&job, &keys].iter().for_each(|dir| fs::create_dir(dir).unwrap());
		let [secret, input] = ["secret", "input"].map(|name| keys.join(name));
		[&secret, &input].iter().for_each(|file| fs::write(file, b"bytes").unwrap());
		thread::spawn(move || {
			let abi = super::close(&job, [input.clone()].into_iter()).unwrap();
			println!("Landlock version {abi}");
			let denied = |result: std::io::Result<()>| {
				assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied)
			};
			denied(fs::read(&secret).map(drop));
			denied(fs::write(&input, b"other"));
			denied(fs::write(keys.join("new"), b"new"));
			denied(fs::remove_file(&secret));
			denied(fs::read_dir(&keys).map(drop));
			for path in ["/etc/passwd", "/proc/1/status", "/dev/tty", "/usr/bin/env"] {
				denied(fs::read(path).map(drop));
			}
			for path in ["/", "/etc", "/proc", "/home", "/root", "/dev", "/tmp"] {
				denied(fs::read_dir(path).map(drop));
			}
			denied(std::os::unix::fs::symlink(&secret, job.join("link")));
			assert_eq!(fs::read(&input).unwrap(), b"bytes");
			fs::write(job.join("output"), b"output").unwrap();
			fs::remove_file(job.join("output")).unwrap();
			for path in ["/proc/self/status", "/proc/meminfo", "/etc/ld.so.cache"] {
				fs::read(path).unwrap();
			}
			fs::write("/dev/null", b"x").unwrap();
		})
		.join()
		.unwrap();
	}
}

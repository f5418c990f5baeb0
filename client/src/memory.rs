//! What memory this machine has for a job.

use std::path::{Path, PathBuf};

/// Bytes that can be had now: what the kernel calls available, within the limits of this process's
/// control group.
pub fn available() -> u64 {
	let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
	let machine = meminfo(&text(Path::new("/proc/meminfo")), "MemAvailable:");
	let groups = groups(&text(Path::new("/proc/self/cgroup")));
	let left = groups.into_iter().filter_map(|group| {
		let limit = [group.join("memory.max"), group.join("memory.limit_in_bytes")];
		let usage = [group.join("memory.current"), group.join("memory.usage_in_bytes")];
		let number = |paths: &[PathBuf; 2]| paths.iter().find_map(|p| text(p).trim().parse().ok());
		let limit: u64 = number(&limit)?;
		Some(limit.saturating_sub(number(&usage).unwrap_or(0)))
	});
	left.chain(machine).min().unwrap_or(1 << 30)
}

/// A line of `/proc/meminfo` in bytes.
pub(crate) fn meminfo(text: &str, name: &str) -> Option<u64> {
	let line = text.lines().find_map(|line| line.strip_prefix(name))?;
	let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
	kib.checked_mul(1024)
}

/// The folders of the control groups that a process is in, from its own up.
fn groups(text: &str) -> Vec<PathBuf> {
	let mut groups = Vec::new();
	for line in text.lines() {
		let mut parts = line.splitn(3, ':');
		let (Some(_), Some(kinds), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
			continue;
		};
		let root = match kinds {
			"" => Path::new("/sys/fs/cgroup"),
			kinds if kinds.split(',').any(|kind| kind == "memory") => {
				Path::new("/sys/fs/cgroup/memory")
			}
			_ => continue,
		};
		let own = root.join(path.trim_start_matches('/'));
		groups.extend(own.ancestors().take_while(|at| at.starts_with(root)).map(Path::to_owned));
	}
	groups
}

/// Bytes that can be written to the disk of a folder.
pub fn disk(folder: &Path) -> u64 {
	nix::sys::statvfs::statvfs(folder)
		.map_or(u64::MAX, |disk| disk.fragment_size().saturating_mul(disk.blocks_available()))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn memory_should_be_that_of_the_machine_and_its_groups() {
		let text = "MemTotal:       16000 kB\nMemAvailable:    8000 kB\n";
		assert_eq!(meminfo(text, "MemAvailable:"), Some(8_192_000));
		assert_eq!(meminfo(text, "SwapFree:"), None);
		assert!(available() > 1 << 20);
		assert!(disk(&std::env::temp_dir()) > 0);
	}

	#[test]
	fn groups_should_go_up_to_the_root_in_both_versions() {
		let text = "12:cpu:/a\n9:memory:/docker/x\n0::/user.slice/one.service\n";
		let paths: Vec<_> = groups(text).iter().map(|p| p.display().to_string()).collect();
		assert_eq!(
			paths,
			[
				"/sys/fs/cgroup/memory/docker/x",
				"/sys/fs/cgroup/memory/docker",
				"/sys/fs/cgroup/memory",
				"/sys/fs/cgroup/user.slice/one.service",
				"/sys/fs/cgroup/user.slice",
				"/sys/fs/cgroup",
			]
		);
		assert!(groups("nonsense").is_empty());
	}
}

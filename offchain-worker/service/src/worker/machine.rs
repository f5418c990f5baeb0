//! The memory that this machine has: as the kernel says, and as the control groups of this process
//! allow.

use std::{fs, path::Path};

/// Memory that is left to everything but workers, in bytes: the node's own caches and the system.
pub(crate) const RESERVED: u64 = 512 << 20;

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
	/// What there is.
	pub(crate) total: u64,
	/// What can be had without anything being swapped out.
	pub(crate) available: u64,
}

impl Memory {
	/// As it is now. Blocks. What cannot be read is taken as no limit.
	pub(crate) fn now() -> Self {
		Self::read(Path::new("/"))
	}

	/// Most memory that workers may have together, whatever is in use.
	pub(crate) fn for_workers(&self) -> u64 {
		self.total.saturating_sub(RESERVED.max(self.total / 8))
	}

	/// What workers can have now.
	pub(crate) fn spare(&self) -> u64 {
		self.available.saturating_sub(RESERVED)
	}

	/// The same below another root folder, for tests.
	fn read(root: &Path) -> Self {
		let text = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
		let mut memory = Self {
			total: meminfo(&text, "MemTotal:").unwrap_or(u64::MAX),
			available: meminfo(&text, "MemAvailable:").unwrap_or(u64::MAX),
		};
		let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
		for line in groups.lines() {
			let mut parts = line.splitn(3, ':').skip(1);
			let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
			let base = root.join("sys/fs/cgroup");
			match controllers {
				"" => memory.bound(&base, path, &VERSION_2),
				_ if controllers.split(',').any(|name| name == "memory") => {
					memory.bound(&base.join("memory"), path, &VERSION_1);
				}
				_ => {}
			}
		}
		memory
	}

	/// Takes in the limits of a control group and of those above it.
	fn bound(&mut self, base: &Path, path: &str, files: &Files) {
		let group = base.join(path.trim_start_matches('/'));
		for folder in group.ancestors().take_while(|folder| folder.starts_with(base)) {
			let number =
				|name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
			// "max", or no such file, is no limit.
			let Some(limit) = number(files.limit) else { continue };
			let used = number(files.used).unwrap_or_default();
			let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
			// The kernel takes these back before it kills.
			let cached = stat
				.lines()
				.find_map(|line| line.strip_prefix(files.cached)?.trim().parse::<u64>().ok())
				.unwrap_or_default();
			self.total = self.total.min(limit);
			self.available = self.available.min(limit.saturating_sub(used.saturating_sub(cached)));
		}
	}
}

/// What the files of a control group are called.
struct Files {
	limit: &'static str,
	used: &'static str,
	cached: &'static str,
}

const VERSION_1: Files = Files {
	limit: "memory.limit_in_bytes",
	used: "memory.usage_in_bytes",
	cached: "total_inactive_file ",
};

const VERSION_2: Files =
	Files { limit: "memory.max", used: "memory.current", cached: "inactive_file " };

/// A line of `/proc/meminfo`, in bytes.
fn meminfo(text: &str, name: &str) -> Option<u64> {
	let line = text.lines().find_map(|line| line.strip_prefix(name))?;
	let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
	kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
	use super::*;

	const MEMINFO: &str = "MemTotal:       16000000 kB\nMemFree:          100 kB\n\
		MemAvailable:    8000000 kB\n";

	fn machine(files: &[(&str, &str)]) -> Memory {
		let root = tempfile::tempdir().unwrap();
		for (name, text) in files {
			let path = root.path().join(name);
			fs::create_dir_all(path.parent().unwrap()).unwrap();
			fs::write(path, text).unwrap();
		}
		Memory::read(root.path())
	}

	#[test]
	fn memory_should_be_what_the_kernel_says_where_no_group_limits_it() {
		let unlimited = [
			("proc/meminfo", MEMINFO),
			("proc/self/cgroup", "0::/user/app\n"),
			("sys/fs/cgroup/user/app/memory.max", "max\n"),
		];
		let memory = machine(&unlimited);
		assert_eq!((memory.total, memory.available), (16_000_000 << 10, 8_000_000 << 10));
		assert_eq!(memory.spare(), (8_000_000 << 10) - RESERVED);
		assert_eq!(memory.for_workers(), memory.total / 8 * 7);
	}

	#[test]
	fn memory_should_be_that_of_the_strictest_group_above_this_process() {
		let memory = machine(&[
			("proc/meminfo", MEMINFO),
			("proc/self/cgroup", "0::/pod/app\n"),
			("sys/fs/cgroup/pod/app/memory.max", "4000000000\n"),
			("sys/fs/cgroup/pod/app/memory.current", "1000000000\n"),
			("sys/fs/cgroup/pod/memory.max", "3000000000\n"),
			("sys/fs/cgroup/pod/memory.current", "2500000000\n"),
			("sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 500000000\n"),
		]);
		assert_eq!(memory, Memory { total: 3_000_000_000, available: 1_000_000_000 });
		let memory = machine(&[
			("proc/meminfo", MEMINFO),
			("proc/self/cgroup", "5:cpu:/x\n4:memory,hugetlb:/app\n"),
			("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "2000000000\n"),
			("sys/fs/cgroup/memory/app/memory.usage_in_bytes", "3000000000\n"),
		]);
		assert_eq!(memory, Memory { total: 2_000_000_000, available: 0 });
	}

	#[test]
	fn memory_should_be_no_limit_where_nothing_can_be_read() {
		let memory = machine(&[("proc/meminfo", "MemTotal: many kB\n")]);
		assert_eq!(memory, Memory { total: u64::MAX, available: u64::MAX });
		// This machine says something.
		let memory = Memory::now();
		assert!(memory.available <= memory.total && memory.total < u64::MAX);
	}
}

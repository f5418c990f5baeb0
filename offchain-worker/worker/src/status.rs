//! What the kernel says of this process.

use std::fs;

/// The text of `/proc/self/status`.
pub(crate) struct Status(String);

impl Status {
	/// As it is now; `None` where it cannot be read.
	pub(crate) fn read() -> Option<Self> {
		fs::read_to_string("/proc/self/status").ok().map(Self)
	}

	/// Threads that run.
	pub(crate) fn threads(&self) -> Option<u64> {
		self.number("Threads:")
	}

	/// Most KiB of memory that were resident at any time.
	pub(crate) fn peak_kib(&self) -> Option<u64> {
		self.number("VmHWM:")
	}

	fn number(&self, name: &str) -> Option<u64> {
		let line = self.0.lines().find_map(|line| line.strip_prefix(name))?;
		line.split_whitespace().next()?.parse().ok()
	}
}

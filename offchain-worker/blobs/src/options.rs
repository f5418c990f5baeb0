//! Limits of a store, and what it says of itself.

use std::time::Duration;

/// Limits of a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
	/// Most bytes of blobs and uploads together.
	pub quota: u64,
	/// Longest blob, in bytes.
	pub max_blob: u64,
	/// How long something unpinned stays for certain after its last use, or after opening.
	pub grace: Duration,
	/// How long what a job had named or kept is still preferred over nothing after the job has
	/// ended.
	pub retention: Duration,
	/// Most bytes that one owner's blobs, and one job's kept blobs, hold against everyone else.
	/// More may be here, and makes way.
	pub share: u64,
}

impl Options {
	/// A quota in bytes with the default limits: blobs of up to 16 GiB, one hour of grace, a day of
	/// retention, a quarter of the quota for one owner.
	pub fn with_quota(quota: u64) -> Self {
		Options {
			quota,
			max_blob: 16 << 30,
			grace: Duration::from_secs(3600),
			retention: Duration::from_secs(24 * 3600),
			share: quota / 4,
		}
	}

	/// Most blobs and uploads together, so that small ones do not use up the disk's inodes.
	pub(crate) fn most(&self) -> u64 {
		self.quota / 4096 + 64
	}
}

/// How much of a blob is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Status {
	/// Complete, verified and ready to be read.
	pub present: bool,
	/// Length of the blob in bytes as far as it is known, else 0.
	pub len: u64,
	/// Bytes received; an upload goes on from here.
	pub received: u64,
}

/// What a store holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
	/// Bytes of blobs, and received by uploads. What is announced and not here takes no room.
	pub used: u64,
	/// Most bytes that `used` can be.
	pub quota: u64,
	/// Complete blobs.
	pub blobs: usize,
	/// Uploads under way.
	pub uploads: usize,
}

//! Content-addressed store of tensors and programs on disk.
//!
//! A blob's name is the BLAKE3 hash of its bytes: the tensor root of an input or output, the id of
//! a program. Blobs arrive in parts, in order, from clients and peers, and become visible only when
//! the whole file on disk has the hash it is named by. What is visible is never changed, only
//! removed.
//!
//! ```text
//! DIR/format                     "assay-blobs 1"
//! DIR/lock                       held exclusively while the store is open
//! DIR/blobs/<root>               complete blobs
//! DIR/partial/<root>-<len>-<n>   uploads under way, as long as what has arrived
//! DIR/quiet/<root>               empty; nobody outside is told of this blob
//! ```
//!
//! All of it is made for the owner of the process alone (mode 0700), and what an earlier version
//! left readable is closed when the store is opened.
//!
//! # Crashes
//! A blob is written as a partial file, hashed, synced, then renamed. After a crash an upload
//! resumes from the length of its partial file; if the crash garbled that file, the hash at the end
//! says so. A blob that was on disk when the store was opened is hashed once before it is first
//! handed out, so damage at rest is [`BlobError::Corrupt`] and the blob is gone, never wrong bytes.
//!
//! # Room
//! What is here counts against the quota, and the part that is being written. What is only
//! announced takes nothing. When there is no room, others make way: what nobody needs, what
//! somebody has beyond the share of an owner, what has stopped moving, what is worth less, what
//! came later, in this order (`room.rs`). A pin holds a blob that is here as a whole, as long as
//! its owner has no more than a share; see [`BlobStore::keep`] and [`BlobStore::claim`]. Pins and
//! jobs live in memory: whoever knows of them says so again after a restart, for which the grace
//! period, counted from opening at the earliest, leaves time. A full disk is [`BlobError::Full`]
//! and leaves everything stored so far as it was.
//!
//! Calls block on the disk; from async code use a blocking task. All of them may be made from any
//! thread.
#![warn(missing_docs)]

mod claims;
mod disk;
mod jobs;
mod options;
mod room;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use jobs::{Claim, Job, Owner};
pub use options::{Options, Status, Usage};
pub use store::BlobStore;

use std::{io, path::PathBuf};

const LOG_TARGET: &str = "assay::blobs";

/// A BLAKE3 hash, the address of a blob.
pub type Hash = [u8; 32];

/// Largest part that the interfaces on top of a store should accept in one message, in bytes.
pub const MAX_PART: usize = 1 << 20;

/// Why a call on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
	/// There is no such blob, or not yet all of it.
	#[error("no blob {}", hex::encode(.0))]
	Unknown(Hash),
	/// All bytes arrived and have another hash. The upload was discarded: it starts again from 0.
	#[error("the bytes of blob {} have the hash {}", hex::encode(.expected), hex::encode(.actual))]
	RootMismatch {
		/// The hash that the blob was announced with.
		expected: Hash,
		/// The hash of what arrived.
		actual: Hash,
	},
	/// The file on disk no longer has the hash it is named by. It was removed: fetch it again.
	#[error("blob {} was damaged on disk and is removed", hex::encode(.0))]
	Corrupt(Hash),
	/// The blob is longer than this store takes.
	#[error("{len} bytes are more than the {max} that a blob may have")]
	TooLarge {
		/// Announced length in bytes.
		len: u64,
		/// Limit in bytes.
		max: u64,
	},
	/// No room within the quota, and nothing that may make way. Unpin blobs or raise the quota.
	#[error("{needed} bytes do not fit: {used} of {quota} bytes are in use")]
	Quota {
		/// Bytes asked for.
		needed: u64,
		/// Bytes in use or reserved.
		used: u64,
		/// The quota in bytes.
		quota: u64,
	},
	/// A job keeps as much as one may.
	#[error("job {job} would keep {needed} bytes, and one job may keep {share}: raise the quota, of which this is a quarter")]
	Share {
		/// The job.
		job: Job,
		/// Bytes that it would keep.
		needed: u64,
		/// Most bytes that it may keep.
		share: u64,
	},
	/// The disk is full. Nothing that was stored is affected; the upload can go on once there is
	/// room.
	#[error("the disk of the blob store is full")]
	Full,
	/// Parts come in order: the next one starts at `received`.
	#[error("the part starts at {offset}, but {received} bytes have been received")]
	Gap {
		/// Where the part starts.
		offset: u64,
		/// Where the next part must start, or before.
		received: u64,
	},
	/// An empty blob, a part that reaches beyond the blob, or a read that starts beyond it.
	#[error("bytes {offset}..{offset}+{len} are not in a blob of {total} bytes")]
	Range {
		/// First byte.
		offset: u64,
		/// Number of bytes.
		len: u64,
		/// Length of the blob.
		total: u64,
	},
	/// The blob is pinned and stays.
	#[error("blob {} is in use", hex::encode(.0))]
	Pinned(Hash),
	/// Another process has this store open.
	#[error("the blob store {} is open in another process", .0.display())]
	Locked(PathBuf),
	/// The folder holds something else, or a store of another version.
	#[error("{} is not a blob store of this version", .0.display())]
	Format(PathBuf),
	/// Anything else that the operating system reports.
	#[error("blob store: {0}")]
	Io(io::Error),
}

impl From<io::Error> for BlobError {
	fn from(error: io::Error) -> Self {
		match error.kind() {
			io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full,
			_ => BlobError::Io(error),
		}
	}
}

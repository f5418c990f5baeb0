//! What the store knows of its files, behind one lock: blobs, uploads, pins and jobs, and what they
//! take.

use crate::{
	jobs::{Job, Jobs, Owner, Standing},
	room::{Kind, Object},
	BlobError, Hash, Options, LOG_TARGET,
};
use parking_lot::Mutex;
use std::{
	collections::{BTreeSet, HashMap, HashSet},
	fs::{self, File},
	io,
	path::{Path, PathBuf},
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::Instant,
};

#[derive(Default)]
pub(crate) struct State {
	pub(crate) blobs: HashMap<Hash, Blob>,
	pub(crate) uploads: HashMap<Hash, Arc<Upload>>,
	pub(crate) pins: HashMap<Hash, u32>,
	/// What jobs name and keep.
	pub(crate) jobs: Jobs,
	/// Who a blob or upload was for last, also when its job has ended.
	pub(crate) owners: HashMap<Hash, Vec<Owner>>,
	/// Blobs and uploads that nobody outside this node is told of, and the jobs whose results they
	/// are. Each has a marker on disk.
	pub(crate) quiet: HashMap<Hash, BTreeSet<Job>>,
	/// Roots whose hash a thread checks now.
	pub(crate) checking: HashSet<Hash>,
	/// Bytes of all blobs, and received or being written by all uploads.
	pub(crate) used: u64,
	/// Makes names of partial files unique, also against a discarded upload that is still being
	/// written.
	pub(crate) next: u64,
}

pub(crate) struct Blob {
	pub(crate) len: u64,
	pub(crate) used: Instant,
	/// Its job has ended: from then on it is kept for a while.
	pub(crate) released: Option<Instant>,
	/// Whether its hash has been checked since the store was opened.
	pub(crate) verified: bool,
}

/// An upload. Lock order: `file` before the store's state, never the other way round.
pub(crate) struct Upload {
	pub(crate) path: PathBuf,
	pub(crate) total: u64,
	pub(crate) received: AtomicU64,
	/// What it counts against the quota; changed under the store's state only.
	pub(crate) charged: AtomicU64,
	/// Its place among the uploads, from the first to the latest.
	pub(crate) number: u64,
	pub(crate) used: Mutex<Instant>,
	pub(crate) file: Mutex<File>,
}

impl State {
	/// Whether there is anything of a blob.
	pub(crate) fn holds(&self, root: &Hash) -> bool {
		self.blobs.contains_key(root) || self.uploads.contains_key(root)
	}

	/// Whose a blob is and what for: of the open jobs that name it, else of the last ones.
	pub(crate) fn standing(&self, root: &Hash) -> Standing {
		match self.jobs.standing(root) {
			Some(standing) if !standing.owners.is_empty() => standing,
			_ => {
				let owners = self.owners.get(root).cloned().unwrap_or_default();
				Standing { owners, ..Standing::default() }
			}
		}
	}

	/// Notes whose a blob is, for the time after their jobs.
	pub(crate) fn note_owners(&mut self, root: &Hash) {
		let Some(standing) = self.jobs.standing(root) else { return };
		if self.holds(root) && !standing.owners.is_empty() {
			self.owners.insert(*root, standing.owners);
		}
	}

	/// Everything that is here, as far as making room goes.
	fn objects(&self) -> Vec<Object> {
		let object = |root: &Hash, kind, len, used, released| Object {
			root: *root,
			kind,
			len,
			used,
			released,
			pinned: self.pins.contains_key(root) || self.jobs.is_kept(root),
			named: self.jobs.is_open(root),
			standing: self.standing(root),
		};
		let blobs = self
			.blobs
			.iter()
			.map(|(root, blob)| object(root, Kind::Whole, blob.len, blob.used, blob.released));
		let uploads = self.uploads.iter().map(|(root, upload)| {
			let charged = upload.charged.load(Ordering::Relaxed);
			object(root, Kind::Upload(upload.number), charged, *upload.used.lock(), None)
		});
		blobs.chain(uploads).collect()
	}

	/// Removes what may make way until `needed` further bytes of `root` fit, or fails and removes
	/// nothing.
	pub(crate) fn make_room(
		&mut self,
		root: &Hash,
		needed: u64,
		options: &Options,
		dir: &Path,
	) -> Result<(), BlobError> {
		let quota = options.quota;
		let over = self.used.saturating_add(needed).saturating_sub(quota);
		if over == 0 {
			return Ok(());
		}
		let number = self.uploads.get(root).map_or(self.next, |upload| upload.number);
		let standing = self.standing(root);
		let objects = self.objects();
		match crate::room::displace(&objects, root, &standing, number, needed, over, options) {
			Some(gone) => {
				self.displace(&gone, dir);
				Ok(())
			}
			None => Err(BlobError::Quota { needed, used: self.used, quota }),
		}
	}

	/// Makes a place for one more upload among those that there may be.
	pub(crate) fn make_place(
		&mut self,
		root: &Hash,
		options: &Options,
		dir: &Path,
	) -> Result<(), BlobError> {
		if ((self.blobs.len() + self.uploads.len()) as u64) < options.most() {
			return Ok(());
		}
		// As if every file were as long as what there is room for one.
		let mut objects = self.objects();
		objects.iter_mut().for_each(|object| object.len = 1);
		let limits = Options { share: options.most() / 4, ..*options };
		let (standing, number) = (self.standing(root), self.next);
		match crate::room::displace(&objects, root, &standing, number, 1, 1, &limits) {
			Some(gone) => {
				self.displace(&gone, dir);
				Ok(())
			}
			None => Err(BlobError::Quota { needed: 1, used: self.used, quota: options.quota }),
		}
	}

	fn displace(&mut self, gone: &[Hash], dir: &Path) {
		for root in gone {
			log::info!(target: LOG_TARGET, "blob {} makes way", hex::encode(root));
			self.remove_blob(root, dir);
			self.remove_upload(root);
			self.forget_marks(root, dir);
		}
	}

	/// After a blob is gone: nothing is remembered of it.
	pub(crate) fn forget_marks(&mut self, root: &Hash, dir: &Path) {
		if self.holds(root) {
			return;
		}
		self.owners.remove(root);
		if self.quiet.remove(root).is_some() {
			discard(&dir.join("quiet").join(hex::encode(root)));
		}
	}

	pub(crate) fn is_current(&self, root: &Hash, upload: &Arc<Upload>) -> bool {
		self.uploads.get(root).is_some_and(|current| Arc::ptr_eq(current, upload))
	}

	pub(crate) fn remove_blob(&mut self, root: &Hash, dir: &Path) {
		if let Some(blob) = self.blobs.remove(root) {
			self.used -= blob.len;
			discard(&dir.join("blobs").join(hex::encode(root)));
		}
	}

	pub(crate) fn remove_upload(&mut self, root: &Hash) {
		if let Some(upload) = self.uploads.remove(root) {
			self.used -= upload.charged.load(Ordering::Relaxed);
			discard(&upload.path);
		}
	}
}

/// Removes a file that is no longer part of the store. That it may already be gone is fine; that it
/// cannot be removed costs room, not correctness.
pub(crate) fn discard(path: &Path) {
	match fs::remove_file(path) {
		Err(error) if error.kind() != io::ErrorKind::NotFound => {
			log::warn!(target: LOG_TARGET, "cannot remove {}: {error}", path.display());
		}
		_ => {}
	}
}

//! The store itself.

use crate::{
	disk,
	state::{discard, Blob, State, Upload},
	BlobError, Hash, Options, Status, Usage, LOG_TARGET, MAX_PART,
};
use parking_lot::{Condvar, Mutex};
use std::{
	fs::{self, File, OpenOptions, TryLockError},
	io::{self, Read},
	os::unix::fs::{FileExt, OpenOptionsExt},
	path::PathBuf,
	sync::{atomic::Ordering, Arc},
	time::Instant,
};

const FORMAT: &str = "assay-blobs 1\n";

/// A content-addressed store on disk. See the crate's documentation.
pub struct BlobStore {
	pub(crate) dir: PathBuf,
	pub(crate) options: Options,
	pub(crate) state: Mutex<State>,
	/// A check of a blob's hash has ended.
	checked: Condvar,
	/// Held until the store is dropped.
	_lock: File,
}

impl BlobStore {
	/// Opens the store in `dir`, or makes one, with a quota in bytes and the default limits.
	pub fn open(dir: impl Into<PathBuf>, quota: u64) -> Result<Self, BlobError> {
		Self::open_with(dir, Options::with_quota(quota))
	}

	/// Opens the store in `dir`, or makes one.
	///
	/// Uploads found there can go on; files that cannot belong to a store are removed.
	pub fn open_with(dir: impl Into<PathBuf>, options: Options) -> Result<Self, BlobError> {
		let dir = dir.into();
		// What is kept here is not meant for other users of the machine: results that are not
		// revealed yet, and inputs that their requester may not want to show.
		disk::private_dir(&dir)?;
		for folder in ["blobs", "partial", "quiet"] {
			disk::private_dir(&dir.join(folder))?;
		}
		let lock = OpenOptions::new()
			.create(true)
			.truncate(false)
			.write(true)
			.mode(0o600)
			.open(dir.join("lock"))?;
		match lock.try_lock() {
			Ok(()) => {}
			Err(TryLockError::WouldBlock) => return Err(BlobError::Locked(dir)),
			Err(TryLockError::Error(error)) => return Err(error.into()),
		}
		let format = dir.join("format");
		match fs::read(&format) {
			Ok(text) if text == FORMAT.as_bytes() => {}
			// An empty file is what a crash right after creation leaves.
			Ok(text) if !text.is_empty() => return Err(BlobError::Format(dir)),
			Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
			_ => {
				fs::write(&format, FORMAT)?;
				disk::sync(&File::open(&format)?)?;
				disk::sync_dir(&dir)?;
			}
		}
		let (state, checked) = (Mutex::default(), Condvar::new());
		let store = BlobStore { dir, options, state, checked, _lock: lock };
		store.scan()?;
		Ok(store)
	}

	/// Takes in what an earlier process left.
	fn scan(&self) -> Result<(), BlobError> {
		let now = Instant::now();
		let mut state = self.state.lock();
		for entry in fs::read_dir(self.dir.join("blobs"))? {
			let entry = entry?;
			let (meta, root) =
				(entry.metadata()?, parse_hash(&entry.file_name().to_string_lossy()));
			match root {
				Some(root) if meta.is_file() && meta.len() > 0 => {
					state.used += meta.len();
					let blob = Blob { len: meta.len(), used: now, released: None, verified: false };
					state.blobs.insert(root, blob);
				}
				_ => discard(&entry.path()),
			}
		}
		for entry in fs::read_dir(self.dir.join("partial"))? {
			let entry = entry?;
			let (meta, path) = (entry.metadata()?, entry.path());
			let name = entry.file_name().to_string_lossy().into_owned();
			let Some((root, total, number)) = parse_partial(&name).filter(|_| meta.is_file())
			else {
				discard(&path);
				continue;
			};
			state.next = state.next.max(number.saturating_add(1));
			let taken = state.blobs.contains_key(&root) || state.uploads.contains_key(&root);
			let room = self.options.quota.saturating_sub(state.used);
			let fits = meta.len() <= room && total <= self.options.quota;
			if taken || !fits || meta.len() == 0 || meta.len() > total {
				discard(&path);
				continue;
			}
			let file = OpenOptions::new().read(true).write(true).open(&path)?;
			let upload = Upload {
				path,
				total,
				received: meta.len().into(),
				charged: meta.len().into(),
				number,
				used: Mutex::new(now),
				file: Mutex::new(file),
			};
			state.used += meta.len();
			state.uploads.insert(root, Arc::new(upload));
		}
		drop(state);
		for entry in fs::read_dir(self.dir.join("quiet"))? {
			let path = entry?.path();
			let name = path.file_name().unwrap_or_default().to_string_lossy();
			let Some((root, len)) = parse_hash(&name)
				.map(|root| (root, self.status(&root).len))
				.filter(|(_, len)| *len > 0)
			else {
				discard(&path);
				continue;
			};
			// Whatever is in the marker, that it is there makes the blob quiet.
			let jobs = self.keep_marked(root, len, &fs::read_to_string(&path).unwrap_or_default());
			self.state.lock().quiet.insert(root, jobs);
		}
		Ok(())
	}

	fn blob_path(&self, root: &Hash) -> PathBuf {
		self.dir.join("blobs").join(hex::encode(root))
	}

	pub(crate) fn marker(&self, root: &Hash) -> PathBuf {
		self.dir.join("quiet").join(hex::encode(root))
	}

	/// Takes a part of the blob `root`, which has `total` bytes. Parts come in order, the first one
	/// starts the upload; bytes already received are skipped, so a part can be sent again. With the
	/// last part the blob is checked and becomes visible; an empty part at the end finishes an
	/// upload of which all bytes had arrived before a crash.
	///
	/// Several uploaders of one blob share the upload. If one of them sent wrong bytes, all of them
	/// see [`BlobError::RootMismatch`] or [`BlobError::Gap`] and start again.
	///
	/// Only what arrives takes room. Where there is none, an upload can lose what it has to one
	/// that goes before it, and then starts again from 0.
	pub fn put_part(
		&self,
		root: Hash,
		offset: u64,
		total: u64,
		bytes: &[u8],
	) -> Result<Status, BlobError> {
		self.show(&root)?;
		self.put(root, offset, total, bytes)
	}

	pub(crate) fn put(
		&self,
		root: Hash,
		offset: u64,
		total: u64,
		bytes: &[u8],
	) -> Result<Status, BlobError> {
		let len = bytes.len() as u64;
		let end = offset.checked_add(len).filter(|end| total > 0 && *end <= total);
		let Some(end) = end else { return Err(BlobError::Range { offset, len, total }) };
		if total > self.options.max_blob {
			return Err(BlobError::TooLarge { len: total, max: self.options.max_blob });
		}
		let upload = match self.begin(root, offset, total)? {
			Begun::Present(len) => return Ok(Status { present: true, len, received: len }),
			Begun::Upload(upload) => upload,
		};
		let file = upload.file.lock();
		if !self.is_current(&root, &upload) {
			// Finished or discarded while this call waited for the file.
			return match self.status(&root) {
				status if status.present => Ok(status),
				status => Err(BlobError::Gap { offset, received: status.received }),
			};
		}
		*upload.used.lock() = Instant::now();
		let received = upload.received.load(Ordering::Acquire);
		if offset > received {
			return Err(BlobError::Gap { offset, received });
		}
		if end > received {
			let new = &bytes[(received - offset) as usize..];
			let written = self.charge(&root, &upload, new.len() as u64).and_then(|()| {
				disk::write_at(&file, new, received).map_err(|error| {
					self.refund(&root, &upload, new.len() as u64);
					error.into()
				})
			});
			if let Err(error) = written {
				if !self.is_current(&root, &upload) {
					return Err(BlobError::Gap { offset, received: self.status(&root).received });
				}
				// Keep what was there before, so that the upload can go on when there is room.
				if received == 0 || file.set_len(received).is_err() {
					self.drop_upload(&root, &upload);
				}
				return Err(error);
			}
			upload.received.store(end, Ordering::Release);
		}
		let received = received.max(end);
		if received < total {
			return Ok(Status { present: false, len: total, received });
		}
		if let Err(error) = self.finish(root, &upload, &file) {
			if !self.is_current(&root, &upload) {
				// Another caller discarded it meanwhile, that is all that went wrong.
				return Err(BlobError::Gap { offset, received: self.status(&root).received });
			}
			self.drop_upload(&root, &upload);
			return Err(error);
		}
		Ok(Status { present: true, len: total, received: total })
	}

	/// Finds the blob, its upload, or begins one.
	fn begin(&self, root: Hash, offset: u64, total: u64) -> Result<Begun, BlobError> {
		let mut state = self.state.lock();
		if let Some(blob) = state.blobs.get_mut(&root) {
			blob.used = Instant::now();
			return Ok(Begun::Present(blob.len));
		}
		match state.uploads.get(&root).cloned() {
			Some(upload) if upload.total == total => return Ok(Begun::Upload(upload)),
			_ if offset > 0 => return Err(BlobError::Gap { offset, received: 0 }),
			// Announced with another length: one of the two is wrong, the later one gets its
			// chance.
			Some(_) => state.remove_upload(&root),
			None => {}
		}
		// Whatever makes way, it could never be whole.
		if total > self.options.quota {
			let (used, quota) = (state.used, self.options.quota);
			return Err(BlobError::Quota { needed: total, used, quota });
		}
		state.make_place(&root, &self.options, &self.dir)?;
		let number = state.next;
		let name = format!("{}-{total}-{number}", hex::encode(root));
		state.next += 1;
		let path = self.dir.join("partial").join(name);
		let mut create = OpenOptions::new();
		let file = create.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
		let upload = Arc::new(Upload {
			path,
			total,
			received: 0.into(),
			charged: 0.into(),
			number,
			used: Mutex::new(Instant::now()),
			file: Mutex::new(file),
		});
		state.uploads.insert(root, upload.clone());
		Ok(Begun::Upload(upload))
	}

	/// Makes room for further bytes of an upload and counts them.
	fn charge(&self, root: &Hash, upload: &Arc<Upload>, bytes: u64) -> Result<(), BlobError> {
		let mut state = self.state.lock();
		if !state.is_current(root, upload) {
			return Err(BlobError::Unknown(*root));
		}
		state.make_room(root, bytes, &self.options, &self.dir)?;
		upload.charged.fetch_add(bytes, Ordering::Relaxed);
		state.used += bytes;
		Ok(())
	}

	/// Takes back [`BlobStore::charge`], unless the upload has gone with all that it counted.
	fn refund(&self, root: &Hash, upload: &Arc<Upload>, bytes: u64) {
		let mut state = self.state.lock();
		if state.is_current(root, upload) {
			upload.charged.fetch_sub(bytes, Ordering::Relaxed);
			state.used -= bytes;
		}
	}

	/// Checks a complete upload and makes it visible. Whatever fails, the caller discards the
	/// upload: after a failed sync nobody knows what is on disk.
	fn finish(&self, root: Hash, upload: &Arc<Upload>, file: &File) -> Result<(), BlobError> {
		let actual = disk::hash(&upload.path)?;
		if actual != root {
			return Err(BlobError::RootMismatch { expected: root, actual });
		}
		disk::sync(file)?;
		let mut state = self.state.lock();
		if !state.is_current(&root, upload) {
			return Err(BlobError::Unknown(root));
		}
		fs::rename(&upload.path, self.blob_path(&root))?;
		state.uploads.remove(&root);
		let (len, used) = (upload.total, Instant::now());
		let blob = Blob { len, used, released: None, verified: true };
		state.blobs.insert(root, blob);
		drop(state);
		// If this fails, a crash can lose the blob but not falsify it.
		if let Err(error) = disk::sync_dir(&self.dir.join("blobs")) {
			log::warn!(target: LOG_TARGET, "cannot sync the folder of blobs: {error}");
		}
		Ok(())
	}

	fn is_current(&self, root: &Hash, upload: &Arc<Upload>) -> bool {
		self.state.lock().is_current(root, upload)
	}

	fn drop_upload(&self, root: &Hash, upload: &Arc<Upload>) {
		let mut state = self.state.lock();
		if state.is_current(root, upload) {
			state.remove_upload(root);
			state.forget_marks(root, &self.dir);
		}
	}

	/// Stores `bytes` and returns their address.
	pub fn insert(&self, bytes: &[u8]) -> Result<Hash, BlobError> {
		let root = *blake3::hash(bytes).as_bytes();
		self.insert_from(root, bytes.len() as u64, bytes)?;
		Ok(root)
	}

	/// Stores the blob `root` of `total` bytes from a reader. Fails with an `UnexpectedEof` if it
	/// has fewer.
	pub fn insert_from(&self, root: Hash, total: u64, reader: impl Read) -> Result<(), BlobError> {
		self.show(&root)?;
		self.insert_all(root, total, reader)
	}

	pub(crate) fn insert_all(
		&self,
		root: Hash,
		total: u64,
		mut reader: impl Read,
	) -> Result<(), BlobError> {
		let mut buffer = vec![0; total.min(MAX_PART as u64) as usize];
		let mut offset = 0;
		while offset < total {
			let len = buffer.len().min((total - offset) as usize);
			reader.read_exact(&mut buffer[..len])?;
			self.put(root, offset, total, &buffer[..len])?;
			offset += len as u64;
		}
		match total {
			0 => Err(BlobError::Range { offset: 0, len: 0, total: 0 }),
			_ => Ok(()),
		}
	}

	/// How much of the blob is here.
	pub fn status(&self, root: &Hash) -> Status {
		let state = self.state.lock();
		if let Some(Blob { len, .. }) = state.blobs.get(root) {
			return Status { present: true, len: *len, received: *len };
		}
		state.uploads.get(root).map_or(Status::default(), |upload| Status {
			present: false,
			len: upload.total,
			received: upload.received.load(Ordering::Acquire),
		})
	}

	/// Whether the whole blob is here.
	pub fn contains(&self, root: &Hash) -> bool {
		self.status(root).present
	}

	/// The file of a blob, its hash checked at least once since the store was opened. It may be
	/// removed at any time unless the blob is pinned; whoever reads it can check its hash again.
	pub fn path(&self, root: &Hash) -> Result<PathBuf, BlobError> {
		self.use_blob(root).map(|_| self.blob_path(root))
	}

	/// Up to `len` bytes from `offset`, fewer only at the blob's end.
	pub fn get(&self, root: &Hash, offset: u64, len: usize) -> Result<Vec<u8>, BlobError> {
		let total = self.use_blob(root)?;
		if offset > total {
			return Err(BlobError::Range { offset, len: len as u64, total });
		}
		let mut bytes = vec![0; len.min((total - offset) as usize)];
		let file = self.open_blob(root)?;
		match file.read_exact_at(&mut bytes, offset) {
			Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.corrupt(root)),
			read => Ok(read.map(|_| bytes)?),
		}
	}

	/// The whole blob, its hash checked now.
	pub fn read(&self, root: &Hash) -> Result<Vec<u8>, BlobError> {
		self.use_blob(root)?;
		let mut bytes = Vec::new();
		self.open_blob(root)?.read_to_end(&mut bytes)?;
		match *blake3::hash(&bytes).as_bytes() == *root {
			true => Ok(bytes),
			false => Err(self.corrupt(root)),
		}
	}

	/// Hashes every blob and removes the damaged ones, whose addresses it returns.
	pub fn scrub(&self) -> Result<Vec<Hash>, BlobError> {
		let mut damaged = Vec::new();
		for (root, _) in self.list() {
			match self.verify(&root) {
				Err(BlobError::Corrupt(root)) => damaged.push(root),
				Ok(()) | Err(BlobError::Unknown(_)) => {}
				Err(error) => return Err(error),
			}
		}
		Ok(damaged)
	}

	/// Hashes one blob now, whatever was checked before.
	///
	/// # Errors
	/// [`BlobError::Corrupt`] when it is damaged; it is removed then.
	pub fn check(&self, root: &Hash) -> Result<(), BlobError> {
		match self.contains(root) {
			true => self.verify(root),
			false => Err(BlobError::Unknown(*root)),
		}
	}

	/// Whether the blob is here and its hash has been checked since the store was opened, so that
	/// reading it takes no time.
	pub fn is_checked(&self, root: &Hash) -> bool {
		self.state.lock().blobs.get(root).is_some_and(|blob| blob.verified)
	}

	/// Notes a use of the blob, checks it if this has not been done, and returns its length. One
	/// thread hashes a blob, whoever wants it meanwhile waits.
	fn use_blob(&self, root: &Hash) -> Result<u64, BlobError> {
		let mut state = self.state.lock();
		loop {
			let blob = state.blobs.get_mut(root).ok_or(BlobError::Unknown(*root))?;
			blob.used = Instant::now();
			if blob.verified {
				return Ok(blob.len);
			}
			if state.checking.insert(*root) {
				break;
			}
			self.checked.wait(&mut state);
		}
		drop(state);
		let claim = Checking(self, *root);
		self.verify(root)?;
		drop(claim);
		self.state.lock().blobs.get(root).map(|blob| blob.len).ok_or(BlobError::Unknown(*root))
	}

	fn verify(&self, root: &Hash) -> Result<(), BlobError> {
		match disk::hash(&self.blob_path(root)) {
			Ok(actual) if actual == *root => {
				if let Some(blob) = self.state.lock().blobs.get_mut(root) {
					blob.verified = true;
				}
				Ok(())
			}
			Ok(_) => Err(self.corrupt(root)),
			Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.missing(root)),
			Err(error) => Err(error.into()),
		}
	}

	fn open_blob(&self, root: &Hash) -> Result<File, BlobError> {
		File::open(self.blob_path(root)).map_err(|error| match error.kind() {
			io::ErrorKind::NotFound => self.missing(root),
			_ => error.into(),
		})
	}

	/// What a missing file means: made way a moment ago, or removed behind the store's back.
	fn missing(&self, root: &Hash) -> BlobError {
		match self.contains(root) {
			true => self.corrupt(root),
			false => BlobError::Unknown(*root),
		}
	}

	fn corrupt(&self, root: &Hash) -> BlobError {
		log::error!(target: LOG_TARGET, "blob {} is damaged, removing it", hex::encode(root));
		let mut state = self.state.lock();
		state.remove_blob(root, &self.dir);
		state.forget_marks(root, &self.dir);
		BlobError::Corrupt(*root)
	}

	/// Keeps a blob, once it is here, until it is unpinned as often as it was pinned. What of it is
	/// still on its way can be displaced, and what its owner has beyond the share of an owner too.
	pub fn pin(&self, root: Hash) {
		*self.state.lock().pins.entry(root).or_default() += 1;
	}

	/// Takes back one [`BlobStore::pin`]. Returns whether there was one.
	pub fn unpin(&self, root: &Hash) -> bool {
		let mut state = self.state.lock();
		let Some(pins) = state.pins.get_mut(root) else { return false };
		*pins -= 1;
		if *pins == 0 {
			state.pins.remove(root);
		}
		true
	}

	/// Removes a blob or upload that is not pinned.
	pub fn remove(&self, root: &Hash) -> Result<(), BlobError> {
		let mut state = self.state.lock();
		if state.pins.contains_key(root) {
			return Err(BlobError::Pinned(*root));
		}
		if !state.holds(root) {
			return Err(BlobError::Unknown(*root));
		}
		if state.jobs.is_open(root) {
			return Err(BlobError::Pinned(*root));
		}
		state.remove_blob(root, &self.dir);
		state.remove_upload(root);
		state.forget_marks(root, &self.dir);
		Ok(())
	}

	/// Addresses and lengths of all complete blobs, in no particular order.
	pub fn list(&self) -> Vec<(Hash, u64)> {
		self.state.lock().blobs.iter().map(|(root, blob)| (*root, blob.len)).collect()
	}

	/// What the store holds.
	pub fn usage(&self) -> Usage {
		let state = self.state.lock();
		Usage {
			used: state.used,
			quota: self.options.quota,
			blobs: state.blobs.len(),
			uploads: state.uploads.len(),
		}
	}
}

enum Begun {
	Present(u64),
	Upload(Arc<Upload>),
}

/// Takes a root out of those that are being checked, also after a panic, and wakes who waits for
/// it.
struct Checking<'a>(&'a BlobStore, Hash);

impl Drop for Checking<'_> {
	fn drop(&mut self) {
		self.0.state.lock().checking.remove(&self.1);
		self.0.checked.notify_all();
	}
}

fn parse_hash(name: &str) -> Option<Hash> {
	let mut root = [0; 32];
	hex::decode_to_slice(name, &mut root).ok()?;
	// Capital letters would be another file of the same name.
	(hex::encode(root) == name).then_some(root)
}

fn parse_partial(name: &str) -> Option<(Hash, u64, u64)> {
	let mut parts = name.split('-');
	let (root, total, number) = (parts.next()?, parts.next()?, parts.next()?);
	let parsed = (parse_hash(root)?, total.parse().ok()?, number.parse().ok()?);
	parts.next().is_none().then_some(parsed)
}

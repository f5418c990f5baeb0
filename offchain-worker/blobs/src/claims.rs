//! What a store does for jobs.
//!
//! Whoever follows the chain says which blobs an open job names ([`BlobStore::claim`]) and when it
//! has ended ([`BlobStore::release`]). A part of the node that owes something to a job, as its
//! attester or verifier, keeps blobs for it ([`BlobStore::keep`]), also such as nobody outside
//! shall know of yet ([`BlobStore::insert_quiet_from`]).

use crate::{
	disk,
	jobs::{Claim, Job, Owner, Record},
	BlobError, BlobStore, Hash, Status, LOG_TARGET,
};
use std::{
	collections::{BTreeMap, BTreeSet},
	io::{self, Read},
	time::Instant,
};

impl BlobStore {
	/// An open job names these blobs, as inputs or outputs, whether they are here or not. Until
	/// [`BlobStore::release`] they make way only for what is worth more or for those whose owner
	/// has less. What of them was quiet for this job is shown.
	///
	/// # Errors
	/// When the disk fails.
	pub fn claim(&self, job: Job, claim: Claim, roots: BTreeSet<Hash>) -> Result<(), BlobError> {
		self.name(job, Some(claim), roots)
	}

	/// The same of a job of which nobody knows whose it is.
	///
	/// # Errors
	/// When the disk fails.
	pub fn name(
		&self,
		job: Job,
		claim: Option<Claim>,
		roots: BTreeSet<Hash>,
	) -> Result<(), BlobError> {
		let quiet: Vec<_> = {
			let mut state = self.state.lock();
			let record = state.jobs.records.entry(job).or_default();
			record.claim = claim.or(record.claim);
			let before = std::mem::replace(&mut record.named, roots.clone());
			let kept: BTreeSet<_> = record.kept.keys().copied().collect();
			for gone in before.difference(&roots).filter(|root| !kept.contains(*root)) {
				state.jobs.unlink(job, gone);
			}
			roots.iter().for_each(|root| state.jobs.link(job, *root));
			let was_quiet = |root: &Hash| state.quiet.get(root).is_some_and(|of| of.contains(&job));
			roots.into_iter().filter(was_quiet).collect()
		};
		quiet.iter().try_for_each(|root| self.show(root))
	}

	/// Keeps a blob of `len` bytes, here or yet to come, until [`BlobStore::release`] of this job.
	/// What is here then stays as long as its owner has no more than a share; nothing is reserved
	/// for what is not.
	///
	/// # Errors
	/// [`BlobError::Share`] when the job would keep more than [`crate::Options::share`].
	pub fn keep(&self, job: Job, root: Hash, len: u64) -> Result<(), BlobError> {
		let share = self.options.share;
		let mut state = self.state.lock();
		let record = state.jobs.records.entry(job).or_default();
		let others = record.kept.iter().filter(|(kept, _)| **kept != root).map(|(_, len)| *len);
		let needed = others.fold(len, u64::saturating_add);
		if needed > share {
			if record.claim.is_none() && record.kept.is_empty() {
				state.jobs.records.remove(&job);
			}
			return Err(BlobError::Share { job, needed, share });
		}
		record.kept.insert(root, len);
		record.since.get_or_insert_with(Instant::now);
		state.jobs.link(job, root);
		Ok(())
	}

	/// A job has ended for good. What it named and kept stays for [`crate::Options::retention`]
	/// where room is left, so that its requester can fetch what was paid for.
	pub fn release(&self, job: Job) {
		let now = Instant::now();
		let mut state = self.state.lock();
		let Some(Record { named, kept, .. }) = state.jobs.records.get(&job) else { return };
		let roots: BTreeSet<_> = named.iter().chain(kept.keys()).copied().collect();
		for root in &roots {
			state.note_owners(root);
			state.jobs.unlink(job, root);
			let last = !state.jobs.is_open(root);
			if let Some(blob) = state.blobs.get_mut(root).filter(|_| last) {
				(blob.used, blob.released) = (now, Some(now));
			}
		}
		state.jobs.records.remove(&job);
	}

	/// The jobs that are claimed, and those for which something has been kept since before
	/// `before`.
	pub fn jobs(&self, before: Instant) -> BTreeSet<Job> {
		let state = self.state.lock();
		let known = |record: &Record| {
			record.since.is_none_or(|since| since < before)
				&& record.kept.len() + record.named.len() > 0
		};
		let records = state.jobs.records.iter().filter(|(_, record)| known(record));
		records.map(|(job, _)| *job).collect()
	}

	/// Of the blobs that open jobs name or keep, how many are here as a whole.
	pub fn held_for_jobs(&self) -> usize {
		let state = self.state.lock();
		state.jobs.of.keys().filter(|root| state.blobs.contains_key(*root)).count()
	}

	/// Whose a blob is, as far as jobs say. Of several the one for whom fewest blobs are named:
	/// that somebody who has many names it too is no harm to the other.
	pub fn owner(&self, root: &Hash) -> Option<Owner> {
		let state = self.state.lock();
		let owners = state.standing(root).owners;
		if owners.len() < 2 {
			return owners.first().copied();
		}
		let mut named = BTreeMap::<Owner, usize>::new();
		for record in state.jobs.records.values() {
			if let Some(claim) = &record.claim {
				*named.entry(claim.owner).or_default() += record.named.len();
			}
		}
		owners.into_iter().min_by_key(|owner| (named.get(owner).copied(), *owner))
	}

	/// Stores a result of a job and keeps it for the job ([`BlobStore::keep`]), and tells nobody
	/// outside this node of it: it is in no answer to peers and clients until this job names it on
	/// chain ([`BlobStore::claim`]) or [`BlobStore::show`] is called, also after a restart. Whoever
	/// knows what a result must be could otherwise ask who holds it, and so find out who verifies.
	/// That another job names it shows nothing, for anyone can post such a job. One that is public
	/// already stays so.
	///
	/// # Errors
	/// Like [`BlobStore::keep`] and [`BlobStore::insert_from`]; nothing is kept then.
	pub fn insert_quiet_from(
		&self,
		job: Job,
		root: Hash,
		total: u64,
		reader: impl Read,
	) -> Result<(), BlobError> {
		self.keep(job, root, total)?;
		let stored = self.hush(job, root).and_then(|()| self.insert_all(root, total, reader));
		if stored.is_err() {
			let mut state = self.state.lock();
			if let Some(record) = state.jobs.records.get_mut(&job) {
				record.kept.remove(&root);
				if !record.named.contains(&root) {
					state.jobs.unlink(job, &root);
				}
			}
			state.forget_marks(&root, &self.dir);
		}
		stored
	}

	/// Marks a blob as quiet for a job, before there is anything of it, so that a crash shows
	/// nothing.
	fn hush(&self, job: Job, root: Hash) -> Result<(), BlobError> {
		let mut state = self.state.lock();
		let mut jobs = match state.quiet.get(&root) {
			Some(jobs) => jobs.clone(),
			None if state.holds(&root) => return Ok(()),
			None => BTreeSet::new(),
		};
		if jobs.insert(job) {
			let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
			disk::replace(&self.marker(&root), lines.as_bytes())?;
			state.quiet.insert(root, jobs);
		}
		Ok(())
	}

	/// Takes in the marker of a quiet blob that an earlier process left: it is kept for its jobs
	/// again.
	pub(crate) fn keep_marked(&self, root: Hash, len: u64, marker: &str) -> BTreeSet<Job> {
		let jobs: BTreeSet<Job> = marker.lines().filter_map(|line| line.parse().ok()).collect();
		for job in &jobs {
			if let Err(error) = self.keep(*job, root, len) {
				log::warn!(target: LOG_TARGET, "{error}");
			}
		}
		jobs
	}

	/// Tells of a blob from now on.
	///
	/// # Errors
	/// When the disk fails.
	pub fn show(&self, root: &Hash) -> Result<(), BlobError> {
		let mut state = self.state.lock();
		if !state.quiet.contains_key(root) {
			return Ok(());
		}
		match std::fs::remove_file(self.marker(root)) {
			Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
			_ => {}
		}
		state.quiet.remove(root);
		Ok(())
	}

	/// Whether peers and clients may know of what is here of a blob.
	pub fn is_public(&self, root: &Hash) -> bool {
		!self.state.lock().quiet.contains_key(root)
	}

	/// Like [`BlobStore::status`], for peers and clients: of a quiet blob there is nothing.
	pub fn public_status(&self, root: &Hash) -> Status {
		match self.is_public(root) {
			true => self.status(root),
			false => Status::default(),
		}
	}
}

//! The blobs that this node keeps for its duties: inputs that it attests or replays with,
//! checkpoints, and outputs that it serves.

use crate::types::{Hash, LOG_TARGET};
use assay_blobs::{BlobError, BlobStore};
use assay_market::JobId;
use parking_lot::Mutex;
use std::{
	collections::{BTreeMap, BTreeSet},
	sync::Arc,
};

#[derive(Default)]
struct Held {
	job: JobId,
	/// The sets that the store keeps for it, by what they were kept for.
	sets: BTreeSet<Hash>,
	/// The sets that were tried, whether the store keeps them or not.
	tried: BTreeSet<Hash>,
}

/// What the store keeps for the jobs of this node's duties, by order. A set that the store has no
/// share for is not in it, and is tried again whenever it is asked for.
pub(crate) struct Holding {
	blobs: Arc<BlobStore>,
	held: Mutex<BTreeMap<Hash, Held>>,
}

impl Holding {
	pub(crate) fn new(blobs: Arc<BlobStore>) -> Self {
		Self { blobs, held: Default::default() }
	}

	/// Whether a set is kept already.
	pub(crate) fn is_kept(&self, order: &Hash, set: &Hash) -> bool {
		self.held.lock().get(order).is_some_and(|held| held.sets.contains(set))
	}

	/// Whether a set need not be tried now: it was. Notes that it is tried.
	pub(crate) fn was_tried(&self, job: JobId, order: Hash, set: Hash) -> bool {
		let mut held = self.held.lock();
		let held = held.entry(order).or_default();
		held.job = job;
		!held.tried.insert(set)
	}

	/// Keeps blobs, each with its length in bytes, here or yet to come, until the job is released.
	///
	/// # Errors
	/// When a job has more than the store keeps for one.
	pub(crate) fn keep(
		&self,
		job: JobId,
		order: Hash,
		set: Hash,
		blobs: &[(Hash, u64)],
	) -> Result<(), BlobError> {
		if self.is_kept(&order, &set) {
			return Ok(());
		}
		for (root, len) in blobs {
			self.blobs.keep(job, *root, *len)?;
		}
		let mut held = self.held.lock();
		let held = held.entry(order).or_default();
		held.job = job;
		held.sets.insert(set);
		Ok(())
	}

	/// The orders with something that is kept, and the numbers of their jobs.
	pub(crate) fn orders(&self) -> BTreeMap<Hash, JobId> {
		self.held.lock().iter().map(|(order, held)| (*order, held.job)).collect()
	}

	/// The job of this order has ended: what is kept for it goes when its room is needed, but for
	/// what another job of the same number still needs.
	pub(crate) fn release(&self, job: JobId, order: &Hash) {
		let mut held = self.held.lock();
		held.remove(order);
		if held.values().any(|other| other.job == job) {
			log::debug!(target: LOG_TARGET, "Job {job}: another one of this number is under way");
			return;
		}
		self.blobs.release(job);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn store() -> (tempfile::TempDir, Arc<BlobStore>) {
		let dir = tempfile::tempdir().unwrap();
		let blobs = Arc::new(BlobStore::open(dir.path().join("blobs"), 1 << 20).unwrap());
		(dir, blobs)
	}

	#[test]
	fn blobs_should_be_kept_until_no_job_of_the_number_needs_them() {
		let (_dir, blobs) = store();
		let root = blobs.insert(&[1; 1024]).unwrap();
		let holding = Holding::new(blobs.clone());
		holding.keep(7, [1; 32], [0; 32], &[(root, 1024)]).unwrap();
		holding.keep(7, [2; 32], [0; 32], &[(root, 1024)]).unwrap();
		assert!(holding.is_kept(&[1; 32], &[0; 32]) && !holding.is_kept(&[1; 32], &[1; 32]));
		assert!(!holding.was_tried(7, [1; 32], [1; 32]) && holding.was_tried(7, [1; 32], [1; 32]));
		assert_eq!(holding.orders(), BTreeMap::from([([1; 32], 7), ([2; 32], 7)]));
		holding.release(7, &[1; 32]);
		assert!(blobs.remove(&root).is_err());
		holding.release(7, &[2; 32]);
		blobs.remove(&root).unwrap();
	}

	#[test]
	fn set_should_not_count_as_kept_when_the_store_has_no_share_for_it() {
		let (_dir, blobs) = store();
		let holding = Holding::new(blobs);
		let large = [([1; 32], 1 << 19)];
		assert!(matches!(
			holding.keep(7, [1; 32], [0; 32], &large),
			Err(BlobError::Share { job: 7, .. })
		));
		assert!(!holding.is_kept(&[1; 32], &[0; 32]));
	}
}

//! What a pallet's offchain hook has submitted of late, so that no run of it submits the same
//! again.
//!
//! A hook runs after every block and whenever the verifier service has found something, and runs
//! may overlap. What it submits stays due until a block has taken it, and every signature differs,
//! so the pool cannot tell that it has a transaction already: it validates and keeps each. A note
//! of what was submitted lies in the node's persistent offchain storage. It is bounded, since
//! whatever is older than the wait is dropped, and it is no state that anything depends on: without
//! it everything is submitted once more.

use crate::Hash;
use alloc::{collections::BTreeMap, vec::Vec};
use codec::Encode;
use sp_io::hashing::blake2_256;
use sp_runtime::offchain::storage::StorageValueRef;

/// When each was submitted, by [`digest`].
type Notes = BTreeMap<Hash, u64>;

/// The notes of one hook, as they were when its run began.
pub struct Submissions<'a> {
	stored: StorageValueRef<'a>,
	found: Option<Notes>,
	now: u64,
	wait: u64,
}

/// Names what is submitted: whatever tells it from everything else that the hook may submit.
pub fn digest(what: &impl Encode) -> Hash {
	what.using_encoded(blake2_256)
}

impl<'a> Submissions<'a> {
	/// The notes under a key of the node's offchain storage. What was submitted may be submitted
	/// again after `wait` blocks: a pool may lose a transaction.
	pub fn at(key: &'a [u8], now: u64, wait: u32) -> Self {
		let stored = StorageValueRef::persistent(key);
		// Notes that cannot be read are none.
		let found = stored.get().unwrap_or_default();
		Self { stored, found, now, wait: wait.into() }
	}

	/// Whether this was submitted less than the wait ago.
	pub fn has(&self, digest: &Hash) -> bool {
		self.found.as_ref().and_then(|found| found.get(digest)).is_some_and(|at| self.waits(*at))
	}

	/// Notes what is about to be submitted. `false`: another run of the hook has noted something
	/// since this one began, and nothing may be submitted by this one.
	#[must_use]
	pub fn note(self, digests: impl IntoIterator<Item = Hash>) -> bool {
		let kept = self.found.iter().flatten().map(|(digest, at)| (*digest, *at));
		let kept: Vec<_> = kept.filter(|(_, at)| self.waits(*at)).collect();
		let notes: Notes =
			kept.into_iter().chain(digests.into_iter().map(|new| (new, self.now))).collect();
		let unchanged =
			|stored: Result<Option<Notes>, _>| match stored.unwrap_or_default() == self.found {
				true => Ok(notes),
				false => Err(()),
			};
		self.stored.mutate(unchanged).is_ok()
	}

	/// A block of another fork may have a number above this one's.
	fn waits(&self, at: u64) -> bool {
		self.now.abs_diff(at) < self.wait
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_core::offchain::{testing::TestOffchainExt, OffchainDbExt, StorageKind};

	const KEY: &[u8] = b"assay/tests/submitted";
	const WAIT: u32 = 4;

	fn with_storage(test: impl FnOnce()) {
		let (offchain, _) = TestOffchainExt::new();
		let mut ext = sp_io::TestExternalities::default();
		ext.register_extension(OffchainDbExt::new(offchain));
		ext.execute_with(test);
	}

	fn at(now: u64) -> Submissions<'static> {
		Submissions::at(KEY, now, WAIT)
	}

	#[test]
	fn note_should_hold_for_the_wait_when_it_was_taken() {
		with_storage(|| {
			let [first, second] = [digest(&1), digest(&2)];
			assert!(!at(10).has(&first) && at(10).note([first]));
			assert!(at(13).has(&first) && !at(13).has(&second));
			assert!(at(13).note([second]));
			assert!(!at(14).has(&first) && at(14).has(&second));
			// On a shorter fork.
			assert!(at(12).has(&second) && !at(9).has(&second));
		});
	}

	#[test]
	fn note_should_be_refused_when_another_run_came_first() {
		with_storage(|| {
			let (one, other) = (at(10), at(10));
			assert!(one.note([digest(&1)]));
			assert!(!other.note([digest(&1), digest(&2)]));
			assert!(!at(10).has(&digest(&2)));
		});
	}

	#[test]
	fn notes_should_stay_few_when_much_is_submitted() {
		with_storage(|| {
			for now in 0..100 {
				assert!(at(now).note([digest(&now)]));
			}
			assert_eq!(at(99).found.expect("noted").len(), WAIT as usize);
		});
	}

	#[test]
	fn notes_should_be_none_when_they_cannot_be_read() {
		with_storage(|| {
			sp_io::offchain::local_storage_set(StorageKind::PERSISTENT, KEY, &[255, 1]);
			assert!(
				!at(10).has(&digest(&1)) && at(10).note([digest(&1)]) && at(10).has(&digest(&1))
			);
		});
	}
}

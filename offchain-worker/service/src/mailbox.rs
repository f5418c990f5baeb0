//! Where findings wait for the jobs pallet's offchain hook.

use std::collections::BTreeMap;

use assay_market::{mailbox_key, JobId, MailboxEntry, Purpose, VerifierId};
use codec::{Decode, DecodeAll, Encode};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};

use crate::{sampling::Chunks, Hash, LOG_TARGET};

/// Version byte in front of the index.
const INDEX_VERSION: u8 = 1;

/// One seat of one key in one job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct Slot {
	pub(crate) job: JobId,
	pub(crate) purpose: Purpose,
	pub(crate) key: VerifierId,
}

/// An entry and what it was found out about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
	/// Hash of program, inputs and steps: a job id may mean another job on another fork.
	task: Hash,
	entry: MailboxEntry,
}

/// The entries that this node holds: in memory, and in the node's persistent offchain storage
/// where the offchain hook reads them.
///
/// An index of the entries is stored beside them, so that those of finished jobs can be found and
/// removed after a restart. All operations that write block on the database.
pub struct Mailbox<Storage> {
	storage: Storage,
	genesis: Hash,
	held: BTreeMap<Slot, Held>,
}

impl<Storage: OffchainStorage> Mailbox<Storage> {
	/// Reads what an earlier run left. Unreadable entries are dropped: they are recomputed, equal.
	pub fn open(storage: Storage, genesis: Hash) -> Self {
		let mut mailbox = Self { storage, genesis, held: BTreeMap::new() };
		let index = match mailbox.storage.get(STORAGE_PREFIX, &mailbox.index_key()) {
			None => Vec::new(),
			Some(bytes) => decode_index(&bytes).unwrap_or_else(|| {
				log::warn!(target: LOG_TARGET, "The index of the mailbox is unreadable; rebuilding");
				Vec::new()
			}),
		};
		for (slot, task) in index {
			let bytes = mailbox.storage.get(STORAGE_PREFIX, &mailbox.key(&slot));
			match bytes.map(|bytes| MailboxEntry::from_bytes(&bytes)) {
				Some(Ok(entry)) => {
					mailbox.held.insert(slot, Held { task, entry });
				}
				Some(Err(error)) => log::warn!(
					target: LOG_TARGET,
					"Dropping the mailbox entry of job {}: {error:?}", slot.job,
				),
				None => {}
			}
		}
		mailbox
	}

	/// Number of entries.
	pub fn len(&self) -> usize {
		self.held.len()
	}

	/// Whether there is no entry.
	pub fn is_empty(&self) -> bool {
		self.held.is_empty()
	}

	/// The entry of a seat, if there is one.
	pub fn entry(&self, job: JobId, purpose: Purpose, key: &VerifierId) -> Option<&MailboxEntry> {
		self.held.get(&Slot { job, purpose, key: key.clone() }).map(|held| &held.entry)
	}

	/// The entry of a seat if it was found out about this task.
	pub(crate) fn get(&self, slot: &Slot, task: &Hash) -> Option<&MailboxEntry> {
		self.held.get(slot).filter(|held| held.task == *task).map(|held| &held.entry)
	}

	/// A run root of this task that was found for any key.
	pub(crate) fn run_root(&self, job: JobId, task: &Hash) -> Option<Hash> {
		self.held.iter().find_map(|(slot, held)| match held.entry {
			MailboxEntry::Replayed { run_root, .. } if slot.job == job && held.task == *task => {
				Some(run_root)
			}
			_ => None,
		})
	}

	/// The run root of every task that was replayed.
	pub(crate) fn replayed(&self) -> impl Iterator<Item = (Hash, Hash)> + '_ {
		self.held.values().filter_map(|held| match held.entry {
			MailboxEntry::Replayed { run_root, .. } => Some((held.task, run_root)),
			_ => None,
		})
	}

	/// Stores an entry. The index goes first, so that no entry is ever forgotten.
	pub(crate) fn put(&mut self, slot: Slot, task: Hash, entry: MailboxEntry) {
		let key = self.key(&slot);
		let bytes = entry.to_bytes();
		self.held.insert(slot, Held { task, entry });
		self.write_index();
		self.storage.set(STORAGE_PREFIX, &key, &bytes);
	}

	/// Adds the chunks to the entries of these keys, as far as they hold this verdict.
	pub(crate) fn open_verdicts(&mut self, job: JobId, verdict: &Hash, chunks: &Chunks) {
		for (key, chunks) in chunks {
			let slot = Slot { job, purpose: Purpose::Verify, key: key.clone() };
			let Some(Held { task, entry }) = self.held.get(&slot).cloned() else { continue };
			let MailboxEntry::Replayed { run_root, salt, ticket, .. } = entry else { continue };
			if run_root == *verdict {
				let chunks = Some(chunks.clone());
				self.put(slot, task, MailboxEntry::Replayed { run_root, salt, ticket, chunks });
			}
		}
	}

	/// The jobs with an entry.
	pub(crate) fn jobs(&self) -> Vec<JobId> {
		let mut jobs: Vec<_> = self.held.keys().map(|slot| slot.job).collect();
		jobs.dedup();
		jobs
	}

	/// Removes every entry of a job.
	pub(crate) fn forget(&mut self, job: JobId) {
		let slots: Vec<_> = self.held.keys().filter(|slot| slot.job == job).cloned().collect();
		for slot in slots {
			let key = self.key(&slot);
			self.storage.remove(STORAGE_PREFIX, &key);
			self.held.remove(&slot);
		}
		self.write_index();
	}

	fn write_index(&mut self) {
		let index: Vec<_> =
			self.held.iter().map(|(slot, held)| (slot.clone(), held.task)).collect();
		let key = self.index_key();
		self.storage.set(STORAGE_PREFIX, &key, &(INDEX_VERSION, index).encode());
	}

	fn key(&self, slot: &Slot) -> Vec<u8> {
		mailbox_key(&self.genesis, slot.job, slot.purpose, &slot.key)
	}

	fn index_key(&self) -> Vec<u8> {
		(b"assay/verifier/index/", self.genesis).encode()
	}
}

fn decode_index(bytes: &[u8]) -> Option<Vec<(Slot, Hash)>> {
	match bytes.split_first() {
		Some((&INDEX_VERSION, mut rest)) => DecodeAll::decode_all(&mut rest).ok(),
		_ => None,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::testing::SharedStorage;
	use assay_market::AbstainReason;
	use sp_core::{crypto::UncheckedFrom, sr25519};

	fn slot(job: JobId, purpose: Purpose) -> Slot {
		Slot { job, purpose, key: sr25519::Public::unchecked_from([3; 32]).into() }
	}

	const REPLAYED: MailboxEntry =
		MailboxEntry::Replayed { run_root: [1; 32], salt: [2; 32], ticket: None, chunks: None };

	#[test]
	fn mailbox_should_hold_its_entries_where_the_hook_reads_when_reopened() {
		let mut mailbox = Mailbox::open(SharedStorage::default(), [9; 32]);
		mailbox.put(slot(1, Purpose::Attest), [5; 32], MailboxEntry::Attested { ok: true });
		mailbox.put(slot(1, Purpose::Verify), [5; 32], REPLAYED);
		let storage = mailbox.storage.clone();
		let seat = slot(1, Purpose::Verify);
		let stored = storage
			.get(STORAGE_PREFIX, &mailbox_key(&[9; 32], 1, Purpose::Verify, &seat.key))
			.unwrap();
		assert_eq!(MailboxEntry::from_bytes(&stored), Ok(REPLAYED));

		let mut mailbox = Mailbox::open(storage.clone(), [9; 32]);
		assert_eq!(mailbox.len(), 2);
		assert_eq!(mailbox.get(&seat, &[5; 32]), Some(&REPLAYED));
		assert_eq!(mailbox.get(&seat, &[6; 32]), None);
		assert_eq!(mailbox.run_root(1, &[5; 32]), Some([1; 32]));
		assert_eq!(mailbox.jobs(), vec![1]);

		mailbox.forget(1);
		assert!(mailbox.is_empty() && Mailbox::open(storage.clone(), [9; 32]).is_empty());
		let key = mailbox_key(&[9; 32], 1, Purpose::Verify, &seat.key);
		assert_eq!(storage.get(STORAGE_PREFIX, &key), None);
	}

	#[test]
	fn mailbox_should_drop_what_it_cannot_read_when_reopened() {
		let mut mailbox = Mailbox::open(SharedStorage::default(), [9; 32]);
		let abstained = MailboxEntry::Abstain { reason: AbstainReason::TooSlow, ticket: None };
		mailbox.put(slot(1, Purpose::Verify), [5; 32], REPLAYED);
		mailbox.put(slot(2, Purpose::Verify), [5; 32], abstained.clone());
		let mut storage = mailbox.storage.clone();
		let key = mailbox.key(&slot(1, Purpose::Verify));
		storage.set(STORAGE_PREFIX, &key, b"\x07garbage");
		let reopened = Mailbox::open(storage.clone(), [9; 32]);
		assert_eq!(reopened.len(), 1);
		assert_eq!(reopened.get(&slot(2, Purpose::Verify), &[5; 32]), Some(&abstained));

		storage.set(STORAGE_PREFIX, &mailbox.index_key(), b"\x01\xff");
		assert!(Mailbox::open(storage, [9; 32]).is_empty());
	}
}

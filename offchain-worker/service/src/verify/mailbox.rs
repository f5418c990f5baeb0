//! Where findings wait for the jobs pallet's offchain hook.

use crate::{
	chain::JobAssignment,
	types::{Hash, LOG_TARGET},
};
use assay_market::{mailbox_key, JobId, MailboxEntry, Purpose, SampledChunk, VerifierId};
use codec::{Decode, DecodeAll, Encode};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use std::collections::BTreeMap;

/// Version byte in front of the index.
const INDEX_VERSION: u8 = 2;

/// Chunks by the key whose seat they are for.
pub(crate) type Chunks = BTreeMap<VerifierId, Vec<SampledChunk>>;

/// One seat of one key in the job of one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct Slot {
	pub(crate) order: Hash,
	pub(crate) purpose: Purpose,
	pub(crate) key: VerifierId,
}

impl Slot {
	/// That of this key in an assignment's job.
	pub(crate) fn of(assignment: &JobAssignment, key: &VerifierId) -> Self {
		Self { order: assignment.order, purpose: assignment.purpose, key: key.clone() }
	}
}

/// An entry and what it was found out about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
	/// The job's number, by which the chain is asked about it.
	job: JobId,
	/// Hash of what was to be done: of one order there are several, since on another fork its
	/// checkpoints or outputs may be others.
	task: Hash,
	entry: MailboxEntry,
}

/// What the index says of an entry: the job's number and the task.
type Indexed = (Slot, JobId, Hash);

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
		for (slot, job, task) in index {
			let bytes = mailbox.storage.get(STORAGE_PREFIX, &mailbox.key(&slot));
			match bytes.map(|bytes| MailboxEntry::from_bytes(&bytes)) {
				Some(Ok(entry)) => {
					mailbox.held.insert(slot, Held { job, task, entry });
				}
				Some(Err(error)) => log::warn!(
					target: LOG_TARGET,
					"Dropping the mailbox entry of job {job}: {error:?}",
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
	pub fn entry(&self, order: Hash, purpose: Purpose, key: &VerifierId) -> Option<&MailboxEntry> {
		self.held.get(&Slot { order, purpose, key: key.clone() }).map(|held| &held.entry)
	}

	/// The entry of a seat if it was found out about this task.
	pub(crate) fn get(&self, slot: &Slot, task: &Hash) -> Option<&MailboxEntry> {
		self.held.get(slot).filter(|held| held.task == *task).map(|held| &held.entry)
	}

	/// A run root of this task that was found for any key.
	pub(crate) fn run_root(&self, order: &Hash, task: &Hash) -> Option<Hash> {
		self.held.iter().find_map(|(slot, held)| match held.entry {
			MailboxEntry::Replayed { run_root, .. }
				if slot.order == *order && held.task == *task =>
			{
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
	pub(crate) fn put(&mut self, slot: Slot, job: JobId, task: Hash, entry: MailboxEntry) {
		let key = self.key(&slot);
		let bytes = entry.to_bytes();
		self.held.insert(slot, Held { job, task, entry });
		self.write_index();
		self.storage.set(STORAGE_PREFIX, &key, &bytes);
	}

	/// Adds the chunks to the entries of these keys, as far as they hold this verdict.
	pub(crate) fn open_verdicts(&mut self, order: Hash, verdict: &Hash, chunks: &Chunks) {
		for (key, chunks) in chunks {
			let slot = Slot { order, purpose: Purpose::Verify, key: key.clone() };
			let Some(Held { job, task, entry }) = self.held.get(&slot).cloned() else { continue };
			let MailboxEntry::Replayed { run_root, salt, ticket, .. } = entry else { continue };
			if run_root == *verdict {
				let chunks = Some(chunks.clone());
				let entry = MailboxEntry::Replayed { run_root, salt, ticket, chunks };
				self.put(slot, job, task, entry);
			}
		}
	}

	/// The orders with an entry, and the numbers of their jobs.
	pub(crate) fn orders(&self) -> BTreeMap<Hash, JobId> {
		self.held.iter().map(|(slot, held)| (slot.order, held.job)).collect()
	}

	/// Removes the entry of a seat.
	pub(crate) fn remove(&mut self, slot: &Slot) {
		if self.held.remove(slot).is_some() {
			let key = self.key(slot);
			self.storage.remove(STORAGE_PREFIX, &key);
			self.write_index();
		}
	}

	/// Removes every entry of a job.
	pub(crate) fn forget(&mut self, order: &Hash) {
		let slots: Vec<_> = self.held.keys().filter(|slot| slot.order == *order).cloned().collect();
		if slots.is_empty() {
			return;
		}
		for slot in slots {
			let key = self.key(&slot);
			self.storage.remove(STORAGE_PREFIX, &key);
			self.held.remove(&slot);
		}
		self.write_index();
	}

	fn write_index(&mut self) {
		let index: Vec<Indexed> =
			self.held.iter().map(|(slot, held)| (slot.clone(), held.job, held.task)).collect();
		let key = self.index_key();
		self.storage.set(STORAGE_PREFIX, &key, &(INDEX_VERSION, index).encode());
	}

	fn key(&self, slot: &Slot) -> Vec<u8> {
		mailbox_key(&self.genesis, &slot.order, slot.purpose, &slot.key)
	}

	fn index_key(&self) -> Vec<u8> {
		(b"assay/verifier/index/", self.genesis).encode()
	}
}

fn decode_index(bytes: &[u8]) -> Option<Vec<Indexed>> {
	match bytes.split_first() {
		Some((&INDEX_VERSION, mut rest)) => DecodeAll::decode_all(&mut rest).ok(),
		_ => None,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::testing::storage::SharedStorage;
	use assay_market::AbstainReason;
	use sp_core::{crypto::UncheckedFrom, sr25519};

	fn slot(order: u8, purpose: Purpose) -> Slot {
		Slot { order: [order; 32], purpose, key: sr25519::Public::unchecked_from([3; 32]).into() }
	}

	const REPLAYED: MailboxEntry =
		MailboxEntry::Replayed { run_root: [1; 32], salt: [2; 32], ticket: None, chunks: None };

	#[test]
	fn mailbox_should_hold_its_entries_where_the_hook_reads_when_reopened() {
		let mut mailbox = Mailbox::open(SharedStorage::default(), [9; 32]);
		mailbox.put(slot(1, Purpose::Attest), 4, [5; 32], MailboxEntry::Attested { ok: true });
		mailbox.put(slot(1, Purpose::Verify), 4, [5; 32], REPLAYED);
		let storage = mailbox.storage.clone();
		let seat = slot(1, Purpose::Verify);
		let stored = storage
			.get(STORAGE_PREFIX, &mailbox_key(&[9; 32], &[1; 32], Purpose::Verify, &seat.key))
			.unwrap();
		assert_eq!(MailboxEntry::from_bytes(&stored), Ok(REPLAYED));

		let mut mailbox = Mailbox::open(storage.clone(), [9; 32]);
		assert_eq!(mailbox.len(), 2);
		assert_eq!(mailbox.get(&seat, &[5; 32]), Some(&REPLAYED));
		assert_eq!(mailbox.get(&seat, &[6; 32]), None);
		assert_eq!(mailbox.get(&slot(2, Purpose::Verify), &[5; 32]), None);
		assert_eq!(mailbox.run_root(&[1; 32], &[5; 32]), Some([1; 32]));
		assert_eq!(mailbox.run_root(&[2; 32], &[5; 32]), None);
		assert_eq!(mailbox.orders(), BTreeMap::from([([1; 32], 4)]));

		mailbox.forget(&[1; 32]);
		assert!(mailbox.is_empty() && Mailbox::open(storage.clone(), [9; 32]).is_empty());
		let key = mailbox_key(&[9; 32], &[1; 32], Purpose::Verify, &seat.key);
		assert_eq!(storage.get(STORAGE_PREFIX, &key), None);
	}

	/// The number is another job's on another fork: both have their entries, each where the hook of
	/// its fork reads.
	#[test]
	fn mailbox_should_keep_two_jobs_of_one_number_apart() {
		let mut mailbox = Mailbox::open(SharedStorage::default(), [9; 32]);
		let other = MailboxEntry::Attested { ok: false };
		mailbox.put(slot(1, Purpose::Attest), 4, [5; 32], MailboxEntry::Attested { ok: true });
		mailbox.put(slot(2, Purpose::Attest), 4, [5; 32], other.clone());
		assert_eq!(mailbox.orders().len(), 2);
		mailbox.forget(&[1; 32]);
		let left = Mailbox::open(mailbox.storage.clone(), [9; 32]);
		assert_eq!(left.get(&slot(2, Purpose::Attest), &[5; 32]), Some(&other));
		assert_eq!(left.len(), 1);
	}

	#[test]
	fn mailbox_should_drop_what_it_cannot_read_when_reopened() {
		let mut mailbox = Mailbox::open(SharedStorage::default(), [9; 32]);
		let abstained = MailboxEntry::Abstain { reason: AbstainReason::TooSlow, ticket: None };
		mailbox.put(slot(1, Purpose::Verify), 1, [5; 32], REPLAYED);
		mailbox.put(slot(2, Purpose::Verify), 2, [5; 32], abstained.clone());
		let mut storage = mailbox.storage.clone();
		let key = mailbox.key(&slot(1, Purpose::Verify));
		storage.set(STORAGE_PREFIX, &key, b"\x07garbage");
		let reopened = Mailbox::open(storage.clone(), [9; 32]);
		assert_eq!(reopened.len(), 1);
		assert_eq!(reopened.get(&slot(2, Purpose::Verify), &[5; 32]), Some(&abstained));

		storage.set(STORAGE_PREFIX, &mailbox.index_key(), b"\x02\xff");
		assert!(Mailbox::open(storage, [9; 32]).is_empty());
	}
}

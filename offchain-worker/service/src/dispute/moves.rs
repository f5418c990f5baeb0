//! Where the next moves in disputes wait for the arbitration pallet's offchain hook.

use crate::types::{Hash, LOG_TARGET};
use assay_market::{dispute_key, DisputeEntry, JobId, VerifierId};
use codec::{DecodeAll, Encode};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use std::collections::BTreeMap;

/// Version byte in front of the index.
const INDEX_VERSION: u8 = 2;

/// Whose move in the job of which order.
type Slot = (Hash, VerifierId);

/// What the index says of a slot: the job's number, by which the chain is asked about it.
type Indexed = (Slot, JobId);

/// A move that lies in storage.
struct Held {
	job: JobId,
	/// Hash of the stored bytes; `None` where they are missing.
	bytes: Option<Hash>,
}

/// The moves that this node has left in its persistent offchain storage, with an index beside them,
/// so that those of finished jobs are found after a restart. All operations that write block.
pub(crate) struct Moves<Storage> {
	storage: Storage,
	genesis: Hash,
	held: BTreeMap<Slot, Held>,
}

impl<Storage: OffchainStorage> Moves<Storage> {
	/// Reads what an earlier run left.
	pub(crate) fn open(storage: Storage, genesis: Hash) -> Self {
		let mut moves = Self { storage, genesis, held: BTreeMap::new() };
		let index = match moves.storage.get(STORAGE_PREFIX, &moves.index_key()) {
			None => Vec::new(),
			Some(bytes) => decode_index(&bytes).unwrap_or_else(|| {
				log::warn!(target: LOG_TARGET, "The index of the moves is unreadable; rebuilding");
				Vec::new()
			}),
		};
		for (slot, job) in index {
			let bytes = moves.storage.get(STORAGE_PREFIX, &moves.key(&slot));
			let bytes = bytes.map(|bytes| *blake3::hash(&bytes).as_bytes());
			moves.held.insert(slot, Held { job, bytes });
		}
		moves
	}

	/// Number of entries.
	pub(crate) fn len(&self) -> usize {
		self.held.len()
	}

	/// Stores an entry; `false` if it lies there already. The index goes first, so that no entry is
	/// ever forgotten.
	pub(crate) fn put(
		&mut self,
		job: JobId,
		order: &Hash,
		key: &VerifierId,
		entry: &DisputeEntry,
	) -> bool {
		let slot = (*order, key.clone());
		let bytes = entry.to_bytes();
		let hash = Some(*blake3::hash(&bytes).as_bytes());
		if self.held.get(&slot).is_some_and(|held| held.bytes == hash) {
			return false;
		}
		let at = self.key(&slot);
		if self.held.insert(slot, Held { job, bytes: hash }).is_none() {
			self.write_index();
		}
		self.storage.set(STORAGE_PREFIX, &at, &bytes);
		true
	}

	/// The orders with an entry, and the numbers of their jobs.
	pub(crate) fn orders(&self) -> BTreeMap<Hash, JobId> {
		self.held.iter().map(|((order, _), held)| (*order, held.job)).collect()
	}

	/// Removes the entries of a job, but for that of `leader`.
	pub(crate) fn retain(&mut self, order: &Hash, leader: Option<&VerifierId>) {
		let others = |(of, key): &&Slot| of == order && Some(key) != leader;
		let slots: Vec<_> = self.held.keys().filter(others).cloned().collect();
		if slots.is_empty() {
			return;
		}
		for slot in slots {
			let at = self.key(&slot);
			self.storage.remove(STORAGE_PREFIX, &at);
			self.held.remove(&slot);
		}
		self.write_index();
	}

	fn write_index(&mut self) {
		let index: Vec<Indexed> =
			self.held.iter().map(|(slot, held)| (slot.clone(), held.job)).collect();
		let key = self.index_key();
		self.storage.set(STORAGE_PREFIX, &key, &(INDEX_VERSION, index).encode());
	}

	fn key(&self, (order, key): &Slot) -> Vec<u8> {
		dispute_key(&self.genesis, order, key)
	}

	fn index_key(&self) -> Vec<u8> {
		(b"assay/verifier/moves/", self.genesis).encode()
	}
}

fn decode_index(bytes: &[u8]) -> Option<Vec<Indexed>> {
	match bytes.split_first() {
		Some((&INDEX_VERSION, mut rest)) => Vec::decode_all(&mut rest).ok(),
		_ => None,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::testing::storage::SharedStorage;
	use assay_market::ChallengeMove;
	use sp_core::{crypto::UncheckedFrom, sr25519};

	fn key(byte: u8) -> VerifierId {
		sr25519::Public::unchecked_from([byte; 32]).into()
	}

	fn entry(parts: u32) -> DisputeEntry {
		let action = ChallengeMove::Demand { child: None };
		DisputeEntry { opened: None, list: None, parts, action }
	}

	fn stored(storage: &SharedStorage, order: u8, key: &VerifierId) -> Option<DisputeEntry> {
		let bytes = storage.get(STORAGE_PREFIX, &dispute_key(&[9; 32], &[order; 32], key))?;
		Some(DisputeEntry::from_bytes(&bytes).unwrap())
	}

	#[test]
	fn move_should_lie_under_the_hooks_key_until_its_job_ends_even_when_reopened() {
		let storage = SharedStorage::default();
		let mut moves = Moves::open(storage.clone(), [9; 32]);
		let (one, two) = ([1; 32], [2; 32]);
		assert!(moves.put(7, &one, &key(1), &entry(0)) && moves.put(7, &one, &key(2), &entry(0)));
		// Another job of the same number, on another fork.
		assert!(moves.put(7, &two, &key(1), &entry(0)));
		assert!(!moves.put(7, &one, &key(1), &entry(0)));
		assert!(moves.put(7, &one, &key(1), &entry(1)));
		assert_eq!(stored(&storage, 1, &key(1)), Some(entry(1)));
		assert_eq!(stored(&storage, 2, &key(1)), Some(entry(0)));

		let mut moves = Moves::open(storage.clone(), [9; 32]);
		assert_eq!((moves.len(), moves.orders()), (3, BTreeMap::from([(one, 7), (two, 7)])));
		assert!(!moves.put(7, &one, &key(1), &entry(1)));
		moves.retain(&one, Some(&key(1)));
		assert_eq!(stored(&storage, 1, &key(2)), None);
		assert_eq!(stored(&storage, 1, &key(1)), Some(entry(1)));
		moves.retain(&one, None);
		assert_eq!(stored(&storage, 1, &key(1)), None);
		assert_eq!(Moves::open(storage.clone(), [9; 32]).orders(), BTreeMap::from([(two, 7)]));
	}

	#[test]
	fn move_should_be_written_again_when_its_bytes_or_the_index_are_damaged() {
		let mut storage = SharedStorage::default();
		let mut moves = Moves::open(storage.clone(), [9; 32]);
		moves.put(7, &[1; 32], &key(1), &entry(0));
		storage.set(STORAGE_PREFIX, &dispute_key(&[9; 32], &[1; 32], &key(1)), b"\x07");
		let mut moves = Moves::open(storage.clone(), [9; 32]);
		assert!(moves.put(7, &[1; 32], &key(1), &entry(0)));
		assert_eq!(stored(&storage, 1, &key(1)), Some(entry(0)));
		storage.set(STORAGE_PREFIX, &moves.index_key(), b"\x02\xff");
		assert_eq!(Moves::open(storage, [9; 32]).len(), 0);
	}
}

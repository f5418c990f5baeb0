//! What this node knows about results: the roots of its own replays, and the roots that its own
//! referee has seen proved wrong.

use crate::types::{Hash, LOG_TARGET};
use codec::{DecodeAll, Encode};
use parking_lot::Mutex;
use schnellru::{ByLength, LruMap};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use std::{fmt, sync::Arc};

/// Most tasks whose run root is remembered.
const VERDICTS: u32 = 4_096;
/// Most proofs that are remembered, here and on disk.
const PROOFS: u32 = 256;
/// Version byte in front of what is stored.
const VERSION: u8 = 1;

/// Writes the proofs to disk.
type Keep = Box<dyn FnMut(Vec<(Hash, Hash)>) + Send>;

/// A shared handle; clones know the same.
///
/// Everything is filed under the hash of program, inputs and steps
/// ([`task_hash`](assay_market::task_hash)) and not under a job: a run root is an exact function of
/// these, on every fork, while the number of a job is not.
#[derive(Clone)]
pub struct Knowledge(Arc<Mutex<Inner>>);

struct Inner {
	/// The run root of the latest replay of a task. The oldest one makes room.
	verdicts: LruMap<Hash, Hash, ByLength>,
	/// Task and run root of results that are proved wrong. The oldest one makes room.
	proofs: LruMap<(Hash, Hash), (), ByLength>,
	keep: Option<Keep>,
}

impl Default for Knowledge {
	fn default() -> Self {
		Self(Arc::new(Mutex::new(Inner {
			verdicts: LruMap::new(ByLength::new(VERDICTS)),
			proofs: LruMap::new(ByLength::new(PROOFS)),
			keep: None,
		})))
	}
}

impl fmt::Debug for Knowledge {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let inner = self.0.lock();
		write!(f, "Knowledge({} replays, {} proofs)", inner.verdicts.len(), inner.proofs.len())
	}
}

impl Knowledge {
	/// Takes up what an earlier run of the node knew: its proofs from `storage`, which holds later
	/// ones too, and the task and run root of its verdicts. Blocks.
	pub fn open<Storage: OffchainStorage + 'static>(
		&self,
		mut storage: Storage,
		genesis: Hash,
		verdicts: impl Iterator<Item = (Hash, Hash)>,
	) {
		let key = (b"assay/verifier/proofs/", genesis).encode();
		let stored = storage.get(STORAGE_PREFIX, &key).map(|bytes| decode(&bytes));
		if stored == Some(None) {
			log::warn!(target: LOG_TARGET, "The stored fraud proofs are unreadable; forgetting them");
		}
		let mut inner = self.0.lock();
		for proof in stored.flatten().unwrap_or_default() {
			inner.proofs.insert(proof, ());
		}
		for (task, run_root) in verdicts {
			inner.verdicts.insert(task, run_root);
		}
		inner.keep = Some(Box::new(move |proofs| {
			storage.set(STORAGE_PREFIX, &key, &(VERSION, proofs).encode());
		}));
	}

	/// This node has replayed a task.
	pub fn replayed(&self, task: Hash, run_root: Hash) {
		self.0.lock().verdicts.insert(task, run_root);
	}

	/// This node's replay of a task was not to be relied on.
	pub fn withdraw(&self, task: &Hash) {
		self.0.lock().verdicts.remove(task);
	}

	/// A referee that this node has run itself has accepted a proof that this is not the run root
	/// of the task. Blocks on the storage.
	pub fn proved(&self, task: Hash, run_root: Hash) {
		let mut inner = self.0.lock();
		let Inner { proofs, keep, .. } = &mut *inner;
		if proofs.peek(&(task, run_root)).is_some() {
			return;
		}
		proofs.insert((task, run_root), ());
		if let Some(keep) = keep {
			// From the oldest, so that they are read back in this order.
			let mut all: Vec<_> = proofs.iter().map(|(proof, ())| *proof).collect();
			all.reverse();
			keep(all);
		}
	}

	/// The run root of this node's latest replay of a task.
	pub fn verdict(&self, task: &Hash) -> Option<Hash> {
		self.0.lock().verdicts.peek(task).copied()
	}

	/// Whether a proof against this result was accepted.
	pub fn is_proved_wrong(&self, task: &Hash, run_root: &Hash) -> bool {
		self.0.lock().proofs.peek(&(*task, *run_root)).is_some()
	}
}

fn decode(bytes: &[u8]) -> Option<Vec<(Hash, Hash)>> {
	match bytes.split_first() {
		Some((&VERSION, mut rest)) => Vec::decode_all(&mut rest).ok(),
		_ => None,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::testing::storage::SharedStorage;
	use std::iter::empty;

	fn number(n: u32) -> Hash {
		let mut hash = [0; 32];
		hash[..4].copy_from_slice(&n.to_le_bytes());
		hash
	}

	#[test]
	fn verdict_should_be_the_latest_replay_until_it_is_withdrawn() {
		let knowledge = Knowledge::default();
		let other = knowledge.clone();
		assert_eq!(knowledge.verdict(&[1; 32]), None);
		knowledge.replayed([1; 32], [2; 32]);
		assert_eq!(other.verdict(&[1; 32]), Some([2; 32]));
		knowledge.replayed([1; 32], [3; 32]);
		assert_eq!(other.verdict(&[1; 32]), Some([3; 32]));
		assert!(!knowledge.is_proved_wrong(&[1; 32], &[3; 32]));
		other.withdraw(&[1; 32]);
		assert_eq!(knowledge.verdict(&[1; 32]), None);
	}

	#[test]
	fn proof_should_be_about_one_result_of_one_task_and_survive_a_restart() {
		let storage = SharedStorage::default();
		let knowledge = Knowledge::default();
		knowledge.open(storage.clone(), [9; 32], empty());
		knowledge.proved([1; 32], [2; 32]);
		knowledge.proved([1; 32], [2; 32]);
		let restarted = Knowledge::default();
		restarted.open(storage.clone(), [9; 32], [([5; 32], [6; 32])].into_iter());
		for known in [&knowledge, &restarted] {
			assert!(known.is_proved_wrong(&[1; 32], &[2; 32]));
			assert!(!known.is_proved_wrong(&[1; 32], &[3; 32]));
			assert!(!known.is_proved_wrong(&[3; 32], &[2; 32]));
		}
		assert_eq!(restarted.verdict(&[5; 32]), Some([6; 32]));
		// Another chain's storage.
		let elsewhere = Knowledge::default();
		elsewhere.open(storage, [8; 32], empty());
		assert!(!elsewhere.is_proved_wrong(&[1; 32], &[2; 32]));
	}

	#[test]
	fn oldest_should_make_room_when_too_much_is_known() {
		let storage = SharedStorage::default();
		let knowledge = Knowledge::default();
		knowledge.open(storage.clone(), [9; 32], empty());
		for n in 0..=PROOFS {
			knowledge.proved(number(n), [0; 32]);
		}
		for n in 0..=VERDICTS {
			knowledge.replayed(number(n), [0; 32]);
		}
		let restarted = Knowledge::default();
		restarted.open(storage, [9; 32], empty());
		restarted.proved(number(PROOFS + 1), [0; 32]);
		assert!(!knowledge.is_proved_wrong(&number(0), &[0; 32]));
		assert!(knowledge.is_proved_wrong(&number(1), &[0; 32]));
		assert!(!restarted.is_proved_wrong(&number(1), &[0; 32]), "the order survives");
		assert!(restarted.is_proved_wrong(&number(2), &[0; 32]));
		assert_eq!(knowledge.verdict(&number(0)), None);
		assert_eq!(knowledge.verdict(&number(1)), Some([0; 32]));
	}

	#[test]
	fn unreadable_proofs_should_be_forgotten_when_reopened() {
		let mut storage = SharedStorage::default();
		let knowledge = Knowledge::default();
		knowledge.open(storage.clone(), [9; 32], empty());
		knowledge.proved([1; 32], [2; 32]);
		let key = (b"assay/verifier/proofs/", [9u8; 32]).encode();
		assert!(storage.get(STORAGE_PREFIX, &key).is_some());
		for bytes in [&b""[..], b"\x02", b"\x01\xff", b"\x01\x00\x00"] {
			storage.set(STORAGE_PREFIX, &key, bytes);
			let restarted = Knowledge::default();
			restarted.open(storage.clone(), [9; 32], empty());
			assert!(!restarted.is_proved_wrong(&[1; 32], &[2; 32]));
			restarted.proved([3; 32], [4; 32]);
		}
	}
}

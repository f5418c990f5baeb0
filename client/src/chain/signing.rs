//! What the transactions of one process have to know of each other: nonces and tips.

use super::urgency::Version;
use crate::hash::Hash;
use std::{
	collections::{BTreeMap, HashMap},
	sync::{Mutex, PoisonError},
};

/// Blocks for which a signed transaction stays valid: as long as anything that is sent for a job
/// may wait, and half of what the chain remembers of its blocks.
pub const MORTALITY: u64 = 2048;

/// What the transactions of one process have to know of each other.
#[derive(Default)]
pub struct Signing {
	/// Held from asking for a nonce until the pool has the transaction: of two that are sent at
	/// once, the second one must count the first.
	pub turn: tokio::sync::Mutex<()>,
	/// Nonces of urgent transactions on their way and what they tip, by account: they do not
	/// replace each other, and none tips less than those that wait for it.
	held: Mutex<HashMap<Hash, BTreeMap<u64, u128>>>,
	/// At which block a call was first sent, and its deadline, by what it says: whoever sends it
	/// again goes on where it was with its tips.
	begun: Mutex<HashMap<Hash, (u64, u64)>>,
}

impl Signing {
	/// The block at which a call was first sent, which is `head` where it has not been.
	pub fn first(&self, call: Hash, head: u64, deadline: u64) -> u64 {
		let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
		begun.retain(|_, (_, until)| until.saturating_add(MORTALITY) > head);
		begun.entry(call).or_insert((head, deadline)).0
	}

	/// A call is in a block.
	pub fn done(&self, call: &Hash) {
		self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(call);
	}
}

/// The nonce of one urgent transaction; free again when it is dropped.
pub struct Hold<'a> {
	signing: &'a Signing,
	account: Hash,
	nonce: Option<u64>,
}

impl<'a> Hold<'a> {
	pub fn new(signing: &'a Signing, account: Hash) -> Self {
		Self { signing, account, nonce: None }
	}

	/// The first nonce from `best` on that no other urgent transaction holds.
	pub fn lowest(&self, best: u64) -> u64 {
		let held = self.signing.held.lock().unwrap_or_else(PoisonError::into_inner);
		let taken = |nonce: &u64| {
			self.nonce != Some(*nonce)
				&& held.get(&self.account).is_some_and(|h| h.contains_key(nonce))
		};
		(best..).find(|nonce| !taken(nonce)).unwrap_or(best)
	}

	/// The most that urgent transactions tip which come after nonce `from`.
	pub fn floor(&self, from: u64) -> u128 {
		let held = self.signing.held.lock().unwrap_or_else(PoisonError::into_inner);
		let after = held.get(&self.account).into_iter().flatten();
		after.filter(|(nonce, _)| **nonce > from).map(|(_, tip)| *tip).max().unwrap_or(0)
	}

	pub fn take(&mut self, version: Option<Version>) {
		let mut held = self.signing.held.lock().unwrap_or_else(PoisonError::into_inner);
		let of = held.entry(self.account).or_default();
		if let Some(old) = self.nonce {
			of.remove(&old);
		}
		of.extend(version.map(|version| (version.nonce, version.tip)));
		self.nonce = version.map(|version| version.nonce);
	}
}

impl Drop for Hold<'_> {
	fn drop(&mut self) {
		self.take(None);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn call_should_go_on_where_it_was_when_it_is_sent_again() {
		let signing = Signing::default();
		assert_eq!(signing.first([1; 32], 10, 30), 10);
		assert_eq!(signing.first([1; 32], 14, 30), 10);
		assert_eq!(signing.first([2; 32], 14, 30), 14);
		signing.done(&[1; 32]);
		assert_eq!(signing.first([1; 32], 15, 30), 15);
		// What nobody sends any more is forgotten.
		signing.first([3; 32], 30 + MORTALITY, 500);
		assert_eq!(signing.begun.lock().unwrap().len(), 1);
	}

	#[test]
	fn urgent_transactions_should_not_take_each_others_nonce() {
		let signing = Signing::default();
		let (mut one, mut two) = (Hold::new(&signing, [1; 32]), Hold::new(&signing, [1; 32]));
		let mut other = Hold::new(&signing, [2; 32]);
		let version = |nonce, tip| Some(Version { nonce, tip });
		one.take(version(one.lowest(5), 1));
		two.take(version(two.lowest(5), 9));
		other.take(version(other.lowest(5), 100));
		assert_eq!((one.nonce, two.nonce, other.nonce), (Some(5), Some(6), Some(5)));
		// What waits for it decides what it has to tip.
		assert_eq!((one.floor(5), two.floor(6), other.floor(5)), (9, 0, 0));
		// Its own nonce is no obstacle; that of one that is gone is free again.
		assert_eq!(one.lowest(5), 5);
		drop(one);
		assert_eq!(two.lowest(5), 5);
		assert_eq!(two.lowest(9), 9);
	}
}

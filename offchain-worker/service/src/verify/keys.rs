//! The verifier keys of this node, and what only who has them can compute.

use crate::{
	chain::OpenLottery,
	fault::Fault,
	types::Hash,
	verify::salt::derive_salt,
	verify::tickets::{Draw, Tickets},
};
use assay_market::{verifier_crypto::KEY_TYPE, VerifierId};
use parking_lot::Mutex;
use sp_keystore::KeystorePtr;

/// The keys in the node's keystore, for one chain.
pub(crate) struct Keys {
	keystore: KeystorePtr,
	genesis: Hash,
	tickets: Mutex<Tickets>,
}

impl Keys {
	pub(crate) fn new(keystore: KeystorePtr, genesis: Hash) -> Self {
		Self { keystore, genesis, tickets: Default::default() }
	}

	/// Their public parts. Blocks.
	pub(crate) fn ids(&self) -> Vec<VerifierId> {
		self.keystore.sr25519_public_keys(KEY_TYPE).into_iter().map(Into::into).collect()
	}

	/// The salt of a key's verdict on the job of this order. Blocks.
	///
	/// # Errors
	/// [`Fault::Keystore`].
	pub(crate) fn salt(&self, order: &Hash, key: &VerifierId) -> Result<Hash, Fault> {
		derive_salt(&*self.keystore, &self.genesis, order, key)
	}

	/// What each of these lotteries is for its key; the tickets of all others are forgotten.
	/// Blocks.
	pub(crate) fn draw(&self, lotteries: &[OpenLottery]) -> Vec<Draw> {
		let mut tickets = self.tickets.lock();
		tickets.retain(lotteries);
		let draw = |lottery: &OpenLottery| tickets.draw(&*self.keystore, &self.genesis, lottery);
		lotteries.iter().map(draw).collect()
	}
}

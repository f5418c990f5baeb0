//! What hides results.

use crate::chain::Hash;
use subxt_signer::{sr25519::Keypair, DeriveJunction};

/// Domain of the salts of results.
const SALT_CONTEXT: &str = "assay 2026-11-29 provider result salt v2";

/// Makes the salts that hide results: each a pure function of signing key, genesis and order, so
/// that a restart, even one that lost its state, can reveal what was committed.
pub struct Salt {
	/// The public key of a hard-derived child that is used for nothing else: only the holder of the
	/// signing key can compute it, however the key was written down.
	seed: Hash,
}

impl Salt {
	/// For one signing key.
	pub fn new(key: &Keypair) -> Self {
		let path = ["assay", "result-salt"].map(DeriveJunction::hard);
		Self { seed: key.derive(path).public_key().0 }
	}

	/// The salt of one order on one chain.
	pub fn of(&self, genesis: &Hash, order: &Hash) -> Hash {
		let mut hasher = blake3::Hasher::new_derive_key(SALT_CONTEXT);
		hasher.update(&self.seed).update(genesis).update(order);
		*hasher.finalize().as_bytes()
	}
}

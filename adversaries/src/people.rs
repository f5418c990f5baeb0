//! Accounts by name: what people are called in a table, and the keys they sign with.

use assay_market::{verifier_crypto, Ticket, VerifierId, VerifierSignature};
use assay_runtime::AccountId;
use sp_core::{
	crypto::{Pair as _, VrfSecret},
	ed25519,
	sr25519::{self, vrf::VrfSignData},
};
use sp_runtime::{traits::IdentifyAccount, MultiSigner};
use std::sync::Arc;

/// Names of the validators at genesis, whose session keys are those that `--alice` and so on
/// derive.
pub const VALIDATORS: [&str; 6] = ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"];

/// Names of everyone else who has money at genesis.
pub const OTHERS: [&str; 6] = ["Requester", "Provider", "Outsider", "Accomplice", "Thief", "Rival"];

/// Somebody with an account.
#[derive(Clone)]
pub struct Person {
	/// What tables call it, and what its keys derive from.
	pub name: String,
	pair: Arc<sr25519::Pair>,
}

impl Person {
	/// The person of this name: the key of `//name`.
	///
	/// # Panics
	/// Never: every name without slashes is a derivation path.
	pub fn named(name: &str) -> Self {
		assert!(!name.contains('/'), "a name is one junction of a path");
		let pair = sr25519::Pair::from_string(&format!("//{name}"), None)
			.expect("a single hard junction always derives; qed");
		Self { name: name.into(), pair: Arc::new(pair) }
	}

	/// One of many accounts of the same owner.
	pub fn sock_puppet(number: usize) -> Self {
		Self::named(&format!("Puppet-{number}"))
	}

	/// Its account.
	pub fn account(&self) -> AccountId {
		MultiSigner::from(self.pair.public()).into_account()
	}

	/// The 32 bytes of its account, which commitments bind.
	pub fn bytes(&self) -> [u8; 32] {
		self.pair.public().0
	}

	/// Its key pair.
	pub fn pair(&self) -> &sr25519::Pair {
		&self.pair
	}

	/// Its `verifier` session key.
	pub fn verifier_key(&self) -> VerifierId {
		VerifierId::from(self.pair.public())
	}

	/// A signature by its `verifier` session key.
	pub fn sign_as_verifier(&self, payload: &[u8]) -> VerifierSignature {
		verifier_crypto::AuthoritySignature::from(self.pair.sign(payload))
	}

	/// What its `verifier` session key draws in a lottery. The number in it is always the same, the
	/// proof is not.
	pub fn ticket(&self, data: &VrfSignData) -> Ticket {
		Ticket::from(&self.pair.vrf_sign(data))
	}

	/// The ed25519 key of its node, also its GRANDPA key.
	///
	/// # Panics
	/// Never, as [`Person::named`].
	pub fn node_key(&self) -> ed25519::Pair {
		ed25519::Pair::from_string(&format!("//{}", self.name), None)
			.expect("a single hard junction always derives; qed")
	}
}

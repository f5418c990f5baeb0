//! Commitments that hide a value until it is revealed.

use crate::{
	tree::{context, derive},
	Hash,
};

/// What a provider commits to before anybody replays its job: binds the chain, the order and the
/// account, so it is worth nothing elsewhere, and hides the run root behind a salt of full entropy.
/// The order is a hash: a job's number may stand for another job on another fork.
///
/// `derive_key(context, genesis ‖ order ‖ account ‖ run root ‖ salt)`.
pub fn result_commitment(
	genesis: &Hash,
	order: &Hash,
	account: &[u8; 32],
	run_root: &Hash,
	salt: &Hash,
) -> Hash {
	derive(&context::RESULT, &[genesis, order, account, run_root, salt])
}

/// What a verifier commits to before the provider's root is public. As [`result_commitment`], in
/// its own hash domain: neither can be passed off as the other.
pub fn verdict_commitment(
	genesis: &Hash,
	order: &Hash,
	account: &[u8; 32],
	run_root: &Hash,
	salt: &Hash,
) -> Hash {
	derive(&context::VERDICT, &[genesis, order, account, run_root, salt])
}

/// What the maker of a decoy job commits to before the job is posted: who will post it and who will
/// claim it, with the consent of both. Binds the chain and the maker, and hides everything else
/// behind a salt of full entropy.
///
/// `derive_key(context, genesis ‖ maker ‖ requester ‖ provider ‖ consents ‖ salt)`, where
/// `consents` is a hash of both parties' signatures.
pub fn decoy_seal(
	genesis: &Hash,
	maker: &[u8; 32],
	requester: &[u8; 32],
	provider: &[u8; 32],
	consents: &Hash,
	salt: &Hash,
) -> Hash {
	derive(&context::DECOY_SEAL, &[genesis, maker, requester, provider, consents, salt])
}

//! The session key of a verifier and the bytes it signs.

use crate::{AbstainReason, Hash, JobId, Ticket};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// The application crypto of the `verifier` session key: sr25519 under the key type `asvf`.
pub mod verifier_crypto {
	use sp_application_crypto::{app_crypto, sr25519};
	use sp_core::crypto::KeyTypeId;

	/// The keystore's name of verifier keys.
	pub const KEY_TYPE: KeyTypeId = KeyTypeId(*b"asvf");

	mod app {
		use super::{app_crypto, sr25519, KEY_TYPE};
		app_crypto!(sr25519, KEY_TYPE);
	}

	sp_application_crypto::with_pair! {
		/// A verifier's key pair.
		pub type AuthorityPair = app::Pair;
	}
	/// A verifier's signature.
	pub type AuthoritySignature = app::Signature;
	/// A verifier's public key.
	pub type AuthorityId = app::Public;
}

/// A verifier's public session key.
pub type VerifierId = verifier_crypto::AuthorityId;

/// A signature by a verifier's session key.
pub type VerifierSignature = verifier_crypto::AuthoritySignature;

/// What a verifier says about a job. The index of the variant is part of the signed bytes, so that
/// a signature for one call can never pass for another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum VerifierAction {
	/// Holds every input, well-formed, and will serve them until the job ends (`ok`), or not.
	#[codec(index = 0)]
	AttestInputs {
		/// Whether every input is held.
		ok: bool,
		/// When the signer was drawn: what it said in an earlier round counts in no later one.
		drawn_at: u32,
	},
	/// Binds the root of the replayed run, hidden by a salt.
	#[codec(index = 1)]
	CommitVerdict {
		/// `assay_commitments::verdict_commitment(genesis, order, account, run_root, salt)`.
		commitment: Hash,
		/// That the signer was drawn.
		ticket: Ticket,
	},
	/// Gives no verdict.
	#[codec(index = 2)]
	Abstain {
		/// Why.
		reason: AbstainReason,
		/// That the signer was drawn.
		ticket: Ticket,
	},
	/// Opens the committed verdict.
	#[codec(index = 3)]
	RevealVerdict {
		/// The root of the verifier's own replay.
		run_root: Hash,
		/// The salt of its commitment.
		salt: Hash,
		/// Whether the sampled chunks of the replay's trace come with it. They need no signature,
		/// since only one answer is right, but nobody may strip them.
		chunks: bool,
	},
	/// A move in the verifier's lane. The move itself may be long, so its hash stands for it.
	#[codec(index = 4)]
	Challenge {
		/// BLAKE2-256 of `SCALE(groups opened in the lane, or None without one, as Option<u32>;
		/// accepted parts of a proof, as u32; the [`crate::ChallengeMove`])`. Where the lane stands
		/// is part of it, so that nobody can send a signed demand again one level further down.
		hash: Hash,
	},
	/// Holds every output, well-formed, and will serve them while the job is on record (`ok`), or
	/// not.
	#[codec(index = 5)]
	AttestOutputs {
		/// Whether every output is held.
		ok: bool,
		/// When the signer was drawn, as above.
		drawn_at: u32,
	},
}

/// Domain of verifier signatures; a session key signs nothing else.
pub const SIGNING_CONTEXT: &[u8] = b"assay/verifier/2";

/// The bytes that a verifier signs:
/// `SCALE(context, genesis hash, job, order, account, retry, action)`.
///
/// * `genesis`, `job` and `order` keep a signature from being replayed on another chain or job, or
///   for another job of the same number on another fork,
/// * `account` is the drawn account whose seat the action fills, SCALE-encoded,
/// * `retry` only makes two submissions of one action differ, so that a transaction which a node
///   has banned for a while (it does so after some reorganisations) can be sent again.
pub fn signing_payload<AccountId: Encode>(
	genesis: &Hash,
	job: JobId,
	order: &Hash,
	account: &AccountId,
	retry: u32,
	action: &VerifierAction,
) -> Vec<u8> {
	(SIGNING_CONTEXT, genesis, job, order, account, retry, action).encode()
}

//! Disputes about an opened result: lanes, demands, moves, and what a client sees of them.
//!
//! A challenger whose replay differs from the provider's result opens a *lane*: it demands the
//! openings that lead from the run root down to the first tile that differs, and then proves that
//! tile wrong. See `docs/protocol/disputes.md`.

use crate::{Hash, JobId, VerifierId};
use alloc::{boxed::Box, vec::Vec};
use assay_commitments::Place;
use assay_referee::ProofPart;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What a challenger does next. A drawn verifier sends it signed by its session key, anyone else as
/// a call of its account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum ChallengeMove {
	/// Demand the group below child `child` of the group that was opened last; `None` for the first
	/// one, which opens the lane.
	#[codec(index = 0)]
	Demand {
		/// Place of the child in the group that was opened last.
		child: Option<u32>,
	},
	/// Bind the sender to the proof that it is about to send, so that a copy of it earns the copier
	/// nothing: [`proof_commitment`].
	#[codec(index = 1)]
	CommitProof {
		/// The commitment.
		commitment: Hash,
	},
	/// A fraud proof, or one part of it.
	#[codec(index = 2)]
	Prove {
		/// The part.
		part: Box<ProofPart>,
	},
}

/// BLAKE3 of the SCALE bytes of a proof's first part: what names the proof.
pub fn proof_hash(first_part: &ProofPart) -> Hash {
	*blake3::hash(&first_part.encode()).as_bytes()
}

/// Binds a fraud proof to the account that found it: BLAKE3 `derive_key` over genesis hash, order,
/// account and the [`proof_hash`].
///
/// An opening is unique, so two honest provers of one tile have the same proof. Nobody can make
/// another account's commitment without the proof, and a copied commitment names its author.
pub fn proof_commitment(
	genesis: &Hash,
	order: &Hash,
	account: &[u8; 32],
	proof_hash: &Hash,
) -> Hash {
	let mut hasher = blake3::Hasher::new_derive_key("assay 2026-11-29 proof commitment v2");
	hasher.update(genesis).update(order).update(account).update(proof_hash);
	*hasher.finalize().as_bytes()
}

/// Whose move a lane waits for, and what happens when it is not made in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Turn {
	/// The provider (or anyone) owes the group at this place; what nothing above it proves
	/// ([`Place::is_stated`]), the provider alone. Silence ends the job as withheld.
	#[codec(index = 0)]
	Answer(Place),
	/// The challenger owes its next demand or its proof. Silence closes the lane.
	#[codec(index = 1)]
	Move,
}

/// A lane as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct LaneView<AccountId, Balance, BlockNumber> {
	/// The job.
	pub job: JobId,
	/// Whose lane it is.
	pub challenger: AccountId,
	/// What the challenger put up; nothing for drawn verifiers.
	pub deposit: Balance,
	/// When it was opened.
	pub opened_at: BlockNumber,
	/// Whose move it is.
	pub turn: Turn,
	/// Last block at which that move counts.
	pub deadline: BlockNumber,
	/// The groups that were opened so far, from the top.
	pub opened: Vec<(Place, Vec<Hash>)>,
	/// Root over the roots of lazy anchors that the provider has stated in the lane. Only by these may two
	/// lanes of one account in one job differ that were led in one way, on two forks.
	pub list: Option<Hash>,
	/// Parts of a fraud proof that were accepted so far.
	pub parts: u32,
	/// The challenger is bound to a proof.
	pub committed: bool,
}

/// A duty of a drawn verifier in the dispute about a job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct DisputeDuty<AccountId, Balance, BlockNumber> {
	/// The job.
	pub job: JobId,
	/// The drawn account.
	pub account: AccountId,
	/// The session key that was snapshotted when it was drawn.
	pub key: VerifierId,
	/// What is disputed.
	pub result: DisputedResult,
	/// The account's lane, where it has one.
	pub lane: Option<LaneView<AccountId, Balance, BlockNumber>>,
}

/// What a challenger and an answering provider need of a job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct DisputedResult {
	/// Hash of the job's [`Order`](crate::Order).
	pub order: Hash,
	/// Content address of the program's bytes.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// Steps of the run.
	pub steps: u32,
	/// Work units of all steps together.
	pub work_units: u64,
	/// The provider's opened result.
	pub run_root: Hash,
	/// Trace root of the last step, as the reveal has shown it.
	pub trace_root: Hash,
	/// New lanes are accepted.
	pub open: bool,
}

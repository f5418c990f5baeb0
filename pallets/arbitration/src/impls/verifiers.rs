//! Moves of drawn verifiers: authorized by their session keys, without deposit, and bounded.
//!
//! A verifier has one lane without deposit in a job in which it was drawn and has given a verdict.
//! In it there are at most as many demands as a run has levels and one commitment, which are small
//! and free, and the parts of one proof, up to 32 of half a megabyte each. For a part that does not
//! prove the fraud what it costs when it is signed is held on the verifier's account, and released
//! once the result falls, whoever proves that: seats cost hardly anything, so that what is free for
//! each of them is free without end. A lane that comes to nothing, by a refused proof or because
//! its owner falls silent, loses what is held; it is a fault as well, and a verifier with a few
//! faults is suspended.
//!
//! Such moves go before everything that is signed, whatever it tips. So they leave most of a block
//! to others ([`MAX_PROOF_BYTES`]), and verdicts go before parts of proofs. Of parts, those whose
//! lane has the least time left go first.

use super::ResultOf;
use crate::{
	BalanceOf, Config, Error, Event, Folds, HoldReason, Lanes, Pallet, Payer, ProofBytes, Proved,
	WeightInfo, MAX_PROOF_BYTES,
};
use assay_market::{
	verifier::signing_payload, ChallengeMove, Disputes, Hash, JobId, VerifierAction,
	VerifierSignature,
};
use codec::Encode;
use frame_support::{
	defensive,
	dispatch::DispatchResultWithPostInfo,
	ensure,
	traits::{
		fungible::{Inspect, Mutate, MutateHold},
		tokens::{Fortitude, Precision, Preservation},
		Get,
	},
	weights::Weight,
};
use sp_application_crypto::RuntimeAppPublic;
use sp_io::hashing::blake2_256;
use sp_runtime::{
	traits::{SaturatedConversion, Saturating},
	transaction_validity::{InvalidTransaction, TransactionValidityError, ValidTransaction},
	DispatchResult,
};

/// Codes of [`InvalidTransaction::Custom`] that a refused move carries.
pub mod refusal {
	/// The job shows no result that could be disputed.
	pub const NOTHING_TO_DISPUTE: u8 = 1;
	/// The account was not drawn to verify the job, or gave no verdict.
	pub const NOT_DRAWN: u8 = 2;
	/// The verifier's free lane in this job is used up.
	pub const LANE_USED_UP: u8 = 3;
	/// On this fork the number is another job's.
	pub const OTHER_ORDER: u8 = 4;
}

/// By how much the priority of parts of proofs is lower than that of other moves: verdicts come in
/// between.
const PROOFS_AFTER: u64 = 2;

/// How long a first move, which has no deadline of its own, may wait in the pool, in blocks.
const LONGEVITY: u64 = 8;

impl<T: Config> Pallet<T> {
	/// What a move takes at most.
	pub(crate) fn weight_of_move(action: &ChallengeMove) -> Weight {
		match action {
			ChallengeMove::Demand { .. } => T::WeightInfo::demand(),
			ChallengeMove::CommitProof { .. } => T::WeightInfo::commit_proof(),
			ChallengeMove::Prove { part } => Self::weight_of_proof(part.encoded_size() as u32),
		}
	}

	/// Whether the chain would take this move now, as far as that can be told without judging a
	/// proof: that is done once, in a block, and a wrong one uses the lane up.
	pub(crate) fn check_move(
		job: JobId,
		order: &Hash,
		account: &T::AccountId,
		action: &ChallengeMove,
	) -> Result<ResultOf<T>, Error<T>> {
		let result = Self::result_of(job, order)?;
		ensure!(T::Jobs::verifier_key(job, account).is_some(), Error::<T>::NotDrawn);
		ensure!(Self::has_free_lane(job, account), Error::<T>::LaneUsedUp);
		let lane = Lanes::<T>::get(job, account);
		match action {
			ChallengeMove::Demand { child } => {
				Self::ensure_may_move(lane.as_ref(), &result)?;
				let shape = Self::shape_of(&result)?;
				Self::next_place(job, account, lane.as_ref(), *child, &result, &shape)?;
			}
			ChallengeMove::CommitProof { .. } => {
				Self::ensure_may_commit(job, lane.as_ref(), &result)?
			}
			ChallengeMove::Prove { part } => {
				// Without a lane an invalid proof would cost its sender nothing.
				ensure!(lane.is_some(), Error::<T>::NeedsLane);
				Self::ensure_may_move(lane.as_ref(), &result)?;
				Self::continued(job, account, part)?;
			}
		}
		Ok(result)
	}

	/// What a verifier's key signs: the hash of its move and of how its lane stands. A signed
	/// demand that bound the move alone could be sent again by anyone after the next answer, and
	/// would lead the lane astray; and what a provider states may differ from fork to fork, and
	/// with it where the lane leads and what proves anything in it.
	pub(crate) fn signed_action(
		job: JobId,
		account: &T::AccountId,
		action: &ChallengeMove,
	) -> VerifierAction {
		let lane = Lanes::<T>::get(job, account);
		let list = lane.as_ref().and_then(|lane| lane.stated_root());
		let opened = lane.map(|lane| lane.answers);
		let parts = Folds::<T>::get(job, account).map_or(0, |fold| fold.next);
		VerifierAction::Challenge { hash: (opened, list, parts, action).using_encoded(blake2_256) }
	}

	/// Whoever can sign for no verifier of the job is refused before anything large is read: a
	/// refusal costs its sender nothing.
	pub(crate) fn authorize_move(
		job: JobId,
		order: &Hash,
		account: &T::AccountId,
		action: &ChallengeMove,
		retry: u32,
		signature: &VerifierSignature,
	) -> Result<ValidTransaction, TransactionValidityError> {
		let refused = |error| match error {
			Error::NothingToDispute => InvalidTransaction::Custom(refusal::NOTHING_TO_DISPUTE),
			Error::OtherOrder => InvalidTransaction::Custom(refusal::OTHER_ORDER),
			Error::NotDrawn => InvalidTransaction::Custom(refusal::NOT_DRAWN),
			Error::LaneUsedUp => InvalidTransaction::Custom(refusal::LANE_USED_UP),
			Error::AnswerPending => InvalidTransaction::Future,
			_ => InvalidTransaction::Stale,
		};
		Self::result_of(job, order).map_err(refused)?;
		let key = T::Jobs::verifier_key(job, account)
			.ok_or(InvalidTransaction::Custom(refusal::NOT_DRAWN))?;
		let signed = Self::signed_action(job, account, action);
		let payload = signing_payload(&Self::genesis_hash(), job, order, account, retry, &signed);
		ensure!(key.verify(&payload, signature), InvalidTransaction::BadProof);
		Self::check_move(job, order, account, action).map_err(refused)?;
		let priority = match action {
			ChallengeMove::Prove { part } => {
				let bytes = part.encoded_size() as u32;
				ensure!(Self::can_pay(account, bytes), InvalidTransaction::Payment);
				// The author leaves it for the next block.
				let fits = ProofBytes::<T>::get().saturating_add(bytes) <= MAX_PROOF_BYTES;
				ensure!(fits, InvalidTransaction::ExhaustsResources);
				T::VerifierPriority::get().saturating_sub(PROOFS_AFTER)
			}
			_ => T::VerifierPriority::get(),
		};
		let lane = Lanes::<T>::get(job, account);
		let left = lane
			.as_ref()
			.map_or(LONGEVITY, |lane| lane.deadline.saturating_sub(Self::now()).saturated_into());
		let answers = lane.map(|lane| (lane.answers, lane.committed));
		let parts = Folds::<T>::get(job, account).map(|fold| fold.next);
		Ok(ValidTransaction {
			priority,
			requires: alloc::vec![],
			provides: alloc::vec![("assay-arbitration", job, account, answers, parts).encode()],
			longevity: left.max(1),
			propagate: true,
		})
	}

	/// Whether an account could pay for a part of a proof, should that prove nothing.
	pub(crate) fn can_pay(account: &T::AccountId, bytes: u32) -> bool {
		let free =
			T::Currency::reducible_balance(account, Preservation::Preserve, Fortitude::Polite);
		free >= Self::fee_of_part(bytes)
	}

	/// Holds what a part costs until the lane is closed.
	pub(crate) fn hold_fee(account: &T::AccountId, fee: BalanceOf<T>) -> DispatchResult {
		T::Currency::hold(&HoldReason::Lane.into(), account, fee)
	}

	/// Charges for a part that was sent as a verifier's move and was refused.
	fn charge_part(job: JobId, account: &T::AccountId, bytes: u32) {
		let charged = T::Currency::burn_from(
			account,
			Self::fee_of_part(bytes),
			Preservation::Preserve,
			Precision::Exact,
			Fortitude::Polite,
		);
		match charged {
			Ok(fee) => Self::deposit_event(Event::ProofPartCharged {
				job,
				challenger: account.clone(),
				fee,
			}),
			Err(_) => {
				defensive!("`authorize` has seen that the account can pay");
			}
		}
	}

	pub(crate) fn do_move_as_verifier(
		job: JobId,
		order: &Hash,
		account: T::AccountId,
		action: ChallengeMove,
	) -> DispatchResultWithPostInfo {
		let result = Self::check_move(job, order, &account, &action)?;
		match action {
			ChallengeMove::Demand { child } => {
				Self::do_demand(job, result, account, child, Payer::Seat)?;
				Ok(().into())
			}
			ChallengeMove::CommitProof { commitment } => {
				Self::do_commit_proof(job, result, account, commitment, Payer::Seat)?;
				Ok(().into())
			}
			ChallengeMove::Prove { part } => {
				let bytes = part.encoded_size() as u32;
				let weight = Self::weight_of_part(bytes);
				ProofBytes::<T>::mutate(|all| all.saturating_accrue(bytes));
				let error = match Self::do_prove(job, result, account.clone(), *part, Payer::Seat) {
					Ok(Proved::Fraud) => return Ok(().into()),
					Ok(Proved::Part) => return Ok(Some(weight).into()),
					Err(error) => error,
				};
				Self::charge_part(job, &account, bytes);
				// The transaction must leave a trace, or it could be sent again.
				Self::use_up(job, &account);
				T::Jobs::note_rejected(job, &account);
				Self::deposit_event(Event::ProofRejected {
					job,
					challenger: account.clone(),
					error,
				});
				if let Some(lane) = Lanes::<T>::get(job, &account) {
					Self::close_lane(job, account, lane, true);
				}
				Ok(Some(weight.saturating_add(T::WeightInfo::close_lane())).into())
			}
		}
	}
}

//! Moves of drawn verifiers: authorized by their session keys, free, and bounded.

use crate::{Config, Error, Event, Folds, Lanes, Pallet, Payer, WeightInfo};
use assay_market::{
	verifier::signing_payload, ChallengeMove, Disputes, JobId, VerifierAction, VerifierSignature,
};
use codec::Encode;
use frame_support::{ensure, traits::Get, weights::Weight};
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
}

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

	/// Whether the chain would take this move now, as far as that can be told without judging a proof:
	/// that is done once, in a block, and a wrong one uses the lane up.
	pub(crate) fn check_move(
		job: JobId,
		account: &T::AccountId,
		action: &ChallengeMove,
	) -> Result<(), Error<T>> {
		let result = Self::result_of(job)?;
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
		Ok(())
	}

	/// What a verifier's key signs: the hash of its move and of how its lane stands. A signed demand
	/// that bound the move alone could be sent again by anyone after the next answer, and would lead
	/// the lane astray; and what a provider states may differ from fork to fork, and with it where the
	/// lane leads and what proves anything in it.
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

	pub(crate) fn authorize_move(
		job: JobId,
		account: &T::AccountId,
		action: &ChallengeMove,
		retry: u32,
		signature: &VerifierSignature,
	) -> Result<ValidTransaction, TransactionValidityError> {
		Self::check_move(job, account, action).map_err(|error| match error {
			Error::NothingToDispute => InvalidTransaction::Custom(refusal::NOTHING_TO_DISPUTE),
			Error::NotDrawn => InvalidTransaction::Custom(refusal::NOT_DRAWN),
			Error::LaneUsedUp => InvalidTransaction::Custom(refusal::LANE_USED_UP),
			Error::AnswerPending => InvalidTransaction::Future,
			_ => InvalidTransaction::Stale,
		})?;
		let key = T::Jobs::verifier_key(job, account)
			.ok_or(InvalidTransaction::Custom(refusal::NOT_DRAWN))?;
		let signed = Self::signed_action(job, account, action);
		let payload = signing_payload(&Self::genesis_hash(), job, account, retry, &signed);
		ensure!(key.verify(&payload, signature), InvalidTransaction::BadProof);
		let lane = Lanes::<T>::get(job, account);
		let left = lane
			.as_ref()
			.map_or(LONGEVITY, |lane| lane.deadline.saturating_sub(Self::now()).saturated_into());
		let answers = lane.map(|lane| (lane.answers, lane.committed));
		let parts = Folds::<T>::get(job, account).map(|fold| fold.next);
		Ok(ValidTransaction {
			priority: T::VerifierPriority::get(),
			requires: alloc::vec![],
			provides: alloc::vec![("assay-arbitration", job, account, answers, parts).encode()],
			longevity: left.max(1),
			propagate: true,
		})
	}

	pub(crate) fn do_move_as_verifier(
		job: JobId,
		account: T::AccountId,
		action: ChallengeMove,
	) -> DispatchResult {
		Self::check_move(job, &account, &action)?;
		match action {
			ChallengeMove::Demand { child } => Self::do_demand(job, account, child, Payer::Seat),
			ChallengeMove::CommitProof { commitment } => {
				Self::do_commit_proof(job, account, commitment, Payer::Seat)
			}
			ChallengeMove::Prove { part } => {
				let Err(error) = Self::do_prove(job, account.clone(), *part) else { return Ok(()) };
				// The transaction was free: it must leave a trace, or it could be sent again.
				Self::use_up(job, &account);
				Self::deposit_event(Event::ProofRejected {
					job,
					challenger: account.clone(),
					error,
				});
				if let Some(lane) = Lanes::<T>::get(job, &account) {
					Self::close_lane(job, account, lane, true);
				}
				Ok(())
			}
		}
	}
}

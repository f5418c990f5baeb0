//! What drawn validators may say, and the authorization of their transactions.

use crate::{Answer, Config, Error, Event, JobOf, Pallet, Parameters, SeatOf, Seats};
use assay_commitments::verdict_commitment;
use assay_market::{
	verifier::signing_payload, AbstainReason, Hash, JobId, Phase, Purpose, VerifierAction,
	VerifierSignature,
};
use frame_support::{ensure, traits::Get};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::{
	traits::{SaturatedConversion, Saturating},
	transaction_validity::{InvalidTransaction, TransactionValidityError, ValidTransaction},
	DispatchResult,
};

/// Codes of [`InvalidTransaction::Custom`] that a refused verifier transaction carries.
pub mod refusal {
	/// There is no such job.
	pub const UNKNOWN_JOB: u8 = 1;
	/// The account was not drawn for this.
	pub const NOT_DRAWN: u8 = 2;
	/// Run root and salt do not give the committed hash.
	pub const COMMITMENT_MISMATCH: u8 = 3;
}

impl<T: Config> Pallet<T> {
	/// Whether the chain would accept this action now, and whose seat it fills. Everything but the
	/// signature.
	pub(crate) fn check_action(
		id: JobId,
		account: &T::AccountId,
		action: &VerifierAction,
	) -> Result<(JobOf<T>, SeatOf<T>), Error<T>> {
		let job = Self::job_of(id)?;
		let purpose = match action {
			VerifierAction::AttestInputs { .. } => Purpose::Attest,
			VerifierAction::CommitVerdict { .. }
			| VerifierAction::Abstain { .. }
			| VerifierAction::RevealVerdict { .. } => Purpose::Verify,
			// The arbitration pallet's; none of this pallet's calls carries one.
			VerifierAction::Challenge { .. } => return Err(Error::WrongPhase),
		};
		let seat = Seats::<T>::get(id)
			.into_iter()
			.find(|seat| seat.purpose == purpose && seat.account == *account)
			.ok_or(Error::<T>::NotDrawn)?;
		if let VerifierAction::RevealVerdict { run_root, salt } = action {
			ensure!(!matches!(seat.answer, Answer::Revealed { .. }), Error::<T>::AlreadyAnswered);
			ensure!(!job.phase.is_terminal(), Error::<T>::WrongPhase);
			ensure!(Self::may_reveal(&job), Error::<T>::TooEarlyToReveal);
			let account = Self::account_bytes(account);
			let genesis = Self::genesis_hash();
			let committed = verdict_commitment(&genesis, id, &account, run_root, salt);
			ensure!(seat.answer == Answer::Committed(committed), Error::<T>::CommitmentMismatch);
		} else {
			ensure!(
				matches!(seat.answer, Answer::Pending | Answer::NoShow),
				Error::<T>::AlreadyAnswered
			);
			let phase = match purpose {
				Purpose::Attest => Phase::Posted,
				Purpose::Verify => Phase::Verifying,
			};
			ensure!(job.phase == phase, Error::<T>::WrongPhase);
			ensure!(
				seat.answer == Answer::Pending && Self::now() <= seat.deadline,
				Error::<T>::DeadlinePassed
			);
		}
		Ok((job, seat))
	}

	/// Verdicts may be opened once nobody can gain by seeing them: when the verifiers' commitments
	/// are in, or the result itself is open.
	pub(crate) fn may_reveal(job: &JobOf<T>) -> bool {
		!job.phase.is_terminal() && (job.run_root.is_some() || job.phase == Phase::Revealing)
	}

	pub(crate) fn authorize_action(
		id: JobId,
		account: &T::AccountId,
		retry: u32,
		action: VerifierAction,
		signature: &VerifierSignature,
	) -> Result<ValidTransaction, TransactionValidityError> {
		let (job, seat) =
			Self::check_action(id, account, &action).map_err(|error| match error {
				Error::UnknownJob => InvalidTransaction::Custom(refusal::UNKNOWN_JOB),
				Error::NotDrawn => InvalidTransaction::Custom(refusal::NOT_DRAWN),
				Error::CommitmentMismatch => {
					InvalidTransaction::Custom(refusal::COMMITMENT_MISMATCH)
				}
				Error::TooEarlyToReveal => InvalidTransaction::Future,
				_ => InvalidTransaction::Stale,
			})?;
		let payload = signing_payload(&Self::genesis_hash(), id, account, retry, &action);
		ensure!(seat.key.verify(&payload, signature), InvalidTransaction::BadProof);
		let deadline = match action {
			VerifierAction::RevealVerdict { .. } => job.deadline,
			_ => seat.deadline,
		};
		let blocks_left: u64 = deadline.saturating_sub(Self::now()).saturated_into();
		let kind = match action {
			VerifierAction::AttestInputs { .. } => 0u8,
			// A seat either commits or abstains.
			VerifierAction::CommitVerdict { .. } | VerifierAction::Abstain { .. } => 1,
			VerifierAction::RevealVerdict { .. } => 2,
			// Refused above.
			VerifierAction::Challenge { .. } => 3,
		};
		Ok(ValidTransaction {
			priority: T::VerifierPriority::get(),
			requires: alloc::vec![],
			provides: alloc::vec![codec::Encode::encode(&("assay-jobs", id, account, kind))],
			longevity: blocks_left.max(1),
			propagate: true,
		})
	}

	fn answer(id: JobId, account: &T::AccountId, purpose: Purpose, answer: Answer) {
		Seats::<T>::mutate(id, |seats| {
			for seat in seats.iter_mut() {
				if seat.purpose == purpose && seat.account == *account {
					seat.answer = answer.clone();
				}
			}
		});
	}

	pub(crate) fn do_attest(id: JobId, account: T::AccountId, ok: bool) -> DispatchResult {
		let action = VerifierAction::AttestInputs { ok };
		let (mut job, _) = Self::check_action(id, &account, &action)?;
		Self::answer(id, &account, Purpose::Attest, Answer::Attested(ok));
		Self::deposit_event(Event::InputsAttested { job: id, account, ok });
		match Self::attestation(id) {
			Some(true) => Self::open(id, &mut job, &Parameters::<T>::get()),
			Some(false) => Self::inputs_unavailable(id, &mut job),
			None => return Ok(()),
		}
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_commit_verdict(
		id: JobId,
		account: T::AccountId,
		commitment: Hash,
	) -> DispatchResult {
		let action = VerifierAction::CommitVerdict { commitment };
		let (job, _) = Self::check_action(id, &account, &action)?;
		Self::answer(id, &account, Purpose::Verify, Answer::Committed(commitment));
		Self::deposit_event(Event::VerdictCommitted { job: id, account, commitment });
		Self::conclude_early(id, job);
		Ok(())
	}

	pub(crate) fn do_abstain(
		id: JobId,
		account: T::AccountId,
		reason: AbstainReason,
	) -> DispatchResult {
		let (job, _) = Self::check_action(id, &account, &VerifierAction::Abstain { reason })?;
		Self::answer(id, &account, Purpose::Verify, Answer::Abstained(reason));
		Self::deposit_event(Event::VerifierAbstained { job: id, account, reason });
		Self::conclude_early(id, job);
		Ok(())
	}

	/// Goes on when everyone who was drawn has answered.
	fn conclude_early(id: JobId, mut job: JobOf<T>) {
		let waiting = Seats::<T>::get(id)
			.iter()
			.any(|seat| seat.purpose == Purpose::Verify && seat.answer == Answer::Pending);
		if !waiting {
			Self::conclude_tranche(id, &mut job, &Parameters::<T>::get());
			Self::store(id, job);
		}
	}

	pub(crate) fn do_reveal_verdict(
		id: JobId,
		account: T::AccountId,
		run_root: Hash,
		salt: Hash,
	) -> DispatchResult {
		let action = VerifierAction::RevealVerdict { run_root, salt };
		let (mut job, seat) = Self::check_action(id, &account, &action)?;
		let Answer::Committed(commitment) = seat.answer else {
			return Err(Error::<T>::CommitmentMismatch.into());
		};
		Self::answer(id, &account, Purpose::Verify, Answer::Revealed { commitment, run_root });
		let matches = job.run_root.map(|result| result == run_root);
		Self::deposit_event(Event::VerdictRevealed { job: id, account, run_root, matches });
		if job.phase == Phase::Revealing {
			Self::end_reveal_early(id, &mut job);
			Self::store(id, job);
		}
		Ok(())
	}
}

//! What validators say about a job, and the authorization of their transactions.

use crate::{
	Answer, Chunks, Config, Error, Event, JobOf, Lotteries, Pallet, Parameters, Results, Seat,
	SeatOf, Seats, SegmentRoots,
};
use alloc::vec::Vec;
use assay_commitments::{verdict_commitment, RunShape};
use assay_market::{
	segment_of, verifier::signing_payload, AbstainReason, Hash, JobId, Phase, Programs, Purpose,
	SampledChunk, Ticket, VerifierAction, VerifierId, VerifierSignature,
};
use assay_referee::sample;
use frame_support::{defensive, ensure, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
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
	/// The account was not drawn for this, or may not take part.
	pub const NOT_DRAWN: u8 = 2;
	/// Run root and salt do not give the committed hash.
	pub const COMMITMENT_MISMATCH: u8 = 3;
	/// The ticket is not what the account's session key draws in this lottery.
	pub const BAD_TICKET: u8 = 4;
	/// All seats of this audit are taken.
	pub const SEATS_TAKEN: u8 = 5;
	/// The chunks are not those of the opened root at the positions that were drawn.
	pub const WRONG_CHUNKS: u8 = 6;
	/// The account's stake stands behind as many jobs as it may.
	pub const TOO_MANY_LOCKS: u8 = 7;
	/// The job of this number is another one on this fork.
	pub const OTHER_ORDER: u8 = 8;
}

/// A signed action is acceptable: whose key must have signed it, and until when it counts.
pub(crate) struct Accepted<BlockNumber> {
	pub key: VerifierId,
	pub deadline: BlockNumber,
}

type AcceptedOf<T> = Accepted<BlockNumberFor<T>>;

/// The shape of a job's trace, from the chain alone.
struct TraceShape {
	steps: u32,
	tiles: Vec<u64>,
}

impl RunShape for TraceShape {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.tiles.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		self.tiles.get(anchor as usize).copied()
	}
}

impl<T: Config> Pallet<T> {
	/// Whether the chain would accept this action now, as far as the state tells: everything but the
	/// signature and [`Self::check_evidence`].
	pub(crate) fn check_action(
		id: JobId,
		order: &Hash,
		account: &T::AccountId,
		action: &VerifierAction,
	) -> Result<AcceptedOf<T>, Error<T>> {
		let job = Self::job_of_order(id, order)?;
		match action {
			VerifierAction::AttestInputs { drawn_at, .. } => {
				Self::check_attestation(id, &job, account, *drawn_at)
			}
			VerifierAction::AttestOutputs { ok, drawn_at } => {
				let key = Self::check_keeping(id, &job, account, (*ok, *drawn_at))?.key;
				Ok(Accepted { key, deadline: Self::keep_deadline(&job) })
			}
			VerifierAction::CommitVerdict { .. } | VerifierAction::Abstain { .. } => {
				Self::ensure_live(&job, Phase::Verifying)?;
				let lottery = Lotteries::<T>::get(id).ok_or(Error::<T>::WrongPhase)?;
				let key = Self::candidate(id, &job, &lottery, account)?.key;
				Ok(Accepted { key, deadline: job.deadline })
			}
			VerifierAction::RevealVerdict { run_root, salt, chunks } => {
				Self::check_opening(id, &job, account, run_root, salt, *chunks)
			}
			// The arbitration pallet's; none of this pallet's calls carries one.
			VerifierAction::Challenge { .. } => Err(Error::WrongPhase),
		}
	}

	fn check_attestation(
		id: JobId,
		job: &JobOf<T>,
		account: &T::AccountId,
		drawn_at: u32,
	) -> Result<AcceptedOf<T>, Error<T>> {
		let Seat { key, deadline, answer, drawn_at: round, .. } =
			Self::seat_of(id, Purpose::Attest, account).ok_or(Error::<T>::NotDrawn)?;
		ensure!(round.saturated_into::<u32>() == drawn_at, Error::<T>::NotDrawn);
		ensure!(matches!(answer, Answer::Pending | Answer::NoShow), Error::<T>::AlreadyAnswered);
		// Also when the quorum is reached: whoever was drawn fetches, and is paid for holding the inputs.
		ensure!(!job.phase.is_terminal(), Error::<T>::WrongPhase);
		ensure!(answer == Answer::Pending && Self::now() <= deadline, Error::<T>::DeadlinePassed);
		Ok(Accepted { key, deadline })
	}

	fn check_opening(
		id: JobId,
		job: &JobOf<T>,
		account: &T::AccountId,
		run_root: &Hash,
		salt: &Hash,
		chunks: bool,
	) -> Result<AcceptedOf<T>, Error<T>> {
		let seat = Self::seat_of(id, Purpose::Verify, account).ok_or(Error::<T>::NotDrawn)?;
		ensure!(seat.answer.opened_root().is_none(), Error::<T>::AlreadyAnswered);
		ensure!(!job.phase.is_terminal(), Error::<T>::WrongPhase);
		ensure!(Self::may_reveal(job), Error::<T>::TooEarlyToReveal);
		ensure!(!chunks || Self::sample_of(job).is_some(), Error::<T>::TooEarlyToReveal);
		let bytes = Self::account_bytes(account);
		let committed =
			verdict_commitment(&Self::genesis_hash(), &job.order, &bytes, run_root, salt);
		ensure!(seat.answer == Answer::Committed(committed), Error::<T>::CommitmentMismatch);
		Ok(Accepted { key: seat.key, deadline: job.deadline })
	}

	/// What an action needs beside a seat and a signature: the ticket of a lottery, the chunks of a
	/// trace. Dearer than everything else, so it comes last.
	pub(crate) fn check_evidence(
		id: JobId,
		account: &T::AccountId,
		action: &VerifierAction,
		chunks: &[SampledChunk],
	) -> Result<(), Error<T>> {
		match action {
			VerifierAction::CommitVerdict { ticket, .. }
			| VerifierAction::Abstain { ticket, .. } => {
				let lottery = Lotteries::<T>::get(id).ok_or(Error::<T>::WrongPhase)?;
				let member = <T::Verifiers as assay_market::Verifiers<_, _>>::member(
					lottery.session,
					account,
				)
				.ok_or(Error::<T>::NotDrawn)?;
				let order = Self::job_of(id)?.order;
				Self::open_tranche(&order, &lottery, &member, ticket, false).map(|_| ())
			}
			VerifierAction::RevealVerdict { run_root, chunks: true, .. } => {
				let job = Self::job_of(id)?;
				let seed = Self::sample_of(&job).ok_or(Error::<T>::TooEarlyToReveal)?;
				let tiles =
					T::Programs::anchor_tiles(&job.offer.program).ok_or(Error::UnknownProgram)?;
				let seat =
					Self::seat_of(id, Purpose::Verify, account).ok_or(Error::<T>::NotDrawn)?;
				// A segment is a run of its own: positions count through its steps.
				let shape = TraceShape { steps: job.offer.steps_of(seat.segment), tiles };
				let bytes = Self::account_bytes(account);
				let right = sample::check_all(run_root, &shape, &seed, &bytes, chunks);
				ensure!(right, Error::<T>::WrongChunks);
				Ok(())
			}
			_ => Ok(()),
		}
	}

	/// What verdicts on this job are compared with.
	pub(crate) fn results(id: JobId, job: &JobOf<T>) -> Results {
		let cut = job.offer.cut().is_some();
		let segments = cut.then(|| SegmentRoots::<T>::get(id).unwrap_or_default());
		Results { run_root: job.run_root(), segments }
	}

	pub(crate) fn seat_of(
		id: JobId,
		purpose: Purpose,
		account: &T::AccountId,
	) -> Option<SeatOf<T>> {
		Seats::<T>::get(id)
			.into_iter()
			.find(|seat| seat.purpose == purpose && seat.account == *account)
	}

	/// The round that an answer of an account is of: when it was drawn. 0 where it was not.
	pub(crate) fn drawn_at(id: JobId, purpose: Purpose, account: &T::AccountId) -> u32 {
		Self::seat_of(id, purpose, account).map_or(0, |seat| seat.drawn_at.saturated_into())
	}

	/// Verdicts may be opened once nobody can gain by seeing them: when the verifiers' commitments
	/// are in, or the result itself is open.
	pub(crate) fn may_reveal(job: &JobOf<T>) -> bool {
		!job.phase.is_terminal() && (job.run_root().is_some() || job.phase == Phase::Revealing)
	}

	pub(crate) fn authorize_action(
		id: JobId,
		order: &Hash,
		account: &T::AccountId,
		retry: u32,
		action: VerifierAction,
		chunks: &[SampledChunk],
		signature: &VerifierSignature,
	) -> Result<ValidTransaction, TransactionValidityError> {
		let accepted = Self::check_action(id, order, account, &action).map_err(refuse)?;
		let payload = signing_payload(&Self::genesis_hash(), id, order, account, retry, &action);
		ensure!(accepted.key.verify(&payload, signature), InvalidTransaction::BadProof);
		Self::check_evidence(id, account, &action, chunks).map_err(refuse)?;
		let blocks_left: u64 = accepted.deadline.saturating_sub(Self::now()).saturated_into();
		let kind = match action {
			VerifierAction::AttestInputs { .. } => 0u8,
			// A member either commits or abstains.
			VerifierAction::CommitVerdict { .. } | VerifierAction::Abstain { .. } => 1,
			VerifierAction::RevealVerdict { .. } => 2,
			// Refused above.
			VerifierAction::Challenge { .. } => 3,
			VerifierAction::AttestOutputs { .. } => 4,
		};
		Ok(ValidTransaction {
			priority: T::VerifierPriority::get(),
			requires: alloc::vec![],
			provides: alloc::vec![codec::Encode::encode(&("assay-jobs", order, account, kind))],
			longevity: blocks_left.max(1),
			propagate: true,
		})
	}

	pub(crate) fn answer(id: JobId, account: &T::AccountId, purpose: Purpose, answer: Answer) {
		Seats::<T>::mutate(id, |seats| {
			for seat in seats.iter_mut() {
				if seat.purpose == purpose && seat.account == *account {
					seat.answer = answer.clone();
				}
			}
		});
	}

	pub(crate) fn do_attest(id: JobId, account: T::AccountId, ok: bool) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		let drawn_at = Self::drawn_at(id, Purpose::Attest, &account);
		Self::check_attestation(id, &job, &account, drawn_at)?;
		Self::answer(id, &account, Purpose::Attest, Answer::Attested(ok));
		Self::deposit_event(Event::InputsAttested { job: id, account, ok });
		if job.phase != Phase::Posted {
			return Ok(());
		}
		match Self::attestation(id) {
			Some(true) => Self::open(id, &mut job, &Parameters::<T>::get()),
			// The job ends in the next block, where its end is paid for by the agenda.
			Some(false) => Self::set_deadline(id, &mut job, Self::now()),
			None => return Ok(()),
		}
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_commit_verdict(
		id: JobId,
		account: T::AccountId,
		commitment: Hash,
		ticket: Ticket,
	) -> DispatchResult {
		Self::enter_lottery(id, &account, &ticket, Answer::Committed(commitment))?;
		Self::deposit_event(Event::VerdictCommitted { job: id, account, commitment });
		Self::after_answer(id)
	}

	pub(crate) fn do_abstain(
		id: JobId,
		account: T::AccountId,
		reason: AbstainReason,
		ticket: Ticket,
	) -> DispatchResult {
		Self::enter_lottery(id, &account, &ticket, Answer::Abstained(reason))?;
		Self::deposit_event(Event::VerifierAbstained { job: id, account, reason });
		Self::after_answer(id)
	}

	/// Gives a winner of the lottery its seat. Its ticket has been verified by the authorization.
	fn enter_lottery(
		id: JobId,
		account: &T::AccountId,
		ticket: &Ticket,
		answer: Answer,
	) -> Result<(), Error<T>> {
		let job = Self::job_of(id)?;
		Self::ensure_live(&job, Phase::Verifying)?;
		let lottery = Lotteries::<T>::get(id).ok_or(Error::<T>::WrongPhase)?;
		let member = Self::candidate(id, &job, &lottery, account)?;
		let tranche = Self::open_tranche(&job.order, &lottery, &member, ticket, true)?;
		let seat = Seat {
			account: member.account,
			key: member.key,
			purpose: Purpose::Verify,
			tranche: job.audits.first_tranche.saturating_add(tranche),
			drawn_at: lottery.opened_at,
			deadline: job.deadline,
			answer,
			segment: job.offer.cut().map(|cut| {
				segment_of(&ticket.pre_output, &Self::genesis_hash(), &job.order, cut.count())
			}),
		};
		if !Self::take_seat(id, seat) {
			defensive!("the capacities of both audits fit into the seats of a job");
			return Err(Error::SeatsTaken);
		}
		Ok(())
	}

	fn after_answer(id: JobId) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		Self::conclude_early(id, &mut job, &Parameters::<T>::get());
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_reveal_verdict(
		id: JobId,
		account: T::AccountId,
		run_root: Hash,
		salt: Hash,
		chunks: Option<Chunks>,
	) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		let shown = chunks.is_some();
		Self::check_opening(id, &job, &account, &run_root, &salt, shown)?;
		let bytes = Self::account_bytes(&account);
		let commitment =
			verdict_commitment(&Self::genesis_hash(), &job.order, &bytes, &run_root, &salt);
		let answer = if shown {
			Answer::Revealed { commitment, run_root }
		} else {
			Answer::Opened { commitment, run_root }
		};
		Self::answer(id, &account, Purpose::Verify, answer);
		let segment = Self::seat_of(id, Purpose::Verify, &account).and_then(|seat| seat.segment);
		let matches = Self::results(id, &job).of(segment).map(|result| result == run_root);
		Self::deposit_event(Event::VerdictRevealed { job: id, account, run_root, matches, shown });
		if job.phase == Phase::Revealing {
			Self::keep_sample(&mut job);
			Self::end_reveal_early(id, &mut job);
			Self::store(id, job);
		}
		Ok(())
	}
}

/// What the pool is told.
fn refuse<T>(error: Error<T>) -> InvalidTransaction {
	match error {
		Error::UnknownJob => InvalidTransaction::Custom(refusal::UNKNOWN_JOB),
		Error::OtherOrder => InvalidTransaction::Custom(refusal::OTHER_ORDER),
		Error::NotDrawn => InvalidTransaction::Custom(refusal::NOT_DRAWN),
		Error::CommitmentMismatch => InvalidTransaction::Custom(refusal::COMMITMENT_MISMATCH),
		Error::BadTicket => InvalidTransaction::Custom(refusal::BAD_TICKET),
		Error::SeatsTaken => InvalidTransaction::Custom(refusal::SEATS_TAKEN),
		Error::WrongChunks => InvalidTransaction::Custom(refusal::WRONG_CHUNKS),
		Error::TooManyLocks => InvalidTransaction::Custom(refusal::TOO_MANY_LOCKS),
		Error::TooEarlyToReveal | Error::TrancheNotOpen => InvalidTransaction::Future,
		_ => InvalidTransaction::Stale,
	}
}

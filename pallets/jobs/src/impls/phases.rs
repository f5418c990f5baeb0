//! The agenda, what happens after each deadline, and how a job ends.

use crate::{
	ActiveJobs, Agenda, Answer, Archive, Archived, Config, Event, JobOf, Jobs, JobsOfKey,
	Lotteries, Pallet, Parameters, ParametersOf, Results, Sample, SeatOf, Seats, SegmentRoots,
	WeightInfo,
};
use alloc::{collections::BTreeSet, vec::Vec};
use assay_market::{
	Arbitration, Hash, Identities, JobBonds, JobId, Outcome, Phase, Programs, Purpose, ReasonCode,
	ReportVouching, VerifierFaults, Verifiers,
};
use frame_support::{defensive, traits::Get, weights::Weight};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{Saturating, Zero};

impl<T: Config> Pallet<T> {
	/// Pushes on the jobs of this block's agenda, as far as half of the block's weight goes; the rest
	/// waits for the next block. Gives the weight used.
	pub(crate) fn run_agenda(now: BlockNumberFor<T>) -> Weight {
		let budget = T::BlockWeights::get().max_block / 2;
		let mut used = Weight::zero();
		for id in Agenda::<T>::take(now) {
			let Some(mut job) = Jobs::<T>::get(id) else {
				defensive!("the agenda only has jobs that exist");
				continue;
			};
			job.scheduled = None;
			Self::keep_sample(id, &mut job);
			let after = used.saturating_add(Self::weight_to_advance(id));
			if now > job.deadline && (after.all_lte(budget) || used.is_zero()) {
				used = after;
				Self::advance(id, job);
			} else {
				// Before its deadline for the seed of its sample, or because the block is full.
				used = used.saturating_add(T::DbWeight::get().reads_writes(3, 3));
				Self::reschedule(id, &mut job);
				Self::store(id, job);
			}
		}
		used
	}

	/// What [`Self::advance`] of this job takes at most.
	pub(crate) fn weight_to_advance(id: JobId) -> Weight {
		Self::weight_to_push(Seats::<T>::decode_len(id).unwrap_or_default() as u32)
	}

	/// The dearer end of a job with so many seats: paid, or condemned with everyone who vouched.
	pub(crate) fn weight_to_push(seats: u32) -> Weight {
		T::WeightInfo::advance(seats)
			.max(T::WeightInfo::condemn(seats))
			// Neither measures what is noted of settlements and losses yet, nor the roots of segments.
			.saturating_add(Self::weight_to_note_settled())
			.saturating_add(T::DbWeight::get().reads_writes(2, 1))
	}

	/// Carries out the default of a phase whose deadline has passed, and stores the job.
	pub(crate) fn advance(id: JobId, mut job: JobOf<T>) {
		let parameters = Parameters::<T>::get();
		Self::keep_sample(id, &mut job);
		if job.draw.is_some() {
			Self::perform_draw(id, &mut job, &parameters);
		} else {
			match job.phase {
				Phase::Posted => {
					Self::mark_no_shows(id);
					Self::inputs_unavailable(id, &mut job);
				}
				Phase::Open if job.stalled.is_some() => {
					Self::finish(id, &mut job, ReasonCode::ProviderTimeout)
				}
				Phase::Open => Self::finish(id, &mut job, ReasonCode::Expired),
				Phase::Claimed => Self::stall(id, &mut job, &parameters),
				Phase::Committed => {
					defensive!("a committed job always waits for a draw");
				}
				Phase::Verifying => Self::conclude_tranche(id, &mut job, &parameters),
				Phase::Revealing => match job.condemned {
					// The verifiers had their time to open what they had hidden.
					Some(reason) => Self::finish(id, &mut job, reason),
					None if job.run_root.is_none() => {
						Self::slash_bond(id, &job, None, &parameters);
						Self::finish(id, &mut job, ReasonCode::Withheld);
					}
					None => Self::challenge(id, &mut job, &parameters),
				},
				Phase::Challengeable => Self::settle(id, &mut job, &parameters),
				Phase::Settled | Phase::Failed => return Self::prune(id, job),
			}
		}
		Self::store(id, job);
	}

	/// A provider stayed silent: a part of its bond goes to the requester, and the job opens once
	/// more, without that provider.
	fn stall(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		if let Some(provider) = job.provider.clone() {
			let due = parameters.stall_slash * job.bond;
			let pay = Some((&job.requester, due));
			let taken = T::JobBonds::slash(&provider, id, due, pay);
			T::JobBonds::release(&provider, id);
			Self::note(job, &provider, Outcome::ProviderStalled);
			Self::deposit_event(Event::ProviderStalled {
				job: id,
				provider: provider.clone(),
				compensation: taken.paid,
			});
			if job.stalled.is_none() {
				job.stalled = Some(provider);
				job.provider = None;
				job.price = None;
				job.bond = Zero::zero();
				return Self::open(id, job, parameters);
			}
		}
		Self::finish(id, job, ReasonCode::ProviderTimeout);
	}

	/// No quorum attested the inputs.
	pub(crate) fn inputs_unavailable(id: JobId, job: &mut JobOf<T>) {
		T::Identities::note_outcome(&job.requester, Outcome::RequesterInputsUnavailable);
		Self::finish(id, job, ReasonCode::InputsUnavailable);
	}

	/// Starts revealing, which is over at once where nobody has anything to reveal. The commitments are
	/// closed, so that the blocks to come may decide what of their traces the verifiers show.
	pub(crate) fn begin_reveal(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		Lotteries::<T>::remove(id);
		if Self::has_hidden(id) {
			job.sample = Some(Sample::Awaited(Self::now()));
		}
		let deadline = Self::now().saturating_add(parameters.reveal_period);
		Self::enter(id, job, Phase::Revealing, deadline);
		Self::end_reveal_early(id, job);
	}

	/// Goes on to the challenge period when provider and verifiers have all opened. A condemned job
	/// ends at the start of the next block then, where its end is paid for by the agenda.
	pub(crate) fn end_reveal_early(id: JobId, job: &mut JobOf<T>) {
		if job.phase != Phase::Revealing || job.run_root.is_none() || Self::has_hidden(id) {
			return;
		}
		if job.condemned.is_some() {
			Self::set_deadline(id, job, Self::now());
		} else {
			Self::challenge(id, job, &Parameters::<T>::get());
		}
	}

	/// Whether a verdict is committed and not opened.
	pub(crate) fn has_hidden(id: JobId) -> bool {
		Seats::<T>::get(id).iter().any(|seat| matches!(seat.answer, Answer::Committed(_)))
	}

	fn challenge(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let time = parameters.challenge.blocks(job.work_units, job.input_bytes);
		Self::enter(id, job, Phase::Challengeable, Self::now().saturating_add(time));
	}

	/// The challenge period is over: pays a result that needed no audit or that a quorum of
	/// verifiers reached independently; otherwise nobody is paid. A disputed job waits off the agenda
	/// until [`assay_market::Disputes::quiet`] puts it back.
	fn settle(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		if T::Arbitration::is_disputed(id) {
			return;
		}
		let quorum = parameters.quorum.min(job.wanted).max(1) as usize;
		let matching = Self::matching(id, job);
		if job.audited == Some(true) && matching.len() < quorum {
			return Self::finish(id, job, ReasonCode::Inconclusive);
		}
		let price = job.price.unwrap_or(job.price_max);
		if let Some(provider) = job.provider.clone() {
			Self::pay_fee(job, &provider, price, parameters);
		}
		// The pot has one share for every verdict that was wanted, so that nobody gains by keeping
		// others from giving theirs.
		let shares = job.shares.max(matching.len() as u32).max(1);
		let share = job.verifier_pot / shares.into();
		for verifier in matching {
			let amount = Self::pay_fee(job, &verifier, share, parameters);
			Self::deposit_event(Event::VerifierPaid { job: id, account: verifier, amount });
		}
		Self::note_settled(id, job);
		Self::finish(id, job, ReasonCode::Paid);
	}

	/// Ends the job: refunds what is left, releases every hold and lock, writes the reputations.
	pub(crate) fn finish(id: JobId, job: &mut JobOf<T>, reason: ReasonCode) {
		Self::refund(job);
		if let Some(provider) = &job.provider {
			T::JobBonds::release(provider, id);
		}
		Self::note_parties(job, reason);
		let seats = Seats::<T>::get(id);
		let results = Self::results(id, job);
		// Before their stake is unlocked.
		let vouchers = Self::vouchers(job, reason, &seats, &results);
		if !vouchers.is_empty() {
			T::Vouching::report(id, vouchers);
		}
		let mut unlocked = BTreeSet::new();
		for seat in seats {
			if reason == ReasonCode::Paid {
				Self::note_verdict(&results, &seat);
			}
			if let Some(outcome) =
				Self::outcome_of(results.of(seat.segment), &seat.answer, seat.purpose)
			{
				Self::note(job, &seat.account, outcome);
			}
			JobsOfKey::<T>::remove(&seat.key, id);
			if unlocked.insert(seat.account.clone()) {
				T::Verifiers::unlock(&seat.account, id);
			}
		}
		Lotteries::<T>::remove(id);
		T::Programs::release(&job.program);
		T::Arbitration::ended(id);
		ActiveJobs::<T>::mutate(|active| *active = active.saturating_sub(1));
		job.reason = Some(reason);
		job.draw = None;
		let phase = if reason == ReasonCode::Paid { Phase::Settled } else { Phase::Failed };
		Self::enter(id, job, phase, Self::now().saturating_add(T::Retention::get()));
		Self::deposit_event(Event::JobEnded {
			job: id,
			reason,
			paid: job.paid,
			refunded: job.refunded,
			burned: job.burned,
		});
	}

	/// Who stood behind a result that failed as fraud. Whoever hid a verdict until the end could have
	/// committed to the same. Whoever opened the same root is reported only where that root is
	/// *proved* wrong: a provider that merely withholds an opening may well have been right, and could
	/// otherwise have honest verifiers slashed at the price of its own bond.
	///
	/// Where the run is cut, a step that is proved wrong speaks against the verdicts on its own segment
	/// alone. Whoever replayed another one started from the states that the run has there, wrong or
	/// not, and may have found every step of its own to be right. And whoever replayed this one from
	/// those states would have found the step wrong, be it the first: a checkpoint is opened in the
	/// run when the result is revealed.
	fn vouchers(
		job: &JobOf<T>,
		reason: ReasonCode,
		seats: &[SeatOf<T>],
		results: &Results,
	) -> Vec<T::AccountId> {
		if !matches!(reason, ReasonCode::ProvenFraud | ReasonCode::Withheld) {
			return Vec::new();
		}
		let wrong = job.cut().zip(job.wrong_step).and_then(|(cut, step)| cut.segment_of(step));
		seats
			.iter()
			.filter(|seat| wrong.is_none() || seat.segment == wrong)
			.filter(|seat| match seat.answer {
				Answer::Revealed { run_root, .. } | Answer::Opened { run_root, .. } => {
					reason == ReasonCode::ProvenFraud && Some(run_root) == results.of(seat.segment)
				}
				Answer::Committed(_) => true,
				_ => false,
			})
			.map(|seat| seat.account.clone())
			.collect()
	}

	/// Counts a verdict on a result that stood for or against its author. A right root without the
	/// chunks of a trace may be hearsay and counts for nothing.
	fn note_verdict(results: &Results, seat: &SeatOf<T>) {
		let Some(root) = seat.answer.opened_root() else { return };
		if Some(root) != results.of(seat.segment) {
			T::VerifierFaults::note_fault(&seat.account);
		} else if seat.answer.is_verdict() {
			T::VerifierFaults::note_match(&seat.account);
		}
	}

	fn note_parties(job: &JobOf<T>, reason: ReasonCode) {
		let (requester, provider) = match reason {
			ReasonCode::Paid => (Some(Outcome::RequesterPaid), Some(Outcome::ProviderPaid)),
			ReasonCode::CancelledWhileClaimed => (Some(Outcome::RequesterCancelled), None),
			ReasonCode::Inconclusive => (None, Some(Outcome::ProviderInconclusive)),
			ReasonCode::Withheld | ReasonCode::ProvenFraud => (None, Some(Outcome::ProviderFraud)),
			ReasonCode::Cancelled
			| ReasonCode::InputsUnavailable
			| ReasonCode::Expired
			| ReasonCode::ProviderTimeout => (None, None),
		};
		if let Some(outcome) = requester {
			Self::note(job, &job.requester, outcome);
		}
		if let (Some(outcome), Some(provider)) = (provider, &job.provider) {
			Self::note(job, provider, outcome);
		}
	}

	/// What a seat's answer means for the reputation of its account, now that the job ends.
	fn outcome_of(result: Option<Hash>, answer: &Answer, purpose: Purpose) -> Option<Outcome> {
		match answer {
			Answer::Pending => None,
			Answer::Attested(true) => Some(Outcome::VerifierAttested),
			Answer::Attested(false) => None,
			Answer::NoShow => Some(Outcome::VerifierNoShow),
			Answer::Abstained(_) => Some(Outcome::VerifierAbstained),
			Answer::Committed(_) => {
				(purpose == Purpose::Verify).then_some(Outcome::VerifierUnrevealed)
			}
			Answer::Revealed { run_root, .. } => result.map(|result| {
				if *run_root == result {
					Outcome::VerifierMatched
				} else {
					Outcome::VerifierMismatched
				}
			}),
			Answer::Opened { run_root, .. } => result.map(|result| {
				if *run_root == result {
					// In the end it gave no verdict, and said so.
					Outcome::VerifierAbstained
				} else {
					Outcome::VerifierMismatched
				}
			}),
		}
	}

	/// Writes the job back. An ended job for whose pruning the agenda has no place is pruned at once,
	/// so that the number of records stays bounded.
	pub(crate) fn store(id: JobId, job: JobOf<T>) {
		if job.phase.is_terminal() && job.scheduled.is_none() {
			Self::prune(id, job);
		} else {
			Jobs::<T>::insert(id, job);
		}
	}

	/// Replaces the record of a job that ended long ago by a summary.
	fn prune(id: JobId, job: JobOf<T>) {
		if let Some(reason) = job.reason {
			let slot = (id % u64::from(T::MaxArchived::get())) as u32;
			let summary = Archived {
				id,
				requester: job.requester,
				provider: job.provider,
				program: job.program,
				run_root: job.run_root,
				reason,
				paid: job.paid,
				refunded: job.refunded,
				burned: job.burned,
			};
			// A younger job may already have taken the slot.
			if Archive::<T>::get(slot).is_none_or(|other| other.id < id) {
				Archive::<T>::insert(slot, summary);
			}
		}
		Self::unschedule(id, job.scheduled);
		Jobs::<T>::remove(id);
		Seats::<T>::remove(id);
		SegmentRoots::<T>::remove(id);
		Self::forget_loss(id);
		Self::deposit_event(Event::JobPruned { job: id });
	}
}

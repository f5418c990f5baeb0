//! The agenda, what happens after each deadline, and how a job ends.

use crate::{
	Agenda, Answer, Archive, Archived, Config, Event, JobOf, Jobs, JobsOfKey, Lotteries, Pallet,
	Parameters, ParametersOf, Results, Sample, SeatOf, Seats, SecondAudit, SegmentRoots,
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
			Self::keep_sample(&mut job);
			let after = used.saturating_add(Self::weight_to_advance(id, &job));
			if now > job.deadline && (after.all_lte(budget) || used.is_zero()) {
				used = after;
				Self::advance(id, job);
			} else {
				// Before its deadline for the seed of its sample, or because the block is full.
				used = used.saturating_add(T::WeightInfo::reschedule());
				Self::reschedule(id, &mut job);
				Self::store(id, job);
			}
		}
		used
	}

	/// What [`Self::advance`] of this job takes at most. Verifiers are reported only where a reveal period
	/// has run out.
	pub(crate) fn weight_to_advance(id: JobId, job: &JobOf<T>) -> Weight {
		let seats = Seats::<T>::decode_len(id).unwrap_or_default() as u32;
		match (job.phase, job.draw) {
			(Phase::Revealing, _) => Self::weight_to_push(seats, false),
			(_, None) => T::WeightInfo::advance(seats),
			(_, Some(_)) => T::WeightInfo::advance(seats).saturating_add(T::WeightInfo::draw()),
		}
	}

	/// The dearer end of a job with so many seats: paid, or condemned with everyone who vouched; and the
	/// public draw, where it waits for one.
	pub(crate) fn weight_to_push(seats: u32, draws: bool) -> Weight {
		let ends = T::WeightInfo::advance(seats).max(T::WeightInfo::condemn(seats));
		if draws {
			ends.saturating_add(T::WeightInfo::draw())
		} else {
			ends
		}
	}

	/// Carries out the default of a phase whose deadline has passed, and stores the job.
	pub(crate) fn advance(id: JobId, mut job: JobOf<T>) {
		let parameters = Parameters::<T>::get();
		Self::keep_sample(&mut job);
		if job.draw.is_some() {
			Self::perform_draw(id, &mut job, &parameters);
		} else {
			match job.phase {
				Phase::Posted => {
					Self::mark_no_shows(id);
					Self::inputs_unavailable(id, &mut job);
				}
				Phase::Open if job.stalls > 0 => {
					Self::finish(id, &mut job, ReasonCode::ProviderTimeout)
				}
				Phase::Open => Self::finish(id, &mut job, ReasonCode::Expired),
				Phase::Claimed => Self::stall(id, &mut job, &parameters),
				Phase::Committed => {
					defensive!("a committed job always waits for a draw");
				}
				Phase::Verifying => Self::conclude_tranche(id, &mut job, &parameters),
				Phase::Revealing => match job.condemned() {
					// The verifiers had their time to open what they had hidden.
					Some(reason) => Self::finish(id, &mut job, reason),
					None if job.run_root().is_none() => {
						let reason = ReasonCode::Withheld;
						Self::slash_bond(id, &job, reason, None, &parameters);
						Self::finish(id, &mut job, reason);
					}
					None => Self::challenge(id, &mut job, &parameters),
				},
				Phase::Challengeable => Self::settle(id, &mut job, &parameters),
				Phase::Settled | Phase::Failed => return Self::prune(id, job),
			}
		}
		Self::store(id, job);
	}

	/// No quorum attested the inputs.
	pub(crate) fn inputs_unavailable(id: JobId, job: &mut JobOf<T>) {
		T::Identities::note_outcome(&job.offer.requester, Outcome::RequesterInputsUnavailable);
		Self::finish(id, job, ReasonCode::InputsUnavailable);
	}

	/// Starts revealing, which is over at once where nobody has anything to reveal. The commitments are
	/// closed, so that the blocks to come may decide what of their traces the verifiers show.
	pub(crate) fn begin_reveal(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		Lotteries::<T>::remove(id);
		if Self::has_hidden(id) {
			job.audits.sample = Some(Sample::Awaited(Self::now()));
		}
		// A verifier may need its replay once more, for the chunks that it is asked for.
		let time = parameters.reveal_time(job.offer.work_units, job.offer.segment_work());
		let deadline = Self::now().saturating_add(time);
		Self::enter(id, job, Phase::Revealing, deadline);
		Self::end_reveal_early(id, job);
	}

	/// Goes on to the challenge period when provider and verifiers have all opened. A condemned job
	/// ends at the start of the next block then, where its end is paid for by the agenda.
	pub(crate) fn end_reveal_early(id: JobId, job: &mut JobOf<T>) {
		if job.phase != Phase::Revealing || job.run_root().is_none() || Self::has_hidden(id) {
			return;
		}
		if job.condemned().is_some() {
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
		// Whoever objects fetches the inputs; keepers fetch the outputs.
		let time = parameters.challenge.blocks(job.offer.work_units, job.offer.bytes());
		Self::enter(id, job, Phase::Challengeable, Self::now().saturating_add(time));
	}

	/// The challenge period is over: pays a result that enough verifiers have reached independently, where
	/// the audit was sure, and whose outputs can be had. Otherwise others are asked, once; then nobody is
	/// paid. A disputed job waits off the agenda until [`assay_market::Disputes::quiet`] puts it back; a
	/// second look does not wait for its lanes, so that a job waits for lanes once, at its end.
	fn settle(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		if Self::wants_second_look(id, job, parameters) {
			return Self::repeat_audit(id, job, parameters);
		}
		if T::Arbitration::is_disputed(id) {
			return;
		}
		let matching = Self::matching(id, job);
		if (matching.len() as u32) < job.audits.needed || Self::is_unseen(id, job) {
			return Self::finish(id, job, ReasonCode::Inconclusive);
		}
		let delivered = Self::is_delivered(id, job, parameters);
		if !delivered && !job.keepers_redrawn() {
			return Self::redraw_keepers(id, job, parameters);
		}
		let price = job.price();
		if let Some(provider) = job.provider().cloned() {
			if delivered {
				Self::pay_fee(job, &provider, price, parameters);
			} else {
				// Neither side gains by it: not who withholds, nor who has others say that it does.
				let part = parameters.cancel_fee * price;
				Self::burn(job, part);
				T::JobBonds::slash(&provider, id, part, None);
			}
		}
		// The pot has one share for every verdict that is paid, so that nobody gains by keeping others
		// from giving theirs.
		let shares = job.audits.shares.max(matching.len() as u32).max(1);
		let share = job.books.verifier_pot / shares.into();
		for verifier in matching {
			let amount = Self::pay_fee(job, &verifier, share, parameters);
			Self::deposit_event(Event::VerifierPaid { job: id, account: verifier, amount });
		}
		if !delivered {
			return Self::finish(id, job, ReasonCode::Undelivered);
		}
		Self::note_settled(id, job);
		Self::finish(id, job, ReasonCode::Paid);
	}

	/// Whether a verdict of an audit that was not sure differs from the result, or was never opened. One
	/// look is not the last then: nobody else may have won.
	fn is_contradicted(id: JobId, job: &JobOf<T>) -> bool {
		if job.offer.is_sure() || job.audits.second.is_some() {
			return false;
		}
		let results = Self::results(id, job);
		Seats::<T>::get(id).iter().filter(|seat| seat.purpose == Purpose::Verify).any(|seat| {
			matches!(seat.answer, Answer::Committed(_))
				|| seat
					.answer
					.opened_root()
					.is_some_and(|root| Some(root) != results.of(seat.segment))
		})
	}

	/// Whether all who won an audit that was not sure abstained. That is not the same as that nobody won: what
	/// none of them could run, perhaps nobody can, and a provider may say of it what it likes.
	fn is_unseen(id: JobId, job: &JobOf<T>) -> bool {
		if job.offer.is_sure() || job.audits.second.is_some() {
			return false;
		}
		let seats = Seats::<T>::get(id);
		let mut verifiers = seats.iter().filter(|seat| seat.purpose == Purpose::Verify).peekable();
		verifiers.peek().is_some()
			&& verifiers.all(|seat| matches!(seat.answer, Answer::Abstained(_)))
	}

	/// Whether an open result is not confirmed, seen by nobody, or contradicted, while others can look at it: giving it
	/// away, or paying it, would be wrong. Not where there was a second look, nobody is left, or the result is
	/// accepted and only its outputs are missing.
	pub(crate) fn wants_second_look(
		id: JobId,
		job: &JobOf<T>,
		parameters: &ParametersOf<T>,
	) -> bool {
		let first = job.audits.second.is_none() && !job.keepers_redrawn();
		let unconfirmed = || (Self::matching(id, job).len() as u32) < job.audits.needed;
		let left = || Self::lottery_terms(id, job, parameters).1.candidates > 0;
		first
			&& (unconfirmed() || Self::is_unseen(id, job) || Self::is_contradicted(id, job))
			&& left()
	}

	/// Opens a sure audit more, after the one that has left doubt.
	fn repeat_audit(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		job.audits.second = Some(SecondAudit::Automatic);
		Self::deposit_event(Event::AuditRepeated { job: id });
		Self::await_draw(id, job, Phase::Committed, parameters);
	}

	/// Ends the job: refunds what is left, releases every hold and lock, writes the reputations.
	pub(crate) fn finish(id: JobId, job: &mut JobOf<T>, reason: ReasonCode) {
		Self::pay_holders(id, job, reason);
		Self::refund(job);
		if let Some(provider) = job.provider() {
			T::JobBonds::release(provider, id);
		}
		Self::note_parties(job, reason);
		let seats = Seats::<T>::get(id);
		let results = Self::results(id, job);
		// Before their stake is unlocked.
		let (opened, hidden) = Self::vouchers(job, reason, &seats, &results);
		if !(opened.is_empty() && hidden.is_empty()) {
			T::Vouching::report(id, opened, hidden);
		}
		let mut unlocked = BTreeSet::new();
		for seat in seats {
			if reason == ReasonCode::Paid {
				Self::note_verdict(&results, &seat);
			}
			let result = results.of(seat.segment);
			if let Some(outcome) = Self::outcome_of(result, &seat, reason) {
				Self::note(job, &seat.account, outcome);
			}
			JobsOfKey::<T>::remove(&seat.key, id);
			if unlocked.insert(seat.account.clone()) {
				T::Verifiers::unlock(&seat.account, id);
			}
		}
		Lotteries::<T>::remove(id);
		T::Programs::release(&job.offer.program);
		T::Arbitration::ended(id);
		Self::count_off(id, job, reason);
		job.reason = Some(reason);
		job.draw = None;
		let phase = if reason == ReasonCode::Paid { Phase::Settled } else { Phase::Failed };
		Self::enter(id, job, phase, Self::now().saturating_add(T::Retention::get()));
		Self::deposit_event(Event::JobEnded {
			job: id,
			order: job.order,
			reason,
			paid: job.books.paid,
			refunded: job.books.refunded,
			burned: job.books.burned,
		});
	}

	/// Who stood behind a result that failed as fraud: those who opened its root, and those who hid what
	/// they had committed to. Whoever hid a verdict until the end could have
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
	) -> (Vec<T::AccountId>, Vec<T::AccountId>) {
		let (mut opened, mut hidden) = (Vec::new(), Vec::new());
		if !matches!(reason, ReasonCode::ProvenFraud | ReasonCode::Withheld) {
			return (opened, hidden);
		}
		let step = job.opened().and_then(|opened| opened.condemned?.step);
		let wrong = job.offer.cut().zip(step).and_then(|(cut, step)| cut.segment_of(step));
		for seat in seats.iter().filter(|seat| wrong.is_none() || seat.segment == wrong) {
			match seat.answer {
				Answer::Committed(_) => hidden.push(seat.account.clone()),
				Answer::Revealed { run_root, .. } | Answer::Opened { run_root, .. }
					if reason == ReasonCode::ProvenFraud
						&& Some(run_root) == results.of(seat.segment) =>
				{
					opened.push(seat.account.clone());
				}
				_ => {}
			}
		}
		(opened, hidden)
	}

	/// Counts a verdict on a result that stood for or against its author. One that was never opened had
	/// others look once more for nothing. A right root without the chunks of a trace may be hearsay and
	/// counts for nothing.
	fn note_verdict(results: &Results, seat: &SeatOf<T>) {
		if matches!(seat.answer, Answer::Committed(_)) {
			return T::VerifierFaults::note_fault(&seat.account);
		}
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
			ReasonCode::Undelivered => (None, Some(Outcome::ProviderUndelivered)),
			ReasonCode::Cancelled
			| ReasonCode::InputsUnavailable
			| ReasonCode::Expired
			| ReasonCode::ProviderTimeout => (None, None),
		};
		if let Some(outcome) = requester {
			Self::note(job, &job.offer.requester, outcome);
		}
		if let (Some(outcome), Some(provider)) = (provider, job.provider()) {
			Self::note(job, provider, outcome);
		}
	}

	/// What a seat's answer means for the reputation of its account, now that the job ends.
	fn outcome_of(result: Option<Hash>, seat: &SeatOf<T>, reason: ReasonCode) -> Option<Outcome> {
		match &seat.answer {
			// Keepers had their time where the challenge period ran to its end.
			Answer::Pending => (seat.purpose == Purpose::Keep
				&& matches!(reason, ReasonCode::Paid | ReasonCode::Undelivered))
			.then_some(Outcome::VerifierNoShow),
			Answer::Attested(true) if seat.purpose == Purpose::Keep => Some(Outcome::VerifierKept),
			Answer::Attested(true) => Some(Outcome::VerifierAttested),
			Answer::Attested(false) => None,
			Answer::NoShow => Some(Outcome::VerifierNoShow),
			Answer::Abstained(_) => Some(Outcome::VerifierAbstained),
			// Nobody was asked to open a verdict where the job ended before the reveal.
			Answer::Committed(_) if reason == ReasonCode::Inconclusive && result.is_none() => None,
			Answer::Committed(_) => Some(Outcome::VerifierUnrevealed),
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
	fn prune(id: JobId, mut job: JobOf<T>) {
		Self::release_all(id, &mut job);
		Self::unschedule(id, job.scheduled);
		if let Some(summary) = Archived::of(id, job) {
			let slot = (id % u64::from(T::MaxArchived::get())) as u32;
			// A younger job may already have taken the slot.
			if Archive::<T>::get(slot).is_none_or(|other| other.id < id) {
				Archive::<T>::insert(slot, summary);
			}
		}
		Jobs::<T>::remove(id);
		Seats::<T>::remove(id);
		SegmentRoots::<T>::remove(id);
		Self::forget_loss(id);
		Self::deposit_event(Event::JobPruned { job: id });
	}
}

//! What the arbitration pallet reads of a job, and how it condemns one.

use crate::{
	Answer, BalanceOf, Condemned, Config, Event, JobOf, Jobs, JobsOfKey, Pallet, Parameters, Seats,
};
use alloc::vec::Vec;
use assay_market::{
	Arbitration, Disputes, Hash, JobId, OpenResult, Phase, Purpose, ReasonCode, VerifierFaults,
	VerifierId,
};
use frame_support::defensive;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{One, Saturating};

impl<T: Config> Pallet<T> {
	/// The opened result of a job that has not ended and is not condemned.
	fn disputable(job: &JobOf<T>) -> bool {
		job.run_root().is_some() && job.condemned().is_none() && !job.phase.is_terminal()
	}
}

impl<T: Config> Disputes<T::AccountId, BalanceOf<T>, BlockNumberFor<T>> for Pallet<T> {
	fn result(id: JobId) -> Option<OpenResult<T::AccountId, BalanceOf<T>, BlockNumberFor<T>>> {
		let job = Jobs::<T>::get(id).filter(Self::disputable)?;
		let parameters = Parameters::<T>::get();
		let (provider, opened) = (job.provider()?.clone(), job.opened()?);
		let work_units = job.offer.work_units;
		Some(OpenResult {
			order: job.order,
			run_root: opened.run_root,
			trace_root: opened.trace_root,
			provider,
			program: job.offer.program,
			// Also while a second audit runs: another challenge period follows it. None follows the time of
			// keepers that are drawn anew, and everybody had two before.
			open: !opened.keepers_redrawn
				&& (job.phase != Phase::Challengeable || Self::now() <= job.deadline),
			answer_time: parameters.answer_time(work_units),
			answer_rate: parameters.answer.work_per_block,
			patience: parameters.answer_queue,
			move_time: parameters.challenger_move.blocks(work_units, job.offer.input_bytes),
			proof_time: parameters.proof_period,
			deposit: parameters.lane_deposit(job.price(), work_units),
			steps: job.offer.steps,
			work_units,
			input_roots: job.offer.input_roots.into_inner(),
		})
	}

	fn order(id: JobId) -> Option<Hash> {
		Jobs::<T>::get(id).map(|job| job.order)
	}

	fn note_rejected(id: JobId, account: &T::AccountId) {
		if Self::verifier_key(id, account).is_some() {
			T::VerifierFaults::note_fault(account);
		}
	}

	fn verifier_key(id: JobId, account: &T::AccountId) -> Option<VerifierId> {
		Seats::<T>::get(id)
			.into_iter()
			.find(|seat| {
				seat.purpose == Purpose::Verify
					&& seat.account == *account
					&& seat.answer.is_bound()
			})
			.map(|seat| seat.key)
	}

	/// Of the verdicts that are still hidden, only those in jobs with a live lane are given: whether
	/// they differ, their authors alone know. Of hidden verdicts on a segment none are: their authors
	/// could find out only by replaying the whole run.
	fn differing(keys: &[VerifierId]) -> Vec<(JobId, T::AccountId, VerifierId)> {
		let mut found: Vec<_> = keys
			.iter()
			.flat_map(|key| JobsOfKey::<T>::iter_key_prefix(key).map(move |id| (id, key)))
			.filter_map(|(id, key)| Some((id, key, Jobs::<T>::get(id).filter(Self::disputable)?)))
			.flat_map(|(id, key, job)| {
				let disputed = T::Arbitration::is_disputed(id) && job.offer.cut().is_none();
				let results = Self::results(id, &job);
				Seats::<T>::get(id)
					.into_iter()
					.filter(move |seat| {
						seat.purpose == Purpose::Verify
							&& seat.key == *key && match seat.answer {
							Answer::Revealed { run_root, .. } | Answer::Opened { run_root, .. } => {
								Some(run_root) != results.of(seat.segment)
							}
							Answer::Committed(_) => disputed,
							_ => false,
						}
					})
					.map(move |seat| (id, seat.account, seat.key))
			})
			.collect();
		found.sort();
		found.dedup();
		found
	}

	fn quiet(id: JobId) {
		let Some(mut job) = Jobs::<T>::get(id) else { return };
		let now = Self::now();
		// Before the deadline, and in the block after it, the job is on the agenda already.
		if job.phase == Phase::Challengeable && now > job.deadline && job.scheduled.is_none() {
			Self::schedule(id, &mut job, now.saturating_add(One::one()));
			Self::store(id, job);
		}
	}

	fn condemn(
		id: JobId,
		reason: ReasonCode,
		by: &T::AccountId,
		step: Option<u32>,
		costs: BalanceOf<T>,
	) -> bool {
		let Some(mut job) = Jobs::<T>::get(id).filter(Self::disputable) else { return false };
		if !matches!(reason, ReasonCode::ProvenFraud | ReasonCode::Withheld) {
			defensive!("a result is condemned because it is wrong or withheld");
			return false;
		}
		let parameters = Parameters::<T>::get();
		if let Some(opened) = job.opened_mut() {
			opened.condemned = Some(Condemned { reason, step });
		}
		Self::deposit_event(Event::ResultCondemned { job: id, reason, by: by.clone() });
		Self::slash_bond(id, &job, reason, Some((by, costs)), &parameters);
		match job.phase {
			// Whoever hides a verdict when the job ends is taken for an accomplice, so everyone gets
			// the time to open that the reveal phase would have given.
			Phase::Revealing if Self::has_hidden(id) => {}
			Phase::Verifying if Self::has_hidden(id) => {
				job.draw = None;
				Self::begin_reveal(id, &mut job, &parameters);
			}
			_ => Self::finish(id, &mut job, reason),
		}
		Self::store(id, job);
		true
	}
}

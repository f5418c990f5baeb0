//! What a provider owes, and how long it therefore has.
//!
//! The clock of an answer has the time for two replays at the rate of the slowest participant. An
//! opening may take one, and one replay can open any number of steps, but only those that are owed
//! when it begins: who demands another step of the same result meanwhile waits for the end of that
//! replay and for the next. Whoever demands many openings at once, in all results of a busy
//! provider, would have each of them in that time, which no honest provider could keep. So the
//! clock counts what is owed:
//!
//! ```text
//! deadline = now + A + min(⌈owed / rate⌉, patience)      A = base + ⌈2 · work / rate⌉
//! owed: of the other jobs of which is demanded, the work of one replay each, and of two where two or more
//!       of its lanes wait
//! ```
//!
//! A provider that works at the rate and replays one job after the other, in the order of the
//! oldest demand of each, for all that the job owes by then, is in time. When a demand is made,
//! there are before it: what runs, and one replay for each other job with an older demand. What
//! runs is of another job, and then it is a replay for a lane of it that waits; a further one is
//! before this demand only where another lane of that job waits as well; so both are in `owed`. Or
//! it is of this job, and then A has the time for it. The job's own replay after that is in A in
//! any case.
//!
//! `patience` bounds by how much the answers of one lane may come later than A, together. Only what
//! an answer really came later is taken off it, so that demands which take no replay leave it
//! whole. It is also all that a cheating provider can win by owing much, to accomplices or in jobs
//! of its own: the lifetime of a job has the time of it, and stake stays slashable for longer than
//! that.

use super::ResultOf;
use crate::{Config, Demanded, DemandedWork, LaneOf, Owed, Pallet};
use assay_market::JobId;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{SaturatedConversion, Saturating};

impl<T: Config> Pallet<T> {
	/// Counts a demand in this lane, and gives the last block for its answer.
	pub(crate) fn note_demand(
		job: JobId,
		lane: &mut LaneOf<T>,
		result: &ResultOf<T>,
	) -> BlockNumberFor<T> {
		let mut demanded = Demanded::<T>::get(job).unwrap_or_else(|| {
			let provider = lane.provider.clone();
			DemandedWork { provider, work: result.work_units, lanes: 0 }
		});
		let owed = Owed::<T>::get(&lane.provider);
		// Of this job nothing is before this demand that A has no time for.
		let others = owed.saturating_sub(demanded.owed());
		demanded.lanes.saturating_inc();
		let all = others.saturating_add(demanded.owed());
		if all != owed {
			Owed::<T>::insert(&lane.provider, all);
		}
		Demanded::<T>::insert(job, demanded);
		let queue = others.div_ceil(result.answer_rate.max(1).into());
		let queue: BlockNumberFor<T> = queue.saturated_into();
		lane.own_deadline = Self::now().saturating_add(result.answer_time);
		lane.own_deadline.saturating_add(queue.min(lane.patience))
	}

	/// The demand in this lane is answered now: what it took beyond its own clock is used up.
	pub(crate) fn note_answer(job: JobId, lane: &mut LaneOf<T>) {
		Self::forget_demand(job);
		let late = Self::now().saturating_sub(lane.own_deadline);
		lane.patience = lane.patience.saturating_sub(late);
	}

	/// One lane less waits for an opening of this job.
	pub(crate) fn forget_demand(job: JobId) {
		// Of a job that is condemned or over nothing is owed.
		let Some(mut demanded) = Demanded::<T>::get(job) else { return };
		let before = demanded.owed();
		demanded.lanes.saturating_dec();
		Self::owe_less(&demanded.provider, before.saturating_sub(demanded.owed()));
		if demanded.lanes == 0 {
			Demanded::<T>::remove(job);
		} else {
			Demanded::<T>::insert(job, demanded);
		}
	}

	/// Nothing of this job's result is owed any more.
	pub(crate) fn forget_demands(job: JobId) {
		let Some(demanded) = Demanded::<T>::take(job) else { return };
		Self::owe_less(&demanded.provider, demanded.owed());
	}

	fn owe_less(provider: &T::AccountId, work: u128) {
		if work == 0 {
			return;
		}
		Owed::<T>::mutate_exists(provider, |owed| {
			let left = owed.unwrap_or_default().saturating_sub(work);
			*owed = (left > 0).then_some(left);
		});
	}
}

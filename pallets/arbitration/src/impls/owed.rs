//! What a provider owes, and how long it therefore has.
//!
//! The clock of an answer has the time for one replay at the rate of the slowest participant, because
//! an opening may take one. Whoever demands many openings at once, in all results of a busy provider,
//! would have each of them in that time, which no honest provider could keep. So the clock counts what
//! is owed:
//!
//! ```text
//! deadline = now + A + min(⌈owed / rate⌉, patience)      owed: work of the other jobs of which is demanded
//! ```
//!
//! A provider that works at the rate and replays in the order of the demands is in time: when a demand
//! is made, all jobs before it are done within ⌈owed / rate⌉ blocks, and its own replay within A. A job
//! counts once, however many lanes demand of it: one replay answers all of them.
//!
//! `patience` bounds by how much the answers of one lane may come later than A, together. Only what an
//! answer really came later is taken off it, so that demands which take no replay leave it whole. It is
//! also all that a cheating provider can win by owing much, to accomplices or in jobs of its own: the
//! lifetime of a job has the time of it, and stake stays slashable for longer than that.

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
		let work = u128::from(demanded.work);
		let mut owed = Owed::<T>::get(&lane.provider);
		if demanded.lanes > 0 {
			owed = owed.saturating_sub(work);
		} else if work > 0 {
			Owed::<T>::insert(&lane.provider, owed.saturating_add(work));
		}
		demanded.lanes.saturating_inc();
		Demanded::<T>::insert(job, demanded);
		let queue = owed.div_ceil(result.answer_rate.max(1).into());
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
		demanded.lanes.saturating_dec();
		if demanded.lanes == 0 {
			Self::forget_demands(job);
		} else {
			Demanded::<T>::insert(job, demanded);
		}
	}

	/// Nothing of this job's result is owed any more.
	pub(crate) fn forget_demands(job: JobId) {
		let Some(DemandedWork { provider, work, .. }) = Demanded::<T>::take(job) else { return };
		Owed::<T>::mutate_exists(provider, |owed| {
			let left = owed.unwrap_or_default().saturating_sub(work.into());
			*owed = (left > 0).then_some(left);
		});
	}
}

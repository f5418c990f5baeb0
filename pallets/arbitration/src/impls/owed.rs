//! What a provider owes, and how long it therefore has.
//!
//! The clock of an answer has the time for one replay at the rate of the slowest participant, because
//! an opening may take one. Whoever demands many openings at once, in all results of a busy provider,
//! would have each of them in that time, which no honest provider could keep. So the clock counts what
//! is owed:
//!
//! ```text
//! deadline = now + A + min(⌈owed / rate⌉, patience)      owed: work of what is demanded and not given
//! ```
//!
//! A provider that works at the rate and gives its answers in the order of the demands is in time: when
//! a demand is made, all before it are done within ⌈owed / rate⌉ blocks, and its own replay within A.
//!
//! `patience` bounds by how much the answers of one lane may come later than A, together. Only what an
//! answer really came later is taken off it, so that demands which take no replay leave it whole. It is
//! also all that a cheating provider can win by owing much, to accomplices or in jobs of its own: the
//! lifetime of a job has the time of it, and stake stays slashable for longer than that.

use super::ResultOf;
use crate::{Config, Demanded, DemandedWork, LaneOf, Owed, Pallet};
use assay_market::JobId;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{SaturatedConversion, Saturating, Zero};

impl<T: Config> Pallet<T> {
	/// Counts a demand in this lane, and gives the last block for its answer.
	pub(crate) fn note_demand(
		job: JobId,
		lane: &mut LaneOf<T>,
		result: &ResultOf<T>,
	) -> BlockNumberFor<T> {
		let owed = Owed::<T>::get(&lane.provider).work;
		let queue = owed.div_ceil(result.answer_rate.max(1).into());
		let queue: BlockNumberFor<T> = queue.saturated_into();
		lane.work = result.work_units;
		lane.own_deadline = Self::now().saturating_add(result.answer_time);
		let work = u128::from(lane.work);
		if work > 0 {
			Demanded::<T>::mutate(job, |demanded| {
				let provider = lane.provider.clone();
				let nothing = DemandedWork { provider, work: 0 };
				demanded.get_or_insert(nothing).work.saturating_accrue(work);
			});
		}
		Self::owe(&lane.provider, |debt| debt.work.saturating_accrue(work));
		lane.own_deadline.saturating_add(queue.min(lane.patience))
	}

	/// The demand in this lane is answered now: what it took beyond its own clock is used up.
	pub(crate) fn note_answer(job: JobId, lane: &mut LaneOf<T>) {
		Self::forget_demand(job, lane);
		let late = Self::now().saturating_sub(lane.own_deadline);
		lane.patience = lane.patience.saturating_sub(late);
	}

	/// The demand in this lane is owed no more.
	pub(crate) fn forget_demand(job: JobId, lane: &LaneOf<T>) {
		let work = u128::from(lane.work);
		let counted = Demanded::<T>::mutate_exists(job, |entry| {
			// Of a job that is condemned or over nothing is owed.
			let Some(demanded) = entry else { return false };
			demanded.work.saturating_reduce(work);
			if demanded.work.is_zero() {
				*entry = None;
			}
			true
		});
		if counted {
			Self::owe(&lane.provider, |debt| debt.work.saturating_reduce(work));
		}
	}

	/// Nothing of this job's result is owed any more.
	pub(crate) fn forget_demands(job: JobId) {
		if let Some(DemandedWork { provider, work }) = Demanded::<T>::take(job) {
			Self::owe(&provider, |debt| debt.work.saturating_reduce(work));
		}
	}

	/// Changes what stands open against a provider; nothing is kept where nothing does.
	pub(crate) fn owe(provider: &T::AccountId, change: impl FnOnce(&mut crate::Debt)) {
		Owed::<T>::mutate_exists(provider, |entry| {
			let mut debt = entry.unwrap_or_default();
			change(&mut debt);
			*entry = (debt != Default::default()).then_some(debt);
		});
	}
}

//! What happens to lanes whose deadline has passed.

use super::AGENDA_SPILL;
use crate::{Agenda, BalanceOf, Config, Error, Event, LaneOf, Lanes, Pallet, UsedUp, WeightInfo};
use assay_market::{Disputes, JobId, ReasonCode, Turn};
use frame_support::{ensure, traits::Get, weights::Weight};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{Convert, One, Saturating, Zero};

/// The part of a block that the agenda may take, as a divisor.
const AGENDA_PART: u64 = 8;

impl<T: Config> Pallet<T> {
	/// What [`Self::default_of`] takes at most.
	pub(crate) fn weight_of_default() -> Weight {
		T::WeightInfo::close_lane().saturating_add(T::CondemnWeight::convert(None))
	}

	/// What pushing this lane takes at most. Only an answer that is owed by a live job condemns it,
	/// so that a crowd of silent challengers does not push a withheld opening out of the block; and
	/// it is weighed by that job's own seats, so that one job is not held to be as dear as the
	/// dearest.
	fn weight_of_push(job: JobId, lane: &LaneOf<T>) -> Weight {
		let close = T::WeightInfo::close_lane();
		match lane.turn {
			Turn::Answer(_) if T::Jobs::result(job).is_some() => {
				close.saturating_add(T::CondemnWeight::convert(Some(job)))
			}
			_ => close,
		}
	}

	/// Pushes the lanes of this block's agenda, as far as an eighth of the block's weight goes; the
	/// rest waits for the next block. Gives the weight used.
	pub(crate) fn run_agenda(now: BlockNumberFor<T>) -> Weight {
		let budget = T::BlockWeights::get().max_block / AGENDA_PART;
		// What is put off is not held against the budget, so that a full agenda does not keep
		// itself from being worked off.
		let (mut used, mut put_off) = (Weight::zero(), Weight::zero());
		for (job, challenger) in Agenda::<T>::take(now) {
			let Some(mut lane) = Lanes::<T>::get(job, &challenger) else { continue };
			lane.scheduled = None;
			let after = used.saturating_add(Self::weight_of_push(job, &lane));
			if (after.all_lte(budget) || used == Weight::zero()) && Self::is_due(job, &lane) {
				used = after;
				Self::default_of(job, challenger, lane);
			} else {
				let deadline = lane.deadline;
				Self::put_lane(job, &challenger, lane, deadline);
				put_off.saturating_accrue(T::WeightInfo::put_lane());
			}
		}
		used.saturating_add(put_off)
	}

	/// Whether a lane has nothing more to wait for.
	fn is_due(job: JobId, lane: &LaneOf<T>) -> bool {
		Self::now() > lane.deadline || T::Jobs::result(job).is_none()
	}

	/// What happens when nobody moves: an opening that is owed and was not given ends the job as
	/// withheld; a challenger that does not go on loses its lane.
	fn default_of(job: JobId, challenger: T::AccountId, lane: LaneOf<T>) {
		if T::Jobs::result(job).is_none() {
			return Self::close_lane(job, challenger, lane, false);
		}
		match lane.turn {
			Turn::Answer(place) => {
				Self::condemn(job, ReasonCode::Withheld, &challenger, None, Zero::zero());
				Self::deposit_event(Event::OpeningWithheld {
					job,
					challenger: challenger.clone(),
					place,
				});
				Self::close_lane(job, challenger, lane, false);
			}
			Turn::Move => {
				// Or parts of a proof that proves nothing would be free without end, to whoever
				// leaves the last one out, and so would be having a provider answer for nothing.
				if lane.deposit.is_zero() {
					T::Jobs::note_rejected(job, &challenger);
				}
				Self::use_up(job, &challenger);
				Self::close_lane(job, challenger, lane, true);
			}
		}
	}

	/// The result falls, and with it everything that is demanded of it. `costs` are what the prover
	/// has paid for its proof.
	pub(crate) fn condemn(
		job: JobId,
		reason: ReasonCode,
		by: &T::AccountId,
		step: Option<u32>,
		costs: BalanceOf<T>,
	) -> bool {
		let fallen = T::Jobs::condemn(job, reason, by, step, costs);
		if fallen {
			Self::forget_demands(job);
		}
		fallen
	}

	/// A drawn verifier has one free lane in a job.
	pub(crate) fn use_up(job: JobId, who: &T::AccountId) {
		if T::Jobs::verifier_key(job, who).is_none() {
			return;
		}
		UsedUp::<T>::mutate(job, |used| {
			if !used.contains(who) && used.try_push(who.clone()).is_err() {
				log::error!(target: crate::LOG_TARGET, "job {job} has more verifiers than seats");
			}
		});
	}

	/// Gives the weight used: condemning takes much more than closing a lane.
	pub(crate) fn do_poke(job: JobId, challenger: T::AccountId) -> Result<Weight, Error<T>> {
		let lane = Lanes::<T>::get(job, &challenger).ok_or(Error::<T>::NoLane)?;
		ensure!(Self::is_due(job, &lane), Error::<T>::NotDue);
		let weight = Self::weight_of_push(job, &lane);
		Self::default_of(job, challenger, lane);
		Ok(weight)
	}

	/// Writes a lane back, with a deadline, and puts it on the agenda of the block after.
	pub(crate) fn put_lane(
		job: JobId,
		who: &T::AccountId,
		mut lane: LaneOf<T>,
		deadline: BlockNumberFor<T>,
	) {
		Self::unschedule(job, who, lane.scheduled.take());
		lane.deadline = deadline;
		let first = deadline.max(Self::now()).saturating_add(One::one());
		lane.scheduled = (0..AGENDA_SPILL).find_map(|offset| {
			let block = first.saturating_add(offset.into());
			// Read before writing, so that full blocks are not written back.
			let mut lanes = Agenda::<T>::get(block);
			lanes.try_push((job, who.clone())).ok()?;
			Agenda::<T>::insert(block, lanes);
			Some(block)
		});
		if lane.scheduled.is_none() {
			log::warn!(
				target: crate::LOG_TARGET,
				"the agenda is full for {AGENDA_SPILL} blocks; a lane in job {job} waits for a poke",
			);
		}
		Lanes::<T>::insert(job, who, lane);
	}

	/// Takes a lane off the agenda of a block.
	pub(crate) fn unschedule(job: JobId, who: &T::AccountId, block: Option<BlockNumberFor<T>>) {
		let Some(block) = block else { return };
		Agenda::<T>::mutate_exists(block, |entry| {
			if let Some(lanes) = entry {
				lanes.retain(|(other, account)| *other != job || account != who);
				if lanes.is_empty() {
					*entry = None;
				}
			}
		});
	}
}

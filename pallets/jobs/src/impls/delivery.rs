//! Whether the outputs of a result can be had: who keeps them, and who says so.
//!
//! A provider that is paid for a root alone could keep the outputs to itself. So a few validators are drawn
//! in public, with the draw after the commitment, to fetch and serve them once the result is open; and
//! whoever has replayed the job to the same end has them too. Nobody is slashed for outputs that cannot be
//! had: a vote must not be able to rob an honest provider, and withholding earns nothing.

use crate::{Answer, Config, Error, Event, JobOf, Pallet, Parameters, ParametersOf, Seats};
use alloc::collections::BTreeSet;
use assay_market::{JobId, Phase, Purpose};
use frame_support::ensure;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{SaturatedConversion, Saturating},
	DispatchResult,
};

impl<T: Config> Pallet<T> {
	/// Whether a keeper may say now that it has the outputs, or not: from the reveal until the challenge
	/// period is over.
	pub(crate) fn check_keeping(
		id: JobId,
		job: &JobOf<T>,
		account: &T::AccountId,
		(ok, drawn_at): (bool, u32),
	) -> Result<crate::SeatOf<T>, Error<T>> {
		let seat = Self::seat_of(id, Purpose::Keep, account).ok_or(Error::<T>::NotDrawn)?;
		ensure!(seat.drawn_at.saturated_into::<u32>() == drawn_at, Error::<T>::NotDrawn);
		// What could not be had at first may come later.
		let again = ok && seat.answer == Answer::Attested(false);
		ensure!(again || seat.answer == Answer::Pending, Error::<T>::AlreadyAnswered);
		ensure!(!job.phase.is_terminal() && job.condemned().is_none(), Error::<T>::WrongPhase);
		ensure!(job.run_root().is_some(), Error::<T>::TooEarlyToReveal);
		ensure!(Self::now() <= Self::keep_deadline(job), Error::<T>::DeadlinePassed);
		Ok(seat)
	}

	/// The last block at which a keeper's answer counts, as far as it is known: the challenge period has
	/// yet to begin where the job is not in it.
	pub(crate) fn keep_deadline(job: &JobOf<T>) -> BlockNumberFor<T> {
		if job.phase == Phase::Challengeable {
			return job.deadline;
		}
		let time = Parameters::<T>::get().challenge.blocks(job.offer.work_units, job.offer.bytes());
		job.deadline.max(Self::now()).saturating_add(time)
	}

	pub(crate) fn do_attest_outputs(id: JobId, account: T::AccountId, ok: bool) -> DispatchResult {
		let job = Self::job_of(id)?;
		let drawn_at = Self::drawn_at(id, Purpose::Keep, &account);
		Self::check_keeping(id, &job, &account, (ok, drawn_at))?;
		Self::answer(id, &account, Purpose::Keep, Answer::Attested(ok));
		Self::deposit_event(Event::OutputsAttested { job: id, account, ok });
		Ok(())
	}

	/// Draws the keepers of a job that it has not got, in public: whoever looks for the outputs must find
	/// them.
	pub(crate) fn draw_keepers(
		id: JobId,
		job: &JobOf<T>,
		parameters: &ParametersOf<T>,
		mix: &[u8],
	) {
		let seed = Self::draw_seed(mix, job, Purpose::Keep);
		let there = Seats::<T>::get(id).iter().filter(|seat| seat.purpose == Purpose::Keep).count();
		let missing = parameters.attest_size.saturating_sub(there as u32);
		let deadline = job.deadline;
		Self::draw(id, job, Purpose::Keep, &seed, missing, deadline);
	}

	/// Whether enough accounts hold the outputs: keepers that said so, and verifiers that have come to
	/// them by themselves. Where the run is cut, that is who has replayed its end.
	pub(crate) fn is_delivered(id: JobId, job: &JobOf<T>, parameters: &ParametersOf<T>) -> bool {
		let seats = Seats::<T>::get(id);
		let results = Self::results(id, job);
		let keepers = seats.iter().filter(|seat| seat.purpose == Purpose::Keep);
		// None could be drawn: there is nobody who could say anything.
		let wanted = parameters.attest_quorum.min(keepers.count() as u32);
		let holders: BTreeSet<_> = seats
			.iter()
			.filter(|seat| match seat.answer {
				Answer::Attested(ok) => ok && seat.purpose == Purpose::Keep,
				Answer::Revealed { run_root, .. } => {
					Some(run_root) == results.of(seat.segment)
						&& job.offer.has_outputs(seat.segment)
				}
				_ => false,
			})
			.map(|seat| &seat.account)
			.collect();
		holders.len() as u32 >= wanted
	}

	/// Asks others to fetch the outputs, once, in place of those who do not have them: who was drawn first may
	/// be away, or not want to. The draw waits as every other.
	pub(crate) fn redraw_keepers(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		Self::dismiss_keepers(id, job);
		if let Some(opened) = job.opened_mut() {
			opened.keepers_redrawn = true;
		}
		Self::deposit_event(Event::KeepersDismissed { job: id });
		Self::await_draw(id, job, Phase::Challengeable, parameters);
	}
}

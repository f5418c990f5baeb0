//! What the calls and hooks do, by concern.

mod delivery;
mod deposits;
mod disputes;
pub(crate) mod draw;
mod duties;
mod losses;
mod lottery;
mod money;
mod offchain;
mod phases;
mod requests;
mod retreat;
mod settled;
#[cfg(any(feature = "try-runtime", test))]
mod try_state;
mod verdicts;
mod view;

use crate::{Agenda, Config, Error, Event, Job, JobOf, Jobs, Pallet, Sample};
use assay_market::{parameters::SAMPLE_DELAY, Hash, JobId, Phase};
use codec::Encode;
use frame_support::{defensive, ensure, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{One, Saturating, Zero};

#[cfg(test)]
pub(crate) use offchain::{BARE_OPENING_BLOCKS, RETRY_BLOCKS};
pub use verdicts::refusal;

/// How many later blocks are tried when the agenda of a block is full. A job that finds no place
/// waits for a `poke`.
pub(crate) const AGENDA_SPILL: u32 = 64;

impl<T: Config> Pallet<T> {
	/// The job, or [`Error::UnknownJob`].
	pub(crate) fn job_of(id: JobId) -> Result<JobOf<T>, Error<T>> {
		Jobs::<T>::get(id).ok_or(Error::UnknownJob)
	}

	/// The job, or [`Error::OtherOrder`] where its number stands for another one than the caller means.
	pub(crate) fn job_of_order(id: JobId, order: &Hash) -> Result<JobOf<T>, Error<T>> {
		let job = Self::job_of(id)?;
		ensure!(job.order == *order, Error::OtherOrder);
		Ok(job)
	}

	/// The current block.
	pub(crate) fn now() -> BlockNumberFor<T> {
		frame_system::Pallet::<T>::block_number()
	}

	/// The hash that names this chain; FRAME never forgets it.
	pub fn genesis_hash() -> Hash {
		let hash = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
		let mut bytes = [0; 32];
		let source = hash.as_ref();
		let length = source.len().min(32);
		bytes[..length].copy_from_slice(&source[..length]);
		bytes
	}

	/// The 32 bytes that commitments bind; `integrity_test` asserts that accounts have as many.
	pub fn account_bytes(who: &T::AccountId) -> [u8; 32] {
		let mut bytes = [0; 32];
		who.using_encoded(|encoded| {
			let length = encoded.len().min(32);
			bytes[..length].copy_from_slice(&encoded[..length]);
		});
		bytes
	}

	/// Fails unless the job is in `phase` and its deadline has not passed.
	pub(crate) fn ensure_live(job: &JobOf<T>, phase: Phase) -> Result<(), Error<T>> {
		ensure!(job.phase == phase, Error::WrongPhase);
		ensure!(Self::now() <= job.deadline, Error::DeadlinePassed);
		Ok(())
	}

	/// Puts the job into a phase, until `deadline`, and on the agenda for the block after.
	pub(crate) fn enter(id: JobId, job: &mut JobOf<T>, phase: Phase, deadline: BlockNumberFor<T>) {
		if job.history.try_push((phase, Self::now())).is_err() {
			defensive!("a job enters at most 18 phases");
		}
		job.phase = phase;
		Self::set_deadline(id, job, deadline);
		Self::deposit_event(Event::PhaseChanged { job: id, phase, deadline });
	}

	/// Moves the deadline within a phase.
	pub(crate) fn set_deadline(id: JobId, job: &mut JobOf<T>, deadline: BlockNumberFor<T>) {
		job.deadline = deadline;
		Self::reschedule(id, job);
	}

	/// Puts the job on the agenda of the next block in which something is due: the seed of its sample,
	/// or its deadline.
	pub(crate) fn reschedule(id: JobId, job: &mut JobOf<T>) {
		let deadline = job.deadline.saturating_add(One::one());
		let at = match job.audits.sample {
			// The mix of a block is written in the one after it.
			Some(Sample::Awaited(closed)) => {
				deadline.min(closed.saturating_add((SAMPLE_DELAY + 1).into()))
			}
			_ => deadline,
		};
		Self::schedule(id, job, at);
	}

	/// Takes the job off the agenda of a block.
	pub(crate) fn unschedule(id: JobId, block: Option<BlockNumberFor<T>>) {
		let Some(block) = block else { return };
		Agenda::<T>::mutate_exists(block, |entry| {
			if let Some(jobs) = entry {
				jobs.retain(|other| *other != id);
				if jobs.is_empty() {
					*entry = None;
				}
			}
		});
	}

	/// Takes the job off the agenda and puts it on the agenda of `at`, or of the next block with a
	/// free place.
	pub(crate) fn schedule<AccountId, Balance>(
		id: JobId,
		job: &mut Job<AccountId, Balance, BlockNumberFor<T>>,
		at: BlockNumberFor<T>,
	) {
		Self::unschedule(id, job.scheduled.take());
		let first = at.max(Self::now().saturating_add(One::one()));
		job.scheduled = (0..AGENDA_SPILL).find_map(|offset| {
			let block = first.saturating_add(offset.into());
			// Read before writing, so that full blocks are not written back.
			let mut jobs = Agenda::<T>::get(block);
			jobs.try_push(id).ok()?;
			Agenda::<T>::insert(block, jobs);
			Some(block)
		});
		if job.scheduled.is_none() {
			log::warn!(
				target: crate::LOG_TARGET,
				"the agenda is full for {AGENDA_SPILL} blocks of {}; job {id} waits for a poke",
				T::MaxAgenda::get(),
			);
		}
	}
}

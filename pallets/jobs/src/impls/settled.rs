//! What a block has paid for, for the validators that are about to vote on it.

use crate::{Config, JobOf, Jobs, Pallet, SettledNow};
use alloc::vec::Vec;
use assay_market::{
	task_hash, Arbitration, JobId, ReasonCode, Settlement, Settlements, Standing, MAX_SETTLEMENTS,
};
use frame_support::defensive;

impl<T: Config> Pallet<T> {
	/// Writes down that this block pays for the result of a job. One entry more than are told is kept,
	/// so that an overflow is seen.
	pub(crate) fn note_settled(id: JobId, job: &JobOf<T>) {
		let Some(run_root) = job.run_root() else {
			defensive!("a result that is paid for is open");
			return;
		};
		let task = task_hash(&job.offer.program, &job.offer.input_roots, job.offer.steps);
		// Refused only when the list is over its end already.
		let _ =
			SettledNow::<T>::try_append(Settlement { job: id, order: job.order, task, run_root });
	}

	/// What this block has paid for.
	pub fn settlements() -> Settlements {
		let mut settled = SettledNow::<T>::get().into_inner();
		let truncated = settled.len() > MAX_SETTLEMENTS as usize;
		settled.truncate(MAX_SETTLEMENTS as usize);
		Settlements { settled, truncated }
	}

	/// Where these results stand in this state.
	pub fn standings(results: &[Settlement]) -> Vec<Standing> {
		results.iter().take(MAX_SETTLEMENTS as usize).map(Self::standing).collect()
	}

	fn standing(result: &Settlement) -> Standing {
		let same = |job: &JobOf<T>| {
			job.order == result.order
				&& job.run_root() == Some(result.run_root)
				&& task_hash(&job.offer.program, &job.offer.input_roots, job.offer.steps)
					== result.task
		};
		let Some(job) = Jobs::<T>::get(result.job).filter(same) else {
			return Standing::Undisputed;
		};
		match job.condemned() {
			Some(ReasonCode::ProvenFraud) => Standing::ProvenWrong,
			Some(_) => Standing::Disputed,
			None if T::Arbitration::is_disputed(result.job) => Standing::Disputed,
			None => Standing::Undisputed,
		}
	}
}

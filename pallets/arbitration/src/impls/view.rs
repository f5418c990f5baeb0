//! What the runtime API answers.

use crate::{BalanceOf, Config, Folds, LaneOf, Lanes, Opened, Pallet};
use alloc::vec::Vec;
use assay_market::{DisputeDuty, DisputedResult, Disputes, JobId, LaneView, VerifierId};
use frame_system::pallet_prelude::BlockNumberFor;

/// Most lanes in one answer.
const MAX_LANES: usize = 256;

/// A lane as clients see it.
pub type LaneViewOf<T> =
	LaneView<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
	/// What may be disputed of a job.
	pub fn disputed_result(job: JobId) -> Option<DisputedResult> {
		let result = T::Jobs::result(job)?;
		Some(DisputedResult {
			order: result.order,
			program: result.program,
			input_roots: result.input_roots,
			steps: result.steps,
			work_units: result.work_units,
			run_root: result.run_root,
			trace_root: result.trace_root,
			open: result.open,
		})
	}

	/// The lanes of a job, up to 256 of them.
	pub fn lanes(job: JobId) -> Vec<LaneViewOf<T>> {
		Lanes::<T>::iter_prefix(job)
			.take(MAX_LANES)
			.map(|(challenger, lane)| Self::lane_view(job, challenger, lane))
			.collect()
	}

	/// The lane of one account.
	pub fn lane(job: JobId, challenger: T::AccountId) -> Option<LaneViewOf<T>> {
		let lane = Lanes::<T>::get(job, &challenger)?;
		Some(Self::lane_view(job, challenger, lane))
	}

	/// The results that the verdicts of these session keys differ from, with their lanes.
	pub fn disputes(
		keys: &[VerifierId],
	) -> Vec<DisputeDuty<T::AccountId, BalanceOf<T>, BlockNumberFor<T>>> {
		T::Jobs::differing(keys)
			.into_iter()
			.filter(|(job, account, _)| Self::has_free_lane(*job, account))
			.filter_map(|(job, account, key)| {
				let result = Self::disputed_result(job)?;
				let lane = Self::lane(job, account.clone());
				(result.open || lane.is_some()).then_some(DisputeDuty {
					job,
					account,
					key,
					result,
					lane,
				})
			})
			.collect()
	}

	fn lane_view(job: JobId, challenger: T::AccountId, lane: LaneOf<T>) -> LaneViewOf<T> {
		let opened = (0..lane.answers)
			.filter_map(|at| Opened::<T>::get((job, challenger.clone(), at)))
			.map(|group| (group.place, group.children.into_inner()))
			.collect();
		let parts = Folds::<T>::get(job, &challenger).map_or(0, |fold| fold.next);
		LaneView {
			job,
			challenger,
			deposit: lane.deposit,
			opened_at: lane.opened_at,
			turn: lane.turn,
			deadline: lane.deadline,
			opened,
			list: lane.stated_root(),
			parts,
			committed: lane.committed,
		}
	}
}

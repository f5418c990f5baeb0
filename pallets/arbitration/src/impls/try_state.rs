//! What must hold after every block.

use crate::{
	Agenda, AliveLanes, BalanceOf, Config, Demanded, DepositLanes, Folds, HoldReason, Lanes,
	Opened, Owed, Pallet,
};
use alloc::{collections::BTreeMap, vec::Vec};
use assay_commitments::Place;
use assay_market::{Disputes, JobId, Turn};
use codec::Encode;
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::{
	traits::{Saturating, Zero},
	TryRuntimeError,
};

impl<T: Config> Pallet<T> {
	/// Checks everything that must always hold.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut alive: BTreeMap<JobId, u32> = BTreeMap::new();
		let mut deposits: BTreeMap<Vec<u8>, (T::AccountId, BalanceOf<T>)> = BTreeMap::new();
		let mut with_deposit: BTreeMap<JobId, u32> = BTreeMap::new();
		let mut demanded: BTreeMap<JobId, u32> = BTreeMap::new();
		for (job, who, lane) in Lanes::<T>::iter() {
			if matches!(lane.turn, Turn::Answer(_)) && T::Jobs::result(job).is_some() {
				*demanded.entry(job).or_default() += 1;
			}
			if !lane.deposit.is_zero() && AliveLanes::<T>::contains_key(job) {
				*with_deposit.entry(job).or_default() += 1;
			}
			if AliveLanes::<T>::contains_key(job) {
				*alive.entry(job).or_default() += 1;
			} else {
				ensure!(T::Jobs::result(job).is_none(), "a lane of a live job is not counted");
			}
			let entry = deposits.entry(who.encode()).or_insert_with(|| (who.clone(), Zero::zero()));
			let held = Folds::<T>::get(job, &who).map_or(Zero::zero(), |fold| fold.held);
			entry.1.saturating_accrue(lane.deposit.saturating_add(held));
			for at in 0..lane.answers {
				ensure!(
					Opened::<T>::contains_key((job, who.clone(), at)),
					"an opened group is missing"
				);
			}
			ensure!(
				!Opened::<T>::contains_key((job, who.clone(), lane.answers)),
				"a group is kept that was not counted"
			);
			let lists = (0..lane.answers)
				.filter_map(|at| Opened::<T>::get((job, who.clone(), at)))
				.any(|group| matches!(group.place, Place::Lazy { .. }));
			ensure!(lists == lane.list.is_some(), "a lane's list is not what it has opened");
			if let Turn::Answer(_) = lane.turn {
				ensure!(lane.parent != [0; 32], "a demand without the hash above it");
			}
			if let Some(block) = lane.scheduled {
				ensure!(
					Agenda::<T>::get(block).contains(&(job, who.clone())),
					"a lane is not on the agenda that it names"
				);
			}
		}
		let kept: BTreeMap<_, _> = DepositLanes::<T>::iter().collect();
		ensure!(kept == with_deposit, "the deposits of a job are miscounted");
		let mut owed: BTreeMap<Vec<u8>, u128> = BTreeMap::new();
		for (job, kept) in Demanded::<T>::iter() {
			ensure!(
				demanded.remove(&job) == Some(kept.lanes),
				"the demands of a job are miscounted"
			);
			*owed.entry(kept.provider.encode()).or_default() += kept.owed();
		}
		ensure!(demanded.is_empty(), "a demand is not counted");
		owed.retain(|_, work| *work > 0);
		let kept: BTreeMap<_, _> =
			Owed::<T>::iter().map(|(who, work)| (who.encode(), work)).collect();
		ensure!(kept == owed, "what providers owe is not what is demanded of them");
		for (job, count) in AliveLanes::<T>::iter() {
			ensure!(alive.get(&job) == Some(&count), "the lanes of a job are miscounted");
		}
		for (who, sum) in deposits.into_values() {
			ensure!(
				T::Currency::balance_on_hold(&HoldReason::Lane.into(), &who) == sum,
				"the hold on an account differs from its deposits"
			);
		}
		for (job, who, _) in Folds::<T>::iter() {
			ensure!(Lanes::<T>::contains_key(job, &who), "a fold without a lane");
		}
		for ((job, who, _), _) in Opened::<T>::iter() {
			ensure!(Lanes::<T>::contains_key(job, &who), "an opened group without a lane");
		}
		for (block, lanes) in Agenda::<T>::iter() {
			for (job, who) in lanes {
				let lane =
					Lanes::<T>::get(job, &who).ok_or("the agenda has a lane that is gone")?;
				ensure!(lane.scheduled == Some(block), "the agenda has a lane that is elsewhere");
			}
		}
		Ok(())
	}
}

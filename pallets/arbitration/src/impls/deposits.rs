//! The deposits of challengers that were not drawn.

use super::ResultOf;
use crate::{BalanceOf, Config, DepositLanes, HoldReason, LaneOf, Pallet};
use assay_market::JobId;
use frame_support::{
	defensive,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision, Restriction},
	},
};
use sp_runtime::{
	traits::{Saturating, Zero},
	DispatchError,
};

/// Part of a forfeited deposit that is burned, as a divisor; the provider, who was made to answer,
/// gets the rest. A provider that challenges itself loses by it.
const BURNED_PART: u32 = 2;

/// How many open lanes of a job make the next one dearer by one deposit.
const DEPOSIT_LANES: u32 = 8;

/// How many deposits a lane costs at most. An accomplice of a cheating provider may fill its job
/// with lanes, at the price of half of their deposits: it must not price everyone else out.
const MOST_DEPOSITS: u32 = 4;

impl<T: Config> Pallet<T> {
	/// What the next lane with a deposit takes in this job: `deposit · min(4, 1 + lanes / 8)`,
	/// rounded up. A crowd of lanes, which would have a provider answer all day, puts up more for
	/// each.
	fn next_deposit(job: JobId, deposit: BalanceOf<T>) -> BalanceOf<T> {
		let lanes = DepositLanes::<T>::get(job);
		let eighths = DEPOSIT_LANES.saturating_add(lanes).min(DEPOSIT_LANES * MOST_DEPOSITS);
		deposit.saturating_mul(eighths.into()).saturating_add((DEPOSIT_LANES - 1).into())
			/ DEPOSIT_LANES.into()
	}

	/// Holds the deposit of a new lane.
	pub(crate) fn take_deposit(
		job: JobId,
		who: &T::AccountId,
		result: &ResultOf<T>,
	) -> Result<BalanceOf<T>, DispatchError> {
		let deposit = Self::next_deposit(job, result.deposit);
		if !deposit.is_zero() {
			T::Currency::hold(&HoldReason::Lane.into(), who, deposit)?;
			DepositLanes::<T>::mutate(job, |lanes| lanes.saturating_inc());
		}
		Ok(deposit)
	}

	/// Takes or gives back the deposit of a lane that is closed. Gives what was returned, paid to
	/// the provider, and burned.
	pub(crate) fn settle_deposit(
		job: JobId,
		who: &T::AccountId,
		lane: &LaneOf<T>,
		forfeited: bool,
	) -> (BalanceOf<T>, BalanceOf<T>, BalanceOf<T>) {
		let nothing = Zero::zero();
		if lane.deposit.is_zero() {
			return (nothing, nothing, nothing);
		}
		// A job that is over keeps no count.
		DepositLanes::<T>::mutate_exists(job, |lanes| {
			*lanes = lanes.and_then(|lanes| lanes.checked_sub(1)).filter(|left| *left > 0);
		});
		if forfeited {
			let (paid, burned) = Self::forfeit(who, lane);
			(nothing, paid, burned)
		} else {
			(Self::give_back(who, lane.deposit), nothing, nothing)
		}
	}

	/// Releases or burns what is held for parts of a verifier's proof. Gives what was released and
	/// burned.
	pub(crate) fn settle_held(
		who: &T::AccountId,
		held: BalanceOf<T>,
		forfeited: bool,
	) -> (BalanceOf<T>, BalanceOf<T>) {
		match forfeited {
			_ if held.is_zero() => (held, held),
			true => (Zero::zero(), Self::burn_hold(who, held)),
			false => (Self::give_back(who, held), Zero::zero()),
		}
	}

	fn burn_hold(who: &T::AccountId, amount: BalanceOf<T>) -> BalanceOf<T> {
		let reason = HoldReason::Lane.into();
		T::Currency::burn_held(&reason, who, amount, Precision::BestEffort, Fortitude::Force)
			.unwrap_or_else(|_| {
				defensive!("a deposit is held in full until its lane is closed");
				Zero::zero()
			})
	}

	fn give_back(who: &T::AccountId, deposit: BalanceOf<T>) -> BalanceOf<T> {
		T::Currency::release(&HoldReason::Lane.into(), who, deposit, Precision::BestEffort)
			.unwrap_or_else(|error| {
				log::warn!(target: crate::LOG_TARGET, "a deposit cannot be released: {error:?}");
				Zero::zero()
			})
	}

	/// Half to the provider, the rest is burned, as is what the provider cannot receive. Gives
	/// both.
	fn forfeit(who: &T::AccountId, lane: &LaneOf<T>) -> (BalanceOf<T>, BalanceOf<T>) {
		let reason = HoldReason::Lane.into();
		let share = lane.deposit / BURNED_PART.into();
		let paid = T::Currency::transfer_on_hold(
			&reason,
			who,
			&lane.provider,
			share,
			Precision::Exact,
			Restriction::Free,
			Fortitude::Force,
		)
		.unwrap_or_default();
		let rest = lane.deposit.saturating_sub(paid);
		(paid, Self::burn_hold(who, rest))
	}
}

//! The deposits for a job's place in the market and for its record, how they grow as the market fills up,
//! and how many jobs have not ended.
//!
//! An escrow comes back on a cancellation and costs nothing but time. Without a deposit a few units of
//! fees would fill the market with jobs that nobody can do, and their records would be stored for free.

use crate::{ActiveJobs, BalanceOf, Config, Event, HoldReason, JobOf, JobsOfRequester, Pallet};
use crate::{Parameters, RECORD_BYTES};
use assay_market::{Attestation, JobId, ReasonCode};
use frame_support::{
	defensive,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision},
		Get,
	},
};
use sp_runtime::{
	helpers_128bit::multiply_by_rational_with_rounding,
	traits::{SaturatedConversion, Saturating, Zero},
	Rounding,
};

/// How much more the deposit is in a market that is full.
const FULL_FACTOR: u32 = 10;

/// Bytes of one root.
const ROOT_BYTES: u32 = 32;

impl<T: Config> Pallet<T> {
	/// What is held for the place in the market and for the record of a job with so many inputs, while so
	/// many jobs have not ended.
	pub(crate) fn deposits_for(inputs: u32, active: u32) -> (BalanceOf<T>, BalanceOf<T>) {
		let bytes = RECORD_BYTES.saturating_add(inputs.saturating_mul(ROOT_BYTES));
		let record = T::JobDepositPerByte::get().saturating_mul(bytes.into());
		let (factor, unit) = factor(active, T::MaxActiveJobs::get());
		let times = |amount: BalanceOf<T>| -> BalanceOf<T> {
			multiply_by_rational_with_rounding(
				amount.saturated_into(),
				factor.into(),
				unit.into(),
				Rounding::Up,
			)
			.unwrap_or(u128::MAX)
			.saturated_into()
		};
		(times(T::JobDepositBase::get()), times(record))
	}

	/// The job has ended: it is counted no more, a part of its deposit is burned where it came to nothing,
	/// and what was held for its place is given back. The rest stays for the record.
	pub(crate) fn count_off(id: JobId, job: &mut JobOf<T>, reason: ReasonCode) {
		ActiveJobs::<T>::mutate(|active| *active = active.saturating_sub(1));
		JobsOfRequester::<T>::mutate_exists(&job.offer.requester, |own| {
			*own = own.and_then(|own| own.checked_sub(1)).filter(|own| *own > 0);
		});
		if Self::came_to_nothing(id, job, reason) {
			let part = Parameters::<T>::get().abandon_burn.mul_ceil(job.books.deposit);
			Self::burn_deposit(id, job, part);
		}
		let place = job.books.deposit.saturating_sub(job.books.record_deposit);
		Self::release_deposit(id, job, place);
	}

	/// Whether a job that ends like this took a place in the market for nothing. Not where a result was
	/// committed; nor where validators that were drawn did not say whether they hold the inputs; nor where
	/// providers left a job whose inputs were there, which its requester can do nothing about.
	fn came_to_nothing(id: JobId, job: &JobOf<T>, reason: ReasonCode) -> bool {
		match reason {
			ReasonCode::Paid
			| ReasonCode::Withheld
			| ReasonCode::ProvenFraud
			| ReasonCode::Undelivered
			| ReasonCode::Inconclusive => false,
			ReasonCode::InputsUnavailable => Self::attesters_refused(id),
			ReasonCode::Cancelled | ReasonCode::CancelledWhileClaimed | ReasonCode::Expired => true,
			ReasonCode::ProviderTimeout => job.offer.assurance.attestation == Attestation::OptedOut,
		}
	}

	/// Gives a part of the deposit back.
	fn release_deposit(id: JobId, job: &mut JobOf<T>, amount: BalanceOf<T>) {
		if amount.is_zero() {
			return;
		}
		let reason = HoldReason::JobDeposit.into();
		match T::Currency::release(&reason, &job.offer.requester, amount, Precision::Exact) {
			Ok(released) => job.books.deposit = job.books.deposit.saturating_sub(released),
			// As with a refund: the account was emptied by force.
			Err(error) => {
				log::warn!(
					target: crate::LOG_TARGET,
					"a deposit cannot be received and is burned: {error:?}"
				);
				Self::burn_deposit(id, job, amount);
			}
		}
	}

	/// The record goes: so does what is left of the deposit.
	pub(crate) fn release_all(id: JobId, job: &mut JobOf<T>) {
		let deposit = job.books.deposit;
		Self::release_deposit(id, job, deposit);
	}

	fn burn_deposit(id: JobId, job: &mut JobOf<T>, amount: BalanceOf<T>) {
		if amount.is_zero() {
			return;
		}
		let reason = HoldReason::JobDeposit.into();
		match T::Currency::burn_held(
			&reason,
			&job.offer.requester,
			amount,
			Precision::Exact,
			Fortitude::Force,
		) {
			Ok(burned) => {
				job.books.deposit = job.books.deposit.saturating_sub(burned);
				Self::deposit_event(Event::DepositBurned { job: id, amount: burned });
			}
			Err(_) => {
				defensive!("a deposit is held in full until its record goes");
			}
		}
	}
}

/// A fraction: 1 in a market that is at most half full, then growing evenly to [`FULL_FACTOR`].
fn factor(active: u32, most: u32) -> (u64, u64) {
	let most = u64::from(most.max(1));
	let above_half = (2 * u64::from(active)).saturating_sub(most).min(most);
	(most + u64::from(FULL_FACTOR - 1) * above_half, most)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn factor_should_grow_evenly_from_half_full_to_full() {
		let of = |active| {
			let (factor, unit) = factor(active, 4_096);
			factor as f64 / unit as f64
		};
		assert_eq!([of(0), of(1), of(2_048)], [1.0; 3]);
		assert_eq!((of(3_072), of(4_096), of(u32::MAX)), (5.5, 10.0, 10.0));
		for active in 1..4_096 {
			assert!(of(active) >= of(active - 1));
		}
	}
}

//! What leaves an escrow: `escrow = paid + refunded + burned`, to the unit. And what becomes of a
//! fraudulent provider's bond.

use crate::{
	Answer, BalanceOf, Claim, Config, Event, HoldReason, JobOf, Pallet, Parameters, ParametersOf,
	Seats,
};
use assay_market::{JobBonds, JobId, Purpose, ReasonCode, Slashed};
use frame_support::{
	defensive,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision, Restriction},
	},
};
use sp_runtime::traits::{Saturating, Zero};

impl<T: Config> Pallet<T> {
	/// Pays a fee out of the escrow: a part of it is burned, the rest goes to `to`. What `to` cannot
	/// receive is burned too. Gives the amount that arrived.
	pub(crate) fn pay_fee(
		job: &mut JobOf<T>,
		to: &T::AccountId,
		fee: BalanceOf<T>,
		parameters: &ParametersOf<T>,
	) -> BalanceOf<T> {
		let fee = fee.min(job.books.escrow);
		let net = fee.saturating_sub(parameters.fee_burn.mul_ceil(fee));
		let paid = if net.is_zero() {
			net
		} else {
			T::Currency::transfer_on_hold(
				&HoldReason::JobEscrow.into(),
				&job.offer.requester,
				to,
				net,
				Precision::Exact,
				Restriction::Free,
				Fortitude::Force,
			)
			.unwrap_or_else(|error| {
				log::warn!(
					target: crate::LOG_TARGET,
					"a fee cannot be received and is burned: {error:?}"
				);
				Zero::zero()
			})
		};
		job.books.escrow = job.books.escrow.saturating_sub(paid);
		job.books.paid = job.books.paid.saturating_add(paid);
		Self::burn(job, fee.saturating_sub(paid));
		paid
	}

	/// Gives the rest of the escrow back to the requester.
	pub(crate) fn refund(job: &mut JobOf<T>) {
		let rest = job.books.escrow;
		if rest.is_zero() {
			return;
		}
		let reason = HoldReason::JobEscrow.into();
		match T::Currency::release(&reason, &job.offer.requester, rest, Precision::Exact) {
			Ok(refunded) => {
				job.books.escrow = job.books.escrow.saturating_sub(refunded);
				job.books.refunded = job.books.refunded.saturating_add(refunded);
			}
			// Only where the requester's account was emptied by force and the rest is below the
			// existential deposit.
			Err(error) => {
				log::warn!(
					target: crate::LOG_TARGET,
					"a refund cannot be received and is burned: {error:?}"
				);
				Self::burn(job, rest);
			}
		}
	}

	/// Pays everyone who says that it holds the inputs, or the outputs, whatever became of the job. Where
	/// the requester has cancelled it, at whatever time, what the attesters could have earned is burned: they
	/// were asked.
	pub(crate) fn pay_holders(id: JobId, job: &mut JobOf<T>, reason: ReasonCode) {
		let parameters = Parameters::<T>::get();
		let seats = Seats::<T>::get(id);
		let drawn = seats.iter().any(|seat| seat.purpose == Purpose::Attest);
		let mut left = job.books.data_fee / 2u32.into();
		for seat in seats.iter().filter(|seat| seat.answer == Answer::Attested(true)) {
			if job.books.data_share.is_zero() {
				break;
			}
			let amount = Self::pay_fee(job, &seat.account, job.books.data_share, &parameters);
			let account = seat.account.clone();
			Self::deposit_event(Event::HolderPaid { job: id, account, amount });
			if seat.purpose == Purpose::Attest {
				left = left.saturating_sub(job.books.data_share);
			}
		}
		let cancelled = matches!(reason, ReasonCode::Cancelled | ReasonCode::CancelledWhileClaimed);
		if cancelled && drawn {
			Self::burn(job, left);
		}
	}

	/// Takes the whole bond of a proven or withheld fraud: the prover's part and its `costs` to `by`, the
	/// compensation to the requester, and the rest is burned, at least half of the bond. The costs are what
	/// its proof's fees were, as far as the parts leave something of the other half.
	pub(crate) fn slash_bond(
		id: JobId,
		job: &JobOf<T>,
		reason: ReasonCode,
		by: Option<(&T::AccountId, BalanceOf<T>)>,
		parameters: &ParametersOf<T>,
	) {
		let Some(Claim { provider, price, bond, .. }) = job.claim.clone() else {
			defensive!("a job with a committed result has a provider");
			return;
		};
		let proven = reason == ReasonCode::ProvenFraud;
		let (compensation, prover_part) =
			parameters.parts_of_bond(bond, proven, price, job.offer.work_units);
		let mut total = Slashed::<BalanceOf<T>>::default();
		let mut slash = |amount: BalanceOf<T>, pay: (&T::AccountId, BalanceOf<T>)| {
			let taken = T::JobBonds::slash(&provider, id, amount, Some(pay));
			total.burned = total.burned.saturating_add(taken.burned);
			total.paid = total.paid.saturating_add(taken.paid);
			taken.paid
		};
		let (mut left, mut prover_paid) = (bond, Zero::zero());
		if let Some((prover, costs)) = by {
			let most = (bond / 2u32.into()).saturating_sub(compensation);
			let part = prover_part.saturating_add(costs).min(most);
			prover_paid = slash(part, (prover, part));
			left = left.saturating_sub(part);
		}
		slash(left, (&job.offer.requester, compensation));
		let Slashed { burned, paid } = total;
		Self::note_loss(id, burned, prover_paid);
		Self::deposit_event(Event::BondSlashed { job: id, provider, burned, paid });
	}

	pub(crate) fn burn(job: &mut JobOf<T>, amount: BalanceOf<T>) {
		let amount = amount.min(job.books.escrow);
		if amount.is_zero() {
			return;
		}
		let reason = HoldReason::JobEscrow.into();
		match T::Currency::burn_held(
			&reason,
			&job.offer.requester,
			amount,
			Precision::Exact,
			Fortitude::Force,
		) {
			Ok(burned) => {
				job.books.escrow = job.books.escrow.saturating_sub(burned);
				job.books.burned = job.books.burned.saturating_add(burned);
			}
			Err(_) => {
				defensive!("an escrow is held in full until the job ends");
			}
		}
	}
}

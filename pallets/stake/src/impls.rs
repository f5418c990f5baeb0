//! How bonds, job holds, locks and slashes move stake.

use crate::{pallet::*, types::*, MAX_SLASHES_PER_BLOCK};
use alloc::vec::Vec;
use assay_market::{Electorate, JobBonds, JobId, Slashed, VerifierInfo, Verifiers};
use core::cmp::Reverse;
use frame_support::{
	defensive, ensure,
	pallet_prelude::DispatchResult,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision, Restriction},
		Contains, DisabledValidators, Get, ValidatorRegistration,
	},
};
use sp_runtime::traits::{Convert, Saturating, Zero};
use sp_staking::SessionIndex;

impl<T: Config> Pallet<T> {
	/// Bond `amount` of an account that has no bond.
	pub(crate) fn do_bond(who: &T::AccountId, amount: BalanceOf<T>) -> DispatchResult {
		ensure!(!Ledgers::<T>::contains_key(who), Error::<T>::AlreadyBonded);
		ensure!(amount >= T::MinBond::get(), Error::<T>::BelowMinimumBond);
		<T as Config>::Currency::hold(&HoldReason::Bond.into(), who, amount)?;
		Ledgers::<T>::insert(who, Ledger { active: amount, ..Default::default() });
		Self::deposit_event(Event::Bonded { who: who.clone(), amount, active: amount });
		Ok(())
	}

	/// Set `amount` on its way out.
	pub(crate) fn do_unbond(who: &T::AccountId, amount: BalanceOf<T>) -> DispatchResult {
		ensure!(!amount.is_zero(), Error::<T>::ZeroAmount);
		let mut ledger = Ledgers::<T>::get(who).ok_or(Error::<T>::NotBonded)?;
		let unheld = ledger.active.saturating_sub(ledger.held);
		ensure!(amount <= unheld, Error::<T>::InsufficientFreeStake);
		ledger.active.saturating_reduce(amount);
		ensure!(
			ledger.active.is_zero() || ledger.active >= T::MinBond::get(),
			Error::<T>::BelowMinimumBond
		);
		ensure!(
			ledger.active >= T::MinValidatorBond::get() || !Candidates::<T>::contains_key(who),
			Error::<T>::BelowMinimumValidatorBond
		);
		let releasable_at = CurrentSession::<T>::get().saturating_add(T::UnbondingSessions::get());
		match ledger.unbonding.last_mut() {
			Some(last) if last.releasable_at == releasable_at => {
				last.value.saturating_accrue(amount);
			}
			_ => ledger
				.unbonding
				.try_push(UnbondingChunk { value: amount, releasable_at })
				.map_err(|_| Error::<T>::TooManyUnbondingChunks)?,
		}
		Ledgers::<T>::insert(who, ledger);
		Self::deposit_event(Event::Unbonding { who: who.clone(), amount, releasable_at });
		Ok(())
	}

	/// Make a bonded account stand as validator.
	pub(crate) fn do_validate(
		who: &T::AccountId,
		displace: Option<T::AccountId>,
	) -> DispatchResult {
		let stake = Ledgers::<T>::get(who).ok_or(Error::<T>::NotBonded)?.standing();
		ensure!(stake >= T::MinValidatorBond::get(), Error::<T>::BelowMinimumValidatorBond);
		ensure!(pallet_session::Pallet::<T>::is_registered(who), Error::<T>::NoSessionKeys);
		ensure!(!Candidates::<T>::contains_key(who), Error::<T>::AlreadyCandidate);
		if Candidates::<T>::count() >= T::MaxCandidates::get() {
			let named = displace.ok_or(Error::<T>::TooManyCandidates)?;
			ensure!(Candidates::<T>::contains_key(&named), Error::<T>::CannotDisplace);
			// Only the weakest: a place that a large account takes and leaves again goes to the
			// next one that asks, so whoever could be displaced could be replaced by anything.
			let (Reverse(theirs), weakest) =
				Self::weakest_candidate().ok_or(Error::<T>::CannotDisplace)?;
			ensure!(named == weakest, Error::<T>::NotTheWeakest);
			ensure!(theirs < stake, Error::<T>::CannotDisplace);
			Self::remove_candidate(&weakest, RemovalReason::Displaced);
		}
		Candidates::<T>::insert(who, ());
		Self::deposit_event(Event::CandidateAdded { who: who.clone() });
		Ok(())
	}

	/// The candidate with the least stake: the last in the order of elections.
	fn weakest_candidate() -> Option<(Reverse<BalanceOf<T>>, T::AccountId)> {
		Candidates::<T>::iter_keys()
			.map(|who| {
				let stake = Ledgers::<T>::get(&who).map(|ledger| ledger.standing());
				(Reverse(stake.unwrap_or_default()), who)
			})
			.max()
	}

	/// Take an account off the candidates. Returns whether it was one.
	pub(crate) fn remove_candidate(who: &T::AccountId, reason: RemovalReason) -> bool {
		let was = Candidates::<T>::take(who).is_some();
		if was {
			Self::deposit_event(Event::CandidateRemoved { who: who.clone(), reason });
		}
		was
	}

	/// Store a ledger, or remove it when nothing refers to it any more.
	pub(crate) fn put_ledger(who: &T::AccountId, ledger: Ledger<T>) {
		if ledger.is_empty() {
			Ledgers::<T>::remove(who);
			Self::forget_conduct(who);
			Self::remove_candidate(who, RemovalReason::Chilled);
		} else {
			Ledgers::<T>::insert(who, ledger);
		}
	}

	/// Slash up to `amount` of everything `who` has at stake, unbonding stake and job holds
	/// included, and burn it. Returns what was burned.
	pub fn slash_stake(who: &T::AccountId, amount: BalanceOf<T>) -> BalanceOf<T> {
		let Some(mut ledger) = Ledgers::<T>::get(who) else { return Zero::zero() };
		let (taken, from_held) = ledger.slash(amount);
		Self::reduce_job_holds(who, &mut ledger, from_held);
		let burned = Self::burn(who, taken);
		Self::put_ledger(who, ledger);
		Self::deposit_event(Event::Slashed { who: who.clone(), burned });
		burned
	}

	/// Burn `amount` of the held balance of `who`. The ledger has already been reduced by as much.
	fn burn(who: &T::AccountId, amount: BalanceOf<T>) -> BalanceOf<T> {
		if amount.is_zero() {
			return amount;
		}
		match <T as Config>::Currency::burn_held(
			&HoldReason::Bond.into(),
			who,
			amount,
			Precision::BestEffort,
			Fortitude::Force,
		) {
			Ok(burned) => {
				if burned < amount {
					defensive!("the ledger never exceeds what is held");
				}
				burned
			}
			Err(_) => {
				defensive!("a best-effort burn of held balance cannot fail");
				Zero::zero()
			}
		}
	}

	/// Shrink the job holds of `who` by `amount` in total; the ledger's sum was already reduced.
	fn reduce_job_holds(who: &T::AccountId, ledger: &mut Ledger<T>, amount: BalanceOf<T>) {
		if amount.is_zero() {
			return;
		}
		let mut left = amount;
		let holds: Vec<(JobId, BalanceOf<T>)> = JobHolds::<T>::iter_prefix(who).collect();
		for (job, held) in holds {
			let part = left.min(held);
			if part.is_zero() {
				break;
			}
			left.saturating_reduce(part);
			if part == held {
				JobHolds::<T>::remove(who, job);
				ledger.job_holds.saturating_dec();
			} else {
				JobHolds::<T>::insert(who, job, held.saturating_sub(part));
			}
			Self::deposit_event(Event::JobHoldReduced { who: who.clone(), job, amount: part });
		}
	}

	/// Note a slash of `amount` against `who`, to be carried out `SlashDeferSessions` later, or at
	/// once where there is no deferral or no place to wait.
	pub(crate) fn defer_slash(
		who: &T::AccountId,
		amount: BalanceOf<T>,
		offence_session: SessionIndex,
	) {
		let (first, next) = DeferredRange::<T>::get();
		let delay = T::SlashDeferSessions::get();
		if delay.is_zero() || next.saturating_sub(first) >= T::MaxDeferredSlashes::get() {
			Self::slash_stake(who, amount);
			return;
		}
		let due = CurrentSession::<T>::get().saturating_add(delay);
		// A ledger that is gone has nothing to slash; the record would only wait for nothing.
		let Some(mut ledger) = Ledgers::<T>::get(who) else { return };
		ledger.deferred.saturating_accrue(amount);
		Ledgers::<T>::insert(who, ledger);
		DeferredSlashes::<T>::insert(
			next,
			DeferredSlash { who: who.clone(), amount, offence_session, due },
		);
		DeferredRange::<T>::put((first, next.saturating_add(1)));
		Self::deposit_event(Event::SlashDeferred {
			index: next,
			who: who.clone(),
			amount,
			offence_session,
			due,
		});
	}

	/// Release the claim of a deferred slash on its ledger.
	pub(crate) fn forget_deferred(slash: &DeferredSlashOf<T>) {
		let Some(mut ledger) = Ledgers::<T>::get(&slash.who) else {
			defensive!("a ledger with a deferred slash is not empty");
			return;
		};
		ledger.deferred.saturating_reduce(slash.amount);
		Self::put_ledger(&slash.who, ledger);
	}

	/// Carry out deferred slashes whose session has come, oldest first and a bounded number per
	/// block. Returns how many places of the queue were passed.
	pub(crate) fn carry_out_due_slashes() -> u32 {
		let (mut first, next) = DeferredRange::<T>::get();
		if first == next {
			return 0;
		}
		let now = CurrentSession::<T>::get();
		let mut passed = 0u32;
		while first != next && passed < MAX_SLASHES_PER_BLOCK {
			match DeferredSlashes::<T>::get(first) {
				Some(slash) if slash.due > now => break,
				Some(slash) => {
					DeferredSlashes::<T>::remove(first);
					// Slash before the claim goes, so that the ledger cannot vanish in between.
					Self::slash_stake(&slash.who, slash.amount);
					Self::forget_deferred(&slash);
				}
				// Cancelled.
				None => {}
			}
			first = first.saturating_add(1);
			passed = passed.saturating_add(1);
		}
		if passed > 0 {
			DeferredRange::<T>::put((first, next));
		}
		passed
	}
}

impl<T: Config> JobBonds<T::AccountId, BalanceOf<T>> for Pallet<T> {
	fn free_stake(who: &T::AccountId) -> BalanceOf<T> {
		Ledgers::<T>::get(who).map(|ledger| ledger.free()).unwrap_or_default()
	}

	fn hold(who: &T::AccountId, job: JobId, amount: BalanceOf<T>) -> DispatchResult {
		let mut ledger = Ledgers::<T>::get(who).ok_or(Error::<T>::NotBonded)?;
		ensure!(!amount.is_zero(), Error::<T>::ZeroAmount);
		ensure!(amount <= ledger.free(), Error::<T>::InsufficientFreeStake);
		ensure!(!JobHolds::<T>::contains_key(who, job), Error::<T>::JobAlreadyHeld);
		ensure!(ledger.job_holds < T::MaxJobHolds::get(), Error::<T>::TooManyJobHolds);
		ledger.held.saturating_accrue(amount);
		ledger.job_holds.saturating_inc();
		JobHolds::<T>::insert(who, job, amount);
		Ledgers::<T>::insert(who, ledger);
		Self::deposit_event(Event::JobHeld { who: who.clone(), job, amount });
		Ok(())
	}

	fn release(who: &T::AccountId, job: JobId) {
		let Some(amount) = JobHolds::<T>::take(who, job) else { return };
		let Some(mut ledger) = Ledgers::<T>::get(who) else {
			defensive!("an account with a job hold has a ledger");
			return;
		};
		ledger.held.saturating_reduce(amount);
		ledger.job_holds.saturating_dec();
		Self::put_ledger(who, ledger);
		Self::deposit_event(Event::JobReleased { who: who.clone(), job, amount });
	}

	fn slash(
		who: &T::AccountId,
		job: JobId,
		amount: BalanceOf<T>,
		pay: Option<(&T::AccountId, BalanceOf<T>)>,
	) -> Slashed<BalanceOf<T>> {
		let nothing = Slashed { burned: Zero::zero(), paid: Zero::zero() };
		let Some(held) = JobHolds::<T>::get(who, job) else { return nothing };
		let Some(mut ledger) = Ledgers::<T>::get(who) else {
			defensive!("an account with a job hold has a ledger");
			return nothing;
		};
		let taken = amount.min(held);
		ledger.active.saturating_reduce(taken);
		ledger.held.saturating_reduce(taken);
		if taken == held {
			JobHolds::<T>::remove(who, job);
			ledger.job_holds.saturating_dec();
		} else {
			JobHolds::<T>::insert(who, job, held.saturating_sub(taken));
		}
		let paid = pay
			.map(|(to, share)| (to, share.min(taken)))
			.filter(|(_, share)| !share.is_zero())
			.and_then(|(to, share)| {
				// Fails where the share is too small to make an account; then it is burned.
				<T as Config>::Currency::transfer_on_hold(
					&HoldReason::Bond.into(),
					who,
					to,
					share,
					Precision::Exact,
					Restriction::Free,
					Fortitude::Force,
				)
				.ok()
			})
			.unwrap_or_default();
		let burned = Self::burn(who, taken.saturating_sub(paid));
		Self::put_ledger(who, ledger);
		Self::deposit_event(Event::JobSlashed { who: who.clone(), job, burned, paid });
		Slashed { burned, paid }
	}
}

impl<T: Config> Verifiers<T::AccountId, BalanceOf<T>> for Pallet<T> {
	/// The validators of the running session that are not disabled or suspended, have a verifier
	/// key and stake behind them, and are not yet drawn for `MaxJobLocks` jobs; in the order of the
	/// set.
	fn active() -> Vec<VerifierInfo<T::AccountId, BalanceOf<T>>> {
		let suspended = SuspendedVerifiers::<T>::get();
		pallet_session::Validators::<T>::get()
			.into_iter()
			.enumerate()
			.filter(|(i, _)| !pallet_session::Pallet::<T>::is_disabled(*i as u32))
			.filter(|(_, account)| !suspended.iter().any(|(other, _)| other == account))
			.filter_map(|(_, account)| {
				let ledger = Ledgers::<T>::get(&account)?;
				let stake = ledger.standing();
				if stake.is_zero() || ledger.locks >= T::MaxJobLocks::get() {
					return None;
				}
				let key = T::VerifierKeyOf::convert(account.clone())?;
				Some(VerifierInfo { account, key, stake })
			})
			.collect()
	}

	fn electorate() -> Electorate<BalanceOf<T>> {
		let session = CurrentSession::<T>::get();
		let (candidates, stake) = Electorates::<T>::get(session);
		Electorate { session, candidates, stake }
	}

	fn member(
		session: SessionIndex,
		who: &T::AccountId,
	) -> Option<VerifierInfo<T::AccountId, BalanceOf<T>>> {
		let key = Members::<T>::get(session, who)?;
		let Exposure { stake } = Exposures::<T>::get(session, who)?;
		Some(VerifierInfo { account: who.clone(), key, stake })
	}

	fn members(session: SessionIndex) -> Vec<VerifierInfo<T::AccountId, BalanceOf<T>>> {
		Members::<T>::iter_key_prefix(session)
			.filter_map(|who| Self::member(session, &who))
			.collect()
	}

	fn can_lock(who: &T::AccountId) -> bool {
		Ledgers::<T>::get(who)
			.is_some_and(|ledger| !ledger.total().is_zero() && ledger.locks < T::MaxJobLocks::get())
	}

	fn lock(who: &T::AccountId, job: JobId) {
		if JobLocks::<T>::contains_key(who, job) {
			return;
		}
		let Some(mut ledger) = Ledgers::<T>::get(who) else {
			defensive!("only accounts with stake are drawn");
			return;
		};
		ledger.locks.saturating_inc();
		JobLocks::<T>::insert(who, job, ());
		Ledgers::<T>::insert(who, ledger);
	}

	fn unlock(who: &T::AccountId, job: JobId) {
		if JobLocks::<T>::take(who, job).is_none() {
			return;
		}
		let Some(mut ledger) = Ledgers::<T>::get(who) else {
			defensive!("an account with a lock has a ledger");
			return;
		};
		ledger.locks.saturating_dec();
		Self::put_ledger(who, ledger);
	}
}

/// Accounts that a job which has not ended refers to, as provider or as drawn verifier. The
/// identity pallet refuses to deregister them.
pub struct Engaged<T>(core::marker::PhantomData<T>);

impl<T: Config> Contains<T::AccountId> for Engaged<T> {
	fn contains(who: &T::AccountId) -> bool {
		Ledgers::<T>::get(who).is_some_and(|ledger| ledger.job_holds > 0 || ledger.locks > 0)
	}
}

#[cfg(any(feature = "try-runtime", test))]
impl<T: Config> Pallet<T> {
	/// Check everything that must always hold.
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		use frame_support::traits::fungible::InspectHold;
		for (who, ledger) in Ledgers::<T>::iter() {
			ensure!(
				<T as Config>::Currency::balance_on_hold(&HoldReason::Bond.into(), &who)
					== ledger.total(),
				"the hold on an account differs from its ledger"
			);
			ensure!(!ledger.is_empty(), "an empty ledger is stored");
			ensure!(ledger.held <= ledger.active, "jobs hold more than is active");
			let mut held = BalanceOf::<T>::zero();
			let mut holds = 0u32;
			for (_, amount) in JobHolds::<T>::iter_prefix(&who) {
				ensure!(!amount.is_zero(), "an empty job hold is stored");
				held.saturating_accrue(amount);
				holds.saturating_inc();
			}
			ensure!(held == ledger.held, "the job holds do not sum up");
			ensure!(holds == ledger.job_holds, "the job holds are miscounted");
			ensure!(
				JobLocks::<T>::iter_prefix(&who).count() as u32 == ledger.locks,
				"the job locks are miscounted"
			);
			let deferred = DeferredSlashes::<T>::iter_values()
				.filter(|slash| slash.who == who)
				.fold(BalanceOf::<T>::zero(), |sum, slash| sum.saturating_add(slash.amount));
			ensure!(deferred == ledger.deferred, "the deferred slashes do not sum up");
			ensure!(
				ledger.unbonding.iter().all(|chunk| !chunk.value.is_zero()),
				"an empty unbonding chunk is stored"
			);
			ensure!(
				ledger.unbonding.windows(2).all(|w| w[0].releasable_at < w[1].releasable_at),
				"unbonding chunks are out of order"
			);
		}
		for (who, _, _) in JobHolds::<T>::iter() {
			ensure!(Ledgers::<T>::contains_key(&who), "a job hold without a ledger");
		}
		for (who, _, _) in JobLocks::<T>::iter() {
			ensure!(Ledgers::<T>::contains_key(&who), "a job lock without a ledger");
		}
		for who in Candidates::<T>::iter_keys() {
			ensure!(Ledgers::<T>::contains_key(&who), "a candidate without a ledger");
		}
		ensure!(Candidates::<T>::count() <= T::MaxCandidates::get(), "more candidates than places");
		let (first, next) = DeferredRange::<T>::get();
		ensure!(
			next.saturating_sub(first) <= T::MaxDeferredSlashes::get(),
			"more deferred slashes than places"
		);
		for (index, slash) in DeferredSlashes::<T>::iter() {
			ensure!(index >= first && index < next, "a deferred slash is out of range");
			ensure!(Ledgers::<T>::contains_key(&slash.who), "a deferred slash without a ledger");
		}
		for (who, faults) in VerifierFaultCounts::<T>::iter() {
			ensure!(Ledgers::<T>::contains_key(&who), "faults of an account without a ledger");
			ensure!(faults > 0, "no faults are stored");
		}
		let suspended = SuspendedVerifiers::<T>::get();
		for (index, (who, until)) in suspended.iter().enumerate() {
			ensure!(Ledgers::<T>::contains_key(who), "a suspended account without a ledger");
			ensure!(*until > CurrentSession::<T>::get(), "a suspension that is over is stored");
			ensure!(
				suspended[..index].iter().all(|(other, _)| other != who),
				"an account is suspended twice"
			);
		}
		Self::try_electorates()?;
		let oldest = OldestSession::<T>::get();
		ensure!(
			Exposures::<T>::iter_keys().all(|(session, _)| session >= oldest)
				&& Offences::<T>::iter_keys().all(|(session, _)| session >= oldest),
			"exposures or offences of pruned sessions are stored"
		);
		Ok(())
	}
}

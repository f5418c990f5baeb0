//! Who may verify the jobs of a session: its validators as they were when it was planned.
//!
//! The lottery of a job goes by stakes and keys of the session in which it was opened. They were
//! fixed before its seed could be known, so that neither can be chosen after it.

use crate::{pallet::*, types::*};
use frame_support::traits::Get;
use sp_runtime::traits::{Convert, Saturating, Zero};
use sp_staking::SessionIndex;

impl<T: Config> Pallet<T> {
	/// Note the members of a session that has just been planned: the elected that have a verifier
	/// key and stake, and that are not suspended in it.
	pub(crate) fn enrol(session: SessionIndex, elected: &ElectedOf<T>) {
		let suspended = SuspendedVerifiers::<T>::get();
		let (mut candidates, mut stake) = (0u32, BalanceOf::<T>::zero());
		for (who, exposure) in elected {
			let is_suspended =
				suspended.iter().any(|(other, until)| other == who && *until > session);
			if is_suspended || exposure.stake.is_zero() {
				continue;
			}
			let Some(key) = T::VerifierKeyOf::convert(who.clone()) else { continue };
			Members::<T>::insert(session, who, key);
			candidates.saturating_inc();
			stake.saturating_accrue(exposure.stake);
		}
		Electorates::<T>::insert(session, (candidates, stake));
	}

	/// Take `who` out of the running electorate and the planned one, for good. In a lottery of an
	/// older session it was counted, and keeps its chance.
	pub(crate) fn strike_off(who: &T::AccountId) {
		let planned = LastPlanned::<T>::get().map_or(0, |(session, _)| session);
		for session in CurrentSession::<T>::get()..=planned {
			if Members::<T>::take(session, who).is_none() {
				continue;
			}
			let stake = Exposures::<T>::get(session, who).map_or(Zero::zero(), |e| e.stake);
			Electorates::<T>::mutate(session, |(candidates, sum)| {
				candidates.saturating_dec();
				sum.saturating_reduce(stake);
			});
		}
	}

	/// Forget the electorate of a session whose exposures go too.
	pub(crate) fn forget_electorate(session: SessionIndex) {
		let _ = Members::<T>::clear_prefix(session, T::MaxValidators::get(), None);
		Electorates::<T>::remove(session);
	}
}

#[cfg(any(feature = "try-runtime", test))]
impl<T: Config> Pallet<T> {
	/// Members have exposures, and every session's are counted.
	pub(crate) fn try_electorates() -> Result<(), sp_runtime::TryRuntimeError> {
		use alloc::collections::BTreeMap;
		use frame_support::ensure;
		let mut counted = BTreeMap::<SessionIndex, (u32, BalanceOf<T>)>::new();
		for (session, who) in Members::<T>::iter_keys() {
			let exposure = Exposures::<T>::get(session, who)
				.ok_or("a member of a session without exposure")?;
			ensure!(!exposure.stake.is_zero(), "a member without stake");
			let (candidates, stake) = counted.entry(session).or_default();
			candidates.saturating_inc();
			stake.saturating_accrue(exposure.stake);
		}
		for (session, totals) in Electorates::<T>::iter() {
			let found = counted.remove(&session).unwrap_or_default();
			ensure!(found == totals, "the members of a session are miscounted");
			ensure!(session >= OldestSession::<T>::get(), "an electorate of a pruned session");
		}
		ensure!(counted.is_empty(), "members of a session that is not counted");
		Ok(())
	}
}

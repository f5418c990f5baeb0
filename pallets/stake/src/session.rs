//! The choice of validators for `pallet-session`, and what their offences cost.

use crate::{pallet::*, types::*, EXIT_SESSIONS, LOG_TARGET};
use alloc::vec::Vec;
use core::cmp::Reverse;
use frame_support::{
	traits::{Get, ValidatorRegistration},
	weights::Weight,
};
use pallet_session::historical::IdentificationTuple;
use sp_runtime::{
	traits::{Convert, Hash, Saturating, Zero},
	Perbill,
};
use sp_staking::{
	offence::{OffenceDetails, OffenceSeverity, OnOffenceHandler},
	SessionIndex,
};

impl<T: Config> Pallet<T> {
	/// Sessions for which exposures and historical roots are kept. Every offence of such a session
	/// meets stake that has not been withdrawn.
	pub fn history_depth() -> SessionIndex {
		T::UnbondingSessions::get().saturating_sub(EXIT_SESSIONS)
	}

	/// The candidates with the most stake, at least `MinValidatorBond`, and with session keys. Of
	/// equal stakes the smaller account goes first.
	pub(crate) fn elect() -> ElectedOf<T> {
		let mut standing: Vec<(Reverse<BalanceOf<T>>, T::AccountId)> = Candidates::<T>::iter_keys()
			.filter_map(|who| {
				let ledger = Ledgers::<T>::get(&who)?;
				let stake = ledger.active.saturating_sub(ledger.deferred);
				(stake >= T::MinValidatorBond::get()
					&& pallet_session::Pallet::<T>::is_registered(&who))
				.then_some((Reverse(stake), who))
			})
			.collect();
		standing.sort();
		let count = ValidatorCount::<T>::get().min(T::MaxValidators::get());
		standing.truncate(count as usize);
		standing.into_iter().map(|(Reverse(stake), who)| (who, Exposure { stake })).collect()
	}

	/// Plan session `index`: note its exposures, and return the new validator set if an account, a
	/// stake or a session key in it changed. `None` keeps the previous set, also when nobody
	/// stands: a chain without validators could never recover.
	pub(crate) fn plan_session(index: SessionIndex) -> Option<ElectedOf<T>> {
		let elected = Self::elect();
		let last = LastPlanned::<T>::get();
		let fingerprint = T::Hashing::hash_of(
			&elected
				.iter()
				.map(|(who, exposure)| (who, exposure, pallet_session::Pallet::<T>::load_keys(who)))
				.collect::<Vec<_>>(),
		);
		let changed = match last {
			_ if elected.is_empty() => {
				log::warn!(
					target: LOG_TARGET,
					"nobody stands as validator for session {index}; the set stays as it is",
				);
				false
			}
			Some((_, previous)) => previous != fingerprint,
			None => true,
		};
		if changed {
			for (who, exposure) in &elected {
				Exposures::<T>::insert(index, who, exposure);
			}
			Self::enrol(index, &elected);
			LastPlanned::<T>::put((index, fingerprint));
			return Some(elected);
		}
		if let Some((previous, fingerprint)) = last {
			let same = Exposures::<T>::iter_prefix(previous).collect::<ElectedOf<T>>();
			for (who, exposure) in &same {
				Exposures::<T>::insert(index, who, exposure);
			}
			Self::enrol(index, &same);
			LastPlanned::<T>::put((index, fingerprint));
		}
		None
	}

	/// Begin session `index` and forget what is too old to be proved.
	fn begin_session(index: SessionIndex) {
		CurrentSession::<T>::put(index);
		Self::lift_suspensions(index);
		let keep_from = index.saturating_sub(Self::history_depth());
		let oldest = OldestSession::<T>::get();
		if oldest >= keep_from {
			return;
		}
		for session in oldest..keep_from {
			let _ = Exposures::<T>::clear_prefix(session, T::MaxValidators::get(), None);
			Self::forget_electorate(session);
			// Those who vouched may have left the set since they were drawn, and come on top of it.
			let _ = Offences::<T>::clear_prefix(session, u32::MAX, None);
		}
		OldestSession::<T>::put(keep_from);
		pallet_session::historical::Pallet::<T>::prune_up_to(keep_from);
	}
}

impl<T: Config> pallet_session::SessionManager<T::AccountId> for Pallet<T> {
	fn new_session(new_index: SessionIndex) -> Option<Vec<T::AccountId>> {
		Self::plan_session(new_index)
			.map(|elected| elected.into_iter().map(|(who, _)| who).collect())
	}

	fn start_session(start_index: SessionIndex) {
		Self::begin_session(start_index);
	}

	fn end_session(_end_index: SessionIndex) {}
}

impl<T: Config> pallet_session::historical::SessionManager<T::AccountId, Exposure<BalanceOf<T>>>
	for Pallet<T>
{
	fn new_session(new_index: SessionIndex) -> Option<ElectedOf<T>> {
		Self::plan_session(new_index)
	}

	fn start_session(start_index: SessionIndex) {
		Self::begin_session(start_index);
	}

	fn end_session(_end_index: SessionIndex) {}
}

/// The `FullIdentificationOf` of `pallet-session`'s historical sessions: a validator's exposure in
/// the running session.
pub struct ExposureOf<T>(core::marker::PhantomData<T>);

impl<T: Config> Convert<T::AccountId, Option<Exposure<BalanceOf<T>>>> for ExposureOf<T> {
	fn convert(who: T::AccountId) -> Option<Exposure<BalanceOf<T>>> {
		Exposures::<T>::get(CurrentSession::<T>::get(), who)
	}
}

impl<T> OnOffenceHandler<T::AccountId, IdentificationTuple<T>, Weight> for Pallet<T>
where
	T: Config + pallet_session::historical::Config<FullIdentification = Exposure<BalanceOf<T>>>,
{
	/// Chill and report every offender at once, and defer what its slash grew by. `offenders` may
	/// contain offenders of earlier reports of the same offence, whose fraction may have grown.
	fn on_offence(
		offenders: &[OffenceDetails<T::AccountId, IdentificationTuple<T>>],
		slash_fraction: &[Perbill],
		session: SessionIndex,
	) -> Weight {
		if session < OldestSession::<T>::get() {
			log::warn!(target: LOG_TARGET, "offence in session {session} is too old to punish");
			return T::DbWeight::get().reads(1);
		}
		for (details, fraction) in offenders.iter().zip(slash_fraction) {
			let (who, exposure) = &details.offender;
			let known = Offences::<T>::get(session, who);
			if known.is_some_and(|known| *fraction <= known) {
				continue;
			}
			Offences::<T>::insert(session, who, fraction);
			pallet_session::Pallet::<T>::report_offence(who.clone(), OffenceSeverity(*fraction));
			if !fraction.is_zero() {
				Self::remove_candidate(who, RemovalReason::Offence);
				Self::strike_off(who);
			}
			let before = known.unwrap_or_default().mul_floor(exposure.stake);
			let amount = fraction.mul_floor(exposure.stake).saturating_sub(before);
			if !amount.is_zero() {
				Self::defer_slash(who, amount, session);
			}
		}
		T::DbWeight::get()
			.reads_writes(8, 8)
			.saturating_mul((offenders.len() as u64).saturating_add(1))
	}
}

//! The choice of validators for `pallet-session`, and what their offences cost.

use crate::{pallet::*, types::*, EXIT_SESSIONS, LEAST_PROTECTION, LOG_TARGET};
use alloc::vec::Vec;
use core::cmp::Reverse;
use frame_support::{
	traits::{Get, ValidatorRegistration},
	weights::Weight,
};
use pallet_session::historical::IdentificationTuple;
use sp_runtime::{
	traits::{AtLeast32BitUnsigned, Convert, Hash, Saturating, Zero},
	Perbill,
};
use sp_staking::{
	offence::{OffenceDetails, OffenceSeverity, OnOffenceHandler},
	SessionIndex,
};

/// How many of the candidates with these stakes, largest first, become validators.
///
/// BABE and GRANDPA count heads: each validator has one vote and one slot, however much it has at
/// stake. Who wants many heads for little stake makes them as small as the election admits, so with
/// `k` validators of which the smallest has `s`, a stake of `x` has at most `x / s` heads, or the
/// part `x / (k · s)` of all. `k · s` is what protects the chain. The election takes the largest
/// `k` for which it is at least [`LEAST_PROTECTION`] of the best that it could be. The best is
/// looked for among those `k` whose validators together own more than half of all the stake, so
/// that nobody with less can be alone with few others.
///
/// Where `n` honest validators, no more than there are places, have at least `a` each and together
/// more than an attacker, `k · s` is at least three quarters of `n · a`, and the attacker's part of
/// the heads is at most 4/3 of its stake over `n · a`. With equal honest stakes a third of the
/// heads takes a fifth of all the stake, two thirds take a third of it, and no honest validator can
/// be kept out with less than half.
///
/// A bound on the smallest stake by the mean of the elected would promise more by its wording and
/// hold less: one large stake raises the mean. Where honest stakes fall as 1/√rank, half of the
/// mean would leave one account with 14 % of the stake alone in the set.
pub(crate) fn electable<Balance: AtLeast32BitUnsigned + Copy>(stakes: &[Balance]) -> usize {
	let total = stakes.iter().fold(Balance::zero(), |sum, stake| sum.saturating_add(*stake));
	let protection = |(index, stake): (usize, &Balance)| {
		stake.saturating_mul((index as u32).saturating_add(1).into())
	};
	let mut covered = Balance::zero();
	let mut best = Balance::zero();
	for (index, stake) in stakes.iter().enumerate() {
		covered.saturating_accrue(*stake);
		if covered > total.saturating_sub(covered) {
			best = best.max(protection((index, stake)));
		}
	}
	let (part, whole) = LEAST_PROTECTION;
	let enough = best.saturating_mul(part.into());
	stakes
		.iter()
		.enumerate()
		.rposition(|(index, stake)| {
			protection((index, stake)).saturating_mul(whole.into()) >= enough
		})
		.map_or(0, |last| last.saturating_add(1))
}

impl<T: Config> Pallet<T> {
	/// Sessions for which exposures and historical roots are kept. Every offence of such a session
	/// meets stake that has not been withdrawn.
	pub fn history_depth() -> SessionIndex {
		T::UnbondingSessions::get().saturating_sub(EXIT_SESSIONS)
	}

	/// The candidates with the most stake, at least `MinValidatorBond`, and with session keys: as
	/// many as [`electable`] says, and at most [`ValidatorCount`]. Of equal stakes the smaller
	/// account goes first.
	pub(crate) fn elect() -> ElectedOf<T> {
		let mut standing: Vec<(Reverse<BalanceOf<T>>, T::AccountId)> = Candidates::<T>::iter_keys()
			.filter_map(|who| {
				let stake = Ledgers::<T>::get(&who)?.standing();
				(stake >= T::MinValidatorBond::get()
					&& pallet_session::Pallet::<T>::is_registered(&who))
				.then_some((Reverse(stake), who))
			})
			.collect();
		standing.sort();
		let count = ValidatorCount::<T>::get().min(T::MaxValidators::get());
		standing.truncate(count as usize);
		let stakes: Vec<BalanceOf<T>> = standing.iter().map(|(Reverse(stake), _)| *stake).collect();
		standing.truncate(electable(&stakes));
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

//! What is remembered of verifiers: local faults that no match has taken back, and suspensions from
//! draws. Neither ever touches stake.

use crate::{pallet::*, LOG_TARGET};
use assay_market::VerifierFaults;
use frame_support::traits::Get;
use sp_staking::SessionIndex;

impl<T: Config> Pallet<T> {
	/// Keep `who` from being drawn for a while, from now on. Returns `false` when there is no
	/// place.
	fn suspend(who: &T::AccountId) -> bool {
		let until = CurrentSession::<T>::get().saturating_add(T::SuspensionSessions::get());
		let noted = SuspendedVerifiers::<T>::mutate(|suspended| {
			// A job that drew it before its suspension may have ended only now.
			suspended.retain(|(other, _)| other != who);
			suspended.try_push((who.clone(), until)).is_ok()
		});
		if noted {
			Self::strike_off(who);
			Self::deposit_event(Event::VerifierSuspended { who: who.clone(), until });
		} else {
			log::warn!(
				target: LOG_TARGET,
				"there are {} suspended verifiers; one more is not noted until its next fault",
				T::MaxCandidates::get(),
			);
		}
		noted
	}

	/// Forget the suspensions that are over in session `index`.
	pub(crate) fn lift_suspensions(index: SessionIndex) {
		let suspended = SuspendedVerifiers::<T>::get();
		if suspended.iter().any(|(_, until)| *until <= index) {
			SuspendedVerifiers::<T>::mutate(|list| list.retain(|(_, until)| *until > index));
		}
	}

	/// Forget everything about an account whose ledger is gone.
	pub(crate) fn forget_conduct(who: &T::AccountId) {
		VerifierFaultCounts::<T>::remove(who);
		if SuspendedVerifiers::<T>::get().iter().any(|(other, _)| other == who) {
			SuspendedVerifiers::<T>::mutate(|list| list.retain(|(other, _)| other != who));
		}
	}
}

impl<T: Config> VerifierFaults<T::AccountId> for Pallet<T> {
	fn note_fault(who: &T::AccountId) {
		// Without stake it is not drawn anyway, and nothing would ever remove the entry.
		if !Ledgers::<T>::contains_key(who) {
			return;
		}
		let faults = VerifierFaultCounts::<T>::get(who).unwrap_or_default().saturating_add(1);
		if faults >= T::FaultsBeforeSuspension::get() && Self::suspend(who) {
			VerifierFaultCounts::<T>::remove(who);
		} else {
			VerifierFaultCounts::<T>::insert(who, faults);
		}
	}

	/// Takes back one fault. If it took back all of them, two false alarms for each right verdict
	/// would be free; so a verifier that is wrong more often than right is suspended in the end.
	/// One that is wrong once in ten verdicts at random comes to three faults as seldom as to three
	/// in a row: once in about a thousand.
	fn note_match(who: &T::AccountId) {
		VerifierFaultCounts::<T>::mutate_exists(who, |faults| {
			*faults = faults.map(|count| count.saturating_sub(1)).filter(|count| *count > 0);
		});
	}
}

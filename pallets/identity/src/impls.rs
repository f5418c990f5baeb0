//! The checks of a registration, and what other pallets ask and write.

use crate::{pallet::*, types::*, PEER_KEY_CONTEXT};
use alloc::vec::Vec;
use assay_market::Outcome;
use codec::Encode;
use frame_support::{ensure, pallet_prelude::DispatchResult};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_core::ed25519;
use sp_runtime::traits::Zero;

impl<T: Config> Pallet<T> {
	/// The bytes that a peer key signs to prove that `who` has it: context, genesis hash, account.
	pub(crate) fn payload(who: &T::AccountId) -> Vec<u8> {
		let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
		(PEER_KEY_CONTEXT, genesis, who).encode()
	}

	/// Check that roles and device go together.
	pub(crate) fn ensure_profile(roles: &Roles, device: Option<&DeviceProfile>) -> DispatchResult {
		ensure!(!roles.is_empty(), Error::<T>::NoRole);
		ensure!(!roles.provider || device.is_some(), Error::<T>::DeviceRequired);
		ensure!(device.is_none_or(DeviceProfile::is_valid), Error::<T>::InvalidDevice);
		Ok(())
	}

	/// Check that a peer key is nobody's and that whoever made `proof` for `who` has it.
	pub(crate) fn ensure_possession(
		who: &T::AccountId,
		peer_key: &ed25519::Public,
		proof: &ed25519::Signature,
	) -> DispatchResult {
		ensure!(!PeerKeys::<T>::contains_key(peer_key), Error::<T>::PeerKeyTaken);
		ensure!(
			sp_io::crypto::ed25519_verify(proof, &Self::payload(who), peer_key),
			Error::<T>::InvalidProof
		);
		Ok(())
	}
}

impl<T: Config> assay_market::Identities<T::AccountId> for Pallet<T> {
	fn is_provider(who: &T::AccountId) -> bool {
		Identities::<T>::get(who).is_some_and(|identity| identity.roles.provider)
	}

	fn note_outcome(who: &T::AccountId, outcome: Outcome) {
		if Identities::<T>::contains_key(who) {
			Reputations::<T>::mutate(who, |reputation| reputation.note(outcome));
		}
	}
}

#[cfg(any(feature = "try-runtime", test))]
impl<T: Config> Pallet<T> {
	/// Check everything that must always hold.
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		use frame_support::traits::fungible::InspectHold;
		for (who, identity) in Identities::<T>::iter() {
			ensure!(
				PeerKeys::<T>::get(identity.peer_key).as_ref() == Some(&who),
				"a peer key does not lead back to its account"
			);
			ensure!(
				T::Currency::balance_on_hold(&HoldReason::Registration.into(), &who)
					== identity.deposit,
				"the hold on an account differs from its deposit"
			);
			Self::ensure_profile(&identity.roles, identity.device.as_ref())
				.map_err(|_| "a stored profile is invalid")?;
		}
		ensure!(
			PeerKeys::<T>::iter().count() == Identities::<T>::iter_keys().count(),
			"a peer key without an identity"
		);
		Ok(())
	}
}

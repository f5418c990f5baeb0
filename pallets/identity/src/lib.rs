//! # Assay Identity Pallet
//!
//! Persistent identities of requesters, providers and verifiers, with a proven peer key and a
//! reputation that only jobs write.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for the calls, storage, events and errors. Other pallets ask and write
//! through [`assay_market::Identities`], which [`Pallet`] implements.
//!
//! ## Overview
//!
//! An account registers once, for a deposit that is held. It says which roles it takes, what device
//! it computes with, and which ed25519 key its node has in the peer-to-peer network. It proves that
//! it has that key by a signature that is bound to the account and to this chain.
//!
//! ## Example
//!
//! To register, sign [`Pallet::peer_key_payload`] of the account with the node's key and call
//! [`pallet::Call::register`] with the key and the signature.
//!
#![doc = docify::embed!("src/tests/example.rs", provider_should_register_when_its_node_signs)]
//!
//! ## Details
//!
//! - The signed bytes are `"assay/peer-key/1"` (16 bytes), the genesis hash (32 bytes) and the
//!   SCALE-encoded account (32 bytes in the runtime), one after the other, signed as they are. A
//!   signature for another chain or for another account is therefore worth nothing.
//! - A peer key belongs to one account at a time.
//! - An identity that an open job refers to cannot be deregistered
//!   ([`pallet::Config::Engaged`] says which).
//! - Reputation outlives the registration, so that it cannot be washed off by registering anew. It
//!   takes no deposit: there is an entry only for accounts that took part in a paid job.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(missing_docs)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod impls;
pub mod migrations;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

/// First bytes of what a peer key signs to prove its possession.
pub const PEER_KEY_CONTEXT: [u8; 16] = *b"assay/peer-key/1";

/// Persistent identities of requesters, providers and verifiers.
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::{
			fungible::{Mutate, MutateHold},
			tokens::Precision,
			Contains,
		},
	};
	use frame_system::pallet_prelude::*;
	use sp_core::ed25519;

	#[pallet::pallet]
	#[pallet::storage_version(migrations::STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {
		/// The native token.
		type Currency: Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId, Reason: From<HoldReason>>;

		/// What is held for a registration.
		#[pallet::constant]
		type Deposit: Get<BalanceOf<Self>>;

		/// Accounts that a job which has not ended refers to.
		type Engaged: Contains<Self::AccountId>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The deposit of a registration.
		#[codec(index = 0)]
		Registration,
	}

	/// The registered identities.
	#[pallet::storage]
	pub type Identities<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, IdentityInfo<T>, OptionQuery>;

	/// Whose each peer key is.
	#[pallet::storage]
	pub type PeerKeys<T: Config> =
		StorageMap<_, Blake2_128Concat, ed25519::Public, T::AccountId, OptionQuery>;

	/// What jobs noted about each account.
	#[pallet::storage]
	pub type Reputations<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, Reputation, ValueQuery>;

	/// What happened to identities.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// An account registered.
		Registered {
			/// The account.
			who: T::AccountId,
			/// The parts it takes.
			roles: Roles,
			/// The proven key of its node.
			peer_key: ed25519::Public,
			/// What is held.
			deposit: BalanceOf<T>,
		},
		/// An account changed the key of its node.
		PeerKeyRotated {
			/// The account.
			who: T::AccountId,
			/// The key it had.
			old: ed25519::Public,
			/// The proven key it has now.
			new: ed25519::Public,
		},
		/// An account changed its roles or its device profile.
		Updated {
			/// The account.
			who: T::AccountId,
			/// The parts it takes now.
			roles: Roles,
			/// Its device now.
			device: Option<DeviceProfile>,
		},
		/// An account is no longer registered.
		Deregistered {
			/// The account.
			who: T::AccountId,
			/// The deposit it got back.
			deposit: BalanceOf<T>,
		},
	}

	/// Why a call was refused.
	#[pallet::error]
	pub enum Error<T> {
		/// The account is registered. Use `update` or `rotate_peer_key` to change it.
		AlreadyRegistered,
		/// The account is not registered. Use `register` first.
		NotRegistered,
		/// No role is given. Take at least one of requester, provider and verifier.
		NoRole,
		/// A provider needs a device profile. Give one, or leave the role out.
		DeviceRequired,
		/// The device profile is wrong: the adapter's name must be UTF-8 without control characters
		/// and not empty, memory and rate must be positive.
		InvalidDevice,
		/// The signature does not prove possession of the peer key. Sign this account's payload on
		/// this chain (context, genesis hash, account) with the node's ed25519 key.
		InvalidProof,
		/// The peer key belongs to another account. Use the key of your own node.
		PeerKeyTaken,
		/// The account has this peer key already. Give a new one.
		PeerKeyUnchanged,
		/// A job that has not ended refers to the account. Wait until it ends.
		EngagedInJob,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		#[cfg(feature = "try-runtime")]
		fn try_state(_now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// The bytes that a peer key must sign to prove that `who` has it, on this chain.
		pub fn peer_key_payload(who: T::AccountId) -> Vec<u8> {
			Self::payload(&who)
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Register an identity.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by the account that registers.
		///
		/// ## Details
		///
		/// Holds the deposit. `peer_key` is the ed25519 key of the account's node and `proof` its
		/// signature over the account's payload (see the pallet's documentation); a provider must
		/// give a `device`.
		///
		/// ## Errors
		///
		/// - [`Error::AlreadyRegistered`]
		/// - [`Error::NoRole`]
		/// - [`Error::DeviceRequired`]
		/// - [`Error::InvalidDevice`]
		/// - [`Error::PeerKeyTaken`]
		/// - [`Error::InvalidProof`]
		/// - The token's own error if the deposit is not there.
		///
		/// ## Events
		///
		/// - [`Event::Registered`]
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register())]
		pub fn register(
			origin: OriginFor<T>,
			roles: Roles,
			device: Option<DeviceProfile>,
			peer_key: ed25519::Public,
			proof: ed25519::Signature,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			ensure!(!Identities::<T>::contains_key(&who), Error::<T>::AlreadyRegistered);
			Self::ensure_profile(&roles, device.as_ref())?;
			Self::ensure_possession(&who, &peer_key, &proof)?;
			let deposit = T::Deposit::get();
			T::Currency::hold(&HoldReason::Registration.into(), &who, deposit)?;
			let registered_at = frame_system::Pallet::<T>::block_number();
			PeerKeys::<T>::insert(peer_key, &who);
			Identities::<T>::insert(
				&who,
				IdentityInfo { roles, device, peer_key, registered_at, deposit },
			);
			Self::deposit_event(Event::Registered { who, roles, peer_key, deposit });
			Ok(())
		}

		/// Change the key of the account's node.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a registered account.
		///
		/// ## Details
		///
		/// `proof` is the new key's signature over the account's payload. The old key is free for
		/// others afterwards.
		///
		/// ## Errors
		///
		/// - [`Error::NotRegistered`]
		/// - [`Error::PeerKeyUnchanged`]
		/// - [`Error::PeerKeyTaken`]
		/// - [`Error::InvalidProof`]
		///
		/// ## Events
		///
		/// - [`Event::PeerKeyRotated`]
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::rotate_peer_key())]
		pub fn rotate_peer_key(
			origin: OriginFor<T>,
			peer_key: ed25519::Public,
			proof: ed25519::Signature,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let mut identity = Identities::<T>::get(&who).ok_or(Error::<T>::NotRegistered)?;
			let old = identity.peer_key;
			ensure!(old != peer_key, Error::<T>::PeerKeyUnchanged);
			Self::ensure_possession(&who, &peer_key, &proof)?;
			PeerKeys::<T>::remove(old);
			PeerKeys::<T>::insert(peer_key, &who);
			identity.peer_key = peer_key;
			Identities::<T>::insert(&who, identity);
			Self::deposit_event(Event::PeerKeyRotated { who, old, new: peer_key });
			Ok(())
		}

		/// Change the account's roles and device profile.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a registered account.
		///
		/// ## Details
		///
		/// Both replace what was there. A job that was claimed before goes on even if the provider
		/// role is given up.
		///
		/// ## Errors
		///
		/// - [`Error::NotRegistered`]
		/// - [`Error::NoRole`]
		/// - [`Error::DeviceRequired`]
		/// - [`Error::InvalidDevice`]
		///
		/// ## Events
		///
		/// - [`Event::Updated`]
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::update())]
		pub fn update(
			origin: OriginFor<T>,
			roles: Roles,
			device: Option<DeviceProfile>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let mut identity = Identities::<T>::get(&who).ok_or(Error::<T>::NotRegistered)?;
			Self::ensure_profile(&roles, device.as_ref())?;
			identity.roles = roles;
			identity.device = device.clone();
			Identities::<T>::insert(&who, identity);
			Self::deposit_event(Event::Updated { who, roles, device });
			Ok(())
		}

		/// Give the registration up and get the deposit back.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a registered account.
		///
		/// ## Details
		///
		/// The peer key becomes free for others. The reputation stays.
		///
		/// ## Errors
		///
		/// - [`Error::NotRegistered`]
		/// - [`Error::EngagedInJob`]
		///
		/// ## Events
		///
		/// - [`Event::Deregistered`]
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::deregister())]
		pub fn deregister(origin: OriginFor<T>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let identity = Identities::<T>::get(&who).ok_or(Error::<T>::NotRegistered)?;
			ensure!(!T::Engaged::contains(&who), Error::<T>::EngagedInJob);
			let deposit = identity.deposit;
			T::Currency::release(
				&HoldReason::Registration.into(),
				&who,
				deposit,
				Precision::Exact,
			)?;
			PeerKeys::<T>::remove(identity.peer_key);
			Identities::<T>::remove(&who);
			Self::deposit_event(Event::Deregistered { who, deposit });
			Ok(())
		}
	}
}

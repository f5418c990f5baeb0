//! # Chain parameters
//!
//! Values that a network fixes at genesis and never changes.
//!
//! ## Overview
//!
//! BABE takes the length of an epoch from a constant of the runtime. A development network wants
//! epochs of minutes and a public one of hours, from the same WebAssembly blob; so the constant is
//! read from storage that only genesis writes. BABE cannot follow a change of this value on a
//! running chain, hence there is no call for it.

pub use pallet::*;

/// The pallet: one storage value, written by genesis.
#[frame_support::pallet]
pub mod pallet {
	use crate::constants::time::EPOCH_SLOTS;
	use frame_support::{pallet_prelude::*, traits::ConstU64};

	/// Values fixed at genesis.
	#[pallet::pallet]
	pub struct Pallet<T>(_);

	/// Nothing to configure.
	#[pallet::config]
	pub trait Config: frame_system::Config {}

	/// Slots in an epoch; a session is an epoch.
	#[pallet::storage]
	pub type EpochSlots<T> = StorageValue<_, u64, ValueQuery, ConstU64<EPOCH_SLOTS>>;

	/// Initial values.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Slots in an epoch. Zero stands for a public network's default.
		pub epoch_slots: u64,
		#[serde(skip)]
		#[doc(hidden)]
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			if self.epoch_slots > 0 {
				EpochSlots::<T>::put(self.epoch_slots);
			}
		}
	}

	/// [`EpochSlots`] as BABE's constant.
	pub struct EpochDuration<T>(core::marker::PhantomData<T>);

	impl<T: Config> Get<u64> for EpochDuration<T> {
		fn get() -> u64 {
			EpochSlots::<T>::get()
		}
	}
}

//! Balances to begin with, and blocks one after the other.

use frame_support::traits::{OnFinalize, OnInitialize};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_core::storage::Storage;
use sp_runtime::{traits::One, BuildStorage};

/// An empty chain with these balances.
///
/// # Panics
/// When an account is named twice or has less than it needs to exist.
pub fn endowed<T>(balances: impl IntoIterator<Item = (T::AccountId, T::Balance)>) -> Storage
where
	T: pallet_balances::Config,
{
	let mut storage =
		frame_system::GenesisConfig::<T>::default().build_storage().expect("an empty chain builds");
	pallet_balances::GenesisConfig::<T> {
		balances: balances.into_iter().collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.expect("balances build");
	storage
}

/// The block that is being built.
pub fn now<T: frame_system::Config>() -> BlockNumberFor<T> {
	frame_system::Pallet::<T>::block_number()
}

/// Runs blocks up to and including `block`; `first` comes before the hooks of the pallets in each
/// of them. Events stay, unlike with the system pallet's helper.
pub fn roll_to<T, Pallets>(block: BlockNumberFor<T>, first: impl Fn())
where
	T: frame_system::Config,
	Pallets: OnFinalize<BlockNumberFor<T>> + OnInitialize<BlockNumberFor<T>>,
{
	while now::<T>() < block {
		Pallets::on_finalize(now::<T>());
		frame_system::Pallet::<T>::set_block_number(now::<T>() + One::one());
		first();
		Pallets::on_initialize(now::<T>());
	}
}

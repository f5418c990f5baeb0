//! Benchmarks of every call, each in the worst case that its text names.

use super::*;
use frame_benchmarking::v2::*;
use frame_support::{
	assert_ok,
	traits::{
		fungible::{Inspect, Mutate},
		Get,
	},
};
use frame_system::RawOrigin;
use sp_core::{crypto::KeyTypeId, ed25519};
use sp_runtime::{traits::Saturating, BoundedVec};

const SEED: u32 = 0;
const KEY_TYPE: KeyTypeId = KeyTypeId(*b"peer");
const EVERY_ROLE: Roles = Roles { requester: true, provider: true, verifier: true };

fn largest_device() -> DeviceProfile {
	DeviceProfile {
		adapter: BoundedVec::truncate_from(alloc::vec![b'a'; MAX_ADAPTER_NAME as usize]),
		backend: Backend::Other,
		memory_mib: u32::MAX,
		units_per_second: u64::MAX,
	}
}

fn funded<T: Config>() -> T::AccountId {
	let who: T::AccountId = account("who", 0, SEED);
	let funds = T::Deposit::get()
		.saturating_add(T::Currency::minimum_balance())
		.saturating_mul(10u32.into());
	assert_ok!(T::Currency::mint_into(&who, funds).map(|_| ()));
	who
}

fn proven<T: Config>(who: &T::AccountId) -> (ed25519::Public, ed25519::Signature) {
	let key = sp_io::crypto::ed25519_generate(KEY_TYPE, None);
	let proof = sp_io::crypto::ed25519_sign(KEY_TYPE, &key, &Pallet::<T>::payload(who))
		.expect("the key was generated in this keystore; qed");
	(key, proof)
}

fn registered<T: Config>() -> T::AccountId {
	let who = funded::<T>();
	let (peer_key, proof) = proven::<T>(&who);
	assert_ok!(Pallet::<T>::register(
		RawOrigin::Signed(who.clone()).into(),
		EVERY_ROLE,
		Some(largest_device()),
		peer_key,
		proof,
	));
	who
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// With every role, the longest device profile and a peer key that nobody has had.
	#[benchmark]
	fn register() {
		let who = funded::<T>();
		let (peer_key, proof) = proven::<T>(&who);
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), EVERY_ROLE, Some(largest_device()), peer_key, proof);
		assert!(Identities::<T>::contains_key(who));
	}

	/// The old key is forgotten, the new one noted: there is no cheaper way to succeed.
	#[benchmark]
	fn rotate_peer_key() {
		let who = registered::<T>();
		let (peer_key, proof) = proven::<T>(&who);
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), peer_key, proof);
		assert_eq!(PeerKeys::<T>::get(peer_key), Some(who));
	}

	/// From the longest record to another one as long.
	#[benchmark]
	fn update() {
		let who = registered::<T>();
		let mut device = largest_device();
		device.memory_mib = 1;
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), EVERY_ROLE, Some(device.clone()));
		assert_eq!(Identities::<T>::get(who).and_then(|identity| identity.device), Some(device));
	}

	/// Of an account that had every role, so that its stake is looked at.
	#[benchmark]
	fn deregister() {
		let who = registered::<T>();
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));
		assert!(!Identities::<T>::contains_key(who));
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}

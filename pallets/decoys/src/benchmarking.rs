//! Benchmarks of every call, each in the worst case that its text names.

use super::*;
use alloc::boxed::Box;
use assay_market::{EndedJobs, Hash, JobId};
use frame_benchmarking::v2::*;
use frame_support::{
	assert_ok,
	traits::{
		fungible::{Inspect, Mutate},
		Get,
	},
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_core::{crypto::KeyTypeId, ecdsa};
use sp_runtime::traits::{Bounded, One, Saturating};

/// Sets the stage in the jobs pallet, and signs.
pub trait BenchmarkHelper<AccountId, Signature> {
	/// An account, and what signs for it.
	fn signer() -> (AccountId, Box<dyn Fn(&[u8]) -> Signature>);

	/// A job of these parties, posted now, has failed as proven fraud: something was burned, and
	/// something paid to the prover.
	fn caught(job: JobId, requester: &AccountId, provider: &AccountId);
}

/// A fresh key of the kind whose signatures take longest to check, and what signs with it.
pub fn ecdsa_signer() -> (ecdsa::Public, impl Fn(&[u8]) -> ecdsa::Signature) {
	const KEY: KeyTypeId = KeyTypeId(*b"deco");
	let public = sp_io::crypto::ecdsa_generate(KEY, None);
	let sign = move |bytes: &[u8]| {
		sp_io::crypto::ecdsa_sign(KEY, &public, bytes)
			.expect("the key was generated in this keystore; qed")
	};
	(public, sign)
}

const HASH: Hash = [7; 32];

fn rich<T: Config>(who: &T::AccountId) {
	let money = T::Currency::minimum_balance()
		.saturating_add(T::SealDeposit::get())
		.saturating_mul(1_000_000u32.into());
	assert_ok!(T::Currency::mint_into(who, money).map(|_| ()));
}

fn maker<T: Config>() -> T::AccountId {
	let who: T::AccountId = account("maker", 0, 0);
	rich::<T>(&who);
	assert_ok!(Pallet::<T>::set_maker(
		RawOrigin::Root.into(),
		who.clone(),
		BalanceOf::<T>::max_value() / 2u32.into(),
	));
	who
}

fn later<T: Config>(blocks: BlockNumberFor<T>) {
	let now = frame_system::Pallet::<T>::block_number();
	frame_system::Pallet::<T>::set_block_number(now.saturating_add(blocks));
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// A new maker: the count of them is written too.
	#[benchmark]
	fn set_maker() {
		let who: T::AccountId = account("maker", 0, 0);

		#[extrinsic_call]
		_(RawOrigin::Root, who.clone(), 7u32.into());

		assert_eq!(Makers::<T>::get(&who).map(|maker| maker.allowance), Some(7u32.into()));
	}

	/// The maker's first: its account gets its hold.
	#[benchmark]
	fn seal() {
		let who = maker::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), HASH);

		assert!(Seals::<T>::contains_key(&who, HASH));
	}

	/// The maker's last seal, by somebody else: the maker is forgotten.
	#[benchmark]
	fn discard() {
		let who = maker::<T>();
		assert_ok!(Pallet::<T>::seal(RawOrigin::Signed(who.clone()).into(), HASH));
		// Its allowance is used up.
		assert_ok!(Pallet::<T>::set_maker(RawOrigin::Root.into(), who.clone(), 0u32.into()));
		later::<T>(T::SealLifetime::get().saturating_add(One::one()));
		let other: T::AccountId = account("other", 0, 0);

		#[extrinsic_call]
		_(RawOrigin::Signed(other), who.clone(), HASH);

		assert!(!Makers::<T>::contains_key(&who));
	}

	/// The first payment: it makes the pot's account.
	#[benchmark]
	fn fund() {
		let who: T::AccountId = account("who", 0, 0);
		rich::<T>(&who);
		let amount = T::Currency::minimum_balance();
		let before = T::Currency::balance(&Pallet::<T>::pot());

		#[extrinsic_call]
		_(RawOrigin::Signed(who), amount);

		assert_eq!(T::Currency::balance(&Pallet::<T>::pot()), before.saturating_add(amount));
	}

	/// A decoy that was caught, which is paid for in both ways and uses up the maker's allowance,
	/// so that the maker is forgotten; consents in the wallets' form, which is tried second, by the
	/// slowest kind of key.
	#[benchmark]
	fn unseal() {
		let who = maker::<T>();
		rich::<T>(&Pallet::<T>::pot());
		let (party, sign) = T::BenchmarkHelper::signer();
		rich::<T>(&party);
		let salt = [9; 32];
		let payload = Pallet::<T>::consent_payload(&who, &party, &party, &salt);
		let wrapped = [b"<Bytes>".as_slice(), &payload, b"</Bytes>".as_slice()].concat();
		let consents = Consents { requester: sign(&wrapped), provider: sign(&wrapped) };
		let hash = Pallet::<T>::seal_hash(&who, &party, &party, &consents, &salt);
		assert_ok!(Pallet::<T>::seal(RawOrigin::Signed(who.clone()).into(), hash));
		later::<T>(One::one());
		T::BenchmarkHelper::caught(1, &party, &party);
		let job = T::Jobs::ended(1).expect("it was caught; qed");
		let lost = job.burned.saturating_add(job.prover_paid).saturating_add(job.fees);
		assert_ok!(Pallet::<T>::set_maker(RawOrigin::Root.into(), who.clone(), lost));

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), 1, salt, consents);

		assert_eq!(Tallies::<T>::get().proven, 1);
		assert!(!Seals::<T>::contains_key(&who, hash));
		assert!(!Makers::<T>::contains_key(&who));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

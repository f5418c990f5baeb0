//! Benchmarks of every call and of the hook, each in the worst case that its text names.

use super::*;
use assay_market::JobBonds;
use codec::Decode;
use frame_benchmarking::v2::*;
use frame_support::{
	assert_ok,
	traits::{
		fungible::{Inspect, Mutate},
		Get,
	},
};
use frame_system::RawOrigin;
use sp_runtime::{
	traits::{Saturating, TrailingZeroInput},
	BoundedVec,
};

const SEED: u32 = 0;

fn unit<T: Config>() -> BalanceOf<T> {
	T::MinValidatorBond::get()
		.max(T::MinBond::get())
		.max(<T as Config>::Currency::minimum_balance())
}

fn funded<T: Config>(name: &'static str, index: u32) -> T::AccountId {
	let who: T::AccountId = account(name, index, SEED);
	let funds = unit::<T>().saturating_mul(1_000u32.into());
	assert_ok!(<T as Config>::Currency::mint_into(&who, funds).map(|_| ()));
	who
}

fn bonded<T: Config>(name: &'static str, index: u32, units: u32) -> T::AccountId {
	let who = funded::<T>(name, index);
	assert_ok!(Pallet::<T>::do_bond(&who, unit::<T>().saturating_mul(units.into())));
	who
}

fn give_keys<T: Config>(who: &T::AccountId) {
	let keys = <T as pallet_session::Config>::Keys::decode(&mut TrailingZeroInput::zeroes())
		.expect("session keys are public keys, which decode from zeroes; qed");
	pallet_session::NextKeys::<T>::insert(who, keys);
}

/// Fill the unbonding queue of a bonded account, all of it due now but the last chunk.
fn fill_queue<T: Config>(who: &T::AccountId, leave: u32) {
	Ledgers::<T>::mutate(who, |ledger| {
		let ledger = ledger.as_mut().expect("the account is bonded; qed");
		let chunks = T::MaxUnbondingChunks::get().saturating_sub(leave);
		let mut unbonding = BoundedVec::new();
		for session in 0..chunks {
			let value = T::MinBond::get();
			ledger.active.saturating_reduce(value);
			unbonding
				.try_push(UnbondingChunk { value, releasable_at: session })
				.expect("at most MaxUnbondingChunks; qed");
		}
		ledger.unbonding = unbonding;
	});
	CurrentSession::<T>::put(T::MaxUnbondingChunks::get());
}

/// Everything is remembered of the account that is forgotten with its ledger: it stands as
/// validator, has a fault, and is the last of a full list of suspended verifiers.
fn remember<T: Config>(who: &T::AccountId) {
	Candidates::<T>::insert(who, ());
	VerifierFaultCounts::<T>::insert(who, 1);
	SuspendedVerifiers::<T>::mutate(|list| {
		if list.is_empty() {
			let most = T::MaxCandidates::get();
			let others = (0..most).map(|index| (account("suspended", index, SEED), u32::MAX));
			*list = BoundedVec::truncate_from(others.collect());
		}
		list.remove(0);
		list.try_push((who.clone(), u32::MAX)).expect("one place was made; qed");
	});
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// A first bond: ledger and hold are new.
	#[benchmark]
	fn bond() {
		let who = funded::<T>("who", 0);
		let amount = unit::<T>();
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), amount);
		assert!(Ledgers::<T>::contains_key(who));
	}

	/// The largest ledger: with a full unbonding queue.
	#[benchmark]
	fn bond_extra() {
		let who = bonded::<T>("who", 0, 500);
		fill_queue::<T>(&who, 0);
		let before = Ledgers::<T>::get(&who).expect("bonded above; qed").active;
		let amount = unit::<T>();
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), amount);
		assert_eq!(
			Ledgers::<T>::get(who).expect("bonded above; qed").active,
			before.saturating_add(amount)
		);
	}

	/// The last place of the queue, by a validator.
	#[benchmark]
	fn unbond() {
		let who = bonded::<T>("who", 0, 500);
		fill_queue::<T>(&who, 1);
		Candidates::<T>::insert(&who, ());
		let amount = unit::<T>();
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), amount);
		assert_eq!(
			Ledgers::<T>::get(who).expect("bonded above; qed").unbonding.len() as u32,
			T::MaxUnbondingChunks::get()
		);
	}

	/// A full queue, all of it.
	#[benchmark]
	fn rebond() {
		let who = bonded::<T>("who", 0, 500);
		fill_queue::<T>(&who, 0);
		let amount = unit::<T>().saturating_mul(500u32.into());
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), amount);
		assert!(Ledgers::<T>::get(who).expect("bonded above; qed").unbonding.is_empty());
	}

	/// A full queue, all of it and the last of the account's stake, so that everything about it is
	/// forgotten.
	#[benchmark]
	fn withdraw() {
		let who = bonded::<T>("who", 0, 500);
		fill_queue::<T>(&who, 0);
		Ledgers::<T>::mutate(&who, |ledger| {
			let ledger = ledger.as_mut().expect("bonded above; qed");
			ledger.unbonding[0].value.saturating_accrue(ledger.active);
			ledger.active = Default::default();
		});
		remember::<T>(&who);
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));
		assert!(!Ledgers::<T>::contains_key(&who));
		assert!(!Candidates::<T>::contains_key(who));
	}

	/// There are as many candidates as there can be: each is looked at for the weakest, which is
	/// displaced.
	#[benchmark]
	fn validate() {
		let weakest = bonded::<T>("weakest", 0, 1);
		Candidates::<T>::insert(&weakest, ());
		let mut index = 0;
		while Candidates::<T>::count() < T::MaxCandidates::get() {
			Candidates::<T>::insert(bonded::<T>("other", index, 3), ());
			index += 1;
		}
		let who = bonded::<T>("who", 0, 2);
		give_keys::<T>(&who);
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), Some(weakest.clone()));
		assert!(Candidates::<T>::contains_key(who));
		assert!(!Candidates::<T>::contains_key(weakest));
	}

	/// One of the candidates; how many others there are makes no difference.
	#[benchmark]
	fn chill() {
		let who = bonded::<T>("who", 0, 1);
		Candidates::<T>::insert(&who, ());
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));
		assert!(!Candidates::<T>::contains_key(who));
	}

	/// One value is written, whatever it is.
	#[benchmark]
	fn set_validator_count() {
		#[extrinsic_call]
		_(RawOrigin::Root, 1);
		assert_eq!(ValidatorCount::<T>::get(), 1);
	}

	/// The last that is known of an account which has lost all of its stake, so that everything
	/// about it is forgotten.
	#[benchmark]
	fn cancel_deferred_slash() {
		let who = bonded::<T>("who", 0, 500);
		remember::<T>(&who);
		let slash =
			DeferredSlash { who: who.clone(), amount: unit::<T>(), offence_session: 0, due: 9 };
		Ledgers::<T>::mutate(&who, |ledger| {
			let ledger = ledger.as_mut().expect("bonded above; qed");
			(ledger.active, ledger.deferred) = (Default::default(), slash.amount);
		});
		DeferredSlashes::<T>::insert(0, slash);
		DeferredRange::<T>::put((0, 1));
		#[extrinsic_call]
		_(RawOrigin::Root, 0);
		assert!(!DeferredSlashes::<T>::contains_key(0));
		assert!(!Ledgers::<T>::contains_key(&who));
	}

	/// `n` due slashes, each of all stake of an account, with as many job holds as there can be,
	/// about which everything is forgotten.
	#[benchmark]
	fn on_initialize(n: Linear<0, MAX_SLASHES_PER_BLOCK>) {
		for index in 0..n {
			let who = bonded::<T>("who", index, 500);
			fill_queue::<T>(&who, 0);
			for job in 0..T::MaxJobHolds::get() {
				assert_ok!(Pallet::<T>::hold(&who, job.into(), T::MinBond::get()));
			}
			remember::<T>(&who);
			let amount = unit::<T>().saturating_mul(500u32.into());
			let slash = DeferredSlash { who: who.clone(), amount, offence_session: 0, due: 0 };
			Ledgers::<T>::mutate(&who, |ledger| {
				ledger.as_mut().expect("bonded above; qed").deferred = amount;
			});
			DeferredSlashes::<T>::insert(index, slash);
		}
		DeferredRange::<T>::put((0, n));
		#[block]
		{
			Pallet::<T>::carry_out_due_slashes();
		}
		assert_eq!(DeferredRange::<T>::get(), (n, n));
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}

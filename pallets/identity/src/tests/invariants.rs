//! Random sequences of calls: the invariants hold after each and the issuance never changes.

use crate::{mock::*, *};
use assay_market::Identities as _;
use frame_support::dispatch::DispatchResult;
use proptest::{collection::vec, prelude::*};
use sp_core::ed25519;

#[derive(Clone, Debug)]
enum Step {
	Register(AccountId, Roles, bool, AccountId, u8),
	Rotate(AccountId, AccountId, u8),
	Update(AccountId, Roles, bool),
	Deregister(AccountId),
	Note(AccountId, usize),
	Engage(Vec<AccountId>),
}

fn account() -> impl Strategy<Value = AccountId> {
	ALICE..=POOR
}

fn roles() -> impl Strategy<Value = Roles> {
	any::<(bool, bool, bool)>().prop_map(|(requester, provider, verifier)| Roles {
		requester,
		provider,
		verifier,
	})
}

/// For whom a key is proven: mostly for the account that uses it.
fn step() -> impl Strategy<Value = Step> {
	use Step::*;
	let beneficiary = prop_oneof![4 => Just(0u64), 1 => account()];
	prop_oneof![
		4 => (account(), roles(), any::<bool>(), beneficiary.clone(), 0..5u8)
			.prop_map(|(a, r, d, b, k)| Register(a, r, d, b, k)),
		3 => (account(), beneficiary, 0..5u8).prop_map(|(a, b, k)| Rotate(a, b, k)),
		2 => (account(), roles(), any::<bool>()).prop_map(|(a, r, d)| Update(a, r, d)),
		3 => account().prop_map(Deregister),
		2 => (account(), 0..types::OUTCOMES.len()).prop_map(|(a, o)| Note(a, o)),
		1 => vec(account(), 0..3).prop_map(Engage),
	]
}

fn key_for(who: AccountId, for_whom: AccountId, seed: u8) -> (ed25519::Public, ed25519::Signature) {
	proven(if for_whom == 0 { who } else { for_whom }, seed)
}

fn apply(step: Step) -> DispatchResult {
	let signed = RuntimeOrigin::signed;
	match step {
		Step::Register(who, roles, with_device, for_whom, seed) => {
			let (peer_key, proof) = key_for(who, for_whom, seed);
			Identity::register(signed(who), roles, with_device.then(device), peer_key, proof)
		}
		Step::Rotate(who, for_whom, seed) => {
			let (peer_key, proof) = key_for(who, for_whom, seed);
			Identity::rotate_peer_key(signed(who), peer_key, proof)
		}
		Step::Update(who, roles, with_device) => {
			Identity::update(signed(who), roles, with_device.then(device))
		}
		Step::Deregister(who) => Identity::deregister(signed(who)),
		Step::Note(who, outcome) => {
			Identity::note_outcome(&who, types::OUTCOMES[outcome]);
			Ok(())
		}
		Step::Engage(accounts) => {
			EngagedAccounts::set(accounts.into_iter().collect());
			Ok(())
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(128))]

	#[test]
	fn identity_should_keep_its_books_when_calls_come_in_any_order(steps in vec(step(), 1..50)) {
		ExtBuilder::default().build().execute_with(|| {
			let issued = Test::money();
			for step in steps {
				let before = Identities::<Test>::iter().count();
				let outcome = apply(step.clone());
				let after = Identities::<Test>::iter().count();
				match step {
					Step::Register(..) if outcome.is_ok() => assert_eq!(after, before + 1),
					Step::Deregister(..) if outcome.is_ok() => assert_eq!(after, before - 1),
					_ => assert_eq!(after, before),
				}
				Test::check(issued);
				for who in ALICE..=POOR {
					let whole = if who == POOR { DEPOSIT } else { ENDOWMENT };
					let held = if Identities::<Test>::contains_key(who) { DEPOSIT } else { 0 };
					assert_eq!(Balances::free_balance(who), whole - held);
				}
			}
		});
	}
}

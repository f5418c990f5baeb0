//! Random sequences of everything that moves stake: the invariants hold after each step and the
//! issuance falls by exactly what was burned.

use crate::{mock::*, *};
use assay_market::{JobBonds, VerifierFaults, Verifiers};
use proptest::{collection::vec, prelude::*};

#[derive(Clone, Debug)]
enum Step {
	Bond(AccountId, Balance),
	BondExtra(AccountId, Balance),
	Unbond(AccountId, Balance),
	Rebond(AccountId, Balance),
	Withdraw(AccountId),
	Validate(AccountId, Option<AccountId>),
	Chill(AccountId),
	Cancel(u32),
	Hold(AccountId, u64, Balance),
	Release(AccountId, u64),
	SlashJob(AccountId, u64, Balance, Option<(AccountId, Balance)>),
	Lock(AccountId, u64),
	Unlock(AccountId, u64),
	SlashStake(AccountId, Balance),
	Report(AccountId, u32, u64, u32),
	Fault(AccountId),
	Match(AccountId),
	Roll(u64),
}

fn account() -> impl Strategy<Value = AccountId> {
	// One account that does not exist.
	prop_oneof![8 => ALICE..=6, 1 => Just(NOBODY)]
}

fn amount() -> impl Strategy<Value = Balance> {
	prop_oneof![6 => 0..500u64, 2 => 0..2 * ENDOWMENT, 1 => Just(Balance::MAX)]
}

fn job() -> impl Strategy<Value = u64> {
	0..5u64
}

fn step() -> impl Strategy<Value = Step> {
	use Step::*;
	prop_oneof![
		3 => (account(), amount()).prop_map(|(a, b)| Bond(a, b)),
		2 => (account(), amount()).prop_map(|(a, b)| BondExtra(a, b)),
		4 => (account(), amount()).prop_map(|(a, b)| Unbond(a, b)),
		2 => (account(), amount()).prop_map(|(a, b)| Rebond(a, b)),
		3 => account().prop_map(Withdraw),
		3 => (account(), proptest::option::of(account())).prop_map(|(a, b)| Validate(a, b)),
		1 => account().prop_map(Chill),
		1 => (0..6u32).prop_map(Cancel),
		4 => (account(), job(), amount()).prop_map(|(a, j, b)| Hold(a, j, b)),
		2 => (account(), job()).prop_map(|(a, j)| Release(a, j)),
		2 => (account(), job(), amount(), proptest::option::of((account(), amount())))
			.prop_map(|(a, j, b, p)| SlashJob(a, j, b, p)),
		2 => (account(), job()).prop_map(|(a, j)| Lock(a, j)),
		2 => (account(), job()).prop_map(|(a, j)| Unlock(a, j)),
		1 => (account(), amount()).prop_map(|(a, b)| SlashStake(a, b)),
		3 => (account(), 0..3u32, any::<u64>(), 0..=100u32)
			.prop_map(|(a, back, slot, percent)| Report(a, back, slot, percent)),
		4 => account().prop_map(Fault),
		1 => account().prop_map(Match),
		4 => (1..30u64).prop_map(Roll),
	]
}

fn apply(step: Step) {
	let signed = RuntimeOrigin::signed;
	match step {
		Step::Bond(who, amount) => drop(Stake::bond(signed(who), amount)),
		Step::BondExtra(who, amount) => drop(Stake::bond_extra(signed(who), amount)),
		Step::Unbond(who, amount) => drop(Stake::unbond(signed(who), amount)),
		Step::Rebond(who, amount) => drop(Stake::rebond(signed(who), amount)),
		Step::Withdraw(who) => drop(Stake::withdraw(signed(who))),
		Step::Validate(who, displace) => drop(Stake::validate(signed(who), displace)),
		Step::Chill(who) => drop(Stake::chill(signed(who))),
		Step::Cancel(index) => drop(Stake::cancel_deferred_slash(RuntimeOrigin::root(), index)),
		Step::Hold(who, job, amount) => drop(Stake::hold(&who, job, amount)),
		Step::Release(who, job) => Stake::release(&who, job),
		Step::SlashJob(who, job, amount, pay) => {
			let before = JobHolds::<Test>::get(who, job).unwrap_or_default();
			let pay = pay.as_ref().map(|(to, share)| (to, *share));
			let slashed = Stake::slash(&who, job, amount, pay);
			assert_eq!(slashed.burned + slashed.paid, amount.min(before));
		}
		// Only accounts with stake are ever drawn.
		Step::Lock(who, job) => {
			if Ledgers::<Test>::contains_key(who) {
				Stake::lock(&who, job)
			}
		}
		Step::Unlock(who, job) => Stake::unlock(&who, job),
		Step::SlashStake(who, amount) => {
			let before = Ledgers::<Test>::get(who).map(|l| l.total()).unwrap_or_default();
			assert_eq!(Stake::slash_stake(&who, amount), amount.min(before));
		}
		Step::Report(who, back, slot, percent) => {
			let session = Session::current_index().saturating_sub(back);
			if Exposures::<Test>::contains_key(session, who) {
				report(who, session, slot, percent);
			}
		}
		Step::Fault(who) => Stake::note_fault(&who),
		Step::Match(who) => Stake::note_match(&who),
		Step::Roll(blocks) => roll_blocks(blocks),
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(256))]

	#[test]
	fn stake_should_keep_its_books_when_anything_happens_in_any_order(
		steps in vec(step(), 1..80),
	) {
		ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).build().execute_with(|| {
			let before = Test::money();
			for step in steps {
				apply(step.clone());
				Test::check(before);
				assert!(!Session::validators().is_empty(), "no validators after {step:?}");
			}
		});
	}
}

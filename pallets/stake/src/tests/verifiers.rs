use crate::{mock::*, *};
use assay_market::{JobBonds, VerifierInfo, Verifiers};
use frame_support::{assert_ok, traits::Contains};

fn active() -> Vec<AccountId> {
	Stake::active().into_iter().map(|verifier| verifier.account).collect()
}

#[test]
fn active_should_list_the_running_set_when_everyone_is_able() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		bond(CHARLIE, 500);
		assert_eq!(
			Stake::active(),
			vec![
				VerifierInfo { account: ALICE, key: verifier_key(ALICE), stake: 400 },
				VerifierInfo { account: BOB, key: verifier_key(BOB), stake: 300 },
			]
		);
	});
}

#[test]
fn active_should_leave_out_a_validator_when_it_is_disabled_or_keyless_or_full() {
	let validators = [(ALICE, 400), (BOB, 300), (CHARLIE, 200)];
	ExtBuilder::default().validators(&validators).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 1);
		assert_eq!(active(), vec![BOB, CHARLIE]);
		assert_ok!(Session::purge_keys(RuntimeOrigin::signed(BOB)));
		assert_eq!(active(), vec![CHARLIE]);
		Stake::lock(&CHARLIE, 1);
		assert_eq!(active(), vec![CHARLIE]);
		Stake::lock(&CHARLIE, 2);
		assert_eq!(active(), Vec::<AccountId>::new());
		Stake::unlock(&CHARLIE, 1);
		assert_eq!(active(), vec![CHARLIE]);
	});
}

#[test]
fn active_should_leave_out_a_validator_when_its_stake_is_gone() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		assert_ok!(Stake::chill(RuntimeOrigin::signed(ALICE)));
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 400));
		assert_eq!(Session::validators(), vec![ALICE, BOB]);
		assert_eq!(active(), vec![BOB]);
	});
}

#[test]
fn lock_should_count_each_job_once_when_called_twice() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		Stake::lock(&ALICE, 7);
		Stake::lock(&ALICE, 7);
		assert_eq!(ledger(ALICE).locks, 1);
		Stake::unlock(&ALICE, 8);
		assert_eq!(ledger(ALICE).locks, 1);
		Stake::unlock(&ALICE, 7);
		Stake::unlock(&ALICE, 7);
		assert_eq!(ledger(ALICE).locks, 0);
	});
}

#[test]
fn engaged_should_contain_the_account_when_a_job_refers_to_it() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		bond(BOB, 100);
		assert!(!Engaged::<Test>::contains(&ALICE));
		assert!(!Engaged::<Test>::contains(&NOBODY));
		Stake::lock(&ALICE, 7);
		assert_ok!(Stake::hold(&BOB, 7, 50));
		assert!(Engaged::<Test>::contains(&ALICE));
		assert!(Engaged::<Test>::contains(&BOB));
		Stake::unlock(&ALICE, 7);
		Stake::release(&BOB, 7);
		assert!(!Engaged::<Test>::contains(&ALICE));
		assert!(!Engaged::<Test>::contains(&BOB));
	});
}

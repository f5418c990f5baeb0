use crate::{mock::*, *};
use assay_market::{JobBonds, Verifiers};
use frame_support::{assert_noop, assert_ok};

fn withdraw(who: AccountId) -> frame_support::pallet_prelude::DispatchResult {
	Stake::withdraw(RuntimeOrigin::signed(who))
}

#[test]
fn withdraw_should_release_the_stake_when_its_session_has_come() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 100));
		roll_to_session(7);
		assert_noop!(withdraw(ALICE), Error::<Test>::NothingToWithdraw);
		roll_to_session(8);
		assert_ok!(withdraw(ALICE));
		assert_eq!(free(ALICE), ENDOWMENT - 300);
		assert_eq!(last_event(), Event::Withdrawn { who: ALICE, amount: 100 });
		assert_noop!(withdraw(ALICE), Error::<Test>::NothingToWithdraw);
	});
}

#[test]
fn withdraw_should_remove_the_ledger_when_nothing_is_left() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 400));
		roll_to_session(8);
		assert_ok!(withdraw(ALICE));
		assert!(Ledgers::<Test>::get(ALICE).is_none());
		assert_eq!(free(ALICE), ENDOWMENT);
		assert_noop!(withdraw(ALICE), Error::<Test>::NotBonded);
		bond(ALICE, 400);
	});
}

#[test]
fn withdraw_should_fail_when_the_account_is_drawn_for_a_job() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 100));
		Stake::lock(&ALICE, 7);
		roll_to_session(20);
		assert_noop!(withdraw(ALICE), Error::<Test>::LockedByJob);
		Stake::unlock(&ALICE, 7);
		assert_ok!(withdraw(ALICE));
	});
}

#[test]
fn withdraw_should_leave_what_deferred_slashes_claim_when_some_wait() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 400)]).run(|| {
		assert_ok!(Stake::chill(RuntimeOrigin::signed(ALICE)));
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 400));
		// The last session in which the offence of session 1 can be reported, and one in which the
		// stake is out of the queue.
		roll_to_session(7);
		report(ALICE, 1, 1, 25);
		roll_to_session(8);
		assert_ok!(withdraw(ALICE));
		assert_eq!(free(ALICE), ENDOWMENT - 100);
		assert_noop!(withdraw(ALICE), Error::<Test>::NothingToWithdraw);
		roll_to_session(9);
		assert!(Ledgers::<Test>::get(ALICE).is_none());
		assert_eq!(Balances::total_issuance(), 8 * ENDOWMENT - 100);
	});
}

#[test]
fn withdraw_should_not_count_job_holds_when_a_slash_waits() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 400)]).run(|| {
		assert_ok!(Stake::hold(&ALICE, 7, 300));
		assert_ok!(Stake::chill(RuntimeOrigin::signed(ALICE)));
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 100));
		roll_to_session(7);
		report(ALICE, 1, 1, 20);
		roll_to_session(8);
		assert_ok!(withdraw(ALICE));
		assert_eq!(last_event(), Event::Withdrawn { who: ALICE, amount: 20 });
		roll_to_session(9);
		assert_eq!((ledger(ALICE).active, ledger(ALICE).held), (300, 300));
	});
}

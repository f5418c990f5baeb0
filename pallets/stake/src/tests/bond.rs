use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, TokenError};

#[test]
fn bond_should_hold_the_amount_when_the_balance_is_there() {
	ExtBuilder::default().run(|| {
		assert_ok!(Stake::bond(RuntimeOrigin::signed(ALICE), 400));
		assert_eq!(ledger(ALICE).active, 400);
		assert_eq!(free(ALICE), ENDOWMENT - 400);
		assert_eq!(last_event(), Event::Bonded { who: ALICE, amount: 400, active: 400 });
	});
}

#[test]
fn bond_should_fail_when_the_account_is_bonded() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_noop!(Stake::bond(RuntimeOrigin::signed(ALICE), 400), Error::<Test>::AlreadyBonded);
	});
}

#[test]
fn bond_should_fail_when_the_amount_is_below_the_minimum() {
	ExtBuilder::default().run(|| {
		assert_noop!(Stake::bond(RuntimeOrigin::signed(ALICE), 9), Error::<Test>::BelowMinimumBond);
		assert_ok!(Stake::bond(RuntimeOrigin::signed(ALICE), 10));
	});
}

#[test]
fn bond_should_fail_when_the_balance_is_too_small() {
	ExtBuilder::default().run(|| {
		// The existential deposit cannot be bonded.
		assert_noop!(
			Stake::bond(RuntimeOrigin::signed(ALICE), ENDOWMENT - 4),
			TokenError::FundsUnavailable
		);
		assert_noop!(Stake::bond(RuntimeOrigin::signed(NOBODY), 10), TokenError::FundsUnavailable);
		assert_ok!(Stake::bond(RuntimeOrigin::signed(ALICE), ENDOWMENT - 5));
	});
}

#[test]
fn bond_should_fail_when_the_origin_is_not_signed() {
	ExtBuilder::default().run(|| {
		assert_noop!(Stake::bond(RuntimeOrigin::root(), 400), DispatchError::BadOrigin);
		assert_noop!(Stake::bond(RuntimeOrigin::none(), 400), DispatchError::BadOrigin);
	});
}

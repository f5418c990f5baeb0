use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::TokenError;

#[test]
fn bond_extra_should_add_to_the_bond_when_the_account_is_bonded() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(ALICE), 1));
		assert_eq!(ledger(ALICE).active, 401);
		assert_eq!(last_event(), Event::Bonded { who: ALICE, amount: 1, active: 401 });
	});
}

#[test]
fn bond_extra_should_fail_when_nothing_is_bonded_or_given() {
	ExtBuilder::default().run(|| {
		assert_noop!(
			Stake::bond_extra(RuntimeOrigin::signed(ALICE), 100),
			Error::<Test>::NotBonded
		);
		bond(ALICE, 400);
		assert_noop!(Stake::bond_extra(RuntimeOrigin::signed(ALICE), 0), Error::<Test>::ZeroAmount);
		assert_noop!(
			Stake::bond_extra(RuntimeOrigin::signed(ALICE), ENDOWMENT),
			TokenError::FundsUnavailable
		);
	});
}

#[test]
fn bond_extra_should_need_the_minimum_when_all_stake_is_on_its_way_out() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 400));
		assert_noop!(
			Stake::bond_extra(RuntimeOrigin::signed(ALICE), 9),
			Error::<Test>::BelowMinimumBond
		);
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(ALICE), 10));
		assert_eq!((ledger(ALICE).active, ledger(ALICE).total()), (10, 410));
	});
}

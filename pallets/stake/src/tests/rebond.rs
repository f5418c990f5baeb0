use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};

#[test]
fn rebond_should_take_the_youngest_chunk_first_when_several_are_queued() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 50));
		roll_to_session(1);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 60));
		assert_ok!(Stake::rebond(RuntimeOrigin::signed(ALICE), 70));
		assert_eq!(ledger(ALICE).active, 360);
		assert_eq!(
			ledger(ALICE).unbonding.to_vec(),
			vec![UnbondingChunk { value: 40, releasable_at: 8 }]
		);
		assert_eq!(last_event(), Event::Rebonded { who: ALICE, amount: 70 });
	});
}

#[test]
fn rebond_should_take_what_is_there_when_more_is_asked() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 400));
		assert_ok!(Stake::rebond(RuntimeOrigin::signed(ALICE), Balance::MAX));
		assert_eq!(ledger(ALICE).active, 400);
		assert!(ledger(ALICE).unbonding.is_empty());
	});
}

#[test]
fn rebond_should_fail_when_nothing_comes_back() {
	ExtBuilder::default().run(|| {
		assert_noop!(Stake::rebond(RuntimeOrigin::signed(ALICE), 1), Error::<Test>::NotBonded);
		bond(ALICE, 400);
		assert_noop!(
			Stake::rebond(RuntimeOrigin::signed(ALICE), 1),
			Error::<Test>::NothingToRebond
		);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 400));
		assert_noop!(
			Stake::rebond(RuntimeOrigin::signed(ALICE), 0),
			Error::<Test>::NothingToRebond
		);
		assert_noop!(
			Stake::rebond(RuntimeOrigin::signed(ALICE), 9),
			Error::<Test>::BelowMinimumBond
		);
	});
}

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

#[test]
fn cancel_deferred_slash_should_spare_the_stake_when_called_by_root_in_time() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 400)]).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 25);
		report(BOB, 1, 2, 25);
		assert_eq!(ledger(ALICE).deferred, 100);
		assert_ok!(Stake::cancel_deferred_slash(RuntimeOrigin::root(), 0));
		assert_eq!(last_event(), Event::SlashCancelled { index: 0, who: ALICE, amount: 100 });
		roll_to_session(3);
		assert_eq!((ledger(ALICE).active, ledger(ALICE).deferred), (400, 0));
		assert_eq!((ledger(BOB).active, ledger(BOB).deferred), (300, 0));
	});
}

#[test]
fn cancel_deferred_slash_should_fail_when_there_is_none() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 400)]).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 25);
		assert_noop!(
			Stake::cancel_deferred_slash(RuntimeOrigin::root(), 1),
			Error::<Test>::NoSuchSlash
		);
		assert_ok!(Stake::cancel_deferred_slash(RuntimeOrigin::root(), 0));
		assert_noop!(
			Stake::cancel_deferred_slash(RuntimeOrigin::root(), 0),
			Error::<Test>::NoSuchSlash
		);
	});
}

#[test]
fn cancel_deferred_slash_should_fail_when_it_was_carried_out() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 400)]).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 25);
		roll_to_session(3);
		assert_noop!(
			Stake::cancel_deferred_slash(RuntimeOrigin::root(), 0),
			Error::<Test>::NoSuchSlash
		);
	});
}

#[test]
fn cancel_deferred_slash_should_fail_when_the_origin_is_not_root() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 400)]).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 25);
		assert_noop!(
			Stake::cancel_deferred_slash(RuntimeOrigin::signed(ALICE), 0),
			DispatchError::BadOrigin
		);
	});
}

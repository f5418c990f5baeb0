use crate::{mock::*, *};
use assay_market::{JobBonds, Slashed};
use frame_support::{assert_noop, assert_ok};

#[test]
fn hold_should_reserve_the_amount_when_it_is_free() {
	ExtBuilder::default().run(|| {
		assert_eq!(Stake::free_stake(&ALICE), 0);
		bond(ALICE, 400);
		assert_ok!(Stake::hold(&ALICE, 7, 300));
		assert_eq!(Stake::free_stake(&ALICE), 100);
		assert_eq!(last_event(), Event::JobHeld { who: ALICE, job: 7, amount: 300 });
	});
}

#[test]
fn hold_should_fail_when_it_cannot_be_covered_or_counted() {
	ExtBuilder::default().run(|| {
		assert_noop!(Stake::hold(&ALICE, 7, 1), Error::<Test>::NotBonded);
		bond(ALICE, 400);
		assert_noop!(Stake::hold(&ALICE, 7, 0), Error::<Test>::ZeroAmount);
		assert_noop!(Stake::hold(&ALICE, 7, 401), Error::<Test>::InsufficientFreeStake);
		assert_ok!(Stake::hold(&ALICE, 7, 1));
		assert_noop!(Stake::hold(&ALICE, 7, 1), Error::<Test>::JobAlreadyHeld);
		assert_ok!(Stake::hold(&ALICE, 8, 1));
		assert_ok!(Stake::hold(&ALICE, 9, 1));
		assert_noop!(Stake::hold(&ALICE, 10, 1), Error::<Test>::TooManyJobHolds);
	});
}

#[test]
fn release_should_free_the_hold_once_when_called_twice() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::hold(&ALICE, 7, 300));
		Stake::release(&ALICE, 7);
		assert_eq!(last_event(), Event::JobReleased { who: ALICE, job: 7, amount: 300 });
		let events = stake_events().len();
		Stake::release(&ALICE, 7);
		Stake::release(&NOBODY, 7);
		assert_eq!(stake_events().len(), events);
		assert_eq!(Stake::free_stake(&ALICE), 400);
	});
}

#[test]
fn slash_should_pay_and_burn_when_a_beneficiary_is_named() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::hold(&ALICE, 7, 300));
		let slashed = Stake::slash(&ALICE, 7, 200, Some((&BOB, 50)));
		assert_eq!(slashed, Slashed { burned: 150, paid: 50 });
		assert_eq!(free(BOB), ENDOWMENT + 50);
		assert_eq!((ledger(ALICE).active, ledger(ALICE).held), (200, 100));
		assert_eq!(last_event(), Event::JobSlashed { who: ALICE, job: 7, burned: 150, paid: 50 });
		Stake::release(&ALICE, 7);
		assert_eq!(Stake::free_stake(&ALICE), 200);
	});
}

#[test]
fn slash_should_take_no_more_than_the_hold_when_more_is_asked() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::hold(&ALICE, 7, 300));
		assert_ok!(Stake::hold(&ALICE, 8, 50));
		let slashed = Stake::slash(&ALICE, 7, 1_000, Some((&BOB, 1_000)));
		assert_eq!(slashed, Slashed { burned: 0, paid: 300 });
		assert_eq!((ledger(ALICE).active, ledger(ALICE).held), (100, 50));
		assert_eq!(Stake::slash(&ALICE, 7, 1, None), Slashed { burned: 0, paid: 0 });
		assert_eq!(Stake::slash(&NOBODY, 7, 1, None), Slashed { burned: 0, paid: 0 });
	});
}

#[test]
fn slash_should_burn_the_share_when_the_beneficiary_cannot_receive_it() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::hold(&ALICE, 7, 300));
		// Below the existential deposit of an account that does not exist.
		let slashed = Stake::slash(&ALICE, 7, 100, Some((&NOBODY, 4)));
		assert_eq!(slashed, Slashed { burned: 100, paid: 0 });
		let slashed = Stake::slash(&ALICE, 7, 100, Some((&NOBODY, 5)));
		assert_eq!(slashed, Slashed { burned: 95, paid: 5 });
	});
}

#[test]
fn slash_should_remove_the_ledger_when_everything_is_taken() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::hold(&ALICE, 7, 400));
		assert_eq!(Stake::slash(&ALICE, 7, 400, None), Slashed { burned: 400, paid: 0 });
		assert!(Ledgers::<Test>::get(ALICE).is_none());
		bond(ALICE, 10);
	});
}

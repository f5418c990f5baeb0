use crate::{mock::*, *};
use frame_support::assert_ok;
use pallet_session::historical::HistoricalSessions;
use sp_runtime::{testing::UintAuthorityId, traits::Convert};

#[test]
fn new_session_should_choose_the_largest_stakes_when_more_stand_than_fit() {
	let validators = [(ALICE, 400), (BOB, 300), (CHARLIE, 200)];
	ExtBuilder::default().validators(&validators).run(|| {
		bond(DAVE, 250);
		assert_ok!(Stake::validate(RuntimeOrigin::signed(DAVE), None));
		roll_to_session(2);
		assert_eq!(Session::validators(), vec![ALICE, BOB, DAVE]);
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(CHARLIE), 150));
		roll_to_session(4);
		assert_eq!(Session::validators(), vec![ALICE, CHARLIE, BOB]);
	});
}

#[test]
fn new_session_should_keep_the_set_when_nobody_stands() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		assert_ok!(Stake::chill(RuntimeOrigin::signed(ALICE)));
		roll_to_session(5);
		assert_eq!(Session::validators(), vec![ALICE]);
		assert_eq!(ExposureOf::<Test>::convert(ALICE), Some(Exposure { stake: 400 }));
	});
}

#[test]
fn new_session_should_skip_a_candidate_when_it_lost_keys_or_stake() {
	let validators = [(ALICE, 400), (BOB, 300), (CHARLIE, 200)];
	ExtBuilder::default().validators(&validators).run(|| {
		assert_ok!(Session::purge_keys(RuntimeOrigin::signed(ALICE)));
		Stake::slash_stake(&CHARLIE, 101);
		roll_to_session(2);
		assert_eq!(Session::validators(), vec![BOB]);
	});
}

#[test]
fn new_session_should_report_a_change_only_when_something_changed() {
	let changed = || pallet_session::QueuedChanged::<Test>::get();
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		assert!(!changed());
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(BOB), 1));
		roll_to_session(2);
		assert!(changed());
		roll_to_session(3);
		assert!(!changed());
		pallet_session::NextKeys::<Test>::insert(BOB, UintAuthorityId(22));
		roll_to_session(4);
		assert!(changed());
		roll_to_session(5);
		assert!(!changed());
	});
}

#[test]
fn identification_should_be_of_the_planned_session_when_the_stake_changes_meanwhile() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(ALICE), 100));
		assert_eq!(ExposureOf::<Test>::convert(ALICE), Some(Exposure { stake: 400 }));
		roll_to_session(1);
		assert_eq!(ExposureOf::<Test>::convert(ALICE), Some(Exposure { stake: 400 }));
		roll_to_session(2);
		assert_eq!(ExposureOf::<Test>::convert(ALICE), Some(Exposure { stake: 500 }));
	});
}

#[test]
fn start_session_should_prune_history_when_it_is_older_than_any_stake_in_exit() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		roll_to_session(6);
		assert_eq!(OldestSession::<Test>::get(), 0);
		assert!(HistoricalSessions::<Test>::get(0).is_some());
		roll_to_session(8);
		assert_eq!(OldestSession::<Test>::get(), 2);
		for session in 0..2 {
			assert!(HistoricalSessions::<Test>::get(session).is_none());
			assert_eq!(Exposures::<Test>::iter_prefix(session).count(), 0);
		}
		for session in 2..=9 {
			assert!(HistoricalSessions::<Test>::get(session).is_some());
			assert_eq!(Exposures::<Test>::get(session, ALICE), Some(Exposure { stake: 400 }));
		}
	});
}

//! Who may verify the jobs of a session.

use crate::{mock::*, *};
use assay_market::{Electorate, VerifierFaults, VerifierInfo, Verifiers};
use frame_support::assert_ok;

fn electorate() -> (u32, u64) {
	let Electorate { candidates, stake, session } = Stake::electorate();
	assert_eq!(session, Session::current_index());
	(candidates, stake)
}

fn member(session: u32, who: AccountId) -> Option<u64> {
	Stake::member(session, &who).map(|member| member.stake)
}

#[test]
fn electorate_should_be_the_set_of_the_session_when_everyone_is_able() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		bond(CHARLIE, 500);
		assert_eq!(electorate(), (2, 700));
		assert_eq!(
			Stake::member(0, &BOB),
			Some(VerifierInfo { account: BOB, key: verifier_key(BOB), stake: 300 })
		);
		assert_eq!(member(0, CHARLIE), None);
		assert_eq!(member(7, ALICE), None, "nobody has planned it");
		let mut accounts: Vec<_> = Stake::members(0).into_iter().map(|all| all.account).collect();
		accounts.sort();
		assert_eq!(accounts, [ALICE, BOB]);
	});
}

/// A stake or a key that is chosen after the seed of a lottery is known must not count in it.
#[test]
fn member_should_keep_stake_and_key_of_its_session_when_they_change() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		let before = Stake::member(1, &BOB);
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(BOB), 1_000));
		assert_ok!(Session::purge_keys(RuntimeOrigin::signed(ALICE)));
		assert_eq!(electorate(), (2, 700));
		assert_eq!(Stake::member(1, &BOB), before);
		assert_eq!(member(1, ALICE), Some(400));
		roll_to_session(3);
		assert_eq!(electorate(), (1, 1_300));
		assert_eq!((member(3, ALICE), member(3, BOB)), (None, Some(1_300)));
		assert_eq!(Stake::member(1, &BOB), before, "a lottery may still be open");
		assert_eq!(member(1, ALICE), Some(400));
	});
}

#[test]
fn electorate_should_stay_when_nobody_stands_any_more() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		assert_ok!(Stake::chill(RuntimeOrigin::signed(ALICE)));
		roll_to_session(5);
		assert_eq!((electorate(), member(5, ALICE)), ((1, 400), Some(400)));
	});
}

#[test]
fn suspended_validator_should_leave_the_electorate_when_its_faults_repeat() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		(0..3).for_each(|_| Stake::note_fault(&ALICE));
		assert_eq!(last_event(), Event::VerifierSuspended { who: ALICE, until: 3 });
		// At once, and in the session that is planned; it keeps what it had in an older one.
		assert_eq!((electorate(), member(1, ALICE), member(2, ALICE)), ((1, 300), None, None));
		assert_eq!(member(0, ALICE), Some(400));
		roll_to_session(2);
		assert_eq!(electorate(), (1, 300));
		roll_to_session(3);
		assert_eq!(electorate(), (2, 700));
		assert_eq!((member(1, ALICE), member(2, ALICE)), (None, None), "for good");
	});
}

#[test]
fn offender_should_leave_the_electorate_when_it_is_reported() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 1);
		assert_eq!((electorate(), member(1, ALICE)), ((1, 300), None));
		roll_to_session(2);
		assert_eq!(electorate(), (1, 300));
	});
}

#[test]
fn electorate_should_be_forgotten_when_its_exposures_are() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(8);
		assert_eq!(OldestSession::<Test>::get(), 2);
		assert_eq!((member(1, ALICE), member(2, ALICE)), (None, Some(400)));
		assert!(!Electorates::<Test>::contains_key(1));
	});
}

#[test]
fn stake_should_be_lockable_until_it_is_gone_or_drawn_too_often() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		assert!(Stake::can_lock(&ALICE) && !Stake::can_lock(&NOBODY));
		Stake::lock(&ALICE, 1);
		assert!(Stake::can_lock(&ALICE));
		Stake::lock(&ALICE, 2);
		assert!(!Stake::can_lock(&ALICE));
		Stake::unlock(&ALICE, 1);
		assert!(Stake::can_lock(&ALICE));
		// On its way out it can still be slashed.
		assert_ok!(Stake::chill(RuntimeOrigin::signed(BOB)));
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(BOB), 300));
		assert!(Stake::can_lock(&BOB));
		Stake::slash_stake(&BOB, 300);
		assert!(!Stake::can_lock(&BOB));
	});
}

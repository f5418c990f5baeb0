use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::testing::UintAuthorityId;

fn validate(who: AccountId) -> frame_support::pallet_prelude::DispatchResult {
	Stake::validate(RuntimeOrigin::signed(who), None)
}

#[test]
fn validate_should_lead_into_the_set_when_the_stake_is_large_enough() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		bond(BOB, 200);
		assert_ok!(validate(BOB));
		assert_eq!(last_event(), Event::CandidateAdded { who: BOB });
		roll_to_session(1);
		assert_eq!(Session::validators(), vec![ALICE]);
		roll_to_session(2);
		assert_eq!(Session::validators(), vec![ALICE, BOB]);
	});
}

#[test]
fn validate_should_fail_when_the_stake_is_missing() {
	ExtBuilder::default().run(|| {
		assert_noop!(validate(BOB), Error::<Test>::NotBonded);
		bond(BOB, 99);
		assert_noop!(validate(BOB), Error::<Test>::BelowMinimumValidatorBond);
	});
}

#[test]
fn validate_should_fail_when_session_keys_are_missing() {
	ExtBuilder::default().run(|| {
		bond(BOB, 100);
		assert_ok!(Session::purge_keys(RuntimeOrigin::signed(BOB)));
		assert_noop!(validate(BOB), Error::<Test>::NoSessionKeys);
		pallet_session::NextKeys::<Test>::insert(BOB, UintAuthorityId(22));
		assert_ok!(validate(BOB));
	});
}

#[test]
fn validate_should_fail_when_the_account_stands_already() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		assert_noop!(validate(ALICE), Error::<Test>::AlreadyCandidate);
	});
}

#[test]
fn validate_should_displace_the_weakest_candidate_when_all_places_are_taken() {
	let full = [(ALICE, 400), (BOB, 300), (CHARLIE, 200), (DAVE, 150)];
	ExtBuilder::default().validators(&full).run(|| {
		bond(EVE, 150);
		let displace = |whom| Stake::validate(RuntimeOrigin::signed(EVE), whom);
		assert_noop!(displace(None), Error::<Test>::TooManyCandidates);
		assert_noop!(displace(Some(NOBODY)), Error::<Test>::CannotDisplace);
		assert_noop!(displace(Some(DAVE)), Error::<Test>::CannotDisplace);
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(EVE), 1));
		assert_ok!(displace(Some(DAVE)));
		assert!(stake_events()
			.contains(&Event::CandidateRemoved { who: DAVE, reason: RemovalReason::Displaced }));
		assert_eq!(Candidates::<Test>::count(), 4);
	});
}

#[test]
fn validate_should_displace_nobody_but_the_weakest_when_all_places_are_taken() {
	let full = [(ALICE, 400), (BOB, 300), (CHARLIE, 150), (DAVE, 150)];
	ExtBuilder::default().validators(&full).run(|| {
		bond(EVE, 5_000);
		let displace = |whom| Stake::validate(RuntimeOrigin::signed(EVE), Some(whom));
		for stronger in [ALICE, BOB, CHARLIE] {
			assert_noop!(displace(stronger), Error::<Test>::NotTheWeakest);
		}
		assert_ok!(displace(DAVE));
	});
}

#[test]
fn validate_should_not_clear_the_way_for_small_ones_when_a_large_one_comes_and_goes() {
	const FILLER: AccountId = 6;
	let full = [(ALICE, 400), (BOB, 300), (CHARLIE, 200), (FILLER, 100)];
	ExtBuilder::default().validators(&full).run(|| {
		bond(EVE, 5_000);
		bond(7, 100);
		let (mut inside, mut outside) = (FILLER, 7);
		for victim in [CHARLIE, BOB, ALICE] {
			let displace = |whom| Stake::validate(RuntimeOrigin::signed(EVE), Some(whom));
			assert_noop!(displace(victim), Error::<Test>::NotTheWeakest);
			assert_ok!(displace(inside));
			assert_ok!(Stake::chill(RuntimeOrigin::signed(EVE)));
			assert_ok!(validate(outside));
			(inside, outside) = (outside, inside);
		}
		roll_to_session(2);
		assert_eq!(Session::validators(), vec![ALICE, BOB, CHARLIE]);
	});
}

#[test]
fn validate_should_count_stake_without_what_slashes_claim_when_places_are_taken() {
	let full = [(ALICE, 400), (BOB, 300), (CHARLIE, 200), (DAVE, 150)];
	ExtBuilder::default().validators(&full).run(|| {
		// What the slash claims makes Bob the weakest, with 110.
		Stake::defer_slash(&BOB, 190, 0);
		bond(EVE, 111);
		let displace = |whom| Stake::validate(RuntimeOrigin::signed(EVE), Some(whom));
		assert_noop!(displace(DAVE), Error::<Test>::NotTheWeakest);
		Stake::defer_slash(&EVE, 1, 0);
		assert_noop!(displace(BOB), Error::<Test>::CannotDisplace);
		Stake::defer_slash(&EVE, 11, 0);
		assert_noop!(displace(BOB), Error::<Test>::BelowMinimumValidatorBond);
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(EVE), 12));
		assert_ok!(displace(BOB));
	});
}

#[test]
fn validate_should_not_displace_anyone_when_a_place_is_free() {
	ExtBuilder::default().validators(&[(ALICE, 150)]).run(|| {
		bond(BOB, 400);
		assert_ok!(Stake::validate(RuntimeOrigin::signed(BOB), Some(ALICE)));
		assert!(Candidates::<Test>::contains_key(ALICE));
	});
}

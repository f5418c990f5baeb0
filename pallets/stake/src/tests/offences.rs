use crate::{mock::*, *};
use assay_market::JobBonds;
use frame_support::assert_ok;

#[test]
fn offence_should_chill_at_once_and_slash_later_when_a_validator_equivocates() {
	let validators = [(ALICE, 400), (BOB, 300), (CHARLIE, 200)];
	ExtBuilder::default().validators(&validators).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 10);
		assert!(stake_events().contains(&Event::SlashDeferred {
			index: 0,
			who: ALICE,
			amount: 40,
			offence_session: 1,
			due: 3
		}));
		assert!(!Candidates::<Test>::contains_key(ALICE));
		assert_eq!(Session::disabled_validators(), vec![0]);
		assert_eq!((ledger(ALICE).active, Stake::free_stake(&ALICE)), (400, 360));
		roll_to_session(2);
		assert_eq!(ledger(ALICE).active, 400);
		roll_to_session(3);
		assert_eq!(last_event(), Event::Slashed { who: ALICE, burned: 40 });
		assert_eq!((ledger(ALICE).active, ledger(ALICE).deferred), (360, 0));
		assert_eq!(Session::validators(), vec![BOB, CHARLIE]);
	});
}

#[test]
fn offence_should_slash_only_the_growth_when_reported_again_for_the_session() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 10);
		report(ALICE, 1, 2, 5);
		report(ALICE, 1, 3, 25);
		assert_eq!(ledger(ALICE).deferred, 100);
		roll_to_session(3);
		assert_eq!(ledger(ALICE).active, 300);
	});
}

#[test]
fn offence_should_reach_stake_in_exit_when_the_validator_has_unbonded() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		assert_ok!(Stake::chill(RuntimeOrigin::signed(ALICE)));
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 300));
		roll_to_session(1);
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(ALICE), 100));
		report(ALICE, 1, 1, 50);
		roll_to_session(3);
		// The youngest chunk goes first, then the older one.
		assert_eq!(
			ledger(ALICE).unbonding.to_vec(),
			vec![UnbondingChunk { value: 200, releasable_at: 8 }]
		);
	});
}

#[test]
fn offence_should_be_of_the_stake_at_the_time_when_more_was_bonded_since() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		assert_ok!(Stake::bond_extra(RuntimeOrigin::signed(ALICE), 600));
		report(ALICE, 1, 1, 100);
		roll_to_session(3);
		assert_eq!(ledger(ALICE).active, 600);
	});
}

#[test]
fn offence_should_eat_into_job_holds_when_nothing_else_is_left() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		assert_ok!(Stake::hold(&ALICE, 7, 150));
		assert_ok!(Stake::hold(&ALICE, 8, 150));
		roll_to_session(1);
		report(ALICE, 1, 1, 75);
		roll_to_session(3);
		assert_eq!((ledger(ALICE).active, ledger(ALICE).held), (100, 100));
		assert_eq!(ledger(ALICE).job_holds, 1);
		Stake::release(&ALICE, 7);
		Stake::release(&ALICE, 8);
		assert_eq!(Stake::free_stake(&ALICE), 100);
	});
}

#[test]
fn offence_should_slash_at_once_when_no_place_to_wait_is_left() {
	let validators = [(ALICE, 400), (BOB, 400), (CHARLIE, 400)];
	ExtBuilder::default().validators(&validators).run(|| {
		roll_to_session(1);
		for (slot, percent) in [10, 20, 30, 40].into_iter().enumerate() {
			report(ALICE, 1, slot as u64, percent);
		}
		assert_eq!(ledger(ALICE).active, 360);
		assert_eq!(ledger(ALICE).deferred, 120);
		roll_to_session(3);
		assert_eq!((ledger(ALICE).active, ledger(ALICE).deferred), (240, 0));
	});
}

#[test]
fn offence_should_be_ignored_when_its_session_is_pruned() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		let identification = (ALICE, Exposure { stake: 400 });
		roll_to_session(8);
		let details =
			sp_staking::offence::OffenceDetails { offender: identification, reporters: vec![] };
		<Stake as sp_staking::offence::OnOffenceHandler<_, _, _>>::on_offence(
			&[details],
			&[sp_runtime::Perbill::from_percent(50)],
			1,
		);
		assert_eq!(ledger(ALICE).deferred, 0);
		assert!(Candidates::<Test>::contains_key(ALICE));
	});
}

#[test]
fn offence_should_take_what_is_left_when_less_than_the_slash_remains() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		report(ALICE, 1, 1, 100);
		Stake::slash_stake(&ALICE, 300);
		roll_to_session(3);
		assert_eq!(last_event(), Event::Slashed { who: ALICE, burned: 100 });
		assert!(Ledgers::<Test>::get(ALICE).is_none());
	});
}

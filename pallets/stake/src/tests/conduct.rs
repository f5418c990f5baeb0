use crate::{mock::*, *};
use assay_market::{VerifierFaults, Verifiers};

fn active() -> Vec<AccountId> {
	Stake::active().into_iter().map(|verifier| verifier.account).collect()
}

fn faults(who: AccountId, count: u32) {
	for _ in 0..count {
		Stake::note_fault(&who);
	}
}

#[test]
fn verifier_should_be_left_out_of_draws_when_its_faults_repeat() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		faults(ALICE, 2);
		assert_eq!(active(), vec![ALICE, BOB]);
		assert_eq!(VerifierFaultCounts::<Test>::get(ALICE), Some(2));
		faults(ALICE, 1);
		assert_eq!(active(), vec![BOB]);
		assert_eq!(last_event(), Event::VerifierSuspended { who: ALICE, until: 3 });
		assert_eq!(VerifierFaultCounts::<Test>::get(ALICE), None);
		// It stays a validator and keeps its stake.
		assert!(Candidates::<Test>::contains_key(ALICE));
		assert_eq!((ledger(ALICE).active, ledger(ALICE).deferred), (400, 0));
		roll_to_session(2);
		assert_eq!(active(), vec![BOB]);
		roll_to_session(3);
		assert_eq!(active(), vec![ALICE, BOB]);
		assert!(SuspendedVerifiers::<Test>::get().is_empty());
	});
}

#[test]
fn fault_should_be_taken_back_when_a_verdict_was_right() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		faults(ALICE, 2);
		for left in [Some(1), None, None] {
			Stake::note_match(&ALICE);
			assert_eq!(VerifierFaultCounts::<Test>::get(ALICE), left);
		}
		for _ in 0..5 {
			faults(ALICE, 1);
			Stake::note_match(&ALICE);
			assert_eq!(VerifierFaultCounts::<Test>::get(ALICE), None);
		}
		assert_eq!(active(), vec![ALICE, BOB]);
	});
}

fn suspensions() -> usize {
	let suspended = |event: &Event<Test>| matches!(event, Event::VerifierSuspended { .. });
	stake_events().iter().filter(|event| suspended(event)).count()
}

#[test]
fn verifier_should_be_suspended_when_two_of_three_verdicts_are_false_alarms() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		for _ in 0..30 {
			faults(ALICE, 2);
			Stake::note_match(&ALICE);
		}
		// Each round leaves one more; the third is the last in every second round.
		assert_eq!(suspensions(), 15);
	});
}

#[test]
fn verifier_should_not_be_suspended_when_it_is_wrong_once_in_ten_verdicts() {
	use proptest::{prelude::*, test_runner::TestRunner};
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		// Says what to repeat it with where it fails.
		TestRunner::default()
			.run(&proptest::collection::vec(0..10usize, 200), |wrong| {
				for at in wrong {
					for verdict in 0..10 {
						if verdict == at {
							Stake::note_fault(&ALICE);
						} else {
							Stake::note_match(&ALICE);
						}
					}
				}
				prop_assert_eq!(suspensions(), 0);
				Ok(())
			})
			.unwrap();
	});
}

#[test]
fn suspension_should_start_over_when_older_jobs_end_during_it() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		roll_to_session(1);
		faults(ALICE, 3);
		roll_to_session(2);
		// One of them does not lift it, nor does a right verdict.
		faults(ALICE, 1);
		Stake::note_match(&ALICE);
		assert_eq!(SuspendedVerifiers::<Test>::get().to_vec(), vec![(ALICE, 3)]);
		faults(ALICE, 3);
		assert_eq!(SuspendedVerifiers::<Test>::get().to_vec(), vec![(ALICE, 4)]);
		roll_to_session(3);
		assert_eq!(active(), vec![BOB]);
		roll_to_session(4);
		assert_eq!(active(), vec![ALICE, BOB]);
	});
}

#[test]
fn fault_should_leave_nothing_when_the_account_has_no_stake() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		faults(NOBODY, 5);
		assert_eq!(VerifierFaultCounts::<Test>::iter().count(), 0);
		assert!(SuspendedVerifiers::<Test>::get().is_empty());
	});
}

#[test]
fn conduct_should_be_forgotten_when_the_ledger_goes() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		bond(CHARLIE, 100);
		bond(DAVE, 100);
		faults(CHARLIE, 2);
		faults(DAVE, 3);
		assert_eq!(SuspendedVerifiers::<Test>::get().len(), 1);
		Stake::slash_stake(&CHARLIE, 100);
		Stake::slash_stake(&DAVE, 100);
		assert_eq!(VerifierFaultCounts::<Test>::iter().count(), 0);
		assert!(SuspendedVerifiers::<Test>::get().is_empty());
	});
}

#[test]
fn fault_should_wait_for_the_next_when_no_place_is_left() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		for who in [CHARLIE, DAVE, EVE, 6] {
			bond(who, 100);
			faults(who, 3);
		}
		faults(ALICE, 3);
		assert_eq!(VerifierFaultCounts::<Test>::get(ALICE), Some(3));
		assert_eq!(active(), vec![ALICE, BOB]);
		Stake::slash_stake(&CHARLIE, 100);
		faults(ALICE, 1);
		assert_eq!(active(), vec![BOB]);
	});
}

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};

#[test]
fn chill_should_lead_out_of_the_set_when_the_account_stands() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		assert_ok!(Stake::chill(RuntimeOrigin::signed(BOB)));
		assert_eq!(
			last_event(),
			Event::CandidateRemoved { who: BOB, reason: RemovalReason::Chilled }
		);
		roll_to_session(1);
		assert_eq!(Session::validators(), vec![ALICE, BOB]);
		roll_to_session(2);
		assert_eq!(Session::validators(), vec![ALICE]);
		assert_eq!(ledger(BOB).active, 300);
	});
}

#[test]
fn chill_should_fail_when_the_account_does_not_stand() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_noop!(Stake::chill(RuntimeOrigin::signed(ALICE)), Error::<Test>::NotCandidate);
	});
}

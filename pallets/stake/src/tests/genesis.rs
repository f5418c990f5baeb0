use crate::{mock::*, *};
use frame_support::traits::Hooks;

#[test]
fn genesis_should_bond_and_elect_the_validators_when_they_have_keys() {
	ExtBuilder::default().validators(&[(BOB, 300), (ALICE, 400)]).run(|| {
		assert_eq!(Session::validators(), vec![ALICE, BOB]);
		assert_eq!((ledger(ALICE).active, ledger(BOB).active), (400, 300));
		assert_eq!(ExposureOf::<Test>::convert(ALICE), Some(Exposure { stake: 400 }));
		assert_eq!(ExposureOf::<Test>::convert(CHARLIE), None);
		roll_to_session(1);
		assert_eq!(Session::validators(), vec![ALICE, BOB]);
	});
}

#[test]
fn genesis_should_elect_the_largest_stakes_when_the_count_is_bounded() {
	let validators = [(ALICE, 200), (BOB, 300), (CHARLIE, 300), (DAVE, 100)];
	ExtBuilder::default().validators(&validators).validator_count(2).run(|| {
		assert_eq!(Session::validators(), vec![BOB, CHARLIE]);
	});
}

#[test]
#[should_panic(expected = "less than MinValidatorBond")]
fn genesis_should_panic_when_a_validator_has_too_little() {
	ExtBuilder::default().validators(&[(ALICE, 99)]).build();
}

#[test]
#[should_panic(expected = "appears once")]
fn genesis_should_panic_when_a_validator_appears_twice() {
	ExtBuilder::default().validators(&[(ALICE, 400), (ALICE, 400)]).build();
}

#[test]
fn integrity_test_should_pass_when_the_mock_is_consistent() {
	<Stake as Hooks<u64>>::integrity_test();
}

#[test]
#[should_panic(expected = "UnbondingSessions must be longer")]
fn integrity_test_should_panic_when_stake_could_leave_before_the_slash() {
	SlashDefer::set(3);
	<Stake as Hooks<u64>>::integrity_test();
}

use sp_runtime::traits::Convert;

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

#[test]
fn set_validator_count_should_bound_the_next_planned_set_when_called_by_root() {
	ExtBuilder::default().validators(&[(ALICE, 400), (BOB, 300)]).run(|| {
		assert_eq!(Session::validators(), vec![ALICE, BOB]);
		assert_ok!(Stake::set_validator_count(RuntimeOrigin::root(), 1));
		assert_eq!(last_event(), Event::ValidatorCountSet { count: 1 });
		roll_to_session(2);
		assert_eq!(Session::validators(), vec![ALICE]);
	});
}

#[test]
fn set_validator_count_should_fail_when_the_number_or_origin_is_wrong() {
	ExtBuilder::default().run(|| {
		for count in [0, 4] {
			assert_noop!(
				Stake::set_validator_count(RuntimeOrigin::root(), count),
				Error::<Test>::InvalidValidatorCount
			);
		}
		assert_noop!(
			Stake::set_validator_count(RuntimeOrigin::signed(ALICE), 1),
			DispatchError::BadOrigin
		);
	});
}

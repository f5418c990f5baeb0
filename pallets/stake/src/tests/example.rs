//! What the docs of the pallet show.

use crate::mock::*;
use frame_support::assert_ok;

#[docify::export]
#[test]
fn stake_should_come_back_when_a_validator_leaves() {
	ExtBuilder::default().run(|| {
		let alice = || RuntimeOrigin::signed(ALICE);
		assert_ok!(Stake::bond(alice(), 400));
		// Her session keys are set; the next session that is planned may choose her.
		assert_ok!(Stake::validate(alice(), None));

		assert_ok!(Stake::chill(alice()));
		assert_ok!(Stake::unbond(alice(), 400));
		// Until then, whatever she has signed can still be held against her.
		roll_to_session(8);
		assert_ok!(Stake::withdraw(alice()));
		assert_eq!(free(ALICE), ENDOWMENT);
	});
}

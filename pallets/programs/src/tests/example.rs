//! What the docs of the pallet show.

use crate::{mock::*, *};
use assay_market::Programs as _;
use assay_program::program_id;
use frame_support::{assert_noop, assert_ok};

#[docify::export]
#[test]
fn program_should_stay_when_a_job_needs_it() {
	ExtBuilder::default().run(|| {
		let alice = || RuntimeOrigin::signed(ALICE);
		let bytes = layer(4, 1).encode();
		// The name of a program says all of it, whoever registered it.
		let name = program_id(&bytes);
		let bytes = bytes.try_into().expect("at most 256 KiB");
		assert_ok!(ProgramStore::register_program(alice(), bytes));

		// A job is posted that runs it, and ends.
		assert_ok!(ProgramStore::acquire(&name));
		assert_noop!(ProgramStore::remove_program(alice(), name), Error::<Test>::ProgramInUse);
		ProgramStore::release(&name);

		assert_ok!(ProgramStore::remove_program(alice(), name));
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT);
	});
}

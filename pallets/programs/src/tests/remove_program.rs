use crate::{mock::*, *};
use assay_market::Programs as _;
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

#[test]
fn remove_program_should_return_the_deposit_when_no_job_needs_it() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		let deposit = ENDOWMENT - Balances::free_balance(ALICE);
		assert_ok!(remove(ALICE, layer_id(1)));
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT);
		assert_eq!(ProgramStore::bytes(&layer_id(1)), None);
		assert_eq!(ProgramStore::plans(&layer_id(1)), None);
		assert_eq!(ProgramStore::program(&layer_id(1)), None);
		assert_eq!(
			last_event(),
			Event::ProgramRemoved { program: layer_id(1), owner: ALICE, deposit }
		);
		assert_ok!(register(BOB, &layer_bytes(1)));
	});
}

#[test]
fn remove_program_should_fail_when_a_job_needs_it() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		assert_ok!(ProgramStore::acquire(&layer_id(1)));
		assert_noop!(remove(ALICE, layer_id(1)), Error::<Test>::ProgramInUse);
		ProgramStore::release(&layer_id(1));
		assert_ok!(remove(ALICE, layer_id(1)));
	});
}

#[test]
fn remove_program_should_fail_when_it_is_unknown_or_of_another_owner() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		assert_noop!(remove(BOB, layer_id(1)), Error::<Test>::NotOwner);
		assert_noop!(remove(ALICE, layer_id(2)), Error::<Test>::UnknownProgram);
		assert_noop!(
			ProgramStore::remove_program(RuntimeOrigin::root(), layer_id(1)),
			DispatchError::BadOrigin
		);
	});
}

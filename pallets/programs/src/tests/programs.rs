use crate::{mock::*, *};
use assay_market::{ProgramSummary, Programs as _};
use frame_support::{assert_noop, assert_ok};

#[test]
fn summary_should_say_what_the_check_proved_when_the_program_is_registered() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		let checked = layer(4, 1).check(&ProgramLimits::get()).unwrap();
		assert_eq!(
			ProgramStore::summary(&layer_id(1)),
			Some(ProgramSummary {
				work_units: checked.work_units,
				peak_memory: checked.peak_memory,
				input_tiles: vec![1],
				output_tiles: vec![1],
				outputs: vec![1],
				anchors: 2,
				states: 0,
			})
		);
		assert_eq!(ProgramStore::summary(&[0; 32]), None);
	});
}

#[test]
fn bytes_should_be_the_file_when_the_program_is_registered() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		assert_eq!(ProgramStore::bytes(&layer_id(1)), Some(layer_bytes(1)));
		assert_eq!(ProgramStore::bytes(&layer_id(2)), None);
	});
}

#[test]
fn acquire_should_count_up_and_release_down_when_the_program_is_registered() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		let references = || Programs::<Test>::get(layer_id(1)).unwrap().references;
		assert_ok!(ProgramStore::acquire(&layer_id(1)));
		assert_ok!(ProgramStore::acquire(&layer_id(1)));
		assert_eq!(references(), 2);
		ProgramStore::release(&layer_id(1));
		assert_eq!(references(), 1);
	});
}

#[test]
fn acquire_should_fail_when_the_program_is_unknown_or_the_count_is_full() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		assert_noop!(ProgramStore::acquire(&layer_id(2)), Error::<Test>::UnknownProgram);
		Programs::<Test>::mutate(layer_id(1), |info| info.as_mut().unwrap().references = u32::MAX);
		assert_noop!(ProgramStore::acquire(&layer_id(1)), Error::<Test>::TooManyReferences);
	});
}

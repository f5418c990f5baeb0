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
				lazy: 0,
				largest_anchor: 1,
				states: 0,
			})
		);
		assert_eq!(ProgramStore::summary(&[0; 32]), None);
	});
}

#[test]
fn summary_should_name_the_largest_anchor_when_anchors_differ_in_size() {
	// 700 × 2 of i32: 44 tiles; of i8: 22.
	ExtBuilder::default().registered(ALICE, layer(700, 1).encode()).run(|| {
		let id = assay_program::program_id(&layer(700, 1).encode());
		assert_eq!(ProgramStore::summary(&id).unwrap().largest_anchor, 44);
		let tiles: Vec<u64> =
			ProgramStore::plans(&id).unwrap().iter().map(|plan| plan.tiles).collect();
		assert_eq!(tiles, [44, 22]);
	});
}

#[test]
fn invariants_should_fail_when_plans_are_not_of_the_program() {
	let spoil = |spoil: fn(&mut AnchorPlans)| {
		ExtBuilder::default().registered(ALICE, layer_bytes(1)).build().execute_with(|| {
			assert_ok!(ProgramStore::do_try_state());
			Plans::<Test>::mutate(layer_id(1), |plans| spoil(plans.as_mut().unwrap()));
			ProgramStore::do_try_state().expect_err("the plans are spoiled")
		})
	};
	spoil(|plans| plans[0].tiles += 1);
	spoil(|plans| plans[0].fold = None);
	spoil(|plans| plans.truncate(1));
	spoil(|plans| plans[1].parts = 2);
	spoil(|plans| plans[0].lazy = true);
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

use crate::{mock::*, *};
use assay_market::{Programs as _, MAX_INPUTS, MAX_OUTPUTS};
use assay_program::{
	ops::{DType, Op},
	Limits, Operand, ProgramBuilder, Source,
};
use frame_support::{assert_noop, assert_ok, traits::Hooks};
use sp_runtime::{DispatchError, TokenError};

#[test]
fn register_program_should_store_it_when_the_check_passes() {
	ExtBuilder::default().run(|| {
		let bytes = layer_bytes(1);
		let length = bytes.len() as u32;
		// The file, and two plans: a count, 26 bytes with a fold and 22 without.
		let deposit = 1_000 + 2 * (length as Balance + 1 + 26 + 22);
		assert_ok!(register(ALICE, &bytes));
		assert_eq!(ProgramStore::bytes(&layer_id(1)), Some(bytes));
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - deposit);
		let work_units = layer(4, 1).check(&Limits::V1).unwrap().work_units;
		assert_eq!(
			last_event(),
			Event::ProgramRegistered {
				program: layer_id(1),
				owner: ALICE,
				length,
				work_units,
				deposit
			}
		);
	});
}

#[test]
fn register_program_should_fail_when_the_same_bytes_are_registered() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		assert_noop!(register(BOB, &layer_bytes(1)), Error::<Test>::AlreadyRegistered);
		assert_ok!(register(BOB, &layer_bytes(2)));
	});
}

#[test]
fn register_program_should_fail_when_the_bytes_are_truncated_at_any_length() {
	ExtBuilder::default().run(|| {
		let bytes = layer_bytes(1);
		for length in 0..bytes.len() {
			let error = register(ALICE, &bytes[..length]).expect_err("truncated");
			assert!(
				error == Error::<Test>::Truncated.into()
					|| (length < 6 && error == Error::<Test>::BadMagic.into())
					|| error == Error::<Test>::TooManyItems.into(),
				"{length}: {error:?}"
			);
		}
		assert_eq!(Programs::<Test>::iter().count(), 0);
		assert_ok!(register(ALICE, &bytes));
	});
}

#[test]
fn register_program_should_name_the_fault_when_header_or_tail_is_wrong() {
	ExtBuilder::default().run(|| {
		let spoiled = |at: usize| {
			let mut bytes = layer_bytes(1);
			bytes[at] ^= 0x55;
			bytes
		};
		assert_noop!(register(ALICE, &spoiled(0)), Error::<Test>::BadMagic);
		assert_noop!(register(ALICE, &spoiled(6)), Error::<Test>::UnknownVersion);
		assert_noop!(register(ALICE, &spoiled(7)), Error::<Test>::UnknownOperatorSet);
		let mut bytes = layer_bytes(1);
		bytes.push(0);
		assert_noop!(register(ALICE, &bytes), Error::<Test>::TrailingBytes);
	});
}

#[test]
fn register_program_should_name_the_fault_when_the_bytes_describe_no_graph() {
	ExtBuilder::default().run(|| {
		let spoiled = |spoil: fn(&mut assay_program::Program)| {
			let mut program = layer(4, 1);
			spoil(&mut program);
			register(ALICE, &program.encode()).expect_err("the program is spoiled")
		};
		let faults: Vec<(DispatchError, Error<Test>)> = vec![
			(spoiled(|p| p.inputs[0].name = "".into()), Error::InvalidName),
			(spoiled(|p| p.inputs[0].name = "a b".into()), Error::InvalidName),
			(spoiled(|p| p.inputs.push(p.inputs[0].clone())), Error::DuplicateName),
			(spoiled(|p| p.constants[0].data.truncate(15)), Error::ConstantLength),
			(
				spoiled(|p| p.nodes[0].operands[0].source = Source::Input(9)),
				Error::DanglingReference,
			),
			(spoiled(|p| p.outputs[0].node = 9), Error::DanglingReference),
			(spoiled(|p| p.nodes[0].operands[0].source = Source::Node(0)), Error::CyclicReference),
			(spoiled(|p| p.outputs.clear()), Error::NoOutputs),
		];
		for (found, expected) in faults {
			assert_eq!(found, expected.into());
		}
	});
}

/// A program of one input and whatever `build` makes of it.
fn one_input(
	dims: &[u32],
	build: impl FnOnce(&mut ProgramBuilder, Source),
) -> frame_support::dispatch::DispatchResult {
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, dims));
	build(&mut builder, x);
	register(ALICE, &builder.build().expect("well-formed").encode())
}

#[test]
fn register_program_should_name_the_fault_when_the_graph_does_not_check() {
	ExtBuilder::default().run(|| {
		assert_noop!(
			one_input(&[4, 4], |b, x| {
				let y = b.node(Op::MatMul { narrow: None }, vec![Operand::from(x)]);
				b.output("y", y);
			}),
			Error::<Test>::OperandMismatch
		);
		assert_noop!(
			one_input(&[4, 4], |b, x| {
				let y = b.copy(x);
				b.split(y, 3);
				b.output("y", y);
			}),
			Error::<Test>::InvalidSplit
		);
		assert_noop!(
			one_input(&[4, 4], |b, x| {
				let y = b.copy(x);
				b.output("y", y);
				b.copy(x);
			}),
			Error::<Test>::Unused
		);
		assert_noop!(
			one_input(&[4, 4], |b, x| {
				let state = b.state(x);
				let next = b.cast(state, DType::I32);
				b.update(state, next);
				b.output("y", next);
			}),
			Error::<Test>::StateTypeMismatch
		);
		assert_noop!(
			one_input(&[4, 4], |b, x| {
				let indices = b.copy(x);
				let rows = b.gather(x, indices);
				b.output("y", rows);
			}),
			Error::<Test>::VirtualGather
		);
		let mut hidden = layer(4, 1);
		hidden.nodes[1].class = assay_program::Class::Virtual;
		assert_noop!(register(ALICE, &hidden.encode()), Error::<Test>::NotAnEagerAnchor);
	});
}

#[test]
fn register_program_should_take_anchors_of_every_class_and_count_the_eager_ones_for_the_trace() {
	use assay_market::Programs as _;
	use assay_program::Class;
	ExtBuilder::default().run(|| {
		// 700 × 2: of i32 44 tiles, of i8 22.
		let mut program = layer(700, 1);
		for (class, anchors, lazy) in
			[(Class::EagerAnchor, 2, 0), (Class::LazyAnchor, 1, 1), (Class::Virtual, 1, 0)]
		{
			program.nodes[0].class = class;
			let bytes = program.encode();
			assert_ok!(register(ALICE, &bytes));
			let id = assay_program::program_id(&bytes);
			let summary = ProgramStore::summary(&id).unwrap();
			assert_eq!(
				(summary.anchors, summary.lazy, summary.outputs),
				(anchors, lazy, vec![anchors - 1])
			);
			let largest = if class == Class::Virtual { 22 } else { 44 };
			assert_eq!(summary.largest_anchor, largest, "the largest that a lane may open");
			let trace = ProgramStore::anchor_tiles(&id).unwrap();
			assert_eq!(trace, [44, 22][2 - anchors as usize..]);
			assert_eq!(ProgramStore::plans(&id).unwrap().len() as u32, anchors + lazy);
			assert_eq!(ProgramStore::program(&id).unwrap().1.lazy.len() as u32, lazy);
		}
	});
}

#[test]
fn register_program_should_keep_what_the_referee_needs_when_the_check_passes() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		let checked = layer(4, 1).check(&ProgramLimits::get()).unwrap();
		assert_eq!(ProgramStore::plans(&layer_id(1)), Some(checked.plans()));
		let (program, readmitted) = ProgramStore::program(&layer_id(1)).unwrap();
		assert_eq!(program, layer(4, 1));
		assert_eq!(readmitted.types, checked.types);
		assert_eq!(readmitted.anchors, checked.anchors);
		assert_eq!(readmitted.plans(), checked.plans());
		// Tighter limits do not touch what was admitted.
		ProgramLimits::set(Limits { nodes: 1, part_nanoseconds: 1, ..Limits::V1 });
		assert!(ProgramStore::program(&layer_id(1)).is_some());
		assert_eq!((ProgramStore::plans(&[0; 32]), ProgramStore::program(&[0; 32])), (None, None));
	});
}

#[test]
fn register_program_should_name_the_limit_when_the_program_exceeds_it() {
	let with = |change: fn(&mut Limits)| {
		let mut limits = Limits::V1;
		change(&mut limits);
		ProgramLimits::set(limits);
		register(ALICE, &layer_bytes(1)).expect_err("a limit is exceeded")
	};
	ExtBuilder::default().run(|| {
		assert_eq!(with(|l| l.nodes = 1), Error::<Test>::TooManyNodes.into());
		assert_eq!(with(|l| l.work_units = 1), Error::<Test>::TooMuchWork.into());
		assert_eq!(with(|l| l.peak_memory = 1), Error::<Test>::TooMuchMemory.into());
		assert_eq!(with(|l| l.part_nanoseconds = 1), Error::<Test>::Unrefereeable.into());
		assert_eq!(with(|l| l.analysis_steps = 1), Error::<Test>::TooComplex.into());
	});
}

#[test]
fn register_program_should_fail_when_jobs_could_not_name_all_inputs_or_outputs() {
	let program = |inputs: u32, outputs: u32| {
		let mut builder = ProgramBuilder::new();
		let mut sum = None;
		for i in 0..inputs {
			let x = builder.input(&format!("x{i}"), ty(DType::I8, &[4]));
			sum = Some(match sum {
				Some(sum) => {
					let next = builder.add(sum, x, DType::I8);
					builder.eager(next)
				}
				None => x,
			});
		}
		let sum = sum.expect("there is an input");
		for i in 0..outputs {
			let y = builder.copy(sum);
			builder.output(&format!("y{i}"), y);
		}
		builder.build().expect("well-formed").encode()
	};
	ExtBuilder::default().run(|| {
		assert_noop!(register(ALICE, &program(MAX_INPUTS + 1, 1)), Error::<Test>::TooManyInputs);
		assert_noop!(register(ALICE, &program(2, MAX_OUTPUTS + 1)), Error::<Test>::TooManyOutputs);
		assert_ok!(register(ALICE, &program(MAX_INPUTS, MAX_OUTPUTS)));
	});
}

#[test]
fn register_program_should_fail_when_the_deposit_is_not_there() {
	ExtBuilder::default().run(|| {
		assert_noop!(register(POOR, &layer_bytes(1)), TokenError::FundsUnavailable);
	});
}

#[test]
fn register_program_should_fail_when_the_origin_is_not_signed() {
	ExtBuilder::default().run(|| {
		let bytes: ProgramBytes = layer_bytes(1).try_into().unwrap();
		assert_noop!(
			ProgramStore::register_program(RuntimeOrigin::root(), bytes),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn register_program_should_count_no_references_when_it_is_new() {
	ExtBuilder::default().registered(ALICE, layer_bytes(1)).run(|| {
		assert_eq!(Programs::<Test>::get(layer_id(1)).unwrap().references, 0);
		assert_eq!(ProgramStore::summary(&layer_id(1)).unwrap().anchors, 2);
	});
}

#[test]
fn integrity_test_should_pass_when_the_largest_program_fits_a_block() {
	<ProgramStore as Hooks<u64>>::integrity_test();
}

#[test]
fn registration_weight_should_grow_to_a_bound_when_the_program_grows() {
	let time = |length| ProgramStore::registration_weight(length).ref_time();
	let lengths = [0, 100, 500, 1_000, 2_000, 10_000, 256 * 1024];
	assert!(lengths.windows(2).all(|pair| time(pair[0]) < time(pair[1])));
	// The analysis is at its bound from here on; what grows is linear.
	assert_eq!(time(20_000) - time(10_000), time(30_000) - time(20_000));
	// A quarter of a second for the largest programs and the same again for their bytes.
	assert!(time(256 * 1024) < 500_000_000_000);
}

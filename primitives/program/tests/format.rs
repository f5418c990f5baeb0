//! The bytes of a program file, hostile and honest.

use assay_ops::{work, DType, Op, OpError, TensorType, Values, View};
use assay_program::{
	interpret_step, program_id, CheckError, Class, Limits, Operand, Program, ProgramBuilder,
	ProgramError, RecomputeError, Section, Source, MAX_PROGRAM_BYTES,
};
use assay_testing::{
	programs::{program, step},
	Draw, Rng,
};
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
	ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
	#![proptest_config(config(200))]

	#[test]
	fn program_should_survive_a_round_trip_when_it_is_random(seed: u64) {
		let program = program(&mut Rng::new(seed));
		let bytes = program.encode();
		prop_assert_eq!(Program::decode_bounded(&bytes).unwrap(), program);
	}

	#[test]
	fn decode_should_name_the_fault_when_bytes_are_cut(seed: u64) {
		let bytes = program(&mut Rng::new(seed)).encode();
		for len in 0..bytes.len() {
			let result = Program::decode_bounded(&bytes[..len]);
			prop_assert!(matches!(result, Err(ProgramError::Truncated { .. })), "{len}: {result:?}");
		}
		let longer = [&bytes[..], &[0]].concat();
		prop_assert_eq!(
			Program::decode_bounded(&longer),
			Err(ProgramError::Trailing { bytes: 1 })
		);
	}

	#[test]
	fn decode_and_check_should_never_panic_when_bytes_are_mutated(seed: u64) {
		let mut rng = Rng::new(seed);
		let honest = program(&mut rng).encode();
		for _ in 0..60 {
			let mut bytes = honest.clone();
			for _ in 0..1 + rng.below_u32(3) {
				let at = rng.below_u32(bytes.len() as u32) as usize;
				match rng.below_u32(4) {
					0 => bytes[at] ^= 1 << rng.below_u32(8),
					1 => bytes[at] = rng.pick(&[0, 1, 2, 3, 4, 0x7f, 0x80, 0xfe, 0xff]),
					2 => {
						bytes.remove(at);
					},
					_ => bytes.insert(at, rng.bits() as u8),
				}
			}
			let Ok(program) = Program::decode_bounded(&bytes) else { continue };
			prop_assert_eq!(program.encode(), bytes, "two encodings of one program");
			let limits = Limits { peak_memory: 1 << 20, work_units: 1 << 24, ..Limits::V1 };
			match program.check(&limits) {
				Ok(checked) => {
					step(&mut rng, &program, &checked);
				},
				Err(error) => prop_assert!(!error.to_string().is_empty()),
			}
		}
	}

	#[test]
	fn decode_should_never_panic_when_bytes_are_noise(noise: Vec<u8>) {
		let header = [b"ASSAYP".as_slice(), &[1, 1, 0]].concat();
		prop_assert!(Program::decode_bounded(&noise).is_err());
		let _ = Program::decode_bounded(&[header, noise].concat());
	}
}

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).unwrap()
}

/// copy(x) → output y.
fn copying() -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[2, 3]));
	let y = b.copy(x);
	b.output("y", y);
	b.build().unwrap()
}

fn decoded(change: impl FnOnce(&mut Program)) -> Result<Program, ProgramError> {
	let mut program = copying();
	change(&mut program);
	assert_eq!(Program::decode_bounded(&program.encode()).err(), program.validate().err());
	Program::decode_bounded(&program.encode())
}

#[test]
fn decode_should_name_the_fault_when_a_program_is_not_well_formed() {
	use ProgramError::*;
	let fault = |change: fn(&mut Program)| decoded(change).unwrap_err();
	assert_eq!(fault(|p| p.version = 2), Version(2));
	assert_eq!(fault(|p| p.operator_set = 7), OperatorSet(7));
	assert_eq!(fault(|p| p.outputs.clear()), NoOutputs);
	assert_eq!(
		fault(|p| p.inputs.push(p.inputs[0].clone())),
		DuplicateName { section: Section::Inputs, index: 1 }
	);
	assert_eq!(
		fault(|p| p.outputs.push(p.outputs[0].clone())),
		DuplicateName { section: Section::Outputs, index: 1 }
	);
	for name in [String::new(), "a b".into(), "é".into(), "x".repeat(65)] {
		let mut program = copying();
		program.inputs[0].name = name;
		let bytes = program.encode();
		assert_eq!(
			Program::decode_bounded(&bytes),
			Err(Name { section: Section::Inputs, index: 0 })
		);
	}
	let operand = |p: &mut Program, source| p.nodes[0].operands[0].source = source;
	assert_eq!(
		decoded(|p| operand(p, Source::Node(0))).unwrap_err(),
		Cycle { node: 0, operand: 0 }
	);
	for source in
		[Source::Input(1), Source::Constant(0), Source::State(0), Source::Node(1), Source::Node(!0)]
	{
		let fault = decoded(|p| operand(p, source)).unwrap_err();
		assert_eq!(fault, Dangling { node: 0, operand: 0 });
	}
	assert_eq!(fault(|p| p.outputs[0].node = 1), OutputNode { output: 0 });
	let state = |input, update| assay_program::State { input, update };
	assert_eq!(decoded(|p| p.states.push(state(1, 0))).unwrap_err(), StateInput { state: 0 });
	assert_eq!(decoded(|p| p.states.push(state(0, 1))).unwrap_err(), StateNode { state: 0 });
	let constant = |data| assay_program::Constant { ty: ty(DType::I16, &[2]), data };
	for len in [0, 3, 5] {
		let fault = decoded(|p| p.constants.push(constant(vec![0; len]))).unwrap_err();
		assert_eq!(fault, ConstantLength { constant: 0 });
	}
	assert_eq!(
		decoded(|p| p.nodes[0].operands = vec![Source::Input(0).into(); 17]).unwrap_err(),
		TooMany { section: Section::Nodes, count: 17 }
	);
	assert_eq!(Program::decode_bounded(b"ASSAYQ\x01\x01\x00"), Err(Magic));
	assert_eq!(
		Program::decode_bounded(&vec![0; MAX_PROGRAM_BYTES + 1]),
		Err(TooLong { bytes: MAX_PROGRAM_BYTES + 1 })
	);
	// Counts that promise more than the bytes hold, small and huge.
	let header = b"ASSAYP\x01\x01\x00";
	for (count, fault) in [
		(&[0xfc][..], Truncated { section: Section::Inputs, index: 0 }),
		(&[0xfe, 0xff, 0xff, 0xff], TooMany { section: Section::Inputs, count: (1 << 30) - 1 }),
		(&[0x03, 0xff, 0xff, 0xff, 0xff], TooMany { section: Section::Inputs, count: u32::MAX }),
		// A count in more bytes than it takes.
		(&[0x01, 0x00], Malformed { section: Section::Inputs, index: 0 }),
	] {
		assert_eq!(Program::decode_bounded(&[header, count].concat()), Err(fault));
	}
	let mut bytes = copying().encode();
	*bytes.last_mut().unwrap() ^= 1;
	assert_eq!(Program::decode_bounded(&bytes), Err(OutputNode { output: 0 }));
}

#[test]
fn check_should_name_the_node_when_a_program_cannot_be_admitted() {
	let limits = Limits::V1;
	let check = |build: &dyn Fn(&mut ProgramBuilder)| {
		let mut b = ProgramBuilder::new();
		build(&mut b);
		b.build().unwrap().check(&limits).unwrap_err()
	};
	let x = |b: &mut ProgramBuilder| b.input("x", ty(DType::I8, &[4, 4]));
	let fault = check(&|b| {
		let x = x(b);
		let y = b.copy(x);
		let z = b.matmul(y, y);
		let sum = b.add(z, y, DType::I8);
		let bad = b.lut(sum, y);
		b.output("y", bad);
	});
	assert_eq!(
		fault,
		CheckError::Operator { node: 3, error: OpError::OperandShape { operand: 1 } }
	);
	assert!(fault.to_string().contains("node 3"), "{fault}");
	let fault = check(&|b| {
		let x = x(b);
		let view = View { shape: ty(DType::I8, &[2]).shape, offset: 15, strides: vec![1] };
		let y = b.copy(Operand::viewed(x, view));
		b.output("y", y);
	});
	assert_eq!(fault, CheckError::View { node: 0, operand: 0, error: OpError::ViewOutOfRange });
	let fault = check(&|b| {
		let x = x(b);
		let y = b.copy(x);
		b.split(y, 2);
		b.output("y", y);
	});
	assert_eq!(fault, CheckError::Split { node: 0 });
	let fault = check(&|b| {
		let x = x(b);
		let y = b.copy(x);
		let unused = b.copy(y);
		b.eager(unused);
		b.output("y", y);
	});
	assert_eq!(fault, CheckError::UnusedNode { node: 1 });
	let fault = check(&|b| {
		let x = x(b);
		b.input("z", ty(DType::I8, &[1]));
		let y = b.copy(x);
		b.output("y", y);
	});
	assert_eq!(fault, CheckError::UnusedInput { input: 1 });
	let fault = check(&|b| {
		let x = x(b);
		b.constant(ty(DType::I8, &[1]), vec![1]);
		let y = b.copy(x);
		b.output("y", y);
	});
	assert_eq!(fault, CheckError::UnusedConstant { constant: 0 });
	let state = |to: DType, split: Option<u8>| {
		move |b: &mut ProgramBuilder| {
			let x = x(b);
			let state = b.state(x);
			let y = b.cast(state, to);
			if let Some(split) = split {
				b.split(y, split);
			}
			b.update(state, y);
			b.output("y", y);
		}
	};
	let mut b = ProgramBuilder::new();
	state(DType::I8, None)(&mut b);
	b.build().unwrap().check(&limits).unwrap();
	assert_eq!(check(&state(DType::I16, None)), CheckError::StateType { state: 0, node: 0 });

	let with_class = |class: Class, states: bool| {
		let mut program = {
			let mut b = ProgramBuilder::new();
			state(DType::I8, None)(&mut b);
			b.build().unwrap()
		};
		if !states {
			program.states.clear();
			program.nodes[0].operands[0] = Source::Input(0).into();
		}
		program.nodes[0].class = class;
		program.check(&limits).unwrap_err()
	};
	for class in [Class::LazyAnchor, Class::Virtual] {
		assert_eq!(with_class(class, true), CheckError::StateAnchor { state: 0, node: 0 });
		assert_eq!(with_class(class, false), CheckError::OutputAnchor { output: 0, node: 0 });
	}
	let program = copying();
	let needed = work::STEP + work::NODE + 4 * 12 + work::TILE;
	assert_eq!(
		program.check(&Limits { work_units: needed - 1, ..limits }),
		Err(CheckError::WorkUnits { needed, max: needed - 1 })
	);
	assert_eq!(
		program.check(&Limits { peak_memory: 2047, ..limits }),
		Err(CheckError::PeakMemory { needed: 2048, max: 2047 })
	);
	assert_eq!(
		program.check(&Limits { nodes: 0, ..limits }),
		Err(CheckError::TooManyNodes { nodes: 1, max: 0 })
	);
	let mut broken = copying();
	broken.outputs.clear();
	assert_eq!(broken.check(&limits), Err(CheckError::Program(ProgramError::NoOutputs)));
	let mut operator = copying();
	operator.nodes[0].op = Op::ReduceSum { axis: 2, to: DType::I8 };
	assert_eq!(
		operator.check(&limits),
		Err(CheckError::Operator { node: 0, error: OpError::Axis })
	);
}

#[test]
fn check_should_tell_what_a_step_takes_when_a_program_has_state() {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[40, 40]));
	let total = b.input("total", ty(DType::I32, &[40, 40]));
	let state = b.state(total);
	let square = b.mul(x, x, DType::I32);
	let sum = b.add(state, square, DType::I32);
	b.update(state, sum);
	let best = b.arg_max(sum, 1);
	b.output("best", best);
	let program = b.build().unwrap();
	let checked = program.check(&Limits::V1).unwrap();
	assert_eq!(checked.anchors, [1, 2]);
	assert_eq!((&checked.output_anchors[..], &checked.state_anchors[..]), (&[1][..], &[0][..]));
	assert_eq!((&checked.input_tiles[..], &checked.output_tiles[..]), (&[4, 9][..], &[1][..]));
	// 4 for each element read or written, more for each fold, and what the step, its nodes and its
	// tiles take.
	let elements = 4 * (1600 * 7 + 40) + 8 * 40;
	let beside = work::STEP + 3 * work::NODE + work::TILE * (9 + 1);
	assert_eq!(checked.work_units, elements + beside);
	// Inputs 4 + 9, state 9, and `square` with `sum`, which is kept.
	assert_eq!(checked.peak_memory, 1024 * (13 + 9 + 9 + 9));

	let mut rng = Rng::new(7);
	let inputs: Vec<Values> = program.inputs.iter().map(|input| rng.tensor(input.ty)).collect();
	let zero = Values::new(inputs[1].ty(), vec![0; 1600]).unwrap();
	let mut states = vec![zero.clone()];
	for steps in 1..4 {
		let results = interpret_step(&program, &checked, &inputs, &states).unwrap();
		let want: Vec<i32> = inputs[0].data().iter().map(|x| x * x * steps).collect();
		assert_eq!(results[1].data(), want);
		states = vec![results[1].clone()];
	}
	assert_eq!(interpret_step(&program, &checked, &inputs, &[]), Err(RecomputeError::Arguments));
	assert_eq!(
		interpret_step(&program, &checked, &[zero.clone(), zero], &states),
		Err(RecomputeError::Arguments)
	);
}

/// The example of docs/program-format.md, byte for byte.
#[test]
fn worked_example_should_be_what_the_document_says_when_encoded() {
	let document = include_str!("../../../docs/program-format.md");
	let block = document.split("```hex\n").nth(1).unwrap().split("```").next().unwrap();
	let hex: String = block
		.lines()
		.flat_map(|line| line.split('#').next().unwrap().chars())
		.filter(|c| !c.is_whitespace())
		.collect();
	let bytes = hex::decode(hex).unwrap();

	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[4, 3]));
	let total = b.input("total", ty(DType::I32, &[4, 2]));
	let state = b.state(total);
	let w = b.constant(ty(DType::I8, &[3, 2]), vec![1, 2, 3, 4, 5, 0xfa]);
	let turned = View::transpose(&ty(DType::I8, &[3, 2]).shape, &[1, 0]).unwrap();
	let product = b.matmul(x, Operand::viewed(w, turned));
	let sum = b.add(state, product, DType::I32);
	b.update(state, sum);
	let class = b.arg_max(sum, 1);
	b.output("class", class);
	let program = b.build().unwrap();
	assert_eq!(hex::encode(program.encode()), hex::encode(&bytes));
	assert_eq!(Program::decode_bounded(&bytes).unwrap(), program);
	program.check(&Limits::V1).unwrap();
	let id = hex::encode(program_id(&bytes));
	assert!(document.contains(&id), "the document must name the program id {id}");
}

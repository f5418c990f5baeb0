//! The CPU engine against the definition, and the run loop's own duties.

use assay_engine_testing::{definition, random_case, Case, Draw, Rng};
use assay_exec::{
	gemm::Path, Audit, Buffer, Call, CpuExecutor, ExecError, Executor, Observer, Options, Progress,
	Tensor, Watch, Work,
};
use assay_ops::{DType, Op, Shape, TensorType, Values, View};
use assay_program::{Checked, Class, Operand, Source};
use std::{
	ops::ControlFlow,
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc,
	},
};

fn case(rng: &mut Rng, nodes: usize) -> (Case, Checked) {
	let mut case = random_case(rng, nodes, 3000);
	let checked = case.check();
	(case, checked)
}

fn run(executor: &mut CpuExecutor, case: &Case, checked: &Checked) -> assay_exec::Run {
	executor
		.run(
			&Work { program: &case.program, checked, inputs: &case.inputs, steps: case.steps },
			Options::default(),
			&mut (),
		)
		.unwrap_or_else(|error| panic!("{error}: {:?}", case.program))
}

#[test]
fn cpu_engine_should_equal_the_definition_when_programs_are_random() {
	let mut rng = Rng::seeded("cpu_engine");
	let mut operators = std::collections::BTreeSet::new();
	for round in 0..150 {
		let nodes = 1 + rng.below(14) as usize;
		let (case, checked) = case(&mut rng, nodes);
		operators.extend(case.program.nodes.iter().map(|node| {
			format!("{:?}", node.op).split([' ', '{', '(']).next().unwrap().to_owned()
		}));
		let expected = definition(&case.program, &checked, &case.inputs, case.steps);
		for path in Path::available() {
			let mut executor = CpuExecutor::with_path(path);
			let found = run(&mut executor, &case, &checked);
			assert!(found == expected, "round {round}, {path:?}: {:?}", case.program);
			// The audit itself must find nothing, and must not change what is fused into what is wrong.
			executor.set_audit(Some(Audit { seed: rng.bits(), tiles: 3 }));
			assert!(run(&mut executor, &case, &checked) == expected, "audited, round {round}");
		}
	}
	assert_eq!(operators.len(), Op::count(), "an operator was never made: {operators:?}");
}

#[test]
fn canonical_bytes_should_equal_the_definition_when_shapes_are_ragged() {
	let mut rng = Rng::seeded("canonical");
	for dims in [&[][..], &[1], &[1000], &[1024], &[1025], &[33, 31], &[3, 5, 70], &[40, 2, 3, 17]]
	{
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let ty = TensorType::new(dtype, dims).unwrap();
			for split in 0..dims.len().max(1) as u8 {
				let Ok(ty) = ty.with_split(split) else { continue };
				let values = rng.values(dtype, ty.elements() as usize);
				let expected = Values::new(ty, values.clone()).unwrap().to_canonical();
				let tensor = Tensor::from_elements(ty, &values).unwrap();
				assert_eq!(&tensor.bytes[..], &expected[..], "{ty:?}");
				assert_eq!(tensor.root(), assay_commitments::tensor_root(&expected));
				assert_eq!(tensor.elements().unwrap(), values, "{ty:?}");
			}
		}
	}
	let long = TensorType::new(DType::I32, &[300, 300]).unwrap();
	let tensor = Tensor::new(long, vec![7u8; long.canonical_len() as usize]);
	assert_eq!(tensor.root(), assay_commitments::tensor_root(&tensor.bytes));
	assert!(Tensor::from_elements(long, &[1, 2]).is_none());
}

/// x · wᵀ, requantized: what the engine fuses.
fn product() -> (Case, Checked) {
	let mut rng = Rng::new(5);
	let mut builder = assay_program::ProgramBuilder::new();
	let x = builder.input("x", TensorType::new(DType::I8, &[50, 40]).unwrap());
	let w = builder.input("w", TensorType::new(DType::I8, &[70, 40]).unwrap());
	let sums = builder.matmul(x, w);
	builder.output("y", sums);
	let program = builder.build().unwrap();
	let inputs = program.inputs.iter().map(|input| {
		let values = rng.values(DType::I8, input.ty.elements() as usize);
		Tensor::from_elements(input.ty, &values).unwrap()
	});
	let mut case = Case { inputs: inputs.collect(), program, steps: 1 };
	let checked = case.check();
	(case, checked)
}

#[test]
fn run_should_name_the_fault_when_inputs_do_not_fit() {
	let (case, checked) = product();
	let mut engine = CpuExecutor::new();
	let mut with = |inputs: &[Tensor], steps| {
		engine
			.run(
				&Work { program: &case.program, checked: &checked, inputs, steps },
				Options::default(),
				&mut (),
			)
			.unwrap_err()
	};
	let error = with(&case.inputs[..1], 1);
	assert_eq!(error, ExecError::InputCount { expected: 2, found: 1 });
	assert!(!error.is_local());
	let swapped: Vec<_> = case.inputs.iter().rev().cloned().collect();
	assert_eq!(with(&swapped, 1), ExecError::InputType { index: 0 });
	let mut short = case.inputs.clone();
	short[1].bytes = short[1].bytes[..1024].into();
	let expected = case.inputs[1].ty.canonical_len();
	assert_eq!(with(&short, 1), ExecError::InputLength { index: 1, expected, found: 1024 });
	assert_eq!(with(&case.inputs, 0), ExecError::NoSteps);
}

#[test]
fn run_should_name_the_fault_when_program_and_check_differ() {
	let (case, checked) = product();
	let mut engine = CpuExecutor::new();
	let mut with = |checked: &Checked, change: &dyn Fn(&mut assay_program::Program)| {
		let mut program = case.program.clone();
		change(&mut program);
		let error = engine
			.run(
				&Work { program: &program, checked, inputs: &case.inputs, steps: 1 },
				Options::default(),
				&mut (),
			)
			.unwrap_err();
		assert!(matches!(error, ExecError::Program(_)), "{error:?}");
	};
	with(&checked, &|program| program.nodes[0].operands[0].source = Source::Node(0));
	with(&checked, &|program| program.nodes[0].operands[0].source = Source::Constant(9));
	with(&checked, &|program| program.nodes[0].op = Op::Lut);
	with(&checked, &|program| program.nodes[0].op = Op::Copy);
	with(&checked, &|program| program.nodes.clear());
	with(&checked, &|program| {
		let view = View { shape: Shape::new(&[50, 40]).unwrap(), offset: 1, strides: vec![40, 1] };
		program.nodes[0].operands[0] = Operand::viewed(Source::Input(0), view);
	});
	let mut other = checked.clone();
	other.anchors = vec![3];
	with(&other, &|_| {});
	let mut other = checked.clone();
	other.output_anchors = vec![1];
	with(&other, &|_| {});
}

#[test]
fn run_should_end_when_the_observer_breaks() {
	let mut rng = Rng::seeded("observer");
	let (case, checked) = loop {
		let (case, checked) = case(&mut rng, 6);
		if case.steps > 1 {
			break (case, checked);
		}
	};
	let mut engine = CpuExecutor::new();
	let mut seen: Vec<Progress> = vec![];
	let mut all = |progress: Progress| {
		seen.push(progress);
		ControlFlow::Continue(())
	};
	engine.run(&case.work(&checked), Options::default(), &mut all).unwrap();
	let nodes = case.program.nodes.len() as u32;
	assert_eq!(seen.len() as u32, case.steps * (nodes + 1));
	assert!(seen.windows(2).all(|two| two[0].work <= two[1].work));
	let last = seen.last().unwrap();
	assert_eq!((last.step, last.work), (case.steps, last.total_work));

	let cancelled = Arc::new(AtomicBool::new(false));
	let (flag, mut calls) = (cancelled.clone(), 0);
	let mut watch = Watch {
		cancelled,
		report: |_| {
			calls += 1;
			flag.store(true, Ordering::Relaxed);
		},
	};
	let observer: &mut dyn Observer = &mut watch;
	let error = engine.run(&case.work(&checked), Options::default(), observer).unwrap_err();
	assert_eq!((error.is_local(), error), (true, ExecError::Cancelled));
	assert_eq!(calls, 1);
}

#[test]
fn run_should_keep_all_anchor_roots_when_steps_are_few() {
	let mut rng = Rng::seeded("kept");
	let (mut case, checked) = loop {
		let (case, checked) = case(&mut rng, 2);
		if !case.program.states.is_empty() {
			break (case, checked);
		}
	};
	let mut engine = CpuExecutor::new();
	for steps in [assay_exec::KEPT_STEPS, assay_exec::KEPT_STEPS + 1] {
		case.steps = steps;
		let found = run(&mut engine, &case, &checked);
		assert_eq!(found, definition(&case.program, &checked, &case.inputs, steps));
		let kept = if steps > assay_exec::KEPT_STEPS { 1 } else { steps as usize };
		assert_eq!(found.anchor_roots.len(), kept);
	}
}

/// An engine with one wrong bit, for the audit to find.
#[derive(Default)]
struct Faulty(assay_exec::CpuBackend);

impl assay_exec::Backend for Faulty {
	type Value = Arc<Buffer>;
	type Ticket = Arc<Buffer>;

	fn import(&mut self, buffer: Arc<Buffer>) -> Result<Arc<Buffer>, ExecError> {
		Ok(buffer)
	}

	fn apply(&mut self, call: &Call<'_, Arc<Buffer>>) -> Result<Arc<Buffer>, ExecError> {
		let mut buffer = self.0.evaluate(call)?;
		if let Buffer::I32(values) = &mut buffer {
			values[7] ^= 1;
		}
		Ok(Arc::new(buffer))
	}

	fn request(&mut self, value: &Arc<Buffer>) -> Result<Arc<Buffer>, ExecError> {
		Ok(value.clone())
	}

	fn collect(&mut self, ticket: Arc<Buffer>) -> Result<Arc<Buffer>, ExecError> {
		Ok(ticket)
	}
}

#[test]
fn audit_should_end_the_run_when_a_tile_differs_from_the_definition() {
	let (case, checked) = product();
	let audited = |tiles| {
		let audit = Some(Audit { seed: 3, tiles });
		let options = Options { audit, ..Options::default() };
		let program = &case.program;
		let mut backend = Faulty::default();
		assay_exec::execute(
			&mut backend,
			&Work { program, checked: &checked, inputs: &case.inputs, steps: 1 },
			options,
			&mut (),
		)
	};
	assert!(audited(0).is_ok());
	// 4 × 5 tiles, of which the first is wrong: 300 random ones hit it all but once in 4.8 million.
	let error = audited(300).unwrap_err();
	assert_eq!(error, ExecError::Audit { step: 0, node: 0, tile: 0 });
	assert!(error.is_local());
	assert_eq!(case.program.nodes[0].class, Class::EagerAnchor);
}

#[test]
fn measure_rate_should_be_positive_when_the_engine_works() {
	let mut engine = CpuExecutor::new();
	assert!(assay_exec::measure_rate(&mut engine).unwrap() > 0);
}

//! Tensors that are kept of a run's last step, against the definition.

use assay_engine_testing::{
	definition, definition_kept, definition_lazy, random_case, Case, Draw, Rng,
};
use assay_exec::{Audit, CpuExecutor, ExecError, Executor, Options, Tensor, Work};
use assay_ops::{DType, Op, TensorType};
use assay_program::{Checked, Class, Limits, ProgramBuilder, Source};

fn case(rng: &mut Rng, nodes: usize) -> (Case, Checked) {
	let mut case = random_case(rng, nodes, 3000);
	let checked = case.check();
	(case, checked)
}

fn keep(
	case: &Case,
	checked: &Checked,
	sources: &[Source],
) -> Result<Vec<(Source, Tensor)>, ExecError> {
	let Case { program, inputs, steps } = case;
	CpuExecutor::new()
		.run(
			&Work { program, checked, inputs, steps: *steps },
			Options { keep: sources, ..Options::default() },
			&mut (),
		)
		.map(|run| run.kept)
}

#[test]
fn kept_tensors_should_equal_the_definition_when_programs_are_random() {
	let mut rng = Rng::seeded("kept");
	let mut executor = CpuExecutor::new();
	let (mut inputs, mut updates) = (0, 0);
	for round in 0..120 {
		let nodes = 1 + rng.below(14) as usize;
		let (case, checked) = case(&mut rng, nodes);
		let Case { program, inputs: tensors, steps } = &case;
		let all = definition_kept(program, &checked, tensors, *steps);
		// Any choice, in any order.
		let mut chosen: Vec<_> = all.into_iter().filter(|_| !rng.one_in(3)).collect();
		for at in (1..chosen.len()).rev() {
			chosen.swap(at, rng.below(at as u64 + 1) as usize);
		}
		let sources: Vec<_> = chosen.iter().map(|(source, _)| *source).collect();
		let states = sources.iter().filter(|s| matches!(s, Source::State(_))).count();
		*if *steps == 1 { &mut inputs } else { &mut updates } += states;
		executor.set_audit(rng.one_in(2).then(|| Audit { seed: rng.bits(), tiles: 3 }));
		let mut run = executor
			.run(
				&Work { program, checked: &checked, inputs: tensors, steps: *steps },
				Options { keep: &sources, ..Options::default() },
				&mut (),
			)
			.unwrap_or_else(|error| panic!("round {round}: {error}: {program:?}"));
		assert!(run.kept == chosen, "round {round}, {sources:?}: {program:?}");
		// Nothing else changes.
		run.kept.clear();
		assert!(run == definition(program, &checked, tensors, *steps), "round {round}");
		assert!(
			executor
				.run(
					&Work { program, checked: &checked, inputs: tensors, steps: *steps },
					Options::default(),
					&mut ()
				)
				.unwrap() == run
		);
	}
	assert!(inputs > 0 && updates > 0, "states before the first and before later steps");
}

#[test]
fn kept_anchors_should_have_the_roots_of_the_trace() {
	let mut rng = Rng::seeded("kept_roots");
	for _ in 0..20 {
		let (case, checked) = case(&mut rng, 9);
		let sources: Vec<_> = checked.anchors.iter().map(|&node| Source::Node(node)).collect();
		let Case { program, inputs, steps } = &case;
		let run = CpuExecutor::new()
			.run(
				&Work { program, checked: &checked, inputs, steps: *steps },
				Options { keep: &sources, ..Options::default() },
				&mut (),
			)
			.unwrap();
		let roots: Vec<_> = run.kept.iter().map(|(_, tensor)| tensor.root()).collect();
		assert_eq!(Some(&roots), run.anchor_roots.last());
	}
}

#[test]
fn lazy_anchors_should_be_hashed_in_the_last_step_when_one_of_them_is_kept_and_only_then() {
	let mut rng = Rng::seeded("kept_lazy");
	let mut executor = CpuExecutor::new();
	let (mut listed, mut fused) = (0, 0);
	for round in 0..120 {
		let nodes = 1 + rng.below(14) as usize;
		let (case, checked) = case(&mut rng, nodes);
		let Case { program, inputs, steps } = &case;
		let lazy = definition_lazy(program, &checked, inputs, *steps);
		let roots: Vec<_> = lazy.iter().map(|(_, tensor)| tensor.root()).collect();
		let chosen: Vec<_> = lazy.into_iter().filter(|_| rng.one_in(2)).collect();
		let mut keep: Vec<_> = chosen.iter().map(|(source, _)| *source).collect();
		keep.push(Source::Node(rng.pick(&checked.anchors)));
		executor.set_audit(rng.one_in(2).then(|| Audit { seed: rng.bits(), tiles: 3 }));
		let mut run = executor
			.run(
				&Work { program, checked: &checked, inputs, steps: *steps },
				Options { keep: &keep, ..Options::default() },
				&mut (),
			)
			.unwrap();
		assert_eq!(run.kept.pop().map(|(source, _)| source), keep.pop());
		assert!(run.kept == chosen, "round {round}, {keep:?}: {program:?}");
		let expected = if chosen.is_empty() { vec![] } else { roots };
		assert_eq!(run.lazy_roots, expected, "round {round}: {program:?}");
		listed += run.lazy_roots.len();
		// A product that is computed together with its only reader when nobody asks for it.
		let product = |node: &u32| matches!(program.nodes[*node as usize].op, Op::MatMul { .. });
		fused += checked.lazy.iter().filter(|node| product(node)).count();
		// The trace is that of any run.
		(run.kept, run.lazy_roots) = (vec![], vec![]);
		assert!(run == definition(program, &checked, inputs, *steps), "round {round}");
		assert!(
			executor
				.run(
					&Work { program, checked: &checked, inputs, steps: *steps },
					Options::default(),
					&mut ()
				)
				.unwrap() == run
		);
	}
	assert!(listed > 20 && fused > 0, "{listed} {fused}");
}

#[test]
fn lazy_product_should_be_listed_when_an_engine_would_fuse_it() {
	let mut rng = Rng::seeded("kept_fused");
	let mut builder = ProgramBuilder::new();
	let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
	let x = builder.input("x", ty(DType::I8, &[40, 64]));
	let w = builder.input("w", ty(DType::I8, &[50, 64]));
	let product = builder.matmul(x, w);
	builder.lazy(product);
	let scale = builder.constant_values(ty(DType::I16, &[1]), &[20_000]);
	let shift = builder.constant_values(ty(DType::I8, &[1]), &[22]);
	let y = builder.requant(product, scale, shift, None, DType::I8);
	builder.output("y", y);
	let program = builder.build().unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let inputs: Vec<_> = (program.inputs.iter())
		.map(|input| {
			let values = rng.values(input.ty.dtype, input.ty.elements() as usize);
			Tensor::from_elements(input.ty, &values).unwrap()
		})
		.collect();
	let expected = definition_lazy(&program, &checked, &inputs, 1);
	let mut executor = CpuExecutor::new();
	let run = executor
		.run(
			&Work { program: &program, checked: &checked, inputs: &inputs, steps: 1 },
			Options { keep: &[product], ..Options::default() },
			&mut (),
		)
		.unwrap();
	assert_eq!(run.lazy_roots, [expected[0].1.root()]);
	assert!(run.kept == expected);
	assert_eq!(run.run_root, definition(&program, &checked, &inputs, 1).run_root);
}

#[test]
fn state_before_the_first_step_should_be_the_input_with_its_padding() {
	let mut rng = Rng::seeded("kept_padding");
	let (case, checked) = loop {
		let (mut case, checked) = case(&mut rng, 3);
		let Some(state) = case.program.states.first() else { continue };
		let input = &case.inputs[usize::from(state.input)];
		let elements = input.elements().unwrap();
		let padded = Tensor::from_elements(input.ty, &elements).unwrap() != *input;
		if padded {
			case.steps = 1;
			break (case, checked);
		}
	};
	let kept = keep(&case, &checked, &[Source::State(0), Source::State(0)]).unwrap();
	let input = case.inputs[usize::from(case.program.states[0].input)].clone();
	assert_eq!(kept, [(Source::State(0), input.clone()), (Source::State(0), input)]);
}

#[test]
fn keeping_should_be_refused_by_name_when_the_source_is_neither_anchor_nor_state() {
	let mut rng = Rng::seeded("kept_refused");
	let (case, checked, hidden) = loop {
		let (case, checked) = case(&mut rng, 9);
		let hidden = |class| case.program.nodes.iter().position(|node| node.class == class);
		if let (Some(at), false) = (hidden(Class::Virtual), case.program.states.is_empty()) {
			break (case, checked, Source::Node(at as u32));
		}
	};
	let states = case.program.states.len() as u16;
	let nodes = case.program.nodes.len() as u32;
	let others = [
		Source::Input(0),
		Source::Constant(0),
		Source::State(states),
		Source::State(u16::MAX),
		Source::Node(nodes),
		Source::Node(u32::MAX),
	];
	for source in others.into_iter().chain([hidden]) {
		let anchor = Source::Node(checked.anchors[0]);
		let error = keep(&case, &checked, &[anchor, source, Source::State(0)]).unwrap_err();
		assert_eq!((error.is_local(), &error), (true, &ExecError::Keep(source)));
		assert!(error.to_string().contains(&format!("{source:?}")), "{error}");
	}
}

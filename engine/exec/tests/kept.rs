//! Tensors that are kept of a run's last step, against the definition.

use assay_exec::{
	testing::{definition, definition_kept, random_case, Case, Rng},
	Audit, CpuExecutor, ExecError, Executor, Tensor,
};
use assay_program::{Checked, Class, Source};

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
		.run_keeping(program, checked, inputs, *steps, sources, &mut ())
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
			.run_keeping(program, &checked, tensors, *steps, &sources, &mut ())
			.unwrap_or_else(|error| panic!("round {round}: {error}: {program:?}"));
		assert!(run.kept == chosen, "round {round}, {sources:?}: {program:?}");
		// Nothing else changes.
		run.kept.clear();
		assert!(run == definition(program, &checked, tensors, *steps), "round {round}");
		assert!(executor.run(program, &checked, tensors, *steps, &mut ()).unwrap() == run);
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
			.run_keeping(program, &checked, inputs, *steps, &sources, &mut ())
			.unwrap();
		let roots: Vec<_> = run.kept.iter().map(|(_, tensor)| tensor.root()).collect();
		assert_eq!(Some(&roots), run.anchor_roots.last());
	}
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
fn keeping_should_be_refused_by_name_when_the_source_is_neither_eager_anchor_nor_state() {
	let mut rng = Rng::seeded("kept_refused");
	let (case, checked, hidden) = loop {
		let (case, checked) = case(&mut rng, 9);
		let hidden = |class| case.program.nodes.iter().position(|node| node.class == class);
		let both = hidden(Class::Virtual).zip(hidden(Class::LazyAnchor));
		if let (Some((a, b)), false) = (both, case.program.states.is_empty()) {
			let hidden = [a as u32, b as u32].map(Source::Node);
			break (case, checked, hidden);
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
	for source in hidden.into_iter().chain(others) {
		let anchor = Source::Node(checked.anchors[0]);
		let error = keep(&case, &checked, &[anchor, source, Source::State(0)]).unwrap_err();
		assert_eq!((error.is_local(), &error), (true, &ExecError::Keep(source)));
		assert!(error.to_string().contains(&format!("{source:?}")), "{error}");
	}
}

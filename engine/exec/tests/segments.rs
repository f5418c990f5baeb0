//! Runs that start from a checkpoint, against the whole run.

use assay_commitments::{checkpoint_entry, segment_roots, trace_root, Segmentation};
use assay_engine_testing::{definition, random_case, Case, Draw, Rng};
use assay_exec::{
	Audit, Checkpoint, Checkpoints, CpuExecutor, ExecError, Executor, Options, Run, Tensor, Work,
};
use assay_program::{
	ops::{DType, TensorType},
	Checked, Limits, Program, ProgramBuilder, Source,
};
use std::{num::NonZeroU32, ops::ControlFlow};

/// What a provider keeps of a run: steps done, anchor roots, states.
type Kept = Vec<(u32, Vec<[u8; 32]>, Vec<Tensor>)>;

fn run_keeping_checkpoints(
	program: &Program,
	checked: &Checked,
	inputs: &[Tensor],
	steps: u32,
	every: u32,
) -> (Run, Kept) {
	let mut kept = Kept::new();
	let mut observer = Checkpoints {
		inner: (),
		every: NonZeroU32::new(every).unwrap(),
		take: |Checkpoint { step, anchor_roots, states }: Checkpoint<'_>| {
			kept.push((step, anchor_roots.to_vec(), states));
			ControlFlow::Continue(())
		},
	};
	let run = CpuExecutor::new()
		.run(&Work { program, checked, inputs, steps }, Options::default(), &mut observer)
		.unwrap();
	(run, kept)
}

fn run_from(
	program: &Program,
	checked: &Checked,
	inputs: &[Tensor],
	start: &[Tensor],
	steps: u32,
) -> Result<Run, ExecError> {
	let options = Options { start: Some(start), ..Options::default() };
	CpuExecutor::new().run(&Work { program, checked, inputs, steps }, options, &mut ())
}

/// Every segment of the run, from its checkpoint, has the trace roots of the run.
fn check(program: &Program, checked: &Checked, inputs: &[Tensor], steps: u32, length: u32) {
	let (whole, kept) = run_keeping_checkpoints(program, checked, inputs, steps, length);
	assert_eq!(
		whole,
		CpuExecutor::new()
			.run(&Work { program, checked, inputs, steps }, Options::default(), &mut ())
			.unwrap()
	);
	let cut = Segmentation::new(steps, length).unwrap();
	assert_eq!(kept.len() as u32, cut.count() - 1);
	let roots = segment_roots(&cut, &whole.trace_roots).unwrap();
	for (index, (done, anchors, states)) in (1..).zip(&kept) {
		let range = cut.range(index).unwrap();
		assert_eq!(*done, range.start);
		let (first, end) = (range.start as usize, range.end as usize);
		assert_eq!(trace_root(anchors), whole.trace_roots[first - 1]);
		// What the manifest says of the states is what they are.
		for (&at, state) in checked.state_anchors.iter().zip(states) {
			assert_eq!(anchors[at as usize], state.root());
		}
		assert_eq!(checkpoint_entry(anchors, &checked.state_anchors).is_some(), !states.is_empty());
		let run = run_from(program, checked, inputs, states, range.len() as u32).unwrap();
		assert_eq!(run.trace_roots, whole.trace_roots[first..end]);
		assert_eq!(run.run_root, roots[index as usize]);
		if end == steps as usize {
			assert_eq!(run.outputs, whole.outputs);
		}
	}
	let first = CpuExecutor::new()
		.run(&Work { program, checked, inputs, steps: length }, Options::default(), &mut ())
		.unwrap();
	assert_eq!(first.run_root, roots[0]);
}

#[test]
fn segments_should_have_the_roots_of_the_run_when_programs_are_random() {
	let mut rng = Rng::seeded("segments");
	let mut states = 0;
	for _ in 0..60 {
		let nodes = 1 + rng.below(10) as usize;
		let mut case = random_case(&mut rng, nodes, 2000);
		let checked = case.check();
		let Case { program, inputs, .. } = &case;
		if program.states.is_empty() {
			continue;
		}
		states += program.states.len();
		let length = 2 << rng.below(2);
		let steps = length + 1 + rng.below(u64::from(length) * 3) as u32;
		check(program, &checked, inputs, steps, length);
	}
	assert!(states > 10, "{states}");
}

/// A state whose input every step reads as well: that stays what the job says.
fn shared_input() -> (Program, Checked, Vec<Tensor>) {
	let mut b = ProgramBuilder::new();
	let ty = TensorType::new(DType::I32, &[37]).unwrap();
	let start = b.input("start", ty);
	let state = b.state(start);
	let next = b.add(state, start, DType::I32);
	b.update(state, next);
	let low = b.cast(next, DType::I8);
	b.output("low", low);
	let program = b.build().unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	// Padding that is not zero: it counts for the input's root, and for nothing else.
	let bytes: Vec<u8> = (0..ty.canonical_len()).map(|at| (at * 7 % 251) as u8).collect();
	let inputs = vec![Tensor::new(ty, bytes)];
	(program, checked, inputs)
}

#[test]
fn input_should_keep_its_value_when_it_also_initialises_a_state() {
	let (program, checked, inputs) = shared_input();
	check(&program, &checked, &inputs, 13, 4);
	let whole = definition(&program, &checked, &inputs, 13);
	let (run, _) = run_keeping_checkpoints(&program, &checked, &inputs, 13, 4);
	assert_eq!(run.run_root, whole.run_root);
}

#[test]
fn state_before_the_first_step_should_be_the_one_that_was_given() {
	let (program, checked, inputs) = shared_input();
	let (_, kept) = run_keeping_checkpoints(&program, &checked, &inputs, 5, 2);
	let (_, _, states) = &kept[0];
	let keep = [Source::State(0)];
	let options = Options { start: Some(states), keep: &keep, ..Options::default() };
	let mut executor = CpuExecutor::new();
	executor.set_audit(Some(Audit { seed: 5, tiles: 3 }));
	let run = executor
		.run(
			&Work { program: &program, checked: &checked, inputs: &inputs, steps: 1 },
			options,
			&mut (),
		)
		.unwrap();
	assert_eq!(run.kept, [(Source::State(0), states[0].clone())]);
}

#[test]
fn run_should_fail_with_the_name_of_the_state_when_one_is_not_the_programs() {
	let (program, checked, inputs) = shared_input();
	let other = Tensor::new(TensorType::new(DType::I8, &[37]).unwrap(), vec![0; 1024]);
	let short = Tensor::new(inputs[0].ty, vec![0; 7]);
	let from = |start: &[Tensor]| run_from(&program, &checked, &inputs, start, 2).unwrap_err();
	assert_eq!(from(&[]), ExecError::StateCount { expected: 1, found: 0 });
	assert_eq!(from(&[other]), ExecError::StateType { index: 0 });
	assert_eq!(from(&[short]), ExecError::StateType { index: 0 });
	assert!(from(&[]).is_local());
}

#[test]
fn run_should_stop_when_a_checkpoint_cannot_be_taken() {
	let (program, checked, inputs) = shared_input();
	let mut observer = Checkpoints {
		inner: (),
		every: NonZeroU32::new(2).unwrap(),
		take: |_: Checkpoint<'_>| ControlFlow::Break(()),
	};
	let run = CpuExecutor::new().run(
		&Work { program: &program, checked: &checked, inputs: &inputs, steps: 5 },
		Options::default(),
		&mut observer,
	);
	assert_eq!(run, Err(ExecError::Cancelled));
	// Nothing is handed over after the last step.
	let run = CpuExecutor::new().run(
		&Work { program: &program, checked: &checked, inputs: &inputs, steps: 2 },
		Options::default(),
		&mut observer,
	);
	assert!(run.is_ok());
}

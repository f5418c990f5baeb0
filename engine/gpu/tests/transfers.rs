//! What goes to the device and comes back: nothing but what a run needs.

use assay_engine_testing::{definition_kept, random_case, Case, Draw, Rng};
use assay_exec::{Executor, Options, Work};
use assay_gpu::GpuExecutor;
use assay_program::Source;
use std::collections::BTreeSet;

/// Bytes of a root.
const ROOT: u64 = 32;

#[test]
fn run_should_read_back_outputs_and_roots_alone_when_every_operator_has_a_kernel() {
	let mut rng = Rng::seeded("transfers");
	let mut executor = GpuExecutor::open(0, None).expect("tests need an adapter; lavapipe will do");
	let mut roots_alone = 0;
	for round in 0..60 {
		let nodes = 1 + rng.below(12) as usize;
		let mut case = random_case(&mut rng, nodes, 3000);
		let checked = case.check();
		let Case { program, inputs, steps } = &case;
		// Every other round keeps an anchor as well.
		let kept = definition_kept(program, &checked, inputs, *steps);
		let kept = kept.iter().map(|(source, _)| *source);
		let keep: Vec<Source> =
			kept.filter(|s| round % 2 == 1 && matches!(s, Source::Node(_))).take(1).collect();
		let before = executor.transfers();
		executor
			.run(
				&Work { program, checked: &checked, inputs, steps: *steps },
				Options { keep: &keep, ..Options::default() },
				&mut (),
			)
			.unwrap();
		let after = executor.transfers();

		let mut whole: BTreeSet<u32> = program.outputs.iter().map(|output| output.node).collect();
		whole.extend(keep.iter().filter_map(|source| match source {
			Source::Node(node) => Some(*node),
			_ => None,
		}));
		let anchors = checked.anchors.len() as u64 * u64::from(*steps);
		let bytes = |node: &u32| {
			let ty = &checked.types[*node as usize];
			u64::from(ty.elements()) * ty.dtype.size() as u64
		};
		let roots = anchors - whole.len() as u64;
		roots_alone += roots;
		assert_eq!(after.readbacks - before.readbacks, anchors, "round {round}");
		let read = whole.iter().map(bytes).sum::<u64>() + roots * ROOT;
		assert_eq!(after.read - before.read, read, "round {round}");
		// The one table of the operator set may be among them.
		let most = inputs.len() + program.constants.len() + 1;
		assert!(after.uploads - before.uploads <= most as u64, "round {round}");
	}
	assert_eq!(executor.operators_on_cpu(), 0);
	assert!(roots_alone > 50, "anchors that are no output are tried too: {roots_alone}");
}

#[test]
fn inputs_should_stay_on_the_device_when_they_come_a_third_time() {
	let mut rng = Rng::seeded("resident");
	let mut executor = GpuExecutor::open(0, None).expect("tests need an adapter; lavapipe will do");
	let mut stayed = 0;
	for _ in 0..20 {
		let mut case = random_case(&mut rng, 6, 3000);
		let checked = case.check();
		let Case { program, inputs, steps } = &case;
		let mut uploads = [0; 3];
		let mut run = |uploads: &mut u64| {
			let before = executor.transfers().uploads;
			let run = executor
				.run(
					&Work { program, checked: &checked, inputs, steps: *steps },
					Options::default(),
					&mut (),
				)
				.unwrap();
			*uploads = executor.transfers().uploads - before;
			run
		};
		let first = run(&mut uploads[0]);
		assert_eq!(run(&mut uploads[1]), first);
		assert_eq!(run(&mut uploads[2]), first);
		// Constants and the one table of the operator set are no inputs.
		assert!(uploads[2] <= program.constants.len() as u64 + 1, "{uploads:?}");
		stayed += uploads[0] - uploads[2];
	}
	assert!(stayed > 20, "inputs are tried: {stayed}");
}

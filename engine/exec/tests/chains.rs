//! Elementwise nodes that the CPU engine computes many at a time, against the definition.

use assay_engine_testing::{chain_case, definition, Draw, Rng};
use assay_exec::{gemm::Path, Audit, CpuExecutor, Executor, Options};

#[test]
fn chains_should_equal_the_definition_when_programs_are_random() {
	let mut rng = Rng::seeded("chains");
	let (mut calls, mut nodes) = (0, 0);
	for round in 0..250 {
		let count = 2 + rng.below(40) as usize;
		let mut case = chain_case(&mut rng, count);
		let checked = case.check();
		let expected = definition(&case.program, &checked, &case.inputs, case.steps);
		for path in [Path::Portable, Path::best()] {
			let mut executor = CpuExecutor::with_path(path);
			executor.start_profile();
			let found = executor
				.run(&case.work(&checked), Options::default(), &mut ())
				.unwrap_or_else(|error| panic!("{error}: {:?}", case.program));
			assert!(found == expected, "round {round}, {path:?}: {:?}", case.program);
			let operators = executor.profile().expect("it was started").operators();
			let spent = operators.iter().filter(|(name, _)| *name == "elementwise chains");
			calls += spent.map(|(_, spent)| spent.calls).sum::<u64>();
			nodes += case.program.nodes.len() as u64;
			// Nodes that are audited are computed one by one.
			executor.set_audit(Some(Audit { seed: rng.bits(), tiles: 1 }));
			let audited = executor.run(&case.work(&checked), Options::default(), &mut ());
			assert!(audited.as_ref() == Ok(&expected), "audited, round {round}");
		}
	}
	// Views that a chain cannot take end it, so there are several in most programs.
	assert!(calls > 500 && calls < nodes / 2, "{calls} stretches in {nodes} nodes");
}

#[test]
fn observers_should_hear_of_every_node_when_nodes_are_computed_together() {
	let mut rng = Rng::seeded("chains observed");
	let mut case = chain_case(&mut rng, 30);
	let checked = case.check();
	let mut heard = vec![];
	let mut observer = |progress: assay_exec::Progress| {
		heard.push(progress.node);
		std::ops::ControlFlow::Continue(())
	};
	CpuExecutor::new()
		.run(&case.work(&checked), Options::default(), &mut observer)
		.expect("a sound program");
	let expected: Vec<u32> = (1..=30).chain([30]).collect();
	assert_eq!(heard, expected);
}

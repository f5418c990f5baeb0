//! Every operator on an adapter against the definition: random types, shapes and parameters, values
//! of every kind, operands through random views.

use assay_engine_testing::{definition, operator_case, Draw, Rng, OPERATOR_KINDS};
use assay_exec::{Executor, Options};
use assay_gpu::GpuExecutor;

#[test]
fn kernel_should_equal_the_definition_when_operands_are_random() {
	let mut rng = Rng::seeded("kernel");
	let mut executor = GpuExecutor::open(0, None).expect("tests need an adapter; lavapipe will do");
	assert_eq!(executor.report().disabled_kernels, [], "a kernel failed its self-test");
	let mut wrong = vec![];
	for kind in 0..OPERATOR_KINDS {
		for round in 0..40 {
			let mut case = operator_case(&mut rng, kind);
			let checked = case.check();
			let expected = definition(&case.program, &checked, &case.inputs, case.steps);
			let before = executor.operators_on_cpu();
			let found = executor
				.run(&case.work(&checked), Options::default(), &mut ())
				.unwrap_or_else(|error| panic!("round {round}: {error}: {:?}", case.program.nodes));
			let op = case.program.nodes[0].op;
			assert_eq!(executor.operators_on_cpu(), before, "{op:?} has a kernel");
			if found != expected {
				wrong.push((round, case.program.nodes));
			}
		}
	}
	assert!(wrong.is_empty(), "{} cases, the first: {:?}", wrong.len(), wrong[0]);
}

//! The GPU engine against the definition, on whatever adapter comes first (lavapipe in CI).

use assay_engine_testing::{definition, definition_kept, random_case, Case, Draw, Rng};
use assay_exec::{Audit, DeviceFault, ExecError, Executor, Options, Work};
use assay_gpu::{
	adapters, best_executor, Choice, DeviceKind, ElementwiseKernel, GpuExecutor, Kernel,
	ProductKernel, ReduceKernel,
};
use assay_program::Source;

fn open() -> GpuExecutor {
	GpuExecutor::open(0, None).expect("tests need an adapter; lavapipe will do")
}

/// Runs random programs and compares everything that a run gives.
fn compare(executor: &mut GpuExecutor, rng: &mut Rng, rounds: u32, largest: u32) {
	for round in 0..rounds {
		let nodes = 1 + rng.below(12) as usize;
		let mut case = random_case(rng, nodes, largest);
		let checked = case.check();
		let expected = definition(&case.program, &checked, &case.inputs, case.steps);
		let found = executor
			.run(&case.work(&checked), Options::default(), &mut ())
			.unwrap_or_else(|error| panic!("round {round}: {error}: {:?}", case.program));
		assert!(found == expected, "round {round}: {:?}", case.program);
	}
}

#[test]
fn gpu_engine_should_equal_the_definition_when_programs_are_random() {
	let mut executor = open();
	assert_eq!(executor.report().disabled_kernels, [], "a kernel failed its self-test");
	let mut rng = Rng::seeded("gpu_engine");
	compare(&mut executor, &mut rng, 120, 3000);
	compare(&mut executor, &mut rng, 6, 60_000);
	executor.set_audit(Some(Audit { seed: rng.bits(), tiles: 4 }));
	compare(&mut executor, &mut rng, 20, 2000);
	assert_eq!(executor.operators_on_cpu(), 0, "every operator has a kernel");
}

#[test]
fn kept_tensors_should_equal_the_definition_when_the_engine_is_a_gpu() {
	let mut rng = Rng::seeded("gpu_kept");
	let mut executor = open();
	for round in 0..40 {
		let nodes = 1 + rng.below(12) as usize;
		let mut case = random_case(&mut rng, nodes, 3000);
		let checked = case.check();
		let Case { program, inputs, steps } = &case;
		let expected = definition_kept(program, &checked, inputs, *steps);
		let sources: Vec<_> = expected.iter().map(|(source, _)| *source).collect();
		let mut run = executor
			.run(
				&Work { program, checked: &checked, inputs, steps: *steps },
				Options { keep: &sources, ..Options::default() },
				&mut (),
			)
			.unwrap_or_else(|error| panic!("round {round}: {error}: {program:?}"));
		assert!(run.kept == expected, "round {round}: {program:?}");
		run.kept.clear();
		assert!(run == definition(program, &checked, inputs, *steps), "round {round}");
		let source = Source::Input(0);
		let refused = executor.run(
			&Work { program, checked: &checked, inputs, steps: *steps },
			Options { keep: &[source], ..Options::default() },
			&mut (),
		);
		assert_eq!(refused, Err(ExecError::Keep(source)));
	}
}

#[test]
fn gpu_engine_should_equal_the_definition_when_kernels_are_off() {
	let mut rng = Rng::seeded("kernels_off");
	let mut executor = open();
	executor.disable(ProductKernel::MatMulPacked.into());
	compare(&mut executor, &mut rng, 15, 2000);
	assert_eq!(executor.operators_on_cpu(), 0, "the plain product stands in for the packed one");
	let kernels: [Kernel; 4] = [
		ProductKernel::Pack.into(),
		ElementwiseKernel::Cast.into(),
		ElementwiseKernel::Requant.into(),
		ReduceKernel::ReduceSum.into(),
	];
	for kernel in kernels {
		executor.disable(kernel);
		compare(&mut executor, &mut rng, 6, 1000);
	}
	for kernel in Kernel::all() {
		executor.disable(kernel);
	}
	compare(&mut executor, &mut rng, 6, 1000);
	assert!(executor.operators_on_cpu() > 0, "the CPU stands in for kernels that are off");
}

#[test]
fn gpu_engine_should_equal_the_definition_when_the_device_is_small() {
	let mut rng = Rng::seeded("small_device");
	let mut executor = open();
	// Dispatches take both dimensions, or are too many and fall to the CPU.
	executor.constrain(1 << 30, 5);
	compare(&mut executor, &mut rng, 12, 5000);
	// Half of the tensors do not fit.
	executor.constrain(2048, 65535);
	compare(&mut executor, &mut rng, 12, 3000);
	assert!(executor.operators_on_cpu() > 0);
}

#[test]
fn run_should_name_the_device_fault_when_the_device_is_lost() {
	let mut rng = Rng::new(4);
	let mut case = random_case(&mut rng, 4, 500);
	let checked = case.check();
	let mut executor = open();
	executor.run(&case.work(&checked), Options::default(), &mut ()).unwrap();
	executor.lose();
	let error = executor.run(&case.work(&checked), Options::default(), &mut ()).unwrap_err();
	assert!(error.is_local());
	assert!(matches!(error, ExecError::Device { fault: DeviceFault::Lost, .. }), "{error:?}");
}

#[test]
fn best_executor_should_open_what_was_asked_for_when_it_is_there() {
	let folder = std::env::temp_dir().join(format!("assay-best-executor-{}", std::process::id()));
	let first = adapters().remove(0);
	let part = first.name[..4].to_uppercase();
	for (choice, cached) in [(Choice::Name(part), false), (Choice::Index(0), true)] {
		let (executor, report) = best_executor(&choice, Some(&folder));
		assert_eq!((&report.name, report.kind), (&first.name, DeviceKind::Gpu));
		assert_eq!((report.self_test_cached, &report.fallback), (cached, &None));
		assert!(executor.name().contains(&first.name));
		let text = serde_json::to_string(&report).unwrap();
		assert_eq!(serde_json::from_str::<assay_gpu::DeviceReport>(&text).unwrap(), report);
	}
	std::fs::remove_dir_all(folder).unwrap();
	let (_, report) = best_executor(&Choice::Cpu, None);
	assert_eq!((report.kind, report.fallback), (DeviceKind::Cpu, None));
	let missing = "no such device";
	let (_, report) = best_executor(&Choice::Name(missing.into()), None);
	assert_eq!(report.kind, DeviceKind::Cpu);
	assert!(report.fallback.unwrap().contains(missing));
	let (_, report) = best_executor(&Choice::Index(99), None);
	assert!(report.fallback.unwrap().contains("99"));
}

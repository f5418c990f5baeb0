//! A machine without a driver. In a test binary of its own, because it changes the environment.

use assay_engine_testing::{definition, random_case, Draw, Rng};
use assay_exec::Options;
use assay_gpu::{adapters, best_executor, Choice, DeviceKind, GpuExecutor};

#[test]
fn best_executor_should_fall_back_to_the_cpu_and_say_so_when_there_is_no_adapter() {
	for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
		std::env::set_var(variable, "/nonexistent");
	}
	assert_eq!(adapters(), []);
	let mut rng = Rng::seeded("no_adapter");
	let mut case = random_case(&mut rng, 6, 1000);
	let checked = case.check();
	let expected = definition(&case.program, &checked, &case.inputs, case.steps);
	for choice in [Choice::Auto, Choice::Index(0), Choice::Name("radeon".into())] {
		let (mut executor, report) = best_executor(&choice, None);
		assert_eq!(report.kind, DeviceKind::Cpu);
		let reason = report.fallback.clone().unwrap();
		assert!(reason.contains("no Vulkan loader"), "{reason}");
		assert!(report.to_string().contains(&reason));
		let run = executor.run(&case.work(&checked), Options::default(), &mut ()).unwrap();
		assert!(run == expected);
	}
	assert!(GpuExecutor::open(0, None).is_err());
}

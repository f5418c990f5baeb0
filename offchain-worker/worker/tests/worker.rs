//! The real binary against a host that behaves, one that does not, and jobs of every kind.

mod host;

use assay_engine_testing::{definition, definition_kept};
use assay_exec::Tensor;
use assay_ops::{DType, View};
use assay_program::{Limits, Operand, Program, ProgramBuilder, Source};
use assay_worker_protocol::{
	encode, Hello, JobFault, LocalFaultKind, Reply, Request, Stage, MAX_FRAME, MAX_STEPS,
	PROTOCOL_VERSION,
};
use host::{
	jobs::{pattern, power_job, ty},
	Host, Job,
};
use std::{fs, process::Command};

/// So long that only a limit or a signal ends it.
fn endless_job() -> Job {
	power_job(512, 512, MAX_STEPS)
}

/// A program that spreads one small input to an i32 tensor of `mib` MiB.
fn large_job(mib: u32) -> Job {
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, &[512]));
	let shape = assay_ops::Shape::new(&[mib * 512, 512]).unwrap();
	let view = View { shape, offset: 0, strides: vec![0, 1] };
	let seen = || Operand::viewed(x, view.clone());
	let y = builder.add(seen(), seen(), DType::I32);
	builder.output("y", y);
	Job::new(&builder.build().unwrap(), &[pattern(ty(DType::I8, &[512]), 3)], 1)
}

#[test]
fn version_should_be_that_of_the_package() {
	let output =
		Command::new(env!("CARGO_BIN_EXE_assay-worker")).arg("--version").output().unwrap();
	let expected = format!("assay-worker {}\n", env!("CARGO_PKG_VERSION"));
	assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
	let help = Command::new(env!("CARGO_BIN_EXE_assay-worker")).arg("--help").output().unwrap();
	assert!(String::from_utf8(help.stdout).unwrap().contains("--memory-limit-mib"));
	let nothing = Command::new(env!("CARGO_BIN_EXE_assay-worker")).output().unwrap();
	assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn self_test_should_say_as_json_what_jobs_run_on() {
	let output = Command::new(env!("CARGO_BIN_EXE_assay-worker"))
		.args(["self-test", "--json", "--adapter", "cpu"])
		.output()
		.unwrap();
	assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
	let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
	assert!(report["engine"].as_str().is_some_and(|engine| !engine.is_empty()), "{report}");
	assert_eq!(report["sandbox"]["holds"], true, "{report}");
}

#[test]
fn run_root_should_be_that_of_the_definition_on_every_engine() {
	let job = power_job(40, 70, 3);
	let program = Program::decode_bounded(&job.program).unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let expected = definition(&program, &checked, &job.tensors, 3);
	// Where there is an adapter, its driver has to work in what the worker leaves itself.
	for adapter in ["cpu", "auto", "0"] {
		let mut host = Host::start(&["--adapter", adapter]);
		host.greet();
		host.request(&job);
		let Reply::Done(done) = host.answer() else { panic!("no result on {adapter}") };
		println!("{adapter}: {}", done.device);
		assert_eq!(done.run_root, expected.run_root, "{}", done.device);
		assert_eq!(done.trace_roots, expected.trace_roots);
		assert_eq!(Some(&done.last_anchors), expected.anchor_roots.last());
		assert_eq!(done.audited_tiles, 12);
		assert_eq!(done.outputs.len(), 1);
		let output = &done.outputs[0];
		assert_eq!(output.root, expected.output_roots[0]);
		let bytes = fs::read(host.dir().join(&output.name)).unwrap();
		assert_eq!((&bytes[..], bytes.len() as u64), (&expected.outputs[0].bytes[..], output.len));
		// What an opening of the outputs is made of leads to the root that is committed to.
		let opening = assay_commitments::open_outputs(
			&done.trace_roots,
			&done.last_anchors,
			&checked.output_anchors,
		);
		let anchors = checked.anchors.len() as u64;
		assert!(assay_commitments::verify_outputs(
			&done.run_root,
			3,
			anchors,
			&checked.output_anchors,
			&opening.unwrap(),
		));
		assert!(host.stages.is_sorted() && host.stages.contains(&Stage::Running));
		assert_eq!(host.wait(), Some(0));
	}
}

#[test]
fn kept_tensors_should_be_those_of_the_definition_on_every_engine() {
	// Before the first step a state is the input, whose padding is poisoned; later it is a node's
	// result.
	for steps in [1, 4] {
		let mut job = power_job(40, 70, steps);
		let mut poisoned = job.tensors[0].bytes.to_vec();
		*poisoned.last_mut().unwrap() = 0x55;
		job.replace_input(0, &poisoned);
		job.tensors[0] = Tensor::new(job.tensors[0].ty, poisoned);
		let program = Program::decode_bounded(&job.program).unwrap();
		let checked = program.check(&Limits::default()).unwrap();
		let expected = definition_kept(&program, &checked, &job.tensors, steps);
		assert_eq!(expected.len(), 3);
		job.keep = expected.iter().map(|(source, _)| *source).collect();
		// The last is the output as well, and asked for twice.
		job.keep.push(job.keep[2]);
		for adapter in ["cpu", "0"] {
			let mut host = Host::start(&["--adapter", adapter]);
			host.greet();
			host.request(&job);
			let Reply::Done(done) = host.answer() else { panic!("no result on {adapter}") };
			assert_eq!(done.kept.iter().map(|kept| kept.source).collect::<Vec<_>>(), job.keep);
			assert_eq!(
				(&done.kept[2].file, &done.kept[3].file),
				(&done.outputs[0], &done.outputs[0])
			);
			assert_eq!(done.kept[1].file.root, done.last_anchors[0]);
			for (kept, (source, tensor)) in done.kept.iter().zip(&expected) {
				let bytes = fs::read(host.dir().join(&kept.file.name)).unwrap();
				assert_eq!(
					(&bytes[..], kept.file.root),
					(&tensor.bytes[..], tensor.root()),
					"{source:?}"
				);
				assert_eq!(kept.file.len, bytes.len() as u64);
			}
			let names = fs::read_dir(host.dir()).unwrap().map(|entry| entry.unwrap().file_name());
			let files = names.filter(|name| name.to_string_lossy().starts_with("out-")).count();
			assert_eq!(files, 3, "equal tensors share a file");
		}
	}
}

#[test]
fn keeping_should_be_a_local_fault_when_the_program_has_no_such_anchor_or_state() {
	for source in [Source::Input(0), Source::State(1), Source::Node(9)] {
		let mut host = Host::start(&["--adapter", "cpu"]);
		host.greet();
		host.request(&Job { keep: vec![source], ..power_job(4, 32, 1) });
		match host.answer() {
			Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Protocol => {
				assert!(fault.text.contains(&format!("{source:?}")), "{}", fault.text);
			}
			other => panic!("{source:?}: {other:?}"),
		}
		assert_eq!(host.wait(), Some(0));
	}
	// What is kept counts as memory: 96 MiB fit the limit, twice as much does not.
	let job = Job { keep: vec![Source::Node(0)], ..large_job(96) };
	let mut host = Host::start(&["--adapter", "cpu", "--memory-limit-mib", "150"]);
	host.greet();
	host.request(&job);
	match host.answer() {
		Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Memory => {
			assert!(fault.text.contains("the program needs"), "{}", fault.text);
		}
		other => panic!("{other:?}"),
	}
}

#[test]
fn job_fault_should_be_the_answer_when_the_record_itself_is_wrong() {
	let good = power_job(4, 32, 1);
	let program = |bytes: Vec<u8>| Job { program: bytes, ..power_job(4, 32, 1) };
	let mut other_set = good.program.clone();
	let at = assay_program::MAGIC.len() + 1;
	other_set[at..at + 2].copy_from_slice(&u16::MAX.to_le_bytes());
	let mut short = power_job(4, 32, 1);
	short.replace_input(0, &[0; 512]);
	let mut long = power_job(4, 32, 1);
	long.replace_input(1, &[0; 4096]);
	type Expected = fn(&JobFault) -> bool;
	let cases: Vec<(Job, Expected)> = vec![
		(program(vec![]), |f| matches!(f, JobFault::Program(_))),
		(program(b"no program at all".to_vec()), |f| matches!(f, JobFault::Program(_))),
		(program(good.program[..good.program.len() - 1].to_vec()), |f| {
			matches!(f, JobFault::Program(_))
		}),
		(program(other_set), |f| matches!(f, JobFault::OperatorSet(u16::MAX))),
		(Job { steps: 0, ..power_job(4, 32, 1) }, |f| matches!(f, JobFault::Steps(0))),
		(Job { steps: MAX_STEPS + 1, ..power_job(4, 32, 1) }, |f| matches!(f, JobFault::Steps(_))),
		(Job { tensors: vec![], inputs: vec![], ..power_job(4, 32, 1) }, |f| {
			matches!(f, JobFault::InputCount { expected: 2, found: 0 })
		}),
		(short, |f| matches!(f, JobFault::InputLength { index: 0, expected: 1024, found: 512 })),
		(long, |f| matches!(f, JobFault::InputLength { index: 1, expected: 1024, found: 4096 })),
	];
	for (job, expected) in cases {
		let mut host = Host::start(&["--adapter", "cpu"]);
		host.greet();
		host.request(&job);
		match host.answer() {
			Reply::JobFault(fault) if expected(&fault) => {}
			other => panic!("{other:?}"),
		}
		assert_eq!(host.wait(), Some(0));
	}
}

#[test]
fn input_fault_should_be_local_when_the_file_is_not_the_stated_bytes() {
	let damage: [fn(&std::path::Path); 5] = [
		|file| fs::write(file, &fs::read(file).unwrap()[..1023]).unwrap(),
		|file| fs::write(file, b"").unwrap(),
		|file| fs::remove_file(file).unwrap(),
		|file| {
			let mut bytes = fs::read(file).unwrap();
			bytes[77] ^= 1;
			fs::write(file, bytes).unwrap();
		},
		|file| {
			fs::remove_file(file).unwrap();
			fs::create_dir(file).unwrap();
		},
	];
	for (case, damage) in damage.iter().enumerate() {
		let mut host = Host::start(&["--adapter", "cpu"]);
		host.greet();
		let request = host.stage(&power_job(4, 32, 1));
		damage(&host.dir().join("input-1"));
		host.send(&request);
		match host.answer() {
			Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Input => {}
			other => panic!("case {case}: {other:?}"),
		}
	}
}

#[test]
fn cpu_engine_should_stand_in_and_say_so_when_the_adapter_does_not_exist() {
	let mut host = Host::start(&["--adapter", "no adapter is called so"]);
	host.greet();
	host.request(&power_job(4, 32, 1));
	match host.answer() {
		Reply::Done(done) => assert!(done.device.contains("no adapter is called so"), "{done:?}"),
		other => panic!("{other:?}"),
	}
}

#[test]
fn garbage_request_should_be_answered_and_end_the_worker() {
	let oversized = (MAX_FRAME + 1).to_le_bytes().to_vec();
	let mut trailing = encode(&Request::Run(power_job(4, 32, 1).record())).unwrap();
	let len = u32::from_le_bytes(trailing[..4].try_into().unwrap()) + 1;
	trailing[..4].copy_from_slice(&len.to_le_bytes());
	trailing.push(0);
	for garbage in [&b"\x05\0\0\0\xff\xff\xff\xff\xff"[..], &[0; 4], &oversized, &trailing] {
		let mut host = Host::start(&[]);
		host.greet();
		host.send_bytes(garbage);
		match host.answer() {
			Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Protocol => {}
			other => panic!("{other:?}"),
		}
		assert_eq!(host.wait(), Some(1));
	}
	let mut host = Host::start(&[]);
	host.greet();
	host.send_bytes(b"\x05\0\0\0\xff");
	host.hang_up();
	assert_eq!(host.wait(), Some(1));
}

#[test]
fn worker_should_leave_when_the_host_is_of_another_version_or_no_host() {
	let newer = Hello { protocol: PROTOCOL_VERSION + 1, ..Hello::ours() };
	let other = Hello { package: "0.0.1".into(), ..Hello::ours() };
	let greetings =
		[encode(&newer).unwrap(), encode(&other).unwrap(), b"HTTP/1.1 400 Bad Request".to_vec()];
	for greeting in greetings {
		let mut host = Host::start(&[]);
		host.send_bytes(&greeting);
		assert_eq!(host.wait(), Some(1));
		assert!(host.errors().contains("assay-worker:"), "{}", host.errors());
	}
	let mut host = Host::start(&[]);
	host.hang_up();
	assert_eq!(host.wait(), Some(1));
	let nobody = Command::new(env!("CARGO_BIN_EXE_assay-worker"))
		.args(["--socket", "/nonexistent/socket", "--dir", "."])
		.output()
		.unwrap();
	assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn worker_should_end_when_killed_or_deserted_in_the_middle_of_a_run() {
	let job = endless_job();
	let running = || {
		let mut host = Host::start(&["--adapter", "cpu"]);
		host.greet();
		host.request(&job);
		host.await_stage(Stage::Running);
		host
	};
	let mut host = running();
	host.kill();
	assert!(host.next().is_none(), "a killed worker says no more");
	assert_eq!(host.wait(), None);

	let mut host = running();
	host.hang_up();
	assert_eq!(host.wait(), Some(1));
	assert_eq!(fs::read_dir(host.dir()).unwrap().count(), 2, "only the two inputs");

	// The process that started it dies, the connection stays.
	let mut host = Host::start_below_a_shell(&["--adapter", "cpu"]);
	host.greet();
	host.request(&job);
	host.await_stage(Stage::Running);
	host.kill();
	while host.next().is_some() {}
}

#[test]
fn processor_time_over_its_limit_should_be_a_named_local_fault() {
	let mut host = Host::start(&["--adapter", "cpu", "--cpu-limit-secs", "1"]);
	host.greet();
	host.request(&endless_job());
	match host.answer() {
		Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Time => {}
		other => panic!("{other:?}"),
	}
	assert_eq!(host.wait(), Some(0));
}

#[test]
fn memory_over_its_limit_should_be_a_named_local_fault() {
	// By the program check alone; and by what the engine needs beyond the tensors themselves.
	for (tensor, limit) in [(256, "64"), (96, "150")] {
		let mut host = Host::start(&["--adapter", "cpu", "--memory-limit-mib", limit]);
		host.greet();
		host.request(&large_job(tensor));
		match host.answer() {
			Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Memory => {}
			other => panic!("{tensor} MiB in {limit} MiB: {other:?}"),
		}
		assert_eq!(host.wait(), Some(0));
	}
	let mut host = Host::start(&["--adapter", "cpu", "--memory-limit-mib", "1024"]);
	host.greet();
	host.request(&large_job(96));
	assert!(matches!(host.answer(), Reply::Done(_)));
}

#[test]
fn disk_fault_should_be_local_when_the_output_cannot_be_written() {
	let mut host = Host::start(&["--adapter", "cpu"]);
	host.greet();
	let job = power_job(4, 32, 1);
	let program = Program::decode_bounded(&job.program).unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let root = definition(&program, &checked, &job.tensors, 1).output_roots[0];
	// A folder is where the file would be.
	fs::create_dir(host.dir().join(format!("out-{}", hex::encode(root)))).unwrap();
	host.request(&job);
	match host.answer() {
		Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Disk => {}
		other => panic!("{other:?}"),
	}
}

#[test]
fn worker_should_have_neither_network_nor_the_hosts_environment() {
	let mut host = Host::start(&["--adapter", "cpu"]);
	host.greet();
	host.request(&endless_job());
	host.await_stage(Stage::Running);
	let proc = format!("/proc/{}", host.pid());
	let ours = fs::read_link("/proc/self/ns/net").unwrap();
	let theirs = fs::read_link(format!("{proc}/ns/net")).unwrap();
	let check = Command::new(env!("CARGO_BIN_EXE_assay-worker"))
		.args(["check-sandbox", "--json"])
		.output()
		.unwrap();
	let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
	assert_eq!(report["network_namespace"], ours != theirs, "{report}");
	assert!(fs::read_to_string(format!("{proc}/status")).unwrap().contains("NoNewPrivs:\t1"));
	let limits = fs::read_to_string(format!("{proc}/limits")).unwrap();
	let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
	assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
	host.kill();
	host.wait();
}

#[test]
fn run_should_go_on_from_the_states_that_it_is_given() {
	let job = power_job(40, 70, 5);
	let program = Program::decode_bounded(&job.program).unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let whole = definition(&program, &checked, &job.tensors, 5);
	let state = definition_kept(&program, &checked, &job.tensors, 3)
		.into_iter()
		.find(|(source, _)| *source == Source::State(0))
		.unwrap();
	let start = Some(vec![state.1.bytes.to_vec()]);
	let mut host = Host::start(&["--adapter", "cpu"]);
	host.greet();
	host.request(&Job { start: start.clone(), steps: 3, ..power_job(40, 70, 5) });
	let Reply::Done(done) = host.answer() else { panic!("no result") };
	assert_eq!(done.trace_roots, whole.trace_roots[2..]);

	// Whatever is wrong with a state says nothing about the job.
	let wrong: [fn(&mut Vec<Vec<u8>>); 3] =
		[|states| states.clear(), |states| states[0].truncate(1024), |states| states.push(vec![])];
	for change in wrong {
		let mut start = start.clone().unwrap();
		change(&mut start);
		let mut host = Host::start(&["--adapter", "cpu"]);
		host.greet();
		host.request(&Job { start: Some(start), steps: 3, ..power_job(40, 70, 5) });
		match host.answer() {
			Reply::LocalFault(fault) => assert_eq!(fault.kind, LocalFaultKind::Input, "{fault:?}"),
			other => panic!("{other:?}"),
		}
	}
	let mut host = Host::start(&["--adapter", "cpu"]);
	host.greet();
	let request = host.stage(&Job { start, steps: 3, ..power_job(40, 70, 5) });
	fs::write(host.dir().join("state-0"), vec![9; state.1.bytes.len()]).unwrap();
	host.send(&request);
	match host.answer() {
		Reply::LocalFault(fault) => assert_eq!(fault.kind, LocalFaultKind::Input, "{fault:?}"),
		other => panic!("{other:?}"),
	}
}

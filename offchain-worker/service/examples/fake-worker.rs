//! A worker that behaves as the name it is started by says; for the tests of the service.
//!
//! A name instead of an argument or the environment, because the service decides those.

use assay_commitments::{run_root, trace_root};
use assay_exec::{CpuExecutor, Executor, Options, Tensor, Work};
use assay_program::{Limits, Program};
use assay_worker_protocol::{
	blocking::{handshake, receive, send},
	Done, Hello, InputFile, JobFault, KeptFile, LocalFault, LocalFaultKind, OutputFile, Progress,
	Reply, Request, Run, Stage, PACKAGE_VERSION,
};
use nix::libc;
use seccompiler::{apply_filter, BpfProgram, SeccompAction, SeccompFilter};
use std::{
	fs,
	io::Write,
	os::unix::{
		net::UnixStream,
		process::{parent_id, CommandExt},
	},
	path::{Path, PathBuf},
	process::{exit, Command},
	thread::sleep,
	time::Duration,
};

fn main() {
	let mut arguments = std::env::args();
	let path = PathBuf::from(arguments.next().expect("a program has a name; qed"));
	let arguments: Vec<_> = arguments.collect();
	let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
	let notes = path.with_extension("notes");
	if name == "without-landlock" {
		weakened(&arguments, !notes.exists());
	}
	if arguments == ["--version"] {
		let version = if name == "other-version" { "9.9.9" } else { PACKAGE_VERSION };
		println!("assay-worker {version}");
		return;
	}
	if arguments == ["check-sandbox", "--json"] {
		match name.as_str() {
			"no-report" => println!("all is well"),
			"own-opinion" => println!("{{\"holds\": true, \"holes\": [\"it can do this\"]}}"),
			_ => println!("{{\"holds\": true, \"holes\": []}}"),
		}
		return;
	}
	if arguments.first().is_some_and(|argument| argument == "self-test") {
		fs::write(&notes, arguments.join(" ")).expect("the test's folder is writable");
		return;
	}
	let value = |flag: &str| {
		let at = arguments.iter().position(|argument| argument == flag);
		at.and_then(|at| arguments.get(at + 1)).unwrap_or_else(|| panic!("{flag} is missing"))
	};
	if name == "silent" {
		forever();
	}
	let mut stream = UnixStream::connect(value("--socket")).expect("the node listens");
	if name == "other-hello" {
		let hello = Hello { package: "9.9.9".into(), ..Hello::ours() };
		send(&mut stream, &hello).expect("the node reads");
		forever();
	}
	handshake(&mut stream).expect("the versions are equal");
	let Request::Run(run) = receive(&mut stream).expect("the node sends a job");
	let reply = match name.as_str() {
		"honest" => honest(&run),
		"computes" => Reply::Done(computed(&run, Path::new("."))),
		"misreads" => Reply::Done(computed(&misread(&run), Path::new("."))),
		"keeps-other-bytes" => {
			let done = computed(&run, Path::new("."));
			for kept in &done.kept {
				let mut bytes = fs::read(&kept.file.name).expect("it was written");
				bytes[0] ^= 1;
				fs::write(&kept.file.name, bytes).expect("the job's folder is writable");
			}
			Reply::Done(done)
		}
		"keeps-no-outputs" => {
			Reply::Done(Done { outputs: Vec::new(), ..computed(&run, Path::new(".")) })
		}
		"gives-other-outputs" => {
			let done = computed(&run, Path::new("."));
			for output in &done.outputs {
				let mut bytes = fs::read(&output.name).expect("it was written");
				bytes[0] ^= 1;
				fs::write(&output.name, bytes).expect("the job's folder is writable");
			}
			Reply::Done(done)
		}
		"keeps-nothing" => Reply::Done(Done { kept: Vec::new(), ..computed(&run, Path::new(".")) }),
		"keeps-what-is-not-there" => {
			let done = computed(&run, Path::new("."));
			for kept in &done.kept {
				fs::remove_file(&kept.file.name).expect("it was written");
			}
			Reply::Done(done)
		}
		"hang" => forever(),
		"flaky" if !notes.exists() => {
			fs::write(&notes, "once").expect("the test's folder is writable");
			eprintln!("a device was lost");
			exit(3);
		}
		"flaky" => honest(&run),
		"dies" => {
			eprintln!("a device was lost");
			exit(3);
		}
		"killed" => {
			let _ = Command::new("sh").args(["-c", "kill -9 $PPID"]).status();
			forever()
		}
		"long-frame" => {
			stream.write_all(&[0xff; 4096]).expect("the node reads");
			forever()
		}
		"no-message" => {
			send(&mut stream, &[0xffu8; 64]).expect("the node reads");
			forever()
		}
		"half-frame" => {
			stream.write_all(&[64, 0, 0, 0, 1]).expect("the node reads");
			exit(0)
		}
		"chatty" => loop {
			let progress = Progress { stage: Stage::Running, done: 1, total: 2 };
			if send(&mut stream, &Reply::Progress(progress)).is_err() {
				exit(1);
			}
		},
		"inconsistent" => match honest(&run) {
			Reply::Done(done) => Reply::Done(Done { run_root: [6; 32], ..done }),
			other => other,
		},
		"is-stopped" => Reply::LocalFault(LocalFault {
			kind: LocalFaultKind::Sandbox,
			text: "sandbox: the process was stopped when it called ptrace".into(),
		}),
		"out-of-memory" => Reply::LocalFault(LocalFault {
			kind: LocalFaultKind::Memory,
			text: "the device has too little memory".into(),
		}),
		"blames-the-job" => Reply::JobFault(JobFault::Check("it is bad".into())),
		"hoards" => {
			let hoard = vec![1u8; 256 << 20];
			std::hint::black_box(&hoard);
			forever()
		}
		"has-children" => {
			let mut child = Command::new("sleep").arg("300").spawn().expect("sleep exists");
			fs::write(&notes, child.id().to_string()).expect("the test's folder is writable");
			child.wait().expect("the child is waited for once");
			forever()
		}
		"notes-its-world" => {
			let environment: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
			let cwd = std::env::current_dir().expect("the folder exists");
			let parent = parent_id();
			fs::write(
				&notes,
				format!("{}\n{}\n{parent}\n{arguments:?}", environment.join(","), cwd.display()),
			)
			.expect("the test's folder is writable");
			honest(&run)
		}
		other => panic!("no behaviour is called {other:?}"),
	};
	send(&mut stream, &reply).expect("the node reads");
}

/// The same run on inputs of which every element is off by one: each of its results is wrong,
/// consistent with itself and the same every time, as those of a machine with a broken memory or a
/// bad intention.
fn misread(run: &Run) -> Run {
	let program = Program::decode_bounded(&run.program).expect("the node has checked it");
	let mut run = run.clone();
	for (index, (file, input)) in run.inputs.iter_mut().zip(&program.inputs).enumerate() {
		let mut bytes = fs::read(&file.path).expect("inputs are readable");
		for element in 0..input.ty.elements() {
			let (tile, within) = input.ty.position(element.into());
			bytes[tile as usize * 1024 + within] ^= 1;
		}
		file.path = format!("misread-{index}");
		fs::write(&file.path, bytes).expect("the job's folder is writable");
	}
	run
}

/// Becomes the shipped worker, on a kernel without Landlock if so wished.
fn weakened(arguments: &[String], weak: bool) -> ! {
	if weak {
		let rules = [(libc::SYS_landlock_create_ruleset, vec![])].into_iter().collect();
		let architecture = std::env::consts::ARCH.try_into().expect("seccomp knows it");
		let fail = SeccompAction::Errno(libc::ENOSYS as u32);
		let filter = SeccompFilter::new(rules, SeccompAction::Allow, fail, architecture);
		let filter: BpfProgram =
			filter.and_then(TryInto::try_into).expect("the filter has one rule");
		apply_filter(&filter).expect("this kernel has seccomp");
	}
	let examples = std::env::current_exe().expect("a program has a path");
	let built = examples.parent().and_then(Path::parent).expect("it is below the target folder");
	let worker = built.join("assay-worker");
	panic!("{}: {}", worker.display(), Command::new(&worker).args(arguments).exec());
}

/// What a worker answers that does its work.
fn computed(run: &Run, dir: &Path) -> Done {
	let program = Program::decode_bounded(&run.program).expect("the node has checked it");
	let checked = program.check(&Limits::default()).expect("the node has checked it");
	let read = |path: &String| fs::read(path).expect("inputs are readable");
	let inputs = run.inputs.iter().zip(&program.inputs);
	let inputs: Vec<_> =
		inputs.map(|(file, input)| Tensor::new(input.ty, read(&file.path))).collect();
	let ran = CpuExecutor::new()
		.run(
			&Work { program: &program, checked: &checked, inputs: &inputs, steps: run.steps },
			Options { keep: &run.keep, ..Options::default() },
			&mut (),
		)
		.expect("the node asks for what there is");
	let keep = |(source, tensor): &(_, Tensor)| {
		let root = tensor.root();
		let name = format!("out-{}", hex::encode(root));
		fs::write(dir.join(&name), &tensor.bytes).expect("the job's folder is writable");
		KeptFile {
			source: *source,
			file: OutputFile { root, name, len: tensor.bytes.len() as u64 },
		}
	};
	let output = |tensor: &Tensor| {
		let (root, len) = (tensor.root(), tensor.bytes.len() as u64);
		let name = format!("out-{}", hex::encode(root));
		fs::write(dir.join(&name), &tensor.bytes).expect("the job's folder is writable");
		OutputFile { root, name, len }
	};
	Done {
		run_root: ran.run_root,
		trace_roots: ran.trace_roots,
		last_anchors: ran.anchor_roots.last().cloned().unwrap_or_default(),
		last_lazy: ran.lazy_roots.clone(),
		outputs: ran.outputs.iter().map(output).collect(),
		kept: ran.kept.iter().map(keep).collect(),
		recorded: Default::default(),
		device: "none".into(),
		milliseconds: 1,
		audited_tiles: 0,
		audit_seed: 0,
	}
}

/// What a worker answers that does everything but compute: the trace is made of the inputs, and so
/// are the outputs and what it keeps.
fn honest(run: &Run) -> Reply {
	for input in &run.inputs {
		let bytes = fs::read(Path::new(&input.path)).expect("inputs are readable");
		assert_eq!(blake3::hash(&bytes).as_bytes(), &input.root);
	}
	let output = |input: &InputFile| {
		let name = format!("out-{}", hex::encode(input.root));
		let bytes = fs::read(Path::new(&input.path)).expect("inputs are readable");
		fs::write(&name, &bytes).expect("the job's folder is writable");
		OutputFile { root: input.root, name, len: bytes.len() as u64 }
	};
	let kept = run.keep.iter().zip(&run.inputs);
	let kept = kept.map(|(source, input)| KeptFile { source: *source, file: output(input) });
	let kept = kept.collect();
	let outputs = run.inputs.iter().map(output).collect();
	let roots: Vec<_> = run.inputs.iter().map(|input| input.root).collect();
	let trace_roots = vec![trace_root(&roots); run.steps as usize];
	Reply::Done(Done {
		run_root: run_root(&trace_roots),
		trace_roots,
		last_anchors: roots,
		last_lazy: Vec::new(),
		outputs,
		kept,
		recorded: Default::default(),
		device: "none".into(),
		milliseconds: 1,
		audited_tiles: 0,
		audit_seed: 0,
	})
}

fn forever() -> ! {
	loop {
		sleep(Duration::from_secs(60));
	}
}

//! Strangers' programs in the real worker: what keeps it in, and what it hands over for answers.

use assay_client::{
	chain::calls::JobId,
	executed::Executed,
	files::Files,
	kept::{plan, plan_steps, Kept},
	output::Ui,
	program::Loaded,
	runner::{Runner, Watch, Work, WorkerFlags},
};
use assay_commitments::{tensor_root, Place};
use assay_dispute::{local::LocalReplay, Answerer, Job};
use assay_exec::{CpuExecutor, Executor, Options, Tensor};
use assay_ops::{DType, TensorType};
use assay_program::{Program, ProgramBuilder};
use std::{
	fs,
	path::{Path, PathBuf},
	sync::Arc,
	time::{Duration, Instant},
};

const UI: Ui = Ui { json: true, terminal: false };

/// The worker beside the binary that is tested.
fn worker() -> PathBuf {
	let path = Path::new(env!("CARGO_BIN_EXE_assay")).with_file_name("assay-worker");
	assert!(
		path.exists(),
		"{} is missing: `cargo build --release -p assay-worker`",
		path.display()
	);
	path
}

async fn runner(dir: &Path) -> Runner {
	let flags = WorkerFlags { worker: Some(worker()), allow_unsandboxed_worker: false };
	Runner::open(&flags, "cpu", dir).await.unwrap()
}

fn ty(shape: &[u32]) -> TensorType {
	TensorType::new(DType::I8, shape).unwrap()
}

/// A square state that is multiplied by a matrix and requantized in every step.
fn power(edge: u32) -> Program {
	let mut builder = ProgramBuilder::new();
	let start = builder.input("start", ty(&[edge, edge]));
	let factor = builder.input("factor", ty(&[edge, edge]));
	let multiplier = builder.constant_values(TensorType::new(DType::I16, &[1]).unwrap(), &[17_000]);
	let shift = builder.constant_values(ty(&[1]), &[24]);
	let state = builder.state(start);
	let product = builder.matmul(state, factor);
	builder.eager(product);
	let next = builder.requant(product, multiplier, shift, None, DType::I8);
	builder.update(state, next);
	builder.output("power", next);
	builder.build().unwrap()
}

fn inputs(program: &Program) -> Vec<Tensor> {
	let fill = |(at, input): (i32, &assay_program::Input)| {
		let element = |i: i32| (i.wrapping_mul(2_654_435 + at) >> 7) % 128;
		let elements: Vec<i32> = (0..input.ty.elements() as i32).map(element).collect();
		Tensor::from_elements(input.ty, &elements).unwrap()
	};
	(0..).zip(&program.inputs).map(fill).collect()
}

struct Stage {
	dir: tempfile::TempDir,
	loaded: Loaded,
	inputs: Vec<Tensor>,
	files: Files,
}

fn stage(edge: u32) -> Stage {
	let dir = tempfile::tempdir().unwrap();
	let program = power(edge);
	let inputs = inputs(&program);
	let loaded = Loaded::new(program.encode(), "a power").unwrap();
	let files = Files::new(dir.path().join("inputs")).unwrap();
	for input in &inputs {
		fs::write(files.path(&input.root()), &input.bytes).unwrap();
	}
	Stage { dir, loaded, inputs, files }
}

impl Stage {
	fn work(&self, steps: u32) -> Work<'_> {
		let file = |input: &Tensor| self.files.input(input.root(), input.bytes.len() as u64);
		Work::whole(1, &self.loaded, self.inputs.iter().map(file).collect(), steps)
	}
}

/// `/proc/PID/status` of the worker whose job is in `dir`, once it is sealed.
fn sealed(dir: &Path) -> String {
	let start = Instant::now();
	loop {
		for process in fs::read_dir("/proc").unwrap().flatten() {
			let cwd = fs::read_link(process.path().join("cwd"));
			if !cwd.is_ok_and(|cwd| cwd.starts_with(dir) && cwd != dir) {
				continue;
			}
			let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
			if status.contains("Seccomp:\t2") {
				return status;
			}
		}
		assert!(start.elapsed() < Duration::from_secs(60), "no worker is sealed");
		std::thread::sleep(Duration::from_millis(5));
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_program_should_run_in_a_sandboxed_process_without_this_ones_environment() {
	let stage = stage(512);
	let work = stage.dir.path().join("work");
	let runner = runner(&work).await;
	let watch = Watch::default();
	let mut run = Box::pin(runner.run(stage.work(20_000), &watch, &UI, "endless"));
	let look = tokio::task::spawn_blocking(move || sealed(&work));
	let status = tokio::select! {
		ended = &mut run => panic!("it ended before it was looked at: {:?}", ended.err()),
		status = look => status.unwrap(),
	};
	assert!(status.contains("NoNewPrivs:\t1"), "{status}");
	assert!(status.contains("Seccomp:\t2"), "{status}");
	let pid = status.lines().find_map(|line| line.strip_prefix("Pid:\t")).unwrap().to_string();
	assert_ne!(pid, std::process::id().to_string());
	drop(run);
	// Nobody waits for it any more.
	let start = Instant::now();
	let path = format!("/proc/{pid}/status");
	while fs::read_to_string(&path).is_ok_and(|text| !text.contains("State:\tZ")) {
		assert!(start.elapsed() < Duration::from_secs(10), "{pid} lives");
		tokio::time::sleep(Duration::from_millis(10)).await;
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_should_open_the_run_and_be_a_start_for_a_part_of_it() {
	const STEPS: u32 = 40;
	let stage = stage(64);
	let runner = runner(&stage.dir.path().join("work")).await;
	let loaded = &stage.loaded;
	let plan = plan(loaded, STEPS, None, 1 << 30);
	assert!(plan.cut.is_some() && plan.record.anchors && !plan.record.trees.is_empty());
	let record = plan.record.clone();
	let work = Work { record, ..stage.work(STEPS) };
	let finished = runner.run(work, &Watch::default(), &UI, "power").await.unwrap();
	let own = CpuExecutor::new()
		.run(
			&assay_exec::Work {
				program: &loaded.program,
				checked: &loaded.checked,
				inputs: &stage.inputs,
				steps: STEPS,
			},
			Options::default(),
			&mut (),
		)
		.unwrap();
	assert_eq!(finished.done().run_root, own.run_root);
	assert_eq!(finished.done().outputs[0].root, own.output_roots[0]);
	let blobs = stage.dir.path().join("blobs");
	fs::create_dir(&blobs).unwrap();
	finished
		.take(&own.output_roots[0], own.outputs[0].bytes.len() as u64, &blobs.join("out"))
		.unwrap();
	assert_eq!(fs::read(blobs.join("out")).unwrap(), own.outputs[0].bytes[..]);

	let kept = Kept::new(&stage.dir.path().join("traces"), JobId { number: 1, order: [1; 32] });
	let stored = kept.store(loaded, &finished, &plan, None).unwrap();
	let traces = own.trace_roots.clone();
	let job = Arc::new(Job {
		program: loaded.program.clone(),
		checked: loaded.checked.clone(),
		input_roots: stage.inputs.iter().map(|input| tensor_root(&input.bytes)).collect(),
		steps: STEPS,
		run_root: own.run_root,
		trace_root: *traces.last().unwrap(),
	});
	// Every step's trace and the last step's tensors need no replay.
	let replay = LocalReplay::new(job.clone(), stage.inputs.clone(), CpuExecutor::new());
	let mut answerer = Answerer::new(job.clone(), replay).unwrap();
	let last = STEPS - 1;
	let mut places: Vec<_> =
		(0..STEPS).map(|step| Place::Trace { step, level: 0, index: 0 }).collect();
	places.push(Place::first(&*job).unwrap());
	places.push(Place::Tensor { step: last, anchor: 0, level: 0, index: 0 });
	for place in places.into_iter().filter(|place| place.group_len(&*job).is_some()) {
		let answer = answerer.answer(place).await.unwrap();
		assert_eq!(kept.open(&place, &job, &traces), Some(answer), "{place:?}");
	}
	// Another step's tensors take a part of a replay.
	let middle = Place::Tensor { step: 30, anchor: 0, level: 0, index: 0 };
	assert_eq!(kept.open(&middle, &job, &traces), None);
	let executed = Executed {
		traces: traces.clone(),
		last_anchors: own.anchor_roots.last().unwrap().clone(),
		positions: vec![0],
		segments: None,
	};
	let length = plan.cut.unwrap().length();
	let start = kept.start(loaded, &executed, 31, &blobs).unwrap();
	assert_eq!(start.steps, 30 / length * length);
	assert!(start.states.iter().all(|state| stored.contains(&state.root)));
	let record = plan_steps(&job, &[middle], 1 << 30).remove(&30).unwrap();
	let trees = record.trees.clone();
	let work = stage.work(31 - start.steps);
	let part = Work { start: Some(start.states), record, ..work };
	let finished = runner.run(part, &Watch::default(), &UI, "a part").await.unwrap();
	assert_eq!(finished.done().trace_roots[..], traces[start.steps as usize..31]);
	kept.store_step(30, &finished, &trees).unwrap();
	let answer = answerer.answer(middle).await.unwrap();
	assert_eq!(kept.open(&middle, &job, &traces), Some(answer));
	// Before the first checkpoint there is nothing to start from.
	assert_eq!(kept.start(loaded, &executed, length, &blobs), None);
}

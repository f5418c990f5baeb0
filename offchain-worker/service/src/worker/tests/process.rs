//! The service with worker processes that behave well or badly.

use crate::{
	fault::Fault,
	metrics::Metrics,
	runner::{Ran, Replay, Runner},
	testing::court::{entry, Court, Lie, JOB},
	testing::world::{abstained, compute, eventually, order_of, World, GENESIS},
	verify::salt::derive_salt,
	worker::process::ProcessRunner,
};
use assay_commitments::{run_root, trace_root};
use assay_market::{AbstainReason, MailboxEntry, Purpose::Verify};
use assay_program::Source;
use assay_worker_host::{check_version, find_worker, is_inherited, Fault as WorkerFault};
use std::{
	fs,
	path::Path,
	sync::Arc,
	time::{Duration, Instant},
};

/// A world with one job to verify.
fn world() -> World {
	let mut world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	world.config.limits.memory_floor = 8 << 20;
	world
}

/// The same with a wall clock limit that tests can wait for.
fn hasty_world() -> World {
	let mut world = world();
	world.config.limits.wall_floor = Duration::from_secs(2);
	world
}

fn honest_root(world: &World) -> [u8; 32] {
	run_root(&[trace_root(&[world.input])])
}

/// One attempt with a worker of this behaviour, without the service.
async fn attempt(world: &World, behaviour: &str) -> Result<[u8; 32], Fault> {
	let mut config = world.config.clone();
	config.worker = world.worker(behaviour);
	let runner = Arc::new(ProcessRunner::new(config, world.blobs.clone(), Metrics::default()));
	let replay = Replay {
		start: None,
		job: 1,
		program: world.program.clone().into(),
		inputs: vec![(world.input, 1024)],
		steps: 1,
		work_units: 1,
		peak_memory: 1024,
		keep: Vec::new(),
		anchors: 0,
		outputs: Vec::new(),
	};
	let result = runner.replay(replay).await.map(|ran| ran.run_root);
	assert_eq!(world.job_folders(), Vec::<String>::new(), "{behaviour} leaves a folder");
	result
}

/// One attempt at two steps of a job with state, with a worker of this behaviour.
async fn attempt_keeping(
	world: &World,
	lie: &Lie,
	behaviour: &str,
	keep: Vec<(Source, u64)>,
) -> Result<Ran, Fault> {
	let mut config = world.config.clone();
	config.worker = world.worker(behaviour);
	let runner = Arc::new(ProcessRunner::new(config, world.blobs.clone(), Metrics::default()));
	let input = |bytes: &Vec<u8>| (world.blobs.insert(bytes).unwrap(), bytes.len() as u64);
	let replay = Replay {
		start: None,
		job: JOB,
		program: lie.program.encode().into(),
		inputs: lie.inputs.iter().map(input).collect(),
		steps: 2,
		work_units: 1,
		peak_memory: 1 << 20,
		keep,
		anchors: 0,
		outputs: Vec::new(),
	};
	let result = runner.replay(replay).await;
	assert_eq!(world.job_folders(), Vec::<String>::new(), "{behaviour} leaves a folder");
	result
}

#[tokio::test]
async fn tensors_should_be_handed_over_when_a_dispute_needs_them() {
	let (world, lie) = (World::new(), Lie::deep());
	let len = lie.inputs[0].len() as u64;
	let keep = vec![(Source::Node(0), len), (Source::State(0), len)];
	let ran = attempt_keeping(&world, &lie, "computes", keep.clone()).await.unwrap();
	let sources: Vec<_> = keep.iter().map(|(source, _)| *source).collect();
	let expected = compute(&lie.program, lie.inputs.clone(), 2, &sources).unwrap();
	assert_eq!(ran, expected);
	assert_eq!(ran.kept.len(), 2);
	let ran = attempt_keeping(&world, &lie, "computes", Vec::new()).await.unwrap();
	assert_eq!((ran.run_root, ran.kept.len()), (expected.run_root, 0));

	for behaviour in ["keeps-other-bytes", "keeps-nothing"] {
		let fault = attempt_keeping(&world, &lie, behaviour, keep.clone()).await;
		assert!(matches!(fault, Err(Fault::Garbage(_))), "{behaviour}: {fault:?}");
	}
	let fault = attempt_keeping(&world, &lie, "keeps-what-is-not-there", keep.clone()).await;
	assert!(matches!(fault, Err(Fault::Folder(_))), "{fault:?}");
	let other_length = vec![(Source::Node(0), len + 1024)];
	let fault = attempt_keeping(&world, &lie, "computes", other_length).await;
	assert!(matches!(fault, Err(Fault::Garbage(_))), "{fault:?}");
}

/// One attempt at all steps of a job with state, whose outputs go into the store.
async fn attempt_with_outputs(world: &World, lie: &Lie, behaviour: &str) -> Result<Ran, Fault> {
	let mut config = world.config.clone();
	config.worker = world.worker(behaviour);
	let runner = Arc::new(ProcessRunner::new(config, world.blobs.clone(), Metrics::default()));
	let input = |bytes: &Vec<u8>| (world.blobs.insert(bytes).unwrap(), bytes.len() as u64);
	let replay = Replay {
		start: None,
		job: JOB,
		program: lie.program.encode().into(),
		inputs: lie.inputs.iter().map(input).collect(),
		steps: lie.steps,
		work_units: 1,
		peak_memory: 1 << 20,
		keep: Vec::new(),
		anchors: 0,
		outputs: vec![(0, lie.inputs[0].len() as u64)],
	};
	let result = runner.replay(replay).await;
	assert_eq!(world.job_folders(), Vec::<String>::new(), "{behaviour} leaves a folder");
	result
}

#[tokio::test]
async fn outputs_should_be_kept_by_the_node_when_a_worker_hands_them_over() {
	let (world, lie) = (World::new(), Lie::deep());
	for behaviour in ["keeps-no-outputs", "gives-other-outputs"] {
		let before = world.blobs.usage().blobs;
		let fault = attempt_with_outputs(&world, &lie, behaviour).await;
		assert!(matches!(fault, Err(Fault::Garbage(_))), "{behaviour}: {fault:?}");
		let new = world.blobs.usage().blobs - before;
		assert!(new <= lie.inputs.len(), "{behaviour}: {new} blobs, the inputs included");
	}
	let ran = attempt_with_outputs(&world, &lie, "computes").await.unwrap();
	assert!(ran.outputs_held);
	let output = ran.last_anchors[0];
	assert_eq!(world.blobs.read(&output).unwrap().len(), lie.inputs[0].len());
	assert!(world.blobs.remove(&output).is_err(), "it is kept for its job");
	world.blobs.release(JOB);
	world.blobs.remove(&output).unwrap();
}

#[tokio::test]
async fn fraud_should_be_proved_when_worker_processes_replay_for_the_dispute() {
	for lie in [Lie::deep(), Lie::long()] {
		let mut world = World::new();
		let mut court = Court::new(&world, lie);
		world.chain.draw(vec![court.lottery(&world)]);
		let node = world.start_worker("computes").await;
		world.found(JOB, Verify).await;
		court.until(&world, "the proof", |court| court.proved.is_some()).await;
		assert_eq!(court.proved, Some((world.alice.clone(), true)));
		assert_eq!(node.count("assay_verifier_dispute_faults_total", ""), 0);
		assert_eq!(world.job_folders(), Vec::<String>::new());
	}
}

#[tokio::test]
async fn dispute_should_wait_for_a_worker_that_does_not_die() {
	let mut world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let node = world.start_worker("dies").await;
	let faults = || node.count("assay_verifier_dispute_faults_total", "crashed");
	court.until(&world, "two faults", |_| faults() > 1).await;
	assert_eq!((court.moves.len(), entry(&world, &world.alice)), (0, None));
	node.stop().await;
	let _node = world.start_worker("computes").await;
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
}

/// Names a worker process that still runs; zombies do not.
fn is_running(pid: &str) -> bool {
	let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
	stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[tokio::test]
async fn verdict_should_be_held_when_the_worker_is_honest() {
	let mut world = world();
	let node = world.start_worker("honest").await;
	let salt = derive_salt(&*world.keystore, &GENESIS, &order_of(1), &world.alice).unwrap();
	let expected =
		MailboxEntry::Replayed { run_root: honest_root(&world), salt, ticket: None, chunks: None };
	assert_eq!(world.found(1, Verify).await, expected);
	eventually("the end", || node.metric("assay_verifier_running", "") == 0).await;
	assert_eq!(world.job_folders(), Vec::<String>::new());
	assert_eq!(node.metric("assay_verifier_replays_total", "replayed"), 1);
	assert_eq!(node.metric("assay_verifier_replay_seconds", ""), 1);
	assert_eq!(node.metric("assay_verifier_workers_started_total", ""), 1);
	assert_eq!(node.metric("assay_verifier_worker_usable", ""), 1);
	assert_eq!(node.metric("assay_verifier_lotteries_won_total", "0"), 1);
	assert_eq!(node.metric("assay_verifier_assignments", ""), 0);
	eventually("the count", || node.metric("assay_verifier_mailbox_entries", "") == 1).await;
}

#[tokio::test]
async fn fault_should_be_named_when_the_worker_misbehaves() {
	let world = world();
	let fault = |behaviour| {
		let world = &world;
		async move { attempt(world, behaviour).await.expect_err(behaviour) }
	};
	match fault("dies").await {
		Fault::Crashed(text) => assert!(text.contains('3') && text.contains("device was lost")),
		other => panic!("{other:?}"),
	}
	assert!(matches!(fault("killed").await, Fault::Crashed(text) if text.contains('9')));
	assert!(matches!(fault("half-frame").await, Fault::Crashed(_)));
	assert!(matches!(fault("long-frame").await, Fault::Garbage(_)));
	assert!(matches!(fault("no-message").await, Fault::Garbage(_)));
	assert!(matches!(fault("inconsistent").await, Fault::Garbage(_)));
	assert!(matches!(fault("blames-the-job").await, Fault::Garbage(_)));
	assert!(matches!(fault("other-hello").await, Fault::WorkerVersion { .. }));
	assert!(matches!(fault("other-version").await, Fault::WorkerVersion { .. }));
	assert_eq!(fault("out-of-memory").await.reason(), AbstainReason::OutOfMemory);
	let stopped = Fault::Sandbox("the process was stopped when it called ptrace".into());
	assert_eq!(fault("is-stopped").await, stopped);
	assert_eq!((stopped.reason(), stopped.kind()), (AbstainReason::WorkerFault, "sandbox"));
	assert!(matches!(fault("no-report").await, Fault::Sandbox(text) if text.contains("tried")));
	assert!(matches!(fault("own-opinion").await, Fault::Sandbox(text) if text.contains("do this")));
	assert_eq!(attempt(&world, "honest").await, Ok(honest_root(&world)));
}

#[tokio::test]
async fn fault_should_be_named_when_the_worker_does_not_connect() {
	let mut world = world();
	world.config.limits.handshake = Duration::from_secs(1);
	assert!(matches!(attempt(&world, "silent").await, Err(Fault::Handshake(_))));
}

#[tokio::test]
async fn worker_should_be_killed_when_it_passes_its_wall_limit() {
	let world = hasty_world();
	for behaviour in ["hang", "chatty"] {
		let started = Instant::now();
		let limit = Duration::from_secs(2);
		assert_eq!(attempt(&world, behaviour).await, Err(Fault::WallLimit(limit)));
		assert!(started.elapsed() >= limit && started.elapsed() < 20 * limit);
	}
}

#[tokio::test]
async fn worker_should_be_killed_when_it_hoards_memory() {
	let world = world();
	assert!(matches!(attempt(&world, "hoards").await, Err(Fault::MemoryLimit(_))));
}

#[tokio::test]
async fn children_of_the_worker_should_be_killed_when_the_job_ends() {
	let world = hasty_world();
	assert!(matches!(attempt(&world, "has-children").await, Err(Fault::WallLimit(_))));
	let child = fs::read_to_string(world.dir.path().join("has-children.notes")).unwrap();
	eventually("the child's end", || !is_running(&child)).await;
}

#[tokio::test]
async fn worker_should_see_nothing_of_the_node_when_it_is_started() {
	let world = world();
	// Cargo sets many of these for tests; none may pass.
	assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
	attempt(&world, "notes-its-world").await.unwrap();
	let notes = fs::read_to_string(world.dir.path().join("notes-its-world.notes")).unwrap();
	let mut lines = notes.lines();
	for name in lines.next().unwrap().split(',') {
		let allowed =
			["ASSAY_CACHE_DIR", "HOME", "TMPDIR"].contains(&name) || is_inherited(name.as_ref());
		assert!(allowed, "{name} reached the worker");
	}
	assert!(Path::new(lines.next().unwrap()).starts_with(&world.config.dir));
	assert_eq!(lines.next().unwrap(), std::process::id().to_string());
	let arguments = lines.next().unwrap();
	assert!(arguments.contains("--memory-limit-mib") && arguments.contains("--cpu-limit-secs"));
}

#[tokio::test]
async fn worker_should_be_reached_when_the_base_path_is_longer_than_a_socket_path() {
	let mut world = world();
	world.config.dir = world.dir.path().join("d".repeat(120)).join("verifier");
	assert_eq!(attempt(&world, "honest").await, Ok(honest_root(&world)));
}

#[tokio::test]
async fn replay_should_succeed_when_only_the_first_worker_dies() {
	let mut world = world();
	let node = world.start_worker("flaky").await;
	let entry = world.found(1, Verify).await;
	let root = honest_root(&world);
	assert!(matches!(entry, MailboxEntry::Replayed { run_root, .. } if run_root == root));
	assert_eq!(node.metric("assay_verifier_retries_total", ""), 1);
	assert_eq!(node.metric("assay_verifier_local_faults_total", "crashed"), 1);
	assert_eq!(node.metric("assay_verifier_workers_started_total", ""), 2);
}

#[tokio::test]
async fn verifier_should_abstain_when_every_worker_misbehaves() {
	for (behaviour, reason, workers) in [
		("killed", AbstainReason::WorkerFault, 2),
		("long-frame", AbstainReason::WorkerFault, 2),
		("hang", AbstainReason::TooSlow, 2),
		("out-of-memory", AbstainReason::OutOfMemory, 2),
		("other-version", AbstainReason::WorkerFault, 0),
	] {
		let mut world = if behaviour == "hang" { hasty_world() } else { world() };
		let node = world.start_worker(behaviour).await;
		assert_eq!(world.found(1, Verify).await, abstained(reason), "{behaviour}");
		assert_eq!(node.metric("assay_verifier_workers_started_total", ""), workers);
		node.stop().await;
		eventually("no folder", || world.job_folders().is_empty()).await;
	}
}

#[tokio::test]
async fn verifier_should_abstain_when_the_worker_is_missing_and_recover_when_it_is_installed() {
	let mut world = world();
	let node = world.start_worker("honest").await;
	world.found(1, Verify).await;
	node.stop().await;
	fs::remove_file(&world.config.worker).unwrap();

	world.chain.draw(vec![world.lottery(2)]);
	let runner =
		Arc::new(ProcessRunner::new(world.config.clone(), world.blobs.clone(), Metrics::default()));
	runner.prepare().await;
	let node = world.start(runner);
	let silent = abstained(AbstainReason::WorkerFault);
	assert_eq!(world.found(2, Verify).await, silent);
	assert_eq!(node.metric("assay_verifier_local_faults_total", "worker_missing"), 2);

	world.worker("honest");
	world.chain.draw(vec![world.lottery(3)]);
	assert!(matches!(world.found(3, Verify).await, MailboxEntry::Replayed { .. }));
}

#[tokio::test]
async fn worker_should_be_killed_and_its_folder_removed_when_the_job_is_cancelled() {
	let mut world = world();
	world.config.limits.wall_floor = Duration::from_secs(600);
	let node = world.start_worker("has-children").await;
	let notes = world.dir.path().join("has-children.notes");
	eventually("the worker", || fs::read_to_string(&notes).is_ok_and(|pid| !pid.is_empty())).await;
	assert_eq!(world.job_folders().len(), 1);
	world.chain.finish(1);
	let child = fs::read_to_string(&notes).unwrap();
	eventually("the end", || !is_running(&child) && world.job_folders().is_empty()).await;
	eventually("the count", || node.metric("assay_verifier_replays_total", "cancelled") == 1).await;
	assert_eq!(world.entry(1, Verify), None);
}

#[tokio::test]
async fn worker_should_be_killed_when_the_node_stops() {
	let mut world = world();
	world.config.limits.wall_floor = Duration::from_secs(600);
	let node = world.start_worker("has-children").await;
	let notes = world.dir.path().join("has-children.notes");
	eventually("the worker", || fs::read_to_string(&notes).is_ok_and(|pid| !pid.is_empty())).await;
	node.stop().await;
	let child = fs::read_to_string(&notes).unwrap();
	eventually("the end", || !is_running(&child) && world.job_folders().is_empty()).await;
}

#[tokio::test]
async fn two_workers_should_run_at_once_when_two_jobs_are_assigned() {
	let mut world = world();
	world.config.limits.wall_floor = Duration::from_secs(600);
	world.chain.draw(vec![world.lottery(1), world.lottery(2)]);
	let node = world.start_worker("hang").await;
	eventually("two folders", || world.job_folders().len() == 2).await;
	eventually("both", || node.metric("assay_verifier_running", "") == 2).await;
	node.stop().await;
	let node = world.start_worker("honest").await;
	world.found(1, Verify).await;
	world.found(2, Verify).await;
	node.stop().await;
}

/// A world whose worker is the shipped one, on a kernel without Landlock until
/// `without-landlock.notes` lies beside it.
fn weak_world() -> World {
	let mut world = World::new();
	let built = world.worker("without-landlock").canonicalize().unwrap();
	let real = built.parent().unwrap().with_file_name("assay-worker");
	assert!(real.exists(), "`cargo build --release --bins` makes {}", real.display());
	world.chain.draw(vec![world.lottery(1)]);
	world.config.adapter = Some("cpu".into());
	world.config.sandbox_check = Duration::from_millis(100);
	world
}

/// The verdict of an honest replay of the sample program.
fn computed_verdict(world: &World, job: u64) -> MailboxEntry {
	let program = assay_program::Program::decode_bounded(&world.program).unwrap();
	let inputs = vec![world.blobs.read(&world.input).unwrap()];
	let run_root = compute(&program, inputs, 1, &[]).unwrap().run_root;
	let salt = derive_salt(&*world.keystore, &GENESIS, &order_of(job), &world.alice).unwrap();
	MailboxEntry::Replayed { run_root, salt, ticket: None, chunks: None }
}

#[tokio::test]
async fn nothing_should_be_verified_without_a_sandbox_until_it_is_repaired() {
	let mut world = weak_world();
	let node = world.start_worker("without-landlock").await;
	let count = |name| node.metric(name, "");
	assert_eq!(count("assay_verifier_sandbox_holds"), 0);
	assert_eq!(count("assay_verifier_refusing"), 1);
	let silent = abstained(AbstainReason::WorkerFault);
	assert_eq!(world.found(1, Verify).await, silent);
	assert_eq!(node.metric("assay_verifier_local_faults_total", "sandbox"), 2);
	assert_eq!(count("assay_verifier_workers_started_total"), 0);

	fs::write(world.dir.path().join("without-landlock.notes"), "repaired").unwrap();
	eventually("the next look", || count("assay_verifier_refusing") == 0).await;
	assert_eq!(count("assay_verifier_sandbox_holds"), 1);
	world.chain.draw(vec![world.lottery(2)]);
	assert_eq!(world.found(2, Verify).await, computed_verdict(&world, 2));
	node.stop().await;
}

#[tokio::test]
async fn jobs_should_be_verified_without_a_sandbox_when_the_operator_accepts_that() {
	let mut world = weak_world();
	world.config.allow_unsandboxed = true;
	let node = world.start_worker("without-landlock").await;
	assert_eq!(world.found(1, Verify).await, computed_verdict(&world, 1));
	assert_eq!(node.metric("assay_verifier_sandbox_holds", ""), 0);
	assert_eq!(node.metric("assay_verifier_refusing", ""), 0);
	node.stop().await;
}

/// What [`crate::inputs::examined`] decides by: the cost of keeping 16 MiB in the verdict's replay,
/// beside that of another replay. Not a test, for it depends on the machine.
#[tokio::test]
#[ignore = "measures"]
async fn keeping_tensors_and_replaying_again_should_be_compared() {
	use assay_program::{
		ops::{DType, TensorType},
		ProgramBuilder,
	};
	let mut world = weak_world();
	fs::write(world.dir.path().join("without-landlock.notes"), "whole").unwrap();
	world.config.limits.memory_floor = 1 << 30;
	let ty = TensorType::new(DType::I8, &[1024, 1024]).unwrap();
	for anchors in [1u64, 4, 16] {
		let mut builder = ProgramBuilder::new();
		let x = builder.input("x", ty);
		let mut sum = x;
		for at in 0..anchors {
			sum = builder.add(sum, x, DType::I8);
			// Which makes it an anchor.
			builder.output(&format!("s{at}"), sum);
		}
		let program = builder.build().unwrap();
		let input = world.blobs.insert(&vec![1; ty.canonical_len() as usize]).unwrap();
		let mut config = world.config.clone();
		config.worker = world.worker("without-landlock");
		let runner = Arc::new(ProcessRunner::new(config, world.blobs.clone(), Metrics::default()));
		runner.prepare().await;
		for keeps in [false, true, false, true] {
			let node = |at| (Source::Node(at as u32), ty.canonical_len());
			let keep = if keeps { (0..anchors).map(node).collect() } else { Vec::new() };
			let replay = Replay {
				start: None,
				job: 1,
				program: program.encode().into(),
				inputs: vec![(input, ty.canonical_len())],
				steps: 1,
				work_units: 1,
				peak_memory: 1 << 26,
				keep,
				anchors: 0,
				outputs: Vec::new(),
			};
			let started = Instant::now();
			let ran = runner.clone().replay(replay).await.unwrap();
			let kept = ran.kept.values().map(Vec::len).sum::<usize>() >> 20;
			println!("{anchors} anchors, {kept} MiB kept: {:.0?}", started.elapsed());
		}
	}
}

#[tokio::test]
async fn worker_should_test_the_chosen_device_when_asked_to() {
	let mut world = world();
	world.config.worker = world.worker("honest");
	world.config.adapter = Some("llvmpipe".into());
	let (config, blobs) = (world.config.clone(), world.blobs.clone());
	ProcessRunner::new(config, blobs, Metrics::default()).self_test().await;
	let notes = fs::read_to_string(world.dir.path().join("honest.notes")).unwrap();
	assert_eq!(notes, "self-test --adapter llvmpipe");
}

#[tokio::test]
async fn version_check_should_name_the_fault_when_the_worker_cannot_be_used() {
	let world = world();
	assert_eq!(check_version(&world.worker("honest")).await, Ok(()));
	let missing = check_version(&world.dir.path().join("nothing")).await;
	assert!(matches!(missing, Err(WorkerFault::WorkerMissing(_))));
	let other = check_version(&world.worker("other-version")).await;
	assert!(
		matches!(other, Err(WorkerFault::WorkerVersion { found, .. }) if found.contains("9.9.9"))
	);
	fs::write(world.dir.path().join("text"), "no program").unwrap();
	let text = check_version(&world.dir.path().join("text")).await;
	assert!(matches!(text, Err(WorkerFault::WorkerMissing(_))));
}

#[test]
fn worker_should_be_looked_for_beside_the_node_when_no_path_is_given() {
	let node = std::env::current_exe().unwrap();
	assert_eq!(find_worker(None), node.with_file_name("assay-worker"));
	assert_eq!(find_worker(Some("/opt/worker".into())), Path::new("/opt/worker"));
}

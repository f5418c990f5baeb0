//! The host against workers that do not do their work. The real one is met by the client's tests.

use assay_worker_host::{Fault, Host, JobLimits, Settings, Task};
use assay_worker_protocol::{blocking, Done, Recorded, Reply, Request, PACKAGE_VERSION};
use std::{
	fs,
	os::unix::{fs::PermissionsExt, net::UnixStream},
	path::{Path, PathBuf},
	sync::Arc,
	thread,
	time::{Duration, Instant},
};

const LIMITS: JobLimits = JobLimits { wall: Duration::from_secs(30), cpu: 60, memory: 1 << 30 };

/// A worker that answers what it is asked before a job as the real one does, and has `life` for the
/// job.
fn worker(dir: &Path, holds: bool, life: &str) -> PathBuf {
	let path = dir.join("worker");
	let script = format!(
		"#!/bin/sh\ncase \"$1\" in\n--version) echo assay-worker {PACKAGE_VERSION};;\n\
		 check-sandbox) echo '{{\"holds\":{holds},\"holes\":[\"it can open a door\"]}}' | \
		 /bin/sed {};;\n*) {life};;\nesac\n",
		if holds { "'s/\\[.*\\]/[]/'" } else { "''" },
	);
	fs::write(&path, script).unwrap();
	fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
	path
}

fn host(dir: &Path, holds: bool, life: &str) -> Host {
	let mut settings = Settings::new(worker(dir, holds, life), dir.join("jobs"));
	settings.handshake = Duration::from_millis(700);
	Host::new(settings)
}

fn task() -> Task {
	Task::new(7, Arc::from(&b"program"[..]), 1)
}

async fn fault(host: &Host) -> Fault {
	host.prepare().await.unwrap();
	host.run(&task(), LIMITS, &|_| {}).await.unwrap_err()
}

/// The folder of the job that is under way.
fn job_folder(dir: &Path) -> PathBuf {
	let start = Instant::now();
	loop {
		let entries = fs::read_dir(dir.join("jobs")).into_iter().flatten().flatten();
		let mut folders = entries.filter(|entry| entry.path().join("node.sock").exists());
		if let Some(folder) = folders.next() {
			return folder.path();
		}
		assert!(start.elapsed() < Duration::from_secs(20), "no job is started");
		thread::sleep(Duration::from_millis(5));
	}
}

/// Answers the host in the worker's place.
fn speak(dir: &Path, reply: impl FnOnce(&mut UnixStream, Request) + Send + 'static) {
	let dir = dir.to_owned();
	thread::spawn(move || {
		let folder = job_folder(&dir);
		// The socket is there a moment before anybody listens at it.
		let mut stream = (0..200)
			.find_map(|_| {
				let stream = UnixStream::connect(folder.join("node.sock")).ok();
				stream.or_else(|| {
					thread::sleep(Duration::from_millis(1));
					None
				})
			})
			.expect("the host listens");
		blocking::handshake(&mut stream).unwrap();
		let request = blocking::receive(&mut stream).unwrap();
		reply(&mut stream, request);
		thread::sleep(Duration::from_secs(2));
	});
}

#[tokio::test]
async fn nothing_should_be_run_when_the_sandbox_has_holes_unless_that_is_accepted() {
	let dir = tempfile::tempdir().unwrap();
	let host = host(dir.path(), false, "echo ran > ../ran");
	assert_eq!(host.prepare().await, Err(Fault::Sandbox("it can open a door".into())));
	let refused = host.run(&task(), LIMITS, &|_| {}).await.unwrap_err();
	assert!(refused.is_of_the_setup(), "{refused}");
	assert!(!dir.path().join("jobs/ran").exists());
	let mut settings = host.settings().clone();
	settings.allow_unsandboxed = true;
	let willing = Host::new(settings);
	willing.prepare().await.unwrap();
	assert!(willing.run(&task(), LIMITS, &|_| {}).await.is_err());
	assert!(dir.path().join("jobs/ran").exists());
}

#[tokio::test]
async fn crash_should_be_told_with_its_last_words() {
	let dir = tempfile::tempdir().unwrap();
	let host = host(dir.path(), true, "echo first >&2; echo the driver is gone >&2; exit 3");
	match fault(&host).await {
		Fault::Crashed(text) => assert!(text.contains("the driver is gone"), "{text}"),
		other => panic!("{other}"),
	}
	assert_eq!(fs::read_dir(dir.path().join("jobs")).unwrap().count(), 0, "its folder is gone");
}

#[tokio::test]
async fn worker_that_hangs_should_be_killed_with_all_that_it_has_started() {
	let dir = tempfile::tempdir().unwrap();
	let life = "/bin/sleep 600 & echo $! > ../child; echo $$ > ../own; wait";
	let host = host(dir.path(), true, life);
	assert!(matches!(fault(&host).await, Fault::Handshake(_)));
	for name in ["own", "child"] {
		let pid = fs::read_to_string(dir.path().join("jobs").join(name)).unwrap();
		let status = format!("/proc/{}/status", pid.trim());
		let start = Instant::now();
		// A process whose parent has not looked yet is a zombie.
		while fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ")) {
			assert!(start.elapsed() < Duration::from_secs(10), "{name} lives");
			thread::sleep(Duration::from_millis(10));
		}
	}
}

#[tokio::test]
async fn time_limit_should_end_a_worker_that_says_nothing_after_the_greeting() {
	let dir = tempfile::tempdir().unwrap();
	let host = host(dir.path(), true, "/bin/sleep 600");
	host.prepare().await.unwrap();
	speak(dir.path(), |_, _| thread::sleep(Duration::from_secs(60)));
	let limits = JobLimits { wall: Duration::ZERO, ..LIMITS };
	let start = Instant::now();
	let ended = host.run(&task(), limits, &|_| {}).await.unwrap_err();
	assert!(matches!(ended, Fault::WallLimit(_)), "{ended}");
	assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn garbage_should_be_told_from_a_result() {
	let done = Done {
		run_root: [1; 32],
		trace_roots: vec![[2; 32]],
		last_anchors: vec![[3; 32]],
		last_lazy: vec![],
		outputs: vec![],
		kept: vec![],
		recorded: Recorded::default(),
		device: "a liar".into(),
		milliseconds: 1,
		audited_tiles: 0,
		audit_seed: 0,
	};
	for reply in [None, Some(Reply::Done(done))] {
		let dir = tempfile::tempdir().unwrap();
		let host = host(dir.path(), true, "/bin/sleep 600");
		host.prepare().await.unwrap();
		speak(dir.path(), move |stream, request| {
			let Request::Run(run) = request;
			assert_eq!((run.job, run.program.as_slice()), (7, &b"program"[..]));
			match reply {
				Some(reply) => blocking::send(stream, &reply).unwrap(),
				None => std::io::Write::write_all(stream, &[3, 0, 0, 0, 9, 9, 9]).unwrap(),
			}
		});
		let ended = host.run(&task(), LIMITS, &|_| {}).await.unwrap_err();
		assert!(matches!(ended, Fault::Garbage(_)), "{ended}");
	}
}

#[tokio::test]
async fn process_should_end_when_nobody_waits_for_it() {
	let dir = tempfile::tempdir().unwrap();
	let host = host(dir.path(), true, "echo $$ > ../own; /bin/sleep 600");
	host.prepare().await.unwrap();
	let task = task();
	let mut run = Box::pin(host.run(&task, LIMITS, &|_| {}));
	let own = dir.path().join("jobs/own");
	while fs::read_to_string(&own).map_or(true, |text| text.trim().is_empty()) {
		let waited = tokio::time::timeout(Duration::from_millis(20), &mut run).await;
		assert!(waited.is_err(), "it ended by itself");
	}
	let pid = fs::read_to_string(&own).unwrap();
	drop(run);
	let start = Instant::now();
	let status = format!("/proc/{}/status", pid.trim());
	while fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ")) {
		assert!(start.elapsed() < Duration::from_secs(10), "it lives");
		tokio::time::sleep(Duration::from_millis(10)).await;
	}
}

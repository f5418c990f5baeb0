//! Workers that attack: each is stopped, says by what, and the next honest job gets its right
//! result.

mod host;

use assay_engine_testing::definition;
use assay_program::{Limits, Program};
use assay_worker::sandbox::FORBIDDEN;
use assay_worker_protocol::{LocalFault, LocalFaultKind, Reply, Stage};
use host::{jobs::power_job, Host, Job};
use nix::libc;
use seccompiler::{apply_filter, BpfProgram, SeccompAction, SeccompFilter};
use std::{
	fs,
	net::TcpListener,
	os::unix::{
		net::UnixListener,
		process::{CommandExt, ExitStatusExt},
	},
	path::PathBuf,
	process::Command,
	time::{Duration, Instant},
};

/// The worker of `examples/hostile-worker.rs`, which cargo builds with the tests.
fn hostile() -> Command {
	let tests = std::env::current_exe().unwrap();
	let path = tests.parent().unwrap().with_file_name("examples").join("hostile-worker");
	assert!(path.exists(), "{}: cargo build --release --examples makes it", path.display());
	Command::new(path)
}

fn real() -> Command {
	Command::new(env!("CARGO_BIN_EXE_assay-worker"))
}

/// A worker that attacks by this name, after it was told to.
fn attacker(attack: &str, args: &[&str]) -> Host {
	let mut host = Host::start_as(args, hostile());
	host.greet();
	host.request(&Job { adapter: Some(attack.into()), ..power_job(4, 32, 1) });
	host
}

fn fault(host: &mut Host) -> LocalFault {
	match host.answer() {
		Reply::LocalFault(fault) => fault,
		other => panic!("{other:?}"),
	}
}

/// What the attack ended with.
fn outcome(attack: &str) -> String {
	let mut host = attacker(attack, &[]);
	let fault = fault(&mut host);
	assert_eq!(host.wait(), Some(0));
	fault.text
}

/// A job of a stranger after an attack, for which this machine is as before.
fn assert_healthy() {
	let job = power_job(9, 40, 2);
	let program = Program::decode_bounded(&job.program).unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let expected = definition(&program, &checked, &job.tensors, 2);
	let mut host = Host::start(&["--adapter", "cpu"]);
	host.greet();
	host.request(&job);
	match host.answer() {
		Reply::Done(done) => assert_eq!(done.run_root, expected.run_root),
		other => panic!("{other:?}"),
	}
}

#[test]
fn node_files_should_stay_closed_when_a_worker_asks_for_them() {
	let node = tempfile::tempdir().unwrap();
	let key = node.path().join("keystore").join("76726679");
	fs::create_dir(key.parent().unwrap()).unwrap();
	fs::write(&key, b"secret phrase").unwrap();
	let (file, folder) = (key.display(), key.parent().unwrap().display());
	let attacks = [
		(format!("read:{file}"), "EACCES"),
		(format!("list:{folder}"), "EACCES"),
		(format!("write:{file}"), "EACCES"),
		(format!("append:{file}"), "EACCES"),
		(format!("write:{folder}/new"), "EACCES"),
		(format!("remove:{file}"), "EACCES"),
		// The kernel looks at the way between two folders first, and then at the rights to each.
		(format!("rename-into-folder:{file}"), "EACCES"),
		(format!("link-into-folder:{file}"), "EPERM"),
		(format!("symbolic-link-in-folder:{file}"), "EPERM"),
		(format!("truncate:{file}"), "EPERM"),
		(format!("truncate-by-reading:{file}"), "EPERM"),
		(format!("change-mode:{file}"), "EPERM"),
		("read-memory-of-host".into(), "EACCES"),
		("read-environment-of-host".into(), "EACCES"),
		("read:/etc/passwd".into(), "EACCES"),
		("read:/proc/self/root/etc/passwd".into(), "EACCES"),
		("list:/home".into(), "EACCES"),
		("write:/dev/shm/left-behind".into(), "EACCES"),
		("write:/tmp/left-behind".into(), "EACCES"),
		("read:/proc/self/status".into(), ""),
	];
	for (attack, error) in attacks {
		let expected = match error {
			"" => "it worked".into(),
			error => format!("refused: {error}"),
		};
		assert_eq!(outcome(&attack), expected, "{attack}");
	}
	assert_eq!(fs::read(&key).unwrap(), b"secret phrase");
	assert_eq!(fs::read_dir(key.parent().unwrap()).unwrap().count(), 1);
	assert_healthy();
}

#[test]
fn sockets_should_not_be_had_when_a_worker_asks_for_one() {
	let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
	let folder = tempfile::tempdir().unwrap();
	let path = folder.path().join("docker.sock");
	let unix = UnixListener::bind(&path).unwrap();
	tcp.set_nonblocking(true).unwrap();
	unix.set_nonblocking(true).unwrap();
	let tcp_attack = format!("tcp:{}", tcp.local_addr().unwrap());
	let unix_attack = format!("unix:{}", path.display());
	for attack in [&tcp_attack, "udp", &unix_attack, "datagram", "netlink", "raw"] {
		assert_eq!(outcome(attack), "refused: EPERM", "{attack}");
	}
	assert!(tcp.accept().is_err() && unix.accept().is_err());
	assert_healthy();
}

#[test]
fn processes_should_not_be_started_stopped_or_changed_when_a_worker_tries() {
	let attacks = [
		"fork-bomb",
		"clone-with-namespace",
		"run-program",
		"become-program",
		"kill-host",
		"kill-group",
		"signal-host-by-thread",
		"signal-host-by-file",
		"type-on-terminal",
		"limit-host",
		"slow-host-down",
		"catch-the-alarm",
	];
	for attack in attacks {
		assert_eq!(outcome(attack), "refused: EPERM", "{attack}");
	}
	assert_healthy();
}

#[test]
fn forbidden_call_should_end_the_worker_with_a_fault_that_names_it() {
	assert!(FORBIDDEN.iter().any(|(name, _)| *name == "SYS_ptrace"));
	for (name, number) in FORBIDDEN {
		let mut host = attacker(&format!("call:{number}"), &[]);
		let fault = fault(&mut host);
		let called = format!("when it called {}", name.trim_start_matches("SYS_"));
		assert!(fault.text.starts_with("sandbox: ") && fault.text.ends_with(&called), "{fault:?}");
		assert_eq!(fault.kind, LocalFaultKind::Sandbox);
		assert_eq!(host.wait(), Some(0));
	}
	// Who keeps the process from telling is ended all the same.
	let mut host = attacker("block-the-alarm", &[]);
	assert!(host.next().is_none());
	assert_eq!(host.wait_status().signal(), Some(libc::SIGSYS));
	if cfg!(target_arch = "x86_64") {
		let mut host = attacker("call-as-32-bit", &[]);
		assert!(host.next().is_none());
		assert!(host.wait_status().signal().is_some());
	}
	assert_healthy();
}

#[test]
fn other_calls_should_not_be_there_when_no_list_names_them() {
	let io_uring = format!("call:{}", libc::SYS_io_uring_setup);
	assert_eq!(outcome(&io_uring), "refused: EPERM");
	assert_eq!(outcome(&format!("call:{}", libc::SYS_userfaultfd)), "refused: EPERM");
	// One that libraries replace by an older one, one of another calling convention, and one to
	// come.
	for number in [libc::SYS_clone3, libc::SYS_openat2, libc::SYS_getpid | 1 << 30, 5000] {
		assert_eq!(outcome(&format!("call:{number}")), "refused: ENOSYS", "{number}");
	}
}

#[test]
fn memory_files_and_threads_over_their_limits_should_be_named_local_faults() {
	for attack in ["memory-heap", "memory-at-once", "memory-shared"] {
		let mut host = attacker(attack, &["--memory-limit-mib", "256"]);
		let fault = fault(&mut host);
		println!("{attack}: {}", fault.text);
		assert_eq!(fault.kind, LocalFaultKind::Memory, "{attack}");
		assert_eq!(host.wait(), Some(0));
	}
	let mut host = attacker("fill-disk", &["--memory-limit-mib", "16"]);
	assert_eq!(fault(&mut host).text, "refused: EFBIG");
	assert_eq!(fs::metadata(host.dir().join("large")).unwrap().len(), 32 << 20);

	let mut host = attacker("thread-bomb", &[]);
	let fault = fault(&mut host);
	assert!(fault.text.starts_with("sandbox: more than"), "{fault:?}");
	assert!(fault.text.ends_with("threads"), "{fault:?}");
	assert_eq!(fault.kind, LocalFaultKind::Sandbox);
	assert_eq!(host.wait(), Some(0));
	assert_healthy();
}

#[test]
fn time_over_its_limits_should_be_a_named_local_fault_even_when_the_device_hangs() {
	for (attack, limit, text) in [
		("spin", "--cpu-limit-secs", "of processor time"),
		("spin", "--wall-limit-secs", "by the clock"),
		("hang", "--wall-limit-secs", "by the clock"),
		("hang-device", "--wall-limit-secs", "by the clock"),
	] {
		let start = Instant::now();
		let mut host = attacker(attack, &[limit, "3"]);
		let fault = fault(&mut host);
		println!("{attack}: {}", fault.text);
		assert!(fault.text.contains(text), "{attack}: {fault:?}");
		assert_eq!(fault.kind, LocalFaultKind::Time, "{attack}");
		// At once, whatever the driver's destructors would wait for.
		assert_eq!(host.wait(), Some(0), "{attack}");
		assert!(start.elapsed() < Duration::from_secs(60), "{attack}");
		assert_eq!(host.errors().contains("is at work"), attack == "hang-device", "{attack}");
	}
	assert_healthy();
}

#[test]
fn engines_should_compute_the_same_on_the_same_device_inside_the_sandbox_as_outside() {
	let job = power_job(40, 70, 3);
	let program = Program::decode_bounded(&job.program).unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let expected = definition(&program, &checked, &job.tensors, 3);
	for adapter in ["cpu", "0"] {
		let output = real()
			.args(["self-test", "--json", "--adapter", adapter])
			.env("RAYON_NUM_THREADS", "7")
			.output()
			.unwrap();
		let outside: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
		let name = outside["device"]["name"].as_str().unwrap();
		let mut worker = real();
		// As the node starts it.
		worker.env_clear().env("RAYON_NUM_THREADS", "7");
		let mut host = Host::start_as(&["--adapter", adapter], worker);
		host.greet();
		host.request(&job);
		let Reply::Done(done) = host.answer() else { panic!("no result on {adapter}") };
		println!("{adapter}: {}", done.device);
		assert!(done.device.starts_with(name), "{} instead of {name}", done.device);
		assert_eq!(name.contains("7 threads"), adapter == "cpu", "{name}");
		assert_eq!(done.run_root, expected.run_root);
		assert_eq!(done.audited_tiles, 12);
	}
}

/// Makes `call` fail with `error` in what `command` starts, as a kernel does that has no such
/// thing.
fn without(command: &mut Command, call: libc::c_long, error: i32) {
	let rules = [(call, vec![])].into_iter().collect();
	let architecture = std::env::consts::ARCH.try_into().unwrap();
	let fail = SeccompAction::Errno(error as u32);
	let filter = SeccompFilter::new(rules, SeccompAction::Allow, fail, architecture).unwrap();
	let filter: BpfProgram = filter.try_into().unwrap();
	let install = move || apply_filter(&filter).map_err(|_| std::io::ErrorKind::Other.into());
	// SAFETY: the filter is made already; installing it makes two system calls and allocates
	// nothing.
	unsafe { command.pre_exec(install) };
}

#[test]
fn jobs_should_be_refused_when_a_layer_is_missing_and_nobody_accepted_that() {
	let landlock = libc::SYS_landlock_create_ruleset;
	let cases = [
		(landlock, libc::ENOSYS, "Landlock is missing (this kernel has none"),
		(landlock, libc::EOPNOTSUPP, "Landlock is missing (it is not switched on"),
		(libc::SYS_seccomp, libc::ENOSYS, "seccomp is missing"),
	];
	for (call, error, text) in cases {
		let job = power_job(4, 32, 1);
		let mut command = real();
		without(&mut command, call, error);
		let mut host = Host::start_as(&["--adapter", "cpu"], command);
		host.greet();
		host.request(&job);
		let fault = fault(&mut host);
		println!("{}", fault.text);
		assert!(fault.text.contains(text), "{}", fault.text);
		assert!(fault.text.contains("--allow-unsandboxed"), "{}", fault.text);
		assert_eq!(fault.kind, LocalFaultKind::Sandbox);
		let possible = match call == landlock {
			true => "it can list the root folder, which Landlock is to prevent",
			false => "it can open a TCP socket, which seccomp is to prevent",
		};
		assert!(fault.text.contains(possible), "{}", fault.text);
		assert_eq!(host.wait(), Some(0));
		assert!(!host.parent_was_written_to(), "a probe leaves nothing behind");

		let mut command = real();
		without(&mut command, call, error);
		let mut host = Host::start_as(&["--adapter", "cpu", "--allow-unsandboxed"], command);
		host.greet();
		host.request(&job);
		assert!(matches!(host.answer(), Reply::Done(_)), "{}", host.errors());
		assert!(host.errors().contains("by --allow-unsandboxed"), "{}", host.errors());
		assert!(host.errors().contains(text), "{}", host.errors());

		let mut command = real();
		without(&mut command, call, error);
		let output = command.args(["check-sandbox", "--json"]).output().unwrap();
		assert_eq!(output.status.code(), Some(1));
		let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
		assert_eq!(report["holds"], false);
		assert!(report["holes"][0].as_str().unwrap().contains(text), "{report}");
		assert!(report["missing"].as_str().unwrap().contains(text), "{report}");
		assert_eq!(report["landlock"].is_null(), call == landlock, "{report}");
		assert_eq!(report["seccomp"], call == landlock, "{report}");
	}
}

#[test]
fn jobs_should_be_run_without_a_namespace_since_there_are_no_sockets_either() {
	// As in most containers.
	let mut command = real();
	without(&mut command, libc::SYS_unshare, libc::EPERM);
	let output = command.args(["check-sandbox", "--json"]).output().unwrap();
	assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
	let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!((&report["network_namespace"], &report["holds"]), (&false.into(), &true.into()));

	let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
	tcp.set_nonblocking(true).unwrap();
	let mut command = hostile();
	without(&mut command, libc::SYS_unshare, libc::EPERM);
	let mut host = Host::start_as(&[], command);
	host.greet();
	let attack = format!("tcp:{}", tcp.local_addr().unwrap());
	host.request(&Job { adapter: Some(attack), ..power_job(4, 32, 1) });
	assert_eq!(fault(&mut host).text, "refused: EPERM");
	assert!(tcp.accept().is_err());
}

#[test]
fn every_probe_should_be_refused_when_the_sandbox_is_whole() {
	let output = real().args(["check-sandbox", "--json"]).output().unwrap();
	assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
	let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
	assert!(report["landlock"].as_str().unwrap().starts_with("abi "), "{report}");
	let probes = report["probes"].as_array().unwrap();
	assert_eq!(probes.len(), 10);
	assert!(probes.iter().all(|probe| probe["refused"] == true), "{report}");
	let text = real().arg("check-sandbox").output().unwrap();
	assert!(String::from_utf8(text.stdout).unwrap().contains("cannot open a TCP socket (EPERM)"));
}

/// How much less urgent than others every thread of a process is.
fn niceness(pid: u32) -> Vec<i64> {
	let of = |stat: String| {
		// The name, the only field that may hold spaces, ends with the last bracket; 19th of all.
		let rest = stat.rsplit(") ").next().unwrap().to_owned();
		rest.split(' ').nth(16).unwrap().parse().unwrap()
	};
	let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
	let stats = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")));
	stats.filter_map(Result::ok).map(of).collect()
}

#[test]
fn worker_should_stand_back_behind_its_host_when_both_want_the_processor() {
	let own = niceness(std::process::id())[0];
	let mut host = Host::start(&["--adapter", "cpu"]);
	host.greet();
	host.request(&power_job(512, 512, assay_worker_protocol::MAX_STEPS));
	host.await_stage(Stage::Running);
	let all = niceness(host.pid());
	assert!(all.len() > 2, "the watchdog and the engine's threads: {all:?}");
	assert!(all.iter().all(|nice| *nice == (own + 10).min(19)), "{all:?}, the host has {own}");
}

#[test]
fn worker_should_have_no_privileges_no_open_files_and_the_first_place_to_die() {
	let mut host = attacker("hang", &["--memory-limit-mib", "64", "--cpu-limit-secs", "9"]);
	host.await_sealed();
	let proc = PathBuf::from(format!("/proc/{}", host.pid()));
	let status = fs::read_to_string(proc.join("status")).unwrap();
	for line in
		["NoNewPrivs:\t1", "Seccomp:\t2", "Seccomp_filters:\t3", "CapEff:\t0000000000000000"]
	{
		assert!(status.contains(line), "{line} in {status}");
	}
	assert_eq!(fs::read_to_string(proc.join("oom_score_adj")).unwrap().trim(), "1000");
	let limits = fs::read_to_string(proc.join("limits")).unwrap();
	for (name, soft) in [
		("Max core file size", "0"),
		("Max file size", "134217728"),
		("Max data size", "134217728"),
		("Max cpu time", "11"),
	] {
		let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
		assert_eq!(line.split_whitespace().next(), Some(soft), "{name}");
	}
	// Standard ones, the connection twice, and what the kernel shows of the process itself.
	let files = fs::read_dir(proc.join("fd")).unwrap();
	let files: Vec<_> = files.map(|file| fs::read_link(file.unwrap().path()).unwrap()).collect();
	assert_eq!(files.len(), 6, "{files:?}");
}

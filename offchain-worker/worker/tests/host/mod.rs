//! The host's side, for tests.

// Each of the test programs that include this uses a part of it.
#![allow(dead_code)]

pub mod jobs;

use assay_exec::Tensor;
use assay_program::{Program, Source};
use assay_worker_protocol::{blocking, FrameError, InputFile, Record, Reply, Request, Run, Stage};
use std::{
	fs::{self, File},
	io::Write,
	net::Shutdown,
	os::unix::{
		net::{UnixListener, UnixStream},
		process::CommandExt,
	},
	path::PathBuf,
	process::{Child, Command, ExitStatus, Stdio},
	thread,
	time::{Duration, Instant},
};

/// Longer than any step of a test takes, so that a hang fails it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job with the bytes of its inputs.
pub struct Job {
	pub program: Vec<u8>,
	pub tensors: Vec<Tensor>,
	pub inputs: Vec<Vec<u8>>,
	/// The states to start from.
	pub start: Option<Vec<Vec<u8>>>,
	pub steps: u32,
	pub keep: Vec<Source>,
	pub record: Record,
	pub adapter: Option<String>,
}

impl Job {
	pub fn new(program: &Program, tensors: &[Tensor], steps: u32) -> Self {
		let inputs = tensors.iter().map(|tensor| tensor.bytes.to_vec()).collect();
		let (program, tensors) = (program.encode(), tensors.to_vec());
		Job {
			program,
			tensors,
			inputs,
			start: None,
			steps,
			keep: vec![],
			record: Record::default(),
			adapter: None,
		}
	}

	/// Other bytes for an input, which the record then names.
	pub fn replace_input(&mut self, index: usize, bytes: &[u8]) {
		self.inputs[index] = bytes.to_vec();
	}

	pub fn record(&self) -> Run {
		let inputs = self.inputs.iter().enumerate().map(|(index, bytes)| InputFile {
			root: assay_commitments::tensor_root(bytes),
			path: format!("input-{index}"),
		});
		Run {
			job: 1,
			program: self.program.clone(),
			inputs: inputs.collect(),
			start: self.start.as_ref().map(|states| {
				let states = states.iter().enumerate().map(|(index, bytes)| InputFile {
					root: assay_commitments::tensor_root(bytes),
					path: format!("state-{index}"),
				});
				states.collect()
			}),
			steps: self.steps,
			adapter: self.adapter.clone(),
			audit_tiles: 4,
			keep: self.keep.clone(),
			record: self.record.clone(),
		}
	}
}

pub struct Host {
	child: Child,
	stream: UnixStream,
	folder: tempfile::TempDir,
	/// Stages that the worker reported.
	pub stages: Vec<Stage>,
}

impl Host {
	/// Starts a worker and waits for it to connect.
	pub fn start(args: &[&str]) -> Self {
		Self::start_as(args, Command::new(env!("CARGO_BIN_EXE_assay-worker")))
	}

	/// The same, with a shell between the two, which [`Host::kill`] hits.
	pub fn start_below_a_shell(args: &[&str]) -> Self {
		let mut shell = Command::new("sh");
		shell.args(["-c", "\"$@\" & wait", "sh", env!("CARGO_BIN_EXE_assay-worker")]);
		Self::start_as(args, shell)
	}

	/// The same, by way of a command for the worker's program.
	pub fn start_as(args: &[&str], mut command: Command) -> Self {
		let folder = tempfile::tempdir().unwrap();
		let socket = folder.path().join("socket");
		let listener = UnixListener::bind(&socket).unwrap();
		let dir = folder.path().join("job");
		fs::create_dir(&dir).unwrap();
		let errors = File::create(folder.path().join("errors")).unwrap();
		let child = command
			.arg("--socket")
			.arg(&socket)
			.arg("--dir")
			.arg(&dir)
			.args(args)
			.stdin(Stdio::null())
			.stderr(errors)
			.process_group(0)
			.spawn()
			.unwrap();
		listener.set_nonblocking(true).unwrap();
		let start = Instant::now();
		let stream = loop {
			match listener.accept() {
				Ok((stream, _)) => break stream,
				Err(error) => assert!(start.elapsed() < PATIENCE, "no connection: {error}"),
			}
			thread::sleep(Duration::from_millis(5));
		};
		stream.set_nonblocking(false).unwrap();
		stream.set_read_timeout(Some(PATIENCE)).unwrap();
		Host { child, stream, folder, stages: vec![] }
	}

	pub fn dir(&self) -> PathBuf {
		self.folder.path().join("job")
	}

	pub fn pid(&self) -> u32 {
		self.child.id()
	}

	/// What the worker wrote to its standard error.
	pub fn errors(&self) -> String {
		fs::read_to_string(self.folder.path().join("errors")).unwrap()
	}

	pub fn greet(&mut self) {
		blocking::handshake(&mut self.stream).unwrap();
	}

	pub fn send_bytes(&mut self, bytes: &[u8]) {
		self.stream.write_all(bytes).unwrap();
	}

	pub fn send(&mut self, request: &Request) {
		blocking::send(&mut self.stream, request).unwrap();
	}

	/// Writes a job's inputs into the folder.
	pub fn stage(&self, job: &Job) -> Request {
		for (index, bytes) in job.inputs.iter().enumerate() {
			fs::write(self.dir().join(format!("input-{index}")), bytes).unwrap();
		}
		for (index, bytes) in job.start.iter().flatten().enumerate() {
			fs::write(self.dir().join(format!("state-{index}")), bytes).unwrap();
		}
		Request::Run(job.record())
	}

	pub fn request(&mut self, job: &Job) {
		let request = self.stage(job);
		self.send(&request);
	}

	/// The next message, `None` at the end of the connection.
	pub fn next(&mut self) -> Option<Reply> {
		match blocking::receive(&mut self.stream) {
			Ok(reply) => {
				if let Reply::Progress(progress) = reply {
					assert!(progress.done <= progress.total, "{progress:?}");
					self.stages.push(progress.stage);
				}
				Some(reply)
			}
			Err(FrameError::Closed | FrameError::Truncated) => None,
			Err(FrameError::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => {
				None
			}
			Err(error) => panic!("{error}; {}", self.errors()),
		}
	}

	/// The answer, after any progress.
	pub fn answer(&mut self) -> Reply {
		loop {
			match self.next() {
				Some(Reply::Progress(_)) => {}
				Some(answer) => return answer,
				None => panic!("no answer; {}", self.errors()),
			}
		}
	}

	pub fn await_stage(&mut self, stage: Stage) {
		while self.stages.last() != Some(&stage) {
			match self.next() {
				Some(Reply::Progress(_)) => {}
				other => panic!("{other:?}; {}", self.errors()),
			}
		}
	}

	pub fn hang_up(&mut self) {
		self.stream.shutdown(Shutdown::Both).unwrap();
	}

	pub fn kill(&mut self) {
		self.child.kill().unwrap();
	}

	/// Waits until the watchdog runs, which is started when the worker is sealed.
	pub fn await_sealed(&mut self) {
		let start = Instant::now();
		let status = format!("/proc/{}/status", self.pid());
		while !fs::read_to_string(&status).unwrap().contains("Threads:\t2") {
			assert!(start.elapsed() < PATIENCE, "it never starts; {}", self.errors());
			thread::sleep(Duration::from_millis(5));
		}
	}

	/// Whether there is more beside the job's folder than the host itself put there.
	pub fn parent_was_written_to(&self) -> bool {
		let names = fs::read_dir(self.folder.path()).unwrap();
		names
			.map(|entry| entry.unwrap().file_name())
			.any(|name| !["errors", "job", "socket"].iter().any(|known| name == *known))
	}

	/// The exit code, `None` after a signal.
	pub fn wait(&mut self) -> Option<i32> {
		self.wait_status().code()
	}

	/// How the worker ended.
	pub fn wait_status(&mut self) -> ExitStatus {
		let start = Instant::now();
		loop {
			if let Some(status) = self.child.try_wait().unwrap() {
				return status;
			}
			assert!(start.elapsed() < PATIENCE, "the worker does not end; {}", self.errors());
			thread::sleep(Duration::from_millis(5));
		}
	}
}

impl Drop for Host {
	fn drop(&mut self) {
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}

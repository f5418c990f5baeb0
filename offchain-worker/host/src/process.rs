//! One worker process per job: started, watched, killed.

use crate::{
	binary::{check_version, command, WORKER},
	files::Finished,
	folder::{clear_stale, create_private, JobFolder},
	sandbox, Fault, JobLimits, Settings, Task,
};
use assay_commitments::{run_root, trace_root};
use assay_worker_protocol::{
	nonblocking, Done, FrameError, LocalFaultKind, Progress, Reply, Request, PACKAGE_VERSION,
};
use nix::{
	sys::signal::{killpg, Signal},
	unistd::Pid,
};
use std::{
	fs::File,
	io,
	os::{fd::AsRawFd, unix::process::ExitStatusExt},
	process::Stdio,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc, Mutex, PoisonError,
	},
	time::Duration,
};
use tokio::{
	io::AsyncReadExt,
	net::{UnixListener, UnixStream},
	process::{Child, ChildStderr, Command},
	task::{spawn_blocking, JoinHandle},
	time::{interval, timeout},
};

/// The socket in a job's folder.
const SOCKET: &str = "node.sock";
/// The host kills a worker that is this much above the limit that it was told, in bytes.
const MEMORY_SLACK: u64 = 64 << 20;
/// The worker's memory is looked at this often.
const MEMORY_TICK: Duration = Duration::from_millis(250);
/// The host's clock for a worker runs this much longer than the worker's own.
const WALL_SLACK: Duration = Duration::from_secs(5);
/// Most bytes kept of what a worker writes to its standard error.
const STDERR_TAIL: usize = 4096;

/// Is told how far a run is.
pub type Report<'a> = dyn Fn(Progress) + Send + Sync + 'a;

/// Runs every job in a worker process of its own.
pub struct Host {
	settings: Settings,
	/// Counts the folders, so that no two runs share a name.
	folders: AtomicU64,
	/// What was found out about the sandbox; `None` when it has to be tried (again).
	sandbox: Mutex<Option<Result<(), Fault>>>,
}

impl Host {
	/// A host with these settings. Call [`Host::prepare`] before its first use.
	pub fn new(mut settings: Settings) -> Self {
		// Workers are started in another folder than this process.
		for path in [&mut settings.worker, &mut settings.dir] {
			if let Ok(absolute) = std::path::absolute(&path) {
				*path = absolute;
			}
		}
		Self { settings, folders: AtomicU64::new(0), sandbox: Mutex::new(None) }
	}

	/// How it starts workers.
	pub fn settings(&self) -> &Settings {
		&self.settings
	}

	/// Clears what an earlier run left, and finds out whether the worker is usable and kept in.
	///
	/// # Errors
	/// Those of the setup: nothing can be run before they are repaired.
	pub async fn prepare(&self) -> Result<(), Fault> {
		self.clear().await?;
		self.check_version().await?;
		self.contained().await
	}

	/// Clears what an earlier run left: ends its workers and removes their folders. Says how many.
	///
	/// # Errors
	/// [`Fault::Folder`].
	pub async fn clear(&self) -> Result<usize, Fault> {
		let dir = self.settings.dir.clone();
		let clear = spawn_blocking(move || clear_stale(&dir));
		let folder = |error: io::Error| Fault::Folder(error.to_string());
		clear.await.map_err(|error| Fault::Folder(error.to_string()))?.map_err(folder)
	}

	/// Whether the worker is there and of this version.
	///
	/// # Errors
	/// As [`check_version`](crate::check_version).
	pub async fn check_version(&self) -> Result<(), Fault> {
		check_version(&self.settings.worker).await
	}

	/// What was found out about the sandbox; `None` when nobody has tried it yet, or a worker has
	/// reported a fault of it since.
	pub fn known_sandbox(&self) -> Option<Result<(), Fault>> {
		self.sandbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
	}

	/// Tries the sandbox and remembers the outcome.
	///
	/// # Errors
	/// [`Fault::Sandbox`].
	pub async fn check_sandbox(&self) -> Result<(), Fault> {
		let dir = self.settings.dir.clone();
		// Without it the worker says what is wrong.
		let _ = spawn_blocking(move || create_private(&dir)).await;
		let mut worker = self.command();
		// As a job's folder: on the same file system.
		worker.env("TMPDIR", &self.settings.dir);
		let found = sandbox::check(worker).await;
		*self.sandbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
		found
	}

	/// Whether the sandbox holds, or somebody has accepted that it does not.
	async fn contained(&self) -> Result<(), Fault> {
		if self.settings.allow_unsandboxed || self.known_sandbox() == Some(Ok(())) {
			return Ok(());
		}
		self.check_sandbox().await
	}

	/// The worker without any argument, and with nothing of this process but what it is meant to
	/// have.
	pub fn command(&self) -> Command {
		command(&self.settings)
	}

	/// Makes one attempt. Dropping the future ends everything that the attempt started.
	///
	/// # Errors
	/// See [`Fault`].
	pub async fn run(
		&self,
		task: &Task,
		limits: JobLimits,
		report: &Report<'_>,
	) -> Result<Finished, Fault> {
		self.check_version().await?;
		self.start(task, limits).await?.finish(report).await
	}

	/// The first half of [`Host::run`], for who has asked [`Host::check_version`] already: starts
	/// the worker.
	///
	/// # Errors
	/// See [`Fault`].
	pub async fn start<'a>(
		&'a self,
		task: &'a Task,
		limits: JobLimits,
	) -> Result<Running<'a>, Fault> {
		self.contained().await?;
		let dir = self.settings.dir.clone();
		let name = format!("job-{}-{}", task.job, self.folders.fetch_add(1, Ordering::Relaxed));
		let folder = spawn_blocking(move || JobFolder::create(&dir, &name));
		let folder = folder.await.map_err(|error| Fault::Folder(error.to_string()))?;
		let folder = folder.map_err(|error| Fault::Folder(error.to_string()))?;
		let worker = Worker::start(&self.settings, folder, limits)?;
		Ok(Running { host: self, task, worker })
	}
}

/// A worker that was started for a task. Dropping it ends everything that belongs to it.
pub struct Running<'a> {
	host: &'a Host,
	task: &'a Task,
	worker: Worker,
}

impl Running<'_> {
	/// Gives the worker its task and waits for its end.
	///
	/// # Errors
	/// See [`Fault`].
	pub async fn finish(self, report: &Report<'_>) -> Result<Finished, Fault> {
		let Self { host, task, mut worker } = self;
		let limits = worker.limits;
		// A worker that is too slow ends itself, and has the time to say so.
		let wall = limits.wall.saturating_add(WALL_SLACK);
		let session = worker.session(&host.settings, task, report);
		let result = match timeout(wall, session).await {
			Ok(Ok(done)) => Ok(done),
			Ok(Err(Ended::Fault(fault))) => Err(fault),
			Ok(Err(Ended::Gone)) => Err(worker.how_it_died().await),
			Err(_) => Err(Fault::WallLimit(limits.wall)),
		};
		if matches!(result, Err(Fault::Sandbox(_))) {
			// It may no longer be what it was.
			*host.sandbox.lock().unwrap_or_else(PoisonError::into_inner) = None;
		}
		let folder = worker.finish().await;
		let done = match (result, folder) {
			(Ok(done), Some(folder)) => {
				return Ok(Finished { folder, keep: task.keep.clone(), done })
			}
			(result, folder) => {
				// Removing files blocks.
				let _ = spawn_blocking(move || drop(folder)).await;
				result
			}
		};
		Err(done.err().unwrap_or_else(|| Fault::Folder("it is gone".into())))
	}
}

/// How a session ended without a result.
enum Ended {
	Fault(Fault),
	/// The connection is closed; how the process died is not known yet.
	Gone,
}

impl From<Fault> for Ended {
	fn from(fault: Fault) -> Self {
		Self::Fault(fault)
	}
}

impl From<FrameError> for Ended {
	fn from(error: FrameError) -> Self {
		match error {
			FrameError::Closed | FrameError::Truncated | FrameError::Io(_) => Self::Gone,
			FrameError::Version { protocol, package } => Self::Fault(Fault::WorkerVersion {
				found: format!("{WORKER} {package}, protocol {protocol}"),
				wanted: format!("{WORKER} {PACKAGE_VERSION}"),
			}),
			FrameError::Length { .. } | FrameError::Malformed(_) => {
				Self::Fault(Fault::Garbage(error.to_string()))
			}
		}
	}
}

/// A worker process with its process group and folder. Dropping it kills and removes all of it.
struct Worker {
	child: Child,
	group: Pid,
	listener: UnixListener,
	limits: JobLimits,
	stderr: Arc<Mutex<Vec<u8>>>,
	/// Ends when nothing writes to the standard error any more.
	reader: Option<JoinHandle<()>>,
	folder: Option<JobFolder>,
}

impl Worker {
	fn start(settings: &Settings, folder: JobFolder, limits: JobLimits) -> Result<Self, Fault> {
		let path = folder.path();
		// The path of a socket has at most 107 bytes, a base path may have more: both sides name
		// the socket by way of the folder.
		let bind = File::open(path).and_then(|dir| {
			UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))
		});
		let listener = bind.map_err(|error| Fault::Folder(format!("the socket: {error}")))?;
		let mut command = command(settings);
		command
			.args(["--socket", &format!("/proc/self/cwd/{SOCKET}"), "--dir", "."])
			.args(["--cpu-limit-secs", &limits.cpu.to_string()])
			.args(["--memory-limit-mib", &(limits.memory >> 20).to_string()])
			.args(["--wall-limit-secs", &limits.wall.as_secs().to_string()])
			.args(settings.allow_unsandboxed.then_some("--allow-unsandboxed"))
			.env("HOME", path)
			.env("TMPDIR", path)
			.current_dir(path)
			.stderr(Stdio::piped());
		let mut child = command.spawn().map_err(|error| {
			Fault::WorkerMissing(format!("{}: {error}", settings.worker.display()))
		})?;
		let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
		let group = Pid::from_raw(
			pid.ok_or_else(|| Fault::Crashed("it was gone before it could be watched".into()))?,
		);
		let stderr = Arc::new(Mutex::new(Vec::new()));
		let reader = child.stderr.take().map(|pipe| tokio::spawn(keep_tail(pipe, stderr.clone())));
		Ok(Self { child, group, listener, limits, stderr, reader, folder: Some(folder) })
	}

	/// The whole conversation with the worker.
	async fn session(
		&mut self,
		settings: &Settings,
		task: &Task,
		report: &Report<'_>,
	) -> Result<Done, Ended> {
		let greet = async {
			let (mut stream, _) = self
				.listener
				.accept()
				.await
				.map_err(|error| Fault::Handshake(error.to_string()))?;
			nonblocking::handshake(&mut stream).await?;
			Ok::<_, Ended>(stream)
		};
		let time = settings.handshake;
		let mut stream = tokio::select! {
			greeted = timeout(time, greet) => greeted
				.map_err(|_| Fault::Handshake(format!("nothing within {time:?}")))??,
			_ = self.child.wait() => return Err(Ended::Gone),
		};
		let request = Request::Run(task.request(settings.adapter.clone(), settings.audit_tiles));
		// The worker watches itself; this is for one that does not.
		let memory = watch_memory(self.group, self.limits.memory.saturating_add(MEMORY_SLACK));
		tokio::select! {
			result = converse(&mut stream, &request, task, report) => result,
			() = memory => Err(Fault::MemoryLimit(self.limits.memory).into()),
		}
	}

	/// Says why a worker that closed the connection is gone.
	async fn how_it_died(&mut self) -> Fault {
		// It may still be on its way out; what hangs is killed by the caller.
		let how = match timeout(Duration::from_secs(1), self.child.wait()).await {
			Ok(Ok(status)) if status.signal() == Some(Signal::SIGXCPU as i32) => {
				let text = format!("more than {} s of processor time", self.limits.cpu);
				return Fault::Reported { kind: LocalFaultKind::Time, text };
			}
			Ok(Ok(status)) => status.to_string(),
			Ok(Err(error)) => error.to_string(),
			Err(_) => "it closed the connection and went on".into(),
		};
		if let Some(reader) = &mut self.reader {
			let _ = timeout(Duration::from_millis(500), reader).await;
		}
		let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
		let text = String::from_utf8_lossy(&stderr);
		match text.lines().rev().find(|line| !line.trim().is_empty()) {
			Some(line) => Fault::Crashed(format!("{how}: {}", line.trim())),
			None => Fault::Crashed(how),
		}
	}

	/// Ends what is left of the process group; the folder.
	async fn finish(mut self) -> Option<JobFolder> {
		let _ = killpg(self.group, Signal::SIGKILL);
		let _ = timeout(Duration::from_secs(5), self.child.wait()).await;
		self.folder.take()
	}
}

impl Drop for Worker {
	fn drop(&mut self) {
		let Some(folder) = self.folder.take() else { return };
		let _ = killpg(self.group, Signal::SIGKILL);
		// Removing files blocks. Without a runtime the closure is dropped, and the folder with it.
		if let Ok(runtime) = tokio::runtime::Handle::try_current() {
			runtime.spawn_blocking(move || drop(folder));
		}
	}
}

/// Sends the job and reads the worker's replies up to the last one.
async fn converse(
	stream: &mut UnixStream,
	request: &Request,
	task: &Task,
	report: &Report<'_>,
) -> Result<Done, Ended> {
	nonblocking::send(stream, request).await?;
	loop {
		match nonblocking::receive::<Reply>(stream).await? {
			Reply::Progress(progress) => report(progress),
			Reply::Done(done) => {
				// The worker's own answers have to agree with each other.
				let consistent = done.trace_roots.len() == task.steps as usize
					&& run_root(&done.trace_roots) == done.run_root
					&& done.trace_roots.last() == Some(&trace_root(&done.last_anchors));
				return match consistent {
					true => Ok(done),
					false => {
						let text = "the run root does not follow from the trace and anchor roots";
						Err(Fault::Garbage(text.into()).into())
					}
				};
			}
			Reply::JobFault(fault) => return Err(Fault::Job(fault).into()),
			Reply::LocalFault(fault) if fault.kind == LocalFaultKind::Sandbox => {
				let text = fault.text.strip_prefix("sandbox: ").unwrap_or(&fault.text);
				return Err(Fault::Sandbox(text.into()).into());
			}
			Reply::LocalFault(fault) => {
				return Err(Fault::Reported { kind: fault.kind, text: fault.text }.into())
			}
		}
	}
}

/// Returns when a process has more resident memory than `limit` bytes.
async fn watch_memory(process: Pid, limit: u64) {
	let statm = format!("/proc/{process}/statm");
	let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
	let page = page.ok().flatten().map_or(4096, |bytes| bytes.unsigned_abs());
	let mut tick = interval(MEMORY_TICK);
	loop {
		tick.tick().await;
		// A process that is gone has no memory; the connection tells of its end.
		let Ok(text) = tokio::fs::read_to_string(&statm).await else { continue };
		let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
		if pages.unwrap_or(0).saturating_mul(page) > limit {
			return;
		}
	}
}

/// Reads a pipe to its end and keeps the last bytes.
async fn keep_tail(mut pipe: ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
	let mut buffer = [0; 1024];
	while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
		let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
		tail.extend_from_slice(&buffer[..length]);
		let excess = tail.len().saturating_sub(STDERR_TAIL);
		tail.drain(..excess);
	}
}

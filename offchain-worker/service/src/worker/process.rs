//! One worker process per job: started, watched, killed.

use std::{
	ffi::OsStr,
	fs::File,
	io,
	os::{fd::AsRawFd, unix::process::ExitStatusExt},
	path::{Path, PathBuf},
	process::Stdio,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::Duration,
};

use assay_blobs::BlobStore;
use assay_commitments::{run_root, trace_root};
use assay_market::AbstainReason;
use assay_worker_protocol::{
	nonblocking, Done, FrameError, InputFile, LocalFaultKind, Record, Reply, Request, Run,
	PACKAGE_VERSION,
};
use futures::{future::BoxFuture, FutureExt};
use nix::{
	sys::signal::{killpg, Signal},
	unistd::Pid,
};
use parking_lot::Mutex;
use tokio::{
	io::AsyncReadExt,
	net::{UnixListener, UnixStream},
	process::{Child, ChildStderr, Command},
	task::{spawn_blocking, JoinHandle},
	time::{interval, timeout},
};

use crate::{
	config::Config,
	fault::Fault,
	inputs::examined::input_paths,
	metrics::Metrics,
	runner::{Ran, Replay, Runner},
	thread::joined,
	types::{Hash, LOG_TARGET},
	worker::folder::{clear_stale, JobFolder},
	worker::kept::{read_anchors, read_kept},
	worker::machine::Memory,
	worker::outputs::take_outputs,
	worker::sandbox,
};

/// Name of the worker binary.
const WORKER: &str = "assay-worker";

/// The socket in a job's folder.
const SOCKET: &str = "node.sock";

/// Most time of the worker's self-test.
const SELF_TEST: Duration = Duration::from_secs(600);

/// The node kills a worker that is this much above the limit that it was told, in bytes.
const MEMORY_SLACK: u64 = 64 << 20;

/// The worker's memory is looked at this often.
const MEMORY_TICK: Duration = Duration::from_millis(250);

/// What a worker keeps of the node's environment: where the Vulkan loader and its drivers are and
/// how they are set. A name that ends in `*` stands for all that begin so.
const ENVIRONMENT: &[&str] = &[
	"CUDA_*",
	"DRI_PRIME",
	"GALLIUM_*",
	"LD_LIBRARY_PATH",
	"LP_*",
	"MESA_*",
	"NVIDIA_*",
	"RADV_*",
	"RAYON_NUM_THREADS",
	"RUST_BACKTRACE",
	"VK_*",
	"WGPU_*",
	"XDG_CONFIG_DIRS",
	"XDG_DATA_DIRS",
	"XDG_RUNTIME_DIR",
];

/// The node's clock for a worker runs this much longer than the worker's own.
const WALL_SLACK: Duration = Duration::from_secs(5);

/// Most bytes kept of what a worker writes to its standard error.
const STDERR_TAIL: usize = 4096;

/// Where the worker binary is: the path that was given, or beside the running binary.
pub fn find_worker(given: Option<PathBuf>) -> PathBuf {
	let given = given.map(|path| std::path::absolute(&path).unwrap_or(path));
	given.unwrap_or_else(|| match std::env::current_exe() {
		Ok(node) => node.with_file_name(WORKER),
		Err(_) => WORKER.into(),
	})
}

/// Runs `WORKER --version` and compares the answer with this node's version.
///
/// # Errors
/// [`Fault::WorkerMissing`] and [`Fault::WorkerVersion`].
pub async fn check_worker(worker: &Path) -> Result<(), Fault> {
	let missing = |error: String| Fault::WorkerMissing(format!("{}: {error}", worker.display()));
	let run = Command::new(worker)
		.arg("--version")
		.env_clear()
		.stdin(Stdio::null())
		.stderr(Stdio::null())
		.kill_on_drop(true)
		.output();
	let output = timeout(Duration::from_secs(10), run)
		.await
		.map_err(|_| missing("no answer to --version in 10 s".into()))?
		.map_err(|error| missing(error.to_string()))?;
	let answer = String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(100)]);
	let found = answer.trim();
	let wanted = format!("{WORKER} {PACKAGE_VERSION}");
	if output.status.success() && found == wanted {
		Ok(())
	} else {
		Err(Fault::WorkerVersion { found: found.into(), wanted })
	}
}

/// Runs every job in a worker process of its own.
pub struct ProcessRunner {
	config: Config,
	blobs: Arc<BlobStore>,
	metrics: Metrics,
	/// Counts the folders, so that no two attempts share a name.
	folders: AtomicU64,
	/// What was found out about the sandbox; `None` when it has to be tried (again).
	sandbox: Mutex<Option<Result<(), Fault>>>,
}

impl ProcessRunner {
	/// A runner with these settings. Call [`ProcessRunner::prepare`] before its first use.
	pub fn new(mut config: Config, blobs: Arc<BlobStore>, metrics: Metrics) -> Self {
		// Workers are started in another folder than the node.
		for path in [&mut config.worker, &mut config.dir] {
			if let Ok(absolute) = std::path::absolute(&path) {
				*path = absolute;
			}
		}
		Self { config, blobs, metrics, folders: AtomicU64::new(0), sandbox: Mutex::new(None) }
	}

	/// Clears what an earlier run left, and says in the log whether the worker is usable and whether
	/// this machine keeps it in.
	pub async fn prepare(&self) {
		let dir = self.config.dir.clone();
		match joined(
			spawn_blocking(move || {
				clear_stale(&dir).map_err(|error| Fault::Folder(error.to_string()))
			})
			.await,
		) {
			Ok(0) => {}
			Ok(count) => log::info!(target: LOG_TARGET, "Removed {count} stale job folders"),
			Err(fault) => log::error!(
				target: LOG_TARGET,
				"Cannot clear {}: {fault}", self.config.dir.display(),
			),
		}
		match self.usable().await {
			Ok(()) => {
				let worker = self.config.worker.display();
				match self.check_sandbox().await {
					Ok(()) => {
						log::info!(target: LOG_TARGET, "Verifying with {worker} {PACKAGE_VERSION}");
					}
					Err(holes) if self.config.allow_unsandboxed => log::warn!(
						target: LOG_TARGET,
						"Verifying with {worker} {PACKAGE_VERSION} although its sandbox has holes, by \
						--allow-unsandboxed-worker: any requester's program meets the device's driver \
						with this node's rights. {holes}",
					),
					Err(holes) => say_refusing(&holes),
				}
			}
			Err(fault) => log::error!(
				target: LOG_TARGET,
				"{fault}. This node abstains from every job it is drawn for until {WORKER} \
				{PACKAGE_VERSION} is beside the node binary, or where --worker-path (ASSAY_WORKER) says. \
				No restart is needed then.",
			),
		}
	}

	/// As long as workers have no full sandbox and nobody has accepted that, says so once per minute
	/// and looks whether it has been repaired. Never ends.
	pub async fn watch_sandbox(&self) {
		loop {
			tokio::time::sleep(self.config.sandbox_check).await;
			let refuses = matches!(*self.sandbox.lock(), Some(Err(_)));
			if self.config.allow_unsandboxed || !refuses {
				continue;
			}
			match self.check_sandbox().await {
				Ok(()) => log::info!(
					target: LOG_TARGET,
					"The worker's sandbox is whole now; this node verifies again",
				),
				Err(holes) => say_refusing(&holes),
			}
		}
	}

	/// Tries the sandbox and remembers the outcome.
	async fn check_sandbox(&self) -> Result<(), Fault> {
		let mut worker = self.command();
		// As a job's folder: below the chain's.
		worker.env("TMPDIR", &self.config.dir);
		let checked = sandbox::check(worker).await;
		let refusing = checked.is_err() && !self.config.allow_unsandboxed;
		self.metrics.sandbox(checked.is_ok(), refusing);
		*self.sandbox.lock() = Some(checked.clone());
		checked
	}

	/// Refuses to run jobs where nothing keeps them in and nobody has accepted that. The worker would
	/// refuse as well; this way none is started.
	async fn contained(&self) -> Result<(), Fault> {
		if self.config.allow_unsandboxed {
			return Ok(());
		}
		let known = self.sandbox.lock().clone();
		match known {
			Some(checked) => checked,
			// The worker was not there when the node started, or it reported a fault since.
			None => self.check_sandbox().await,
		}
	}

	/// Has the worker test the device that jobs will run on, and says in the log which one it is.
	///
	/// The outcome is kept for the workers in the service's folder. One that starts earlier tests
	/// the device itself.
	pub async fn self_test(&self) {
		if self.usable().await.is_err() {
			return;
		}
		let adapter = self.config.adapter.as_deref().unwrap_or("auto");
		let run = self
			.command()
			.args(["self-test", "--adapter", adapter])
			.stdout(Stdio::piped())
			.stderr(Stdio::piped())
			.output();
		match timeout(SELF_TEST, run).await {
			Ok(Ok(output)) if output.status.success() => {
				let answer = String::from_utf8_lossy(&output.stdout);
				let device = answer.lines().next().unwrap_or_default();
				log::info!(target: LOG_TARGET, "Worker tested: {device}");
			}
			Ok(Ok(output)) => log::warn!(
				target: LOG_TARGET,
				"The worker's self-test failed ({}): {}",
				output.status, String::from_utf8_lossy(&output.stderr).trim(),
			),
			Ok(Err(error)) => log::warn!(target: LOG_TARGET, "No self-test: {error}"),
			Err(_) => log::warn!(target: LOG_TARGET, "No self-test within {SELF_TEST:?}"),
		}
	}

	/// The worker, with nothing of the node but what it is meant to have.
	fn command(&self) -> Command {
		let mut command = Command::new(&self.config.worker);
		command
			.env_clear()
			.envs(std::env::vars_os().filter(|(name, _)| is_kept(name)))
			.env("ASSAY_CACHE_DIR", self.config.dir.join("cache"))
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.process_group(0)
			.kill_on_drop(true);
		command
	}

	async fn usable(&self) -> Result<(), Fault> {
		let checked = check_worker(&self.config.worker).await;
		self.metrics.worker_usable(checked.is_ok());
		checked
	}

	async fn attempt(&self, replay: Replay) -> Result<Ran, Fault> {
		self.usable().await?;
		self.contained().await?;
		let (dir, blobs) = (self.config.dir.clone(), self.blobs.clone());
		let inputs: Vec<_> =
			replay.inputs.iter().chain(replay.start.iter().flatten()).copied().collect();
		let name = format!("job-{}-{}", replay.job, self.folders.fetch_add(1, Ordering::Relaxed));
		let memory = joined(spawn_blocking(|| Ok(Memory::now())).await)?;
		let limits = JobLimits::new(&self.config, &replay, memory)?;
		let prepare = spawn_blocking(move || {
			let folder_fault = |error: io::Error| Fault::Folder(error.to_string());
			let folder = JobFolder::create(&dir, &name).map_err(folder_fault)?;
			let paths = input_paths(&blobs, &inputs)?;
			Ok((folder, paths))
		});
		let (folder, paths) = joined(prepare.await)?;
		let mut worker = Worker::start(self, folder, &limits)?;
		self.metrics.worker_started();
		// A worker that is too slow ends itself, and has the time to say so.
		let wall = limits.wall + WALL_SLACK;
		let result = match timeout(wall, worker.session(&self.config, &replay, paths)).await {
			Ok(Ok(done)) => worker.hand_over(&self.blobs, &replay, done).await,
			Ok(Err(Ended::Fault(fault))) => Err(fault),
			Ok(Err(Ended::Gone)) => Err(worker.how_it_died().await),
			Err(_) => Err(Fault::WallLimit(limits.wall)),
		};
		worker.finish().await;
		if matches!(result, Err(Fault::Sandbox(_))) {
			// It may no longer be what it was.
			*self.sandbox.lock() = None;
		}
		result
	}
}

impl Runner for ProcessRunner {
	fn replay(self: Arc<Self>, replay: Replay) -> BoxFuture<'static, Result<Ran, Fault>> {
		async move { self.attempt(replay).await }.boxed()
	}
}

/// Limits of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct JobLimits {
	/// Wall clock, from the start of the process.
	wall: Duration,
	/// Processor time over all threads, in seconds.
	cpu: u64,
	/// Memory in bytes.
	memory: u64,
}

impl Config {
	/// Most memory of one worker, in bytes: as it is set, or as the machine allows all workers together.
	fn memory_cap(&self, memory: Memory) -> u64 {
		let share = memory.for_workers() / self.concurrency.max(1) as u64;
		self.limits.memory_cap.map_or(share, |cap| cap.min(share))
	}

	/// Whether this machine can ever run a job with so many bytes of tensors. Blocks.
	///
	/// # Errors
	/// [`Fault::TooLittleMemory`].
	pub(crate) fn check_memory(&self, tensors: u64) -> Result<(), Fault> {
		let limit = self.memory_cap(Memory::now());
		let needed = tensors.saturating_add(self.limits.memory_overhead);
		match needed > limit {
			true => Err(Fault::TooLittleMemory { needed, limit }),
			false => Ok(()),
		}
	}
}

impl JobLimits {
	/// # Errors
	/// [`Fault::TooLittleMemory`] and [`Fault::MemoryInUse`] for a job that would drive this machine out
	/// of memory.
	fn new(config: &Config, replay: &Replay, machine: Memory) -> Result<Self, Fault> {
		let limits = &config.limits;
		let for_work = Duration::from_secs(replay.work_units / limits.work_rate.max(1));
		let wall = limits.wall_floor.saturating_add(for_work).min(limits.wall_cap);
		let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
		// Tensors are held canonical and row-major, on the host and on the device.
		let sum = |lengths: &mut dyn Iterator<Item = u64>| lengths.fold(0, u64::saturating_add);
		let inputs = sum(&mut replay.inputs.iter().map(|(_, length)| *length));
		// What is kept lies there once more while it is written.
		let keep = sum(&mut replay.keep.iter().map(|(_, length)| *length));
		let kept = keep.saturating_mul(2);
		let tensors = replay.peak_memory.saturating_mul(4);
		let states = sum(&mut replay.start.iter().flatten().map(|(_, length)| *length));
		// The least that it can do with; the node reads what is kept into its own memory.
		// In the worker's memory, and once more in what it is written from.
		let anchors = replay.anchors.saturating_mul(2);
		let needed = [replay.peak_memory, states, kept, anchors, limits.memory_overhead];
		let needed = needed.into_iter().fold(0, u64::saturating_add);
		let (limit, spare) = (config.memory_cap(machine), machine.spare());
		if needed > limit || keep > limit / 2 {
			let needed = needed.max(keep.saturating_mul(2));
			return Err(Fault::TooLittleMemory { needed, limit });
		}
		if needed > spare {
			return Err(Fault::MemoryInUse { needed, spare });
		}
		let tensors = tensors.saturating_add(inputs).saturating_add(states).saturating_add(kept);
		Ok(Self {
			wall,
			cpu: wall.as_secs().saturating_add(1).saturating_mul(cores),
			memory: limits.memory_floor.saturating_add(tensors).min(limit).min(spare),
		})
	}
}

/// How a session ended without a run root.
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
	fn start(runner: &ProcessRunner, folder: JobFolder, limits: &JobLimits) -> Result<Self, Fault> {
		let path = folder.path();
		// The path of a socket has at most 107 bytes, a base path may have more: both sides name
		// the socket by way of the folder.
		let bind = File::open(path).and_then(|dir| {
			UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))
		});
		let listener = bind.map_err(|error| Fault::Folder(format!("the socket: {error}")))?;
		let mut command = runner.command();
		command
			.args(["--socket", &format!("/proc/self/cwd/{SOCKET}"), "--dir", "."])
			.args(["--cpu-limit-secs", &limits.cpu.to_string()])
			.args(["--memory-limit-mib", &(limits.memory >> 20).to_string()])
			.args(["--wall-limit-secs", &limits.wall.as_secs().to_string()])
			.args(runner.config.allow_unsandboxed.then_some("--allow-unsandboxed"))
			.env("HOME", path)
			.env("TMPDIR", path)
			.current_dir(path)
			.stderr(Stdio::piped());
		let mut child = command.spawn().map_err(|error| {
			Fault::WorkerMissing(format!("{}: {error}", runner.config.worker.display()))
		})?;
		let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
		let group = Pid::from_raw(
			pid.ok_or_else(|| Fault::Crashed("it was gone before it could be watched".into()))?,
		);
		let stderr = Arc::new(Mutex::new(Vec::new()));
		let reader = child.stderr.take().map(|pipe| tokio::spawn(keep_tail(pipe, stderr.clone())));
		let folder = Some(folder);
		Ok(Self { child, group, listener, limits: *limits, stderr, reader, folder })
	}

	/// The whole conversation with the worker.
	async fn session(
		&mut self,
		config: &Config,
		replay: &Replay,
		paths: Vec<String>,
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
		let time = config.limits.handshake;
		let mut stream = tokio::select! {
			greeted = timeout(time, greet) => greeted
				.map_err(|_| Fault::Handshake(format!("nothing within {time:?}")))??,
			_ = self.child.wait() => return Err(Ended::Gone),
		};
		let mut paths = paths.into_iter();
		let mut files = |blobs: &[(Hash, u64)]| -> Vec<InputFile> {
			let files = blobs.iter().zip(paths.by_ref());
			files.map(|((root, _), path)| InputFile { root: *root, path }).collect()
		};
		let inputs = files(&replay.inputs);
		let start = replay.start.as_deref().map(files);
		let request = Request::Run(Run {
			job: replay.job,
			program: replay.program.to_vec(),
			inputs,
			start,
			steps: replay.steps,
			adapter: config.adapter.clone(),
			audit_tiles: config.audit_tiles,
			keep: replay.keep.iter().map(|(source, _)| *source).collect(),
			record: Record { anchors: replay.anchors > 0, ..Record::default() },
		});
		// The worker watches itself; this is for one that does not.
		let memory = watch_memory(self.group, self.limits.memory.saturating_add(MEMORY_SLACK));
		tokio::select! {
			result = converse(&mut stream, &request, replay) => result,
			() = memory => Err(Fault::MemoryLimit(self.limits.memory).into()),
		}
	}

	/// Takes in what the worker says it has done, with the tensors in its folder.
	async fn hand_over(
		&self,
		blobs: &Arc<BlobStore>,
		replay: &Replay,
		done: Done,
	) -> Result<Ran, Fault> {
		let Done { run_root, trace_roots, last_anchors, last_lazy, outputs, kept, .. } = done;
		let all_anchors = match (&self.folder, done.recorded.anchors) {
			(Some(folder), Some(file)) if replay.anchors > 0 => {
				let (path, len) = (folder.path().to_owned(), replay.anchors);
				joined(spawn_blocking(move || read_anchors(&path, len, &file)).await)?
			}
			_ => Vec::new(),
		};
		let outputs_held = match &self.folder {
			Some(folder) if !replay.outputs.is_empty() => {
				let (path, blobs, job) = (folder.path().to_owned(), blobs.clone(), replay.job);
				let (wanted, anchors) = (replay.outputs.clone(), last_anchors.clone());
				let take = move || take_outputs(&path, &blobs, job, &wanted, &anchors, &outputs);
				joined(spawn_blocking(take).await)?
			}
			_ => false,
		};
		let kept = match &self.folder {
			Some(folder) if !(replay.keep.is_empty() && kept.is_empty()) => {
				let (path, keep) = (folder.path().to_owned(), replay.keep.clone());
				joined(spawn_blocking(move || read_kept(&path, &keep, &kept)).await)?
			}
			_ => Default::default(),
		};
		Ok(Ran { run_root, trace_roots, last_anchors, last_lazy, kept, all_anchors, outputs_held })
	}

	/// Says why a worker that closed the connection is gone.
	async fn how_it_died(&mut self) -> Fault {
		// It may still be on its way out; what hangs is killed by the caller.
		let how = match timeout(Duration::from_secs(1), self.child.wait()).await {
			Ok(Ok(status)) if status.signal() == Some(Signal::SIGXCPU as i32) => {
				return Fault::Reported {
					reason: AbstainReason::TooSlow,
					text: format!("more than {} s of processor time", self.limits.cpu),
				};
			}
			Ok(Ok(status)) => status.to_string(),
			Ok(Err(error)) => error.to_string(),
			Err(_) => "it closed the connection and went on".into(),
		};
		if let Some(reader) = &mut self.reader {
			let _ = timeout(Duration::from_millis(500), reader).await;
		}
		let stderr = self.stderr.lock();
		let text = String::from_utf8_lossy(&stderr);
		match text.lines().rev().find(|line| !line.trim().is_empty()) {
			Some(line) => Fault::Crashed(format!("{how}: {}", line.trim())),
			None => Fault::Crashed(how),
		}
	}

	/// Ends what is left of the process group and removes the folder.
	async fn finish(mut self) {
		let _ = killpg(self.group, Signal::SIGKILL);
		let _ = timeout(Duration::from_secs(5), self.child.wait()).await;
		let folder = self.folder.take();
		let _ = spawn_blocking(move || drop(folder)).await;
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
	replay: &Replay,
) -> Result<Done, Ended> {
	nonblocking::send(stream, request).await?;
	loop {
		match nonblocking::receive::<Reply>(stream).await? {
			Reply::Progress(progress) => {
				log::trace!(target: LOG_TARGET, "Job {}: {progress:?}", replay.job);
			}
			Reply::Done(done) => {
				// The worker's own answers have to agree with each other.
				let consistent = done.trace_roots.len() == replay.steps as usize
					&& run_root(&done.trace_roots) == done.run_root
					&& done.trace_roots.last() == Some(&trace_root(&done.last_anchors));
				if !consistent {
					let text = "the run root does not follow from the trace and anchor roots";
					return Err(Fault::Garbage(text.into()).into());
				}
				log::debug!(target: LOG_TARGET, "Job {}: ran on {}", replay.job, done.device);
				return Ok(done);
			}
			// The node has checked program and inputs before it started the worker.
			Reply::JobFault(fault) => {
				let text = format!("{fault}; but the node's own check passed");
				return Err(Fault::Garbage(text).into());
			}
			Reply::LocalFault(fault) => {
				let reason = match fault.kind {
					LocalFaultKind::Sandbox => {
						let text = fault.text.strip_prefix("sandbox: ").unwrap_or(&fault.text);
						return Err(Fault::Sandbox(text.into()).into());
					}
					LocalFaultKind::Input => AbstainReason::InputsMissing,
					LocalFaultKind::Device | LocalFaultKind::Audit => AbstainReason::DeviceFault,
					LocalFaultKind::Memory => AbstainReason::OutOfMemory,
					LocalFaultKind::Time => AbstainReason::TooSlow,
					LocalFaultKind::Disk => AbstainReason::Other,
					LocalFaultKind::Protocol | LocalFaultKind::Internal => {
						AbstainReason::WorkerFault
					}
				};
				return Err(Fault::Reported { reason, text: fault.text }.into());
			}
		}
	}
}

/// Says that this node verifies nothing. Operators look for it, so it is an error each time.
fn say_refusing(holes: &Fault) {
	log::error!(
		target: LOG_TARGET,
		"This node verifies nothing, and abstains from the jobs it is drawn for: nothing would keep a \
		stranger's program in. {holes}. Repair that (`{WORKER} check-sandbox` tries it), or accept the \
		risk by --allow-unsandboxed-worker (docs/sandbox.md). No restart is needed after a repair.",
	);
}

pub(crate) fn is_kept(name: &OsStr) -> bool {
	let Some(name) = name.to_str() else { return false };
	ENVIRONMENT.iter().any(|kept| match kept.strip_suffix('*') {
		Some(prefix) => name.starts_with(prefix),
		None => name == *kept,
	})
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
		let mut tail = tail.lock();
		tail.extend_from_slice(&buffer[..length]);
		let excess = tail.len().saturating_sub(STDERR_TAIL);
		tail.drain(..excess);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::config::Limits;

	const GIB: u64 = 1 << 30;

	fn limits(work_units: u64, peak_memory: u64, machine: Memory) -> Result<JobLimits, Fault> {
		let config = Config::new("assay-worker".into(), Path::new("/nowhere"));
		let replay = Replay {
			job: 1,
			program: Arc::from(&b""[..]),
			inputs: vec![([0; 32], 1000)],
			start: None,
			steps: 1,
			work_units,
			peak_memory,
			keep: vec![(assay_program::Source::Node(0), 100)],
			anchors: 0,
			outputs: Vec::new(),
		};
		JobLimits::new(&config, &replay, machine)
	}

	#[test]
	fn limits_should_grow_with_the_job_up_to_their_caps() {
		let given = Limits::default();
		let machine = Memory { total: 64 * GIB, available: 60 * GIB };
		let of = |work_units, peak_memory| limits(work_units, peak_memory, machine).unwrap();
		let small = of(1, 0);
		assert_eq!((small.wall, small.memory), (given.wall_floor, given.memory_floor + 1200));
		let large = of(100 * given.work_rate, 1 << 20);
		assert_eq!(large.wall, given.wall_floor + Duration::from_secs(100));
		assert_eq!(large.memory, small.memory + (4 << 20));
		assert!(large.cpu > large.wall.as_secs());
		let huge = of(u64::MAX, 50 * GIB);
		assert_eq!((huge.wall, huge.memory), (given.wall_cap, 56 * GIB), "the machine's cap");
	}

	/// M7: programs of up to 64 GiB are admitted, whatever machine validates.
	#[test]
	fn job_should_be_refused_before_it_starts_when_the_machine_has_too_little_memory() {
		let machine = Memory { total: 32 * GIB, available: 20 * GIB };
		assert!(matches!(limits(1, 60 * GIB, machine), Err(Fault::TooLittleMemory { .. })));
		assert!(matches!(limits(1, u64::MAX, machine), Err(Fault::TooLittleMemory { .. })));
		// It would fit, were other things not there too.
		let in_use = limits(1, 25 * GIB, machine);
		assert!(matches!(in_use, Err(Fault::MemoryInUse { .. })));
		// A worker is stopped before the node, or the machine, has none left.
		let fits = limits(1, 15 * GIB, machine).unwrap();
		assert_eq!(fits.memory, machine.spare());
		let starved = Memory { total: 32 * GIB, available: 100 << 20 };
		assert!(matches!(limits(1, 0, starved), Err(Fault::MemoryInUse { .. })));
	}

	#[test]
	fn workers_should_share_the_memory_when_several_run_at_the_same_time() {
		let machine = Memory { total: 32 * GIB, available: 32 * GIB };
		let mut config = Config::new("assay-worker".into(), Path::new("/nowhere"));
		assert_eq!(config.memory_cap(machine), 28 * GIB);
		config.concurrency = 4;
		assert_eq!(config.memory_cap(machine), 7 * GIB);
		config.limits.memory_cap = Some(GIB);
		assert_eq!(config.memory_cap(machine), GIB);
	}
}

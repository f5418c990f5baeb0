//! Runs strangers' programs: each in a sandboxed `assay-worker`, a process without this one's key.

use crate::{
	context::Context,
	device::AUDITED_TILES,
	error::{io, Error, Result},
	files::Scratch,
	memory,
	output::{bytes, Ui},
	program::Loaded,
};
use assay_program::Source;
use assay_worker_host::{
	clear_stale, create_private, find_worker, Fault, Finished, Host, InputFile, JobLimits, Limits,
	Settings, Task, WORKER,
};
use assay_worker_protocol::{LocalFaultKind, Progress, Record, Stage};
use std::{
	path::{Path, PathBuf},
	sync::{
		atomic::{AtomicU32, Ordering},
		Arc, Mutex, OnceLock, PoisonError,
	},
	time::{Duration, Instant},
};

/// Memory that a worker takes beside its tensors: the engine, the driver, the program.
const MEMORY_FLOOR: u64 = 1 << 30;
/// Bytes that a job needs beside its tensors at the very least.
const OVERHEAD: u64 = 256 << 20;

/// Where the worker is and what keeps it in.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkerFlags {
	/// The worker binary, which runs every job in a sandbox [default: assay-worker beside this
	/// program]
	#[arg(long, value_name = "PATH", help_heading = "Worker")]
	pub worker: Option<PathBuf>,
	/// Run jobs although this machine has no full sandbox: any requester's program then meets the
	/// device's driver with your rights (docs/sandbox.md)
	#[arg(long, help_heading = "Worker")]
	pub allow_unsandboxed_worker: bool,
}

/// What is to be run.
pub struct Work<'a> {
	/// The job's number, for lines.
	pub job: u64,
	/// Its program.
	pub loaded: &'a Loaded,
	/// The inputs as files, in program order.
	pub inputs: Vec<InputFile>,
	/// The states to start from, in program order; `None`: the inputs.
	pub start: Option<Vec<InputFile>>,
	/// Steps to run.
	pub steps: u32,
	/// Tensors of the last step to hand over.
	pub keep: &'a [Source],
	/// What to write beside the outputs.
	pub record: Record,
}

impl<'a> Work<'a> {
	/// The whole job, of which nothing is kept.
	pub fn whole(job: u64, loaded: &'a Loaded, inputs: Vec<InputFile>, steps: u32) -> Self {
		Self { job, loaded, inputs, start: None, steps, keep: &[], record: Record::default() }
	}
}

/// How far a run is, for whoever looks at it from outside.
#[derive(Clone, Debug)]
pub struct Watch {
	started: Instant,
	permille: Arc<AtomicU32>,
	/// When a worker first told how far the run itself is, and how far it was then: what comes
	/// before is loading.
	first: Arc<OnceLock<(Instant, u32)>>,
	/// How often in a row somebody who looked has thought it too slow, and how far it was at the
	/// last time.
	doubts: Arc<Mutex<(u32, u32)>>,
	/// Milliseconds of the whole run, once it has ended.
	took: Arc<AtomicU32>,
}

impl Default for Watch {
	fn default() -> Self {
		let (permille, first, doubts, took) = Default::default();
		Self { started: Instant::now(), permille, first, doubts, took }
	}
}

/// How fast a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
	/// Finished part, in thousandths.
	pub done: u32,
	/// The part of it that was made since a worker first told of it.
	pub made: u32,
	/// How long that took.
	pub took: Duration,
	/// Since it was begun, with fetching and loading.
	pub age: Duration,
}

impl Watch {
	/// Finished part, in thousandths.
	pub fn done(&self) -> u32 {
		self.permille.load(Ordering::Relaxed)
	}

	/// How fast the run is, once a worker has told of it.
	pub fn pace(&self) -> Option<Pace> {
		let (since, before) = *self.first.get()?;
		let done = self.done();
		let (took, age) = (since.elapsed(), self.started.elapsed());
		Some(Pace { done, made: done.saturating_sub(before), took, age })
	}

	/// Takes down what a look has made of its pace; how many in a row have now thought it too slow.
	/// Where nothing has been done since the last one, nothing is learnt.
	pub fn doubt(&self, slow: bool, done: u32) -> u32 {
		let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
		match slow {
			false => *doubts = (0, done),
			true if doubts.0 == 0 || done > doubts.1 => {
				*doubts = (doubts.0.saturating_add(1), done)
			}
			true => {}
		}
		doubts.0
	}

	/// How long the run took, once it has ended.
	pub fn took(&self) -> Option<Duration> {
		let milliseconds = self.took.load(Ordering::Relaxed);
		(milliseconds > 0).then(|| Duration::from_millis(milliseconds.into()))
	}

	fn set(&self, progress: Progress) {
		if progress.stage == Stage::Running {
			let done = u128::from(progress.done) * 1000 / u128::from(progress.total.max(1));
			let done = done.min(1000) as u32;
			self.first.get_or_init(|| (Instant::now(), done));
			self.permille.store(done, Ordering::Relaxed);
		}
	}
}

/// Starts workers.
#[derive(Clone)]
pub struct Runner {
	host: Arc<Host>,
	/// Most bytes of one job.
	max_memory: u64,
	_scratch: Option<Arc<Scratch>>,
}

impl Runner {
	/// With folders below `dir`, which no other process uses.
	///
	/// # Errors
	/// `worker-missing`, `worker-version`, `no-sandbox`.
	pub async fn open(flags: &WorkerFlags, adapter: &str, dir: &Path) -> Result<Self> {
		create_private(dir).map_err(io(dir))?;
		let settings = Settings {
			adapter: Some(adapter.into()),
			allow_unsandboxed: flags.allow_unsandboxed_worker,
			audit_tiles: AUDITED_TILES,
			..Settings::new(find_worker(flags.worker.clone()), dir.to_owned())
		};
		let host = Host::new(settings);
		host.prepare().await.map_err(|fault| failed(&fault))?;
		Ok(Self { host: Arc::new(host), max_memory: u64::MAX, _scratch: None })
	}

	/// For a command that keeps nothing: with a folder of its own, which goes with it.
	///
	/// # Errors
	/// As [`Self::open`].
	pub async fn scratch(context: &Context, flags: &WorkerFlags, adapter: &str) -> Result<Self> {
		let base = context.state_dir()?.join("work");
		create_private(&base).map_err(io(&base))?;
		clear_dead(&base);
		let dir = base.join(std::process::id().to_string());
		let scratch = Arc::new(Scratch(dir.clone()));
		let runner = Self::open(flags, adapter, &dir).await?;
		Ok(Self { _scratch: Some(scratch), ..runner })
	}

	/// Limits the memory of every job further than the machine does.
	pub fn limited(self, max_memory: u64) -> Self {
		Self { max_memory, ..self }
	}

	/// Its folder.
	pub fn dir(&self) -> &Path {
		&self.host.settings().dir
	}

	/// What it asks a worker to run on.
	pub fn adapter(&self) -> &str {
		self.host.settings().adapter.as_deref().unwrap_or("auto")
	}

	/// Runs a job, or a part of one, under a progress bar. Dropping the future ends the process
	/// that runs it.
	///
	/// # Errors
	/// `job-fault` where nobody can run it; `worker-…` and `local-fault` where this machine did
	/// not.
	pub async fn run(
		&self,
		work: Work<'_>,
		watch: &Watch,
		ui: &Ui,
		label: &str,
	) -> Result<Finished> {
		let Work { job, loaded, inputs, start, steps, keep, record } = work;
		let checked = &loaded.checked;
		let length = |source: &Source| {
			let node = match source {
				Source::Node(node) => Some(*node),
				Source::State(at) => {
					loaded.program.states.get(usize::from(*at)).map(|state| state.update)
				}
				Source::Input(_) | Source::Constant(_) => None,
			};
			let ty = node.and_then(|node| checked.types.get(node as usize));
			ty.map(|ty| (*source, ty.canonical_len())).ok_or_else(|| {
				Error::new("local-fault", format!("{source:?} cannot be kept"))
					.fix("report this as a fault of the client")
			})
		};
		let tree = |node: &u32| checked.types.get(*node as usize).map(|ty| ty.canonical_len());
		let task = Task {
			inputs,
			start,
			keep: keep.iter().map(length).collect::<Result<_>>()?,
			record_bytes: Some(record.trees.iter().filter_map(tree).fold(0, u64::saturating_add)),
			record,
			..Task::new(job, Arc::from(&loaded.bytes[..]), steps)
		};
		let work_units = checked.work_units.saturating_mul(steps.into());
		let limits = Limits {
			memory_floor: MEMORY_FLOOR,
			memory_cap: memory::available().min(self.max_memory.saturating_add(MEMORY_FLOOR)),
			..Limits::default()
		};
		let limits = JobLimits::new(&limits, &task, work_units, checked.peak_memory);
		let bar = ui.bar(1000, label, false);
		let start = Instant::now();
		let report = |progress: Progress| {
			watch.set(progress);
			bar.set(watch.done().into());
		};
		let finished =
			self.host.run(&task, limits, &report).await.map_err(|fault| failed(&fault))?;
		let milliseconds = u32::try_from(start.elapsed().as_millis()).unwrap_or(u32::MAX);
		watch.took.store(milliseconds.max(1), Ordering::Relaxed);
		let (seconds, device) = (start.elapsed().as_secs_f64(), &finished.done().device);
		bar.done(format!("{work_units} work units in {seconds:.2} s on {device}"));
		Ok(finished)
	}
}

/// Bytes of memory that a run of a program takes here: its tensors canonical and row-major, and
/// what comes beside.
pub fn needed(peak_memory: u64, input_bytes: u64) -> u64 {
	peak_memory.saturating_mul(2).saturating_add(input_bytes).saturating_add(OVERHEAD)
}

/// Removes what commands have left that were killed.
fn clear_dead(base: &Path) {
	for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
		let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
		if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
			let _ = clear_stale(&entry.path());
			let _ = std::fs::remove_dir_all(entry.path());
		}
	}
}

/// A worker's fault with what to do about it.
pub fn failed(fault: &Fault) -> Error {
	let text = format!("the run failed: {fault}");
	let beside = format!("put {WORKER} of this version beside this program, or pass --worker PATH");
	match fault {
		Fault::WorkerMissing(_) => Error::new("worker-missing", text).fix(beside),
		Fault::WorkerVersion { .. } => Error::new("worker-version", text).fix(beside),
		Fault::Sandbox(_) => Error::new("no-sandbox", text).fix(format!(
			"`{WORKER} check-sandbox` tries it; or accept the risk by --allow-unsandboxed-worker \
			 (docs/sandbox.md)"
		)),
		Fault::Job(_) => {
			Error::new("job-fault", text).fix("the job's program or inputs do not fit together")
		}
		Fault::Reported { kind: LocalFaultKind::Memory, .. } | Fault::MemoryLimit(_) => {
			let free = bytes(memory::available());
			Error::new("out-of-memory", text)
				.fix(format!("{free} are available; free some, or use a machine with more"))
		}
		Fault::Reported { kind: LocalFaultKind::Disk, .. } | Fault::Folder(_) => {
			Error::new("disk-fault", text).fix("free disk space below the state folder")
		}
		Fault::Reported { kind: LocalFaultKind::Device | LocalFaultKind::Audit, .. } => {
			Error::new("local-fault", text).fix("try --adapter cpu, or another adapter")
		}
		Fault::Reported { kind: LocalFaultKind::Input, .. } => {
			Error::new("file", text).fix("the inputs are fetched again")
		}
		_ => Error::new("worker-failed", text)
			.fix("it is tried again; if it happens often, keep program and inputs and report it"),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn faults_should_say_what_to_do() {
		for (fault, code, fix) in [
			(Fault::WorkerMissing("gone".into()), "worker-missing", "--worker"),
			(Fault::Sandbox("Landlock".into()), "no-sandbox", "--allow-unsandboxed-worker"),
			(Fault::Crashed("signal".into()), "worker-failed", "report"),
			(Fault::Garbage("bytes".into()), "worker-failed", "report"),
			(Fault::MemoryLimit(1), "out-of-memory", "available"),
			(Fault::Folder("full".into()), "disk-fault", "free disk space"),
		] {
			let error = failed(&fault);
			assert_eq!(error.code, code);
			assert!(error.fix.is_some_and(|text| text.contains(fix)), "{code}");
		}
	}

	#[test]
	fn pace_should_be_that_of_the_run_when_loading_takes_long() {
		let ago = |seconds| Instant::now() - Duration::from_secs(seconds);
		let watch = Watch { started: ago(40), ..Watch::default() };
		let tell = |stage, done| watch.set(Progress { stage, done, total: 100 });
		tell(Stage::Loading, 50);
		assert_eq!(watch.pace(), None);
		tell(Stage::Running, 1);
		let pace = watch.pace().unwrap();
		assert_eq!((pace.done, pace.made), (10, 0));
		assert!(pace.took < Duration::from_secs(20) && pace.age >= Duration::from_secs(40));
		tell(Stage::Running, 3);
		assert_eq!(watch.pace().unwrap().made, 20);
	}

	#[test]
	fn doubts_should_count_only_when_something_was_done_between_them() {
		let watch = Watch::default();
		assert_eq!([1, 1, 1, 2, 3].map(|done| watch.doubt(true, done)), [1, 1, 1, 2, 3]);
		assert_eq!((watch.doubt(false, 4), watch.doubt(true, 5)), (0, 1));
	}

	#[test]
	fn folders_of_dead_commands_should_be_removed() {
		let base = tempfile::tempdir().unwrap();
		let own = base.path().join(std::process::id().to_string());
		// No process has so high a number: the kernel's limit is 2^22.
		let dead = base.path().join("4194305");
		for dir in [&own, &dead] {
			std::fs::create_dir_all(dir.join("job-1-0")).unwrap();
		}
		clear_dead(base.path());
		assert!(own.exists() && !dead.exists());
	}
}

//! The engine of this machine, on a thread of its own.

use crate::{
	chain::Hash,
	error::{Error, Result},
	output::Ui,
	program::Loaded,
	provider::run::KeepCheckpoints,
};
use assay_exec::{
	Audit, Checkpoint, Checkpoints, DeviceFault, ExecError, Executor, Observer, Run, Tensor, Watch,
};
use assay_gpu::{best_executor, Choice, DeviceKind, DeviceReport};
use assay_program::Source;
use std::{
	ops::ControlFlow,
	sync::{
		atomic::{AtomicBool, AtomicU64, Ordering},
		mpsc, Arc,
	},
	time::Duration,
};
use tokio::sync::oneshot;

/// How often a progress bar moves.
const TICK: Duration = Duration::from_millis(100);
/// Tiles of each step that the definition recomputes before a result is trusted.
const AUDITED_TILES: u32 = 4;
/// Longest name of an adapter that an identity takes, in bytes.
const MAX_NAME: usize = 64;

/// What an identity publishes about its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
	/// Name of the adapter.
	pub adapter: String,
	/// Variant of the identity pallet's `Backend`.
	pub backend: &'static str,
	/// Memory in MiB.
	pub memory_mib: u32,
	/// Measured work units per second.
	pub units_per_second: u64,
}

type Job = Box<dyn FnOnce(&mut dyn Executor) -> Option<ExecError> + Send>;

/// An engine that runs one thing at a time.
pub struct Device {
	queue: mpsc::Sender<Job>,
	report: DeviceReport,
	name: String,
}

/// Reads an adapter flag.
fn choice(flag: &str) -> Choice {
	Choice::select(Some(flag))
}

fn gone() -> Error {
	Error::new("local-fault", "the engine's thread has ended")
		.fix("start the command again; report this if it happens twice")
}

fn fault(error: &ExecError) -> Error {
	let message = format!("the run failed: {error}");
	if error.is_local() {
		Error::new("local-fault", message).fix("try --adapter cpu, or another adapter")
	} else {
		Error::new("job-fault", message).fix("the job's program or inputs do not fit together")
	}
}

impl Device {
	/// Opens the adapter that a flag names; the CPU engine where there is none.
	pub fn open(flag: &str) -> Result<Self> {
		let choice = choice(flag);
		let (queue, jobs) = mpsc::channel::<Job>();
		let (opened, report) = mpsc::channel();
		std::thread::Builder::new()
			.name("engine".into())
			.spawn(move || {
				let (mut executor, report) = best_executor(&choice, None);
				if opened.send(report).is_err() {
					return;
				}
				for job in jobs {
					let lost = matches!(
						job(&mut *executor),
						Some(ExecError::Device { fault: DeviceFault::Lost, .. })
					);
					if lost {
						executor = best_executor(&choice, None).0;
					}
				}
			})
			.map_err(|e| Error::new("local-fault", format!("cannot start a thread: {e}")))?;
		let report = report.recv().map_err(|_| gone())?;
		let name = report.to_string();
		Ok(Self { queue, report, name })
	}

	/// What runs, and why.
	pub fn name(&self) -> &str {
		&self.name
	}

	/// Adapter, driver and self-test.
	pub fn report(&self) -> &DeviceReport {
		&self.report
	}

	async fn call<T: Send + 'static>(
		&self,
		act: impl FnOnce(&mut dyn Executor) -> Result<T, ExecError> + Send + 'static,
	) -> Result<T> {
		let (reply, answer) = oneshot::channel();
		let job: Job = Box::new(move |executor| {
			let result = act(executor);
			let error = result.as_ref().err().cloned();
			// Nobody waits any more when the command was stopped.
			let _ = reply.send(result);
			error
		});
		self.queue.send(job).map_err(|_| gone())?;
		answer.await.map_err(|_| gone())?.map_err(|e| fault(&e))
	}

	/// Runs a program under a progress bar. Dropping the future stops the run.
	pub async fn run(
		&self,
		loaded: Arc<Loaded>,
		inputs: Vec<Tensor>,
		steps: u32,
		ui: &Ui,
		label: &str,
	) -> Result<Run> {
		self.run_keeping(loaded, inputs, steps, Vec::new(), ui, label).await
	}

	/// As [`Self::run`], and keeps tensors of the last step.
	pub async fn run_keeping(
		&self,
		loaded: Arc<Loaded>,
		inputs: Vec<Tensor>,
		steps: u32,
		keep: Vec<Source>,
		ui: &Ui,
		label: &str,
	) -> Result<Run> {
		let act = move |executor: &mut dyn Executor, loaded: &Loaded, watch: &mut dyn Observer| {
			let Loaded { program, checked, .. } = loaded;
			executor.run_keeping(program, checked, &inputs, steps, &keep, watch)
		};
		self.watched(loaded, steps, ui, label, act).await
	}

	/// As [`Self::run`], and keeps checkpoints as files; the roots of what is to be served.
	pub(crate) async fn run_with_checkpoints(
		&self,
		loaded: Arc<Loaded>,
		inputs: Vec<Tensor>,
		steps: u32,
		mut keep: KeepCheckpoints,
		ui: &Ui,
		label: &str,
	) -> Result<(Run, Vec<Hash>)> {
		let act = move |executor: &mut dyn Executor, loaded: &Loaded, watch: &mut dyn Observer| {
			let Loaded { program, checked, .. } = loaded;
			let mut failed = None;
			let mut observer = Checkpoints {
				inner: |progress: assay_exec::Progress| watch.progress(progress),
				every: keep.every,
				take: |checkpoint: Checkpoint<'_>| match keep
					.take(checkpoint, &checked.state_anchors)
				{
					Ok(()) => ControlFlow::Continue(()),
					Err(error) => {
						failed = Some(error);
						ControlFlow::Break(())
					}
				},
			};
			let run = executor.run(program, checked, &inputs, steps, &mut observer);
			match (failed, run) {
				(Some(error), _) => Ok(Err(error)),
				(None, Ok(run)) => Ok(keep.finish().map(|blobs| (run, blobs))),
				(None, Err(error)) => Err(error),
			}
		};
		self.watched(loaded, steps, ui, label, act).await?
	}

	/// Runs under a progress bar. Dropping the future stops the run.
	async fn watched<T: Send + 'static>(
		&self,
		loaded: Arc<Loaded>,
		steps: u32,
		ui: &Ui,
		label: &str,
		act: impl FnOnce(&mut dyn Executor, &Loaded, &mut dyn Observer) -> Result<T, ExecError>
			+ Send
			+ 'static,
	) -> Result<T> {
		/// Stops the run when the waiting side goes away.
		struct Stop(Arc<AtomicBool>);
		impl Drop for Stop {
			fn drop(&mut self) {
				self.0.store(true, Ordering::Relaxed);
			}
		}
		let total = loaded.checked.work_units.saturating_mul(steps.into());
		let permille = Arc::new(AtomicU64::new(0));
		let stop = Stop(Arc::new(AtomicBool::new(false)));
		let (done, cancelled) = (permille.clone(), stop.0.clone());
		let run = self.call(move |executor| {
			let mut watch = Watch {
				cancelled,
				report: move |p: assay_exec::Progress| {
					let all = u128::from(p.total_work.max(1));
					done.store((u128::from(p.work) * 1000 / all) as u64, Ordering::Relaxed);
				},
			};
			// A provider answers for its result with its bond: a broken device must not cost it.
			executor.set_audit(Some(Audit::fresh(AUDITED_TILES)));
			act(executor, &loaded, &mut watch)
		});
		let bar = ui.bar(1000, label, false);
		let start = std::time::Instant::now();
		let mut run = std::pin::pin!(run);
		loop {
			tokio::select! {
				run = &mut run => {
					let run = run?;
					let seconds = start.elapsed().as_secs_f64();
					bar.done(format!("{total} work units in {seconds:.2} s on {}", self.name));
					return Ok(run);
				},
				_ = tokio::time::sleep(TICK) => bar.set(permille.load(Ordering::Relaxed)),
			}
		}
	}

	/// Measured work units per second.
	pub async fn rate(&self) -> Result<u64> {
		self.call(|executor| assay_exec::measure_rate(executor)).await
	}

	/// What an identity publishes; measures the rate.
	pub async fn profile(&self) -> Result<Profile> {
		let backend = match (self.report.kind, self.report.backend.as_str()) {
			(DeviceKind::Cpu, _) => "Cpu",
			(_, "vulkan") => "Vulkan",
			(_, "metal") => "Metal",
			(_, "dx12") => "Dx12",
			(_, "gl") => "OpenGl",
			_ => "Other",
		};
		Ok(Profile {
			adapter: short_name(&self.report.name),
			backend,
			memory_mib: memory_mib(),
			units_per_second: self.rate().await?.max(1),
		})
	}
}

/// A name that the identity pallet accepts: printable, not empty, at most 64 bytes.
fn short_name(name: &str) -> String {
	let mut text: String = name.chars().filter(|c| !c.is_control()).collect();
	while text.len() > MAX_NAME {
		text.pop();
	}
	if text.trim().is_empty() {
		"unnamed".into()
	} else {
		text
	}
}

/// Memory of this machine in MiB. The graphics interface does not tell an adapter's own.
fn memory_mib() -> u32 {
	let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
	let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"));
	let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
	u32::try_from(kib.unwrap_or(1024) / 1024).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn name_should_be_accepted_by_the_chain_when_it_is_odd() {
		assert_eq!(short_name("Adapter\u{7}\n 1"), "Adapter 1");
		assert_eq!(short_name("\n"), "unnamed");
		let long = short_name(&"ü".repeat(80));
		assert!(long.len() <= MAX_NAME && long.starts_with('ü'));
		assert!(memory_mib() > 0);
	}
}

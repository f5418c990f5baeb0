//! Runs every job in a worker process of its own.

use crate::{
	config::Config,
	fault::Fault,
	inputs::held::input_path,
	metrics::Metrics,
	runner::{Ran, Replay, Runner},
	thread::joined,
	types::{Hash, LOG_TARGET},
	worker::{
		limits::{limits_within, most_memory},
		machine::Memory,
		outputs::{take_anchors, take_kept, take_outputs},
	},
};
use assay_blobs::BlobStore;
use assay_worker_host::{Finished, Host, InputFile, JobLimits, Settings, Task, WORKER};
use assay_worker_protocol::{Record, PACKAGE_VERSION};
use futures::{future::BoxFuture, FutureExt};
use std::{process::Stdio, sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::timeout};

/// Most time of the worker's self-test.
const SELF_TEST: Duration = Duration::from_secs(600);

/// Runs every job in a worker process of its own.
pub struct ProcessRunner {
	config: Config,
	host: Host,
	blobs: Arc<BlobStore>,
	metrics: Metrics,
}

impl ProcessRunner {
	/// A runner with these settings. Call [`ProcessRunner::prepare`] before its first use.
	pub fn new(config: Config, blobs: Arc<BlobStore>, metrics: Metrics) -> Self {
		let host = Host::new(Settings {
			worker: config.worker.clone(),
			dir: config.dir.clone(),
			adapter: config.adapter.clone(),
			allow_unsandboxed: config.allow_unsandboxed,
			audit_tiles: config.audit_tiles,
			handshake: config.limits.handshake,
		});
		Self { config, host, blobs, metrics }
	}

	/// Clears what an earlier run left, and says in the log whether the worker is usable and
	/// whether this machine keeps it in.
	pub async fn prepare(&self) {
		match self.host.clear().await {
			Ok(0) => {}
			Ok(count) => log::info!(target: LOG_TARGET, "Removed {count} stale job folders"),
			Err(fault) => log::error!(
				target: LOG_TARGET,
				"Cannot clear {}: {fault}", self.host.settings().dir.display(),
			),
		}
		match self.usable().await {
			Ok(()) => {
				let worker = self.host.settings().worker.display();
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

	/// As long as workers have no full sandbox and nobody has accepted that, says so once per
	/// minute and looks whether it has been repaired. Never ends.
	pub async fn watch_sandbox(&self) {
		loop {
			tokio::time::sleep(self.config.sandbox_check).await;
			let refuses = matches!(self.host.known_sandbox(), Some(Err(_)));
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
		let checked = self.host.check_sandbox().await;
		let refusing = checked.is_err() && !self.config.allow_unsandboxed;
		self.metrics.sandbox(checked.is_ok(), refusing);
		Ok(checked?)
	}

	/// Refuses to run jobs where nothing keeps them in and nobody has accepted that. The worker
	/// would refuse as well; this way none is started.
	async fn contained(&self) -> Result<(), Fault> {
		if self.config.allow_unsandboxed {
			return Ok(());
		}
		match self.host.known_sandbox() {
			Some(checked) => Ok(checked?),
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
			.host
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

	async fn usable(&self) -> Result<(), Fault> {
		let checked = self.host.check_version().await;
		self.metrics.worker_usable(checked.is_ok());
		Ok(checked?)
	}

	async fn attempt(&self, replay: Replay) -> Result<Ran, Fault> {
		self.usable().await?;
		self.contained().await?;
		let memory = joined(spawn_blocking(|| Ok(Memory::now())).await)?;
		let most = most_memory(&self.config, &replay, memory)?;
		let blobs = self.blobs.clone();
		let prepare = spawn_blocking(move || Ok((task(&blobs, &replay)?, replay)));
		let (task, replay) = joined(prepare.await)?;
		let limits = limits_within(&self.config.limits, most);
		let limits = JobLimits::new(&limits, &task, replay.work_units, replay.peak_memory);
		let running = self.host.start(&task, limits).await?;
		self.metrics.worker_started();
		let job = replay.job;
		let report = |progress| log::trace!(target: LOG_TARGET, "Job {job}: {progress:?}");
		let finished = running.finish(&report).await?;
		log::debug!(target: LOG_TARGET, "Job {job}: ran on {}", finished.done().device);
		let blobs = self.blobs.clone();
		// The folder goes with what has finished, which blocks too.
		joined(spawn_blocking(move || hand_over(&finished, &blobs, &replay)).await)
	}
}

impl Runner for ProcessRunner {
	fn replay(self: Arc<Self>, replay: Replay) -> BoxFuture<'static, Result<Ran, Fault>> {
		async move { self.attempt(replay).await }.boxed()
	}
}

/// What a worker is told, with the store's own files as its inputs. Blocks.
fn task(blobs: &BlobStore, replay: &Replay) -> Result<Task, Fault> {
	let file = |(root, len): &(Hash, u64)| {
		Ok(InputFile { root: *root, path: input_path(blobs, root)?, len: *len })
	};
	let files = |blobs: &[(Hash, u64)]| blobs.iter().map(file).collect::<Result<Vec<_>, Fault>>();
	Ok(Task {
		inputs: files(&replay.inputs)?,
		start: replay.start.as_deref().map(files).transpose()?,
		keep: replay.keep.clone(),
		record: Record { anchors: replay.anchors > 0, ..Record::default() },
		..Task::new(replay.job, replay.program.clone(), replay.steps)
	})
}

/// Takes in what the worker says it has done, with the tensors in its folder. Blocks.
fn hand_over(finished: &Finished, blobs: &BlobStore, replay: &Replay) -> Result<Ran, Fault> {
	let done = finished.done();
	let outputs_held = !replay.outputs.is_empty()
		&& take_outputs(
			finished.folder(),
			blobs,
			replay.job,
			&replay.outputs,
			&done.last_anchors,
			&done.outputs,
		)?;
	let all_anchors = match &done.recorded.anchors {
		Some(file) if replay.anchors > 0 => take_anchors(finished, file, replay.anchors)?,
		_ => Vec::new(),
	};
	Ok(Ran {
		run_root: done.run_root,
		trace_roots: done.trace_roots.clone(),
		last_anchors: done.last_anchors.clone(),
		last_lazy: done.last_lazy.clone(),
		kept: take_kept(finished)?,
		all_anchors,
		outputs_held,
	})
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

//! Runs a disputed job again, in a sandboxed worker.

use crate::{
	chain::{disputes::Disputed, Hash, Link},
	error::{Error, Result},
	executed::Executed,
	files::Files,
	kept::Kept,
	output::Ui,
	program::Loaded,
	runner::{failed, Runner, Watch, Work},
};
use assay_dispute::{BoxError, Job, Replay, Replayed};
use assay_program::Source;
use assay_worker_host::{Finished, InputFile};
use assay_worker_protocol::Record;
use std::{path::PathBuf, sync::Arc};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// What an own run has left to replay from.
pub struct Own {
	/// The run.
	pub executed: Executed,
	/// What was kept of it.
	pub kept: Kept,
	/// Where the states of its checkpoints are.
	pub blobs: PathBuf,
}

/// Replays of one job: its inputs are fetched once, when they are first needed.
pub struct WorkerReplay {
	link: Link,
	runner: Runner,
	files: Files,
	job: u64,
	loaded: Arc<Loaded>,
	roots: Vec<Hash>,
	inputs: OnceCell<Vec<InputFile>>,
	own: Option<Own>,
	ui: Ui,
	label: String,
}

impl WorkerReplay {
	/// Of a job with these input roots, whose files are put into `files`.
	#[allow(clippy::too_many_arguments)] // One each.
	pub fn new(
		link: Link,
		runner: Runner,
		files: Files,
		job: u64,
		loaded: Arc<Loaded>,
		roots: Vec<Hash>,
		ui: Ui,
		label: String,
	) -> Self {
		let inputs = OnceCell::new();
		Self { link, runner, files, job, loaded, roots, inputs, own: None, ui, label }
	}

	/// Replays from the checkpoints of an earlier run where that is shorter.
	pub fn with_own(self, own: Own) -> Self {
		Self { own: Some(own), ..self }
	}

	/// The inputs as files, fetched if they are not here.
	pub async fn inputs(&self) -> Result<&Vec<InputFile>> {
		let fetch = || async {
			let node = self.link.node();
			self.files.gather(&node, &self.ui, &self.loaded, &self.roots).await
		};
		self.inputs.get_or_try_init(fetch).await
	}

	/// The first `steps` steps, or the last of them from a checkpoint; how many came before that.
	pub async fn run(
		&self,
		steps: u32,
		keep: &[Source],
		record: Record,
	) -> Result<(u32, Finished)> {
		let inputs = self.inputs().await?.clone();
		let start = match &self.own {
			Some(Own { executed, kept, blobs }) => {
				let (kept, executed, blobs) = (kept.clone(), executed.clone(), blobs.clone());
				let loaded = self.loaded.clone();
				let start = spawn_blocking(move || kept.start(&loaded, &executed, steps, &blobs));
				start.await.unwrap_or(None)
			}
			None => None,
		};
		let before = start.as_ref().map_or(0, |start| start.steps);
		let label = match steps - before {
			1 => format!("{}: 1 step", self.label),
			count => format!("{}: {count} steps", self.label),
		};
		let work = |start: Option<Vec<InputFile>>, steps| Work {
			job: self.job,
			loaded: &self.loaded,
			inputs: inputs.clone(),
			start,
			steps,
			keep,
			record: record.clone(),
		};
		let watch = Watch::default();
		if let Some(start) = start {
			let part = work(Some(start.states), steps - before);
			match self.runner.run(part, &watch, &self.ui, &label).await {
				Ok(finished) => return Ok((before, finished)),
				// A checkpoint that is not what it was is as if it were not there.
				Err(error) if error.code == "file" => self.ui.note(error.to_string()),
				Err(error) => return Err(error),
			}
		}
		let finished = self.runner.run(work(None, steps), &watch, &self.ui, &label).await?;
		Ok((0, finished))
	}
}

impl Replay for WorkerReplay {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		let (before, finished) = self.run(steps, keep, Record::default()).await?;
		let kept = spawn_blocking(move || finished.kept().map(|kept| (kept, finished)));
		let (kept, finished) = kept.await?.map_err(|fault| failed(&fault))?;
		let done = finished.done();
		let earlier = self.own.iter().flat_map(|own| own.executed.traces.iter());
		let trace_roots: Vec<Hash> =
			earlier.take(before as usize).chain(&done.trace_roots).copied().collect();
		Ok(Replayed {
			trace_roots,
			last_anchors: done.last_anchors.clone(),
			last_lazy: done.last_lazy.clone(),
			kept,
		})
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		let input = self.inputs().await?.get(usize::from(index));
		let input = input.ok_or("there is no such input")?;
		Ok(tokio::fs::read(&input.path).await?)
	}
}

/// The job as the dispute crate wants it.
pub fn job(disputed: &Disputed, loaded: &Loaded) -> Arc<Job> {
	Arc::new(Job {
		program: loaded.program.clone(),
		checked: loaded.checked.clone(),
		input_roots: disputed.input_roots.clone(),
		steps: disputed.steps,
		run_root: disputed.run_root,
		trace_root: disputed.trace_root,
	})
}

/// An error of the dispute crate with what to do about it. One of this crate keeps its code.
pub fn dispute_error(error: assay_dispute::Error) -> Error {
	use assay_dispute::Error as E;
	let message = error.to_string();
	let (code, fix) = match error {
		E::Replay { source, .. } | E::Input { source, .. } => {
			return match source.downcast::<Error>() {
				Ok(inner) => *inner,
				Err(_) => Error::new("local-fault", message),
			}
		}
		E::Record(_) | E::Unproven(_) | E::NoDifference(_) | E::NoSuchPlace(_) => {
			("chain-data", "use the client of the node's version, or ask another node")
		}
		E::Astray { .. } => (
			"astray",
			"run it again with --adapter cpu; a lane that another replay has led cannot be led on",
		),
		E::OtherRun { .. } => (
			"other-run",
			"this machine computes something else than was committed to; try --adapter cpu, and keep the \
			 state folder",
		),
		E::Replayed { .. } | E::Kept { .. } | E::Unstable { .. } => {
			("local-fault", "this device does not compute reliably; try --adapter cpu")
		}
		E::InputRoot { .. } => ("blob-mismatch", "ask another node"),
		E::Prove { .. } | E::NotFraud { .. } => {
			("no-proof", "try --adapter cpu; this machine's result is likely the wrong one")
		}
	};
	Error::new(code, message).fix(fix)
}

//! Runs a disputed job again, in a sandboxed worker.

use crate::{
	chain::{disputes::Disputed, Hash, Link},
	error::{io, Error, Result},
	executed::Executed,
	files::Files,
	kept::{Kept, Start},
	output::Ui,
	program::Loaded,
	runner::{failed, Runner, Watch, Work},
};
use assay_dispute::{BoxError, Job, Replay, Replayed};
use assay_program::Source;
use assay_worker_host::{create_private, Fault, Finished, InputFile};
use assay_worker_protocol::Record;
use std::{
	collections::BTreeMap,
	future::Future,
	path::{Path, PathBuf},
	sync::Arc,
};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// Roots of the anchors of all steps that a replay hands over, at most.
const ANCHORS: u64 = 1 << 21;

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
		self.run_from(self.checkpoint(steps).await, steps, keep, record).await
	}

	/// The last checkpoint that was kept before the end of so many steps.
	async fn checkpoint(&self, steps: u32) -> Option<Start> {
		let Own { executed, kept, blobs } = self.own.as_ref()?;
		let (kept, executed, blobs) = (kept.clone(), executed.clone(), blobs.clone());
		let loaded = self.loaded.clone();
		let start = spawn_blocking(move || kept.start(&loaded, &executed, steps, &blobs));
		start.await.unwrap_or(None)
	}

	/// In one pass over the work, what `records` asks for of each step. `each` takes it over as
	/// soon as it is there; the states between two steps are files in `dir` meanwhile.
	pub async fn run_once(
		&self,
		records: &BTreeMap<u32, Record>,
		dir: &Path,
		each: impl FnMut(u32, &Finished) -> Result<()> + Send + Sync,
	) -> Result<()> {
		// What an earlier one has left that was given up.
		let _ = std::fs::remove_dir_all(dir);
		create_private(dir).map_err(io(dir))?;
		let updates = self.loaded.program.states.iter().map(|state| Source::Node(state.update));
		let updates = updates.collect();
		let ran = one_pass(records, &mut WorkerParts { replay: self, updates, dir, each }).await;
		let _ = std::fs::remove_dir_all(dir);
		ran
	}

	/// Whether a part of a pass is a part of the own run.
	fn check(&self, before: u32, finished: &Finished) -> Result<()> {
		let Some(own) = &self.own else { return Ok(()) };
		let rest = own.executed.traces.get(before as usize..).unwrap_or_default();
		if rest.starts_with(&finished.done().trace_roots) {
			return Ok(());
		}
		Err(Error::new("other-run", "this machine computes something else than it did before")
			.fix("try --adapter cpu, and keep the state folder"))
	}

	/// The steps up to `steps` from where `start` has come to; how many came before that.
	async fn run_from(
		&self,
		start: Option<Start>,
		steps: u32,
		keep: &[Source],
		record: Record,
	) -> Result<(u32, Finished)> {
		let inputs = self.inputs().await?.clone();
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

/// What runs the parts of a pass.
trait Parts: Send {
	/// The last checkpoint before the end of so many steps.
	fn checkpoint(&self, steps: u32) -> impl Future<Output = Option<Start>> + Send;

	/// Runs to the end of a step. Gives where that has come to, if there is `more` to run.
	fn run(
		&mut self,
		start: Option<Start>,
		step: u32,
		record: &Record,
		more: bool,
	) -> impl Future<Output = Result<Option<Start>>> + Send;
}

/// Runs to the end of each of these steps, without running anything twice: each part starts from
/// where the one before has ended, or from a checkpoint after that.
async fn one_pass(records: &BTreeMap<u32, Record>, parts: &mut impl Parts) -> Result<()> {
	let mut last: Option<Start> = None;
	for (index, (step, record)) in records.iter().enumerate() {
		let kept = parts.checkpoint(step + 1).await;
		let kept = kept.filter(|kept| last.as_ref().is_none_or(|last| last.steps < kept.steps));
		let start = kept.or(last.take());
		last = parts.run(start, *step, record, index + 1 < records.len()).await?;
	}
	Ok(())
}

/// Parts of a pass that workers run.
struct WorkerParts<'a, F> {
	replay: &'a WorkerReplay,
	/// The anchors that are the states after a step.
	updates: Vec<Source>,
	dir: &'a Path,
	each: F,
}

impl<F: FnMut(u32, &Finished) -> Result<()> + Send + Sync> Parts for WorkerParts<'_, F> {
	async fn checkpoint(&self, steps: u32) -> Option<Start> {
		self.replay.checkpoint(steps).await
	}

	async fn run(
		&mut self,
		start: Option<Start>,
		step: u32,
		record: &Record,
		more: bool,
	) -> Result<Option<Start>> {
		let keep = if more { &self.updates[..] } else { &[] };
		let (before, finished) =
			self.replay.run_from(start, step + 1, keep, record.clone()).await?;
		self.replay.check(before, &finished)?;
		(self.each)(step, &finished)?;
		if !more {
			return Ok(None);
		}
		let dir = self.dir.to_owned();
		let take = move || {
			let files = finished.done().kept.iter().map(|kept| {
				let (root, len) = (kept.file.root, kept.file.len);
				let path = dir.join(hex::encode(root));
				finished.take(&root, len, &path).map_err(|fault| failed(&fault))?;
				Ok(InputFile { root, path, len })
			});
			files.collect::<Result<Vec<_>>>()
		};
		let taken = spawn_blocking(take).await;
		let states = taken.map_err(|e| Error::new("local-fault", format!("it stopped: {e}")))??;
		Ok(Some(Start { steps: step + 1, states }))
	}
}

impl Replay for WorkerReplay {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		let wanted = self.loaded.checked.anchors.len() as u64 * u64::from(steps);
		let anchors = steps > 1 && wanted <= ANCHORS;
		let (before, finished) =
			self.run(steps, keep, Record { anchors, ..Record::default() }).await?;
		let read = move || {
			let roots = match &finished.done().recorded.anchors {
				// Of a part of the run they are not those of all steps.
				Some(file) if before == 0 && file.len == 32 * wanted => {
					finished.read(&file.root, file.len)?
				}
				_ => Vec::new(),
			};
			Ok((finished.kept()?, roots, finished))
		};
		let (kept, roots, finished) =
			spawn_blocking(read).await?.map_err(|fault: Fault| failed(&fault))?;
		let all_anchors = roots.chunks(32).filter_map(|root| root.try_into().ok()).collect();
		let done = finished.done();
		let earlier = self.own.iter().flat_map(|own| own.executed.traces.iter());
		let trace_roots: Vec<Hash> =
			earlier.take(before as usize).chain(&done.trace_roots).copied().collect();
		Ok(Replayed {
			trace_roots,
			last_anchors: done.last_anchors.clone(),
			last_lazy: done.last_lazy.clone(),
			kept,
			all_anchors,
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

#[cfg(test)]
mod tests {
	use super::*;

	/// Where each part started and ended.
	struct Fake {
		checkpoints: Vec<u32>,
		parts: Vec<(u32, u32)>,
	}

	impl Parts for Fake {
		async fn checkpoint(&self, steps: u32) -> Option<Start> {
			let at = self.checkpoints.iter().copied().filter(|at| *at < steps).max()?;
			Some(Start { steps: at, states: Vec::new() })
		}

		async fn run(
			&mut self,
			start: Option<Start>,
			step: u32,
			_: &Record,
			more: bool,
		) -> Result<Option<Start>> {
			self.parts.push((start.map_or(0, |start| start.steps), step + 1));
			Ok(more.then(|| Start { steps: step + 1, states: Vec::new() }))
		}
	}

	async fn parts(steps: &[u32], checkpoints: &[u32]) -> Vec<(u32, u32)> {
		let records = steps.iter().map(|step| (*step, Record::default())).collect();
		let mut fake = Fake { checkpoints: checkpoints.to_vec(), parts: Vec::new() };
		one_pass(&records, &mut fake).await.unwrap();
		fake.parts
	}

	#[tokio::test]
	async fn pass_should_run_no_step_twice_when_several_are_owed() {
		assert_eq!(parts(&[2, 5, 7], &[]).await, [(0, 3), (3, 6), (6, 8)]);
		assert_eq!(parts(&[7], &[]).await, [(0, 8)]);
		// From a checkpoint where that is further.
		assert_eq!(parts(&[2, 5, 7], &[2, 4]).await, [(2, 3), (4, 6), (6, 8)]);
		assert_eq!(parts(&[5, 6, 30], &[4, 8, 24]).await, [(4, 6), (6, 7), (24, 31)]);
		assert!(parts(&[], &[4]).await.is_empty());
	}
}

//! Replays for disputes and for the chunks of verdicts: by workers, with tensors that they keep.

use crate::{
	fault::Fault,
	inputs::examined::{decode, Examined},
	inputs::held::check_held,
	inputs::segments::Start,
	replay::replays::Replays,
	runner::Replay,
	thread::joined,
	turns::workers::Bid,
	types::{BlockNumber, Hash, LOG_TARGET},
	worker::machine::Memory,
};
use assay_dispute::{BoxError, Job, Replayed};
use assay_market::JobId;
use assay_program::Source;
use assay_worker_protocol::MAX_STEPS;
use std::sync::{
	atomic::{AtomicU32, Ordering},
	Arc,
};
use tokio::task::spawn_blocking;

/// What a job is replayed for once more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
	/// A dispute.
	Dispute,
	/// The chunks of a verdict.
	Chunks,
}

/// The last block at which something is of use; it may change meanwhile. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(Arc<AtomicU32>);

impl Deadline {
	pub(crate) fn new(block: BlockNumber) -> Self {
		Self(Arc::new(AtomicU32::new(block)))
	}

	pub(crate) fn set(&self, block: BlockNumber) {
		self.0.store(block, Ordering::Relaxed);
	}

	fn get(&self) -> BlockNumber {
		self.0.load(Ordering::Relaxed)
	}
}

/// Replays a job in worker processes, ahead of all that only wait to be verified.
pub(crate) struct WorkerReplay {
	replays: Arc<Replays>,
	id: JobId,
	need: Need,
	deadline: Deadline,
	/// Content address of the program.
	program: Hash,
	pub(crate) job: Arc<Job>,
	examined: Arc<Examined>,
	inputs: Vec<(Hash, u64)>,
	start: Start,
}

/// What is replayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
	pub(crate) program: &'a Hash,
	pub(crate) input_roots: &'a [Hash],
	pub(crate) steps: u32,
	/// What the first of them starts from.
	pub(crate) start: &'a Start,
	/// The run that it is about.
	pub(crate) run_root: &'a Hash,
	/// Trace root of that run's last step.
	pub(crate) trace_root: &'a Hash,
}

impl WorkerReplay {
	/// Decodes and checks what is to be replayed. Blocks.
	pub(crate) fn new(
		replays: &Arc<Replays>,
		id: JobId,
		need: Need,
		deadline: Deadline,
		record: Record<'_>,
	) -> Result<Arc<Self>, Fault> {
		let Record { program, input_roots, steps, start, run_root, trace_root } = record;
		if steps == 0 || steps > MAX_STEPS {
			return Err(Fault::ProgramRejected(format!("a run cannot have {steps} steps")));
		}
		let id_of_program = *program;
		let examined = replays.inputs.programs.examine(*program)?;
		let inputs = examined.inputs(input_roots)?;
		let (program, checked) = decode(&examined.bytes)?;
		let input_roots = input_roots.to_vec();
		let (run_root, trace_root) = (*run_root, *trace_root);
		let job = Arc::new(Job { program, checked, input_roots, steps, run_root, trace_root });
		let (replays, start) = (replays.clone(), start.clone());
		Ok(Arc::new(Self {
			replays,
			id,
			need,
			deadline,
			program: id_of_program,
			job,
			examined,
			inputs,
			start,
		}))
	}

	/// Length in bytes of a tensor that a worker can keep.
	fn kept(&self, source: Source) -> Result<(Source, u64), Fault> {
		let node = match source {
			Source::Node(node) => Some(node),
			Source::State(state) => {
				self.job.program.states.get(usize::from(state)).map(|state| state.update)
			}
			Source::Input(_) | Source::Constant(_) => None,
		};
		let ty = node.and_then(|node| self.job.checked.types.get(node as usize));
		let ty = ty.ok_or_else(|| Fault::Internal(format!("{source:?} cannot be kept")))?;
		Ok((source, ty.canonical_len()))
	}

	/// Bytes of the roots of all anchors of so many steps, where they spare a dispute other
	/// replays.
	fn anchors(&self, steps: u32) -> u64 {
		let wanted = matches!(self.need, Need::Dispute) && self.job.wants_all_anchors(steps);
		match wanted {
			true => 32 * u64::from(steps) * self.job.checked.anchors.len() as u64,
			false => 0,
		}
	}

	/// The first steps of what is replayed, from where it starts.
	async fn attempt(&self, asked: u32, keep: &[Source]) -> Result<Replayed, Fault> {
		let steps = self.start.before().saturating_add(asked);
		let keep = keep.iter().map(|source| self.kept(*source)).collect::<Result<_, _>>()?;
		let (blobs, inputs) = (self.replays.inputs.blobs.clone(), self.inputs.clone());
		joined(spawn_blocking(move || check_held(&blobs, &inputs)).await)?;
		let work_units = self.examined.work_units.saturating_mul(steps.into());
		let takes = self.replays.rates.likely(&self.program, work_units);
		let _turn = self.replays.workers.turn(Bid::owed(takes, self.deadline.get())).await;
		let replay = Replay {
			job: self.id,
			program: self.examined.bytes.clone(),
			inputs: self.inputs.clone(),
			start: self.start.states(),
			steps,
			work_units,
			peak_memory: self.examined.peak_memory,
			keep,
			anchors: self.anchors(steps),
			outputs: Vec::new(),
		};
		let (ran, took) = self.replays.run(self.program, replay).await?;
		let need = match self.need {
			Need::Dispute => "the dispute",
			Need::Chunks => {
				self.replays.metrics.replayed_for_chunks(took);
				"the verdict's chunks"
			}
		};
		log::info!(
			target: LOG_TARGET,
			"Job {}: {steps} steps replayed for {need} in {took:.2?}", self.id,
		);
		Ok(self.start.strip(ran).into())
	}
}

impl assay_dispute::Replay for WorkerReplay {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		Ok(self.attempt(steps, keep).await?)
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		let input = self.inputs.get(usize::from(index)).copied();
		let (root, len) = input.ok_or("there is no such input")?;
		let blobs = self.replays.inputs.blobs.clone();
		let read = spawn_blocking(move || {
			// It comes into this process's memory, and a part of it once more.
			let (needed, spare) = (len.saturating_mul(2), Memory::now().spare());
			if needed > spare {
				return Err(Fault::MemoryInUse { needed, spare });
			}
			blobs.read(&root).map_err(|_| Fault::InputMissing(hex::encode(root)))
		});
		Ok(joined(read.await)?)
	}
}

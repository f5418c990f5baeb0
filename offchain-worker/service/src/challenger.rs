//! Finding the next move in a dispute: replays by workers, and what is made of them.

use std::{panic::AssertUnwindSafe, sync::Arc};

use assay_blobs::BlobStore;
use assay_commitments::Place;
use assay_dispute::{BoxError, Challenger, Error, Job, Move, Replayed};
use assay_market::{DisputedResult, JobId};
use assay_program::Source;
use assay_worker_protocol::MAX_STEPS;
use futures::FutureExt;
use parking_lot::Mutex;
use sp_core::offchain::OffchainStorage;
use tokio::{runtime::Handle, sync::oneshot, task::spawn_blocking};

use crate::{
	duty::{joined, task_hash, Shared},
	inputs::{check_held, decode, Examined},
	workers::Workers,
	Chain, Fault, Hash, Replay, Runner, LOG_TARGET,
};

/// The groups that were opened in a lane, from the top.
pub(crate) type Opened = Vec<(Place, Vec<Hash>)>;

/// A dispute's challenger, which remembers replays from one move to the next.
pub(crate) type Memory = Arc<Mutex<Option<Challenger<Arc<WorkerReplay>>>>>;

/// How often in a row a search begins with nothing remembered before it is given up.
const FRESH_STARTS: u32 = 1;

/// What came out of a search.
#[derive(Debug)]
pub(crate) enum Outcome {
	/// The move.
	Found(Move),
	/// This node cannot go on in lanes that stand so.
	Stopped,
}

/// Why an attempt gave no move.
#[derive(Debug, thiserror::Error)]
enum Trouble {
	#[error(transparent)]
	Fault(#[from] Fault),
	#[error(transparent)]
	Dispute(#[from] Error),
}

/// What to do after trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
	/// Another attempt may fare better.
	Again,
	/// Another attempt may, if it starts with nothing remembered: what is remembered may be wrong.
	Afresh,
	/// No attempt will.
	Stop,
}

impl Trouble {
	fn after(&self) -> After {
		match self {
			Self::Fault(fault) if fault.is_decidable() => After::Stop,
			Self::Fault(_) => After::Again,
			Self::Dispute(Error::Replay { source, .. }) => match source.downcast_ref::<Fault>() {
				Some(fault) if fault.is_decidable() => After::Stop,
				_ => After::Again,
			},
			Self::Dispute(Error::Input { .. }) => After::Again,
			Self::Dispute(
				Error::Replayed { .. }
				| Error::Kept { .. }
				| Error::Unstable { .. }
				| Error::InputRoot { .. }
				| Error::Prove { .. }
				| Error::NotFraud { .. }
				| Error::OtherRun { .. },
			) => After::Afresh,
			Self::Dispute(
				Error::Record(_)
				| Error::NoSuchPlace(_)
				| Error::Unproven(_)
				| Error::Astray { .. }
				| Error::NoDifference(_),
			) => After::Stop,
		}
	}

	/// Name in the metrics.
	fn kind(&self) -> &'static str {
		match self {
			Self::Fault(fault) => fault.kind(),
			Self::Dispute(Error::Replay { source, .. } | Error::Input { source, .. }) => {
				source.downcast_ref::<Fault>().map_or("replay", Fault::kind)
			}
			Self::Dispute(error) => match error {
				Error::Record(_) => "record",
				Error::Replayed { .. } | Error::Kept { .. } => "unsound",
				Error::Unstable { .. } => "unstable",
				Error::InputRoot { .. } => "input_root",
				Error::OtherRun { .. } => "other_run",
				Error::NoSuchPlace(_) | Error::Unproven(_) => "lane",
				Error::Astray { .. } => "astray",
				Error::NoDifference(_) => "no_difference",
				Error::Prove { .. } => "no_proof",
				Error::NotFraud { .. } => "not_fraud",
				Error::Replay { .. } | Error::Input { .. } => "replay",
			},
		}
	}
}

/// A search for the next move in a dispute.
pub(crate) struct Quest<C, S> {
	pub(crate) shared: Arc<Shared<C, S>>,
	pub(crate) runner: Arc<dyn Runner>,
	pub(crate) workers: Arc<Workers>,
	pub(crate) job: JobId,
	pub(crate) result: DisputedResult,
	pub(crate) memory: Memory,
	/// What the move follows from.
	pub(crate) opened: Opened,
}

impl<C: Chain, S: OffchainStorage + 'static> Quest<C, S> {
	/// Tries until there is a move. The lane's clock ends it otherwise: the chain then asks for
	/// another move or none, and this search is dropped.
	pub(crate) async fn run(self) -> Outcome {
		let quest = Arc::new(self);
		let (job, metrics) = (quest.job, quest.shared.metrics.clone());
		let (mut failed, mut afresh) = (0u32, 0);
		loop {
			let trouble = match quest.clone().attempt().await {
				Ok(found) => return Outcome::Found(found),
				Err(trouble) => trouble,
			};
			failed += 1;
			metrics.dispute_fault(trouble.kind());
			let after = match trouble.after() {
				After::Afresh if afresh >= FRESH_STARTS => After::Stop,
				after => after,
			};
			match after {
				After::Again => {}
				After::Afresh => {
					afresh += 1;
					quest.shared.runs.lock().forget(job);
				}
				After::Stop => {
					log::error!(
						target: LOG_TARGET,
						"Job {job}: {trouble}. This node cannot go on with the dispute although its \
						verdict differs from the result!",
					);
					return Outcome::Stopped;
				}
			}
			log::warn!(target: LOG_TARGET, "Job {job}: no move yet: {trouble}; trying again");
			tokio::time::sleep(quest.shared.config.retry_delay * failed.min(20)).await;
		}
	}

	/// One attempt, on a thread that may block: tensors are hashed and a proof is judged there.
	/// Dropping the future ends it at its next wait for a worker.
	async fn attempt(self: Arc<Self>) -> Result<Move, Trouble> {
		let (alive, dropped) = oneshot::channel::<()>();
		let handle = Handle::current();
		let work = spawn_blocking(move || {
			let mut memory = self.memory.lock();
			let mut challenger = match memory.take() {
				Some(challenger) => challenger,
				None => self.challenger()?,
			};
			let next_move = AssertUnwindSafe(challenger.next_move(&self.opened)).catch_unwind();
			let found = handle.block_on(async {
				tokio::select! {
					biased;
					_ = dropped => None,
					found = next_move => Some(found),
				}
			});
			let (found, sound) = match found {
				Some(Ok(Ok(found))) => (Ok(found), true),
				Some(Ok(Err(error))) => {
					let trouble = Trouble::from(error);
					let sound = trouble.after() == After::Again;
					(Err(trouble), sound)
				}
				Some(Err(_)) => {
					(Err(Fault::Internal("finding the move panicked".into()).into()), false)
				}
				// All that it remembers is checked before it is.
				None => (Err(Fault::Internal("the search was given up".into()).into()), true),
			};
			*memory = sound.then_some(challenger);
			if let Ok(Move::Prove(_)) = &found {
				let DisputedResult { program, input_roots, steps, run_root, .. } = &self.result;
				let task = task_hash(program, input_roots, *steps);
				self.shared.config.knowledge.proved(task, *run_root);
			}
			found
		});
		let found = work.await;
		drop(alive);
		found.unwrap_or_else(|error| Err(Fault::Internal(error.to_string()).into()))
	}

	/// A challenger that remembers this node's replay for the verdict, if it is there. Blocks.
	fn challenger(&self) -> Result<Challenger<Arc<WorkerReplay>>, Trouble> {
		let DisputedResult { program, input_roots, steps, run_root, trace_root, .. } = &self.result;
		if *steps == 0 || *steps > MAX_STEPS {
			return Err(Fault::ProgramRejected(format!("a run cannot have {steps} steps")).into());
		}
		let examined = self.shared.examine(*program)?;
		let inputs = examined.inputs(input_roots)?;
		let (decoded, checked) = decode(&examined.bytes)?;
		let job = Arc::new(Job {
			program: decoded,
			checked,
			input_roots: input_roots.clone(),
			steps: *steps,
			run_root: *run_root,
			trace_root: *trace_root,
		});
		let replay = Arc::new(WorkerReplay {
			blobs: self.shared.blobs.clone(),
			runner: self.runner.clone(),
			workers: self.workers.clone(),
			id: self.job,
			job: job.clone(),
			examined,
			inputs,
		});
		let task = task_hash(program, input_roots, *steps);
		let challenger = Challenger::new(job.clone(), replay.clone())?;
		let Some(run) = self.shared.runs.lock().get(self.job, &task) else { return Ok(challenger) };
		challenger.with_run(run.trace_roots, run.last_anchors).or_else(|error| {
			log::warn!(target: LOG_TARGET, "Job {}: replaying again: {error}", self.job);
			Ok(Challenger::new(job, replay)?)
		})
	}
}

/// Replays a disputed job in worker processes.
pub(crate) struct WorkerReplay {
	blobs: Arc<BlobStore>,
	runner: Arc<dyn Runner>,
	workers: Arc<Workers>,
	id: JobId,
	job: Arc<Job>,
	examined: Arc<Examined>,
	inputs: Vec<(Hash, u64)>,
}

impl WorkerReplay {
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

	async fn attempt(&self, steps: u32, keep: &[Source]) -> Result<Replayed, Fault> {
		let keep = keep.iter().map(|source| self.kept(*source)).collect::<Result<_, _>>()?;
		let (blobs, inputs) = (self.blobs.clone(), self.inputs.clone());
		joined(spawn_blocking(move || check_held(&blobs, &inputs)).await)?;
		let _turn = self.workers.dispute().await;
		let started = std::time::Instant::now();
		let replay = Replay {
			job: self.id,
			program: self.examined.bytes.clone(),
			inputs: self.inputs.clone(),
			steps,
			work_units: self.examined.work_units.saturating_mul(steps.into()),
			peak_memory: self.examined.peak_memory,
			keep,
		};
		let replay = AssertUnwindSafe(self.runner.clone().replay(replay)).catch_unwind();
		let panicked = |_| Err(Fault::Internal("the replay panicked".into()));
		let ran = replay.await.unwrap_or_else(panicked)?;
		log::info!(
			target: LOG_TARGET,
			"Job {}: {steps} steps replayed for the dispute in {:.2?}", self.id, started.elapsed(),
		);
		Ok(ran.into())
	}
}

impl assay_dispute::Replay for WorkerReplay {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		Ok(self.attempt(steps, keep).await?)
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		let input = self.inputs.get(usize::from(index)).map(|(root, _)| *root);
		let root = input.ok_or("there is no such input")?;
		let blobs = self.blobs.clone();
		let read = spawn_blocking(move || {
			blobs.read(&root).map_err(|_| Fault::InputMissing(hex::encode(root)))
		});
		Ok(joined(read.await)?)
	}
}

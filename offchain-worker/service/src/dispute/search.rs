//! Finding the next move in a dispute: replays by workers, and what is made of them.

use crate::{
	fault::Fault,
	inputs::segments::Start,
	knowledge::Knowledge,
	replay::error::{After, Judge, SearchError},
	replay::replays::Replays,
	replay::worker_replay::{Deadline, Need, Record, WorkerReplay},
	retry::retrying,
	thread::on_thread,
	types::{Hash, LOG_TARGET},
};
use assay_commitments::Place;
use assay_dispute::{Challenger, Move};
use assay_market::{task_hash, DisputedResult, JobId};
use assay_referee::ProofPart;
use parking_lot::Mutex;
use std::{ops::ControlFlow, sync::Arc};

/// The groups that were opened in a lane, from the top.
pub(crate) type Opened = Vec<(Place, Vec<Hash>)>;

/// A dispute's challenger, which remembers replays from one move to the next.
pub(crate) type Memory = Arc<Mutex<Option<Challenger<Arc<WorkerReplay>>>>>;

/// Most bytes of tensors that a dispute remembers from one move to the next.
const REMEMBERED_TENSORS: usize = 256 << 20;

/// What came out of a search.
#[derive(Debug)]
pub(crate) enum Outcome {
	/// The move.
	Found(Move),
	/// This node cannot go on in lanes that stand so.
	Stopped,
}

/// A search for the next move in a dispute.
pub(crate) struct MoveSearch {
	pub(crate) replays: Arc<Replays>,
	/// Is told what is proved wrong.
	pub(crate) knowledge: Knowledge,
	pub(crate) job: JobId,
	pub(crate) result: DisputedResult,
	pub(crate) memory: Memory,
	/// When the move has to be found.
	pub(crate) deadline: Deadline,
	/// What the move follows from.
	pub(crate) opened: Opened,
}

impl MoveSearch {
	/// Tries until there is a move. The lane's clock ends it otherwise: the chain then asks for
	/// another move or none, and this search is dropped.
	pub(crate) async fn run(self) -> Outcome {
		let search = Arc::new(self);
		let (job, replays) = (search.job, &search.replays);
		let mut judge = Judge::default();
		let failed = |error: SearchError, _| {
			replays.metrics.dispute_fault(error.kind());
			match judge.after(&error) {
				After::Again => {}
				After::Afresh => replays.runs.lock().forget(&search.result.order),
				After::Stop => {
					log::error!(
						target: LOG_TARGET,
						"Job {job}: {error}. This node cannot go on with the dispute although its \
						verdict differs from the result!",
					);
					return ControlFlow::Break(Outcome::Stopped);
				}
			}
			log::warn!(target: LOG_TARGET, "Job {job}: no move yet: {error}; trying again");
			ControlFlow::Continue(())
		};
		let attempt = || async { search.clone().attempt().await.map(Outcome::Found) };
		retrying(replays.retry_delay, attempt, failed).await
	}

	/// One attempt, on a thread that may block: tensors are hashed and a proof is judged there.
	/// Dropping the future ends it at its next wait for a worker.
	async fn attempt(self: Arc<Self>) -> Result<Move, SearchError> {
		let found = on_thread(move |waiter| {
			let mut memory = self.memory.lock();
			let mut challenger = match memory.take() {
				Some(challenger) => challenger,
				None => self.challenger()?,
			};
			let (found, sound) = match waiter.wait(challenger.next_move(&self.opened)) {
				Some(Ok(Ok(found))) => (Ok(found), true),
				Some(Ok(Err(error))) => {
					let error = SearchError::from(error);
					let sound = error.after() == After::Again;
					(Err(error), sound)
				}
				Some(Err(_)) => {
					(Err(Fault::Internal("finding the move panicked".into()).into()), false)
				}
				// All that it remembers is checked before it is.
				None => (Err(Fault::Internal("the search was given up".into()).into()), true),
			};
			// Tensors come again with a replay, and this process has not the memory for many of
			// them.
			if challenger.tensor_bytes() > REMEMBERED_TENSORS {
				challenger.forget_tensors();
			}
			*memory = sound.then_some(challenger);
			// What refers to the provider's list shows that the list or the run is wrong: this node
			// still has its verdict against the run, but no proof.
			let certain = |parts: &[ProofPart]| parts.iter().all(|part| part.lazy.roots.is_empty());
			if matches!(&found, Ok(Move::Prove(parts)) if certain(parts)) {
				let DisputedResult { program, input_roots, steps, run_root, .. } = &self.result;
				let task = task_hash(program, input_roots, *steps);
				self.knowledge.proved(task, *run_root);
			}
			found
		});
		found.await.unwrap_or_else(|error| Err(Fault::Internal(error.to_string()).into()))
	}

	/// A challenger that remembers this node's replay for the verdict, if it is there. Blocks.
	fn challenger(&self) -> Result<Challenger<Arc<WorkerReplay>>, SearchError> {
		let DisputedResult { order, program, input_roots, steps, run_root, trace_root, .. } =
			&self.result;
		// A dispute is about the whole run, however it is cut for its verifiers.
		let start = &Start::Inputs;
		let record = Record { program, input_roots, steps: *steps, start, run_root, trace_root };
		let deadline = self.deadline.clone();
		let replay = WorkerReplay::new(&self.replays, self.job, Need::Dispute, deadline, record)?;
		let job = replay.job.clone();
		let task = task_hash(program, input_roots, *steps);
		let challenger = Challenger::new(job.clone(), replay.clone())?;
		let Some(run) = self.replays.runs.lock().get(order, &task) else { return Ok(challenger) };
		let (trace_roots, last_anchors) = (run.trace_roots.clone(), run.last_anchors.clone());
		challenger.with_run(trace_roots, last_anchors).or_else(|error| {
			log::warn!(target: LOG_TARGET, "Job {}: replaying again: {error}", self.job);
			Ok(Challenger::new(job, replay)?)
		})
	}
}

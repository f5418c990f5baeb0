//! The chunks of its own trace that a verdict is opened with: that this node has them shows that it
//! has replayed the job, and has not only heard of a root.

use crate::{
	chain::JobAssignment,
	fault::Fault,
	inputs::programs::Programs,
	inputs::segments::steps_of,
	replay::error::{After, Judge, SearchError},
	replay::replays::Replays,
	replay::worker_replay::{Deadline, Need, Record, WorkerReplay},
	retry::retrying,
	task::task_of,
	thread::on_thread,
	types::{AccountId, BlockNumber, Hash, LOG_TARGET},
	verify::mailbox::Chunks,
};
use assay_dispute::{Error, Opener};
use assay_market::{SampledChunk, VerifierId};
use assay_referee::sample::check_all;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// Blocks before the reveal deadline at which the pallet's hook opens a verdict without chunks.
const BARE_OPENING: BlockNumber = 3;

/// A committed verdict whose chunks are asked for.
pub(crate) struct Sampling {
	pub(crate) replays: Arc<Replays>,
	/// One of the seats.
	pub(crate) assignment: JobAssignment,
	/// The verdict.
	pub(crate) run_root: Hash,
	/// What the chain has drawn.
	pub(crate) seed: Hash,
	/// The accounts of all local keys with a seat.
	pub(crate) accounts: BTreeMap<VerifierId, AccountId>,
}

impl Sampling {
	/// Tries until there are the chunks. The deadline ends it otherwise: the pallet's hook then
	/// opens the verdict without them, the chain asks for them no more, and this is dropped. `None`
	/// where this machine cannot give them at all.
	pub(crate) async fn run(self) -> Option<Chunks> {
		let sampling = Arc::new(self);
		let JobAssignment { job, order, .. } = sampling.assignment;
		let metrics = &sampling.replays.metrics;
		let mut judge = Judge::default();
		let failed = |error: SearchError, _| {
			metrics.chunk_fault(error.kind());
			match judge.after(&error) {
				After::Again => {}
				After::Afresh => sampling.replays.runs.lock().forget(&order),
				After::Stop => {
					log::error!(
						target: LOG_TARGET,
						"Job {job}: {error}. The verdict {} is opened without its chunks, and counts \
						as this validator's fault!{}",
						hex::encode(sampling.run_root),
						match error {
							SearchError::Dispute(Error::OtherRun { .. } | Error::Unstable { .. }) =>
								" THIS MACHINE DOES NOT COMPUTE RELIABLY: another replay gives another root.",
							_ => "",
						},
					);
					return ControlFlow::Break(None);
				}
			}
			log::warn!(target: LOG_TARGET, "Job {job}: no chunks yet: {error}; trying again");
			ControlFlow::Continue(())
		};
		let attempt = || async { sampling.clone().attempt().await.map(Some) };
		let found = retrying(sampling.replays.retry_delay, attempt, failed).await;
		if let Some(chunks) = &found {
			sampling.replays.runs.lock().drop_tensors(&order);
			metrics.opened(chunks.values().map(Vec::len).sum());
			log::info!(target: LOG_TARGET, "Job {job}: the verdict's chunks are there");
		}
		found
	}

	async fn attempt(self: Arc<Self>) -> Result<Chunks, SearchError> {
		let opened = on_thread(move |waiter| {
			let mut opener = self.opener()?;
			let accounts: Vec<[u8; 32]> =
				self.accounts.values().map(|account| account.clone().into()).collect();
			match waiter.wait(opener.sample(&self.seed, &accounts)) {
				Some(Ok(opened)) => Ok(self.accounts.keys().cloned().zip(opened?).collect()),
				Some(Err(_)) => Err(Fault::Internal("opening the chunks panicked".into()).into()),
				None => Err(Fault::Internal("nobody wants the chunks any more".into()).into()),
			}
		});
		opened.await.unwrap_or_else(|error| Err(Fault::Internal(error.to_string()).into()))
	}

	/// An opener that remembers the replay for the verdict, if it is there. Blocks.
	fn opener(&self) -> Result<Opener<Arc<WorkerReplay>>, SearchError> {
		let JobAssignment { job: id, order, program, input_roots, .. } = &self.assignment;
		let steps = steps_of(&self.assignment)?.len() as u32;
		let examined = self.replays.inputs.programs.examine(*program)?;
		let start = &self.replays.inputs.start_of(&self.assignment, &examined)?;
		// Nothing looks at the trace root of a run of one's own.
		let trace_root = &[0; 32];
		let run_root = &self.run_root;
		let record = Record { program, input_roots, steps, start, run_root, trace_root };
		// Shortly before the end the hook opens the verdict as it is.
		let deadline = self.assignment.reveal_deadline.unwrap_or(BlockNumber::MAX);
		let deadline = Deadline::new(deadline.saturating_sub(BARE_OPENING));
		let replay = WorkerReplay::new(&self.replays, *id, Need::Chunks, deadline, record)?;
		let opener = Opener::new(replay.job.clone(), replay.clone())?;
		let known = self.replays.runs.lock().get(order, &task_of(&self.assignment));
		// Another run than that of the verdict is of no use.
		let Some(run) = known.filter(|run| run.run_root == self.run_root) else {
			return Ok(opener);
		};
		opener.with_run((*run).clone().into()).or_else(|error| {
			log::warn!(target: LOG_TARGET, "Job {id}: replaying again: {error}");
			Ok(Opener::new(replay.job.clone(), replay)?)
		})
	}
}

/// Whether these are the chunks that a seat's verdict is to be opened with: on another fork it may
/// have been others. Blocks.
pub(crate) fn fits(
	programs: &Programs,
	assignment: &JobAssignment,
	seed: &Hash,
	run_root: &Hash,
	chunks: &[SampledChunk],
) -> bool {
	let Ok(examined) = programs.examine(assignment.program) else { return false };
	let Ok(steps) = steps_of(assignment) else { return false };
	let shape = examined.run_shape(steps.len() as u32);
	check_all(run_root, &shape, seed, assignment.account.as_ref(), chunks)
}

//! The chunks of its own trace that a verdict is opened with: that this node has them shows that it
//! has replayed the job, and has not only heard of a root.

use std::{collections::BTreeMap, sync::Arc};

use assay_dispute::{Error, Opener};
use assay_market::{SampledChunk, VerifierId};
use assay_referee::sample::check_all;
use sp_core::offchain::OffchainStorage;

use crate::{
	chain::{Chain, JobAssignment},
	fault::Fault,
	inputs::segments::steps_of,
	replay::trouble::{After, Trouble, FRESH_STARTS},
	replay::worker_replay::{Deadline, Need, Record, WorkerReplay},
	runner::Runner,
	thread::on_thread,
	types::{AccountId, BlockNumber, Hash, LOG_TARGET},
	verify::duty::{task_of, Shared},
};

/// Blocks before the reveal deadline at which the pallet's hook opens a verdict without chunks.
const BARE_OPENING: BlockNumber = 3;

/// Chunks by the key whose seat they are for.
pub(crate) type Chunks = BTreeMap<VerifierId, Vec<SampledChunk>>;

/// A committed verdict whose chunks are asked for.
pub(crate) struct Sampling<C, S> {
	pub(crate) shared: Arc<Shared<C, S>>,
	pub(crate) runner: Arc<dyn Runner>,
	/// One of the seats.
	pub(crate) assignment: JobAssignment,
	/// The verdict.
	pub(crate) run_root: Hash,
	/// What the chain has drawn.
	pub(crate) seed: Hash,
	/// The accounts of all local keys with a seat.
	pub(crate) accounts: BTreeMap<VerifierId, AccountId>,
}

impl<C: Chain, S: OffchainStorage + 'static> Sampling<C, S> {
	/// Tries until there are the chunks. The deadline ends it otherwise: the pallet's hook then opens
	/// the verdict without them, the chain asks for them no more, and this is dropped. `None` where
	/// this machine cannot give them at all.
	pub(crate) async fn run(self) -> Option<Chunks> {
		let sampling = Arc::new(self);
		let JobAssignment { job, order, .. } = sampling.assignment;
		let metrics = sampling.shared.metrics.clone();
		let (mut failed, mut afresh) = (0u32, 0);
		loop {
			let trouble = match sampling.clone().attempt().await {
				Ok(chunks) => {
					sampling.shared.runs.lock().drop_tensors(&order);
					metrics.opened(chunks.values().map(Vec::len).sum());
					log::info!(target: LOG_TARGET, "Job {job}: the verdict's chunks are there");
					return Some(chunks);
				}
				Err(trouble) => trouble,
			};
			failed += 1;
			metrics.chunk_fault(trouble.kind());
			let after = match trouble.after() {
				After::Afresh if afresh >= FRESH_STARTS => After::Stop,
				after => after,
			};
			match after {
				After::Again => {}
				After::Afresh => {
					afresh += 1;
					sampling.shared.runs.lock().forget(&order);
				}
				After::Stop => {
					log::error!(
						target: LOG_TARGET,
						"Job {job}: {trouble}. The verdict {} is opened without its chunks, and counts \
						as this validator's fault!{}",
						hex::encode(sampling.run_root),
						match trouble {
							Trouble::Dispute(Error::OtherRun { .. } | Error::Unstable { .. }) =>
								" THIS MACHINE DOES NOT COMPUTE RELIABLY: another replay gives another root.",
							_ => "",
						},
					);
					return None;
				}
			}
			log::warn!(target: LOG_TARGET, "Job {job}: no chunks yet: {trouble}; trying again");
			tokio::time::sleep(sampling.shared.config.retry_delay * failed.min(20)).await;
		}
	}

	async fn attempt(self: Arc<Self>) -> Result<Chunks, Trouble> {
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
	fn opener(&self) -> Result<Opener<Arc<WorkerReplay>>, Trouble> {
		let JobAssignment { job: id, order, program, input_roots, .. } = &self.assignment;
		let steps = steps_of(&self.assignment)?.len() as u32;
		let examined = self.shared.examine(*program)?;
		let start = &self.shared.start_of(&self.assignment, &examined)?;
		// Nothing looks at the trace root of a run of one's own.
		let trace_root = &[0; 32];
		let run_root = &self.run_root;
		let record = Record { program, input_roots, steps, start, run_root, trace_root };
		// Shortly before the end the hook opens the verdict as it is.
		let deadline = self.assignment.reveal_deadline.unwrap_or(BlockNumber::MAX);
		let deadline = Deadline::new(deadline.saturating_sub(BARE_OPENING));
		let (shared, runner) = (&self.shared, self.runner.clone());
		let replay = WorkerReplay::new(shared, runner, *id, Need::Chunks, deadline, record)?;
		let opener = Opener::new(replay.job.clone(), replay.clone())?;
		let known = self.shared.runs.lock().get(order, &task_of(&self.assignment));
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

impl<C: Chain, S: OffchainStorage + 'static> Shared<C, S> {
	/// Whether these are the chunks that a seat's verdict is to be opened with: on another fork it may
	/// have been others. Blocks.
	pub(crate) fn fits(
		&self,
		assignment: &JobAssignment,
		seed: &Hash,
		run_root: &Hash,
		chunks: &[SampledChunk],
	) -> bool {
		let Ok(examined) = self.examine(assignment.program) else { return false };
		let Ok(steps) = steps_of(assignment) else { return false };
		let shape = examined.run_shape(steps.len() as u32);
		check_all(run_root, &shape, seed, assignment.account.as_ref(), chunks)
	}
}

//! Replaying a job for a verdict: what is refused before it starts, retried, and given up.

use crate::{
	chain::{Head, JobAssignment},
	config::Config,
	fault::Fault,
	inputs::held::check_held,
	inputs::segments::steps_of,
	metrics::Metrics,
	replay::replays::Replays,
	retry::retrying,
	runner::Replay,
	task::task_of,
	thread::joined,
	turns::workers::Bid,
	types::{BlockNumber, Hash},
	verify::duty::Finding,
	verify::verdicts::Verdicts,
};
use assay_market::{AbstainReason, SeatStatus};
use assay_worker_protocol::MAX_STEPS;
use futures::FutureExt;
use log::Level;
use sp_core::offchain::OffchainStorage;
use std::{
	ops::ControlFlow,
	panic::AssertUnwindSafe,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::Duration,
};
use tokio::{sync::watch, task::spawn_blocking};

/// A replay that is wanted for a verdict.
struct Verdict<'a> {
	assignment: &'a JobAssignment,
	/// Its verdict is committed: it has to be recreated, however long that takes.
	committed: bool,
	/// The last block at which the verdict still gets into a block in time.
	last: BlockNumber,
	/// Bytes that have to be fetched first, as far as is known.
	missing: AtomicU64,
}

impl Verdict<'_> {
	/// What it wants a worker for.
	fn bid(&self, takes: Duration) -> Bid {
		match self.committed {
			true => Bid::owed(takes, self.assignment.reveal_deadline.unwrap_or(BlockNumber::MAX)),
			false => Bid::verdict(self.assignment.terms.fee, takes, self.last),
		}
	}
}

/// Gives this node's verdicts.
pub(crate) struct Verifier<S> {
	verdicts: Arc<Verdicts<S>>,
	replays: Arc<Replays>,
	config: Config,
	metrics: Metrics,
}

impl<S: OffchainStorage + 'static> Verifier<S> {
	pub(crate) fn new(
		verdicts: Arc<Verdicts<S>>,
		replays: Arc<Replays>,
		config: Config,
		metrics: Metrics,
	) -> Self {
		Self { verdicts, replays, config, metrics }
	}

	/// Replays, retries once, abstains in good time.
	pub(crate) async fn verify(
		&self,
		assignment: &JobAssignment,
		head: watch::Receiver<Head>,
	) -> Finding {
		let committed = assignment.status == SeatStatus::Committed;
		// However late it is, the replay gets the time of one block.
		let last = self.config.last_block(assignment.commit_deadline);
		let last = last.max(head.borrow().best.saturating_add(1));
		let verdict = Verdict { assignment, committed, last, missing: AtomicU64::new(0) };
		if let Some(fault) = self.too_large(&verdict).await {
			self.metrics.fault(fault.kind());
			self.verdicts.tell(assignment, Level::Warn, format!("{fault}; abstaining"));
			return Finding::Abstain(fault.reason());
		}
		let mut clock = head.clone();
		let too_late = async move {
			if committed || clock.wait_for(|head| head.best >= last).await.is_err() {
				futures::future::pending::<()>().await;
			}
		};
		tokio::select! {
			biased;
			finding = self.attempts(&verdict, head) => finding,
			() = too_late => {
				let deadline = assignment.commit_deadline;
				let text = format!("no run root in time for the deadline at block {deadline}; abstaining");
				self.verdicts.tell(assignment, Level::Warn, text);
				Finding::Abstain(AbstainReason::TooSlow)
			},
		}
	}

	async fn attempts(&self, verdict: &Verdict<'_>, head: watch::Receiver<Head>) -> Finding {
		let Verdict { assignment, committed, .. } = *verdict;
		let attempt = || self.attempt_in_turn(verdict, head.clone());
		let failed = |fault: Fault, failures: u32| {
			self.metrics.fault(fault.kind());
			if !committed && (fault.is_lasting() || failures > 1) {
				self.verdicts.tell(assignment, Level::Error, format!("{fault}; abstaining"));
				return ControlFlow::Break(Finding::Abstain(fault.reason()));
			}
			self.verdicts.tell(assignment, Level::Warn, format!("{fault}; trying again"));
			self.metrics.retried();
			ControlFlow::Continue(())
		};
		retrying(self.config.retry_delay, attempt, failed).await
	}

	/// An attempt, as soon as there is a worker for it; from the start where that goes to a better
	/// one.
	async fn attempt_in_turn(
		&self,
		verdict: &Verdict<'_>,
		head: watch::Receiver<Head>,
	) -> Result<Finding, Fault> {
		let assignment = verdict.assignment;
		loop {
			let wait = async {
				let inputs = &self.replays.inputs;
				inputs.gather(assignment, verdict.bid(Duration::ZERO), &verdict.missing).await;
				let work = assignment.terms.work_units;
				let takes = self.replays.rates.likely(&assignment.program, work);
				self.replays.workers.turn(verdict.bid(takes)).await
			};
			let mut turn = tokio::select! {
				biased;
				text = self.hopeless(verdict, head.clone()) => {
					self.metrics.refused();
					self.verdicts.tell(assignment, Level::Warn, format!("{text}; abstaining"));
					return Ok(Finding::Abstain(AbstainReason::TooSlow));
				}
				turn = wait => turn,
			};
			let attempt = AssertUnwindSafe(self.attempt(assignment));
			tokio::select! {
				biased;
				ended = attempt.catch_unwind() => return match ended {
					Ok(ended) => ended.map(Finding::Replayed),
					Err(_) => Err(Fault::Internal("the replay panicked".into())),
				},
				() = turn.pre_empted() => {
					self.metrics.pre_empted();
					let text = "its worker goes to a better one".into();
					self.verdicts.tell(assignment, Level::Info, text);
				}
			}
		}
	}

	/// A verdict that this machine has not the memory for, so that nothing is fetched for it
	/// either.
	async fn too_large(&self, verdict: &Verdict<'_>) -> Option<Fault> {
		if verdict.committed {
			return None;
		}
		let (config, inputs) = (self.config.clone(), self.replays.inputs.clone());
		let program = verdict.assignment.program;
		let look = spawn_blocking(move || {
			// What is wrong with the program itself the attempt says.
			let Ok(examined) = inputs.programs.examine(program) else { return Ok(()) };
			config.check_memory(examined.peak_memory)
		});
		joined(look.await).err()
	}

	/// Ends, with the reason, when a verdict that waits certainly comes too late: by what this
	/// machine was measured to do at best, and a quarter more. Never where nothing was measured.
	#[allow(clippy::while_immutable_condition)]
	async fn hopeless(&self, verdict: &Verdict<'_>, mut head: watch::Receiver<Head>) -> String {
		let JobAssignment { program, terms, .. } = verdict.assignment;
		// Whoever has committed is held to it, late or not.
		while !verdict.committed {
			let best = head.borrow_and_update().best;
			let left = self.config.block_time.saturating_mul(verdict.last.saturating_sub(best));
			let missing = verdict.missing.load(Ordering::Relaxed);
			let replay = self.replays.rates.at_least(program, terms.work_units).unwrap_or_default();
			let fetch = match missing {
				0 => Duration::ZERO,
				_ => self.replays.rates.fetch_at_least(missing).unwrap_or_default(),
			};
			let takes = replay.saturating_add(fetch);
			if takes / 4 * 3 > left {
				return format!(
					"fetching {missing} bytes and replaying take {takes:.0?} here, and {left:.0?} are left",
				);
			}
			if head.changed().await.is_err() {
				break;
			}
		}
		futures::future::pending().await
	}

	async fn attempt(&self, assignment: &JobAssignment) -> Result<Hash, Fault> {
		let (held, owed) = (self.replays.inputs.clone(), assignment.clone());
		let prepare = spawn_blocking(move || {
			let JobAssignment { steps, program, ref input_roots, .. } = owed;
			if steps == 0 || steps > MAX_STEPS {
				return Err(Fault::ProgramRejected(format!("a run cannot have {steps} steps")));
			}
			let examined = held.programs.examine(program)?;
			let inputs = examined.inputs(input_roots)?;
			// Without a share in the store they may go while the replay runs, which it then says.
			let _ = held.hold(&owed, &inputs);
			check_held(&held.blobs, &inputs)?;
			let start = held.start_of(&owed, &examined)?;
			Ok((examined, inputs, start))
		});
		let (examined, inputs, start) = joined(prepare.await)?;
		let asked = steps_of(assignment)?;
		// The outputs are those of the last step, which not every segment has.
		let outputs = match asked.end == assignment.steps {
			true => examined.outputs.clone(),
			false => Vec::new(),
		};
		let asked = asked.len() as u32;
		let steps = start.before().saturating_add(asked);
		let replay = Replay {
			job: assignment.job,
			program: examined.bytes.clone(),
			inputs,
			start: start.states(),
			steps,
			work_units: examined.work_units.saturating_mul(steps.into()),
			peak_memory: examined.peak_memory,
			keep: examined.kept_for_chunks(asked),
			anchors: 0,
			outputs,
		};
		let (ran, took) = self.replays.run(assignment.program, replay).await?;
		self.metrics.rate(self.replays.rates.work());
		let ran = start.strip(ran);
		let run_root = ran.run_root;
		self.metrics.took(took);
		self.metrics.outputs(ran.outputs_held);
		let JobAssignment { job, order, ref terms, .. } = *assignment;
		self.replays.runs.lock().put(job, order, task_of(assignment), terms.fee, ran);
		let text = format!("replayed in {took:.2?}: run root {}", hex::encode(run_root));
		self.verdicts.tell(assignment, Level::Info, text);
		Ok(run_root)
	}
}

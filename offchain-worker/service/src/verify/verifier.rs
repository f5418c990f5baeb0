//! Replaying a job for a verdict: what is refused before it starts, retried, and given up.

use std::{
	panic::AssertUnwindSafe,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

use assay_market::{AbstainReason, SeatStatus};
use assay_worker_protocol::MAX_STEPS;
use futures::FutureExt;
use log::Level;
use sp_core::offchain::OffchainStorage;
use tokio::{sync::watch, task::spawn_blocking};

use crate::{
	chain::{Chain, Head, JobAssignment},
	fault::Fault,
	inputs::examined::check_held,
	inputs::segments::steps_of,
	runner::{Replay, Runner},
	thread::joined,
	turns::workers::Bid,
	types::{BlockNumber, Hash},
	verify::duty::{task_of, Finding, Shared},
};

/// A replay that is wanted for a verdict.
pub(crate) struct Verdict<'a> {
	pub(crate) assignment: &'a JobAssignment,
	/// Its verdict is committed: it has to be recreated, however long that takes.
	committed: bool,
	/// The last block at which the verdict still gets into a block in time.
	last: BlockNumber,
	/// Bytes that have to be fetched first, as far as is known.
	pub(crate) missing: AtomicU64,
}

impl Verdict<'_> {
	/// What it wants a worker for.
	pub(crate) fn bid(&self, takes: Duration) -> Bid {
		match self.committed {
			true => Bid::owed(takes, self.assignment.reveal_deadline.unwrap_or(BlockNumber::MAX)),
			false => Bid::verdict(self.assignment.terms.fee, takes, self.last),
		}
	}
}

impl<C: Chain, S: OffchainStorage + 'static> Shared<C, S> {
	/// Replays, retries once, abstains in good time.
	pub(crate) async fn verify(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		runner: Arc<dyn Runner>,
		head: watch::Receiver<Head>,
	) -> Finding {
		let committed = assignment.status == SeatStatus::Committed;
		// However late it is, the replay gets the time of one block.
		let last = self.last_block(assignment).max(head.borrow().best.saturating_add(1));
		let verdict = Verdict { assignment, committed, last, missing: AtomicU64::new(0) };
		if let Some(fault) = self.too_large(&verdict).await {
			self.metrics.fault(fault.kind());
			self.tell(assignment, Level::Warn, format!("{fault}; abstaining"));
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
			finding = self.attempts(&verdict, runner, head) => finding,
			() = too_late => {
				let deadline = assignment.commit_deadline;
				let text = format!("no run root in time for the deadline at block {deadline}; abstaining");
				self.tell(assignment, Level::Warn, text);
				Finding::Abstain(AbstainReason::TooSlow)
			},
		}
	}

	async fn attempts(
		self: &Arc<Self>,
		verdict: &Verdict<'_>,
		runner: Arc<dyn Runner>,
		head: watch::Receiver<Head>,
	) -> Finding {
		let Verdict { assignment, committed, .. } = *verdict;
		let mut failed = 0u32;
		loop {
			let wait = async {
				self.gather(verdict).await;
				let work = assignment.terms.work_units;
				let takes = self.rates.likely(&assignment.program, work);
				self.workers.turn(verdict.bid(takes)).await
			};
			let mut turn = tokio::select! {
				biased;
				text = self.hopeless(verdict, head.clone()) => {
					self.metrics.refused();
					self.tell(assignment, Level::Warn, format!("{text}; abstaining"));
					return Finding::Abstain(AbstainReason::TooSlow);
				}
				turn = wait => turn,
			};
			let attempt = AssertUnwindSafe(self.attempt(assignment, runner.clone()));
			let fault = tokio::select! {
				biased;
				ended = attempt.catch_unwind() => match ended {
					Ok(Ok(run_root)) => return Finding::Replayed(run_root),
					Ok(Err(fault)) => fault,
					Err(_) => Fault::Internal("the replay panicked".into()),
				},
				() = turn.pre_empted() => {
					self.metrics.pre_empted();
					self.tell(assignment, Level::Info, "its worker goes to a better one".into());
					continue;
				}
			};
			drop(turn);
			failed += 1;
			self.metrics.fault(fault.kind());
			if !committed && (fault.is_lasting() || failed > 1) {
				self.tell(assignment, Level::Error, format!("{fault}; abstaining"));
				return Finding::Abstain(fault.reason());
			}
			self.tell(assignment, Level::Warn, format!("{fault}; trying again"));
			self.metrics.retried();
			tokio::time::sleep(self.config.retry_delay * failed.min(20)).await;
		}
	}

	/// A verdict that this machine has not the memory for, so that nothing is fetched for it either.
	async fn too_large(self: &Arc<Self>, verdict: &Verdict<'_>) -> Option<Fault> {
		if verdict.committed {
			return None;
		}
		let (shared, program) = (self.clone(), verdict.assignment.program);
		let look = spawn_blocking(move || {
			// What is wrong with the program itself the attempt says.
			let Ok(examined) = shared.examine(program) else { return Ok(()) };
			shared.config.check_memory(examined.peak_memory)
		});
		joined(look.await).err()
	}

	/// Ends, with the reason, when a verdict that waits certainly comes too late: by what this machine
	/// was measured to do at best, and a quarter more. Never where nothing was measured.
	#[allow(clippy::while_immutable_condition)]
	async fn hopeless(&self, verdict: &Verdict<'_>, mut head: watch::Receiver<Head>) -> String {
		let JobAssignment { program, terms, .. } = verdict.assignment;
		// Whoever has committed is held to it, late or not.
		while !verdict.committed {
			let best = head.borrow_and_update().best;
			let left = self.config.block_time.saturating_mul(verdict.last.saturating_sub(best));
			let missing = verdict.missing.load(Ordering::Relaxed);
			let replay = self.rates.at_least(program, terms.work_units).unwrap_or_default();
			let fetch = match missing {
				0 => Duration::ZERO,
				_ => self.rates.fetch_at_least(missing).unwrap_or_default(),
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

	async fn attempt(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		runner: Arc<dyn Runner>,
	) -> Result<Hash, Fault> {
		let (shared, owed) = (self.clone(), assignment.clone());
		let prepare = spawn_blocking(move || {
			let JobAssignment { steps, program, ref input_roots, .. } = owed;
			if steps == 0 || steps > MAX_STEPS {
				return Err(Fault::ProgramRejected(format!("a run cannot have {steps} steps")));
			}
			let examined = shared.examine(program)?;
			let inputs = examined.inputs(input_roots)?;
			// Without a share in the store they may go while the replay runs, which it then says.
			let _ = shared.hold(&owed, &inputs);
			check_held(&shared.blobs, &inputs)?;
			let start = shared.start_of(&owed, &examined)?;
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
		let work_units = examined.work_units.saturating_mul(steps.into());
		let started = Instant::now();
		let ran = runner
			.replay(Replay {
				job: assignment.job,
				program: examined.bytes.clone(),
				inputs,
				start: start.states(),
				steps,
				work_units,
				peak_memory: examined.peak_memory,
				keep: examined.kept_for_chunks(asked),
				anchors: 0,
				outputs,
			})
			.await?;
		let took = started.elapsed();
		self.measured(assignment.program, work_units, took).await;
		let ran = start.strip(ran);
		let run_root = ran.run_root;
		self.metrics.took(took);
		self.metrics.outputs(ran.outputs_held);
		let JobAssignment { job, order, ref terms, .. } = *assignment;
		self.runs.lock().put(job, order, task_of(assignment), terms.fee, ran);
		let text = format!("replayed in {took:.2?}: run root {}", hex::encode(run_root));
		self.tell(assignment, Level::Info, text);
		Ok(run_root)
	}

	/// Takes in how long a replay took.
	pub(crate) async fn measured(self: &Arc<Self>, program: Hash, work: u64, took: Duration) {
		let shared = self.clone();
		let note = spawn_blocking(move || {
			shared.rates.worked(program, work, took);
			shared.metrics.rate(shared.rates.work());
		});
		// That it cannot be noted is no reason to lose the replay.
		let _ = note.await;
	}
}

//! What a verifier owes for a job, and how one duty is done.

use std::{
	collections::{BTreeMap, BTreeSet, HashMap},
	panic::AssertUnwindSafe,
	sync::{Arc, OnceLock},
};

use assay_blobs::BlobStore;
/// Hash of what is to be run.
pub(crate) use assay_market::task_hash;
use assay_market::{
	verifier_crypto::KEY_TYPE, AbstainReason, DisputedResult, JobId, MailboxEntry, Purpose,
	SeatStatus, VerifierId,
};
use assay_worker_protocol::MAX_STEPS;
use futures::FutureExt;
use parking_lot::Mutex;
use sp_core::offchain::OffchainStorage;
use sp_keystore::KeystorePtr;
use tokio::{
	sync::watch,
	task::{spawn_blocking, JoinError},
};

use crate::{
	derive_salt,
	fault::reason_name,
	inputs::{check_held, Examined},
	mailbox::Slot,
	moves::Moves,
	runs::Runs,
	workers::Workers,
	Chain, ChainError, Config, Disputed, Fault, Hash, Head, JobAssignment, Mailbox, Metrics,
	Replay, Runner, LOG_TARGET,
};

/// Most programs whose examination is remembered.
const PROGRAMS: usize = 32;

/// Name of a task of the service.
pub(crate) type TaskId = (JobId, Purpose);

/// What came out of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
	/// Whether every input is held.
	Attested(bool),
	/// Not every input is held yet; looked at again with the next block.
	NotHeldYet,
	/// The run root.
	Replayed(Hash),
	/// A local fault, retried once, or a fault of the job.
	Abstain(AbstainReason),
}

/// Something to do for a job, once for all local keys that were drawn.
pub(crate) struct Duty {
	pub(crate) assignment: JobAssignment,
	/// Hash of program, inputs and steps: a job id may mean another job on another fork.
	pub(crate) task: Hash,
	pub(crate) keys: BTreeSet<VerifierId>,
}

/// What the chain says at one moment.
pub(crate) struct Survey {
	pub(crate) head: Head,
	pub(crate) duties: BTreeMap<TaskId, Duty>,
	/// `None` when the chain did not answer.
	pub(crate) disputes: Option<Vec<Disputed>>,
}

/// What every task needs.
pub(crate) struct Shared<C, S> {
	pub(crate) chain: Arc<C>,
	keystore: KeystorePtr,
	pub(crate) mailbox: Mutex<Mailbox<S>>,
	pub(crate) moves: Mutex<Moves<S>>,
	pub(crate) runs: Mutex<Runs>,
	pub(crate) blobs: Arc<BlobStore>,
	pub(crate) config: Config,
	pub(crate) metrics: Metrics,
	pub(crate) fetch: OnceLock<Arc<dyn crate::Fetch>>,
	programs: Mutex<HashMap<Hash, Arc<Examined>>>,
	/// Inputs of unfinished jobs, kept in the store.
	pinned: Mutex<BTreeMap<(JobId, Hash), Vec<Hash>>>,
}

impl<C: Chain, S: OffchainStorage + 'static> Shared<C, S> {
	pub(crate) fn new(
		chain: Arc<C>,
		keystore: KeystorePtr,
		mailbox: Mailbox<S>,
		moves: Moves<S>,
		blobs: Arc<BlobStore>,
		config: Config,
		metrics: Metrics,
	) -> Self {
		Self {
			chain,
			keystore,
			mailbox: Mutex::new(mailbox),
			moves: Mutex::new(moves),
			runs: Default::default(),
			blobs,
			config,
			metrics,
			fetch: OnceLock::new(),
			programs: Default::default(),
			pinned: Default::default(),
		}
	}

	/// Reads the assignments, forgets finished jobs and lists what is left to do. Blocks.
	pub(crate) fn survey(&self) -> Result<Survey, ChainError> {
		let keys: Vec<VerifierId> =
			self.keystore.sr25519_public_keys(KEY_TYPE).into_iter().map(Into::into).collect();
		let head = self.chain.head();
		let assignments =
			if keys.is_empty() { Vec::new() } else { self.chain.assignments(&keys)? };
		self.metrics.assignments(assignments.len());
		let disputes = match keys.is_empty() {
			true => Some(Vec::new()),
			// Other duties do not wait for it.
			false => self.disputes(&keys),
		};
		let disputed = disputes.iter().flatten().map(|duty| duty.job);
		self.forget_finished(assignments.iter().map(|duty| duty.job).chain(disputed).collect())?;
		for duty in disputes.iter().flatten() {
			let DisputedResult { program, input_roots, steps, .. } = &duty.result;
			self.pin_inputs(duty.job, task_hash(program, input_roots, *steps), input_roots);
		}

		let mut duties: BTreeMap<TaskId, Duty> = BTreeMap::new();
		for assignment in assignments {
			let task = task_of(&assignment);
			self.pin_inputs(assignment.job, task, &assignment.input_roots);
			if !is_due(&assignment, &head) {
				continue;
			}
			let slot = slot_of(&assignment, &assignment.key);
			let known = {
				let mailbox = self.mailbox.lock();
				if mailbox.get(&slot, &task).is_some_and(|entry| serves(entry, &assignment)) {
					continue;
				}
				mailbox.run_root(assignment.job, &task)
			};
			match known {
				// Another local key has replayed this job: only the salt differs.
				Some(run_root) if assignment.purpose == Purpose::Verify => {
					let keys = BTreeSet::from([assignment.key.clone()]);
					self.record(&assignment, task, &keys, Finding::Replayed(run_root));
				}
				_ => {
					let key = assignment.key.clone();
					let committed = assignment.status == SeatStatus::Committed;
					let duty =
						duties.entry((assignment.job, assignment.purpose)).or_insert_with(|| {
							Duty { assignment: assignment.clone(), task, keys: BTreeSet::new() }
						});
					duty.keys.insert(key);
					if committed {
						duty.assignment = assignment;
					}
				}
			}
		}
		Ok(Survey { head, duties, disputes })
	}

	fn disputes(&self, keys: &[VerifierId]) -> Option<Vec<Disputed>> {
		let disputes = self.chain.disputes(keys);
		disputes
			.inspect_err(|error| {
				log::warn!(target: LOG_TARGET, "Cannot read the disputes: {error}");
			})
			.ok()
	}

	/// Removes the entries and pins of jobs that have ended for good.
	fn forget_finished(&self, active: BTreeSet<JobId>) -> Result<(), ChainError> {
		let mut held: BTreeSet<_> = self.mailbox.lock().jobs().into_iter().collect();
		held.extend(self.moves.lock().jobs());
		held.extend(self.runs.lock().jobs());
		held.extend(self.pinned.lock().keys().map(|(job, _)| *job));
		for job in held.difference(&active) {
			if !self.chain.finished(*job)? {
				continue;
			}
			self.mailbox.lock().forget(*job);
			self.moves.lock().retain(*job, None);
			self.runs.lock().forget(*job);
			self.pinned.lock().retain(|(pinned, _), roots| {
				let ended = pinned == job;
				if ended {
					roots.iter().for_each(|root| {
						self.blobs.unpin(root);
					});
				}
				!ended
			});
			log::debug!(target: LOG_TARGET, "Job {job} has ended");
		}
		Ok(())
	}

	/// Keeps the inputs in the store until the job ends: they are attested, or will be needed.
	fn pin_inputs(&self, job: JobId, task: Hash, roots: &[Hash]) {
		self.pinned.lock().entry((job, task)).or_insert_with(|| {
			roots.iter().for_each(|root| self.blobs.pin(*root));
			roots.to_vec()
		});
	}

	/// Decodes and checks a program, once. Blocks.
	pub(crate) fn examine(&self, id: Hash) -> Result<Arc<Examined>, Fault> {
		if let Some(examined) = self.programs.lock().get(&id) {
			return Ok(examined.clone());
		}
		let bytes = self.chain.program(id).map_err(|error| Fault::Chain(error.to_string()))?;
		let bytes = bytes.ok_or_else(|| Fault::Chain("the program is not registered".into()))?;
		let examined = Arc::new(Examined::new(bytes)?);
		let mut programs = self.programs.lock();
		if programs.len() >= PROGRAMS {
			programs.clear();
		}
		programs.insert(id, examined.clone());
		Ok(examined)
	}

	/// Checks that every input is held, with the right length and content.
	pub(crate) async fn attest(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		head: watch::Receiver<Head>,
	) -> Finding {
		let (program, roots) = (assignment.program, assignment.input_roots.clone());
		let shared = self.clone();
		let check = spawn_blocking(move || {
			let inputs = shared.examine(program)?.inputs(&roots)?;
			check_held(&shared.blobs, &inputs).inspect_err(|_| shared.want_missing(&inputs))
		});
		let fault = match joined(check.await) {
			Ok(()) => return Finding::Attested(true),
			Err(fault) => fault,
		};
		let last = assignment.commit_deadline.saturating_sub(self.config.abstain_margin);
		if fault.is_decidable() || head.borrow().best >= last {
			log::warn!(target: LOG_TARGET, "Cannot attest job {}: {fault}", assignment.job);
			Finding::Attested(false)
		} else {
			log::debug!(target: LOG_TARGET, "Job {} has to wait: {fault}", assignment.job);
			Finding::NotHeldYet
		}
	}

	/// Replays, retries once, abstains in good time.
	pub(crate) async fn verify(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		runner: Arc<dyn Runner>,
		workers: &Workers,
		mut head: watch::Receiver<Head>,
	) -> Finding {
		let committed = assignment.status == SeatStatus::Committed;
		// However late it is, the replay gets the time of one block.
		let last = assignment
			.commit_deadline
			.saturating_sub(self.config.abstain_margin)
			.max(head.borrow().best.saturating_add(1));
		let too_late = async move {
			// A committed verdict has to be revealed: it is recreated however long that takes.
			if committed || head.wait_for(|head| head.best >= last).await.is_err() {
				futures::future::pending::<()>().await;
			}
		};
		tokio::select! {
			biased;
			finding = self.attempts(assignment, committed, runner, workers) => finding,
			() = too_late => {
				log::warn!(
					target: LOG_TARGET,
					"Job {}: no run root in time for the deadline at block {}; abstaining",
					assignment.job, assignment.commit_deadline,
				);
				Finding::Abstain(AbstainReason::TooSlow)
			},
		}
	}

	async fn attempts(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		committed: bool,
		runner: Arc<dyn Runner>,
		workers: &Workers,
	) -> Finding {
		let job = assignment.job;
		let mut failed = 0u32;
		loop {
			self.gather(assignment).await;
			let fault = {
				let _worker = workers.replay().await;
				let attempt = AssertUnwindSafe(self.attempt(assignment, runner.clone()));
				match attempt.catch_unwind().await {
					Ok(Ok(run_root)) => return Finding::Replayed(run_root),
					Ok(Err(fault)) => fault,
					Err(_) => Fault::Internal("the replay panicked".into()),
				}
			};
			failed += 1;
			self.metrics.fault(fault.kind());
			if !committed && (fault.is_decidable() || failed > 1) {
				log::error!(target: LOG_TARGET, "Job {job}: {fault}; abstaining");
				return Finding::Abstain(fault.reason());
			}
			log::warn!(target: LOG_TARGET, "Job {job}: {fault}; trying again");
			self.metrics.retried();
			tokio::time::sleep(self.config.retry_delay * failed.min(20)).await;
		}
	}

	async fn attempt(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		runner: Arc<dyn Runner>,
	) -> Result<Hash, Fault> {
		let (program, roots) = (assignment.program, assignment.input_roots.clone());
		let (shared, steps) = (self.clone(), assignment.steps);
		let prepare = spawn_blocking(move || {
			if steps == 0 || steps > MAX_STEPS {
				return Err(Fault::ProgramRejected(format!("a run cannot have {steps} steps")));
			}
			let examined = shared.examine(program)?;
			let inputs = examined.inputs(&roots)?;
			check_held(&shared.blobs, &inputs)?;
			Ok((examined, inputs))
		});
		let (examined, inputs) = joined(prepare.await)?;
		let started = std::time::Instant::now();
		let ran = runner
			.replay(Replay {
				job: assignment.job,
				program: examined.bytes.clone(),
				inputs,
				steps: assignment.steps,
				work_units: examined.work_units.saturating_mul(assignment.steps.into()),
				peak_memory: examined.peak_memory,
				keep: Vec::new(),
			})
			.await?;
		let run_root = ran.run_root;
		self.metrics.took(started.elapsed());
		self.runs.lock().put(assignment.job, task_of(assignment), ran);
		log::info!(
			target: LOG_TARGET,
			"Job {} replayed in {:.2?}: run root {}",
			assignment.job, started.elapsed(), hex::encode(run_root),
		);
		Ok(run_root)
	}

	/// Writes a finding into the mailbox, for every key that was drawn. Blocks.
	pub(crate) fn record(
		&self,
		assignment: &JobAssignment,
		task: Hash,
		keys: &BTreeSet<VerifierId>,
		finding: Finding,
	) {
		match finding {
			Finding::NotHeldYet => return,
			Finding::Attested(ok) => self.metrics.attested(ok),
			Finding::Replayed(_) => self.metrics.replayed("replayed"),
			Finding::Abstain(reason) => self.metrics.replayed(reason_name(reason)),
		}
		if let Finding::Replayed(run_root) = finding {
			self.config.knowledge.replayed(task, run_root);
		}
		let genesis = self.chain.genesis();
		for key in keys {
			let entry = match finding {
				Finding::NotHeldYet => return,
				Finding::Attested(ok) => MailboxEntry::Attested { ok },
				Finding::Abstain(reason) => MailboxEntry::Abstain(reason),
				Finding::Replayed(run_root) => {
					match derive_salt(&*self.keystore, &genesis, assignment.job, key) {
						Ok(salt) => MailboxEntry::Replayed { run_root, salt },
						Err(fault) => {
							self.metrics.fault(fault.kind());
							log::error!(target: LOG_TARGET, "Job {}: {fault}", assignment.job);
							MailboxEntry::Abstain(fault.reason())
						}
					}
				}
			};
			self.mailbox.lock().put(slot_of(assignment, key), task, entry);
		}
		self.config.found.notify_one();
	}
}

/// Whether there is something to do for an assignment now.
fn is_due(assignment: &JobAssignment, head: &Head) -> bool {
	let in_time = head.best <= assignment.commit_deadline;
	match (assignment.purpose, &assignment.status) {
		(Purpose::Attest, SeatStatus::Pending) => in_time,
		// Before the draw block is final another fork may draw another committee.
		(Purpose::Verify, SeatStatus::Pending) => {
			in_time && assignment.draw_block <= head.finalized
		}
		// The offchain hook needs the entry for the reveal.
		(Purpose::Verify, SeatStatus::Committed) => true,
		_ => false,
	}
}

/// Whether a held entry is what the hook needs: an abstention cannot open a committed verdict.
fn serves(entry: &MailboxEntry, assignment: &JobAssignment) -> bool {
	assignment.status != SeatStatus::Committed || matches!(entry, MailboxEntry::Replayed { .. })
}

/// Hash of what an assignment has to run.
fn task_of(assignment: &JobAssignment) -> Hash {
	task_hash(&assignment.program, &assignment.input_roots, assignment.steps)
}

fn slot_of(assignment: &JobAssignment, key: &VerifierId) -> Slot {
	Slot { job: assignment.job, purpose: assignment.purpose, key: key.clone() }
}

/// The result of a blocking task; its panic is an internal fault.
pub(crate) fn joined<T>(result: Result<Result<T, Fault>, JoinError>) -> Result<T, Fault> {
	result.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))
}

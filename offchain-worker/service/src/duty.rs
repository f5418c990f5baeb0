//! What a verifier owes for a job, and how one duty is done.

use std::{
	collections::{btree_map::Entry, BTreeMap, BTreeSet, HashMap},
	panic::AssertUnwindSafe,
	sync::{Arc, OnceLock},
};

use assay_blobs::BlobStore;
/// Hash of what is to be run.
pub(crate) use assay_market::task_hash;
use assay_market::{
	segment_of, verifier_crypto::KEY_TYPE, AbstainReason, DisputedResult, JobId, MailboxEntry,
	Purpose, SeatStatus, SegmentDuty, Segments, Ticket, VerifierId,
};
use assay_worker_protocol::MAX_STEPS;
use codec::Encode;
use futures::FutureExt;
use log::Level;
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
	hush::Hush,
	inputs::{check_held, Examined},
	mailbox::Slot,
	moves::Moves,
	runs::Runs,
	sampling::Chunks,
	segments::steps_of,
	tickets::{Draw, Tickets, Winner},
	workers::Workers,
	AccountId, BlockNumber, Chain, ChainError, Config, Disputed, Fault, Hash, Head, JobAssignment,
	Mailbox, Metrics, OpenLottery, Replay, Runner, LOG_TARGET,
};

/// Most programs whose examination is remembered.
const PROGRAMS: usize = 32;

/// What is to be done for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
	/// To say whether its inputs are held.
	Attest,
	/// To replay it for a verdict.
	Verify,
	/// To find the chunks that the committed verdict is opened with.
	Open,
}

/// Name of a task of the service.
pub(crate) type TaskId = (JobId, Kind);

/// What came out of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
	/// Whether every input is held.
	Attested(bool),
	/// Not every input is held yet; looked at again with the next block.
	NotHeldYet,
	/// The run root.
	Replayed(Hash),
	/// A local fault, retried once, or a fault of the job.
	Abstain(AbstainReason),
	/// The chunks of the verdict, which is the run root.
	Opened(Hash, Chunks),
	/// This machine cannot give the chunks.
	Unopened,
}

/// One of the local keys that something is done for.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
	pub(crate) account: AccountId,
	/// That it was drawn; `None` where the chain knows that already.
	pub(crate) ticket: Option<Ticket>,
}

/// Local keys with a seat.
pub(crate) type Seats = BTreeMap<VerifierId, Seat>;

/// What the chunks of a verdict are to be found for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
	/// What the chain has drawn.
	pub(crate) seed: Hash,
	/// The committed verdict.
	pub(crate) run_root: Hash,
}

/// Something to do for a job, once for all local keys with a seat.
pub(crate) struct Duty {
	/// One of the seats. That of a key which has won and not spoken yet is not on chain.
	pub(crate) assignment: JobAssignment,
	/// Hash of what is to be done: a job id may mean another job on another fork.
	pub(crate) task: Hash,
	pub(crate) seats: Seats,
	/// For [`Kind::Open`].
	pub(crate) opening: Option<Opening>,
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
	pub(crate) hush: Hush,
	tickets: Mutex<Tickets>,
	/// Openings, by job and task, that this machine cannot make.
	given_up: Mutex<BTreeSet<(JobId, Hash)>>,
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
			hush: Hush::default(),
			tickets: Default::default(),
			given_up: Default::default(),
			blobs,
			config,
			metrics,
			fetch: OnceLock::new(),
			programs: Default::default(),
			pinned: Default::default(),
		}
	}

	/// Reads lotteries and seats, forgets finished jobs and lists what is left to do. Blocks.
	pub(crate) fn survey(&self) -> Result<Survey, ChainError> {
		let keys: Vec<VerifierId> =
			self.keystore.sr25519_public_keys(KEY_TYPE).into_iter().map(Into::into).collect();
		let head = self.chain.head();
		let (lotteries, assignments) = match keys.is_empty() {
			true => Default::default(),
			false => (self.chain.lotteries(&keys)?, self.chain.assignments(&keys)?),
		};
		self.metrics.assignments(assignments.len());
		let disputes = match keys.is_empty() {
			true => Some(Vec::new()),
			// Other duties do not wait for it.
			false => self.disputes(&keys),
		};
		let disputed = disputes.iter().flatten().map(|duty| duty.job);
		let drawing = lotteries.iter().map(|lottery| lottery.job);
		let seated = assignments.iter().map(|seat| seat.job);
		self.forget_finished(seated.chain(drawing.clone()).chain(disputed).collect())?;
		let spoken = |job| {
			let seats = assignments.iter().filter(|seat| seat.job == job);
			seats.into_iter().any(|seat| seat.purpose == Purpose::Verify)
		};
		self.hush.publish(&drawing.filter(|job| !spoken(*job)).collect());
		for duty in disputes.iter().flatten() {
			let DisputedResult { program, input_roots, steps, .. } = &duty.result;
			self.pin_inputs(duty.job, task_hash(program, input_roots, *steps), input_roots);
		}

		let mut duties = BTreeMap::new();
		for (lottery, winner) in self.won(lotteries) {
			let seat = seat_of(&lottery, &self.chain.genesis(), &winner.ticket);
			self.pin_inputs(seat.job, task_of(&seat), &seat.input_roots);
			// Before the block of the lottery is final another fork may have another seed.
			let due = winner.tranche <= lottery.tranche
				&& lottery.draw_block <= head.finalized
				&& head.best <= lottery.commit_deadline;
			if due {
				self.owe_verdict(&mut duties, seat, Some(winner.ticket));
			}
		}
		for seat in assignments {
			self.pin_inputs(seat.job, task_of(&seat), &seat.input_roots);
			match (seat.purpose, &seat.status) {
				(Purpose::Attest, SeatStatus::Pending) if head.best <= seat.commit_deadline => {
					self.owe_attestation(&mut duties, seat);
				}
				// The offchain hook needs the entry for the reveal, however late it is.
				(Purpose::Verify, SeatStatus::Committed) => self.owe_opening(&mut duties, seat),
				_ => {}
			}
		}
		Ok(Survey { head, duties, disputes })
	}

	/// Draws for every key, and keeps to itself who has won.
	fn won(&self, lotteries: Vec<OpenLottery>) -> Vec<(OpenLottery, Winner)> {
		let genesis = self.chain.genesis();
		let mut tickets = self.tickets.lock();
		tickets.retain(&lotteries);
		let mut won = Vec::new();
		for lottery in lotteries {
			match tickets.draw(&*self.keystore, &genesis, &lottery) {
				Draw::Known { winner, new } => {
					if new {
						let tranche = winner.map(|winner| winner.tranche);
						self.metrics.drew(tranche);
						// At debug, for good: it is nobody's business who might have been called.
						log::debug!(target: LOG_TARGET, "Job {}: drew {tranche:?}", lottery.job);
					}
					won.extend(winner.map(|winner| (lottery, winner)));
				}
				Draw::Failed(fault, first) => {
					self.metrics.fault(fault.kind());
					if first {
						log::warn!(
							target: LOG_TARGET,
							"Job {}: a key cannot take part in the draw: {fault}; trying again",
							lottery.job,
						);
					}
				}
			}
		}
		won
	}

	fn owe_attestation(&self, duties: &mut BTreeMap<TaskId, Duty>, seat: JobAssignment) {
		let (slot, task) = (slot_of(&seat, &seat.key), task_of(&seat));
		if self.mailbox.lock().get(&slot, &task).is_none() {
			owe(duties, Kind::Attest, seat, task, None, None);
		}
	}

	/// A verdict of a key that has won, or whose verdict is committed and lost. Nothing where it is
	/// held; and where another local key has replayed the job only salt and ticket differ.
	fn owe_verdict(
		&self,
		duties: &mut BTreeMap<TaskId, Duty>,
		seat: JobAssignment,
		ticket: Option<Ticket>,
	) {
		let (slot, task) = (slot_of(&seat, &seat.key), task_of(&seat));
		let known = {
			let mailbox = self.mailbox.lock();
			if mailbox.get(&slot, &task).is_some_and(|entry| serves(entry, ticket.as_ref())) {
				return;
			}
			mailbox.run_root(seat.job, &task)
		};
		match known {
			Some(run_root) => {
				let own = Seat { account: seat.account.clone(), ticket };
				let seats = BTreeMap::from([(seat.key.clone(), own)]);
				self.record(&seat, task, &seats, Finding::Replayed(run_root));
			}
			None => owe(duties, Kind::Verify, seat, task, ticket, None),
		}
	}

	/// What the reveal of a committed verdict needs: the verdict, and its chunks once the chain says
	/// which ones.
	fn owe_opening(&self, duties: &mut BTreeMap<TaskId, Duty>, seat: JobAssignment) {
		let (slot, task) = (slot_of(&seat, &seat.key), task_of(&seat));
		let held = self.mailbox.lock().get(&slot, &task).cloned();
		let (run_root, chunks) = match held {
			Some(MailboxEntry::Replayed { run_root, chunks, .. }) => (run_root, chunks),
			_ => return self.owe_verdict(duties, seat, None),
		};
		let Some(seed) = seat.sample else { return };
		if chunks.is_some_and(|chunks| self.fits(&seat, &seed, &run_root, &chunks)) {
			return;
		}
		let opening = Opening { seed, run_root };
		let task = opening_hash(&task, &opening);
		if !self.given_up.lock().contains(&(seat.job, task)) {
			owe(duties, Kind::Open, seat, task, None, Some(opening));
		}
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
		held.extend(self.given_up.lock().iter().map(|(job, _)| *job));
		held.extend(self.pinned.lock().keys().map(|(job, _)| *job));
		for job in held.difference(&active) {
			if !self.chain.finished(*job)? {
				continue;
			}
			self.mailbox.lock().forget(*job);
			self.moves.lock().retain(*job, None);
			self.runs.lock().forget(*job);
			self.given_up.lock().retain(|(of, _)| of != job);
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
	pub(crate) fn pin_inputs(&self, job: JobId, task: Hash, roots: &[Hash]) {
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
				let deadline = assignment.commit_deadline;
				let text = format!("no run root in time for the deadline at block {deadline}; abstaining");
				self.tell(assignment, Level::Warn, text);
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
				self.tell(assignment, Level::Error, format!("{fault}; abstaining"));
				return Finding::Abstain(fault.reason());
			}
			self.tell(assignment, Level::Warn, format!("{fault}; trying again"));
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
		let owed = assignment.clone();
		let prepare = spawn_blocking(move || {
			if steps == 0 || steps > MAX_STEPS {
				return Err(Fault::ProgramRejected(format!("a run cannot have {steps} steps")));
			}
			let examined = shared.examine(program)?;
			let inputs = examined.inputs(&roots)?;
			check_held(&shared.blobs, &inputs)?;
			let start = shared.start_of(&owed, &examined)?;
			Ok((examined, inputs, start))
		});
		let (examined, inputs, start) = joined(prepare.await)?;
		let asked = steps_of(assignment)?.len() as u32;
		let steps = start.before().saturating_add(asked);
		let started = std::time::Instant::now();
		let ran = runner
			.replay(Replay {
				job: assignment.job,
				program: examined.bytes.clone(),
				inputs,
				start: start.states(),
				steps,
				work_units: examined.work_units.saturating_mul(steps.into()),
				peak_memory: examined.peak_memory,
				keep: examined.kept_for_chunks(asked),
			})
			.await?;
		let ran = start.strip(ran);
		let run_root = ran.run_root;
		self.metrics.took(started.elapsed());
		self.runs.lock().put(assignment.job, task_of(assignment), ran);
		let text =
			format!("replayed in {:.2?}: run root {}", started.elapsed(), hex::encode(run_root));
		self.tell(assignment, Level::Info, text);
		Ok(run_root)
	}

	/// Says something about a job that is verified: when it is public that this node does so.
	fn tell(&self, assignment: &JobAssignment, level: Level, text: String) {
		match assignment.status {
			SeatStatus::Pending => self.hush.say(assignment.job, level, text),
			_ => log::log!(target: LOG_TARGET, level, "Job {}: {text}", assignment.job),
		}
	}

	/// Writes a finding into the mailbox, for every key with a seat. Blocks.
	pub(crate) fn record(
		&self,
		assignment: &JobAssignment,
		task: Hash,
		seats: &Seats,
		finding: Finding,
	) {
		match &finding {
			Finding::NotHeldYet => return,
			Finding::Attested(ok) => self.metrics.attested(*ok),
			Finding::Replayed(_) => self.metrics.replayed("replayed"),
			Finding::Abstain(reason) => self.metrics.replayed(reason_name(*reason)),
			Finding::Opened(run_root, chunks) => {
				self.mailbox.lock().open_verdicts(assignment.job, run_root, chunks);
				self.config.found.notify_one();
				return;
			}
			Finding::Unopened => {
				self.given_up.lock().insert((assignment.job, task));
				return;
			}
		}
		if let Finding::Replayed(run_root) = &finding {
			self.config.knowledge.replayed(task, *run_root);
		}
		let genesis = self.chain.genesis();
		for (key, Seat { ticket, .. }) in seats {
			let ticket = *ticket;
			let entry = match finding {
				Finding::Attested(ok) => MailboxEntry::Attested { ok },
				Finding::Abstain(reason) => MailboxEntry::Abstain { reason, ticket },
				Finding::Replayed(run_root) => {
					match derive_salt(&*self.keystore, &genesis, assignment.job, key) {
						Ok(salt) => MailboxEntry::Replayed { run_root, salt, ticket, chunks: None },
						Err(fault) => {
							self.metrics.fault(fault.kind());
							self.tell(assignment, Level::Error, fault.to_string());
							MailboxEntry::Abstain { reason: fault.reason(), ticket }
						}
					}
				}
				Finding::NotHeldYet | Finding::Opened(..) | Finding::Unopened => return,
			};
			self.mailbox.lock().put(slot_of(assignment, key), task, entry);
		}
		self.config.found.notify_one();
	}
}

/// Adds a seat to what is to be done. One whose verdict is committed stands for the others: it has no
/// deadline.
fn owe(
	duties: &mut BTreeMap<TaskId, Duty>,
	kind: Kind,
	assignment: JobAssignment,
	task: Hash,
	ticket: Option<Ticket>,
	opening: Option<Opening>,
) {
	let (key, account) = (assignment.key.clone(), assignment.account.clone());
	let duty = match duties.entry((assignment.job, kind)) {
		Entry::Vacant(vacant) => {
			vacant.insert(Duty { assignment, task, seats: Seats::new(), opening })
		}
		// Another thing under the same name has its turn when this one is done.
		Entry::Occupied(occupied) if occupied.get().task != task => return,
		Entry::Occupied(occupied) => {
			let duty = occupied.into_mut();
			if assignment.status == SeatStatus::Committed {
				duty.assignment = assignment;
			}
			duty
		}
	};
	duty.seats.insert(key, Seat { account, ticket });
}

/// The seat that a winner of a lottery has once it speaks.
fn seat_of(lottery: &OpenLottery, genesis: &Hash, ticket: &Ticket) -> JobAssignment {
	let lottery = lottery.clone();
	let segment = lottery.segments.and_then(|terms| {
		let cut = Segments { steps: terms.steps }.cut(lottery.steps)?;
		let index = segment_of(&ticket.pre_output, genesis, lottery.job, cut.count());
		Some(SegmentDuty { terms, index })
	});
	// A later tranche brings the time of the whole run, which whoever gets no checkpoint needs.
	let more_time =
		segment.is_some() && lottery.tranche.saturating_add(1) < lottery.terms.max_tranches;
	JobAssignment {
		job: lottery.job,
		purpose: Purpose::Verify,
		account: lottery.account,
		key: lottery.key,
		program: lottery.program,
		input_roots: lottery.input_roots,
		steps: lottery.steps,
		phase: lottery.phase,
		draw_block: lottery.draw_block,
		commit_deadline: if more_time { BlockNumber::MAX } else { lottery.commit_deadline },
		reveal_deadline: None,
		status: SeatStatus::Pending,
		committed: false,
		revealed: false,
		can_reveal: false,
		sample: None,
		segment,
	}
}

/// Whether a held entry is what the hook needs. Before the verdict is committed that is any with the
/// ticket of this lottery: the chain refuses one of another fork's. After it an abstention cannot open it.
fn serves(entry: &MailboxEntry, ticket: Option<&Ticket>) -> bool {
	match (entry, ticket) {
		(MailboxEntry::Replayed { .. }, None) => true,
		(
			MailboxEntry::Replayed { ticket: Some(held), .. }
			| MailboxEntry::Abstain { ticket: Some(held), .. },
			Some(ticket),
		) => held.pre_output == ticket.pre_output,
		_ => false,
	}
}

/// Hash of what an assignment has to run.
///
/// A segment is another task than the run: nothing about the one says anything about the other.
pub(crate) fn task_of(assignment: &JobAssignment) -> Hash {
	let whole = task_hash(&assignment.program, &assignment.input_roots, assignment.steps);
	match &assignment.segment {
		None => whole,
		Some(duty) => *blake3::hash(&(whole, duty).encode()).as_bytes(),
	}
}

/// Hash of what is to be opened.
fn opening_hash(task: &Hash, opening: &Opening) -> Hash {
	*blake3::hash(&(task, opening.seed, opening.run_root).encode()).as_bytes()
}

fn slot_of(assignment: &JobAssignment, key: &VerifierId) -> Slot {
	Slot { job: assignment.job, purpose: assignment.purpose, key: key.clone() }
}

/// The result of a blocking task; its panic is an internal fault.
pub(crate) fn joined<T>(result: Result<Result<T, Fault>, JoinError>) -> Result<T, Fault> {
	result.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))
}

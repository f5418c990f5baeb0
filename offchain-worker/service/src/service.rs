//! The loop: what the chain asks for, what runs, what was found out.

use std::{
	collections::{BTreeMap, HashMap},
	sync::Arc,
	time::Duration,
};

use assay_blobs::BlobStore;
use assay_market::{JobId, VerifierId};
use futures::StreamExt;
use parking_lot::Mutex;
use sp_core::offchain::OffchainStorage;
use sp_keystore::KeystorePtr;
use tokio::{
	sync::watch,
	task::{spawn_blocking, AbortHandle, Id, JoinError, JoinSet},
};

use crate::{
	chain::{Chain, Head, JobAssignment},
	config::Config,
	dispute::disputes::Disputes,
	dispute::moves::Moves,
	inputs::fetch::Fetch,
	metrics::Metrics,
	runner::Runner,
	turns::rates::Rates,
	types::{AccountId, BlockNumber, Hash, LOG_TARGET},
	verify::duty::{Duty, Finding, Kind, Opening, Seat, Seats, Shared, TaskId},
	verify::mailbox::Mailbox,
	verify::sampling::Sampling,
};

/// Most verdicts whose chunks are looked for at the same time: each has a thread, and tensors in memory.
/// Those that are to be opened first are first.
const OPENINGS: usize = 8;

/// Assignments are looked at this often even if no block arrives.
const TICK: Duration = Duration::from_secs(6);

/// A duty that is being done.
struct Running {
	job: JobId,
	task: Hash,
	seats: Arc<Mutex<Seats>>,
	abort: AbortHandle,
}

/// The verifier service over any chain, storage and runner.
pub struct Service<C, S> {
	shared: Arc<Shared<C, S>>,
	runner: Arc<dyn Runner>,
	head: watch::Sender<Head>,
	disputes: Disputes<C, S>,
	running: BTreeMap<TaskId, Running>,
	/// Tasks that were started, and the numbers of their jobs.
	names: HashMap<Id, (TaskId, JobId)>,
	set: JoinSet<()>,
	/// Something waits for a task to end before it can begin.
	held_back: bool,
}

impl<C: Chain, S: OffchainStorage + 'static> Service<C, S> {
	/// Opens the mailbox that an earlier run may have left. Blocks on the storage.
	pub fn open(
		chain: Arc<C>,
		keystore: KeystorePtr,
		storage: S,
		blobs: Arc<BlobStore>,
		runner: Arc<dyn Runner>,
		config: Config,
		metrics: Metrics,
	) -> Self {
		let mailbox = Mailbox::open(storage.clone(), chain.genesis());
		config.knowledge.open(storage.clone(), chain.genesis(), mailbox.replayed());
		let moves = Moves::open(storage.clone(), chain.genesis());
		let rates = Rates::open(storage, chain.genesis());
		if !mailbox.is_empty() || moves.len() > 0 {
			log::info!(
				target: LOG_TARGET,
				"Resuming with {} verdicts and {} moves held", mailbox.len(), moves.len(),
			);
		}
		let shared = Shared::new(chain, keystore, mailbox, moves, rates, blobs, config, metrics);
		let shared = Arc::new(shared);
		Self {
			disputes: Disputes::new(shared.clone(), runner.clone()),
			shared,
			runner,
			head: watch::Sender::new(Head::default()),
			running: BTreeMap::new(),
			names: HashMap::new(),
			set: JoinSet::new(),
			held_back: false,
		}
	}

	/// Gets inputs that are missing from there.
	pub fn fetching(self, fetch: Option<Arc<dyn Fetch>>) -> Self {
		if let Some(fetch) = fetch {
			// Nothing runs yet, so it is not set twice.
			let _ = self.shared.fetch.set(fetch);
		}
		self
	}

	/// Follows the chain until the future is dropped or the chain's streams end.
	pub async fn run(mut self) {
		let mut wake = self.shared.chain.wake().ready_chunks(64);
		let mut tick = tokio::time::interval(TICK);
		tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
		loop {
			tokio::select! {
				woken = wake.next() => match woken {
					Some(_) => self.refresh().await,
					None => return,
				},
				_ = tick.tick() => self.refresh().await,
				Some(ended) = self.set.join_next_with_id() => {
					self.ended(ended);
					if self.held_back {
						self.refresh().await;
					}
				}
				Some(ended) = self.disputes.next() => self.disputes.ended(ended).await,
			}
			self.count();
		}
	}

	/// Compares what the chain asks for with what is running and held.
	async fn refresh(&mut self) {
		let shared = self.shared.clone();
		let survey = match spawn_blocking(move || shared.survey()).await {
			Ok(Ok(survey)) => survey,
			Ok(Err(error)) => {
				log::warn!(target: LOG_TARGET, "Cannot read the assignments: {error}");
				return;
			}
			Err(error) => {
				log::error!(target: LOG_TARGET, "Reading the assignments failed: {error}");
				return;
			}
		};
		self.head.send_replace(survey.head);
		self.shared.workers.at(survey.head.best);
		self.shared.fetching.at(survey.head.best);
		// Without an answer the disputes go on as they are.
		if let Some(disputes) = survey.disputes {
			self.disputes.refresh(disputes, survey.head.best).await;
		}
		let wanted = survey.duties;
		// What the chain no longer asks for, or asks differently, is stopped. The task's drop
		// kills its worker.
		self.running.retain(|id, running| {
			let keep = wanted.get(id).is_some_and(|duty| duty.task == running.task);
			if !keep {
				log::debug!(target: LOG_TARGET, "Job {}: no need to {:?} any more", running.job, id.1);
				running.abort.abort();
			}
			keep
		});
		let mut wanted: Vec<_> = wanted.into_iter().collect();
		wanted.sort_by_key(|(_, duty)| due(&duty.assignment));
		let opens = self.running.keys().filter(|id| id.1 == Kind::Open).count();
		let mut openings = OPENINGS.saturating_sub(opens);
		self.held_back = false;
		for (id, duty) in wanted {
			match self.running.get(&id) {
				// Whose turn it is now. On another fork another key of this node may have won.
				Some(running) => *running.seats.lock() = duty.seats,
				None if id.1 == Kind::Open && openings == 0 => self.held_back = true,
				None => {
					openings -= usize::from(id.1 == Kind::Open);
					self.start(id, duty);
				}
			}
		}
	}

	fn start(&mut self, id: TaskId, duty: Duty) {
		let Duty { assignment, task, seats, opening } = duty;
		let accounts =
			seats.iter().map(|(key, Seat { account, .. })| (key.clone(), account.clone()));
		let accounts: BTreeMap<VerifierId, AccountId> = accounts.collect();
		let job = assignment.job;
		let seats = Arc::new(Mutex::new(seats));
		let work = {
			let (shared, seats) = (self.shared.clone(), seats.clone());
			let (runner, head) = (self.runner.clone(), self.head.subscribe());
			async move {
				let finding = match (id.1, opening) {
					(Kind::Attest | Kind::Keep, _) => shared.look(&assignment, head).await,
					(Kind::Verify, _) => shared.verify(&assignment, runner, head).await,
					(Kind::Open, Some(Opening { seed, run_root })) => {
						let (shared, assignment) = (shared.clone(), assignment.clone());
						let sampling =
							Sampling { shared, runner, assignment, run_root, seed, accounts };
						let chunks = sampling.run().await;
						chunks.map_or(Finding::Unopened, |chunks| Finding::Opened(run_root, chunks))
					}
					(Kind::Open, None) => Finding::Unopened,
				};
				let record = move || {
					let seats = seats.lock().clone();
					shared.record(&assignment, task, &seats, finding)
				};
				if let Err(error) = spawn_blocking(record).await {
					log::error!(target: LOG_TARGET, "Storing a finding failed: {error}");
				}
			}
		};
		let abort = self.set.spawn(work);
		self.names.insert(abort.id(), (id, job));
		self.running.insert(id, Running { job, task, seats, abort });
	}

	/// A task ended by itself, was stopped, or panicked.
	fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
		let task = match &ended {
			Ok((task, _)) => *task,
			Err(error) => error.id(),
		};
		let Some((id, job)) = self.names.remove(&task) else { return };
		// A stopped task may have been replaced by another of the same name.
		if self.running.get(&id).is_some_and(|running| running.abort.id() == task) {
			self.running.remove(&id);
		}
		match ended {
			Ok(_) => {}
			Err(error) if error.is_cancelled() => {
				if id.1 == Kind::Verify {
					self.shared.metrics.replayed("cancelled");
				}
			}
			Err(error) => {
				self.shared.metrics.fault("internal");
				let text = format!("the task failed: {error}");
				match id.1 {
					Kind::Verify => self.shared.hush.say(job, id.0, log::Level::Error, text),
					_ => log::error!(target: LOG_TARGET, "Job {job}: {text}"),
				}
			}
		}
	}

	fn count(&self) {
		let verifying = self.running.keys().filter(|id| id.1 == Kind::Verify).count();
		let busy = self.shared.workers.replaying().min(verifying);
		self.shared.metrics.jobs(verifying - busy, busy);
		self.shared.metrics.mailbox(self.shared.mailbox.lock().len());
	}
}

/// When a seat has to be done with.
fn due(assignment: &JobAssignment) -> BlockNumber {
	match assignment.reveal_deadline {
		Some(reveal) if assignment.committed => reveal,
		_ => assignment.commit_deadline,
	}
}

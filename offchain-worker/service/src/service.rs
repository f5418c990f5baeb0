//! The loop: what the chain asks for, what runs, what was found out.

use crate::{
	chain::{Chain, Head, JobAssignment},
	config::Config,
	dispute::disputes::Disputes,
	dispute::moves::Moves,
	inputs::blobs::Inputs,
	inputs::fetch::Fetch,
	metrics::Metrics,
	replay::replays::Replays,
	runner::Runner,
	survey::Surveyor,
	turns::rates::Rates,
	types::{AccountId, BlockNumber, Hash, LOG_TARGET},
	verify::duty::{Duty, Finding, Kind, Opening, Seat, Seats, TaskId},
	verify::keep::look,
	verify::keys::Keys,
	verify::mailbox::Mailbox,
	verify::sampling::Sampling,
	verify::verdicts::Verdicts,
	verify::verifier::Verifier,
};
use assay_blobs::BlobStore;
use assay_market::{JobId, VerifierId};
use futures::StreamExt;
use parking_lot::Mutex;
use sp_core::offchain::OffchainStorage;
use sp_keystore::KeystorePtr;
use std::{
	collections::{BTreeMap, HashMap},
	sync::Arc,
	time::Duration,
};
use tokio::{
	sync::watch,
	task::{spawn_blocking, AbortHandle, Id, JoinError, JoinSet},
};

/// Most verdicts whose chunks are looked for at the same time: each has a thread, and tensors in
/// memory. Those that are to be opened first are first.
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
pub struct Service<S> {
	chain: Arc<dyn Chain>,
	inputs: Arc<Inputs>,
	replays: Arc<Replays>,
	verdicts: Arc<Verdicts<S>>,
	verifier: Arc<Verifier<S>>,
	surveyor: Arc<Surveyor<S>>,
	disputes: Disputes<S>,
	config: Config,
	metrics: Metrics,
	head: watch::Sender<Head>,
	running: BTreeMap<TaskId, Running>,
	/// Tasks that were started, and the numbers of their jobs.
	names: HashMap<Id, (TaskId, JobId)>,
	set: JoinSet<()>,
	/// Something waits for a task to end before it can begin.
	held_back: bool,
}

impl<S: OffchainStorage + 'static> Service<S> {
	/// Opens the mailbox that an earlier run may have left. Blocks on the storage.
	pub fn open(
		chain: Arc<impl Chain>,
		keystore: KeystorePtr,
		storage: S,
		blobs: Arc<BlobStore>,
		runner: Arc<dyn Runner>,
		config: Config,
		metrics: Metrics,
	) -> Self {
		let chain: Arc<dyn Chain> = chain;
		let genesis = chain.genesis();
		let mailbox = Mailbox::open(storage.clone(), genesis);
		config.knowledge.open(storage.clone(), genesis, mailbox.replayed());
		let moves = Moves::open(storage.clone(), genesis);
		let rates = Arc::new(Rates::open(storage, genesis));
		if !mailbox.is_empty() || moves.len() > 0 {
			log::info!(
				target: LOG_TARGET,
				"Resuming with {} verdicts and {} moves held", mailbox.len(), moves.len(),
			);
		}
		let inputs = Arc::new(Inputs::new(chain.clone(), blobs, rates.clone(), &config));
		let replays = Replays::new(inputs.clone(), runner, rates, &config, metrics.clone());
		let replays = Arc::new(replays);
		let keys = Keys::new(keystore, genesis);
		let verdicts = Arc::new(Verdicts::new(keys, mailbox, &config, metrics.clone()));
		let moves = Arc::new(Mutex::new(moves));
		let verifier =
			Verifier::new(verdicts.clone(), replays.clone(), config.clone(), metrics.clone());
		Self {
			disputes: Disputes::new(
				genesis,
				verdicts.clone(),
				moves.clone(),
				replays.clone(),
				config.clone(),
				metrics.clone(),
			),
			surveyor: Arc::new(Surveyor {
				chain: chain.clone(),
				verdicts: verdicts.clone(),
				replays: replays.clone(),
				moves,
				metrics: metrics.clone(),
			}),
			verifier: Arc::new(verifier),
			chain,
			inputs,
			replays,
			verdicts,
			config,
			metrics,
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
			self.inputs.fetching.from(fetch);
		}
		self
	}

	/// Follows the chain until the future is dropped or the chain's streams end.
	pub async fn run(mut self) {
		let mut wake = self.chain.wake().ready_chunks(64);
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
		let surveyor = self.surveyor.clone();
		let survey = match spawn_blocking(move || surveyor.survey()).await {
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
		self.replays.workers.at(survey.head.best);
		self.inputs.fetching.turns.at(survey.head.best);
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
			let (verdicts, seats) = (self.verdicts.clone(), seats.clone());
			let (inputs, replays) = (self.inputs.clone(), self.replays.clone());
			let (verifier, head) = (self.verifier.clone(), self.head.subscribe());
			let last = self.config.last_block(assignment.commit_deadline);
			async move {
				let finding = match (id.1, opening) {
					(Kind::Attest | Kind::Keep, _) => look(&inputs, &assignment, last, head).await,
					(Kind::Verify, _) => verifier.verify(&assignment, head).await,
					(Kind::Open, Some(Opening { seed, run_root })) => {
						let assignment = assignment.clone();
						let sampling = Sampling { replays, assignment, run_root, seed, accounts };
						let chunks = sampling.run().await;
						chunks.map_or(Finding::Unopened, |chunks| Finding::Opened(run_root, chunks))
					}
					(Kind::Open, None) => Finding::Unopened,
				};
				let record = move || {
					let seats = seats.lock().clone();
					verdicts.record(&assignment, task, &seats, finding)
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
					self.metrics.replayed("cancelled");
				}
			}
			Err(error) => {
				self.metrics.fault("internal");
				let text = format!("the task failed: {error}");
				match id.1 {
					Kind::Verify => self.verdicts.deferred.say(job, id.0, log::Level::Error, text),
					_ => log::error!(target: LOG_TARGET, "Job {job}: {text}"),
				}
			}
		}
	}

	fn count(&self) {
		let verifying = self.running.keys().filter(|id| id.1 == Kind::Verify).count();
		let busy = self.replays.workers.replaying().min(verifying);
		self.metrics.jobs(verifying - busy, busy);
		self.metrics.mailbox(self.verdicts.mailbox.lock().len());
	}
}

/// When a seat has to be done with.
fn due(assignment: &JobAssignment) -> BlockNumber {
	match assignment.reveal_deadline {
		Some(reveal) if assignment.committed => reveal,
		_ => assignment.commit_deadline,
	}
}

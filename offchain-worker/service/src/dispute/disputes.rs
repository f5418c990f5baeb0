//! The disputes that this node leads: who leads them, and what is left for the offchain hook.
//!
//! Nothing here is stored but the moves themselves: what is to be done follows from the chain's
//! record of the lane, so that a restarted node goes on where it was.

use crate::{
	chain::Disputed,
	config::Config,
	dispute::moves::Moves,
	dispute::search::{Memory, MoveSearch, Opened, Outcome},
	metrics::Metrics,
	replay::replays::Replays,
	replay::worker_replay::Deadline,
	types::{AccountId, Balance, BlockNumber, Hash, LOG_TARGET},
	verify::verdicts::Verdicts,
};
use assay_dispute::Move;
use assay_market::{
	proof_commitment, proof_hash, task_hash, ChallengeMove, DisputeEntry, DisputedResult, JobId,
	LaneView, Turn, VerifierId,
};
use codec::Encode;
use parking_lot::Mutex;
use sp_core::offchain::OffchainStorage;
use std::{
	collections::{BTreeMap, BTreeSet, HashMap},
	sync::Arc,
};
use tokio::task::{spawn_blocking, AbortHandle, Id, JoinError, JoinSet};

type Lane = LaneView<AccountId, Balance, BlockNumber>;

/// Most searches at the same time: each has a thread, and tensors in memory. Those whose lanes end
/// first begin first.
const SEARCHES: usize = 8;

/// Most disputes that remember from one move to the next what replays gave.
const MEMORIES: usize = 4;

/// A search for the next move; dropping it ends the search and its worker.
struct Search {
	opened: Opened,
	abort: AbortHandle,
}

impl Drop for Search {
	fn drop(&mut self) {
		self.abort.abort();
	}
}

/// One result that this node's verdict differs from.
struct Dispute {
	job: JobId,
	/// What is disputed: on another fork the provider may have committed to another result.
	case: Hash,
	/// One for every local key that was drawn.
	duties: Vec<Disputed>,
	/// What replays gave so far.
	memory: Memory,
	/// The move after these groups were opened. It is the same for every key.
	found: Option<(Opened, Move)>,
	search: Option<Search>,
	/// When the next move has to be made.
	deadline: Deadline,
	/// Counts the searches; that of the last one of this dispute.
	searched: u64,
	/// Keys whose lane this node cannot lead on.
	stuck: BTreeSet<VerifierId>,
	/// This machine computes the provider's result.
	agrees: bool,
}

/// What is to lie in storage for a job.
struct Left {
	job: JobId,
	order: Hash,
	/// The only key that has a move.
	leader: Option<VerifierId>,
	/// Its move; `None` leaves what is there, which the hook takes for what it is.
	entry: Option<DisputeEntry>,
}

/// All disputes of this node.
pub(crate) struct Disputes<S> {
	genesis: Hash,
	verdicts: Arc<Verdicts<S>>,
	/// What is left for the hook.
	moves: Arc<Mutex<Moves<S>>>,
	replays: Arc<Replays>,
	config: Config,
	metrics: Metrics,
	/// By order.
	open: BTreeMap<Hash, Dispute>,
	names: HashMap<Id, Hash>,
	set: JoinSet<Outcome>,
	/// Counts the searches.
	searches: u64,
	best: BlockNumber,
}

impl<S: OffchainStorage + 'static> Disputes<S> {
	pub(crate) fn new(
		genesis: Hash,
		verdicts: Arc<Verdicts<S>>,
		moves: Arc<Mutex<Moves<S>>>,
		replays: Arc<Replays>,
		config: Config,
		metrics: Metrics,
	) -> Self {
		Self {
			genesis,
			verdicts,
			moves,
			replays,
			config,
			metrics,
			open: BTreeMap::new(),
			names: HashMap::new(),
			set: JoinSet::new(),
			searches: 0,
			best: 0,
		}
	}

	/// Takes in what the chain says at block `best`.
	pub(crate) async fn refresh(&mut self, duties: Vec<Disputed>, best: BlockNumber) {
		self.best = best;
		let mut by_order: BTreeMap<Hash, Vec<Disputed>> = BTreeMap::new();
		for duty in duties {
			by_order.entry(duty.result.order).or_default().push(duty);
		}
		self.open.retain(|order, Dispute { job, .. }| {
			let keep = by_order.contains_key(order);
			if !keep {
				log::info!(target: LOG_TARGET, "Job {job}: there is nothing more to dispute");
			}
			keep
		});
		for (order, duties) in by_order {
			let Some(first) = duties.first() else { continue };
			let (job, case) = (first.job, case_of(&first.result));
			match self.open.get_mut(&order).filter(|dispute| dispute.case == case) {
				Some(dispute) => dispute.duties = duties,
				None => {
					let dispute = Dispute {
						job,
						case,
						duties,
						memory: Memory::default(),
						found: None,
						search: None,
						deadline: Deadline::new(BlockNumber::MAX),
						searched: 0,
						stuck: BTreeSet::new(),
						agrees: false,
					};
					self.open.insert(order, dispute);
				}
			}
		}
		self.advance(self.open.keys().copied().collect()).await;
	}

	/// Waits for a search to end; `None` when there is none.
	pub(crate) async fn next(&mut self) -> Option<Result<(Id, Outcome), JoinError>> {
		self.set.join_next_with_id().await
	}

	/// Takes in what a search gave.
	pub(crate) async fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
		let id = match &ended {
			Ok((id, _)) => *id,
			Err(error) => error.id(),
		};
		let Some(order) = self.names.remove(&id) else { return };
		let Some(dispute) = self.open.get_mut(&order) else { return };
		let job = dispute.job;
		// A search that was given up may have been replaced by another one.
		let Some(search) = dispute.search.take_if(|search| search.abort.id() == id) else { return };
		match ended {
			Ok((_, Outcome::Found(Move::Nothing))) => {
				dispute.agrees = true;
				let duties = dispute.duties.clone();
				self.agrees(job, &duties);
			}
			Ok((_, Outcome::Found(found))) => {
				dispute.found = Some((search.opened.clone(), found));
			}
			Ok((_, Outcome::Stopped)) => {
				let here = |duty: &&Disputed| opened(duty.lane.as_ref()) == search.opened;
				dispute
					.stuck
					.extend(dispute.duties.iter().filter(here).map(|duty| duty.key.clone()));
			}
			Err(error) if error.is_cancelled() => return,
			// The next block begins anew.
			Err(error) => {
				self.metrics.dispute_fault("internal");
				log::error!(target: LOG_TARGET, "The dispute about job {job} failed: {error}");
				return;
			}
		}
		self.forget_memories();
		self.advance(vec![order]).await;
	}

	/// Leaves what replays gave only to the disputes that were searched last.
	fn forget_memories(&mut self) {
		let mut idle: Vec<_> =
			self.open.values().filter(|dispute| dispute.search.is_none()).collect();
		idle.sort_by_key(|dispute| std::cmp::Reverse(dispute.searched));
		for dispute in idle.into_iter().skip(MEMORIES) {
			// One that a search is about to give back is forgotten when the next search ends.
			if let Some(mut memory) = dispute.memory.try_lock() {
				*memory = None;
			}
		}
	}

	/// Starts the searches that are needed and leaves the moves that were found.
	async fn advance(&mut self, mut orders: Vec<Hash>) {
		orders.sort_by_key(|order| self.open.get(order).map(Dispute::ends));
		let left: Vec<_> = orders.into_iter().map(|order| self.decide(order)).collect();
		let disputed = self.open.values().filter(|dispute| !dispute.agrees).count();
		self.metrics.disputes(disputed);
		let (moves, metrics) = (self.moves.clone(), self.metrics.clone());
		let found = self.config.found.clone();
		let leave = move || {
			for kind in left.into_iter().filter_map(|left| leave(&mut moves.lock(), left)) {
				found.notify_one();
				metrics.moved(kind);
			}
		};
		if let Err(error) = spawn_blocking(leave).await {
			log::error!(target: LOG_TARGET, "Storing a move failed: {error}");
		}
	}

	/// What is to lie in storage for a job now. Starts a search where the move is not known.
	fn decide(&mut self, order: Hash) -> Left {
		let nobody = |job| Left { job, order, leader: None, entry: None };
		let Some(dispute) = self.open.get_mut(&order) else { return nobody(0) };
		let job = dispute.job;
		let result = dispute.duties.first().map(|duty| duty.result.clone());
		let leader = leader(&dispute.duties, self.best, &dispute.stuck).cloned();
		let (false, Some(duty), Some(result)) = (dispute.agrees, leader, result) else {
			dispute.search = None;
			return nobody(job);
		};
		let waits = Left { job, order, leader: Some(duty.key.clone()), entry: None };
		dispute.deadline.set(duty.lane.as_ref().map_or(BlockNumber::MAX, |lane| lane.deadline));
		if matches!(&duty.lane, Some(Lane { turn: Turn::Answer(_), .. })) {
			// A search that still runs began on another fork, which may come back.
			return waits;
		}
		let opened = opened(duty.lane.as_ref());
		if let Some((_, found)) = dispute.found.as_ref().filter(|(at, _)| *at == opened) {
			let (genesis, margin) = (self.genesis, self.config.prove_margin);
			let entry = next_entry(&genesis, &duty, found, self.best, margin);
			if entry.is_none() {
				log::error!(
					target: LOG_TARGET,
					"Job {job}: the lane has more parts of a proof than there are; it cannot go on",
				);
				dispute.stuck.insert(duty.key);
			}
			return Left { entry, ..waits };
		}
		if dispute.search.as_ref().is_some_and(|search| search.opened == opened) {
			return waits;
		}
		let task = task_hash(&result.program, &result.input_roots, result.steps);
		if self.verdicts.mailbox.lock().run_root(&order, &task) == Some(result.run_root) {
			// A verdict that is still hidden, and right.
			dispute.agrees = true;
			dispute.search = None;
			return nobody(job);
		}
		// A search about other groups makes room for this one, and no other does.
		dispute.search = None;
		if self.set.len() >= SEARCHES {
			return waits;
		}
		if opened.is_empty() {
			log::warn!(
				target: LOG_TARGET,
				"Job {job}: the result {} differs from this node's verdict; disputing it with {:?}",
				hex::encode(result.run_root), duty.key,
			);
		}
		let search = MoveSearch {
			replays: self.replays.clone(),
			knowledge: self.config.knowledge.clone(),
			job,
			result,
			memory: dispute.memory.clone(),
			deadline: dispute.deadline.clone(),
			opened: opened.clone(),
		};
		let abort = self.set.spawn(search.run());
		self.names.insert(abort.id(), order);
		self.searches += 1;
		dispute.searched = self.searches;
		dispute.search = Some(Search { opened, abort });
		waits
	}

	/// Says why nothing is disputed although the chain asked.
	fn agrees(&self, job: JobId, duties: &[Disputed]) {
		let Some(result) = duties.first().map(|duty| &duty.result) else { return };
		let task = task_hash(&result.program, &result.input_roots, result.steps);
		match self.verdicts.mailbox.lock().run_root(&result.order, &task) {
			Some(verdict) if verdict != result.run_root => {
				self.metrics.dispute_fault("agrees");
				self.config.knowledge.withdraw(&task);
				log::error!(
					target: LOG_TARGET,
					"Job {job}: this node's verdict was {}, but replaying gives the provider's {}. \
					This machine does not compute reliably! Nothing is disputed.",
					hex::encode(verdict), hex::encode(result.run_root),
				);
			}
			_ => log::info!(target: LOG_TARGET, "Job {job}: this node's replay gives the result"),
		}
	}
}

/// Writes down a move, and gives its kind if it lay not there yet. Blocks.
fn leave<S: OffchainStorage>(moves: &mut Moves<S>, left: Left) -> Option<&'static str> {
	let Left { job, order, leader, entry } = left;
	moves.retain(&order, leader.as_ref());
	let (leader, entry) = (leader?, entry?);
	if !moves.put(job, &order, &leader, &entry) {
		return None;
	}
	Some(match &entry.action {
		ChallengeMove::Demand { child } => {
			log::info!(target: LOG_TARGET, "Job {job}: demanding the opening below {child:?}");
			"demand"
		}
		ChallengeMove::CommitProof { .. } => {
			log::info!(target: LOG_TARGET, "Job {job}: binding a fraud proof");
			"bind"
		}
		ChallengeMove::Prove { part } => {
			log::info!(
				target: LOG_TARGET,
				"Job {job}: sending part {} of the proof that {:?} is wrong",
				part.part, part.accusation,
			);
			"prove"
		}
	})
}

impl Dispute {
	/// When the first of its lanes ends.
	fn ends(&self) -> BlockNumber {
		let lanes = self.duties.iter().filter_map(|duty| duty.lane.as_ref());
		lanes.map(|lane| lane.deadline).min().unwrap_or(BlockNumber::MAX)
	}
}

/// Names what is disputed.
fn case_of(result: &DisputedResult) -> Hash {
	let DisputedResult { program, input_roots, steps, run_root, trace_root, .. } = result;
	let case = (program, input_roots, steps, run_root, trace_root);
	*blake3::hash(&case.encode()).as_bytes()
}

/// The groups that were opened in a lane.
fn opened(lane: Option<&Lane>) -> Opened {
	lane.map(|lane| lane.opened.clone()).unwrap_or_default()
}

/// The key that leads a dispute: of those that can still move one that has a lane, and of these the
/// smallest.
fn leader<'a>(
	duties: &'a [Disputed],
	best: BlockNumber,
	stuck: &BTreeSet<VerifierId>,
) -> Option<&'a Disputed> {
	let can_move = |duty: &&Disputed| match &duty.lane {
		None => duty.result.open,
		Some(lane) => matches!(lane.turn, Turn::Answer(_)) || best < lane.deadline,
	};
	duties
		.iter()
		.filter(|duty| !stuck.contains(&duty.key))
		.filter(can_move)
		.min_by_key(|duty| (duty.lane.is_none(), &duty.key))
}

/// The entry for a lane whose groups led to this move. `None` when the lane has more parts of a
/// proof than the proof.
fn next_entry(
	genesis: &Hash,
	duty: &Disputed,
	found: &Move,
	best: BlockNumber,
	prove_margin: BlockNumber,
) -> Option<DisputeEntry> {
	let lane = duty.lane.as_ref();
	let parts = lane.map_or(0, |lane| lane.parts);
	let action = match found {
		Move::Nothing => return None,
		Move::Demand { child } => ChallengeMove::Demand { child: *child },
		Move::Prove(all) => {
			let unbound = lane.is_none_or(|lane| !lane.committed && parts == 0);
			let in_time = lane.is_none_or(|lane| best.saturating_add(prove_margin) < lane.deadline);
			if unbound && in_time {
				let proof = proof_hash(all.first()?);
				let account = duty.account.as_ref();
				let commitment = proof_commitment(genesis, &duty.result.order, account, &proof);
				ChallengeMove::CommitProof { commitment }
			} else {
				if unbound {
					log::warn!(
						target: LOG_TARGET,
						"Job {}: the proof goes out unbound, there is no time left", duty.job,
					);
				}
				let part = all.get(usize::try_from(parts).ok()?)?.clone();
				ChallengeMove::Prove { part: Box::new(part) }
			}
		}
	};
	let opened = lane.map(|lane| lane.opened.len() as u32);
	let list = lane.and_then(|lane| lane.list);
	Some(DisputeEntry { opened, list, parts, action })
}

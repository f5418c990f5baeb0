//! What the chain asks of this node at one moment.

use crate::{
	chain::{Chain, ChainError, Disputed, Head, JobAssignment, OpenLottery},
	dispute::moves::Moves,
	metrics::Metrics,
	replay::replays::Replays,
	task::task_of,
	types::{BlockNumber, Hash, LOG_TARGET},
	verify::duty::{Duty, Finding, Kind, Opening, Seat, Seats, TaskId},
	verify::mailbox::Slot,
	verify::sampling::fits,
	verify::tickets::{Draw, Winner},
	verify::verdicts::Verdicts,
};
use assay_market::{
	segment_of, DisputedResult, JobId, MailboxEntry, Purpose, SeatStatus, SegmentDuty, Segments,
	Ticket, VerifierId,
};
use codec::Encode;
use parking_lot::Mutex;
use sp_core::offchain::OffchainStorage;
use std::{
	collections::{btree_map::Entry, BTreeMap, BTreeSet},
	sync::Arc,
};

/// Most jobs whose blobs are newly kept in one survey: their programs are examined for that, which
/// takes time that other duties need. The next block goes on.
const NEWLY_HELD: usize = 16;

/// Blocks below the best one at which the block of a lottery counts as final where finality is
/// further behind: the voting gate's default hard cap and a little more. Else whoever stops
/// finality would stop the verdicts as well, and a thinned audit would end without any. On a fork
/// that goes a verdict costs nothing: it is bound to order and seed.
const STANDS: BlockNumber = 120;

/// Whether no other fork is to be reckoned with that has another seed in this block.
fn is_settled(block: BlockNumber, head: &Head) -> bool {
	block <= head.finalized || head.best.saturating_sub(block) >= STANDS
}

/// What the chain says at one moment.
pub(crate) struct Survey {
	pub(crate) head: Head,
	pub(crate) duties: BTreeMap<TaskId, Duty>,
	/// `None` when the chain did not answer.
	pub(crate) disputes: Option<Vec<Disputed>>,
}

/// Compares what the chain asks for with what is held.
pub(crate) struct Surveyor<S> {
	pub(crate) chain: Arc<dyn Chain>,
	pub(crate) verdicts: Arc<Verdicts<S>>,
	pub(crate) replays: Arc<Replays>,
	pub(crate) moves: Arc<Mutex<Moves<S>>>,
	pub(crate) metrics: Metrics,
}

impl<S: OffchainStorage + 'static> Surveyor<S> {
	/// Reads lotteries and seats, forgets finished jobs and lists what is left to do. Blocks.
	pub(crate) fn survey(&self) -> Result<Survey, ChainError> {
		let keys = self.verdicts.keys.ids();
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
		let disputed = disputes.iter().flatten().map(|duty| duty.result.order);
		let drawing = lotteries.iter().map(|lottery| lottery.order);
		let seated = assignments.iter().map(|seat| seat.order);
		self.forget_finished(&seated.chain(drawing.clone()).chain(disputed).collect())?;
		let spoken = |order: &Hash| {
			let mut seats = assignments.iter().filter(|seat| seat.order == *order);
			seats.any(|seat| seat.purpose == Purpose::Verify)
		};
		self.verdicts.deferred.publish(&drawing.filter(|order| !spoken(order)).collect());

		let mut newly = NEWLY_HELD;
		for duty in disputes.iter().flatten() {
			self.hold_disputed(duty, &mut newly);
		}
		let mut duties = BTreeMap::new();
		for (lottery, winner) in self.won(lotteries) {
			let seat = seat_of(&lottery, &self.chain.genesis(), &winner.ticket);
			self.hold_once(&seat, &mut newly);
			// Before the block of the lottery is final another fork may have another seed.
			let due = winner.tranche <= lottery.tranche
				&& is_settled(lottery.draw_block, &head)
				&& head.best <= lottery.commit_deadline;
			if due {
				self.owe_verdict(&mut duties, seat, Some(winner.ticket));
			}
		}
		for seat in assignments {
			self.hold_once(&seat, &mut newly);
			match (seat.purpose, &seat.status) {
				(Purpose::Attest, SeatStatus::Pending) if head.best <= seat.commit_deadline => {
					self.owe_look(&mut duties, Kind::Attest, seat);
				}
				// Who could not get the outputs at first may say so when they have come.
				(Purpose::Keep, SeatStatus::Pending | SeatStatus::Attested(false))
					if !seat.output_roots.is_empty() && head.best <= seat.commit_deadline =>
				{
					if seat.status != SeatStatus::Pending {
						self.forget_no(&seat);
					}
					self.owe_look(&mut duties, Kind::Keep, seat);
				}
				// The hook would say it again should the key be drawn once more, whether it holds
				// or not.
				(Purpose::Attest | Purpose::Keep, SeatStatus::Attested(_) | SeatStatus::NoShow) => {
					self.verdicts.mailbox.lock().remove(&Slot::of(&seat, &seat.key));
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
		let draws = self.verdicts.keys.draw(&lotteries);
		let mut won = Vec::new();
		for (lottery, draw) in lotteries.into_iter().zip(draws) {
			match draw {
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

	/// Keeps the blobs of a seat, if they are not kept yet: they are attested, or will be needed.
	fn hold_once(&self, seat: &JobAssignment, newly: &mut usize) {
		let bare = seat.purpose == Purpose::Keep && seat.output_roots.is_empty();
		if bare
			|| *newly == 0
			|| self.replays.inputs.holding.was_tried(seat.job, seat.order, task_of(seat))
		{
			return;
		}
		*newly -= 1;
		let inputs = &self.replays.inputs;
		let held = inputs.blobs_of(seat).and_then(|blobs| inputs.hold(seat, &blobs));
		if let Err(fault) = held {
			log::debug!(target: LOG_TARGET, "Job {}: not kept for it: {fault}", seat.job);
		}
	}

	/// Keeps the inputs of a disputed job, which the challenger replays.
	fn hold_disputed(&self, duty: &Disputed, newly: &mut usize) {
		let DisputedResult { order, program, input_roots, .. } = &duty.result;
		let set = *blake3::hash(&("disputed", input_roots).encode()).as_bytes();
		if *newly == 0 || self.replays.inputs.holding.was_tried(duty.job, *order, set) {
			return;
		}
		*newly -= 1;
		let inputs = self
			.replays
			.inputs
			.programs
			.lengths(*program)
			.and_then(|lengths| lengths.inputs(input_roots));
		if let Ok(inputs) = inputs {
			let _ = self.replays.inputs.holding.keep(duty.job, *order, set, &inputs);
		}
	}

	/// Forgets a "no" that the chain has already.
	fn forget_no(&self, seat: &JobAssignment) {
		let (slot, task) = (Slot::of(seat, &seat.key), task_of(seat));
		let mut mailbox = self.verdicts.mailbox.lock();
		if mailbox.get(&slot, &task) == Some(&MailboxEntry::Attested { ok: false }) {
			mailbox.remove(&slot);
		}
	}

	/// Whether inputs or outputs are held.
	fn owe_look(&self, duties: &mut BTreeMap<TaskId, Duty>, kind: Kind, seat: JobAssignment) {
		let (slot, task) = (Slot::of(&seat, &seat.key), task_of(&seat));
		if self.verdicts.mailbox.lock().get(&slot, &task).is_none() {
			owe(duties, kind, seat, task, None, None);
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
		let (slot, task) = (Slot::of(&seat, &seat.key), task_of(&seat));
		let known = {
			let mailbox = self.verdicts.mailbox.lock();
			if mailbox.get(&slot, &task).is_some_and(|entry| serves(entry, ticket.as_ref())) {
				return;
			}
			mailbox.run_root(&seat.order, &task)
		};
		match known {
			Some(run_root) => {
				let own = Seat { account: seat.account.clone(), ticket };
				let seats = BTreeMap::from([(seat.key.clone(), own)]);
				self.verdicts.record(&seat, task, &seats, Finding::Replayed(run_root));
			}
			None => owe(duties, Kind::Verify, seat, task, ticket, None),
		}
	}

	/// What the reveal of a committed verdict needs: the verdict, and its chunks once the chain
	/// says which ones.
	fn owe_opening(&self, duties: &mut BTreeMap<TaskId, Duty>, seat: JobAssignment) {
		let (slot, task) = (Slot::of(&seat, &seat.key), task_of(&seat));
		let held = self.verdicts.mailbox.lock().get(&slot, &task).cloned();
		let (run_root, chunks) = match held {
			Some(MailboxEntry::Replayed { run_root, chunks, .. }) => (run_root, chunks),
			_ => return self.owe_verdict(duties, seat, None),
		};
		let Some(seed) = seat.sample else { return };
		let programs = &self.replays.inputs.programs;
		if chunks.is_some_and(|chunks| fits(programs, &seat, &seed, &run_root, &chunks)) {
			return;
		}
		let opening = Opening { seed, run_root };
		let task = opening_hash(&task, &opening);
		if !self.verdicts.given_up.lock().contains_key(&(seat.order, task)) {
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

	/// Removes the entries and blobs of jobs that have ended for good.
	fn forget_finished(&self, active: &BTreeSet<Hash>) -> Result<(), ChainError> {
		let mut held: BTreeMap<Hash, JobId> = self.verdicts.mailbox.lock().orders();
		held.extend(self.moves.lock().orders());
		held.extend(self.replays.runs.lock().orders());
		held.extend(self.verdicts.given_up.lock().iter().map(|((order, _), job)| (*order, *job)));
		held.extend(self.replays.inputs.holding.orders());
		held.retain(|order, _| !active.contains(order));
		for (order, job) in held {
			if !self.chain.finished(job, &order)? {
				continue;
			}
			self.verdicts.mailbox.lock().forget(&order);
			self.moves.lock().retain(&order, None);
			self.replays.runs.lock().forget(&order);
			self.verdicts.given_up.lock().retain(|(of, _), _| *of != order);
			self.replays.inputs.holding.release(job, &order);
			log::debug!(target: LOG_TARGET, "Job {job} has ended");
		}
		Ok(())
	}
}

/// Adds a seat to what is to be done. One whose verdict is committed stands for the others: it has
/// no deadline.
fn owe(
	duties: &mut BTreeMap<TaskId, Duty>,
	kind: Kind,
	assignment: JobAssignment,
	task: Hash,
	ticket: Option<Ticket>,
	opening: Option<Opening>,
) {
	let (key, account) = (assignment.key.clone(), assignment.account.clone());
	let duty = match duties.entry((assignment.order, kind)) {
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
		let index = segment_of(&ticket.pre_output, genesis, &lottery.order, cut.count());
		Some(SegmentDuty { terms, index })
	});
	// A later tranche of a sure audit brings the time of the whole run, which whoever gets no
	// checkpoint needs. Those of the others all have it.
	let more_time = segment.is_some()
		&& lottery.terms.is_sure()
		&& lottery.tranche.saturating_add(1) < lottery.terms.tranches();
	JobAssignment {
		job: lottery.job,
		order: lottery.order,
		purpose: Purpose::Verify,
		account: lottery.account,
		key: lottery.key,
		program: lottery.program,
		input_roots: lottery.input_roots,
		steps: lottery.steps,
		output_roots: Vec::new(),
		terms: lottery.duty,
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

/// Whether a held entry is what the hook needs. Before the verdict is committed that is any with
/// the ticket of this lottery: the chain refuses one of another fork's. After it an abstention
/// cannot open it.
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

/// Hash of what is to be opened.
fn opening_hash(task: &Hash, opening: &Opening) -> Hash {
	*blake3::hash(&(task, opening.seed, opening.run_root).encode()).as_bytes()
}

//! What a verifier owes for a job, and what all of its tasks share.

use std::{
	collections::{BTreeMap, BTreeSet},
	sync::{Arc, OnceLock},
};

use assay_blobs::BlobStore;
/// Hash of what is to be run.
pub(crate) use assay_market::task_hash;
use assay_market::{AbstainReason, JobId, MailboxEntry, Purpose, Ticket, VerifierId};
use codec::Encode;
use log::Level;
use parking_lot::Mutex;
use schnellru::{ByLength, LruMap};
use sp_core::offchain::OffchainStorage;
use sp_keystore::KeystorePtr;
use tokio::sync::Semaphore;

use crate::{
	chain::{Chain, Disputed, Head, JobAssignment},
	config::Config,
	dispute::moves::Moves,
	fault::{reason_name, Fault},
	inputs::examined::{Examined, Lengths},
	inputs::fetch::Fetch,
	inputs::holding::Holding,
	metrics::Metrics,
	replay::runs::Runs,
	turns::rates::Rates,
	turns::workers::Workers,
	types::{AccountId, Hash, LOG_TARGET},
	verify::hush::Hush,
	verify::mailbox::{Mailbox, Slot},
	verify::salt::derive_salt,
	verify::sampling::Chunks,
	verify::tickets::Tickets,
};

/// Most programs whose examination is remembered; the longest unused one makes room.
const PROGRAMS: u32 = 64;

/// Most programs whose lengths are remembered, a few KiB each at most: as many as jobs can be open, so that
/// looking for their blobs with every block examines nothing again.
const LENGTHS: u32 = 4096;

/// Most jobs whose inputs are fetched at the same time before their replays.
const FETCHING: usize = 4;

/// Most threads that look whether blobs are held, and hash them where that was not done.
const LOOKING: usize = 2;

/// What is to be done for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
	/// To say whether its inputs are held.
	Attest,
	/// To replay it for a verdict.
	Verify,
	/// To find the chunks that the committed verdict is opened with.
	Open,
	/// To say whether its outputs are held.
	Keep,
}

/// Name of a task of the service: the order of a job, which a number under which another fork has
/// another job is not.
pub(crate) type TaskId = (Hash, Kind);

/// What came out of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
	/// Whether every input, or every output, is held.
	Attested(bool),
	/// Not everything is held yet; looked at again with the next block.
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
	/// Hash of what is to be done: on another fork the same order may have other checkpoints or outputs.
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
	pub(crate) keystore: KeystorePtr,
	pub(crate) mailbox: Mutex<Mailbox<S>>,
	pub(crate) moves: Mutex<Moves<S>>,
	pub(crate) runs: Mutex<Runs>,
	pub(crate) hush: Hush,
	pub(crate) tickets: Mutex<Tickets>,
	/// Openings, by order and task, that this machine cannot make, with the job's number.
	pub(crate) given_up: Mutex<BTreeMap<(Hash, Hash), JobId>>,
	pub(crate) blobs: Arc<BlobStore>,
	pub(crate) config: Config,
	pub(crate) metrics: Metrics,
	pub(crate) fetch: OnceLock<Arc<dyn Fetch>>,
	pub(crate) rates: Arc<Rates>,
	/// Whose replays have a worker.
	pub(crate) workers: Workers,
	/// Whose inputs are fetched before their replays.
	pub(crate) fetching: Workers,
	/// Who looks at what is held.
	pub(crate) looking: Semaphore,
	programs: Mutex<LruMap<Hash, Arc<Examined>, ByLength>>,
	lengths: Mutex<LruMap<Hash, Arc<Lengths>, ByLength>>,
	pub(crate) holding: Holding,
}

impl<C: Chain, S: OffchainStorage + 'static> Shared<C, S> {
	#[allow(clippy::too_many_arguments)]
	pub(crate) fn new(
		chain: Arc<C>,
		keystore: KeystorePtr,
		mailbox: Mailbox<S>,
		moves: Moves<S>,
		rates: Rates,
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
			holding: Holding::new(blobs.clone()),
			blobs,
			workers: Workers::new(config.concurrency.max(1), config.block_time),
			fetching: Workers::new(FETCHING, config.block_time),
			looking: Semaphore::new(LOOKING),
			config,
			metrics,
			fetch: OnceLock::new(),
			rates: Arc::new(rates),
			programs: Mutex::new(LruMap::new(ByLength::new(PROGRAMS))),
			lengths: Mutex::new(LruMap::new(ByLength::new(LENGTHS))),
		}
	}

	/// Decodes and checks a program, once. Blocks.
	pub(crate) fn examine(&self, id: Hash) -> Result<Arc<Examined>, Fault> {
		if let Some(examined) = self.programs.lock().get(&id) {
			return Ok(examined.clone());
		}
		let bytes = self.chain.program(id).map_err(|error| Fault::Chain(error.to_string()))?;
		let bytes = bytes.ok_or_else(|| Fault::Chain("the program is not registered".into()))?;
		let examined = Arc::new(Examined::new(bytes)?);
		self.programs.lock().insert(id, examined.clone());
		Ok(examined)
	}

	/// The lengths of what goes into a program and comes out of it. Blocks.
	pub(crate) fn lengths(&self, id: Hash) -> Result<Arc<Lengths>, Fault> {
		if let Some(lengths) = self.lengths.lock().get(&id) {
			return Ok(lengths.clone());
		}
		let lengths = Arc::new(Lengths::from(&*self.examine(id)?));
		self.lengths.lock().insert(id, lengths.clone());
		Ok(lengths)
	}

	/// Says something about a job that is verified: when it is public that this node does so.
	pub(crate) fn tell(&self, assignment: &JobAssignment, level: Level, text: String) {
		use assay_market::SeatStatus;
		match assignment.status {
			SeatStatus::Pending => self.hush.say(assignment.job, assignment.order, level, text),
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
		let JobAssignment { job, order, .. } = *assignment;
		match &finding {
			Finding::NotHeldYet => return,
			Finding::Attested(ok) if assignment.purpose == Purpose::Keep => self.metrics.kept(*ok),
			Finding::Attested(ok) => self.metrics.attested(*ok),
			Finding::Replayed(_) => self.metrics.replayed("replayed"),
			Finding::Abstain(reason) => self.metrics.replayed(reason_name(*reason)),
			Finding::Opened(run_root, chunks) => {
				self.mailbox.lock().open_verdicts(order, run_root, chunks);
				self.config.found.notify_one();
				return;
			}
			Finding::Unopened => {
				self.given_up.lock().insert((order, task), job);
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
					match derive_salt(&*self.keystore, &genesis, &order, key) {
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
			self.mailbox.lock().put(slot_of(assignment, key), job, task, entry);
		}
		self.config.found.notify_one();
	}
}

/// Hash of what an assignment asks for.
///
/// A segment is another task than the run: nothing about the one says anything about the other. Whoever
/// is asked again whether it holds inputs or outputs looks again, and what it said before does not count.
pub(crate) fn task_of(assignment: &JobAssignment) -> Hash {
	let whole = task_hash(&assignment.program, &assignment.input_roots, assignment.steps);
	let hash = |rest: &[u8]| *blake3::hash(&[&whole[..], rest].concat()).as_bytes();
	match assignment.purpose {
		Purpose::Attest => hash(&("attest", assignment.draw_block).encode()),
		Purpose::Keep => hash(&("keep", assignment.draw_block, &assignment.output_roots).encode()),
		Purpose::Verify => match &assignment.segment {
			None => whole,
			Some(duty) => hash(&duty.encode()),
		},
	}
}

pub(crate) fn slot_of(assignment: &JobAssignment, key: &VerifierId) -> Slot {
	Slot { order: assignment.order, purpose: assignment.purpose, key: key.clone() }
}

/// Names that are still in use, for whoever clears up what is not.
pub(crate) type Orders = BTreeSet<Hash>;

//! One job from the provider's side, as a state machine that survives a kill between any two steps.
//!
//! Every effect is preceded by a durable record of the intent, and every step begins by looking at
//! the chain, so a step whose effect happened before a kill is recognised and not repeated. The
//! commitment is a pure function of key, genesis, order and run root: what was committed can always
//! be revealed, and a second commitment with other content is never sent.
//!
//! # Forks
//! What is recorded is an *order*. After a reorganisation the job's number may stand for another
//! job; nothing that was stored is then sent, and the chain would refuse it, for every call names
//! the order. A claim, a commitment or an answer may be sent before its block is final, since it
//! means the same on every fork that takes it. The reveal is different: on a fork where the job can
//! be claimed again, somebody else could commit to the root that it shows. It waits for finality,
//! as long as its deadline lets it.

use super::{
	record::{Record, Stage},
	salt::Salt,
	store::Store,
};
use crate::{
	chain::{
		calls::{Checkpoints, JobId},
		Hash,
	},
	error::{Error, Result},
	executed::Executed,
};
use assay_commitments::{result_commitment, OutputsOpening, SegmentsOpening};
use std::{
	collections::HashMap,
	sync::{Mutex, PoisonError},
	time::{SystemTime, UNIX_EPOCH},
};

/// Why a job is given up whose commitment on chain is not this provider's.
pub const CONFLICT: &str = "commitment-conflict";
/// Why a record is given up whose order has not come back.
pub const REPLACED: &str = "replaced-in-a-reorganisation";
/// How long the record of an order that the best chain does not have is kept, in seconds: far
/// longer than a fork lives.
const KEPT_SECONDS: u64 = 24 * 3600;
/// Blocks before the deadline at which a job that is not done is given back.
pub const GIVE_BACK_BLOCKS: u64 = 4;
/// Blocks before the deadline at which what can wait no longer is sent all the same: a commitment
/// whose checkpoints are not served yet, a reveal before it is final or before its outputs are
/// handed over.
const LATE_BLOCKS: u64 = 6;
/// Faults of this machine that are lasting where they come twice in a row: another try would only
/// take more of the clock, and what is burned of the bond with it.
const LASTING: [&str; 2] = ["out-of-memory", "disk-fault"];
/// How often in a row.
const LASTING_FAULTS: u32 = 2;

/// What the chain says about a job, as far as a provider acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
	/// Number and order.
	pub id: JobId,
	/// Program id.
	pub program: Hash,
	/// Roots of the inputs, in the program's order.
	pub inputs: Vec<Hash>,
	/// Steps to run.
	pub steps: u32,
	/// Steps of one segment, where the run is cut for its verifiers.
	pub segment_steps: Option<u32>,
	/// Work units of all steps.
	pub work_units: u64,
	/// Where the job is.
	pub state: JobState,
	/// Who has claimed it.
	pub provider: Option<Hash>,
	/// What that provider has committed to.
	pub commitment: Option<Hash>,
	/// Whether the result has been revealed.
	pub revealed: bool,
	/// Whether the chain accepts the reveal now.
	pub reveal_open: bool,
	/// Whether it does so in the last finalized block as well, for the same order and commitment.
	pub reveal_final: bool,
	/// The best block.
	pub head: u64,
	/// Last block of the phase.
	pub deadline: Option<u64>,
	/// The agreed price.
	pub price: u128,
	/// What this provider has put up.
	pub bond: u128,
}

impl Facts {
	/// Blocks until the deadline.
	pub fn left(&self) -> u64 {
		self.deadline.map_or(u64::MAX, |deadline| deadline.saturating_sub(self.head))
	}
}

/// The phases that make a difference to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
	/// Cannot be claimed yet.
	Posted,
	/// Can be claimed at the current price.
	Open,
	/// Claimed and not committed.
	Claimed,
	/// Committed, and not over.
	Committed,
	/// Over, with the reason code.
	Over(String),
}

/// The part of the chain that a provider needs; a fake one in tests.
#[allow(async_fn_in_trait)] // Only ever used on one thread, with types of this crate.
pub trait Chain {
	/// The job under this number as of the best block, `None` if there is none.
	async fn facts(&self, job: u64) -> Result<Option<Facts>>;
	/// Claims a job at the ramp's current price.
	async fn claim(&self, facts: &Facts) -> Result<()>;
	/// Gives a claimed job back.
	async fn give_back(&self, facts: &Facts) -> Result<()>;
	/// Commits to a result, with its checkpoints where the run is cut.
	async fn commit(
		&self,
		facts: &Facts,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> Result<()>;
	/// Reveals a result.
	async fn reveal(
		&self,
		facts: &Facts,
		run_root: Hash,
		salt: Hash,
		outputs: &OutputsOpening,
		segments: Option<&SegmentsOpening>,
	) -> Result<()>;
}

/// What executes jobs; a fake one in tests. Nothing of it waits for work that takes time.
#[allow(async_fn_in_trait)] // As above.
pub trait Engine {
	/// The result of the job's run: started when first asked for, `None` while it runs.
	async fn run(&self, facts: &Facts) -> Result<Option<Executed>>;
	/// Why the run that is under way cannot end in time, if it cannot.
	fn hopeless(&self, facts: &Facts) -> Option<String>;
	/// Puts the checkpoints of a run that is cut where verifiers can fetch them; whether they are
	/// there.
	async fn serve(&self, id: JobId, executed: &Executed) -> Result<bool>;
	/// Puts the output blobs of a finished run where the network can fetch them; whether they are
	/// there.
	async fn publish(&self, id: JobId, executed: &Executed) -> Result<bool>;
	/// The files of a run are gone from this disk: has it run again for them.
	async fn restore(&self, facts: &Facts) -> Result<()>;
	/// Tells the user of something that may cost money.
	fn warn(&self, id: JobId, error: &Error);
	/// Ends whatever is under way for a job.
	fn stop(&self, order: &Hash);
}

/// The last fault of each run under way, and how often in a row it has come.
#[derive(Debug, Default)]
pub struct Faults(Mutex<HashMap<Hash, (String, u32)>>);

impl Faults {
	/// Whether a run's fault will not go away by trying again.
	fn is_lasting(&self, order: &Hash, error: &Error) -> bool {
		let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
		let (last, count) = faults.entry(*order).or_default();
		*count = if *last == error.code { count.saturating_add(1) } else { 1 };
		*last = error.code.to_string();
		LASTING.contains(&&*error.code) && *count >= LASTING_FAULTS
	}

	fn forget(&self, order: &Hash) {
		self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(order);
	}
}

/// Who provides, on which chain.
pub struct Provider<'a, C, E> {
	/// The chain.
	pub chain: &'a C,
	/// The engine.
	pub engine: &'a E,
	/// The durable record.
	pub store: &'a Store,
	/// Hash of block 0.
	pub genesis: Hash,
	/// The provider's account.
	pub account: Hash,
	/// Makes the salt of a job.
	pub salt: &'a Salt,
	/// What has gone wrong in this process.
	pub faults: Faults,
}

/// What one look at a job led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
	/// The job moved to this stage; look again at once.
	Moved(Stage),
	/// Nothing to do before the next block.
	Waiting,
	/// The best chain has another job under its number, or none; said once.
	Strayed,
	/// It has its old place again; look again at once.
	Back,
	/// The job is over for this provider.
	Over(String),
}

/// Whether a reveal can wait for nothing any more.
fn is_late(facts: &Facts) -> bool {
	facts.reveal_open && facts.left() <= LATE_BLOCKS
}

/// Seconds of Unix time.
fn now() -> u64 {
	SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl<C: Chain, E: Engine> Provider<'_, C, E> {
	/// The commitment to a run of a job.
	pub fn commitment(&self, order: &Hash, executed: &Executed) -> Hash {
		let salt = self.salt.of(&self.genesis, order);
		result_commitment(&self.genesis, order, &self.account, &executed.run_root(), &salt)
	}

	/// Takes up a job, also one that this account has already claimed on chain: records the intent,
	/// [`Self::tick`] does the rest.
	pub fn take(&self, id: JobId, work: u64, inputs: Vec<Hash>) -> Result<()> {
		match self.store.get(&id.order)?.map(|record| record.stage) {
			None | Some(Stage::Done { .. }) => self.store.put(&Record::new(id, work, inputs)),
			Some(_) => Ok(()),
		}
	}

	/// Looks at the chain once and does the one thing that is due.
	pub async fn tick(&self, order: &Hash) -> Result<Progress> {
		let Some(record) = self.store.get(order)? else { return Ok(Progress::Waiting) };
		if let Stage::Done { reason } = record.stage {
			return Ok(Progress::Over(reason));
		}
		// Nothing below is sent unless the best chain has this very order under the number.
		let facts = self.chain.facts(record.job).await?;
		let Some(facts) = facts.filter(|facts| facts.id.order == *order) else {
			return self.stray(record);
		};
		if record.strayed.is_some() {
			self.store.put(&Record { strayed: None, ..record })?;
			return Ok(Progress::Back);
		}
		if let JobState::Over(reason) = &facts.state {
			return self.over(&record, &facts, reason).await;
		}
		let mine = facts.provider == Some(self.account);
		match (record.stage.clone(), &facts.state) {
			(Stage::Claiming, JobState::Posted) => Ok(Progress::Waiting),
			(Stage::Claiming, JobState::Open) => match self.chain.claim(&facts).await {
				Ok(()) => self.go(record, Stage::Claimed),
				Err(error) => self.refused(record, error).await,
			},
			(Stage::Claiming, _) if mine => self.go(record, Stage::Claimed),
			(Stage::GivingBack { why }, state) if !mine || *state != JobState::Claimed => {
				self.end(record, &format!("given back: {why}"))
			}
			(Stage::GivingBack { .. }, _) => match self.chain.give_back(&facts).await {
				Ok(()) => Ok(Progress::Waiting),
				Err(error) => {
					self.unless(&record, error, |f| f.provider != Some(self.account)).await
				}
			},
			// The block with the claim was replaced, or the claim has lapsed; the chain knows
			// which.
			(_, JobState::Posted | JobState::Open) => self.go(record, Stage::Claiming),
			(_, _) if !mine => self.end(record, "claimed by another provider"),
			(Stage::Claimed, JobState::Claimed | JobState::Committed) => {
				self.execute(record, &facts).await
			}
			(Stage::Executed(executed), _) => self.commit(record, &facts, executed).await,
			(Stage::Committed(executed) | Stage::Handed(executed), state) => {
				if facts.commitment.is_none() && *state == JobState::Claimed {
					// The block with the commit was replaced; the same commitment goes out again.
					return self.go(record, Stage::Executed(executed));
				}
				if facts.commitment.is_some_and(|c| c != self.commitment(order, &executed)) {
					return self.conflict(record);
				}
				if facts.revealed {
					return self.go(record, Stage::Revealed(executed));
				}
				match record.stage {
					Stage::Committed(_) => self.hand_over(record, &facts, executed).await,
					_ => self.reveal(record, &facts, executed).await,
				}
			}
			(Stage::Revealed(executed) | Stage::Published(executed), _)
				if !facts.revealed && facts.reveal_open =>
			{
				// The block with the reveal was replaced.
				self.go(record, Stage::Committed(executed))
			}
			(Stage::Revealed(executed), _) => {
				match self.engine.publish(facts.id, &executed).await {
					Err(error) if error.code == "file" => {
						self.engine.restore(&facts).await?;
						Ok(Progress::Waiting)
					}
					Err(error) => Err(error),
					Ok(false) => Ok(Progress::Waiting),
					Ok(true) => self.go(record, Stage::Published(executed)),
				}
			}
			_ => Ok(Progress::Waiting),
		}
	}

	/// The best chain does not have this order under its number.
	fn stray(&self, record: Record) -> Result<Progress> {
		match record.strayed {
			None => {
				self.store.put(&Record { strayed: Some(now()), ..record })?;
				Ok(Progress::Strayed)
			}
			Some(since) if now().saturating_sub(since) > KEPT_SECONDS => self.end(record, REPLACED),
			Some(_) => Ok(Progress::Waiting),
		}
	}

	/// The job is over. The last chance to hand over the outputs of a revealed result.
	async fn over(&self, record: &Record, facts: &Facts, reason: &str) -> Result<Progress> {
		let unpublished = match &record.stage {
			Stage::Committed(executed) | Stage::Handed(executed) | Stage::Revealed(executed) => {
				Some(executed).filter(|_| facts.revealed)
			}
			_ => None,
		};
		if let Some(executed) = unpublished {
			match self.engine.publish(facts.id, executed).await {
				Err(error) if error.code == "node-lost" => return Err(error),
				Ok(false) => return Ok(Progress::Waiting),
				_ => {}
			}
		}
		self.end(record.clone(), reason)
	}

	/// The run, or the job given back where it cannot end in time.
	async fn execute(&self, record: Record, facts: &Facts) -> Result<Progress> {
		let claimed = facts.state == JobState::Claimed;
		let why = match self.engine.run(facts).await {
			Ok(Some(executed)) => {
				executed.opening()?;
				return self.go(record, Stage::Executed(executed));
			}
			Ok(None) => self.engine.hopeless(facts),
			// The chain's record and the blobs cannot be run by anybody.
			Err(error) if error.code == "job-fault" => Some(error.message),
			Err(error) if claimed && facts.left() <= GIVE_BACK_BLOCKS => Some(error.message),
			Err(error) if self.faults.is_lasting(&record.order, &error) && claimed => {
				Some(error.message)
			}
			Err(error) => return Err(error),
		};
		match why.filter(|_| claimed) {
			Some(why) => {
				self.faults.forget(&record.order);
				self.engine.stop(&record.order);
				self.go(record, Stage::GivingBack { why })
			}
			None => Ok(Progress::Waiting),
		}
	}

	async fn commit(&self, record: Record, facts: &Facts, executed: Executed) -> Result<Progress> {
		let commitment = self.commitment(&record.order, &executed);
		match facts.commitment {
			// Late as it is, nothing comes before the reveal: not even a record, which a full disk
			// may refuse.
			Some(on_chain) if on_chain == commitment && is_late(facts) => {
				return self.hand_over(record, facts, executed).await
			}
			Some(on_chain) if on_chain == commitment => {
				return self.go(record, Stage::Committed(executed))
			}
			Some(_) => return self.conflict(record),
			None if facts.state != JobState::Claimed => return Ok(Progress::Waiting),
			None => {}
		}
		// Whoever verifies needs the checkpoints as soon as it is drawn. Without them it only takes
		// longer, so that they do not make the commitment late.
		let late = facts.left() <= LATE_BLOCKS;
		match self.engine.serve(facts.id, &executed).await {
			Ok(true) => {}
			Ok(false) if !late => return Ok(Progress::Waiting),
			Ok(false) => {}
			Err(error) if late => self.engine.warn(facts.id, &error),
			Err(error) if error.code == "file" => {
				self.engine.restore(facts).await?;
				return Ok(Progress::Waiting);
			}
			Err(error) => return Err(error),
		}
		let checkpoints = executed.checkpoints()?;
		if let Err(error) = self.chain.commit(facts, commitment, checkpoints).await {
			self.unless(&record, error, |f| f.commitment == Some(commitment)).await?;
		}
		self.go(record, Stage::Committed(executed))
	}

	/// Hands the outputs to the node, before the reveal: who is paid has delivered. Their roots are
	/// in nobody's hands before. Silence costs the bond, so that a failed upload holds the reveal
	/// up only as long as there is time.
	async fn hand_over(
		&self,
		record: Record,
		facts: &Facts,
		executed: Executed,
	) -> Result<Progress> {
		let late = is_late(facts);
		let error = match self.engine.publish(facts.id, &executed).await {
			Ok(true) if late => return self.send_reveal(record, facts, executed).await,
			Ok(true) => return self.go(record, Stage::Handed(executed)),
			Ok(false) if !late => return Ok(Progress::Waiting),
			Ok(false) => Error::new("undelivered", "the upload of the outputs has not ended"),
			Err(error) if error.code == "file" && !late => {
				self.engine.restore(facts).await?;
				return Ok(Progress::Waiting);
			}
			Err(error) if !late => return Err(error),
			Err(error) => error,
		};
		self.engine.warn(facts.id, &error);
		self.send_reveal(record, facts, executed).await
	}

	async fn reveal(&self, record: Record, facts: &Facts, executed: Executed) -> Result<Progress> {
		if !facts.reveal_open {
			return Ok(Progress::Waiting);
		}
		if !facts.reveal_final && facts.left() > LATE_BLOCKS {
			return Ok(Progress::Waiting);
		}
		// The node may have lost them since.
		let kept = self.engine.publish(facts.id, &executed).await;
		if !matches!(kept, Ok(true)) && facts.left() > LATE_BLOCKS {
			return self.go(record, Stage::Committed(executed));
		}
		self.send_reveal(record, facts, executed).await
	}

	async fn send_reveal(
		&self,
		record: Record,
		facts: &Facts,
		executed: Executed,
	) -> Result<Progress> {
		let salt = self.salt.of(&self.genesis, &record.order);
		let opening = executed.opening()?;
		let root = executed.run_root();
		let segments = executed.segments_opening()?;
		let sent = self.chain.reveal(facts, root, salt, &opening, segments.as_ref()).await;
		if let Err(error) = sent {
			self.unless(&record, error, |f| f.revealed).await?;
		}
		self.go(record, Stage::Revealed(executed))
	}

	/// After a claim that failed: a transaction of an earlier life may have been in the pool and
	/// have claimed the job first.
	async fn refused(&self, record: Record, error: Error) -> Result<Progress> {
		let facts = self.chain.facts(record.job).await?;
		match facts.filter(|facts| facts.id.order == record.order) {
			Some(facts) if facts.provider == Some(self.account) => self.go(record, Stage::Claimed),
			// The chain's own refusal, which would be the same in the next block.
			Some(_) if error.code.contains('.') => self.end(record, &error.code),
			Some(Facts { provider: None, .. }) => Err(error),
			_ => self.end(record, &error.code),
		}
	}

	/// Passes over the failure of a call whose effect is on chain all the same, for the same
	/// reason.
	async fn unless(
		&self,
		record: &Record,
		error: Error,
		done: impl Fn(&Facts) -> bool,
	) -> Result<Progress> {
		match self.chain.facts(record.job).await? {
			Some(facts) if facts.id.order == record.order && done(&facts) => Ok(Progress::Waiting),
			_ => Err(error),
		}
	}

	/// Another process with this key, or a run that came out otherwise: either way the answer on
	/// chain stands and must not be contradicted.
	fn conflict(&self, record: Record) -> Result<Progress> {
		let job = record.job;
		self.end(record, CONFLICT)?;
		Err(Error::new(
			CONFLICT,
			format!("job {job} carries a commitment of this account to another result"),
		)
		.fix("run only one provider per key, and keep its state folder; this job is left alone"))
	}

	fn go(&self, record: Record, stage: Stage) -> Result<Progress> {
		self.store.put(&Record { stage: stage.clone(), ..record })?;
		Ok(Progress::Moved(stage))
	}

	fn end(&self, record: Record, reason: &str) -> Result<Progress> {
		self.faults.forget(&record.order);
		self.engine.stop(&record.order);
		self.store.put(&Record { stage: Stage::Done { reason: reason.into() }, ..record })?;
		Ok(Progress::Over(reason.into()))
	}
}

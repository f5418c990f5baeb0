//! One job from the provider's side, as a state machine that survives a kill between any two steps.
//!
//! Every effect is preceded by a durable record of the intent, and every step begins by looking at the
//! chain, so a step whose effect happened before a kill is recognised and not repeated. The commitment
//! is a pure function of key, genesis, job and run root: what was committed can always be revealed, and
//! a second commitment with other content is never sent.

use super::{store::Store, Salt};
use crate::{
	chain::{jobs::Checkpoints, Hash},
	error::{Error, Result},
};
use assay_commitments::{
	checkpoints_digest, open_outputs, open_segments, result_commitment, run_root, trace_root,
	OutputsOpening, Segmentation, SegmentsOpening,
};
use serde::{Deserialize, Serialize};

/// Why a job is given up whose commitment on chain is not this provider's.
pub const CONFLICT: &str = "commitment-conflict";

/// What the chain says about a job, as far as a provider acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
	/// Job id.
	pub job: u64,
	/// Program id.
	pub program: Hash,
	/// Roots of the inputs, in the program's order.
	pub inputs: Vec<Hash>,
	/// Steps to run.
	pub steps: u32,
	/// Steps of one segment, where the run is cut for its verifiers.
	pub segment_steps: Option<u32>,
	/// Where the job is.
	pub standing: Standing,
	/// Who has claimed it.
	pub provider: Option<Hash>,
	/// What that provider has committed to.
	pub commitment: Option<Hash>,
	/// Whether the result has been revealed.
	pub revealed: bool,
	/// Whether the chain accepts the reveal now.
	pub reveal_open: bool,
}

/// The phases that make a difference to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
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
	/// The job as of the best block, `None` if there is none of that id.
	async fn facts(&self, job: u64) -> Result<Option<Facts>>;
	/// Claims a job at the ramp's current price.
	async fn claim(&self, job: u64) -> Result<()>;
	/// Commits to a result, with its checkpoints where the run is cut.
	async fn commit(
		&self,
		job: u64,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> Result<()>;
	/// Reveals a result.
	async fn reveal(
		&self,
		job: u64,
		run_root: Hash,
		salt: Hash,
		outputs: &OutputsOpening,
		segments: Option<&SegmentsOpening>,
	) -> Result<()>;
}

/// What executes jobs; a fake one in tests.
#[allow(async_fn_in_trait)] // As above.
pub trait Engine {
	/// The result of the job's run: started when first asked for, `None` while it runs.
	async fn run(&self, facts: &Facts) -> Result<Option<Executed>>;
	/// Puts the checkpoints of a run that is cut where verifiers can fetch them.
	async fn serve(&self, executed: &Executed) -> Result<()>;
	/// Puts the output blobs of a finished run where the network can fetch them.
	async fn publish(&self, executed: &Executed) -> Result<()>;
}

/// The result of a run, as much of it as a reveal needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
	/// Trace root of every step.
	#[serde(with = "hashes")]
	pub traces: Vec<Hash>,
	/// Roots of the eager anchors of the last step.
	#[serde(with = "hashes")]
	pub last_anchors: Vec<Hash>,
	/// Places of the outputs among the anchors.
	pub positions: Vec<u32>,
	/// What a run that is cut for its verifiers has beside that.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub segments: Option<Segments>,
}

/// How a run was cut, and where its checkpoints are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segments {
	/// Steps of one segment.
	pub steps: u32,
	/// The manifest, and the roots of all states that it lists: what is served.
	#[serde(with = "hashes")]
	pub blobs: Vec<Hash>,
}

impl Executed {
	/// The run root.
	pub fn run_root(&self) -> Hash {
		run_root(&self.traces)
	}

	/// Roots of the outputs, in program order.
	pub fn outputs(&self) -> Vec<Hash> {
		self.positions.iter().filter_map(|p| self.last_anchors.get(*p as usize)).copied().collect()
	}

	/// How the run was cut; `None` for a whole one.
	///
	/// # Errors
	/// `local-fault` where the record does not fit the run.
	fn cut(&self) -> Result<Option<Segmentation>> {
		let Some(segments) = &self.segments else { return Ok(None) };
		let steps = u32::try_from(self.traces.len()).ok();
		let cut = steps.and_then(|steps| Segmentation::new(steps, segments.steps));
		let unfit = || Error::new("local-fault", "the recorded run cannot be cut as it says");
		cut.map(Some).ok_or_else(|| unfit().fix("report this with the state folder"))
	}

	/// The checkpoints that the commitment carries.
	pub fn checkpoints(&self) -> Result<Option<Checkpoints>> {
		let (Some(cut), Some(segments)) = (self.cut()?, &self.segments) else { return Ok(None) };
		let ends = (1..cut.count()).filter_map(|at| {
			let range = cut.range(at)?;
			self.traces.get(range.start as usize - 1)
		});
		let digest = checkpoints_digest(ends);
		let manifest = segments.blobs.first().copied().unwrap_or_default();
		Ok(Some(Checkpoints { manifest, digest }))
	}

	/// The segments that the reveal carries.
	pub fn segments_opening(&self) -> Result<Option<SegmentsOpening>> {
		Ok(self.cut()?.and_then(|cut| open_segments(&cut, &self.traces)))
	}

	/// The opening that the reveal carries.
	pub fn opening(&self) -> Result<OutputsOpening> {
		let whole = self.traces.last() == Some(&trace_root(&self.last_anchors));
		open_outputs(&self.traces, &self.last_anchors, &self.positions)
			.filter(|_| whole)
			.ok_or_else(|| {
				Error::new("local-fault", "the recorded run does not open its own outputs")
					.fix("report this with the state folder; the job will be run again")
			})
	}
}

/// How far a job has come, durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
	/// The claim is about to be, or has been, sent.
	Claiming,
	/// The claim is on chain.
	Claimed,
	/// The run is finished and its files are on disk; the commit is about to be, or has been, sent.
	Executed(Executed),
	/// The commit is on chain; the reveal is about to be, or has been, sent.
	Committed(Executed),
	/// The reveal is on chain; the outputs are being published.
	Revealed(Executed),
	/// The outputs are published.
	Published(Executed),
	/// Nothing more to do.
	Done {
		/// Reason code of the chain, or why this provider stopped.
		reason: String,
	},
}

impl Stage {
	/// For lines and JSON.
	pub fn name(&self) -> &'static str {
		match self {
			Stage::Claiming => "claiming",
			Stage::Claimed => "claimed",
			Stage::Executed(_) => "executed",
			Stage::Committed(_) => "committed",
			Stage::Published(_) => "published",
			Stage::Revealed(_) => "revealed",
			Stage::Done { .. } => "done",
		}
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
}

/// What one look at a job led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
	/// The job moved to this stage; look again at once.
	Moved(Stage),
	/// Nothing to do before the next block.
	Waiting,
	/// The job is over for this provider.
	Over(String),
}

impl<C: Chain, E: Engine> Provider<'_, C, E> {
	/// The commitment to a run of a job.
	pub fn commitment(&self, job: u64, executed: &Executed) -> Hash {
		let salt = self.salt.of(&self.genesis, job);
		result_commitment(&self.genesis, job, &self.account, &executed.run_root(), &salt)
	}

	/// Takes up a job, also one that this account has already claimed on chain: records the intent,
	/// [`Self::tick`] does the rest.
	pub fn take(&self, job: u64) -> Result<()> {
		match self.store.get(job)? {
			None | Some(Stage::Done { .. }) => self.store.put(job, &Stage::Claiming),
			Some(_) => Ok(()),
		}
	}

	/// Looks at the chain once and does the one thing that is due.
	pub async fn tick(&self, job: u64) -> Result<Progress> {
		let Some(stage) = self.store.get(job)? else { return Ok(Progress::Waiting) };
		if let Stage::Done { reason } = stage {
			return Ok(Progress::Over(reason));
		}
		let Some(facts) = self.chain.facts(job).await? else {
			return self.end(job, "unknown to the chain");
		};
		if let Standing::Over(reason) = &facts.standing {
			if let (Stage::Committed(executed) | Stage::Revealed(executed), true) =
				(&stage, facts.revealed)
			{
				// The last chance to hand over the outputs; only a lost node is worth waiting for.
				match self.engine.publish(executed).await {
					Err(error) if error.code == "node-lost" => return Err(error),
					_ => {}
				}
			}
			return self.end(job, reason);
		}
		let mine = facts.provider == Some(self.account);
		match (stage, &facts.standing) {
			(Stage::Claiming, Standing::Posted) => Ok(Progress::Waiting),
			(Stage::Claiming, Standing::Open) => match self.chain.claim(job).await {
				Ok(()) => self.go(job, Stage::Claimed),
				Err(error) => self.refused(job, error).await,
			},
			(Stage::Claiming, _) if mine => self.go(job, Stage::Claimed),
			// The block with the claim was replaced, or the claim has lapsed; the chain knows which.
			(_, Standing::Posted | Standing::Open) => self.go(job, Stage::Claiming),
			(_, _) if !mine => self.end(job, "claimed by another provider"),
			(Stage::Claimed, Standing::Claimed | Standing::Committed) => {
				match self.engine.run(&facts).await? {
					Some(executed) => {
						executed.opening()?;
						self.go(job, Stage::Executed(executed))
					}
					None => Ok(Progress::Waiting),
				}
			}
			(Stage::Executed(executed), standing) => {
				let commitment = self.commitment(job, &executed);
				match facts.commitment {
					Some(on_chain) if on_chain == commitment => {
						self.go(job, Stage::Committed(executed))
					}
					Some(_) => self.conflict(job),
					None if *standing == Standing::Claimed => {
						// Whoever verifies needs them as soon as it is drawn.
						match self.engine.serve(&executed).await {
							Err(error) if error.code == "file" => {
								// The files are gone from this disk; the same run makes them again.
								self.engine.run(&facts).await?;
								return Ok(Progress::Waiting);
							}
							served => served?,
						}
						let checkpoints = executed.checkpoints()?;
						let sent = self.chain.commit(job, commitment, checkpoints).await;
						if let Err(error) = sent {
							self.unless(job, error, |f| f.commitment == Some(commitment)).await?;
						}
						self.go(job, Stage::Committed(executed))
					}
					None => Ok(Progress::Waiting),
				}
			}
			(Stage::Committed(executed), standing) => {
				if facts.commitment.is_none() && *standing == Standing::Claimed {
					// The block with the commit was replaced; the same commitment goes out again.
					return self.go(job, Stage::Executed(executed));
				}
				if facts.commitment.is_some_and(|c| c != self.commitment(job, &executed)) {
					return self.conflict(job);
				}
				if !facts.revealed {
					if !facts.reveal_open {
						return Ok(Progress::Waiting);
					}
					// Before the outputs are uploaded: silence costs the bond, a slow upload does not.
					let salt = self.salt.of(&self.genesis, job);
					let opening = executed.opening()?;
					let root = executed.run_root();
					let segments = executed.segments_opening()?;
					let sent =
						self.chain.reveal(job, root, salt, &opening, segments.as_ref()).await;
					if let Err(error) = sent {
						self.unless(job, error, |f| f.revealed).await?;
					}
				}
				self.go(job, Stage::Revealed(executed))
			}
			(Stage::Revealed(executed) | Stage::Published(executed), _)
				if !facts.revealed && facts.reveal_open =>
			{
				// The block with the reveal was replaced.
				self.go(job, Stage::Committed(executed))
			}
			(Stage::Revealed(executed), _) => {
				match self.engine.publish(&executed).await {
					Err(error) if error.code == "file" => {
						// The files are gone from this disk; the same run makes them again.
						self.engine.run(&facts).await?;
						Ok(Progress::Waiting)
					}
					Err(error) => Err(error),
					Ok(()) => self.go(job, Stage::Published(executed)),
				}
			}
			_ => Ok(Progress::Waiting),
		}
	}

	/// After a claim that failed: a transaction of an earlier life may have been in the pool and have
	/// claimed the job first.
	async fn refused(&self, job: u64, error: Error) -> Result<Progress> {
		match self.chain.facts(job).await? {
			Some(facts) if facts.provider == Some(self.account) => self.go(job, Stage::Claimed),
			// The chain's own refusal, which would be the same in the next block.
			Some(_) if error.code.contains('.') => self.end(job, &error.code),
			Some(Facts { provider: None, .. }) => Err(error),
			_ => self.end(job, &error.code),
		}
	}

	/// Passes over the failure of a call whose effect is on chain all the same, for the same reason.
	async fn unless(&self, job: u64, error: Error, done: impl Fn(&Facts) -> bool) -> Result<()> {
		match self.chain.facts(job).await? {
			Some(facts) if done(&facts) => Ok(()),
			_ => Err(error),
		}
	}

	/// Another process with this key, or a run that came out otherwise: either way the answer on chain
	/// stands and must not be contradicted.
	fn conflict(&self, job: u64) -> Result<Progress> {
		self.end(job, CONFLICT)?;
		Err(Error::new(
			CONFLICT,
			format!("job {job} carries a commitment of this account to another result"),
		)
		.fix("run only one provider per key, and keep its state folder; this job is left alone"))
	}

	fn go(&self, job: u64, stage: Stage) -> Result<Progress> {
		self.store.put(job, &stage)?;
		Ok(Progress::Moved(stage))
	}

	fn end(&self, job: u64, reason: &str) -> Result<Progress> {
		self.store.put(job, &Stage::Done { reason: reason.into() })?;
		Ok(Progress::Over(reason.into()))
	}
}

/// Hashes as hexadecimal in the records.
mod hashes {
	use super::Hash;
	use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

	pub fn serialize<S: Serializer>(list: &[Hash], s: S) -> Result<S::Ok, S::Error> {
		list.iter().map(hex::encode).collect::<Vec<_>>().serialize(s)
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Hash>, D::Error> {
		Vec::<String>::deserialize(d)?
			.iter()
			.map(|text| {
				let mut hash = [0; 32];
				hex::decode_to_slice(text, &mut hash).map_err(D::Error::custom)?;
				Ok(hash)
			})
			.collect()
	}
}

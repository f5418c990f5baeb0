//! A challenge of a result, from the first demand to the proof.
//!
//! Every step begins with what the chain has of the lane, and nothing else is kept: a challenge
//! that was killed at any point continues with the next start of the command.

use crate::{
	chain::{
		disputes::{place_json, place_text, Lane, Turn},
		jobs::{Job, Named, ReasonCode},
		Hash,
	},
	context::{STANDS, UNPAID},
	error::{Error, Result},
	output::{hex, Ui},
	replay::dispute_error,
};
use assay_commitments::Place;
use assay_dispute::{Challenger, Move, Replay};
use assay_referee::ProofPart;
use codec::Encode;
use serde_json::json;

/// Blocks that the chain's own agenda may be late before a lane is pushed from here.
const AGENDA_BLOCKS: u64 = 2;

/// How a challenge came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
	/// This machine's run root is the provider's.
	Equal,
	/// It is another one; nothing was sent.
	Differs,
	/// The result was proved wrong.
	Proven,
	/// An opening of it was not given.
	Withheld,
	/// The job ended, or takes no challenge any more.
	TooLate,
	/// The lane was closed and the result stands.
	Lost,
}

impl Outcome {
	/// For `--json`.
	pub fn name(self) -> &'static str {
		match self {
			Self::Equal => "equal",
			Self::Differs => "differs",
			Self::Proven => "proven",
			Self::Withheld => "withheld",
			Self::TooLate => "too-late",
			Self::Lost => "lost",
		}
	}

	/// Exit code.
	pub fn code(self) -> u8 {
		match self {
			Self::Equal => 0,
			Self::Differs | Self::Proven | Self::Withheld => UNPAID,
			Self::TooLate | Self::Lost => STANDS,
		}
	}

	/// For people.
	pub fn text(self) -> &'static str {
		match self {
			Self::Equal => "the result on chain is right; there is nothing to challenge",
			Self::Differs => {
				"THE RESULT DIFFERS. Nothing was sent; without --dry-run this command proves it wrong"
			}
			Self::Proven => "the result is PROVED WRONG and the provider's bond is slashed",
			Self::Withheld => {
				"the result has fallen: an opening that was demanded was not given, and the provider's \
				 bond is slashed"
			}
			Self::TooLate => "too late: the result can no longer be challenged",
			Self::Lost => {
				"the challenge was lost: its deadline passed, and with it the deposit. The result stands"
			}
		}
	}

	/// What became of a job that shows no result any more.
	pub fn of(job: &Job) -> Self {
		match job.condemned.as_ref().or(job.reason.as_ref()).and_then(Named::known) {
			Some(ReasonCode::ProvenFraud) => Self::Proven,
			Some(ReasonCode::Withheld) => Self::Withheld,
			_ => Self::TooLate,
		}
	}

	/// Says it, with what was proved; the exit code.
	pub fn tell(self, ui: &Ui, job: u64, proof: Option<&Proven>) -> u8 {
		ui.result(
			&json!({"event": "end", "job": job, "outcome": self.name(), "proof": proof.map(|p| &p.accusation)}),
			format!("job {job}: {}", self.text()),
		);
		self.code()
	}
}

/// A tile that the chain has found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
	/// Step, node, tile and prover, for `--json`.
	pub accusation: serde_json::Value,
	/// Who is paid.
	pub prover: Hash,
}

/// What a transaction of a challenger did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
	/// The block it is in.
	pub block: u64,
	/// The deposit of a lane that it opened.
	pub deposit: Option<u128>,
	/// What it proved.
	pub proven: Option<Proven>,
}

/// What may be done about a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultState {
	/// It can be disputed; in new lanes, too, or in open ones only.
	Stands {
		/// New lanes are accepted.
		open: bool,
	},
	/// It has fallen, or its job is over.
	Gone(Outcome),
}

/// The part of the chain that a challenger needs, for one job and account; a fake one in tests.
#[allow(async_fn_in_trait)] // Only ever used on one thread, with types of this crate.
pub trait Chain {
	/// Whether there is something to dispute.
	async fn state(&self) -> Result<ResultState>;
	/// The account's lane.
	async fn lane(&self) -> Result<Option<Lane>>;
	/// Height of the best block.
	async fn head(&self) -> Result<u64>;
	/// Waits for a block higher than `after`.
	async fn next_head(&self, after: u64) -> Result<u64>;
	/// Demands the group below a child, or the first one, in a lane in which the provider has
	/// stated this list.
	async fn demand(&self, child: Option<u32>, list: Option<Hash>) -> Result<Sent>;
	/// The commitment to a proof that begins with this part.
	fn commitment(&self, first: &ProofPart) -> Hash;
	/// Commits to a proof.
	async fn commit(&self, commitment: Hash) -> Result<Sent>;
	/// Sends a part of a proof.
	async fn prove(&self, part: &ProofPart) -> Result<Sent>;
	/// Pushes a lane whose deadline has passed.
	async fn poke(&self) -> Result<()>;
	/// Passes over an error that a new connection has mended; returns any other.
	async fn recover(&self, error: Error) -> Result<()>;
	/// An amount for people.
	fn money(&self, units: u128) -> String;
}

/// A lane on its way down.
pub struct Lead<'a, C, R> {
	chain: &'a C,
	ui: Ui,
	job: u64,
	challenger: Challenger<R>,
	/// The demand that is waited for, so that it is said once.
	said: Option<Place>,
	/// Deadline of the lane as it was last seen.
	deadline: Option<u64>,
}

/// The end, and what was proved where this account did it.
type End = (Outcome, Option<Proven>);

impl<'a, C: Chain, R: Replay> Lead<'a, C, R> {
	/// Of a challenger whose run root is not the provider's.
	pub fn new(chain: &'a C, ui: Ui, job: u64, challenger: Challenger<R>) -> Self {
		Self { chain, ui, job, challenger, said: None, deadline: None }
	}

	/// Leads the lane, a new one or the one that is open, until there is nothing more to do.
	pub async fn to_the_end(&mut self) -> Result<End> {
		let mut head = 0;
		loop {
			match self.step(&mut head).await {
				Ok(None) => {}
				Ok(Some(end)) => return Ok(end),
				Err(error) => self.chain.recover(error).await?,
			}
		}
	}

	/// Looks at the lane and does what is due.
	async fn step(&mut self, head: &mut u64) -> Result<Option<End>> {
		let open = match self.chain.state().await? {
			ResultState::Stands { open } => open,
			ResultState::Gone(outcome) => return Ok(Some((outcome, None))),
		};
		let lane = self.chain.lane().await?;
		let passed = match (&lane, self.deadline) {
			(None, Some(deadline)) => self.chain.head().await? > deadline,
			_ => false,
		};
		self.deadline = lane.as_ref().map_or(self.deadline, |lane| Some(lane.deadline));
		let moved = match &lane {
			// Before its deadline, a lane that is gone was in a block that was replaced.
			None if passed => return Ok(Some((Outcome::Lost, None))),
			None if !open => return Ok(Some((Outcome::TooLate, None))),
			None => self.demand(None, None).await,
			Some(Lane { turn: Turn::Answer(place), deadline, .. }) => {
				self.wait(*place, *deadline, head).await?;
				return Ok(None);
			}
			Some(lane) => {
				match self.challenger.next_move(&lane.opened).await.map_err(dispute_error)? {
					Move::Nothing => return Ok(Some((Outcome::Equal, None))),
					Move::Demand { child } => self.demand(child, lane.list).await,
					Move::Prove(parts) => match self.prove(lane, &parts).await {
						Ok(Some(proven)) => return Ok(Some((Outcome::Proven, Some(proven)))),
						Ok(None) => Ok(()),
						Err(error) => Err(error),
					},
				}
			}
		};
		match moved {
			// A refusal of the chain: it may have moved on since the lane was read.
			Err(error) if error.code.contains('.') => {
				let fallen = matches!(self.chain.state().await?, ResultState::Gone(_));
				if fallen || self.chain.lane().await? != lane {
					return Ok(None);
				}
				if error.code == "Arbitration.DeadlinePassed" {
					*head = self.chain.next_head(*head).await?;
					return Ok(None);
				}
				Err(error)
			}
			Err(error) => Err(error),
			Ok(()) => Ok(None),
		}
	}

	/// Waits a block for an answer.
	async fn wait(&mut self, place: Place, deadline: u64, head: &mut u64) -> Result<()> {
		if self.said != Some(place) {
			self.said = Some(place);
			self.ui.result(
				&json!({
					"event": "demanded", "job": self.job, "place": place_json(&place),
					"deadline": deadline,
				}),
				format!("job {}: {} is owed until block {deadline}", self.job, place_text(&place)),
			);
		}
		*head = self.chain.next_head(*head).await?;
		if *head <= deadline + AGENDA_BLOCKS {
			return Ok(());
		}
		match self.chain.poke().await {
			// Whatever came before it shows in the next look.
			Err(error) if error.code.contains('.') => Ok(()),
			done => done,
		}
	}

	async fn demand(&mut self, child: Option<u32>, list: Option<Hash>) -> Result<()> {
		let sent = self.chain.demand(child, list).await?;
		let (Some(deposit), block) = (sent.deposit, sent.block) else { return Ok(()) };
		self.ui.result(
			&json!({
				"event": "lane-opened", "job": self.job, "deposit": deposit.to_string(),
				"block": block,
			}),
			format!(
				"block {block:>6}  job {}: challenged, {} put up",
				self.job,
				self.chain.money(deposit)
			),
		);
		Ok(())
	}

	/// Commits to the proof and sends the parts that the chain does not have. What was proved, once
	/// it is.
	async fn prove(&self, lane: &Lane, parts: &[ProofPart]) -> Result<Option<Proven>> {
		if let (false, 0, Some(first)) = (lane.committed, lane.parts, parts.first()) {
			self.commit(first).await?;
		}
		let of = parts.len();
		for part in parts.iter().skip(lane.parts as usize) {
			let Sent { block, proven, .. } = self.chain.prove(part).await?;
			let (number, bytes) = (part.part + 1, part.encoded_size());
			self.ui.result(
				&json!({
					"event": "proof-part", "job": self.job, "part": part.part, "of": of,
					"bytes": bytes, "block": block,
				}),
				format!(
					"block {block:>6}  job {}: part {number} of {of} of the proof is in",
					self.job
				),
			);
			if proven.is_some() {
				return Ok(proven);
			}
		}
		Ok(None)
	}

	async fn commit(&self, first: &ProofPart) -> Result<()> {
		let commitment = self.chain.commitment(first);
		let block = match self.chain.commit(commitment).await {
			Ok(sent) => sent.block,
			// Commitments only decide who is paid.
			Err(error) if error.code == "Arbitration.TooManyCommitments" => {
				self.ui.note(error.message);
				return Ok(());
			}
			Err(error) => return Err(error),
		};
		self.ui.result(
			&json!({
				"event": "proof-committed", "job": self.job, "block": block,
				"commitment": hex(commitment),
			}),
			format!("block {block:>6}  job {}: bound to the proof", self.job),
		);
		// In the same block, whoever makes it could put a copy of commitment and proof first.
		self.chain.next_head(block).await.map(drop)
	}
}

#[cfg(test)]
mod tests;

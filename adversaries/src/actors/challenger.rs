use super::Leader;
use crate::{
	calls,
	chain::Tx,
	people::Person,
	work::{Table, Work},
};
use assay_market::{ChallengeMove, JobId};
use assay_runtime::Arbitration;

/// What is wrong with somebody who was not drawn and challenges a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutsiderMisdeed {
	/// Nothing.
	#[default]
	None,
	/// Opens a lane and lets it go.
	AbandonLane,
	/// Sends the first part of a proof and lets the rest go.
	AbandonProof,
	/// Keeps its lane open as long as it can: every demand in the last block that counts.
	Dawdle,
}

/// Somebody who was not drawn, with a replay of its own.
pub struct Outsider {
	/// Who.
	pub who: Person,
	/// What it does wrong.
	pub misdeed: OutsiderMisdeed,
	/// Binds itself to its proof before it sends it.
	pub commits: bool,
	/// Its replay.
	pub leader: Leader,
	/// It has had a lane.
	led: bool,
}

impl Outsider {
	/// With this replay.
	pub fn new(who: Person, belief: Table, misdeed: OutsiderMisdeed) -> Self {
		Self { who, misdeed, commits: false, leader: Leader::new(belief), led: false }
	}

	/// What it sends now.
	pub fn act(&mut self, work: &Work, job: JobId) -> Vec<Tx> {
		use OutsiderMisdeed::*;
		let Some(result) = Arbitration::disputed_result(job) else { return vec![] };
		let lane = Arbitration::lane(job, self.who.account());
		self.led |= lane.is_some();
		// Whoever lets a lane go does not come back for another.
		let done = self.led && matches!(self.misdeed, AbandonLane | AbandonProof);
		if lane.is_none() && (!result.open || done) {
			return vec![];
		}
		if let Some(lane) = &lane {
			let last = lane.deadline == assay_runtime::System::block_number() + 1;
			match self.misdeed {
				AbandonLane => return vec![],
				AbandonProof if lane.parts > 0 => return vec![],
				Dawdle if !last => return vec![],
				_ => {}
			}
		}
		let Some(action) = self.leader.next_move(work, &result, lane.as_ref()) else {
			return vec![];
		};
		let who = &self.who;
		vec![match action {
			ChallengeMove::Demand { child } => calls::demand(who, job, child),
			ChallengeMove::Prove { part } => {
				let committed = lane.as_ref().is_some_and(|lane| lane.committed);
				if self.commits && !committed && part.part == 0 {
					calls::commit_proof(who, job, &part)
				} else {
					calls::prove_fraud(who, job, *part)
				}
			}
			ChallengeMove::CommitProof { .. } => return vec![],
		}]
	}
}

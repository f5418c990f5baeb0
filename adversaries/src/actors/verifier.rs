use super::{salt, Leader};
use crate::{
	calls,
	chain::Tx,
	people::Person,
	work::{Lie, Table, Work},
};
use assay_commitments::Hash;
use assay_market::{JobId, Phase, Purpose, SeatStatus, VerifierAction};
use assay_runtime::{Arbitration, Jobs};

/// What is wrong with a verifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VerifierMisdeed {
	/// Nothing.
	#[default]
	None,
	/// Replays nothing and confirms whatever root the provider leaked to it.
	AlwaysValid,
	/// Sends another verifier's commitment as its own.
	Copy,
	/// Commits its verdict and never opens it.
	NeverReveal,
	/// Its replay has a wrong byte, and it accuses the provider of fraud.
	Accuse(Lie),
	/// Says nothing at all.
	Silent,
	/// Gives its verdict and leaves it at that: leads no lane.
	Idle,
}

/// A validator that may be drawn.
pub struct Verifier {
	/// Who.
	pub who: Person,
	/// What it does wrong.
	pub misdeed: VerifierMisdeed,
	/// Holds the inputs.
	pub inputs: bool,
	/// What it believes of the run: its own replay.
	pub leader: Leader,
	/// What the provider told it.
	pub leaked: Hash,
}

impl Verifier {
	/// A validator whose replay gave `belief`, as long as it does nothing wrong.
	pub fn new(who: Person, belief: Table, leaked: Hash) -> Self {
		let misdeed = VerifierMisdeed::None;
		Self { who, misdeed, inputs: true, leader: Leader::new(belief), leaked }
	}

	/// Starts doing something wrong.
	pub fn corrupt(&mut self, work: &Work, misdeed: VerifierMisdeed) {
		if let VerifierMisdeed::Accuse(lie) = misdeed {
			self.leader = Leader::new(Table::lying(work, lie));
			self.leader.careless = true;
		}
		self.misdeed = misdeed;
	}

	/// The verdict that it gives.
	pub fn verdict(&self) -> Hash {
		match self.misdeed {
			VerifierMisdeed::AlwaysValid => self.leaked,
			_ => self.leader.belief.run_root(),
		}
	}

	/// What it sends now.
	pub fn act(&mut self, work: &Work, job: JobId) -> Vec<Tx> {
		use VerifierMisdeed::*;
		if self.misdeed == Silent {
			return vec![];
		}
		let salt = salt(&self.who.name, job);
		let mut sent = vec![];
		for duty in Jobs::assignments(&[self.who.verifier_key()]) {
			if duty.job != job {
				continue;
			}
			match (duty.purpose, duty.status) {
				(Purpose::Attest, SeatStatus::Pending) => {
					sent.push(calls::attest(&self.who, job, self.inputs));
				}
				(Purpose::Verify, SeatStatus::Pending) if duty.phase == Phase::Verifying => {
					if self.misdeed == Copy {
						sent.extend(self.copy(job));
					} else {
						let verdict = self.verdict();
						sent.push(calls::commit_verdict(&self.who, job, &verdict, &salt));
					}
				}
				(Purpose::Verify, SeatStatus::Committed)
					if duty.can_reveal && self.misdeed != NeverReveal =>
				{
					let verdict = self.verdict();
					sent.push(calls::reveal_verdict(&self.who, job, verdict, salt));
				}
				_ => {}
			}
		}
		if self.misdeed != AlwaysValid && self.misdeed != Idle {
			sent.extend(self.dispute(work, job));
		}
		sent
	}

	/// Its move in its lane, as the chain's own list of its disputes says.
	fn dispute(&mut self, work: &Work, job: JobId) -> Option<Tx> {
		let duties = Arbitration::disputes(&[self.who.verifier_key()]);
		let duty = duties.into_iter().find(|duty| duty.job == job)?;
		let action = self.leader.next_move(work, &duty.result, duty.lane.as_ref())?;
		Some(calls::move_as_verifier(&self.who, job, action))
	}

	/// Another verifier's commitment.
	fn copy(&self, job: JobId) -> Option<Tx> {
		let view = Jobs::job_view(job)?;
		let commitment = view.verdicts.iter().find_map(|verdict| verdict.commitment)?;
		let action = VerifierAction::CommitVerdict { commitment };
		Some(calls::as_verifier(&self.who, job, action))
	}
}

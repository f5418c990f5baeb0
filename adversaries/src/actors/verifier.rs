use super::{salt, Leader};
use crate::{
	calls,
	chain::Tx,
	lottery::{self, Duty},
	people::Person,
	work::{Lie, Table, Work},
};
use assay_commitments::{Hash, Segmentation};
use assay_market::{Assignment, JobId, Phase, Purpose, SeatStatus, VerifierAction};
use assay_runtime::{AccountId, Arbitration, Balance, BlockNumber, Jobs, System};
use std::ops::Range;

/// As the nodes do: so many blocks before the end of the reveals whoever has no chunks opens its
/// bare root.
const BARE_OPENING_BLOCKS: BlockNumber = 3;

/// What is wrong with a verifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VerifierMisdeed {
	/// Nothing.
	#[default]
	None,
	/// Replays nothing and confirms whatever the provider leaked to it: its root, and its trace.
	AlwaysValid,
	/// The same, but all that it was told is a root. Leads no lane.
	Hearsay,
	/// Commits in the last block that counts.
	Slow,
	/// Sends another verifier's commitment as its own, with a ticket of its own.
	Copy,
	/// Commits its verdict and never opens it.
	NeverReveal,
	/// Its replay has a wrong byte, and it accuses the provider of fraud.
	Accuse(Lie),
	/// Says nothing at all.
	Silent,
	/// Gives its verdict and leaves it at that: leads no lane.
	Idle,
	/// Gets no checkpoint of a run that is cut, and replays what comes before it too: its verdict
	/// is there in the second tranche.
	WithoutCheckpoint,
}

/// A validator that may be drawn.
pub struct Verifier {
	/// Who.
	pub who: Person,
	/// What it does wrong.
	pub misdeed: VerifierMisdeed,
	/// Holds the inputs.
	pub inputs: bool,
	/// Gets the outputs of a revealed result.
	pub outputs: bool,
	/// What it believes of the run: its own replay.
	pub leader: Leader,
	/// The root that the provider told it.
	pub leaked: Hash,
	/// The run that the provider stands by.
	pub leaked_run: Table,
}

impl Verifier {
	/// A validator whose replay gave `belief`, as long as it does nothing wrong.
	pub fn new(who: Person, belief: Table, leaked: Hash, leaked_run: Table) -> Self {
		let misdeed = VerifierMisdeed::None;
		Self {
			who,
			misdeed,
			inputs: true,
			outputs: true,
			leader: Leader::new(belief),
			leaked,
			leaked_run,
		}
	}

	/// Starts doing something wrong.
	pub fn corrupt(&mut self, work: &Work, misdeed: VerifierMisdeed) {
		if let VerifierMisdeed::Accuse(lie) = misdeed {
			self.leader = Leader::new(Table::lying(work, lie));
			self.leader.careless = true;
		}
		self.misdeed = misdeed;
	}

	/// The verdict that it gives on the whole run, or on these steps of it.
	fn verdict(&self, part: Option<&Range<u32>>) -> Hash {
		let misled =
			matches!(self.misdeed, VerifierMisdeed::AlwaysValid | VerifierMisdeed::Hearsay);
		match part {
			None if misled => self.leaked,
			None => self.leader.belief.run_root(),
			Some(steps) if misled => self.leaked_run.root_of(steps.clone()),
			Some(steps) => self.replay(steps).root_of(steps.clone()),
		}
	}

	/// What its replay of these steps gives, which starts from the provider's checkpoint: its own
	/// run where that is true, and else what follows from a lie that was told before, which is what
	/// the provider has (a [`Lie`] spreads).
	fn replay(&self, steps: &Range<u32>) -> &Table {
		let first = steps.start as usize;
		let (own, theirs) = (self.leader.belief.traces(), self.leaked_run.traces());
		if own[..first] == theirs[..first] {
			&self.leader.belief
		} else {
			&self.leaked_run
		}
	}

	/// What it sends now.
	pub fn act(&mut self, work: &Work, job: JobId) -> Vec<Tx> {
		use VerifierMisdeed::*;
		if self.misdeed == Silent {
			return vec![];
		}
		let mut sent = vec![];
		for duty in Jobs::assignments(&[self.who.verifier_key()]) {
			if duty.job != job {
				continue;
			}
			match (duty.purpose, &duty.status) {
				(Purpose::Attest, SeatStatus::Pending) => {
					sent.push(calls::attest(&self.who, job, self.inputs));
				}
				(Purpose::Keep, SeatStatus::Pending) if !duty.output_roots.is_empty() => {
					sent.push(calls::attest_outputs(&self.who, job, self.outputs));
				}
				(Purpose::Verify, SeatStatus::Committed) if duty.can_reveal => {
					sent.extend(self.open(work, &duty));
				}
				_ => {}
			}
		}
		sent.extend(lottery::duty(&self.who, job).and_then(|duty| self.answer(&duty)));
		if !matches!(self.misdeed, AlwaysValid | Hearsay | Idle) {
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

	/// Its commitment, if it has won and its tranche is open.
	fn answer(&self, duty: &Duty) -> Option<Tx> {
		let job = duty.job;
		let (ticket, tranche) = lottery::ticket(&self.who, duty);
		if tranche.is_none_or(|tranche| tranche > duty.tranche) {
			return None;
		}
		match self.misdeed {
			VerifierMisdeed::WithoutCheckpoint if duty.tranche == 0 => None,
			VerifierMisdeed::Slow if System::block_number() + 1 < duty.commit_deadline => None,
			VerifierMisdeed::Copy => {
				let view = Jobs::job_view(job)?;
				let commitment = view.verdicts.iter().find_map(|verdict| verdict.commitment)?;
				let action = VerifierAction::CommitVerdict { commitment, ticket };
				Some(calls::as_verifier(&self.who, job, action))
			}
			_ => {
				let salt = salt(&self.who.name, job);
				let part = lottery::segment(duty, &ticket);
				let verdict = self.verdict(part.as_ref());
				Some(calls::commit_verdict(&self.who, job, &verdict, &salt, ticket))
			}
		}
	}

	/// Opens its verdict with the chunks that the chain asks for, once it does; where it has none,
	/// without them and at the last moment.
	fn open(&self, work: &Work, duty: &Assignment<AccountId, Balance, BlockNumber>) -> Option<Tx> {
		let part = duty.segment.and_then(|segment| {
			Segmentation::new(duty.steps, segment.terms.steps)?.range(segment.index)
		});
		let (run_root, salt) = (self.verdict(part.as_ref()), salt(&self.who.name, duty.job));
		let run = match self.misdeed {
			VerifierMisdeed::NeverReveal => return None,
			VerifierMisdeed::Hearsay => None,
			VerifierMisdeed::AlwaysValid => Some(&self.leaked_run),
			_ => Some(part.as_ref().map_or(&self.leader.belief, |steps| self.replay(steps))),
		};
		let chunks = match (run, part) {
			(Some(run), Some(steps)) => {
				Some(run.chunks_of(work, steps, &duty.sample?, &self.who.bytes()))
			}
			(Some(run), None) => Some(run.chunks(work, &duty.sample?, &self.who.bytes())),
			(None, _) => {
				let soon = System::block_number() + BARE_OPENING_BLOCKS;
				let last = duty.reveal_deadline.is_some_and(|end| soon >= end);
				if !last && duty.phase != Phase::Challengeable {
					return None;
				}
				None
			}
		};
		Some(calls::reveal_verdict(&self.who, duty.job, run_root, salt, chunks))
	}
}

//! The parties of a job as programs: each looks at the chain after a block and says what it sends
//! into the next one, as the nodes and clients of an honest network do; and each has its
//! [misdeeds].
//!
//! [misdeeds]: ProviderMisdeed

mod challenger;
mod passes;
mod provider;
mod requester;
mod verifier;

pub use challenger::{Outsider, OutsiderMisdeed};
pub use passes::Passes;
pub use provider::{Provider, ProviderMisdeed};
pub use requester::{Requester, RequesterMisdeed};
pub use verifier::{Verifier, VerifierMisdeed};

use crate::work::{Table, Work};
use assay_commitments::Hash;
use assay_dispute::{Challenger, Move};
use assay_market::{ChallengeMove, DisputedResult, JobId, LaneView, Turn};
use assay_referee::ProofPart;
use assay_runtime::{AccountId, Arbitration, Balance, BlockNumber};
use codec::Encode;
use sp_io::hashing::blake2_256;

/// A lane of the chain.
pub type Lane = LaneView<AccountId, Balance, BlockNumber>;

/// A salt that only its author knows, and that a restart would derive again.
pub fn salt(name: &str, job: JobId) -> Hash {
	blake2_256(&("salt", name, job).encode())
}

/// Somebody with a replay who leads lanes.
pub struct Leader {
	/// The replay that it believes in.
	pub belief: Table,
	/// Sends proofs without asking a referee of its own first.
	pub careless: bool,
	challenger: Option<Challenger<Table>>,
}

impl Leader {
	/// With this replay.
	pub fn new(belief: Table) -> Self {
		Self { belief, careless: false, challenger: None }
	}

	/// What it does next, with the parts of a proof where it has come to that.
	///
	/// # Panics
	/// When the dispute crate fails although the chain's record is sound.
	pub fn next(&mut self, work: &Work, result: &DisputedResult, lane: Option<&Lane>) -> Move {
		let careless = self.careless;
		let belief = &self.belief;
		let challenger = self.challenger.get_or_insert_with(|| {
			let job = work.job(result.run_root, result.trace_root);
			let challenger = Challenger::new(job, belief.clone()).expect("a sound record");
			if careless {
				challenger.reckless()
			} else {
				challenger
			}
		});
		let opened = lane.map(|lane| &lane.opened[..]).unwrap_or_default();
		pollster::block_on(challenger.next_move(opened)).expect("a replay leads a lane")
	}

	/// The chain's move for it, if it is its turn.
	pub fn next_move(
		&mut self,
		work: &Work,
		result: &DisputedResult,
		lane: Option<&Lane>,
	) -> Option<ChallengeMove> {
		if lane.is_some_and(|lane| lane.turn != Turn::Move) {
			return None;
		}
		Some(match self.next(work, result, lane) {
			Move::Nothing => return None,
			Move::Demand { child } => ChallengeMove::Demand { child },
			Move::Prove(parts) => {
				let sent = lane.map_or(0, |lane| lane.parts) as usize;
				ChallengeMove::Prove { part: Box::new(parts.into_iter().nth(sent)?) }
			}
		})
	}

	/// The whole proof, once the lane has come to it.
	///
	/// # Panics
	/// Before that.
	pub fn proof(&mut self, work: &Work, job: JobId, who: &AccountId) -> Vec<ProofPart> {
		let result = Arbitration::disputed_result(job).expect("a result in dispute");
		let lane = Arbitration::lane(job, who.clone());
		match self.next(work, &result, lane.as_ref()) {
			Move::Prove(parts) => parts,
			other => panic!("the lane is not at its end: {other:?}"),
		}
	}
}

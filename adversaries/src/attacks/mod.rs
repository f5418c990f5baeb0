//! Every attack of `docs/protocol` that does not need several nodes, with what must come of it.

mod challenges;
mod decoys;
mod delivery;
mod economy;
mod jobs;
mod lies;
mod lists;
mod looks;
mod lotteries;
mod orders;
mod programs;
mod proofs;
mod retreat;
mod samples;
mod seats;
mod segments;
mod steps;
mod thieves;
mod verdicts;

use crate::{
	attack::{Attack, Blocks},
	chain,
	stage::{Cast, Report, Stage},
	work::Work,
};
use assay_market::parameters::SAMPLE_DELAY;

/// All of them.
pub fn all() -> Vec<Attack> {
	let mut all = vec![];
	for module in [
		lies::ATTACKS,
		lists::ATTACKS,
		challenges::ATTACKS,
		proofs::ATTACKS,
		verdicts::ATTACKS,
		lotteries::ATTACKS,
		samples::ATTACKS,
		segments::ATTACKS,
		jobs::ATTACKS,
		economy::ATTACKS,
		programs::ATTACKS,
		decoys::ATTACKS,
		orders::ATTACKS,
		delivery::ATTACKS,
		looks::ATTACKS,
		thieves::ATTACKS,
		retreat::ATTACKS,
		seats::ATTACKS,
		steps::ATTACKS,
	] {
		all.extend(module.iter().copied());
	}
	all
}

/// What comes of a job with this cast, on a chain of its own.
fn played(work: Work, cast: Cast) -> Result<Report, String> {
	chain::run(|world| Stage::post(world, work, cast).play())
}

/// What a proven fraud moves, in every job here: the bond of 10 is cut into 25 % for the requester,
/// 20 % for the verifier that proved it, and the rest.
const PROVEN_BY_VERIFIER: &str = "provider -10, verifier +2, requester +2.5, burned 5.5";
/// The same, proven by somebody who was not drawn.
const PROVEN_BY_OUTSIDER: &str = "provider -10, outsider +2, requester +2.5, burned 5.5";
/// What a result moves whose opening a verifier has demanded in vain, for the small inference:
/// nothing is proved, and it gets what its replay is worth.
const WITHHELD_TO_VERIFIER: &str =
	"provider -10, verifier +0.00100624688, requester +2.5, burned 7.49899375312";
/// What an honest job moves: 95 % of the price of 10, three of five shares of the committee's 2,
/// and what is burned of both.
const PAID: &str = "requester -11.2, 3 verifiers +0.38 each, provider +9.5, burned 0.56";
/// The same where one of three verifiers earned nothing.
const PAID_TO_TWO: &str = "requester -10.8, 2 verifiers +0.38 each, provider +9.5, burned 0.54";
/// The same where one of the three verdicts that were wanted came.
const PAID_TO_ONE: &str = "requester -10.4, verifier +0.38, provider +9.5, burned 0.52";

/// Blocks from a reveal until the verdicts are open. Commitments are closed in block c, and the
/// provider reveals in c + 1. The blocks up to c + [`SAMPLE_DELAY`] are mixed into the seed of the
/// sample, which is known in the one after them; verdicts with the chunks come in the next.
const VERDICTS: u32 = SAMPLE_DELAY + 1;

/// The clock of an answer for jobs as small as these: the base and a block for their work.
const ANSWER: u32 = 5 + 1;

/// Blocks from a wrong reveal to the slash where a drawn verifier proves it: its lane begins when
/// its verdict is open, each opening takes a demand and an answer, each part of the proof a block.
const fn proved_by_verifier(openings: u32, parts: u32) -> Blocks {
	Blocks::Exactly(VERDICTS + 2 * openings + parts)
}

/// The same for somebody who was not drawn: its lane begins in the block after the reveal.
const fn proved_by_outsider(openings: u32, parts: u32) -> Blocks {
	Blocks::Exactly(2 * openings + parts)
}

/// The same where the first demand of a drawn verifier is not answered: the demand, the clock, and
/// the block after it.
const fn unanswered_to_verifier() -> Blocks {
	Blocks::Exactly(VERDICTS + 1 + ANSWER + 1)
}

/// The same for somebody who was not drawn.
const fn unanswered_to_outsider() -> Blocks {
	Blocks::Exactly(1 + ANSWER + 1)
}

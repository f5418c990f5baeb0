//! Every attack of `docs/protocol.md` that does not need several nodes, with what must come of it.

mod challenges;
mod decoys;
mod economy;
mod jobs;
mod lies;
mod programs;
mod proofs;
mod verdicts;

use crate::{
	attack::Attack,
	chain,
	stage::{Cast, Report, Stage},
	work::Work,
};

/// All of them.
pub fn all() -> Vec<Attack> {
	let mut all = vec![];
	for module in [
		lies::ATTACKS,
		challenges::ATTACKS,
		proofs::ATTACKS,
		verdicts::ATTACKS,
		jobs::ATTACKS,
		economy::ATTACKS,
		programs::ATTACKS,
		decoys::ATTACKS,
	] {
		all.extend(module.iter().copied());
	}
	all
}

/// What comes of a job with this cast, on a chain of its own.
fn played(work: Work, cast: Cast) -> Result<Report, String> {
	chain::run(|world| Stage::post(world, work, cast).play())
}

/// What a proven fraud moves, in every job here: the bond of 10 is cut into 25 % for the requester, 20 %
/// for the verifier that proved it, and the rest.
const PROVEN_BY_VERIFIER: &str = "provider -10, verifier +2, requester +2.5, burned 5.5";
/// The same, proven by somebody who was not drawn.
const PROVEN_BY_OUTSIDER: &str = "provider -10, outsider +2, requester +2.5, burned 5.5";
/// What an honest job moves: 95 % of the price of 10, three shares of the committee's 2, and what is
/// burned of both.
const PAID: &str = "requester -11.999999999998, 3 verifiers +0.633333333332 each, provider +9.5, \
	burned 0.600000000002";
/// The same where one of three verifiers earned nothing.
const PAID_TO_TWO: &str = "requester -11.333333333332, 2 verifiers +0.633333333332 each, \
	provider +9.5, burned 0.566666666668";

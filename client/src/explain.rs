//! Phases, reason codes and errors of the chain in sentences, each with what to do.

use assay_job::{words::WHILE_CONDEMNED, Named, Phase, ReasonCode};

/// What is said of a phase or a reason that a later runtime has.
const UNKNOWN: &str = "The chain says something that this client does not know.";
/// What to do about it.
const UPDATE: &str = "Use the client of the node's version.";

/// What a job waits for in a phase, and who can move it.
pub fn phase(phase: &Named<Phase>) -> &'static str {
	phase.known().map_or(UNKNOWN, Phase::waits_for)
}

/// What a person should do while a job is in a phase.
pub fn phase_advice(phase: &Named<Phase>, overdue: bool) -> &'static str {
	phase.known().map_or(UPDATE, |phase| phase.advice(overdue))
}

/// What it means that a job ended so, and what to do.
pub fn reason(code: &Named<ReasonCode>) -> (&'static str, &'static str) {
	code.known().map_or(unknown(), |code| (code.meaning(), code.advice()))
}

/// What it means that a result is condemned although its job has not ended, and what to do.
pub fn condemned(code: &Named<ReasonCode>) -> (&'static str, &'static str) {
	(code.known().map_or(UNKNOWN, ReasonCode::condemned), WHILE_CONDEMNED)
}

/// What is said of what this client does not know, and what to do.
pub const fn unknown() -> (&'static str, &'static str) {
	(UNKNOWN, UPDATE)
}

/// What it means that challenges of a result are open, and what to do.
pub fn disputed() -> (&'static str, &'static str) {
	(
		"The result is open and challenged; it settles when no challenge is left, or falls.",
		"Wait; `assay job disputes JOB` shows whose move it is and until when. As the provider, keep \
		 `assay provider run` running: it answers by itself.",
	)
}

/// What to do about an error of the chain, where its own words do not already say it.
pub fn fix(code: &str) -> Option<&'static str> {
	Some(match code {
		"Stake.NotBonded" => "`assay stake bond AMOUNT` first",
		"Stake.InsufficientFreeStake" => {
			"`assay stake bond AMOUNT` for more, or wait until a running job ends"
		}
		"Stake.NothingToWithdraw" => "`assay stake show` says when the next part is free",
		"Stake.TooManyUnbondingChunks" => "`assay stake withdraw` first",
		"Balances.InsufficientBalance" => "the free balance is too small; `assay stake show`",
		"Jobs.NotRegisteredProvider" => "`assay identity register --role provider` first",
		"Identity.NotRegistered" => "`assay identity register --role provider` first",
		"Identity.AlreadyRegistered" => "`assay identity update` or `assay identity rotate`",
		"Identity.PeerKeyTaken" => "pass another --peer-key, or another --state-dir",
		"Jobs.OtherOrder" => {
			"a reorganisation has put another job under this number: look again with `assay job why JOB`"
		}
		"Jobs.TooManyJobsOfAccount" => {
			"wait until one of your jobs has ended, or cancel one: `assay job list --account ACCOUNT`"
		}
		"Jobs.TooManyJobs" => "the market is full; try again later",
		"Jobs.NoVerifierAvailable" => {
			"nobody but the parties of the job could verify it; wait for more validators"
		}
		"Jobs.BondAboveExpectation" | "Jobs.PriceBelowExpectation" => {
			"the job's terms have changed since it was looked at; it is looked at again"
		}
		"Jobs.TooEarlyToGiveBack" => "it was claimed in this very block; give it back in the next one",
		"Arbitration.OtherOrder" => {
			"a reorganisation has put another job under this number; start the command again"
		}
		"Jobs.UnknownProgram" => "`assay program register FILE` first",
		"Jobs.UnknownJob" => "`assay job list` shows the jobs",
		"Jobs.RampUpsideDown" => "give a --price-start that is not above --price-max",
		"Jobs.PriceTooLow" => {
			"give a higher --price-start; the least price grows with the work and the bytes"
		}
		"Jobs.RampTooLong" => "give a shorter --ramp",
		"Jobs.AuditTooLow" => "give a higher --audit, or leave it out",
		"Jobs.WrongSteps" => "give --steps 1 for a program without step state",
		"Jobs.TooManySteps" => "post several jobs of at most 65536 steps, each from the last states of the one before",
		"Jobs.WrongSegments" => {
			"give a --segment-steps that is a power of two and makes 2 to 256 segments, or leave it out"
		}
		"Jobs.SegmentsMissing" | "Jobs.NotSegmented" | "Jobs.SegmentsMismatch" => {
			"use the client of the node's version; the provider's records do not fit the job"
		}
		"Jobs.TooLateToCancel" => "follow it to its end with `assay job watch JOB`",
		"Jobs.NotDue" => "`assay job why JOB` shows the deadline",
		"Jobs.Disputed" => {
			"`assay job disputes JOB` shows the challenges; the job settles after them"
		}
		"Arbitration.NothingToDispute" => "`assay job why JOB` says where the job stands",
		"Arbitration.TooLate" => {
			"a result can be challenged until its challenge deadline, not later"
		}
		"Arbitration.NoLane" => "`assay challenge JOB` opens one",
		"Arbitration.AnswerPending" => {
			"`assay job disputes JOB` says until when the answer is owed"
		}
		"Arbitration.NothingDemanded" => "somebody else has answered; there is nothing to do",
		"Arbitration.DeadlinePassed" => {
			"`assay job disputes JOB` shows what is left of the challenge"
		}
		"Arbitration.WrongChild" | "Arbitration.AtTheTile" | "Arbitration.WrongPart" => {
			"`assay challenge JOB` continues from the chain's record"
		}
		"Arbitration.WrongAnswer" => {
			"the openings are of another run, or the challenger has moved on; look again"
		}
		"Arbitration.OtherAccusation" => "finish the proof that was begun: `assay challenge JOB`",
		"Arbitration.NeedsLane" => "`assay challenge JOB` opens a lane before it proves",
		"Arbitration.NotWrong" => "run it again with --adapter cpu; the result is likely right",
		"Arbitration.ProofOutOfRange"
		| "Arbitration.ProofNotAnAnchor"
		| "Arbitration.ProofTrace"
		| "Arbitration.ProofBefore"
		| "Arbitration.ProofAnchors"
		| "Arbitration.ProofStates"
		| "Arbitration.ProofClaimed"
		| "Arbitration.ProofIncomplete"
		| "Arbitration.ProofOperand" => {
			"use the client of the node's version; the proof does not fit this chain's rules"
		}
		"Arbitration.NotDue" => "`assay job disputes JOB` shows the deadline",
		"Jobs.NotRequester" => "pass the --key that posted the job",
		_ => return None,
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn client_should_say_that_it_is_too_old_when_the_chain_has_a_later_name() {
		let later = Named::Unknown("Later".into());
		assert_eq!((phase(&later), phase_advice(&later, true)), (UNKNOWN, UPDATE));
		let later = Named::Unknown("Later".into());
		assert_eq!((reason(&later), condemned(&later).0), (unknown(), UNKNOWN));
		assert_eq!(reason(&ReasonCode::Paid.into()).0, ReasonCode::Paid.meaning());
	}
}

//! Phases, reason codes and errors of the chain in sentences, each with what to do.

/// What a job waits for in a phase, and who can move it.
pub fn phase(name: &str) -> &'static str {
	match name {
		"Posted" => "drawn validators attest that they hold the inputs and will serve them",
		"Open" => "a provider may claim the job at the ramp's current price",
		"Claimed" => "the provider runs the job and owes a commitment to its result",
		"Committed" => {
			"the result is committed; the chain waits for the blocks that decide who verifies and who \
			 keeps the outputs"
		}
		"Verifying" => {
			"validators, drawn in private, replay the job and commit to what they found; who they are \
			 is known when they speak"
		}
		"Revealing" => {
			"the provider opens its result, the validators their verdicts with samples of their own \
			 traces"
		}
		"Challengeable" => {
			"the result is open; anyone may still prove it wrong, and the keepers fetch the outputs"
		}
		"Settled" => "the provider was paid",
		"Failed" => "the job ended without payment",
		_ => "a phase that this client does not know; use the client of the node's version",
	}
}

/// What a person should do while a job is in a phase.
pub fn phase_advice(name: &str, overdue: bool) -> &'static str {
	match (name, overdue) {
		("Settled" | "Failed", _) => "nothing: the job is over",
		(_, true) => {
			"its deadline has passed: `assay job poke JOB` makes the chain apply its default"
		}
		("Posted", _) => {
			"wait; if the nodes cannot get the inputs the job is refunded. Upload them again with \
			 `assay blob put`, or post with --no-attestation"
		}
		("Open", _) => {
			"wait for a provider, or start one with `assay provider run`; cancelling is free now"
		}
		("Claimed", _) => {
			"wait; a provider that stays silent loses a part of its bond; one that cannot do it gives \
			 it back: the job then opens again"
		}
		("Committed" | "Verifying" | "Revealing" | "Challengeable", _) => {
			"wait; the chain moves it on at the deadline, `assay job watch JOB` follows it"
		}
		_ => "use the client of the node's version",
	}
}

/// What a reason code means and what to do: (meaning, advice).
pub fn reason(code: &str) -> (&'static str, &'static str) {
	match code {
		"Paid" => (
			"The result stood: the provider and the verifiers that agreed were paid.",
			"Fetch the outputs with `assay job report JOB --output-dir DIR`.",
		),
		"Cancelled" => (
			"The requester cancelled before a provider had claimed the job; everything was refunded.",
			"Post it again when you like.",
		),
		"CancelledWhileClaimed" => (
			"The requester cancelled while a provider worked on the job; the provider got its fee \
			 share and the rest was refunded.",
			"Cancel while the job is Posted or Open to pay nothing.",
		),
		"InputsUnavailable" => (
			"Too few of the drawn validators attested that they hold the inputs; everything was \
			 refunded.",
			"Upload every input with `assay blob put` to a node that its peers can reach, then post \
			 again.",
		),
		"Expired" => (
			"Nobody claimed the job before its deadline; everything was refunded.",
			"Post again with a higher --price-max or a longer --ramp, or start a provider.",
		),
		"ProviderTimeout" => (
			"Several providers claimed the job and stayed silent or gave it back; everything was refunded. \
			 Silence costs a part of the bond, which is burned: nobody earns by it.",
			"Look whether the inputs can be had (`assay blob status ROOT`) and whether the job is too large \
			 for the providers there are; then post it again.",
		),
		"Inconclusive" => (
			"The verifiers could not reach a verdict, in general before the result was shown; nobody was \
			 paid and everything was refunded.",
			"Post it again; look at the verdicts in `assay job report JOB` for device faults.",
		),
		"Undelivered" => (
			"The result was not proved wrong, but too few of those who were asked could get its outputs; \
			 nobody was paid and everything was refunded.",
			"Post it again. As the provider: the node behind `assay provider run` must be reachable by its \
			 peers, and keep the outputs until the job has settled.",
		),
		"Withheld" => (
			"The provider did not open its committed result, or a part of it that a challenger demanded, or \
			 stated lazy anchors that contradict it; it was slashed as for fraud and the requester was \
			 compensated.",
			"Post it again; as the provider, keep `assay provider run` and its state folder running.",
		),
		"ProvenFraud" => (
			"The result was proved wrong; the provider's bond was slashed and the requester was \
			 compensated.",
			"Post it again.",
		),
		_ => (
			"The chain gives a reason that this client does not know.",
			"Use the client of the node's version.",
		),
	}
}

/// What it means that a result is condemned although its job has not ended, and what to do.
pub fn condemned(code: &str) -> (&'static str, &'static str) {
	let advice =
		"wait: the job ends when the verifiers have opened their verdicts, at the latest at the \
	              reveal deadline; the requester then gets everything back, and compensation";
	let meaning = match code {
		"ProvenFraud" => "the result was proved wrong and the provider's bond is slashed",
		"Withheld" => {
			"the provider did not give an opening of its result that was demanded, or stated lazy anchors \
			 that contradict it; its bond is slashed"
		}
		_ => "the result has fallen, for a reason that this client does not know",
	};
	(meaning, advice)
}

/// What it means that challenges of a result are open, and what to do.
pub fn disputed() -> (&'static str, &'static str) {
	(
		"the result is open and challenged; it settles when no challenge is left, or falls",
		"wait; `assay job disputes JOB` shows whose move it is and until when. As the provider, keep \
		 `assay provider run` running: it answers by itself",
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
	fn every_reason_should_have_a_sentence_when_the_chain_can_give_it() {
		for code in [
			"Paid",
			"Cancelled",
			"CancelledWhileClaimed",
			"InputsUnavailable",
			"Expired",
			"ProviderTimeout",
			"Inconclusive",
			"Withheld",
			"ProvenFraud",
			"Undelivered",
		] {
			assert!(!reason(code).0.contains("does not know"), "{code}");
		}
		assert!(reason("Later").0.contains("does not know"));
	}

	#[test]
	fn condemned_should_have_a_sentence_when_the_chain_can_give_it() {
		for code in ["ProvenFraud", "Withheld"] {
			assert!(!condemned(code).0.contains("does not know"), "{code}");
		}
		assert!(condemned("Paid").0.contains("does not know"));
		assert!(disputed().1.contains("assay job disputes JOB"));
	}

	#[test]
	fn fixes_should_name_commands_that_exist_when_they_name_any() {
		use clap::CommandFactory;
		let command = crate::cli::Cli::command();
		for code in ["Jobs.Disputed", "Arbitration.NoLane", "Arbitration.NotDue"] {
			let text = fix(code).unwrap();
			let words = text.split('`').nth(1).unwrap().split(' ').skip(1);
			let mut at = &command;
			for word in words.take_while(|w| w.chars().all(char::is_lowercase)) {
				at = at.find_subcommand(word).unwrap_or_else(|| panic!("{text}: {word}"));
			}
		}
	}

	#[test]
	fn advice_should_be_to_poke_when_a_deadline_has_passed() {
		for name in ["Posted", "Open", "Claimed", "Committed", "Verifying", "Revealing"] {
			assert!(!phase(name).contains("does not know"), "{name}");
			assert!(phase_advice(name, true).contains("poke"), "{name}");
			assert!(!phase_advice(name, false).contains("poke"), "{name}");
		}
		assert!(phase_advice("Settled", true).contains("over"));
	}
}

//! What phases and reasons mean, and what to do, in sentences: for the command line and the node
//! alike. `JOB` in an advice stands for the job's number.

use crate::{Phase, ReasonCode};

impl Phase {
	/// What the job waits for in this phase, and of whom.
	pub const fn waits_for(&self) -> &'static str {
		match self {
			Phase::Posted => "Drawn validators have to attest that they hold every input.",
			Phase::Open => "A provider has to claim the job, at the ramp's current price.",
			Phase::Claimed => {
				"The provider has to run the job and commit its result."
			}
			Phase::Committed => {
				"The result is committed; the chain waits for the blocks that decide who verifies and who \
				 keeps the outputs, which nobody knew at the commit."
			}
			Phase::Verifying => {
				"Validators have drawn in private who verifies; those that were drawn, if any, replay the job \
				 and commit their verdicts, and who they are is known when they speak. Where a sure audit has \
				 too few, the next ones have their turn."
			}
			Phase::Revealing => {
				"The provider has to open its result, and the verifiers their verdicts with chunks of their \
				 own traces that the chain has drawn. Once the result is open, drawn keepers fetch the \
				 outputs."
			}
			Phase::Challengeable => {
				"The result is open: anyone may still prove it wrong until the deadline, and challenges that \
				 are under way then keep it open. Drawn keepers have to say that they hold the outputs."
			}
			Phase::Settled => "The job has ended: the provider was paid.",
			Phase::Failed => "The job has ended without payment.",
		}
	}

	/// What a person should do while a job is in this phase; `overdue` where its deadline has
	/// passed.
	pub const fn advice(&self, overdue: bool) -> &'static str {
		match self {
			Phase::Settled | Phase::Failed => "Nothing: the job is over.",
			_ if overdue => {
				"Its deadline has passed: `assay job poke JOB` makes the chain apply its default."
			}
			Phase::Posted => {
				"Wait; if the nodes cannot get the inputs the job is refunded. Upload them again with \
				 `assay blob put`, or post with --no-attestation."
			}
			Phase::Open => {
				"Wait for a provider, or start one with `assay provider run`; cancelling costs a part of the \
				 deposit and nothing else now."
			}
			Phase::Claimed => {
				"Wait; a provider that stays silent loses a part of its bond; one that cannot do it gives \
				 it back: the job then opens again."
			}
			Phase::Committed | Phase::Verifying | Phase::Revealing | Phase::Challengeable => {
				"Wait; the chain moves it on at the deadline, `assay job watch JOB` follows it."
			}
		}
	}
}

impl ReasonCode {
	/// What it means that a job has ended so.
	pub const fn meaning(&self) -> &'static str {
		match self {
			ReasonCode::Paid => {
				"The result stood: the provider and the verifiers that matched it were paid."
			}
			ReasonCode::Cancelled => {
				"The requester cancelled before a provider had claimed the job; the escrow was refunded, and \
				 a part of the deposit burned."
			}
			ReasonCode::CancelledWhileClaimed => {
				"The requester cancelled while a provider worked on the job; the provider got its fee share \
				 and the rest was refunded."
			}
			ReasonCode::InputsUnavailable => {
				"Too few of the drawn validators attested that they hold every input; the escrow was \
				 refunded."
			}
			ReasonCode::Expired => {
				"Nobody claimed the job before its deadline; the escrow was refunded, and a part of the \
				 deposit burned."
			}
			ReasonCode::ProviderTimeout => {
				"The providers that claimed the job stayed silent or gave it back; the escrow was refunded. \
				 What silence cost of their bonds was burned: nobody earns by it."
			}
			ReasonCode::Inconclusive => {
				"Too few verifiers gave a verdict, which in general is known before the result is shown; the \
				 provider was not paid, and what the escrow held for it was refunded."
			}
			ReasonCode::Withheld => {
				"The provider did not open the result that it had committed, or a part of it that was \
				 demanded, or stated lazy anchors that contradict it; its bond was slashed as for fraud, and \
				 the requester refunded and compensated."
			}
			ReasonCode::ProvenFraud => {
				"The result was proved wrong; the provider's bond was slashed, and the requester refunded and \
				 compensated."
			}
			ReasonCode::Undelivered => {
				"The result was not proved wrong, but too few of those who were drawn to keep its outputs, or \
				 replayed the job, hold them; the provider was not paid. A part of the price was burned of \
				 the escrow and as much of the bond; the rest went back to each side."
			}
		}
	}

	/// What a person should do when a job has ended so.
	pub const fn advice(&self) -> &'static str {
		match self {
			ReasonCode::Paid => "Fetch the outputs with `assay job report JOB --output-dir DIR`.",
			ReasonCode::Cancelled => "Post it again when you like.",
			ReasonCode::CancelledWhileClaimed => {
				"Cancel while the job is Posted or Open to pay the provider nothing."
			}
			ReasonCode::InputsUnavailable => {
				"Upload every input with `assay blob put` to a node that its peers can reach, then post \
				 again."
			}
			ReasonCode::Expired => {
				"Post again with a higher --price-max or a longer --ramp, or start a provider."
			}
			ReasonCode::ProviderTimeout => {
				"Look whether the inputs can be had (`assay blob status ROOT`) and whether the job is too \
				 large for the providers there are; then post it again."
			}
			ReasonCode::Inconclusive => {
				"Post it again; look at the verdicts in `assay job report JOB` for device faults."
			}
			ReasonCode::Withheld => {
				"Post it again; as the provider, keep `assay provider run` and its state folder running."
			}
			ReasonCode::ProvenFraud => "Post it again.",
			ReasonCode::Undelivered => {
				"Post it again. As the provider: the node behind `assay provider run` must be reachable by \
				 its peers, and keep the outputs until the job has settled."
			}
		}
	}

	/// What it means that a result is condemned for this although its job has not ended.
	pub const fn condemned(&self) -> &'static str {
		match self {
			ReasonCode::ProvenFraud => {
				"The result was proved wrong and the provider's bond is slashed."
			}
			ReasonCode::Withheld => {
				"The provider did not give an opening of its result that was demanded, or stated lazy anchors \
				 that contradict it; its bond is slashed."
			}
			_ => "The result has fallen.",
		}
	}
}

/// What a person should do about a job whose result is condemned.
pub const WHILE_CONDEMNED: &str =
	"Wait: the job ends when the verifiers have opened the verdicts that they have committed, at the \
	 latest at the reveal deadline; the requester then gets everything back, and compensation.";

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn advice_should_be_to_poke_when_a_deadline_has_passed() {
		for phase in [
			Phase::Posted,
			Phase::Open,
			Phase::Claimed,
			Phase::Committed,
			Phase::Verifying,
			Phase::Revealing,
			Phase::Challengeable,
		] {
			assert!(phase.advice(true).contains("poke"), "{phase:?}");
			assert!(!phase.advice(false).contains("poke"), "{phase:?}");
		}
		assert!(Phase::Settled.advice(true).contains("over"));
	}
}

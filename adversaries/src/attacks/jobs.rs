//! Commitments, draws and authorizations: grinding, replaying, forging.

use super::{proved_by_verifier, PROVEN_BY_VERIFIER};
use crate::{
	actors::ProviderMisdeed,
	attack::{Attack, Blocks},
	calls,
	chain::{self, Tx},
	lottery, models, offline,
	people::Person,
	stage::{ensure, expect, Cast, Report, Stage},
	work::{Lie, Table},
};
use assay_market::{verifier::signing_payload, AbstainReason, Phase, Ticket, VerifierAction};
use assay_runtime::{Arbitration, Jobs, Runtime, RuntimeCall};
use pallet_assay_jobs::Call;

/// The committee that is drawn for a provider that commits with this salt, and what has moved by
/// then.
fn drawn_for(salt: u8) -> Result<(Vec<String>, String), String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.provider.salt = [salt; 32];
		stage.until_phase(Phase::Committed)?;
		let again = calls::commit_raw(&stage.provider.who, stage.job, [salt; 32]);
		expect("another commitment", stage.with(again), Err("invalid: Custom(100)"))?;
		stage.until(|stage| !stage.drawn().is_empty())?;
		Ok((stage.drawn().into_iter().map(|who| who.name).collect(), stage.money()?))
	})
}

/// Whatever the provider commits to, the same committee is drawn.
fn draw_grinding() -> Result<Report, String> {
	let (first, money) = drawn_for(0)?;
	ensure(first.len() == 3, format!("{first:?} were drawn"))?;
	for salt in 1..6 {
		let (other, _) = drawn_for(salt)?;
		ensure(other == first, format!("salt {salt} draws {other:?} instead of {first:?}"))?;
	}
	let outcome = "Custom(100), one committee for 6 commitments".into();
	Ok(Report { outcome, blocks: None, money })
}

/// A verdict's transaction for job `job` with the signature that was made for another job or chain.
fn with_signature_of(
	who: &Person,
	job: u64,
	ticket: Ticket,
	genesis: [u8; 32],
	signed: (u64, [u8; 32]),
) -> Tx {
	let (signed_job, signed_order) = signed;
	let commitment = [7; 32];
	let action = VerifierAction::CommitVerdict { commitment, ticket };
	let payload = signing_payload(&genesis, signed_job, &signed_order, &who.account(), 0, &action);
	let signature = who.sign_as_verifier(&payload);
	let (order, account, retry) = (calls::order_of(job), who.account(), 0);
	let call = Call::commit_verdict { job, order, account, commitment, ticket, retry, signature };
	Tx::Authorized(RuntimeCall::Jobs(call))
}

/// What was said about one job is said again about another, and on another chain.
fn replay_elsewhere() -> Result<Report, String> {
	chain::run(|world| {
		let lie = Lie::at(0, models::inference().anchor(0), 0);
		let provider = ProviderMisdeed::Lie(lie);
		// A first job whose fraud was proved.
		let (commitment, proof) = {
			let work = models::inference();
			let truth = Table::honest(&work);
			let proof = offline::proof(&work, &Table::lying(&work, lie), &truth).remove(0);
			let mut stage = Stage::post(world, work, Cast { provider, ..Cast::default() });
			stage.play()?;
			(stage.view().commitment.ok_or("no commitment")?, proof)
		};
		// A second one, right.
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		let genesis = stage.world.genesis_hash();
		stage.until_phase(Phase::Verifying)?;
		let verifier = stage.drawn()[0].clone();
		let bad = Err("invalid: BadProof");
		let duty = lottery::duty(&verifier, stage.job).ok_or("no lottery")?;
		let (ticket, _) = lottery::ticket(&verifier, &duty);
		let first = (0, calls::order_of(0));
		let from_first = with_signature_of(&verifier, stage.job, ticket, genesis, first);
		expect("a verdict of another job", stage.world.send(from_first), bad)?;
		let this = (stage.job, calls::order_of(stage.job));
		let from_elsewhere = with_signature_of(&verifier, stage.job, ticket, [0x99; 32], this);
		expect("a verdict of another chain", stage.world.send(from_elsewhere), bad)?;
		let honest = calls::commit_verdict(&verifier, stage.job, &[1; 32], &[2; 32], ticket);
		expect("a verdict", stage.world.send(honest.clone()), Ok(()))?;
		expect("the same again", stage.world.send(honest), Err("invalid: Stale"))?;
		stage.until_revealed()?;
		// The proof against the first job's run, sent against the second one's.
		let thief = Person::named("Thief");
		let copied = calls::prove_fraud(&thief, stage.job, proof);
		let found = stage.with(copied);
		ensure(found.is_err(), "a proof of another job was accepted")?;
		let refused = found.err().unwrap_or_default();
		stage.play()?;
		// A third one, whose provider copies the commitment of the first.
		let mut stage = Stage::post(stage.world, models::inference(), Cast::default());
		stage.until_phase(Phase::Claimed)?;
		let who = stage.provider.who.clone();
		let copied = calls::commit_raw(&who, stage.job, commitment);
		expect("the copied commitment", stage.world.send(copied), Ok(()))?;
		let report = stage.play()?;
		ensure(stage.was_refused("provider", "CommitmentMismatch"), "a copy was opened")?;
		let outcome = format!("BadProof, Stale, {refused}, CommitmentMismatch, {}", report.outcome);
		Ok(Report { outcome, ..report })
	})
}

/// Calls that only drawn verifiers may make, by everyone else.
fn forged_calls() -> Result<Report, String> {
	chain::run(|world| {
		let lie = Lie::at(0, models::inference().anchor(0), 0);
		let provider = ProviderMisdeed::Lie(lie);
		let mut stage =
			Stage::post(world, models::inference(), Cast { provider, ..Cast::default() });
		stage.until_phase(Phase::Verifying)?;
		let drawn = stage.drawn();
		let victim = drawn[0].account();
		let job = stage.job;
		// No validator, so that no ticket of its own is one.
		let stranger = Person::named("Rival");
		let duty = lottery::duty(&drawn[0], job).ok_or("no lottery")?;
		let (ticket, _) = lottery::ticket(&drawn[0], &duty);
		let (own, _) = lottery::ticket(&stranger, &duty);
		let abstain = || VerifierAction::Abstain { reason: AbstainReason::Other, ticket };
		let commit = || VerifierAction::CommitVerdict { commitment: [9; 32], ticket };
		for action in [abstain(), commit()] {
			let forged = calls::forged(&stranger, &victim, job, action);
			expect("in another's name", stage.world.send(forged), Err("invalid: BadProof"))?;
		}
		let not_drawn = calls::abstain(&stranger, job, own);
		expect("not drawn", stage.world.send(not_drawn), Err("invalid: Custom(2)"))?;
		let unknown = calls::abstain(&stranger, job + 7, own);
		expect("no such job", stage.world.send(unknown), Err("invalid: Custom(1)"))?;
		// The call of a verifier, signed like anybody's.
		let signature = calls::sign_action(&drawn[0], &victim, job, &abstain());
		let reason = AbstainReason::Other;
		let account = victim;
		let order = calls::order_of(job);
		let call =
			Call::<Runtime>::abstain { job, order, account, reason, ticket, retry: 0, signature };
		let signed = Tx::Signed(drawn[0].clone(), RuntimeCall::Jobs(call));
		let refused = stage.world.send(signed);
		ensure(refused.is_err(), "a signed origin passed for an authorized one")?;
		let refused = refused.err().unwrap_or_default();
		// A move in the lane of somebody who was not drawn.
		stage.until_revealed()?;
		let first = assay_market::ChallengeMove::Demand { child: None };
		let lane = calls::move_as_verifier(&stranger, job, first);
		expect("a free lane", stage.with(lane), Err("invalid: Custom(2)"))?;
		ensure(Jobs::job_view(job).is_some(), "the job is there")?;
		let report = stage.play()?;
		let outcome = format!("BadProof, Custom(1), Custom(2), {refused}, {}", report.outcome);
		Ok(Report { outcome, ..report })
	})
}

/// Operational calls that cannot succeed, inside of others, and the same with something that can.
fn junk_in_wrappers() -> Result<Report, String> {
	use pallet_utility::Call as Utility;
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_revealed()?;
		let outsider = Person::named("Outsider");
		let demand = |job| match calls::demand(&outsider, job, None) {
			Tx::Signed(_, call) | Tx::Authorized(call) => call,
		};
		let (right, wrong) = (demand(stage.job), demand(stage.job + 1));
		let send = |call| Tx::Signed(outsider.clone(), RuntimeCall::Utility(call));
		let batch = |calls| send(Utility::batch { calls });
		let force_batch = |calls| send(Utility::force_batch { calls });
		let refused = Err("invalid: Custom(100)");
		let junk = vec![wrong.clone(); 8];
		expect("junk", stage.world.send(batch(junk.clone())), refused)?;
		expect("more junk", stage.world.send(force_batch(junk)), refused)?;
		// Whoever challenges two results at once is not stopped because one of them has fallen.
		let both = force_batch(vec![wrong, right]);
		expect("a demand beside junk", stage.world.send(both), Ok(()))?;
		ensure(!Arbitration::lanes(stage.job).is_empty(), "no lane was opened")?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("Custom(100), {}", report.outcome), ..report })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "draw-grinding",
		what: "a provider tries commitments until a friendly committee is drawn",
		outcome: "Custom(100), one committee for 6 commitments",
		blocks: Blocks::None,
		money: "nothing",
		run: draw_grinding,
	},
	Attack {
		name: "replay-on-another-chain-or-job",
		what: "verdicts, proofs and commitments of one job are sent again for others",
		outcome: "BadProof, Stale, ProofTrace, CommitmentMismatch, Withheld",
		blocks: Blocks::None,
		money: "provider -10, requester +2.5, burned 7.5",
		run: replay_elsewhere,
	},
	Attack {
		name: "forged-authorized-call",
		what: "calls of drawn verifiers with other keys, by others, and as ordinary transactions",
		outcome: "BadProof, Custom(1), Custom(2), invalid: Call, ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: PROVEN_BY_VERIFIER,
		run: forged_calls,
	},
	Attack {
		name: "junk-in-wrappers",
		what: "calls that cannot succeed, in batches, to take the room that is kept for disputes",
		outcome: "Custom(100), Paid",
		blocks: Blocks::None,
		money: "requester -11.2, outsider -1, 3 verifiers +0.38 each, provider +10, burned 1.06",
		run: junk_in_wrappers,
	},
];

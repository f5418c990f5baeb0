//! Lanes: crowded, abandoned, dragged out, opened at the last moment.

use super::{
	proved_by_verifier, unanswered_to_outsider, PROVEN_BY_OUTSIDER, PROVEN_BY_VERIFIER, VERDICTS,
};
use crate::{
	actors::{Leader, Outsider, OutsiderMisdeed, ProviderMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain, models, offline,
	people::{Person, VALIDATORS},
	stage::{ensure, expect, nobody, offer, Cast, Report, Stage},
	work::{Lie, Table, Work},
};
use assay_market::{Assurance, Audit, ChallengeMove, Phase};
use assay_runtime::{Arbitration, Jobs, System};
use sp_runtime::Permill;

/// As many accounts of one owner as a job takes proof commitments.
const PUPPETS: usize = 64;

fn lie() -> Lie {
	Lie::at(0, models::inference().anchor(0), 0)
}

fn puppets() -> Vec<Person> {
	(0..=PUPPETS).map(Person::sock_puppet).collect()
}

/// Verifiers that give a right verdict and leave it at that, so that outsiders are alone.
fn idle() -> Vec<VerifierMisdeed> {
	vec![VerifierMisdeed::Idle; 3]
}

/// A right result, and an outsider who thinks that it is wrong.
fn mistaken(
	misdeed: OutsiderMisdeed,
	provider: ProviderMisdeed,
	play: impl FnOnce(&mut Stage) -> Result<Report, String>,
) -> Result<Report, String> {
	let outsiders = vec![(Person::named("Outsider"), misdeed)];
	let cast = Cast { provider, outsiders, drawn: idle(), ..Cast::default() };
	chain::run(|world| {
		let work = models::inference();
		let mut stage = Stage::post(world, work.clone(), cast);
		stage.outsiders[0].leader = Leader::new(Table::lying(&work, lie()));
		stage.outsiders[0].leader.careless = true;
		play(&mut stage)
	})
}

fn false_accuser_outsider() -> Result<Report, String> {
	mistaken(OutsiderMisdeed::AbandonLane, ProviderMisdeed::None, |stage| stage.play())
}

/// A result that nobody was drawn to verify, and an outsider's demand about it.
fn withheld_openings() -> Result<Report, String> {
	let audit = Audit::Custom(Permill::from_percent(5));
	let offer = Offer { assurance: Assurance { audit, ..Assurance::default() }, ..offer() };
	chain::run(|world| {
		let work = models::inference();
		let provider = ProviderMisdeed::LieAndHide(lie());
		let outsiders = vec![(Person::named("Outsider"), OutsiderMisdeed::None)];
		let cast = Cast { provider, outsiders, ..Cast::default() };
		let mut stage = Stage::post_for(world, work, cast, offer);
		stage.draw = nobody;
		let report = stage.play()?;
		ensure(stage.view().audited == Some(false), "the job was audited")?;
		Ok(report)
	})
}

/// A right result that three verifiers have confirmed, and a provider that does not answer its
/// accomplice: nothing shows that the verifiers were wrong.
fn honest_vouchers() -> Result<Report, String> {
	mistaken(OutsiderMisdeed::None, ProviderMisdeed::Withhold, |stage| stage.play())
}

/// How far a dawdling accomplice can push the settlement beyond the base deadline.
fn self_demands_to_delay() -> Result<Report, String> {
	mistaken(OutsiderMisdeed::Dawdle, ProviderMisdeed::None, |stage| {
		stage.until_phase(Phase::Challengeable)?;
		let deadline = stage.view().deadline.ok_or("no deadline")?;
		let mut report = stage.play()?;
		let ended = stage.view().history.last().map_or(0, |(_, block)| *block);
		ensure(stage.was_refused("Outsider", "NotWrong"), "the accomplice proved something")?;
		report.outcome =
			format!("NotWrong, {} {} blocks after the deadline", report.outcome, ended - deadline);
		Ok(report)
	})
}

fn crowd_of_lanes() -> Result<Report, String> {
	let crowd = puppets();
	chain::run_with(VALIDATORS.len(), &crowd, |world| {
		let provider = ProviderMisdeed::Lie(lie());
		let mut stage =
			Stage::post(world, models::inference(), Cast { provider, ..Cast::default() });
		stage.until_revealed()?;
		// In front of everyone, in the first block in which lanes can be opened.
		let demands = crowd.iter().map(|who| calls::demand(who, stage.job, None)).collect();
		for verdict in stage.tick_with(demands) {
			expect("a puppet's lane", verdict, Ok(()))?;
		}
		let lanes = Arbitration::lanes(stage.job).len();
		ensure(lanes == crowd.len(), format!("{lanes} lanes"))?;
		stage.play()
	})
}

fn junk_proof_commitments() -> Result<Report, String> {
	let crowd = puppets();
	let outsiders = vec![(Person::named("Outsider"), OutsiderMisdeed::None)];
	chain::run_with(VALIDATORS.len(), &crowd, |world| {
		let provider = ProviderMisdeed::Lie(lie());
		let cast = Cast { provider, drawn: idle(), outsiders, ..Cast::default() };
		let mut stage = Stage::post(world, models::inference(), cast);
		stage.outsiders[0].commits = true;
		stage.until_revealed()?;
		let junk =
			|(at, who): (usize, &Person)| calls::commit_proof_raw(who, stage.job, [at as u8; 32]);
		let commitments = crowd.iter().enumerate().map(junk).collect();
		let mut verdicts = stage.tick_with(commitments);
		let last = verdicts.pop().ok_or("no verdicts")?;
		expect("the 65th commitment", last, Err("TooManyCommitments"))?;
		for verdict in verdicts {
			expect("a junk commitment", verdict, Ok(()))?;
		}
		// The honest prover finds no place either, and sends its proof as it is.
		stage.until(|stage| stage.was_refused("Outsider", "TooManyCommitments"))?;
		stage.outsiders[0].commits = false;
		let mut report = stage.play()?;
		report.outcome = format!("TooManyCommitments, {}", report.outcome);
		Ok(report)
	})
}

/// Nobody but one outsider objects, and it does so in the last block that counts.
fn settle_race() -> Result<Report, String> {
	let late = |after: u32| {
		chain::run(|world| {
			let drawn = vec![VerifierMisdeed::AlwaysValid; 3];
			let provider = ProviderMisdeed::Lie(lie());
			let cast = Cast { provider, drawn, ..Cast::default() };
			let mut stage = Stage::post(world, models::inference(), cast);
			stage.until_phase(Phase::Challengeable)?;
			let deadline = stage.view().deadline.ok_or("no deadline")?;
			while System::block_number() + 1 < deadline + after {
				stage.tick();
			}
			let outsider = Person::named("Outsider");
			if after > 0 {
				let late = stage.with(calls::demand(&outsider, stage.job, None));
				expect("the late demand", late, Err("invalid: Custom(100)"))?;
				return stage.play();
			}
			let truth = stage.truth.clone();
			stage.outsiders.push(Outsider::new(outsider, truth, OutsiderMisdeed::None));
			stage.tick();
			let poke = calls::poke_job(&Person::named("Accomplice"), stage.job);
			let early = stage.with(poke.clone());
			expect("the push while a lane is alive", early, Err("Disputed"))?;
			stage.play()
		})
	};
	let (in_time, too_late) = (late(0)?, late(1)?);
	let outcome = format!("Disputed, {}; Custom(100), {}", in_time.outcome, too_late.outcome);
	Ok(Report { outcome, ..in_time })
}

/// The proof of the lie, made by somebody who has both runs, as the provider's own accomplice has.
fn own_proof(work: &Work) -> Vec<assay_referee::ProofPart> {
	offline::proof(work, &Table::lying(work, lie()), &Table::honest(work))
}

/// The provider opens its wrong result and has an accomplice prove it in the same block, before the
/// verifiers can open what they had committed.
fn proving_oneself() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::inference();
		let provider = ProviderMisdeed::Lie(lie());
		let mut stage = Stage::post(world, work.clone(), Cast { provider, ..Cast::default() });
		stage.until_phase(Phase::Revealing)?;
		let proof = own_proof(&work).remove(0);
		let reveal = stage.provider.act(&work, stage.job).remove(0);
		let own = calls::prove_fraud(&Person::named("Accomplice"), stage.job, proof);
		for verdict in stage.world.block(vec![reveal, own]) {
			expect("the reveal with its proof", verdict, Ok(()))?;
		}
		ensure(stage.phase() == Phase::Revealing, "the verifiers have no time left to open")?;
		stage.play()
	})
}

/// A verifier's signed demand, sent again by the provider after the next answer.
fn replayed_demand() -> Result<Report, String> {
	chain::run(|world| {
		let provider = ProviderMisdeed::Lie(lie());
		let drawn = vec![VerifierMisdeed::None, VerifierMisdeed::Idle, VerifierMisdeed::Idle];
		let mut stage =
			Stage::post(world, models::inference(), Cast { provider, drawn, ..Cast::default() });
		stage.until_revealed()?;
		let honest = stage.drawn()[0].clone();
		let answers = |stage: &Stage| {
			let lane = Arbitration::lane(stage.job, honest.account());
			lane.map_or(0, |lane| lane.opened.len())
		};
		stage.until(|stage| answers(stage) == 1)?;
		// As it lies in the pool, and in a block, for everyone to copy.
		let duties = Arbitration::disputes(&[honest.verifier_key()]);
		let duty = duties.into_iter().next().ok_or("no duty")?;
		let work = stage.work.clone();
		let leader = &mut stage.verifier(&honest).leader;
		let action = leader.next_move(&work, &duty.result, duty.lane.as_ref());
		let Some(ChallengeMove::Demand { child: Some(child) }) = action else {
			return Err(format!("not a demand further down: {action:?}"));
		};
		let demand = ChallengeMove::Demand { child: Some(child) };
		let copied = calls::move_as_verifier(&honest, stage.job, demand);
		stage.until(|stage| answers(stage) == 2)?;
		expect("the copy", stage.with(copied), Err("invalid: BadProof"))?;
		ensure(Jobs::job_view(stage.job).is_some(), "the job is there")?;
		let mut report = stage.play()?;
		report.outcome = format!("BadProof, {}", report.outcome);
		Ok(report)
	})
}

/// A paid job beside a lane whose deposit of 1 was forfeited: half to the provider, half burned.
const FORFEITED: &str =
	"requester -11.2, outsider -1, 3 verifiers +0.38 each, provider +10, burned 1.06";

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "false-accuser-outsider",
		what: "somebody opens a lane about a right result and lets it go: half burned, half to the provider",
		outcome: "Paid",
		blocks: Blocks::None,
		money: FORFEITED,
		run: false_accuser_outsider,
	},
	Attack {
		name: "withheld-openings",
		what: "an unaudited wrong result whose provider does not answer: its bond is 21 times the price",
		outcome: "Withheld",
		blocks: unanswered_to_outsider(),
		money: "provider -210.051900727358, outsider +0.00100624688, requester +10, burned 200.050894480478",
		run: withheld_openings,
	},
	Attack {
		name: "honest-vouchers-of-a-withheld-result",
		what: "a right result, confirmed by all, that the provider withholds to have them slashed",
		outcome: "Withheld",
		blocks: unanswered_to_outsider(),
		money: "provider -10, outsider +0.00100624688, requester +2.5, burned 7.49899375312",
		run: honest_vouchers,
	},
	Attack {
		name: "self-demands-to-crowd-out",
		what: "65 accounts of the provider open lanes before the verifiers do: lanes run in parallel",
		outcome: "ProvenFraud",
		// The puppets' lanes begin in the block after the reveal; a live lane lets those whose
		// verdicts are still hidden speak too, a block later than an outsider's.
		blocks: Blocks::Exactly(6),
		money: PROVEN_BY_VERIFIER,
		run: crowd_of_lanes,
	},
	Attack {
		name: "self-demands-to-delay",
		what: "an accomplice makes every move in the last block that counts: bounded, and it pays",
		outcome: "NotWrong, Paid 6 blocks after the deadline",
		blocks: Blocks::None,
		money: FORFEITED,
		run: self_demands_to_delay,
	},
	Attack {
		name: "junk-proof-commitments",
		what: "64 accounts take all places for proof commitments; the prover sends its proof without",
		outcome: "TooManyCommitments, ProvenFraud",
		blocks: Blocks::Exactly(6),
		money: PROVEN_BY_OUTSIDER,
		run: junk_proof_commitments,
	},
	Attack {
		name: "settle-race-at-the-deadline",
		what: "the only objection comes in the deadline block; the job waits. A block later: too late",
		outcome: "Disputed, ProvenFraud; Custom(100), Paid",
		// The challenge period of 9 blocks begins when the verdicts are open; the demand comes in
		// its last one, and is answered and followed by one more and the proof.
		blocks: Blocks::Exactly(VERDICTS + 9 + 5),
		money: "provider -10, outsider +2, requester +2.5, burned 5.5; \
			deferred: 3 verifiers -2000 each",
		run: settle_race,
	},
	Attack {
		name: "proving-ones-own-fraud",
		what: "reveal and proof in one block, to have honest verifiers taken for accomplices",
		outcome: "ProvenFraud",
		blocks: Blocks::Exactly(0),
		money: "provider -10, accomplice +2, requester +2.5, burned 5.5",
		run: proving_oneself,
	},
	Attack {
		name: "replayed-demand",
		what: "the provider sends a verifier's signed demand again, to lead its lane astray",
		outcome: "BadProof, ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: PROVEN_BY_VERIFIER,
		run: replayed_demand,
	},
];

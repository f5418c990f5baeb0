//! Verdicts without a replay, or with chunks that are not the sampled ones.

use super::{verdicts::noted, PAID, PAID_TO_ONE, PAID_TO_TWO};
use crate::{
	actors::{salt, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain::{self, Tx},
	models,
	people::Person,
	stage::{ensure, expect, nobody, offer, Cast, Report, Stage},
	work::{Lie, Table},
};
use assay_market::{Assurance, Audit, Outcome, Phase, SampledChunk, SeatStatus};
use assay_runtime::{Jobs, Runtime, RuntimeEvent};
use sp_runtime::Permill;

/// The seed of the sample, once it is known.
fn sample(stage: &Stage, who: &Person) -> Option<assay_market::Hash> {
	let duties = Jobs::assignments(&[who.verifier_key()]).into_iter();
	duties.filter(|duty| duty.job == stage.job).find_map(|duty| duty.sample)
}

/// A verdict of `who` with these chunks.
fn opening(stage: &Stage, who: &Person, chunks: Option<Vec<SampledChunk>>) -> Tx {
	let root = stage.truth.run_root();
	calls::reveal_verdict(who, stage.job, root, salt(&who.name, stage.job), chunks)
}

/// How a seat stands.
fn status(stage: &Stage, who: &Person) -> Option<SeatStatus> {
	let seats = stage.view().verdicts;
	seats.into_iter().rev().find(|seat| seat.account == who.account()).map(|seat| seat.status)
}

/// Nobody's stake waits to be slashed, and nobody is suspended.
fn nobody_is_harmed(stage: &Stage) -> Result<(), String> {
	let harmed = stage.world.log.iter().any(|(_, event)| {
		use pallet_assay_stake::Event as Stake;
		matches!(
			event,
			RuntimeEvent::Offences(_)
				| RuntimeEvent::Stake(
					Stake::SlashDeferred { .. }
						| Stake::Slashed { .. }
						| Stake::VerifierSuspended { .. }
				)
		)
	});
	let waiting = pallet_assay_stake::DeferredSlashes::<Runtime>::iter().count();
	ensure(!harmed && waiting == 0, "somebody was harmed")
}

/// A verifier that learned the right root tries every chunk that it can get hold of, and then opens
/// the bare root.
fn root_without_a_trace() -> Result<Report, String> {
	let drawn = vec![VerifierMisdeed::Hearsay];
	chain::run(|world| {
		let work = models::inference();
		let mut stage = Stage::post(world, work.clone(), Cast { drawn, ..Cast::default() });
		stage.until_phase(Phase::Verifying)?;
		let (lazy, honest) = (stage.drawn()[0].clone(), stage.drawn()[1].clone());
		stage.until(|stage| sample(stage, &lazy).is_some())?;
		let seed = sample(&stage, &lazy).ok_or("no sample")?;
		let truth = stage.truth.clone();
		// What another verifier shows, in the same block; what a lying replay has there; nothing.
		let others = truth.chunks(&work, &seed, &honest.bytes());
		let wrong = Table::lying(&work, Lie::at(0, work.anchor(0), 0));
		let wrong = wrong.chunks(&work, &seed, &lazy.bytes());
		let mut half = others.clone();
		half.pop();
		let mut twice = truth.chunks(&work, &seed, &lazy.bytes());
		let own = twice.clone();
		twice.reverse();
		ensure(twice != own, "both positions are the same one")?;
		let attempts =
			[others, wrong, half, twice, vec![]].map(|chunks| opening(&stage, &lazy, Some(chunks)));
		let count = attempts.len();
		for verdict in stage.tick_with(attempts.to_vec()) {
			expect("chunks", verdict, Err("invalid: Custom(6)"))?;
		}
		let report = stage.play()?;
		ensure(status(&stage, &lazy) == Some(SeatStatus::Opened), "it counts as a verdict")?;
		ensure(noted(&lazy, Outcome::VerifierMatched) == 0, "it has merit")?;
		Ok(Report { outcome: format!("{count} × Custom(6), {}", report.outcome), ..report })
	})
}

/// Three validators, so that each is drawn for each job; one of them opens its root without chunks
/// in more jobs in a row than faults would suspend it for.
fn bare_openings() -> Result<Report, String> {
	const JOBS: u32 = 4;
	chain::run_with(3, &[], |world| {
		let alice = Person::named("Alice");
		let mut last = None;
		for _ in 0..JOBS {
			let mut stage = Stage::post(world, models::inference(), Cast::default());
			let work = stage.work.clone();
			stage.verifier(&alice).corrupt(&work, VerifierMisdeed::Hearsay);
			let report = stage.play()?;
			ensure(report.outcome == "Paid", format!("a job ended as {}", report.outcome))?;
			let bare = status(&stage, &alice) == Some(SeatStatus::Opened);
			ensure(bare, "the bare root counts as a verdict")?;
			nobody_is_harmed(&stage)?;
			last = Some(report);
		}
		ensure(noted(&alice, Outcome::VerifierAbstained) == JOBS, "it is not noted")?;
		ensure(noted(&alice, Outcome::VerifierMatched) == 0, "it has merit")?;
		let report = last.ok_or("no job")?;
		Ok(Report { outcome: format!("{}, no fault, no offence", report.outcome), ..report })
	})
}

/// Chunks before the sample is drawn, and openings whose chunks somebody strips or adds on the way.
fn premature_and_stripped() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::inference();
		let mut stage = Stage::post(world, work.clone(), Cast::default());
		stage.until_phase(Phase::Revealing)?;
		let verifier = stage.drawn()[0].clone();
		let guess = stage.truth.chunks(&work, &[7; 32], &verifier.bytes());
		let early = opening(&stage, &verifier, Some(guess));
		expect("chunks before the sample", stage.with(early), Err("invalid: Future"))?;
		stage.until(|stage| sample(stage, &verifier).is_some())?;
		let seed = sample(&stage, &verifier).ok_or("no sample")?;
		let chunks = stage.truth.chunks(&work, &seed, &verifier.bytes());
		let (root, salt) = (stage.truth.run_root(), salt(&verifier.name, stage.job));
		let job = stage.job;
		let stripped = calls::open_verdict(&verifier, job, root, salt, true, None);
		let added = calls::open_verdict(&verifier, job, root, salt, false, Some(chunks));
		for verdict in stage.tick_with(vec![stripped, added]) {
			expect("another opening than was signed", verdict, Err("invalid: BadProof"))?;
		}
		let report = stage.play()?;
		Ok(Report { outcome: format!("Future, 2 × BadProof, {}", report.outcome), ..report })
	})
}

/// A verifier shows chunks of a wrong replay of its own: they are that run's, so that it is a
/// verdict, and a wrong one.
fn lying_verifier() -> Result<Report, String> {
	let lie = Lie::at(0, models::inference().anchor(0), 0);
	let drawn = vec![VerifierMisdeed::Accuse(lie)];
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast { drawn, ..Cast::default() });
		let report = stage.play()?;
		let liar = stage.drawn()[0].clone();
		ensure(status(&stage, &liar) == Some(SeatStatus::Revealed), "it is no verdict")?;
		ensure(noted(&liar, Outcome::VerifierMismatched) == 1, "it is not noted")?;
		ensure(
			stage.was_refused(&liar.name, "NotWrong") || rejected(&stage),
			"it proved something",
		)?;
		Ok(report)
	})
}

/// Whether a proof was rejected by the chain.
fn rejected(stage: &Stage) -> bool {
	use pallet_assay_arbitration::Event::ProofRejected;
	let mut events = stage.world.log.iter();
	events.any(|(_, event)| matches!(event, RuntimeEvent::Arbitration(ProofRejected { .. })))
}

/// An audit that is requested when the result is public: whoever copies it has no trace to show.
fn audit_of_a_public_root() -> Result<Report, String> {
	let audit = Audit::Custom(Permill::from_percent(5));
	let offer = Offer { assurance: Assurance { audit, ..Assurance::default() }, ..offer() };
	let drawn = vec![VerifierMisdeed::Hearsay, VerifierMisdeed::Hearsay];
	chain::run(|world| {
		let work = models::inference();
		let cast = Cast { drawn, ..Cast::default() };
		let mut stage = Stage::post_for(world, work, cast, offer);
		stage.draw = nobody;
		stage.until_phase(Phase::Challengeable)?;
		ensure(stage.view().audited == Some(false), "the job was audited")?;
		stage.draw = |draw| draw.is_some_and(|sizes| sizes[0] == 3);
		let request = calls::request_audit(&Person::named("Requester"), stage.job);
		expect("the request", stage.with(request), Ok(()))?;
		stage.play()
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "copied-root-without-the-trace",
		what: "a lazy verifier learned the right root; others' chunks, a wrong run's and too few do not open it",
		outcome: "5 × Custom(6), Paid",
		blocks: Blocks::None,
		money: PAID_TO_TWO,
		run: root_without_a_trace,
	},
	Attack {
		name: "bare-openings",
		what: "the same validator opens bare roots in four jobs: it earns nothing, and it is no offence",
		outcome: "Paid, no fault, no offence",
		blocks: Blocks::None,
		money: PAID_TO_TWO,
		run: bare_openings,
	},
	Attack {
		name: "chunks-too-early-and-stripped",
		what: "chunks before their positions are drawn; others strip them off a signed opening, or add some",
		outcome: "Future, 2 × BadProof, Paid",
		blocks: Blocks::None,
		money: PAID,
		run: premature_and_stripped,
	},
	Attack {
		name: "chunks-of-a-wrong-replay",
		what: "a verifier opens a wrong root with chunks of its own wrong run: a verdict that earns nothing",
		outcome: "Paid",
		blocks: Blocks::None,
		money: PAID_TO_TWO,
		run: lying_verifier,
	},
	Attack {
		name: "audit-of-a-public-root",
		what: "an audit is requested when the root is public; two of three verifiers copy it",
		outcome: "Paid",
		blocks: Blocks::None,
		money: PAID_TO_ONE,
		run: audit_of_a_public_root,
	},
];

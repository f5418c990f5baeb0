//! Results that are right and never handed over, and those who say so falsely.

use crate::{
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain::{self, Tx},
	models,
	people::Person,
	stage::{ensure, nobody, offer, Cast, Report, Stage},
};
use assay_market::{verifier::signing_payload, Assurance, Audit, Phase, Purpose, VerifierAction};
use assay_runtime::{Runtime, RuntimeCall};
use sp_runtime::Permill;

/// A job whose result is looked at so rarely that nobody wins its lottery, so that keepers alone
/// tell.
fn rarely_audited() -> Offer {
	let audit = Audit::Custom(Permill::from_percent(5));
	Offer { assurance: Assurance { audit, ..Assurance::default() }, ..offer() }
}

fn post(world: &mut chain::World) -> Stage<'_> {
	let mut stage = Stage::post_for(world, models::inference(), Cast::default(), rarely_audited());
	stage.draw = nobody;
	stage
}

/// The keepers that were drawn last.
fn keepers(stage: &Stage) -> Vec<(Person, u32)> {
	let seats = pallet_assay_jobs::Seats::<Runtime>::get(stage.job);
	let keepers = seats.iter().filter(|seat| seat.purpose == Purpose::Keep);
	keepers.map(|seat| (stage.world.people[&seat.account].clone(), seat.drawn_at)).collect()
}

fn set_outputs(stage: &mut Stage, have: bool) {
	for verifier in &mut stage.verifiers {
		verifier.outputs = have;
	}
}

fn outputs_withheld() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = post(world);
		set_outputs(&mut stage, false);
		let mut report = stage.play()?;
		ensure(!stage.view().output_roots.is_empty(), "the roots are not public")?;
		let again = keepers(&stage).iter().all(|(_, drawn_at)| *drawn_at > 0);
		report.outcome =
			format!("keepers drawn {}, {}", if again { "twice" } else { "?" }, report.outcome);
		Ok(report)
	})
}

/// The first keepers are the requester's friends and say no; the next are not.
fn false_no_at_first() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = post(world);
		set_outputs(&mut stage, false);
		stage.until_revealed()?;
		let first = keepers(&stage).first().map(|(_, drawn_at)| *drawn_at);
		stage.until(|stage| {
			keepers(stage)
				.first()
				.map(|(_, drawn_at)| *drawn_at)
				.is_some_and(|at| Some(at) != first)
		})?;
		set_outputs(&mut stage, true);
		stage.play()
	})
}

/// A keeper's no of the first round is sent again in the second.
fn old_no_again() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = post(world);
		set_outputs(&mut stage, false);
		stage.until_revealed()?;
		let (first, order) = (keepers(&stage), calls::order_of(stage.job));
		let (_, first_at) = first.first().cloned().ok_or("no keeper")?;
		stage.until(|stage| {
			keepers(stage).first().is_some_and(|(_, drawn_at)| *drawn_at != first_at)
		})?;
		let job = stage.job;
		let (who, _) = keepers(&stage)
			.into_iter()
			.find(|(who, _)| first.iter().any(|(other, _)| other.name == who.name))
			.ok_or("nobody was drawn twice")?;
		let (account, retry, ok) = (who.account(), 0, false);
		let action = VerifierAction::AttestOutputs { ok, drawn_at: first_at };
		let payload =
			signing_payload(&calls::genesis_hash(), job, &order, &account, retry, &action);
		let signature = who.sign_as_verifier(&payload);
		let call =
			pallet_assay_jobs::Call::attest_outputs { job, order, account, ok, retry, signature };
		let replayed =
			stage.world.on_a_fork(|world| world.send(Tx::Authorized(RuntimeCall::Jobs(call))));
		let refused = replayed.err().ok_or("an old no counts again")?;
		set_outputs(&mut stage, true);
		let report = stage.play()?;
		Ok(Report { outcome: format!("{refused}, {}", report.outcome), ..report })
	})
}

/// Keepers say nothing, and three verifiers have come to the same outputs.
fn silent_keepers() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		set_outputs(&mut stage, false);
		stage.play()
	})
}

/// A keeper that was not drawn says yes for a provider that hands nothing over; and one that was,
/// early.
fn false_yes() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = post(world);
		set_outputs(&mut stage, false);
		stage.until_phase(Phase::Revealing)?;
		let (drawn, _) = keepers(&stage).first().cloned().ok_or("no keeper")?;
		let early = calls::attest_outputs(&drawn, stage.job, true);
		let early = stage.world.on_a_fork(|world| world.send(early)).err().ok_or("too early")?;
		stage.until_revealed()?;
		let stranger = calls::attest_outputs(&Person::named("Accomplice"), stage.job, true);
		let stranger =
			stage.world.on_a_fork(|world| world.send(stranger)).err().ok_or("a stranger")?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("{early}, {stranger}, {}", report.outcome), ..report })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "outputs-never-handed-over",
		what: "a provider commits to the right run and reveals it, and gives the outputs to nobody",
		outcome: "keepers drawn twice, Undelivered",
		blocks: Blocks::None,
		money: "provider -1, requester -1, burned 2",
		run: outputs_withheld,
	},
	Attack {
		name: "keepers-say-no-falsely",
		what: "friends of the requester were drawn to keep the outputs, and say that they cannot get them",
		outcome: "Paid",
		blocks: Blocks::None,
		money: "requester -10, provider +9.5, burned 0.5",
		run: false_no_at_first,
	},
	Attack {
		name: "old-no-in-a-new-round",
		what: "a keeper's no of the first round is sent again in the second",
		outcome: "invalid: BadProof, Paid",
		blocks: Blocks::None,
		money: "requester -10, provider +9.5, burned 0.5",
		run: old_no_again,
	},
	Attack {
		name: "silent-keepers",
		what: "no keeper says anything about outputs that three verifiers have",
		outcome: "Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: silent_keepers,
	},
	Attack {
		name: "false-yes-to-outputs",
		what: "a friend who was not drawn, and one who was, before the reveal, say that outputs are there",
		outcome: "invalid: Future, invalid: Custom(2), Undelivered",
		blocks: Blocks::None,
		money: "provider -1, requester -1, burned 2",
		run: false_yes,
	},
];

//! Whether a result is looked at: what one bribed, hidden or missing verifier gains.

use crate::{
	actors::{ProviderMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain, models,
	people::Person,
	stage::{ensure, expect, offer, prepare, Cast, Report, Stage},
	work::Lie,
};
use assay_market::{Assurance, Attestation, Audit};
use assay_runtime::Runtime;
use sp_runtime::Permill;

fn thinned() -> Offer {
	let audit = Audit::Custom(Permill::from_percent(20));
	Offer { assurance: Assurance { audit, ..Assurance::default() }, ..offer() }
}

/// One verifier wins the thinned lottery; where a second look opens, at least two win that.
fn one_then_more(sizes: Option<&[usize]>) -> bool {
	sizes.is_none_or(|sizes| sizes[0] == 1 || sizes[0] >= 2)
}

fn exactly_one(sizes: Option<&[usize]>) -> bool {
	sizes.is_none_or(|sizes| sizes[0] == 1)
}

fn five(sizes: Option<&[usize]>) -> bool {
	sizes.is_none_or(|sizes| sizes[0] == 5)
}

/// A sure audit that more verifiers win than a committee has.
fn more_winners_than_wanted() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.draw = five;
		stage.play()
	})
}

fn lie() -> ProviderMisdeed {
	ProviderMisdeed::Lie(Lie::at(0, models::inference().anchor(0), 0))
}

/// The only winner of a thinned lottery misbehaves.
fn one_look(provider: ProviderMisdeed, misdeed: VerifierMisdeed) -> Result<Report, String> {
	chain::run(|world| {
		let cast = Cast { provider, drawn: vec![misdeed], ..Cast::default() };
		let mut stage = Stage::post_for(world, models::inference(), cast, thinned());
		stage.draw = exactly_one;
		stage.until_revealed()?;
		stage.draw = one_then_more;
		let report = stage.play()?;
		let second = stage.view().verdicts.iter().any(|verdict| verdict.tranche > 0);
		let looks = if second { "a second look" } else { "one look" };
		Ok(Report { outcome: format!("{looks}, {}", report.outcome), ..report })
	})
}

/// Everyone who was drawn for a sure audit stays silent.
fn nobody_answers() -> Result<Report, String> {
	chain::run(|world| {
		let drawn = vec![VerifierMisdeed::Silent; 6];
		let mut stage = Stage::post(world, models::inference(), Cast { drawn, ..Cast::default() });
		let report = stage.play()?;
		let view = stage.view();
		ensure(view.run_root.is_none() && view.output_roots.is_empty(), "the result was shown")?;
		Ok(Report { outcome: format!("nothing shown, {}", report.outcome), ..report })
	})
}

/// On a chain with a single validator, which posts a job itself, and claims another's.
fn no_verifier() -> Result<Report, String> {
	chain::run_with(1, &[], |world| {
		prepare(world);
		let alice = Person::named("Alice");
		let requester = Person::named("Requester");
		let work = models::inference();
		let registered = world.send(calls::register_program(&requester, &work.bytes));
		expect("the program", registered, Ok(()))?;
		let assurance = Assurance { attestation: Attestation::OptedOut, ..Assurance::default() };
		let offer = Offer { assurance, ..offer() };
		let posted = world.send(calls::post_job(&alice, &work, offer));
		let posted = posted.err().ok_or("a job that nobody can verify was taken")?;
		expect("a job", world.send(calls::post_job(&requester, &work, offer)), Ok(()))?;
		expect("leaving", world.send(calls::register(&Person::named("Rival"), true)), Ok(()))?;
		let job = pallet_assay_jobs::NextJob::<Runtime>::get() - 1;
		// The only validator is a provider as well.
		let identity = pallet_assay_identity::Call::<Runtime>::deregister {};
		let left = world.send(chain::Tx::Signed(alice.clone(), identity.into()));
		expect("another identity", left, Ok(()))?;
		expect("a provider", world.send(calls::register(&alice, true)), Ok(()))?;
		let claimed = world.send(calls::claim_job(&alice, job));
		let claimed = claimed.err().ok_or("a job that nobody else can verify was claimed")?;
		Ok(Report {
			outcome: format!("{posted}, {claimed}"),
			blocks: None,
			money: "nothing".into(),
		})
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "bribed-only-verifier",
		what: "the only verifier of a rare audit differs from a wrong result and lets it be",
		outcome: "a second look, ProvenFraud",
		blocks: Blocks::Exactly(56),
		money: "provider -46.068428665418, verifier +9.213685733084, requester +11.517107166354, burned 25.33763576598",
		run: || one_look(lie(), VerifierMisdeed::Idle),
	},
	Attack {
		name: "hidden-only-verdict",
		what: "the only verifier of a rare audit of a wrong result never opens its verdict",
		outcome: "a second look, ProvenFraud",
		blocks: Blocks::Exactly(69),
		money: "provider -46.068428665418, verifier +9.213685733084, requester +11.517107166354, burned 25.33763576598; deferred: verifier -2000",
		run: || one_look(lie(), VerifierMisdeed::NeverReveal),
	},
	Attack {
		name: "false-alarm-in-a-rare-audit",
		what: "the only verifier of a rare audit of a right result never opens its verdict",
		outcome: "a second look, Paid",
		blocks: Blocks::None,
		money: "requester -12, 2 verifiers +0.95 each, provider +9.5, burned 0.6",
		run: || one_look(ProviderMisdeed::None, VerifierMisdeed::NeverReveal),
	},
	Attack {
		name: "more-winners-than-wanted",
		what: "a sure audit for three has five winners: each is paid, by a share for each that is expected",
		outcome: "Paid",
		blocks: Blocks::None,
		money: "requester -12, 5 verifiers +0.38 each, provider +9.5, burned 0.6",
		run: more_winners_than_wanted,
	},
	Attack {
		name: "work-for-nothing-without-verifiers",
		what: "no verifier of a sure audit answers: the requester sees nothing of the result",
		outcome: "nothing shown, Inconclusive",
		blocks: Blocks::None,
		money: "nothing",
		run: nobody_answers,
	},
	Attack {
		name: "job-that-nobody-can-verify",
		what: "the only validator posts a job, and claims another's",
		outcome: "NoVerifierAvailable, NoVerifierAvailable",
		blocks: Blocks::None,
		money: "nothing",
		run: no_verifier,
	},
];

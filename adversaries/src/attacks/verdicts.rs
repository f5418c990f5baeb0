//! Verifiers that do not verify, or that accuse falsely.

use super::{played, proved_by_outsider, proved_by_verifier, PAID_TO_TWO};
use crate::{
	actors::{OutsiderMisdeed, ProviderMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls, chain, models,
	people::Person,
	stage::{ensure, expect, Cast, Report, Stage},
	work::Lie,
};
use assay_market::Outcome;
use assay_runtime::{configs::market::SLASH_DEFERRAL_SESSIONS, Runtime, RuntimeEvent, Session};
use codec::Encode;
use pallet_assay_stake::{Call as Stake_, Ledgers};
use sp_runtime::DispatchError;

/// A lie in the first layer of an inference.
fn lie() -> ProviderMisdeed {
	ProviderMisdeed::Lie(Lie::at(0, models::inference().anchor(0), 0))
}

/// How often an outcome was noted for somebody.
pub(super) fn noted(who: &Person, outcome: Outcome) -> u32 {
	pallet_assay_identity::Reputations::<Runtime>::get(who.account()).count(outcome)
}

fn copy_a_verdict() -> Result<Report, String> {
	let drawn = vec![VerifierMisdeed::Copy];
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast { drawn, ..Cast::default() });
		let mut report = stage.play()?;
		let copier = stage.drawn()[0].clone();
		let refused = stage.was_refused(&copier.name, "invalid: Custom(3)");
		ensure(refused, "the copied commitment was opened")?;
		ensure(noted(&copier, Outcome::VerifierUnrevealed) == 1, "it is not noted")?;
		report.outcome = format!("Custom(3), {}", report.outcome);
		Ok(report)
	})
}

fn leaked_root() -> Result<Report, String> {
	let cast = Cast { provider: lie(), drawn: vec![VerifierMisdeed::Hearsay], ..Cast::default() };
	played(models::inference(), cast)
}

fn collusion_of_all() -> Result<Report, String> {
	let drawn = vec![VerifierMisdeed::AlwaysValid; 3];
	let outsiders = vec![(Person::named("Outsider"), OutsiderMisdeed::None)];
	played(models::inference(), Cast { provider: lie(), drawn, outsiders, ..Cast::default() })
}

/// Goes on until every slash that waits has been carried out.
pub(super) fn after_deferral(stage: &mut Stage) -> Result<(), String> {
	let due = Session::current_index() + SLASH_DEFERRAL_SESSIONS;
	while Session::current_index() < due {
		stage.world.block(vec![]);
	}
	stage.world.block(vec![]);
	let left = pallet_assay_stake::DeferredSlashes::<Runtime>::iter().count();
	ensure(left == 0, "a slash is still waiting")
}

fn always_valid() -> Result<Report, String> {
	let drawn = vec![VerifierMisdeed::AlwaysValid];
	let cast = Cast { provider: lie(), drawn, ..Cast::default() };
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), cast);
		let Report { outcome, blocks, .. } = stage.play()?;
		after_deferral(&mut stage)?;
		let money = stage.money()?;
		Ok(Report { outcome: format!("{outcome}, slashed after 50 sessions"), blocks, money })
	})
}

fn never_reveals(provider: ProviderMisdeed) -> Result<Report, String> {
	let cast = Cast { provider, drawn: vec![VerifierMisdeed::NeverReveal], ..Cast::default() };
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), cast);
		let report = stage.play()?;
		let silent = stage.drawn()[0].clone();
		ensure(noted(&silent, Outcome::VerifierUnrevealed) == 1, "it is not noted")?;
		Ok(report)
	})
}

/// Three validators, so that each is drawn for each job; one of them accuses the provider of two
/// honest jobs in a row. Each is a fault twice: for the proof that was refused, and for the
/// verdict.
fn false_accuser() -> Result<Report, String> {
	let work = models::inference();
	let accusation = Lie::at(0, work.anchor(0), 0);
	chain::run_with(3, &[], |world| {
		crate::stage::prepare(world);
		let registered =
			world.send(calls::register_program(&Person::named("Requester"), &work.bytes));
		expect("the program", registered, Ok(()))?;
		let before = crate::money::Purses::now(world);
		let mut moved = String::new();
		for _ in 0..2 {
			let mut stage = Stage::post(world, work.clone(), Cast::default());
			let misdeed = VerifierMisdeed::Accuse(accusation);
			stage.verifier(&Person::named("Bob")).corrupt(&work, misdeed);
			let report = stage.play()?;
			ensure(report.outcome == "Paid", format!("a false accuser won: {report:?}"))?;
			let changes = crate::money::Purses::now(stage.world).since(&before)?;
			moved = crate::money::describe(&changes, |who| match stage.part_of(who).as_str() {
				"verifier" if *who == Person::named("Bob").account() => "accuser".into(),
				part => part.into(),
			});
		}
		let rejected = world.log.iter().filter(|(_, event)| {
			use pallet_assay_arbitration::Event::ProofRejected;
			let RuntimeEvent::Arbitration(ProofRejected { error, .. }) = event else {
				return false;
			};
			// As events carry it: without a text.
			let not_wrong = pallet_assay_arbitration::Error::<Runtime>::NotWrong;
			error.encode() == DispatchError::from(not_wrong).encode()
		});
		let rejected = rejected.count();
		let suspended = world.log.iter().any(|(_, event)| {
			let bob = Person::named("Bob").account();
			matches!(
				event,
				RuntimeEvent::Stake(pallet_assay_stake::Event::VerifierSuspended { who, .. })
					if *who == bob
			)
		});
		ensure(suspended, "the accuser is not suspended")?;
		let outcome = format!("{rejected} × NotWrong, Paid, suspended");
		Ok(Report { outcome, blocks: None, money: moved })
	})
}

/// A verifier that has vouched sets all of its stake on its way out before the fraud is proved.
fn exit_before_the_slash() -> Result<Report, String> {
	let drawn = vec![VerifierMisdeed::AlwaysValid];
	let cast = Cast { provider: lie(), drawn, ..Cast::default() };
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), cast);
		stage.until(|stage| !stage.drawn().is_empty())?;
		let voucher = stage.drawn()[0].clone();
		// What binds the stake is the commitment: before it nobody knows who has won.
		stage.until(|stage| stage.is_seated(&voucher))?;
		let total = Ledgers::<Runtime>::get(voucher.account()).map_or(0, |ledger| ledger.total());
		expect("to chill", stage.with(calls::stake(&voucher, Stake_::chill {})), Ok(()))?;
		let unbond = calls::stake(&voucher, Stake_::unbond { amount: total });
		expect("to unbond", stage.with(unbond), Ok(()))?;
		let withdraw = calls::stake(&voucher, Stake_::withdraw {});
		expect("to withdraw", stage.with(withdraw), Err("LockedByJob"))?;
		let provider = stage.provider.who.clone();
		let bond = crate::stage::PROVIDER_STAKE;
		let unbond = calls::stake(&provider, Stake_::unbond { amount: bond });
		expect("the bond", stage.with(unbond), Err("InsufficientFreeStake"))?;
		let Report { outcome, blocks, .. } = stage.play()?;
		after_deferral(&mut stage)?;
		let outcome = format!("LockedByJob, InsufficientFreeStake, {outcome}, slashed in exit");
		Ok(Report { outcome, blocks, money: stage.money()? })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "copy-a-verdict",
		what: "a verifier sends another's commitment as its own: it cannot be opened",
		outcome: "Custom(3), Paid",
		blocks: Blocks::None,
		money: PAID_TO_TWO,
		run: copy_a_verdict,
	},
	Attack {
		name: "commit-a-leaked-root",
		what: "the provider leaks its wrong root, one verifier commits to it without a replay",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: "provider -10, verifier +2, requester +2.5, burned 5.5; deferred: verifier -2000",
		run: leaked_root,
	},
	Attack {
		name: "always-valid-verifier",
		what: "a verifier confirms whatever it is told; 50 sessions later its stake is slashed",
		outcome: "ProvenFraud, slashed after 50 sessions",
		blocks: proved_by_verifier(2, 1),
		money: "verifier -2000, provider -10, verifier +2, requester +2.5, burned 2005.5",
		run: always_valid,
	},
	Attack {
		name: "commit-and-not-reveal",
		what: "a verifier never opens its verdict on a right result",
		outcome: "Paid",
		blocks: Blocks::None,
		money: PAID_TO_TWO,
		run: || never_reveals(ProviderMisdeed::None),
	},
	Attack {
		name: "commit-and-not-reveal-on-fraud",
		what: "the same on a wrong result: whoever hides is taken for an accomplice",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: "provider -10, verifier +2, requester +2.5, burned 5.5; deferred: verifier -2000",
		run: || never_reveals(lie()),
	},
	Attack {
		name: "collusion-of-all-drawn",
		what: "the provider and every drawn verifier agree on a wrong root; one outsider replays",
		outcome: "ProvenFraud",
		blocks: proved_by_outsider(2, 1),
		money: "provider -10, outsider +2, requester +2.5, burned 5.5; \
			deferred: 3 verifiers -2000 each",
		run: collusion_of_all,
	},
	Attack {
		name: "false-accuser-verifier",
		what: "a verifier accuses two right results in a row: no fee, then no draws, never a slash",
		outcome: "2 × NotWrong, Paid, suspended",
		blocks: Blocks::None,
		money: "requester -21.6, 2 verifiers +0.76 each, provider +19, burned 1.08",
		run: false_accuser,
	},
	Attack {
		name: "exit-before-the-slash",
		what: "a voucher chills and unbonds everything, the provider its bond, before the proof",
		outcome: "LockedByJob, InsufficientFreeStake, ProvenFraud, slashed in exit",
		blocks: proved_by_verifier(2, 1),
		money: "verifier -2000, provider -10, verifier +2, requester +2.5, burned 2005.5",
		run: exit_before_the_slash,
	},
];

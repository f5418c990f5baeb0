//! Deals that should not pay.

use super::verdicts::noted;
use crate::{
	actors::{ProviderMisdeed, RequesterMisdeed},
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain::{self, World},
	models,
	money::{self, Purses},
	people::Person,
	stage::{ensure, expect, offer, prepare, Cast, Report, Stage},
};
use assay_market::{Assurance, Attestation, Outcome};
use assay_runtime::{constants::currency::MILLI, Balance, Jobs};

/// A little above the lowest price for so little work.
const LOWEST: Balance = MILLI + MILLI / 10;

fn cast(requester: RequesterMisdeed) -> Cast {
	Cast { requester, ..Cast::default() }
}

fn claim_and_stall() -> Result<Report, String> {
	let provider = ProviderMisdeed::Stall;
	chain::run(|world| {
		let mut stage =
			Stage::post(world, models::inference(), Cast { provider, ..Cast::default() });
		let report = stage.play()?;
		let stalled = noted(&Person::named("Provider"), Outcome::ProviderStalled);
		ensure(stalled == 1, "the stall is not noted")?;
		Ok(report)
	})
}

fn cancel(misdeed: RequesterMisdeed, refused: Option<&str>) -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), cast(misdeed));
		let mut report = stage.play()?;
		if let Some(refused) = refused {
			ensure(stage.was_refused("requester", refused), "the requester was not refused")?;
			report.outcome = format!("{refused}, {}", report.outcome);
		}
		Ok(report)
	})
}

/// One owner behind requester and provider farms reputation at the lowest price there is.
fn self_dealing() -> Result<Report, String> {
	let cheap = |attestation| Offer {
		price_start: LOWEST,
		price_max: LOWEST,
		assurance: Assurance { attestation, ..Assurance::default() },
		..offer()
	};
	let provider = Person::named("Provider");
	chain::run(|world| {
		prepare(world);
		let work = models::inference();
		// One account in both parts.
		let registered = world.send(calls::register_program(&provider, &work.bytes));
		expect("the program", registered, Ok(()))?;
		let posted = world.send(calls::post_job(&provider, &work, cheap(Attestation::OptedOut)));
		expect("the job", posted, Ok(()))?;
		expect("the claim", world.send(calls::claim_job(&provider, 0)), Err("OwnJob"))?;
		expect("the end", world.send(calls::cancel_job(&provider, 0)), Ok(()))?;
		// Two accounts, without attestation: no merit at all.
		let opted_out = cheap(Attestation::OptedOut);
		let mut stage = Stage::post_for(world, work.clone(), Cast::default(), opted_out);
		let unattested = stage.play()?.outcome;
		ensure(noted(&provider, Outcome::ProviderPaid) == 0, "merit without attestation")?;
		// With it: merit, for what is burned and what the verifiers get.
		let required = cheap(Attestation::Required);
		let mut stage = Stage::post_for(world, work, Cast::default(), required);
		let mut report = stage.play()?;
		ensure(noted(&provider, Outcome::ProviderPaid) == 1, "no merit")?;
		report.outcome = format!("OwnJob; {unattested} without merit; {} with", report.outcome);
		Ok(report)
	})
}

fn program_removed() -> Result<Report, String> {
	chain::run(|world| {
		let cast = cast(RequesterMisdeed::RemoveProgram);
		let mut stage = Stage::post(world, models::inference(), cast);
		let mut report = stage.play()?;
		ensure(stage.was_refused("requester", "ProgramInUse"), "the program could be removed")?;
		let removal = calls::remove_program(&Person::named("Requester"), stage.work.id);
		expect("the removal afterwards", stage.with(removal), Ok(()))?;
		report.outcome = format!("ProgramInUse, {}", report.outcome);
		Ok(report)
	})
}

/// Bytes that are shorter than the program's type says: engines refuse them alike, so verifiers
/// cannot attest them.
fn malformed_inputs() -> Result<Report, String> {
	use assay_exec::{CpuExecutor, ExecError, Executor, Options, Tensor, Work};
	let mut work = models::inference();
	let ty = work.inputs[0].ty;
	let short = &work.inputs[0].bytes[..work.inputs[0].bytes.len() - 1024];
	work.inputs[0] = Tensor::new(ty, short.to_vec());
	let run = CpuExecutor::new().run(
		&Work { program: &work.program, checked: &work.checked, inputs: &work.inputs, steps: 1 },
		Options::default(),
		&mut (),
	);
	match run {
		Err(error @ ExecError::InputLength { index: 0, .. }) if !error.is_local() => {}
		other => return Err(format!("short inputs gave {other:?}")),
	}
	// The job's record names the short bytes; its verifiers hold them and find them malformed.
	chain::run(|world| {
		prepare(world);
		let requester = Person::named("Requester");
		let registered = world.send(calls::register_program(&requester, &work.bytes));
		expect("the program", registered, Ok(()))?;
		let before = Purses::now(world);
		let posted = world.send(calls::post_job(&requester, &work, offer()));
		expect("the job", posted, Ok(()))?;
		let view = |world: &mut World| {
			world.block(vec![]);
			Jobs::job_view(0).ok_or("the job is gone")
		};
		while view(world)?.verdicts.is_empty() {}
		for drawn in view(world)?.verdicts {
			let verifier = world.people[&drawn.account].clone();
			expect("an attestation", world.send(calls::attest(&verifier, 0, false)), Ok(()))?;
			if view(world)?.phase.is_terminal() {
				break;
			}
		}
		let reason = view(world)?.reason.ok_or("the job goes on")?;
		let moved = Purses::now(world).since(&before)?;
		let money = money::describe(&moved, ToString::to_string);
		Ok(Report { outcome: format!("InputLength, {reason:?}"), blocks: None, money })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "withheld-inputs",
		what: "the requester names inputs that nobody can get",
		outcome: "InputsUnavailable",
		blocks: Blocks::None,
		money: "requester -0.14192, burned 0.14192",
		run: || cancel(RequesterMisdeed::WithholdInputs, None),
	},
	Attack {
		name: "malformed-inputs",
		what: "an input is shorter than its type: every engine refuses it, no verifier attests it",
		outcome: "InputLength, InputsUnavailable",
		blocks: Blocks::None,
		money: "5C53HEC6E3waSbiRdH9ShTqjeCozGHnVLR9gKT4z8rXiYpbg -0.14192, burned 0.14192",
		run: malformed_inputs,
	},
	Attack {
		name: "claim-and-stall",
		what: "a provider claims a job and is never heard of again",
		outcome: "ProviderTimeout",
		blocks: Blocks::None,
		money: "provider -2, burned 2",
		run: claim_and_stall,
	},
	Attack {
		name: "cancel-while-claimed",
		what: "the requester cancels while the provider works: the provider gets its fee share",
		outcome: "CancelledWhileClaimed",
		blocks: Blocks::None,
		money: "requester -1.141920000001, provider +0.95, burned 0.191920000001",
		run: || cancel(RequesterMisdeed::CancelWhileClaimed, None),
	},
	Attack {
		name: "cancel-after-reading-the-result",
		what: "the requester cancels when the outputs are public",
		outcome: "TooLateToCancel, Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: || cancel(RequesterMisdeed::CancelAfterReading, Some("TooLateToCancel")),
	},
	Attack {
		name: "program-removed-mid-job",
		what: "the program's owner removes it while the job needs it",
		outcome: "ProgramInUse, Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: program_removed,
	},
	Attack {
		name: "self-dealing-reputation",
		what: "requester and provider are one: one account cannot, two pay what is burned for each merit",
		outcome: "OwnJob; Paid without merit; Paid with",
		blocks: Blocks::None,
		money: "requester -0.001232, 3 verifiers +0.0000418 each, provider +0.001045, burned 0.0000616",
		run: self_dealing,
	},
];

//! A job's number stands for another job on another fork: nothing that was said about the one binds anybody
//! to the other.

use crate::{
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain::{self, Tx},
	models,
	people::Person,
	stage::{ensure, expect, offer, prepare, Cast, Report, Stage, PRICE},
};
use assay_market::{verifier::signing_payload, Hash, JobId, Phase, Purpose, VerifierAction};
use assay_runtime::{Runtime, RuntimeCall};
use pallet_assay_arbitration::Call as Arbitration;
use pallet_assay_jobs::Call as Jobs;

/// When the other job's transaction arrives.
#[derive(Clone, Copy)]
enum Step {
	Attest,
	Claim,
	Commit,
	Reveal,
	Demand,
	Cancel,
}

/// The order that the next job's number has on a fork on which it is another job, at twice the price.
fn order_on_a_fork(stage_world: &mut chain::World, job: JobId) -> Hash {
	let dearer = Offer { price_max: 2 * PRICE, ..offer() };
	stage_world.on_a_fork(|world| {
		let work = models::inference();
		let requester = Person::named("Requester");
		// Registered on this fork where it is not known yet.
		let _ = world.send(calls::register_program(&requester, &work.bytes));
		assert_eq!(world.send(calls::post_job(&requester, &work, dearer)), Ok(()));
		calls::order_of(job)
	})
}

/// What was signed for the other order, sent on this fork.
fn stale(stage: &Stage, order: Hash, step: Step) -> Tx {
	let (job, provider) = (stage.job, stage.provider.who.clone());
	let signed =
		|who: &Person, call: Jobs<Runtime>| Tx::Signed(who.clone(), RuntimeCall::Jobs(call));
	match step {
		Step::Claim => calls::claim_order(&provider, job, order),
		Step::Commit => calls::commit_order(&provider, job, order, [7; 32]),
		Step::Reveal => {
			let opening = stage.truth.opening(&stage.work);
			let (run_root, salt) = (stage.truth.run_root(), stage.provider.salt);
			let call = Jobs::reveal_result { job, order, run_root, salt, opening, segments: None };
			signed(&provider, call)
		}
		Step::Cancel => signed(&stage.requester.who, Jobs::cancel_job { job, order }),
		Step::Demand => {
			let call = Arbitration::<Runtime>::demand { job, order, child: None, list: None };
			Tx::Signed(Person::named("Outsider"), RuntimeCall::Arbitration(call))
		}
		Step::Attest => {
			let seats = pallet_assay_jobs::Seats::<Runtime>::get(job);
			let seat = seats.iter().find(|seat| seat.purpose == Purpose::Attest).expect("drawn");
			let who = stage.world.people[&seat.account].clone();
			let (account, retry, ok) = (seat.account.clone(), 0, true);
			let action = VerifierAction::AttestInputs { ok, drawn_at: seat.drawn_at };
			let payload =
				signing_payload(&calls::genesis_hash(), job, &order, &account, retry, &action);
			let signature = who.sign_as_verifier(&payload);
			let call = Jobs::attest_inputs { job, order, account, ok, retry, signature };
			Tx::Authorized(RuntimeCall::Jobs(call))
		}
	}
}

fn another_job(step: Step) -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let job = pallet_assay_jobs::NextJob::<Runtime>::get();
		let order = order_on_a_fork(world, job);
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		ensure(stage.job == job, "the number is the same")?;
		ensure(calls::order_of(job) != order, "the order is another")?;
		match step {
			Step::Attest => {
				stage.until(|_| !pallet_assay_jobs::Seats::<Runtime>::get(job).is_empty())?;
			}
			Step::Claim | Step::Cancel => stage.until_phase(Phase::Open)?,
			Step::Commit => stage.until_phase(Phase::Claimed)?,
			Step::Reveal => stage.until_phase(Phase::Revealing)?,
			Step::Demand => stage.until_revealed()?,
		}
		let transaction = stale(&stage, order, step);
		let refused = stage.world.on_a_fork(|world| world.send(transaction));
		let refused = refused.err().ok_or("what was signed for another job was taken")?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("{refused}, {}", report.outcome), ..report })
	})
}

/// A provider's commitment for the job of one fork is opened for the same number on another: the same
/// program and inputs, at another price.
fn commitment_of_another_fork() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let job = pallet_assay_jobs::NextJob::<Runtime>::get();
		let order = order_on_a_fork(world, job);
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Claimed)?;
		let who = stage.provider.who.clone();
		let (root, salt) = (stage.truth.run_root(), stage.provider.salt);
		let commitment = assay_commitments::result_commitment(
			&calls::genesis_hash(),
			&order,
			&who.bytes(),
			&root,
			&salt,
		);
		let sent = stage.world.send(calls::commit_raw(&who, job, commitment));
		expect("a commitment is hidden", sent, Ok(()))?;
		let report = stage.play()?;
		ensure(stage.was_refused("provider", "CommitmentMismatch"), "another order was opened")?;
		Ok(Report { outcome: format!("CommitmentMismatch, {}", report.outcome), ..report })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "another-job-under-the-number-attest",
		what: "an attestation that was signed for another job of the same number, on another fork",
		outcome: "invalid: Custom(8), Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: || another_job(Step::Attest),
	},
	Attack {
		name: "another-job-under-the-number-claim",
		what: "a claim of another job of the same number, on another fork",
		outcome: "OtherOrder, Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: || another_job(Step::Claim),
	},
	Attack {
		name: "another-job-under-the-number-cancel",
		what: "a cancellation of another job of the same number, on another fork",
		outcome: "OtherOrder, Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: || another_job(Step::Cancel),
	},
	Attack {
		name: "another-job-under-the-number-commit",
		what: "a commitment to the result of another job of the same number, on another fork",
		outcome: "invalid: Custom(100), Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: || another_job(Step::Commit),
	},
	Attack {
		name: "another-job-under-the-number-reveal",
		what: "the opening of the result of another job of the same number, on another fork",
		outcome: "invalid: Custom(100), Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: || another_job(Step::Reveal),
	},
	Attack {
		name: "another-job-under-the-number-demand",
		what: "a demand about the result of another job of the same number, on another fork",
		outcome: "invalid: Custom(100), Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: || another_job(Step::Demand),
	},
	Attack {
		name: "commitment-of-another-fork",
		what:
			"a provider's client sends the commitment that it had made for the job of another fork",
		outcome: "CommitmentMismatch, Withheld",
		blocks: Blocks::None,
		money: "provider -10, requester +2.5, burned 7.5",
		run: commitment_of_another_fork,
	},
];

//! What comes of jobs that are claimed and left, and of results that are committed to and not
//! shown.

use crate::{
	actors::ProviderMisdeed,
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain::{self, Tx},
	models,
	people::Person,
	stage::{ensure, expect, nobody, offer, prepare, Cast, Report, Stage, PRICE, PROVIDER_STAKE},
};
use assay_market::{Assurance, Audit, JobId, Phase};
use assay_runtime::{Runtime, RuntimeCall, RuntimeEvent};
use sp_runtime::Permill;

/// Blocks of a ramp that others would want to have again.
const RAMP: u32 = 200;

/// The accounts of one owner that are providers.
const PUPPETS: [&str; 4] = ["Outsider", "Accomplice", "Thief", "Rival"];

/// Several calls of one account, all or none.
fn batch(who: &Person, transactions: Vec<Tx>) -> Tx {
	let calls = transactions
		.into_iter()
		.map(|transaction| match transaction {
			Tx::Signed(_, call) | Tx::Authorized(call) => call,
		})
		.collect();
	let call = pallet_utility::Call::<Runtime>::batch_all { calls };
	Tx::Signed(who.clone(), RuntimeCall::Utility(call))
}

/// Four accounts of one owner take a job from everybody else: at first in one transaction each,
/// which is refused, and then with a block between.
fn claim_and_give_back() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let puppets = PUPPETS.map(Person::named);
		let ready = puppets
			.iter()
			.flat_map(|who| [calls::register(who, true), calls::bond(who, PROVIDER_STAKE)])
			.collect();
		for verdict in world.send_all(ready) {
			expect("a provider", verdict, Ok(()))?;
		}
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Open)?;
		let job = stage.job;
		for who in &puppets {
			let both = vec![calls::claim_job(who, job), calls::give_back(who, job)];
			let both = stage.world.send(batch(who, both));
			ensure(both.is_err(), "claimed and given back in one transaction")?;
			ensure(stage.phase() == Phase::Open, "a batch did half of it")?;
		}
		for who in &puppets {
			expect("the claim", stage.world.send(calls::claim_job(who, job)), Ok(()))?;
			expect("giving back", stage.world.send(calls::give_back(who, job)), Ok(()))?;
		}
		let report = stage.report()?;
		Ok(Report { outcome: format!("no batch, {}", report.outcome), ..report })
	})
}

/// A requester keeps a place in the market: each time in the last block in which its job is open,
/// an accomplice claims it, and gives it back in the last block in which that counts.
fn ramps_for_one_deposit() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let puppets = PUPPETS.map(Person::named);
		let ready = puppets
			.iter()
			.flat_map(|who| [calls::register(who, true), calls::bond(who, PROVIDER_STAKE)])
			.collect();
		for verdict in world.send_all(ready) {
			expect("a provider", verdict, Ok(()))?;
		}
		let offer = Offer { ramp_blocks: RAMP, price_start: PRICE / 2, ..offer() };
		let mut stage = Stage::post_for(world, models::inference(), Cast::default(), offer);
		stage.until_phase(Phase::Open)?;
		let opened = stage.world.now();
		let mut waited = vec![];
		for who in &puppets {
			for call in [calls::claim_job, calls::give_back] {
				let deadline = stage.view().deadline.ok_or("no deadline")?;
				waited.push(deadline - stage.world.now());
				stage.world.roll_to(deadline - 1);
				expect("a move", stage.world.send(call(who, stage.job)), Ok(()))?;
			}
		}
		let (all, open) = (stage.world.now() - opened, waited[2]);
		ensure(waited.iter().step_by(2).skip(1).all(|blocks| *blocks == open), "not alike")?;
		ensure(waited[0] == RAMP + open, format!("{waited:?}"))?;
		let report = stage.report()?;
		Ok(Report { outcome: format!("one ramp in {all} blocks, {}", report.outcome), ..report })
	})
}

/// A requester has validators fetch its inputs, has an account of its own claim the job and give it
/// back, and cancels.
fn fetched_for_nothing() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Open)?;
		// Those who were drawn and have not answered yet do so now.
		let (job, who, requester) =
			(stage.job, stage.provider.who.clone(), stage.requester.who.clone());
		expect("the claim", stage.world.send(calls::claim_job(&who, job)), Ok(()))?;
		expect("giving back", stage.world.send(calls::give_back(&who, job)), Ok(()))?;
		let drawn = stage.view().verdicts;
		for seat in drawn.iter().filter(|seat| seat.status == assay_market::SeatStatus::Pending) {
			let late = stage.world.people[&seat.account].clone();
			let attested = stage.world.send(calls::attest(&late, job, true));
			expect("a late attestation", attested, Ok(()))?;
		}
		expect("the end", stage.world.send(calls::cancel_job(&requester, job)), Ok(()))?;
		let report = stage.report()?;
		let outcome = format!(
			"{} of {} who fetched are paid, {}",
			paid_holders(&stage, job),
			drawn.len(),
			report.outcome
		);
		Ok(Report { outcome, ..report })
	})
}

/// How many were paid for holding inputs or outputs of a job.
fn paid_holders(stage: &Stage, wanted: JobId) -> usize {
	use pallet_assay_jobs::Event::HolderPaid;
	let is = |event: &RuntimeEvent| matches!(event, RuntimeEvent::Jobs(HolderPaid { job, .. }) if *job == wanted);
	stage.world.log.iter().filter(|(_, event)| is(event)).count()
}

/// A requester chooses the rarest audit, and with it the largest bond, and sees to it that the
/// provider cannot reveal in time.
fn bounty_on_silence() -> Result<Report, String> {
	chain::run(|world| {
		let audit = Audit::Custom(Permill::from_percent(5));
		let rare = Offer { assurance: Assurance { audit, ..Assurance::default() }, ..offer() };
		let cast = Cast { provider: ProviderMisdeed::NeverReveal, ..Cast::default() };
		let mut stage = Stage::post_for(world, models::inference(), cast, rare);
		stage.draw = nobody;
		stage.play()
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "claim-and-give-back-in-one-batch",
		what: "four accounts claim a job and give it back, one after the other, so that nobody else can do it",
		outcome: "no batch, ProviderTimeout",
		blocks: Blocks::None,
		money: "accomplice -0.2, outsider -0.2, rival -0.2, thief -0.2, burned 0.8",
		run: claim_and_give_back,
	},
	Attack {
		name: "ramps-for-one-deposit",
		what: "a requester's friends claim its job and give it back in the last blocks: its ramp goes on",
		outcome: "one ramp in 732 blocks, ProviderTimeout",
		blocks: Blocks::None,
		money: "accomplice -2, outsider -2, rival -2, thief -2, burned 8",
		run: ramps_for_one_deposit,
	},
	Attack {
		name: "fetching-for-nothing",
		what: "a requester has its job claimed, given back and cancelled when validators have fetched its inputs",
		outcome: "3 of 3 who fetched are paid, Cancelled",
		blocks: Blocks::None,
		money: "provider -0.2, requester -0.141920000001, burned 0.341920000001",
		run: fetched_for_nothing,
	},
	Attack {
		name: "bounty-on-silence",
		what: "a provider is kept from revealing by a requester that has chosen a bond of 21 prices",
		outcome: "Withheld",
		blocks: Blocks::None,
		money: "provider -210.051900727358, requester +10, burned 200.051900727358",
		run: bounty_on_silence,
	},
];

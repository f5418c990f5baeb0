//! Lanes at different steps of one result: each opening takes a replay, unless one replay opens
//! them all.

use crate::{
	actors::Passes,
	attack::{Attack, Blocks},
	calls, chain, models,
	people::{Person, VALIDATORS},
	stage::{ensure, expect, Cast, Report, Stage},
	work::Work,
};
use assay_market::Turn;
use assay_runtime::{Arbitration, BlockNumber, Jobs, Runtime, System};
use pallet_assay_arbitration::Owed;

/// Steps that are demanded of, each by an account of its own.
const LANES: u32 = 7;
/// Blocks of one pass over the work, for a provider as slow as the clock assumes.
const PASS: BlockNumber = 20;
/// The anchor that is demanded of: the state's next value, of more than one tile.
const ANCHOR: u32 = 1;

fn work() -> Work {
	models::recurrent(LANES + 1)
}

/// The clocks of this chain have so many blocks for a pass over this job.
fn slow_down(stage: &Stage) {
	let work_units = stage.view().work_units;
	pallet_assay_jobs::Parameters::<Runtime>::mutate(|parameters| {
		parameters.answer.work_per_block = work_units.div_ceil(u64::from(PASS));
	});
}

fn deadline(stage: &Stage, who: &Person) -> Result<BlockNumber, String> {
	let lane = Arbitration::lane(stage.job, who.account()).ok_or("a lane is gone")?;
	ensure(matches!(lane.turn, Turn::Answer(_)), "nothing is owed")?;
	Ok(lane.deadline)
}

/// Leads all of these lanes one move further at once, each on a way of its own.
fn lead(
	stage: &mut Stage,
	crowd: &[(u32, Person)],
	child: impl Fn(u32) -> Option<u32>,
) -> Result<(), String> {
	let demands =
		crowd.iter().map(|(step, who)| calls::demand(who, stage.job, child(*step))).collect();
	for verdict in stage.tick_with(demands) {
		expect("a demand", verdict, Ok(()))?;
	}
	Ok(())
}

/// The first lane comes to its tensor a block ahead of all others, so that the pass which runs is
/// for its step alone. Then nobody moves any more: there is nothing to prove.
fn at_different_steps(passes: Passes) -> Result<Report, String> {
	let crowd: Vec<_> = (0..LANES).map(|step| (step, Person::sock_puppet(step as usize))).collect();
	let people: Vec<_> = crowd.iter().map(|(_, who)| who.clone()).collect();
	chain::run_with(VALIDATORS.len(), &people, |world| {
		let mut stage = Stage::post(world, work(), Cast::default());
		slow_down(&stage);
		stage.provider.passes = Some(passes);
		stage.until_revealed()?;
		lead(&mut stage, &crowd, |_| None)?;
		// What is above the tensors it keeps, and gives in the next block.
		stage.tick();
		lead(&mut stage, &crowd, Some)?;
		stage.tick();
		let (first, rest) = crowd.split_at(1);
		lead(&mut stage, first, |_| Some(ANCHOR))?;
		lead(&mut stage, rest, |_| Some(ANCHOR))?;
		let now = System::block_number();
		let time = pallet_assay_jobs::Parameters::<Runtime>::get().answer.base + 2 * PASS;
		let view = stage.view();
		ensure(deadline(&stage, &rest[0].1)? == now + time, "the clock has not two passes")?;
		let owed = Owed::<Runtime>::get(stage.provider.who.account());
		ensure(owed == 2 * u128::from(view.work_units), "two passes are not counted")?;
		let report = stage.play()?;
		ensure(Jobs::job_view(stage.job).is_some(), "the job is kept")?;
		ensure(!Owed::<Runtime>::contains_key(stage.provider.who.account()), "still owed")?;
		let made = stage.provider.passes.as_ref().map_or(0, |passes| passes.made);
		Ok(Report { outcome: format!("{made} passes, {}", report.outcome), ..report })
	})
}

fn lanes_at_different_steps() -> Result<Report, String> {
	// Who replays for each demand by itself loses its bond to the same lanes: the attack is one.
	let single = at_different_steps(Passes::one_by_one(PASS))?;
	ensure(single.outcome.ends_with("Withheld"), format!("no attack: {}", single.outcome))?;
	at_different_steps(Passes::of(PASS))
}

pub(super) const ATTACKS: &[Attack] = &[Attack {
	name: "lanes-at-different-steps",
	what:
		"seven accounts demand a tensor of a step each: one pass runs, and one opens all the others",
	outcome: "2 passes, Paid",
	blocks: Blocks::None,
	money: "requester -11.2, puppet -1.75, puppet -1.625, puppet -1.5, puppet -1.375, puppet -1.25, puppet -1.125, puppet -1, \
		3 verifiers +0.38 each, provider +14.3125, burned 5.3725",
	run: lanes_at_different_steps,
}];

//! Seats among the validators, and among those who verify, for little.

use super::verdicts::noted;
use crate::{
	actors::VerifierMisdeed,
	attack::{Attack, Blocks},
	calls,
	chain::{self, World},
	models,
	money::{self, Purses},
	people::{Person, VALIDATORS},
	stage::{ensure, expect, prepare, Cast, Report, Stage},
	work::Lie,
};
use assay_market::Outcome;
use assay_runtime::{
	constants::currency::UNIT, genesis_config_presets::VALIDATOR_STAKE, AccountId, Balance,
	Grandpa, Runtime, RuntimeEvent, Session,
};
use pallet_assay_stake::{Call as Stake_, Candidates, Config, Event as StakeEvent};
use std::collections::BTreeSet;

/// What a validator must have at least.
fn least() -> Balance {
	use frame_support::traits::Get;
	<Runtime as Config>::MinValidatorBond::get()
}

fn validate(who: &Person, displace: Option<&Person>) -> chain::Tx {
	calls::stake(who, Stake_::validate { displace: displace.map(Person::account) })
}

/// Bonds and sets keys, so that all of these can stand as validators.
fn ready(world: &mut World, people: &[Person], stake: Balance) -> Result<(), String> {
	let calls = people
		.iter()
		.flat_map(|who| [calls::bond(who, stake), calls::set_verifier_key(who, who)])
		.collect();
	world.send_all(calls).into_iter().try_for_each(|done| expect("getting ready", done, Ok(())))
}

/// Until what is planned now is the set that runs. It, and every set that is planned on the way,
/// must be that of the honest.
fn keep_the_set(world: &mut World) -> Result<(), String> {
	let after = Session::current_index() + 3;
	while Session::current_index() < after {
		world.block(vec![]);
		let planned: BTreeSet<AccountId> =
			Session::queued_keys().into_iter().map(|(who, _)| who).collect();
		let running: BTreeSet<AccountId> = Session::validators().into_iter().collect();
		for set in [planned, running] {
			ensure(set == honest(), format!("{} validators", set.len()))?;
		}
	}
	Ok(())
}

fn honest() -> BTreeSet<AccountId> {
	VALIDATORS.iter().map(|name| Person::named(name).account()).collect()
}

/// Twice as many accounts as there are validators, each with the least that a validator needs.
fn cheap_heads() -> Result<Report, String> {
	let puppets: Vec<_> = (0..2 * VALIDATORS.len() + 1).map(Person::sock_puppet).collect();
	chain::run_with(VALIDATORS.len(), &puppets, |world| {
		let before = Purses::now(world);
		ready(world, &puppets, least())?;
		for puppet in &puppets {
			expect("standing", world.send(validate(puppet, None)), Ok(()))?;
		}
		keep_the_set(world)?;
		let voters = Grandpa::grandpa_authorities();
		let votes: u64 = voters.iter().map(|(_, weight)| weight).sum();
		ensure(votes == VALIDATORS.len() as u64, "others vote")?;
		let moved = Purses::now(world).since(&before)?;
		Ok(Report {
			outcome: format!("{} candidates, {votes} votes", Candidates::<Runtime>::count()),
			blocks: None,
			money: money::describe(&moved, ToString::to_string),
		})
	})
}

/// All places for candidates are taken, by one owner. Its large account displaces an honest
/// validator, leaves, and one of its small ones takes the place; then the next.
fn displaced_validators() -> Result<Report, String> {
	use frame_support::traits::Get;
	let places: u32 = <Runtime as Config>::MaxCandidates::get();
	let fillers = places as usize - VALIDATORS.len();
	// One more than there are places for, to come in when the large one leaves.
	let puppets: Vec<_> = (0..=fillers).map(Person::sock_puppet).collect();
	let large = Person::named("Rival");
	chain::run_with(VALIDATORS.len(), &puppets, |world| {
		let before = Purses::now(world);
		ready(world, &puppets, least())?;
		ready(world, std::slice::from_ref(&large), VALIDATOR_STAKE + UNIT)?;
		let stand = puppets[..fillers].iter().map(|puppet| validate(puppet, None)).collect();
		for done in world.send_all(stand) {
			expect("standing", done, Ok(()))?;
		}
		ensure(Candidates::<Runtime>::count() == places, "a place is free")?;
		let (mut inside, mut outside) = (puppets.clone(), puppets[fillers].clone());
		inside.truncate(fillers);
		let mut refused = String::new();
		for name in VALIDATORS {
			let honest = Person::named(name);
			refused = match world.send(validate(&large, Some(&honest))) {
				Err(refused) => refused,
				Ok(()) => return Err(format!("{name} was displaced")),
			};
			// The weakest of equals is the one with the largest account.
			inside.sort_by_key(Person::account);
			let weakest = inside.pop().ok_or("no filler is left")?;
			expect("displacing", world.send(validate(&large, Some(&weakest))), Ok(()))?;
			let chill = calls::stake(&large, Stake_::chill {});
			expect("leaving", world.send(chill), Ok(()))?;
			expect("filling", world.send(validate(&outside, None)), Ok(()))?;
			inside.push(std::mem::replace(&mut outside, weakest));
		}
		keep_the_set(world)?;
		let moved = Purses::now(world).since(&before)?;
		Ok(Report {
			outcome: format!("{refused}, the same validators"),
			blocks: None,
			money: money::describe(&moved, ToString::to_string),
		})
	})
}

/// Three validators, so that each is drawn for each job. Bob accuses the provider of every honest
/// result but each second, which it confirms.
fn false_alarms_with_matches() -> Result<Report, String> {
	let work = models::inference();
	let accusation = Lie::at(0, work.anchor(0), 0);
	let bob = Person::named("Bob");
	chain::run_with(3, &[], |world| {
		prepare(world);
		let registered =
			world.send(calls::register_program(&Person::named("Requester"), &work.bytes));
		expect("the program", registered, Ok(()))?;
		let before = Purses::now(world);
		let mut moved = String::new();
		for alarm in [true, false, true] {
			let mut stage = Stage::post(world, work.clone(), Cast::default());
			if alarm {
				stage.verifier(&bob).corrupt(&work, VerifierMisdeed::Accuse(accusation));
			}
			let report = stage.play()?;
			ensure(report.outcome == "Paid", format!("a false accuser won: {report:?}"))?;
			let changes = Purses::now(stage.world).since(&before)?;
			moved = money::describe(&changes, |who| match stage.part_of(who).as_str() {
				"verifier" if *who == bob.account() => "accuser".into(),
				part => part.into(),
			});
		}
		ensure(noted(&bob, Outcome::VerifierMatched) == 1, "the right verdict is not noted")?;
		let suspended = world.log.iter().any(|(_, event)| {
			matches!(
				event,
				RuntimeEvent::Stake(StakeEvent::VerifierSuspended { who, .. })
					if *who == bob.account()
			)
		});
		ensure(suspended, "the accuser is not suspended")?;
		Ok(Report { outcome: "3 × Paid, suspended".into(), blocks: None, money: moved })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "cheap-heads",
		what: "two thirds of the candidates stand with 2 % of the stake, to have as many votes and slots",
		outcome: "19 candidates, 6 votes",
		blocks: Blocks::None,
		money: "nothing",
		run: cheap_heads,
	},
	Attack {
		name: "displaced-validators",
		what: "a large account displaces honest validators and leaves its places to small ones",
		outcome: "NotTheWeakest, the same validators",
		blocks: Blocks::None,
		money: "nothing",
		run: displaced_validators,
	},
	Attack {
		name: "false-alarms-with-matches",
		what: "a verifier accuses two right results and confirms one in between: no more draws",
		outcome: "3 × Paid, suspended",
		blocks: Blocks::None,
		money: "requester -32.8, accuser +0.38, 2 verifiers +1.14 each, provider +28.5, burned 1.64",
		run: false_alarms_with_matches,
	},
];

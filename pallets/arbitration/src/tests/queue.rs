//! Many demands at once: an honest provider has the time for all of them, and a cheating one gains
//! none that matters by owing much.

use super::*;
use crate::{Demanded, DepositLanes, Lanes, Owed};
use assay_market::JobId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// As `production` has them: the clocks of answers and moves, and the queue.
const BASE: u64 = 100;
const MOVE: u64 = 20;
const QUEUE: u64 = 1_200;
const RATE: u64 = 1_000;
/// Results that a busy provider has open.
const RESULTS: usize = 22;
/// Blocks of one replay: a provider of the rated speed that has as many results open makes one in
/// so long.
const REPLAY: u64 = 30;

fn production(patience: u64) {
	AnswerBase::set(BASE);
	MoveClock::set(MOVE + REPLAY);
	AnswerRate::set(RATE);
	Patience::set(patience);
	MaxAgenda::set(64);
}

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
	*state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
	let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
	(z ^ (z >> 27)) >> 7
}

/// A provider that replays at exactly the rate, one job after the other as they are demanded, and
/// keeps of a replay what the shipped client keeps: the roots of a step's anchors, the chunks of
/// one tensor.
#[derive(Default)]
struct Provider {
	/// Lanes whose openings wait for a replay, and for which place.
	waiting: VecDeque<(JobId, AccountId)>,
	/// Blocks that the first of them has been replayed for.
	spent: u64,
	known: BTreeSet<(JobId, u32, Option<u32>)>,
	replays: usize,
}

impl Provider {
	/// What a replay for this place teaches; nothing where the record of the run is enough.
	fn lesson(id: JobId, place: Place) -> Option<(JobId, u32, Option<u32>)> {
		match place {
			Place::Run { .. } => None,
			Place::Trace { step, .. } | Place::Lazy { step, .. } => Some((id, step, None)),
			Place::Tensor { step, anchor, .. } => Some((id, step, Some(anchor))),
		}
	}

	fn demanded(&mut self, id: JobId, who: &AccountId, run: &Run) {
		match Self::lesson(id, demanded(id, who)) {
			Some(lesson) if !self.known.contains(&lesson) => {
				self.waiting.push_back((id, who.clone()));
			}
			_ => {
				answer(id, who, run).expect("what is known is given at once");
			}
		}
	}

	/// Works for one block; what is done is given, if it is in time.
	fn work(&mut self, run: &Run) -> Result<(), String> {
		let Some((id, who)) = self.waiting.front().cloned() else { return Ok(()) };
		self.spent += 1;
		if self.spent < REPLAY {
			return Ok(());
		}
		self.spent = 0;
		self.replays += 1;
		self.waiting.pop_front();
		self.known.extend(Self::lesson(id, demanded(id, &who)));
		answer(id, &who, run).map(|_| ()).map_err(|error| format!("job {id}: {:?}", error.error))
	}
}

/// One attacker against all open results of one honest provider, in each at once and again at each
/// level, after up to `delay` blocks each time. Gives how many bonds were lost, and how many
/// replays it took.
fn attack(patience: u64, delay: u64, seed: u64) -> (usize, usize) {
	let mut counts = (0, 0);
	execute(|| {
		production(patience);
		let (run, mut state) = (honest(), seed);
		// As few tensors as levels: the longest way down.
		let way = [Some(1), Some(WIDE), Some(0)];
		let jobs: Vec<JobId> = (0..RESULTS).map(|_| post(run)).collect();
		let mut provider = Provider::default();
		let who = challenger();
		let mut due = BTreeMap::new();
		for id in &jobs {
			set_work(*id, REPLAY * RATE);
			due.insert(*id, now() + random(&mut state) % (delay.min(CHALLENGE_TIME - 1) + 1));
		}
		while !due.is_empty() {
			for id in due.clone().into_keys() {
				if condemned(id).is_some() {
					due.remove(&id);
				} else if due[&id] <= now() {
					let lane = Lanes::<Test>::get(id, &who);
					match lane {
						None => {
							assert_ok!(demand(id, &who, None));
						}
						Some(lane) if lane.turn != Turn::Move => continue,
						Some(lane) => match way.get(lane.answers as usize - 1) {
							Some(child) if demand(id, &who, *child).is_ok() => {}
							// At the tile there is nothing to prove: the result is right.
							_ => {
								due.remove(&id);
								continue;
							}
						},
					}
					provider.demanded(id, &who, run);
					due.insert(id, now() + random(&mut state) % (delay + 1));
				}
			}
			roll(1);
			// What is lost is not worked for any more.
			let first = provider.waiting.front().cloned();
			provider.waiting.retain(|(id, _)| condemned(*id).is_none());
			if provider.waiting.front() != first.as_ref() {
				provider.spent = 0;
			}
			provider.work(run).expect("whoever has not lost its bond is in time");
		}
		roll(QUEUE + 200);
		let lost = jobs.iter().filter(|id| condemned(**id).is_some()).count();
		assert!(jobs.iter().all(|id| job(*id).ended), "everything is over");
		assert_eq!(Owed::<Test>::iter().count(), 0, "nothing is owed any more");
		assert_eq!(Demanded::<Test>::iter().count(), 0);
		counts = (lost, provider.replays);
	});
	counts
}

/// H2: 22 open results, demanded of at once and at each level, two replays each.
#[test]
fn provider_should_lose_nothing_when_all_its_results_are_demanded_of_at_once() {
	let (lost, replays) = attack(QUEUE, 0, 0);
	assert_eq!((lost, replays), (0, 2 * RESULTS), "two replays for each result, none too late");
	// Without the queue, as it was, the same attacker takes most bonds.
	let (lost, _) = attack(0, 0, 0);
	assert!(lost > RESULTS / 2, "the attack is one: {lost} of {RESULTS}");
}

#[test]
fn provider_should_lose_nothing_when_demands_come_at_any_time() {
	for seed in 0..6 {
		for delay in [1, 10, MOVE + REPLAY - 1] {
			let (lost, _) = attack(QUEUE, delay, seed);
			assert_eq!(lost, 0, "seed {seed}, delay {delay}");
		}
	}
}

#[test]
fn deadline_should_count_what_is_owed_when_a_demand_is_made() {
	execute(|| {
		Patience::set(1_000);
		let ids: Vec<JobId> = (0..3).map(|_| post(honest())).collect();
		ids.iter().for_each(|id| set_work(*id, 40_000));
		for (at, id) in (0..).zip(&ids) {
			assert_ok!(demand(*id, &challenger(), None));
			assert_eq!(lane(*id, &challenger()).deadline, now() + ANSWER_TIME + 80 + 40 * at);
		}
		assert_eq!(Owed::<Test>::get(provider()), 120_000);
		// An answer takes its work off, and only what it was late by comes off the patience.
		assert_ok!(answer(ids[0], &challenger(), honest()));
		assert_eq!(Owed::<Test>::get(provider()), 80_000);
		assert_eq!(lane(ids[0], &challenger()).patience, 1_000);
		roll(ANSWER_TIME + 80 + 7);
		assert_ok!(answer(ids[1], &challenger(), honest()));
		assert_eq!(lane(ids[1], &challenger()).patience, 993);
		assert_ok!(demand(ids[1], &challenger(), Some(0)));
		assert_eq!(lane(ids[1], &challenger()).deadline, now() + ANSWER_TIME + 80 + 40);
	});
}

#[test]
fn demands_should_be_owed_no_more_when_the_result_falls() {
	execute(|| {
		let (fallen, standing) = (post(lying()), post(honest()));
		for id in [fallen, standing] {
			set_work(id, 5_000);
			assert_ok!(demand(id, &challenger(), None));
			assert_ok!(demand(id, &other(), None));
		}
		// Of each job the replay that may run, and the one for the lanes that it comes too early
		// for.
		assert_eq!(Owed::<Test>::get(provider()), 20_000);
		// Hidden verdicts keep the job open, and owe nothing.
		EndsLater::set(true);
		assert_ok!(prove_fraud(fallen, &bystander(), &lying().proof(lying().lie_accused())[0]));
		assert_eq!(Owed::<Test>::get(provider()), 10_000);
		assert!(!Demanded::<Test>::contains_key(fallen));
		assert_ok!(poke(fallen, &other()));
		end_job(fallen);
		assert_ok!(poke(fallen, &challenger()));
		assert_eq!(Owed::<Test>::get(provider()), 10_000);
		// A job that ends for another reason takes its demands along.
		end_job(standing);
		assert_eq!(Owed::<Test>::iter().count(), 0);
		assert_ok!(poke(standing, &challenger()));
		assert_ok!(poke(standing, &other()));
		assert_eq!(Owed::<Test>::iter().count(), 0);
	});
}

/// Accomplices demand of a cheating provider without end, in jobs of its own: a challenger waits
/// for one lane's patience longer, however much is owed, and then the result falls.
#[test]
fn result_should_fall_within_its_bound_when_the_provider_has_others_demand_of_it() {
	execute(|| {
		production(QUEUE);
		for index in 0..60 {
			let own = post(honest());
			set_work(own, u64::MAX / 2);
			assert_ok!(demand(own, &account(100 + index), None));
		}
		let id = post(lying());
		set_work(id, REPLAY * RATE);
		let opened = now();
		assert_ok!(demand(id, &challenger(), None));
		// As late as it can be, at each level but the last, where the cheat would give itself away.
		let mut levels = 0;
		loop {
			levels += 1;
			let latest = opened + levels * (BASE + 2 * REPLAY) + QUEUE;
			assert!(lane(id, &challenger()).deadline <= latest, "level {levels}");
			roll_to(lane(id, &challenger()).deadline);
			if levels == 3 {
				break;
			}
			assert_ok!(answer(id, &challenger(), lying()));
			let (child, _) = next_child(id, &challenger(), honest());
			assert_ok!(demand(id, &challenger(), Some(child)));
		}
		assert_eq!(condemned(id), None);
		roll(1);
		assert_eq!(condemned(id), withheld(&challenger()));
		assert_eq!(now() - 1, opened + 3 * (BASE + 2 * REPLAY) + QUEUE);
	});
}

#[test]
fn job_should_count_two_replays_for_others_when_several_lanes_demand_of_it() {
	execute(|| {
		Patience::set(1_000);
		let (first, second) = (post(honest()), post(honest()));
		set_work(first, 40_000);
		set_work(second, 30_000);
		let (one, two, three) = (challenger(), other(), account(100));
		for who in [&one, &two, &three] {
			assert_ok!(demand(first, who, None));
			assert_eq!(lane(first, who).deadline, now() + ANSWER_TIME + 80, "the same replays");
		}
		assert_ok!(demand(second, &two, None));
		assert_eq!(lane(second, &two).deadline, now() + ANSWER_TIME + 60 + 80);
		assert_eq!(Owed::<Test>::get(provider()), 110_000);
		assert_ok!(answer(first, &one, honest()));
		assert_eq!(Owed::<Test>::get(provider()), 110_000, "two lanes still wait");
		assert_ok!(answer(first, &two, honest()));
		assert_eq!(Owed::<Test>::get(provider()), 70_000, "one does");
		assert_ok!(answer(first, &three, honest()));
		assert_eq!(Owed::<Test>::get(provider()), 30_000);
	});
}

/// A provider that keeps the roots of all anchors of its runs, and the trees of each step that a
/// replay was made for. It replays at the rate, the job of the oldest demand first.
#[derive(Default)]
struct Careful {
	/// One replay for each step, as if it knew of no other demand.
	single: bool,
	waiting: VecDeque<(JobId, AccountId, u32)>,
	known: BTreeSet<(JobId, u32)>,
	/// Job, steps and blocks left of what runs.
	running: Option<(JobId, BTreeSet<u32>, u64)>,
	replays: usize,
	lost: usize,
}

impl Careful {
	fn demanded(&mut self, id: JobId, who: &AccountId, run: &Run) {
		match demanded(id, who) {
			Place::Tensor { step, .. } if !self.known.contains(&(id, step)) => {
				self.waiting.push_back((id, who.clone(), step));
			}
			_ => {
				answer(id, who, run).expect("what is known is given at once");
			}
		}
	}

	fn work(&mut self, run: &Run, blocks: impl Fn(JobId) -> u64) {
		if self.running.is_none() {
			let Some(&(id, _, first)) = self.waiting.front() else { return };
			let of = |(job, _, step): &(JobId, AccountId, u32)| {
				(*job == id && (!self.single || *step == first)).then_some(*step)
			};
			self.running = Some((id, self.waiting.iter().filter_map(of).collect(), blocks(id)));
			self.replays += 1;
		}
		let Some((id, steps, left)) = &mut self.running else { return };
		*left -= 1;
		if *left > 0 {
			return;
		}
		self.known.extend(steps.iter().map(|step| (*id, *step)));
		self.running = None;
		for (id, who, step) in std::mem::take(&mut self.waiting) {
			if !self.known.contains(&(id, step)) {
				self.waiting.push_back((id, who, step));
			} else if !has_lane(id, &who) || answer(id, &who, run).is_err() {
				self.lost += 1;
			}
		}
	}
}

/// So many accounts lead a lane each to a tensor of a step of their own; the first is some blocks
/// ahead of all others. Gives replays and answers that came too late.
fn at_different_steps(provider: &mut Careful, lanes: u8, behind: u64) -> (usize, usize) {
	const LONG: u64 = 300;
	let mut found = (0, 0);
	execute(|| {
		production(QUEUE);
		let run = &*Box::leak(Box::new(Run::new(small(), 8, None)));
		let id = post(run);
		set_work(id, LONG * RATE);
		MoveClock::set(MOVE + LONG);
		for index in 0..lanes {
			assert_ok!(demand(id, &account(100 + index), None));
			provider.demanded(id, &account(100 + index), run);
		}
		for index in 0..lanes {
			// The groups above are kept, and given in the same block.
			for child in [u32::from(index % 8), WIDE] {
				assert_ok!(demand(id, &account(100 + index), Some(child)));
				provider.demanded(id, &account(100 + index), run);
			}
			if index == 0 {
				for _ in 0..behind {
					roll(1);
					provider.work(run, |_| LONG);
				}
			}
		}
		while provider.running.is_some() || !provider.waiting.is_empty() {
			roll(1);
			provider.work(run, |_| LONG);
		}
		assert_eq!(condemned(id).is_some(), provider.lost > 0);
		found = (provider.replays, provider.lost);
	});
	found
}

#[test]
fn provider_should_lose_nothing_when_lanes_of_one_job_demand_different_steps() {
	for behind in [0, 1, 150, 299] {
		let (replays, late) = at_different_steps(&mut Careful::default(), 7, behind);
		assert_eq!((replays, late), (if behind == 0 { 1 } else { 2 }, 0), "{behind} blocks behind");
	}
	// With a replay for each step the same lanes take the bond.
	let mut single = Careful { single: true, ..Careful::default() };
	let (_, late) = at_different_steps(&mut single, 3, 0);
	assert!(late > 0, "the attack is one");
}

/// The replay that runs is of another, longer job, and another lane of that job is before this one.
#[test]
fn short_job_should_have_the_time_when_two_replays_of_a_long_one_come_first() {
	execute(|| {
		production(QUEUE);
		let (run, mut provider) = (honest(), Careful::default());
		let (long, short) = (post(run), post(run));
		let blocks = |id| if id == long { 300 } else { 1 };
		set_work(long, 300 * RATE);
		set_work(short, RATE);
		let lead = |provider: &mut Careful, id, who: &AccountId, step| {
			for child in [None, Some(step), Some(WIDE)] {
				assert_ok!(demand(id, who, child));
				provider.demanded(id, who, run);
			}
		};
		lead(&mut provider, long, &challenger(), 0);
		roll(1);
		provider.work(run, blocks);
		lead(&mut provider, long, &other(), 1);
		lead(&mut provider, short, &challenger(), 0);
		for _ in 0..700 {
			roll(1);
			provider.work(run, blocks);
		}
		assert_eq!((provider.replays, provider.lost, provider.waiting.len()), (3, 0, 0));
	});
}

#[test]
fn deposit_should_grow_with_the_lanes_of_a_job_and_not_without_end() {
	execute(|| {
		let id = post(honest());
		let puts: Vec<u64> = (0..40)
			.map(|index| {
				assert_ok!(demand(id, &account(100 + index), None));
				held(&account(100 + index))
			})
			.collect();
		for (lanes, put) in (0..).zip(&puts) {
			assert_eq!(*put, (DEPOSIT * (8 + lanes).min(32)).div_ceil(8), "{lanes} lanes");
		}
		assert_eq!((puts[0], puts[8]), (DEPOSIT, 2 * DEPOSIT));
		assert_eq!((puts[24], puts[39]), (4 * DEPOSIT, 4 * DEPOSIT));
		// Lanes of drawn verifiers make it no dearer, and those of another job do not either.
		assert_ok!(act_demand(id, &verifier(0), None));
		assert_eq!(DepositLanes::<Test>::get(id), 40);
		let elsewhere = post(honest());
		assert_ok!(demand(elsewhere, &other(), None));
		assert_eq!(held(&other()), DEPOSIT);
		// What is closed does not count any more, and a job that is over keeps nothing.
		assert_ok!(answer(elsewhere, &other(), honest()));
		skip_to(now() + MOVE_TIME + 1);
		assert_ok!(poke(elsewhere, &other()));
		assert!(!DepositLanes::<Test>::contains_key(elsewhere));
		end_job(id);
		assert!(!DepositLanes::<Test>::contains_key(id));
		assert_ok!(poke(id, &account(100)));
	});
}

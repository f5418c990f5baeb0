//! Peers and jobs that want nothing to move: what an honest blob of an honest peer waits for at
//! most, in simulated time.
//!
//! The bounds are those of docs/blobs.md.

use super::Random;
use crate::{
	limits::FetchLimits,
	peers::Fault,
	scheduler::{Action, Failure, Scheduler, Wanted, Written},
	tree::MAX_RANGE,
	wire::Refusal,
};
use assay_blobs::{Hash, Owner};
use sc_network::PeerId;
use std::{
	collections::{BTreeMap, HashMap},
	time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

/// What a peer does with a question for a range.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
	/// Answers within so many milliseconds.
	Gives(u64),
	/// Says that it is busy, for so long.
	Busy(u32),
	/// Does not answer.
	Silent,
	/// Gives, a moment before the time is over.
	Drips,
	/// Gives so many ranges quickly, then nothing for as many, and so on.
	Moody(u64),
	/// Has it, and then it has not.
	Lacks,
	/// Has it, and then it has another length.
	Length,
	/// Its network layer takes no request.
	Rejects,
	/// It is gone whenever it is asked.
	Unreachable,
}

struct Peer {
	does: Does,
	/// Says that it has what honest peers have too.
	claims_all: bool,
	answers: u64,
}

enum Event {
	Have(PeerId, Vec<Hash>, Result<Vec<u64>, Failure>),
	Range(PeerId, Wanted, u64, Result<Vec<u8>, Failure>, Duration),
	Written(Wanted),
}

struct World {
	scheduler: Scheduler,
	limits: FetchLimits,
	honest: (PeerId, Does),
	hostile: BTreeMap<PeerId, Peer>,
	/// Every so often all hostile peers are gone for a second; `true`: and come back as others.
	flap: Option<(Duration, bool)>,
	good: HashMap<Wanted, Option<Owner>>,
	bad: HashMap<Wanted, Option<Owner>>,
	roots: HashMap<Hash, (u64, bool)>,
	stored: HashMap<Wanted, u64>,
	done: HashMap<Wanted, Duration>,
	events: BTreeMap<(Instant, u64), Event>,
	number: u64,
	in_flight: BTreeMap<PeerId, usize>,
	reports: Vec<(PeerId, Fault)>,
	asked_honest: usize,
	asked_hostile: usize,
	start: Instant,
	now: Instant,
}

impl World {
	fn new(limits: FetchLimits, hostile: &[(Does, bool)]) -> Self {
		let now = Instant::now();
		let peer = |(does, claims_all): &(Does, bool)| {
			(PeerId::random(), Peer { does: *does, claims_all: *claims_all, answers: 0 })
		};
		Self {
			scheduler: Scheduler::new(limits),
			limits,
			honest: (PeerId::random(), Does::Gives(50)),
			hostile: hostile.iter().map(peer).collect(),
			flap: None,
			good: HashMap::new(),
			bad: HashMap::new(),
			roots: HashMap::new(),
			stored: HashMap::new(),
			done: HashMap::new(),
			events: BTreeMap::new(),
			number: 0,
			in_flight: BTreeMap::new(),
			reports: Vec::new(),
			asked_honest: 0,
			asked_hostile: 0,
			start: now,
			now,
		}
	}

	fn add(&mut self, number: u64, len: u64, owner: Option<Owner>, good: bool) -> Wanted {
		let mut root = [if good { 0x77 } else { 0xee }; 32];
		root[..8].copy_from_slice(&number.to_le_bytes());
		let wanted = Wanted { root, len };
		self.roots.insert(root, (len, good));
		if good { &mut self.good } else { &mut self.bad }.insert(wanted, owner);
		wanted
	}

	fn later(&mut self, after: Duration, event: Event) {
		self.number += 1;
		self.events.insert((self.now + after, self.number), event);
	}

	fn act(&mut self, action: Action) {
		let short = Duration::from_millis(20);
		match action {
			Action::Have(peer, roots) => {
				let is_honest = peer == self.honest.0;
				let all = self.hostile.get(&peer).is_some_and(|peer| peer.claims_all);
				let len = |root: &Hash| match self.roots.get(root) {
					Some((len, good)) if *good == is_honest || all => *len,
					_ => 0,
				};
				let lengths = Ok(roots.iter().map(len).collect());
				self.later(short, Event::Have(peer, roots, lengths));
			}
			Action::Range(peer, wanted, index, span) => {
				*self.in_flight.entry(peer).or_default() += 1;
				assert!(self.in_flight[&peer] <= self.limits.per_peer, "too much of one peer");
				assert!(self.in_flight.values().sum::<usize>() <= self.limits.parallel);
				let does = match self.hostile.get_mut(&peer) {
					Some(peer) => {
						self.asked_hostile += 1;
						peer.answers += 1;
						match peer.does {
							Does::Moody(each) if peer.answers / each % 2 == 0 => Does::Gives(20),
							Does::Moody(_) => Does::Drips,
							does => does,
						}
					}
					None if peer == self.honest.0 => {
						self.asked_honest += 1;
						self.honest.1
					}
					// It has gone.
					None => Does::Unreachable,
				};
				let gives = || Ok(vec![0; span.len as usize]);
				let timeout = self.limits.request_timeout;
				let refused = |refusal| (short, Err(Failure::Refused(refusal)));
				let (after, answer) = match does {
					Does::Gives(millis) => (Duration::from_millis(millis), gives()),
					Does::Drips => (timeout - Duration::from_millis(100), gives()),
					Does::Silent | Does::Moody(_) => (timeout, Err(Failure::Fault(Fault::Silent))),
					Does::Busy(millis) => refused(Refusal::Busy(millis)),
					Does::Lacks => refused(Refusal::Unknown),
					Does::Length => refused(Refusal::Length(7)),
					Does::Rejects => (short, Err(Failure::Rejected)),
					Does::Unreachable => (short, Err(Failure::Unreachable)),
				};
				self.later(after, Event::Range(peer, wanted, index, answer, after));
			}
			Action::Write(wanted, offset, bytes) => {
				let stored = self.stored.entry(wanted).or_default();
				assert!(offset <= *stored, "a hole in the store");
				*stored = (*stored).max(offset + bytes.len() as u64);
				self.later(Duration::from_millis(1), Event::Written(wanted));
			}
			Action::Report(peer, fault) => self.reports.push((peer, fault)),
		}
	}

	fn on(&mut self, event: Event) {
		match event {
			Event::Have(peer, roots, answer) => {
				self.scheduler.on_have(peer, &roots, answer, self.now)
			}
			Event::Range(peer, wanted, index, answer, took) => {
				*self.in_flight.get_mut(&peer).unwrap() -= 1;
				self.scheduler.on_range(peer, &wanted, index, answer, took, self.now);
			}
			Event::Written(wanted) => {
				let whole = self.stored[&wanted] == wanted.len;
				let written = if whole { Written::Whole } else { Written::Part };
				if self.scheduler.on_written(&wanted, written, self.now) {
					self.done.insert(wanted, self.now - self.start);
				}
			}
		}
	}

	fn reconnect(&mut self, gone: bool, anew: bool) {
		if !gone && anew {
			let peers = std::mem::take(&mut self.hostile);
			self.hostile = peers.into_values().map(|peer| (PeerId::random(), peer)).collect();
		}
		let hostile = self.hostile.keys().filter(|_| !gone).copied();
		let connected = hostile.chain([self.honest.0]).collect();
		self.scheduler.connected(connected, self.now);
	}

	/// Wants everything again every three seconds, as the service does at every block, until all
	/// honest blobs are here or the time is over. Returns how long it took.
	fn run(&mut self, most: Duration) -> Option<Duration> {
		let end = self.start + most;
		let mut renew = self.start;
		let mut flap = self.flap.map(|(after, _)| (self.start + after, true));
		self.reconnect(false, false);
		while self.now < end {
			if self.good.keys().all(|wanted| self.done.contains_key(wanted)) {
				return self
					.done
					.iter()
					.filter(|(w, _)| self.good.contains_key(w))
					.map(|d| *d.1)
					.max();
			}
			if renew <= self.now {
				// The hostile ones first: they are named first in everything.
				for (wanted, owner) in self.bad.iter().chain(&self.good) {
					if !self.done.contains_key(wanted) {
						self.scheduler.want_of(*wanted, *owner, self.now);
					}
				}
				self.scheduler.expire(self.now);
				renew = self.now + 3 * SECOND;
			}
			if let Some((at, gone)) = flap.filter(|(at, _)| *at <= self.now) {
				let (every, anew) = self.flap.unwrap();
				self.reconnect(gone, anew);
				flap = Some((at + if gone { SECOND } else { every }, !gone));
			}
			let stored = self.stored.clone();
			let received = |wanted: &Wanted| stored.get(wanted).copied().unwrap_or(0);
			for action in self.scheduler.poll(self.now, received) {
				self.act(action);
			}
			let next = self.events.first_key_value().map(|((at, _), _)| *at);
			let poll = self.scheduler.next_poll(self.now);
			let times = next.into_iter().chain(poll).chain(flap.map(|(at, _)| at)).chain([renew]);
			self.now = times.min().unwrap();
			while self.events.first_key_value().is_some_and(|((at, _), _)| *at <= self.now) {
				let (_, event) = self.events.pop_first().unwrap();
				self.on(event);
			}
		}
		None
	}

	/// docs/blobs.md, "A place for those that move": `wants` hostile blobs that compete for turns
	/// and `peers` hostile peers that say they have the honest one too.
	fn bound(&self, wants: usize, peers: usize, ranges: u64) -> Duration {
		let FetchLimits { stall, request_timeout, turn, blobs, parallel, .. } = self.limits;
		let probes = (parallel / 2).max(1);
		let first = (wants + 1).div_ceil(probes) * (peers + 1).div_ceil(2);
		let each = stall + request_timeout;
		let turns = (wants + 1).div_ceil(blobs) * (ranges as usize).div_ceil(RANGES_IN_A_TURN);
		each * first as u32 + turn * turns as u32 + 10 * SECOND
	}
}

/// What the worst of the crowds below takes is far from the bound; twice of it is a fault.
const WORST: Duration = Duration::from_secs(240);

/// Ranges that come in a turn at the least from a peer that answers in 50 ms.
const RANGES_IN_A_TURN: usize = 50;

const GIB: u64 = 1 << 30;

/// As the proof of concept of H6 does it: four blobs of a peer that is always busy; nothing else
/// was fetched for an hour.
#[test]
fn busy_peer_should_keep_nobody_waiting() {
	for (blobs, millis) in [(4, 60_000), (4, 1), (64, 60_000), (64, 900), (1000, 30_000)] {
		let mut world = World::new(FetchLimits::default(), &[(Does::Busy(millis), false)]);
		for number in 0..blobs {
			world.add(number, GIB, None, false);
		}
		let small = world.add(1, 100_000, None, true);
		world.add(2, 40 * MAX_RANGE + 5, None, true);
		let took = world.run(600 * SECOND).expect("the honest blobs come");
		println!("{blobs} blobs, busy {millis} ms: {:?}, {took:?}", world.done[&small]);
		assert!(took < 30 * SECOND, "{took:?}");
		let evil = *world.hostile.keys().next().unwrap();
		assert!(world.reports.iter().all(|report| *report == (evil, Fault::Endless)));
	}
}

#[test]
fn endless_busy_should_be_a_fault_and_a_moment_of_it_none() {
	let limits = FetchLimits::default();
	let mut world = World::new(limits, &[(Does::Busy(500), false)]);
	world.add(1, GIB, None, false);
	let never = world.add(1, 5, None, true);
	world.honest.1 = Does::Lacks;
	assert_eq!(world.run(3600 * SECOND), None);
	assert!(!world.done.contains_key(&never));
	let evil = *world.hostile.keys().next().unwrap();
	let faults = world.reports.iter().filter(|report| **report == (evil, Fault::Endless)).count();
	println!("an hour: asked {} times, {faults} faults", world.asked_hostile);
	assert!((5..=30).contains(&faults), "{faults}");
	assert!(world.asked_hostile < 1000, "{}", world.asked_hostile);
	// An honest one that is busy for a minute and then gives: nothing is held against it.
	let mut world = World::new(limits, &[]);
	world.honest.1 = Does::Busy(2000);
	let blob = world.add(1, 9 * MAX_RANGE, None, true);
	assert_eq!(world.run(60 * SECOND), None);
	world.honest.1 = Does::Gives(50);
	world.start = world.now;
	assert!(world.run(90 * SECOND).is_some() && world.done.contains_key(&blob));
	assert!(world.reports.is_empty(), "{:?}", world.reports);
}

/// Every behaviour, alone and together, whether or not the peers say they have the honest blobs
/// too.
#[test]
fn honest_blobs_should_come_within_the_bound_whatever_peers_do() {
	let all = [
		Does::Busy(60_000),
		Does::Busy(20),
		Does::Silent,
		Does::Drips,
		Does::Moody(4),
		Does::Lacks,
		Does::Length,
		Does::Rejects,
		Does::Unreachable,
	];
	for claims_all in [false, true] {
		for does in all.iter().map(|does| vec![*does]).chain([all.to_vec()]) {
			let hostile: Vec<_> = (0..12).map(|at| (does[at % does.len()], claims_all)).collect();
			let mut world = World::new(FetchLimits::default(), &hostile);
			for number in 0..64 {
				world.add(number, 16 * GIB, None, false);
			}
			let small = world.add(1, 500_000, None, true);
			let large = world.add(2, 100 * MAX_RANGE + 77, None, true);
			let bound = world.bound(64 + 1, if claims_all { 12 } else { 0 }, 101);
			let took = world.run(3 * 3600 * SECOND);
			println!(
				"{does:?}, claims all: {claims_all}: {:?} and {:?}, at most {bound:?}",
				world.done.get(&small),
				world.done.get(&large),
			);
			assert!(took.is_some_and(|took| took <= bound.min(WORST)), "{took:?}");
			let honest = world.honest.0;
			assert!(world.reports.iter().all(|(id, _)| *id != honest), "the honest one is blamed");
		}
	}
}

#[test]
fn peers_should_gain_nothing_by_going_and_coming_back() {
	for anew in [false, true] {
		for does in [Does::Silent, Does::Drips, Does::Busy(60_000), Does::Moody(3)] {
			for every in [3, 15] {
				let mut world = World::new(FetchLimits::default(), &[(does, true); 12]);
				world.flap = Some((every * SECOND, anew));
				for number in 0..64 {
					world.add(number, 16 * GIB, None, false);
				}
				world.add(1, 500_000, None, true);
				world.add(2, 100 * MAX_RANGE, None, true);
				let bound = world.bound(64 + 1, 12, 100);
				let took = world.run(3 * 3600 * SECOND);
				println!("{does:?} every {every} s, as others: {anew}: {took:?} of {bound:?}");
				assert!(took.is_some_and(|took| took <= bound.min(WORST)));
			}
		}
	}
}

/// Jobs are cheap: one requester has a thousand blobs wanted. It counts once.
#[test]
fn flood_of_one_owner_should_cost_another_no_more_than_one_blob_of_it() {
	let owner = |name| Some(Owner([name; 32]));
	let hostile: Vec<_> = (0..12).map(|at| ([Does::Drips, Does::Silent][at % 2], false)).collect();
	let mut took = Vec::new();
	for wants in [8, 1000] {
		let mut world = World::new(FetchLimits::default(), &hostile);
		for number in 0..wants {
			world.add(number, 16 * GIB, owner(1), false);
		}
		world.add(1, 100 * MAX_RANGE, owner(2), true);
		took.push(world.run(3600 * SECOND).expect("it comes"));
	}
	println!("{took:?}");
	assert!(took[1] <= 2 * took[0] + 20 * SECOND && took[1] < 60 * SECOND, "{took:?}");
}

#[test]
fn full_table_should_have_room_for_those_who_want_less() {
	let owner = |name: u8| Some(Owner([name; 32]));
	let limits = FetchLimits { wanted: 64, ..FetchLimits::default() };
	let mut scheduler = Scheduler::new(limits);
	let now = Instant::now();
	let wanted = |name: u8, number: u8| Wanted {
		root: [[name; 16], [number; 16]].concat().try_into().unwrap(),
		len: 9,
	};
	assert!((0..64).all(|number| scheduler.want_of(wanted(1, number), owner(1), now)));
	assert!(!scheduler.want_of(wanted(1, 64), owner(1), now), "it has all already");
	assert!((0..32).all(|number| scheduler.want_of(wanted(2, number), owner(2), now)));
	assert!(!scheduler.want_of(wanted(2, 32), owner(2), now), "half is its share");
	let left = |name: u8| {
		let progress = scheduler.progress(now);
		progress.keys().filter(|wanted| wanted.root[0] == name).map(|w| w.root[31]).collect()
	};
	// The latest ones made way.
	let mut first: Vec<u8> = left(1);
	first.sort();
	assert_eq!(first, (0..32).collect::<Vec<_>>());
	// Nobody's blobs, of clients of this node, count as one owner's.
	assert!((0..21).all(|number| scheduler.want_of(wanted(3, number), None, now)));
	assert_eq!(scheduler.progress(now).len(), 64);
}

/// Bytes that a want has are not lost with its turn, and waiting for a turn is not held against its
/// peers.
#[test]
fn waiting_for_a_turn_should_not_count_as_standing_still() {
	let mut world = World::new(FetchLimits::default(), &[(Does::Gives(400), true); 6]);
	world.honest.1 = Does::Gives(400);
	for number in 0..24 {
		world.add(number, GIB, None, false);
	}
	let large = world.add(1, 400 * MAX_RANGE, None, true);
	let patience = FetchLimits::default().patience;
	let mut longest = Duration::ZERO;
	for _ in 0..200 {
		world.run(world.now - world.start + 5 * SECOND);
		if world.done.contains_key(&large) {
			break;
		}
		let progress = world.scheduler.progress(world.now)[&large];
		longest = longest.max(progress.idle);
	}
	println!("{:?}, longest {longest:?}", world.done.get(&large));
	assert!(world.done.contains_key(&large));
	assert!(longest < patience, "{longest:?}");
	// Next to nothing came twice.
	let fetched: u64 = world.stored.values().sum::<u64>() / MAX_RANGE;
	let asked = (world.asked_honest + world.asked_hostile) as u64;
	println!("{asked} asked for, {fetched} in the store");
	assert!(asked < fetched + fetched / 4 + 200, "{asked} {fetched}");
}

/// Any crowd, any number of blobs, any limits: within the bound.
#[test]
fn honest_blobs_should_come_within_the_bound_in_any_crowd() {
	let mut random = Random::new("starving");
	for round in 0..40 {
		let peers = random.below(20);
		let hostile: Vec<_> = (0..peers)
			.map(|_| {
				let does = match random.below(9) {
					0 => Does::Busy(random.next() as u32 % 70_000),
					1 => Does::Silent,
					2 => Does::Drips,
					3 => Does::Moody(1 + random.next() % 8),
					4 => Does::Lacks,
					5 => Does::Length,
					6 => Does::Rejects,
					7 => Does::Unreachable,
					_ => Does::Gives(random.next() % 5000),
				};
				(does, random.below(2) == 0)
			})
			.collect();
		let mut world = World::new(FetchLimits::default(), &hostile);
		if random.below(2) == 0 {
			world.flap = Some(((2 + random.below(30) as u32) * SECOND, random.below(2) == 0));
		}
		let wants = random.below(150);
		let owners = 1 + random.below(4) as u8;
		for number in 0..wants as u64 {
			let owner = (owners > 1).then(|| Owner([random.below(owners.into()) as u8; 32]));
			world.add(number, 1 + random.next() % (20 * GIB), owner, false);
		}
		let ranges = 1 + random.next() % 120;
		let number = 1 + random.below(3) as u64;
		for blob in 0..number {
			world.add(blob, ranges * MAX_RANGE - random.next() % 5000, None, true);
		}
		let claim = hostile.iter().filter(|(_, all)| *all).count();
		let bound = world.bound(wants + number as usize, claim, ranges);
		let took = world.run(10 * 3600 * SECOND);
		println!(
			"{round}: {wants} wants, {peers} peers, {number} of {ranges}: {took:?} of {bound:?}"
		);
		assert!(took.is_some_and(|took| took <= bound), "{hostile:?} {:?}", world.flap);
	}
}

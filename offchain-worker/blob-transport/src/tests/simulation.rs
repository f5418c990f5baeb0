//! The scheduler against fake peers in simulated time: nothing here waits, and every run can be
//! repeated.

use super::Random;
use crate::{
	limits::FetchLimits,
	peers::Fault,
	scheduler::{Action, Failure, Scheduler, Wanted, Written},
	tree::MAX_RANGE,
	wire::Refusal,
};
use assay_blobs::Hash;
use sc_network::PeerId;
use std::{
	collections::{BTreeMap, HashMap},
	time::{Duration, Instant},
};

/// How a fake peer behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
	/// Answers a range within so many milliseconds.
	Honest(u64),
	/// Says that it has everything, and sends wrong bytes.
	Liar,
	/// Says that it has everything, and never answers.
	Stalls,
	/// Answers the first ranges, then never again.
	Dies(usize),
	/// Has nothing.
	Lacks,
	/// Is busy most of the time.
	Busy,
	/// Says that it has everything, and then that it has not.
	Withholds,
	/// Sends nonsense when asked what it has.
	Babbles,
}

enum Event {
	Have(PeerId, Vec<Hash>, Result<Vec<u64>, Failure>),
	Range(PeerId, Wanted, u64, Result<Vec<u8>, Failure>, Duration),
	Written(Wanted),
}

struct World {
	scheduler: Scheduler,
	limits: FetchLimits,
	peers: BTreeMap<PeerId, Kind>,
	blobs: HashMap<Hash, u64>,
	stored: HashMap<Wanted, u64>,
	done: HashMap<Wanted, Duration>,
	events: BTreeMap<(Instant, u64), Event>,
	number: u64,
	asked: BTreeMap<PeerId, usize>,
	answers: BTreeMap<PeerId, usize>,
	reports: Vec<(PeerId, Fault)>,
	/// Ranges that were asked for.
	ranges: usize,
	start: Instant,
	now: Instant,
}

impl World {
	fn new(limits: FetchLimits, kinds: &[Kind]) -> Self {
		let now = Instant::now();
		let peers = kinds.iter().map(|kind| (PeerId::random(), *kind)).collect();
		Self {
			scheduler: Scheduler::new(limits),
			limits,
			peers,
			blobs: HashMap::new(),
			stored: HashMap::new(),
			done: HashMap::new(),
			events: BTreeMap::new(),
			number: 0,
			asked: BTreeMap::new(),
			answers: BTreeMap::new(),
			reports: Vec::new(),
			ranges: 0,
			start: now,
			now,
		}
	}

	fn blob(&mut self, name: u8, len: u64) -> Wanted {
		self.blobs.insert([name; 32], len);
		Wanted { root: [name; 32], len }
	}

	fn of(&self, kind: Kind) -> PeerId {
		*self.peers.iter().find(|(_, k)| **k == kind).unwrap().0
	}

	fn later(&mut self, after: Duration, event: Event) {
		self.number += 1;
		self.events.insert((self.now + after, self.number), event);
	}

	fn act(&mut self, action: Action) {
		let timeout = self.limits.request_timeout;
		let short = Duration::from_millis(5);
		match action {
			Action::Have(peer, roots) => {
				let lengths: Vec<u64> =
					roots.iter().map(|root| self.blobs.get(root).copied().unwrap_or(0)).collect();
				let answer = match self.peers[&peer] {
					Kind::Lacks => Ok(vec![0; roots.len()]),
					Kind::Babbles => Ok(vec![1; roots.len() + 1]),
					_ => Ok(lengths),
				};
				self.later(short, Event::Have(peer, roots, answer));
			}
			Action::Range(peer, wanted, index, span) => {
				self.ranges += 1;
				*self.asked.entry(peer).or_default() += 1;
				assert!(self.asked[&peer] <= self.limits.per_peer, "too much of one peer");
				assert!(self.asked.values().sum::<usize>() <= self.limits.parallel);
				assert!(
					!self.reports.iter().any(|(id, fault)| *id == peer && fault.drops()),
					"a liar was asked again"
				);
				assert!(span.end() <= wanted.len);
				let before = self.answers.entry(peer).or_default();
				*before += 1;
				let silent = (timeout, Err(Failure::Fault(Fault::Silent)));
				let (after, answer) = match self.peers[&peer] {
					Kind::Honest(millis) => {
						(Duration::from_millis(millis), Ok(vec![0; span.len as usize]))
					}
					Kind::Liar => (short, Err(Failure::Fault(Fault::WrongBytes))),
					Kind::Dies(answers) if *before <= answers => {
						(short, Ok(vec![0; span.len as usize]))
					}
					Kind::Stalls | Kind::Dies(_) => silent,
					Kind::Busy if before.is_multiple_of(3) => {
						(short, Ok(vec![0; span.len as usize]))
					}
					Kind::Busy => (short, Err(Failure::Refused(Refusal::Busy(200)))),
					Kind::Withholds => (short, Err(Failure::Refused(Refusal::Unknown))),
					Kind::Lacks | Kind::Babbles => panic!("asked for what it does not have"),
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
				*self.asked.get_mut(&peer).unwrap() -= 1;
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

	/// Runs until all of these blobs are here, or the time is over.
	fn run(&mut self, wanted: &[Wanted], most: Duration) -> bool {
		let end = self.start + most;
		while self.now < end {
			if wanted.iter().all(|wanted| self.done.contains_key(wanted)) {
				return true;
			}
			for wanted in wanted.iter().filter(|wanted| !self.done.contains_key(wanted)) {
				self.scheduler.want(*wanted, self.now);
			}
			self.scheduler.connected(self.peers.keys().copied().collect(), self.now);
			let stored = self.stored.clone();
			let received = |wanted: &Wanted| stored.get(wanted).copied().unwrap_or(0);
			for action in self.scheduler.poll(self.now, received) {
				self.act(action);
			}
			let next = self.events.first_key_value().map(|((at, _), _)| *at);
			let poll = self.scheduler.next_poll(self.now);
			let Some(at) = next.into_iter().chain(poll).min() else { return false };
			assert!(at >= self.now);
			self.now = at;
			while self.events.first_key_value().is_some_and(|((at, _), _)| *at <= self.now) {
				let (_, event) = self.events.pop_first().unwrap();
				self.on(event);
			}
		}
		false
	}
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn blob_should_come_from_several_peers_at_once_in_proportion_to_their_speed() {
	let (fast, slow) = (Kind::Honest(20), Kind::Honest(200));
	let mut world = World::new(FetchLimits::default(), &[fast, slow, Kind::Lacks]);
	let blob = world.blob(1, 200 * MAX_RANGE + 17);
	assert!(world.run(&[blob], MINUTE));
	let (by_fast, by_slow) = (world.answers[&world.of(fast)], world.answers[&world.of(slow)]);
	println!("fast {by_fast}, slow {by_slow}, {:?}", world.done[&blob]);
	assert!(by_slow >= 5 && by_fast > 4 * by_slow);
	assert!(world.reports.is_empty());
	// Next to nothing is asked for twice.
	assert!(world.ranges <= 201 + 8, "{}", world.ranges);
}

#[test]
fn liar_should_be_dropped_at_its_first_answer_when_it_sends_wrong_bytes() {
	let mut world = World::new(FetchLimits::default(), &[Kind::Liar, Kind::Honest(30)]);
	let (one, two) = (world.blob(1, 20 * MAX_RANGE), world.blob(2, 20 * MAX_RANGE));
	assert!(world.run(&[one], MINUTE));
	let liar = world.of(Kind::Liar);
	let asked = world.answers[&liar];
	assert!(world.reports.iter().all(|report| *report == (liar, Fault::WrongBytes)));
	// Once for all that was under way, and never again, for no other blob either.
	assert_eq!(world.reports.len(), 1);
	assert!(world.run(&[two], 2 * MINUTE));
	assert_eq!(world.answers[&liar], asked);
	assert!(asked <= 4);
}

#[test]
fn ranges_should_go_to_others_when_a_peer_stalls_or_dies() {
	for bad in [Kind::Stalls, Kind::Dies(3)] {
		let limits = FetchLimits::default();
		let mut world = World::new(limits, &[bad, Kind::Honest(20)]);
		let blob = world.blob(1, 100 * MAX_RANGE);
		assert!(world.run(&[blob], MINUTE));
		// Not one time-out stands in the way: late ranges are asked of the other one.
		println!("{bad:?}: {:?}", world.done[&blob]);
		assert!(world.done[&blob] < limits.request_timeout / 2, "{:?}", world.done[&blob]);
	}
}

#[test]
fn blob_should_come_when_the_only_peer_is_busy_slow_or_comes_late() {
	for kind in [Kind::Busy, Kind::Honest(3000)] {
		let mut world = World::new(FetchLimits::default(), &[kind]);
		let blob = world.blob(1, 12 * MAX_RANGE);
		assert!(world.run(&[blob], 2 * MINUTE), "{kind:?}");
		assert!(world.reports.is_empty());
	}
	let mut world = World::new(FetchLimits::default(), &[Kind::Lacks]);
	let blob = world.blob(1, 3 * MAX_RANGE);
	assert!(!world.run(&[blob], MINUTE));
	// It gets it after all: found at the next question, at most a minute later.
	let peer = world.of(Kind::Lacks);
	world.peers.insert(peer, Kind::Honest(20));
	assert!(world.run(&[blob], 3 * MINUTE));
}

#[test]
fn peer_should_not_be_asked_all_the_time_when_it_lacks_the_blob_or_withholds_it() {
	for kind in [Kind::Lacks, Kind::Withholds] {
		let mut world = World::new(FetchLimits::default(), &[kind]);
		let blob = world.blob(1, 3 * MAX_RANGE);
		assert!(!world.run(&[blob], 10 * MINUTE));
		// Pauses grow to a minute: some twenty questions in ten minutes, whatever it says.
		println!("{kind:?}: {} ranges, {} events", world.ranges, world.number);
		assert!(world.number < 60, "{}", world.number);
	}
}

#[test]
fn babbler_should_be_dropped_when_its_answer_fits_no_question() {
	let mut world = World::new(FetchLimits::default(), &[Kind::Babbles, Kind::Honest(20)]);
	let blob = world.blob(1, 3 * MAX_RANGE);
	assert!(world.run(&[blob], MINUTE));
	assert_eq!(world.reports, [(world.of(Kind::Babbles), Fault::Malformed)]);
}

#[test]
fn wrong_length_should_not_stand_in_the_way_of_the_right_one() {
	let limits = FetchLimits { blobs: 1, ..FetchLimits::default() };
	let mut world = World::new(limits, &[Kind::Honest(20)]);
	let right = world.blob(1, 10 * MAX_RANGE);
	let wrong = Wanted { len: right.len + 1, ..right };
	world.scheduler.want(wrong, world.now);
	assert!(world.run(&[right], MINUTE));
	assert!(!world.stored.contains_key(&wrong) && world.reports.is_empty());
}

#[test]
fn wanted_blobs_should_be_bounded_and_forgotten_when_nobody_asks_again() {
	let limits = FetchLimits { wanted: 3, ..FetchLimits::default() };
	let mut scheduler = Scheduler::new(limits);
	let now = Instant::now();
	let wanted = |name| Wanted { root: [name; 32], len: 5 };
	assert!((0..3).all(|name| scheduler.want(wanted(name), now)));
	assert!(!scheduler.want(wanted(3), now));
	assert!(!scheduler.want(Wanted { root: [9; 32], len: 0 }, now));
	let later = now + limits.lease / 2;
	assert!(scheduler.want(wanted(0), later));
	let mut expired = scheduler.expire(now + limits.lease);
	expired.sort();
	assert_eq!(expired, [wanted(1), wanted(2)]);
	assert_eq!(scheduler.progress(later).len(), 1);
}

#[test]
fn fetch_should_pause_and_start_again_where_the_store_is_when_the_store_fails() {
	let mut world = World::new(FetchLimits::default(), &[Kind::Honest(1)]);
	let blob = world.blob(1, 5 * MAX_RANGE);
	world.scheduler.want(blob, world.now);
	let peer = world.of(Kind::Honest(1));
	world.scheduler.connected(vec![peer], world.now);
	let now = world.now;
	let actions = world.scheduler.poll(now, |_| 0);
	assert_eq!(actions, [Action::Have(peer, vec![blob.root])]);
	world.scheduler.on_have(peer, &[blob.root], Ok(vec![blob.len]), now);
	for action in world.scheduler.poll(now, |_| 2 * MAX_RANGE) {
		let Action::Range(_, _, index, span) = action else { panic!("{action:?}") };
		assert!(index >= 2);
		let bytes = vec![0; span.len as usize];
		world.scheduler.on_range(peer, &blob, index, Ok(bytes), Duration::from_millis(1), now);
	}
	let writes = world.scheduler.poll(now, |_| unreachable!());
	let write = writes.iter().find(|action| matches!(action, Action::Write(..))).unwrap();
	assert!(matches!(write, Action::Write(_, offset, _) if *offset == 2 * MAX_RANGE));
	assert!(!world.scheduler.on_written(&blob, Written::Failed, now));
	let quiet = |action: &Action| !matches!(action, Action::Range(..) | Action::Write(..));
	assert!(world.scheduler.poll(now, |_| unreachable!()).iter().all(quiet));
	let again = world.scheduler.next_poll(now).unwrap();
	assert!(again > now && again <= now + Duration::from_secs(2));
}

/// Any crowd with one honest peer in it: the blobs come, and nothing that the world checks is
/// broken.
#[test]
fn blobs_should_come_when_any_crowd_has_one_honest_peer() {
	let mut random = Random::new("any crowd");
	for _ in 0..60 {
		let mut kinds = vec![Kind::Honest(10 + random.next() % 300)];
		for _ in 0..random.below(6) {
			kinds.push(match random.below(8) {
				0 => Kind::Honest(1 + random.next() % 5000),
				1 => Kind::Liar,
				2 => Kind::Stalls,
				3 => Kind::Dies(random.below(9)),
				4 => Kind::Lacks,
				5 => Kind::Busy,
				6 => Kind::Withholds,
				_ => Kind::Babbles,
			});
		}
		let limits = FetchLimits {
			parallel: 1 + random.below(20),
			per_peer: 1 + random.below(6),
			blobs: 1 + random.below(3),
			window: 1 + random.next() % 40,
			..FetchLimits::default()
		};
		let mut world = World::new(limits, &kinds);
		let blobs: Vec<_> = (0..1 + random.below(4))
			.map(|name| world.blob(name as u8, 1 + random.next() % (30 * MAX_RANGE)))
			.collect();
		assert!(world.run(&blobs, 20 * MINUTE), "{kinds:?} {limits:?} {blobs:?}");
	}
}

//! Who is asked for what: the fetching side as a state machine that does no input or output and
//! takes the time as an argument.
//!
//! The driver ([`crate::fetcher`]) tells it what happened and does what [`Scheduler::poll`] says.
//!
//! * Every peer is asked which of the wanted blobs it has, once, and again with a growing pause
//!   while it lacks one.
//! * Blobs that somebody has are fetched, a few at one time, in turns ([`crate::turns`]). Their
//!   ranges go to the fastest peers with room, and a few of them to peers of which little is known.
//!   A range that is late is asked of a second peer too; the first good answer counts.
//! * A peer that answers with anything but what the root names is asked nothing more, for nothing.

use crate::{
	limits::FetchLimits,
	peers::{Fault, Peers},
	plan::{Index, Plan},
	tree::Span,
	want::{Source, Want},
	wire::Refusal,
};
use assay_blobs::{Hash, Owner};
use sc_network::PeerId;
use std::{
	collections::{BTreeMap, HashMap, HashSet},
	time::{Duration, Instant},
};

/// A blob that is wanted. The length is part of the name: somebody may want a blob of this root
/// with a length that it does not have, and must not be in the way of others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Wanted {
	/// The blob.
	pub root: Hash,
	/// Its length in bytes.
	pub len: u64,
}

/// Something for the driver to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
	/// Ask a peer which of these blobs it has.
	Have(PeerId, Vec<Hash>),
	/// Ask a peer for a range.
	Range(PeerId, Wanted, Index, Span),
	/// Write these bytes, verified, at this offset.
	Write(Wanted, u64, Vec<u8>),
	/// Tell the network what a peer did.
	Report(PeerId, Fault),
}

/// Why a request brought nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
	/// Not connected, or does not speak this protocol.
	Unreachable,
	/// The peer's network layer refused the request, mostly because its queue is full.
	Rejected,
	/// The peer says why.
	Refused(Refusal),
	/// The peer did what it should not have done.
	Fault(Fault),
}

/// What came of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
	/// The bytes are in the store.
	Part,
	/// The blob is there, whole and verified.
	Whole,
	/// The store has another part of the blob than was assumed: somebody else uploads it, or what
	/// was there before turned out to be wrong.
	Elsewhere {
		/// Bytes that the store has.
		received: u64,
	},
	/// The store has no room or its disk fails.
	Failed,
}

/// How a fetch is getting on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
	/// Verified bytes that are here.
	pub received: u64,
	/// Length of the blob in bytes.
	pub total: u64,
	/// Connected peers that have it.
	pub sources: usize,
	/// Whether ranges are asked for, or it waits for a peer that has it, for its turn or for room.
	pub active: bool,
	/// Time since the last byte came, but for that spent waiting for a turn.
	pub idle: Duration,
}

/// The state of all fetches.
pub struct Scheduler {
	pub(crate) limits: FetchLimits,
	pub(crate) peers: Peers,
	pub(crate) wants: BTreeMap<Wanted, Want>,
	pub(crate) next_number: u64,
	/// When each owner had a turn last.
	pub(crate) served: HashMap<Option<Owner>, u64>,
	/// When a range of each owner's blobs was asked for last.
	pub(crate) asked: HashMap<Option<Owner>, u64>,
	reports: Vec<Action>,
	/// Time that a good answer took, smoothed.
	usual: Duration,
	/// There may be something to ask peers about what they have, and when there will be.
	pub(crate) ask: bool,
	pub(crate) ask_at: Option<Instant>,
}

impl Scheduler {
	/// Nothing is wanted yet.
	pub fn new(limits: FetchLimits) -> Self {
		Self {
			limits,
			peers: Peers::new(limits),
			wants: BTreeMap::new(),
			next_number: 0,
			served: HashMap::new(),
			asked: HashMap::new(),
			reports: Vec::new(),
			usual: Duration::ZERO,
			ask: false,
			ask_at: None,
		}
	}

	/// Time after which a range is late: well above what is usual.
	pub(crate) fn late(&self) -> Duration {
		let most = self.limits.hedge_after;
		match self.usual {
			Duration::ZERO => most,
			usual => (usual * 8).clamp(most / 8, most),
		}
	}

	/// Takes note of who is connected.
	pub fn connected(&mut self, peers: Vec<PeerId>, now: Instant) {
		let here: HashSet<_> = peers.iter().copied().collect();
		for want in self.wants.values_mut() {
			want.retain(|id| here.contains(id));
		}
		self.peers.connected(peers, now);
		self.ask = true;
	}

	/// Wants a blob from now on for some time, or for longer. Returns whether there is room for it.
	pub fn want(&mut self, wanted: Wanted, now: Instant) -> bool {
		self.want_of(wanted, None, now)
	}

	/// Wants a blob for an owner. When there are too many, the owner with most of them loses its
	/// latest one to one that has fewer.
	pub fn want_of(&mut self, wanted: Wanted, owner: Option<Owner>, now: Instant) -> bool {
		let until = now + self.limits.lease;
		if let Some(want) = self.wants.get_mut(&wanted) {
			want.until = until;
			want.owner = owner.or(want.owner);
			return true;
		}
		if wanted.len == 0 || (self.wants.len() >= self.limits.wanted && !self.make_room(owner)) {
			return false;
		}
		self.wants.insert(wanted, Want::new(self.next_number, owner, until, now));
		self.next_number += 1;
		self.ask = true;
		true
	}

	fn make_room(&mut self, owner: Option<Owner>) -> bool {
		let mut counts = HashMap::<_, usize>::new();
		for want in self.wants.values() {
			*counts.entry(want.owner).or_default() += 1;
		}
		let own = counts.get(&owner).copied().unwrap_or(0);
		let most = counts.into_iter().map(|(owner, count)| (count, owner)).max();
		let Some((_, greedy)) = most.filter(|(count, _)| *count > own + 1) else { return false };
		let of = self.wants.iter().filter(|(_, want)| want.owner == greedy);
		// Not one that is under way, if there is another.
		let latest = of.max_by_key(|(_, want)| (want.turn.is_none(), !want.proven, want.number));
		match latest.map(|(wanted, _)| *wanted) {
			Some(wanted) => self.wants.remove(&wanted).is_some(),
			None => false,
		}
	}

	/// Does not want a blob any more; it is here, or nobody asks.
	pub fn forget(&mut self, wanted: &Wanted) {
		self.wants.remove(wanted);
	}

	/// Removes and returns blobs that nobody has wanted for a while.
	pub fn expire(&mut self, now: Instant) -> Vec<Wanted> {
		let expired: Vec<_> = self
			.wants
			.iter()
			.filter(|(_, want)| want.until <= now)
			.map(|(wanted, _)| *wanted)
			.collect();
		expired.iter().for_each(|wanted| self.forget(wanted));
		if self.served.len() > 2 * self.wants.len() + 16 {
			let owners: HashSet<_> = self.wants.values().map(|want| want.owner).collect();
			self.served.retain(|owner, _| owners.contains(owner));
			self.asked.retain(|owner, _| owners.contains(owner));
		}
		expired
	}

	/// All that is wanted and how it is getting on.
	pub fn progress(&self, now: Instant) -> HashMap<Wanted, Progress> {
		self.wants.iter().map(|(wanted, want)| (*wanted, progress(wanted, want, now))).collect()
	}

	/// How the fetches of one blob are getting on, whatever its length.
	pub fn progress_of<'a>(
		&'a self,
		root: &Hash,
		now: Instant,
	) -> impl Iterator<Item = (Wanted, Progress)> + 'a {
		let of = self.wants.range(lengths_of(root));
		of.map(move |(wanted, want)| (*wanted, progress(wanted, want, now)))
	}

	/// Whether a blob is wanted.
	pub fn is_wanted(&self, wanted: &Wanted) -> bool {
		self.wants.contains_key(wanted)
	}

	/// Blobs that are fetched, and blobs that wait.
	pub fn counts(&self) -> (usize, usize) {
		let active = self.wants.values().filter(|want| want.turn.is_some()).count();
		(active, self.wants.len() - active)
	}

	/// Says what is to be done now. `received` tells how much of a blob the store has; it is asked
	/// when a fetch begins.
	pub fn poll(&mut self, now: Instant, received: impl Fn(&Wanted) -> u64) -> Vec<Action> {
		let mut actions = std::mem::take(&mut self.reports);
		let usable = self.peers.usable(now);
		self.ask_have(&usable, now, &mut actions);
		self.turns(&usable, now, received);
		self.ask_ranges(&usable, now, &mut actions);
		for (wanted, want) in &mut self.wants {
			let ready = want.not_before.is_none_or(|at| at <= now);
			if let Some((offset, bytes)) =
				want.plan.as_mut().filter(|_| ready).and_then(Plan::write)
			{
				actions.push(Action::Write(*wanted, offset, bytes));
			}
		}
		actions
	}

	/// When to poll again although nothing happens.
	pub fn next_poll(&self, now: Instant) -> Option<Instant> {
		let late_after = self.late();
		let wants = self.wants.values().flat_map(|want| {
			let turn = want.turn.as_ref();
			let late = turn.and(want.plan.as_ref()).and_then(|plan| plan.next_late(late_after));
			let ends = turn
				.into_iter()
				.flat_map(|turn| [turn.stalls_at(&self.limits), turn.since + self.limits.turn]);
			ends.chain(late).chain(want.not_before).chain([want.until])
		});
		// What is past and could not be done waits for something to happen.
		let peers = self.peers.next_usable(now);
		wants.chain(peers).chain(self.ask_at).filter(|at| *at > now).min()
	}

	/// A peer has said how long its blobs are, or nothing usable.
	pub fn on_have(
		&mut self,
		id: PeerId,
		roots: &[Hash],
		answer: Result<Vec<u64>, Failure>,
		now: Instant,
	) {
		self.peers.answered_have(id);
		let answer = match answer {
			Ok(lengths) if lengths.len() == roots.len() => Ok(lengths),
			Ok(_) => Err(Failure::Fault(Fault::Malformed)),
			Err(failure) => Err(failure),
		};
		let lengths: BTreeMap<_, _> = match &answer {
			Ok(lengths) => roots.iter().zip(lengths).collect(),
			Err(_) => BTreeMap::new(),
		};
		let limits = self.limits;
		for root in roots {
			for (wanted, want) in self.wants.range_mut(lengths_of(root)) {
				if want.source(&id) != Some(Source::Asked) {
					continue;
				}
				match lengths.get(root) {
					Some(len) if **len == wanted.len => want.set(id, Source::Has, &limits),
					_ => want.lacks(id, now, &limits),
				}
			}
		}
		self.ask = true;
		if let Err(failure) = answer {
			self.failed(id, failure, now);
		}
	}

	/// A peer has answered a question for a range, or not. The bytes are verified already; returns
	/// how many of them are new.
	pub fn on_range(
		&mut self,
		id: PeerId,
		wanted: &Wanted,
		index: Index,
		answer: Result<Vec<u8>, Failure>,
		took: Duration,
		now: Instant,
	) -> usize {
		self.peers.answered(id);
		let want = self.wants.get_mut(wanted);
		match answer {
			Ok(bytes) => {
				let len = bytes.len();
				self.peers.good(id, len, took);
				self.usual = match self.usual {
					Duration::ZERO => took,
					usual => (usual * 7 + took) / 8,
				};
				let Some(want) = want else { return 0 };
				if !want.plan.as_mut().is_some_and(|plan| plan.here(index, bytes)) {
					return 0;
				}
				want.length_proven |= want.plan.as_ref().is_some_and(Plan::is_proven);
				want.gave(&id, now, &self.limits);
				len
			}
			Err(failure) => {
				if let Some(want) = want {
					if let Some(plan) = &mut want.plan {
						plan.lost(index, &id);
					}
					match failure {
						Failure::Unreachable
						| Failure::Refused(Refusal::Unknown | Refusal::Length(_)) => {
							want.lacks(id, now, &self.limits);
							self.ask = true;
						}
						Failure::Rejected | Failure::Refused(Refusal::Busy(_)) => {
							want.busy(id, now, &self.limits);
							self.ask = true;
						}
						Failure::Fault(_) => {}
					}
				}
				let failure = match failure {
					// It had said that it holds it, with this length.
					Failure::Refused(Refusal::Length(_)) => Failure::Fault(Fault::Withheld),
					failure => failure,
				};
				self.failed(id, failure, now);
				0
			}
		}
	}

	fn failed(&mut self, id: PeerId, failure: Failure, now: Instant) {
		match failure {
			// A blob may make way between two questions.
			Failure::Unreachable | Failure::Refused(Refusal::Unknown | Refusal::Length(_)) => {}
			Failure::Rejected => self.busy(id, Duration::from_secs(1), now),
			Failure::Refused(Refusal::Busy(millis)) => {
				self.busy(id, Duration::from_millis(millis.into()), now)
			}
			Failure::Fault(fault) => {
				let known = self.peers.is_banned(&id, now);
				self.peers.fault(id, fault, now);
				if fault.drops() {
					for want in self.wants.values_mut() {
						want.remove(&id);
					}
				}
				if !known {
					self.reports.push(Action::Report(id, fault));
				}
			}
		}
	}

	fn busy(&mut self, id: PeerId, pause: Duration, now: Instant) {
		if self.peers.busy(id, pause, now) {
			self.peers.fault(id, Fault::Endless, now);
			self.reports.push(Action::Report(id, Fault::Endless));
		}
	}

	/// A write has ended. Returns whether the blob is whole, and then no longer wanted.
	pub fn on_written(&mut self, wanted: &Wanted, written: Written, now: Instant) -> bool {
		if written == Written::Whole {
			self.forget(wanted);
			return true;
		}
		// It may have lost its turn or its interest while the write was under way.
		let Some(want) = self.wants.get_mut(wanted) else { return false };
		if written == Written::Failed {
			want.store_failures += 1;
			let pause = Duration::from_secs(1u64 << want.store_failures.min(6));
			want.not_before = Some(now + pause);
			want.plan = None;
			return false;
		}
		let Some(plan) = &mut want.plan else { return false };
		match written {
			Written::Part | Written::Whole => {
				want.store_failures = 0;
				plan.written();
			}
			Written::Elsewhere { received } => plan.restart(received),
			Written::Failed => {}
		}
		false
	}
}

/// All blobs of a root, whatever their lengths.
pub(crate) fn lengths_of(root: &Hash) -> std::ops::RangeInclusive<Wanted> {
	Wanted { root: *root, len: 0 }..=Wanted { root: *root, len: u64::MAX }
}

fn progress(wanted: &Wanted, want: &Want, now: Instant) -> Progress {
	Progress {
		received: want.plan.as_ref().map_or(0, Plan::received),
		total: wanted.len,
		sources: want.sources(),
		active: want.turn.is_some() && want.not_before.is_none_or(|at| at <= now),
		idle: want.idle(now),
	}
}

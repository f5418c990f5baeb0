//! Who is asked for what: the fetching side as a state machine that does no input or output and takes the
//! time as an argument.
//!
//! The driver ([`crate::fetcher`]) tells it what happened and does what [`Scheduler::poll`] says.
//!
//! * Every peer is asked which of the wanted blobs it has, once, and again with a growing pause while it
//!   lacks one.
//! * Blobs that somebody has are fetched, the longest wanted first, a few at one time. Their ranges go to the
//!   fastest peers with room. A range that is late is asked of a second peer too; the first good answer counts.
//! * A peer that answers with anything but what the root names is asked nothing more, for nothing.

use crate::{
	limits::FetchLimits,
	peers::{Fault, Peers},
	plan::{Index, Plan},
	tree::Span,
	wire::{Refusal, MAX_ROOTS},
};
use assay_blobs::Hash;
use sc_network::PeerId;
use std::{
	collections::{BTreeMap, HashMap},
	time::{Duration, Instant},
};

/// A blob that is wanted. The length is part of the name: somebody may want a blob of this root with a length
/// that it does not have, and must not be in the way of others.
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
	/// The store has another part of the blob than was assumed: somebody else uploads it, or what was there
	/// before turned out to be wrong.
	Elsewhere {
		/// Bytes that the store has.
		received: u64,
	},
	/// The store has no room or its disk fails.
	Failed,
}

/// What a peer is known to have.
enum Source {
	Asked,
	Has,
	/// Asked again at this time.
	Lacks(Instant),
}

struct Want {
	/// Order in which blobs were wanted.
	number: u64,
	until: Instant,
	sources: HashMap<PeerId, Source>,
	/// Pause until those that lack the blob are asked again.
	pause: Duration,
	plan: Option<Plan>,
	/// Nothing is asked or written before: the store failed.
	not_before: Option<Instant>,
	store_failures: u32,
	/// Last time that a byte came, or when it was first wanted.
	moved: Instant,
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
	/// Time since the last byte came.
	pub idle: Duration,
}

/// The state of all fetches.
pub struct Scheduler {
	limits: FetchLimits,
	peers: Peers,
	wants: HashMap<Wanted, Want>,
	next_number: u64,
	reports: Vec<Action>,
	/// Time that a good answer took, smoothed.
	usual: Duration,
}

impl Scheduler {
	/// Nothing is wanted yet.
	pub fn new(limits: FetchLimits) -> Self {
		Self {
			limits,
			peers: Peers::new(limits),
			wants: HashMap::new(),
			next_number: 0,
			reports: Vec::new(),
			usual: Duration::ZERO,
		}
	}

	/// Time after which a range is late: well above what is usual.
	fn late(&self) -> Duration {
		let most = self.limits.hedge_after;
		match self.usual {
			Duration::ZERO => most,
			usual => (usual * 8).clamp(most / 8, most),
		}
	}

	/// Takes note of who is connected.
	pub fn connected(&mut self, peers: Vec<PeerId>, now: Instant) {
		for want in self.wants.values_mut() {
			want.sources.retain(|id, source| peers.contains(id) || matches!(source, Source::Asked));
		}
		self.peers.connected(peers, now);
	}

	/// Wants a blob from now on for some time, or for longer. Returns whether there is room for it.
	pub fn want(&mut self, wanted: Wanted, now: Instant) -> bool {
		let until = now + self.limits.lease;
		if let Some(want) = self.wants.get_mut(&wanted) {
			want.until = until;
			return true;
		}
		if wanted.len == 0 || self.wants.len() >= self.limits.wanted {
			return false;
		}
		let want = Want {
			number: self.next_number,
			until,
			sources: HashMap::new(),
			pause: self.limits.ask_again.0,
			plan: None,
			not_before: None,
			store_failures: 0,
			moved: now,
		};
		self.next_number += 1;
		self.wants.insert(wanted, want);
		true
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
		expired
	}

	/// All that is wanted and how it is getting on.
	pub fn progress(&self, now: Instant) -> HashMap<Wanted, Progress> {
		let progress = |(wanted, want): (&Wanted, &Want)| {
			let received = want.plan.as_ref().map_or(0, Plan::received);
			let has = |source: &&Source| matches!(source, Source::Has);
			let sources = want.sources.values().filter(has).count();
			let idle = now.saturating_duration_since(want.moved);
			let active = want.plan.is_some() && want.not_before.is_none_or(|at| at <= now);
			(*wanted, Progress { received, total: wanted.len, sources, active, idle })
		};
		self.wants.iter().map(progress).collect()
	}

	/// Says what is to be done now. `received` tells how much of a blob the store has; it is asked when a
	/// fetch begins.
	pub fn poll(&mut self, now: Instant, received: impl Fn(&Wanted) -> u64) -> Vec<Action> {
		let mut actions = std::mem::take(&mut self.reports);
		let usable = self.peers.usable(now);
		self.ask_have(&usable, now, &mut actions);
		let active = self.begin(now, received);
		self.ask_ranges(&active, &usable, now, &mut actions);
		for wanted in active {
			let plan = self.wants.get_mut(&wanted).and_then(|want| want.plan.as_mut());
			if let Some((offset, bytes)) = plan.and_then(Plan::write) {
				actions.push(Action::Write(wanted, offset, bytes));
			}
		}
		actions
	}

	/// When to poll again although nothing happens.
	pub fn next_poll(&self, now: Instant) -> Option<Instant> {
		let late_after = self.late();
		let wants = self.wants.values().flat_map(|want| {
			let late = want.plan.as_ref().and_then(|plan| plan.next_late(late_after));
			let again = want.sources.values().filter_map(|source| match source {
				Source::Lacks(at) => Some(*at),
				_ => None,
			});
			again.chain(late).chain(want.not_before).chain([want.until])
		});
		// What is past and could not be done waits for something to happen.
		wants.chain(self.peers.next_usable(now)).filter(|at| *at > now).min()
	}

	/// One question to each peer that may be asked, about all blobs of which it has not said anything.
	fn ask_have(&mut self, usable: &[PeerId], now: Instant, actions: &mut Vec<Action>) {
		let mut wants: Vec<_> = self.wants.iter_mut().collect();
		wants.sort_by_key(|(_, want)| want.number);
		for id in usable {
			let mut roots = Vec::new();
			let mut asked = Vec::new();
			for (at, (wanted, want)) in wants.iter().enumerate() {
				let open = match want.sources.get(id) {
					None => true,
					Some(Source::Lacks(again)) => *again <= now,
					Some(_) => false,
				};
				if open && (roots.contains(&wanted.root) || roots.len() < MAX_ROOTS) {
					if !roots.contains(&wanted.root) {
						roots.push(wanted.root);
					}
					asked.push(at);
				}
			}
			if roots.is_empty() || !self.peers.ask_have(*id) {
				continue;
			}
			for at in asked {
				wants[at].1.sources.insert(*id, Source::Asked);
			}
			actions.push(Action::Have(*id, roots));
		}
	}

	/// Chooses the blobs that are fetched now: those that were wanted first of those that somebody has.
	fn begin(&mut self, now: Instant, received: impl Fn(&Wanted) -> u64) -> Vec<Wanted> {
		let mut ready: Vec<_> = self
			.wants
			.iter()
			.filter(|(_, want)| {
				want.not_before.is_none_or(|at| at <= now)
					&& want.sources.values().any(|source| matches!(source, Source::Has))
			})
			.map(|(wanted, want)| (want.number, *wanted))
			.collect();
		ready.sort();
		ready.truncate(self.limits.blobs.max(1));
		let ready: Vec<_> = ready.into_iter().map(|(_, wanted)| wanted).collect();
		for (wanted, want) in &mut self.wants {
			match (ready.contains(wanted), &want.plan) {
				(true, None) => {
					let received = received(wanted);
					want.plan = Some(Plan::new(wanted.len, received, self.limits.window));
				}
				// What waits for a turn holds no ranges in memory.
				(false, Some(_)) => want.plan = None,
				_ => {}
			}
		}
		ready
	}

	fn ask_ranges(
		&mut self,
		active: &[Wanted],
		usable: &[PeerId],
		now: Instant,
		actions: &mut Vec<Action>,
	) {
		let late_after = self.late();
		// Turn by turn, so that one blob does not take everything.
		loop {
			let mut found = false;
			for wanted in active {
				if self.peers.asked() >= self.limits.parallel.max(1) {
					return;
				}
				let order = self.peers.for_ranges(usable);
				let Some(want) = self.wants.get_mut(wanted) else { continue };
				let Some(plan) = want.plan.as_mut() else { continue };
				let has = |id: &&PeerId| matches!(want.sources.get(*id), Some(Source::Has));
				for id in order.iter().filter(has) {
					let index = plan.take(*id, now, late_after);
					let Some((index, span)) = index.and_then(|i| Some((i, plan.span(i)?))) else {
						continue;
					};
					self.peers.ask(*id);
					actions.push(Action::Range(*id, *wanted, index, span));
					found = true;
					break;
				}
			}
			if !found {
				return;
			}
		}
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
		let longest = self.limits.ask_again.1;
		for (wanted, want) in &mut self.wants {
			if !roots.contains(&wanted.root)
				|| !matches!(want.sources.get(&id), Some(Source::Asked))
			{
				continue;
			}
			let source = match lengths.get(&wanted.root) {
				Some(len) if **len == wanted.len => Source::Has,
				_ => {
					let again = now + want.pause;
					want.pause = (want.pause * 2).min(longest);
					Source::Lacks(again)
				}
			};
			want.sources.insert(id, source);
		}
		if let Err(failure) = answer {
			self.failed(id, failure, now);
		}
	}

	/// A peer has answered a question for a range, or not. The bytes are verified already; returns how many of them
	/// are new.
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
				let new = want.plan.as_mut().is_some_and(|plan| plan.here(index, bytes));
				if new {
					want.moved = now;
					// Only bytes count as a sign that asking is worth it, not words.
					want.pause = self.limits.ask_again.0;
				}
				if new {
					len
				} else {
					0
				}
			}
			Err(failure) => {
				if let Some(want) = want {
					if let Some(plan) = &mut want.plan {
						plan.lost(index, &id);
					}
					let lacks = matches!(
						failure,
						Failure::Unreachable
							| Failure::Refused(Refusal::Unknown | Refusal::Length(_))
					);
					if lacks {
						let again = now + want.pause;
						want.pause = (want.pause * 2).min(self.limits.ask_again.1);
						want.sources.insert(id, Source::Lacks(again));
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
			Failure::Rejected => self.peers.busy(id, Duration::from_secs(1), now),
			Failure::Refused(Refusal::Busy(millis)) => {
				self.peers.busy(id, Duration::from_millis(millis.into()), now)
			}
			Failure::Fault(fault) => {
				let known = self.peers.is_banned(&id, now);
				self.peers.fault(id, fault, now);
				if fault.drops() {
					for want in self.wants.values_mut() {
						want.sources.remove(&id);
					}
				}
				if !known {
					self.reports.push(Action::Report(id, fault));
				}
			}
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
		let Some(plan) = &mut want.plan else { return false };
		match written {
			Written::Part | Written::Whole => {
				want.store_failures = 0;
				plan.written();
			}
			Written::Elsewhere { received } => plan.restart(received),
			Written::Failed => {
				want.store_failures += 1;
				let pause = Duration::from_secs(1u64 << want.store_failures.min(6));
				want.not_before = Some(now + pause);
				want.plan = None;
			}
		}
		false
	}
}

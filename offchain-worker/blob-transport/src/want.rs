//! One blob that is wanted: who has it, what of it is here, and whose turn it is.

use crate::{limits::FetchLimits, plan::Plan};
use assay_blobs::Owner;
use sc_network::PeerId;
use std::{
	collections::HashMap,
	time::{Duration, Instant},
};

/// Times in a row that a peer is busy for a blob before it counts as one that lacks it.
const BUSY: u32 = 8;

/// What a peer is known to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
	/// It has been asked.
	Asked,
	/// It says that it has it.
	Has,
	/// Asked again at this time.
	Lacks(Instant),
}

struct Known {
	source: Source,
	/// Pause until it is asked again the next time that it lacks the blob.
	pause: Duration,
	busy: u32,
}

/// What a turn is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
	/// As many ranges as one of the blobs that are fetched may have.
	Full,
	/// One range, to see whether anybody gives what he says he has.
	Probe,
}

/// The right to be asked for.
pub struct Turn {
	/// What it is for.
	pub lane: Lane,
	/// When it began.
	pub since: Instant,
	/// When the first range was asked for.
	pub asked: Option<Instant>,
	/// When the last new byte came.
	pub moved: Option<Instant>,
}

impl Turn {
	/// When it counts as fruitless, if nothing more comes. Time in which others' questions left no
	/// room for one does not count.
	pub fn stalls_at(&self, limits: &FetchLimits) -> Instant {
		let from = self.moved.max(self.asked).unwrap_or(self.since + limits.request_timeout);
		from + limits.stall
	}
}

/// A blob that is wanted.
pub struct Want {
	/// Place in the queue for turns.
	pub number: u64,
	/// Who it is for, where that is known.
	pub owner: Option<Owner>,
	/// Until when it is wanted.
	pub until: Instant,
	sources: HashMap<PeerId, Known>,
	has: usize,
	/// The ranges, while there is something to remember of them.
	pub plan: Option<Plan>,
	/// Whether ranges are asked for.
	pub turn: Option<Turn>,
	/// Somebody gave verified bytes of it, and the last turn was not fruitless.
	pub proven: bool,
	/// The last range has been here: the length is right.
	pub length_proven: bool,
	/// Nothing is asked or written before: the store failed.
	pub not_before: Option<Instant>,
	/// Times in a row that the store failed.
	pub store_failures: u32,
	/// When the last byte came, or it was first wanted; time spent waiting for a turn is taken out.
	moved: Instant,
	/// Since when it waits for a turn although somebody has it.
	waits: Option<Instant>,
	/// Order in which blobs were asked for.
	pub asked: u64,
}

impl Want {
	/// Nothing is known of it.
	pub fn new(number: u64, owner: Option<Owner>, until: Instant, now: Instant) -> Self {
		Self {
			number,
			owner,
			until,
			sources: HashMap::new(),
			has: 0,
			plan: None,
			turn: None,
			proven: false,
			length_proven: false,
			not_before: None,
			store_failures: 0,
			moved: now,
			waits: None,
			asked: 0,
		}
	}

	/// What is known of a peer.
	pub fn source(&self, id: &PeerId) -> Option<Source> {
		self.sources.get(id).map(|known| known.source)
	}

	/// Takes note of what a peer has.
	pub fn set(&mut self, id: PeerId, source: Source, limits: &FetchLimits) {
		let pause = limits.ask_again.0;
		let known = self.sources.entry(id).or_insert(Known { source, pause, busy: 0 });
		known.source = source;
		self.count();
	}

	/// A peer lacks it: it is asked again later, and every time later.
	pub fn lacks(&mut self, id: PeerId, now: Instant, limits: &FetchLimits) {
		let (shortest, longest) = limits.ask_again;
		let new = || Known { source: Source::Asked, pause: shortest, busy: 0 };
		let known = self.sources.entry(id).or_insert_with(new);
		if !matches!(known.source, Source::Lacks(at) if at > now) {
			known.source = Source::Lacks(now + known.pause);
			known.pause = (known.pause * 2).min(longest);
			known.busy = 0;
		}
		self.count();
	}

	/// A peer that says it has it is busy. When it is so again and again it counts as one that
	/// lacks it.
	pub fn busy(&mut self, id: PeerId, now: Instant, limits: &FetchLimits) {
		let Some(known) = self.sources.get_mut(&id) else { return };
		known.busy += 1;
		if known.busy >= BUSY {
			self.lacks(id, now, limits);
		}
	}

	/// A peer gave new bytes. Only bytes count as a sign that asking is worth it, not words.
	pub fn gave(&mut self, id: &PeerId, now: Instant, limits: &FetchLimits) {
		if let Some(known) = self.sources.get_mut(id) {
			(known.pause, known.busy) = (limits.ask_again.0, 0);
		}
		self.moved = now;
		self.proven = true;
		if let Some(turn) = &mut self.turn {
			turn.moved = Some(now);
		}
	}

	/// Forgets a peer.
	pub fn remove(&mut self, id: &PeerId) {
		self.sources.remove(id);
		self.count();
	}

	/// Forgets the peers that have gone.
	pub fn retain(&mut self, stays: impl Fn(&PeerId) -> bool) {
		self.sources.retain(|id, known| known.source == Source::Asked || stays(id));
		self.count();
	}

	fn count(&mut self) {
		self.has = self.sources.values().filter(|known| known.source == Source::Has).count();
	}

	/// Peers that say they have it.
	pub fn sources(&self) -> usize {
		self.has
	}

	/// Whether one of these peers says that it has it.
	pub fn any(&self, mut which: impl FnMut(&PeerId) -> bool) -> bool {
		let mut has = self.sources.iter().filter(|(_, known)| known.source == Source::Has);
		self.has > 0 && has.any(|(id, _)| which(id))
	}

	/// The next time that a peer that lacks it is asked again.
	pub fn ask_again(&self) -> Option<Instant> {
		let again = self.sources.values().filter_map(|known| match known.source {
			Source::Lacks(at) => Some(at),
			_ => None,
		});
		again.min()
	}

	/// Whether it could be fetched now, from these peers in the order of their ids.
	pub fn is_ready(&self, now: Instant, peers: &[PeerId]) -> bool {
		self.not_before.is_none_or(|at| at <= now) && self.any(|id| peers.binary_search(id).is_ok())
	}

	/// It is ready and has no turn, or it is not.
	pub fn waits(&mut self, waits: bool, now: Instant) {
		match (waits, self.waits) {
			(true, None) => self.waits = Some(now),
			(false, Some(_)) => {
				self.moved = now - self.idle(now);
				self.waits = None;
			}
			_ => {}
		}
	}

	/// Time without a byte, but for that spent waiting for a turn.
	pub fn idle(&self, now: Instant) -> Duration {
		let until = self.waits.map_or(now, |since| since.max(self.moved).min(now));
		until.saturating_duration_since(self.moved)
	}
}

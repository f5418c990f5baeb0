//! What is remembered of each peer: how much it is asked, how well it answers, whether it lied.

use crate::limits::FetchLimits;
use sc_network::PeerId;
use std::{
	collections::{BTreeMap, BTreeSet},
	time::{Duration, Instant},
};

/// Longest pause that a peer can ask for, and that silence costs it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Shortest pause of a peer that is busy.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// What a peer did that it should not have done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
	/// Sent a slice that does not prove itself. It lied, or its disk lies to it.
	WrongBytes,
	/// Sent something that is no answer to the question.
	Malformed,
	/// Did not answer in time.
	Silent,
	/// Said that it holds a blob and then did not give it.
	Withheld,
}

impl Fault {
	/// Name in the metrics and the log.
	pub const fn name(self) -> &'static str {
		match self {
			Fault::WrongBytes => "wrong_bytes",
			Fault::Malformed => "malformed",
			Fault::Silent => "silent",
			Fault::Withheld => "withheld",
		}
	}

	/// Whether a peer that did this is not asked any more.
	pub const fn drops(self) -> bool {
		matches!(self, Fault::WrongBytes | Fault::Malformed)
	}
}

#[derive(Debug)]
struct Peer {
	/// Ranges asked for that are not answered.
	asked: usize,
	/// How many may be: grows by one with every good answer, halves when the peer is busy, falls to one
	/// when it is silent.
	allowed: usize,
	/// Whether it has been asked which blobs it has, and not answered.
	asked_have: bool,
	paused: Option<Instant>,
	banned: Option<Instant>,
	/// Requests in a row that were not answered.
	silences: u32,
	/// Bytes a second of its good answers, smoothed.
	speed: f64,
}

/// All peers.
pub struct Peers {
	limits: FetchLimits,
	connected: BTreeSet<PeerId>,
	known: BTreeMap<PeerId, Peer>,
}

impl Peers {
	/// Nobody yet.
	pub fn new(limits: FetchLimits) -> Self {
		Self { limits, connected: BTreeSet::new(), known: BTreeMap::new() }
	}

	fn peer(&mut self, id: PeerId) -> &mut Peer {
		let allowed = self.limits.per_peer.clamp(1, 2);
		self.known.entry(id).or_insert(Peer {
			asked: 0,
			allowed,
			asked_have: false,
			paused: None,
			banned: None,
			silences: 0,
			speed: 0.0,
		})
	}

	/// Takes note of who is connected, and forgets everyone else of whom there is nothing to remember.
	pub fn connected(&mut self, peers: impl IntoIterator<Item = PeerId>, now: Instant) {
		self.connected = peers.into_iter().collect();
		let connected = &self.connected;
		self.known.retain(|id, peer| {
			connected.contains(id)
				|| peer.asked > 0
				|| peer.asked_have
				|| peer.banned.is_some_and(|until| until > now)
		});
	}

	/// Everyone who may be asked something now.
	pub fn usable(&self, now: Instant) -> Vec<PeerId> {
		let usable = |id: &&PeerId| {
			self.known.get(*id).is_none_or(|peer| {
				peer.paused.is_none_or(|until| until <= now)
					&& peer.banned.is_none_or(|until| until <= now)
			})
		};
		self.connected.iter().filter(usable).copied().collect()
	}

	/// Whether this peer is not asked because of what it did.
	pub fn is_banned(&self, id: &PeerId, now: Instant) -> bool {
		self.known.get(id).and_then(|peer| peer.banned).is_some_and(|until| until > now)
	}

	/// Those of `usable` that may be asked for a further range, the fastest with most room first.
	pub fn for_ranges(&mut self, usable: &[PeerId]) -> Vec<PeerId> {
		let mut open: Vec<_> = usable
			.iter()
			.filter_map(|id| {
				let peer = self.peer(*id);
				let room = peer.allowed.checked_sub(peer.asked).filter(|room| *room > 0)?;
				// A peer of which nothing is known yet is worth a try before slow ones.
				let speed = if peer.speed == 0.0 { f64::MAX } else { peer.speed };
				Some((speed * room as f64 / peer.allowed as f64, *id))
			})
			.collect();
		open.sort_by(|a, b| b.0.total_cmp(&a.0));
		open.into_iter().map(|(_, id)| id).collect()
	}

	/// Ranges that are asked for of anyone.
	pub fn asked(&self) -> usize {
		self.known.values().map(|peer| peer.asked).sum()
	}

	/// A range is asked for.
	pub fn ask(&mut self, id: PeerId) {
		self.peer(id).asked += 1;
	}

	/// A range is answered, however.
	pub fn answered(&mut self, id: PeerId) {
		let peer = self.peer(id);
		peer.asked = peer.asked.saturating_sub(1);
	}

	/// Whether it may be asked which blobs it has; if so it counts as asked.
	pub fn ask_have(&mut self, id: PeerId) -> bool {
		!std::mem::replace(&mut self.peer(id).asked_have, true)
	}

	/// It has said which blobs it has, or not.
	pub fn answered_have(&mut self, id: PeerId) {
		self.peer(id).asked_have = false;
	}

	/// A good answer of so many bytes.
	pub fn good(&mut self, id: PeerId, bytes: usize, took: Duration) {
		let most = self.limits.per_peer.max(1);
		let peer = self.peer(id);
		peer.silences = 0;
		peer.allowed = (peer.allowed + 1).min(most);
		let speed = bytes as f64 / took.as_secs_f64().max(1e-6);
		peer.speed = if peer.speed == 0.0 { speed } else { 0.8 * peer.speed + 0.2 * speed };
	}

	/// It is busy, and says for how long.
	pub fn busy(&mut self, id: PeerId, pause: Duration, now: Instant) {
		let peer = self.peer(id);
		peer.allowed = (peer.allowed / 2).max(1);
		peer.paused = Some(now + pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
	}

	/// It did something that it should not have done.
	pub fn fault(&mut self, id: PeerId, fault: Fault, now: Instant) {
		let ban = self.limits.ban;
		let peer = self.peer(id);
		if fault.drops() {
			peer.banned = Some(now + ban);
			return;
		}
		// Several requests that are lost at one time are one silence.
		if peer.paused.is_some_and(|until| until > now) {
			return;
		}
		peer.allowed = 1;
		peer.silences += 1;
		let pause = Duration::from_secs(1u64 << peer.silences.min(6));
		peer.paused = Some(now + pause.min(LONGEST_PAUSE));
	}

	/// When the first paused peer can be asked again.
	pub fn next_usable(&self, now: Instant) -> Option<Instant> {
		let until = |id: &PeerId| self.known.get(id).and_then(|peer| peer.paused);
		self.connected.iter().filter_map(until).filter(|until| *until > now).min()
	}
}

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
/// How long a peer that has gone and was no help is remembered, so that coming back makes it no
/// better.
const MEMORY: Duration = Duration::from_secs(600);
/// Most peers that have gone and are remembered.
const GONE: usize = 1024;
/// Times in a row that a peer must have been busy before it can be a fault.
const BUSY: u32 = 8;

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
	/// Was busy for minutes and gave nothing at all.
	Endless,
}

impl Fault {
	/// Name in the metrics and the log.
	pub const fn name(self) -> &'static str {
		match self {
			Fault::WrongBytes => "wrong_bytes",
			Fault::Malformed => "malformed",
			Fault::Silent => "silent",
			Fault::Withheld => "withheld",
			Fault::Endless => "endless",
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
	/// How many may be: grows by one with every good answer, halves when the peer is busy, falls to
	/// one when it is silent.
	allowed: usize,
	/// Whether it has been asked which blobs it has, and not answered.
	asked_have: bool,
	paused: Option<Instant>,
	banned: Option<Instant>,
	/// Requests in a row that were not answered.
	silences: u32,
	/// Bytes a second of its good answers, smoothed.
	speed: f64,
	/// Seconds that its good answers took, smoothed.
	took: f64,
	/// Times in a row that it was busy, and since when.
	busy: u32,
	busy_since: Option<Instant>,
	/// Its place among those of which little is known: when it came or was asked last.
	place: u64,
	/// When it was connected last.
	seen: Instant,
}

impl Peer {
	/// It gives what it has: its last answers were good.
	fn is_proven(&self) -> bool {
		self.speed > 0.0 && self.silences == 0 && self.busy < BUSY
	}

	/// Whether there is something to hold against it when it comes back.
	fn is_bad(&self, now: Instant) -> bool {
		let ahead = |at: Option<Instant>| at.is_some_and(|until| until > now);
		ahead(self.banned) || ahead(self.paused) || self.silences > 0 || self.busy > 0
	}
}

/// All peers.
pub struct Peers {
	limits: FetchLimits,
	connected: BTreeSet<PeerId>,
	known: BTreeMap<PeerId, Peer>,
	next_place: u64,
	asked: usize,
}

impl Peers {
	/// Nobody yet.
	pub fn new(limits: FetchLimits) -> Self {
		let (connected, known) = Default::default();
		Self { limits, connected, known, next_place: 0, asked: 0 }
	}

	fn place(&mut self) -> u64 {
		self.next_place += 1;
		self.next_place
	}

	fn peer(&mut self, id: PeerId) -> &mut Peer {
		let allowed = self.limits.per_peer.clamp(1, 2);
		if !self.known.contains_key(&id) {
			self.next_place += 1;
		}
		let place = self.next_place;
		self.known.entry(id).or_insert_with(|| Peer {
			asked: 0,
			allowed,
			asked_have: false,
			paused: None,
			banned: None,
			silences: 0,
			speed: 0.0,
			took: 0.0,
			busy: 0,
			busy_since: None,
			place,
			seen: Instant::now(),
		})
	}

	/// Takes note of who is connected, and forgets everyone else of whom there is nothing to
	/// remember.
	pub fn connected(&mut self, peers: impl IntoIterator<Item = PeerId>, now: Instant) {
		self.connected = peers.into_iter().collect();
		for id in self.connected.clone() {
			self.peer(id).seen = now;
		}
		let connected = &self.connected;
		self.known.retain(|id, peer| {
			let recent = now.saturating_duration_since(peer.seen) < MEMORY;
			let banned = peer.banned.is_some_and(|until| until > now);
			connected.contains(id)
				|| peer.asked > 0
				|| peer.asked_have
				|| banned || (recent && peer.is_bad(now))
		});
		// However many identities somebody has, those that have gone take a bounded place.
		let idle = |(id, peer): &(&PeerId, &Peer)| !connected.contains(id) && peer.asked == 0;
		let mut gone: Vec<_> =
			self.known.iter().filter(idle).map(|(id, peer)| (peer.seen, *id)).collect();
		if let Some(many) = gone.len().checked_sub(GONE).filter(|many| *many > 0) {
			gone.sort();
			for (_, id) in &gone[..many] {
				self.known.remove(id);
			}
		}
	}

	/// Whether it gives what it has: its last answers were good.
	pub fn is_proven(&self, id: &PeerId) -> bool {
		self.known.get(id).is_some_and(Peer::is_proven)
	}

	/// Whether it is proven and answers before anyone would be asked in its place.
	pub fn is_quick(&self, id: &PeerId) -> bool {
		let most = self.limits.hedge_after.as_secs_f64();
		self.known.get(id).is_some_and(|peer| peer.is_proven() && peer.took <= most)
	}

	/// Ranges that are asked for of peers that are not quick.
	pub fn asked_slow(&self) -> usize {
		let slow = self.known.iter().filter(|(_, peer)| peer.asked > 0);
		slow.filter(|(id, _)| !self.is_quick(id)).map(|(_, peer)| peer.asked).sum()
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

	/// Those of `usable` that may be asked for a further range: first those of which little is
	/// known, in the order in which they came or were asked last; then those whose answers were
	/// good, the fastest with most room first.
	pub fn for_ranges(&self, usable: &[PeerId]) -> Vec<PeerId> {
		let (mut unknown, mut good) = (Vec::new(), Vec::new());
		for id in usable {
			let Some(peer) = self.known.get(id) else { continue };
			let Some(room) = peer.allowed.checked_sub(peer.asked).filter(|room| *room > 0) else {
				continue;
			};
			match peer.is_proven() {
				true => good.push((peer.speed * room as f64 / peer.allowed as f64, *id)),
				false => unknown.push((peer.place, *id)),
			}
		}
		unknown.sort();
		good.sort_by(|a, b| b.0.total_cmp(&a.0));
		let unknown = unknown.into_iter().map(|(_, id)| id);
		unknown.chain(good.into_iter().map(|(_, id)| id)).collect()
	}

	/// Ranges that are asked for of anyone.
	pub fn asked(&self) -> usize {
		self.asked
	}

	/// A range is asked for.
	pub fn ask(&mut self, id: PeerId) {
		let place = self.place();
		let peer = self.peer(id);
		peer.asked += 1;
		peer.place = place;
		self.asked += 1;
	}

	/// A range is answered, however.
	pub fn answered(&mut self, id: PeerId) {
		let peer = self.peer(id);
		if peer.asked > 0 {
			peer.asked -= 1;
			self.asked -= 1;
		}
	}

	/// Whether it has been asked which blobs it has, and has not answered.
	pub fn is_asked_have(&self, id: &PeerId) -> bool {
		self.known.get(id).is_some_and(|peer| peer.asked_have)
	}

	/// It is asked which blobs it has.
	pub fn ask_have(&mut self, id: PeerId) {
		self.peer(id).asked_have = true;
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
		(peer.busy, peer.busy_since) = (0, None);
		peer.allowed = (peer.allowed + 1).min(most);
		let speed = bytes as f64 / took.as_secs_f64().max(1e-6);
		peer.took = match peer.speed {
			0.0 => took.as_secs_f64(),
			_ => 0.8 * peer.took + 0.2 * took.as_secs_f64(),
		};
		peer.speed = if peer.speed == 0.0 { speed } else { 0.8 * peer.speed + 0.2 * speed };
	}

	/// It is busy, and says for how long. Returns whether it has been for so long, and has given
	/// nothing, that this is a fault.
	pub fn busy(&mut self, id: PeerId, pause: Duration, now: Instant) -> bool {
		let most = self.limits.busy;
		let peer = self.peer(id);
		peer.allowed = (peer.allowed / 2).max(1);
		peer.paused = Some(now + pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
		peer.busy = peer.busy.saturating_add(1);
		let since = *peer.busy_since.get_or_insert(now);
		let endless = peer.busy >= BUSY && now.saturating_duration_since(since) >= most;
		if endless {
			// Once for each such time.
			peer.busy_since = Some(now);
		}
		endless
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
		if fault != Fault::Endless && peer.paused.is_some_and(|until| until > now) {
			return;
		}
		peer.allowed = 1;
		peer.silences += 1;
		let pause = Duration::from_secs(1u64 << peer.silences.min(6));
		peer.paused = peer.paused.max(Some(now + pause.min(LONGEST_PAUSE)));
	}

	/// When the first paused peer can be asked again.
	pub fn next_usable(&self, now: Instant) -> Option<Instant> {
		let until = |id: &PeerId| self.known.get(id).and_then(|peer| peer.paused);
		self.connected.iter().filter_map(until).filter(|until| *until > now).min()
	}
}

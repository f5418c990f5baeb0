//! Whose turn it is: a place among the blobs that are fetched is for those that move.
//!
//! * A blob in its turn that gets no byte for a while gives its place to one that waits. So does
//!   one that moves, after a longer while, to one that has moved before.
//! * Beside them other blobs are probed: one range each, to see whether anybody gives what he says
//!   he has. Those that get it go before those that do not. A blob of one range is whole then.
//! * Places go round: first to the owners that have fewest, of these to the one that had one
//!   longest ago, and of its blobs to the one that waits longest.

use crate::{
	plan::Plan,
	scheduler::{Scheduler, Wanted},
	want::{Lane, Turn},
};
use assay_blobs::Owner;
use sc_network::PeerId;
use std::{
	collections::HashMap,
	time::{Duration, Instant},
};

/// A peer that can be asked again so soon is not worth changing turns for.
const SOON: Duration = Duration::from_secs(1);

impl Scheduler {
	/// Most blobs that are probed at one time.
	fn probes(&self) -> usize {
		(self.limits.parallel / 2).max(1)
	}

	/// Ends and begins turns. `received` tells how much of a blob the store has; it is asked when a
	/// fetch begins.
	pub(crate) fn turns(
		&mut self,
		usable: &[PeerId],
		now: Instant,
		received: impl Fn(&Wanted) -> u64,
	) {
		let mut waiting = self.waiting(usable, now);
		self.end_turns(&mut waiting, usable, now);
		let mut places = HashMap::<Option<Owner>, usize>::new();
		let (mut full, mut probed) = (0, 0);
		for want in self.wants.values() {
			let Some(turn) = &want.turn else { continue };
			match turn.lane {
				Lane::Full => full += 1,
				Lane::Probe => probed += 1,
			}
			*places.entry(want.owner).or_default() += 1;
		}
		while full < self.limits.blobs.max(1)
			&& self.next(&mut waiting, &mut places, Lane::Full, now)
		{
			full += 1;
		}
		while probed < self.probes() && self.next(&mut waiting, &mut places, Lane::Probe, now) {
			probed += 1;
		}
		self.plans(received);
	}

	/// Those that could be fetched and have no turn.
	fn waiting(&mut self, usable: &[PeerId], now: Instant) -> Vec<Wanted> {
		let mut waiting = Vec::new();
		for (wanted, want) in &mut self.wants {
			let waits = want.turn.is_none() && want.is_ready(now, usable);
			want.waits(waits, now);
			if waits {
				waiting.push(*wanted);
			}
		}
		waiting
	}

	fn end_turns(&mut self, waiting: &mut Vec<Wanted>, usable: &[PeerId], now: Instant) {
		let soon = self.peers.usable(now + SOON);
		let is_proven = |wanted: &Wanted| self.wants.get(wanted).is_some_and(|want| want.proven);
		let any_waits = !waiting.is_empty();
		let proven_waits = waiting.iter().any(is_proven);
		let unproven_waits = waiting.iter().any(|wanted| !is_proven(wanted));
		let limits = self.limits;
		let mut ended = Vec::new();
		for (wanted, want) in &mut self.wants {
			let Some(turn) = &want.turn else { continue };
			let gone = want.sources() == 0 || want.not_before.is_some_and(|at| at > now);
			let idle = turn.stalls_at(&limits) <= now || !want.is_ready(now, &soon);
			let over = match turn.lane {
				Lane::Full => {
					let long = now.saturating_duration_since(turn.since) >= limits.turn;
					(idle && any_waits) || (long && proven_waits)
				}
				Lane::Probe => turn.moved.is_some() || (idle && unproven_waits),
			};
			if !gone && !over {
				continue;
			}
			if turn.moved.is_none() {
				want.proven = false;
				// The next turn begins with others, not with those that did not answer.
				want.plan = want.plan.take().filter(Plan::has_any);
			}
			want.turn = None;
			want.number = self.next_number;
			self.next_number += 1;
			let waits = want.is_ready(now, usable);
			want.waits(waits, now);
			if waits {
				ended.push(*wanted);
			}
		}
		waiting.extend(ended);
	}

	/// Gives a turn to the next one of those that wait. Returns whether there is one.
	fn next(
		&mut self,
		waiting: &mut Vec<Wanted>,
		places: &mut HashMap<Option<Owner>, usize>,
		lane: Lane,
		now: Instant,
	) -> bool {
		let candidates = waiting.iter().enumerate().filter_map(|(at, wanted)| {
			let want = self.wants.get(wanted)?;
			if lane == Lane::Probe && want.proven {
				return None;
			}
			let has = places.get(&want.owner).copied().unwrap_or(0);
			let last = self.served.get(&want.owner).copied().unwrap_or(0);
			Some(((!want.proven, has, last, want.number), at))
		});
		let Some((_, at)) = candidates.min() else { return false };
		let wanted = waiting.swap_remove(at);
		let Some(want) = self.wants.get_mut(&wanted) else { return false };
		want.waits(false, now);
		want.turn = Some(Turn { lane, since: now, asked: None, moved: None });
		*places.entry(want.owner).or_default() += 1;
		self.next_number += 1;
		self.served.insert(want.owner, self.next_number);
		true
	}

	/// Plans for those whose turn it is. Of others those stay that hold something, a bounded
	/// number.
	fn plans(&mut self, received: impl Fn(&Wanted) -> u64) {
		let window = self.limits.window;
		let mut parked = Vec::new();
		for (wanted, want) in &mut self.wants {
			match (&want.turn, &want.plan) {
				(Some(_), None) => {
					let plan = Plan::new(wanted.len, received(wanted), window);
					want.plan = Some(plan.proven(want.length_proven));
				}
				(None, Some(plan)) if plan.has_any() || plan.asked() > 0 => {
					parked.push((want.number, *wanted));
				}
				(None, Some(_)) => want.plan = None,
				_ => {}
			}
		}
		parked.sort();
		let most = self.limits.blobs.max(1) + self.probes();
		let many = parked.len().saturating_sub(most);
		for (_, wanted) in &parked[..many] {
			if let Some(want) = self.wants.get_mut(wanted) {
				want.plan = None;
			}
		}
	}
}

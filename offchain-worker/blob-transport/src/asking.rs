//! What is asked of whom: which blobs peers have, and ranges of those whose turn it is.

use crate::{
	peers::Peers,
	plan::Index,
	scheduler::{Action, Scheduler},
	tree::Span,
	want::{Lane, Source, Want},
	wire::MAX_ROOTS,
};
use sc_network::PeerId;
use std::{
	collections::HashSet,
	time::{Duration, Instant},
};

impl Scheduler {
	/// One question to each peer that may be asked, about all blobs of which it has not said
	/// anything.
	pub(crate) fn ask_have(&mut self, usable: &[PeerId], now: Instant, actions: &mut Vec<Action>) {
		if !self.ask && self.ask_at.is_none_or(|at| at > now) {
			return;
		}
		self.ask = false;
		let limits = self.limits;
		let mut wants: Vec<_> = self.wants.iter_mut().collect();
		wants.sort_by_key(|(_, want)| want.number);
		for id in usable {
			if self.peers.is_asked_have(id) {
				continue;
			}
			let (mut roots, mut known) = (Vec::new(), HashSet::new());
			for (wanted, want) in &mut wants {
				let open = match want.source(id) {
					None => true,
					Some(Source::Lacks(again)) => again <= now,
					Some(_) => false,
				};
				if open && (roots.len() < MAX_ROOTS || known.contains(&wanted.root)) {
					if known.insert(wanted.root) {
						roots.push(wanted.root);
					}
					want.set(*id, Source::Asked, &limits);
				}
			}
			if !roots.is_empty() {
				self.peers.ask_have(*id);
				actions.push(Action::Have(*id, roots));
			}
		}
		let again = wants.iter().filter_map(|(_, want)| want.ask_again()).filter(|at| *at > now);
		self.ask_at = again.chain(self.peers.next_usable(now)).min();
	}

	/// Asks for ranges of the blobs whose turn it is, within what each may have.
	pub(crate) fn ask_ranges(
		&mut self,
		usable: &[PeerId],
		now: Instant,
		actions: &mut Vec<Action>,
	) {
		let (late_after, parallel) = (self.late(), self.limits.parallel.max(1));
		let mut active = Vec::new();
		let (mut full, mut probed) = (0, 0);
		for (wanted, want) in &self.wants {
			let Some(turn) = &want.turn else { continue };
			match turn.lane {
				Lane::Full => full += 1,
				Lane::Probe => probed += 1,
			}
			active.push(*wanted);
		}
		let probed = usize::min(probed, parallel / 2);
		let share = ((parallel - probed) / usize::max(full, 1)).max(1);
		while self.peers.asked() < parallel {
			// The owner that was asked for longest ago comes first, and of its blobs that one, so
			// that what becomes free goes round too.
			active.sort_by_cached_key(|wanted| {
				let want = self.wants.get(wanted);
				let owner = want.and_then(|want| self.asked.get(&want.owner)).copied();
				(owner.unwrap_or(0), want.map(|want| (want.asked, want.number)))
			});
			let mut order = self.peers.for_ranges(usable);
			// Whoever is slow or does not answer at all cannot hold up what others would give.
			if self.peers.asked_slow() >= (parallel / 2).max(1) {
				order.retain(|id| self.peers.is_quick(id));
			}
			let next = active.iter().find_map(|wanted| {
				let want = self.wants.get_mut(wanted)?;
				let asked = ask_one(want, &self.peers, &order, share, now, late_after)?;
				self.next_number += 1;
				want.asked = self.next_number;
				self.asked.insert(want.owner, self.next_number);
				Some((*wanted, asked))
			});
			let Some((wanted, (id, index, span))) = next else { return };
			self.peers.ask(id);
			actions.push(Action::Range(id, wanted, index, span));
		}
	}
}

/// A range of this blob to ask for, and whom of `order`. `share`: ranges that it may have asked
/// for.
fn ask_one(
	want: &mut Want,
	peers: &Peers,
	order: &[PeerId],
	share: usize,
	now: Instant,
	late_after: Duration,
) -> Option<(PeerId, Index, Span)> {
	let share = match want.turn.as_ref()?.lane {
		Lane::Full => share,
		Lane::Probe => 1,
	};
	let has_good = want.any(|id| peers.is_proven(id));
	let plan = want.plan.as_ref()?;
	let fresh = plan.asked() < share;
	// Where somebody gives what he has, others get a try, and not everything at once.
	let tries = plan.asked_of(|id| !peers.is_proven(id)) < (share / 4).max(1);
	for id in order {
		let good = peers.is_proven(id);
		if want.source(id) != Some(Source::Has) || (has_good && !good && !(fresh && tries)) {
			continue;
		}
		let plan = want.plan.as_mut()?;
		let Some(index) = plan.take_one(*id, now, late_after, fresh) else { continue };
		let Some(span) = plan.span(index) else { continue };
		if let Some(turn) = &mut want.turn {
			turn.asked.get_or_insert(now);
		}
		return Some((*id, index, span));
	}
	None
}

//! The ranges of one blob: which are still to be asked for, which are asked for, which are here.
//!
//! Verified ranges are written in order, because that is what the store takes and what a crash
//! leaves usable; those that come early wait in memory, at most a window of them. The *last* range
//! is asked for first and kept: it is the one that proves the length of the blob, so nothing is
//! written under a length that no blob of this root has.

use crate::tree::{Span, GROUP, MAX_RANGE};
use sc_network::PeerId;
use std::{
	collections::{btree_map::Entry, BTreeMap},
	time::{Duration, Instant},
};

/// Peers that are asked for the same range at one time.
const ASKED_AT_ONCE: usize = 2;

/// Number of a range: its offset is that many times [`MAX_RANGE`].
pub type Index = u64;

enum Slot {
	/// Asked for, from whom and since when. Empty: lost, to be asked for again.
	Asked(Vec<(PeerId, Instant)>),
	/// Verified.
	Here(Vec<u8>),
}

/// The ranges of one blob.
pub struct Plan {
	total: u64,
	count: u64,
	window: u64,
	/// First range that is not in the store as a whole.
	next: Index,
	slots: BTreeMap<Index, Slot>,
	/// A write is under way; the ranges in it have left the slots.
	writing: bool,
	/// The last range has been here, so that the length is known to be right.
	proven: bool,
}

impl Plan {
	/// A blob of `total` bytes of which the store has `received`.
	pub fn new(total: u64, received: u64, window: u64) -> Self {
		let count = total.div_ceil(MAX_RANGE);
		let next = (received / MAX_RANGE).min(count.saturating_sub(1));
		Self {
			total,
			count,
			window: window.max(1),
			next,
			slots: BTreeMap::new(),
			writing: false,
			proven: false,
		}
	}

	/// The same of a blob whose last range has been here before, so that it need not come first.
	pub fn proven(self, proven: bool) -> Self {
		Self { proven, ..self }
	}

	/// Whether the last range has been here.
	pub fn is_proven(&self) -> bool {
		self.proven
	}

	/// The bytes of a range.
	pub fn span(&self, index: Index) -> Option<Span> {
		let offset = index.checked_mul(MAX_RANGE).filter(|offset| *offset < self.total)?;
		let len = MAX_RANGE.min(self.total - offset);
		debug_assert!(offset.is_multiple_of(GROUP));
		Span::new(self.total, offset, len as u32)
	}

	/// A range to ask this peer for: one that nobody is asked for, else one that somebody has been
	/// asked for since before `late`.
	#[cfg(test)]
	pub fn take(&mut self, peer: PeerId, now: Instant, hedge_after: Duration) -> Option<Index> {
		self.take_one(peer, now, hedge_after, true)
	}

	/// The same; `fresh`: also one that nobody is asked for.
	pub fn take_one(
		&mut self,
		peer: PeerId,
		now: Instant,
		hedge_after: Duration,
		fresh: bool,
	) -> Option<Index> {
		let last = self.count.checked_sub(1)?;
		let end = self.count.min(self.next.saturating_add(self.window));
		let open = |slot: Option<&Slot>| match slot {
			None => true,
			Some(Slot::Asked(by)) => by.is_empty(),
			Some(Slot::Here(_)) => false,
		};
		let first = (!self.proven).then_some(last);
		let mut all = first.into_iter().chain(self.next..end);
		let fresh = all.find(|index| open(self.slots.get(index))).filter(|_| fresh);
		let late = |slot: &Slot| match slot {
			Slot::Asked(by) => {
				by.len() < ASKED_AT_ONCE
					&& by.iter().all(|(asked, since)| {
						*asked != peer && now.saturating_duration_since(*since) >= hedge_after
					})
			}
			Slot::Here(_) => false,
		};
		let index = fresh
			.or_else(|| self.slots.iter().find(|(_, slot)| late(slot)).map(|(index, _)| *index))?;
		match self.slots.entry(index).or_insert_with(|| Slot::Asked(Vec::new())) {
			Slot::Asked(by) => by.push((peer, now)),
			Slot::Here(_) => return None,
		}
		Some(index)
	}

	/// When the first range that is asked for becomes late.
	pub fn next_late(&self, hedge_after: Duration) -> Option<Instant> {
		let late = |slot: &Slot| match slot {
			Slot::Asked(by) if by.len() < ASKED_AT_ONCE => {
				by.first().map(|(_, at)| *at + hedge_after)
			}
			_ => None,
		};
		self.slots.values().filter_map(late).min()
	}

	/// Ranges that somebody is asked for.
	pub fn asked(&self) -> usize {
		let asked = |slot: &&Slot| matches!(slot, Slot::Asked(by) if !by.is_empty());
		self.slots.values().filter(asked).count()
	}

	/// Questions for ranges to peers of a kind.
	pub fn asked_of(&self, kind: impl Fn(&PeerId) -> bool) -> usize {
		let by = self.slots.values().filter_map(|slot| match slot {
			Slot::Asked(by) => Some(by),
			Slot::Here(_) => None,
		});
		by.flatten().filter(|(peer, _)| kind(peer)).count()
	}

	/// Whether there is a point in holding on to this when nothing more is asked: something is here
	/// that is not in the store yet.
	pub fn has_any(&self) -> bool {
		self.writing || self.slots.values().any(|slot| matches!(slot, Slot::Here(_)))
	}

	/// This peer is not asked for this range any more.
	pub fn lost(&mut self, index: Index, peer: &PeerId) {
		if let Some(Slot::Asked(by)) = self.slots.get_mut(&index) {
			by.retain(|(asked, _)| asked != peer);
		}
	}

	/// The verified bytes of a range. Returns whether they are new.
	pub fn here(&mut self, index: Index, bytes: Vec<u8>) -> bool {
		match self.slots.entry(index) {
			Entry::Occupied(mut slot) if matches!(slot.get(), Slot::Asked(_)) => {
				slot.insert(Slot::Here(bytes));
				self.proven |= index + 1 == self.count;
				true
			}
			// Written already, or another peer was faster.
			_ => false,
		}
	}

	fn has(&self, index: Index) -> bool {
		matches!(self.slots.get(&index), Some(Slot::Here(_)))
	}

	/// The next bytes to write and where, once the length is proved. One write at a time.
	pub fn write(&mut self) -> Option<(u64, Vec<u8>)> {
		let last = self.count.checked_sub(1)?;
		// Once the length is right, the last range is written in its turn like the others.
		if self.writing || !self.proven || self.next > last || !self.has(self.next) {
			return None;
		}
		let Some(Slot::Here(bytes)) = self.slots.remove(&self.next) else { return None };
		self.writing = true;
		let offset = self.next * MAX_RANGE;
		self.next += 1;
		Some((offset, bytes))
	}

	/// The write has ended and all is well.
	pub fn written(&mut self) {
		self.writing = false;
	}

	/// The store has `received` bytes and not what was assumed: go on from there.
	pub fn restart(&mut self, received: u64) {
		let count = self.count;
		self.next = (received / MAX_RANGE).min(count.saturating_sub(1));
		self.writing = false;
		let next = self.next;
		self.slots.retain(|index, _| *index >= next);
	}

	/// Bytes that are verified and here, in the store or on their way into it.
	pub fn received(&self) -> u64 {
		let waiting = self.slots.values().map(|slot| match slot {
			Slot::Here(bytes) => bytes.len() as u64,
			Slot::Asked(_) => 0,
		});
		let before = self.next.saturating_mul(MAX_RANGE).min(self.total);
		(before + waiting.sum::<u64>()).min(self.total)
	}

	/// Ranges held in memory.
	#[cfg(test)]
	pub fn held(&self) -> usize {
		self.slots.values().filter(|slot| matches!(slot, Slot::Here(_))).count()
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const LATE: Duration = Duration::from_secs(2);

	fn peers<const N: usize>() -> [PeerId; N] {
		std::array::from_fn(|_| PeerId::random())
	}

	fn take_all(plan: &mut Plan, peer: PeerId, now: Instant) -> Vec<Index> {
		std::iter::from_fn(|| plan.take(peer, now, LATE)).collect()
	}

	fn bytes(plan: &Plan, index: Index) -> Vec<u8> {
		vec![index as u8; plan.span(index).unwrap().len as usize]
	}

	#[test]
	fn spans_should_cover_the_blob_exactly_when_it_is_split() {
		for total in [1, GROUP, MAX_RANGE - 1, MAX_RANGE, MAX_RANGE + 1, 5 * MAX_RANGE + 7] {
			let plan = Plan::new(total, 0, 4);
			let mut end = 0;
			for index in 0..plan.count {
				let span = plan.span(index).unwrap();
				assert_eq!(span.offset, end);
				end = span.end();
			}
			assert_eq!((end, plan.span(plan.count)), (total, None));
		}
		assert!(Plan::new(1, 0, 1).span(u64::MAX).is_none());
	}

	#[test]
	fn last_range_should_be_asked_first_and_hold_back_every_write() {
		let ([a], now) = (peers(), Instant::now());
		let mut plan = Plan::new(10 * MAX_RANGE, 0, 3);
		assert_eq!(take_all(&mut plan, a, now), [9, 0, 1, 2]);
		let first = bytes(&plan, 0);
		assert!(plan.here(0, first));
		assert!(plan.write().is_none());
		let last = bytes(&plan, 9);
		assert!(plan.here(9, last));
		assert_eq!(plan.write().unwrap().0, 0);
		// One write at a time, and the window moves with it.
		let second = bytes(&plan, 1);
		assert!(plan.here(1, second));
		// In memory: the next one, and the last one that proves the length.
		assert_eq!(plan.held(), 2);
		assert!(plan.write().is_none());
		assert_eq!(take_all(&mut plan, a, now), [3]);
		plan.written();
		assert_eq!(plan.write().unwrap().0, MAX_RANGE);
	}

	#[test]
	fn lost_range_should_go_to_another_peer_and_a_late_one_to_two() {
		let ([a, b, c], now) = (peers(), Instant::now());
		let mut plan = Plan::new(2 * MAX_RANGE, 0, 8);
		assert_eq!(take_all(&mut plan, a, now), [1, 0]);
		assert!(take_all(&mut plan, b, now).is_empty());
		plan.lost(1, &a);
		assert_eq!(take_all(&mut plan, b, now), [1]);
		let late = now + LATE;
		assert_eq!(plan.next_late(LATE), Some(late));
		// The one that was asked is not asked twice, and no third one is asked.
		assert_eq!(take_all(&mut plan, a, late), [1]);
		assert_eq!(take_all(&mut plan, b, late), [0]);
		assert!(take_all(&mut plan, c, late + LATE).is_empty());
		assert_eq!(plan.next_late(LATE), None);
		let last = bytes(&plan, 1);
		assert!(plan.here(1, last.clone()));
		assert!(!plan.here(1, last));
	}

	#[test]
	fn plan_should_go_on_where_the_store_is_when_it_starts_again() {
		let ([a], now) = (peers(), Instant::now());
		let mut plan = Plan::new(4 * MAX_RANGE, 2 * MAX_RANGE + 5, 8);
		assert_eq!(plan.received(), 2 * MAX_RANGE);
		assert_eq!(take_all(&mut plan, a, now), [3, 2]);
		plan.restart(0);
		assert_eq!((plan.received(), take_all(&mut plan, a, now)), (0, vec![0, 1]));
		// All had arrived before a crash: the last range is fetched again and finishes the upload.
		let mut plan = Plan::new(4 * MAX_RANGE, 4 * MAX_RANGE, 8);
		assert_eq!(take_all(&mut plan, a, now), [3]);
		let last = bytes(&plan, 3);
		assert!(plan.here(3, last));
		assert_eq!(plan.write().unwrap().0, 3 * MAX_RANGE);
		assert!(plan.write().is_none());
		assert_eq!(plan.received(), 4 * MAX_RANGE);
	}
}

//! Which of the duties that wait has a worker next: a question about numbers, without any clock.
//!
//! # The rule
//! *The earliest deadline first, among those that bring most for their time.*
//!
//! 1. What this node owes already comes first, the earliest deadline before the others: the chunks
//!    and the reveal of a verdict that is committed, and the moves of a dispute ([`Worth::Owed`]).
//! 2. Of the verdicts that may be given, those are *planned* that bring most for the time that they
//!    take, one after the other as long as all planned ones end in time when they are run by
//!    earliest deadline. The next one is the planned one with the earliest deadline.
//! 3. Where nothing is planned, since nothing would end in time as far as can be told, the one that
//!    brings most for its time is tried all the same. Whoever asks gives up what certainly ends too
//!    late.
//!
//! # Pre-emption
//! A replay gives its worker up to one that brings at least twice as much for its time, or is owed,
//! and would be too late otherwise. Each such loss is of work that brings less than half of what is
//! done in its place, so that whoever wants to waste this node's time with jobs that push each
//! other out pays for it.
//!
//! # Bounds
//! Only the best [`CONSIDERED`] duties are looked at.

use crate::types::Balance;
use std::cmp::{Ordering, Reverse};

/// Most duties that one look considers.
pub(crate) const CONSIDERED: usize = 128;

/// What a duty is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
	/// A verdict that may be given, and what it brings.
	Fee(Balance),
	/// What this node has bound itself to.
	Owed,
}

/// A duty that waits for a worker or has one. Times are milliseconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
	/// Names it; earlier ones are smaller.
	pub(crate) id: u64,
	pub(crate) worth: Worth,
	/// How long a worker is busy with it, from its start.
	pub(crate) takes: u64,
	/// When it has to be done; may be past.
	pub(crate) due: u64,
	/// How long a worker has been busy with it already.
	pub(crate) ran: u64,
}

impl Item {
	/// Which of two brings more for its time.
	fn density(&self, other: &Self) -> Ordering {
		match (self.worth, other.worth) {
			(Worth::Owed, Worth::Owed) => Ordering::Equal,
			(Worth::Owed, Worth::Fee(_)) => Ordering::Greater,
			(Worth::Fee(_), Worth::Owed) => Ordering::Less,
			(Worth::Fee(a), Worth::Fee(b)) => {
				let (a_time, b_time) = (self.takes.max(1).into(), other.takes.max(1).into());
				a.saturating_mul(b_time).cmp(&b.saturating_mul(a_time))
			}
		}
	}

	/// Whether it brings so much more for its time that the other may be given up for it.
	fn outweighs(&self, other: &Self) -> bool {
		match other.worth {
			Worth::Owed => false,
			Worth::Fee(fee) => {
				let twice = Self { worth: Worth::Fee(fee.saturating_mul(2)), ..*other };
				self.density(&twice) != Ordering::Less
			}
		}
	}

	/// What is left of it. One that takes longer than it was thought to is taken to be near its
	/// end.
	fn left(&self) -> u64 {
		self.takes.saturating_sub(self.ran).max(self.takes / 8)
	}
}

/// The waiting duties that can be done in time, by earliest deadline, where the workers are free
/// after these times.
fn plan(waiting: &[Item], free_after: &[u64]) -> Vec<Item> {
	let mut best: Vec<_> = waiting.to_vec();
	best.sort_by(|a, b| b.density(a).then(a.due.cmp(&b.due)).then(a.id.cmp(&b.id)));
	best.truncate(CONSIDERED);
	let mut planned: Vec<Item> = Vec::new();
	for item in best {
		let at = planned.partition_point(|other| (other.due, other.id) < (item.due, item.id));
		planned.insert(at, item);
		if !ends_in_time(&planned, free_after) {
			planned.remove(at);
		}
	}
	planned
}

/// Whether all of these are done in time when the next free worker takes up the next of them.
fn ends_in_time(planned: &[Item], free_after: &[u64]) -> bool {
	let mut free: Vec<u64> = free_after.to_vec();
	planned.iter().all(|item| {
		let Some(first) = free.iter_mut().min() else { return false };
		*first = first.saturating_add(item.takes);
		*first <= item.due
	})
}

/// The one that has a free worker next.
pub(crate) fn next(waiting: &[Item], running: &[Item], workers: usize) -> Option<u64> {
	let owed = waiting.iter().filter(|item| item.worth == Worth::Owed);
	if let Some(first) = owed.min_by_key(|item| (item.due, item.id)) {
		return Some(first.id);
	}
	let planned = plan(waiting, &free_after(running, workers));
	if let Some(first) = planned.first() {
		return Some(first.id);
	}
	let most = |a: &&Item, b: &&Item| a.density(b).then(Reverse(a.id).cmp(&Reverse(b.id)));
	waiting.iter().max_by(most).map(|item| item.id)
}

/// The one of the running replays that gives its worker up, where no worker is free.
pub(crate) fn pre_empted(waiting: &[Item], running: &[Item], workers: usize) -> Option<u64> {
	if running.len() < workers {
		return None;
	}
	let least = running
		.iter()
		.filter(|item| item.worth != Worth::Owed)
		.min_by(|a, b| a.density(b).then(b.id.cmp(&a.id)))?;
	let others: Vec<_> = running.iter().filter(|item| item.id != least.id).copied().collect();
	let patient = plan(waiting, &free_after(running, workers));
	let hasty = plan(waiting, &free_after(&others, workers));
	// What is owed is tried also where it seems to be too late.
	let owed = waiting.iter().filter(|item| item.worth == Worth::Owed);
	let gains = |item: &Item| item.outweighs(least) && !patient.contains(item);
	hasty.iter().chain(owed).any(gains).then_some(least.id)
}

fn free_after(running: &[Item], workers: usize) -> Vec<u64> {
	let mut after: Vec<_> = running.iter().map(Item::left).collect();
	after.resize(workers.max(running.len()), 0);
	after
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	const MINUTE: u64 = 60_000;

	fn item(id: u64, fee: Balance, takes: u64, due: u64) -> Item {
		Item { id, worth: Worth::Fee(fee), takes, due, ran: 0 }
	}

	fn owed(id: u64, takes: u64, due: u64) -> Item {
		Item { worth: Worth::Owed, ..item(id, 0, takes, due) }
	}

	#[test]
	fn earliest_deadline_should_be_first_where_all_can_be_done() {
		let waiting = [item(1, 90, 10, 100), item(2, 10, 10, 50), item(3, 50, 10, 70)];
		assert_eq!(next(&waiting, &[], 1), Some(2));
	}

	#[test]
	fn best_paid_should_be_first_where_not_all_can_be_done() {
		// One of the first two: the second has the later deadline and pays better.
		let waiting = [item(1, 10, 40, 45), item(2, 100, 40, 50)];
		assert_eq!(next(&waiting, &[], 1), Some(2));
		assert_eq!(next(&waiting, &[], 2), Some(1), "two workers do both");
		// A long one that pays more in all does not go before short ones that pay more for their
		// time.
		let waiting = [item(1, 100, 100, 100), item(2, 30, 10, 60), item(3, 30, 10, 100)];
		assert_eq!(next(&waiting, &[], 1), Some(2));
	}

	#[test]
	fn what_is_owed_should_be_first_by_its_deadline() {
		let waiting = [item(1, 1000, 1, 2), owed(2, 10, 500), owed(3, 10, 400)];
		assert_eq!(next(&waiting, &[], 1), Some(3));
	}

	#[test]
	fn worker_should_not_idle_where_nothing_seems_to_end_in_time() {
		let waiting = [item(1, 10, 100, 50), item(2, 30, 100, 50), item(3, 30, 100, 50)];
		assert_eq!(next(&waiting, &[], 1), Some(2));
		assert_eq!(next(&[], &[], 1), None);
	}

	#[test]
	fn replay_should_give_way_to_one_that_pays_twice_and_would_be_too_late() {
		let running = [Item { ran: 10, ..item(1, 100, 100, 500) }];
		let better = item(2, 200, 100, 120);
		assert_eq!(pre_empted(&[better], &running, 1), Some(1));
		assert_eq!(pre_empted(&[better], &running, 2), None, "another worker is free");
		assert_eq!(pre_empted(&[item(2, 199, 100, 120)], &running, 1), None, "less than twice");
		assert_eq!(pre_empted(&[item(2, 200, 100, 190)], &running, 1), None, "it can wait");
		assert_eq!(
			pre_empted(&[item(2, 200, 100, 99)], &running, 1),
			None,
			"it is too late anyway"
		);
		assert_eq!(pre_empted(&[owed(2, 100, 120)], &running, 1), Some(1));
		assert_eq!(pre_empted(&[owed(2, 100, 190)], &running, 1), None);
		assert_eq!(pre_empted(&[owed(2, 100, 20)], &running, 1), Some(1), "owed all the same");
		let running = [owed(1, 100, 500)];
		assert_eq!(pre_empted(&[item(2, 1 << 100, 100, 120)], &running, 1), None);
	}

	#[test]
	fn cheapest_replay_should_give_way_where_several_run() {
		let running = [item(1, 100, 100, 500), item(2, 20, 100, 500), item(3, 50, 100, 500)];
		assert_eq!(pre_empted(&[item(4, 300, 100, 120)], &running, 3), Some(2));
	}

	/// H5: jobs of 885 s for 0.0002 ASY each, whose clocks would keep the only worker for hours,
	/// and one of a minute that pays what its work is worth.
	#[test]
	fn well_paid_duty_should_be_done_when_cheap_heavy_ones_come_in_a_flood() {
		for (arrives, workers) in [(0, 1), (30, 1), (900, 1), (30, 2)] {
			let mut simulation = Simulation { workers, ..Default::default() };
			for id in 0..50 {
				simulation.post(id, 200, 885_000, 1_485_000);
			}
			for second in 0..2_000 {
				if second == arrives {
					simulation.post(1_000, 10_000_000, MINUTE, 10 * MINUTE);
				}
				simulation.pass(1_000);
			}
			assert!(simulation.done.contains(&1_000), "arrives at {arrives} s, {workers} workers");
			// The rest of the time was not wasted, and at most one of the others was given up for
			// it.
			assert!(simulation.done.len() > 1, "{:?}", simulation.done);
			assert!(simulation.given_up <= 1, "{}", simulation.given_up);
		}
	}

	/// A machine that does what the rule says, and a clock.
	#[derive(Default)]
	struct Simulation {
		workers: usize,
		waiting: Vec<Item>,
		running: Vec<Item>,
		done: Vec<u64>,
		given_up: u32,
	}

	impl Simulation {
		fn post(&mut self, id: u64, fee: Balance, takes: u64, due: u64) {
			self.waiting.push(item(id, fee, takes, due));
		}

		fn pass(&mut self, milliseconds: u64) {
			if let Some(id) = pre_empted(&self.waiting, &self.running, self.workers) {
				let at = self.running.iter().position(|item| item.id == id).unwrap();
				let item = self.running.swap_remove(at);
				self.waiting.push(Item { ran: 0, ..item });
				self.given_up += 1;
			}
			while self.running.len() < self.workers {
				let Some(id) = next(&self.waiting, &self.running, self.workers) else { break };
				let at = self.waiting.iter().position(|item| item.id == id).unwrap();
				self.running.push(self.waiting.swap_remove(at));
			}
			for item in self.waiting.iter_mut().chain(&mut self.running) {
				item.due = item.due.saturating_sub(milliseconds);
			}
			self.waiting.retain(|item| item.takes <= item.due);
			self.running.iter_mut().for_each(|item| item.ran += milliseconds);
			let done = self.running.iter().filter(|item| item.ran >= item.takes && item.due > 0);
			self.done.extend(done.map(|item| item.id));
			self.running.retain(|item| item.ran < item.takes && item.due > 0);
		}
	}

	fn items() -> impl Strategy<Value = Vec<Item>> {
		let worth = prop_oneof![Just(Worth::Owed), (0..1u128 << 100).prop_map(Worth::Fee)];
		let one = (worth, 0..u64::MAX, 0..u64::MAX, 0..u64::MAX);
		prop::collection::vec(one, 0..40).prop_map(|all| {
			let number = |(id, (worth, takes, due, ran))| Item { id, worth, takes, due, ran };
			(0..).zip(all).map(number).collect()
		})
	}

	proptest! {
		/// Somebody always has a free worker; nobody whose work brings as much is given up; no
		/// numbers of a job's author make anything panic.
		#[test]
		fn choice_should_be_one_of_those_that_wait(waiting in items(), running in items(), spare in 0usize..3) {
			let workers = running.len() + spare;
			let chosen = next(&waiting, &running, workers);
			prop_assert_eq!(chosen.is_none(), waiting.is_empty());
			prop_assert!(chosen.is_none_or(|id| waiting.iter().any(|item| item.id == id)));
			if let Some(id) = pre_empted(&waiting, &running, workers) {
				prop_assert!(spare == 0);
				let given_up = running.iter().find(|item| item.id == id).unwrap();
				prop_assert!(waiting.iter().any(|item| item.outweighs(given_up)));
			}
		}
	}
}

//! The workers of this node, and whose turn it is to have one.
//!
//! [`queue`](super::queue) has the rule. Here are the clock, who waits and who runs.

use crate::{
	turns::queue::{next, pre_empted, Item, Worth},
	types::{Balance, BlockNumber},
};
use parking_lot::Mutex;
use std::{
	collections::BTreeMap,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// What somebody wants a worker for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bid {
	pub(crate) worth: Worth,
	/// How long it is likely to take.
	pub(crate) takes: Duration,
	/// Last block by which it has to be done.
	pub(crate) deadline: BlockNumber,
}

impl Bid {
	/// A verdict that may be given.
	pub(crate) fn verdict(fee: Balance, takes: Duration, deadline: BlockNumber) -> Self {
		Self { worth: Worth::Fee(fee), takes, deadline }
	}

	/// Something that this node has bound itself to.
	pub(crate) fn owed(takes: Duration, deadline: BlockNumber) -> Self {
		Self { worth: Worth::Owed, takes, deadline }
	}
}

struct Waiting {
	bid: Bid,
	ready: oneshot::Sender<()>,
	stop: watch::Sender<bool>,
}

struct Running {
	bid: Bid,
	since: Instant,
	/// Set when the worker is to be given up.
	stop: watch::Sender<bool>,
}

struct State {
	count: usize,
	best: BlockNumber,
	/// When the best block came.
	at: Instant,
	block: Duration,
	next: u64,
	waiting: BTreeMap<u64, Waiting>,
	running: BTreeMap<u64, Running>,
}

/// The workers that may run at the same time. Clones share them.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Mutex<State>>);

/// The right to run one worker, or to wait for one, until it is dropped.
pub(crate) struct Turn {
	workers: Workers,
	id: u64,
	stop: watch::Receiver<bool>,
}

impl Turn {
	/// Ends when somebody else is to have the worker.
	pub(crate) async fn pre_empted(&mut self) {
		if self.stop.wait_for(|stop| *stop).await.is_err() {
			std::future::pending().await
		}
	}
}

impl Drop for Turn {
	fn drop(&mut self) {
		let mut state = self.workers.0.lock();
		state.waiting.remove(&self.id);
		if state.running.remove(&self.id).is_some() {
			state.assign();
		}
	}
}

impl Workers {
	/// As many as may run at the same time, on a chain with a block in every `block`.
	pub(crate) fn new(count: usize, block: Duration) -> Self {
		let (waiting, running) = Default::default();
		let (best, at, next) = (0, Instant::now(), 0);
		Self(Arc::new(Mutex::new(State { count, best, at, block, next, waiting, running })))
	}

	/// Verdicts that are being replayed now.
	pub(crate) fn replaying(&self) -> usize {
		let state = self.0.lock();
		state.running.values().filter(|running| running.bid.worth != Worth::Owed).count()
	}

	/// Time has passed: this is the best block now.
	pub(crate) fn at(&self, best: BlockNumber) {
		let mut state = self.0.lock();
		if state.best != best {
			(state.best, state.at) = (best, Instant::now());
		}
		state.assign();
	}

	/// Waits for a worker.
	pub(crate) async fn turn(&self, bid: Bid) -> Turn {
		let (ready, given) = oneshot::channel();
		let (stop, stopped) = watch::channel(false);
		let turn = {
			let mut state = self.0.lock();
			let id = state.next;
			state.next += 1;
			state.waiting.insert(id, Waiting { bid, ready, stop });
			state.assign();
			Turn { workers: self.clone(), id, stop: stopped }
		};
		// The sender goes when it has sent, or with `turn`.
		let _ = given.await;
		turn
	}
}

impl State {
	/// Hands free workers out, and asks for one back where that is due.
	fn assign(&mut self) {
		while self.running.len() < self.count {
			let chosen = next(&self.all_waiting(), &self.all_running(), self.count);
			let Some(id) = chosen else { return };
			let Some(Waiting { bid, ready, stop }) = self.waiting.remove(&id) else { return };
			self.running.insert(id, Running { bid, since: Instant::now(), stop });
			// Whoever does not wait any more drops its turn.
			let _ = ready.send(());
		}
		// One after the other: what is given up frees a worker first.
		if self.waiting.is_empty() || self.running.values().any(|running| *running.stop.borrow()) {
			return;
		}
		let given_up = pre_empted(&self.all_waiting(), &self.all_running(), self.count);
		if let Some(running) = given_up.and_then(|id| self.running.get(&id)) {
			running.stop.send_replace(true);
		}
	}

	fn all_waiting(&self) -> Vec<Item> {
		self.waiting.iter().map(|(id, waiting)| self.item(*id, &waiting.bid, None)).collect()
	}

	fn all_running(&self) -> Vec<Item> {
		let item =
			|(id, running): (&u64, &Running)| self.item(*id, &running.bid, Some(running.since));
		self.running.iter().map(item).collect()
	}

	fn item(&self, id: u64, bid: &Bid, since: Option<Instant>) -> Item {
		let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
		let blocks = bid.deadline.saturating_sub(self.best);
		let due = self.block.saturating_mul(blocks).saturating_sub(self.at.elapsed());
		let ran = since.map_or(Duration::ZERO, |since| since.elapsed());
		Item {
			id,
			worth: bid.worth,
			takes: milliseconds(bid.takes),
			due: milliseconds(due),
			ran: milliseconds(ran),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use futures::FutureExt;

	const BLOCK: Duration = Duration::from_secs(3);

	fn workers(count: usize) -> Workers {
		Workers::new(count, BLOCK)
	}

	/// A verdict that takes so many blocks.
	fn verdict(fee: Balance, blocks: u32, deadline: BlockNumber) -> Bid {
		Bid::verdict(fee, BLOCK * blocks, deadline)
	}

	#[tokio::test]
	async fn dispute_should_have_the_next_worker_when_replays_wait_too() {
		let workers = workers(1);
		let first = workers.turn(verdict(1, 1, 100)).await;
		let mut second = Box::pin(workers.turn(verdict(1, 1, 100)));
		let mut third = Box::pin(workers.turn(verdict(1, 1, 100)));
		assert!((&mut second).now_or_never().is_none());
		let mut dispute = Box::pin(workers.turn(Bid::owed(BLOCK, 200)));
		assert!((&mut dispute).now_or_never().is_none());
		assert!((&mut third).now_or_never().is_none());
		assert_eq!(workers.replaying(), 1);
		drop(first);
		assert!((&mut second).now_or_never().is_none());
		let turn = (&mut dispute).now_or_never().expect("the dispute is next");
		assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
		assert_eq!(workers.replaying(), 0);
		drop(turn);
		drop(second.await);
		drop(third.await);
	}

	#[tokio::test]
	async fn worker_should_be_free_again_when_whoever_waits_or_has_one_goes_away() {
		let workers = workers(1);
		let first = workers.turn(verdict(1, 1, 100)).await;
		let mut dispute = Box::pin(workers.turn(Bid::owed(BLOCK, 100)));
		assert!((&mut dispute).now_or_never().is_none());
		drop(dispute);
		let mut second = Box::pin(workers.turn(verdict(1, 1, 100)));
		assert!((&mut second).now_or_never().is_none());
		drop(first);
		// It has been given the worker, and goes without having looked.
		drop(second);
		assert!(workers.turn(verdict(1, 1, 100)).now_or_never().is_some());
		assert!(workers.0.lock().waiting.is_empty() && workers.0.lock().running.is_empty());
	}

	#[tokio::test]
	async fn replay_should_be_asked_to_stop_when_a_better_one_would_be_too_late() {
		let workers = workers(1);
		workers.at(10);
		let mut cheap = workers.turn(verdict(1, 300, 500)).await;
		assert!(cheap.pre_empted().now_or_never().is_none());
		let mut dear = Box::pin(workers.turn(verdict(1_000, 20, 200)));
		assert!((&mut dear).now_or_never().is_none());
		assert!(cheap.pre_empted().now_or_never().is_some());
		drop(cheap);
		let mut dear = dear.now_or_never().expect("the worker is free");
		assert!(dear.pre_empted().now_or_never().is_none());
	}

	#[tokio::test]
	async fn replay_should_be_asked_to_stop_when_time_has_made_a_better_one_urgent() {
		let workers = workers(1);
		let mut cheap = workers.turn(verdict(1, 30, 500)).await;
		let mut dear = Box::pin(workers.turn(verdict(1_000, 20, 90)));
		assert!((&mut dear).now_or_never().is_none());
		assert!(cheap.pre_empted().now_or_never().is_none(), "both can be done");
		// The first one takes longer than it should, for the clock of this test stands still.
		workers.at(60);
		assert!(cheap.pre_empted().now_or_never().is_some());
		drop((cheap, dear));
	}
}

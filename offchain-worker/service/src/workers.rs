//! Whose turn it is to have a worker.

use std::sync::{
	atomic::{AtomicUsize, Ordering},
	Arc,
};

use tokio::sync::{watch, OwnedSemaphorePermit, Semaphore};

/// The workers that may run at the same time. What is urgent gets the next free one: the clocks of
/// disputes and openings are shorter than those of verdicts.
pub(crate) struct Workers {
	free: Arc<Semaphore>,
	/// How many wait for whom it is urgent.
	urgent: watch::Sender<usize>,
	/// Replays that have a worker.
	replaying: Arc<AtomicUsize>,
}

/// The right to run one worker, until it is dropped.
pub(crate) struct Turn {
	_permit: OwnedSemaphorePermit,
	counted: Option<Arc<AtomicUsize>>,
}

impl Drop for Turn {
	fn drop(&mut self) {
		if let Some(counted) = &self.counted {
			counted.fetch_sub(1, Ordering::Relaxed);
		}
	}
}

/// Counts one that waits and for whom it is urgent.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Drop for Waiting<'_> {
	fn drop(&mut self) {
		self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
	}
}

impl Workers {
	/// As many as may run at the same time.
	pub(crate) fn new(count: usize) -> Self {
		let (free, urgent) = (Arc::new(Semaphore::new(count)), watch::Sender::new(0));
		Self { free, urgent, replaying: Arc::default() }
	}

	/// Replays that have a worker now.
	pub(crate) fn replaying(&self) -> usize {
		self.replaying.load(Ordering::Relaxed)
	}

	/// Waits for a worker for a verdict, behind all that is urgent.
	pub(crate) async fn replay(&self) -> Turn {
		let mut urgent = self.urgent.subscribe();
		loop {
			// Fails only when the sender is gone, which `self` holds.
			let _ = urgent.wait_for(|waiting| *waiting == 0).await;
			let turn = self.turn(Some(self.replaying.clone())).await;
			if *self.urgent.borrow() == 0 {
				return turn;
			}
			// Dropping it hands it to whoever waits next.
		}
	}

	/// Waits for a worker for a dispute or the chunks of a verdict.
	pub(crate) async fn urgent(&self) -> Turn {
		self.urgent.send_modify(|waiting| *waiting += 1);
		let _waiting = Waiting(&self.urgent);
		self.turn(None).await
	}

	async fn turn(&self, counted: Option<Arc<AtomicUsize>>) -> Turn {
		let permit = match self.free.clone().acquire_owned().await {
			Ok(permit) => permit,
			// The semaphore is never closed.
			Err(_) => std::future::pending().await,
		};
		if let Some(counted) = &counted {
			counted.fetch_add(1, Ordering::Relaxed);
		}
		Turn { _permit: permit, counted }
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use futures::FutureExt;

	#[tokio::test]
	async fn dispute_should_have_the_next_worker_when_replays_wait_too() {
		let workers = Workers::new(1);
		let first = workers.replay().await;
		let mut second = Box::pin(workers.replay());
		let mut third = Box::pin(workers.replay());
		assert!((&mut second).now_or_never().is_none());
		let mut dispute = Box::pin(workers.urgent());
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
	async fn replay_should_have_its_turn_when_a_waiting_dispute_is_given_up() {
		let workers = Workers::new(1);
		let first = workers.replay().await;
		let mut dispute = Box::pin(workers.urgent());
		assert!((&mut dispute).now_or_never().is_none());
		drop(dispute);
		drop(first);
		assert!(workers.replay().now_or_never().is_some());
	}
}

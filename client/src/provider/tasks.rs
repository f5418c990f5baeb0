//! Work that takes time, looked at from block to block: started when first asked for, tried again
//! after failures.

use crate::{
	chain::Hash,
	error::{Error, Result},
};
use std::{
	collections::HashMap,
	future::Future,
	sync::{Mutex, MutexGuard, PoisonError},
	time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// First pause after a failure; doubles with every further one.
const RETRY: Duration = Duration::from_secs(3);
/// Longest pause before another try.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// One task under way, or when the next try may begin.
enum Attempt<T> {
	Running(JoinHandle<Result<T>>),
	After(Instant),
}

/// Tasks by what they are for. What is dropped or stopped ends at once.
pub(super) struct Tasks<T>(Mutex<HashMap<Hash, (u32, Attempt<T>)>>);

impl<T> Default for Tasks<T> {
	fn default() -> Self {
		Self(Mutex::default())
	}
}

impl<T: Send + 'static> Tasks<T> {
	fn all(&self) -> MutexGuard<'_, HashMap<Hash, (u32, Attempt<T>)>> {
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// The outcome of a task: `None` while it is under way, or waits after a failure that was told
	/// before.
	pub(super) async fn poll<F>(&self, key: &Hash, start: impl FnOnce() -> F) -> Result<Option<T>>
	where
		F: Future<Output = Result<T>> + Send + 'static,
	{
		let entry = self.all().remove(key);
		let (failures, handle) = match entry {
			Some((failures, Attempt::Running(handle))) => (failures, handle),
			Some((failures, Attempt::After(at))) if Instant::now() < at => {
				self.all().insert(*key, (failures, Attempt::After(at)));
				return Ok(None);
			}
			Some((failures, Attempt::After(_))) => (failures, tokio::spawn(start())),
			None => (0, tokio::spawn(start())),
		};
		if !handle.is_finished() {
			self.all().insert(*key, (failures, Attempt::Running(handle)));
			return Ok(None);
		}
		match handle.await.map_err(|e| Error::new("local-fault", format!("it stopped: {e}"))) {
			Ok(Ok(done)) => Ok(Some(done)),
			Ok(Err(error)) | Err(error) => {
				let pause = RETRY.saturating_mul(1 << failures.min(5)).min(LONGEST_RETRY);
				let again = Attempt::After(Instant::now() + pause);
				self.all().insert(*key, (failures.saturating_add(1), again));
				Err(error)
			}
		}
	}

	/// Whether a task is under way.
	pub(super) fn is_running(&self, key: &Hash) -> bool {
		matches!(self.all().get(key), Some((_, Attempt::Running(task))) if !task.is_finished())
	}

	/// Ends a task and forgets its failures.
	pub(super) fn stop(&self, key: &Hash) {
		if let Some((_, Attempt::Running(task))) = self.all().remove(key) {
			task.abort();
		}
	}
}

impl<T> Drop for Tasks<T> {
	fn drop(&mut self) {
		let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
		for (_, attempt) in all.values() {
			if let Attempt::Running(task) = attempt {
				task.abort();
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::sync::{
		atomic::{AtomicU32, Ordering},
		Arc,
	};

	async fn done<T: Send + 'static, F>(tasks: &Tasks<T>, start: impl Fn() -> F) -> Result<T>
	where
		F: Future<Output = Result<T>> + Send + 'static,
	{
		loop {
			if let Some(done) = tasks.poll(&[1; 32], &start).await? {
				return Ok(done);
			}
			tokio::time::sleep(Duration::from_millis(1)).await;
		}
	}

	#[tokio::test]
	async fn task_should_be_started_once_and_wait_after_a_failure() {
		let (tasks, starts) = (Tasks::default(), Arc::new(AtomicU32::new(0)));
		let start = || {
			let starts = starts.clone();
			async move {
				match starts.fetch_add(1, Ordering::Relaxed) {
					0 => Err(Error::new("local-fault", "once")),
					n => Ok(n),
				}
			}
		};
		assert_eq!(done(&tasks, start).await.unwrap_err().code, "local-fault");
		// Told once; the next try is seconds away.
		assert_eq!(tasks.poll(&[1; 32], start).await.unwrap(), None);
		assert_eq!(starts.load(Ordering::Relaxed), 1);
		tasks.stop(&[1; 32]);
		assert_eq!(done(&tasks, start).await.unwrap(), 1);
	}

	#[tokio::test]
	async fn task_should_end_when_it_is_stopped() {
		struct Ended(Arc<AtomicU32>);
		impl Drop for Ended {
			fn drop(&mut self) {
				self.0.fetch_add(1, Ordering::Relaxed);
			}
		}
		let (tasks, ended) = (Tasks::<()>::default(), Arc::new(AtomicU32::new(0)));
		let start = || {
			let guard = Ended(ended.clone());
			async move {
				let _guard = guard;
				std::future::pending::<Result<()>>().await
			}
		};
		assert_eq!(tasks.poll(&[1; 32], start).await.unwrap(), None);
		assert!(tasks.is_running(&[1; 32]));
		tasks.stop(&[1; 32]);
		while ended.load(Ordering::Relaxed) == 0 {
			tokio::task::yield_now().await;
		}
		assert!(!tasks.is_running(&[1; 32]));
	}
}

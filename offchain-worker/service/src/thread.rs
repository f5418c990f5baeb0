//! Work that both blocks and waits.

use crate::fault::Fault;
use futures::FutureExt;
use std::{any::Any, future::Future, panic::AssertUnwindSafe};
use tokio::{
	runtime::Handle,
	sync::oneshot,
	task::{spawn_blocking, JoinError},
};

/// Lets work on a thread of its own wait for futures.
pub(crate) struct Waiter {
	handle: Handle,
	dropped: oneshot::Receiver<()>,
}

impl Waiter {
	/// What a future gives, or its panic. `None` when nobody waits for the work any more.
	pub(crate) fn wait<F: Future>(
		&mut self,
		future: F,
	) -> Option<Result<F::Output, Box<dyn Any + Send>>> {
		let future = AssertUnwindSafe(future).catch_unwind();
		self.handle.block_on(async {
			tokio::select! {
				biased;
				_ = &mut self.dropped => None,
				output = future => Some(output),
			}
		})
	}
}

/// Does work on a thread that may block: tensors are hashed there, and proofs judged. Dropping the
/// future ends it where it waits next.
pub(crate) async fn on_thread<T: Send + 'static>(
	work: impl FnOnce(&mut Waiter) -> T + Send + 'static,
) -> Result<T, JoinError> {
	let (alive, dropped) = oneshot::channel::<()>();
	let mut waiter = Waiter { handle: Handle::current(), dropped };
	let done = spawn_blocking(move || work(&mut waiter)).await;
	drop(alive);
	done
}

/// The result of a blocking task; its panic is an internal fault.
pub(crate) fn joined<T>(result: Result<Result<T, Fault>, JoinError>) -> Result<T, Fault> {
	result.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))
}

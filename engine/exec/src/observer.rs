//! What watches a run, and may end it.

use crate::Tensor;
use assay_commitments::Hash;
use core::{num::NonZeroU32, ops::ControlFlow};
use std::sync::{
	atomic::{AtomicBool, Ordering},
	Arc,
};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
	/// Steps that are done.
	pub step: u32,
	/// Steps of the run.
	pub steps: u32,
	/// Nodes of the current step that are done (on a GPU: handed to the device).
	pub node: u32,
	/// Nodes of a step.
	pub nodes: u32,
	/// Work units done. Hashing is not counted, so this differs from the program's price.
	pub work: u64,
	/// Work units of the run.
	pub total_work: u64,
}

/// Watches a run and may stop it.
pub trait Observer {
	/// Called after every node and at the end; `Break` ends the run with [`ExecError::Cancelled`].
	fn progress(&mut self, progress: Progress) -> ControlFlow<()>;

	/// Takes the roots of the eager anchors of a step, in program order. `Break` as above.
	fn anchors(&mut self, step: u32, roots: &[Hash]) -> ControlFlow<()> {
		let _ = (step, roots);
		ControlFlow::Continue(())
	}

	/// After every so many steps [`Self::checkpoint`] is called; `None`, as ever: never.
	fn checkpoint_every(&self) -> Option<NonZeroU32> {
		None
	}

	/// Takes the states between two steps. Not called after the last step. `Break` as above.
	fn checkpoint(&mut self, checkpoint: Checkpoint<'_>) -> ControlFlow<()> {
		let _ = checkpoint;
		ControlFlow::Continue(())
	}
}

/// What another run can start from.
#[derive(Debug)]
pub struct Checkpoint<'a> {
	/// Steps that are done.
	pub step: u32,
	/// Roots of the eager anchors of the last of them, in program order: the states' are among
	/// them.
	pub anchor_roots: &'a [Hash],
	/// The states, in program order.
	pub states: Vec<Tensor>,
}

/// Watches through `inner`, and hands the states over after every so many steps.
pub struct Checkpoints<O, F> {
	/// Watches the run.
	pub inner: O,
	/// Steps between two checkpoints.
	pub every: NonZeroU32,
	/// Takes them; `Break` ends the run.
	pub take: F,
}

impl<O: Observer, F: FnMut(Checkpoint<'_>) -> ControlFlow<()>> Observer for Checkpoints<O, F> {
	fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
		self.inner.progress(progress)
	}

	fn anchors(&mut self, step: u32, roots: &[Hash]) -> ControlFlow<()> {
		self.inner.anchors(step, roots)
	}

	fn checkpoint_every(&self) -> Option<NonZeroU32> {
		Some(self.every)
	}

	fn checkpoint(&mut self, checkpoint: Checkpoint<'_>) -> ControlFlow<()> {
		(self.take)(checkpoint)
	}
}

/// Watches nothing.
impl Observer for () {
	fn progress(&mut self, _: Progress) -> ControlFlow<()> {
		ControlFlow::Continue(())
	}
}

impl<F: FnMut(Progress) -> ControlFlow<()>> Observer for F {
	fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
		self(progress)
	}
}

/// Reports progress and stops as soon as the flag is set, which any thread may do.
pub struct Watch<F> {
	/// Set to end the run.
	pub cancelled: Arc<AtomicBool>,
	/// Told of every progress.
	pub report: F,
}

impl<F: FnMut(Progress)> Observer for Watch<F> {
	fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
		if self.cancelled.load(Ordering::Relaxed) {
			return ControlFlow::Break(());
		}
		(self.report)(progress);
		ControlFlow::Continue(())
	}
}

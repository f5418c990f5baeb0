//! Replays in this process.

use crate::{BoxError, Job, Replay, Replayed};
use assay_exec::{Executor, Options, Run, Tensor, Work};
use assay_program::Source;
use std::sync::{Arc, Mutex, PoisonError};

/// Replays a job on an executor of this process.
///
/// A replay computes inside the future's first poll and cannot be stopped: where that would hold up
/// others, drive it on a thread that may block.
pub struct LocalReplay<E> {
	job: Arc<Job>,
	inputs: Vec<Tensor>,
	executor: Mutex<E>,
}

impl<E: Executor> LocalReplay<E> {
	/// For a job with these inputs, in the program's order.
	pub fn new(job: Arc<Job>, inputs: Vec<Tensor>, executor: E) -> Self {
		Self { job, inputs, executor: Mutex::new(executor) }
	}
}

impl<E: Executor + Send> Replay for LocalReplay<E> {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		let Job { program, checked, .. } = &*self.job;
		// An executor can be used again whatever became of the run before.
		let mut executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
		// What is both output and kept is one tensor: the outputs go first, so that it is not held
		// twice.
		let Run { trace_roots, mut anchor_roots, lazy_roots, kept, .. } = executor.run(
			&Work { program, checked, inputs: &self.inputs, steps },
			Options { keep, ..Options::default() },
			&mut (),
		)?;
		let all_anchors = match anchor_roots.len() {
			known if known > 1 && self.job.wants_all_anchors(steps) => anchor_roots.concat(),
			_ => Vec::new(),
		};
		let last_anchors = anchor_roots.pop().unwrap_or_default();
		let kept = kept.into_iter().map(|(source, tensor)| (source, tensor.bytes.to_vec()));
		let kept = kept.collect();
		Ok(Replayed { trace_roots, last_anchors, last_lazy: lazy_roots, kept, all_anchors })
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		let input = self.inputs.get(usize::from(index)).ok_or("there is no such input")?;
		Ok(input.bytes.to_vec())
	}
}

//! What a replay needs is fetched before a worker is taken up with it.

use crate::{
	chain::JobAssignment, inputs::blobs::Inputs, inputs::segments::place, task::task_of,
	thread::joined, turns::workers::Bid,
};
use codec::Encode;
use std::sync::{atomic::AtomicU64, Arc};
use tokio::task::spawn_blocking;

impl Inputs {
	/// Fetches those of a job's inputs that are not held. What does not come is found missing by
	/// the attempt. `left` says how many bytes are still to come.
	pub(crate) async fn gather(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		bid: Bid,
		left: &AtomicU64,
	) {
		self.gather_checkpoint(assignment, bid, left).await;
		let (program, roots) = (assignment.program, assignment.input_roots.clone());
		let inputs = self.clone();
		let look = spawn_blocking(move || {
			let wanted = inputs.programs.examine(program)?.inputs(&roots)?;
			Ok(inputs.fetching.missing(&wanted))
		});
		if let Ok(missing) = joined(look.await) {
			self.fetching.fetch(bid, left, missing).await;
		}
	}

	/// Fetches the checkpoint that a seat's segment starts from, and keeps it until the job ends.
	async fn gather_checkpoint(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		bid: Bid,
		left: &AtomicU64,
	) {
		if assignment.segment.is_none_or(|duty| duty.index == 0) {
			return;
		}
		let key = *blake3::hash(&(task_of(assignment), "checkpoint").encode()).as_bytes();
		// First what the states are, then the states.
		for round in 0..2 {
			let (inputs, assignment) = (self.clone(), assignment.clone());
			let look = spawn_blocking(move || {
				let examined = inputs.programs.examine(assignment.program)?;
				let Some(place) = place(&assignment, &examined) else { return Ok(Vec::new()) };
				let wanted = match inputs.states_of(&place) {
					Some(states) => states,
					None if round == 0 => vec![place.manifest],
					None => Vec::new(),
				};
				let set = *blake3::hash(&(key, &wanted).encode()).as_bytes();
				// What the store has no share for is fetched all the same, and may go again.
				let (job, order) = (assignment.job, assignment.order);
				let _ = inputs.holding.keep(job, order, set, &wanted);
				Ok(inputs.fetching.missing(&wanted))
			});
			let Ok(missing) = joined(look.await) else { return };
			self.fetching.fetch(bid, left, missing).await;
		}
	}
}

//! Holding what others need: the inputs before a job runs, the outputs after it.

use crate::{
	chain::{Head, JobAssignment},
	inputs::blobs::Inputs,
	inputs::held::check_held,
	thread::joined,
	types::{BlockNumber, LOG_TARGET},
	verify::duty::Finding,
};
use assay_market::{Phase, Purpose, SeatStatus};
use std::sync::Arc;
use tokio::{sync::watch, task::spawn_blocking};

/// Checks that every input, or every output, is held with the right length and content, and will
/// stay; has peers asked for what is missing. "No" is said only when the time is nearly over: until
/// then it is tried again with every block.
///
/// `last` is the block at which a finding still gets into a block in time.
pub(crate) async fn look(
	inputs: &Arc<Inputs>,
	assignment: &JobAssignment,
	last: BlockNumber,
	head: watch::Receiver<Head>,
) -> Finding {
	let keeps = assignment.purpose == Purpose::Keep;
	let looked = {
		// Hashing takes processors and the disk, which others need as well.
		let _looking = inputs.looking.acquire().await;
		let (inputs, assignment) = (inputs.clone(), assignment.clone());
		let check = spawn_blocking(move || {
			let blobs = inputs.blobs_of(&assignment)?;
			inputs.hold(&assignment, &blobs)?;
			let held = check_held(&inputs.blobs, &blobs);
			held.inspect_err(|_| inputs.fetching.want_missing(&blobs))
		});
		joined(check.await)
	};
	let fault = match looked {
		Ok(()) => return Finding::Attested(true),
		Err(fault) => fault,
	};
	let what = if keeps { "keep the outputs of" } else { "attest" };
	let over = head.borrow().best >= last;
	// Outputs are looked for until the last moment that there is; a clock that still counts the
	// reveals is followed by another one.
	let over = over && (!keeps || assignment.phase == Phase::Challengeable);
	let over = over && assignment.status == SeatStatus::Pending;
	if over || (fault.is_decidable() && !keeps) {
		log::warn!(target: LOG_TARGET, "Cannot {what} job {}: {fault}", assignment.job);
		Finding::Attested(false)
	} else {
		log::debug!(target: LOG_TARGET, "Job {} has to wait: {fault}", assignment.job);
		Finding::NotHeldYet
	}
}

//! Holding what others need: the inputs before a job runs, the outputs after it.

use std::sync::Arc;

use assay_market::{Phase, Purpose, SeatStatus};
use sp_core::offchain::OffchainStorage;
use tokio::{sync::watch, task::spawn_blocking};

use crate::{
	chain::{Chain, Head, JobAssignment},
	fault::Fault,
	inputs::examined::check_held,
	thread::joined,
	types::{BlockNumber, Hash, LOG_TARGET},
	verify::duty::{task_of, Finding, Shared},
};

impl<C: Chain, S: OffchainStorage + 'static> Shared<C, S> {
	/// Checks that every input, or every output, is held with the right length and content, and will stay;
	/// has peers asked for what is missing. "No" is said only when the time is nearly over: until then
	/// it is tried again with every block.
	pub(crate) async fn look(
		self: &Arc<Self>,
		assignment: &JobAssignment,
		head: watch::Receiver<Head>,
	) -> Finding {
		let keeps = assignment.purpose == Purpose::Keep;
		let looked = {
			// Hashing takes processors and the disk, which others need as well.
			let _looking = self.looking.acquire().await;
			let (shared, assignment) = (self.clone(), assignment.clone());
			let check = spawn_blocking(move || {
				let blobs = shared.blobs_of(&assignment)?;
				shared.hold(&assignment, &blobs)?;
				check_held(&shared.blobs, &blobs).inspect_err(|_| shared.want_missing(&blobs))
			});
			joined(check.await)
		};
		let fault = match looked {
			Ok(()) => return Finding::Attested(true),
			Err(fault) => fault,
		};
		let what = if keeps { "keep the outputs of" } else { "attest" };
		let over = head.borrow().best >= self.last_block(assignment);
		// Outputs are looked for until the last moment that there is; a clock that still counts the reveals
		// is followed by another one.
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

	/// The last block at which a finding still gets into a block in time.
	pub(crate) fn last_block(&self, assignment: &JobAssignment) -> BlockNumber {
		assignment.commit_deadline.saturating_sub(self.config.abstain_margin)
	}

	/// The blobs that a seat is about, each with its length in bytes: outputs where it keeps these, else
	/// inputs. Blocks.
	pub(crate) fn blobs_of(&self, assignment: &JobAssignment) -> Result<Vec<(Hash, u64)>, Fault> {
		let lengths = self.lengths(assignment.program)?;
		match assignment.purpose {
			Purpose::Keep => lengths.outputs(&assignment.output_roots),
			Purpose::Attest | Purpose::Verify => lengths.inputs(&assignment.input_roots),
		}
	}

	/// Keeps the blobs of a seat in the store until the job has ended. Blocks.
	///
	/// # Errors
	/// [`Fault::Folder`] where the store keeps no so many bytes for one job.
	pub(crate) fn hold(
		&self,
		assignment: &JobAssignment,
		blobs: &[(Hash, u64)],
	) -> Result<(), Fault> {
		let (job, order) = (assignment.job, assignment.order);
		let kept = self.holding.keep(job, order, task_of(assignment), blobs);
		kept.map_err(|error| Fault::Folder(error.to_string()))
	}
}

//! What this node has of its jobs: their programs and blobs, and where these come from.

use crate::{
	chain::{Chain, JobAssignment},
	config::Config,
	fault::Fault,
	inputs::fetch::Fetching,
	inputs::holding::Holding,
	inputs::programs::Programs,
	task::task_of,
	turns::rates::Rates,
	types::Hash,
};
use assay_blobs::BlobStore;
use assay_market::Purpose;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Most threads that look whether blobs are held, and hash them where that was not done.
const LOOKING: usize = 2;

/// The programs and blobs of jobs.
pub(crate) struct Inputs {
	pub(crate) programs: Programs,
	pub(crate) blobs: Arc<BlobStore>,
	pub(crate) holding: Holding,
	pub(crate) fetching: Fetching,
	/// Who looks at what is held.
	pub(crate) looking: Semaphore,
}

impl Inputs {
	pub(crate) fn new(
		chain: Arc<dyn Chain>,
		blobs: Arc<BlobStore>,
		rates: Arc<Rates>,
		config: &Config,
	) -> Self {
		Self {
			programs: Programs::new(chain),
			holding: Holding::new(blobs.clone()),
			fetching: Fetching::new(blobs.clone(), rates, config),
			blobs,
			looking: Semaphore::new(LOOKING),
		}
	}

	/// The blobs that a seat is about, each with its length in bytes: outputs where it keeps these,
	/// else inputs. Blocks.
	pub(crate) fn blobs_of(&self, assignment: &JobAssignment) -> Result<Vec<(Hash, u64)>, Fault> {
		let lengths = self.programs.lengths(assignment.program)?;
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

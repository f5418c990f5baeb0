use crate::{calls, chain::Tx, people::Person};
use assay_market::{JobId, Phase};
use assay_runtime::Jobs;

/// What is wrong with a requester.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequesterMisdeed {
	/// Nothing.
	#[default]
	None,
	/// Names inputs that nobody can get.
	WithholdInputs,
	/// Cancels as soon as a provider works on the job.
	CancelWhileClaimed,
	/// Cancels when it has read the result.
	CancelAfterReading,
	/// Removes the program while the job needs it.
	RemoveProgram,
}

/// The requester of one job.
pub struct Requester {
	/// Who.
	pub who: Person,
	/// What it does wrong.
	pub misdeed: RequesterMisdeed,
	done: bool,
}

impl Requester {
	/// With this misdeed.
	pub fn new(who: Person, misdeed: RequesterMisdeed) -> Self {
		Self { who, misdeed, done: false }
	}

	/// What it sends now; each misdeed is tried once.
	pub fn act(&mut self, job: JobId) -> Vec<Tx> {
		use RequesterMisdeed::*;
		let Some(view) = Jobs::job_view(job).filter(|_| !self.done) else { return vec![] };
		let call = match (self.misdeed, view.phase) {
			(CancelWhileClaimed, Phase::Claimed) => calls::cancel_job(&self.who, job),
			(CancelAfterReading, Phase::Revealing | Phase::Challengeable)
				if !view.output_roots.is_empty() =>
			{
				calls::cancel_job(&self.who, job)
			}
			(RemoveProgram, Phase::Committed) => calls::remove_program(&self.who, view.program),
			_ => return vec![],
		};
		self.done = true;
		vec![call]
	}
}

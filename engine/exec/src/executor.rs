//! What runs programs.

use crate::{Audit, ExecError, Observer, Options, Run, Work};

/// Something that runs programs.
pub trait Executor {
	/// What runs, for people: an instruction set or an adapter.
	fn name(&self) -> String;

	/// Has later runs recompute random tiles by the definition; `None` (as at the start) has not.
	fn set_audit(&mut self, audit: Option<Audit>);

	/// Runs a program. [`Options::audit`] is what [`Executor::set_audit`] has set, whatever
	/// `options` says.
	///
	/// Errors: see [`ExecError`]. An executor can be used again after an error, except after
	/// [`ExecError::Device`] with [`crate::DeviceFault::Lost`].
	fn run(
		&mut self,
		work: &Work<'_>,
		options: Options<'_>,
		observer: &mut dyn Observer,
	) -> Result<Run, ExecError>;
}

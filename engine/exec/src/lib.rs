//! Runs programs and commits to what they computed.
//!
//! # Overview
//! An [`Executor`] takes a checked program and its inputs and gives a [`Run`]: the outputs and the
//! roots that a provider commits to and a verifier compares. [`CpuExecutor`] uses all cores and the
//! best integer instructions that the processor has; other engines implement [`Backend`] and get the
//! same run loop through [`execute`]. Whatever an engine fuses, reorders or splits, its bytes are
//! those of the definition in `assay-ops`; [`Audit`] recomputes random tiles by that definition while
//! a run is under way.
//!
//! Values on the edge of this crate are canonical bytes ([`Tensor`]); inside they are row-major
//! ([`Buffer`]).
//!
//! # Faults
//! [`ExecError::is_local`] tells a fault of this machine, on which a verifier abstains, from one of the
//! job, which every verifier finds alike.
#![warn(missing_docs)]

mod affine;
mod anchors;
mod audit;
mod buffer;
mod chain;
mod cpu;
mod elements;
mod error;
#[doc(hidden)]
pub mod gemm;
mod plan;
mod rate;
mod resident;
mod run;
mod segments;
mod simd;
mod spare;
mod stretch;
mod tensor;

pub use affine::Affine;
pub use audit::Audit;
pub use buffer::{Buffer, Element};
pub use chain::{Chain, Link, Part};
pub use cpu::{CpuBackend, CpuExecutor, Profile, Spent};
pub use elements::Elements;
pub use error::{DeviceFault, ExecError};
pub use rate::measure_rate;
pub use resident::Resident;
pub use run::{
	execute, Backend, Checkpoint, Checkpoints, Observer, Operand, Options, Progress, Run, Watch,
	KEPT_STEPS,
};
#[doc(hidden)]
pub use simd::plain_loops;
pub use tensor::Tensor;

use assay_program::{Checked, Program, Source};

/// Something that runs programs.
pub trait Executor {
	/// What runs, for people: an instruction set or an adapter.
	fn name(&self) -> String;

	/// Has later runs recompute random tiles by the definition; `None` (as at the start) has not.
	fn set_audit(&mut self, audit: Option<Audit>);

	/// Runs `steps` ≥ 1 steps of `program`, which `checked` proved sound.
	///
	/// `inputs` are in the program's order, one each. Errors: see [`ExecError`]. An executor can be
	/// used again after an error, except after [`ExecError::Device`] with [`DeviceFault::Lost`].
	fn run(
		&mut self,
		program: &Program,
		checked: &Checked,
		inputs: &[Tensor],
		steps: u32,
		observer: &mut dyn Observer,
	) -> Result<Run, ExecError> {
		self.run_keeping(program, checked, inputs, steps, &[], observer)
	}

	/// As [`Executor::run`], and keeps tensors of the last step in [`Run::kept`], which is what a dispute
	/// about that step needs: [`Source::Node`] of anchors as they were computed, and
	/// [`Source::State`] as it was before the step. Where a lazy anchor is among them, the roots of all
	/// of them are in [`Run::lazy_roots`].
	///
	/// What is kept stays in memory until the run ends. Error: [`ExecError::Keep`], before anything is
	/// computed.
	fn run_keeping(
		&mut self,
		program: &Program,
		checked: &Checked,
		inputs: &[Tensor],
		steps: u32,
		keep: &[Source],
		observer: &mut dyn Observer,
	) -> Result<Run, ExecError> {
		let options = Options { keep, ..Options::default() };
		self.run_with(program, checked, inputs, steps, options, observer)
	}

	/// As [`Executor::run_keeping`], with all that can be asked for: [`Options::start`] has the run begin
	/// with the states of a [`Checkpoint`], so that `steps` steps from there have the trace roots that
	/// the whole run has in their place. [`Options::audit`] is what [`Executor::set_audit`] has set,
	/// whatever `options` says.
	///
	/// Errors: [`ExecError::StateCount`] and [`ExecError::StateType`] for states that are not the
	/// program's, before anything is computed.
	fn run_with(
		&mut self,
		program: &Program,
		checked: &Checked,
		inputs: &[Tensor],
		steps: u32,
		options: Options<'_>,
		observer: &mut dyn Observer,
	) -> Result<Run, ExecError>;
}

//! What to run, and how.

use crate::{Audit, Buffer, ExecError, Tensor};
use assay_program::{Checked, Program, Source};
use std::sync::Arc;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
	/// The program.
	pub program: &'a Program,
	/// The proof that it is sound.
	pub checked: &'a Checked,
	/// Its inputs, in its order, one each.
	pub inputs: &'a [Tensor],
	/// How many steps of it, at least 1.
	pub steps: u32,
}

/// How to run, beside what to run. What is wrong with it ends a run before anything is computed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
	/// Recompute random tiles by the definition.
	pub audit: Option<Audit>,
	/// Tensors of the last step to keep in [`crate::Run::kept`], which is what a dispute about that
	/// step needs: [`Source::Node`] of anchors as they were computed, and [`Source::State`] as it
	/// was before the step. They stay in memory until the run ends. Anything else is an
	/// [`ExecError::Keep`].
	pub keep: &'a [Source],
	/// The states that the first step begins with, in program order, in place of the inputs that
	/// initialise them: those of a [`crate::Checkpoint`], so that the steps from there have the
	/// trace roots that they have in the whole run. An input that a node reads as well is still
	/// read as the job has it. `None`: the inputs. States that are not the program's are an
	/// [`ExecError::StateCount`] or an [`ExecError::StateType`].
	pub start: Option<&'a [Tensor]>,
}

/// The states to start from as row-major elements, if they are what the program says.
pub(crate) fn start_buffers(
	program: &Program,
	start: &[Tensor],
) -> Result<Vec<Arc<Buffer>>, ExecError> {
	if start.len() != program.states.len() {
		let (expected, found) = (program.states.len(), start.len());
		return Err(ExecError::StateCount { expected, found });
	}
	for (index, (tensor, state)) in start.iter().zip(&program.states).enumerate() {
		let ty = program.inputs.get(usize::from(state.input)).map(|input| input.ty);
		if ty != Some(tensor.ty) || tensor.bytes.len() as u64 != tensor.ty.canonical_len() {
			return Err(ExecError::StateType { index });
		}
	}
	Ok(start.iter().map(|s| Arc::new(Buffer::from_canonical(&s.ty, &s.bytes))).collect())
}

/// Refuses inputs that are not what the program says.
pub(crate) fn check_inputs(program: &Program, inputs: &[Tensor]) -> Result<(), ExecError> {
	if inputs.len() != program.inputs.len() {
		let (expected, found) = (program.inputs.len(), inputs.len());
		return Err(ExecError::InputCount { expected, found });
	}
	for (index, (tensor, input)) in inputs.iter().zip(&program.inputs).enumerate() {
		if tensor.ty != input.ty {
			return Err(ExecError::InputType { index });
		}
		let (expected, found) = (input.ty.canonical_len(), tensor.bytes.len() as u64);
		if expected != found {
			return Err(ExecError::InputLength { index, expected, found });
		}
	}
	Ok(())
}

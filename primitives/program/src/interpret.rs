use crate::{Checked, Program, RecomputeError, Source};
use alloc::vec::Vec;
use assay_ops::{evaluate, Operand, Values};

/// One step by the definition: the result of every node, in program order.
///
/// `inputs` are the job inputs, `states` the states before the step (for the first step: the
/// inputs that [`crate::State::input`] names). Errors: [`RecomputeError::Arguments`],
/// [`RecomputeError::Mismatch`].
pub fn interpret_step(
	program: &Program,
	checked: &Checked,
	inputs: &[Values],
	states: &[Values],
) -> Result<Vec<Values>, RecomputeError> {
	let types = |values: &[Values]| values.iter().map(Values::ty).collect::<Vec<_>>();
	let declared: Vec<_> = program.inputs.iter().map(|input| input.ty).collect();
	let state_types: Vec<_> =
		program.states.iter().filter_map(|s| declared.get(s.input as usize).copied()).collect();
	if types(inputs) != declared || types(states) != state_types {
		return Err(RecomputeError::Arguments);
	}
	if checked.types.len() != program.nodes.len() {
		return Err(RecomputeError::Mismatch);
	}
	let constants = program
		.constants
		.iter()
		.map(|constant| Values::from_row_major(constant.ty, &constant.data))
		.collect::<Result<Vec<_>, _>>()
		.map_err(|_| RecomputeError::Mismatch)?;
	let mut results: Vec<Values> = Vec::with_capacity(program.nodes.len());
	for (node, ty) in program.nodes.iter().zip(&checked.types) {
		let operands = node
			.operands
			.iter()
			.map(|operand| {
				let values = match operand.source {
					Source::Input(at) => inputs.get(at as usize),
					Source::Constant(at) => constants.get(at as usize),
					Source::State(at) => states.get(at as usize),
					Source::Node(at) => results.get(at as usize),
				};
				Some(Operand { values: values?, view: operand.view.as_ref() })
			})
			.collect::<Option<Vec<_>>>()
			.ok_or(RecomputeError::Mismatch)?;
		let result =
			evaluate(&node.op, &operands, Some(ty.split)).map_err(|_| RecomputeError::Mismatch)?;
		if result.ty() != *ty {
			return Err(RecomputeError::Mismatch);
		}
		results.push(result);
	}
	Ok(results)
}

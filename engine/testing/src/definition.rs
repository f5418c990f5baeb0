//! What the definition makes of a program.

use assay_commitments::{run_root, tensor_root, trace_root};
use assay_exec::{Run, Tensor, KEPT_STEPS};
use assay_ops::{evaluate, Operand as Seen, Values};
use assay_program::{interpret_step, Checked, Program, Source, State};

/// A run by the definition: whole tensors, one thread, nothing fused.
///
/// # Panics
/// When the program is not sound.
pub fn definition(program: &Program, checked: &Checked, inputs: &[Tensor], steps: u32) -> Run {
	let from_canonical = |tensor: &Tensor| {
		Values::from_canonical(tensor.ty, &tensor.bytes)
			.expect("canonical bytes of the right length")
	};
	let inputs: Vec<Values> = inputs.iter().map(from_canonical).collect();
	let constants: Vec<Values> = program
		.constants
		.iter()
		.map(|c| Values::from_row_major(c.ty, &c.data).expect("data of the right length"))
		.collect();
	let mut states: Vec<Values> =
		program.states.iter().map(|state| inputs[usize::from(state.input)].clone()).collect();
	let (mut trace_roots, mut anchor_roots) = (vec![], vec![]);
	let mut nodes: Vec<Values> = vec![];
	for step in 0..steps {
		nodes.clear();
		for node in &program.nodes {
			let operands: Vec<Seen> = node
				.operands
				.iter()
				.map(|operand| {
					let values = match operand.source {
						Source::Input(at) => &inputs[usize::from(at)],
						Source::Constant(at) => &constants[usize::from(at)],
						Source::State(at) => &states[usize::from(at)],
						Source::Node(at) => &nodes[at as usize],
					};
					Seen { values, view: operand.view.as_ref() }
				})
				.collect();
			let values = evaluate(&node.op, &operands, node.split).expect("a sound program");
			nodes.push(values);
		}
		let roots: Vec<_> = checked
			.anchors
			.iter()
			.map(|&node| tensor_root(&nodes[node as usize].to_canonical()))
			.collect();
		trace_roots.push(trace_root(&roots));
		if steps <= KEPT_STEPS || step + 1 == steps {
			anchor_roots.push(roots);
		}
		states = program.states.iter().map(|state| nodes[state.update as usize].clone()).collect();
	}
	let outputs: Vec<Tensor> = program
		.outputs
		.iter()
		.map(|output| {
			let values = &nodes[output.node as usize];
			Tensor::new(values.ty(), values.to_canonical())
		})
		.collect();
	let output_roots = outputs.iter().map(Tensor::root).collect();
	Run {
		run_root: run_root(&trace_roots),
		trace_roots,
		anchor_roots,
		outputs,
		output_roots,
		lazy_roots: vec![],
		kept: vec![],
	}
}

/// Everything that a run of `steps` ≥ 1 steps can keep but the lazy anchors, as [`interpret_step`]
/// has it.
///
/// # Panics
/// When the program is not sound.
pub fn definition_kept(
	program: &Program,
	checked: &Checked,
	inputs: &[Tensor],
	steps: u32,
) -> Vec<(Source, Tensor)> {
	kept_by_definition(program, inputs, steps, checked, &checked.anchors)
}

/// The lazy anchors of the last of `steps` ≥ 1 steps, as [`interpret_step`] has them.
///
/// # Panics
/// When the program is not sound.
pub fn definition_lazy(
	program: &Program,
	checked: &Checked,
	inputs: &[Tensor],
	steps: u32,
) -> Vec<(Source, Tensor)> {
	let mut kept = kept_by_definition(program, inputs, steps, checked, &checked.lazy);
	kept.retain(|(source, _)| matches!(source, Source::Node(_)));
	kept
}

/// The states before the last step, and these nodes of it.
fn kept_by_definition(
	program: &Program,
	inputs: &[Tensor],
	steps: u32,
	checked: &Checked,
	anchors: &[u32],
) -> Vec<(Source, Tensor)> {
	let values: Vec<Values> = inputs
		.iter()
		.map(|input| Values::from_canonical(input.ty, &input.bytes).expect("the right length"))
		.collect();
	let initial = |state: &State| usize::from(state.input);
	let mut states: Vec<Values> =
		program.states.iter().map(|state| values[initial(state)].clone()).collect();
	// An input's bytes count as they are, with what its padding holds.
	let mut before: Vec<Tensor> =
		program.states.iter().map(|state| inputs[initial(state)].clone()).collect();
	let tensor = |values: &Values| Tensor::new(values.ty(), values.to_canonical());
	for step in 0..steps {
		let nodes = interpret_step(program, checked, &values, &states).expect("a sound program");
		if step + 1 == steps {
			let states = (0..).map(Source::State).zip(before);
			let anchor = |&node: &u32| (Source::Node(node), tensor(&nodes[node as usize]));
			return states.chain(anchors.iter().map(anchor)).collect();
		}
		states = program.states.iter().map(|state| nodes[state.update as usize].clone()).collect();
		before = states.iter().map(tensor).collect();
	}
	Vec::new()
}

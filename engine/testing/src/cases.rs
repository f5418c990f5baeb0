//! Random programs with inputs.

use crate::{
	growing::{shape, Growing, DTYPES},
	Case,
};
use assay_exec::Tensor;
use assay_ops::{DType, Op, TensorType};
use assay_program::{Class, Input, Operand, Source, State};
use assay_testing::Rng;

/// A program of one such operator, on random values through random views.
pub fn operator_case(rng: &mut Rng, kind: u32) -> Case {
	let mut this = Growing::new(5000);
	let (op, operands) = this.of_kind(rng, kind);
	this.push(rng, op, operands);
	this.finish(rng, 1)
}

/// A program of one operator on given values, which are those of its operands' types.
///
/// # Panics
/// When the operands do not fit the operator or the values the operands.
pub fn given_case(op: Op, operands: &[(DType, &[u32], Vec<i32>)]) -> Case {
	let mut this = Growing::new(0);
	let mut seen: Vec<Operand> = vec![];
	for (index, (dtype, dims, values)) in operands.iter().enumerate() {
		let ty = TensorType::of(*dtype, shape(dims));
		let tensor = Tensor::from_elements(ty, values).expect("as many values as elements");
		let source = Source::Input(index as u16);
		this.program.inputs.push(Input { name: format!("input-{index}"), ty });
		this.inputs.push(tensor);
		this.sources.push((source, ty));
		seen.push(source.into());
	}
	let mut rng = Rng::new(0);
	this.push(&mut rng, op, seen);
	this.finish(&mut rng, 1)
}

/// A random program over the whole operator set: mixed types, ranks 0 to 6, slices, transposes,
/// broadcasts and overlapping views, extreme values, ragged edges, step state.
pub fn random_case(rng: &mut Rng, nodes: usize, largest: u32) -> Case {
	let mut this = Growing::new(largest);
	let states = rng.below(3) as usize;
	for state in 0..states {
		let dims = this.any_dims(rng);
		let dtype = rng.pick(&DTYPES);
		let input = this.input(rng, dtype, &dims);
		let ty = this.program.inputs[input].ty;
		this.program.states.push(State { input: input as u16, update: 0 });
		this.sources.push((Source::State(state as u16), ty));
	}
	for _ in 0..nodes {
		this.node(rng);
	}
	for state in 0..states {
		// The next value has the type of the first, split and all.
		let ty = this.program.inputs[usize::from(this.program.states[state].input)].ty;
		let dims = ty.shape.dims().to_vec();
		let operand = this.operand(rng, ty.dtype, &dims);
		this.push(rng, Op::Copy, vec![operand]);
		let at = this.program.nodes.len() - 1;
		this.program.nodes[at].split = Some(ty.split);
		this.program.nodes[at].class = Class::EagerAnchor;
		this.types[at] = ty;
		this.program.states[state].update = at as u32;
	}
	let steps = if states == 0 { 1 } else { rng.range(1, 3) as u32 };
	this.finish(rng, steps)
}

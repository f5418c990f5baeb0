//! Jobs that both test programs give.

use super::Job;
use assay_exec::Tensor;
use assay_ops::{DType, TensorType};
use assay_program::{Program, ProgramBuilder};

pub fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).unwrap()
}

pub fn pattern(ty: TensorType, seed: i32) -> Tensor {
	let elements: Vec<i32> =
		(0..ty.elements() as i32).map(|i| (i.wrapping_mul(2_654_435 + seed) >> 7) % 128).collect();
	Tensor::from_elements(ty, &elements).unwrap()
}

/// `rows` × `edge` activations times square weights, requantized, once per step.
pub fn power(rows: u32, edge: u32) -> Program {
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, &[rows, edge]));
	let weights = builder.input("weights", ty(DType::I8, &[edge, edge]));
	let multiplier = builder.constant_values(ty(DType::I16, &[1]), &[17_000]);
	let shift = builder.constant_values(ty(DType::I8, &[1]), &[24]);
	let state = builder.state(x);
	let product = builder.matmul(state, weights);
	builder.eager(product);
	let y = builder.requant(product, multiplier, shift, None, DType::I8);
	builder.update(state, y);
	builder.output("y", y);
	builder.build().unwrap()
}

pub fn power_job(rows: u32, edge: u32, steps: u32) -> Job {
	let inputs =
		[pattern(ty(DType::I8, &[rows, edge]), 1), pattern(ty(DType::I8, &[edge, edge]), 2)];
	Job::new(&power(rows, edge), &inputs, steps)
}

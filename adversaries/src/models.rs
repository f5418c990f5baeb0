//! The programs that the attacks are about: small, but each of a kind that real jobs have.

use crate::work::Work;
use assay_ops::{DType, TensorType};
use assay_program::{ProgramBuilder, Source};

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).expect("a small shape; qed")
}

/// `matmul` and `requant` to i8, by constants.
fn dense(b: &mut ProgramBuilder, x: Source, weights: Source, shift: i32) -> Source {
	let acc = b.matmul(x, weights);
	let multiplier = b.constant_values(ty(DType::I16, &[1]), &[23_170]);
	let shift = b.constant_values(ty(DType::I8, &[1]), &[shift]);
	b.requant(acc, multiplier, shift, None, DType::I8)
}

/// An inference: two dense layers over a batch of 40, with a table in between, and the label of
/// each row.
///
/// Four eager anchors: both layers, the activation and the labels. One step.
pub fn inference() -> Work {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[40, 64]));
	let first = b.input("w1", ty(DType::I8, &[128, 64]));
	let second = b.input("w2", ty(DType::I8, &[10, 128]));
	let hidden = dense(&mut b, x, first, 24);
	b.eager(hidden);
	let table: Vec<i32> = (-128..128).map(|value| value.max(0)).collect();
	let table = b.constant_values(ty(DType::I8, &[256]), &table);
	let active = b.lut(hidden, table);
	b.eager(active);
	let logits = dense(&mut b, active, second, 25);
	b.output("logits", logits);
	let labels = b.arg_max(logits, 1);
	b.output("labels", labels);
	Work::built(b, 1)
}

/// A loop with state: each step mixes the state with the input and adds what is left of it.
///
/// Three eager anchors, one of them the state's next value.
pub fn recurrent(steps: u32) -> Work {
	let mut b = ProgramBuilder::new();
	let start = b.input("start", ty(DType::I8, &[40, 48]));
	let mixer = b.input("mixer", ty(DType::I8, &[48, 48]));
	let state = b.state(start);
	let mixed = dense(&mut b, state, mixer, 23);
	b.eager(mixed);
	let next = b.add(mixed, start, DType::I8);
	b.update(state, next);
	let sum = b.reduce_sum(next, 1, DType::I32);
	b.output("sum", sum);
	Work::built(b, steps)
}

/// The same loop with a product and a sum that are lazy anchors: their roots are in no trace.
///
/// Two eager anchors, the state's next value and the output, both behind the lazy ones.
pub fn lazy_recurrent(steps: u32) -> Work {
	let mut b = ProgramBuilder::new();
	let start = b.input("start", ty(DType::I8, &[40, 48]));
	let mixer = b.input("mixer", ty(DType::I8, &[48, 48]));
	let state = b.state(start);
	let mixed = dense(&mut b, state, mixer, 23);
	b.lazy(mixed);
	let grown = b.add(mixed, start, DType::I16);
	b.lazy(grown);
	let next = b.shift(grown, 1, DType::I8);
	b.update(state, next);
	let sum = b.reduce_sum(grown, 1, DType::I32);
	b.output("sum", sum);
	Work::built(b, steps)
}

/// One large tensor: 544 × 512 values in 272 tiles, more than one group opens.
pub fn wide() -> Work {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[544, 512]));
	let half = b.shift(x, 1, DType::I8);
	b.output("half", half);
	Work::built(b, 1)
}

/// A running sum of five numbers: next to nothing, for as many steps as one likes.
pub fn accumulator(steps: u32) -> Work {
	let mut b = ProgramBuilder::new();
	let start = b.input("start", ty(DType::I32, &[5]));
	let state = b.state(start);
	let next = b.add(state, start, DType::I32);
	b.update(state, next);
	let low = b.cast(next, DType::I8);
	b.output("low", low);
	Work::built(b, steps)
}

/// A product over a dimension of 32,768, so long that its fraud proof takes several parts.
pub fn long_reduction() -> Work {
	long_product(16, 32_768)
}

/// A product of two matrices of `rows` rows over a dimension of this length.
pub fn long_product(rows: u32, length: u32) -> Work {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[rows, length]));
	let weights = b.input("w", ty(DType::I8, &[rows, length]));
	let product = b.matmul(x, weights);
	b.output("product", product);
	Work::built(b, 1)
}

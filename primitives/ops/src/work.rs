//! Work units: what an evaluation costs, in units of about one i8 multiply-add of a dense product.
//!
//! Deadlines, prices and bonds count in them, so they bound time on the slowest engine that takes part, whatever the
//! shapes: at most three nanoseconds each, which is 10^9 in a block. The weights are those of
//! measurements on the worst shapes of every operator (`scripts/bench --only units`, docs/benchmarks.md). They are
//! part of the program format: docs/program-format.md, §6. A new operator gets its own, without which
//! this file does not compile.

use crate::{DType, Op, Shape};

/// Of each step: the run loop, and the roots that it folds into the trace.
pub const STEP: u64 = 32_768;

/// Of each node: a call, its operands, and memory for its result.
pub const NODE: u64 = 4_096;

/// Of each tile of an eager anchor: laying it out, and hashing it.
pub const TILE: u64 = 2_048;

/// Of each element that is read through a view which does not show its source as it lies.
pub const VIEW: u64 = 16;

/// Of each multiply-add of a product of i16: four products of bytes.
const WORDS: u64 = 4;

/// Of each element of a patch, which a convolution looks up before it is multiplied.
const PATCH: u64 = 4;

/// Of each matrix of a batch.
const MATRIX: u64 = 128;

/// Of each fold of an axis.
const FOLD: u64 = 8;

/// Of the reciprocal root of each row.
const MOMENTS: u64 = 128;

/// Of each row that a table is asked for, that updates are added to, or that is sorted or normalised.
const ROW: u64 = 32;

/// Work of one operator beside [`NODE`].
struct Weights {
	/// Of each element that is read.
	read: u64,
	/// Of each element of the result.
	written: u64,
	/// Beside these.
	more: u64,
}

impl Weights {
	const fn new(read: u64, written: u64) -> Self {
		Self { read, written, more: 0 }
	}
}

impl Op {
	/// Elements of operand `operand` that are read: all of them, but of the table of a [`Op::Gather`]
	/// at most as many as the result has.
	pub(crate) fn reads(
		&self,
		operands: &[(DType, &Shape)],
		output: &Shape,
		operand: usize,
	) -> u64 {
		let all = operands.get(operand).map_or(0, |(_, shape)| u64::from(shape.elements()));
		match (self, operand) {
			(Op::Gather, 0) => all.min(output.elements().into()),
			_ => all,
		}
	}

	/// Whether engines want an operand in one piece, so that what a view scatters is copied first.
	pub(crate) fn lays_out(&self) -> bool {
		matches!(
			self,
			Op::MatMul { .. }
				| Op::BatchMatMul { .. }
				| Op::Conv2d { .. }
				| Op::Pool { .. }
				| Op::Gather | Op::ScatterAdd { .. }
				| Op::Concat { .. }
				| Op::Pad { .. }
		)
	}

	fn weights(&self, operands: &[(DType, &Shape)], output: &Shape) -> Weights {
		let elements = u64::from(output.elements());
		let shape = |operand: usize| operands.get(operand).map(|(_, shape)| *shape);
		let last = |operand: usize| shape(operand).map_or(1, |shape| u64::from(shape.last()));
		let len = |operand: usize| shape(operand).map_or(0, |shape| u64::from(shape.elements()));
		let product = |narrow: bool| if narrow { WORDS } else { 1 };
		// Of each result of a product, which words bring through an epilogue.
		let written = |narrow: bool| if narrow { 16 } else { 8 };
		// Without a wildcard: whoever adds an operator says what it costs.
		match *self {
			// At most 2^31 · 131,071 · 4 < 2^51, and the same for what is beside products.
			Op::MatMul { narrow } => Weights {
				more: elements * last(0) * product(narrow.is_some()),
				..Weights::new(1, written(narrow.is_some()))
			},
			Op::BatchMatMul { narrow } => {
				let rows = output.dims().iter().rev().take(2).map(|&dim| u64::from(dim));
				let matrices = elements / rows.product::<u64>().max(1);
				let products = elements * last(0) * product(narrow.is_some());
				let weights = Weights::new(4, written(narrow.is_some()));
				Weights { more: products + MATRIX * matrices, ..weights }
			}
			Op::Conv2d { geometry, narrow } => {
				let filter: u64 = shape(1)
					.map_or(1, |w| w.dims().iter().skip(1).map(|&dim| u64::from(dim)).product());
				let groups = u64::from(geometry.groups);
				let patches = elements / u64::from(output.last()).max(1) * groups;
				let products = elements * filter * product(narrow.is_some());
				let weights = Weights::new(1, written(narrow.is_some()));
				Weights { more: products + PATCH * patches * filter, ..weights }
			}
			Op::Pool { kernel, .. } => {
				let window = u64::from(kernel[0]) * u64::from(kernel[1]);
				Weights { more: 4 * elements * window, ..Weights::new(1, 16) }
			}
			Op::Requant { .. }
			| Op::Add { .. }
			| Op::Sub { .. }
			| Op::Mul { .. }
			| Op::Max
			| Op::Min
			| Op::Clamp { .. }
			| Op::Shift { .. }
			| Op::Cast { .. }
			| Op::Copy
			| Op::Lut
			| Op::LutInterp
			| Op::MulShift { .. }
			| Op::Compare { .. }
			| Op::Select
			| Op::BitLen
			| Op::ShiftBy { .. }
			| Op::ShiftRandom { .. }
			| Op::Concat { .. }
			| Op::Pad { .. }
			| Op::Iota { .. } => Weights::new(4, 4),
			Op::ReduceSum { .. }
			| Op::ReduceMax { .. }
			| Op::ArgMax { .. }
			| Op::ReduceSumProduct { .. } => Weights::new(4, 4 + FOLD),
			Op::Gather => Weights { more: ROW * len(1), ..Weights::new(4, 4) },
			Op::ScatterAdd { .. } => Weights { more: ROW * len(1), ..Weights::new(4, 8) },
			Op::IntDiv { .. } | Op::Rsqrt { .. } | Op::Philox { .. } => Weights::new(16, 16),
			Op::Softmax { .. } => {
				Weights { more: ROW * elements / last(0), ..Weights::new(16, 16) }
			}
			Op::Norm { .. } => {
				Weights { more: MOMENTS * elements / last(0), ..Weights::new(16, 16) }
			}
			Op::RowScale { .. } => Weights::new(16, MOMENTS),
			Op::TopK { .. } => Weights { more: ROW * len(0) / last(0), ..Weights::new(64, 16) },
		}
	}

	/// Work of one evaluation, whose weights are above. Operands as in [`Op::infer`]; 0 if that fails.
	pub fn work_units(&self, operands: &[(DType, &Shape)]) -> u64 {
		let Ok((_, output)) = self.infer(operands) else { return 0 };
		let Weights { read, written, more } = self.weights(operands, &output);
		let reads = (0..operands.len())
			.map(|operand| self.reads(operands, &output, operand))
			.fold(0, u64::saturating_add);
		NODE.saturating_add(more)
			.saturating_add(reads.saturating_mul(read))
			.saturating_add(u64::from(output.elements()).saturating_mul(written))
	}
}

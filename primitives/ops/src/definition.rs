//! What has to be said of every operator.

use crate::{
	operands::Operands, signature::Signature, time::Asked, work::Weights, Access, DType, Elements,
	OpError, Shape,
};
use alloc::vec::Vec;
use core::ops::Range;

/// Most bytes that folding and finishing allocate beside accumulators and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Scratch {
	pub(crate) all: u64,
	/// Of each output.
	pub(crate) each: u64,
}

/// What the file of a family says of its operators.
pub(crate) trait Definition: Copy {
	/// See [`crate::Op::infer`].
	fn infer(self, operands: &Operands) -> Result<(DType, Shape), OpError>;

	/// How each operand is read, and the length of the reduced dimension. There may be more of them
	/// than operands.
	fn access(self, operands: &Operands, output: &Shape) -> (Vec<Access>, u32);

	/// Accumulators before anything is absorbed, of an operator that reduces.
	fn start(self) -> Option<i64>;

	/// See [`crate::Applied::absorb`]; `range` ends with the reduced dimension. Only of an operator
	/// that reduces.
	fn absorb(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	);

	/// See [`crate::Applied::finish`].
	fn finish(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32>;

	/// What [`Definition::absorb`] and [`Definition::finish`] allocate.
	fn scratch(self, signature: &Signature) -> Scratch;

	/// Work of one evaluation.
	fn weights(self, operands: &Operands, output: &Shape) -> Weights;

	/// Elements of operand `operand`, which has `all`, that are read.
	fn reads(self, operand: usize, all: u64, output: &Shape) -> u64;

	/// Whether engines want operands in one piece, so that what a view scatters is copied first.
	fn lays_out(self) -> bool;

	/// Picoseconds of the referee to evaluate what is asked for, beside what every element takes.
	fn time(self, signature: &Signature, asked: &Asked) -> u64;
}

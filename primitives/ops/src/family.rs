//! The families of operators: what has to be said of every operator, and who says it.

use crate::{
	elementwise::Elementwise, generate::Generate, moves::Moves, operands::Operands,
	product::Product, reduce::Reduce, row::Row, table::Table, time::Asked, window::Windowed,
	work::Weights, Access, Applied, DType, Elements, OpError, Shape,
};
use alloc::vec::Vec;
use core::ops::Range;

/// An operator by its family. Each family has one file in each room, which matches its operators
/// without a wildcard: an operator that is new to a family does not compile until all is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
	/// Sums of products over rows, or over patches of images.
	Product(Product),
	/// Each result from one element of each operand.
	Elementwise(Elementwise),
	/// Folds of windows over images.
	Window(Windowed),
	/// Folds along an axis.
	Reduce(Reduce),
	/// Each result from a whole row of the last dimension.
	Row(Row),
	/// Elements in other places.
	Moves(Moves),
	/// Entries of a table at the values of elements.
	Table(Table),
	/// What follows from positions alone.
	Generate(Generate),
}

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

	/// How each operand is read, and the length of the reduced dimension. There may be more of them than
	/// operands.
	fn access(self, operands: &Operands, output: &Shape) -> (Vec<Access>, u32);

	/// Accumulators before anything is absorbed, of an operator that reduces.
	fn start(self) -> Option<i64>;

	/// See [`Applied::absorb`]; `range` ends with the reduced dimension. Only of an operator that reduces.
	fn absorb(
		self,
		applied: &Applied,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	);

	/// See [`Applied::finish`].
	fn finish(
		self,
		applied: &Applied,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32>;

	/// What [`Definition::absorb`] and [`Definition::finish`] allocate.
	fn scratch(self, applied: &Applied) -> Scratch;

	/// Work of one evaluation.
	fn weights(self, operands: &Operands, output: &Shape) -> Weights;

	/// Elements of operand `operand`, which has `all`, that are read.
	fn reads(self, operand: usize, all: u64, output: &Shape) -> u64;

	/// Whether engines want operands in one piece, so that what a view scatters is copied first.
	fn lays_out(self) -> bool;

	/// Picoseconds of the referee to evaluate what is asked for, beside what every element takes.
	fn time(self, applied: &Applied, asked: &Asked) -> u64;
}

/// Calls a function of [`Definition`] of whichever family it is.
macro_rules! each {
	($family:expr, $operator:ident => $call:expr) => {
		match $family {
			Family::Product($operator) => $call,
			Family::Elementwise($operator) => $call,
			Family::Window($operator) => $call,
			Family::Reduce($operator) => $call,
			Family::Row($operator) => $call,
			Family::Moves($operator) => $call,
			Family::Table($operator) => $call,
			Family::Generate($operator) => $call,
		}
	};
}

impl Definition for Family {
	fn infer(self, operands: &Operands) -> Result<(DType, Shape), OpError> {
		each!(self, operator => operator.infer(operands))
	}

	fn access(self, operands: &Operands, output: &Shape) -> (Vec<Access>, u32) {
		each!(self, operator => operator.access(operands, output))
	}

	fn start(self) -> Option<i64> {
		each!(self, operator => operator.start())
	}

	fn absorb(
		self,
		applied: &Applied,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		each!(self, operator => operator.absorb(applied, elements, outputs, range, accumulators))
	}

	fn finish(
		self,
		applied: &Applied,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		each!(self, operator => operator.finish(applied, elements, outputs, accumulators))
	}

	fn scratch(self, applied: &Applied) -> Scratch {
		each!(self, operator => operator.scratch(applied))
	}

	fn weights(self, operands: &Operands, output: &Shape) -> Weights {
		each!(self, operator => operator.weights(operands, output))
	}

	fn reads(self, operand: usize, all: u64, output: &Shape) -> u64 {
		each!(self, operator => operator.reads(operand, all, output))
	}

	fn lays_out(self) -> bool {
		each!(self, operator => operator.lays_out())
	}

	fn time(self, applied: &Applied, asked: &Asked) -> u64 {
		each!(self, operator => operator.time(applied, asked))
	}
}

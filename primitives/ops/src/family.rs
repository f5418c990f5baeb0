//! The families of operators, which say what has to be said of each of theirs.

use crate::{
	definition::{Definition, Scratch},
	elementwise::Elementwise,
	generate::Generate,
	moves::Moves,
	operands::Operands,
	product::Product,
	reduce::Reduce,
	row::Row,
	signature::Signature,
	table::Table,
	time::Asked,
	window::Windowed,
	work::Weights,
	Access, DType, Elements, OpError, Shape,
};
use alloc::vec::Vec;
use core::ops::Range;

/// An operator by its family. Each family has one file in each room, which matches its operators
/// without a wildcard: an operator that is new to a family does not compile until all is said of
/// it.
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
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		each!(self, operator => operator.absorb(signature, elements, outputs, range, accumulators))
	}

	fn finish(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		each!(self, operator => operator.finish(signature, elements, outputs, accumulators))
	}

	fn scratch(self, signature: &Signature) -> Scratch {
		each!(self, operator => operator.scratch(signature))
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

	fn time(self, signature: &Signature, asked: &Asked) -> u64 {
		each!(self, operator => operator.time(signature, asked))
	}
}

//! An operator bound to operand types: the definition of each output element.

use crate::{
	definition::Definition, operands::Operands, signature::Signature, work, Access, Asked, DType,
	Elements, Family, Op, OpError, Shape, View,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// An operator with its operand types: the definition of each output element.
///
/// An output element is `finish(absorb(… absorb(init, k₀..k₁) …, kₙ..K))` for any cut of `0..K`
/// into ranges, in any order, where K is [`Applied::reduction`] (1 where nothing is reduced).
/// Accumulators are one i64 for each output element, so those of a tile take at most 8 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
	op: Op,
	family: Family,
	signature: Signature,
}

impl Applied {
	/// Bind `op` to the types and shapes of its operands after views. Errors: [`Op::infer`]'s.
	pub fn new(op: Op, operands: &[(DType, Shape)]) -> Result<Self, OpError> {
		let refs: Vec<_> = operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		let (family, all) = (op.family(), Operands(&refs));
		let (dtype, shape) = family.infer(&all)?;
		let (mut accesses, reduction) = family.access(&all, &shape);
		accesses.truncate(operands.len());
		let operands = operands.to_vec();
		let signature = Signature { operands, dtype, shape, accesses, reduction };
		Ok(Self { op, family, signature })
	}

	/// The operator.
	pub fn op(&self) -> &Op {
		&self.op
	}

	/// The operator by its family.
	pub fn family(&self) -> Family {
		self.family
	}

	/// Element type of the result.
	pub fn dtype(&self) -> DType {
		self.signature.dtype
	}

	/// Shape of the result.
	pub fn shape(&self) -> Shape {
		self.signature.shape
	}

	/// Types and shapes of the operands, after views.
	pub fn operands(&self) -> &[(DType, Shape)] {
		&self.signature.operands
	}

	/// Which elements of operand `operand` one output element reads.
	pub fn access(&self, operand: usize) -> Option<Access> {
		self.signature.access(operand)
	}

	pub(crate) fn signature(&self) -> &Signature {
		&self.signature
	}

	/// Length of the reduced dimension; 1 where nothing is reduced.
	pub fn reduction(&self) -> u32 {
		self.signature.reduction
	}

	/// Results of each row of an operator whose results share what they need of a row: those of one
	/// row are best computed together.
	pub fn row_width(&self) -> Option<u32> {
		match self.signature.accesses.first() {
			Some(Access::Row { width, .. }) => Some(*width),
			_ => None,
		}
	}

	/// Most bytes of scratch that [`Applied::absorb`] and [`Applied::finish`] allocate beside their
	/// results.
	pub fn scratch(&self) -> u64 {
		self.family.scratch(&self.signature).all
	}

	/// Further bytes of it for each output.
	pub fn scratch_each(&self) -> u64 {
		self.family.scratch(&self.signature).each
	}

	/// Work units, see [`Op::work_units`].
	pub fn work_units(&self) -> u64 {
		let refs: Vec<_> =
			self.signature.operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		self.op.work_units(&refs)
	}

	/// Elements of operand `operand` that are read.
	fn reads(&self, operand: usize) -> u64 {
		let all = self
			.signature
			.operands
			.get(operand)
			.map_or(0, |(_, shape)| u64::from(shape.elements()));
		self.family.reads(operand, all, &self.signature.shape)
	}

	/// Work units of seeing operand `operand` through a view, beside those
	/// of [`Applied::work_units`]: none where it shows elements of its source as they lie.
	pub fn view_units(&self, operand: usize, view: &View) -> u64 {
		if view.is_run() {
			return 0;
		}
		self.reads(operand).saturating_mul(work::VIEW)
	}

	/// Bytes that an engine may take to lay out what operator `operand` sees through a view: none
	/// where the view shows elements as they lie, or where an engine reads them piece by piece.
	pub fn view_bytes(&self, operand: usize, view: &View) -> u64 {
		let Some((dtype, _)) = self.signature.operands.get(operand) else { return 0 };
		if view.is_run() || !self.family.lays_out() {
			return 0;
		}
		self.reads(operand).saturating_mul(dtype.size() as u64)
	}

	/// Accumulators of `outputs` output elements before anything is absorbed.
	pub fn init(&self, outputs: usize) -> Vec<i64> {
		vec![self.family.start().unwrap_or(0); outputs]
	}

	/// Fold the range `range` of the reduced dimension into the accumulators of `outputs`. Does
	/// nothing for an operator that does not reduce, and reads nothing if no output is asked for,
	/// as [`Applied::indices`] says.
	pub fn absorb(
		&self,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		if self.family.start().is_some() && !outputs.is_empty() {
			let range = range.start..range.end.min(self.signature.reduction);
			self.family.absorb(&self.signature, elements, outputs, range, accumulators);
		}
	}

	/// The output elements, once the whole reduced dimension is absorbed. Of an operator that
	/// reduces it reads what does not depend on the reduced dimension: the third operand of a
	/// product.
	pub fn finish(
		&self,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		self.family.finish(&self.signature, elements, outputs, accumulators)
	}

	/// Picoseconds of the referee to evaluate what is asked for.
	pub fn evaluation_time(&self, asked: &Asked) -> u64 {
		asked.base().saturating_add(self.family.time(&self.signature, asked))
	}
}

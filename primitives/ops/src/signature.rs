//! What an operator is bound to: types, shapes, and which elements are read.

use crate::{Access, DType, Elements, Shape};
use alloc::vec::Vec;

/// Operands and result of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
	/// Types and shapes of the operands, after views.
	pub(crate) operands: Vec<(DType, Shape)>,
	/// Element type of the result.
	pub(crate) dtype: DType,
	/// Shape of the result.
	pub(crate) shape: Shape,
	/// Which elements of each operand one output element reads.
	pub(crate) accesses: Vec<Access>,
	/// Length of the reduced dimension; 1 where nothing is reduced.
	pub(crate) reduction: u32,
}

impl Signature {
	/// See [`Signature::accesses`].
	pub(crate) fn access(&self, operand: usize) -> Option<Access> {
		self.accesses.get(operand).copied()
	}

	/// The element of the table that one output element reads; none where the index is outside.
	pub(crate) fn gather(&self, elements: &dyn Elements, output: u32) -> Option<u32> {
		let Some(Access::Table { rows, inner }) = self.access(0) else { return None };
		let row = u32::try_from(elements.get(1, output / inner)).ok().filter(|row| *row < rows)?;
		Some(row.wrapping_mul(inner).wrapping_add(output % inner))
	}
}

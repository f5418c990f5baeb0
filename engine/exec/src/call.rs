//! One evaluation of an operator.

use crate::Affine;
use assay_ops::{DType, Op, Shape};

/// An operand of an operator.
pub struct Operand<'a, V> {
	/// The stored tensor.
	pub value: &'a V,
	/// The shape that the operator sees.
	pub shape: Shape,
	/// Where the elements that the operator sees are stored.
	pub affine: Affine,
}

/// An operator with its operands, and what its result is by [`Op::infer`].
pub struct Call<'a, V> {
	/// What is computed.
	pub op: &'a Op,
	/// From what.
	pub operands: &'a [Operand<'a, V>],
	/// Type of the result.
	pub dtype: DType,
	/// Shape of the result.
	pub shape: &'a Shape,
}

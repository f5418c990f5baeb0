//! Types and shapes of operands, and what shape rules ask of them.

use crate::{Access, DType, OpError, Shape};
use alloc::vec::Vec;

/// Types and shapes of operands, after views.
pub(crate) struct Operands<'a>(pub(crate) &'a [(DType, &'a Shape)]);

impl<'a> Operands<'a> {
	pub(crate) fn at(&self, operand: usize) -> Result<(DType, &'a Shape), OpError> {
		let expected = operand as u8 + 1;
		self.0.get(operand).copied().ok_or(OpError::OperandCount { expected })
	}

	pub(crate) fn count(&self, expected: usize) -> Result<(), OpError> {
		(self.0.len() == expected)
			.then_some(())
			.ok_or(OpError::OperandCount { expected: expected as u8 })
	}

	pub(crate) fn typed(&self, operand: usize, dtypes: &[DType]) -> Result<(), OpError> {
		let found = self.at(operand)?.0;
		dtypes
			.contains(&found)
			.then_some(())
			.ok_or(OpError::OperandType { operand: operand as u8, found })
	}

	/// The shape of operand `operand`, if it is that of operand `of`.
	pub(crate) fn alike(&self, operand: usize, of: usize) -> Result<Shape, OpError> {
		let shape = self.at(of)?.1;
		(self.at(operand)?.1 == shape)
			.then_some(*shape)
			.ok_or(OpError::OperandShape { operand: operand as u8 })
	}

	/// Is operand `operand` one number or a vector of `len`?
	pub(crate) fn vector(&self, operand: usize, len: u32) -> Result<(), OpError> {
		let shape = self.at(operand)?.1;
		(shape.rank() == 1 && [1, len].contains(&shape.last()))
			.then_some(())
			.ok_or(OpError::OperandShape { operand: operand as u8 })
	}

	/// The dimensions of operand `operand`, of which there must be `rank` or more.
	pub(crate) fn dims(&self, operand: usize, rank: usize) -> Result<&'a [u32], OpError> {
		let dims = self.at(operand)?.1.dims();
		(dims.len() >= rank).then_some(dims).ok_or(OpError::OperandShape { operand: operand as u8 })
	}

	/// The shape of operand `operand`, if there is one.
	pub(crate) fn shape(&self, operand: usize) -> Option<&'a Shape> {
		self.0.get(operand).map(|(_, shape)| *shape)
	}

	/// Elements of operand `operand`, 0 without one.
	pub(crate) fn len(&self, operand: usize) -> u64 {
		self.shape(operand).map_or(0, |shape| u64::from(shape.elements()))
	}

	/// The last dimension of operand `operand`.
	pub(crate) fn last(&self, operand: usize) -> u32 {
		self.shape(operand).map_or(1, Shape::last)
	}

	/// Dimension `axis` of operand `operand`, 1 where there is none.
	pub(crate) fn along(&self, operand: usize, axis: u8) -> u32 {
		let dims = self.shape(operand).map_or(&[][..], Shape::dims);
		dims.get(axis as usize).copied().unwrap_or(1)
	}

	/// Product of the dimensions of operand `operand` after `axis`.
	pub(crate) fn inner(&self, operand: usize, axis: u8) -> u32 {
		self.shape(operand).map_or(1, |shape| after(shape, axis))
	}

	/// How a parameter is read that is one number or one for each column.
	pub(crate) fn parameter(&self, operand: usize) -> Access {
		match self.shape(operand) {
			Some(shape) if shape.elements() > 1 => Access::Column { n: shape.elements() },
			_ => Access::Single,
		}
	}

	/// How shifts are read that are one number or one for each element.
	pub(crate) fn shift(&self, operand: usize) -> Access {
		match self.shape(operand) {
			Some(shape) if shape.elements() > 1 => Access::Same,
			_ => Access::Single,
		}
	}

	/// How an operand is read of which bytes say where.
	pub(crate) fn whole(&self, operand: usize) -> Access {
		Access::Whole { len: self.shape(operand).map_or(1, Shape::elements) }
	}
}

pub(crate) fn no_longer(len: u32, max: u32) -> Result<(), OpError> {
	(len <= max).then_some(()).ok_or(OpError::ReductionTooLong { max })
}

/// `shape` without dimension `axis`.
pub(crate) fn without(shape: &Shape, axis: u8) -> Result<Shape, OpError> {
	let mut dims = shape.dims().to_vec();
	if axis as usize >= dims.len() {
		return Err(OpError::Axis);
	}
	dims.remove(axis as usize);
	Shape::new(&dims)
}

/// `shape` with dimension `axis` of size `size`.
pub(crate) fn resized(shape: &Shape, axis: u8, size: u32) -> Result<Shape, OpError> {
	let mut dims = shape.dims().to_vec();
	*dims.get_mut(axis as usize).ok_or(OpError::Axis)? = size;
	Shape::new(&dims)
}

pub(crate) fn joined(first: &[u32], rest: &[u32]) -> Result<Shape, OpError> {
	let dims: Vec<u32> = first.iter().chain(rest).copied().collect();
	Shape::new(&dims)
}

/// Product of the dimensions of `shape` after `axis`.
pub(crate) fn after(shape: &Shape, axis: u8) -> u32 {
	shape.dims().iter().skip(axis as usize + 1).product::<u32>()
}

pub(crate) fn fraction(shift: u8) -> Result<(), OpError> {
	(shift <= crate::MAX_FRACTION_BITS).then_some(()).ok_or(OpError::Fraction)
}

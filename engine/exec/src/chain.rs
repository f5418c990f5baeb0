//! Nodes that an engine may compute at once, because their elements do not meet.

use crate::call::Operand;
use assay_ops::{DType, Op};

/// Links that read each other, and tensors from outside, element by element.
pub struct Chain<'a, V> {
	/// Elements of the operands of all links and of their results, but for those of
	/// [`Op::ReduceMax`].
	pub elements: usize,
	/// In an order in which each can be computed.
	pub links: Vec<Link<'a, V>>,
}

/// A node of a chain.
pub struct Link<'a, V> {
	/// What it does: an operator whose elements do not meet, or [`Op::ReduceMax`] of all elements
	/// or of long rows that lie together.
	pub op: &'a Op,
	/// What it reads.
	pub operands: Vec<Part<'a, V>>,
	/// Type of the result.
	pub dtype: DType,
	/// Elements of the result.
	pub elements: usize,
	/// Whether anyone but links of the chain reads the result.
	pub kept: bool,
}

/// An operand of a link.
pub enum Part<'a, V> {
	/// A tensor from outside.
	Operand(Operand<'a, V>),
	/// The result of an earlier link of this type, by its position in the chain: all elements in
	/// their order.
	Link(usize, DType),
}

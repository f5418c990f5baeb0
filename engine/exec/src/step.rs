//! The nodes of a plan.

use crate::Affine;
use assay_ops::{Op, Shape};
use assay_program::Source;

/// What one node reads.
pub(crate) struct Read {
	pub(crate) source: Source,
	pub(crate) shape: Shape,
	pub(crate) affine: Affine,
}

/// A node made ready for the run loop.
pub(crate) struct Step<'a> {
	pub(crate) op: &'a Op,
	pub(crate) reads: Vec<Read>,
	/// What no later node of the step reads.
	pub(crate) releases: Vec<Source>,
	/// Position in [`crate::plan::Plan::anchors`].
	pub(crate) anchor: Option<usize>,
	/// The Requant that this product may be computed in, as its only reader.
	pub(crate) fused_into: Option<usize>,
	/// The product that this Requant may compute.
	pub(crate) fused_from: Option<usize>,
	pub(crate) work: u64,
}

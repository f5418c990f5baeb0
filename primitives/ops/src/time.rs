//! Time of the referee in WebAssembly, in picoseconds, for the executor of the node (wasmtime,
//! Cranelift): what one evaluation of an operator takes at most. The families say how often of
//! what.
//!
//! The table in docs/benchmarks.md (processor time on an AMD EPYC) has 95 ns for an element that is
//! read through a scattered view of rank 6, listing included; here that is 160 ns, for reading and
//! for noting its tile. Whole transactions in the executor on a loaded machine
//! (`runtime/tests/proofs.rs`, wall-clock time with decoding and hashing of the transaction) took
//! at most 0.52 of the estimate where reading elements is the work, and up to 0.83 where opening
//! 256 tiles is. Processor time is still to be measured.

use crate::signature::Signature;

pub(crate) const I8_PRODUCT: u64 = 500;
pub(crate) const I16_PRODUCT: u64 = 1_000;
/// One element of an operand, through a view of six dimensions, from another tile than the last
/// one.
pub(crate) const READ: u64 = 100_000;
/// One element of the result.
const ELEMENT: u64 = 200_000;
pub(crate) const ROW_ELEMENT: u64 = 50_000;
pub(crate) const SORTED_ELEMENT: u64 = 500_000;
pub(crate) const DIVISION: u64 = 500_000;

/// What a tile of an anchor asks of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
	/// Elements of the result.
	pub elements: u64,
	/// Of the reduced dimension.
	pub slice: u32,
	/// Different patches of images.
	pub patches: u64,
	/// Different elements that are read of the first two operands.
	pub reads: [u64; 2],
	/// Of all operands.
	pub all: u64,
}

impl Asked {
	/// Picoseconds of each element of the result.
	pub(crate) fn base(&self) -> u64 {
		self.elements.saturating_mul(ELEMENT)
	}

	/// Picoseconds of an operator that reads an element of each operand for each result and each
	/// position of the reduced dimension.
	pub(crate) fn plain(&self, signature: &Signature) -> u64 {
		let operands = signature.operands.len() as u64;
		let folded = self.elements.saturating_mul(self.slice.into());
		folded.saturating_mul(operands).saturating_mul(READ)
	}

	/// Picoseconds of an operator with a division for each result.
	pub(crate) fn divided(&self) -> u64 {
		self.elements.saturating_mul(3 * READ + DIVISION)
	}
}

//! Work units: what an evaluation costs, in units of about one i8 multiply-add of a dense product.
//!
//! Deadlines, prices and bonds count in them, so they bound time on the slowest engine that takes
//! part, whatever the shapes: at most three nanoseconds each, which is 10^9 in a block. The weights
//! are those of measurements on the worst shapes of every operator (`scripts/bench --only units`,
//! docs/benchmarks.md). They are part of the program format: docs/program-format.md, §6. A new
//! operator gets its own in its family's file, which does not compile without.

/// Of each step: the run loop, and the roots that it folds into the trace.
pub const STEP: u64 = 32_768;

/// Of each node: a call, its operands, and memory for its result.
pub const NODE: u64 = 4_096;

/// Of each tile of an eager anchor: laying it out, and hashing it.
pub const TILE: u64 = 2_048;

/// Of each element that is read through a view which does not show its source as it lies.
pub const VIEW: u64 = 16;

/// Of each row that a table is asked for, that updates are added to, or that is sorted or
/// normalised.
pub(crate) const ROW: u64 = 32;

/// Work of one operator beside [`NODE`].
pub(crate) struct Weights {
	/// Of each element that is read.
	pub(crate) read: u64,
	/// Of each element of the result.
	pub(crate) written: u64,
	/// Beside these.
	pub(crate) more: u64,
}

impl Weights {
	pub(crate) const fn new(read: u64, written: u64) -> Self {
		Self { read, written, more: 0 }
	}
}

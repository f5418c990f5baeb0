//! Which elements of its operands an output element reads.

use crate::Window;
use alloc::vec::Vec;

/// Which elements of one operand output element `i` reads, in flat row-major indices of the operand
/// after its view. Operands that are read in the same way have equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
	/// Element i.
	Same,
	/// Element 0.
	Single,
	/// Element i mod n.
	Column {
		/// Length of the operand.
		n: u32,
	},
	/// Any element, depending on bytes.
	Whole {
		/// Length of the operand.
		len: u32,
	},
	/// Row i / n of rows of k elements, along which is reduced.
	Left {
		/// Results of a row.
		n: u32,
		/// Length of a row.
		k: u32,
	},
	/// Row (i / block)·n + i mod n of rows of k elements, along which is reduced.
	Right {
		/// Results that share their rows.
		block: u32,
		/// Rows that these have.
		n: u32,
		/// Length of a row.
		k: u32,
	},
	/// A patch of an image, along which is reduced.
	Patch(Window),
	/// Output o·inner + j reads (o·len + r)·inner + j for every r.
	Reduce {
		/// Length of the reduced dimension.
		len: u32,
		/// Product of the dimensions after it.
		inner: u32,
	},
	/// The whole row i / width.
	Row {
		/// Length of a row.
		len: u32,
		/// Results of a row.
		width: u32,
	},
	/// A piece of the result: output (o·total + offset + p)·inner + j reads (o·len + p)·inner + j
	/// for p
	/// < len, and what lies outside reads nothing.
	Piece {
		/// Length of the piece.
		len: u32,
		/// Where it begins.
		offset: u32,
		/// Length of the result in that dimension.
		total: u32,
		/// Product of the dimensions after it.
		inner: u32,
	},
	/// Element r·inner + i mod inner for every r of the reduced dimension.
	Updates {
		/// Product of the dimensions after the reduced one.
		inner: u32,
	},
	/// Element r for every r of the reduced dimension.
	Destinations,
	/// Element i / inner.
	Index {
		/// Product of the dimensions after the first of the table.
		inner: u32,
	},
	/// Element v·inner + i mod inner, where v is what [`Access::Index`] reads: depends on bytes.
	Table {
		/// Rows of the table.
		rows: u32,
		/// Length of a row.
		inner: u32,
	},
}

impl Access {
	/// The row of a product's operand that an output element reads.
	pub(crate) fn row(&self, output: u32) -> u32 {
		match self {
			Self::Left { n, .. } => output / n,
			Self::Right { block, n, .. } => {
				(output / block).wrapping_mul(*n).wrapping_add(output % n)
			}
			Self::Patch(window) => window.row(output),
			_ => output,
		}
	}

	/// Where a piece of the result has output element `output`, if it does.
	pub(crate) fn piece(&self, output: u32) -> Option<u32> {
		let Self::Piece { len, offset, total, inner } = *self else { return None };
		let (rest, within) = (output / inner, output % inner);
		let at = (rest % total).checked_sub(offset).filter(|at| *at < len)?;
		let row = (rest / total).wrapping_mul(len).wrapping_add(at);
		Some(row.wrapping_mul(inner).wrapping_add(within))
	}
}

pub(crate) fn reduce_index(output: u32, k: u32, len: u32, inner: u32) -> u32 {
	let (outer, within) = (output / inner, output % inner);
	outer.wrapping_mul(len).wrapping_add(k).wrapping_mul(inner).wrapping_add(within)
}

/// Sorted, each once.
pub(crate) fn distinct(mut values: Vec<u32>) -> Vec<u32> {
	values.sort_unstable();
	values.dedup();
	values
}

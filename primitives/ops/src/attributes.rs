//! Attributes of operators that are more than a number.

use crate::DType;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Epilogue of an i16 product: `sat(round_shift(acc · multiplier, shift))` as `to`.
///
/// A product may take a third operand, an i8 of shape `[1]` that is added to `shift`; the sum is
/// clamped to −31 ..= 62. So an exponent may follow from the step before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Narrow {
	/// Factor of the i64 sum.
	pub multiplier: i16,
	/// Right shift with rounding half up; negative is a left shift. See [`crate::round_shift`].
	pub shift: i8,
	/// Element type of the result.
	pub to: DType,
}

/// What [`crate::Op::Pool`] makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum PoolKind {
	/// The largest element.
	#[codec(index = 0)]
	Max,
	/// The sum.
	#[codec(index = 1)]
	Sum,
}

/// What [`crate::Op::Compare`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Relation {
	/// a = b.
	#[codec(index = 0)]
	Equal,
	/// a < b.
	#[codec(index = 1)]
	Less,
	/// a ≤ b.
	#[codec(index = 2)]
	LessOrEqual,
}

/// How [`crate::Op::Norm`] and [`crate::Op::RowScale`] measure a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum NormKind {
	/// Around its mean.
	#[codec(index = 0)]
	Layer,
	/// Around zero.
	#[codec(index = 1)]
	Rms,
}

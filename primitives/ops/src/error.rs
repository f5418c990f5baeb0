use crate::DType;
use core::fmt;

/// Why a shape, view or operator application has no meaning. Every variant says how to avoid it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpError {
	/// More than [`crate::MAX_RANK`] dimensions.
	Rank,
	/// A dimension of size 0.
	ZeroDimension,
	/// More than [`crate::MAX_ELEMENTS`] elements.
	TooManyElements,
	/// `split` must be 0 for rank ≤ 1 and 1 ..= rank − 1 above.
	Split,
	/// A view must have one stride for each dimension.
	ViewStrides,
	/// A view reads past the last element of its source.
	ViewOutOfRange,
	/// The operator takes another number of operands.
	OperandCount {
		/// What it takes (at least).
		expected: u8,
	},
	/// The element type of operand `operand` does not fit the operator.
	OperandType {
		/// Position of the operand.
		operand: u8,
		/// Its type.
		found: DType,
	},
	/// The shape of operand `operand` does not fit the operator; a view may reshape it.
	OperandShape {
		/// Position of the operand.
		operand: u8,
	},
	/// A product of i16 needs `narrow`, one of i8 must not have it.
	Narrow,
	/// The reduced dimension is longer than the accumulator can hold for certain; split it.
	ReductionTooLong {
		/// The longest that fits.
		max: u32,
	},
	/// The reduced axis is not a dimension of the operand.
	Axis,
	/// `lo > hi`, or a bound outside the element type.
	ClampBounds,
	/// A stride, dilation or group count of 0, groups that do not divide the channels, a kernel
	/// that is larger than the padded operand, or for Pool a padding that is not smaller than the
	/// kernel.
	Window,
	/// A shift of more than [`crate::MAX_FRACTION_BITS`].
	Fraction,
	/// The padding is not a value of the operand's type.
	PadValue,
	/// `k` must be 1 ..= the last dimension.
	TopK,
	/// Data of another length than the type says.
	Length,
	/// There is no such tile.
	TileOutOfRange,
	/// An operand tile that is needed was not given.
	MissingTile {
		/// Position of the operand.
		operand: u8,
		/// Index of the tile in the operand's canonical order.
		tile: u64,
	},
}

impl fmt::Display for OpError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			OpError::Rank => write!(f, "more than {} dimensions", crate::MAX_RANK),
			OpError::ZeroDimension => write!(f, "a dimension of size 0"),
			OpError::TooManyElements => write!(f, "more than {} elements", crate::MAX_ELEMENTS),
			OpError::Split => {
				write!(f, "split must be 0 for rank 0 and 1, and 1..=rank-1 for a higher rank")
			}
			OpError::ViewStrides => write!(f, "a view needs one stride for each dimension"),
			OpError::ViewOutOfRange => write!(f, "the view reads past the end of its source"),
			OpError::OperandCount { expected } => {
				write!(f, "the operator takes {expected} operands")
			}
			OpError::OperandType { operand, found } => {
				write!(f, "operand {operand} cannot be of type {found:?}; cast it")
			}
			OpError::OperandShape { operand } => {
				write!(f, "the shape of operand {operand} does not fit; reshape it by a view")
			}
			OpError::Narrow => {
				write!(f, "a product of i16 needs `narrow`, one of i8 must leave it out")
			}
			OpError::ReductionTooLong { max } => {
				write!(f, "the reduced dimension is longer than {max}; split it and add the parts")
			}
			OpError::Axis => write!(f, "the axis is not a dimension of the operand"),
			OpError::ClampBounds => {
				write!(f, "clamp bounds must be ordered and lie inside the element type")
			}
			OpError::Window => write!(
				f,
				"strides, dilations and groups must be at least 1, groups must divide the channels, \
				 the kernel must fit the padded operand, and the padding of Pool must be smaller than \
				 its kernel"
			),
			OpError::Fraction => {
				write!(f, "the shift must be at most {}", crate::MAX_FRACTION_BITS)
			}
			OpError::PadValue => {
				write!(f, "the padding must be a value of the operand's type; cast the operand")
			}
			OpError::TopK => write!(f, "k must be at least 1 and at most the last dimension"),
			OpError::Length => write!(f, "the data is not as long as its type says"),
			OpError::TileOutOfRange => write!(f, "the tensor has no such tile"),
			OpError::MissingTile { operand, tile } => {
				write!(f, "tile {tile} of operand {operand} was not given")
			}
		}
	}
}

impl core::error::Error for OpError {}

use crate::{
	limits::{MAX_ELEMENTS, MAX_RANK},
	OpError,
};
use alloc::vec::Vec;
use codec::{Decode, Encode, EncodeLike, Input, Output};
use core::fmt;
use scale_info::{Type, TypeInfo};

/// Dimensions of a tensor, slowest first: at most [`MAX_RANK`], each ≥ 1, product ≤
/// [`MAX_ELEMENTS`]. No dimension at all is a scalar. Encodes as `Vec<u32>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
	rank: u8,
	dims: [u32; MAX_RANK],
}

impl Shape {
	/// Errors: [`OpError::Rank`], [`OpError::ZeroDimension`], [`OpError::TooManyElements`].
	pub fn new(dims: &[u32]) -> Result<Self, OpError> {
		if dims.len() > MAX_RANK {
			return Err(OpError::Rank);
		}
		let mut elements = 1u64;
		let mut all = [1; MAX_RANK];
		for (slot, &dim) in all.iter_mut().zip(dims) {
			if dim == 0 {
				return Err(OpError::ZeroDimension);
			}
			elements = elements.saturating_mul(dim as u64);
			*slot = dim;
		}
		if elements > MAX_ELEMENTS as u64 {
			return Err(OpError::TooManyElements);
		}
		Ok(Self { rank: dims.len() as u8, dims: all })
	}

	/// The dimensions, slowest first.
	pub fn dims(&self) -> &[u32] {
		self.dims.get(..self.rank as usize).unwrap_or(&self.dims)
	}

	/// Number of dimensions.
	pub fn rank(&self) -> usize {
		self.rank as usize
	}

	/// Product of the dimensions, 1 ..= 2^31.
	pub fn elements(&self) -> u32 {
		self.dims.iter().product()
	}

	/// The last dimension; 1 for a scalar.
	pub fn last(&self) -> u32 {
		self.dims().last().copied().unwrap_or(1)
	}

	/// Row-major strides, in elements.
	pub fn strides(&self) -> Vec<u32> {
		let mut stride = 1u32;
		let mut strides: Vec<u32> = self
			.dims()
			.iter()
			.rev()
			.map(|&dim| {
				let this = stride;
				// The product is at most 2^31 by construction.
				stride = stride.saturating_mul(dim);
				this
			})
			.collect();
		strides.reverse();
		strides
	}
}

impl fmt::Debug for Shape {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.debug_list().entries(self.dims()).finish()
	}
}

impl fmt::Display for Shape {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{self:?}")
	}
}

impl Encode for Shape {
	fn size_hint(&self) -> usize {
		1 + 4 * self.rank()
	}

	fn encode_to<W: Output + ?Sized>(&self, dest: &mut W) {
		self.dims().encode_to(dest)
	}
}

impl EncodeLike for Shape {}

/// Reads a list of at most [`MAX_RANK`] `u32`, refusing longer ones before reading them.
pub(crate) fn decode_small<I: Input>(input: &mut I) -> Result<Vec<u32>, codec::Error> {
	let count = codec::Compact::<u32>::decode(input)?.0 as usize;
	if count > MAX_RANK {
		return Err("more than 6 dimensions".into());
	}
	(0..count).map(|_| u32::decode(input)).collect()
}

impl Decode for Shape {
	fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
		Shape::new(&decode_small(input)?).map_err(|_| "not a shape".into())
	}
}

impl TypeInfo for Shape {
	type Identity = Vec<u32>;

	fn type_info() -> Type {
		Vec::<u32>::type_info()
	}
}

use crate::{shape::decode_small, OpError, Shape};
use alloc::vec::Vec;
use codec::{Decode, Encode, Input};
use core::ops::Range;
use scale_info::TypeInfo;

/// Affine view of an operand: element (i₀, i₁, …) of the view is element `offset + Σ iₖ·strideₖ` of
/// the source in row-major order. Slices, transposes, reshapes and broadcasts (stride 0).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, TypeInfo)]
pub struct View {
	/// Shape that the operator sees.
	pub shape: Shape,
	/// Source element of the view's first element.
	pub offset: u32,
	/// Distance in source elements for one step in each dimension.
	pub strides: Vec<u32>,
}

impl View {
	/// The same elements in the same order under another shape.
	pub fn reshape(shape: Shape) -> Self {
		Self { shape, offset: 0, strides: shape.strides() }
	}

	/// The dimensions of `source` in the order `order`, e.g. `[1, 0]` for a matrix transpose.
	/// Error: [`OpError::ViewStrides`] when `order` is not a permutation of the dimensions.
	pub fn transpose(source: &Shape, order: &[usize]) -> Result<Self, OpError> {
		let strides = source.strides();
		let mut seen = order.to_vec();
		seen.sort_unstable();
		if !seen.into_iter().eq(0..source.rank()) {
			return Err(OpError::ViewStrides);
		}
		let pick = |from: &[u32]| -> Vec<u32> {
			order.iter().filter_map(|&dim| from.get(dim).copied()).collect()
		};
		Ok(Self { shape: Shape::new(&pick(source.dims()))?, offset: 0, strides: pick(&strides) })
	}

	/// The sub-block `ranges` of `source`, one range for each dimension.
	/// Error: [`OpError::ViewOutOfRange`], or [`OpError::ZeroDimension`] for an empty range.
	pub fn slice(source: &Shape, ranges: &[Range<u32>]) -> Result<Self, OpError> {
		if ranges.len() != source.rank() {
			return Err(OpError::ViewStrides);
		}
		let strides = source.strides();
		let mut dims = Vec::with_capacity(ranges.len());
		let mut offset = 0u32;
		for ((range, &dim), &stride) in ranges.iter().zip(source.dims()).zip(&strides) {
			if range.end > dim {
				return Err(OpError::ViewOutOfRange);
			}
			dims.push(range.end.saturating_sub(range.start));
			offset = offset.saturating_add(range.start.saturating_mul(stride));
		}
		Ok(Self { shape: Shape::new(&dims)?, offset, strides })
	}

	/// `source` repeated along the dimensions where it has size 1, aligned at the last dimension
	/// as in NumPy. Error: [`OpError::ViewStrides`] where the dimensions do not fit.
	pub fn broadcast(source: &Shape, to: Shape) -> Result<Self, OpError> {
		let missing = to.rank().checked_sub(source.rank()).ok_or(OpError::ViewStrides)?;
		let mut strides = alloc::vec![0; missing];
		let dims = source.dims().iter().zip(to.dims().iter().skip(missing));
		for ((&from, &to), stride) in dims.zip(source.strides()) {
			match (from == to, from) {
				(true, _) => strides.push(stride),
				(false, 1) => strides.push(0),
				(false, _) => return Err(OpError::ViewStrides),
			}
		}
		Ok(Self { shape: to, offset: 0, strides })
	}

	/// Does every element of the view lie inside `source`?
	/// Errors: [`OpError::ViewStrides`], [`OpError::ViewOutOfRange`].
	pub fn validate(&self, source: &Shape) -> Result<(), OpError> {
		if self.strides.len() != self.shape.rank() {
			return Err(OpError::ViewStrides);
		}
		let last = self
			.shape
			.dims()
			.iter()
			.zip(&self.strides)
			.map(|(&dim, &stride)| (dim as u64 - 1) * stride as u64)
			.fold(self.offset as u64, u64::saturating_add);
		if last >= source.elements() as u64 {
			return Err(OpError::ViewOutOfRange);
		}
		Ok(())
	}

	/// The source element of the view's element `index` (row-major). Inside the source for every
	/// index of a validated view.
	pub fn source_index(&self, index: u32) -> u32 {
		let mut rest = index;
		let mut at = self.offset;
		for (&dim, &stride) in self.shape.dims().iter().zip(&self.strides).rev() {
			// One division for each dimension: WebAssembly has no remainder for free.
			let above = rest / dim;
			let digit = rest.wrapping_sub(above.wrapping_mul(dim));
			at = at.wrapping_add(digit.wrapping_mul(stride));
			rest = above;
		}
		at
	}

	/// The view's elements `start .. start + len` as evenly spaced stretches of source elements:
	/// calls `visit(first, count, stride)` for one after the other.
	pub fn for_each_run(&self, start: u32, len: u32, mut visit: impl FnMut(u32, u32, u32)) {
		let (dim, stride) = (self.shape.last(), self.strides.last().copied().unwrap_or(0));
		let (mut index, mut left) = (start, len);
		while left > 0 {
			let run = (dim - index % dim).min(left);
			visit(self.source_index(index), run, stride);
			index = index.wrapping_add(run);
			left -= run;
		}
	}

	/// Call `visit` with the source element of each of the view's elements `start .. start + len`.
	pub fn for_each_source(&self, start: u32, len: u32, mut visit: impl FnMut(u32)) {
		self.for_each_run(start, len, |first, count, stride| {
			let mut at = first;
			for _ in 0..count {
				visit(at);
				at = at.wrapping_add(stride);
			}
		})
	}

	/// Does the view read the first elements of its source in their order, whatever its shape?
	pub fn is_contiguous(&self) -> bool {
		self.offset == 0 && self.is_run()
	}

	/// Does the view read elements that lie together in its source in their order, wherever they
	/// begin and whatever its shape?
	pub fn is_run(&self) -> bool {
		let used = |(&dim, _): &(&u32, &u32)| dim > 1;
		let strides = self.shape.strides();
		self.strides.len() == strides.len()
			&& self.shape.dims().iter().zip(&self.strides).filter(used).eq(self
				.shape
				.dims()
				.iter()
				.zip(&strides)
				.filter(used))
	}
}

impl Decode for View {
	fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
		let (shape, offset, strides) =
			(Shape::decode(input)?, u32::decode(input)?, decode_small(input)?);
		if strides.len() != shape.rank() {
			return Err("a view needs one stride for each dimension".into());
		}
		Ok(Self { shape, offset, strides })
	}
}

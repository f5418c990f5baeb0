//! Float and integer tensors as NumPy and ONNX have them.

use std::borrow::Cow;

/// Elements, row-major. Booleans are integers 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
	/// Any float type, as f32.
	Float(Vec<f32>),
	/// Any integer type and bool.
	Int(Vec<i64>),
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
	/// Dimensions, slowest first; none at all is a scalar, and one may be 0.
	pub dims: Vec<usize>,
	/// Elements.
	pub data: Data,
}

impl Array {
	/// Floats; `data` has as many elements as `dims` say.
	pub fn float(dims: impl Into<Vec<usize>>, data: Vec<f32>) -> Self {
		Self { dims: dims.into(), data: Data::Float(data) }
	}

	/// Integers; `data` has as many elements as `dims` say.
	pub fn int(dims: impl Into<Vec<usize>>, data: Vec<i64>) -> Self {
		Self { dims: dims.into(), data: Data::Int(data) }
	}

	/// Number of elements.
	pub fn len(&self) -> usize {
		self.dims.iter().product()
	}

	/// Whether there is no element.
	pub fn is_empty(&self) -> bool {
		self.len() == 0
	}

	/// Number of dimensions.
	pub fn rank(&self) -> usize {
		self.dims.len()
	}

	/// Whether the elements are integers.
	pub fn is_int(&self) -> bool {
		matches!(self.data, Data::Int(_))
	}

	/// Bytes of the elements as they are held.
	pub fn bytes(&self) -> u64 {
		match &self.data {
			Data::Float(data) => data.len() as u64 * 4,
			Data::Int(data) => data.len() as u64 * 8,
		}
	}

	/// The elements as floats, without a copy where they are.
	pub fn float_data(&self) -> Cow<'_, [f32]> {
		match &self.data {
			Data::Float(data) => Cow::Borrowed(data),
			Data::Int(data) => data.iter().map(|&value| value as f32).collect(),
		}
	}

	/// The elements as integers, floats cut towards zero, without a copy where they are.
	pub fn int_data(&self) -> Cow<'_, [i64]> {
		match &self.data {
			Data::Float(data) => data.iter().map(|&value| value as i64).collect(),
			Data::Int(data) => Cow::Borrowed(data),
		}
	}

	/// The elements as floats.
	pub fn floats(&self) -> Vec<f32> {
		match &self.data {
			Data::Float(data) => data.clone(),
			Data::Int(data) => data.iter().map(|&value| value as f32).collect(),
		}
	}

	/// The elements as integers, floats cut towards zero.
	pub fn ints(&self) -> Vec<i64> {
		match &self.data {
			Data::Float(data) => data.iter().map(|&value| value as i64).collect(),
			Data::Int(data) => data.clone(),
		}
	}

	/// The same elements under other dimensions, whose product must be the same.
	pub fn reshaped(&self, dims: impl Into<Vec<usize>>) -> Self {
		Self { dims: dims.into(), data: self.data.clone() }
	}

	/// The elements at the given row-major positions.
	pub fn pick(&self, dims: impl Into<Vec<usize>>, at: impl Iterator<Item = usize>) -> Self {
		let data = match &self.data {
			Data::Float(data) => Data::Float(at.map(|i| data[i]).collect()),
			Data::Int(data) => Data::Int(at.map(|i| data[i]).collect()),
		};
		Self { dims: dims.into(), data }
	}

	/// Samples `start .. start + count` along the first dimension; past the end the last one
	/// repeats.
	pub fn samples(&self, start: usize, count: usize) -> Self {
		let each = self.dims.iter().skip(1).product::<usize>();
		let last = self.dims.first().copied().unwrap_or(1).saturating_sub(1);
		let mut dims = self.dims.clone();
		if let Some(first) = dims.first_mut() {
			*first = count;
		}
		self.pick(
			dims,
			(start..start + count).flat_map(|i| i.min(last) * each..(i.min(last) + 1) * each),
		)
	}
}

/// Row-major strides of `dims`.
pub fn strides(dims: &[usize]) -> Vec<usize> {
	let mut strides = vec![1usize; dims.len()];
	for i in (1..dims.len()).rev() {
		// As if no dimension were 0: nothing is read along them then.
		strides[i - 1] = strides[i].saturating_mul(dims[i].max(1));
	}
	strides
}

/// The common dimensions of `shapes` by NumPy's rule; `None` where they do not fit.
pub fn broadcast(shapes: &[&[usize]]) -> Option<Vec<usize>> {
	let rank = shapes.iter().map(|dims| dims.len()).max().unwrap_or(0);
	let mut out = vec![1; rank];
	for dims in shapes {
		for (slot, &dim) in out.iter_mut().skip(rank - dims.len()).zip(*dims) {
			match (*slot, dim) {
				(a, b) if a == b => {}
				(1, b) => *slot = b,
				(_, 1) => {}
				_ => return None,
			}
		}
	}
	Some(out)
}

/// Strides of `dims` seen as the broadcast shape `to`: 0 along repeated dimensions.
pub fn broadcast_strides(dims: &[usize], to: &[usize]) -> Vec<usize> {
	let own = strides(dims);
	let missing = to.len().saturating_sub(dims.len());
	(0..to.len())
		.map(|i| match i.checked_sub(missing) {
			Some(at) if dims[at] != 1 => own[at],
			_ => 0,
		})
		.collect()
}

/// Source positions of a strided walk over dimensions, in row-major order, one after the other.
pub struct Walk {
	/// Dimensions but the last one, with strides and the position along each.
	outer: Vec<(usize, isize, usize)>,
	/// The last dimension: length, stride, position.
	inner: (usize, isize, usize),
	at: isize,
	left: usize,
}

impl Iterator for Walk {
	type Item = usize;

	fn next(&mut self) -> Option<usize> {
		self.left = self.left.checked_sub(1)?;
		let found = self.at as usize;
		let (length, stride, position) = &mut self.inner;
		*position += 1;
		self.at += *stride;
		if *position == *length {
			self.at -= *stride * *length as isize;
			*position = 0;
			for (length, stride, position) in self.outer.iter_mut().rev() {
				*position += 1;
				self.at += *stride;
				if *position < *length {
					break;
				}
				self.at -= *stride * *length as isize;
				*position = 0;
			}
		}
		Some(found)
	}

	fn size_hint(&self) -> (usize, Option<usize>) {
		(self.left, Some(self.left))
	}
}

impl ExactSizeIterator for Walk {}

/// The walk over `dims` with `strides` from `offset` on.
pub fn walk(dims: &[usize], strides: &[usize], offset: usize) -> Walk {
	let strides: Vec<isize> = strides.iter().map(|&stride| stride as isize).collect();
	walk_signed(dims, &strides, offset)
}

/// As [`walk`], with strides that may go backwards.
pub fn walk_signed(dims: &[usize], strides: &[isize], offset: usize) -> Walk {
	let mut outer: Vec<_> =
		dims.iter().zip(strides).map(|(&dim, &stride)| (dim, stride, 0)).collect();
	let inner = outer.pop().unwrap_or((1, 0, 0));
	Walk { outer, inner, at: offset as isize, left: dims.iter().product() }
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn walks_should_visit_elements_in_row_major_order() {
		let positions = |dims: &[usize], strides: &[usize], offset| -> Vec<usize> {
			walk(dims, strides, offset).collect()
		};
		assert_eq!(positions(&[2, 3], &[1, 2], 0), [0, 2, 4, 1, 3, 5]);
		assert_eq!(positions(&[2, 2, 2], &[0, 4, 1], 3), [3, 4, 7, 8, 3, 4, 7, 8]);
		assert_eq!(positions(&[], &[], 5), [5]);
		assert!(positions(&[3, 0, 2], &[1, 1, 1], 0).is_empty());
		assert_eq!(walk_signed(&[3], &[-2], 5).collect::<Vec<_>>(), [5, 3, 1]);
	}
}

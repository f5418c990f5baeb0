//! A value of the integer program as a strided view of what stores it.

use crate::error::{Error, Result};
use assay_ops::{DType, Shape, View};
use assay_program::{Operand, Source};

/// Integers that stand for `q · scale`, seen with the model's own dimensions.
///
/// A convolution's result is stored [B, H, W, C] and seen as [B, C, H, W]: views change strides,
/// not bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
	/// What stores the elements.
	pub source: Source,
	/// Element type.
	pub dtype: DType,
	/// Dimensions as the model has them.
	pub dims: Vec<u32>,
	/// Distance of stored elements for one step in each of `dims`; 0 where one is repeated.
	pub strides: Vec<u32>,
	/// Stored element of the first one.
	pub offset: u32,
	/// Dimensions of what stores them.
	pub stored: Vec<u32>,
	/// What one unit stands for; above 0.
	pub scale: f64,
}

/// Row-major strides.
pub(crate) fn dense(dims: &[u32]) -> Vec<u32> {
	let mut strides = vec![1u32; dims.len()];
	for i in (1..dims.len()).rev() {
		strides[i - 1] = strides[i].saturating_mul(dims[i]);
	}
	strides
}

/// The shape; at most six dimensions.
pub(crate) fn shape(dims: &[u32]) -> Result<Shape> {
	Shape::new(dims).map_err(|e| {
		Error::new("unsupported", format!("a tensor of shape {dims:?}: {e}"))
			.fix("merge dimensions, or take a smaller --batch")
	})
}

impl Value {
	/// All elements of `source` in their order.
	pub fn whole(source: Source, dtype: DType, dims: Vec<u32>, scale: f64) -> Self {
		let strides = dense(&dims);
		Self { source, dtype, stored: dims.clone(), dims, strides, offset: 0, scale }
	}

	/// Number of elements.
	pub fn elements(&self) -> u64 {
		self.dims.iter().map(|&dim| u64::from(dim)).product()
	}

	/// Whether the elements are seen in the order in which they are stored, and all of them.
	pub fn is_dense(&self) -> bool {
		let all: u64 = self.stored.iter().map(|&dim| u64::from(dim)).product();
		let used = |strides: &[u32]| -> Vec<u32> {
			strides.iter().zip(&self.dims).filter(|(_, &dim)| dim > 1).map(|(s, _)| *s).collect()
		};
		self.offset == 0
			&& self.elements() == all
			&& used(&self.strides) == used(&dense(&self.dims))
	}

	/// As an operand, seen as the model sees it.
	pub fn operand(&self) -> Result<Operand> {
		if self.is_dense() && self.dims == self.stored {
			return Ok(self.source.into());
		}
		let view =
			View { shape: shape(&self.dims)?, offset: self.offset, strides: self.strides.clone() };
		Ok(Operand::viewed(self.source, view))
	}

	/// Dimensions in another order.
	pub fn permuted(&self, order: &[usize]) -> Self {
		let pick = |from: &[u32]| order.iter().map(|&axis| from[axis]).collect();
		Self { dims: pick(&self.dims), strides: pick(&self.strides), ..self.clone() }
	}

	/// Every `step`-th of `count` elements from `start` on, along one dimension.
	pub fn sliced(&self, axis: usize, start: u32, count: u32, step: u32) -> Self {
		let mut value = self.clone();
		value.offset = value.offset.saturating_add(start.saturating_mul(self.strides[axis]));
		value.dims[axis] = count;
		value.strides[axis] = value.strides[axis].saturating_mul(step);
		value
	}

	/// Repeated to `dims` by NumPy's rule.
	pub fn broadcast(&self, dims: &[u32]) -> Option<Self> {
		let missing = dims.len().checked_sub(self.dims.len())?;
		let mut strides = vec![0; missing];
		for ((&own, &stride), &to) in self.dims.iter().zip(&self.strides).zip(&dims[missing..]) {
			strides.push(if own == to {
				stride
			} else if own == 1 {
				0
			} else {
				return None;
			});
		}
		Some(Self { dims: dims.to_vec(), strides, ..self.clone() })
	}

	/// The same elements in the same order under other dimensions, if strides can say that.
	pub fn reshaped(&self, dims: &[u32]) -> Option<Self> {
		// Dimensions of 1 mean nothing; the rest is matched in groups of equal products.
		let old: Vec<(u32, u32)> = self
			.dims
			.iter()
			.copied()
			.zip(self.strides.iter().copied())
			.filter(|(dim, _)| *dim != 1)
			.collect();
		let mut strides = vec![0u32; dims.len()];
		let (mut i, mut j) = (0, 0);
		while j < dims.len() {
			if dims[j] == 1 {
				j += 1;
				continue;
			}
			let (first, start) = (j, i);
			let (mut new_product, mut old_product) = (u64::from(dims[j]), u64::from(old.get(i)?.0));
			j += 1;
			i += 1;
			while new_product != old_product {
				if new_product < old_product {
					new_product *= u64::from(*dims.get(j)?);
					j += 1;
				} else {
					old_product *= u64::from(old.get(i)?.0);
					i += 1;
				}
			}
			let group = &old[start..i];
			if group.windows(2).any(|w| w[0].1 != w[1].1.saturating_mul(w[1].0)) {
				return None;
			}
			let mut stride = group.last()?.1;
			for at in (first..j).rev() {
				strides[at] = stride;
				stride = stride.saturating_mul(dims[at]);
			}
		}
		(i == old.len()).then(|| Self { dims: dims.to_vec(), strides, ..self.clone() })
	}

	/// The dimensions from slowest to fastest in storage; repeated ones keep their place.
	pub fn storage_order(&self) -> Vec<usize> {
		let mut order: Vec<usize> = (0..self.dims.len()).collect();
		order.sort_by_key(|&axis| {
			let matters = self.dims[axis] > 1;
			std::cmp::Reverse(if matters { self.strides[axis] } else { u32::MAX })
		});
		order
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn value(dims: &[u32]) -> Value {
		Value::whole(Source::Input(0), DType::I16, dims.to_vec(), 1.0)
	}

	#[test]
	fn reshapes_should_be_views_when_strides_allow() {
		let x = value(&[2, 6, 4]);
		assert_eq!(x.reshaped(&[2, 3, 2, 4]).unwrap().strides, [24, 8, 4, 1]);
		assert_eq!(x.reshaped(&[12, 1, 4]).unwrap().strides, [4, 0, 1]);
		let heads = x.reshaped(&[2, 6, 2, 2]).unwrap().permuted(&[0, 2, 1, 3]);
		assert_eq!(heads.strides, [24, 2, 4, 1]);
		assert!(heads.reshaped(&[2, 12, 2]).is_none(), "elements would change their order");
		assert_eq!(heads.reshaped(&[2, 2, 3, 2, 2]).unwrap().strides, [24, 2, 8, 4, 1]);
		assert!(x.reshaped(&[5]).is_none());
	}

	#[test]
	fn operands_should_have_views_only_when_they_need_one() {
		let x = value(&[2, 6]);
		assert!(x.operand().unwrap().view.is_none());
		assert!(x.reshaped(&[12]).unwrap().operand().unwrap().view.is_some());
		let row = x.sliced(0, 1, 1, 1);
		assert_eq!(row.operand().unwrap().view.unwrap().offset, 6);
		assert_eq!(x.broadcast(&[3, 2, 6]).unwrap().strides, [0, 6, 1]);
		assert!(x.broadcast(&[2, 5]).is_none());
	}
}

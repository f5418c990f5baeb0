//! Operands of the cases: what they hold, and through which view they are seen.

use anyhow::{anyhow, Result};
use assay_exec::{Affine, Buffer, Tensor};
use assay_ops::{DType, Shape, TensorType, View};
use std::sync::Arc;

/// What an operand holds.
#[derive(Clone, Copy)]
pub enum Fill {
	/// Any value of its type.
	Any,
	/// This one everywhere.
	All(i32),
	/// Numbers from 0 up to this one.
	Below(u32),
	/// Rising.
	Rising,
}

/// An operand of a case.
#[derive(Clone)]
pub struct Seen {
	dtype: DType,
	dims: Vec<u32>,
	view: Option<(Vec<u32>, Vec<u32>)>,
	fill: Fill,
}

/// Any values of a type and shape.
pub fn of(dtype: DType, dims: &[u32]) -> Seen {
	Seen { dtype, dims: dims.to_vec(), view: None, fill: Fill::Any }
}

impl Seen {
	/// Filled with something else.
	pub fn fill(self, fill: Fill) -> Self {
		Self { fill, ..self }
	}

	/// Seen as `dims`, whose elements lie `strides` apart.
	pub fn seen(self, dims: &[u32], strides: &[u32]) -> Self {
		Self { view: Some((dims.to_vec(), strides.to_vec())), ..self }
	}

	/// Whether it is seen as it lies.
	pub fn is_whole(&self) -> bool {
		self.view.is_none()
	}

	fn ty(&self) -> Result<TensorType> {
		TensorType::new(self.dtype, &self.dims).map_err(|error| anyhow!("{:?}: {error}", self.dims))
	}

	/// The elements, row-major.
	fn elements(&self) -> Result<Vec<i32>> {
		let count = self.ty()?.elements();
		let mut state = 0x9e37_79b9_7f4a_7c15u64;
		let mut next = move || {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			(state >> 32) as u32
		};
		let element = |at: u32| match self.fill {
			Fill::Any => self
				.dtype
				.saturate((next() as i32 >> (32 - 8 * self.dtype.size() as u32).min(31)).into()),
			Fill::All(value) => value,
			Fill::Below(most) => ((u64::from(next()) * u64::from(most)) >> 32) as i32,
			Fill::Rising => at as i32,
		};
		Ok((0..count).map(element).collect())
	}

	/// As the engine has it.
	pub fn buffer(&self) -> Result<Arc<Buffer>> {
		let elements = self.elements()?;
		let dtype = self.dtype;
		Ok(Arc::new(Buffer::fill(dtype, elements.len(), |start, out| {
			let from = &elements[start..start + out.len()];
			out.iter_mut().zip(from).for_each(|(to, &from)| *to = dtype.saturate(from.into()));
		})))
	}

	/// As a job has it.
	pub fn tensor(&self) -> Result<Tensor> {
		let elements: Vec<i32> =
			self.elements()?.into_iter().map(|x| self.dtype.saturate(x.into())).collect();
		Tensor::from_elements(self.ty()?, &elements).ok_or_else(|| anyhow!("not of its type"))
	}

	/// The view, if there is one.
	pub fn view(&self) -> Result<Option<View>> {
		let Some((dims, strides)) = &self.view else { return Ok(None) };
		let shape = Shape::new(dims).map_err(|error| anyhow!("{dims:?}: {error}"))?;
		let view = View { shape, offset: 0, strides: strides.clone() };
		view.validate(&self.ty()?.shape).map_err(|error| anyhow!("{dims:?}: {error}"))?;
		Ok(Some(view))
	}

	/// Type and shape as the operator sees it.
	pub fn typed(&self) -> Result<(DType, Shape)> {
		Ok((self.dtype, self.view()?.map_or(self.ty()?.shape, |view| view.shape)))
	}

	/// Where the elements that the operator sees lie.
	pub fn affine(&self) -> Result<Affine> {
		Ok(Affine::new(&self.ty()?.shape, self.view()?.as_ref()))
	}
}

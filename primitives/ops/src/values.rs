use crate::{Applied, Elements, Op, OpError, Shape, TensorType, View};
use alloc::{vec, vec::Vec};

/// A whole tensor as numbers, row-major. Every number is a value of the element type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
	ty: TensorType,
	data: Vec<i32>,
}

impl Values {
	/// `data` row-major; numbers outside the element type saturate. Error: [`OpError::Length`].
	pub fn new(ty: TensorType, mut data: Vec<i32>) -> Result<Self, OpError> {
		if data.len() != ty.elements() as usize {
			return Err(OpError::Length);
		}
		for value in &mut data {
			*value = ty.dtype.saturate(*value as i64);
		}
		Ok(Self { ty, data })
	}

	/// Read canonical bytes; padding is ignored whatever it holds. Error: [`OpError::Length`].
	pub fn from_canonical(ty: TensorType, bytes: &[u8]) -> Result<Self, OpError> {
		if bytes.len() as u64 != ty.canonical_len() {
			return Err(OpError::Length);
		}
		let mut data = vec![0; ty.elements() as usize];
		for (tile, chunk) in (0..).zip(bytes.chunks(crate::TILE_BYTES)) {
			for (element, offset) in ty.tile_elements(tile) {
				if let Some(slot) = data.get_mut(element as usize) {
					*slot = ty.dtype.read(chunk, offset);
				}
			}
		}
		Ok(Self { ty, data })
	}

	/// Read plain row-major little-endian bytes. Error: [`OpError::Length`].
	pub fn from_row_major(ty: TensorType, bytes: &[u8]) -> Result<Self, OpError> {
		let size = ty.dtype.size();
		if bytes.len() as u64 != ty.elements() as u64 * size as u64 {
			return Err(OpError::Length);
		}
		let data = bytes.chunks(size).map(|element| ty.dtype.read(element, 0)).collect();
		Ok(Self { ty, data })
	}

	/// The canonical bytes, padding zero.
	pub fn to_canonical(&self) -> Vec<u8> {
		let mut bytes = vec![0; self.ty.canonical_len() as usize];
		for (tile, chunk) in (0..).zip(bytes.chunks_mut(crate::TILE_BYTES)) {
			for (element, offset) in self.ty.tile_elements(tile) {
				self.ty.dtype.write(chunk, offset, self.get(element));
			}
		}
		bytes
	}

	/// The plain row-major little-endian bytes.
	pub fn to_row_major(&self) -> Vec<u8> {
		let size = self.ty.dtype.size();
		self.data.iter().flat_map(|value| value.to_le_bytes().into_iter().take(size)).collect()
	}

	/// Type of the tensor.
	pub fn ty(&self) -> TensorType {
		self.ty
	}

	/// The numbers, row-major.
	pub fn data(&self) -> &[i32] {
		&self.data
	}

	/// The number at row-major index `element`; 0 past the end.
	pub fn get(&self, element: u32) -> i32 {
		self.data.get(element as usize).copied().unwrap_or(0)
	}
}

/// A whole tensor as an operand, through a view where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
	/// The tensor.
	pub values: &'a Values,
	/// How the operator sees it.
	pub view: Option<&'a View>,
}

impl<'a> From<&'a Values> for Operand<'a> {
	fn from(values: &'a Values) -> Self {
		Self { values, view: None }
	}
}

impl Operand<'_> {
	/// The shape that the operator sees.
	pub fn shape(&self) -> Shape {
		self.view.map_or(self.values.ty.shape, |view| view.shape)
	}
}

/// Operands that are there as a whole.
struct Whole<'a>(&'a [Operand<'a>]);

impl Elements for Whole<'_> {
	fn get(&self, operand: usize, index: u32) -> i32 {
		self.0.get(operand).map_or(0, |operand| {
			operand.values.get(operand.view.map_or(index, |view| view.source_index(index)))
		})
	}

	fn read(&self, operand: usize, start: u32, out: &mut [i16]) {
		let Some(operand) = self.0.get(operand) else { return };
		let len = out.len() as u32;
		let mut slots = out.iter_mut();
		let put = |element| {
			if let Some(slot) = slots.next() {
				*slot = operand.values.get(element) as i16;
			}
		};
		match operand.view {
			Some(view) => view.for_each_source(start, len, put),
			None => (start..start.saturating_add(len)).for_each(put),
		}
	}
}

/// The whole result of `op` by the definition, with the default split or `split`.
///
/// Errors: those of [`Op::infer`], of [`View::validate`], and [`OpError::Split`].
pub fn evaluate(op: &Op, operands: &[Operand], split: Option<u8>) -> Result<Values, OpError> {
	for operand in operands {
		if let Some(view) = operand.view {
			view.validate(&operand.values.ty.shape)?;
		}
	}
	let types: Vec<_> = operands.iter().map(|o| (o.values.ty.dtype, o.shape())).collect();
	let applied = Applied::new(*op, &types)?;
	let ty = TensorType::of(applied.dtype(), applied.shape());
	let ty = split.map_or(Ok(ty), |split| ty.with_split(split))?;
	let mut data = vec![0; ty.elements() as usize];
	let elements = Whole(operands);
	if let Some(width) = applied.row_width() {
		// Whole rows, so that what their results share is computed once.
		let width = width as usize;
		for (row, out) in (0u32..).step_by(width).zip(data.chunks_mut(width)) {
			let outputs: Vec<u32> = (row..).take(out.len()).collect();
			out.copy_from_slice(&applied.finish(&elements, &outputs, &applied.init(out.len())));
		}
		return Ok(Values { ty, data });
	}
	for tile in 0..ty.tiles() {
		let outputs: Vec<u32> = ty.tile_elements(tile).map(|(element, _)| element).collect();
		let mut accumulators = applied.init(outputs.len());
		applied.absorb(&elements, &outputs, 0..applied.reduction(), &mut accumulators);
		let values = applied.finish(&elements, &outputs, &accumulators);
		for (output, value) in outputs.into_iter().zip(values) {
			if let Some(slot) = data.get_mut(output as usize) {
				*slot = value;
			}
		}
	}
	Ok(Values { ty, data })
}

//! The shape rule of every operator, and the proof that its accumulators fit.

use crate::{
	op::{MATMUL_I16_MAX_K, MATMUL_I8_MAX_K},
	window::Window,
	DType, Geometry, Narrow, Op, OpError, PoolKind, Shape, LUT_ENTRIES, MAX_FRACTION_BITS,
	MAX_OPERANDS, NORM_MAX_LEN,
};
use alloc::vec::Vec;

/// Types and shapes of operands, after views.
struct Operands<'a>(&'a [(DType, &'a Shape)]);

impl<'a> Operands<'a> {
	fn at(&self, operand: usize) -> Result<(DType, &'a Shape), OpError> {
		let expected = operand as u8 + 1;
		self.0.get(operand).copied().ok_or(OpError::OperandCount { expected })
	}

	fn count(&self, expected: usize) -> Result<(), OpError> {
		(self.0.len() == expected)
			.then_some(())
			.ok_or(OpError::OperandCount { expected: expected as u8 })
	}

	fn typed(&self, operand: usize, dtypes: &[DType]) -> Result<(), OpError> {
		let found = self.at(operand)?.0;
		dtypes
			.contains(&found)
			.then_some(())
			.ok_or(OpError::OperandType { operand: operand as u8, found })
	}

	/// The shape of operand `operand`, if it is that of operand `of`.
	fn alike(&self, operand: usize, of: usize) -> Result<Shape, OpError> {
		let shape = self.at(of)?.1;
		(self.at(operand)?.1 == shape)
			.then_some(*shape)
			.ok_or(OpError::OperandShape { operand: operand as u8 })
	}

	/// Is operand `operand` one number or a vector of `len`?
	fn vector(&self, operand: usize, len: u32) -> Result<(), OpError> {
		let shape = self.at(operand)?.1;
		(shape.rank() == 1 && [1, len].contains(&shape.last()))
			.then_some(())
			.ok_or(OpError::OperandShape { operand: operand as u8 })
	}

	/// The dimensions of operand `operand`, of which there must be `rank` or more.
	fn dims(&self, operand: usize, rank: usize) -> Result<&'a [u32], OpError> {
		let dims = self.at(operand)?.1.dims();
		(dims.len() >= rank).then_some(dims).ok_or(OpError::OperandShape { operand: operand as u8 })
	}

	/// Operand count and types of a product; its type, and the longest sum that fits.
	fn product(&self, narrow: Option<Narrow>) -> Result<(DType, u32), OpError> {
		if self.0.len() == 3 && narrow.is_some() {
			self.typed(2, &[DType::I8])?;
			if self.at(2)?.1.dims() != [1] {
				return Err(OpError::OperandShape { operand: 2 });
			}
		} else {
			self.count(2)?;
		}
		let a = self.at(0)?.0;
		self.typed(1, &[a])?;
		match (a, narrow) {
			(DType::I8, None) => Ok((DType::I32, MATMUL_I8_MAX_K)),
			(DType::I16, Some(narrow)) => Ok((narrow.to, MATMUL_I16_MAX_K)),
			(DType::I32, _) => Err(OpError::OperandType { operand: 0, found: a }),
			_ => Err(OpError::Narrow),
		}
	}
}

fn no_longer(len: u32, max: u32) -> Result<(), OpError> {
	(len <= max).then_some(()).ok_or(OpError::ReductionTooLong { max })
}

/// `shape` without dimension `axis`.
fn without(shape: &Shape, axis: u8) -> Result<Shape, OpError> {
	let mut dims = shape.dims().to_vec();
	if axis as usize >= dims.len() {
		return Err(OpError::Axis);
	}
	dims.remove(axis as usize);
	Shape::new(&dims)
}

/// `shape` with dimension `axis` of size `size`.
fn resized(shape: &Shape, axis: u8, size: u32) -> Result<Shape, OpError> {
	let mut dims = shape.dims().to_vec();
	*dims.get_mut(axis as usize).ok_or(OpError::Axis)? = size;
	Shape::new(&dims)
}

fn joined(first: &[u32], rest: &[u32]) -> Result<Shape, OpError> {
	let dims: Vec<u32> = first.iter().chain(rest).copied().collect();
	Shape::new(&dims)
}

/// The window of a Conv2d over x with these weights. Errors: [`OpError::OperandShape`],
/// [`OpError::Window`].
pub(crate) fn conv_window(x: &Shape, w: &Shape, geometry: Geometry) -> Result<Window, OpError> {
	let &[out, height, width, channels] = w.dims() else {
		return Err(OpError::OperandShape { operand: 1 });
	};
	let window = Window::new(x, [height, width], out, geometry.groups.into(), geometry)?;
	(window.group_channels() == channels)
		.then_some(window)
		.ok_or(OpError::OperandShape { operand: 1 })
}

/// The window of a Pool: as a convolution whose groups are the channels.
pub(crate) fn pool_window(
	x: &Shape,
	kernel: [u8; 2],
	stride: [u8; 2],
	pad: [[u8; 2]; 2],
) -> Result<Window, OpError> {
	let inside = |axis: usize| pad[axis].iter().all(|pad| *pad < kernel[axis]);
	if !inside(0) || !inside(1) {
		return Err(OpError::Window);
	}
	let geometry = Geometry { stride, pad: pad.map(|pad| pad.map(i16::from)), ..Geometry::UNIT };
	Window::new(x, kernel.map(u32::from), x.last(), x.last(), geometry)
}

fn windows(x: &Shape, window: &Window) -> Result<Shape, OpError> {
	let images = x.dims().first().copied().unwrap_or(1);
	Shape::new(&[images, window.output[0], window.output[1], window.output_channels])
}

fn fraction(shift: u8) -> Result<(), OpError> {
	(shift <= MAX_FRACTION_BITS).then_some(()).ok_or(OpError::Fraction)
}

impl Op {
	/// Type and shape of the result. `operands` are the types and shapes after views.
	///
	/// Also proves that accumulators fit: whatever passes here cannot overflow on any operand
	/// bytes. Errors: every [`OpError`] that names an operand, the axis, a parameter or a bound.
	pub fn infer(&self, operands: &[(DType, &Shape)]) -> Result<(DType, Shape), OpError> {
		use DType::{I16, I32, I8};
		let all = Operands(operands);
		match *self {
			Op::MatMul { narrow } => {
				let (dtype, max) = all.product(narrow)?;
				let Some((&k, rows)) = all.at(0)?.1.dims().split_last() else {
					return Err(OpError::OperandShape { operand: 0 });
				};
				let &[n, b_k] = all.at(1)?.1.dims() else {
					return Err(OpError::OperandShape { operand: 1 });
				};
				if b_k != k {
					return Err(OpError::OperandShape { operand: 1 });
				}
				no_longer(k, max)?;
				Ok((dtype, joined(rows, &[n])?))
			}
			Op::BatchMatMul { narrow } => {
				let (dtype, max) = all.product(narrow)?;
				let (a, b) = (all.dims(0, 3)?, all.dims(1, 3)?);
				let ([batch @ .., m, k], [b_batch @ .., n, b_k]) = (a, b) else {
					return Err(OpError::OperandShape { operand: 0 });
				};
				if batch != b_batch || k != b_k {
					return Err(OpError::OperandShape { operand: 1 });
				}
				no_longer(*k, max)?;
				Ok((dtype, joined(batch, &[*m, *n])?))
			}
			Op::Conv2d { geometry, narrow } => {
				let (dtype, max) = all.product(narrow)?;
				let (x, w) = (all.at(0)?.1, all.at(1)?.1);
				let window = conv_window(x, w, geometry)?;
				no_longer(window.patch(), max)?;
				Ok((dtype, windows(x, &window)?))
			}
			Op::Pool { kind: PoolKind::Max | PoolKind::Sum, kernel, stride, pad, to } => {
				all.count(1)?;
				let x = all.at(0)?.1;
				Ok((to, windows(x, &pool_window(x, kernel, stride, pad)?)?))
			}
			Op::Requant { to } => {
				if operands.len() != 4 {
					all.count(3)?;
				}
				for (operand, dtype) in [I32, I16, I8, I32].into_iter().enumerate() {
					if operand < operands.len() {
						all.typed(operand, &[dtype])?;
					}
				}
				if to == I32 {
					return Err(OpError::OperandType { operand: 0, found: to });
				}
				let acc = *all.at(0)?.1;
				all.dims(0, 1)?;
				for operand in 1..operands.len() {
					all.vector(operand, acc.last())?;
				}
				Ok((to, acc))
			}
			Op::Add { to } | Op::Sub { to } | Op::Mul { to } | Op::MulShift { to, .. } => {
				all.count(2)?;
				Ok((to, all.alike(1, 0)?))
			}
			Op::IntDiv { shift, to } => {
				all.count(2)?;
				fraction(shift)?;
				Ok((to, all.alike(1, 0)?))
			}
			Op::Compare { .. } => {
				all.count(2)?;
				Ok((I8, all.alike(1, 0)?))
			}
			Op::Max | Op::Min => {
				all.count(2)?;
				let shape = all.alike(1, 0)?;
				all.typed(1, &[all.at(0)?.0])?;
				Ok((all.at(0)?.0, shape))
			}
			Op::Select => {
				all.count(3)?;
				all.alike(1, 0)?;
				let shape = all.alike(2, 0)?;
				all.typed(2, &[all.at(1)?.0])?;
				Ok((all.at(1)?.0, shape))
			}
			Op::Clamp { lo, hi } => {
				all.count(1)?;
				let (dtype, shape) = all.at(0)?;
				if lo > hi || lo < dtype.min() || hi > dtype.max() {
					return Err(OpError::ClampBounds);
				}
				Ok((dtype, *shape))
			}
			Op::Shift { to, .. } | Op::Cast { to } => {
				all.count(1)?;
				Ok((to, *all.at(0)?.1))
			}
			Op::BitLen => {
				all.count(1)?;
				Ok((I8, *all.at(0)?.1))
			}
			Op::Rsqrt { shift } => {
				all.count(1)?;
				fraction(shift)?;
				Ok((I32, *all.at(0)?.1))
			}
			Op::Copy => {
				all.count(1)?;
				Ok((all.at(0)?.0, *all.at(0)?.1))
			}
			Op::ShiftBy { to } | Op::ShiftRandom { to } => {
				all.count(if matches!(self, Op::ShiftBy { .. }) { 2 } else { 3 })?;
				all.typed(1, &[I8])?;
				if all.at(1)?.1.dims() != [1] {
					all.alike(1, 0)?;
				}
				if matches!(self, Op::ShiftRandom { .. }) {
					all.typed(2, &[I32])?;
					all.alike(2, 0)?;
				}
				Ok((to, *all.at(0)?.1))
			}
			Op::Lut => {
				all.count(2)?;
				all.typed(0, &[I8])?;
				let (dtype, table) = all.at(1)?;
				if table.dims() != [LUT_ENTRIES] {
					return Err(OpError::OperandShape { operand: 1 });
				}
				Ok((dtype, *all.at(0)?.1))
			}
			Op::LutInterp => {
				all.count(2)?;
				all.typed(0, &[I16])?;
				all.typed(1, &[I16, I32])?;
				let (dtype, table) = all.at(1)?;
				let segments = table.last().saturating_sub(1);
				let fits = segments.is_power_of_two() && (2..=1 << 14).contains(&segments);
				if table.rank() != 1 || !fits {
					return Err(OpError::OperandShape { operand: 1 });
				}
				Ok((dtype, *all.at(0)?.1))
			}
			Op::ReduceSum { axis, to } => {
				all.count(1)?;
				Ok((to, without(all.at(0)?.1, axis)?))
			}
			Op::ReduceMax { axis } => {
				all.count(1)?;
				Ok((all.at(0)?.0, without(all.at(0)?.1, axis)?))
			}
			Op::ArgMax { axis } => {
				all.count(1)?;
				Ok((I32, without(all.at(0)?.1, axis)?))
			}
			Op::ReduceSumProduct { axis, to, .. } => {
				all.count(2)?;
				let shape = all.alike(1, 0)?;
				let ((a, _), (b, _)) = (all.at(0)?, all.at(1)?);
				if (a, b) == (I32, I32) {
					return Err(OpError::OperandType { operand: 1, found: b });
				}
				let reduced = without(&shape, axis)?;
				// Each product is at most 2^(bits − 2), and all of them below 2^62.
				let bits = 8 * (a.size() + b.size()) as u32 - 2;
				let max = (1u64 << (62 - bits)).saturating_sub(1).min(u32::MAX.into()) as u32;
				no_longer(shape.dims().get(axis as usize).copied().unwrap_or(1), max)?;
				Ok((to, reduced))
			}
			Op::Gather => {
				all.count(2)?;
				let (dtype, _) = all.at(0)?;
				let (table, indices) = (all.dims(0, 1)?, all.at(1)?.1.dims());
				Ok((dtype, joined(indices, table.get(1..).unwrap_or_default())?))
			}
			Op::ScatterAdd { rows, to } => {
				all.count(2)?;
				let updates = all.dims(0, 1)?;
				if all.at(1)?.1.dims() != updates.get(..1).unwrap_or_default() {
					return Err(OpError::OperandShape { operand: 1 });
				}
				Ok((to, joined(&[rows], updates.get(1..).unwrap_or_default())?))
			}
			Op::Concat { axis } => {
				if operands.len() > MAX_OPERANDS {
					return Err(OpError::OperandCount { expected: MAX_OPERANDS as u8 });
				}
				let (dtype, first) = all.at(0)?;
				let mut size = 0u32;
				for operand in 0..operands.len() {
					all.typed(operand, &[dtype])?;
					let shape = all.at(operand)?.1;
					let own = *shape.dims().get(axis as usize).ok_or(OpError::Axis)?;
					if resized(first, axis, own)? != *shape {
						return Err(OpError::OperandShape { operand: operand as u8 });
					}
					size = size.saturating_add(own);
				}
				Ok((dtype, resized(first, axis, size)?))
			}
			Op::Pad { axis, low, high, value } => {
				all.count(1)?;
				let (dtype, shape) = all.at(0)?;
				if dtype.saturate(value.into()) != value {
					return Err(OpError::PadValue);
				}
				let own = *shape.dims().get(axis as usize).ok_or(OpError::Axis)?;
				let size = own.saturating_add(low).saturating_add(high);
				Ok((dtype, resized(shape, axis, size)?))
			}
			Op::Iota { shape, axis } => {
				all.count(0)?;
				(shape.rank() > axis as usize).then_some((I32, shape)).ok_or(OpError::Axis)
			}
			Op::Philox { shape, .. } => {
				all.count(2)?;
				for (operand, len) in [(0, 2), (1, 1)] {
					all.typed(operand, &[I32])?;
					if all.at(operand)?.1.dims() != [len] {
						return Err(OpError::OperandShape { operand: operand as u8 });
					}
				}
				Ok((I32, shape))
			}
			Op::TopK { k, values } => {
				all.count(1)?;
				all.dims(0, 1)?;
				let (dtype, shape) = all.at(0)?;
				if !(1..=shape.last()).contains(&k) {
					return Err(OpError::TopK);
				}
				let axis = shape.rank().saturating_sub(1) as u8;
				Ok((if values { dtype } else { I32 }, resized(shape, axis, k)?))
			}
			Op::Softmax { to, .. } => {
				all.count(1)?;
				all.dims(0, 1)?;
				if to == I32 {
					return Err(OpError::OperandType { operand: 0, found: to });
				}
				Ok((to, *all.at(0)?.1))
			}
			Op::Norm { to, .. } => {
				all.count(3)?;
				all.typed(0, &[I16])?;
				all.typed(1, &[I16])?;
				all.typed(2, &[I32])?;
				all.dims(0, 1)?;
				let shape = *all.at(0)?.1;
				no_longer(shape.last(), NORM_MAX_LEN)?;
				all.vector(1, shape.last())?;
				all.vector(2, shape.last())?;
				Ok((to, shape))
			}
			Op::RowScale { shift, .. } => {
				all.count(1)?;
				all.typed(0, &[I16])?;
				fraction(shift)?;
				all.dims(0, 1)?;
				let shape = all.at(0)?.1;
				no_longer(shape.last(), NORM_MAX_LEN)?;
				Ok((I32, without(shape, shape.rank().saturating_sub(1) as u8)?))
			}
		}
	}
}

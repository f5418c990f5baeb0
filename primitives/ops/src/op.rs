use crate::{DType, OpError, Shape};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Longest reduced dimension of an i8 MatMul: K · 2^14 ≤ 2^31 − 1.
pub const MATMUL_I8_MAX_K: u32 = 131_071;

/// Longest reduced dimension of an i16 MatMul: K · 2^30 · 2^15 ≤ 2^61, so the epilogue fits i64.
pub const MATMUL_I16_MAX_K: u32 = 65_536;

/// Entries of a [`Op::Lut`] table.
pub const LUT_ENTRIES: u32 = 256;

/// Epilogue of an i16 MatMul: `sat(round_shift(acc · multiplier, shift))` as `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Narrow {
	/// Factor of the i64 sum.
	pub multiplier: i16,
	/// Right shift with rounding half up; negative is a left shift. See [`crate::round_shift`].
	pub shift: i8,
	/// Element type of the result.
	pub to: DType,
}

/// An operator. Total: one value for every bit pattern of every operand.
///
/// "Elementwise" operators take operands of equal shape (after views) and any element types unless
/// they say otherwise, compute in i64 and saturate to the element type of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Op {
	/// `a[.., K] · b[N, K]ᵀ → [.., N]`. Both i8, `narrow` left out: exact i32. Both i16: exact i64
	/// sums through `narrow`.
	#[codec(index = 0)]
	MatMul {
		/// Epilogue; for i16 and only there.
		narrow: Option<Narrow>,
	},
	/// `sat(round_shift((acc + bias) · multiplier, shift))` with acc i32 `[.., N]`, multiplier i16,
	/// shift i8 and optional bias i32, each `[N]` or `[1]`, in this order.
	#[codec(index = 1)]
	Requant {
		/// I8 or I16.
		to: DType,
	},
	/// `sat(a + b)`, elementwise.
	#[codec(index = 2)]
	Add {
		/// Element type of the result.
		to: DType,
	},
	/// `sat(a − b)`, elementwise.
	#[codec(index = 3)]
	Sub {
		/// Element type of the result.
		to: DType,
	},
	/// `sat(a · b)`, elementwise.
	#[codec(index = 4)]
	Mul {
		/// Element type of the result.
		to: DType,
	},
	/// The larger one; elementwise, operands of one type.
	#[codec(index = 5)]
	Max,
	/// The smaller one; elementwise, operands of one type.
	#[codec(index = 6)]
	Min,
	/// `min(max(a, lo), hi)`; `lo ≤ hi`, both values of the operand's type, which is kept.
	#[codec(index = 7)]
	Clamp {
		/// Lower bound.
		lo: i32,
		/// Upper bound.
		hi: i32,
	},
	/// `sat(round_shift(a, by))`: right with rounding half up for `by > 0`, left for `by < 0`.
	#[codec(index = 8)]
	Shift {
		/// Distance; clamped to −31 ..= 62.
		by: i8,
		/// Element type of the result.
		to: DType,
	},
	/// `sat(a)`.
	#[codec(index = 9)]
	Cast {
		/// Element type of the result.
		to: DType,
	},
	/// `a`; materialises a view, or makes a node of an input.
	#[codec(index = 10)]
	Copy,
	/// `table[a + 128]` with `a` i8 and a table of shape `[256]`, whose type the result has.
	#[codec(index = 11)]
	Lut,
	/// `sat(Σ a)` along `axis`, which is removed; the sum is exact in i64.
	#[codec(index = 12)]
	ReduceSum {
		/// Dimension to sum over.
		axis: u8,
		/// Element type of the result.
		to: DType,
	},
	/// The largest along `axis`, which is removed; the type is kept.
	#[codec(index = 13)]
	ReduceMax {
		/// Dimension to search.
		axis: u8,
	},
	/// Position of the largest along `axis`, which is removed; the lowest of equal ones; i32.
	#[codec(index = 14)]
	ArgMax {
		/// Dimension to search.
		axis: u8,
	},
}

impl Op {
	/// Type and shape of the result. `operands` are the types and shapes after views.
	///
	/// Also proves that accumulators fit: whatever passes here cannot overflow on any operand
	/// bytes. Errors: every [`OpError`] that names an operand, the axis, `narrow` or a bound.
	pub fn infer(&self, operands: &[(DType, &Shape)]) -> Result<(DType, Shape), OpError> {
		let at = |i: usize| operands.get(i).copied().ok_or(OpError::OperandCount { expected: 0 });
		let count = |expected: usize| {
			(operands.len() == expected)
				.then_some(())
				.ok_or(OpError::OperandCount { expected: expected as u8 })
		};
		let typed = |i: usize, dtype: DType| -> Result<(), OpError> {
			let found = at(i)?.0;
			(found == dtype).then_some(()).ok_or(OpError::OperandType { operand: i as u8, found })
		};
		let same_shape = || -> Result<Shape, OpError> {
			count(2)?;
			let ((_, a), (_, b)) = (at(0)?, at(1)?);
			(a == b).then_some(*a).ok_or(OpError::OperandShape { operand: 1 })
		};
		match *self {
			Op::MatMul { narrow } => {
				count(2)?;
				let ((a_type, a), (b_type, b)) = (at(0)?, at(1)?);
				typed(1, a_type)?;
				let (dtype, max) = match (b_type, narrow) {
					(DType::I8, None) => (DType::I32, MATMUL_I8_MAX_K),
					(DType::I16, Some(narrow)) => (narrow.to, MATMUL_I16_MAX_K),
					(DType::I32, _) => {
						return Err(OpError::OperandType { operand: 0, found: DType::I32 })
					}
					_ => return Err(OpError::Narrow),
				};
				let Some((&k, rows)) = a.dims().split_last() else {
					return Err(OpError::OperandShape { operand: 0 });
				};
				let &[n, b_k] = b.dims() else {
					return Err(OpError::OperandShape { operand: 1 });
				};
				if b_k != k {
					return Err(OpError::OperandShape { operand: 1 });
				}
				if k > max {
					return Err(OpError::ReductionTooLong { max });
				}
				let mut dims: Vec<u32> = rows.to_vec();
				dims.push(n);
				Ok((dtype, Shape::new(&dims)?))
			}
			Op::Requant { to } => {
				if operands.len() != 4 {
					count(3)?;
				}
				for (operand, dtype) in
					[DType::I32, DType::I16, DType::I8, DType::I32].into_iter().enumerate()
				{
					if operand < operands.len() {
						typed(operand, dtype)?;
					}
				}
				if to == DType::I32 {
					return Err(OpError::OperandType { operand: 0, found: to });
				}
				let acc = *at(0)?.1;
				if acc.rank() == 0 {
					return Err(OpError::OperandShape { operand: 0 });
				}
				for (i, (_, shape)) in operands.iter().enumerate().skip(1) {
					if shape.rank() != 1 || ![1, acc.last()].contains(&shape.last()) {
						return Err(OpError::OperandShape { operand: i as u8 });
					}
				}
				Ok((to, acc))
			}
			Op::Add { to } | Op::Sub { to } | Op::Mul { to } => Ok((to, same_shape()?)),
			Op::Max | Op::Min => {
				let shape = same_shape()?;
				typed(1, at(0)?.0)?;
				Ok((at(0)?.0, shape))
			}
			Op::Clamp { lo, hi } => {
				count(1)?;
				let (dtype, shape) = at(0)?;
				if lo > hi || lo < dtype.min() || hi > dtype.max() {
					return Err(OpError::ClampBounds);
				}
				Ok((dtype, *shape))
			}
			Op::Shift { to, .. } | Op::Cast { to } => {
				count(1)?;
				Ok((to, *at(0)?.1))
			}
			Op::Copy => {
				count(1)?;
				Ok((at(0)?.0, *at(0)?.1))
			}
			Op::Lut => {
				count(2)?;
				typed(0, DType::I8)?;
				let (dtype, table) = at(1)?;
				if table.dims() != [LUT_ENTRIES] {
					return Err(OpError::OperandShape { operand: 1 });
				}
				Ok((dtype, *at(0)?.1))
			}
			Op::ReduceSum { axis, .. } | Op::ReduceMax { axis } | Op::ArgMax { axis } => {
				count(1)?;
				let (dtype, shape) = at(0)?;
				let mut dims = shape.dims().to_vec();
				if axis as usize >= dims.len() {
					return Err(OpError::Axis);
				}
				dims.remove(axis as usize);
				let dtype = match *self {
					Op::ReduceSum { to, .. } => to,
					Op::ArgMax { .. } => DType::I32,
					_ => dtype,
				};
				Ok((dtype, Shape::new(&dims)?))
			}
		}
	}

	/// Work of one evaluation, in units of about one i8 multiply-add on every executor: M·N·K for
	/// an i8 MatMul, four times that for i16 (four packed dots each), four for each element that
	/// any other operator reads or writes. Operands as in [`Op::infer`]; 0 if that fails.
	pub fn work_units(&self, operands: &[(DType, &Shape)]) -> u64 {
		let Ok((_, output)) = self.infer(operands) else { return 0 };
		let output = output.elements() as u64;
		match self {
			Op::MatMul { narrow } => {
				let k = operands.first().map_or(1, |(_, a)| a.last()) as u64;
				// At most 2^31 · 131,071 · 4 < 2^51.
				output * k * if narrow.is_some() { 4 } else { 1 }
			}
			_ => {
				let read: u64 = operands.iter().map(|(_, shape)| shape.elements() as u64).sum();
				4 * (output + read)
			}
		}
	}

	/// Does an output element fold a whole dimension of an operand?
	pub fn reduces(&self) -> bool {
		matches!(
			self,
			Op::MatMul { .. } | Op::ReduceSum { .. } | Op::ReduceMax { .. } | Op::ArgMax { .. }
		)
	}
}

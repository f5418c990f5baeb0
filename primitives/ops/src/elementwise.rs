//! Operators of which each result follows from one element of each operand.

use crate::{
	definition::{Definition, Scratch},
	division::{int_div, rsqrt},
	operands::{fraction, Operands},
	round_shift,
	signature::Signature,
	time::Asked,
	work::Weights,
	Access, DType, Elements, OpError, Relation, Shape,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// The operators of [`crate::Op`] of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Elementwise {
	Requant { to: DType },
	Add { to: DType },
	Sub { to: DType },
	Mul { to: DType },
	Max,
	Min,
	Clamp { lo: i32, hi: i32 },
	Shift { by: i8, to: DType },
	Cast { to: DType },
	Copy,
	MulShift { shift: i8, to: DType },
	Compare { relation: Relation },
	Select,
	BitLen,
	IntDiv { shift: u8, to: DType },
	Rsqrt { shift: u8 },
	ShiftBy { to: DType },
	ShiftRandom { to: DType },
}

impl Definition for Elementwise {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		use DType::{I16, I32, I8};
		match self {
			Self::Requant { to } => {
				let operands = all.0.len();
				if operands != 4 {
					all.count(3)?;
				}
				for (operand, dtype) in [I32, I16, I8, I32].into_iter().enumerate() {
					if operand < operands {
						all.typed(operand, &[dtype])?;
					}
				}
				if to == I32 {
					return Err(OpError::OperandType { operand: 0, found: to });
				}
				let acc = *all.at(0)?.1;
				all.dims(0, 1)?;
				for operand in 1..operands {
					all.vector(operand, acc.last())?;
				}
				Ok((to, acc))
			}
			Self::Add { to } | Self::Sub { to } | Self::Mul { to } | Self::MulShift { to, .. } => {
				all.count(2)?;
				Ok((to, all.alike(1, 0)?))
			}
			Self::IntDiv { shift, to } => {
				all.count(2)?;
				fraction(shift)?;
				Ok((to, all.alike(1, 0)?))
			}
			Self::Compare { .. } => {
				all.count(2)?;
				Ok((I8, all.alike(1, 0)?))
			}
			Self::Max | Self::Min => {
				all.count(2)?;
				let shape = all.alike(1, 0)?;
				all.typed(1, &[all.at(0)?.0])?;
				Ok((all.at(0)?.0, shape))
			}
			Self::Select => {
				all.count(3)?;
				all.alike(1, 0)?;
				let shape = all.alike(2, 0)?;
				all.typed(2, &[all.at(1)?.0])?;
				Ok((all.at(1)?.0, shape))
			}
			Self::Clamp { lo, hi } => {
				all.count(1)?;
				let (dtype, shape) = all.at(0)?;
				if lo > hi || lo < dtype.min() || hi > dtype.max() {
					return Err(OpError::ClampBounds);
				}
				Ok((dtype, *shape))
			}
			Self::Shift { to, .. } | Self::Cast { to } => {
				all.count(1)?;
				Ok((to, *all.at(0)?.1))
			}
			Self::BitLen => {
				all.count(1)?;
				Ok((I8, *all.at(0)?.1))
			}
			Self::Rsqrt { shift } => {
				all.count(1)?;
				fraction(shift)?;
				Ok((I32, *all.at(0)?.1))
			}
			Self::Copy => {
				all.count(1)?;
				Ok((all.at(0)?.0, *all.at(0)?.1))
			}
			Self::ShiftBy { to } => {
				all.count(2)?;
				Ok((to, shifted(all)?))
			}
			Self::ShiftRandom { to } => {
				all.count(3)?;
				let shape = shifted(all)?;
				all.typed(2, &[I32])?;
				all.alike(2, 0)?;
				Ok((to, shape))
			}
		}
	}

	fn access(self, operands: &Operands, _: &Shape) -> (Vec<Access>, u32) {
		let accesses = match self {
			Self::Requant { .. } => {
				let parameter = |operand| operands.parameter(operand);
				vec![Access::Same, parameter(1), parameter(2), parameter(3)]
			}
			Self::ShiftBy { .. } | Self::ShiftRandom { .. } => {
				vec![Access::Same, operands.shift(1), Access::Same]
			}
			Self::Add { .. }
			| Self::Sub { .. }
			| Self::Mul { .. }
			| Self::Max
			| Self::Min
			| Self::Clamp { .. }
			| Self::Shift { .. }
			| Self::Cast { .. }
			| Self::Copy
			| Self::MulShift { .. }
			| Self::Compare { .. }
			| Self::Select
			| Self::BitLen
			| Self::IntDiv { .. }
			| Self::Rsqrt { .. } => vec![Access::Same; 3],
		};
		(accesses, 1)
	}

	fn start(self) -> Option<i64> {
		None
	}

	fn absorb(self, _: &Signature, _: &dyn Elements, _: &[u32], _: Range<u32>, _: &mut [i64]) {}

	fn finish(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		_: &[i64],
	) -> Vec<i32> {
		outputs.iter().map(|output| self.element(signature, elements, *output)).collect()
	}

	fn scratch(self, _: &Signature) -> Scratch {
		Scratch::default()
	}

	fn weights(self, _: &Operands, _: &Shape) -> Weights {
		match self {
			Self::Requant { .. }
			| Self::Add { .. }
			| Self::Sub { .. }
			| Self::Mul { .. }
			| Self::Max
			| Self::Min
			| Self::Clamp { .. }
			| Self::Shift { .. }
			| Self::Cast { .. }
			| Self::Copy
			| Self::MulShift { .. }
			| Self::Compare { .. }
			| Self::Select
			| Self::BitLen
			| Self::ShiftBy { .. }
			| Self::ShiftRandom { .. } => Weights::new(4, 4),
			Self::IntDiv { .. } | Self::Rsqrt { .. } => Weights::new(16, 16),
		}
	}

	fn reads(self, _: usize, all: u64, _: &Shape) -> u64 {
		all
	}

	fn lays_out(self) -> bool {
		false
	}

	fn time(self, signature: &Signature, asked: &Asked) -> u64 {
		match self {
			Self::IntDiv { .. } | Self::Rsqrt { .. } => asked.divided(),
			Self::Requant { .. }
			| Self::Add { .. }
			| Self::Sub { .. }
			| Self::Mul { .. }
			| Self::Max
			| Self::Min
			| Self::Clamp { .. }
			| Self::Shift { .. }
			| Self::Cast { .. }
			| Self::Copy
			| Self::MulShift { .. }
			| Self::Compare { .. }
			| Self::Select
			| Self::BitLen
			| Self::ShiftBy { .. }
			| Self::ShiftRandom { .. } => asked.plain(signature),
		}
	}
}

impl Elementwise {
	fn element(self, signature: &Signature, elements: &dyn Elements, output: u32) -> i32 {
		let number = |operand: usize| -> i32 {
			let index = match signature.access(operand) {
				Some(Access::Single) => 0,
				Some(Access::Column { n }) => output % n,
				_ => output,
			};
			elements.get(operand, index)
		};
		let at = |operand: usize| number(operand) as i64;
		match self {
			Self::Requant { to } => {
				let bias = if signature.operands.len() > 3 { at(3) } else { 0 };
				let product = (at(0) + bias).saturating_mul(at(1));
				to.saturate(round_shift(product, at(2) as i8))
			}
			Self::Add { to } => to.saturate(at(0) + at(1)),
			Self::Sub { to } => to.saturate(at(0) - at(1)),
			Self::Mul { to } => to.saturate(at(0) * at(1)),
			Self::MulShift { shift, to } => to.saturate(round_shift(at(0) * at(1), shift)),
			Self::Max => at(0).max(at(1)) as i32,
			Self::Min => at(0).min(at(1)) as i32,
			Self::Compare { relation } => match relation {
				Relation::Equal => (number(0) == number(1)) as i32,
				Relation::Less => (number(0) < number(1)) as i32,
				Relation::LessOrEqual => (number(0) <= number(1)) as i32,
			},
			Self::Select => number(if number(0) != 0 { 1 } else { 2 }),
			Self::BitLen => (32 - number(0).unsigned_abs().leading_zeros()) as i32,
			Self::Clamp { lo, hi } => at(0).max(lo as i64).min(hi as i64) as i32,
			Self::Shift { by, to } => to.saturate(round_shift(at(0), by)),
			Self::ShiftBy { to } => to.saturate(round_shift(at(0), at(1) as i8)),
			Self::ShiftRandom { to } => match at(1) as i8 {
				left @ ..=0 => to.saturate(round_shift(at(0), left)),
				right => {
					let right = right.min(31);
					let noise = number(2) as u32 as i64 & ((1 << right) - 1);
					to.saturate((at(0) + noise) >> right)
				}
			},
			Self::Cast { to } => to.saturate(at(0)),
			Self::Copy => number(0),
			Self::IntDiv { shift, to } => to.saturate(int_div(number(0), number(1), shift)),
			Self::Rsqrt { shift } => rsqrt(number(0), shift),
		}
	}
}

/// The shape of an operand that is shifted by an i8 of its shape or `[1]`.
fn shifted(all: &Operands) -> Result<Shape, OpError> {
	all.typed(1, &[DType::I8])?;
	if all.at(1)?.1.dims() != [1] {
		all.alike(1, 0)?;
	}
	Ok(*all.at(0)?.1)
}

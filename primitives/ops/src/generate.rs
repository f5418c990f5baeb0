//! What follows from positions alone, or from a seed and them.

use crate::{
	definition::{Definition, Scratch},
	operands::{after, Operands},
	philox::philox4x32,
	signature::Signature,
	time::Asked,
	work::Weights,
	Access, DType, Elements, OpError, Shape,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// The operators of [`crate::Op`] of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Generate {
	Iota { shape: Shape, axis: u8 },
	Philox { shape: Shape, stream: u32 },
}

impl Definition for Generate {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		use DType::I32;
		match self {
			Self::Iota { shape, axis } => {
				all.count(0)?;
				(shape.rank() > axis as usize).then_some((I32, shape)).ok_or(OpError::Axis)
			}
			Self::Philox { shape, .. } => {
				all.count(2)?;
				for (operand, len) in [(0, 2), (1, 1)] {
					all.typed(operand, &[I32])?;
					if all.at(operand)?.1.dims() != [len] {
						return Err(OpError::OperandShape { operand: operand as u8 });
					}
				}
				Ok((I32, shape))
			}
		}
	}

	fn access(self, operands: &Operands, _: &Shape) -> (Vec<Access>, u32) {
		match self {
			Self::Iota { .. } => (Vec::new(), 1),
			Self::Philox { .. } => (vec![operands.whole(0), operands.whole(1)], 1),
		}
	}

	fn start(self) -> Option<i64> {
		None
	}

	fn absorb(self, _: &Signature, _: &dyn Elements, _: &[u32], _: Range<u32>, _: &mut [i64]) {}

	fn finish(
		self,
		_: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		_: &[i64],
	) -> Vec<i32> {
		match self {
			Self::Iota { shape, axis } => {
				let inner = after(&shape, axis);
				let len = shape.dims().get(axis as usize).copied().unwrap_or(1);
				outputs.iter().map(|output| (output / inner % len) as i32).collect()
			}
			Self::Philox { stream, .. } => {
				let word = |output: &u32| {
					let key = [elements.get(0, 0) as u32, elements.get(0, 1) as u32];
					let step = elements.get(1, 0) as u32;
					let block = philox4x32(key, [output / 4, 0, stream, step]);
					block.get(*output as usize % 4).copied().unwrap_or(0) as i32
				};
				outputs.iter().map(word).collect()
			}
		}
	}

	fn scratch(self, _: &Signature) -> Scratch {
		Scratch::default()
	}

	fn weights(self, _: &Operands, _: &Shape) -> Weights {
		match self {
			Self::Iota { .. } => Weights::new(4, 4),
			Self::Philox { .. } => Weights::new(16, 16),
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
			Self::Iota { .. } => asked.plain(signature),
			Self::Philox { .. } => asked.divided(),
		}
	}
}

//! Folds along an axis, which is removed.

use crate::{
	access::reduce_index,
	definition::{Definition, Scratch},
	operands::{no_longer, without, Operands},
	round_shift,
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
pub enum Reduce {
	ReduceSum { axis: u8, to: DType },
	ReduceMax { axis: u8 },
	ArgMax { axis: u8 },
	ReduceSumProduct { axis: u8, shift: i8, to: DType },
}

/// Of each fold of an axis.
const FOLD: u64 = 8;

impl Reduce {
	/// The dimension that is removed.
	pub fn axis(self) -> u8 {
		match self {
			Self::ReduceSum { axis, .. }
			| Self::ReduceMax { axis }
			| Self::ArgMax { axis }
			| Self::ReduceSumProduct { axis, .. } => axis,
		}
	}
}

impl Definition for Reduce {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		use DType::I32;
		match self {
			Self::ReduceSum { axis, to } => {
				all.count(1)?;
				Ok((to, without(all.at(0)?.1, axis)?))
			}
			Self::ReduceMax { axis } => {
				all.count(1)?;
				Ok((all.at(0)?.0, without(all.at(0)?.1, axis)?))
			}
			Self::ArgMax { axis } => {
				all.count(1)?;
				Ok((I32, without(all.at(0)?.1, axis)?))
			}
			Self::ReduceSumProduct { axis, to, .. } => {
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
				no_longer(all.along(0, axis), max)?;
				Ok((to, reduced))
			}
		}
	}

	fn access(self, operands: &Operands, _: &Shape) -> (Vec<Access>, u32) {
		let axis = self.axis();
		let (len, inner) = (operands.along(0, axis), operands.inner(0, axis));
		(vec![Access::Reduce { len, inner }; 2], len)
	}

	fn start(self) -> Option<i64> {
		Some(match self {
			Self::ReduceMax { .. } | Self::ArgMax { .. } => i64::MIN,
			Self::ReduceSum { .. } | Self::ReduceSumProduct { .. } => 0,
		})
	}

	fn absorb(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		let Some(Access::Reduce { len, inner }) = signature.access(0) else { return };
		for (output, accumulator) in outputs.iter().zip(accumulators) {
			for i in range.clone() {
				let index = reduce_index(*output, i, len, inner);
				let value = elements.get(0, index) as i64;
				*accumulator = match self {
					Self::ReduceSum { .. } => accumulator.saturating_add(value),
					Self::ReduceSumProduct { .. } => {
						let product = value * elements.get(1, index) as i64;
						accumulator.saturating_add(product)
					}
					Self::ReduceMax { .. } => value.max(*accumulator),
					// Value first, then the *lower* index: one comparison decides both.
					Self::ArgMax { .. } => (value << 32 | (u32::MAX - i) as i64).max(*accumulator),
				};
			}
		}
	}

	fn finish(
		self,
		signature: &Signature,
		_: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		let element = |folded: i64| match self {
			Self::ReduceSum { to, .. } => to.saturate(folded),
			Self::ReduceSumProduct { shift, to, .. } => to.saturate(round_shift(folded, shift)),
			Self::ReduceMax { .. } => signature.dtype.saturate(folded),
			Self::ArgMax { .. } => (u32::MAX - folded as u32) as i32,
		};
		outputs.iter().zip(accumulators).map(|(_, folded)| element(*folded)).collect()
	}

	fn scratch(self, _: &Signature) -> Scratch {
		Scratch::default()
	}

	fn weights(self, _: &Operands, _: &Shape) -> Weights {
		Weights::new(4, 4 + FOLD)
	}

	fn reads(self, _: usize, all: u64, _: &Shape) -> u64 {
		all
	}

	fn lays_out(self) -> bool {
		false
	}

	fn time(self, signature: &Signature, asked: &Asked) -> u64 {
		asked.plain(signature)
	}
}

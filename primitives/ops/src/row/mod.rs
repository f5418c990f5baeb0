//! Operators on rows: each result follows from a whole row of the last dimension. What all results
//! of a row share is computed once for each row.

mod cum_sum;
mod exp2;
mod norm;
mod softmax;
mod top_k;

use crate::{
	definition::{Definition, Scratch},
	operands::{fraction, no_longer, resized, without, Operands},
	signature::Signature,
	time::{self, Asked},
	work::{Weights, ROW},
	Access, DType, Elements, NormKind, OpError, Shape, NORM_MAX_LEN,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

pub use exp2::EXP2;
pub use norm::{row_scale, Moments, NORM_FRACTION_BITS};
pub use softmax::{exp2_neg, log2_distance, softmax_quotient};

/// The operators of [`crate::Op`] of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Row {
	TopK { k: u32, values: bool },
	Softmax { multiplier: i16, shift: i8, to: DType },
	Norm { kind: NormKind, epsilon: u32, to: DType, shift: i8 },
	RowScale { kind: NormKind, epsilon: u32, shift: u8 },
	CumSum { exclusive: bool, reverse: bool, to: DType },
}

/// Of the reciprocal root of each row.
const MOMENTS: u64 = 128;

impl Definition for Row {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		use DType::{I16, I32};
		match self {
			Self::TopK { k, values } => {
				all.count(1)?;
				all.dims(0, 1)?;
				let (dtype, shape) = all.at(0)?;
				if !(1..=shape.last()).contains(&k) {
					return Err(OpError::TopK);
				}
				let axis = shape.rank().saturating_sub(1) as u8;
				Ok((if values { dtype } else { I32 }, resized(shape, axis, k)?))
			}
			Self::Softmax { to, .. } => {
				all.count(1)?;
				all.dims(0, 1)?;
				if to == I32 {
					return Err(OpError::OperandType { operand: 0, found: to });
				}
				Ok((to, *all.at(0)?.1))
			}
			Self::Norm { to, .. } => {
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
			Self::RowScale { shift, .. } => {
				all.count(1)?;
				all.typed(0, &[I16])?;
				fraction(shift)?;
				all.dims(0, 1)?;
				let shape = all.at(0)?.1;
				no_longer(shape.last(), NORM_MAX_LEN)?;
				Ok((I32, without(shape, shape.rank().saturating_sub(1) as u8)?))
			}
			Self::CumSum { to, .. } => {
				all.count(1)?;
				all.dims(0, 1)?;
				Ok((to, *all.at(0)?.1))
			}
		}
	}

	fn access(self, operands: &Operands, output: &Shape) -> (Vec<Access>, u32) {
		let len = operands.last(0);
		let accesses = match self {
			Self::TopK { .. } | Self::Softmax { .. } | Self::CumSum { .. } => {
				vec![Access::Row { len, width: output.last() }]
			}
			Self::Norm { .. } => {
				let row = Access::Row { len, width: len };
				vec![row, operands.parameter(1), operands.parameter(2)]
			}
			Self::RowScale { .. } => vec![Access::Row { len, width: 1 }],
		};
		(accesses, 1)
	}

	fn start(self) -> Option<i64> {
		None
	}

	fn absorb(self, _: &Signature, _: &dyn Elements, _: &[u32], _: Range<u32>, _: &mut [i64]) {}

	/// Of the outputs those of one row should be next to each other.
	fn finish(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		_: &[i64],
	) -> Vec<i32> {
		let Some(Access::Row { len, width }) = signature.access(0) else { return Vec::new() };
		let mut results = Vec::with_capacity(outputs.len());
		let mut values = vec![0; len as usize];
		let mut rest = outputs;
		while let Some(first) = rest.first() {
			let row = first / width;
			let same = rest.iter().take_while(|output| **output / width == row).count();
			let (now, later) = rest.split_at(same.max(1));
			rest = later;
			elements.row(0, row.wrapping_mul(len), &mut values);
			let columns = now.iter().map(|output| output % width);
			match self {
				Self::Softmax { multiplier, shift, to } => {
					softmax::finish(&values, columns, (multiplier, shift, to), &mut results);
				}
				Self::Norm { kind, epsilon, to, shift } => {
					let moments = Moments::new(kind, epsilon, &values);
					let one = |operand: usize| {
						signature
							.operands
							.get(operand)
							.is_some_and(|(_, shape)| shape.elements() == 1)
					};
					let (gamma, beta) = (one(1), one(2));
					results.extend(columns.map(|column| {
						let gamma = elements.get(1, if gamma { 0 } else { column });
						let beta = elements.get(2, if beta { 0 } else { column });
						let x = values.get(column as usize).copied().unwrap_or(0);
						norm::normalised(&moments, x, gamma, beta, shift, to)
					}));
				}
				Self::RowScale { kind, epsilon, shift } => {
					let scale = row_scale(&Moments::new(kind, epsilon, &values), shift);
					results.extend(columns.map(|_| scale));
				}
				Self::TopK { k, values: as_values } => {
					top_k::finish(&values, columns, (k, as_values), &mut results);
				}
				Self::CumSum { exclusive, reverse, to } => {
					cum_sum::finish(&mut values, columns, (exclusive, reverse, to), &mut results);
				}
			}
		}
		results
	}

	fn scratch(self, signature: &Signature) -> Scratch {
		let Some(Access::Row { len, .. }) = signature.access(0) else { return Scratch::default() };
		let each = match self {
			// The row, and the keys by which it is sorted.
			Self::TopK { .. } => 12,
			Self::Softmax { .. }
			| Self::Norm { .. }
			| Self::RowScale { .. }
			| Self::CumSum { .. } => 4,
		};
		Scratch { all: each * len as u64, each: 0 }
	}

	fn weights(self, operands: &Operands, output: &Shape) -> Weights {
		let (len, last) = (operands.len(0), u64::from(operands.last(0)));
		let elements = u64::from(output.elements());
		match self {
			Self::Softmax { .. } => Weights { more: ROW * elements / last, ..Weights::new(16, 16) },
			Self::Norm { .. } => {
				Weights { more: MOMENTS * elements / last, ..Weights::new(16, 16) }
			}
			Self::RowScale { .. } => Weights::new(16, MOMENTS),
			Self::TopK { .. } => Weights { more: ROW * len / last, ..Weights::new(64, 16) },
			Self::CumSum { .. } => Weights { more: ROW * elements / last, ..Weights::new(4, 4) },
		}
	}

	fn reads(self, _: usize, all: u64, _: &Shape) -> u64 {
		all
	}

	fn lays_out(self) -> bool {
		false
	}

	fn time(self, _: &Signature, asked: &Asked) -> u64 {
		match self {
			// Each row once, and three passes over it.
			Self::Softmax { .. } | Self::Norm { .. } | Self::RowScale { .. } => asked
				.all
				.saturating_mul(time::READ + time::ROW_ELEMENT)
				.saturating_add(asked.elements.saturating_mul(time::DIVISION)),
			// Each row once, and a sum for each of its elements.
			Self::CumSum { .. } => asked.all.saturating_mul(time::READ + time::ROW_ELEMENT),
			// A search, and a sort of what it finds.
			Self::TopK { .. } => asked.all.saturating_mul(time::READ + time::SORTED_ELEMENT),
		}
	}
}

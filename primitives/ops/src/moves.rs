//! Elements in other places, some of them summed there.

use crate::{
	definition::{Definition, Scratch},
	operands::{after, joined, resized, Operands},
	signature::Signature,
	time::{self, Asked},
	work::{Weights, ROW},
	Access, DType, Elements, OpError, Shape, MAX_OPERANDS,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// The operators of [`crate::Op`] of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Moves {
	Gather,
	ScatterAdd { rows: u32, to: DType },
	Concat { axis: u8 },
	Pad { axis: u8, low: u32, high: u32, value: i32 },
}

/// Scratch of [`scatter`] for 1,024 outputs: of each its index and its place.
const SCATTER_SCRATCH: u64 = 1024 * 16;
/// A place of an output.
const PLACE: u64 = 8;

impl Definition for Moves {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		match self {
			Self::Gather => {
				all.count(2)?;
				let (dtype, _) = all.at(0)?;
				let (table, indices) = (all.dims(0, 1)?, all.at(1)?.1.dims());
				Ok((dtype, joined(indices, table.get(1..).unwrap_or_default())?))
			}
			Self::ScatterAdd { rows, to } => {
				all.count(2)?;
				let updates = all.dims(0, 1)?;
				if all.at(1)?.1.dims() != updates.get(..1).unwrap_or_default() {
					return Err(OpError::OperandShape { operand: 1 });
				}
				Ok((to, joined(&[rows], updates.get(1..).unwrap_or_default())?))
			}
			Self::Concat { axis } => {
				let operands = all.0.len();
				if operands > MAX_OPERANDS {
					return Err(OpError::OperandCount { expected: MAX_OPERANDS as u8 });
				}
				let (dtype, first) = all.at(0)?;
				let mut size = 0u32;
				for operand in 0..operands {
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
			Self::Pad { axis, low, high, value } => {
				all.count(1)?;
				let (dtype, shape) = all.at(0)?;
				if dtype.saturate(value.into()) != value {
					return Err(OpError::PadValue);
				}
				let own = *shape.dims().get(axis as usize).ok_or(OpError::Axis)?;
				let size = own.saturating_add(low).saturating_add(high);
				Ok((dtype, resized(shape, axis, size)?))
			}
		}
	}

	fn access(self, operands: &Operands, output: &Shape) -> (Vec<Access>, u32) {
		let piece = |operand: usize, axis: u8, offset: u32| {
			let total = output.dims().get(axis as usize).copied().unwrap_or(1);
			let (len, inner) = (operands.along(operand, axis), after(output, axis));
			(Access::Piece { len, offset, total, inner }, len)
		};
		match self {
			Self::Gather => {
				let (rows, inner) = (operands.along(0, 0), operands.inner(0, 0));
				(vec![Access::Table { rows, inner }, Access::Index { inner }], 1)
			}
			Self::ScatterAdd { .. } => {
				let (updates, inner) = (operands.along(0, 0), operands.inner(0, 0));
				(vec![Access::Updates { inner }, Access::Destinations], updates)
			}
			Self::Concat { axis } => {
				let mut offset = 0u32;
				let pieces = (0..operands.0.len()).map(|operand| {
					let (piece, len) = piece(operand, axis, offset);
					offset = offset.saturating_add(len);
					piece
				});
				(pieces.collect(), 1)
			}
			Self::Pad { axis, low, .. } => (vec![piece(0, axis, low).0], 1),
		}
	}

	fn start(self) -> Option<i64> {
		match self {
			Self::ScatterAdd { .. } => Some(0),
			Self::Gather | Self::Concat { .. } | Self::Pad { .. } => None,
		}
	}

	fn absorb(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		match self {
			Self::ScatterAdd { .. } => scatter(signature, elements, outputs, range, accumulators),
			Self::Gather | Self::Concat { .. } | Self::Pad { .. } => {}
		}
	}

	fn finish(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		let element = |(&output, &sum): (&u32, &i64)| match self {
			Self::Gather => {
				signature.gather(elements, output).map_or(0, |index| elements.get(0, index))
			}
			Self::ScatterAdd { to, .. } => to.saturate(sum),
			Self::Concat { .. } => signature
				.accesses
				.iter()
				.enumerate()
				.find_map(|(operand, piece)| Some(elements.get(operand, piece.piece(output)?)))
				.unwrap_or(0),
			Self::Pad { value, .. } => signature
				.access(0)
				.and_then(|piece| piece.piece(output))
				.map_or(value, |index| elements.get(0, index)),
		};
		outputs.iter().zip(accumulators).map(element).collect()
	}

	fn scratch(self, _: &Signature) -> Scratch {
		match self {
			Self::ScatterAdd { .. } => Scratch { all: SCATTER_SCRATCH, each: PLACE },
			Self::Gather | Self::Concat { .. } | Self::Pad { .. } => Scratch::default(),
		}
	}

	fn weights(self, operands: &Operands, _: &Shape) -> Weights {
		match self {
			Self::Gather => Weights { more: ROW * operands.len(1), ..Weights::new(4, 4) },
			Self::ScatterAdd { .. } => {
				Weights { more: ROW * operands.len(1), ..Weights::new(4, 8) }
			}
			Self::Concat { .. } | Self::Pad { .. } => Weights::new(4, 4),
		}
	}

	fn reads(self, operand: usize, all: u64, output: &Shape) -> u64 {
		match (self, operand) {
			// Of a table at most as many as the result has.
			(Self::Gather, 0) => all.min(output.elements().into()),
			(
				Self::Gather | Self::ScatterAdd { .. } | Self::Concat { .. } | Self::Pad { .. },
				_,
			) => all,
		}
	}

	fn lays_out(self) -> bool {
		true
	}

	fn time(self, signature: &Signature, asked: &Asked) -> u64 {
		match self {
			// An index twice, and what it points to.
			Self::Gather => asked.elements.saturating_mul(4 * time::READ),
			// Each index once, and each update at most once.
			Self::ScatterAdd { .. } => {
				asked.all.saturating_mul(time::READ).saturating_add(asked.base())
			}
			Self::Concat { .. } | Self::Pad { .. } => asked.plain(signature),
		}
	}
}

/// Add `updates[n]` to the row that `indices[n]` names: each index is read once, each update at
/// most once.
fn scatter(
	signature: &Signature,
	elements: &dyn Elements,
	outputs: &[u32],
	range: Range<u32>,
	accumulators: &mut [i64],
) {
	let Some(Access::Updates { inner }) = signature.access(0) else { return };
	let mut places: Vec<(u32, u32)> = outputs.iter().copied().zip(0..).collect();
	places.sort_unstable();
	for n in range {
		let Ok(row) = u32::try_from(elements.get(1, n)) else { continue };
		let Some(first) = row.checked_mul(inner) else { continue };
		let from = places.partition_point(|(output, _)| *output < first);
		let row = places.get(from..).unwrap_or_default();
		for (output, place) in row.iter().take_while(|(output, _)| output - first < inner) {
			let update = elements.get(0, n.wrapping_mul(inner).wrapping_add(output - first));
			if let Some(accumulator) = accumulators.get_mut(*place as usize) {
				*accumulator = accumulator.saturating_add(update as i64);
			}
		}
	}
}

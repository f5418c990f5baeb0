//! Entries of a table at the values of elements.

use crate::{
	definition::{Definition, Scratch},
	interpolate::{lut_between, lut_segment},
	operands::Operands,
	signature::Signature,
	time::Asked,
	work::Weights,
	Access, DType, Elements, OpError, Shape, LUT_ENTRIES,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// The operators of [`crate::Op`] of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Table {
	Lut,
	LutInterp,
}

impl Definition for Table {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		use DType::{I16, I32, I8};
		all.count(2)?;
		match self {
			Self::Lut => {
				all.typed(0, &[I8])?;
				let (dtype, table) = all.at(1)?;
				if table.dims() != [LUT_ENTRIES] {
					return Err(OpError::OperandShape { operand: 1 });
				}
				Ok((dtype, *all.at(0)?.1))
			}
			Self::LutInterp => {
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
		}
	}

	fn access(self, operands: &Operands, _: &Shape) -> (Vec<Access>, u32) {
		(vec![Access::Same, operands.whole(1)], 1)
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
		let points = signature.operands.get(1).map_or(3, |(_, shape)| shape.elements());
		let element = |output: &u32| {
			let value = elements.get(0, *output);
			match self {
				Self::Lut => {
					let entry = (value as i64 + 128).clamp(0, LUT_ENTRIES as i64 - 1);
					elements.get(1, entry as u32)
				}
				Self::LutInterp => {
					let (segment, rest, bits) = lut_segment(value, points);
					let (left, right) = (elements.get(1, segment), elements.get(1, segment + 1));
					signature.dtype.saturate(lut_between(left, right, rest, bits))
				}
			}
		};
		outputs.iter().map(element).collect()
	}

	fn scratch(self, _: &Signature) -> Scratch {
		Scratch::default()
	}

	fn weights(self, _: &Operands, _: &Shape) -> Weights {
		Weights::new(4, 4)
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

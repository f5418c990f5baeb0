//! Operators on rows: each result follows from a whole row of the last dimension. What all results
//! of a row share is computed once for each row.

mod exp2;
mod norm;
mod softmax;
mod top_k;

use crate::{Applied, Elements, Op};
use alloc::{vec, vec::Vec};

pub use exp2::EXP2;
pub use norm::{row_scale, Moments, NORM_FRACTION_BITS};
pub use softmax::{exp2_neg, log2_distance, softmax_quotient};

/// The results at `outputs`, of which those of one row should be next to each other. `len` is the
/// length of a row, `width` how many results it has.
pub(crate) fn finish(
	applied: &Applied,
	elements: &dyn Elements,
	outputs: &[u32],
	(len, width): (u32, u32),
) -> Vec<i32> {
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
		match *applied.op() {
			Op::Softmax { multiplier, shift, to } => {
				softmax::finish(&values, columns, (multiplier, shift, to), &mut results);
			}
			Op::Norm { kind, epsilon, to, shift } => {
				let moments = Moments::new(kind, epsilon, &values);
				let one = |operand: usize| {
					applied.operands().get(operand).is_some_and(|(_, shape)| shape.elements() == 1)
				};
				let (gamma, beta) = (one(1), one(2));
				results.extend(columns.map(|column| {
					let gamma = elements.get(1, if gamma { 0 } else { column });
					let beta = elements.get(2, if beta { 0 } else { column });
					let x = values.get(column as usize).copied().unwrap_or(0);
					norm::normalised(&moments, x, gamma, beta, shift, to)
				}));
			}
			Op::RowScale { kind, epsilon, shift } => {
				let scale = row_scale(&Moments::new(kind, epsilon, &values), shift);
				results.extend(columns.map(|_| scale));
			}
			Op::TopK { k, values: as_values } => {
				top_k::finish(&values, columns, (k, as_values), &mut results);
			}
			// Not an operator on rows.
			_ => results.extend(columns.map(|_| 0)),
		}
	}
	results
}

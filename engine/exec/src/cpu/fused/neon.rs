//! The same on 64-bit ARM: `smull` to 64 bits, `srshl`, which shifts and rounds half up as the
//! definition does, and narrowing that saturates. Every processor of the architecture has these.

use super::Quick;
use crate::{segments::Rows, Element};
use assay_ops::DType;
use core::{arch::aarch64::*, ops::Range};

/// Columns at a time.
const LANES: usize = 8;

/// Parameters of [`LANES`] columns. Those that are not there are 0.
struct Parameters {
	multiplier: [int32x4_t; 2],
	bias: [int32x4_t; 2],
	/// To the left, so all are negative.
	shift: [[int64x2_t; 2]; 2],
}

fn load(values: &[i32]) -> [int32x4_t; 2] {
	let mut padded = [0; LANES];
	let values = match values.first_chunk() {
		Some(values) => values,
		None => {
			padded[..values.len()].copy_from_slice(values);
			&padded
		}
	};
	// SAFETY: the array holds two vectors.
	unsafe { [vld1q_s32(values.as_ptr()), vld1q_s32(values.as_ptr().add(4))] }
}

#[target_feature(enable = "neon")]
fn parameters(quick: &Quick, columns: Range<usize>) -> Parameters {
	let [multiplier, shift, bias] =
		[&quick.multiplier, &quick.shift, &quick.bias].map(|values| load(&values[columns.clone()]));
	let left = |s| [vnegq_s64(vmovl_s32(vget_low_s32(s))), vnegq_s64(vmovl_high_s32(s))];
	Parameters { multiplier, bias, shift: [left(shift[0]), left(shift[1])] }
}

/// Results of sums that were widened to `LANES`.
#[target_feature(enable = "neon")]
fn narrowed(parameters: &Parameters, sums: &[i32]) -> [int32x4_t; 2] {
	let sums = load(sums);
	core::array::from_fn(|half| {
		// Within i32, as `Quick` knows.
		let x = vaddq_s32(sums[half], parameters.bias[half]);
		let (m, [low, high]) = (parameters.multiplier[half], parameters.shift[half]);
		let low = vrshlq_s64(vmull_s32(vget_low_s32(x), vget_low_s32(m)), low);
		let high = vrshlq_s64(vmull_high_s32(x, m), high);
		vqmovn_high_s64(vqmovn_s64(low), high)
	})
}

/// As many of `values` as there is room for.
fn put<T: Element, S: bytemuck::Pod>(out: &mut [T], values: [S; LANES]) {
	let values: &[T] = bytemuck::cast_slice(&values);
	match out.first_chunk_mut::<LANES>() {
		Some(out) => out.copy_from_slice(values),
		None => out.copy_from_slice(&values[..out.len()]),
	}
}

/// As `quick_block` of x86-64.
#[target_feature(enable = "neon")]
pub(super) fn block<T: Element>(
	quick: &Quick,
	out: &Rows<'_, T>,
	rows: Range<usize>,
	columns: Range<usize>,
	(sums, stride): (&[i32], usize),
) {
	for first in (0..columns.len()).step_by(LANES) {
		let lanes = LANES.min(columns.len() - first);
		let column = columns.start + first;
		let parameters = parameters(quick, column..column + lanes);
		for (at, row) in rows.clone().enumerate() {
			let [low, high] = narrowed(&parameters, &sums[at * stride + first..][..lanes]);
			// SAFETY: a product emits each sum once, so that nobody else has this segment.
			let out = unsafe { out.segment(row, column, lanes) };
			let words = vqmovn_high_s32(vqmovn_s32(low), high);
			// SAFETY: each array holds what is stored there.
			unsafe {
				match T::DTYPE {
					DType::I8 => {
						let mut values = [0i8; LANES];
						vst1_s8(values.as_mut_ptr(), vqmovn_s16(words));
						put(out, values);
					}
					DType::I16 => {
						let mut values = [0i16; LANES];
						vst1q_s16(values.as_mut_ptr(), words);
						put(out, values);
					}
					DType::I32 => {
						let mut values = [0i32; LANES];
						vst1q_s32(values.as_mut_ptr(), low);
						vst1q_s32(values.as_mut_ptr().add(4), high);
						put(out, values);
					}
				}
			}
		}
	}
}

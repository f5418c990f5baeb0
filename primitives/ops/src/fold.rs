//! Folds: sums of products, of windows, along an axis, and into rows.

use crate::{
	access::{distinct, reduce_index},
	Access, Applied, DType, Elements, Op, PoolKind,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Entries of the i16 buffer that products gather operand rows into.
const GATHER: usize = 1 << 17;

/// Output elements that products fold together.
const BLOCK: usize = 1024;

/// Most bytes of scratch that [`products`] allocates: the gathered rows, and per output of a block
/// its two rows and where they are.
pub(crate) const PRODUCTS_SCRATCH: u64 = (2 * GATHER + BLOCK * 64) as u64;

/// Scratch of [`scatter`] for each output: its index and its place.
pub(crate) const SCATTER_SCRATCH: u64 = 1024 * 16;

/// Accumulators before anything is absorbed.
pub(crate) fn start(op: &Op) -> i64 {
	match op {
		Op::ReduceMax { .. } | Op::ArgMax { .. } | Op::Pool { kind: PoolKind::Max, .. } => i64::MIN,
		_ => 0,
	}
}

/// See [`Applied::absorb`]; `range` ends with the reduced dimension.
pub(crate) fn absorb(
	applied: &Applied,
	elements: &dyn Elements,
	outputs: &[u32],
	range: Range<u32>,
	accumulators: &mut [i64],
) {
	match applied.op() {
		Op::MatMul { .. } | Op::BatchMatMul { .. } | Op::Conv2d { .. } => {
			for (outputs, accumulators) in outputs.chunks(BLOCK).zip(accumulators.chunks_mut(BLOCK))
			{
				products(applied, elements, outputs, range.clone(), accumulators);
			}
		}
		Op::Pool { kind, .. } => {
			let Some(Access::Patch(window)) = applied.access(0) else { return };
			for (output, accumulator) in outputs.iter().zip(accumulators) {
				let row = window.row(*output);
				for tap in range.clone() {
					let Some(element) = window.tap(row, tap) else { continue };
					let value = elements.get(0, element) as i64;
					*accumulator = match kind {
						PoolKind::Max => value.max(*accumulator),
						PoolKind::Sum => accumulator.saturating_add(value),
					};
				}
			}
		}
		Op::ScatterAdd { .. } => scatter(applied, elements, outputs, range, accumulators),
		op => {
			let Some(Access::Reduce { len, inner }) = applied.access(0) else { return };
			for (output, accumulator) in outputs.iter().zip(accumulators) {
				for i in range.clone() {
					let index = reduce_index(*output, i, len, inner);
					let value = elements.get(0, index) as i64;
					*accumulator = match op {
						Op::ReduceSum { .. } => accumulator.saturating_add(value),
						Op::ReduceSumProduct { .. } => {
							let product = value * elements.get(1, index) as i64;
							accumulator.saturating_add(product)
						}
						Op::ReduceMax { .. } => value.max(*accumulator),
						// Value first, then the *lower* index: one comparison decides both.
						_ => (value << 32 | (u32::MAX - i) as i64).max(*accumulator),
					};
				}
			}
		}
	}
}

/// Add `updates[n]` to the row that `indices[n]` names: each index is read once, each update at
/// most once.
fn scatter(
	applied: &Applied,
	elements: &dyn Elements,
	outputs: &[u32],
	range: Range<u32>,
	accumulators: &mut [i64],
) {
	let Some(Access::Updates { inner }) = applied.access(0) else { return };
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

/// The elements `start ..` of row `row` of a product's operand.
fn read_row(
	elements: &dyn Elements,
	(operand, access): (usize, Access),
	row: u32,
	start: u32,
	out: &mut [i16],
) {
	match access {
		Access::Patch(window) => {
			window.stretches(row, start, out.len() as u32, |at, first, count| {
				let out = out.get_mut(at as usize..(at + count) as usize).unwrap_or_default();
				match first {
					Some(first) => elements.read(operand, first, out),
					None => out.fill(0),
				}
			});
		}
		Access::Left { k, .. } | Access::Right { k, .. } => {
			elements.read(operand, row.wrapping_mul(k).wrapping_add(start), out);
		}
		_ => {}
	}
}

/// Add `Σ a[row][i] · b[row'][i]` over `range` to the accumulator of each output: gathers every
/// operand row once, in pieces that fit [`GATHER`], then takes plain dot products.
fn products(
	applied: &Applied,
	elements: &dyn Elements,
	outputs: &[u32],
	range: Range<u32>,
	accumulators: &mut [i64],
) {
	let (Some(left), Some(right)) = (applied.access(0), applied.access(1)) else { return };
	let wide = applied.operands().first().is_some_and(|(dtype, _)| *dtype != DType::I8);
	let rows = |access: &Access| distinct(outputs.iter().map(|o| access.row(*o)).collect());
	let (a_rows, b_rows) = (rows(&left), rows(&right));
	let place = |rows: &[u32], row: u32| rows.binary_search(&row).unwrap_or(0);
	let places: Vec<(usize, usize)> = outputs
		.iter()
		.map(|output| (place(&a_rows, left.row(*output)), place(&b_rows, right.row(*output))))
		.collect();
	let step = (GATHER / (a_rows.len() + b_rows.len()).max(1)).min(range.len()).max(1);
	let mut gathered = vec![0i16; step * (a_rows.len() + b_rows.len())];
	for start in range.clone().step_by(step) {
		let len = step.min((range.end - start) as usize);
		let (a, b) = gathered.split_at_mut(step * a_rows.len());
		for (side, rows, buffer) in [((0, left), &a_rows, &mut *a), ((1, right), &b_rows, &mut *b)]
		{
			for (row, out) in rows.iter().zip(buffer.chunks_exact_mut(step)) {
				read_row(elements, side, *row, start, out.get_mut(..len).unwrap_or_default());
			}
		}
		for (accumulator, (a_place, b_place)) in accumulators.iter_mut().zip(&places) {
			let row = |side: &[i16], place: usize| -> Range<usize> {
				let from = (place * step).min(side.len());
				from..(from + len).min(side.len())
			};
			let (a_row, b_row) = (&a[row(a, *a_place)], &b[row(b, *b_place)]);
			let products = a_row.iter().zip(b_row).map(|(x, y)| *x as i32 * *y as i32);
			let sum = if wide {
				products.map(i64::from).sum::<i64>()
			} else {
				// |x·y| ≤ 2^14 and at most 2^17 − 1 of them; wrapping only keeps a source that
				// hands out wider values from panicking.
				products.fold(0i32, i32::wrapping_add) as i64
			};
			*accumulator = accumulator.saturating_add(sum);
		}
	}
}

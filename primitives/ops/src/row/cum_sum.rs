use crate::DType;
use alloc::vec::Vec;

/// Leaves in `row` its sums, of which `columns` are asked for. At most 2^31 elements of 32 bits: no
/// sum is more than 2^62.
pub(super) fn finish(
	row: &mut [i32],
	columns: impl Iterator<Item = u32>,
	(exclusive, reverse, to): (bool, bool, DType),
	results: &mut Vec<i32>,
) {
	let mut sum = 0i64;
	let add = |element: &mut i32| {
		let before = sum;
		sum += *element as i64;
		*element = to.saturate(if exclusive { before } else { sum });
	};
	if reverse {
		row.iter_mut().rev().for_each(add);
	} else {
		row.iter_mut().for_each(add);
	}
	results.extend(columns.map(|column| row.get(column as usize).copied().unwrap_or(0)));
}

//! The plain loops: what a compiler makes of them on any processor.

use super::drive::Block;

#[inline(always)]
fn columns<T>(k: usize, all: &[T], first: usize, count: usize) -> impl Iterator<Item = &[T]> {
	(first..first + count).map(move |at| &all[at * k..(at + 1) * k])
}

#[inline(always)]
pub(super) fn block_i8(k: usize, a: &[i8], b: &[i8], block: Block, out: &mut [i32]) {
	for (row, sums) in columns(k, a, block.row, block.rows).zip(out.chunks_exact_mut(8)) {
		for (column, sum) in columns(k, b, block.column, block.columns).zip(sums) {
			*sum = row.iter().zip(column).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum();
		}
	}
}

#[inline(always)]
pub(super) fn block_i16(k: usize, a: &[i16], b: &[i16], block: Block, out: &mut [i64]) {
	for (row, sums) in columns(k, a, block.row, block.rows).zip(out.chunks_exact_mut(8)) {
		for (column, sum) in columns(k, b, block.column, block.columns).zip(sums) {
			*sum =
				row.iter().zip(column).map(|(&x, &y)| i64::from(i32::from(x) * i32::from(y))).sum();
		}
	}
}

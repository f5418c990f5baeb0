use super::EXP2;
use crate::{round_shift, DType};
use alloc::vec::Vec;

/// Bits of fraction of a distance in log2.
const LOG2_BITS: u32 = 10;
/// Distances from here on leave nothing of 2^30.
const FARTHEST: i64 = 31 << LOG2_BITS;

/// How far `x` lies below the largest element of its row, in 2^-10 of log2.
pub fn log2_distance(largest: i32, x: i32, multiplier: i16, shift: i8) -> u32 {
	// 33 bits times 16.
	let scaled = (largest as i64 - x as i64) * multiplier as i64;
	round_shift(scaled, shift).clamp(0, FARTHEST) as u32
}

/// `2^(30 − distance / 1024)` by the operator set's table, rounded towards zero below its first
/// octave; 0 from 31 octaves on.
pub fn exp2_neg(distance: u32) -> u32 {
	let entry = EXP2.get(distance as usize % EXP2.len()).copied().unwrap_or(0);
	entry.checked_shr(distance >> LOG2_BITS).unwrap_or(0)
}

/// `sat(⌊e · 2^q / sum + 1/2⌋)`, q = 15 for i16 and 7 for i8. `sum` holds `e` ≤ 2^30 and is below
/// 2^62.
pub fn softmax_quotient(e: u32, sum: u64, to: DType) -> i32 {
	let bits = if to == DType::I8 { 7 } else { 15 };
	let quotient = (((e as u64) << (bits + 1)).saturating_add(sum)).checked_div(2 * sum);
	to.saturate(quotient.unwrap_or(0) as i64)
}

pub(super) fn finish(
	row: &[i32],
	columns: impl Iterator<Item = u32>,
	(multiplier, shift, to): (i16, i8, DType),
	results: &mut Vec<i32>,
) {
	let largest = row.iter().copied().max().unwrap_or(0);
	let e = |x: i32| exp2_neg(log2_distance(largest, x, multiplier, shift));
	// The largest element's is 2^30; at most 2^31 elements.
	let sum: u64 = row.iter().map(|&x| e(x) as u64).sum();
	results.extend(columns.map(|column| {
		let x = row.get(column as usize).copied().unwrap_or(0);
		softmax_quotient(e(x), sum, to)
	}));
}

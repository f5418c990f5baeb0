//! Blocks in registers. NEON is part of the architecture.

use super::EDGE;
use core::arch::aarch64::*;

/// Two vectors with elements of some size taken from both in turn: from their lower halves, and
/// from their upper ones.
macro_rules! zip {
	($a:expr, $b:expr, $to:ident, $low:ident, $high:ident, $from:ident) => {{
		let (a, b) = ($to($a), $to($b));
		[$from($low(a, b)), $from($high(a, b))]
	}};
}

pub(super) fn words(from: &[u16], stride: usize, to: &mut [u16], length: usize) {
	let load = |column: usize| {
		let column: &[u16; EDGE] =
			from[column * stride..][..EDGE].try_into().expect("as many as were taken; qed");
		// SAFETY: 16 bytes are there.
		unsafe { vld1q_u16(column.as_ptr()) }
	};
	let r: [uint16x8_t; EDGE] = core::array::from_fn(load);
	// SAFETY: every processor of the architecture has NEON.
	let rows = unsafe {
		let one = |a, b| [vzip1q_u16(a, b), vzip2q_u16(a, b)];
		let two =
			|a, b| zip!(a, b, vreinterpretq_u32_u16, vzip1q_u32, vzip2q_u32, vreinterpretq_u16_u32);
		let four =
			|a, b| zip!(a, b, vreinterpretq_u64_u16, vzip1q_u64, vzip2q_u64, vreinterpretq_u16_u64);
		let a = [one(r[0], r[1]), one(r[2], r[3]), one(r[4], r[5]), one(r[6], r[7])];
		// Rows in pairs: of columns 0 to 3, and of columns 4 to 7.
		let b = [two(a[0][0], a[1][0]), two(a[0][1], a[1][1])];
		let c = [two(a[2][0], a[3][0]), two(a[2][1], a[3][1])];
		[
			four(b[0][0], c[0][0]),
			four(b[0][1], c[0][1]),
			four(b[1][0], c[1][0]),
			four(b[1][1], c[1][1]),
		]
	};
	for (row, values) in rows.into_iter().flatten().enumerate() {
		let out: &mut [u16; EDGE] =
			(&mut to[row * length..][..EDGE]).try_into().expect("as many as were taken; qed");
		// SAFETY: 16 bytes are there.
		unsafe { vst1q_u16(out.as_mut_ptr(), values) };
	}
}

pub(super) fn bytes(from: &[u8], stride: usize, to: &mut [u8], length: usize) {
	let load = |column: usize| {
		let column: &[u8; EDGE] =
			from[column * stride..][..EDGE].try_into().expect("as many as were taken; qed");
		// SAFETY: 8 bytes are there.
		unsafe { vcombine_u8(vld1_u8(column.as_ptr()), vdup_n_u8(0)) }
	};
	let r: [uint8x16_t; EDGE] = core::array::from_fn(load);
	// SAFETY: every processor of the architecture has NEON.
	let pairs = unsafe {
		let two =
			|a, b| zip!(a, b, vreinterpretq_u16_u8, vzip1q_u16, vzip2q_u16, vreinterpretq_u8_u16);
		let four =
			|a, b| zip!(a, b, vreinterpretq_u32_u8, vzip1q_u32, vzip2q_u32, vreinterpretq_u8_u32);
		let a: [uint8x16_t; 4] =
			core::array::from_fn(|pair| vzip1q_u8(r[2 * pair], r[2 * pair + 1]));
		let (b, c) = (two(a[0], a[1]), two(a[2], a[3]));
		[four(b[0], c[0]), four(b[1], c[1])]
	};
	for (pair, values) in pairs.into_iter().flatten().enumerate() {
		// SAFETY: as above.
		let rows = unsafe { [vget_low_u8(values), vget_high_u8(values)] };
		for (at, values) in rows.into_iter().enumerate() {
			let out = &mut to[(2 * pair + at) * length..][..EDGE];
			// SAFETY: 8 bytes are there.
			unsafe { vst1_u8(out.as_mut_ptr(), values) };
		}
	}
}

//! Sums of bytes with B in panels, by `sdot` (four products of i8 · i8 added to an i32 lane) or
//! `smmla` (2 × 8 bytes times 8 × 2). Both take bytes of either sign and wrap at 2^32.
//!
//! A is read where it lies, 16 bytes of a row at a time. Panels of B are
//! `[panel][step][group][column][bytes of a group]`: a step is 16 bytes along `k` of [`COLUMNS`]
//! columns, and a group is what an instruction sums, 4 or 8 bytes. Padding is zero and adds
//! nothing.

use core::arch::{aarch64::*, asm};
use rayon::prelude::*;

/// Rows of a register block: 16 accumulators, so that the 32 registers hold operands, too.
pub(super) const ROWS: usize = 8;
/// Columns of a register block, and of a panel.
pub(super) const COLUMNS: usize = 8;
/// Bytes along `k` in a step.
pub(super) const STEP: usize = 16;
/// Bytes of a step of a panel.
const PANEL: usize = STEP * COLUMNS;

/// Sums of a register block.
pub(super) type Sums = [[i32; COLUMNS]; ROWS];

/// The instruction that multiplies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dot {
	Sdot,
	Smmla,
}

impl Dot {
	/// Bytes of a row that it sums.
	fn group(self) -> usize {
		match self {
			Self::Sdot => 4,
			Self::Smmla => 8,
		}
	}
}

/// Bytes of B in panels; those of words in two planes, high digits before low ones in each panel.
pub(super) struct Panels {
	k: usize,
	planes: usize,
	bytes: Vec<i8>,
}

impl Panels {
	/// Of a B of `n × k` elements, with as many digits each as `digits` gives.
	pub(super) fn new<T: Copy + Sync, const PLANES: usize>(
		dot: Dot,
		(n, k): (usize, usize),
		b: &[T],
		threads: usize,
		digits: impl Fn(T) -> [i8; PLANES] + Sync,
	) -> Self {
		let group = dot.group();
		let plane = k.div_ceil(STEP) * PANEL;
		let mut bytes = vec![0; n.div_ceil(COLUMNS) * PLANES * plane];
		let fill = |(to, rows): (&mut [i8], &[T])| {
			// Groups outside, so that writing is in order.
			for (at, first) in (0..k).step_by(group).enumerate() {
				let count = group.min(k - first);
				for (column, row) in rows.chunks_exact(k).enumerate() {
					let place = (at * COLUMNS + column) * group;
					for (i, &value) in row[first..first + count].iter().enumerate() {
						for (digit, value) in digits(value).into_iter().enumerate() {
							to[digit * plane + place + i] = value;
						}
					}
				}
			}
		};
		if plane > 0 && threads > 1 {
			let panels = bytes.par_chunks_mut(PLANES * plane);
			panels.zip(b.par_chunks(COLUMNS * k)).for_each(fill);
		} else if plane > 0 {
			bytes.chunks_mut(PLANES * plane).zip(b.chunks(COLUMNS * k)).for_each(fill);
		}
		Self { k, planes: PLANES, bytes }
	}

	/// Bytes in memory.
	pub(super) fn len(&self) -> usize {
		self.bytes.len()
	}

	/// A plane of a panel, from place `first` on in `k`, which is a multiple of [`STEP`].
	pub(super) fn plane(&self, panel: usize, plane: usize, first: usize) -> &[i8] {
		let len = self.k.div_ceil(STEP) * PANEL;
		&self.bytes[(panel * self.planes + plane) * len..][..len][first * COLUMNS..]
	}
}

/// Adds to each lane of `sum` four products of its lane of `b` with those
/// bytes of `a` that are in lane `LANE`. The intrinsic is not stable.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn sdot<const LANE: usize>(sum: int32x4_t, b: int8x16_t, a: int8x16_t) -> int32x4_t {
	let mut sum = sum;
	// SAFETY: the function has the feature of this instruction, which only works on registers.
	unsafe {
		asm!(
			"sdot {sum:v}.4s, {b:v}.16b, {a:v}.4b[{lane}]",
			sum = inout(vreg) sum,
			b = in(vreg) b,
			a = in(vreg) a,
			lane = const LANE,
			options(pure, nomem, nostack, preserves_flags),
		);
	}
	sum
}

/// Adds the four products of the two rows of 8 bytes in `a` with those in `b`, lanes
/// `[a0 · b0, a0 · b1, a1 · b0, a1 · b1]`. The intrinsic is not stable.
#[target_feature(enable = "neon,i8mm")]
#[inline]
fn smmla(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
	let mut sum = sum;
	// SAFETY: as in `sdot`.
	unsafe {
		asm!(
			"smmla {sum:v}.4s, {a:v}.16b, {b:v}.16b",
			sum = inout(vreg) sum,
			a = in(vreg) a,
			b = in(vreg) b,
			options(pure, nomem, nostack, preserves_flags),
		);
	}
	sum
}

/// Rows of A for a register block: `k` bytes each, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
	pub(super) bytes: &'a [i8],
	pub(super) rows: usize,
	pub(super) stride: usize,
	pub(super) k: usize,
}

/// What is left of a row after whole steps, and zeros.
type Tail = [i8; STEP];

/// Bytes of rows that are `stride` apart: `len` of each, or with zeros behind them as many as there
/// are in whole steps.
#[derive(Clone, Copy)]
struct Part {
	from: *const i8,
	stride: usize,
	len: usize,
}

impl Left<'_> {
	/// # Panics
	/// When there are fewer bytes, or fewer than `k` in the columns of `panel`.
	fn check(&self, panel: &[i8]) {
		let Self { bytes, rows, stride, k } = *self;
		assert!(rows > 0 && bytes.len() >= (rows - 1) * stride + k, "rows of A are missing");
		assert!(panel.len() >= k * COLUMNS && panel.len().is_multiple_of(PANEL), "no such panel");
	}

	/// Whole steps where they lie, and the last one, which comes from `tails` if there is any. One
	/// loop takes both: a call for each would have its sums in memory.
	fn parts(&self, tails: &mut [Tail; ROWS]) -> [Part; 2] {
		let rest = self.k % STEP;
		let full = self.k - rest;
		for (row, tail) in tails.iter_mut().enumerate().take(self.rows) {
			tail[..rest].copy_from_slice(&self.bytes[row * self.stride + full..][..rest]);
		}
		[
			Part { from: self.bytes.as_ptr(), stride: self.stride, len: full },
			Part { from: tails.as_ptr().cast(), stride: STEP, len: rest },
		]
	}
}

/// Adds the sums of a register block, of `left.k` bytes from the start of `panel` on, to `out`,
/// wrapping.
///
/// # Safety
/// The processor must have dot products for [`Dot::Sdot`], and i8mm for [`Dot::Smmla`].
pub(super) unsafe fn add(dot: Dot, left: Left<'_>, panel: &[i8], out: &mut Sums) {
	// SAFETY: the caller's promise.
	unsafe {
		match (dot, left.rows) {
			(Dot::Sdot, 1) => dotted::<1>(left, panel, out),
			(Dot::Sdot, 2) => dotted::<2>(left, panel, out),
			(Dot::Sdot, 3) => dotted::<3>(left, panel, out),
			(Dot::Sdot, 4) => dotted::<4>(left, panel, out),
			(Dot::Sdot, 5) => dotted::<5>(left, panel, out),
			(Dot::Sdot, 6) => dotted::<6>(left, panel, out),
			(Dot::Sdot, 7) => dotted::<7>(left, panel, out),
			(Dot::Sdot, ROWS) => dotted::<ROWS>(left, panel, out),
			(Dot::Smmla, 1 | 2) => paired::<1>(left, panel, out),
			(Dot::Smmla, 3 | 4) => paired::<2>(left, panel, out),
			(Dot::Smmla, 5 | 6) => paired::<3>(left, panel, out),
			(Dot::Smmla, 7 | ROWS) => paired::<4>(left, panel, out),
			(_, rows) => unreachable!("{rows} rows in a block of at most {ROWS}"),
		}
	}
}

/// [`add`] for `R` rows by `sdot`.
#[target_feature(enable = "neon,dotprod")]
fn dotted<const R: usize>(left: Left<'_>, panel: &[i8], out: &mut Sums) {
	/// Four bytes along `k`, in lane `LANE` of each row.
	///
	/// # Safety
	/// The step of the panel is at `panel`.
	#[target_feature(enable = "neon,dotprod")]
	#[inline]
	unsafe fn group<const R: usize, const LANE: usize>(
		sums: &mut [[int32x4_t; 2]; R],
		x: &[int8x16_t; R],
		panel: *const i8,
	) {
		for half in 0..2 {
			// SAFETY: a step has four groups of two vectors each.
			let y = unsafe { vld1q_s8(panel.add((LANE * 2 + half) * 16)) };
			for (sums, x) in sums.iter_mut().zip(x) {
				sums[half] = sdot::<LANE>(sums[half], y, *x);
			}
		}
	}

	left.check(panel);
	assert_eq!(left.rows, R);
	let mut tails = [[0; STEP]; ROWS];
	let mut sums = [[vdupq_n_s32(0); 2]; R];
	let mut panel = panel.as_ptr();
	for Part { from, stride, len } in left.parts(&mut tails) {
		for at in (0..len).step_by(STEP) {
			// SAFETY: rows of A have so many bytes, and the panel has as many whole steps, as was
			// checked.
			unsafe {
				let row = |row| vld1q_s8(from.add(row * stride + at));
				let x = core::array::from_fn(row);
				group::<R, 0>(&mut sums, &x, panel);
				group::<R, 1>(&mut sums, &x, panel);
				group::<R, 2>(&mut sums, &x, panel);
				group::<R, 3>(&mut sums, &x, panel);
				panel = panel.add(PANEL);
			}
		}
	}
	for (sums, out) in sums.iter().zip(out) {
		let (low, high) = out.split_at_mut(4);
		for (sum, out) in sums.iter().zip([low, high]) {
			// SAFETY: a half of a row is one vector.
			unsafe { vst1q_s32(out.as_mut_ptr(), vaddq_s32(vld1q_s32(out.as_ptr()), *sum)) };
		}
	}
}

/// [`add`] for `P` pairs of rows by `smmla`. The second one of the last pair may be missing; then
/// the first one stands in for it, and its sums are left.
#[target_feature(enable = "neon,i8mm")]
fn paired<const P: usize>(left: Left<'_>, panel: &[i8], out: &mut Sums) {
	left.check(panel);
	assert_eq!(left.rows.div_ceil(2), P);
	let second = |pair: usize| (pair * 2 + 1).min(left.rows - 1);
	let mut tails = [[0; STEP]; ROWS];
	let mut sums = [[vdupq_n_s32(0); 4]; P];
	let mut panel = panel.as_ptr();
	for Part { from, stride, len } in left.parts(&mut tails) {
		for at in (0..len).step_by(STEP) {
			// SAFETY: rows of A have so many bytes, and `second` is one of them.
			let row =
				|row: usize| unsafe { vreinterpretq_s64_s8(vld1q_s8(from.add(row * stride + at))) };
			// The first 8 bytes of both rows, and the second ones.
			let x: [[int8x16_t; 2]; P] = core::array::from_fn(|pair| {
				let (a, b) = (row(pair * 2), row(second(pair)));
				[vreinterpretq_s8_s64(vzip1q_s64(a, b)), vreinterpretq_s8_s64(vzip2q_s64(a, b))]
			});
			for group in 0..2 {
				for pair in 0..4 {
					// SAFETY: the panel has as many whole steps, as was checked, of eight vectors
					// each.
					let y = unsafe { vld1q_s8(panel.add((group * 4 + pair) * 16)) };
					for (sums, x) in sums.iter_mut().zip(&x) {
						sums[pair] = smmla(sums[pair], x[group], y);
					}
				}
			}
			// SAFETY: as above.
			panel = unsafe { panel.add(PANEL) };
		}
	}
	for (sums, out) in sums.iter().zip(out.chunks_mut(2)) {
		for (half, sums) in sums.chunks_exact(2).enumerate() {
			let (a, b) = (vreinterpretq_s64_s32(sums[0]), vreinterpretq_s64_s32(sums[1]));
			for (sum, out) in [vzip1q_s64(a, b), vzip2q_s64(a, b)].into_iter().zip(&mut *out) {
				let out = &mut out[half * 4..][..4];
				let sum = vreinterpretq_s32_s64(sum);
				// SAFETY: a half of a row is one vector.
				unsafe { vst1q_s32(out.as_mut_ptr(), vaddq_s32(vld1q_s32(out.as_ptr()), sum)) };
			}
		}
	}
}

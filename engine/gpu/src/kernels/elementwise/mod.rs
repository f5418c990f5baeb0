//! Add, Sub, Mul, Max, Min, Clamp, Shift, Cast, Copy, MulShift, ShiftBy, Compare, BitLen, and, with
//! three operands, Select and ShiftRandom. IntDiv and Rsqrt have the same host side.

use super::{arguments, by_word, Kernel, Seen};
use crate::device::{Device, Result, Storage};
use assay_ops::{DType, Op, MAX_FRACTION_BITS};

pub(crate) const LOAD: &str = include_str!("load.wgsl");
pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");
pub(crate) const THREE: &str = include_str!("three.wgsl");

/// Records an operator of one or two operands. `dtype` is that of the result.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: &Op,
	operands: &[Seen],
	dtype: DType,
) -> Result<Storage> {
	let (a, b) = (&operands[0], operands.last().unwrap_or(&operands[0]));
	let (first, second) = match *op {
		Op::Clamp { lo, hi } => (lo as u32, hi as u32),
		Op::Shift { by, .. } => (i32::from(by) as u32, 0),
		Op::MulShift { shift, .. } => (i32::from(shift) as u32, 0),
		Op::Compare { relation } => (relation as u32, 0),
		Op::IntDiv { shift, .. } | Op::Rsqrt { shift } => (shift.min(MAX_FRACTION_BITS).into(), 0),
		_ => (0, 0),
	};
	let arguments = arguments(&[
		(3, &[a.dtype as u32, b.dtype as u32, first, second]),
		(8, &a.view()),
		(24, &b.view()),
	]);
	let elements = a.shape.elements();
	by_word(device, kernel, arguments, &[a.storage, b.storage], (dtype, elements), elements.into())
}

/// Records Select or ShiftRandom. `dtype` is that of the result.
pub(crate) fn record_three(
	device: &mut Device,
	kernel: Kernel,
	operands: [&Seen; 3],
	dtype: DType,
) -> Result<Storage> {
	let [a, b, c] = operands;
	let arguments = arguments(&[
		(3, &[a.dtype as u32, b.dtype as u32]),
		(7, &[c.dtype as u32]),
		(8, &a.view()),
		(24, &b.view()),
		(40, &c.view()),
	]);
	let elements = a.shape.elements();
	let buffers = operands.map(|operand| operand.storage);
	by_word(device, kernel, arguments, &buffers, (dtype, elements), elements.into())
}

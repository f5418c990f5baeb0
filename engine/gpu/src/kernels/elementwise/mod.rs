//! Add, Sub, Mul, Max, Min, Clamp, Shift, Cast and Copy.

use super::{arguments, by_word, Kernel, Seen};
use crate::device::{Device, Result, Storage};
use assay_ops::{DType, Op};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

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

//! Operators of one, two or three operands that are all read alike.

use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Kernel, Seen},
};
use assay_ops::DType;

/// Records an operator of one or two operands with its attributes `first` and `second`. `dtype` is
/// that of the result.
pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	operands: &[Seen],
	[first, second]: [u32; 2],
	dtype: DType,
) -> Result<Storage, DeviceError> {
	let (a, b) = (&operands[0], operands.last().unwrap_or(&operands[0]));
	let arguments = arguments(&[
		(3, &[a.dtype as u32, b.dtype as u32, first, second]),
		(8, &a.view()),
		(24, &b.view()),
	]);
	let elements = a.shape.elements();
	by_word(device, kernel, arguments, &[a.storage, b.storage], (dtype, elements), elements.into())
}

/// Records Select or ShiftRandom. `dtype` is that of the result.
pub(super) fn record_three(
	device: &mut Device,
	kernel: Kernel,
	operands: [&Seen; 3],
	dtype: DType,
) -> Result<Storage, DeviceError> {
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

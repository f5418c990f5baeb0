//! Softmax: first what all elements of a row share, then the elements.

use super::RowKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Seen},
};
use assay_ops::{DType, EXP2};

/// Records Softmax. `to` is the type of the result.
pub(super) fn record(
	device: &mut Device,
	operand: &Seen,
	multiplier: i16,
	shift: i8,
	to: DType,
) -> Result<Storage, DeviceError> {
	let len = operand.shape.last();
	let elements = operand.shape.elements();
	let rows = elements / len;
	// Twice over a row, with 64 at a time, and over what these found.
	device.endures(2 * operand.turns(len.div_ceil(64)) + 200)?;
	let bits = if to == DType::I8 { 7 } else { 15 };
	let (multiplier, shift) = (i32::from(multiplier) as u32, i32::from(shift) as u32);
	let mut arguments = arguments(&[
		(0, &[rows]),
		(3, &[operand.dtype as u32, multiplier, shift, len, bits]),
		(8, &operand.view()),
	]);
	let powers = device.table(&EXP2)?;
	let sums = device.allocate(3 * u64::from(rows))?;
	let buffers = [&sums, operand.storage, &powers];
	device.dispatch(
		Kernel::SoftmaxSums,
		&arguments,
		&buffers,
		rows.into(),
		16 * u64::from(elements),
	)?;
	arguments[0] = 0;
	let (operands, result) = ([operand.storage, &powers, &sums], (to, elements));
	by_word(device, Kernel::Softmax, arguments, &operands, result, 16 * u64::from(elements))
}

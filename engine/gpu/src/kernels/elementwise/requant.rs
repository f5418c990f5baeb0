//! Requant.

use super::ElementwiseKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Seen},
};
use assay_ops::DType;

/// Records a Requant: `operands` are accumulator, multiplier, shift and perhaps bias.
pub(crate) fn record(
	device: &mut Device,
	operands: &[Seen],
	to: DType,
) -> Result<Storage, DeviceError> {
	let (acc, multiplier, shift) = (&operands[0], &operands[1], &operands[2]);
	// Without a bias something must still be bound in its place.
	let bias = operands.get(3);
	let arguments = arguments(&[
		(3, &[acc.shape.last(), bias.is_some().into()]),
		(8, &acc.view()),
		(24, &multiplier.vector()),
		(26, &shift.vector()),
		(28, &bias.map_or([0; 2], Seen::vector)),
	]);
	let elements = acc.shape.elements();
	let buffers = [acc, multiplier, shift, bias.unwrap_or(acc)].map(|operand| operand.storage);
	by_word(device, Kernel::Requant, arguments, &buffers, (to, elements), 4 * u64::from(elements))
}

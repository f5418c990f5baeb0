//! Norm and RowScale: first what all elements of a row share, then, for Norm, the elements.

use super::RowKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Seen},
};
use assay_ops::{DType, NormKind, MAX_FRACTION_BITS, NORM_FRACTION_BITS};

/// What a row is divided by: the root of its mean square, about the mean or about zero, and
/// `epsilon`.
#[derive(Clone, Copy)]
pub(super) struct Spread {
	pub kind: NormKind,
	pub epsilon: u32,
}

/// Records the kernel that leaves `words` words for each row.
fn moments(
	device: &mut Device,
	kernel: Kernel,
	operand: &Seen,
	spread: Spread,
	bits: u32,
	words: u64,
) -> Result<Storage, DeviceError> {
	let len = operand.shape.last();
	let rows = operand.shape.elements() / len;
	let centred = u32::from(spread.kind == NormKind::Layer);
	let arguments = arguments(&[
		(0, &[rows]),
		(3, &[len, centred, spread.epsilon, bits]),
		(8, &operand.view()),
	]);
	let result = device.allocate(words * u64::from(rows))?;
	let work = 4 * u64::from(operand.shape.elements());
	device.dispatch(kernel, &arguments, &[&result, operand.storage], rows.into(), work)?;
	Ok(result)
}

/// Records RowScale.
pub(super) fn row_scale(
	device: &mut Device,
	operand: &Seen,
	spread: Spread,
	shift: u8,
) -> Result<Storage, DeviceError> {
	let bits = shift.min(MAX_FRACTION_BITS).into();
	moments(device, Kernel::RowScale, operand, spread, bits, 1)
}

/// Records Norm; `operands` are x, gamma and beta. `to` is the type of the result.
pub(super) fn record(
	device: &mut Device,
	operands: [&Seen; 3],
	spread: Spread,
	shift: i8,
	to: DType,
) -> Result<Storage, DeviceError> {
	let [x, gamma, beta] = operands;
	let moments = moments(device, Kernel::NormMoments, x, spread, 0, 3)?;
	let shift = (i32::from(NORM_FRACTION_BITS) + i32::from(shift)).clamp(-31, 62);
	let arguments = arguments(&[
		(3, &[x.shape.last()]),
		(7, &[shift as u32]),
		(8, &x.view()),
		(24, &gamma.vector()),
		(26, &beta.vector()),
	]);
	let elements = x.shape.elements();
	let buffers = [x.storage, gamma.storage, beta.storage, &moments];
	by_word(device, Kernel::Norm, arguments, &buffers, (to, elements), 16 * u64::from(elements))
}

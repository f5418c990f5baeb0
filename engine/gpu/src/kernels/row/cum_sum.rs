//! CumSum.

use super::RowKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, Seen},
};
use assay_ops::DType;

/// Records CumSum; `dtype` is the type that the results fit, which take a word each.
pub(super) fn record(
	device: &mut Device,
	operand: &Seen,
	exclusive: bool,
	reverse: bool,
	dtype: DType,
) -> Result<Storage, DeviceError> {
	let (len, elements) = (operand.shape.last(), operand.shape.elements());
	// Twice over a stretch, and over the sums of the others.
	device.endures(2 * operand.turns(len.div_ceil(64)) + 66)?;
	let rows = elements / len;
	let result = device.allocate(elements.into())?;
	let arguments = arguments(&[
		(0, &[rows, len, dtype as u32, operand.dtype as u32, exclusive.into(), reverse.into()]),
		(8, &operand.view()),
	]);
	let work = 4 * u64::from(elements);
	device.dispatch(Kernel::CumSum, &arguments, &[&result, operand.storage], rows.into(), work)?;
	Ok(result)
}

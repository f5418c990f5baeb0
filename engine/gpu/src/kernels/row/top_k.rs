//! TopK.

use super::RowKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, Seen},
};
use assay_exec::DeviceFault;

/// From here on finding the place of every element is quicker than looking for one of the k after
/// the other.
pub(super) const MANY: u32 = 32;

/// Work units beyond which the CPU, which sorts, is left to it.
const MOST_WORK: u64 = 1 << 36;

/// Records the `k` largest of each row, or their positions. The result has one word for each
/// element.
pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	operand: &Seen,
	k: u32,
	values: bool,
) -> Result<Storage, DeviceError> {
	let len = operand.shape.last();
	let rows = operand.shape.elements() / len;
	let elements = operand.shape.elements();
	let (turns, groups, iterations) = if kernel == Kernel::TopKRanks {
		(len, u64::from(elements).div_ceil(64), operand.turns(len))
	} else {
		(k, rows.into(), u64::from(k) * (operand.turns(len.div_ceil(64)) + 66))
	};
	device.endures(iterations)?;
	let work = 4 * u64::from(elements) * u64::from(turns);
	if work > MOST_WORK {
		let text = "so many elements that sorting them is quicker than comparing them";
		return Err(DeviceError::new(DeviceFault::Limits, text));
	}
	let result = device.allocate(u64::from(rows) * u64::from(k))?;
	let arguments = arguments(&[
		(0, &[rows, len, k, operand.dtype as u32, values.into()]),
		(8, &operand.view()),
	]);
	device.dispatch(kernel, &arguments, &[&result, operand.storage], groups, work)?;
	Ok(result)
}

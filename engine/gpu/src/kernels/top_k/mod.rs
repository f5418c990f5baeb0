//! TopK.

use super::{arguments, Kernel, Seen};
use crate::device::{Device, Result, Storage};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// Records the `k` largest of each row, or their positions. The result has one word for each element.
pub(crate) fn record(device: &mut Device, operand: &Seen, k: u32, values: bool) -> Result<Storage> {
	let len = operand.shape.last();
	let rows = operand.shape.elements() / len;
	device.endures(u64::from(k) * (operand.turns(len.div_ceil(64)) + 66))?;
	let result = device.allocate(u64::from(rows) * u64::from(k))?;
	let arguments = arguments(&[
		(0, &[rows, len, k, operand.dtype as u32, values.into()]),
		(8, &operand.view()),
	]);
	let work = 4 * u64::from(operand.shape.elements()) * u64::from(k);
	device.dispatch(Kernel::TopK, &arguments, &[&result, operand.storage], rows.into(), work)?;
	Ok(result)
}

//! ScatterAdd.

use super::MovesKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Seen},
};
use assay_exec::DeviceFault;
use assay_ops::DType;

/// Updates of one row whose halves a word can sum.
const MOST_UPDATES: u32 = 1 << 16;

/// Records ScatterAdd into `rows` rows. `dtype` is that of the result.
pub(super) fn record(
	device: &mut Device,
	updates: &Seen,
	index: &Seen,
	rows: u32,
	dtype: DType,
) -> Result<Storage, DeviceError> {
	let count = updates.shape.dims()[0];
	if count > MOST_UPDATES {
		let text = format!("the sums of {count} updates may be more than a word holds");
		return Err(DeviceError::new(DeviceFault::Limits, text));
	}
	let all = updates.shape.elements();
	let inner = all / count;
	let elements = rows * inner;
	let sums = device.allocate(2 * u64::from(elements))?;
	device.clear(&sums)?;
	let adding = arguments(&[
		(0, &[all, rows, inner, updates.dtype as u32, index.dtype as u32]),
		(8, &updates.view()),
		(24, &index.view()),
	]);
	let buffers = [&sums, updates.storage, index.storage];
	device.dispatch(
		Kernel::ScatterSums,
		&adding,
		&buffers,
		u64::from(all).div_ceil(64),
		all.into(),
	)?;
	let result = (dtype, elements);
	by_word(device, Kernel::ScatterAdd, arguments(&[]), &[&sums], result, elements.into())
}

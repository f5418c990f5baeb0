//! Gather.

use super::MovesKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Seen},
};

/// Records the rows of `table` that `index` names.
pub(super) fn record(
	device: &mut Device,
	table: &Seen,
	index: &Seen,
) -> Result<Storage, DeviceError> {
	let rows = table.shape.dims()[0];
	let inner = table.shape.elements() / rows;
	let arguments = arguments(&[
		(3, &[index.dtype as u32, rows, inner]),
		(8, &table.view()),
		(24, &index.view()),
	]);
	let elements = index.shape.elements() * inner;
	let (operands, result) = ([table.storage, index.storage], (table.dtype, elements));
	by_word(device, Kernel::Gather, arguments, &operands, result, elements.into())
}

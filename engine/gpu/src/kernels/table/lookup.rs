//! Lut and LutInterp.

use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Kernel, Seen},
};

/// Records Lut or LutInterp.
pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	index: &Seen,
	table: &Seen,
) -> Result<Storage, DeviceError> {
	// Of a table of 2^p + 1 points an i16 has 16 − p bits below its segment; Lut has no use for it.
	let segments = table.shape.elements().saturating_sub(1).clamp(2, 1 << 14);
	let bits = 16 - segments.ilog2();
	let arguments = arguments(&[(3, &[bits]), (8, &index.view()), (24, &table.vector())]);
	let elements = index.shape.elements();
	let result = (table.dtype, elements);
	let operands = [index.storage, table.storage];
	by_word(device, kernel, arguments, &operands, result, elements.into())
}

//! Operands of products, made ready.

use super::ProductKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, lanes, Seen},
};
use assay_exec::Affine;
use assay_ops::DType;

/// Whether rows of `k` elements of an operand are whole words where they are stored.
pub(crate) fn ready(affine: &Affine, k: u32, dtype: DType) -> bool {
	affine.contiguous_at() == Some(0) && k.is_multiple_of(lanes(dtype))
}

/// Words of a packed row of `k` elements.
pub(crate) fn row_words(dtype: DType, k: u32) -> u32 {
	k.div_ceil(lanes(dtype))
}

/// The operand in rows of `k` elements and whole words: itself where it is [`ready`].
pub(crate) fn record(device: &mut Device, operand: &Seen, k: u32) -> Result<Storage, DeviceError> {
	if ready(&operand.affine, k, operand.dtype) {
		return Ok(operand.storage.clone());
	}
	let row = row_words(operand.dtype, k);
	let words = u64::from(operand.shape.elements() / k) * u64::from(row);
	let result = device.allocate(words)?;
	let arguments =
		arguments(&[(0, &[k, words as u32, row, operand.dtype as u32]), (8, &operand.view())]);
	device.dispatch(
		Kernel::Pack,
		&arguments,
		&[&result, operand.storage],
		words.div_ceil(64),
		words,
	)?;
	Ok(result)
}

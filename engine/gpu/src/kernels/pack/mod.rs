//! Operands of products, made ready.

use super::{arguments, lanes, Kernel, Seen};
use crate::device::{Device, Result, Storage};
use assay_exec::Affine;
use assay_ops::{DType, Shape};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// Whether the rows of an operand are whole words where they are stored.
pub(crate) fn ready(affine: &Affine, shape: &Shape, dtype: DType) -> bool {
	affine.contiguous_at() == Some(0) && shape.last().is_multiple_of(lanes(dtype))
}

/// Words of a packed row.
pub(crate) fn row_words(operand: &Seen) -> u32 {
	operand.shape.last().div_ceil(lanes(operand.dtype))
}

/// The operand in rows of whole words: itself where it is [`ready`].
pub(crate) fn record(device: &mut Device, operand: &Seen) -> Result<Storage> {
	if ready(&operand.affine, &operand.shape, operand.dtype) {
		return Ok(operand.storage.clone());
	}
	let k = operand.shape.last();
	let row = row_words(operand);
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

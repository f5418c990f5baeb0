//! Lut.

use super::{arguments, by_word, Kernel, Seen};
use crate::device::{Device, Result, Storage};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// Records `table[index + 128]`.
pub(crate) fn record(device: &mut Device, index: &Seen, table: &Seen) -> Result<Storage> {
	let arguments = arguments(&[(8, &index.view()), (24, &table.vector())]);
	let elements = index.shape.elements();
	let result = (table.dtype, elements);
	by_word(
		device,
		Kernel::Lut,
		arguments,
		&[index.storage, table.storage],
		result,
		elements.into(),
	)
}

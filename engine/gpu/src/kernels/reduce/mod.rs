//! ReduceSum, ReduceMax and ArgMax.

use super::{arguments, by_word, Kernel, Seen};
use crate::device::{Device, Result, Storage};
use assay_ops::DType;

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// Records a reduction along `axis`. `dtype` is that of the result.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	operand: &Seen,
	axis: u8,
	dtype: DType,
) -> Result<Storage> {
	let axis = usize::from(axis);
	let dims = operand.shape.dims();
	let inside: u32 = dims[axis + 1..].iter().product();
	let arguments =
		arguments(&[(3, &[operand.dtype as u32, dims[axis], inside]), (8, &operand.view())]);
	let elements = operand.shape.elements();
	let result = (dtype, elements / dims[axis]);
	by_word(device, kernel, arguments, &[operand.storage], result, elements.into())
}

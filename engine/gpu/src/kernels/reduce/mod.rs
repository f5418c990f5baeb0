//! ReduceSum, ReduceMax, ArgMax and ReduceSumProduct.

use super::{arguments, by_word, Kernel, Seen};
use crate::device::{Device, Result, Storage};
use assay_ops::DType;

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");
pub(crate) const PRODUCTS: &str = include_str!("products.wgsl");

/// Length of an axis and elements inside it.
fn along(operand: &Seen, axis: u8) -> (u32, u32) {
	let axis = usize::from(axis);
	let dims = operand.shape.dims();
	(dims[axis], dims[axis + 1..].iter().product())
}

/// Records a reduction along `axis`. `dtype` is that of the result.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	operand: &Seen,
	axis: u8,
	dtype: DType,
) -> Result<Storage> {
	let (len, inside) = along(operand, axis);
	let arguments = arguments(&[(3, &[operand.dtype as u32, len, inside]), (8, &operand.view())]);
	let elements = operand.shape.elements();
	let result = (dtype, elements / len);
	by_word(device, kernel, arguments, &[operand.storage], result, elements.into())
}

/// Records ReduceSumProduct. `dtype` is that of the result.
pub(crate) fn record_products(
	device: &mut Device,
	[a, b]: [&Seen; 2],
	axis: u8,
	shift: i8,
	dtype: DType,
) -> Result<Storage> {
	let (len, inside) = along(a, axis);
	let arguments = arguments(&[
		(3, &[a.dtype as u32, b.dtype as u32, len, inside, i32::from(shift) as u32]),
		(8, &a.view()),
		(24, &b.view()),
	]);
	let elements = a.shape.elements();
	let (operands, result) = ([a.storage, b.storage], (dtype, elements / len));
	let kernel = Kernel::ReduceSumProduct;
	by_word(device, kernel, arguments, &operands, result, 4 * u64::from(elements))
}

//! Folds by one invocation, or by a workgroup where the axis is long.

use super::ReduceKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, lanes, Seen},
};
use assay_ops::{DType, Shape};

/// Length of an axis and elements inside it.
fn along(operand: &Seen, axis: u8) -> (u32, u32) {
	let axis = usize::from(axis);
	let dims = operand.shape.dims();
	(dims[axis], dims[axis + 1..].iter().product())
}

/// Whether an axis is long enough for a workgroup to share it.
pub(super) fn is_long(shape: &Shape, axis: u8) -> bool {
	shape.dims().get(usize::from(axis)).is_some_and(|len| *len >= 1024)
}

/// Records a reduction along a long `axis`, with `shift` if it is ReduceSumProduct, of which `b` is
/// the second operand. `dtype` is the type that the results fit, which take a word each.
pub(super) fn record_long(
	device: &mut Device,
	kernel: Kernel,
	[a, b]: [&Seen; 2],
	(axis, shift): (u8, i8),
	dtype: DType,
) -> Result<Storage, DeviceError> {
	let (len, inside) = along(a, axis);
	device.endures(a.turns(len.div_ceil(64)) + b.turns(len.div_ceil(64)) + 70)?;
	let elements = a.shape.elements() / len;
	let result = device.allocate(elements.into())?;
	let arguments = arguments(&[
		(0, &[elements, 0, dtype as u32, a.dtype as u32, b.dtype as u32]),
		(5, &[len, inside, i32::from(shift) as u32]),
		(8, &a.view()),
		(24, &b.view()),
	]);
	let work = 4 * u64::from(a.shape.elements());
	device.dispatch(kernel, &arguments, &[&result, a.storage, b.storage], elements.into(), work)?;
	Ok(result)
}

/// Records a reduction along `axis`. `dtype` is that of the result.
pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	operand: &Seen,
	axis: u8,
	dtype: DType,
) -> Result<Storage, DeviceError> {
	let (len, inside) = along(operand, axis);
	device.endures(u64::from(lanes(dtype)) * operand.turns(len))?;
	let arguments = arguments(&[(3, &[operand.dtype as u32, len, inside]), (8, &operand.view())]);
	let elements = operand.shape.elements();
	let result = (dtype, elements / len);
	by_word(device, kernel, arguments, &[operand.storage], result, elements.into())
}

/// Records ReduceSumProduct. `dtype` is that of the result.
pub(super) fn record_products(
	device: &mut Device,
	[a, b]: [&Seen; 2],
	axis: u8,
	shift: i8,
	dtype: DType,
) -> Result<Storage, DeviceError> {
	let (len, inside) = along(a, axis);
	device.endures(u64::from(lanes(dtype)) * (a.turns(len) + b.turns(len)))?;
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

//! Concat and Pad.

use super::MovesKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, lanes, words, Seen},
};
use assay_ops::Shape;

/// Records one operand as the piece of `result`, of shape `shape`, that begins at `low` along
/// `axis`.
fn piece(
	device: &mut Device,
	kernel: Kernel,
	(result, shape): (&Storage, &Shape),
	operand: &Seen,
	(axis, low): (u8, u32),
	fill: i32,
) -> Result<(), DeviceError> {
	let axis = usize::from(axis);
	let inner: u32 = shape.dims()[axis + 1..].iter().product();
	let (total, first) = (shape.dims()[axis] * inner, low * inner);
	let run = operand.shape.dims()[axis] * inner;
	let (elements, lanes) = (shape.elements(), lanes(operand.dtype));
	let all = words(operand.dtype, elements.into()) as u32;
	// A piece that lies together needs no look at the words of the others.
	let (from, until) = if kernel == Kernel::Concat && total == elements {
		(first / lanes, (first + run).div_ceil(lanes))
	} else {
		(0, all)
	};
	let arguments = arguments(&[
		(0, &[elements, until - from, operand.dtype as u32, run, first, total, fill as u32, from]),
		(8, &operand.view()),
	]);
	let groups = u64::from(until - from).div_ceil(64);
	device.dispatch(kernel, &arguments, &[result, operand.storage], groups, u64::from(until - from))
}

/// Records Concat along `axis`; `shape` is the result's.
pub(super) fn concat(
	device: &mut Device,
	operands: &[Seen],
	axis: u8,
	shape: &Shape,
) -> Result<Storage, DeviceError> {
	let dtype = operands[0].dtype;
	let result = device.allocate(words(dtype, shape.elements().into()))?;
	let mut low = 0;
	for operand in operands {
		piece(device, Kernel::Concat, (&result, shape), operand, (axis, low), 0)?;
		low += operand.shape.dims()[usize::from(axis)];
	}
	Ok(result)
}

/// Records Pad along `axis`, with `low` elements before; `shape` is the result's.
pub(super) fn pad(
	device: &mut Device,
	operand: &Seen,
	(axis, low): (u8, u32),
	value: i32,
	shape: &Shape,
) -> Result<Storage, DeviceError> {
	let result = device.allocate(words(operand.dtype, shape.elements().into()))?;
	piece(device, Kernel::Pad, (&result, shape), operand, (axis, low), value)?;
	Ok(result)
}

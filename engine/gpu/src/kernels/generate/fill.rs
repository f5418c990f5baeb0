//! Iota and Philox.

use super::GenerateKernel as Kernel;
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, Seen},
};
use assay_ops::{DType, Shape};

/// Records the positions along `axis` of `shape`.
pub(super) fn iota(device: &mut Device, shape: &Shape, axis: u8) -> Result<Storage, DeviceError> {
	let axis = usize::from(axis);
	let inner: u32 = shape.dims()[axis + 1..].iter().product();
	let arguments = arguments(&[(3, &[inner, shape.dims()[axis]])]);
	let elements = shape.elements();
	by_word(device, Kernel::Iota, arguments, &[], (DType::I32, elements), elements.into())
}

/// Records random words.
pub(super) fn philox(
	device: &mut Device,
	seed: &Seen,
	step: &Seen,
	shape: &Shape,
	stream: u32,
) -> Result<Storage, DeviceError> {
	let elements = shape.elements();
	let blocks = elements.div_ceil(4);
	let result = device.allocate(elements.into())?;
	let arguments = arguments(&[
		(0, &[elements, blocks]),
		(3, &[stream]),
		(8, &seed.vector()),
		(10, &step.vector()),
	]);
	let buffers = [&result, seed.storage, step.storage];
	let groups = u64::from(blocks).div_ceil(64);
	device.dispatch(Kernel::Philox, &arguments, &buffers, groups, 16 * u64::from(elements))?;
	Ok(result)
}

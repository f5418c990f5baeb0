//! Pool, and what is common to windows over images.

use super::{
	arguments, by_word, kernels, lanes, probes::Probes, Evaluation, Kernel, Outline, Seen, BY_WORD,
};
use crate::device::{Device, DeviceError, Storage};
use assay_exec::DeviceFault;
use assay_ops::{DType, Geometry, PoolKind, Shape, Windowed};

pub(super) const WINDOW: &str = include_str!("window.wgsl");
const POOL: &str = include_str!("pool.wgsl");

kernels! {
	/// Kernels of windows.
	WindowKernel:
	/// The largest of a window.
	MaxPool = "max-pool", [BY_WORD, WINDOW, POOL], Some(0);
	/// The sum of a window.
	SumPool = "sum-pool", [BY_WORD, WINDOW, POOL], Some(1);
}

pub(super) fn candidates(op: Windowed, _: &[Outline]) -> Vec<Vec<Kernel>> {
	let Windowed::Pool { kind, .. } = op;
	let kernel = match kind {
		PoolKind::Max => WindowKernel::MaxPool,
		PoolKind::Sum => WindowKernel::SumPool,
	};
	vec![vec![kernel.into()]]
}

pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: Windowed,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	let Windowed::Pool { kernel: size, stride, pad, .. } = op;
	let [image] = call.exactly()?;
	pool(device, kernel, image, (size, stride, pad), call.dtype, call.shape)
}

pub(super) fn probes(kernel: WindowKernel, probes: &mut Probes) {
	match kernel {
		WindowKernel::MaxPool | WindowKernel::SumPool => probes.drawn(kernel, |_| true),
	}
}

/// What window.wgsl wants to know. Error: positions that a word with sign does not hold.
pub(super) fn window(
	image: &Shape,
	kernel: [u32; 2],
	result: &Shape,
	groups: u32,
	geometry: &Geometry,
) -> Result<[u32; 19], DeviceError> {
	let mismatch = || DeviceError::new(DeviceFault::Internal, "an image that is not one");
	let &[_, height, width, channels] = image.dims() else { return Err(mismatch()) };
	let &[_, result_height, result_width, result_channels] = result.dims() else {
		return Err(mismatch());
	};
	let Geometry { stride, pad, input_dilation, kernel_dilation, flip, .. } = *geometry;
	for axis in 0..2 {
		let most = |count: u32, by: u8| u64::from(count) * u64::from(by);
		let reach = most([height, width][axis], input_dilation[axis])
			+ most(kernel[axis], kernel_dilation[axis])
			+ most([result_height, result_width][axis], stride[axis]);
		if reach > 1 << 30 {
			let text = "an image with more positions along an axis than the kernels count";
			return Err(DeviceError::new(DeviceFault::Limits, text));
		}
	}
	let two = |pair: [u8; 2]| pair.map(u32::from);
	let low = |axis: usize| i32::from(pad[axis][0]) as u32;
	let ([s0, s1], [i0, i1], [k0, k1]) = (two(stride), two(input_dilation), two(kernel_dilation));
	Ok([
		height,
		width,
		channels,
		result_height,
		result_width,
		result_channels,
		kernel[0],
		kernel[1],
		groups,
		channels / groups,
		s0,
		s1,
		low(0),
		low(1),
		i0,
		i1,
		k0,
		k1,
		flip.into(),
	])
}

/// Records Pool; `shape` is the result's, `dtype` its type.
fn pool(
	device: &mut Device,
	kernel: Kernel,
	image: &Seen,
	(size, stride, pad): ([u8; 2], [u8; 2], [[u8; 2]; 2]),
	dtype: DType,
	shape: &Shape,
) -> Result<Storage, DeviceError> {
	let geometry = Geometry { stride, pad: pad.map(|pad| pad.map(i16::from)), ..Geometry::UNIT };
	// As a convolution whose groups are the channels.
	let window = window(&image.shape, size.map(u32::from), shape, image.shape.last(), &geometry)?;
	let arguments = arguments(&[(3, &[image.dtype as u32]), (8, &image.view()), (24, &window)]);
	let turns = (u32::from(size[0]) + 1) * (u32::from(size[1]) + 1);
	device.endures(u64::from(lanes(dtype)) * image.turns(turns))?;
	let elements = shape.elements();
	let work = u64::from(elements) * u64::from(size[0]) * u64::from(size[1]);
	by_word(device, kernel, arguments, &[image.storage], (dtype, elements), work)
}

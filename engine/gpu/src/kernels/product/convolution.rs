//! Conv2d: by products of its patches, or one output element after the other.

use super::{
	matmul::{self, Epilogue, Sizes},
	pack, ProductKernel as Kernel,
};
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, by_word, lanes, window::window, Seen},
};
use assay_ops::{DType, Geometry, Narrow, Shape};

/// Words of patches that are gathered at a time: 64 MiB.
const PATCH_WORDS: u64 = 1 << 24;

/// Whether a convolution is a product of its operands as they are.
pub(crate) fn is_whole(geometry: &Geometry, weights: &Shape) -> bool {
	matches!(weights.dims(), [_, 1, 1, _])
		&& Geometry { flip: false, kernel_dilation: [1, 1], ..*geometry } == Geometry::UNIT
}

/// Records a convolution one output element after the other; `shape` is the result's, `dtype` its
/// type.
pub(crate) fn direct(
	device: &mut Device,
	kernel: Kernel,
	operands: &[Seen],
	(geometry, narrow): (&Geometry, Option<Narrow>),
	dtype: DType,
	shape: &Shape,
) -> Result<Storage, DeviceError> {
	let (image, weights) = (&operands[0], &operands[1]);
	let dims = weights.shape.dims();
	let window = window(&image.shape, [dims[1], dims[2]], shape, geometry.groups.into(), geometry)?;
	let epilogue = Epilogue::new(narrow, operands);
	let arguments = arguments(&[
		(3, &[image.dtype as u32]),
		(5, &epilogue.numbers()),
		(8, &image.view()),
		(24, &window),
		(43, &weights.view()),
		(matmul::MORE, &epilogue.more()),
	]);
	// A loop over the channels for each element of the kernel, and those over these.
	let taps = dims[1] * dims[2];
	let turns = taps.saturating_mul(dims[3] + 1).saturating_add((dims[1] + 1) * (dims[2] + 1));
	let iterations = image.turns(turns) + weights.turns(turns);
	device.endures(u64::from(lanes(dtype)) * iterations)?;
	let elements = shape.elements();
	let work = u64::from(elements) * u64::from(weights.shape.elements() / dims[0]);
	let mut buffers = vec![image.storage, weights.storage];
	if kernel == Kernel::ConvolutionI16 {
		buffers.push(epilogue.storage(image.storage));
	}
	by_word(device, kernel, arguments, &buffers, (dtype, elements), work)
}

/// Records a convolution of one group as products, with `kernel`, of its patches, some rows of them
/// at a time. The result, of shape `shape`, has one word for each element, as that of a product.
pub(crate) fn by_patches(
	device: &mut Device,
	kernel: Kernel,
	operands: &[Seen],
	(geometry, narrow): (&Geometry, Option<Narrow>),
	shape: &Shape,
) -> Result<Storage, DeviceError> {
	let (image, weights) = (&operands[0], &operands[1]);
	let dims = weights.shape.dims();
	let (n, k) = (dims[0], weights.shape.elements() / dims[0]);
	let positions = shape.elements() / n;
	let packed = pack::record(device, weights, k)?;
	let result = device.allocate(shape.elements().into())?;
	let epilogue = Epilogue::new(narrow, operands);
	if is_whole(geometry, &weights.shape) {
		let image = pack::record(device, image, k)?;
		let sizes = Sizes { batches: 1, m: positions, n, k };
		matmul::multiply(device, kernel, (&image, &packed), sizes, epilogue, (&result, 0))?;
		return Ok(result);
	}
	let window = window(&image.shape, [dims[1], dims[2]], shape, 1, geometry)?;
	let row = pack::row_words(image.dtype, k);
	let most = PATCH_WORDS.min(device.roomy());
	let rows = (most / u64::from(row)).clamp(1, positions.into()) as u32;
	for first in (0..positions).step_by(rows as usize) {
		let m = rows.min(positions - first);
		let words = u64::from(m) * u64::from(row);
		let patches = device.allocate(words)?;
		let arguments = arguments(&[
			(0, &[k, words as u32, row, image.dtype as u32, first]),
			(8, &image.view()),
			(24, &window),
		]);
		let buffers = [&patches, image.storage];
		device.dispatch(Kernel::Patches, &arguments, &buffers, words.div_ceil(64), words)?;
		let (sizes, to) = (Sizes { batches: 1, m, n, k }, (&result, first * n));
		matmul::multiply(device, kernel, (&patches, &packed), sizes, epilogue, to)?;
	}
	Ok(result)
}

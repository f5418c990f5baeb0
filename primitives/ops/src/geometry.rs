//! Windows over images: what Conv2d and Pool read.

use crate::{OpError, Shape};
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// How [`crate::Op::Conv2d`] slides over x `[B, H, W, C]` with a kernel `[O, kh, kw, C / groups]`.
///
/// Output position o meets kernel position i at `p = o·stride − low + i·kernel_dilation` of the
/// dilated x, in which `input_dilation − 1` zeros stand between any two elements: that is element p
/// / input_dilation where the division is exact and the element exists, and 0 otherwise. There are
/// `((H − 1)·input_dilation + 1 + low + high − (kh − 1)·kernel_dilation − 1) / stride + 1` output
/// positions. With `flip` the kernel is read from its end. Output channel o belongs to group
/// `o / (O / groups)`, which reads that group of the channels of x.
///
/// This is ConvGeneralDilated of XLA (<https://openxla.org/xla/operation_semantics>), so that both
/// gradients are convolutions over transposing views. With groups = 1, `K = (k − 1)·kernel_dilation
/// + 1` and D = (H − 1)·input_dilation + 1 in each direction:
///
/// | gradient | x | kernel | stride | input dilation | kernel dilation | low | high |
/// |---|---|---|---|---|---|---|---|
/// | of x | dy | weights as `[C, kh, kw, O]` | input_dilation | stride | kernel_dilation | K − 1 − low | D + low − 1 − (H' − 1)·stride |
/// | of the weights | x as `[C, H, W, B]` | dy as `[O, H', W', B]` | kernel_dilation | input_dilation | stride | low | K + (H' − 1)·stride − D − low |
///
/// The first has `flip` turned over. The second gives `[C, kh, kw, O]`, mirrored where `flip` is
/// set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode, TypeInfo)]
pub struct Geometry {
	/// Distance of windows, for height and width; at least 1.
	pub stride: [u8; 2],
	/// Zeros before and after the (dilated) elements, for height and width; negative ones crop.
	pub pad: [[i16; 2]; 2],
	/// Distance of elements of x; at least 1.
	pub input_dilation: [u8; 2],
	/// Distance of elements of the kernel; at least 1.
	pub kernel_dilation: [u8; 2],
	/// Read the kernel from its end: a convolution in the sense of mathematics.
	pub flip: bool,
	/// Groups of channels; divides C and O.
	pub groups: u16,
}

impl Geometry {
	/// Strides and dilations 1, no padding, one group.
	pub const UNIT: Self = Self {
		stride: [1, 1],
		pad: [[0, 0]; 2],
		input_dilation: [1, 1],
		kernel_dilation: [1, 1],
		flip: false,
		groups: 1,
	};
}

/// A [`Geometry`] over an image of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
	/// Height and width of x.
	pub input: [u32; 2],
	/// Channels of x.
	pub channels: u32,
	/// Height and width of the result.
	pub output: [u32; 2],
	/// Channels of the result.
	pub output_channels: u32,
	/// Height and width of a window.
	pub kernel: [u32; 2],
	/// Groups of channels.
	pub groups: u32,
	/// Strides, padding and dilations.
	pub geometry: Geometry,
}

impl Window {
	/// A window of `kernel` over x, `groups` being those of `geometry` or, for pooling, all
	/// channels. Errors: [`OpError::OperandShape`], [`OpError::Window`].
	pub(crate) fn new(
		x: &Shape,
		kernel: [u32; 2],
		output_channels: u32,
		groups: u32,
		geometry: Geometry,
	) -> Result<Self, OpError> {
		let &[_, height, width, channels] = x.dims() else {
			return Err(OpError::OperandShape { operand: 0 });
		};
		if groups == 0
			|| !channels.is_multiple_of(groups)
			|| output_channels == 0
			|| !output_channels.is_multiple_of(groups)
		{
			return Err(OpError::Window);
		}
		let input = [height, width];
		let mut output = [0; 2];
		for (axis, slot) in output.iter_mut().enumerate() {
			*slot = positions(input[axis], kernel[axis], axis, &geometry).ok_or(OpError::Window)?;
		}
		Ok(Self { input, channels, output, output_channels, kernel, groups, geometry })
	}

	/// Channels of one group of x.
	pub(crate) fn group_channels(&self) -> u32 {
		self.channels / self.groups
	}

	/// Elements of one patch: kh·kw·C / groups.
	pub fn patch(&self) -> u32 {
		self.kernel[0].saturating_mul(self.kernel[1]).saturating_mul(self.group_channels())
	}

	/// Whether the patches are the elements of x in their order.
	pub fn is_whole(&self) -> bool {
		self.kernel == [1, 1]
			&& self.groups == 1
			&& Geometry { flip: false, kernel_dilation: [1, 1], ..self.geometry } == Geometry::UNIT
	}

	/// The patch of an output element: `position · groups + group`.
	pub(crate) fn row(&self, output: u32) -> u32 {
		let (position, channel) = (output / self.output_channels, output % self.output_channels);
		let group = channel / (self.output_channels / self.groups);
		position.wrapping_mul(self.groups).wrapping_add(group)
	}

	/// The first of the consecutive elements of x (the channels of a group) that patch `row` has at
	/// position `tap` of its kernel; none where these are zeros by rule.
	pub(crate) fn tap(&self, row: u32, tap: u32) -> Option<u32> {
		let (position, group) = (row / self.groups, row % self.groups);
		let [height, width] = self.output;
		let (image, y, x) =
			(position / width / height, position / width % height, position % width);
		let (i, j) = (tap / self.kernel[1], tap % self.kernel[1]);
		let (h, w) = (self.place(0, y, i)?, self.place(1, x, j)?);
		// Below the number of elements of x, which is at most 2^31.
		let pixel = image.wrapping_mul(self.input[0]).wrapping_add(h);
		let pixel = pixel.wrapping_mul(self.input[1]).wrapping_add(w);
		Some(pixel.wrapping_mul(self.channels).wrapping_add(group * self.group_channels()))
	}

	/// The element of x that output position `output` meets at kernel position `tap` along a
	/// direction; none where that is zero by rule.
	pub fn place(&self, axis: usize, output: u32, tap: u32) -> Option<u32> {
		let Geometry { stride, pad, input_dilation, kernel_dilation, flip, .. } = self.geometry;
		let tap = if flip { (self.kernel[axis] - 1).saturating_sub(tap) } else { tap };
		let at = output as i64 * stride[axis] as i64 - pad[axis][0] as i64
			+ tap as i64 * kernel_dilation[axis] as i64;
		let dilation = input_dilation[axis] as i64;
		if at < 0 || at % dilation != 0 {
			return None;
		}
		u32::try_from(at / dilation).ok().filter(|at| *at < self.input[axis])
	}

	/// Calls `visit(first, element, count)` for the stretches `first ..` of elements `start ..
	/// start + len` of patch `row`, `element` being none where they are zeros by rule.
	pub fn stretches(
		&self,
		row: u32,
		start: u32,
		len: u32,
		mut visit: impl FnMut(u32, Option<u32>, u32),
	) {
		let channels = self.group_channels();
		let mut done = 0;
		while done < len {
			let at = start.wrapping_add(done);
			let within = at % channels;
			let count = (channels - within).min(len - done);
			let first = self.tap(row, at / channels).map(|element| element.wrapping_add(within));
			visit(done, first, count);
			done += count;
		}
	}
}

/// Output positions along a direction; none without any.
fn positions(size: u32, kernel: u32, axis: usize, geometry: &Geometry) -> Option<u32> {
	let Geometry { stride, pad, input_dilation, kernel_dilation, .. } = geometry;
	if stride[axis] == 0 || input_dilation[axis] == 0 || kernel_dilation[axis] == 0 || kernel == 0 {
		return None;
	}
	let size = (size as i64 - 1) * input_dilation[axis] as i64
		+ 1 + pad[axis][0] as i64
		+ pad[axis][1] as i64;
	let room = size - (kernel as i64 - 1) * kernel_dilation[axis] as i64 - 1;
	if room < 0 {
		return None;
	}
	u32::try_from(room / stride[axis] as i64 + 1).ok()
}

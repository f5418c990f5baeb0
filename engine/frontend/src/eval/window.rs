//! Convolutions and pools over two dimensions (one dimension counts as two with a height of 1).

use super::{
	elementwise::larger,
	linear::sgemm,
	shapes::{groups, planes, pool_kernel},
	Call,
};
use crate::{
	array::Array,
	error::{unsupported, Result},
};
use rayon::prelude::*;

/// Largest stride, dilation, padding and extent of a window or image.
const FURTHEST: usize = 1 << 40;

/// Where the windows of a convolution or pool lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
	/// Height and width of a window.
	pub kernel: [usize; 2],
	/// Steps between windows.
	pub stride: [usize; 2],
	/// Steps inside a window.
	pub dilation: [usize; 2],
	/// Low and high padding.
	pub pad: [[usize; 2]; 2],
	/// Height and width of the result.
	pub out: [usize; 2],
}

impl Window {
	/// From the attributes of a node over `spatial` (height and width); `kernel` as the weights
	/// have it.
	pub fn new(call: &Call, spatial: &[usize], kernel: &[usize]) -> Result<Self> {
		let node = call.node;
		if spatial.len() > 2 || spatial.is_empty() || kernel.len() != spatial.len() {
			return Err(unsupported(
				&node.name,
				format!("{} over {} dimensions", node.op, spatial.len()),
				"only one and two dimensions can be imported",
			));
		}
		let line = spatial.len() == 1;
		let list = |name: &str, default: usize, times: usize| -> Result<Vec<usize>> {
			let Some(values) = node.ints(name) else {
				return Ok(vec![default; times * spatial.len()]);
			};
			let found: Option<Vec<usize>> = values
				.iter()
				.map(|&value| {
					usize::try_from(value).ok().filter(|&v| v >= default && v <= FURTHEST)
				})
				.collect();
			found.filter(|found| found.len() == times * spatial.len()).ok_or_else(|| {
				let values = &values[..values.len().min(8)];
				call.bad(&format!("{name} {values:?} over {} dimensions", spatial.len()))
			})
		};
		let pair = |values: &[usize], default: usize| match *values {
			[x] => [default, x],
			[y, x, ..] => [y, x],
			[] => [default; 2],
		};
		let stride = pair(&list("strides", 1, 1)?, 1);
		let dilation = pair(&list("dilations", 1, 1)?, 1);
		let pads = list("pads", 0, 2)?;
		let (spatial, kernel) = (pair(spatial, 1), pair(kernel, 1));
		let at = |i: usize| pads.get(i).copied().unwrap_or(0);
		let mut pad =
			if line { [[0, 0], [at(0), at(1)]] } else { [[at(0), at(2)], [at(1), at(3)]] };
		let mut out = [0, 0];
		for i in 0..2 {
			let too_large = || call.bad("a window or image beyond all bounds");
			let extent = (kernel[i].max(1) - 1)
				.checked_mul(dilation[i])
				.filter(|extent| *extent <= FURTHEST && spatial[i] <= FURTHEST)
				.ok_or_else(too_large)?
				+ 1;
			match node.text("auto_pad") {
				same @ ("SAME_UPPER" | "SAME_LOWER") => {
					let windows = spatial[i].div_ceil(stride[i]).max(1);
					let total = ((windows - 1) * stride[i] + extent).saturating_sub(spatial[i]);
					let (less, more) = (total / 2, total - total / 2);
					pad[i] = if same == "SAME_UPPER" { [less, more] } else { [more, less] };
				}
				"VALID" => pad[i] = [0, 0],
				"" | "NOTSET" => {}
				other => {
					return Err(call.bad(&format!("auto_pad `{}`", crate::error::short(other))))
				}
			}
			let padded = spatial[i] + pad[i][0] + pad[i][1];
			let free =
				padded.checked_sub(extent).ok_or_else(|| call.bad("the window is too large"))?;
			let ceil = node.int("ceil_mode", 0) != 0;
			out[i] = if ceil { free.div_ceil(stride[i]) } else { free / stride[i] } + 1;
			// A window that begins in the padding past the end does not count.
			if ceil && (out[i] - 1) * stride[i] >= spatial[i] + pad[i][0] {
				out[i] -= 1;
			}
		}
		Ok(Self { kernel, stride, dilation, pad, out })
	}

	/// Position in the input of tap `tap` of window `at` along dimension `i`, if it is inside.
	fn source(&self, i: usize, at: usize, tap: usize, dim: usize) -> Option<usize> {
		(at * self.stride[i] + tap * self.dilation[i])
			.checked_sub(self.pad[i][0])
			.filter(|&p| p < dim)
	}
}

pub(super) fn conv(call: &Call) -> Result<Array> {
	let (x, w) = (call.get(0)?, call.get(1)?);
	let [n, c, h, width] = planes(call, x)?;
	let window = Window::new(call, &x.dims[2..], w.dims.get(2..).unwrap_or(&[]))?;
	let groups = groups(call)?;
	let (out_c, group_c) = (w.dims[0], w.dims[1]);
	let [kh, kw] = window.kernel;
	let [oh, ow] = window.out;
	let k = group_c * kh * kw;
	let (x_data, w_data) = (x.float_data(), w.float_data());
	let bias = call.maybe(2).map(Array::float_data);
	let mut out = vec![0.0; n * out_c * oh * ow];
	out.par_chunks_mut((out_c * oh * ow).max(1)).enumerate().for_each(|(b, out)| {
		let mut columns = vec![0.0; k * oh * ow];
		for g in 0..groups {
			columns.fill(0.0);
			for (row, column) in columns.chunks_mut((oh * ow).max(1)).enumerate() {
				let (ci, ky, kx) = (row / (kh * kw), row / kw % kh, row % kw);
				let plane = (b * c + g * group_c + ci) * h * width;
				for y in 0..oh {
					let Some(sy) = window.source(0, y, ky, h) else { continue };
					for x in 0..ow {
						if let Some(sx) = window.source(1, x, kx, width) {
							column[y * ow + x] = x_data[plane + sy * width + sx];
						}
					}
				}
			}
			let per_group = out_c / groups;
			let weights = &w_data[g * per_group * k..];
			let from = g * per_group * oh * ow;
			let result = &mut out[from..from + per_group * oh * ow];
			sgemm((per_group, k, oh * ow), weights, &columns, (oh * ow, 1), result);
		}
		if let Some(bias) = &bias {
			for (plane, bias) in out.chunks_mut((oh * ow).max(1)).zip(bias.iter()) {
				plane.iter_mut().for_each(|value| *value += bias);
			}
		}
	});
	let mut dims = vec![n, out_c];
	dims.extend(if x.rank() == 3 { vec![ow] } else { vec![oh, ow] });
	Ok(Array::float(dims, out))
}

pub(super) fn pool(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let [n, c, h, width] = planes(call, x)?;
	let node = call.node;
	let window = Window::new(call, &x.dims[2..], &pool_kernel(call, &x.dims[2..])?)?;
	let max = node.op.ends_with("MaxPool");
	let counts_padding = node.int("count_include_pad", 0) != 0;
	let [oh, ow] = window.out;
	let data = x.float_data();
	let mut out = Vec::with_capacity(n * c * oh * ow);
	for plane in data.chunks((h * width).max(1)).take(n * c) {
		for y in 0..oh {
			for x in 0..ow {
				let (mut best, mut sum, mut count) = (f32::NEG_INFINITY, 0.0, 0usize);
				for ky in 0..window.kernel[0] {
					for kx in 0..window.kernel[1] {
						let sy = window.source(0, y, ky, h);
						let sx = window.source(1, x, kx, width);
						let (Some(sy), Some(sx)) = (sy, sx) else { continue };
						best = larger(plane[sy * width + sx], best);
						sum += plane[sy * width + sx];
						count += 1;
					}
				}
				if counts_padding {
					// Padding counts, but not what ceil_mode adds past it.
					let inside = |i: usize, at: usize, dim: usize| {
						(0..window.kernel[i])
							.filter(|tap| {
								at * window.stride[i] + tap * window.dilation[i]
									< dim + window.pad[i][0] + window.pad[i][1]
							})
							.count()
					};
					count = inside(0, y, h) * inside(1, x, width);
				}
				out.push(if max { best } else { sum / count.max(1) as f32 });
			}
		}
	}
	let mut dims = vec![n, c];
	dims.extend(if x.rank() == 3 { vec![ow] } else { vec![oh, ow] });
	Ok(Array::float(dims, out))
}

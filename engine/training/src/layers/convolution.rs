use super::{
	activations,
	linear::{add_bias, bias_gradient},
	place, Backward, Forward, Wanted,
};
use crate::{
	error::{field, Result},
	exponent::Class,
	graph::{Graph, Init, Product, Target, Tensor},
};
use assay_ops::Geometry;

/// Sizes of a convolution, height before width.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
	pub outputs: u32,
	pub kernel: [u8; 2],
	pub stride: [u8; 2],
	pub padding: [u8; 2],
}

/// x `[batch, height, width, channels]` with weights `[outputs, kernel, kernel, channels]`.
pub(super) fn conv2d(
	graph: &mut Graph,
	x: Tensor,
	path: &str,
	sizes: Sizes,
	bias: bool,
	wanted: Wanted,
) -> Result<Forward> {
	activations(&x, path)?;
	let &[_, height, width, channels] = x.dims() else {
		let reason = format!("takes [height, width, channels], not {:?}", &x.dims()[1..]);
		return Err(field(place(path), reason));
	};
	let Sizes { outputs, kernel, stride, padding } = sizes;
	if outputs == 0 || kernel.contains(&0) || stride.contains(&0) {
		return Err(field(place(path), "outputs, kernel and stride must be at least 1"));
	}
	if height.max(width) > i16::MAX as u32 {
		let reason = format!("an image of {height} by {width}; at most {} each", i16::MAX);
		return Err(field(place(path), reason));
	}
	let input = [height as i32, width as i32];
	if (0..2).any(|axis| input[axis] + 2 * i32::from(padding[axis]) < i32::from(kernel[axis])) {
		return Err(field(place(path), "the kernel is larger than the padded image"));
	}
	let pad = padding.map(|pad| [i16::from(pad); 2]);
	let geometry = Geometry { stride, pad, ..Geometry::UNIT };
	let dims = [outputs, kernel[0].into(), kernel[1].into(), channels];
	let patch = dims[1..].iter().map(|&dim| f64::from(dim)).product::<f64>();
	let init = Init::Uniform(1.0 / patch.sqrt());
	let parameter = graph.parameter(format!("{path}.weight"), &dims, init)?;
	let bias =
		bias.then(|| graph.parameter(format!("{path}.bias"), &[outputs], init)).transpose()?;
	let w = graph.weight(parameter)?;
	let (target, slot) = wanted.target(graph, path);
	let exponent = x.exponent.clone() + &w.exponent;
	let product = Product::Convolution(geometry);
	let y = graph.product(product, x.arg(), w.arg(), exponent, 1.0, target)?;
	let value = match bias {
		Some(bias) => add_bias(graph, &y, bias)?,
		None => y,
	};
	if let Some(slot) = slot {
		graph.monitor(slot, &value)?;
	}
	let output = [value.dims()[1] as i32, value.dims()[2] as i32];
	let path = path.to_owned();
	let backward: Backward = Box::new(move |graph, dy, wanted| {
		if let Some(bias) = bias {
			bias_gradient(graph, &dy.matrix()?, bias)?;
		}
		// Both gradients are convolutions over transposing views; see `Geometry`.
		let span = |axis: usize| (output[axis] - 1) * i32::from(stride[axis]);
		let kernel_pad = |axis: usize| {
			let low = i32::from(padding[axis]);
			let high = i32::from(kernel[axis]) + span(axis) - input[axis] - low;
			[low as i16, high as i16]
		};
		let of_weights = Geometry {
			pad: [kernel_pad(0), kernel_pad(1)],
			kernel_dilation: stride,
			..Geometry::UNIT
		};
		let (a, b) = (x.permute(&[3, 1, 2, 0])?, dy.permute(&[3, 1, 2, 0])?);
		let exponent = dy.exponent.clone() + &x.exponent;
		let exact = Target::Exact(dy.shape.elements() / dy.shape.last());
		let product = Product::Convolution(of_weights);
		// [channels, kernel, kernel, outputs]
		let dw = graph.product(product, a, b, exponent, 1.0, exact)?;
		graph.gradient(parameter, dw.permute(&[3, 1, 2, 0])?, dw.exponent.clone());
		if !wanted {
			return Ok(None);
		}
		let input_pad = |axis: usize| {
			let low = i32::from(kernel[axis]) - 1 - i32::from(padding[axis]);
			let high = input[axis] + i32::from(padding[axis]) - 1 - span(axis);
			[low as i16, high as i16]
		};
		let of_input = Geometry {
			pad: [input_pad(0), input_pad(1)],
			input_dilation: stride,
			flip: true,
			..Geometry::UNIT
		};
		let slot = graph.slot(format!("{path}.gradient"), Class::Gradient, -24);
		let exponent = dy.exponent.clone() + &w.exponent;
		let (a, b) = (dy.arg(), w.permute(&[3, 1, 2, 0])?);
		let product = Product::Convolution(of_input);
		let dx = graph.product(product, a, b, exponent, 1.0, Target::Slot(slot))?;
		graph.monitor(slot, &dx)?;
		Ok(Some(dx))
	});
	Ok(Forward { value, backward, learns: true })
}

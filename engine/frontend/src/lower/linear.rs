//! Products of matrices and convolutions: exact sums, then one rounding with a factor for each
//! channel.

use super::{emit::factor, to_dims, value::dense, Lowering, Value};
use crate::{
	array::Array,
	calibrate::Width,
	error::{bad_node, unsupported, Result},
	eval::Window,
	graph::Node,
};
use assay_ops::{DType, Geometry, Narrow, Op};

/// Bits that 32-bit sums of 16-bit products keep.
const SUM_BITS: f64 = 30.0;

/// Least weight scale of a channel, as a part of the largest channel's: a dead channel's weights
/// are all but zero, and its bias must still fit.
const DEAD: f64 = 1.0 / 4096.0;

/// Weights with a scale for each channel.
struct Channels {
	data: Vec<i32>,
	scales: Vec<f64>,
	/// Largest Σ|w| of a channel.
	sums: Vec<f64>,
}

/// Largest bias in units of its sums: a quarter of 32 bits, which leaves the sums their room.
const MOST_BIAS: f64 = (1u32 << 30) as f64;

/// 32-bit sums `[.., channels]`, what a unit of each channel stands for, and what is to be added.
struct Sums {
	value: Value,
	units: Vec<f64>,
	bias: Vec<f32>,
}

/// Rounds weights `[channels, ..]`.
fn quantize_channels(weights: &Array, channels: usize, limit: f64) -> Channels {
	let data = weights.floats();
	let each = (data.len() / channels.max(1)).max(1);
	let largest = |row: &[f32]| row.iter().fold(0f64, |a, &x| a.max(f64::from(x.abs())));
	let all = largest(&data).max(f64::MIN_POSITIVE);
	let mut result =
		Channels { data: Vec::with_capacity(data.len()), scales: vec![], sums: vec![] };
	for row in data.chunks(each) {
		let scale = largest(row).max(all * DEAD) / limit;
		let rounded: Vec<i32> =
			row.iter().map(|&x| (f64::from(x) / scale).round() as i32).collect();
		result.sums.push(rounded.iter().map(|x| f64::from(x.abs())).sum());
		result.data.extend(rounded);
		result.scales.push(scale);
	}
	result
}

impl Lowering<'_> {
	fn width(&self, node: &Node) -> Width {
		self.calibration.widths.get(node.output()).copied().unwrap_or(Width::I16)
	}

	pub(super) fn linear(&mut self, node: &Node) -> Result<()> {
		let weights = self.constant(node.input(1).unwrap_or_default())?;
		let n = weights.dims[0];
		let dims = self.result_dims(node)?;
		let x = self.product_operand(node, 0)?;
		let operand = x.operand()?;
		let shape = to_dims(&weights.dims);
		self.weighted(node, &x, &weights, n, shape, weights.floats(), dims, move |w, narrow| {
			(Op::MatMul { narrow }, vec![operand, w.source.into()])
		})
	}

	fn product_operand(&mut self, node: &Node, index: usize) -> Result<Value> {
		let name = node.input(index).unwrap_or_default().to_string();
		match self.width(node) {
			Width::I8 => self.narrow(&name),
			Width::I16 => self.wide(&name),
		}
	}

	pub(super) fn conv(&mut self, node: &Node) -> Result<()> {
		let name = node.input(1).unwrap_or_default().to_string();
		if self.graph.constant(&name).is_none() {
			return Err(unsupported(
				&node.name,
				"a convolution whose weights are computed",
				"only constant weights can be imported",
			));
		}
		let weights = self.constant(&name)?;
		let x = self.product_operand(node, 0)?;
		let spatial: Vec<usize> = x.dims.iter().skip(2).map(|&dim| dim as usize).collect();
		let window = Window::new(&self.call(node), &spatial, &weights.dims[2..])?;
		let line = spatial.len() == 1;
		let byte = |value: usize| -> Result<u8> {
			u8::try_from(value).map_err(|_| {
				unsupported(&node.name, "a stride or dilation above 255", "use a smaller one")
			})
		};
		let pad = |value: usize| -> Result<i16> {
			i16::try_from(value)
				.map_err(|_| unsupported(&node.name, "padding above 32767", "use less of it"))
		};
		let groups = crate::eval::shapes::groups(&self.call(node))?;
		let geometry = Geometry {
			stride: [byte(window.stride[0])?, byte(window.stride[1])?],
			pad: [
				[pad(window.pad[0][0])?, pad(window.pad[0][1])?],
				[pad(window.pad[1][0])?, pad(window.pad[1][1])?],
			],
			input_dilation: [1, 1],
			kernel_dilation: [byte(window.dilation[0])?, byte(window.dilation[1])?],
			flip: false,
			groups: u16::try_from(groups)
				.map_err(|_| unsupported(&node.name, "more than 65,535 groups", "use fewer"))?,
		};
		// [N, C, (H,) W] → [N, H, W, C].
		let image = images(&x)?;
		let [kh, kw] = window.kernel;
		let (out, each) = (weights.dims[0], weights.dims[1]);
		let from = |o: usize, y: usize, x: usize, c: usize| ((o * each + c) * kh + y) * kw + x;
		let data = weights.floats();
		let mut moved = Vec::with_capacity(data.len());
		for o in 0..out {
			for y in 0..kh {
				for x in 0..kw {
					moved.extend((0..each).map(|c| data[from(o, y, x, c)]));
				}
			}
		}
		let shape = to_dims(&[out, kh, kw, each]);
		let stored = vec![image.dims[0], window.out[0] as u32, window.out[1] as u32, out as u32];
		let operand = image.operand()?;
		self.weighted(node, &x, &weights, out, shape, moved, stored, move |w, narrow| {
			(Op::Conv2d { geometry, narrow }, vec![operand, w.source.into()])
		})?;
		// [N, H, W, C] seen as [N, C, (H,) W] again.
		if let Some(value) = self.values.get_mut(node.output()) {
			*value = value.permuted(&[0, 3, 1, 2]);
			if line {
				*value = value
					.reshaped(&[value.dims[0], value.dims[1], value.dims[3]])
					.ok_or_else(|| bad_node(&node.name, "a line that is no view of its image"))?;
			}
		}
		Ok(())
	}

	/// A product with constant weights `[channels, ..]` and its bias, down to what the result
	/// should be.
	#[allow(clippy::too_many_arguments)]
	fn weighted(
		&mut self,
		node: &Node,
		x: &Value,
		weights: &Array,
		channels: usize,
		shape: Vec<u32>,
		data: Vec<f32>,
		dims: Vec<u32>,
		product: impl FnOnce(&Value, Option<Narrow>) -> (Op, Vec<assay_program::Operand>),
	) -> Result<()> {
		let bias = match node.input(2) {
			Some(name) => self.constant(name)?.floats(),
			None => vec![0.0; channels],
		};
		let rows = Array::float(weights.dims.clone(), data);
		let width = self.width(node);
		let output = node.output().to_string();
		let (dtype, limit) = match width {
			Width::I8 => (DType::I8, 127.0),
			Width::I16 => (DType::I16, 32767.0),
		};
		let rounded = quantize_channels(&rows, channels, limit);
		let weight =
			self.weight(&format!("{}.weight", node.name), dtype, shape, rounded.data, 1.0)?;
		// 16-bit products: as many low bits of the sums go as it takes for 32 bits to hold them.
		let stats = self.calibration.stats(&output)?;
		let (magnitude, ends) = (stats.magnitude() * 2.0, [stats.min, stats.max]);
		let largest =
			rounded.scales.iter().zip(&rounded.sums).zip(&bias).map(|((w, sum), bias)| {
				// Without their bias, which may be most of the result.
				let own = ends.map(|end| 2.0 * f64::from((end - bias).abs()));
				let seen = (magnitude + f64::from(bias.abs())).min(own[0].max(own[1]));
				(seen / (x.scale * w)).min(sum * f64::from(x.dtype.max()))
			});
		let bits = largest.fold(1.0, f64::max).log2().ceil();
		let drop = if width == Width::I16 { (bits - SUM_BITS).max(0.0) as i8 } else { 0 };
		let narrow = Narrow { multiplier: 1, shift: drop, to: DType::I32 };
		let (op, operands) = product(&weight, (width == Width::I16).then_some(narrow));
		let sums = self.emit(op, operands, DType::I32, dims, 1.0);
		let units: Vec<f64> =
			rounded.scales.iter().map(|w| w * x.scale * 2f64.powi(drop.into())).collect();
		let sums_of = Sums { value: sums, units, bias };
		let oversized = sums_of
			.bias
			.iter()
			.zip(&sums_of.units)
			.any(|(bias, unit)| f64::from(bias.abs()) > unit * MOST_BIAS);
		let value = match oversized {
			true => self.far_from_zero(node, &sums_of)?,
			false => self.requantized(node, sums_of)?,
		};
		self.set(node, value);
		Ok(())
	}

	/// Sums and their bias, down to what the result should be.
	fn requantized(&mut self, node: &Node, sums: Sums) -> Result<Value> {
		let Sums { value: sums, units, bias } = sums;
		let (to, scale) = self.wish(node.output());
		let factors: Vec<(i16, i8)> = units.iter().map(|unit| factor(unit / scale)).collect();
		let n = vec![units.len() as u32];
		let multipliers = factors.iter().map(|f| f.0.into()).collect();
		let shifts = factors.iter().map(|f| f.1.into()).collect();
		let name = node.name.clone();
		let m =
			self.weight(&format!("{name}.multiplier"), DType::I16, n.clone(), multipliers, 1.0)?;
		let s = self.weight(&format!("{name}.shift"), DType::I8, n.clone(), shifts, 1.0)?;
		let mut operands = vec![sums.source.into(), m.source.into(), s.source.into()];
		if node.input(2).is_some() {
			let bias = bias.iter().zip(&units);
			let bias =
				bias.map(|(&b, unit)| super::quantize(b.into(), *unit, DType::I32)).collect();
			let b = self.weight(&format!("{name}.bias"), DType::I32, n, bias, 1.0)?;
			operands.push(b.source.into());
		}
		Ok(self.emit(Op::Requant { to }, operands, to, sums.dims.clone(), scale))
	}

	/// A bias that does not fit beside its sums: it is added to them in 32 bits whose unit holds
	/// both, and there the result stays, so that what varies is not lost beside what does not.
	fn far_from_zero(&mut self, node: &Node, sums: &Sums) -> Result<Value> {
		let magnitude = self.calibration.stats(node.output())?.magnitude();
		let largest = sums.bias.iter().fold(magnitude, |m, x| m.max(f64::from(x.abs())));
		let scale = largest * 2.0 / MOST_BIAS;
		let n = [sums.units.len()];
		let factors = sums.units.iter().map(|unit| (unit / scale) as f32).collect();
		let factors = Array::float(n, factors);
		let unit = (super::largest(&factors) / 32767.0).max(2f64.powi(-62));
		// A power of two, so that it is a shift.
		let shift = (-unit.log2().ceil()).clamp(-31.0, 62.0);
		let name = format!("{}.factor", node.name);
		let factors = self.quantized(&name, &factors, DType::I16, 2f64.powf(-shift))?;
		let dims = sums.value.dims.clone();
		let op = Op::MulShift { shift: shift as i8, to: DType::I32 };
		let scaled = self.elementwise(op, &[&sums.value, &factors], &dims, DType::I32, scale)?;
		let bias = Array::float(n, sums.bias.clone());
		let bias = self.quantized(&format!("{}.bias", node.name), &bias, DType::I32, scale)?;
		self.elementwise(Op::Add { to: DType::I32 }, &[&scaled, &bias], &dims, DType::I32, scale)
	}

	/// A product of two values that are both computed, such as attention's scores.
	pub(super) fn matmul(&mut self, node: &Node) -> Result<()> {
		let mut a = self.product_operand(node, 0)?;
		let mut b = self.product_operand(node, 1)?;
		let result = self.result_dims(node)?;
		if a.dims.len() == 1 {
			a = a.reshaped(&[1, a.dims[0]]).unwrap_or(a);
		}
		if b.dims.len() == 1 {
			let mut column = b.clone();
			column.dims.push(1);
			column.strides.push(0);
			b = column;
		}
		let (rank_a, rank_b) = (a.dims.len(), b.dims.len());
		let (m, n) = (a.dims[rank_a - 2], b.dims[rank_b - 1]);
		let k = a.dims[rank_a - 1];
		// b is [.., N, K] to the operator.
		let mut order: Vec<usize> = (0..rank_b).collect();
		order.swap(rank_b - 2, rank_b - 1);
		let b = b.permuted(&order);
		let batch = crate::array::broadcast(&[
			&a.dims[..rank_a - 2].iter().map(|&d| d as usize).collect::<Vec<_>>(),
			&b.dims[..rank_b - 2].iter().map(|&d| d as usize).collect::<Vec<_>>(),
		])
		.ok_or_else(|| bad_node(&node.name, "batches that do not fit"))?;
		let with = |rows: u32, cols: u32| {
			let mut dims = to_dims(&batch);
			dims.extend([rows, cols]);
			dims
		};
		let unfit = || bad_node(&node.name, "operands that do not fit");
		let a = a.broadcast(&with(m, k)).ok_or_else(unfit)?;
		let b = b.broadcast(&with(n, k)).ok_or_else(unfit)?;
		let (to, scale) = self.wish(node.output());
		let ratio = a.scale * b.scale / scale;
		let (multiplier, shift) = factor(ratio);
		let operands = vec![a.operand()?, b.operand()?];
		let narrow = (a.dtype == DType::I16).then_some(Narrow { multiplier, shift, to });
		let op = if batch.is_empty() { Op::MatMul { narrow } } else { Op::BatchMatMul { narrow } };
		let dims = with(m, n);
		let value = if narrow.is_some() {
			self.emit(op, operands, to, dims, scale)
		} else {
			let sums = self.emit(op, operands, DType::I32, dims.clone(), 1.0);
			let m = self.scalar(DType::I16, multiplier.into())?;
			let s = self.scalar(DType::I8, shift.into())?;
			let operands = vec![sums.source.into(), m.source.into(), s.source.into()];
			self.emit(Op::Requant { to }, operands, to, dims, scale)
		};
		let value = value.reshaped(&result).ok_or_else(unfit)?;
		self.set(node, value);
		Ok(())
	}
}

/// `[N, C, (H,) W]` seen as `[N, H, W, C]`.
pub(super) fn images(x: &Value) -> Result<Value> {
	let four = match x.dims[..] {
		[n, c, w] => {
			let mut image = x.clone();
			image.dims = vec![n, c, 1, w];
			image.strides.insert(2, 0);
			image
		}
		_ => x.clone(),
	};
	let mut image = four.permuted(&[0, 2, 3, 1]);
	// A dimension of 1 has no stride of its own, so that dense stays dense.
	for (at, stride) in dense(&image.dims).into_iter().enumerate() {
		if image.dims[at] == 1 {
			image.strides[at] = stride;
		}
	}
	Ok(image)
}

//! Pools.

use super::{emit::factor, linear::images, Lowering, Value};
use crate::{
	array::Array,
	error::{bad_node, unsupported, Result},
	eval::{shapes::pool_kernel, Call, Window},
	graph::Node,
};
use assay_ops::{DType, Op, PoolKind};

/// The windows of a pool over `spatial`, if there is a counterpart. Errors: `unsupported`,
/// `bad-model`.
pub(super) fn check(call: &Call, spatial: &[usize]) -> Result<Window> {
	let node = call.node;
	let refused = |what: String, fix: &str| Err(unsupported(&node.name, what, fix));
	let window = Window::new(call, spatial, &pool_kernel(call, spatial)?)?;
	if node.outputs.get(1).is_some_and(|name| !name.is_empty()) {
		return refused("a pool that gives positions".into(), "use its first result alone");
	}
	if window.dilation != [1, 1] {
		return refused("a pool with dilation".into(), "use a plain pool");
	}
	let size = if spatial.len() == 1 { [1, spatial[0]] } else { [spatial[0], spatial[1]] };
	for (i, size) in size.into_iter().enumerate() {
		let (kernel, stride, [low, high]) = (window.kernel[i], window.stride[i], window.pad[i]);
		if kernel > 255 || stride > 255 {
			let fix = match node.op.as_str() {
				"GlobalMaxPool" => "write it as ReduceMax over the last dimensions",
				"GlobalAveragePool" => "write it as ReduceMean over the last dimensions",
				_ => "pool in two steps",
			};
			return refused(
				format!("a window of {kernel} with steps of {stride}; 255 are the most"),
				fix,
			);
		}
		if low.max(high) >= kernel && low.max(high) > 0 {
			return refused(
				format!("padding of {} for windows of {kernel}", low.max(high)),
				"pad by less",
			);
		}
		if (size + low + high).saturating_sub(kernel) / stride + 1 != window.out[i] {
			return refused(
				"ceil_mode with a last window that is cut off".into(),
				"pad to whole windows",
			);
		}
	}
	Ok(window)
}

impl Lowering<'_> {
	pub(super) fn pool(&mut self, node: &Node) -> Result<()> {
		let name = node.input(0).unwrap_or_default().to_string();
		let max = node.op.ends_with("MaxPool");
		let x = if max { self.operand_value(&name)? } else { self.wide(&name)? };
		let spatial: Vec<usize> = x.dims.iter().skip(2).map(|&dim| dim as usize).collect();
		let window = check(&self.call(node), &spatial)?;
		let image = images(&x)?;
		let byte = |pair: [usize; 2]| [pair[0] as u8, pair[1] as u8];
		let pool = |kind, to| Op::Pool {
			kind,
			kernel: byte(window.kernel),
			stride: byte(window.stride),
			pad: [byte(window.pad[0]), byte(window.pad[1])],
			to,
		};
		let dims = vec![image.dims[0], window.out[0] as u32, window.out[1] as u32, image.dims[3]];
		let operand = image.operand()?;
		let pooled = if max {
			self.emit(pool(PoolKind::Max, x.dtype), vec![operand], x.dtype, dims, x.scale)
		} else {
			let sums = self.emit(
				pool(PoolKind::Sum, DType::I32),
				vec![operand],
				DType::I32,
				dims,
				x.scale,
			);
			self.averaged(node, &window, &spatial, &sums)?
		};
		let mut value = pooled.permuted(&[0, 3, 1, 2]);
		if spatial.len() == 1 {
			let (n, c, w) = (value.dims[0], value.dims[1], value.dims[3]);
			value = value
				.reshaped(&[n, c, w])
				.ok_or_else(|| bad_node(&node.name, "a line that is no view of its image"))?;
		}
		self.set(node, value);
		Ok(())
	}

	/// Sums over windows divided by how many elements each has.
	fn averaged(
		&mut self,
		node: &Node,
		window: &Window,
		spatial: &[usize],
		sums: &Value,
	) -> Result<Value> {
		let full = window.kernel[0] * window.kernel[1];
		let size = if spatial.len() == 1 { [1, spatial[0]] } else { [spatial[0], spatial[1]] };
		let inside = |i: usize, at: usize| {
			let start = at * window.stride[i];
			let taps = start..start + window.kernel[i];
			taps.filter(|tap| (window.pad[i][0]..window.pad[i][0] + size[i]).contains(tap)).count()
		};
		let all = node.int("count_include_pad", 0) != 0;
		let mut counts = Vec::new();
		for y in 0..window.out[0] {
			for x in 0..window.out[1] {
				counts.push(if all { full } else { inside(0, y) * inside(1, x) });
			}
		}
		let (to, scale) = self.wish(node.output());
		if counts.iter().all(|&count| count == counts[0]) {
			let (multiplier, shift) = factor(sums.scale / counts[0] as f64 / scale);
			let m = self.scalar(DType::I16, multiplier.into())?;
			let s = self.scalar(DType::I8, shift.into())?;
			let operands = vec![sums.source.into(), m.source.into(), s.source.into()];
			return Ok(self.emit(Op::Requant { to }, operands, to, sums.dims.clone(), scale));
		}
		// Windows at the border have fewer elements: a factor for each position.
		let least = counts.iter().copied().min().unwrap_or(1).max(1) as f64;
		let (_, shift) = factor(sums.scale / least / scale);
		let unit = 2f64.powi(-i32::from(shift));
		let factors =
			counts.iter().map(|&count| (sums.scale / count as f64 / scale) as f32).collect();
		let dims = [1, window.out[0], window.out[1], 1];
		let array = Array::float(dims, factors);
		let factors = self.quantized(&format!("{}.factor", node.name), &array, DType::I16, unit)?;
		let dims = sums.dims.clone();
		self.elementwise(Op::MulShift { shift, to }, &[sums, &factors], &dims, to, scale)
	}
}

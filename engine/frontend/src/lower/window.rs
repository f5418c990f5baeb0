//! Pools.

use super::{emit::factor, linear::images, Lowering, Value};
use crate::{
	array::Array,
	error::{Error, Result},
	eval::Window,
	graph::Node,
};
use assay_ops::{DType, Op, PoolKind};

impl Lowering<'_> {
	pub(super) fn pool(&mut self, node: &Node) -> Result<()> {
		let name = node.input(0).unwrap_or_default().to_string();
		let max = node.op.ends_with("MaxPool");
		let x = if max { self.operand_value(&name)? } else { self.wide(&name)? };
		let spatial: Vec<usize> = x.dims.iter().skip(2).map(|&dim| dim as usize).collect();
		let kernel: Vec<usize> = if node.op.starts_with("Global") {
			spatial.clone()
		} else {
			node.ints("kernel_shape").unwrap_or(&[]).iter().map(|&k| k.max(1) as usize).collect()
		};
		let window = Window::new(&self.call(node), &spatial, &kernel)?;
		if node.outputs.get(1).is_some_and(|name| !name.is_empty()) || window.dilation != [1, 1] {
			return Err(Error::unsupported(
				&node.name,
				"a pool with dilation or that gives positions",
				"use a plain pool",
			));
		}
		let image = images(&x)?;
		let fits = (0..2).all(|i| {
			let (k, [low, high]) = (window.kernel[i], window.pad[i]);
			k <= 255 && window.stride[i] <= 255 && low < k && high < k
		});
		let same = (0..2).all(|i| {
			let padded = image.dims[1 + i] as usize + window.pad[i][0] + window.pad[i][1];
			(padded - window.kernel[i]) / window.stride[i] + 1 == window.out[i]
		});
		if !fits || !same {
			return Err(Error::unsupported(
				&node.name,
				"a window above 255, padding as wide as the window, or ceil_mode",
				"pool in two steps, and pad to whole windows",
			));
		}
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
				.ok_or_else(|| Error::node(&node.name, "a line that is no view of its image"))?;
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

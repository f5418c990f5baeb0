//! Sums, means and extremes along dimensions, and searches.

use super::{Lowering, Value};
use crate::{
	error::{unsupported, Result},
	graph::Node,
};
use assay_ops::{DType, Op};

impl Lowering<'_> {
	/// The reduced dimensions, ascending.
	fn reduced(&self, node: &Node, rank: usize) -> Result<Vec<usize>> {
		let call = self.call(node);
		match call.list("axes", 1).filter(|axes| !axes.is_empty()) {
			Some(axes) => call.axes(&axes, rank),
			None if node.input(1).is_some()
				&& self.graph.constant(node.input(1).unwrap_or("")).is_none() =>
			{
				Err(unsupported(&node.name, "axes that are computed", "give constant axes"))
			}
			None if node.int("noop_with_empty_axes", 0) != 0 => Ok(Vec::new()),
			None => Ok((0..rank).collect()),
		}
	}

	pub(super) fn reduce(&mut self, node: &Node) -> Result<()> {
		let name = node.input(0).unwrap_or_default().to_string();
		let output = node.output().to_string();
		let mut x = self.operand_value(&name)?;
		let axes = self.reduced(node, x.dims.len())?;
		let dims = self.result_dims(node)?;
		let count: f64 = axes.iter().map(|&axis| f64::from(x.dims[axis])).product();
		let value = match node.op.as_str() {
			_ if axes.is_empty() => x,
			"ReduceMax" => {
				for &axis in axes.iter().rev() {
					x = self.along(|axis| Op::ReduceMax { axis }, &x, axis, x.dtype)?;
				}
				x
			}
			"ReduceMin" => {
				let zero = self.scalar(x.dtype, 0)?;
				let all = x.dims.clone();
				let (dtype, scale) = (x.dtype, x.scale);
				let mut negative =
					self.elementwise(Op::Sub { to: dtype }, &[&zero, &x], &all, dtype, scale)?;
				for &axis in axes.iter().rev() {
					negative = self.along(|axis| Op::ReduceMax { axis }, &negative, axis, dtype)?;
				}
				let all = negative.dims.clone();
				self.elementwise(Op::Sub { to: dtype }, &[&zero, &negative], &all, dtype, scale)?
			}
			"ReduceSum" | "ReduceMean" => {
				let by = if node.op == "ReduceMean" { 1.0 / count } else { 1.0 };
				for &axis in axes.iter().rev() {
					x = self.along(
						|axis| Op::ReduceSum { axis, to: DType::I32 },
						&x,
						axis,
						DType::I32,
					)?;
				}
				if self.scales.integer.get(&output) == Some(&true) {
					x
				} else {
					self.scaled_sums(&output, &x, by)?
				}
			}
			// Σ x², and its root for the norm.
			_ => self.squares(node, &name, &axes)?,
		};
		let value = self.reshaped(&value, &dims)?;
		self.set(node, value);
		Ok(())
	}

	/// One dimension reduced, whatever the order of storage: `op` is told its place.
	fn along(
		&mut self,
		op: impl Fn(u8) -> Op,
		x: &Value,
		axis: usize,
		dtype: DType,
	) -> Result<Value> {
		let order = x.storage_order();
		let at = order.iter().position(|&a| a == axis).unwrap_or(0) as u8;
		let op = op(at);
		let seen = x.permuted(&order);
		let operand = seen.operand()?;
		let squares = matches!(op, Op::ReduceSumProduct { .. });
		let operands = vec![operand; if squares { 2 } else { 1 }];
		let mut dims = seen.dims.clone();
		dims.remove(at.into());
		let result = self.emit(op, operands, dtype, dims, x.scale);
		// The dimensions that are left, back in the model's order.
		let left: Vec<usize> = order.iter().copied().filter(|&a| a != axis).collect();
		let mut back = vec![0; left.len()];
		for (i, &from) in left.iter().enumerate() {
			back[if from > axis { from - 1 } else { from }] = i;
		}
		Ok(result.permuted(&back))
	}

	fn squares(&mut self, node: &Node, name: &str, axes: &[usize]) -> Result<Value> {
		let &[axis] = axes else {
			return Err(unsupported(
				&node.name,
				format!("{} over several dimensions", node.op),
				"reshape so that one dimension is reduced",
			));
		};
		let x = self.wide(name)?;
		let output = node.output().to_string();
		let root = node.op == "ReduceL2";
		// The largest sum that samples show, twice, must fit 31 bits.
		let magnitude = self.calibration.stats(&output)?.magnitude();
		let largest = (if root { magnitude * magnitude } else { magnitude }) * 2.0;
		let bits = (largest / (x.scale * x.scale)).log2().ceil();
		let shift = (bits - 30.0).clamp(0.0, 62.0) as i8;
		let op = |axis| Op::ReduceSumProduct { axis, shift, to: DType::I32 };
		let sums = self.along(op, &x, axis, DType::I32)?;
		let sums = Value { scale: x.scale * x.scale * 2f64.powi(shift.into()), ..sums };
		if !root {
			return self.scaled_sums(&output, &sums, 1.0);
		}
		// √v = v / √v, with 1/√v in Q30 and the product cut to 32 bits.
		let dims = sums.dims.clone();
		let inverse = self.unary(Op::Rsqrt { shift: 30 }, &sums, DType::I32, 1.0)?;
		let op = Op::MulShift { shift: 15, to: DType::I32 };
		let scale = sums.scale.sqrt() * 2f64.powi(-15);
		let value = self.elementwise(op, &[&sums, &inverse], &dims, DType::I32, scale)?;
		self.scaled_sums(&output, &value, 1.0)
	}

	pub(super) fn arg_max(&mut self, node: &Node) -> Result<()> {
		if node.int("select_last_index", 0) != 0 {
			return Err(unsupported(
				&node.name,
				"ArgMax that gives the last of equal ones",
				"take the first: select_last_index=0",
			));
		}
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let axis = self.call(node).axis(node.int("axis", 0), x.dims.len())?;
		let dims = self.result_dims(node)?;
		let found = self.along(|axis| Op::ArgMax { axis }, &x, axis, DType::I32)?;
		let value = self.reshaped(&Value { scale: 1.0, ..found }, &dims)?;
		self.set(node, value);
		Ok(())
	}

	pub(super) fn top_k(&mut self, node: &Node) -> Result<()> {
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let k = node.input(1).and_then(|name| self.graph.scalar(name));
		let axis = self.call(node).axis(node.int("axis", -1), x.dims.len())?;
		let (Some(k), true) = (k, node.int("largest", 1) != 0) else {
			return Err(unsupported(
				&node.name,
				"TopK of the smallest, or with k computed",
				"take the largest of the negative, with a constant k",
			));
		};
		let mut order: Vec<usize> = (0..x.dims.len()).filter(|&a| a != axis).collect();
		order.push(axis);
		let mut back = vec![0; order.len()];
		for (i, &from) in order.iter().enumerate() {
			back[from] = i;
		}
		let seen = x.permuted(&order);
		let mut dims = seen.dims.clone();
		if let Some(last) = dims.last_mut() {
			*last = k as u32;
		}
		for (index, name) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
			let values = index == 0;
			let (dtype, scale) = if values { (x.dtype, x.scale) } else { (DType::I32, 1.0) };
			let operand = seen.operand()?;
			let op = Op::TopK { k: k as u32, values };
			let found = self.emit(op, vec![operand], dtype, dims.clone(), scale);
			self.values.insert(name.clone(), found.permuted(&back));
		}
		Ok(())
	}
}

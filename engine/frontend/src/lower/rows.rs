//! Softmax, normalizations and cumulative sums, which read whole rows.

use super::{emit::factor, Lowering, Value};
use crate::{
	array::Array,
	error::{unsupported, Result},
	graph::Node,
};
use assay_ops::{DType, NormKind, Op};

impl Lowering<'_> {
	/// A value with dimension `axis` last and dense, and the order that puts it back.
	fn rows(&self, x: &Value, axis: usize) -> (Value, Vec<usize>) {
		let mut order: Vec<usize> = (0..x.dims.len()).filter(|&a| a != axis).collect();
		order.push(axis);
		let mut back = vec![0; order.len()];
		for (i, &from) in order.iter().enumerate() {
			back[from] = i;
		}
		(x.permuted(&order), back)
	}

	pub(super) fn softmax(&mut self, node: &Node) -> Result<()> {
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let old = self.graph.opset < 13;
		let rank = x.dims.len();
		let axis = self.call(node).axis(node.int("axis", if old { 1 } else { -1 }), rank)?;
		// Before operator set 13 a softmax is over all dimensions from the axis on: over one, if
		// the others are 1.
		let long: Vec<usize> = (axis..rank).filter(|&at| x.dims[at] != 1).collect();
		let axis = match long[..] {
			_ if !old => axis,
			[] => axis,
			[only] => only,
			_ => {
				return Err(unsupported(
					&node.name,
					"a softmax over several dimensions, as before operator set 13",
					"convert the model to operator set 13 or later",
				))
			}
		};
		let (seen, back) = self.rows(&x, axis);
		// Distances in 2^-10 of log2.
		let (multiplier, shift) = factor(x.scale * std::f64::consts::LOG2_E * 1024.0);
		let (to, scale) = if self.scales.only8(node.output()) {
			(DType::I8, 1.0 / 128.0)
		} else {
			(DType::I16, 1.0 / 32768.0)
		};
		let operand = seen.operand()?;
		let op = Op::Softmax { multiplier, shift, to };
		let value = self.emit(op, vec![operand], to, seen.dims.clone(), scale).permuted(&back);
		self.set(node, value);
		Ok(())
	}

	pub(super) fn cum_sum(&mut self, node: &Node) -> Result<()> {
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let Some(axis) = node.input(1).and_then(|name| self.graph.scalar(name)) else {
			return Err(unsupported(
				&node.name,
				"a cumulative sum whose axis is computed",
				"give a constant axis",
			));
		};
		let axis = self.call(node).axis(axis as i64, x.dims.len())?;
		let (exclusive, reverse) = (node.int("exclusive", 0) != 0, node.int("reverse", 0) != 0);
		let (seen, back) = self.rows(&x, axis);
		let operand = seen.operand()?;
		let op = Op::CumSum { exclusive, reverse, to: DType::I32 };
		let sums = self.emit(op, vec![operand], DType::I32, seen.dims.clone(), x.scale);
		let sums = sums.permuted(&back);
		let value = if self.scales.integer.get(node.output()) == Some(&true) {
			sums
		} else {
			self.scaled_sums(node.output(), &sums, 1.0)?
		};
		self.set(node, value);
		Ok(())
	}

	pub(super) fn norm(&mut self, node: &Node) -> Result<()> {
		let name = node.input(0).unwrap_or_default().to_string();
		let rank = self.graph.shape(&name)?.len();
		let axis = self.call(node).axis(node.int("axis", -1), rank)?;
		if node.outputs.len() > 1 && node.outputs[1..].iter().any(|name| !name.is_empty()) {
			return Err(unsupported(
				&node.name,
				"a normalization that gives its mean or deviation",
				"take its first result alone",
			));
		}
		let x = self.wide(&name)?;
		let n = x.dims[axis..].iter().fold(1u32, |n, &dim| n.saturating_mul(dim));
		let mut rows = x.dims[..axis].to_vec();
		rows.push(n);
		let seen = self.reshaped(&x, &rows)?;
		let parameter = |lowering: &Self, index: usize, default: f32| -> Result<Vec<f32>> {
			let values = match node.input(index) {
				Some(name) => lowering.constant(name)?.floats(),
				None => vec![default],
			};
			let value = |i: usize| values[if values.len() == 1 { 0 } else { i % values.len() }];
			Ok((0..n as usize).map(value).collect())
		};
		let (gamma, beta) = (parameter(self, 1, 1.0)?, parameter(self, 2, 0.0)?);
		let kind = if node.op == "LayerNormalization" { NormKind::Layer } else { NormKind::Rms };
		let value =
			self.normalized(node, &seen, kind, node.float("epsilon", 1e-5), &gamma, &beta)?;
		let value = self.reshaped(&value, &x.dims)?;
		self.set(node, value);
		Ok(())
	}

	/// `x / √mean(x²) / √N` is x by its length.
	pub(super) fn lp_norm(&mut self, node: &Node) -> Result<()> {
		if node.int("p", 2) != 2 {
			return Err(unsupported(&node.name, "a norm other than L2", "use p=2"));
		}
		let x = self.wide(node.input(0).unwrap_or_default())?;
		let axis = self.call(node).axis(node.int("axis", -1), x.dims.len())?;
		let (seen, back) = self.rows(&x, axis);
		let n = f64::from(*seen.dims.last().unwrap_or(&1));
		let value =
			self.normalized(node, &seen, NormKind::Rms, 0.0, &[(1.0 / n.sqrt()) as f32], &[0.0])?;
		self.set(node, value.permuted(&back));
		Ok(())
	}

	fn normalized(
		&mut self,
		node: &Node,
		x: &Value,
		kind: NormKind,
		epsilon: f32,
		gamma: &[f32],
		beta: &[f32],
	) -> Result<Value> {
		let (to, scale) = self.wish(node.output());
		// gamma and beta share a scale that is the result's by a power of two, so that gamma fills
		// 16 bits.
		let largest = |list: &[f32]| list.iter().fold(1e-30f64, |a, x| a.max(f64::from(x.abs())));
		// Of beta, 32 bits are filled at most.
		let least = (largest(gamma) / 32767.0).max(largest(beta) / f64::from(1 << 30));
		let shift = (scale / least).log2().floor().clamp(-31.0, 62.0);
		let unit = scale / 2f64.powf(shift);
		let squared = f64::from(epsilon) / (x.scale * x.scale);
		if squared > f64::from(u32::MAX) {
			self.warnings.push(format!(
				"node `{}` ({}): its epsilon {epsilon:e} is too large beside values of at most {:.1e}, and is cut",
				crate::error::short(&node.name),
				node.op,
				x.scale * 32767.0
			));
		}
		let epsilon = squared.round().clamp(0.0, f64::from(u32::MAX)) as u32;
		let parameters = |list: &[f32]| Array::float([list.len()], list.to_vec());
		let name = node.name.clone();
		let gamma =
			self.quantized(&format!("{name}.gamma"), &parameters(gamma), DType::I16, unit)?;
		let beta = self.quantized(&format!("{name}.beta"), &parameters(beta), DType::I32, unit)?;
		let operands = vec![x.operand()?, gamma.operand()?, beta.operand()?];
		let op = Op::Norm { kind, epsilon, to, shift: shift as i8 };
		Ok(self.emit(op, operands, to, x.dims.clone(), scale))
	}
}

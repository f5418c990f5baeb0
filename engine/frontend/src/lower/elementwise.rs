//! Sums, products, clamps.

use super::{
	emit::{factor, HIDING_UNIT},
	quantize, Lowering, Value,
};
use crate::{
	error::{bad_node, short, unsupported, Result},
	graph::Node,
};
use assay_ops::{DType, Op};

impl Lowering<'_> {
	pub(super) fn sum(&mut self, node: &Node) -> Result<()> {
		let names: Vec<&str> = node.inputs.iter().map(String::as_str).collect();
		let output = node.output().to_string();
		let dims = self.result_dims(node)?;
		let op = |to| match node.op.as_str() {
			"Sub" => Op::Sub { to },
			_ => Op::Add { to },
		};
		// What hides others by being far below them is a mask: it saturates where it applies.
		let masks = self.masks(&names)?;
		if masks.contains(&true) {
			let scale = self.unmasked_scale(&names, &masks)?;
			let mut sum: Option<Value> = None;
			for name in &names {
				let value = match self.graph.constants.get(*name).cloned() {
					// As fine as the scores: beside what hides there may be numbers, as in ALiBi.
					Some(array) => self.cut(name, &array, DType::I32, scale)?,
					None => {
						let value = self.operand_value(name)?;
						self.rescaled(&value, DType::I32, scale)?
					}
				};
				sum = Some(match sum {
					None => value,
					Some(sum) => {
						let operands = [&sum, &value];
						self.elementwise(op(DType::I32), &operands, &dims, DType::I32, scale)?
					}
				});
			}
			let sum = sum.ok_or_else(|| bad_node(&node.name, "a sum of nothing"))?;
			self.set(node, sum);
			return Ok(());
		}
		let values = self.aligned(&names, &output, false)?;
		let Some((first, rest)) = values.split_first() else {
			return Err(bad_node(&node.name, "a sum of nothing"));
		};
		let integer = self.scales.integer.get(&output) == Some(&true);
		let wish = self.scales.wide(&output);
		// At another scale than the result wishes for, 16 bits could overflow.
		let to = if integer || first.dtype == DType::I32 || (first.scale / wish - 1.0).abs() > 1e-9
		{
			DType::I32
		} else {
			DType::I16
		};
		let mut sum = first.clone();
		for value in rest {
			let (scale, dims) = (sum.scale, dims.clone());
			sum = self.elementwise(op(to), &[&sum, value], &dims, to, scale)?;
		}
		self.set(node, sum);
		Ok(())
	}

	/// Which operands of a sum are masks: values with a magnitude far above another's. None, where
	/// all are alike.
	fn masks(&mut self, names: &[&str]) -> Result<Vec<bool>> {
		let exact = |name: &&str| self.scales.integer.get(*name) == Some(&true);
		if names.len() < 2 || names.iter().all(exact) {
			return Ok(vec![false; names.len()]);
		}
		let mut magnitudes = Vec::new();
		for name in names {
			let seen = match self.graph.constant(name) {
				Some(array) => super::largest(array),
				None => self.calibration.stats.get(*name).map_or(1.0, |stats| stats.magnitude()),
			};
			// A mask that the samples do not use is known by its unit.
			let unit = match self.graph.constant(name) {
				Some(_) => 0.0,
				None => self.operand_value(name)?.scale,
			};
			magnitudes.push(if unit >= HIDING_UNIT { f64::INFINITY } else { seen });
		}
		let least = magnitudes.iter().copied().fold(f64::INFINITY, f64::min);
		Ok(magnitudes
			.iter()
			.map(|&m| m.is_infinite() || (m > 1e4 * least.max(1e-3) && m > 1e3))
			.collect())
	}

	/// The scale of 32-bit sums with masks: that of the operand that is none, or one that holds all
	/// of them.
	fn unmasked_scale(&mut self, names: &[&str], masks: &[bool]) -> Result<f64> {
		let others: Vec<&str> =
			names.iter().zip(masks).filter(|(_, mask)| !**mask).map(|(name, _)| *name).collect();
		if others.is_empty() {
			let mut scale = 0f64;
			for name in names {
				scale = scale.max(self.operand_value(name)?.scale);
			}
			return Ok(scale);
		}
		if let [only] = others[..] {
			return Ok(self.operand_value(only)?.scale);
		}
		let mut sum = 0.0;
		for name in others {
			sum += match self.graph.constant(name) {
				Some(array) => super::largest(array),
				None => self.calibration.stats(name)?.magnitude(),
			};
		}
		// Masks need room below: 2^31 of 2^24.
		Ok(sum / f64::from(1 << 24))
	}

	pub(super) fn product(&mut self, node: &Node) -> Result<()> {
		let [a, b] = [0, 1].map(|i| node.input(i).unwrap_or_default().to_string());
		let constant = |name: &str| self.graph.constant(name).is_some();
		let (x, other) = if constant(&a) { (b, a) } else { (a, b) };
		if let (Some(by), false) = (self.graph.scalar(&other), constant(&x)) {
			return self.multiple(node, &x, f64::from(by));
		}
		let (x, y) = (self.small(&x)?, self.small(&other)?);
		self.multiplied(node, &x, &y)
	}

	/// A value that fits a product: i32 only where it is made of small integers.
	fn small(&mut self, name: &str) -> Result<Value> {
		let value = self.operand_value(name)?;
		let fits = self.graph.constant(name).is_some()
			|| self.calibration.stats(name)?.magnitude() / value.scale <= 32768.0;
		if value.dtype == DType::I32 && !fits {
			self.wide(name)
		} else {
			Ok(value)
		}
	}

	fn multiplied(&mut self, node: &Node, x: &Value, y: &Value) -> Result<()> {
		let dims = self.result_dims(node)?;
		let output = node.output().to_string();
		if self.scales.integer.get(&output) == Some(&true) {
			let to = DType::I32;
			let value = self.elementwise(Op::Mul { to }, &[x, y], &dims, to, 1.0)?;
			self.set(node, value);
			return Ok(());
		}
		// A power of two, upwards so that the range fits, costs at most one bit of sixteen.
		let unit = x.scale * y.scale;
		let shift = (self.scales.wide(&output) / unit).log2().ceil().clamp(-14.0, 62.0) as i8;
		let scale = unit * 2f64.powi(shift.into());
		let op = Op::MulShift { shift, to: DType::I16 };
		let value = self.elementwise(op, &[x, y], &dims, DType::I16, scale)?;
		self.set(node, value);
		Ok(())
	}

	/// A multiple of a value is the same integers with another scale.
	fn multiple(&mut self, node: &Node, x: &str, by: f64) -> Result<()> {
		let value = self.operand_value(x)?;
		let dims = self.result_dims(node)?;
		let spread = value.broadcast(&dims).unwrap_or(value);
		let integer = self.scales.integer.get(node.output()) == Some(&true);
		let value = if integer || by == 0.0 || !by.is_finite() {
			let number = self.scalar(DType::I32, quantize(by, 1.0, DType::I32))?;
			let dims = spread.dims.clone();
			self.elementwise(
				Op::Mul { to: DType::I32 },
				&[&spread, &number],
				&dims,
				DType::I32,
				1.0,
			)?
		} else {
			let scaled = Value { scale: spread.scale * by.abs(), ..spread };
			if by < 0.0 {
				self.negated(&scaled)?
			} else {
				scaled
			}
		};
		self.set(node, value);
		Ok(())
	}

	fn negated(&mut self, x: &Value) -> Result<Value> {
		let zero = self.scalar(x.dtype, 0)?;
		let dims = x.dims.clone();
		// The least number has no counterpart; it saturates.
		self.elementwise(Op::Sub { to: x.dtype }, &[&zero, x], &dims, x.dtype, x.scale)
	}

	pub(super) fn negate(&mut self, node: &Node) -> Result<()> {
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let value = self.negated(&x)?;
		self.set(node, value);
		Ok(())
	}

	pub(super) fn quotient(&mut self, node: &Node) -> Result<()> {
		let [a, b] = [0, 1].map(|i| node.input(i).unwrap_or_default().to_string());
		let output = node.output().to_string();
		let dims = self.result_dims(node)?;
		let integer = self.scales.integer.get(&output) == Some(&true);
		if integer {
			return Err(unsupported(
				&node.name,
				"a quotient of integers that are computed",
				"divide outside the model, or cast to float first",
			));
		}
		if let Some(divisor) = self.graph.constant(&b) {
			let inverse: Vec<f32> = divisor.floats().into_iter().map(|x| 1.0 / x).collect();
			if let [by] = inverse[..] {
				if !by.is_finite() {
					return Err(bad_node(&node.name, "it divides by 0"));
				}
				return self.multiple(node, &a, by.into());
			}
			let inverse = crate::array::Array::float(divisor.dims.clone(), inverse);
			let magnitude = super::largest(&inverse).max(f64::from(f32::MIN_POSITIVE));
			if !magnitude.is_finite() {
				return Err(bad_node(
					&node.name,
					format!("`{}` holds 0, by which it divides", short(&b)),
				));
			}
			let y =
				self.quantized(&format!("{b}.inverse"), &inverse, DType::I16, magnitude / 32767.0)?;
			let x = self.small(&a)?;
			return self.multiplied(node, &x, &y);
		}
		let (x, y) = (self.operand_value(&a)?, self.operand_value(&b)?);
		// ⌊a · 2^shift / b⌉ in 32 bits, as fine as they allow, then to what the result wishes for.
		let magnitude = self.calibration.stats(&output)?.magnitude();
		let largest = magnitude * y.scale / x.scale;
		let shift = (30.0 - largest.log2().ceil().max(0.0)).clamp(0.0, 30.0) as u8;
		let to = DType::I32;
		let scale = x.scale / y.scale / 2f64.powi(shift.into());
		let quotient = self.elementwise(Op::IntDiv { shift, to }, &[&x, &y], &dims, to, scale)?;
		let value = self.settled(&output, &quotient)?;
		self.set(node, value);
		Ok(())
	}

	pub(super) fn extreme(&mut self, node: &Node) -> Result<()> {
		let names: Vec<&str> = node.inputs.iter().map(String::as_str).collect();
		let dims = self.result_dims(node)?;
		let values = self.aligned(&names, node.output(), true)?;
		let Some((first, rest)) = values.split_first() else {
			return Err(bad_node(&node.name, "the extreme of nothing"));
		};
		let mut result = first.broadcast(&dims).unwrap_or_else(|| first.clone());
		for value in rest {
			let op = if node.op == "Max" { Op::Max } else { Op::Min };
			let (dtype, scale) = (result.dtype, result.scale);
			result = self.elementwise(op, &[&result, value], &dims, dtype, scale)?;
		}
		self.set(node, result);
		Ok(())
	}

	pub(super) fn clamp(&mut self, node: &Node) -> Result<()> {
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let bound = |index: usize, name: &str| -> Result<Option<f64>> {
			match node.input(index) {
				Some(input) => match self.graph.scalar(input) {
					Some(bound) => Ok(Some(bound.into())),
					None => Err(unsupported(
						&node.name,
						"a bound that is computed",
						"write it as Min and Max",
					)),
				},
				None => {
					Ok(node.attributes.contains_key(name).then(|| node.float(name, 0.0).into()))
				}
			}
		};
		let (lo, hi) = match node.op.as_str() {
			"Relu" => (Some(0.0), None),
			_ => (bound(1, "min")?, bound(2, "max")?),
		};
		let lo = lo.map_or(x.dtype.min(), |bound| quantize(bound, x.scale, x.dtype));
		let hi = hi.map_or(x.dtype.max(), |bound| quantize(bound, x.scale, x.dtype));
		let value = self.unary(Op::Clamp { lo: lo.min(hi), hi }, &x, x.dtype, x.scale)?;
		self.set(node, value);
		Ok(())
	}

	pub(super) fn power(&mut self, node: &Node) -> Result<()> {
		let [x, exponent] = [0, 1].map(|i| node.input(i).unwrap_or_default().to_string());
		match self.graph.scalar(&exponent) {
			Some(1.0) => {
				let value = self.operand_value(&x)?;
				self.set(node, value);
				Ok(())
			}
			Some(2.0) => {
				let value = self.small(&x)?;
				self.multiplied(node, &value, &value.clone())
			}
			Some(_) => self.table(node),
			None => Err(unsupported(
				&node.name,
				"a power whose exponent is computed or differs by element",
				"use one constant exponent",
			)),
		}
	}

	/// `x · by` of 32-bit sums, as the result of `node` should be.
	pub(super) fn scaled_sums(&mut self, output: &str, sums: &Value, by: f64) -> Result<Value> {
		let (to, scale) = self.wish(output);
		let (multiplier, shift) = factor(sums.scale * by / scale);
		let multiplier = self.scalar(DType::I16, multiplier.into())?;
		let dims = sums.dims.clone();
		self.elementwise(Op::MulShift { shift, to }, &[sums, &multiplier], &dims, to, scale)
	}
}

//! Comparisons, logic, choice, casts.

use super::{Lowering, Value};
use crate::{
	error::{unsupported, Result},
	graph::Node,
};
use assay_ops::{DType, Op, Relation};

impl Lowering<'_> {
	pub(super) fn logic(&mut self, node: &Node) -> Result<()> {
		let dims = self.result_dims(node)?;
		let input = |i: usize| node.input(i).unwrap_or_default();
		let value = match node.op.as_str() {
			"Not" => {
				let x = self.operand_value(input(0))?;
				self.is_zero(&x)?
			}
			"And" | "Or" | "Xor" => {
				let mut sides = Vec::new();
				for index in 0..2 {
					let x = self.operand_value(input(index))?;
					sides.push(self.truth(&x)?);
				}
				let op = match node.op.as_str() {
					"And" => Op::Min,
					"Or" => Op::Max,
					_ => {
						let op = Op::Compare { relation: Relation::Equal };
						let same =
							self.elementwise(op, &[&sides[0], &sides[1]], &dims, DType::I8, 1.0)?;
						let value = self.is_zero(&same)?;
						self.set(node, value);
						return Ok(());
					}
				};
				self.elementwise(op, &[&sides[0], &sides[1]], &dims, DType::I8, 1.0)?
			}
			"Where" => self.choice(node, &dims)?,
			_ => {
				let (a, b, relation) = match node.op.as_str() {
					"Equal" => (0, 1, Relation::Equal),
					"Less" => (0, 1, Relation::Less),
					"LessOrEqual" => (0, 1, Relation::LessOrEqual),
					"Greater" => (1, 0, Relation::Less),
					_ => (1, 0, Relation::LessOrEqual),
				};
				let values = self.aligned(&[input(a), input(b)], input(a), true)?;
				let op = Op::Compare { relation };
				self.elementwise(op, &[&values[0], &values[1]], &dims, DType::I8, 1.0)?
			}
		};
		self.set(node, value);
		Ok(())
	}

	/// 1 where `x` is 0.
	fn is_zero(&mut self, x: &Value) -> Result<Value> {
		let zero = self.scalar(x.dtype, 0)?;
		let dims = x.dims.clone();
		let op = Op::Compare { relation: Relation::Equal };
		self.elementwise(op, &[x, &zero], &dims, DType::I8, 1.0)
	}

	/// 1 where `x` is not 0.
	fn truth(&mut self, x: &Value) -> Result<Value> {
		let zero = self.is_zero(x)?;
		self.is_zero(&zero)
	}

	fn choice(&mut self, node: &Node, dims: &[u32]) -> Result<Value> {
		let [condition, a, b] = [0, 1, 2].map(|i| node.input(i).unwrap_or_default().to_string());
		let condition = self.operand_value(&condition)?;
		let fixed = |name: &str| self.graph.constant(name).is_some();
		let values = match (fixed(&a), fixed(&b)) {
			// What takes a value's place, such as the least float for a mask, is cut to the value's
			// range.
			(true, false) | (false, true) => {
				let moving = if fixed(&a) { &b } else { &a };
				let x = self.operand_value(moving)?;
				let mut pair = Vec::new();
				let array = self.constant(if fixed(&a) { &a } else { &b })?;
				let name = format!("{}.constant", node.name);
				// Room above the range, so that a mask is far below every score.
				let wide = self.rescaled(&x, DType::I32, x.scale)?;
				let constant = self.cut(&name, &array, DType::I32, x.scale)?;
				for name in [&a, &b] {
					pair.push(if fixed(name) { constant.clone() } else { wide.clone() });
				}
				pair
			}
			// A mask of two constants: their own range counts, whatever the samples show of it.
			(true, true) => {
				let (x, y) = (self.constant(&a)?, self.constant(&b)?);
				let integer = x.is_int() && y.is_int();
				let magnitude = super::largest(&x).max(super::largest(&y));
				let (dtype, scale) = match integer || magnitude == 0.0 {
					true => (DType::I32, 1.0),
					false => (DType::I16, magnitude / 32767.0),
				};
				vec![self.quantized(&a, &x, dtype, scale)?, self.quantized(&b, &y, dtype, scale)?]
			}
			_ => self.aligned(&[&a, &b], node.output(), false)?,
		};
		let (dtype, scale) = (values[0].dtype, values[0].scale);
		self.elementwise(Op::Select, &[&condition, &values[0], &values[1]], dims, dtype, scale)
	}

	pub(super) fn cast(&mut self, node: &Node) -> Result<()> {
		let name = node.input(0).unwrap_or_default();
		let x = self.operand_value(name)?;
		let integer = self.scales.integer.get(name) == Some(&true);
		let to = node.int("to", 1);
		let value = match to {
			9 => self.truth(&x)?,
			1 | 10 | 11 | 16 => x,
			_ if integer => x,
			_ => {
				return Err(unsupported(
					&node.name,
					"a cast of floats to integers",
					"cast outside the model",
				))
			}
		};
		self.set(node, value);
		Ok(())
	}
}

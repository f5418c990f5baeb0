//! Operators that move elements. Most are views, which cost nothing.

use super::{to_dims, Lowering, Value};
use crate::{
	error::{bad_node, unsupported, Error, Result},
	eval::rearrange::{pads, permutation, slice_ranges, split_lengths},
	graph::Node,
	passes::finite::HIDES,
};
use assay_ops::{DType, Op};
use assay_program::Source;

/// Most pieces that are joined: more than a program has nodes for.
const MOST_PIECES: usize = 1 << 16;

/// Most operands of a Concat node.
const CONCAT: usize = 16;

impl Lowering<'_> {
	pub(super) fn view(&mut self, node: &Node) -> Result<()> {
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let dims = self.result_dims(node)?;
		let value = match node.op.as_str() {
			"Identity" | "Dropout" => x,
			"Transpose" => {
				let rank = x.dims.len();
				let order = permutation(&self.call(node), rank)?;
				x.permuted(&order)
			}
			"Expand" => x
				.broadcast(&dims)
				.ok_or_else(|| bad_node(&node.name, "a shape that it does not expand to"))?,
			"Slice" => self.slice(node, x)?,
			"Split" => return self.split(node, &x),
			"DepthToSpace" => self.depth_to_space(node, &x, &dims)?,
			_ => self.reshaped(&x, &dims)?,
		};
		self.set(node, value);
		Ok(())
	}

	/// Other dimensions: a view where strides can say it, else a copy first.
	pub(super) fn reshaped(&mut self, x: &Value, dims: &[u32]) -> Result<Value> {
		if let Some(value) = x.reshaped(dims) {
			return Ok(value);
		}
		let copy = self.copy(x)?;
		copy.reshaped(dims).ok_or_else(|| {
			Error::new("bad-model", format!("{:?} reshaped to {dims:?}", x.dims))
				.fix("export the model again")
		})
	}

	fn slice(&mut self, node: &Node, x: Value) -> Result<Value> {
		let shape: Vec<usize> = x.dims.iter().map(|&dim| dim as usize).collect();
		let shape = crate::array::Array::float(shape.clone(), Vec::new());
		let mut call = self.call(node);
		call.operands[0] = Some(&shape);
		let ranges = slice_ranges(&call)?;
		let mut value = x;
		for (axis, (start, count, step)) in ranges.into_iter().enumerate() {
			// One element has no direction.
			let step = if count > 1 { step } else { 1 };
			let Ok(step) = u32::try_from(step) else {
				return Err(unsupported(
					&node.name,
					"a slice that goes backwards",
					"reverse outside the model",
				));
			};
			value = value.sliced(axis, start as u32, count as u32, step);
		}
		Ok(value)
	}

	fn split(&mut self, node: &Node, x: &Value) -> Result<()> {
		let call = self.call(node);
		let axis = call.axis(node.int("axis", 0), x.dims.len())?;
		let lengths = split_lengths(&call, x.dims[axis] as usize)?;
		let mut start = 0;
		for (name, length) in node.outputs.iter().zip(lengths) {
			let length = length as u32;
			if !name.is_empty() {
				self.values.insert(name.clone(), x.sliced(axis, start, length, 1));
			}
			start += length;
		}
		Ok(())
	}

	fn depth_to_space(&mut self, node: &Node, x: &Value, dims: &[u32]) -> Result<Value> {
		let block = u32::try_from(node.int("blocksize", 1)).unwrap_or(1).max(1);
		let (&[n, _, h, w], &[_, depth, ..]) = (&x.dims[..], dims) else {
			return Err(bad_node(&node.name, "four dimensions are needed"));
		};
		let (parts, order) = if node.text("mode") == "CRD" {
			([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3])
		} else {
			([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2])
		};
		let seen = self.reshaped(x, &parts)?.permuted(&order);
		self.reshaped(&seen, dims)
	}

	pub(super) fn gather(&mut self, node: &Node) -> Result<()> {
		let [table, indices] = [0, 1].map(|i| node.input(i).unwrap_or_default().to_string());
		let dims = self.result_dims(node)?;
		let rank = self.graph.shape(&table)?.len();
		let axis = self.call(node).axis(node.int("axis", 0), rank)?;
		if let Some(at) = self.graph.constant(&indices) {
			let at = at.ints();
			return self.pick(node, &table, axis, &at, &dims);
		}
		if axis != 0 {
			return Err(unsupported(
				&node.name,
				format!("Gather along dimension {axis} with indices that are computed"),
				"transpose so that it gathers rows",
			));
		}
		if self.calibration.stats(&indices)?.min < 0.0 {
			return Err(unsupported(
				&node.name,
				"Gather with negative indices that are computed",
				"count from the start",
			));
		}
		let at = self.operand_value(&indices)?;
		let at = self.anchored(&at)?;
		let rows = match self.graph.constant(&table) {
			Some(array) => {
				let array = array.clone();
				let wide = self.scales.wide(node.output());
				// A table of masks needs a unit of its own, whichever rows the samples show.
				let masks = f64::from(HIDES) <= super::largest(&array);
				let (dtype, scale) = match (array.is_int(), masks) {
					(true, _) => (DType::I32, 1.0),
					(false, true) => (DType::I16, super::largest(&array) / 32767.0),
					(false, false) => (DType::I16, wide),
				};
				self.quantized(&table, &array, dtype, scale)?
			}
			None => {
				let value = self.operand_value(&table)?;
				self.anchored(&value)?
			}
		};
		let operands = vec![rows.operand()?, at.operand()?];
		let value = self.emit(Op::Gather, operands, rows.dtype, dims, rows.scale);
		self.builder.eager(value.source);
		self.set(node, value);
		Ok(())
	}

	/// What a Gather reads must be committed.
	fn anchored(&mut self, x: &Value) -> Result<Value> {
		if let Source::Node(_) = x.source {
			self.builder.eager(x.source);
		}
		Ok(x.clone())
	}

	/// Constant positions along a dimension.
	fn pick(
		&mut self,
		node: &Node,
		table: &str,
		axis: usize,
		at: &[i64],
		dims: &[u32],
	) -> Result<()> {
		let x = self.operand_value(table)?;
		let len = i64::from(x.dims[axis]);
		let at = at
			.iter()
			.map(|&i| if i < 0 { i.saturating_add(len) } else { i })
			.map(|i| u32::try_from(i).ok().filter(|_| i < len))
			.collect::<Option<Vec<u32>>>()
			.filter(|at| !at.is_empty())
			.ok_or_else(|| bad_node(&node.name, "an index outside its table"))?;
		// Positions that are equally far apart, forwards, are a view.
		let step = at.get(1).map_or(Some(1), |second| second.checked_sub(at[0]));
		let even =
			|step: u32| step > 0 && at.windows(2).all(|w| w[1].checked_sub(w[0]) == Some(step));
		let value = if let Some(step) = step.filter(|&step| even(step)) {
			x.sliced(axis, at[0], at.len() as u32, step)
		} else {
			if at.len() > MOST_PIECES {
				return Err(unsupported(
					&node.name,
					format!("a Gather of {} rows in no order", at.len()),
					"fold it into its table: onnxsim",
				));
			}
			let pieces: Vec<Value> = at.iter().map(|&i| x.sliced(axis, i, 1, 1)).collect();
			self.joined(node, &pieces, axis)?
		};
		let value = self.reshaped(&value, dims)?;
		self.set(node, value);
		Ok(())
	}

	pub(super) fn concat(&mut self, node: &Node) -> Result<()> {
		let names: Vec<&str> = node.inputs.iter().map(String::as_str).collect();
		let rank = self.graph.shape(node.output())?.len();
		let axis = self.call(node).axis(node.int("axis", 0), rank)?;
		let all8 = names
			.iter()
			.all(|name| self.values.get(*name).is_some_and(|value| value.dtype == DType::I8));
		let values = if all8 {
			let scale = self.scales.narrow(node.output());
			let mut values = Vec::new();
			for name in &names {
				let value = self.operand_value(name)?;
				values.push(self.rescaled(&value, DType::I8, scale)?);
			}
			values
		} else {
			self.aligned(&names, node.output(), false)?
		};
		let value = self.joined(node, &values, axis)?;
		self.set(node, value);
		Ok(())
	}

	/// One after the other along `axis`, stored in the order of the first.
	fn joined(&mut self, node: &Node, pieces: &[Value], axis: usize) -> Result<Value> {
		let Some(first) = pieces.first() else {
			return Err(bad_node(&node.name, "nothing to join"));
		};
		let mut level: Vec<Value> = pieces.to_vec();
		while level.len() > 1 {
			let mut next = Vec::new();
			for group in level.chunks(CONCAT) {
				let order = group[0].storage_order();
				let at = order.iter().position(|&a| a == axis).unwrap_or(0);
				let mut dims = group[0].permuted(&order).dims;
				dims[at] =
					group.iter().fold(0u32, |sum, piece| sum.saturating_add(piece.dims[axis]));
				let operands = group
					.iter()
					.map(|piece| piece.permuted(&order).operand())
					.collect::<Result<Vec<_>>>()?;
				let joined = self.emit(
					Op::Concat { axis: at as u8 },
					operands,
					first.dtype,
					dims,
					first.scale,
				);
				let mut back = vec![0; order.len()];
				for (i, &axis) in order.iter().enumerate() {
					back[axis] = i;
				}
				next.push(joined.permuted(&back));
			}
			level = next;
		}
		Ok(level.remove(0))
	}

	pub(super) fn pad(&mut self, node: &Node) -> Result<()> {
		let x = self.operand_value(node.input(0).unwrap_or_default())?;
		let pads = pads(&self.call(node), x.dims.len())?;
		let fill = match node.input(2) {
			Some(name) => f64::from(self.graph.scalar(name).ok_or_else(|| {
				unsupported(&node.name, "padding that is computed", "pad with a constant")
			})?),
			None => f64::from(node.float("value", 0.0)),
		};
		let fill = super::quantize(fill, x.scale, x.dtype);
		let mut value = x;
		for (axis, (low, high)) in pads.into_iter().enumerate() {
			let crop = |pad: i64| pad.min(0).unsigned_abs() as u32;
			if low < 0 || high < 0 {
				let count = value.dims[axis].saturating_sub(crop(low)).saturating_sub(crop(high));
				value = value.sliced(axis, crop(low), count, 1);
			}
			let (low, high) = (low.max(0) as u32, high.max(0) as u32);
			if (low, high) == (0, 0) {
				continue;
			}
			let order = value.storage_order();
			let at = order.iter().position(|&a| a == axis).unwrap_or(0);
			let seen = value.permuted(&order);
			let mut dims = seen.dims.clone();
			dims[at] = dims[at].saturating_add(low).saturating_add(high);
			let op = Op::Pad { axis: at as u8, low, high, value: fill };
			let operand = seen.operand()?;
			let padded = self.emit(op, vec![operand], value.dtype, dims, value.scale);
			let mut back = vec![0; order.len()];
			for (i, &axis) in order.iter().enumerate() {
				back[axis] = i;
			}
			value = padded.permuted(&back);
		}
		debug_assert_eq!(value.dims, to_dims(self.graph.shape(node.output())?));
		self.set(node, value);
		Ok(())
	}
}

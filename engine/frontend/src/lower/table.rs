//! Elementwise functions of one value as tables with straight lines between their points.

use super::{quantize, Lowering};
use crate::{
	array::Array,
	error::{unsupported, Result},
	eval,
	graph::Node,
};
use assay_ops::{DType, Op, TensorType};

/// Fewest and most segments, as powers of two.
const SEGMENTS: std::ops::RangeInclusive<u32> = 9..=13;

/// Longest table that is a constant of the program rather than a weight, in bytes.
const IN_PROGRAM: usize = 600;

impl Lowering<'_> {
	pub(super) fn table(&mut self, node: &Node) -> Result<()> {
		let moving: Vec<usize> = (0..node.inputs.len())
			.filter(|&i| node.input(i).is_some_and(|name| self.graph.constant(name).is_none()))
			.collect();
		let &[place] = &moving[..] else {
			return Err(unsupported(
				&node.name,
				format!("{} of several values", node.op),
				"docs/models.md says what each operator may read",
			));
		};
		let name = node.input(place).unwrap_or_default().to_string();
		let x = self.wide(&name)?;
		let scale = self.scales.wide(node.output());
		let at = |points: Vec<f32>| -> Result<Vec<f32>> {
			let grid = Array::float([points.len()], points);
			let operands: Vec<_> = (0..node.inputs.len())
				.map(|i| if i == place { Some(&grid) } else { self.graph.constant(node.input(i)?) })
				.collect();
			let results = eval::node(node, self.graph.opset, &operands)?;
			Ok(results.first().map(Array::floats).unwrap_or_default())
		};
		let points = |p: u32, half: bool| -> Vec<f32> {
			let step = f64::from(1 << (16 - p));
			let count = (1usize << p) + usize::from(!half);
			let offset = if half { 0.5 } else { 0.0 };
			(0..count).map(|i| ((-32768.0 + (i as f64 + offset) * step) * x.scale) as f32).collect()
		};
		// Values outside what the samples show may be cut.
		let limit = 32767.0 * scale;
		let clean = |y: f32| if y.is_nan() { 0.0 } else { f64::from(y).clamp(-limit, limit) };
		let seen = self.calibration.stats(&name)?.clone();
		let mut p = *SEGMENTS.start();
		let table = loop {
			let table = at(points(p, false))?;
			let between = at(points(p, true))?;
			let places = points(p, true);
			let error = table
				.windows(2)
				.zip(&between)
				.zip(&places)
				.filter(|(_, x)| (seen.min..=seen.max).contains(x))
				.map(|((w, &y), _)| ((clean(w[0]) + clean(w[1])) / 2.0 - clean(y)).abs())
				.fold(0.0, f64::max);
			if error <= scale / 2.0 || p == *SEGMENTS.end() {
				break table;
			}
			p += 1;
		};
		let data: Vec<i32> =
			table.into_iter().map(|y| quantize(clean(y), scale, DType::I16)).collect();
		let table = match self.tables.get(&data) {
			Some(table) => *table,
			None => {
				let source = if data.len() * 2 <= IN_PROGRAM {
					let ty = TensorType::of(DType::I16, super::value::shape(&[data.len() as u32])?);
					self.builder.constant_values(ty, &data)
				} else {
					let dims = vec![data.len() as u32];
					let name = format!("{}.table", node.name);
					self.weight(&name, DType::I16, dims, data.clone(), scale)?.source
				};
				self.tables.insert(data, source);
				source
			}
		};
		// Stored in the order in which the operand is.
		let order = x.storage_order();
		let seen = x.permuted(&order);
		let operands = vec![seen.operand()?, table.into()];
		let result = self.emit(Op::LutInterp, operands, DType::I16, seen.dims.clone(), scale);
		let mut back = vec![0; order.len()];
		for (i, &axis) in order.iter().enumerate() {
			back[axis] = i;
		}
		self.set(node, result.permuted(&back));
		Ok(())
	}
}

//! Reductions and searches.

use super::Call;
use crate::{array::Array, error::Result};

/// The rows to reduce, and the result's dimensions.
type Rows = (Vec<Vec<f32>>, Vec<usize>);

/// Reduces one row.
type Reduction = Box<dyn Fn(&[f32]) -> f64>;

/// Dimensions moved so that the reduced ones come last: the rows to reduce and the result's dimensions.
fn rows(call: &Call, x: &Array) -> Result<Option<Rows>> {
	let axes = match call.list("axes", 1).filter(|axes| !axes.is_empty()) {
		Some(axes) => call.axes(&axes, x.rank())?,
		None if call.node.int("noop_with_empty_axes", 0) != 0 => return Ok(None),
		None => (0..x.rank()).collect(),
	};
	let keep = call.node.int("keepdims", 1) != 0;
	let mut order: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
	let outer: usize = order.iter().map(|&axis| x.dims[axis]).product();
	order.extend(&axes);
	let own = crate::array::strides(&x.dims);
	let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
	let strides: Vec<usize> = order.iter().map(|&axis| own[axis]).collect();
	let values = x.pick(dims.clone(), crate::array::walk(&dims, &strides, 0).into_iter()).floats();
	let each = values.len() / outer.max(1);
	let rows = if each == 0 {
		vec![Vec::new(); outer]
	} else {
		values.chunks(each).map(<[f32]>::to_vec).collect()
	};
	let result = (0..x.rank())
		.filter(|axis| keep || !axes.contains(axis))
		.map(|axis| if axes.contains(&axis) { 1 } else { x.dims[axis] })
		.collect();
	Ok(Some((rows, result)))
}

pub(super) fn reduce(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let Some((rows, dims)) = rows(call, x)? else { return Ok(x.clone()) };
	let sum = |row: &[f32], f: fn(f64) -> f64| row.iter().map(|&v| f(f64::from(v))).sum::<f64>();
	let function: Reduction = match call.node.op.as_str() {
		"ReduceSum" => Box::new(move |row| sum(row, |v| v)),
		"ReduceMean" => Box::new(move |row| sum(row, |v| v) / row.len().max(1) as f64),
		"ReduceSumSquare" => Box::new(move |row| sum(row, |v| v * v)),
		"ReduceL2" => Box::new(move |row| sum(row, |v| v * v).sqrt()),
		"ReduceL1" => Box::new(move |row| sum(row, f64::abs)),
		"ReduceMax" => Box::new(|row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max).into()),
		"ReduceMin" => Box::new(|row| row.iter().copied().fold(f32::INFINITY, f32::min).into()),
		_ => return Err(crate::Error::new(
			"unsupported-operator",
			format!("node `{}`: operator {}", call.node.name, call.node.op),
			"docs/models.md lists the operators that can be imported; write the model with those",
		)),
	};
	let out = Array::float(dims, rows.iter().map(|row| function(row) as f32).collect());
	Ok(if x.is_int() { Array::int(out.dims.clone(), out.ints()) } else { out })
}

pub(super) fn arg_max(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let axis = call.axis(call.node.int("axis", 0), x.rank())?;
	let last = call.node.int("select_last_index", 0) != 0;
	let (len, inner) = (x.dims[axis], x.dims.iter().skip(axis + 1).product::<usize>());
	let outer: usize = x.dims.iter().take(axis).product();
	let data = x.floats();
	let mut out = Vec::with_capacity(outer * inner);
	for o in 0..outer {
		for j in 0..inner {
			let at = |k: usize| data[(o * len + k) * inner + j];
			let better = |k: usize, best: usize| at(k) > at(best) || (last && at(k) == at(best));
			out.push((1..len).fold(0, |best, k| if better(k, best) { k } else { best }) as i64);
		}
	}
	let mut dims = x.dims.clone();
	if call.node.int("keepdims", 1) != 0 {
		dims[axis] = 1;
	} else {
		dims.remove(axis);
	}
	Ok(Array::int(dims, out))
}

pub(super) fn top_k(call: &Call) -> Result<Vec<Array>> {
	let x = call.get(0)?;
	let k = call.get(1)?.ints().first().copied().unwrap_or(1).max(0) as usize;
	let axis = call.axis(call.node.int("axis", -1), x.rank())?;
	let largest = call.node.int("largest", 1) != 0;
	let (len, inner) = (x.dims[axis], x.dims.iter().skip(axis + 1).product::<usize>());
	let outer: usize = x.dims.iter().take(axis).product();
	if k > len {
		return Err(call.bad("k is larger than the dimension"));
	}
	let data = x.floats();
	let mut positions = vec![0i64; outer * k * inner];
	let mut from = vec![0usize; outer * k * inner];
	for o in 0..outer {
		for j in 0..inner {
			let at = |i: usize| (o * len + i) * inner + j;
			let mut order: Vec<usize> = (0..len).collect();
			order.sort_by(|&a, &b| {
				let ordering = data[at(a)].total_cmp(&data[at(b)]);
				if largest {
					ordering.reverse()
				} else {
					ordering
				}
			});
			for (rank, &i) in order.iter().take(k).enumerate() {
				positions[(o * k + rank) * inner + j] = i as i64;
				from[(o * k + rank) * inner + j] = at(i);
			}
		}
	}
	let mut dims = x.dims.clone();
	dims[axis] = k;
	Ok(vec![x.pick(dims.clone(), from.into_iter()), Array::int(dims, positions)])
}

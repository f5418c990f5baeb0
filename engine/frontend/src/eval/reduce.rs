//! Reductions and searches.

use super::{
	elementwise::{larger, smaller},
	shapes::{cum_sum_axis, reduction},
	Call,
};
use crate::{
	array::{Array, Data},
	error::Result,
};

/// Reduces one row.
type Reduction = Box<dyn Fn(&[f32]) -> f64>;

pub(super) fn reduce(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let Some((axes, result)) = reduction(call, &x.dims)? else { return Ok(x.clone()) };
	// Dimensions moved so that the reduced ones come last.
	let mut order: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
	let outer: usize = order.iter().map(|&axis| x.dims[axis]).product();
	order.extend(&axes);
	let own = crate::array::strides(&x.dims);
	let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
	let strides: Vec<usize> = order.iter().map(|&axis| own[axis]).collect();
	let values = x.pick(dims.clone(), crate::array::walk(&dims, &strides, 0));
	if let Some(out) = integers(call, &values, outer) {
		return Ok(Array::int(result, out));
	}
	let values = values.float_data();
	let sum = |row: &[f32], f: fn(f64) -> f64| row.iter().map(|&v| f(f64::from(v))).sum::<f64>();
	let function: Reduction = match call.node.op.as_str() {
		"ReduceSum" => Box::new(move |row| sum(row, |v| v)),
		"ReduceMean" => Box::new(move |row| sum(row, |v| v) / row.len().max(1) as f64),
		"ReduceSumSquare" => Box::new(move |row| sum(row, |v| v * v)),
		"ReduceL2" => Box::new(move |row| sum(row, |v| v * v).sqrt()),
		"ReduceL1" => Box::new(move |row| sum(row, f64::abs)),
		"ReduceMax" => Box::new(|row| row.iter().copied().fold(f32::NEG_INFINITY, larger).into()),
		"ReduceMin" => Box::new(|row| row.iter().copied().fold(f32::INFINITY, smaller).into()),
		_ => return Err(super::unknown(call.node)),
	};
	let each = values.len() / outer.max(1);
	let out: Vec<f32> = match each {
		0 => vec![function(&[]) as f32; outer],
		each => values.chunks(each).map(|row| function(row) as f32).collect(),
	};
	let out = Array::float(result, out);
	Ok(if x.is_int() { Array::int(out.dims.clone(), out.ints()) } else { out })
}

/// Of integers, what no float of 24 bits has to round; they wrap as they do in ONNX.
fn integers(call: &Call, values: &Array, outer: usize) -> Option<Vec<i64>> {
	let Data::Int(values) = &values.data else { return None };
	let function: fn(&[i64]) -> i64 = match call.node.op.as_str() {
		"ReduceSum" => |row| row.iter().fold(0, |all, x| all.wrapping_add(*x)),
		"ReduceSumSquare" => {
			|row| row.iter().fold(0, |all, x| all.wrapping_add(x.wrapping_mul(*x)))
		}
		"ReduceL1" => |row| row.iter().fold(0, |all, x| all.wrapping_add(x.wrapping_abs())),
		"ReduceMax" => |row| row.iter().copied().max().unwrap_or(i64::MIN),
		"ReduceMin" => |row| row.iter().copied().min().unwrap_or(i64::MAX),
		_ => return None,
	};
	Some(match values.len() / outer.max(1) {
		0 => vec![function(&[]); outer],
		each => values.chunks(each).map(function).collect(),
	})
}

pub(super) fn arg_max(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let axis = call.axis(call.node.int("axis", 0), x.rank())?;
	let last = call.node.int("select_last_index", 0) != 0;
	let (len, inner) = (x.dims[axis], x.dims.iter().skip(axis + 1).product::<usize>());
	let outer: usize = x.dims.iter().take(axis).product();
	let data = x.float_data();
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

pub(super) fn cum_sum(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let axis = cum_sum_axis(call)?;
	let exclusive = call.node.int("exclusive", 0) != 0;
	let reverse = call.node.int("reverse", 0) != 0;
	let (len, inner) = (x.dims[axis], x.dims.iter().skip(axis + 1).product::<usize>());
	let outer: usize = x.dims.iter().take(axis).product();
	let data = x.float_data();
	let mut out = vec![0f32; data.len()];
	for row in 0..outer * inner {
		let mut sum = 0f64;
		for k in 0..len {
			let k = if reverse { len - 1 - k } else { k };
			let at = (row / inner * len + k) * inner + row % inner;
			let before = sum;
			sum += f64::from(data[at]);
			out[at] = if exclusive { before } else { sum } as f32;
		}
	}
	let out = Array::float(x.dims.clone(), out);
	Ok(if x.is_int() { Array::int(out.dims.clone(), out.ints()) } else { out })
}

pub(super) fn top_k(call: &Call) -> Result<Vec<Array>> {
	let x = call.get(0)?;
	let k = call.get(1)?.int_data().first().copied().unwrap_or(1).max(0) as usize;
	let axis = call.axis(call.node.int("axis", -1), x.rank())?;
	let largest = call.node.int("largest", 1) != 0;
	let (len, inner) = (x.dims[axis], x.dims.iter().skip(axis + 1).product::<usize>());
	let outer: usize = x.dims.iter().take(axis).product();
	if k > len {
		return Err(call.bad("k is larger than the dimension"));
	}
	let data = x.float_data();
	let mut positions = vec![0i64; outer * k * inner];
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
			}
		}
	}
	let mut dims = x.dims.clone();
	dims[axis] = k;
	let from = positions.iter().enumerate().map(|(at, &i)| {
		let (o, j) = (at / (k * inner).max(1), at % inner.max(1));
		(o * len + i as usize) * inner + j
	});
	let values = x.pick(dims.clone(), from);
	Ok(vec![values, Array::int(dims, positions)])
}

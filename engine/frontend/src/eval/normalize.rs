//! Normalizations and softmax.

use super::Call;
use crate::{
	array::Array,
	error::{unsupported, Result},
};

pub(super) fn batch(call: &Call) -> Result<Array> {
	// Before operator set 14 its further outputs say it: the running statistics, and those of the
	// batch.
	let further = call.node.outputs.iter().skip(1).any(|name| !name.is_empty());
	if call.node.int("training_mode", 0) != 0 || further {
		let name = &call.node.name;
		return Err(unsupported(name, "BatchNormalization while training", "export for inference"));
	}
	let x = call.get(0)?;
	let [scale, bias, mean, var] = [1, 2, 3, 4].map(|i| call.get(i).map(Array::floats));
	let (scale, bias, mean, var) = (scale?, bias?, mean?, var?);
	let epsilon = call.node.float("epsilon", 1e-5);
	let channels = x.dims.get(1).copied().unwrap_or(1);
	if [&scale, &bias, &mean, &var].iter().any(|list| list.len() != channels) {
		return Err(call.bad("one parameter for each channel is needed"));
	}
	let inner: usize = x.dims.iter().skip(2).product();
	let data = x.float_data();
	let data = data.iter().enumerate().map(|(i, value)| {
		let c = i / inner.max(1) % channels.max(1);
		(value - mean[c]) / (var[c] + epsilon).sqrt() * scale[c] + bias[c]
	});
	Ok(Array::float(x.dims.clone(), data.collect()))
}

/// LayerNormalization and RMSNormalization over the dimensions from `axis` on.
pub(super) fn layer(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let axis = call.axis(call.node.int("axis", -1), x.rank())?;
	let epsilon = f64::from(call.node.float("epsilon", 1e-5));
	let n: usize = x.dims.iter().skip(axis).product();
	let centre = call.node.op == "LayerNormalization";
	let parameter = |index: usize| call.maybe(index).map(Array::floats);
	let (gamma, beta) = (parameter(1), parameter(2));
	for array in [call.maybe(1), call.maybe(2)].into_iter().flatten() {
		// The last dimensions, or one number.
		let last = x.dims.len().saturating_sub(array.rank());
		if array.len() != 1 && (array.is_empty() || last < axis || array.dims != x.dims[last..]) {
			return Err(call.bad("a parameter does not fit"));
		}
	}
	let mut out = x.floats();
	for row in out.chunks_mut(n.max(1)) {
		let values = || row.iter().map(|&value| f64::from(value));
		let mean = if centre { values().sum::<f64>() / n as f64 } else { 0.0 };
		let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
		let factor = 1.0 / (variance + epsilon).sqrt();
		for (i, value) in row.iter_mut().enumerate() {
			let gamma = gamma.as_ref().map_or(1.0, |list| f64::from(list[i % list.len()]));
			let beta = beta.as_ref().map_or(0.0, |list| f64::from(list[i % list.len()]));
			*value = ((f64::from(*value) - mean) * factor * gamma + beta) as f32;
		}
	}
	Ok(Array::float(x.dims.clone(), out))
}

/// Runs `row` over the elements along `axis`.
fn along(x: &Array, axis: usize, mut row: impl FnMut(&mut [f64])) -> Array {
	let inner: usize = x.dims.iter().skip(axis + 1).product();
	let len = x.dims.get(axis).copied().unwrap_or(1);
	let mut out = x.floats();
	let mut buffer = vec![0.0; len];
	for outer in 0..out.len() / (len * inner).max(1) {
		for j in 0..inner {
			let at = |k: usize| (outer * len + k) * inner + j;
			for (k, slot) in buffer.iter_mut().enumerate() {
				*slot = f64::from(out[at(k)]);
			}
			row(&mut buffer);
			for (k, &value) in buffer.iter().enumerate() {
				out[at(k)] = value as f32;
			}
		}
	}
	Array::float(x.dims.clone(), out)
}

pub(super) fn lp(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let axis = call.axis(call.node.int("axis", -1), x.rank())?;
	let one = call.node.int("p", 2) == 1;
	Ok(along(x, axis, |row| {
		let norm = if one {
			row.iter().map(|v| v.abs()).sum::<f64>()
		} else {
			row.iter().map(|v| v * v).sum::<f64>().sqrt()
		};
		for value in row {
			*value = if norm == 0.0 { 0.0 } else { *value / norm };
		}
	}))
}

pub(super) fn softmax(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let old = call.opset < 13;
	let row = |row: &mut [f64]| {
		let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
		let sum: f64 = row
			.iter_mut()
			.map(|value| {
				*value = (*value - max).exp();
				*value
			})
			.sum();
		for value in row {
			*value /= sum;
		}
	};
	if old {
		// Before operator set 13 everything from the axis on is one row.
		let axis = match call.node.int("axis", 1) {
			end if end == x.rank() as i64 => x.rank(),
			axis => call.axis(axis, x.rank())?,
		};
		let n: usize = x.dims.iter().skip(axis).product();
		let flat = along(&x.reshaped([x.len() / n.max(1), n]), 1, row);
		return Ok(flat.reshaped(x.dims.clone()));
	}
	let axis = call.axis(call.node.int("axis", -1), x.rank())?;
	Ok(along(x, axis, row))
}

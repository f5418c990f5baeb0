//! Operators that move elements: shapes, slices, gathers.

use super::Call;
use crate::{
	array::{broadcast, broadcast_strides, strides, walk, Array, Data},
	error::{Error, Result},
};

pub(super) fn evaluate(call: &Call) -> Result<Option<Vec<Array>>> {
	let node = call.node;
	let one = match node.op.as_str() {
		"Shape" => {
			let x = call.get(0)?;
			let rank = x.rank() as i64;
			let clamp = |v: i64| (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize;
			let (start, end) = (clamp(node.int("start", 0)), clamp(node.int("end", rank)));
			let dims: Vec<i64> =
				x.dims[start..end.max(start)].iter().map(|&dim| dim as i64).collect();
			Array::int([dims.len()], dims)
		}
		"Size" => Array::int([], vec![call.get(0)?.len() as i64]),
		"Reshape" => reshape(call)?,
		"Flatten" => {
			let x = call.get(0)?;
			let axis = node.int("axis", 1);
			let axis = if axis < 0 { axis + x.rank() as i64 } else { axis } as usize;
			let rows: usize = x.dims.iter().take(axis).product();
			x.reshaped([rows, x.dims.iter().skip(axis).product()])
		}
		"Squeeze" => {
			let x = call.get(0)?;
			let axes = match call.list("axes", 1) {
				Some(axes) => call.axes(&axes, x.rank())?,
				None => (0..x.rank()).filter(|&axis| x.dims[axis] == 1).collect(),
			};
			if axes.iter().any(|&axis| x.dims[axis] != 1) {
				return Err(call.bad("a squeezed dimension is not 1"));
			}
			let dims: Vec<usize> =
				(0..x.rank()).filter(|axis| !axes.contains(axis)).map(|i| x.dims[i]).collect();
			x.reshaped(dims)
		}
		"Unsqueeze" => {
			let x = call.get(0)?;
			let axes = call.list("axes", 1).ok_or_else(|| call.bad("axes are missing"))?;
			let rank = x.rank() + axes.len();
			let axes = call.axes(&axes, rank)?;
			let mut left = x.dims.iter().copied();
			let dims: Vec<usize> = (0..rank)
				.map(|axis| if axes.contains(&axis) { 1 } else { left.next().unwrap_or(1) })
				.collect();
			x.reshaped(dims)
		}
		"Transpose" => {
			let x = call.get(0)?;
			let order: Vec<usize> = match node.ints("perm") {
				Some(perm) => {
					perm.iter().map(|&axis| call.axis(axis, x.rank())).collect::<Result<_>>()?
				}
				None => (0..x.rank()).rev().collect(),
			};
			let own = strides(&x.dims);
			let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
			let moved: Vec<usize> = order.iter().map(|&axis| own[axis]).collect();
			x.pick(dims.clone(), walk(&dims, &moved, 0).into_iter())
		}
		"Expand" => {
			let x = call.get(0)?;
			let to: Vec<usize> = call.get(1)?.ints().into_iter().map(|dim| dim as usize).collect();
			let dims = broadcast(&[&x.dims, &to]).ok_or_else(|| call.bad("shapes do not fit"))?;
			x.pick(dims.clone(), walk(&dims, &broadcast_strides(&x.dims, &dims), 0).into_iter())
		}
		"Tile" => tile(call)?,
		"Concat" => concat(call)?,
		"Slice" => slice(call)?,
		"Split" => return split(call).map(Some),
		"Gather" => gather(call)?,
		"Pad" => pad(call)?,
		"ConstantOfShape" => {
			let dims: Vec<usize> =
				call.get(0)?.ints().into_iter().map(|dim| dim as usize).collect();
			let len = dims.iter().product();
			match node.attributes.get("value") {
				Some(crate::graph::Attribute::Tensor(value)) => {
					value.pick(dims, std::iter::repeat_n(0, len))
				}
				_ => Array::float(dims, vec![0.0; len]),
			}
		}
		"Range" => range(call)?,
		"DepthToSpace" => depth_to_space(call)?,
		_ => return Ok(None),
	};
	Ok(Some(vec![one]))
}

fn reshape(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let wanted = call.list("shape", 1).ok_or_else(|| call.bad("a shape is missing"))?;
	let keep_zero = call.node.int("allowzero", 0) == 0;
	let mut dims: Vec<usize> = Vec::with_capacity(wanted.len());
	for (at, &dim) in wanted.iter().enumerate() {
		dims.push(match dim {
			0 if keep_zero => *x.dims.get(at).ok_or_else(|| call.bad("0 copies no dimension"))?,
			-1 => 1,
			dim => dim as usize,
		});
	}
	if let Some(open) = wanted.iter().position(|&dim| dim == -1) {
		let known: usize = dims.iter().product();
		dims[open] = x.len() / known.max(1);
	}
	if dims.iter().product::<usize>() != x.len() {
		return Err(call.bad(&format!("its elements do not fill {wanted:?}")));
	}
	Ok(x.reshaped(dims))
}

fn tile(call: &Call) -> Result<Array> {
	let (x, repeats) = (call.get(0)?, call.get(1)?.ints());
	if repeats.len() != x.rank() {
		return Err(call.bad("one repeat for each dimension is needed"));
	}
	// Seen as [repeat, dim, …] with stride 0 along the repeats.
	let (mut dims, mut by) = (Vec::new(), Vec::new());
	for ((&dim, stride), &repeat) in x.dims.iter().zip(strides(&x.dims)).zip(&repeats) {
		dims.extend([repeat.max(0) as usize, dim]);
		by.extend([0, stride]);
	}
	let out: Vec<usize> = dims.chunks(2).map(|pair| pair[0] * pair[1]).collect();
	Ok(x.pick(out, walk(&dims, &by, 0).into_iter()))
}

fn concat(call: &Call) -> Result<Array> {
	let first = call.get(0)?;
	let axis = call.axis(call.node.int("axis", 0), first.rank())?;
	let parts: Vec<&Array> = call.operands.iter().copied().flatten().collect();
	let mut dims = first.dims.clone();
	dims[axis] = parts.iter().map(|part| part.dims.get(axis).copied().unwrap_or(0)).sum();
	let outer: usize = dims.iter().take(axis).product();
	let each = |part: &Array| part.dims.iter().skip(axis).product::<usize>();
	let fits = |part: &&Array| {
		part.rank() == dims.len() && (0..dims.len()).all(|i| i == axis || part.dims[i] == dims[i])
	};
	if !parts.iter().all(fits) {
		return Err(call.bad("the other dimensions differ"));
	}
	if parts.iter().all(|part| part.is_int()) {
		let data: Vec<Vec<i64>> = parts.iter().map(|part| part.ints()).collect();
		let pieces = (0..outer)
			.flat_map(|o| parts.iter().zip(&data).map(move |(p, d)| (o, each(p), d)))
			.flat_map(|(o, n, d)| d[o * n..(o + 1) * n].iter().copied());
		let pieces = pieces.collect();
		return Ok(Array::int(dims, pieces));
	}
	let data: Vec<Vec<f32>> = parts.iter().map(|part| part.floats()).collect();
	let mut out = Vec::with_capacity(dims.iter().product());
	for o in 0..outer {
		for (part, data) in parts.iter().zip(&data) {
			let n = each(part);
			out.extend_from_slice(&data[o * n..(o + 1) * n]);
		}
	}
	Ok(Array::float(dims, out))
}

/// Start, count and step of each dimension of a `Slice`.
pub(crate) fn slice_ranges(call: &Call) -> Result<Vec<(usize, usize, i64)>> {
	let x = call.get(0)?;
	let missing = || call.bad("starts and ends are needed");
	let starts = call.list("starts", 1).ok_or_else(missing)?;
	let ends = call.list("ends", 2).ok_or_else(missing)?;
	let axes = call.list("axes", 3).unwrap_or_else(|| (0..starts.len() as i64).collect());
	let steps = call.list("steps", 4).unwrap_or_else(|| vec![1; starts.len()]);
	let mut ranges: Vec<_> = x.dims.iter().map(|&dim| (0, dim, 1)).collect();
	for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
		let axis = call.axis(axis, x.rank())?;
		let dim = x.dims[axis] as i64;
		let from_end = |v: i64| if v < 0 { v.saturating_add(dim) } else { v };
		let (start, end) = (from_end(start), from_end(end));
		ranges[axis] = if step > 0 {
			let (start, end) = (start.clamp(0, dim), end.clamp(0, dim));
			(start as usize, ((end - start).max(0) as u64).div_ceil(step as u64) as usize, step)
		} else if step < 0 {
			let (start, end) = (start.clamp(-1, dim - 1), end.clamp(-1, dim - 1));
			let count = ((start - end).max(0) as u64).div_ceil(step.unsigned_abs());
			(start.max(0) as usize, count as usize, step)
		} else {
			return Err(call.bad("a step of 0"));
		};
	}
	Ok(ranges)
}

fn slice(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let ranges = slice_ranges(call)?;
	let own = strides(&x.dims);
	let dims: Vec<usize> = ranges.iter().map(|range| range.1).collect();
	let mut at = vec![0i64];
	for (&(start, count, step), &stride) in ranges.iter().zip(&own) {
		at = at
			.iter()
			.flat_map(|&from| {
				(0..count as i64).map(move |i| from + (start as i64 + i * step) * stride as i64)
			})
			.collect();
	}
	Ok(x.pick(dims, at.into_iter().map(|i| i as usize)))
}

/// Lengths of the pieces of a `Split`.
pub(crate) fn split_lengths(call: &Call, dim: usize) -> Result<Vec<usize>> {
	let lengths: Vec<usize> = match call.list("split", 1) {
		Some(lengths) => lengths.into_iter().map(|v| v.max(0) as usize).collect(),
		None => {
			let count =
				call.node.int("num_outputs", call.node.outputs.len() as i64).max(1) as usize;
			let each = dim.div_ceil(count);
			(0..count).map(|i| each.min(dim.saturating_sub(i * each))).collect()
		}
	};
	if lengths.iter().sum::<usize>() != dim {
		return Err(call.bad("the pieces do not add up to the dimension"));
	}
	Ok(lengths)
}

fn split(call: &Call) -> Result<Vec<Array>> {
	let x = call.get(0)?;
	let axis = call.axis(call.node.int("axis", 0), x.rank())?;
	let own = strides(&x.dims);
	let mut start = 0;
	Ok(split_lengths(call, x.dims[axis])?
		.into_iter()
		.map(|length| {
			let mut dims = x.dims.clone();
			dims[axis] = length;
			let piece = x.pick(dims.clone(), walk(&dims, &own, start * own[axis]).into_iter());
			start += length;
			piece
		})
		.collect())
}

fn gather(call: &Call) -> Result<Array> {
	let (x, indices) = (call.get(0)?, call.get(1)?);
	let axis = call.axis(call.node.int("axis", 0), x.rank())?;
	let (len, inner) = (x.dims[axis], x.dims.iter().skip(axis + 1).product::<usize>());
	let outer: usize = x.dims.iter().take(axis).product();
	let at = indices
		.ints()
		.into_iter()
		.map(|i| usize::try_from(if i < 0 { i + len as i64 } else { i }).ok().filter(|&i| i < len))
		.collect::<Option<Vec<usize>>>()
		.ok_or_else(|| {
			Error::new(
				"bad-samples",
				format!(
					"node `{}`: an index is outside the {len} rows of its table",
					call.node.name
				),
				"check the samples: ids must be below the size of the vocabulary",
			)
		})?;
	let mut dims: Vec<usize> = x.dims[..axis].to_vec();
	dims.extend(&indices.dims);
	dims.extend(&x.dims[axis + 1..]);
	let mut from = Vec::with_capacity(outer * at.len() * inner);
	for o in 0..outer {
		for &i in &at {
			from.extend((0..inner).map(|j| (o * len + i) * inner + j));
		}
	}
	Ok(x.pick(dims, from.into_iter()))
}

/// Low and high padding of each dimension of a `Pad`.
pub(crate) fn pads(call: &Call, rank: usize) -> Result<Vec<(i64, i64)>> {
	let pads = call.list("pads", 1).ok_or_else(|| call.bad("pads are missing"))?;
	let axes: Vec<usize> = match call.maybe(3) {
		Some(axes) => {
			axes.ints().iter().map(|&axis| call.axis(axis, rank)).collect::<Result<_>>()?
		}
		None => (0..rank).collect(),
	};
	if pads.len() != 2 * axes.len() {
		return Err(call.bad("two pads for each dimension are needed"));
	}
	let mut result = vec![(0, 0); rank];
	for (at, &axis) in axes.iter().enumerate() {
		result[axis] = (pads[at], pads[at + axes.len()]);
	}
	Ok(result)
}

fn pad(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let mode = call.node.text("mode");
	if !matches!(mode, "" | "constant") {
		return Err(Error::unsupported(
			&call.node.name,
			format!("Pad with mode {mode}"),
			"only constant padding can be imported",
		));
	}
	let pads = pads(call, x.rank())?;
	let value = match call.maybe(2) {
		Some(value) => value.floats().first().copied().unwrap_or(0.0),
		None => call.node.float("value", 0.0),
	};
	let own = strides(&x.dims);
	let dims: Vec<usize> = x
		.dims
		.iter()
		.zip(&pads)
		.map(|(&dim, (low, high))| (dim as i64 + low + high).max(0) as usize)
		.collect();
	// None where the element is padding.
	let mut at: Vec<Option<usize>> = vec![Some(0)];
	for (i, &dim) in dims.iter().enumerate() {
		let source = |j: usize| {
			usize::try_from(j as i64 - pads[i].0)
				.ok()
				.filter(|&j| j < x.dims[i])
				.map(|j| j * own[i])
		};
		at = at.iter().flat_map(|&from| (0..dim).map(move |j| Some(from? + source(j)?))).collect();
	}
	Ok(match &x.data {
		Data::Float(data) => {
			Array::float(dims, at.into_iter().map(|i| i.map_or(value, |i| data[i])).collect())
		}
		Data::Int(data) => {
			Array::int(dims, at.into_iter().map(|i| i.map_or(value as i64, |i| data[i])).collect())
		}
	})
}

fn range(call: &Call) -> Result<Array> {
	let (start, limit, step) = (call.get(0)?, call.get(1)?, call.get(2)?);
	let first = |x: &Array| f64::from(x.floats().first().copied().unwrap_or(0.0));
	let (from, to, by) = (first(start), first(limit), first(step));
	if by == 0.0 || ((to - from) / by) > 1e8 {
		return Err(call.bad("a range that does not end"));
	}
	let count = ((to - from) / by).ceil().max(0.0) as usize;
	let value = |i: usize| from + i as f64 * by;
	Ok(if start.is_int() {
		Array::int([count], (0..count).map(|i| value(i) as i64).collect())
	} else {
		Array::float([count], (0..count).map(|i| value(i) as f32).collect())
	})
}

fn depth_to_space(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let block = call.node.int("blocksize", 1).max(1) as usize;
	let &[n, c, h, w] = &x.dims[..] else { return Err(call.bad("four dimensions are needed")) };
	let depth = c / (block * block);
	let own = strides(&x.dims);
	// [N, depth, H, block, W, block] over the source.
	let (row, col, channel) = if call.node.text("mode") == "CRD" {
		(block * own[1], own[1], block * block * own[1])
	} else {
		(block * depth * own[1], depth * own[1], own[1])
	};
	let dims = [n, depth, h, block, w, block];
	let by = [own[0], channel, own[2], row, own[3], col];
	Ok(x.pick([n, depth, h * block, w * block], walk(&dims, &by, 0).into_iter()))
}

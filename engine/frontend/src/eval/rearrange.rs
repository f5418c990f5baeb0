//! Operators that move elements: shapes, slices, gathers.

use super::Call;
use crate::{
	array::{broadcast, broadcast_strides, strides, walk, walk_signed, Array, Data},
	error::{bad_node, short, unsupported, Error, Result},
	graph::Attribute,
	limits,
};

/// Low and high padding of each dimension.
type Pads = Vec<(i64, i64)>;

/// Dimensions of a result, and whether it is of integers.
type Planned = (Vec<usize>, bool);

/// Numbers from 0 on as dimensions; `None` where one is negative or all together are too many.
fn sizes(numbers: &[i64]) -> Option<Vec<usize>> {
	let dims: Vec<usize> =
		numbers.iter().map(|&dim| usize::try_from(dim).ok()).collect::<Option<_>>()?;
	limits::elements(&dims).map(|_| dims)
}

/// What is made of the operands; `None` for other operators. What [`evaluate`] does needs no
/// further checks.
pub(super) fn plan(call: &Call) -> Result<Option<Vec<Planned>>> {
	let node = call.node;
	let x = || call.get(0);
	let one = match node.op.as_str() {
		"Shape" => (vec![shape_range(call)?.len()], true),
		"Size" => (Vec::new(), true),
		"Reshape" => (reshape_dims(call)?, x()?.is_int()),
		"Flatten" => (flatten_dims(call)?, x()?.is_int()),
		"Squeeze" => (squeeze_dims(call)?, x()?.is_int()),
		"Unsqueeze" => (unsqueeze_dims(call)?, x()?.is_int()),
		"Transpose" => {
			let x = x()?;
			let order = permutation(call, x.rank())?;
			(order.into_iter().map(|axis| x.dims[axis]).collect(), x.is_int())
		}
		"Expand" => {
			let x = x()?;
			let to = call.get(1)?.int_data().into_owned();
			let dims = sizes(&to).and_then(|to| broadcast(&[&x.dims, &to]));
			(
				dims.ok_or_else(|| call.bad(&format!("it does not expand to {}", few(&to))))?,
				x.is_int(),
			)
		}
		"Tile" => {
			let (x, repeats) = (x()?, call.get(1)?.int_data());
			if repeats.len() != x.rank() {
				return Err(call.bad("one repeat for each dimension is needed"));
			}
			let dims: Option<Vec<usize>> = x
				.dims
				.iter()
				.zip(repeats.iter())
				.map(|(&dim, &repeat)| usize::try_from(repeat).ok()?.checked_mul(dim))
				.collect();
			(dims.ok_or_else(|| call.bad("a repeat that is negative or too large"))?, x.is_int())
		}
		"Concat" => {
			let parts: Vec<&Array> = call.operands.iter().copied().flatten().collect();
			let integer = parts.iter().all(|part| part.is_int());
			(concat_dims(call)?.0, integer)
		}
		"Slice" => {
			let dims = slice_ranges(call)?.into_iter().map(|range| range.1).collect();
			(dims, x()?.is_int())
		}
		"Split" => {
			let x = x()?;
			let axis = call.axis(node.int("axis", 0), x.rank())?;
			let lengths = split_lengths(call, x.dims[axis])?;
			let piece = |length| {
				let mut dims = x.dims.clone();
				dims[axis] = length;
				(dims, x.is_int())
			};
			return Ok(Some(lengths.into_iter().map(piece).collect()));
		}
		"Gather" => (gather_rows(call)?.0, x()?.is_int()),
		"Pad" => (pad_dims(call)?.1, x()?.is_int()),
		"ConstantOfShape" => {
			let wanted = x()?.int_data();
			let dims =
				sizes(&wanted).ok_or_else(|| call.bad(&format!("shape {}", few(&wanted))))?;
			let integer = match node.attributes.get("value") {
				Some(Attribute::Tensor(value)) if value.len() == 1 => value.is_int(),
				Some(_) => return Err(call.bad("its value is one number")),
				None => false,
			};
			(dims, integer)
		}
		"Range" => (vec![range(call)?.1], x()?.is_int()),
		"DepthToSpace" => {
			let ([n, depth, h, w], block) = blocks(call)?;
			(vec![n, depth, h * block, w * block], x()?.is_int())
		}
		_ => return Ok(None),
	};
	Ok(Some(vec![one]))
}

/// The first of many numbers, for a message.
fn few(numbers: &[i64]) -> String {
	match numbers.get(..8) {
		Some(first) if numbers.len() > 8 => format!("{first:?} and more"),
		_ => format!("{numbers:?}"),
	}
}

/// Evaluates what [`plan`] has planned.
pub(super) fn evaluate(call: &Call) -> Result<Option<Vec<Array>>> {
	let node = call.node;
	let x = || call.get(0);
	let one = match node.op.as_str() {
		"Shape" => {
			let dims: Vec<i64> =
				x()?.dims[shape_range(call)?].iter().map(|&dim| dim as i64).collect();
			Array::int([dims.len()], dims)
		}
		"Size" => Array::int([], vec![x()?.len() as i64]),
		"Reshape" => x()?.reshaped(reshape_dims(call)?),
		"Flatten" => x()?.reshaped(flatten_dims(call)?),
		"Squeeze" => x()?.reshaped(squeeze_dims(call)?),
		"Unsqueeze" => x()?.reshaped(unsqueeze_dims(call)?),
		"Transpose" => {
			let x = x()?;
			let order = permutation(call, x.rank())?;
			let own = strides(&x.dims);
			let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
			let moved: Vec<usize> = order.iter().map(|&axis| own[axis]).collect();
			x.pick(dims.clone(), walk(&dims, &moved, 0))
		}
		"Expand" => {
			let x = x()?;
			let to = sizes(&call.get(1)?.int_data());
			let dims = to.and_then(|to| broadcast(&[&x.dims, &to]));
			let dims = dims.ok_or_else(|| call.bad("shapes do not fit"))?;
			x.pick(dims.clone(), walk(&dims, &broadcast_strides(&x.dims, &dims), 0))
		}
		"Tile" => tile(call)?,
		"Concat" => concat(call)?,
		"Slice" => slice(call)?,
		"Split" => return split(call).map(Some),
		"Gather" => gather(call)?,
		"Pad" => pad(call)?,
		"ConstantOfShape" => {
			let dims =
				sizes(&x()?.int_data()).ok_or_else(|| call.bad("a shape that does not fit"))?;
			let len = dims.iter().product();
			match node.attributes.get("value") {
				Some(Attribute::Tensor(value)) => value.pick(dims, std::iter::repeat_n(0, len)),
				_ => Array::float(dims, vec![0.0; len]),
			}
		}
		"Range" => {
			let ((from, by), count) = range(call)?;
			let value = |i: usize| from + i as f64 * by;
			if x()?.is_int() {
				Array::int([count], (0..count).map(|i| value(i) as i64).collect())
			} else {
				Array::float([count], (0..count).map(|i| value(i) as f32).collect())
			}
		}
		"DepthToSpace" => depth_to_space(call)?,
		_ => return Ok(None),
	};
	Ok(Some(vec![one]))
}

/// Which dimensions a `Shape` gives.
fn shape_range(call: &Call) -> Result<std::ops::Range<usize>> {
	let rank = call.get(0)?.rank() as i64;
	let clamp = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
	let (start, end) = (clamp(call.node.int("start", 0)), clamp(call.node.int("end", rank)));
	Ok(start..end.max(start))
}

fn reshape_dims(call: &Call) -> Result<Vec<usize>> {
	let x = call.get(0)?;
	let wanted = call.list("shape", 1).ok_or_else(|| call.bad("a shape is missing"))?;
	let unfit = || call.bad(&format!("its elements do not fill {}", few(&wanted)));
	let keep_zero = call.node.int("allowzero", 0) == 0;
	let mut open = None;
	let mut dims: Vec<usize> = Vec::new();
	for (at, &dim) in wanted.iter().enumerate() {
		dims.push(match dim {
			0 if keep_zero => *x.dims.get(at).ok_or_else(|| call.bad("0 copies no dimension"))?,
			-1 if open.replace(at).is_none() => 1,
			dim => usize::try_from(dim).map_err(|_| unfit())?,
		});
	}
	limits::elements(&dims).ok_or_else(unfit)?;
	let known: usize = dims.iter().product();
	if let Some(open) = open {
		dims[open] = x.len().checked_div(known).ok_or_else(unfit)?;
	}
	if dims.iter().product::<usize>() != x.len() {
		return Err(unfit());
	}
	Ok(dims)
}

fn flatten_dims(call: &Call) -> Result<Vec<usize>> {
	let x = call.get(0)?;
	let axis = call.node.int("axis", 1);
	let positive = if axis < 0 { axis.saturating_add(x.rank() as i64) } else { axis };
	let axis = usize::try_from(positive)
		.ok()
		.filter(|&axis| axis <= x.rank())
		.ok_or_else(|| call.bad(&format!("axis {axis}")))?;
	Ok(vec![x.dims[..axis].iter().product(), x.dims[axis..].iter().product()])
}

fn squeeze_dims(call: &Call) -> Result<Vec<usize>> {
	let x = call.get(0)?;
	let axes = match call.list("axes", 1) {
		Some(axes) => call.axes(&axes, x.rank())?,
		None => (0..x.rank()).filter(|&axis| x.dims[axis] == 1).collect(),
	};
	if axes.iter().any(|&axis| x.dims[axis] != 1) {
		return Err(call.bad("a squeezed dimension is not 1"));
	}
	Ok((0..x.rank()).filter(|axis| !axes.contains(axis)).map(|i| x.dims[i]).collect())
}

fn unsqueeze_dims(call: &Call) -> Result<Vec<usize>> {
	let x = call.get(0)?;
	let axes = call.list("axes", 1).ok_or_else(|| call.bad("axes are missing"))?;
	let rank = x.rank() + axes.len();
	if rank > limits::MAX_RANK {
		return Err(call.bad(&format!("a result of {rank} dimensions")));
	}
	let axes = call.axes(&axes, rank)?;
	let mut left = x.dims.iter().copied();
	Ok((0..rank)
		.map(|axis| if axes.contains(&axis) { 1 } else { left.next().unwrap_or(1) })
		.collect())
}

/// The order of dimensions that a `Transpose` gives: each once.
pub(crate) fn permutation(call: &Call, rank: usize) -> Result<Vec<usize>> {
	let Some(perm) = call.node.ints("perm") else { return Ok((0..rank).rev().collect()) };
	let mut seen = vec![false; rank];
	let order: Option<Vec<usize>> = perm
		.iter()
		.map(|&axis| {
			let axis = usize::try_from(axis).ok()?;
			let place = seen.get_mut(axis)?;
			(!std::mem::replace(place, true)).then_some(axis)
		})
		.collect();
	order.filter(|order| order.len() == rank).ok_or_else(|| {
		bad_node(&call.node.name, format!("perm {} is no order of {rank} dimensions", few(perm)))
	})
}

fn tile(call: &Call) -> Result<Array> {
	let (x, repeats) = (call.get(0)?, call.get(1)?.int_data());
	// Seen as [repeat, dim, …] with stride 0 along the repeats.
	let (mut dims, mut by) = (Vec::new(), Vec::new());
	for ((&dim, stride), &repeat) in x.dims.iter().zip(strides(&x.dims)).zip(repeats.iter()) {
		dims.extend([repeat.max(0) as usize, dim]);
		by.extend([0, stride]);
	}
	let out: Vec<usize> = dims.chunks(2).map(|pair| pair[0] * pair[1]).collect();
	Ok(x.pick(out, walk(&dims, &by, 0)))
}

fn concat_dims(call: &Call) -> Result<(Vec<usize>, usize)> {
	let first = call.get(0)?;
	let axis = call.axis(call.node.int("axis", 0), first.rank())?;
	let mut dims = first.dims.clone();
	dims[axis] = 0;
	for index in 0..call.operands.len() {
		let part = call.get(index)?;
		let fits = part.rank() == dims.len()
			&& (0..dims.len()).all(|i| i == axis || part.dims[i] == dims[i]);
		if !fits {
			return Err(call.bad("the other dimensions differ"));
		}
		dims[axis] = dims[axis].saturating_add(part.dims[axis]);
	}
	Ok((dims, axis))
}

fn concat(call: &Call) -> Result<Array> {
	let (dims, axis) = concat_dims(call)?;
	let parts: Vec<&Array> = call.operands.iter().copied().flatten().collect();
	let outer: usize = dims[..axis].iter().product();
	fn joined<T: Copy>(parts: &[(usize, &[T])], outer: usize, len: usize) -> Vec<T> {
		let mut out = Vec::with_capacity(len);
		for o in 0..outer {
			for &(each, data) in parts {
				out.extend_from_slice(&data[o * each..(o + 1) * each]);
			}
		}
		out
	}
	let len = dims.iter().product();
	let each: Vec<usize> = parts.iter().map(|part| part.dims[axis..].iter().product()).collect();
	if parts.iter().all(|part| part.is_int()) {
		let data: Vec<_> = parts.iter().map(|part| part.int_data()).collect();
		let pieces: Vec<_> = each.iter().copied().zip(data.iter().map(|data| &data[..])).collect();
		return Ok(Array::int(dims, joined(&pieces, outer, len)));
	}
	let data: Vec<_> = parts.iter().map(|part| part.float_data()).collect();
	let pieces: Vec<_> = each.iter().copied().zip(data.iter().map(|data| &data[..])).collect();
	Ok(Array::float(dims, joined(&pieces, outer, len)))
}

/// Start, count and step of each dimension of a `Slice`.
pub(crate) fn slice_ranges(call: &Call) -> Result<Vec<(usize, usize, i64)>> {
	let x = call.get(0)?;
	let missing = || call.bad("starts and ends are needed");
	let starts = call.list("starts", 1).ok_or_else(missing)?;
	let ends = call.list("ends", 2).ok_or_else(missing)?;
	let axes = call.list("axes", 3).unwrap_or_else(|| (0..starts.len() as i64).collect());
	let steps = call.list("steps", 4).unwrap_or_else(|| vec![1; starts.len()]);
	if [ends.len(), axes.len(), steps.len()].iter().any(|len| *len != starts.len()) {
		return Err(call.bad("starts, ends, axes and steps are not as many"));
	}
	call.axes(&axes, x.rank())?;
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
	// A step is used where there are two elements; then it is shorter than the dimension.
	let by =
		ranges.iter().zip(&own).map(
			|(&(_, count, step), &stride)| {
				if count > 1 {
					step as isize * stride as isize
				} else {
					0
				}
			},
		);
	let by: Vec<isize> = by.collect();
	let offset = if dims.contains(&0) {
		0
	} else {
		ranges.iter().zip(&own).map(|(range, stride)| range.0 * stride).sum()
	};
	Ok(x.pick(dims.clone(), walk_signed(&dims, &by, offset)))
}

/// Lengths of the pieces of a `Split`, as many as it has results.
pub(crate) fn split_lengths(call: &Call, dim: usize) -> Result<Vec<usize>> {
	let pieces = call.node.outputs.len();
	let lengths: Vec<usize> = match call.list("split", 1) {
		Some(lengths) => lengths
			.iter()
			.map(|&length| usize::try_from(length).ok())
			.collect::<Option<_>>()
			.ok_or_else(|| call.bad("a negative length"))?,
		None => {
			let count = call.node.int("num_outputs", pieces as i64);
			if usize::try_from(count).ok() != Some(pieces) {
				return Err(call.bad(&format!("{count} pieces for {pieces} results")));
			}
			let each = dim.div_ceil(pieces.max(1));
			(0..pieces).map(|i| each.min(dim.saturating_sub(i.saturating_mul(each)))).collect()
		}
	};
	let sum = lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length));
	if sum != Some(dim) || lengths.len() != pieces {
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
			let piece = x.pick(dims.clone(), walk(&dims, &own, start * own[axis]));
			start += length;
			piece
		})
		.collect())
}

/// Dimensions of a `Gather`'s result, the axis, and the rows that it takes.
fn gather_rows(call: &Call) -> Result<(Vec<usize>, usize, Vec<usize>)> {
	let (x, indices) = (call.get(0)?, call.get(1)?);
	let axis = call.axis(call.node.int("axis", 0), x.rank())?;
	let len = x.dims[axis];
	let outside = |index: i64| {
		Error::new(
			"bad-samples",
			format!(
				"node `{}`: index {index} is outside the {len} rows of its table",
				short(&call.node.name)
			),
		)
		.fix("check the samples: ids must be below the size of the vocabulary")
	};
	let row = |&index: &i64| {
		let positive = if index < 0 { index.saturating_add(len as i64) } else { index };
		usize::try_from(positive).ok().filter(|&i| i < len).ok_or_else(|| outside(index))
	};
	let rows = indices.int_data().iter().map(row).collect::<Result<Vec<usize>>>()?;
	let mut dims: Vec<usize> = x.dims[..axis].to_vec();
	dims.extend(&indices.dims);
	dims.extend(&x.dims[axis + 1..]);
	Ok((dims, axis, rows))
}

fn gather(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let (dims, axis, rows) = gather_rows(call)?;
	let (len, inner) = (x.dims[axis], x.dims[axis + 1..].iter().product::<usize>());
	let outer: usize = x.dims[..axis].iter().product();
	let rows = &rows;
	let from = (0..outer).flat_map(move |o| {
		rows.iter().flat_map(move |i| (0..inner).map(move |j| (o * len + i) * inner + j))
	});
	Ok(x.pick(dims, from))
}

/// Low and high padding of each dimension of a `Pad`.
pub(crate) fn pads(call: &Call, rank: usize) -> Result<Vec<(i64, i64)>> {
	let pads = call.list("pads", 1).ok_or_else(|| call.bad("pads are missing"))?;
	let axes: Vec<usize> = match call.maybe(3) {
		Some(axes) => {
			let axes = axes.int_data();
			call.axes(&axes, rank)?;
			axes.iter().map(|&axis| call.axis(axis, rank)).collect::<Result<_>>()?
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

/// Paddings, and the dimensions of the result. Negative ones take away no more than there is.
fn pad_dims(call: &Call) -> Result<(Pads, Vec<usize>)> {
	let x = call.get(0)?;
	let mode = call.node.text("mode");
	if !matches!(mode, "" | "constant") {
		return Err(unsupported(
			&call.node.name,
			format!("Pad with mode {}", short(mode)),
			"only constant padding can be imported",
		));
	}
	if call.maybe(2).is_some_and(|value| value.len() != 1) {
		return Err(call.bad("padding is one number"));
	}
	let pads = pads(call, x.rank())?;
	let dims: Option<Vec<usize>> = x
		.dims
		.iter()
		.zip(&pads)
		.map(|(&dim, &(low, high))| {
			let dim = i64::try_from(dim).ok()?;
			let crop = low.min(0).checked_add(high.min(0))?;
			dim.checked_add(crop).filter(|left| *left >= 0)?;
			let padded = dim.checked_add(low)?.checked_add(high)?;
			usize::try_from(padded).ok()
		})
		.collect();
	Ok((pads.clone(), dims.ok_or_else(|| call.bad("padding that takes away or adds too much"))?))
}

fn pad(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let (pads, dims) = pad_dims(call)?;
	let value = match call.maybe(2) {
		Some(value) => value.clone(),
		None => Array::float([], vec![call.node.float("value", 0.0)]),
	};
	// What is left of the operand, there and here.
	let left: Vec<usize> = x
		.dims
		.iter()
		.zip(&pads)
		.map(|(&dim, &(low, high))| (dim as i64 + low.min(0) + high.min(0)) as usize)
		.collect();
	let offset = |strides: &[usize], by: &dyn Fn(i64) -> i64| -> usize {
		strides.iter().zip(&pads).map(|(&s, &(low, _))| by(low) as usize * s).sum()
	};
	let (own, new) = (strides(&x.dims), strides(&dims));
	let places = |out: &mut dyn FnMut(usize, usize)| {
		if left.contains(&0) {
			return;
		}
		let from = walk(&left, &own, offset(&own, &|low| (-low).max(0)));
		let to = walk(&left, &new, offset(&new, &|low| low.max(0)));
		from.zip(to).for_each(|(from, to)| out(from, to));
	};
	let len = dims.iter().product();
	Ok(match &x.data {
		Data::Float(data) => {
			let fill = value.float_data().first().copied().unwrap_or(0.0);
			let mut out = vec![fill; len];
			places(&mut |from, to| out[to] = data[from]);
			Array::float(dims, out)
		}
		Data::Int(data) => {
			let fill = value.int_data().first().copied().unwrap_or(0);
			let mut out = vec![fill; len];
			places(&mut |from, to| out[to] = data[from]);
			Array::int(dims, out)
		}
	})
}

/// First number and step of a `Range`, and how many there are.
fn range(call: &Call) -> Result<((f64, f64), usize)> {
	let number = |index: usize| -> Result<f64> {
		match call.get(index)? {
			x if x.len() == 1 => Ok(f64::from(x.float_data().first().copied().unwrap_or(0.0))),
			_ => Err(call.bad("start, limit and step are one number each")),
		}
	};
	let exact = |index: usize| -> Result<Option<i64>> {
		let x = call.get(index)?;
		Ok(x.is_int().then(|| x.int_data().first().copied()).flatten())
	};
	let whole = (exact(0)?, exact(1)?, exact(2)?);
	let (from, to, by) = match whole {
		(Some(from), Some(to), Some(by)) => (from as f64, to as f64, by as f64),
		_ => (number(0)?, number(1)?, number(2)?),
	};
	number(0).and(number(1)).and(number(2))?;
	let count = ((to - from) / by).ceil();
	if by == 0.0 || !from.is_finite() || !count.is_finite() || count > 1e9 {
		return Err(call.bad("a range that does not end"));
	}
	Ok(((from, by), count.max(0.0) as usize))
}

/// `[N, C / block², H, W]` and the block of a `DepthToSpace`.
fn blocks(call: &Call) -> Result<([usize; 4], usize)> {
	let x = call.get(0)?;
	let &[n, c, h, w] = &x.dims[..] else { return Err(call.bad("four dimensions are needed")) };
	let block = call.node.int("blocksize", 0);
	let mode = call.node.text("mode");
	if !matches!(mode, "" | "DCR" | "CRD") {
		return Err(call.bad(&format!("mode {}", short(mode))));
	}
	let block = usize::try_from(block)
		.ok()
		.filter(|&block| (1..=1 << 15).contains(&block) && c % (block * block) == 0)
		.ok_or_else(|| call.bad(&format!("blocksize {block} for {c} channels")))?;
	Ok(([n, c / (block * block), h, w], block))
}

fn depth_to_space(call: &Call) -> Result<Array> {
	let x = call.get(0)?;
	let ([n, depth, h, w], block) = blocks(call)?;
	let own = strides(&x.dims);
	// [N, depth, H, block, W, block] over the source.
	let (row, col, channel) = if call.node.text("mode") == "CRD" {
		(block * own[1], own[1], block * block * own[1])
	} else {
		(block * depth * own[1], depth * own[1], own[1])
	};
	let dims = [n, depth, h, block, w, block];
	let by = [own[0], channel, own[2], row, own[3], col];
	Ok(x.pick([n, depth, h * block, w * block], walk(&dims, &by, 0)))
}

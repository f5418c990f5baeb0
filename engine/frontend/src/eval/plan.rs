//! What a node is about to make, and what it takes: found from operands and attributes before
//! anything is allocated.
//!
//! Every rule about attributes, indices and shapes is here, in arithmetic that cannot overflow; the
//! operators beside this file compute what was planned, and nothing else.

use super::{
	rearrange,
	shapes::{cum_sum_axis, groups, planes, pool_kernel, reduction},
	Call, Window,
};
use crate::{
	array::{broadcast, Array},
	error::{unsupported, Error, Result},
	graph::Attribute,
	limits,
};

/// Units of work of an element that is read, computed or written.
const ELEMENT: u128 = 4;

/// Products of a matrix product in one unit.
const PRODUCTS: u128 = 16;

/// Results of a node, with the work that they take.
pub(crate) struct Plan {
	/// Dimensions of each result, and whether it is of integers.
	pub results: Vec<(Vec<usize>, bool)>,
	/// Units of work beside those of elements.
	pub work: u128,
	/// Shapes of what is needed meanwhile.
	pub scratch: Vec<Vec<usize>>,
}

fn count(dims: &[usize]) -> u128 {
	dims.iter().map(|&dim| dim as u128).product()
}

impl Plan {
	fn one(dims: Vec<usize>, integer: bool) -> Self {
		Self { results: vec![(dims, integer)], work: 0, scratch: Vec::new() }
	}

	fn with(self, work: u128) -> Self {
		Self { work, ..self }
	}

	/// All units of a call.
	pub fn units(&self, call: &Call) -> u128 {
		let read: u128 = call.operands.iter().flatten().map(|array| array.len() as u128).sum();
		let written: u128 = self.results.iter().map(|(dims, _)| count(dims)).sum();
		(read + written) * ELEMENT + self.work + 50
	}
}

/// The plan of a call. Errors: `bad-model`, `unsupported`, `unsupported-operator`, `bad-samples`,
/// `too-large`.
pub(crate) fn plan(call: &Call) -> Result<Plan> {
	let node = call.node;
	let same = |integer: fn(&Array) -> bool| -> Result<Plan> {
		let x = call.get(0)?;
		Ok(Plan::one(x.dims.clone(), integer(x)))
	};
	Ok(match node.op.as_str() {
		"Function" => {
			let nodes = match node.attributes.get("body") {
				Some(Attribute::Body(body)) => body.nodes.len() as u128,
				_ => return Err(call.bad("it has no body")),
			};
			let x = call.get(0)?;
			Plan::one(x.dims.clone(), false).with(nodes * x.len() as u128 * ELEMENT * 2)
		}
		"Identity" | "Dropout" => same(Array::is_int)?,
		"Not" | "IsInf" | "IsNaN" => same(|_| true)?,
		"Cast" | "CastLike" => {
			let integer = match call.maybe(1) {
				Some(like) => like.is_int(),
				None => cast_to_integer(call)?,
			};
			Plan::one(call.get(0)?.dims.clone(), integer)
		}
		"Clip" => clip(call)?,
		"Add" | "Sub" | "Mul" | "Div" | "Mod" | "PRelu" => spread(call, 2, None)?,
		"Pow" => spread(call, 2, Some(call.get(0)?.is_int()))?,
		"Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" => {
			spread(call, 2, Some(true))?
		}
		"Max" | "Min" | "Sum" | "Mean" => {
			let plan = spread(call, usize::MAX, (node.op == "Mean").then_some(false))?;
			let work = count(&plan.results[0].0) * call.operands.len() as u128 * ELEMENT;
			plan.with(work)
		}
		"Where" => {
			let (a, b) = (call.get(1)?, call.get(2)?);
			spread(call, 3, Some(a.is_int() && b.is_int()))?
		}
		"MatMul" => matmul(call)?,
		"Linear" => linear(call)?,
		"Gemm" => gemm(call)?,
		"Conv" => conv(call)?,
		"MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" => pool(call)?,
		"BatchNormalization" | "LayerNormalization" | "RMSNormalization" | "LpNormalization"
		| "Softmax" => {
			let x = call.get(0)?;
			let axis = match node.op.as_str() {
				"BatchNormalization" => None,
				"Softmax" if call.opset < 13 => Some(1),
				_ => Some(-1),
			};
			if let Some(axis) = axis {
				// Before operator set 13 a softmax may begin after the last dimension.
				let last = call.opset < 13
					&& node.op == "Softmax"
					&& node.int("axis", 1) == x.rank() as i64;
				if !last {
					call.axis(node.int("axis", axis), x.rank())?;
				}
			}
			Plan::one(x.dims.clone(), false).with(x.len() as u128 * 20)
		}
		"ArgMax" => {
			let x = call.get(0)?;
			let axis = call.axis(node.int("axis", 0), x.rank())?;
			if x.dims[axis] == 0 {
				return Err(call.bad("the largest of nothing"));
			}
			let mut dims = x.dims.clone();
			if node.int("keepdims", 1) != 0 {
				dims[axis] = 1;
			} else {
				dims.remove(axis);
			}
			Plan::one(dims, true)
		}
		"CumSum" => {
			let x = call.get(0)?;
			cum_sum_axis(call)?;
			Plan::one(x.dims.clone(), x.is_int()).with(x.len() as u128 * ELEMENT)
		}
		"TopK" => top_k(call)?,
		op if super::elementwise::unary(node).is_some() => {
			let slow = if matches!(op, "Relu" | "Neg" | "Abs" | "LeakyRelu") { 1 } else { 20 };
			let plan = same(Array::is_int)?;
			let work = count(&plan.results[0].0) * slow;
			plan.with(work)
		}
		op if op.starts_with("Reduce") => reduced(call)?,
		_ => match rearrange::plan(call)? {
			Some(results) => Plan { results, work: 0, scratch: Vec::new() },
			None => return Err(super::unknown(node)),
		},
	})
}

/// Whether a Cast is to integers or bools.
fn cast_to_integer(call: &Call) -> Result<bool> {
	match call.node.int("to", 0) {
		1 | 10 | 11 | 16 => Ok(false),
		2..=7 | 9 | 12 | 13 => Ok(true),
		0 => Err(call.bad("it does not say which type to cast to")),
		other => Err(unsupported(
			&call.node.name,
			format!("a cast to element type {other}"),
			"cast to float32 or int64",
		)),
	}
}

fn clip(call: &Call) -> Result<Plan> {
	let x = call.get(0)?;
	for index in [1, 2] {
		if let Some(bound) = call.maybe(index) {
			if bound.len() != 1 {
				return Err(call.bad("a bound is one number"));
			}
			if bound.float_data().iter().any(|bound| bound.is_nan()) {
				return Err(call.bad("a bound is not a number"));
			}
		}
	}
	Ok(Plan::one(x.dims.clone(), x.is_int()))
}

/// Operators over operands that are broadcast, of which there are exactly `operands`, or any
/// number.
fn spread(call: &Call, operands: usize, integer: Option<bool>) -> Result<Plan> {
	let expected = if operands == usize::MAX { call.operands.len().max(1) } else { operands };
	if call.operands.len() > expected {
		return Err(call.bad(&format!("it takes {expected} operands")));
	}
	let arrays = (0..expected).map(|index| call.get(index)).collect::<Result<Vec<_>>>()?;
	let sums =
		matches!(call.node.op.as_str(), "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Sum");
	if sums && arrays.iter().any(|array| array.is_int() != arrays[0].is_int()) {
		return Err(call.bad("floats and integers; cast one of them"));
	}
	let shapes: Vec<&[usize]> = arrays.iter().map(|array| &array.dims[..]).collect();
	let dims = broadcast(&shapes).ok_or_else(|| call.bad("shapes do not broadcast"))?;
	let integer = integer.unwrap_or_else(|| arrays.iter().all(|array| array.is_int()));
	Ok(Plan::one(dims, integer))
}

fn matmul(call: &Call) -> Result<Plan> {
	let (a, b) = (call.get(0)?, call.get(1)?);
	let (mut a_dims, mut b_dims) = (a.dims.clone(), b.dims.clone());
	if a.rank() == 1 {
		a_dims.insert(0, 1);
	}
	if b.rank() == 1 {
		b_dims.push(1);
	}
	let (&[ref a_batch @ .., m, k], &[ref b_batch @ .., b_k, n]) = (&a_dims[..], &b_dims[..])
	else {
		return Err(call.bad("a scalar operand"));
	};
	let mut dims = broadcast(&[a_batch, b_batch])
		.filter(|_| k == b_k)
		.ok_or_else(|| call.bad("shapes do not fit"))?;
	let work = count(&dims) * count(&[m, k, n]) / PRODUCTS;
	if a.rank() > 1 {
		dims.push(m);
	}
	if b.rank() > 1 {
		dims.push(n);
	}
	Ok(Plan::one(dims, a.is_int() && b.is_int()).with(work))
}

fn linear(call: &Call) -> Result<Plan> {
	let (x, w) = (call.get(0)?, call.get(1)?);
	let (Some(&k), &[n, w_k]) = (x.dims.last(), &w.dims[..]) else {
		return Err(call.bad("x [.., K] and w [N, K] are needed"));
	};
	if k != w_k {
		return Err(call.bad("K differs"));
	}
	bias(call, n)?;
	let mut dims = x.dims.clone();
	if let Some(last) = dims.last_mut() {
		*last = n;
	}
	let work = x.len() as u128 * n as u128 / PRODUCTS;
	Ok(Plan::one(dims, false).with(work))
}

/// A bias has one number for each of `channels`.
fn bias(call: &Call, channels: usize) -> Result<()> {
	match call.maybe(2) {
		Some(bias) if bias.dims != [channels] => {
			Err(call.bad(&format!("a bias of shape {:?} for {channels} channels", bias.dims)))
		}
		_ => Ok(()),
	}
}

fn gemm(call: &Call) -> Result<Plan> {
	let node = call.node;
	let matrix = |index: usize, flag: &str| -> Result<[usize; 2]> {
		match call.get(index)?.dims[..] {
			[rows, cols] if node.int(flag, 0) == 0 => Ok([rows, cols]),
			[rows, cols] => Ok([cols, rows]),
			_ => Err(call.bad("two matrices are needed")),
		}
	};
	let ([m, k], [b_k, n]) = (matrix(0, "transA")?, matrix(1, "transB")?);
	if k != b_k {
		return Err(call.bad("shapes do not fit"));
	}
	if let Some(c) = call.maybe(2) {
		broadcast(&[&c.dims, &[m, n]])
			.filter(|dims| *dims == [m, n])
			.ok_or_else(|| call.bad("C does not broadcast"))?;
	}
	let integer = false;
	Ok(Plan::one(vec![m, n], integer).with(count(&[m, k, n]) / PRODUCTS))
}

fn conv(call: &Call) -> Result<Plan> {
	let (x, w) = (call.get(0)?, call.get(1)?);
	let [n, c, _, _] = planes(call, x)?;
	if w.rank() != x.rank() {
		return Err(call.bad("the weights have another number of dimensions"));
	}
	let kernel = &w.dims[2..];
	if let Some(stated) = call.node.ints("kernel_shape") {
		if !stated.iter().map(|&k| usize::try_from(k).ok()).eq(kernel.iter().map(|&k| Some(k))) {
			return Err(call.bad(&format!("kernel_shape {stated:?} is not that of the weights")));
		}
	}
	let window = Window::new(call, &x.dims[2..], kernel)?;
	let groups = groups(call)?;
	let (out_c, group_c) = (w.dims[0], w.dims[1]);
	if group_c.checked_mul(groups) != Some(c) || out_c % groups != 0 {
		return Err(call.bad("channels and groups do not fit"));
	}
	bias(call, out_c)?;
	let [oh, ow] = window.out;
	let k = [group_c, window.kernel[0], window.kernel[1]];
	let mut dims = vec![n, out_c];
	dims.extend(if x.rank() == 3 { vec![ow] } else { vec![oh, ow] });
	let work = count(&dims) * count(&k) / PRODUCTS + count(&[n, groups, oh, ow]) * count(&k);
	let threads = n.min(rayon::current_num_threads());
	let scratch = vec![vec![threads, group_c, window.kernel[0], window.kernel[1], oh, ow]];
	Ok(Plan { scratch, ..Plan::one(dims, false).with(work) })
}

fn pool(call: &Call) -> Result<Plan> {
	let x = call.get(0)?;
	let [n, c, _, _] = planes(call, x)?;
	let window = Window::new(call, &x.dims[2..], &pool_kernel(call, &x.dims[2..])?)?;
	for i in 0..2 {
		let [low, high] = window.pad[i];
		let extent =
			(window.kernel[i].max(1) - 1).saturating_mul(window.dilation[i]).saturating_add(1);
		if low.max(high) > 0 && low.max(high) >= extent {
			return Err(unsupported(
				&call.node.name,
				format!(
					"padding of {} for windows of {extent}: some would be empty",
					low.max(high)
				),
				"pad by less than the window",
			));
		}
	}
	let [oh, ow] = window.out;
	let mut dims = vec![n, c];
	dims.extend(if x.rank() == 3 { vec![ow] } else { vec![oh, ow] });
	let work = count(&dims) * count(&window.kernel) * 2;
	Ok(Plan::one(dims, false).with(work))
}

fn top_k(call: &Call) -> Result<Plan> {
	let (x, k) = (call.get(0)?, call.get(1)?);
	let axis = call.axis(call.node.int("axis", -1), x.rank())?;
	let len = x.dims[axis];
	let k = match k.int_data()[..] {
		[k] => usize::try_from(k).ok().filter(|&k| k > 0 && k <= len),
		_ => None,
	};
	let k = k.ok_or_else(|| call.bad("k is one number from 1 to the length of the dimension"))?;
	let mut dims = x.dims.clone();
	dims[axis] = k;
	let sorting = x.len() as u128 * (u128::from(len.max(1).ilog2()) + 1) * 4;
	let results = vec![(dims.clone(), x.is_int()), (dims, true)];
	Ok(Plan { results, work: sorting, scratch: Vec::new() })
}

fn reduced(call: &Call) -> Result<Plan> {
	let x = call.get(0)?;
	let op = call.node.op.as_str();
	let known = ["Sum", "Mean", "SumSquare", "L2", "L1", "Max", "Min"];
	if !known.iter().any(|known| op.strip_prefix("Reduce") == Some(known)) {
		return Err(super::unknown(call.node));
	}
	let Some((axes, dims)) = reduction(call, &x.dims)? else {
		return Ok(Plan::one(x.dims.clone(), x.is_int()));
	};
	if matches!(op, "ReduceMax" | "ReduceMin") && axes.iter().any(|&axis| x.dims[axis] == 0) {
		return Err(call.bad("the extreme of nothing"));
	}
	let scratch = vec![x.dims.clone()];
	Ok(Plan { scratch, ..Plan::one(dims, x.is_int()).with(x.len() as u128 * 4) })
}

/// Refuses results that no machine can hold, and says so of the node.
pub(crate) fn sizes(call: &Call, plan: &Plan) -> Result<()> {
	match plan.results.iter().find(|(dims, _)| limits::elements(dims).is_none()) {
		Some((dims, _)) => Err(Error::new(
			"too-large",
			format!(
				"node `{}` ({}): a tensor of shape {dims:?}",
				crate::error::short(&call.node.name),
				call.node.op
			),
		)
		.fix("check shapes, paddings and repeats")),
		None => Ok(()),
	}
}

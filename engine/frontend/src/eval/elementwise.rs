//! Operators that work element by element.

use super::Call;
use crate::{
	array::{broadcast, broadcast_strides, walk, Array, Data},
	error::{unsupported, Result},
	graph::Node,
};

/// The function of a unary operator with its attributes; `None` for other operators.
pub(crate) fn unary(node: &Node) -> Option<Box<dyn Fn(f64) -> f64 + Sync + '_>> {
	let f = |name, default| f64::from(node.float(name, default));
	Some(match node.op.as_str() {
		// What is no number stays none, here and below: it must be seen.
		"Relu" => Box::new(|x| if x < 0.0 { 0.0 } else { x }),
		"LeakyRelu" => {
			let alpha = f("alpha", 0.01);
			Box::new(move |x| if x < 0.0 { alpha * x } else { x })
		}
		"Sigmoid" => Box::new(|x| 1.0 / (1.0 + (-x).exp())),
		"Tanh" => Box::new(f64::tanh),
		"Erf" => Box::new(libm::erf),
		"Exp" => Box::new(f64::exp),
		"Log" => Box::new(f64::ln),
		"Sqrt" => Box::new(f64::sqrt),
		"Reciprocal" => Box::new(|x| 1.0 / x),
		"Neg" => Box::new(|x| -x),
		"Abs" => Box::new(f64::abs),
		"Floor" => Box::new(f64::floor),
		"Ceil" => Box::new(f64::ceil),
		"Round" => Box::new(f64::round_ties_even),
		"Sign" => Box::new(|x| if x == 0.0 { 0.0 } else { x.signum() }),
		"Sin" => Box::new(f64::sin),
		"Cos" => Box::new(f64::cos),
		"Softplus" => Box::new(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
		"Softsign" => Box::new(|x| x / (1.0 + x.abs())),
		"Mish" => Box::new(|x| x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh()),
		"HardSwish" => Box::new(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
		"Elu" => {
			let alpha = f("alpha", 1.0);
			Box::new(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
		}
		"Celu" => {
			let alpha = f("alpha", 1.0);
			Box::new(move |x| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0))
		}
		"Selu" => {
			let (alpha, gamma) = (f("alpha", 1.673_263_2), f("gamma", 1.050_701));
			Box::new(move |x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() })
		}
		"HardSigmoid" => {
			let (alpha, beta) = (f("alpha", 0.2), f("beta", 0.5));
			Box::new(move |x| (alpha * x + beta).clamp(0.0, 1.0))
		}
		"ThresholdedRelu" => {
			let alpha = f("alpha", 1.0);
			Box::new(move |x| if x > alpha { x } else { 0.0 })
		}
		"Swish" => {
			let alpha = f("alpha", 1.0);
			Box::new(move |x| x / (1.0 + (-alpha * x).exp()))
		}
		"Gelu" if node.text("approximate") == "tanh" => Box::new(|x| {
			let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
			0.5 * x * (1.0 + inner.tanh())
		}),
		"Gelu" => Box::new(|x| 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2))),
		_ => return None,
	})
}

pub(super) fn evaluate(call: &Call) -> Result<Option<Vec<Array>>> {
	let node = call.node;
	if let Some(function) = unary(node) {
		let a = call.get(0)?;
		let data = match &a.data {
			Data::Float(data) => {
				Data::Float(data.iter().map(|&x| function(f64::from(x)) as f32).collect())
			}
			Data::Int(data) => Data::Int(data.iter().map(|&x| function(x as f64) as i64).collect()),
		};
		return Ok(Some(vec![Array { dims: a.dims.clone(), data }]));
	}
	let truth = |value: bool| i64::from(value);
	let result = match node.op.as_str() {
		"Dropout" if training(call) => {
			return Err(unsupported(&node.name, "Dropout while training", "export for inference"))
		}
		"Identity" | "Dropout" => call.get(0)?.clone(),
		"Cast" | "CastLike" => cast(call)?,
		"Not" => {
			let a = call.get(0)?;
			Array::int(a.dims.clone(), a.ints().into_iter().map(|x| truth(x == 0)).collect())
		}
		"IsInf" => map_floats(call.get(0)?, f32::is_infinite),
		"IsNaN" => map_floats(call.get(0)?, f32::is_nan),
		"Clip" => clip(call)?,
		"Add" => binary(call, |a, b| a + b, i64::wrapping_add)?,
		"Sub" => binary(call, |a, b| a - b, i64::wrapping_sub)?,
		"Mul" => binary(call, |a, b| a * b, i64::wrapping_mul)?,
		"Div" => binary(call, |a, b| a / b, |a, b| a.checked_div(b).unwrap_or(0))?,
		"Mod" => binary(call, |a, b| a % b, |a, b| a.checked_rem_euclid(b).unwrap_or(0))?,
		"Pow" => power(call)?,
		"PRelu" => binary(
			call,
			|a, s| if a < 0.0 { a * s } else { a },
			|a, s| if a < 0 { a.wrapping_mul(s) } else { a },
		)?,
		"Max" => fold(call, larger, Ord::max)?,
		"Min" => fold(call, smaller, Ord::min)?,
		"Sum" => fold(call, |a, b| a + b, i64::wrapping_add)?,
		"Mean" => {
			let sum = fold(call, |a, b| a + b, i64::wrapping_add)?;
			let count = call.operands.len().max(1) as f32;
			Array::float(sum.dims.clone(), sum.floats().into_iter().map(|x| x / count).collect())
		}
		"Equal" => compare(call, |a, b| a == b, |a, b| a == b)?,
		"Less" => compare(call, |a, b| a < b, |a, b| a < b)?,
		"LessOrEqual" => compare(call, |a, b| a <= b, |a, b| a <= b)?,
		"Greater" => compare(call, |a, b| a > b, |a, b| a > b)?,
		"GreaterOrEqual" => compare(call, |a, b| a >= b, |a, b| a >= b)?,
		"And" => compare(call, |a, b| a != 0.0 && b != 0.0, |a, b| a != 0 && b != 0)?,
		"Or" => compare(call, |a, b| a != 0.0 || b != 0.0, |a, b| a != 0 || b != 0)?,
		"Xor" => compare(call, |a, b| (a != 0.0) != (b != 0.0), |a, b| (a != 0) != (b != 0))?,
		"Where" => select(call)?,
		_ => return Ok(None),
	};
	Ok(Some(vec![result]))
}

/// The larger one; no number where one is none.
pub(super) fn larger(a: f32, b: f32) -> f32 {
	if a > b || a.is_nan() {
		a
	} else {
		b
	}
}

/// The smaller one; no number where one is none.
pub(super) fn smaller(a: f32, b: f32) -> f32 {
	if a < b || a.is_nan() {
		a
	} else {
		b
	}
}

/// Whether a Dropout is not for inference.
fn training(call: &Call) -> bool {
	call.maybe(2).is_some_and(|flag| flag.ints().first().is_some_and(|&flag| flag != 0))
}

fn map_floats(a: &Array, test: impl Fn(f32) -> bool) -> Array {
	Array::int(a.dims.clone(), a.floats().into_iter().map(|x| i64::from(test(x))).collect())
}

fn cast(call: &Call) -> Result<Array> {
	let a = call.get(0)?;
	let dims = a.dims.clone();
	let to = match call.maybe(1) {
		Some(like) if like.is_int() => 7,
		Some(_) => 1,
		None => call.node.int("to", 1),
	};
	Ok(match to {
		1 | 10 | 11 | 16 => Array::float(dims, a.floats()),
		9 => Array::int(dims, a.floats().into_iter().map(|x| i64::from(x != 0.0)).collect()),
		_ => {
			let (integers, (least, most)) = (a.ints(), range(to));
			if let Some(beyond) = integers.iter().find(|x| !(least..=most).contains(*x)) {
				return Err(unsupported(
					&call.node.name,
					format!("a cast of {beyond} to integers of {least} to {most}, which wraps"),
					"cast to wider integers, or clip before the cast",
				));
			}
			Array::int(dims, integers)
		}
	})
}

/// What a type of integers holds, by ONNX's number of it.
fn range(to: i64) -> (i64, i64) {
	match to {
		2 => (0, u8::MAX.into()),
		3 => (i8::MIN.into(), i8::MAX.into()),
		4 => (0, u16::MAX.into()),
		5 => (i16::MIN.into(), i16::MAX.into()),
		6 => (i32::MIN.into(), i32::MAX.into()),
		12 => (0, u32::MAX.into()),
		13 => (0, i64::MAX),
		_ => (i64::MIN, i64::MAX),
	}
}

fn clip(call: &Call) -> Result<Array> {
	let a = call.get(0)?;
	let bound = |index: usize, name: &str, default: f32| {
		call.maybe(index)
			.and_then(|bound| bound.floats().first().copied())
			.unwrap_or_else(|| call.node.float(name, default))
	};
	let (lo, hi) = (bound(1, "min", f32::NEG_INFINITY), bound(2, "max", f32::INFINITY));
	let integer = |index: usize, default: f32| {
		let given = call.maybe(index).filter(|bound| bound.is_int());
		given.and_then(|bound| bound.ints().first().copied()).unwrap_or(default as i64)
	};
	let (least, most) = (integer(1, lo), integer(2, hi));
	let data = match &a.data {
		Data::Float(data) => {
			Data::Float(data.iter().map(|&x| smaller(larger(x, lo), hi)).collect())
		}
		Data::Int(data) => Data::Int(data.iter().map(|&x| x.max(least).min(most)).collect()),
	};
	Ok(Array { dims: a.dims.clone(), data })
}

fn apply(
	call: &Call,
	a: &Array,
	b: &Array,
	float: impl Fn(f32, f32) -> f32,
	int: impl Fn(i64, i64) -> i64,
) -> Result<Array> {
	let dims = broadcast(&[&a.dims, &b.dims]).ok_or_else(|| call.bad("shapes do not broadcast"))?;
	fn each<A: Copy, R>(
		dims: &[usize],
		(a_dims, a): (&[usize], &[A]),
		(b_dims, b): (&[usize], &[A]),
		f: impl Fn(A, A) -> R,
	) -> Vec<R> {
		if a_dims == dims && b_dims == dims {
			return a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect();
		}
		let at = walk(dims, &broadcast_strides(a_dims, dims), 0);
		let bt = walk(dims, &broadcast_strides(b_dims, dims), 0);
		at.zip(bt).map(|(i, j)| f(a[i], b[j])).collect()
	}
	let data = match (&a.data, &b.data) {
		(Data::Int(x), Data::Int(y)) => Data::Int(each(&dims, (&a.dims, x), (&b.dims, y), int)),
		_ => {
			let (x, y) = (a.float_data(), b.float_data());
			Data::Float(each(&dims, (&a.dims, &x), (&b.dims, &y), float))
		}
	};
	Ok(Array { dims, data })
}

fn binary(
	call: &Call,
	float: impl Fn(f32, f32) -> f32,
	int: impl Fn(i64, i64) -> i64,
) -> Result<Array> {
	apply(call, call.get(0)?, call.get(1)?, float, int)
}

fn fold(
	call: &Call,
	float: impl Fn(f32, f32) -> f32,
	int: impl Fn(i64, i64) -> i64,
) -> Result<Array> {
	let mut result = call.get(0)?.clone();
	for operand in call.operands.iter().skip(1).flatten() {
		result = apply(call, &result, operand, &float, &int)?;
	}
	Ok(result)
}

fn power(call: &Call) -> Result<Array> {
	let (a, b) = (call.get(0)?, call.get(1)?);
	if a.is_int() && b.is_int() && b.ints().iter().all(|b| (0..64).contains(b)) {
		let power = |a: i64, b: i64| a.wrapping_pow(b as u32);
		return apply(call, a, b, f32::powf, power);
	}
	let float = Array::float(b.dims.clone(), b.floats());
	let result = apply(call, a, &float, f32::powf, |a, _| a)?;
	Ok(if a.is_int() { Array::int(result.dims.clone(), result.ints()) } else { result })
}

fn compare(
	call: &Call,
	float: impl Fn(f32, f32) -> bool,
	int: impl Fn(i64, i64) -> bool,
) -> Result<Array> {
	let (a, b) = (call.get(0)?, call.get(1)?);
	let truth =
		apply(call, a, b, |a, b| f32::from(u8::from(float(a, b))), |a, b| i64::from(int(a, b)))?;
	Ok(Array::int(truth.dims.clone(), truth.ints()))
}

fn select(call: &Call) -> Result<Array> {
	let (condition, a, b) = (call.get(0)?, call.get(1)?, call.get(2)?);
	let dims = broadcast(&[&condition.dims, &a.dims, &b.dims])
		.ok_or_else(|| call.bad("shapes do not broadcast"))?;
	let at = |x: &Array| walk(&dims, &broadcast_strides(&x.dims, &dims), 0);
	let places = at(condition).zip(at(a).zip(at(b)));
	let chosen = condition.int_data();
	let data = match (&a.data, &b.data) {
		(Data::Int(a), Data::Int(b)) => {
			Data::Int(places.map(|(c, (i, j))| if chosen[c] != 0 { a[i] } else { b[j] }).collect())
		}
		_ => {
			let (a, b) = (a.float_data(), b.float_data());
			Data::Float(
				places.map(|(c, (i, j))| if chosen[c] != 0 { a[i] } else { b[j] }).collect(),
			)
		}
	};
	Ok(Array { dims, data })
}

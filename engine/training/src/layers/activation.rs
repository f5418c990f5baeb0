use super::{activations, place, Backward, Forward, TABLE_EXPONENT};
use crate::{
	error::{field, Result},
	exponent::Exponent,
	graph::{Graph, Tensor},
};
use assay_ops::{DType, Op, Relation};

/// Points of the tables of functions, less one.
const SEGMENTS: i32 = 1024;

/// Exponent of the derivative of GELU, which lies between −0.13 and 1.13.
const SLOPE_EXPONENT: i32 = -14;

/// `max(x, 0)`.
pub(super) fn relu(graph: &mut Graph, x: Tensor) -> Result<Forward> {
	let clamp = Op::Clamp { lo: 0, hi: x.dtype.max() };
	let value = graph.node(clamp, vec![x.arg()])?.with(x.exponent.clone());
	let y = value.clone();
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		if !wanted {
			return Ok(None);
		}
		let zero = graph.number(gradient.dtype, 0, &gradient.shape)?;
		let passed = graph.node(Op::Select, vec![y.arg(), gradient.arg(), zero])?;
		Ok(Some(passed.with(gradient.exponent)))
	});
	Ok(Forward { value, backward, learns: false })
}

/// The error function (Abramowitz, Stegun 7.1.26 improved by a series near 0), to about 10^-7;
/// tables are made at compile time.
fn erf(x: f64) -> f64 {
	if x.abs() < 3.0 {
		// Series: Σ (−1)^n x^(2n+1) / (n! (2n+1)).
		let mut term = x;
		let mut sum = x;
		for n in 1..60 {
			let n = f64::from(n);
			term *= -x * x / n;
			sum += term / (2.0 * n + 1.0);
		}
		return sum * 2.0 / std::f64::consts::PI.sqrt();
	}
	// Continued fraction of erfc.
	let a = x.abs();
	let mut fraction = a;
	for n in (1..60).rev() {
		fraction = a + f64::from(n) / 2.0 / fraction;
	}
	(1.0 - (-a * a).exp() / fraction / std::f64::consts::PI.sqrt()) * x.signum()
}

fn normal_cdf(x: f64) -> f64 {
	0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

fn gelu_slope(x: f64) -> f64 {
	normal_cdf(x) + x * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// i16 values of `f` at the points of a table over i16 with [`TABLE_EXPONENT`].
fn points(f: impl Fn(f64) -> f64, exponent: i32) -> Vec<i32> {
	(0..=SEGMENTS)
		.map(|point| {
			let x = f64::from(point * (65_536 / SEGMENTS) - 32_768) * 2f64.powi(TABLE_EXPONENT);
			(f(x) * 2f64.powi(-exponent)).round().clamp(-32_768.0, 32_767.0) as i32
		})
		.collect()
}

/// `x·Φ(x)`.
pub(super) fn gelu(graph: &mut Graph, x: Tensor, path: &str) -> Result<Forward> {
	activations(&x, path)?;
	let exponent = Exponent::fixed(TABLE_EXPONENT);
	let x =
		if x.exponent == exponent { x } else { graph.shifted(&x, exponent.clone(), DType::I16)? };
	let dims = [SEGMENTS as u32 + 1];
	let table = points(|x| x * normal_cdf(x), TABLE_EXPONENT);
	let table = graph.constant(DType::I16, &dims, &table)?;
	let value = graph.node(Op::LutInterp, vec![x.arg(), table.arg()])?.with(exponent);
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		if !wanted {
			return Ok(None);
		}
		let table = graph.constant(DType::I16, &dims, &points(gelu_slope, SLOPE_EXPONENT))?;
		let slope = graph.node(Op::LutInterp, vec![x.arg(), table.arg()])?;
		let op = Op::MulShift { shift: -SLOPE_EXPONENT as i8, to: DType::I16 };
		let dx = graph.node(op, vec![gradient.arg(), slope.arg()])?;
		Ok(Some(dx.with(gradient.exponent)))
	});
	Ok(Forward { value, backward, learns: false })
}

/// Zero at random, else `x / (1 − rate)`.
pub(super) fn dropout(graph: &mut Graph, x: Tensor, path: &str, rate: f64) -> Result<Forward> {
	activations(&x, path)?;
	if !(0.0..=0.5).contains(&rate) {
		let reason = format!("is {rate}; must be at least 0 and at most 0.5");
		return Err(field(format!("{}.dropout.rate", place(path)), reason));
	}
	// Bits are uniform over i32; those below the threshold drop their element.
	let threshold = (rate * 2f64.powi(32)).round() as i64 + i64::from(i32::MIN);
	let bits = graph.random(&x.shape)?;
	let threshold = graph.number(DType::I32, threshold as i32, &x.shape)?;
	let relation = Relation::LessOrEqual;
	let kept = graph.node(Op::Compare { relation }, vec![threshold, bits.arg()])?;
	// The factor is at most 2: one unit of the exponent takes it up.
	let factor = (2f64.powi(14) / (1.0 - rate)).round() as i32;
	let scaled = move |graph: &mut Graph, a: &Tensor, kept: &Tensor| -> Result<Tensor> {
		let factor = graph.number(DType::I32, factor, &a.shape)?;
		let op = Op::MulShift { shift: 15, to: DType::I16 };
		let more = graph.node(op, vec![a.arg(), factor])?;
		let zero = graph.number(DType::I16, 0, &a.shape)?;
		let node = graph.node(Op::Select, vec![kept.arg(), more.arg(), zero])?;
		Ok(node.with(a.exponent.clone().plus(1)))
	};
	let value = scaled(graph, &x, &kept)?;
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		wanted.then(|| scaled(graph, &gradient, &kept)).transpose()
	});
	Ok(Forward { value, backward, learns: false })
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn tables_should_hold_gelu_and_its_slope() {
		// Reference values of erf from the tables of Abramowitz and Stegun.
		for (x, expected) in [(0.5, 0.520_499_878), (1.0, 0.842_700_793), (3.5, 0.999_999_257)] {
			assert!((erf(x) - expected).abs() < 1e-8, "erf({x}) = {}", erf(x));
			assert!((erf(-x) + expected).abs() < 1e-8);
		}
		for x in [-4.0, -1.0, -0.3, 0.0, 0.7, 2.5, 6.0] {
			let h = 1e-5;
			let gelu = |x: f64| x * normal_cdf(x);
			let slope = (gelu(x + h) - gelu(x - h)) / (2.0 * h);
			assert!((gelu_slope(x) - slope).abs() < 1e-6, "{x}");
		}
	}
}

use super::{activations, place, Backward, Forward};
use crate::{
	error::{field, Result},
	exponent::{Class, Exponent},
	graph::{bits_for, fixed_point, Graph, Init, Tensor},
};
use assay_ops::{DType, NormKind, Op};

/// Normalized rows: i16, ±8.
const UNIT: i32 = -12;

/// Exponent of a result: i16, ±16.
const RESULT: i32 = -11;

/// Bits of fraction of 1/σ, σ in units of x.
const SCALE_BITS: u8 = 30;

/// `x̂·γ + β` (β only for LayerNorm) along the last dimension; x̂ has mean 0 (LayerNorm) and mean
/// square 1.
pub(super) fn norm(graph: &mut Graph, x: Tensor, path: &str, kind: NormKind) -> Result<Forward> {
	activations(&x, path)?;
	let dims = x.dims().to_vec();
	let x = x.matrix()?;
	let &[rows, width] = x.dims() else { unreachable!("a matrix has two dimensions; qed") };
	if width > assay_ops::NORM_MAX_LEN {
		let reason = format!("normalizes at most {} numbers", assay_ops::NORM_MAX_LEN);
		return Err(field(place(path), reason));
	}
	let gamma = graph.parameter(format!("{path}.weight"), &[width], Init::Constant(1.0))?;
	let beta = (kind == NormKind::Layer)
		.then(|| graph.parameter(format!("{path}.bias"), &[width], Init::Constant(0.0)))
		.transpose()?;
	let one = graph.constant(DType::I16, &[1], &[1 << -UNIT])?;
	let zero = graph.constant(DType::I32, &[1], &[0])?;
	let op = Op::Norm { kind, epsilon: 1, to: DType::I16, shift: 0 };
	let unit = graph.node(op, vec![x.arg(), one.arg(), zero.arg()])?;
	let unit = graph.anchor(unit.with(Exponent::fixed(UNIT)));
	let scale = graph.weight(gamma)?;
	// x̂·γ is exact in i32; it is rounded once.
	let exponent = unit.exponent.clone() + &scale.exponent;
	let scaled = graph
		.node(Op::Mul { to: DType::I32 }, vec![unit.arg(), scale.broadcast(&unit.shape)?])?
		.with(exponent);
	let result = Exponent::fixed(RESULT);
	let mut value = graph.shifted(&scaled, result.clone(), DType::I16)?;
	if let Some(beta) = beta {
		let offset = graph.shifted(&graph.master(beta), result.clone(), DType::I16)?;
		let args = vec![value.arg(), offset.broadcast(&value.shape)?];
		value = graph.node(Op::Add { to: DType::I16 }, args)?.with(result);
	}
	let slot = graph.slot(path, Class::Counted, 0);
	graph.monitor(slot, &value)?;
	let value = value.reshape(&dims)?;

	let path = path.to_owned();
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		let dy = gradient.matrix()?;
		let bits = bits_for(rows) as i8;
		let op = Op::ReduceSumProduct { axis: 0, shift: bits, to: DType::I32 };
		let dgamma = graph.node(op, vec![dy.arg(), unit.arg()])?;
		let exponent = (dy.exponent.clone() + &unit.exponent).plus(bits.into());
		graph.gradient(gamma, dgamma.arg(), exponent);
		if let Some(beta) = beta {
			super::linear::bias_gradient(graph, &dy, beta)?;
		}
		if !wanted {
			return Ok(None);
		}
		// dx = (g − mean(g) − x̂·mean(g·x̂)) / σ with g = dy·γ; sums of rows have room in i32.
		const LESS: i8 = 10;
		let op = Op::MulShift { shift: LESS, to: DType::I32 };
		let g = graph.node(op, vec![dy.arg(), scale.broadcast(&dy.shape)?])?;
		let exponent = (dy.exponent.clone() + &scale.exponent).plus(LESS.into());
		let (multiplier, shift) = fixed_point(1.0 / f64::from(width));
		let mean = |graph: &mut Graph, sum: &Tensor| -> Result<Tensor> {
			let factor = graph.number(DType::I16, multiplier.into(), &sum.shape)?;
			let op = Op::MulShift { shift: shift as i8, to: DType::I32 };
			graph.node(op, vec![sum.arg(), factor])?.reshape(&[rows, 1])
		};
		let op = Op::ReduceSumProduct { axis: 1, shift: -UNIT as i8, to: DType::I32 };
		let along = graph.node(op, vec![g.arg(), unit.arg()])?;
		let along = mean(graph, &along)?.broadcast(&dy.shape)?;
		let op = Op::MulShift { shift: -UNIT as i8, to: DType::I32 };
		let along = graph.node(op, vec![unit.arg(), along])?;
		let subtract = Op::Sub { to: DType::I32 };
		let mut rest = graph.node(subtract, vec![g.arg(), along.arg()])?;
		if kind == NormKind::Layer {
			let sum = graph.node(Op::ReduceSum { axis: 1, to: DType::I32 }, vec![g.arg()])?;
			let level = mean(graph, &sum)?.broadcast(&dy.shape)?;
			rest = graph.node(subtract, vec![rest.arg(), level])?;
		}
		let op = Op::RowScale { kind, epsilon: 1, shift: SCALE_BITS };
		let inverse = graph.node(op, vec![x.arg()])?;
		let inverse = graph.anchor(inverse).reshape(&[rows, 1])?.broadcast(&dy.shape)?;
		// σ is 2^8 units or more wherever x uses its range, so 1/σ is below 2^22 and rest below
		// 2^22.
		const DOWN: i8 = 14;
		let op = Op::MulShift { shift: DOWN, to: DType::I32 };
		let exponent = (exponent - &x.exponent).plus(i32::from(DOWN) - i32::from(SCALE_BITS));
		let dx = graph.node(op, vec![rest.arg(), inverse])?.with(exponent);
		let slot = graph.slot(format!("{path}.gradient"), Class::Gradient, -24);
		let dx = graph.shifted(&dx, Exponent::of(slot), DType::I16)?;
		let dx = graph.anchor(dx);
		graph.monitor(slot, &dx)?;
		Ok(Some(dx.reshape(&dims)?))
	});
	Ok(Forward { value, backward, learns: true })
}

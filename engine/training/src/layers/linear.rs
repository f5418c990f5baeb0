use super::{activations, Backward, Forward, Wanted};
use crate::{
	error::Result,
	exponent::{Class, Exponent},
	graph::{Graph, Init, Product, Target, Tensor},
};
use assay_ops::{DType, Op};

/// `x·Wᵀ + b`: x `[.., K]`, W `[outputs, K]`, b `[outputs]`.
pub(super) fn linear(
	graph: &mut Graph,
	x: Tensor,
	path: &str,
	outputs: u32,
	bias: bool,
	wanted: Wanted,
) -> Result<Forward> {
	activations(&x, path)?;
	let width = x.shape.last();
	// As PyTorch begins.
	let bound = 1.0 / f64::from(width).sqrt();
	let init = Init::Uniform(bound);
	let parameter = graph.parameter(format!("{path}.weight"), &[outputs, width], init)?;
	let bias = bias
		.then(|| graph.parameter(format!("{path}.bias"), &[outputs], Init::Uniform(bound)))
		.transpose()?;
	let w = graph.weight(parameter)?;
	let (target, slot) = wanted.target(graph, path);
	let exponent = x.exponent.clone() + &w.exponent;
	let y = graph.product(Product::Matrix, x.arg(), w.arg(), exponent, 1.0, target)?;
	let value = match bias {
		Some(bias) => add_bias(graph, &y, bias)?,
		None => y,
	};
	if let Some(slot) = slot {
		graph.monitor(slot, &value)?;
	}
	let path = path.to_owned();
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		let dy = gradient.matrix()?;
		if let Some(bias) = bias {
			bias_gradient(graph, &dy, bias)?;
		}
		let rows = x.matrix()?;
		let exponent = dy.exponent.clone() + &rows.exponent;
		let (a, b) = (dy.permute(&[1, 0])?, rows.permute(&[1, 0])?);
		let exact = Target::Exact(dy.dims()[0]);
		let dw = graph.product(Product::Matrix, a, b, exponent, 1.0, exact)?;
		graph.gradient(parameter, dw.arg(), dw.exponent.clone());
		if !wanted {
			return Ok(None);
		}
		let slot = graph.slot(format!("{path}.gradient"), Class::Gradient, -24);
		let exponent = dy.exponent.clone() + &w.exponent;
		let (a, b) = (dy.arg(), w.permute(&[1, 0])?);
		let target = Target::Slot(slot);
		let dx = graph.product(Product::Matrix, a, b, exponent, 1.0, target)?;
		graph.monitor(slot, &dx)?;
		Ok(Some(dx.reshape(x.dims())?))
	});
	Ok(Forward { value, backward, learns: true })
}

/// `y + b` along the last dimension, with the type and exponent of y.
pub(super) fn add_bias(graph: &mut Graph, y: &Tensor, bias: usize) -> Result<Tensor> {
	let exponent = y.exponent.clone();
	let bias = graph.shifted(&graph.master(bias), exponent.clone(), y.dtype)?;
	let to = y.dtype;
	Ok(graph.node(Op::Add { to }, vec![y.arg(), bias.broadcast(&y.shape)?])?.with(exponent))
}

/// The sum of dy `[rows, outputs]` over its rows.
pub(super) fn bias_gradient(graph: &mut Graph, dy: &Tensor, bias: usize) -> Result<()> {
	let db = graph.node(Op::ReduceSum { axis: 0, to: DType::I32 }, vec![dy.arg()])?;
	let exponent: Exponent = dy.exponent.clone();
	graph.gradient(bias, db.arg(), exponent);
	Ok(())
}

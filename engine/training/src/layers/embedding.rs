use super::{place, Backward, Forward};
use crate::{
	error::{field, Result},
	exponent::{Class, Exponent},
	graph::{Graph, Init, Tensor, WEIGHT_EXPONENT},
};
use assay_ops::{DType, Op};

/// Rows of a table for tokens i32 `[batch, length]`, and one for each position.
pub(super) fn embedding(
	graph: &mut Graph,
	tokens: Tensor,
	path: &str,
	width: u32,
	positions: bool,
) -> Result<Forward> {
	let (DType::I32, &[batch, length]) = (tokens.dtype, tokens.dims()) else {
		return Err(field(place(path), "takes tokens; it can only be the first layer over tokens"));
	};
	let vocabulary = graph.vocabulary;
	let init = Init::Normal(0.02);
	let table = graph.parameter(format!("{path}.weight"), &[vocabulary, width], init)?;
	let rows = vec![graph.master(table).arg(), tokens.arg()];
	let mut sum = graph.node(Op::Gather, rows)?;
	let place = positions
		.then(|| graph.parameter(format!("{path}.positions"), &[length, width], init))
		.transpose()?;
	if let Some(place) = place {
		let place = graph.master(place).broadcast(&sum.shape)?;
		sum = graph.node(Op::Add { to: DType::I32 }, vec![sum.arg(), place])?;
	}
	let slot = graph.slot(path, Class::Wide, -14);
	let sum = sum.with(Exponent::fixed(WEIGHT_EXPONENT));
	let value = graph.shifted(&sum, Exponent::of(slot), DType::I16)?;
	let value = graph.anchor(value);
	graph.monitor(slot, &value)?;
	let backward: Backward = Box::new(move |graph, gradient, _| {
		let rows = gradient.reshape(&[batch * length, width])?;
		let op = Op::ScatterAdd { rows: vocabulary, to: DType::I32 };
		let indices = tokens.reshape(&[batch * length])?;
		let scattered = graph.node(op, vec![rows.arg(), indices.arg()])?;
		graph.gradient(table, scattered.arg(), gradient.exponent.clone());
		if let Some(place) = place {
			let op = Op::ReduceSum { axis: 0, to: DType::I32 };
			let summed = graph.node(op, vec![gradient.arg()])?;
			graph.gradient(place, summed.arg(), gradient.exponent);
		}
		Ok(None)
	});
	Ok(Forward { value, backward, learns: true })
}

//! A plain f32 evaluator of the ONNX operators that can be imported.
//!
//! It is the float reference: calibration reads every value from it, the report and the node tests compare with
//! it. It is checked against the expected results of ONNX's own node tests and against onnxruntime.

mod elementwise;
mod linear;
mod normalize;
pub(crate) mod rearrange;
mod reduce;
mod window;

pub(crate) use window::Window;

use crate::{
	array::Array,
	error::{Error, Result},
	graph::{Attribute, Graph, Node},
};
use std::{collections::HashMap, sync::Arc};

/// Values by name.
pub type Values = HashMap<String, Arc<Array>>;

/// The operands of one node, and its attributes.
pub(crate) struct Call<'a> {
	pub node: &'a Node,
	pub opset: i64,
	pub operands: Vec<Option<&'a Array>>,
}

impl<'a> Call<'a> {
	/// Operand `index`, which the operator needs.
	pub fn get(&self, index: usize) -> Result<&'a Array> {
		self.maybe(index)
			.ok_or_else(|| Error::node(&self.node.name, format!("operand {index} is missing")))
	}

	/// Operand `index`, if it is given.
	pub fn maybe(&self, index: usize) -> Option<&'a Array> {
		self.operands.get(index).copied().flatten()
	}

	/// A list that older operator sets have as an attribute and newer ones as an operand.
	pub fn list(&self, name: &str, index: usize) -> Option<Vec<i64>> {
		match self.node.ints(name) {
			Some(values) => Some(values.to_vec()),
			None => self.maybe(index).map(Array::ints),
		}
	}

	/// A dimension, counted from the end where it is negative.
	pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
		let positive = if axis < 0 { axis + rank as i64 } else { axis };
		usize::try_from(positive).ok().filter(|&axis| axis < rank.max(1)).ok_or_else(|| {
			Error::node(&self.node.name, format!("axis {axis} of a tensor with {rank} dimensions"))
		})
	}

	/// Several of them, ascending.
	pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
		let mut axes = axes.iter().map(|&a| self.axis(a, rank)).collect::<Result<Vec<_>>>()?;
		axes.sort_unstable();
		axes.dedup();
		Ok(axes)
	}

	/// The operands do not fit.
	pub fn bad(&self, text: &str) -> Error {
		let dims: Vec<_> = self.operands.iter().flatten().map(|a| &a.dims).collect();
		Error::node(&self.node.name, format!("{} of {dims:?}: {text}", self.node.op))
	}
}

/// Evaluates one node. Error `unsupported-operator` names an operator that is not known.
pub(crate) fn node(node: &Node, opset: i64, values: &[Option<&Array>]) -> Result<Vec<Array>> {
	let call = Call { node, opset, operands: values.to_vec() };
	if let Some(results) = elementwise::evaluate(&call)? {
		return Ok(results);
	}
	if let Some(results) = rearrange::evaluate(&call)? {
		return Ok(results);
	}
	Ok(vec![match node.op.as_str() {
		"Function" => function(&call)?,
		"MatMul" => linear::matmul(&call)?,
		"Linear" => linear::linear(&call)?,
		"Gemm" => linear::gemm(&call)?,
		"Conv" => window::conv(&call)?,
		"MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" => window::pool(&call)?,
		"BatchNormalization" => normalize::batch(&call)?,
		"LayerNormalization" | "RMSNormalization" => normalize::layer(&call)?,
		"LpNormalization" => normalize::lp(&call)?,
		"Softmax" => normalize::softmax(&call)?,
		"ArgMax" => reduce::arg_max(&call)?,
		"TopK" => return reduce::top_k(&call),
		op if op.starts_with("Reduce") => reduce::reduce(&call)?,
		op => return Err(Error::new(
			"unsupported-operator",
			format!("node `{}`: operator {op}", node.name),
			"docs/models.md lists the operators that can be imported; write the model with those",
		)),
	}])
}

fn function(call: &Call) -> Result<Array> {
	let Some(Attribute::Body(body)) = call.node.attributes.get("body") else {
		return Err(call.bad("it has no body"));
	};
	let inputs = body.inputs.iter().map(|input| input.name.clone());
	let operands = call.operands.iter().flatten().map(|&array| Arc::new(array.clone()));
	let values = run(body, &inputs.zip(operands).collect())?;
	let result = body.outputs.first().and_then(|name| values.get(name));
	result.map(|array| Array::clone(array)).ok_or_else(|| call.bad("it has no result"))
}

/// Evaluates the graph; every value is kept. Error: the node at fault.
pub fn run(graph: &Graph, inputs: &Values) -> Result<Values> {
	run_with(graph, inputs, |_, _| Ok(()))
}

/// As [`run`], calling `visit` after every node with all values so far.
pub(crate) fn run_with(
	graph: &Graph,
	inputs: &Values,
	mut visit: impl FnMut(&Node, &Values) -> Result<()>,
) -> Result<Values> {
	let mut values = inputs.clone();
	for input in &graph.inputs {
		if !values.contains_key(&input.name) {
			return Err(Error::new(
				"missing-input",
				format!("no samples for input `{}`", input.name),
				format!(
					"the file needs an array for each of: {}",
					graph.inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ")
				),
			));
		}
	}
	for at in &graph.nodes {
		let results = {
			let find =
				|name: &String| values.get(name).map(Arc::as_ref).or_else(|| graph.constant(name));
			let operands: Vec<_> =
				at.inputs.iter().map(|n| if n.is_empty() { None } else { find(n) }).collect();
			node(at, graph.opset, &operands)?
		};
		for (name, array) in at.outputs.iter().zip(results) {
			values.insert(name.clone(), Arc::new(array));
		}
		visit(at, &values)?;
	}
	for name in &graph.outputs {
		if let (None, Some(array)) = (values.get(name), graph.constants.get(name)) {
			values.insert(name.clone(), array.clone());
		}
	}
	Ok(values)
}

//! A plain f32 evaluator of the ONNX operators that can be imported.
//!
//! It is the float reference: calibration reads every value from it, the report and the node tests
//! compare with it. It is checked against the expected results of ONNX's own node tests and against
//! onnxruntime.

#[cfg(test)]
mod tests;

mod elementwise;
mod linear;
mod normalize;
pub(crate) mod plan;
pub(crate) mod rearrange;
mod reduce;
pub(crate) mod shapes;
mod window;

pub(crate) use window::Window;

use crate::{
	array::Array,
	error::{bad_node, list, short, Error, Result},
	graph::{Attribute, Graph, Node},
	limits::{Budget, Limits},
	lower::operators::unknown,
};
use std::{
	collections::{HashMap, HashSet},
	sync::Arc,
};

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
			.ok_or_else(|| bad_node(&self.node.name, format!("operand {index} is missing")))
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
		let positive = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
		usize::try_from(positive).ok().filter(|&axis| axis < rank).ok_or_else(|| {
			bad_node(&self.node.name, format!("axis {axis} of a tensor with {rank} dimensions"))
		})
	}

	/// Several of them, ascending; each once.
	pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
		let mut axes = axes.iter().map(|&a| self.axis(a, rank)).collect::<Result<Vec<_>>>()?;
		axes.sort_unstable();
		if axes.windows(2).any(|pair| pair[0] == pair[1]) {
			return Err(bad_node(&self.node.name, "an axis is there twice"));
		}
		Ok(axes)
	}

	/// The operands do not fit.
	pub fn bad(&self, text: &str) -> Error {
		let dims: Vec<_> = self.operands.iter().flatten().map(|a| &a.dims).collect();
		bad_node(&self.node.name, format!("{} of {dims:?}: {text}", self.node.op))
	}
}

/// Evaluates one node within `budget`. Error `unsupported-operator` names an operator that is not
/// known.
fn within(
	node: &Node,
	opset: i64,
	values: &[Option<&Array>],
	budget: &mut Budget,
) -> Result<Vec<Array>> {
	let call = Call { node, opset, operands: values.to_vec() };
	let plan = plan::plan(&call)?;
	plan::sizes(&call, &plan)?;
	let what = || format!("node `{}` ({})", short(&node.name), short(&node.op));
	for dims in &plan.scratch {
		budget.scratch(&what(), dims)?;
	}
	for (dims, integer) in &plan.results {
		budget.claim(&what(), dims, *integer)?;
	}
	budget.work(&what(), plan.units(&call))?;
	let results = evaluate(&call)?;
	let planned = plan.results.iter().map(|(dims, integer)| (dims, *integer));
	let whole =
		|array: &Array| array.bytes() == array.len() as u64 * if array.is_int() { 8 } else { 4 };
	let as_planned = planned.eq(results.iter().map(|array| (&array.dims, array.is_int())));
	if !as_planned || !results.iter().all(whole) {
		return Err(Error::new(
			"bad-model",
			format!("{}: its result is not what was expected", what()),
		)
		.fix("report this model"));
	}
	Ok(results)
}

/// Evaluates one node by itself.
pub(crate) fn node(node: &Node, opset: i64, values: &[Option<&Array>]) -> Result<Vec<Array>> {
	within(node, opset, values, &mut Budget::new(Limits::default()))
}

/// What the plan of a call says.
fn evaluate(call: &Call) -> Result<Vec<Array>> {
	if let Some(results) = elementwise::evaluate(call)? {
		return Ok(results);
	}
	if let Some(results) = rearrange::evaluate(call)? {
		return Ok(results);
	}
	Ok(vec![match call.node.op.as_str() {
		"Function" => function(call)?,
		"MatMul" => linear::matmul(call)?,
		"Linear" => linear::linear(call)?,
		"Gemm" => linear::gemm(call)?,
		"Conv" => window::conv(call)?,
		"MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" => window::pool(call)?,
		"BatchNormalization" => normalize::batch(call)?,
		"LayerNormalization" | "RMSNormalization" => normalize::layer(call)?,
		"LpNormalization" => normalize::lp(call)?,
		"Softmax" => normalize::softmax(call)?,
		"ArgMax" => reduce::arg_max(call)?,
		"CumSum" => reduce::cum_sum(call)?,
		"TopK" => return reduce::top_k(call),
		op if op.starts_with("Reduce") => reduce::reduce(call)?,
		_ => return Err(unknown(call.node)),
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

/// Evaluates the graph: its outputs. Error: the node at fault.
pub fn run(graph: &Graph, inputs: &Values) -> Result<Values> {
	run_with(graph, inputs, &HashSet::new(), |_, _| Ok(())).map(|(values, _)| values)
}

/// As [`run`], calling `visit` after every node with the values that are still there: its operands,
/// its results, and what is read later. Values of `keep` stay to the end. The second result is the
/// work that it took.
pub(crate) fn run_with(
	graph: &Graph,
	inputs: &Values,
	keep: &HashSet<String>,
	mut visit: impl FnMut(&Node, &Values) -> Result<()>,
) -> Result<(Values, u64)> {
	let mut values = inputs.clone();
	for input in &graph.inputs {
		if !values.contains_key(&input.name) {
			return Err(Error::new(
				"missing-input",
				format!("no samples for input `{}`", short(&input.name)),
			)
			.fix(format!(
				"the file needs an array for each of: {}",
				list(graph.inputs.iter().map(|input| input.name.as_str()))
			)));
		}
	}
	let mut budget = Budget::new(graph.limits);
	// Where each value is read last; outputs and what is kept are never dropped.
	let mut last: HashMap<&str, usize> = HashMap::new();
	for (at, node) in graph.nodes.iter().enumerate() {
		last.extend(node.outputs.iter().chain(&node.inputs).map(|name| (name.as_str(), at)));
	}
	for name in &graph.outputs {
		last.remove(name.as_str());
	}
	for (position, at) in graph.nodes.iter().enumerate() {
		let results = {
			let find =
				|name: &String| values.get(name).map(Arc::as_ref).or_else(|| graph.constant(name));
			let operands: Vec<_> =
				at.inputs.iter().map(|n| if n.is_empty() { None } else { find(n) }).collect();
			within(at, graph.opset, &operands, &mut budget)?
		};
		for (index, array) in results.into_iter().enumerate() {
			match at.outputs.get(index).filter(|name| !name.is_empty()) {
				Some(name) => drop(values.insert(name.clone(), Arc::new(array))),
				None => budget.release(array.bytes()),
			}
		}
		visit(at, &values)?;
		for name in at.outputs.iter().chain(&at.inputs) {
			if last.get(name.as_str()) == Some(&position)
				&& !keep.contains(name)
				&& !inputs.contains_key(name)
			{
				if let Some(array) = values.remove(name) {
					budget.release(array.bytes());
				}
			}
		}
	}
	for name in &graph.outputs {
		if let (None, Some(array)) = (values.get(name), graph.constants.get(name)) {
			values.insert(name.clone(), array.clone());
		}
	}
	Ok((values, budget.worked()))
}

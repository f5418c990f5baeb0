use super::clean::integers;
use crate::graph::{Attribute, Graph, Input, Node};
use std::collections::{BTreeSet, HashMap};

/// Operators of one value that are no straight line.
const CURVED: &[&str] = &[
	"LeakyRelu",
	"Sigmoid",
	"Tanh",
	"Erf",
	"Exp",
	"Log",
	"Sqrt",
	"Reciprocal",
	"Abs",
	"Sin",
	"Cos",
	"Softplus",
	"Softsign",
	"Mish",
	"HardSwish",
	"Elu",
	"Celu",
	"Selu",
	"HardSigmoid",
	"ThresholdedRelu",
	"Swish",
	"Gelu",
	"Floor",
	"Ceil",
	"Round",
	"Sign",
];
/// Operators that may stand beside them.
const PLAIN: &[&str] =
	&["Add", "Sub", "Mul", "Div", "Pow", "Neg", "Relu", "Clip", "Min", "Max", "Identity"];

/// Gathers nodes that together are an elementwise function of one value, such as GELU or
/// `x · sigmoid(x)`, into one `Function`, which is lowered to one table. Functions that only add,
/// multiply or clip stay as they are, and so do single operators. Returns how many functions it
/// made.
pub fn function(graph: &mut Graph) -> usize {
	let integer = integers(graph);
	// Root of each value that is an elementwise function of another one.
	let mut roots: HashMap<String, String> = HashMap::new();
	for node in &graph.nodes {
		if let Some(root) = root(graph, node, &roots, &integer) {
			roots.insert(node.output().into(), root);
		}
	}
	let (consumers, producers) = (graph.consumers(), graph.producers());
	let mut made: Vec<(usize, Node)> = Vec::new();
	for (at, node) in graph.nodes.iter().enumerate() {
		let Some(root) = roots.get(node.output()) else { continue };
		// Only where the function ends: something outside reads it.
		let inside = |&next: &usize| roots.get(graph.nodes[next].output()) == Some(root);
		let ends = graph.outputs.iter().any(|name| name == node.output())
			|| !consumers.get(node.output()).is_some_and(|next| next.iter().all(inside));
		if !ends {
			continue;
		}
		let Some(body) = body(graph, at, root, &roots, &producers) else { continue };
		if body.nodes.len() > 1 && body.nodes.iter().any(|node| curved(graph, node)) {
			let name = node.name.clone();
			let function = Node::new(&name, "Function", &[root], node.output())
				.with("body", Attribute::Body(Box::new(body)));
			made.push((at, function));
		}
	}
	let count = made.len();
	for (at, node) in made {
		graph.nodes[at] = node;
	}
	graph.prune();
	count
}

fn curved(graph: &Graph, node: &Node) -> bool {
	let moving =
		|index: usize| node.input(index).is_some_and(|name| graph.constant(name).is_none());
	CURVED.contains(&node.op.as_str())
		|| node.op == "Pow"
		|| (node.op == "Mul" && moving(0) && moving(1))
		|| (node.op == "Div" && moving(1))
}

/// The one value that a node is an elementwise function of.
fn root(
	graph: &Graph,
	node: &Node,
	roots: &HashMap<String, String>,
	integer: &HashMap<String, bool>,
) -> Option<String> {
	let op = node.op.as_str();
	if node.outputs.len() != 1 || !(CURVED.contains(&op) || PLAIN.contains(&op)) {
		return None;
	}
	let shape = graph.shapes.get(node.output())?;
	let mut found: Option<&str> = None;
	for name in node.inputs.iter().filter(|name| !name.is_empty()) {
		if graph.constant(name).is_some() {
			// A pair of scalars alone would be no function of a tensor.
			graph.scalar(name)?;
			continue;
		}
		if graph.shapes.get(name)? != shape || integer.get(name) != Some(&false) {
			return None;
		}
		let root = roots.get(name).unwrap_or(name);
		if found.is_some_and(|found| found != root) {
			return None;
		}
		found = Some(root);
	}
	found.map(String::from)
}

/// Most nodes of a function. Real ones have ten or so; a chain without end is left as it is.
const LONGEST: usize = 128;

/// The nodes between `root` and the result of node `at`.
fn body(
	graph: &Graph,
	at: usize,
	root: &str,
	roots: &HashMap<String, String>,
	producers: &HashMap<&str, usize>,
) -> Option<Graph> {
	let result = graph.nodes[at].output();
	let mut body = Graph {
		opset: graph.opset,
		outputs: vec![result.into()],
		limits: graph.limits,
		..Graph::default()
	};
	body.inputs.push(Input { name: root.into(), integer: false, dims: Vec::new() });
	let mut parts = BTreeSet::from([at]);
	let mut open = vec![at];
	while let Some(next) = open.pop() {
		for name in graph.nodes[next].inputs.iter().filter(|name| *name != root) {
			if let Some(array) = graph.constants.get(name) {
				body.constants.insert(name.clone(), array.clone());
			} else if roots.get(name).is_some_and(|other| other == root) {
				let made = *producers.get(name.as_str())?;
				if parts.insert(made) {
					open.push(made);
				}
			}
		}
		if parts.len() > LONGEST {
			return None;
		}
	}
	body.nodes = parts.into_iter().map(|at| graph.nodes[at].clone()).collect();
	Some(body)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{array::Array, passes::testing};

	#[test]
	fn gelu_should_become_one_function_when_it_is_written_in_parts() {
		let mut graph = testing::graph(
			&[2, 8],
			vec![
				Node::new("d", "Div", &["x", "root"], "a"),
				Node::new("e", "Erf", &["a"], "b"),
				Node::new("s", "Add", &["b", "one"], "c"),
				Node::new("m", "Mul", &["x", "c"], "d"),
				Node::new("h", "Mul", &["d", "half"], "y"),
			],
			&[
				("root", Array::float([], vec![std::f32::consts::SQRT_2])),
				("one", Array::float([], vec![1.0])),
				("half", Array::float([], vec![0.5])),
			],
		);
		assert_eq!(testing::unchanged(&mut graph, function), ["Function"]);
	}

	#[test]
	fn nodes_should_stay_when_they_are_straight_or_read_two_values() {
		let mut graph = testing::graph(
			&[2, 8],
			vec![
				Node::new("a", "Mul", &["x", "two"], "a"),
				Node::new("b", "Relu", &["a"], "b"),
				Node::new("r", "ReduceMax", &["x"], "max"),
				Node::new("c", "Sub", &["b", "max"], "y"),
			],
			&[("two", Array::float([], vec![2.0]))],
		);
		let kept = testing::unchanged(&mut graph, function);
		assert_eq!(kept, ["Mul", "Relu", "ReduceMax", "Sub"]);
	}
}

use super::finite;
use crate::{
	array::Array,
	error::{unsupported, Result},
	eval::{self, Values},
	graph::{Graph, Node},
};
use std::{
	collections::{HashMap, HashSet},
	sync::Arc,
};

/// Finds the shape of every value by evaluating the graph on one batch of samples, and folds every
/// node whose operands are constants (a shape is one). Returns how many nodes were folded, and the
/// work that one batch takes.
///
/// Errors: the node that cannot be evaluated; `not-finite` where constants make what is no number;
/// `unsupported` where a dimension is 0.
pub fn infer(graph: &mut Graph, sample: &Values) -> Result<(usize, u64)> {
	let mut folded: HashSet<String> = HashSet::new();
	let mut shapes: HashMap<String, Vec<usize>> =
		graph.constants.iter().map(|(name, array)| (name.clone(), array.dims.clone())).collect();
	shapes.extend(sample.iter().map(|(name, array)| (name.clone(), array.dims.clone())));
	for node in &graph.nodes {
		let constant = |name: &String| {
			name.is_empty() || graph.constants.contains_key(name) || folded.contains(name)
		};
		let shape = matches!(node.op.as_str(), "Shape" | "Size");
		if shape || node.inputs.iter().all(constant) {
			folded.extend(node.outputs.iter().filter(|name| !name.is_empty()).cloned());
		}
	}
	let is_folded = |node: &Node, folded: &HashSet<String>| {
		node.outputs.iter().any(|name| folded.contains(name))
	};
	// Of what is folded, only what somebody else reads is kept.
	let mut needed: HashSet<String> = graph.outputs.iter().cloned().collect();
	for node in graph.nodes.iter().filter(|node| !is_folded(node, &folded)) {
		needed.extend(node.inputs.iter().cloned());
	}
	needed.retain(|name| folded.contains(name));
	let mut constants: Vec<(String, Arc<Array>)> = Vec::new();
	let (_, work) = eval::run_with(graph, sample, &needed, |node, values| {
		for name in node.outputs.iter().filter(|name| !name.is_empty()) {
			let Some(array) = values.get(name) else { continue };
			shapes.insert(name.clone(), array.dims.clone());
			if is_folded(node, &folded) {
				finite::folded(node, array)?;
				if needed.contains(name) {
					constants.push((name.clone(), Arc::clone(array)));
				}
			} else if array.is_empty() {
				return Err(unsupported(
					&node.name,
					format!("value `{}` has no element", crate::error::short(name)),
					"a dimension of 0 has no integer counterpart; export without it",
				));
			}
		}
		Ok(())
	})?;
	let before = graph.nodes.len();
	graph.nodes.retain(|node| !is_folded(node, &folded));
	let count = before - graph.nodes.len();
	graph.constants.extend(constants);
	graph.shapes = shapes;
	graph.prune();
	Ok((count, work))
}

#[cfg(test)]
mod tests {
	use crate::{array::Array, graph::Node, passes::testing};

	#[test]
	fn shapes_should_be_folded_when_samples_are_concrete() {
		let graph = testing::graph(
			&[2, 3, 4],
			vec![
				Node::new("shape", "Shape", &["x"], "s"),
				Node::new("first", "Gather", &["s", "zero"], "n"),
				Node::new("both", "Concat", &["n", "open"], "to"),
				Node::new("flat", "Reshape", &["x", "to"], "y"),
			],
			&[("zero", Array::int([1], vec![0])), ("open", Array::int([1], vec![-1]))],
		);
		assert_eq!(graph.nodes.len(), 1);
		assert_eq!(graph.constant("to"), Some(&Array::int([2], vec![2, -1])));
		assert_eq!(graph.shapes["y"], [2, 12]);
	}
}

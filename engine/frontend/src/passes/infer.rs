use crate::{
	error::{Error, Result},
	eval::{self, Values},
	graph::Graph,
};
use std::{collections::HashSet, sync::Arc};

/// Finds the shape of every value by evaluating the graph on one batch of samples, and folds every node whose
/// operands are constants (a shape is one). Returns how many nodes were folded.
///
/// Errors: the node that cannot be evaluated; `unsupported` where a dimension is 0.
pub fn infer(graph: &mut Graph, sample: &Values) -> Result<usize> {
	let values = eval::run(graph, sample)?;
	graph.shapes = graph.constants.iter().map(|(name, a)| (name.clone(), a.dims.clone())).collect();
	graph.shapes.extend(values.iter().map(|(name, array)| (name.clone(), array.dims.clone())));
	let mut constant: HashSet<String> = graph.constants.keys().cloned().collect();
	let before = graph.nodes.len();
	let mut kept = Vec::with_capacity(before);
	for node in std::mem::take(&mut graph.nodes) {
		let fixed = matches!(node.op.as_str(), "Shape" | "Size");
		if fixed || node.inputs.iter().all(|name| name.is_empty() || constant.contains(name)) {
			for name in &node.outputs {
				if let Some(array) = values.get(name) {
					graph.constants.insert(name.clone(), Arc::clone(array));
					constant.insert(name.clone());
				}
			}
			continue;
		}
		for name in &node.outputs {
			if values.get(name).is_some_and(|array| array.is_empty()) {
				return Err(Error::unsupported(
					&node.name,
					format!("value `{name}` has no element"),
					"a dimension of 0 has no integer counterpart; export without it",
				));
			}
		}
		kept.push(node);
	}
	graph.nodes = kept;
	graph.prune();
	Ok(before - graph.nodes.len())
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

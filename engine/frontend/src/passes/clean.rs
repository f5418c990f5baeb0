use crate::graph::Graph;
use std::collections::{HashMap, HashSet};

/// Drops nodes that only hand their operand on: identities, dropouts (inference), casts of floats
/// to floats, and an `Expand`, `Reshape` or `Tile` to the shape that is there. Returns how many.
pub fn clean(graph: &mut Graph) -> usize {
	let integer: HashMap<String, bool> = integers(graph);
	let mut renamed: HashMap<String, String> = HashMap::new();
	let before = graph.nodes.len();
	let outputs: HashSet<String> = graph.outputs.iter().cloned().collect();
	let mut kept = Vec::with_capacity(before);
	for mut node in std::mem::take(&mut graph.nodes) {
		for name in &mut node.inputs {
			if let Some(to) = renamed.get(name) {
				name.clone_from(to);
			}
		}
		let input = node.input(0).unwrap_or_default().to_string();
		let same_shape = graph.shapes.get(&input) == graph.shapes.get(node.output());
		let hands_on = match node.op.as_str() {
			"Identity" | "Dropout" => true,
			"Cast" => {
				matches!(node.int("to", 0), 1 | 10 | 11 | 16) && integer.get(&input) == Some(&false)
			}
			"Expand" | "Reshape" | "Tile" | "Flatten" | "Squeeze" | "Unsqueeze" => same_shape,
			_ => false,
		};
		// What makes an output under its own name stays.
		if hands_on && !node.output().is_empty() && !outputs.contains(node.output()) {
			renamed.insert(node.output().into(), input);
		} else {
			kept.push(node);
		}
	}
	graph.nodes = kept;
	before - graph.nodes.len()
}

/// Which values are integers or bools, as far as the operators tell.
pub(crate) fn integers(graph: &Graph) -> HashMap<String, bool> {
	let mut integer: HashMap<String, bool> =
		graph.constants.iter().map(|(name, array)| (name.clone(), array.is_int())).collect();
	integer.extend(graph.inputs.iter().map(|input| (input.name.clone(), input.integer)));
	for node in &graph.nodes {
		let is = |index: usize| node.input(index).and_then(|n| integer.get(n)).copied();
		let result = match node.op.as_str() {
			"Cast" => !matches!(node.int("to", 0), 1 | 10 | 11 | 16),
			"ArgMax" | "Shape" | "Size" | "Not" | "Equal" | "Less" | "LessOrEqual" | "Greater"
			| "GreaterOrEqual" | "And" | "Or" | "Xor" | "IsInf" | "IsNaN" => true,
			"Where" => is(1).unwrap_or(false) && is(2).unwrap_or(false),
			"Gather" => is(0).unwrap_or(false),
			_ => {
				let given = (0..node.inputs.len()).filter_map(is);
				given.clone().count() > 0 && given.into_iter().all(|integer| integer)
			}
		};
		for (index, name) in node.outputs.iter().enumerate() {
			integer.insert(name.clone(), result || (node.op == "TopK" && index == 1));
		}
	}
	integer
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{
		graph::{Attribute, Node},
		passes::testing,
	};

	#[test]
	fn nodes_should_go_when_they_hand_their_operand_on() {
		let mut graph = testing::graph(
			&[2, 3],
			vec![
				Node::new("i", "Identity", &["x"], "a"),
				Node::new("c", "Cast", &["a"], "b").with("to", Attribute::Int(1)),
				Node::new("r", "Relu", &["b"], "y"),
			],
			&[],
		);
		assert_eq!(testing::unchanged(&mut graph, clean), ["Relu"]);
	}

	#[test]
	fn casts_should_stay_when_they_cut_or_make_outputs() {
		let mut graph = testing::graph(
			&[2, 3],
			vec![
				Node::new("c", "Cast", &["x"], "a").with("to", Attribute::Int(7)),
				Node::new("i", "Identity", &["a"], "y"),
			],
			&[],
		);
		assert_eq!(testing::unchanged(&mut graph, clean), ["Cast", "Identity"]);
	}
}

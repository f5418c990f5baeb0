use super::Links;
use crate::graph::{Attribute, Graph, Node};

/// A floor under a norm that is this small only keeps 0/0 away.
const TINY: f32 = 1e-6;

/// Finds `x / max(‖x‖₂, ε)` along one dimension and makes it one LpNormalization. Returns how many.
pub fn l2_norm(graph: &mut Graph) -> usize {
	let links = Links::new(graph);
	let mut found = Vec::new();
	for (at, node) in graph.nodes.iter().enumerate() {
		if let Some(axis) = (node.op == "Div").then(|| axis(graph, &links, node)).flatten() {
			let x = node.input(0).unwrap_or_default();
			let norm = Node::new(&node.name, "LpNormalization", &[x], node.output())
				.with("axis", Attribute::Int(axis))
				.with("p", Attribute::Int(2));
			found.push((at, norm));
		}
	}
	let count = found.len();
	for (at, node) in found {
		graph.nodes[at] = node;
	}
	graph.prune();
	count
}

fn axis(graph: &Graph, links: &Links, node: &Node) -> Option<i64> {
	let x = node.input(0)?;
	let mut value = node.input(1)?;
	// A floor and a shape are what stands between, in some order.
	for _ in 0..8 {
		let (_, producer) = links.producer(graph, value)?;
		value = match producer.op.as_str() {
			// To more than x has it is no norm of x's shape.
			"Expand" if graph.shapes.get(node.output()) == graph.shapes.get(x) => {
				producer.input(0)?
			}
			"Clip" => {
				let floor = match producer.input(1) {
					Some(name) => graph.scalar(name)?,
					None => producer.float("min", 0.0),
				};
				let open = producer.input(2).is_none() && !producer.attributes.contains_key("max");
				(open && floor <= TINY).then(|| producer.input(0)).flatten()?
			}
			"Max" if producer.inputs.len() == 2 => {
				let [a, b] = [producer.input(0)?, producer.input(1)?];
				let small = |name: &str| graph.scalar(name).is_some_and(|floor| floor <= TINY);
				if small(b) {
					a
				} else if small(a) {
					b
				} else {
					return None;
				}
			}
			"ReduceL2" => {
				let axes = match producer.ints("axes") {
					Some(axes) => axes.to_vec(),
					None => graph.constant(producer.input(1)?)?.ints(),
				};
				let same = producer.input(0)? == x && producer.int("keepdims", 1) != 0;
				return match axes[..] {
					[axis] if same => Some(axis),
					_ => None,
				};
			}
			_ => return None,
		};
	}
	None
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{array::Array, passes::testing};

	/// A floor that is computed, a third operand, and a shape that is larger.
	#[test]
	fn norm_should_not_be_taken_for_one_when_something_else_stands_between() {
		let norm =
			|| Node::new("n", "ReduceL2", &["x"], "n").with("axes", Attribute::Ints(vec![1]));
		let floor = Array::float([], vec![1e-12]);
		let cases = [
			(
				vec![
					norm(),
					Node::new("m", "ReduceMax", &["x"], "m").with("keepdims", Attribute::Int(0)),
					Node::new("c", "Clip", &["n", "m"], "c"),
					Node::new("d", "Div", &["x", "c"], "y"),
				],
				vec![],
			),
			(
				vec![
					norm(),
					Node::new("b", "Abs", &["x"], "b"),
					Node::new("c", "Max", &["n", "floor", "b"], "c"),
					Node::new("d", "Div", &["x", "c"], "y"),
				],
				vec![("floor", floor.clone())],
			),
			(
				vec![
					norm(),
					Node::new("e", "Expand", &["n", "to"], "e"),
					Node::new("d", "Div", &["x", "e"], "y"),
				],
				vec![("to", Array::int([3], vec![2, 4, 8]))],
			),
		];
		for (nodes, constants) in cases {
			let mut graph = testing::graph(&[4, 8], nodes, &constants);
			let operators = testing::unchanged(&mut graph, l2_norm);
			assert!(operators.contains(&"Div".to_string()), "{operators:?}");
		}
	}

	#[test]
	fn norm_should_be_found_when_it_is_clipped_and_expanded() {
		let mut graph = testing::graph(
			&[4, 8],
			vec![
				Node::new("n", "ReduceL2", &["x"], "n").with("axes", Attribute::Ints(vec![1])),
				Node::new("c", "Clip", &["n", "floor"], "c"),
				Node::new("e", "Expand", &["c", "to"], "e"),
				Node::new("d", "Div", &["x", "e"], "y"),
			],
			&[("floor", Array::float([], vec![1e-12])), ("to", Array::int([2], vec![4, 8]))],
		);
		assert_eq!(testing::unchanged(&mut graph, l2_norm), ["LpNormalization"]);
	}
}

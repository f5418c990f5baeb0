use super::{other, Links};
use crate::{
	array::Array,
	graph::{Attribute, Graph, Node},
};

/// Finds `(x − mean) / sqrt(mean((x − mean)²) + ε) · γ + β` over the last dimension, written out in
/// parts, and makes it one LayerNormalization; without the mean, one RMSNormalization. γ and β may
/// be missing. Returns how many.
pub fn layer_norm(graph: &mut Graph) -> usize {
	let found = find(graph);
	let count = found.len();
	for Found { last, x, epsilon, centred, gamma, beta } in found {
		let (name, output) =
			(graph.nodes[last].name.clone(), graph.nodes[last].output().to_string());
		let gamma = graph.add_constant(&format!("{name}.gamma"), gamma);
		let op = if centred { "LayerNormalization" } else { "RMSNormalization" };
		let mut node = Node::new(&name, op, &[&x, &gamma], &output)
			.with("axis", Attribute::Int(-1))
			.with("epsilon", Attribute::Float(epsilon));
		if let Some(beta) = beta {
			node.inputs.push(graph.add_constant(&format!("{name}.beta"), beta));
		}
		graph.nodes[last] = node;
	}
	graph.prune();
	count
}

/// A normalization in parts: its last node, and what it is of.
struct Found {
	last: usize,
	x: String,
	epsilon: f32,
	centred: bool,
	gamma: Array,
	beta: Option<Array>,
}

/// All of them.
fn find(graph: &Graph) -> Vec<Found> {
	let links = Links::new(graph);
	let mut all = Vec::new();
	for at in 0..graph.nodes.len() {
		let Some((x, epsilon, centred, mut last)) = core(graph, &links, at) else { continue };
		let Some(&n) = graph.shapes.get(&x).and_then(|dims| dims.last()) else { continue };
		let row = |name: &str| {
			graph
				.constant(name)
				.filter(|c| c.len() == 1 || (c.len() == n && c.dims.last() == Some(&n)))
		};
		let spread = |array: &Array| {
			let values = array.floats();
			let value = |i: usize| values[if values.len() == 1 { 0 } else { i }];
			Array::float([n], (0..n).map(value).collect())
		};
		let (mut gamma, mut beta) = (Array::float([n], vec![1.0; n]), None);
		let follow = |last: usize, op: &str| -> Option<(usize, Array)> {
			let value = graph.nodes[last].output();
			let (next, node) = links.only_consumer(graph, value)?;
			(node.op == op).then(|| row(other(node, value)?)).flatten().map(|c| (next, spread(c)))
		};
		if let Some((next, found)) = follow(last, "Mul") {
			(last, gamma) = (next, found);
		}
		if centred {
			if let Some((next, found)) = follow(last, "Add") {
				(last, beta) = (next, Some(found));
			}
		}
		// γ, β or ε of a higher rank than x's make something else of it.
		if graph.shapes.get(graph.nodes[last].output()) != graph.shapes.get(&x) {
			continue;
		}
		all.push(Found { last, x, epsilon, centred, gamma, beta });
	}
	all
}

/// The operand, ε, whether the mean is taken off, and the node with the normalized value.
fn core(graph: &Graph, links: &Links, at: usize) -> Option<(String, f32, bool, usize)> {
	let node = &graph.nodes[at];
	let (numerator, variance) = match node.op.as_str() {
		"Div" => {
			let root = links.made_by(graph, node.input(1)?, "Sqrt")?;
			(node.input(0)?, root.input(0)?)
		}
		"Mul" => [(0, 1), (1, 0)].into_iter().find_map(|(a, b)| {
			let factor = node.input(b)?;
			let root = match links.producer(graph, factor)?.1 {
				inverse if inverse.op == "Reciprocal" => {
					links.made_by(graph, inverse.input(0)?, "Sqrt")?.input(0)?
				}
				// 1 / sqrt(v)
				quotient
					if quotient.op == "Div" && graph.scalar(quotient.input(0)?) == Some(1.0) =>
				{
					links.made_by(graph, quotient.input(1)?, "Sqrt")?.input(0)?
				}
				power if power.op == "Pow" && graph.scalar(power.input(1)?) == Some(-0.5) => {
					power.input(0)?
				}
				_ => return None,
			};
			Some((node.input(a)?, root))
		})?,
		_ => return None,
	};
	let sum = links.made_by(graph, variance, "Add")?;
	let (epsilon, mean_square) = [(0, 1), (1, 0)]
		.into_iter()
		.find_map(|(a, b)| Some((graph.scalar(sum.input(a)?)?, sum.input(b)?)))?;
	let square = links.made_by(graph, mean_over_last(graph, links, mean_square)?, "Pow");
	let square = match square {
		Some(power) if graph.scalar(power.input(1)?) == Some(2.0) => power.input(0)?,
		Some(_) => return None,
		None => {
			let product = mean_over_last(graph, links, mean_square)?;
			let product = links.made_by(graph, product, "Mul")?;
			(product.input(0)? == product.input(1)?).then(|| product.input(0)).flatten()?
		}
	};
	let centre = |value: &str| -> Option<String> {
		let difference = links.made_by(graph, value, "Sub")?;
		let x = difference.input(0)?;
		(mean_over_last(graph, links, difference.input(1)?)? == x).then(|| x.to_string())
	};
	match (centre(numerator), centre(square)) {
		(Some(a), Some(b)) if a == b => Some((a, epsilon, true, at)),
		_ if numerator == square => Some((numerator.to_string(), epsilon, false, at)),
		_ => None,
	}
}

/// What `value` is the mean of over the last dimension, which is kept.
fn mean_over_last<'a>(graph: &'a Graph, links: &Links, value: &str) -> Option<&'a str> {
	let node = links.made_by(graph, value, "ReduceMean")?;
	let x = node.input(0)?;
	let axes = match node.ints("axes") {
		Some(axes) => axes.to_vec(),
		None => graph.constant(node.input(1)?)?.ints(),
	};
	let last = graph.shapes.get(x)?.len() as i64 - 1;
	(node.int("keepdims", 1) != 0 && (axes == [-1] || axes == [last])).then_some(x)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::passes::testing;

	fn mean(name: &str, from: &str, to: &str) -> Node {
		Node::new(name, "ReduceMean", &[from], to).with("axes", Attribute::Ints(vec![-1]))
	}

	#[test]
	fn normalization_should_be_found_when_it_is_written_in_parts() {
		let mut graph = testing::graph(
			&[2, 5, 8],
			vec![
				mean("m", "x", "mean"),
				Node::new("s", "Sub", &["x", "mean"], "d"),
				Node::new("p", "Pow", &["d", "two"], "square"),
				mean("v", "square", "variance"),
				Node::new("e", "Add", &["variance", "eps"], "ve"),
				Node::new("r", "Sqrt", &["ve"], "root"),
				Node::new("q", "Div", &["d", "root"], "normal"),
				Node::new("g", "Mul", &["normal", "gamma"], "scaled"),
				Node::new("b", "Add", &["scaled", "beta"], "y"),
			],
			&[
				("two", Array::float([], vec![2.0])),
				("eps", Array::float([], vec![1e-5])),
				("gamma", testing::noise(&[8], 3)),
				("beta", testing::noise(&[8], 4)),
			],
		);
		assert_eq!(testing::unchanged(&mut graph, layer_norm), ["LayerNormalization"]);
	}

	#[test]
	fn root_mean_square_should_be_found_when_no_mean_is_taken_off() {
		let mut graph = testing::graph(
			&[2, 5, 8],
			vec![
				Node::new("p", "Mul", &["x", "x"], "square"),
				mean("v", "square", "variance"),
				Node::new("e", "Add", &["variance", "eps"], "ve"),
				Node::new("r", "Sqrt", &["ve"], "root"),
				Node::new("i", "Reciprocal", &["root"], "inverse"),
				Node::new("q", "Mul", &["x", "inverse"], "normal"),
				Node::new("g", "Mul", &["gamma", "normal"], "y"),
			],
			&[("eps", Array::float([], vec![1e-5])), ("gamma", testing::noise(&[8], 3))],
		);
		assert_eq!(testing::unchanged(&mut graph, layer_norm), ["RMSNormalization"]);
	}
}

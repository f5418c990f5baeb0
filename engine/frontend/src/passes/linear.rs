use super::{finite::is_mask, other, Links};
use crate::{
	array::{strides, walk, Array},
	graph::{Graph, Node},
};

/// Turns products with a constant matrix (MatMul, Gemm) into `Linear`, and adds a constant that
/// follows a `Linear` or `Conv` to its bias. Returns how many nodes it changed.
pub fn linear(graph: &mut Graph) -> usize {
	let mut count = 0;
	for at in 0..graph.nodes.len() {
		let replacement = match graph.nodes[at].op.as_str() {
			"MatMul" => from_matmul(graph, at),
			"Gemm" => from_gemm(graph, at),
			_ => None,
		};
		if let Some(node) = replacement {
			graph.nodes[at] = node;
			count += 1;
		}
	}
	count + biases(graph)
}

fn transposed(w: &Array) -> Array {
	let own = strides(&w.dims);
	let dims = [w.dims[1], w.dims[0]];
	w.pick(dims, walk(&dims, &[own[1], own[0]], 0))
}

fn from_matmul(graph: &mut Graph, at: usize) -> Option<Node> {
	let node = graph.nodes[at].clone();
	let (x, w) = (node.input(0)?, node.input(1)?);
	let weights = graph.constant(w).filter(|w| w.rank() == 2 && !w.is_int())?;
	if graph.constant(x).is_some() || graph.shapes.get(x)?.is_empty() {
		return None;
	}
	let weights = transposed(weights);
	let name = graph.add_constant(&format!("{w}.T"), weights);
	Some(Node::new(&node.name, "Linear", &[x, &name], node.output()))
}

fn from_gemm(graph: &mut Graph, at: usize) -> Option<Node> {
	let node = graph.nodes[at].clone();
	let (x, w) = (node.input(0)?, node.input(1)?);
	if node.int("transA", 0) != 0 {
		return None;
	}
	let weights = graph.constant(w).filter(|w| w.rank() == 2)?;
	let weights = if node.int("transB", 0) != 0 { weights.clone() } else { transposed(weights) };
	let (n, alpha, beta) = (weights.dims[0], node.float("alpha", 1.0), node.float("beta", 1.0));
	let bias = match node.input(2) {
		None => None,
		Some(c) => {
			let c = graph.constant(c)?;
			let values = c.floats();
			let row = c.len() == 1 || (c.len() == n && c.dims.last() == Some(&n));
			if !row {
				return None;
			}
			let value = |i: usize| beta * values[if values.len() == 1 { 0 } else { i }];
			Some(Array::float([n], (0..n).map(value).collect()))
		}
	};
	let scaled = weights.floats().into_iter().map(|value| value * alpha).collect();
	let name = graph.add_constant(&format!("{w}.NK"), Array::float(weights.dims.clone(), scaled));
	let mut result = Node::new(&node.name, "Linear", &[x, &name], node.output());
	if let Some(bias) = bias {
		result.inputs.push(graph.add_constant(&format!("{}.bias", node.name), bias));
	}
	Some(result)
}

/// Adds what follows each `Linear` or `Conv` to its bias; how many sums went.
fn biases(graph: &mut Graph) -> usize {
	let links = Links::new(graph);
	let mut gone = vec![false; graph.nodes.len()];
	for at in 0..graph.nodes.len() {
		if !matches!(graph.nodes[at].op.as_str(), "Linear" | "Conv") {
			continue;
		}
		let mut found: Option<Vec<f32>> = None;
		let mut output = graph.nodes[at].output().to_string();
		while let Some((sum, added)) = added(graph, &links, at, &output) {
			gone[sum] = true;
			output = graph.nodes[sum].output().to_string();
			found = Some(match found {
				Some(bias) => bias.iter().zip(&added).map(|(a, b)| a + b).collect(),
				None => added,
			});
		}
		if let Some(bias) = found {
			absorb(graph, at, output, bias);
		}
	}
	let mut place = gone.iter();
	graph.nodes.retain(|_| !place.next().copied().unwrap_or(false));
	gone.iter().filter(|gone| **gone).count()
}

/// The sum that alone reads `output`, which product `at` makes, and what it adds to each channel.
fn added(graph: &Graph, links: &Links, at: usize, output: &str) -> Option<(usize, Vec<f32>)> {
	let (sum, next) = links.only_consumer(graph, output)?;
	let added = (next.op == "Add").then(|| graph.constant(other(next, output)?)).flatten()?;
	let dims = graph.shapes.get(output)?;
	let channel = if graph.nodes[at].op == "Linear" { dims.len().checked_sub(1)? } else { 1 };
	let channels = *dims.get(channel)?;
	// Aligned at the last dimension, only the channels may differ from 1.
	let missing = dims.len().checked_sub(added.rank())?;
	let own = |i: usize, dim: usize| i + missing == channel && dim == channels;
	let fits = added.dims.iter().enumerate().all(|(i, &dim)| dim == 1 || own(i, dim));
	let values = added.float_data();
	// A mask would take the whole range of a bias.
	if !fits || is_mask(&values) {
		return None;
	}
	let value = |i: usize| values[if values.len() == 1 { 0 } else { i }];
	Some((sum, (0..channels).map(value).collect()))
}

fn absorb(graph: &mut Graph, product: usize, output: String, mut bias: Vec<f32>) {
	let old =
		graph.nodes[product].input(2).and_then(|name| graph.constant(name)).map(Array::floats);
	for (value, old) in bias.iter_mut().zip(old.iter().flatten()) {
		*value += old;
	}
	let hint = format!("{}.bias", graph.nodes[product].name);
	let name = graph.add_constant(&hint, Array::float([bias.len()], bias));
	let node = &mut graph.nodes[product];
	node.inputs.truncate(2);
	node.inputs.push(name);
	node.outputs = vec![output];
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{graph::Attribute, passes::testing};

	#[test]
	fn product_and_sum_should_become_one_when_both_are_constant() {
		let mut graph = testing::graph(
			&[2, 5, 3],
			vec![
				Node::new("m", "MatMul", &["x", "w"], "a"),
				Node::new("s", "Add", &["b", "a"], "y"),
			],
			&[("w", testing::noise(&[3, 4], 1)), ("b", testing::noise(&[4], 2))],
		);
		assert_eq!(testing::unchanged(&mut graph, linear), ["Linear"]);
		assert_eq!(graph.nodes[0].inputs.len(), 3);
	}

	/// As in ordinal regression: one number for a sample, and thresholds that make several of it.
	#[test]
	fn sum_should_stay_when_it_makes_more_channels() {
		let mut graph = testing::graph(
			&[5, 3],
			vec![
				Node::new("m", "MatMul", &["x", "w"], "a"),
				Node::new("s", "Add", &["a", "b"], "y"),
			],
			&[("w", testing::noise(&[3, 1], 1)), ("b", testing::noise(&[4], 2))],
		);
		assert_eq!(testing::unchanged(&mut graph, linear), ["Linear", "Add"]);
		let mut graph = testing::graph(
			&[2, 3, 4, 4],
			vec![Node::new("c", "Conv", &["x", "w"], "a"), Node::new("s", "Add", &["a", "b"], "y")],
			&[("w", testing::noise(&[1, 3, 1, 1], 1)), ("b", testing::noise(&[5, 1, 1], 2))],
		);
		assert_eq!(testing::unchanged(&mut graph, linear), ["Conv", "Add"]);
	}

	#[test]
	fn gemm_should_become_linear_when_its_matrix_is_constant() {
		for transposed in [0, 1] {
			let w = if transposed == 0 { [3, 4] } else { [4, 3] };
			let node = Node::new("g", "Gemm", &["x", "w", "c"], "y")
				.with("transB", Attribute::Int(transposed))
				.with("alpha", Attribute::Float(0.5))
				.with("beta", Attribute::Float(2.0));
			let constants = [("w", testing::noise(&w, 1)), ("c", testing::noise(&[4], 2))];
			let mut graph = testing::graph(&[2, 3], vec![node], &constants);
			assert_eq!(testing::unchanged(&mut graph, linear), ["Linear"]);
		}
	}

	#[test]
	fn sum_should_stay_when_it_is_a_mask() {
		let mask = Array::float([4], vec![0.0, f32::NEG_INFINITY, 0.0, -1e9]);
		let mut graph = testing::graph(
			&[2, 3],
			vec![
				Node::new("m", "MatMul", &["x", "w"], "a"),
				Node::new("b", "Add", &["a", "b"], "s"),
				Node::new("s", "Add", &["s", "mask"], "y"),
			],
			&[("w", testing::noise(&[3, 4], 1)), ("b", testing::noise(&[4], 2)), ("mask", mask)],
		);
		linear(&mut graph);
		let left: Vec<_> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
		assert_eq!(left, ["Linear", "Add"]);
		assert_eq!(graph.nodes[0].inputs.len(), 3);
	}

	#[test]
	fn sum_should_stay_when_it_is_no_bias() {
		let mut graph = testing::graph(
			&[2, 3],
			vec![
				Node::new("m", "MatMul", &["x", "w"], "a"),
				Node::new("s", "Add", &["a", "b"], "y"),
			],
			&[("w", testing::noise(&[3, 4], 1)), ("b", testing::noise(&[2, 1], 2))],
		);
		assert_eq!(testing::unchanged(&mut graph, linear), ["Linear", "Add"]);
	}
}

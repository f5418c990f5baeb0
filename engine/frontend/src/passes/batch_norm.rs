use super::Links;
use crate::{
	array::Array,
	graph::{Graph, Node},
};
use std::collections::HashMap;

/// Folds each BatchNormalization into the convolution or product that alone feeds it; where there
/// is none it becomes a product and a sum. Returns how many it found.
pub fn batch_norm(graph: &mut Graph) -> usize {
	let links = Links::new(graph);
	// Where a norm went into the product before it: the product that makes its result now.
	let mut within: HashMap<usize, usize> = HashMap::new();
	let mut nodes: Vec<Vec<Node>> = Vec::new();
	let mut count = 0;
	for at in 0..graph.nodes.len() {
		nodes.push(Vec::new());
		let Some((factors, offsets)) = parameters(graph, at) else { continue };
		count += 1;
		let input = graph.nodes[at].input(0).unwrap_or_default().to_string();
		let rank = graph.shapes.get(&input).map_or(0, Vec::len);
		let before = links.producer(graph, &input).map(|(before, _)| before);
		let before = before.map(|before| within.get(&before).copied().unwrap_or(before));
		let before = before.filter(|&before| {
			let producer = &graph.nodes[before];
			let weighted = producer.op == "Conv" || (producer.op == "Linear" && rank == 2);
			weighted
				&& producer.output() == input
				&& links.only_consumer(graph, &input).is_some()
				&& producer.input(1).is_some_and(|w| graph.constant(w).is_some())
				&& producer.input(2).is_none_or(|b| graph.constant(b).is_some())
		});
		match before {
			Some(before) => {
				fold(graph, before, at, &factors, &offsets);
				within.insert(at, before);
			}
			None => nodes[at] = split(graph, at, &input, rank, factors, offsets),
		}
	}
	let old = std::mem::take(&mut graph.nodes);
	for (at, (node, instead)) in old.into_iter().zip(nodes).enumerate() {
		if !within.contains_key(&at) && instead.is_empty() {
			graph.nodes.push(node);
		}
		graph.nodes.extend(instead);
	}
	count
}

/// Factor and offset for each channel of a BatchNormalization of constants.
fn parameters(graph: &Graph, at: usize) -> Option<(Vec<f32>, Vec<f32>)> {
	let node = &graph.nodes[at];
	if node.op != "BatchNormalization" {
		return None;
	}
	let list = |i: usize| graph.constant(node.input(i)?).map(Array::floats);
	let (scale, bias, mean, var) = (list(1)?, list(2)?, list(3)?, list(4)?);
	let epsilon = node.float("epsilon", 1e-5);
	let factors: Vec<f32> =
		scale.iter().zip(&var).map(|(scale, var)| scale / (var + epsilon).sqrt()).collect();
	let offsets =
		bias.iter().zip(&mean).zip(&factors).map(|((bias, mean), f)| bias - mean * f).collect();
	Some((factors, offsets))
}

fn fold(graph: &mut Graph, before: usize, at: usize, factors: &[f32], offsets: &[f32]) {
	let producer = graph.nodes[before].clone();
	let constant = |index: usize| producer.input(index).and_then(|name| graph.constant(name));
	let Some(weights) = constant(1) else { return };
	let each = weights.len() / factors.len().max(1);
	let scaled =
		weights.floats().into_iter().enumerate().map(|(i, w)| w * factors[i / each.max(1)]);
	let scaled = Array::float(weights.dims.clone(), scaled.collect());
	let old = constant(2).map_or_else(|| vec![0.0; factors.len()], Array::floats);
	let bias = old.iter().zip(factors).zip(offsets).map(|((old, f), offset)| old * f + offset);
	let bias = Array::float([factors.len()], bias.collect());
	let name = producer.name.clone();
	let weights = graph.add_constant(&format!("{name}.weight"), scaled);
	let bias = graph.add_constant(&format!("{name}.bias"), bias);
	let output = graph.nodes[at].output().to_string();
	let producer = &mut graph.nodes[before];
	producer.inputs.truncate(1);
	producer.inputs.extend([weights, bias]);
	producer.outputs = vec![output];
}

/// A product and a sum in place of a norm.
fn split(
	graph: &mut Graph,
	at: usize,
	input: &str,
	rank: usize,
	factors: Vec<f32>,
	offsets: Vec<f32>,
) -> Vec<Node> {
	let node = graph.nodes[at].clone();
	let mut dims = vec![1; rank.saturating_sub(1).max(1)];
	dims[0] = factors.len();
	let factor =
		graph.add_constant(&format!("{}.factor", node.name), Array::float(dims.clone(), factors));
	let offset = graph.add_constant(&format!("{}.offset", node.name), Array::float(dims, offsets));
	let between = graph.add_value(&format!("{}.scaled", node.output()), input);
	let name = format!("{}.offset", node.name);
	vec![
		Node::new(&node.name, "Mul", &[input, &factor], &between),
		Node::new(&name, "Add", &[&between, &offset], node.output()),
	]
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::passes::testing;

	fn parameters(channels: usize) -> Vec<(&'static str, Array)> {
		let positive = |seed| {
			let noise = testing::noise(&[channels], seed).floats();
			Array::float([channels], noise.into_iter().map(|v| v.abs() + 0.5).collect())
		};
		vec![
			("scale", positive(1)),
			("bias", testing::noise(&[channels], 2)),
			("mean", testing::noise(&[channels], 3)),
			("var", positive(4)),
		]
	}

	fn norm(from: &str) -> Node {
		Node::new("n", "BatchNormalization", &[from, "scale", "bias", "mean", "var"], "y")
	}

	#[test]
	fn normalization_should_fold_when_a_convolution_feeds_it() {
		let mut constants = parameters(4);
		constants.push(("w", testing::noise(&[4, 3, 3, 3], 5)));
		let nodes = vec![Node::new("c", "Conv", &["x", "w"], "a"), norm("a")];
		let mut graph = testing::graph(&[2, 3, 6, 6], nodes, &constants);
		assert_eq!(testing::unchanged(&mut graph, batch_norm), ["Conv"]);
	}

	#[test]
	fn normalizations_should_all_fold_when_they_follow_each_other() {
		let mut constants = parameters(4);
		constants.push(("w", testing::noise(&[4, 3, 3, 3], 5)));
		let second =
			Node::new("m", "BatchNormalization", &["b", "scale", "bias", "mean", "var"], "y");
		let first = Node { outputs: vec!["b".into()], ..norm("a") };
		let nodes = vec![Node::new("c", "Conv", &["x", "w"], "a"), first, second];
		let mut graph = testing::graph(&[2, 3, 6, 6], nodes, &constants);
		assert_eq!(testing::unchanged(&mut graph, batch_norm), ["Conv"]);
	}

	#[test]
	fn normalization_should_become_product_and_sum_when_nothing_takes_it() {
		let mut graph = testing::graph(&[2, 3, 4, 4], vec![norm("x")], &parameters(3));
		assert_eq!(testing::unchanged(&mut graph, batch_norm), ["Mul", "Add"]);
	}
}

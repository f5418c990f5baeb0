//! Named passes from a model as it was exported to one that can be lowered. Each is small, changes
//! the one graph type, and leaves what the graph computes as it was (in floats, up to rounding). In
//! the end the graph is compared with the one that was read, on a batch of samples.
//!
//! | pass | does |
//! |---|---|
//! | [`finite`] | infinite constants that are masks become very large numbers; everywhere else they, and NaN, are refused |
//! | [`infer`] | shapes from samples; folds what is constant, shapes included |
//! | [`clean`] | drops casts between floats, identities and dropouts |
//! | [`linear`] | products with a constant matrix become `Linear`; a bias is added to it or to its convolution |
//! | [`batch_norm`] | into the convolution or product before it, or into a product and a sum |
//! | [`layer_norm`] | from its parts to LayerNormalization or RMSNormalization |
//! | [`l2_norm`] | from its parts to LpNormalization |
//! | [`function`] | elementwise functions of one value, such as GELU, to one `Function`, which becomes a table |

mod batch_norm;
mod clean;
pub(crate) mod finite;
mod function;
mod infer;
mod l2_norm;
mod layer_norm;
mod linear;
mod same;

pub use batch_norm::batch_norm;
pub use clean::clean;
pub(crate) use clean::integers as clean_integers;
pub use finite::finite;
pub use function::function;
pub use infer::infer;
pub use l2_norm::l2_norm;
pub use layer_norm::layer_norm;
pub use linear::linear;
pub(crate) use same::difference;

use crate::{
	error::Result,
	eval::Values,
	graph::{Graph, Node},
};
use std::collections::{HashMap, HashSet};

/// What a pass changed, for the report.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
	/// The pass.
	pub pass: &'static str,
	/// How often it found what it looks for.
	pub count: usize,
}

/// All passes in their order, and the work that evaluating one batch takes. `sample` is one batch
/// of inputs.
pub fn run(graph: &mut Graph, sample: &Values) -> Result<(Vec<Change>, u64)> {
	let mut changes = Vec::new();
	let mut done = |pass, count| changes.push(Change { pass, count });
	graph.prune();
	let read = graph.clone();
	finite::numbers(graph)?;
	done("infer and fold", infer(graph, sample)?.0);
	done("finite", finite(graph)?);
	done("clean", clean(graph));
	done("linear", linear(graph));
	done("batch norm", batch_norm(graph));
	done("layer norm", layer_norm(graph));
	done("l2 norm", l2_norm(graph));
	done("function", function(graph));
	graph.prune();
	// What fusing made has shapes too, and must be numbers.
	let (_, work) = infer(graph, sample)?;
	finite(graph)?;
	same::same(&read, graph, sample)?;
	Ok((changes, work))
}

/// Who makes and who reads each value, by name; a snapshot.
pub(crate) struct Links {
	producers: HashMap<String, usize>,
	consumers: HashMap<String, Vec<usize>>,
	outputs: HashSet<String>,
}

impl Links {
	pub fn new(graph: &Graph) -> Self {
		let own = |(name, at): (&str, usize)| (name.to_string(), at);
		Self {
			producers: graph.producers().into_iter().map(own).collect(),
			consumers: graph.consumers().into_iter().map(|(n, at)| (n.to_string(), at)).collect(),
			outputs: graph.outputs.iter().cloned().collect(),
		}
	}

	/// The node that makes `value`, with its position.
	pub fn producer<'a>(&self, graph: &'a Graph, value: &str) -> Option<(usize, &'a Node)> {
		let at = *self.producers.get(value)?;
		Some((at, &graph.nodes[at]))
	}

	/// As [`Links::producer`], if it is an `op`.
	pub fn made_by<'a>(&self, graph: &'a Graph, value: &str, op: &str) -> Option<&'a Node> {
		self.producer(graph, value).map(|(_, node)| node).filter(|node| node.op == op)
	}

	/// The one node that reads `value`, if nothing else does and it is no output.
	pub fn only_consumer<'a>(&self, graph: &'a Graph, value: &str) -> Option<(usize, &'a Node)> {
		match self.consumers.get(value).map(Vec::as_slice) {
			Some(&[at]) if !self.outputs.contains(value) => Some((at, &graph.nodes[at])),
			_ => None,
		}
	}
}

/// The operand of a two-operand node that is not `value`.
pub(crate) fn other<'a>(node: &'a Node, value: &str) -> Option<&'a str> {
	match (node.input(0)?, node.input(1)?) {
		(a, b) if a == value => Some(b),
		(a, b) if b == value => Some(a),
		_ => None,
	}
}

#[cfg(test)]
pub(crate) mod testing {
	use super::*;
	use crate::{array::Array, eval, graph::Input};
	use std::sync::Arc;

	/// A graph of one float input `x`, the given nodes and constants, and the output `y`.
	pub fn graph(dims: &[usize], nodes: Vec<Node>, constants: &[(&str, Array)]) -> Graph {
		let mut graph = Graph {
			opset: 17,
			inputs: vec![Input {
				name: "x".into(),
				integer: false,
				dims: dims.iter().map(|&dim| Some(dim)).collect(),
			}],
			outputs: vec!["y".into()],
			nodes,
			..Graph::default()
		};
		for (name, array) in constants {
			graph.constants.insert(name.to_string(), Arc::new(array.clone()));
		}
		infer(&mut graph, &sample(dims)).unwrap();
		graph
	}

	/// Numbers that look random, always the same.
	pub fn noise(dims: &[usize], seed: u32) -> Array {
		let value = |i: u32| {
			let mixed =
				(i + 1).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97)) >> 8;
			(mixed % 2_000) as f32 / 1_000.0 - 1.0
		};
		Array::float(dims, (0..dims.iter().product::<usize>() as u32).map(value).collect())
	}

	pub fn sample(dims: &[usize]) -> Values {
		Values::from([("x".to_string(), Arc::new(noise(dims, 7)))])
	}

	/// Runs `pass` and checks that the graph still computes the same; its operators afterwards.
	pub fn unchanged(graph: &mut Graph, pass: impl FnOnce(&mut Graph) -> usize) -> Vec<String> {
		let inputs = sample(&graph.shapes["x"].clone());
		let before = eval::run(graph, &inputs).unwrap()["y"].clone();
		pass(graph);
		graph.prune();
		let after = eval::run(graph, &inputs).unwrap()["y"].clone();
		assert_eq!(before.dims, after.dims);
		for (at, (a, b)) in before.floats().iter().zip(&after.floats()).enumerate() {
			assert!((a - b).abs() <= 1e-4 * (1.0 + a.abs()), "element {at}: {a} became {b}");
		}
		graph.nodes.iter().map(|node| node.op.clone()).collect()
	}
}

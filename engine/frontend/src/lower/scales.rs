//! Which width and which scale each value gets before anything is lowered.
//!
//! Values that meet in a sum share one scale, so that the sum is a sum: their producers (products,
//! normalizations, tables) may round to any scale at no cost. So the residual stream of a network
//! is one scale. A value that only 8-bit products read is made in 8 bits at once.

use crate::{
	calibrate::{is_product, Calibration, Width},
	error::Result,
	graph::{Graph, Node},
	passes::{clean_integers, Links},
};
use std::collections::HashMap;

/// How far 16-bit ranges reach beyond the samples.
const HEADROOM: f64 = 1.25;

/// A magnitude that much above its partner's is a mask, not a number to be added.
const MASK: f64 = 1e4;

/// What is known of the values to be.
#[derive(Debug)]
pub(crate) struct Scales {
	wide: HashMap<String, f64>,
	narrow: HashMap<String, f64>,
	only8: HashMap<String, bool>,
	/// Whether a value is made of integers by its operators.
	pub integer: HashMap<String, bool>,
}

/// Operators that hand elements on, so that width and scale stay.
pub(crate) fn hands_on(op: &str) -> bool {
	matches!(
		op,
		"Relu"
			| "Clip" | "MaxPool"
			| "GlobalMaxPool"
			| "ReduceMax"
			| "Reshape"
			| "Flatten"
			| "Squeeze"
			| "Unsqueeze"
			| "Transpose"
			| "Slice" | "Split"
			| "Expand"
			| "Concat"
			| "Pad" | "Identity"
			| "Dropout"
			| "DepthToSpace"
			| "Cast"
	)
}

/// Sets of values that share something.
#[derive(Default)]
struct Groups {
	numbers: HashMap<String, usize>,
	parent: Vec<usize>,
}

impl Groups {
	/// The number of the set that `name` is in.
	fn find(&mut self, name: &str) -> usize {
		let mut at = match self.numbers.get(name) {
			Some(&at) => at,
			None => {
				let at = self.parent.len();
				self.numbers.insert(name.into(), at);
				self.parent.push(at);
				at
			}
		};
		while self.parent[at] != at {
			// Half the way for whoever comes next.
			self.parent[at] = self.parent[self.parent[at]];
			at = self.parent[at];
		}
		at
	}

	fn join(&mut self, a: &str, b: &str) {
		let (a, b) = (self.find(a), self.find(b));
		self.parent[a] = b;
	}
}

impl Scales {
	pub fn new(graph: &Graph, calibration: &Calibration) -> Result<Self> {
		let integer = clean_integers(graph);
		let moving = |name: &str| {
			!name.is_empty() && graph.constant(name).is_none() && integer.get(name) != Some(&true)
		};
		let magnitude =
			|name: &str| calibration.stats.get(name).map_or(1.0, |stats| stats.magnitude());
		let links = Links::new(graph);
		let (mut sums, mut handed) = (Groups::default(), Groups::default());
		// Values whose own range does not count, since what reads them cuts it.
		let mut cut: HashMap<String, bool> = HashMap::new();
		for node in &graph.nodes {
			let first = if node.op == "Concat" { node.inputs.len() } else { 1 };
			let operands: Vec<&str> = match node.op.as_str() {
				op if hands_on(op) => node.inputs.iter().take(first).map(String::as_str).collect(),
				"Add" | "Sub" | "Max" | "Min" | "Sum" => {
					node.inputs.iter().map(String::as_str).collect()
				}
				"Where" => node.inputs.iter().skip(1).map(String::as_str).collect(),
				_ => continue,
			};
			let operands: Vec<&str> = operands.into_iter().filter(|name| moving(name)).collect();
			let least = operands.iter().map(|name| magnitude(name)).fold(f64::INFINITY, f64::min);
			for name in operands {
				if magnitude(name) > MASK * least {
					continue;
				}
				for output in &node.outputs {
					if magnitude(output) <= MASK * magnitude(name) {
						sums.join(name, output);
					}
					if hands_on(&node.op) {
						handed.join(name, output);
					}
				}
				if matches!(node.op.as_str(), "Relu" | "Clip")
					&& links.only_consumer(graph, name).is_some()
				{
					cut.insert(name.to_string(), true);
				}
			}
		}
		let only8 = only8(graph, calibration);
		let mut this =
			Self { wide: HashMap::new(), narrow: HashMap::new(), only8, integer: integer.clone() };
		let mut wide: HashMap<usize, f64> = HashMap::new();
		let mut narrow: HashMap<usize, f64> = HashMap::new();
		for (name, stats) in &calibration.stats {
			if cut.contains_key(name) {
				continue;
			}
			// Of a value that is 0 throughout, such as a mask that nothing uses, the range says
			// nothing.
			if stats.is_zero() {
				continue;
			}
			let root = wide.entry(sums.find(name)).or_default();
			*root = root.max(stats.magnitude() * HEADROOM / 32767.0);
			let root = narrow.entry(handed.find(name)).or_default();
			*root = root.max(stats.range8(calibration.range) / 127.0);
		}
		for name in calibration.stats.keys() {
			let scale = wide.get(&sums.find(name)).copied().unwrap_or(1.0 / 32767.0);
			this.wide.insert(name.clone(), scale);
			let scale = narrow.get(&handed.find(name)).copied().unwrap_or(1.0 / 127.0);
			this.narrow.insert(name.clone(), scale);
		}
		Ok(this)
	}

	/// The scale of a value in 16 bits.
	pub fn wide(&self, name: &str) -> f64 {
		self.wide.get(name).copied().unwrap_or(1.0 / 32767.0)
	}

	/// The scale of a value in 8 bits.
	pub fn narrow(&self, name: &str) -> f64 {
		self.narrow.get(name).copied().unwrap_or(1.0 / 127.0)
	}

	/// Whether nothing reads a value but products of 8 bits.
	pub fn only8(&self, name: &str) -> bool {
		self.only8.get(name).copied().unwrap_or(false)
	}
}

fn only8(graph: &Graph, calibration: &Calibration) -> HashMap<String, bool> {
	// (read in 8 bits, read in 16 bits)
	let mut reads: HashMap<String, (bool, bool)> = HashMap::new();
	for name in &graph.outputs {
		reads.insert(name.clone(), (false, true));
	}
	let narrow = |node: &Node| {
		is_product(graph, node) && calibration.widths.get(node.output()) == Some(&Width::I8)
	};
	for node in graph.nodes.iter().rev() {
		let result = node
			.outputs
			.iter()
			.filter_map(|name| reads.get(name))
			.fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1));
		for name in &node.inputs {
			let read = if narrow(node) {
				(true, false)
			} else if hands_on(&node.op) {
				result
			} else {
				(false, true)
			};
			let all = reads.entry(name.clone()).or_default();
			*all = (all.0 || read.0, all.1 || read.1);
		}
	}
	reads.into_iter().map(|(name, (narrow, wide))| (name, narrow && !wide)).collect()
}

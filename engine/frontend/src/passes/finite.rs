use crate::{
	array::{Array, Data},
	error::{short, Error, Result},
	graph::{Graph, Node},
};
use std::{collections::HashMap, sync::Arc};

/// What stands for an infinite constant: so far beyond every number that it hides them, and small
/// enough that some of them can be added.
pub const HIDDEN: f32 = 1e37;

/// From here on a number is meant to hide others.
pub const HIDES: f32 = 1e30;

fn not_finite(message: String, fix: &str) -> Error {
	Error::new("not-finite", message).fix(fix)
}

const TRAIN: &str = "its training diverged, or the file is damaged; export the model again";

/// The first element that is no finite number: its position, and whether it is not even infinite.
/// NaN comes first.
fn find(array: &Array) -> Option<(usize, f32)> {
	let Data::Float(data) = &array.data else { return None };
	let at =
		data.iter().position(|x| x.is_nan()).or_else(|| data.iter().position(|x| x.is_infinite()));
	at.map(|at| (at, data[at]))
}

/// Position `at` in `dims`.
fn place(dims: &[usize], at: usize) -> Vec<usize> {
	let strides = crate::array::strides(dims);
	dims.iter().zip(strides).map(|(&dim, stride)| at / stride % dim.max(1)).collect()
}

/// Refuses NaN in constants that a node reads, before anything is computed from them.
pub fn numbers(graph: &Graph) -> Result<()> {
	let mut seen: HashMap<&str, bool> = HashMap::new();
	for node in &graph.nodes {
		for name in &node.inputs {
			let Some(array) = graph.constant(name) else { continue };
			let bad = *seen
				.entry(name)
				.or_insert_with(|| find(array).is_some_and(|(_, value)| value.is_nan()));
			if bad {
				return Err(refused(node, name, array));
			}
		}
	}
	Ok(())
}

/// Refuses a folded value that is no number.
pub(super) fn folded(node: &Node, array: &Array) -> Result<()> {
	match find(array) {
		Some((at, value)) if value.is_nan() => Err(not_finite(
			format!(
				"node `{}` ({}) makes NaN of constants, at {:?} of its result",
				short(&node.name),
				node.op,
				place(&array.dims, at)
			),
			"write a mask as Where(condition, score, -inf), or with a finite number such as -1e9: 0 · inf is no number",
		)),
		_ => Ok(()),
	}
}

fn refused(node: &Node, name: &str, array: &Array) -> Error {
	let (at, value) = find(array).unwrap_or_default();
	not_finite(
		format!(
			"tensor `{}`, which node `{}` ({}) reads, holds {value} at {:?}",
			short(name),
			short(&node.name),
			node.op,
			place(&array.dims, at)
		),
		TRAIN,
	)
}

/// Whether operand `index` of a node may be infinite: it is added to scores, chosen, compared, or
/// only moved.
fn may_hide(node: &Node, index: usize) -> bool {
	match node.op.as_str() {
		"Add" | "Sub" | "Sum" | "Max" | "Min" | "Concat" | "Neg" => true,
		"Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" => true,
		"Where" => index > 0,
		"Clip" => index > 0,
		"Pad" => index == 2,
		"Gather" | "Slice" | "Split" | "Reshape" | "Expand" | "Transpose" | "Flatten"
		| "Squeeze" | "Unsqueeze" | "Identity" | "Cast" | "Dropout" | "Tile" => index == 0,
		_ => false,
	}
}

/// Has infinite constants, where they hide something, stand for a very large number; refuses them,
/// and NaN, everywhere else: in weights, biases, scales and parameters of norms. Returns how many
/// constants it changed.
pub fn finite(graph: &mut Graph) -> Result<usize> {
	numbers(graph)?;
	// By name: whether it holds what hides, and whether something reads it that cannot.
	let mut hiding: HashMap<String, bool> = HashMap::new();
	for node in &graph.nodes {
		for (index, name) in node.inputs.iter().enumerate() {
			let Some(array) = graph.constant(name) else { continue };
			let hides = match hiding.get(name) {
				Some(_) => true,
				None => match &array.data {
					Data::Float(data) => data.iter().any(|x| x.abs() > HIDDEN),
					Data::Int(_) => false,
				},
			};
			if !hides {
				continue;
			}
			let allowed = may_hide(node, index);
			if !allowed && find(array).is_some() {
				return Err(refused(node, name, array));
			}
			*hiding.entry(name.clone()).or_insert(true) &= allowed;
		}
	}
	for name in &graph.outputs {
		let found = graph.constant(name).and_then(|array| find(array).map(|found| (array, found)));
		if let Some((array, (at, value))) = found {
			let at = place(&array.dims, at);
			let text =
				format!("output `{}` is a constant that holds {value} at {at:?}", short(name));
			return Err(not_finite(text, TRAIN));
		}
	}
	let mut count = 0;
	for (name, _) in hiding.into_iter().filter(|(_, allowed)| *allowed) {
		if let Some(array) = graph.constants.get(&name) {
			let data = array.floats().into_iter().map(|x| x.clamp(-HIDDEN, HIDDEN)).collect();
			graph.constants.insert(name, Arc::new(Array::float(array.dims.clone(), data)));
			count += 1;
		}
	}
	Ok(count)
}

/// Whether constants hide what they are added to, where they are large, and leave the rest as it
/// is: a mask, no bias.
pub(super) fn is_mask(values: &[f32]) -> bool {
	let (mut least, mut largest) = (f32::INFINITY, 0f32);
	for x in values.iter().map(|x| x.abs()) {
		(least, largest) = (least.min(x), largest.max(x));
	}
	largest >= HIDES || (largest > 1e3 && least * 1e4 < largest)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::passes::testing;

	fn graph(op: &str, constant: Array) -> Graph {
		let nodes = vec![Node::new("n", op, &["x", "c"], "y")];
		let mut graph = testing::graph(&[2, 3], nodes, &[("c", Array::float([3], vec![1.0; 3]))]);
		graph.constants.insert("c".into(), Arc::new(constant));
		graph
	}

	#[test]
	fn masks_should_become_finite_when_they_are_added() {
		let mask = Array::float([3], vec![0.0, f32::NEG_INFINITY, f32::MIN]);
		for op in ["Add", "Sub", "Max", "Min"] {
			let mut graph = graph(op, mask.clone());
			assert_eq!(finite(&mut graph).unwrap(), 1);
			assert_eq!(graph.constant("c").unwrap().floats(), [0.0, -HIDDEN, -HIDDEN]);
		}
	}

	#[test]
	fn constants_should_be_refused_by_name_when_they_are_no_numbers() {
		let nan = Array::float([3], vec![0.0, 1.0, f32::NAN]);
		let inf = Array::float([3], vec![0.0, f32::INFINITY, 1.0]);
		for (op, constant) in [("Add", &nan), ("Mul", &nan), ("Mul", &inf), ("Div", &inf)] {
			let error = finite(&mut graph(op, constant.clone())).unwrap_err();
			assert_eq!(error.code, "not-finite");
			assert!(error.message.contains("`c`") && error.message.contains("`n`"), "{error}");
		}
	}

	#[test]
	fn masks_should_be_told_from_biases() {
		assert!(is_mask(&[0.0, -1e4, 0.0]) && is_mask(&[f32::NEG_INFINITY]));
		assert!(!is_mask(&[5e5, 4e5]) && !is_mask(&[0.0, 100.0]));
	}
}

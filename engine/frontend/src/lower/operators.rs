//! The one table of operators: which of them a model may have, and what lowers each.

use super::Lowering;
use crate::{
	error::{list, short, Error, Result},
	graph::{Graph, Node},
};
use std::collections::BTreeMap;

/// Adds the nodes of a program that stand for one node of the graph.
type Lower = fn(&mut Lowering<'_>, &Node) -> Result<()>;

/// Operators that are lowered in one way, under conditions that docs/models.md states.
struct Family {
	/// Operators of ONNX.
	models: &'static [&'static str],
	/// Operators that only the passes make.
	passes: &'static [&'static str],
	/// `None`: they are gone by then, since they only ever stand for a constant.
	lower: Option<Lower>,
}

const fn models(models: &'static [&'static str], lower: Lower) -> Family {
	Family { models, passes: &[], lower: Some(lower) }
}

const FAMILIES: &[Family] = &[
	Family {
		models: &["Constant", "ConstantOfShape", "Range", "Shape", "Size"],
		passes: &[],
		lower: None,
	},
	Family { models: &[], passes: &["Linear"], lower: Some(|to, node| to.linear(node)) },
	models(&["MatMul"], |to, node| to.matmul(node)),
	models(&["Conv"], |to, node| to.conv(node)),
	models(&["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"], |to, node| {
		to.pool(node)
	}),
	models(&["Softmax"], |to, node| to.softmax(node)),
	models(&["LayerNormalization", "RMSNormalization"], |to, node| to.norm(node)),
	models(&["LpNormalization"], |to, node| to.lp_norm(node)),
	models(&["Add", "Sub", "Sum"], |to, node| to.sum(node)),
	models(&["Mul"], |to, node| to.product(node)),
	models(&["Div"], |to, node| to.quotient(node)),
	models(&["Max", "Min"], |to, node| to.extreme(node)),
	models(&["Relu", "Clip"], |to, node| to.clamp(node)),
	models(&["Neg"], |to, node| to.negate(node)),
	models(&["Pow"], |to, node| to.power(node)),
	models(
		&[
			"Equal",
			"Less",
			"LessOrEqual",
			"Greater",
			"GreaterOrEqual",
			"Not",
			"And",
			"Or",
			"Xor",
			"Where",
		],
		|to, node| to.logic(node),
	),
	models(&["Cast"], |to, node| to.cast(node)),
	models(&["Gather"], |to, node| to.gather(node)),
	models(&["Concat"], |to, node| to.concat(node)),
	models(&["Pad"], |to, node| to.pad(node)),
	models(
		&[
			"Reshape",
			"Flatten",
			"Squeeze",
			"Unsqueeze",
			"Transpose",
			"Slice",
			"Split",
			"Expand",
			"Identity",
			"Dropout",
			"DepthToSpace",
		],
		|to, node| to.view(node),
	),
	models(
		&["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare"],
		|to, node| to.reduce(node),
	),
	models(&["ArgMax"], |to, node| to.arg_max(node)),
	models(&["TopK"], |to, node| to.top_k(node)),
	models(&["CumSum"], |to, node| to.cum_sum(node)),
	// The passes write these with other operators; of what they leave there is no table, which says
	// so.
	models(&["BatchNormalization", "Gemm"], |to, node| to.table(node)),
	Family {
		models: &[
			"Abs",
			"Celu",
			"Cos",
			"Elu",
			"Erf",
			"Exp",
			"Gelu",
			"HardSigmoid",
			"HardSwish",
			"LeakyRelu",
			"Log",
			"Mish",
			"Reciprocal",
			"Selu",
			"Sigmoid",
			"Sin",
			"Softplus",
			"Softsign",
			"Sqrt",
			"Swish",
			"Tanh",
		],
		passes: &["Function"],
		lower: Some(|to, node| to.table(node)),
	},
];

/// Whether models may have this operator.
pub(crate) fn is_imported(op: &str) -> bool {
	FAMILIES.iter().any(|family| family.models.contains(&op))
}

/// What lowers this operator.
pub(super) fn lowering_of(op: &str) -> Option<Lower> {
	let found = |family: &&Family| family.models.contains(&op) || family.passes.contains(&op);
	FAMILIES.iter().find(found)?.lower
}

/// Refuses a model that has operators which cannot be imported, with all of them at once. Error:
/// `unsupported-operator`.
pub fn check_model(graph: &Graph) -> Result<()> {
	check(graph, is_imported)
}

/// The same of a graph that the passes are done with.
pub fn check_fused(graph: &Graph) -> Result<()> {
	check(graph, |op| lowering_of(op).is_some())
}

fn check(graph: &Graph, known: impl Fn(&str) -> bool) -> Result<()> {
	let mut unknown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
	for node in graph.nodes.iter().filter(|node| !known(&node.op)) {
		unknown.entry(&node.op).or_default().push(&node.name);
	}
	if unknown.is_empty() {
		return Ok(());
	}
	let found: Vec<String> =
		unknown.iter().map(|(op, nodes)| format!("{} ({})", short(op), nodes.len())).collect();
	let mut said: Vec<&str> = Vec::new();
	for hint in unknown.keys().map(|op| hint(op)) {
		if !said.contains(&hint) {
			said.push(hint);
		}
	}
	let nodes = unknown.values().filter_map(|nodes| nodes.first().copied());
	Err(Error::new(
		"unsupported-operator",
		format!(
			"the model has operators that cannot be imported: {}; they are first at {}",
			found.join(", "),
			list(nodes)
		),
	)
	.fix(said.join("; ")))
}

/// The operator of `node` is not known.
pub(crate) fn unknown(node: &Node) -> Error {
	let text = format!("node `{}`: operator {}", short(&node.name), short(&node.op));
	Error::new("unsupported-operator", text).fix(hint(&node.op))
}

fn hint(op: &str) -> &'static str {
	match op {
		"LSTM" | "GRU" | "RNN" | "Loop" | "Scan" | "If" => {
			"unroll it when you export, or take a model without it"
		}
		"ConvTranspose" | "Resize" | "Upsample" => "use DepthToSpace (pixel shuffle) to go up",
		"Einsum" => "write it as MatMul, Transpose and Reshape",
		"InstanceNormalization" | "GroupNormalization" => {
			"use BatchNormalization or LayerNormalization"
		}
		"QuantizeLinear" | "DequantizeLinear" | "QLinearConv" | "QLinearMatMul"
		| "MatMulInteger" => "import the float model: it is quantized here",
		"Ceil" | "Floor" | "Round" | "Sign" | "ThresholdedRelu" => {
			"a function that jumps makes a large error of a small one; do this part outside the model"
		}
		"Trilu" | "Tile" | "Mod" | "EyeLike" | "OneHot" | "ScatterND" => {
			"where it only makes constants, fold them first: onnxsim MODEL OUT, or onnxruntime's \
			 basic optimisation"
		}
		"NonZero" | "NonMaxSuppression" | "Unique" | "Compress" => {
			"its result has no fixed shape; do this part outside the model"
		}
		op if op.contains('.') => {
			"only operators of ONNX's own domain are read; export without optimised or custom \
			 operators"
		}
		_ => "docs/models.md lists the operators that can be imported; write the model with those",
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn operator_should_be_in_one_family_only() {
		let all = FAMILIES.iter().flat_map(|family| family.models.iter().chain(family.passes));
		let mut names: Vec<&str> = all.copied().collect();
		let count = names.len();
		names.sort_unstable();
		names.dedup();
		assert_eq!(names.len(), count);
	}

	#[test]
	fn operators_should_be_known_to_models_to_lowering_or_to_both() {
		for (op, model, lowered) in [
			("Conv", true, true),
			("Shape", true, false),
			("Linear", false, true),
			("LSTM", false, false),
		] {
			assert_eq!((is_imported(op), lowering_of(op).is_some()), (model, lowered), "{op}");
		}
	}
}

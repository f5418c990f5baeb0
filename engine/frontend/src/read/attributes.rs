//! Attributes: which ones an operator has, of which type, and in which range.

use crate::{
	error::{bad_node, short, unsupported, Error, Result},
	graph::{Attribute, Node},
};

/// Types of attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
	Int,
	Float,
	Text,
	Ints,
	Floats,
	Tensor,
}

use Kind::{Float, Floats, Int, Ints, Tensor, Text};

/// What ONNX's operators of all operator sets have, for the operators that can be imported.
/// Attributes of old sets that change what is computed are refused where they are read.
fn known(op: &str) -> Option<&'static [(&'static str, Kind)]> {
	const WINDOW: &[(&str, Kind)] = &[
		("auto_pad", Text),
		("ceil_mode", Int),
		("count_include_pad", Int),
		("dilations", Ints),
		("kernel_shape", Ints),
		("pads", Ints),
		("storage_order", Int),
		("strides", Ints),
		("group", Int),
	];
	const REDUCE: &[(&str, Kind)] =
		&[("axes", Ints), ("keepdims", Int), ("noop_with_empty_axes", Int)];
	const BROADCAST: &[(&str, Kind)] =
		&[("axis", Int), ("broadcast", Int), ("consumed_inputs", Ints)];
	const OLD: &[(&str, Kind)] = &[("consumed_inputs", Ints)];
	const ALPHA: &[(&str, Kind)] = &[("alpha", Float), ("consumed_inputs", Ints)];
	Some(match op {
		"Add" | "Sub" | "Mul" | "Div" | "Pow" | "And" | "Or" | "Xor" | "Equal" | "Less"
		| "Greater" => BROADCAST,
		"Abs" | "Ceil" | "Exp" | "Floor" | "Log" | "Max" | "Mean" | "Min" | "Neg"
		| "Reciprocal" | "Relu" | "Sigmoid" | "Sqrt" | "Sum" | "Tanh" => OLD,
		"LeakyRelu" | "Elu" | "Celu" | "Swish" | "ThresholdedRelu" => ALPHA,
		"Selu" => &[("alpha", Float), ("gamma", Float), ("consumed_inputs", Ints)],
		"HardSigmoid" => &[("alpha", Float), ("beta", Float), ("consumed_inputs", Ints)],
		"Gelu" => &[("approximate", Text)],
		"Cos" | "Erf" | "Expand" | "GlobalAveragePool" | "GlobalMaxPool" | "GreaterOrEqual"
		| "HardSwish" | "Identity" | "LessOrEqual" | "MatMul" | "Mish" | "Not" | "Range"
		| "Sin" | "Size" | "Softplus" | "Softsign" | "Where" => &[],
		"ArgMax" => &[("axis", Int), ("keepdims", Int), ("select_last_index", Int)],
		"AveragePool" | "Conv" | "MaxPool" => WINDOW,
		"BatchNormalization" => &[
			("consumed_inputs", Ints),
			("epsilon", Float),
			("is_test", Int),
			("momentum", Float),
			("spatial", Int),
			("training_mode", Int),
		],
		"Cast" => &[("to", Int), ("saturate", Int), ("round_mode", Text)],
		"Clip" => &[("min", Float), ("max", Float), ("consumed_inputs", Ints)],
		"Concat" | "Flatten" | "Gather" | "Softmax" => &[("axis", Int)],
		"Constant" => &[
			("value", Tensor),
			("value_float", Float),
			("value_floats", Floats),
			("value_int", Int),
			("value_ints", Ints),
		],
		"ConstantOfShape" => &[("value", Tensor)],
		"CumSum" => &[("exclusive", Int), ("reverse", Int)],
		"DepthToSpace" => &[("blocksize", Int), ("mode", Text)],
		"Dropout" => {
			&[("ratio", Float), ("seed", Int), ("is_test", Int), ("consumed_inputs", Ints)]
		}
		"Gemm" => &[
			("alpha", Float),
			("beta", Float),
			("broadcast", Int),
			("transA", Int),
			("transB", Int),
		],
		"LayerNormalization" | "RMSNormalization" => {
			&[("axis", Int), ("epsilon", Float), ("stash_type", Int)]
		}
		"LpNormalization" => &[("axis", Int), ("p", Int)],
		"Pad" => &[("mode", Text), ("pads", Ints), ("paddings", Ints), ("value", Float)],
		"Reshape" => &[("allowzero", Int), ("shape", Ints), ("consumed_inputs", Ints)],
		"Shape" => &[("start", Int), ("end", Int)],
		"Slice" => &[("starts", Ints), ("ends", Ints), ("axes", Ints)],
		"Split" => &[("axis", Int), ("num_outputs", Int), ("split", Ints)],
		"Squeeze" | "Unsqueeze" => &[("axes", Ints)],
		"TopK" => &[("axis", Int), ("k", Int), ("largest", Int), ("sorted", Int)],
		"Transpose" => &[("perm", Ints)],
		op if op.starts_with("Reduce") => REDUCE,
		_ => return None,
	})
}

fn kind(value: &Attribute) -> Option<Kind> {
	Some(match value {
		Attribute::Int(_) => Int,
		Attribute::Float(_) => Float,
		Attribute::Text(_) => Text,
		Attribute::Ints(_) => Ints,
		Attribute::Floats(_) => Floats,
		Attribute::Tensor(_) => Tensor,
		Attribute::Body(_) | Attribute::Unread(_) => return None,
	})
}

fn named(kind: Kind) -> &'static str {
	match kind {
		Int => "an integer",
		Float => "a float",
		Text => "a text",
		Ints => "integers",
		Floats => "floats",
		Tensor => "a tensor",
	}
}

/// Refuses attributes that the operator does not have, of another type, that are no number, or that
/// ask for what older operator sets did. What is wrong with operators that are not known at all is
/// said elsewhere.
pub(super) fn check(node: &Node, opset: i64) -> Result<()> {
	let Some(known) = known(&node.op) else { return Ok(()) };
	if node.op == "Concat" && opset >= 4 && !node.attributes.contains_key("axis") {
		return Err(bad_node(&node.name, "attribute `axis`: Concat needs it"));
	}
	// Their default was training.
	let trains = matches!(node.op.as_str(), "BatchNormalization" | "Dropout") && opset < 7;
	if trains && !node.attributes.contains_key("is_test") {
		return Err(unsupported(
			&node.name,
			format!("{} without is_test", node.op),
			"export for inference with a recent operator set",
		));
	}
	for (name, value) in &node.attributes {
		let bad =
			|text: String| bad_node(&node.name, format!("attribute `{}`: {text}", short(name)));
		let Some((_, expected)) = known.iter().find(|(known, _)| known == name) else {
			return Err(bad(format!("{} has none of this name", node.op)));
		};
		if kind(value) != Some(*expected) {
			return Err(bad(format!("{} takes {} there", node.op, named(*expected))));
		}
		let bounds = matches!((node.op.as_str(), name.as_str()), ("Clip", _) | ("Pad", "value"));
		let number = |x: f32| x.is_finite() || (bounds && x.is_infinite());
		let finite = match value {
			Attribute::Float(x) => number(*x),
			// Constants may be masks; they are looked at where they are read.
			_ => true,
		};
		if !finite {
			return Err(Error::new(
				"not-finite",
				format!("node `{}`: attribute `{name}` is not a finite number", short(&node.name)),
			)
			.fix("set it, and export the model again"));
		}
		if name == "epsilon" && matches!(value, Attribute::Float(x) if *x < 0.0) {
			return Err(bad("is negative".into()));
		}
		if name == "broadcast" && opset < 7 && *value != Attribute::Int(0) {
			return Err(unsupported(
				&node.name,
				"broadcasting as before operator set 7",
				"convert the model: onnx.version_converter.convert_version(model, 13)",
			));
		}
		let old = [("spatial", 0), ("is_test", 0), ("storage_order", 1)];
		if old.iter().any(|(old, bad)| name == old && *value == Attribute::Int(*bad)) {
			return Err(unsupported(
				&node.name,
				format!("{} with {name}={}", node.op, node.int(name, 0)),
				"export for inference with a recent operator set",
			));
		}
	}
	Ok(())
}

//! ONNX's own tests of each operator (`onnx/backend/test/data/node`): a model of one node, inputs,
//! expected outputs.
//!
//! Each is imported with its own inputs as the calibration sample and run in integers. A test
//! passes when every element is within [`TOLERANCE`] of the largest magnitude of its output, or
//! equal for integers. The float reference is held to its own, much smaller, tolerance.

use crate::{
	array::Array,
	calibrate::{Precision, Range},
	error::Result,
	eval,
	import::{build, prepare, Options},
	limits::Limits,
	lower::operators,
	npz::Arrays,
	onnx, read,
};
use assay_exec::{Executor, Work};
use prost::Message;
use serde::Serialize;
use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
	sync::Arc,
};

/// Largest error of an element as a part of the largest magnitude of the output: two steps of 8
/// bits. Products run with 16 bits in these tests, where most errors are below a thousandth of it.
pub const TOLERANCE: f64 = 2.0 / 127.0;

/// Largest error of the float reference, likewise: results of 16-bit floats have 11 bits.
pub const FLOAT_TOLERANCE: f64 = 5e-4;

/// Tests whose inputs lie so far apart that 16 bits with one scale cannot hold what matters of
/// them.
const WIDE: &[&str] = &["softmax_large_number"];

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
	/// Within the tolerance.
	Pass {
		/// Largest error as a part of the largest magnitude.
		error: f64,
	},
	/// The importer says that it cannot take it.
	Unsupported {
		/// Its words.
		reason: String,
	},
	/// Outside the tolerance, or refused by the program check.
	Fail {
		/// What was found.
		reason: String,
	},
}

/// One test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
	/// Name of its folder.
	pub name: String,
	/// Operator.
	pub operator: String,
	/// What became of it.
	#[serde(flatten)]
	pub outcome: Outcome,
}

/// Runs every test below `folder` whose nodes are all of claimed operators, in order of their
/// names. `only` restricts it to names that contain the text.
pub fn run(folder: &Path, only: Option<&str>, executor: &mut dyn Executor) -> Result<Vec<Tested>> {
	let mut tests: Vec<PathBuf> = std::fs::read_dir(folder)
		.map_err(crate::error::io(folder))?
		.filter_map(|entry| entry.ok().map(|entry| entry.path()))
		.filter(|path| path.join("model.onnx").exists())
		.collect();
	tests.sort();
	let mut results = Vec::new();
	for path in tests {
		let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
		if only.is_some_and(|only| !name.contains(only)) {
			continue;
		}
		if let Some((operator, outcome)) = test(&path, executor) {
			results.push(Tested { name, operator, outcome });
		}
	}
	Ok(results)
}

/// How many passed, were unsupported, and failed, by operator.
pub fn summary(results: &[Tested]) -> BTreeMap<String, [usize; 3]> {
	let mut table: BTreeMap<String, [usize; 3]> = BTreeMap::new();
	for result in results {
		let row = table.entry(result.operator.clone()).or_default();
		row[match result.outcome {
			Outcome::Pass { .. } => 0,
			Outcome::Unsupported { .. } => 1,
			Outcome::Fail { .. } => 2,
		}] += 1;
	}
	table
}

/// `None` where the test is of operators that are not claimed.
fn test(path: &Path, executor: &mut dyn Executor) -> Option<(String, Outcome)> {
	let bytes = std::fs::read(path.join("model.onnx")).ok()?;
	let proto = onnx::Model::decode(&bytes[..]).ok()?.graph?;
	let claimed =
		|node: &onnx::Node| operators::is_imported(&node.op_type) && node.domain.is_empty();
	if proto.node.is_empty() || !proto.node.iter().all(claimed) {
		return None;
	}
	let operator = if proto.node.len() == 1 {
		proto.node[0].op_type.clone()
	} else {
		// The expansion of a function into its parts.
		"expanded functions".into()
	};
	let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
	if WIDE.iter().any(|wide| name.contains(wide)) {
		let reason = "its inputs lie further apart than 16 bits with one scale hold".into();
		return Some((operator, Outcome::Unsupported { reason }));
	}
	let brain = |value: &onnx::ValueInfo| {
		let tensor = value.r#type.as_ref().and_then(|ty| ty.tensor_type.as_ref());
		tensor.is_some_and(|tensor| tensor.elem_type == 16)
	};
	if proto.input.iter().chain(&proto.output).any(brain) {
		let reason = "inputs or outputs of bfloat16, which NumPy does not have".into();
		return Some((operator, Outcome::Unsupported { reason }));
	}
	let outcome = match attempt(path, &bytes, executor) {
		Ok(outcome) => outcome,
		Err(error) if error.code == "rejected-program" || error.code == "run" => {
			Outcome::Fail { reason: error.message }
		}
		Err(error) => Outcome::Unsupported { reason: error.message },
	};
	Some((operator, outcome))
}

fn tensors(folder: &Path, kind: &str) -> Result<Vec<(String, Array)>> {
	let mut found = Vec::new();
	for index in 0.. {
		let path = folder.join(format!("{kind}_{index}.pb"));
		if !path.exists() {
			break;
		}
		let bytes = std::fs::read(&path).map_err(crate::error::io(&path))?;
		let tensor = onnx::Tensor::decode(&bytes[..]).map_err(crate::error::io(&path))?;
		found.push((tensor.name.clone(), read::array(&tensor)?));
	}
	Ok(found)
}

fn attempt(path: &Path, bytes: &[u8], executor: &mut dyn Executor) -> Result<Outcome> {
	let mut graph = read::decode(bytes, None, Limits::default())?;
	let set = path.join("test_data_set_0");
	let (inputs, expected) = (tensors(&set, "input")?, tensors(&set, "output")?);
	let mut samples = Arrays::new();
	// In the order of the model's inputs, which the files' own names may not have.
	for (input, (_, array)) in graph.inputs.clone().iter().zip(inputs) {
		// What a shape, an axis or a bound depends on is a constant of the import.
		if structural(&graph, &input.name) {
			graph.constants.insert(input.name.clone(), Arc::new(array));
			graph.inputs.retain(|other| other.name != input.name);
		} else {
			samples.insert(input.name.clone(), array);
		}
	}
	let values = samples.iter().map(|(name, a)| (name.clone(), Arc::new(a.clone()))).collect();
	let reference = eval::run(&graph, &values)?;
	for (name, (_, expected)) in graph.outputs.iter().zip(&expected) {
		let reason = match reference.get(name).map(|array| error(expected, array)) {
			Some(Err(reason)) => reason,
			Some(Ok(error)) if error > FLOAT_TOLERANCE => format!("error {error:.2e}"),
			_ => continue,
		};
		return Ok(Outcome::Fail { reason: format!("float reference: {reason}") });
	}
	// Inputs of one test are one run, whatever their first dimensions are.
	let options = Options { range: Range::Max, precision: Precision::All16, ..Options::default() };
	let outputs = whole(graph.clone(), &samples, &options, executor)?;
	let mut worst = 0.0f64;
	for (name, (_, expected)) in graph.outputs.iter().zip(&expected) {
		let Some(found) = outputs.get(name) else { continue };
		match error(expected, found) {
			Ok(error) => worst = worst.max(error),
			Err(reason) => return Ok(Outcome::Fail { reason }),
		}
	}
	Ok(if worst <= TOLERANCE {
		Outcome::Pass { error: worst }
	} else {
		Outcome::Fail { reason: format!("error {worst:.4} of the largest magnitude") }
	})
}

/// Imports a graph whose inputs are exactly one run, and runs it.
fn whole(
	mut graph: crate::graph::Graph,
	samples: &Arrays,
	options: &Options,
	executor: &mut dyn Executor,
) -> Result<Arrays> {
	// With a dimension of 1 in front of each, every input is a sample of its own shape.
	let batched: Arrays = samples.clone();
	for input in &mut graph.inputs {
		input.dims = samples[&input.name].dims.iter().map(|&dim| Some(dim)).collect();
	}
	let same = |arrays: &Arrays| {
		let mut first = arrays.values().map(|array| array.dims.first().copied().unwrap_or(1));
		let one = first.next();
		first.all(|dim| Some(dim) == one)
	};
	if same(&batched) {
		let prepared = prepare(graph, &batched, options)?;
		let (model, ..) = build(&prepared, options)?;
		return model.run(executor, &batched, &[], |_, _| {});
	}
	// First dimensions differ: one batch of everything, without cutting.
	operators::check_model(&graph)?;
	let batch = batched.iter().map(|(name, a)| (name.clone(), Arc::new(a.clone()))).collect();
	let (changes, _) = crate::passes::run(&mut graph, &batch)?;
	let prepared = crate::import::Prepared {
		graph,
		batches: vec![batch],
		batch: 1,
		changes,
		samples: 1,
		along: Default::default(),
		warnings: Vec::new(),
	};
	let (model, ..) = build(&prepared, options)?;
	let inputs = model.quantize(&batched)?;
	let run = executor
		.run(
			&Work { program: &model.program, checked: &model.checked, inputs: &inputs, steps: 1 },
			assay_exec::Options::default(),
			&mut (),
		)
		.map_err(|e| crate::Error::new("run", e.to_string()).fix("report the model"))?;
	Ok(model.dequantize(&run))
}

/// Whether an input says how, not what: shapes, axes, bounds, exponents and parameters that models
/// have as constants.
fn structural(graph: &crate::graph::Graph, name: &str) -> bool {
	graph.nodes.iter().any(|node| {
		node.inputs.iter().enumerate().any(|(index, input)| {
			input == name
				&& match node.op.as_str() {
					"Reshape" | "Squeeze" | "Unsqueeze" | "Expand" | "Split" | "Slice" | "Pad"
					| "TopK" | "CumSum" | "Tile" | "Clip" | "Pow" | "LayerNormalization"
					| "RMSNormalization" | "BatchNormalization" | "Gemm" | "Conv"
					| "ConstantOfShape" | "Range" => {
						index > 0 || matches!(node.op.as_str(), "ConstantOfShape" | "Range")
					}
					op => op.starts_with("Reduce") && index > 0,
				}
		})
	})
}

/// Largest error as a part of the largest magnitude; infinities must be equal or at the end of the
/// range.
fn error(expected: &Array, found: &Array) -> Result<f64, String> {
	if expected.dims != found.dims {
		return Err(format!("shape {:?} instead of {:?}", found.dims, expected.dims));
	}
	let (a, b) = (expected.floats(), found.floats());
	if expected.is_int() {
		let wrong = a.iter().zip(&b).filter(|(a, b)| a != b).count();
		return if wrong == 0 {
			Ok(0.0)
		} else {
			Err(format!("{wrong} of {} integers differ", a.len()))
		};
	}
	let magnitude =
		a.iter().filter(|x| x.is_finite()).fold(0f64, |m, &x| m.max(f64::from(x.abs())));
	let worst = a
		.iter()
		.zip(&b)
		.filter(|(a, _)| a.is_finite())
		.map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs())
		.fold(0.0, |m: f64, e| if e.is_nan() { f64::INFINITY } else { m.max(e) });
	Ok(worst / magnitude.max(1e-6))
}

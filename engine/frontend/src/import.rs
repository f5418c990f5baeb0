//! The whole way from an ONNX file and samples to a model folder and a report.

use crate::{
	anchors,
	array::Array,
	calibrate::{snr, Calibration, Precision, Range, Width, CLEAN},
	error::{Error, Result},
	eval::{self, Values},
	graph::Graph,
	lower::{self, Lowered},
	model::{append, chunk, sample_count, Model},
	npz::Arrays,
	passes::{self, Change},
	read,
};
use assay_exec::{Executor, Tensor};
use assay_program::{program_id, Class, Source};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Most samples of one run, where neither the model nor the user says.
const BATCH: usize = 16;

/// How to import.
#[derive(Clone, Debug)]
pub struct Options {
	/// Samples in one run of the program; the model's own number wins.
	pub batch: Option<usize>,
	/// How 8-bit ranges are chosen.
	pub range: Range,
	/// Which products get 16 bits.
	pub precision: Precision,
	/// Most calibration samples.
	pub most: usize,
}

impl Default for Options {
	fn default() -> Self {
		Self { batch: None, range: Range::Mse, precision: Precision::Mixed(25.0), most: 256 }
	}
}

/// One layer in the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
	/// Name in the model.
	pub name: String,
	/// Operator.
	pub operator: String,
	/// Width of its operands, for products.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub width: Option<Width>,
	/// Signal-to-noise ratio in dB that 8 bits would have given this product alone.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub snr8: Option<f64>,
	/// Signal-to-noise ratio in dB of its result in the whole program, on held-out samples.
	pub snr: f64,
}

/// One output in the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fidelity {
	/// Name in the model.
	pub name: String,
	/// Mean cosine between float and integer result of a sample.
	pub cosine: f64,
	/// The worst of them.
	pub worst_cosine: f64,
	/// Signal-to-noise ratio in dB.
	pub snr: f64,
	/// Part of the rows (last dimension) whose largest element is the same; for integers, part of equal elements.
	pub top1: f64,
}

/// What importing did and what it cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
	/// Version of ONNX's operator set.
	pub opset: i64,
	/// Operators after fusing, with how many of each.
	pub operators: BTreeMap<String, usize>,
	/// What the passes found.
	pub passes: Vec<Change>,
	/// Samples in one run.
	pub batch: usize,
	/// Samples that were calibrated with.
	pub calibrated: usize,
	/// Samples that the comparison is on.
	pub held_out: usize,
	/// Whether those were left out of the calibration.
	pub apart: bool,
	/// Products of matrices and convolutions.
	pub products: usize,
	/// Of those, with operands of 16 bits.
	pub wide_products: usize,
	/// Layers whose result is committed, in order.
	pub layers: Vec<Layer>,
	/// Outputs.
	pub outputs: Vec<Fidelity>,
	/// Identity of the program.
	pub program: String,
	/// Length of the program file.
	pub program_bytes: usize,
	/// Bytes of the weights as they are stored.
	pub weight_bytes: u64,
	/// Nodes of the program.
	pub nodes: usize,
	/// Of those, committed ones.
	pub anchors: usize,
	/// Work units of one run.
	pub work_units: u64,
	/// Most bytes of tensors at once.
	pub peak_memory: u64,
	/// Most bytes of one part of a fraud proof.
	pub proof_bytes: u64,
	/// Most parts of one.
	pub proof_parts: u32,
}

/// A graph after the passes, and its samples in batches.
pub struct Prepared {
	/// The graph.
	pub graph: Graph,
	/// Batches of calibration samples.
	pub batches: Vec<Values>,
	/// Samples in a batch.
	pub batch: usize,
	/// What the passes found.
	pub changes: Vec<Change>,
	/// Calibration samples.
	pub samples: usize,
}

fn values(arrays: Arrays) -> Values {
	arrays.into_iter().map(|(name, array)| (name, Arc::new(array))).collect()
}

/// Errors where operators are unknown, with all of them at once.
pub fn refuse_unknown(graph: &Graph) -> Result<()> {
	let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
	for node in &graph.nodes {
		if !lower::OPERATORS.contains(&node.op.as_str()) {
			*unknown.entry(&node.op).or_default() += 1;
		}
	}
	if unknown.is_empty() {
		return Ok(());
	}
	let list: Vec<String> = unknown.iter().map(|(op, count)| format!("{op} ({count})")).collect();
	let hints: Vec<(String, &str)> = lower::unsupported(graph);
	let mut hints: Vec<&str> = hints
		.iter()
		.filter(|(op, _)| unknown.contains_key(op.as_str()))
		.map(|(_, hint)| *hint)
		.collect();
	hints.dedup();
	Err(Error::new(
		"unsupported-operator",
		format!("the model has operators that cannot be imported: {}", list.join(", ")),
		hints.join("; "),
	))
}

/// Reads nothing: cuts samples into batches and runs the passes.
pub fn prepare(mut graph: Graph, samples: &Arrays, options: &Options) -> Result<Prepared> {
	refuse_unknown(&graph)?;
	let names = graph.inputs.iter().map(|input| input.name.as_str());
	let count = sample_count(samples, names)?;
	let fixed = graph.inputs.iter().find_map(|input| input.dims.first().copied().flatten());
	let batch = fixed.or(options.batch).unwrap_or(count.min(BATCH)).max(1);
	let used = count.min(options.most.max(1));
	let wanted: Arrays = samples
		.iter()
		.filter(|(name, _)| graph.inputs.iter().any(|input| input.name == **name))
		.map(|(name, array)| {
			let input = graph.inputs.iter().find(|input| input.name == *name);
			let floats = input.is_some_and(|input| !input.integer);
			let array = match floats && array.is_int() {
				true => Array::float(array.dims.clone(), array.floats()),
				false => array.clone(),
			};
			(name.clone(), array)
		})
		.collect();
	for input in &graph.inputs {
		let Some(array) = wanted.get(&input.name) else { continue };
		let fits = array.rank() == input.dims.len()
			&& array
				.dims
				.iter()
				.zip(&input.dims)
				.skip(1)
				.all(|(d, want)| want.is_none_or(|w| w == *d));
		if !fits && !input.dims.is_empty() {
			let open = |dim: &Option<usize>| dim.map_or("any".into(), |dim| dim.to_string());
			let dims: Vec<String> = input.dims.iter().map(open).collect();
			return Err(Error::new(
				"wrong-shape",
				format!("samples of `{}` are {:?}, the model takes [{}]", input.name, array.dims, dims.join(", ")),
				"store the samples of an input as one array with the samples along its first dimension",
			));
		}
	}
	let batches: Vec<Values> =
		(0..used).step_by(batch).map(|start| values(chunk(&wanted, start, batch))).collect();
	let Some(first) = batches.first() else {
		return Err(Error::new("bad-samples", "there are no samples", "give at least one"));
	};
	let changes = passes::run(&mut graph, first)?;
	let unknown = lower::unsupported(&graph);
	if let Some((op, hint)) = unknown.first() {
		return Err(Error::new("unsupported-operator", format!("operator {op}"), *hint));
	}
	Ok(Prepared { graph, batches, batch, changes, samples: used })
}

/// Lowers a prepared graph to a checked model.
pub fn build(prepared: &Prepared, options: &Options) -> Result<(Model, Lowered, Calibration)> {
	let calibration =
		Calibration::new(&prepared.graph, &prepared.batches, options.range, options.precision)?;
	let mut lowered = lower::lower(&prepared.graph, &calibration)?;
	let checked = anchors::place(&mut lowered)?;
	let model = Model::new(&lowered, checked, prepared.batch)?;
	Ok((model, lowered, calibration))
}

/// Imports the model in `path`. Without `held_out`, every fifth sample is left out of the calibration and compared on.
pub fn import(
	path: &Path,
	samples: &Arrays,
	held_out: Option<&Arrays>,
	options: &Options,
	executor: &mut dyn Executor,
) -> Result<(Model, Report)> {
	let graph = read::read(path)?;
	refuse_unknown(&graph)?;
	let count = sample_count(samples, graph.inputs.iter().map(|input| input.name.as_str()))?;
	let split = held_out.is_none() && count >= 10;
	let part = |apart: bool| -> Arrays {
		let at: Vec<usize> = (0..count).filter(|i| (i % 5 == 4) == apart).collect();
		samples.iter().map(|(name, array)| (name.clone(), rows(array, &at))).collect()
	};
	let (calibrate, compare) = match (split, held_out) {
		(true, _) => (part(false), part(true)),
		(false, Some(held_out)) => (samples.clone(), held_out.clone()),
		(false, None) => (samples.clone(), samples.clone()),
	};
	let prepared = prepare(graph, &calibrate, options)?;
	let (model, lowered, calibration) = build(&prepared, options)?;
	let compared = compare_with(&prepared, &lowered, &model, &compare, executor)?;
	let program = model.program.encode();
	let mut operators = BTreeMap::new();
	for node in &prepared.graph.nodes {
		*operators.entry(node.op.clone()).or_default() += 1;
	}
	let mut layers = compared.layers;
	for (layer, value) in &mut layers {
		layer.width = calibration.widths.get(value).copied();
		layer.snr8 = calibration.snr8.get(value).copied();
	}
	let report = Report {
		opset: prepared.graph.opset,
		operators,
		passes: prepared.changes,
		batch: prepared.batch,
		calibrated: prepared.samples,
		held_out: compared.count,
		apart: split || held_out.is_some(),
		products: calibration.widths.len(),
		wide_products: calibration.widths.values().filter(|width| **width == Width::I16).count(),
		layers: layers.into_iter().map(|(layer, _)| layer).collect(),
		outputs: compared.outputs,
		program: hex(&program_id(&program)),
		program_bytes: program.len(),
		weight_bytes: model.weight_bytes(),
		nodes: model.program.nodes.len(),
		anchors: model.program.nodes.iter().filter(|node| node.class == Class::EagerAnchor).count(),
		work_units: model.checked.work_units,
		peak_memory: model.checked.peak_memory,
		proof_bytes: model.checked.referee.part_bytes,
		proof_parts: model.checked.referee.parts,
	};
	Ok((model, report))
}

fn hex(bytes: &[u8]) -> String {
	let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
	format!("0x{}", digits.concat())
}

fn rows(array: &Array, at: &[usize]) -> Array {
	let each: usize = array.dims.iter().skip(1).product();
	let mut dims = array.dims.clone();
	if let Some(first) = dims.first_mut() {
		*first = at.len();
	}
	array.pick(dims, at.iter().flat_map(|&i| i * each..(i + 1) * each))
}

struct Compared {
	count: usize,
	/// Layers with the value of the model that each is about.
	layers: Vec<(Layer, String)>,
	outputs: Vec<Fidelity>,
}

/// Runs the float reference and the integer program on the same samples.
fn compare_with(
	prepared: &Prepared,
	lowered: &Lowered,
	model: &Model,
	samples: &Arrays,
	executor: &mut dyn Executor,
) -> Result<Compared> {
	let eager = |source: &Source| match source {
		Source::Node(at) => model.program.nodes[*at as usize].class == Class::EagerAnchor,
		_ => false,
	};
	let mut traces = Vec::new();
	let mut keep: Vec<Source> = Vec::new();
	for trace in lowered.traces.iter().filter(|trace| eager(&trace.value.source)) {
		if !keep.contains(&trace.value.source) {
			keep.push(trace.value.source);
			traces.push(trace);
		}
	}
	let batch = prepared.batch;
	let names = prepared.graph.inputs.iter().map(|input| input.name.as_str());
	let count = sample_count(samples, names)?;
	let mut noise = vec![(0.0f64, 0.0f64); traces.len()];
	let mut reference = Arrays::new();
	let mut failed: Option<Error> = None;
	let integers = model.run(executor, samples, &keep, |start, run| {
		let inputs = values(chunk(samples, start, batch));
		let found = match eval::run(&prepared.graph, &inputs) {
			Ok(found) => found,
			Err(error) => {
				failed.get_or_insert(error);
				return;
			}
		};
		for name in &prepared.graph.outputs {
			if let Some(array) = found.get(name) {
				let array = Array::clone(array);
				append(&mut reference, name.clone(), array, batch.min(count - start), batch);
			}
		}
		for ((trace, (_, tensor)), noise) in traces.iter().zip(&run.kept).zip(&mut noise) {
			let Some(array) = found.get(&trace.name) else { continue };
			let real = seen(&trace.value, tensor);
			for (a, b) in array.floats().into_iter().zip(real) {
				if a.is_finite() && a.abs() < 1e30 {
					noise.0 += f64::from(a).powi(2);
					noise.1 += (f64::from(a) - b).powi(2);
				}
			}
		}
	})?;
	if let Some(error) = failed {
		return Err(error);
	}
	let layers = traces
		.iter()
		.zip(&noise)
		.map(|(trace, &(signal, noise))| {
			let ratio = 10.0 * (signal / noise).log10();
			let layer = Layer {
				name: trace.node.clone(),
				operator: trace.op.clone(),
				width: None,
				snr8: None,
				snr: if ratio.is_finite() { ratio.clamp(-CLEAN, CLEAN) } else { CLEAN },
			};
			(layer, trace.name.clone())
		})
		.collect();
	let outputs = reference
		.iter()
		.filter_map(|(name, a)| integers.get(name).map(|b| fidelity(name, a, b)))
		.collect();
	Ok(Compared { count, layers, outputs })
}

/// What an anchor's elements stand for, in the model's order.
fn seen(value: &lower::Value, tensor: &Tensor) -> Vec<f64> {
	let elements = tensor.elements().unwrap_or_default();
	let own = |list: &[u32]| list.iter().map(|&x| x as usize).collect::<Vec<_>>();
	let at = crate::array::walk(&own(&value.dims), &own(&value.strides), value.offset as usize);
	at.into_iter().map(|i| f64::from(elements.get(i).copied().unwrap_or(0)) * value.scale).collect()
}

/// How close an output is to the float reference.
pub fn fidelity(name: &str, reference: &Array, found: &Array) -> Fidelity {
	let (a, b) = (reference.floats(), found.floats());
	let samples = reference.dims.first().copied().unwrap_or(1).max(1);
	let each = (a.len() / samples).max(1);
	let cosines: Vec<f64> = a
		.chunks(each)
		.zip(b.chunks(each))
		.map(|(a, b)| {
			let dot = |x: &[f32], y: &[f32]| -> f64 {
				x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
			};
			let lengths = (dot(a, a) * dot(b, b)).sqrt();
			if lengths == 0.0 {
				f64::from(u8::from(a == b))
			} else {
				dot(a, b) / lengths
			}
		})
		.collect();
	let row =
		if reference.is_int() { 1 } else { reference.dims.last().copied().unwrap_or(1).max(1) };
	let best = |row: &[f32]| (1..row.len()).fold(0, |m, i| if row[i] > row[m] { i } else { m });
	let rows = a.chunks(row).zip(b.chunks(row));
	let total = rows.len().max(1) as f64;
	let same = rows.filter(|(a, b)| if row == 1 { a == b } else { best(a) == best(b) }).count();
	Fidelity {
		name: name.into(),
		cosine: cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
		worst_cosine: cosines.iter().copied().fold(1.0, f64::min),
		snr: snr(&a, &b),
		top1: same as f64 / total,
	}
}

//! The whole way from an ONNX file and samples to a model folder and a report.

use crate::{
	along::{self, append, Along},
	anchors,
	array::Array,
	calibrate::{self, decibels, Calibration, Precision, Range, Width, CLEAN},
	error::{short, Error, Result},
	eval::{self, Values},
	graph::Graph,
	limits::Limits,
	lower::{self, operators, Lowered},
	model::{sample_count, Model, Saturated},
	npz::Arrays,
	passes::{self, finite::HIDES, Change},
	read,
	samples::{self, chunk},
};
use assay_exec::{Executor, Tensor};
use assay_program::{program_id, Class, Source};
use serde::Serialize;
use std::{
	collections::{BTreeMap, HashMap, HashSet},
	path::Path,
	sync::Arc,
};

/// Most nodes of a program.
const PROGRAM_NODES: usize = 4096;

/// Below this, what differs between samples is lost, in dB.
const LOST: f64 = 10.0;

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
	/// What the import may take.
	pub limits: Limits,
}

impl Default for Options {
	fn default() -> Self {
		Self {
			batch: None,
			range: Range::Mse,
			precision: Precision::Mixed(25.0),
			most: 256,
			limits: Limits::default(),
		}
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
	/// The sample that has it, from 0 on.
	pub worst_sample: usize,
	/// Signal-to-noise ratio in dB.
	pub snr: f64,
	/// The same of what differs between samples: without the mean of each element over them.
	pub varying_snr: f64,
	/// Part of the rows (last dimension) whose largest element is the same; for integers, part of
	/// equal elements.
	pub top1: f64,
	/// Whether rows have more than one element, so that one can be the largest.
	pub ranked: bool,
	/// Whether the elements are integers.
	pub integer: bool,
	/// Elements that the float model hides, by a mask or because they are infinite; they are not
	/// compared.
	pub hidden: u64,
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
	/// What saturated on the samples that the comparison is on, the largest part first.
	pub saturated: Vec<Saturated>,
	/// What should be looked at, in sentences.
	pub warnings: Vec<String>,
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
	/// Where the samples lie in each output.
	pub along: HashMap<String, Along>,
	/// What should be looked at.
	pub warnings: Vec<String>,
}

fn values(arrays: Arrays) -> Values {
	arrays.into_iter().map(|(name, array)| (name, Arc::new(array))).collect()
}

/// The arrays that the model takes, floats where it takes floats. Errors: `wrong-shape`,
/// `too-large`.
fn wanted(graph: &Graph, samples: &Arrays, batch: usize) -> Result<Arrays> {
	let mut wanted = Arrays::new();
	for input in &graph.inputs {
		let Some(array) = samples.get(&input.name) else { continue };
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
				format!(
					"samples of `{}` are {:?}, the model takes [{}]",
					short(&input.name),
					array.dims,
					dims.join(", ")
				),
			)
			.fix(
				"store the samples of an input as one array with the samples along its first \
				 dimension",
			));
		}
		let mut dims = array.dims.clone();
		if let Some(first) = dims.first_mut() {
			*first = batch;
		}
		let what = format!("a batch of input `{}`", short(&input.name));
		graph.limits.bytes(&what, &dims, input.integer)?;
		let array = match (input.integer, array.is_int()) {
			(false, true) => Array::float(array.dims.clone(), array.floats()),
			(true, false) => Array::int(array.dims.clone(), array.ints()),
			_ => array.clone(),
		};
		wanted.insert(input.name.clone(), array);
	}
	Ok(wanted)
}

/// What looks as if samples were along another dimension than the first.
fn axis_warnings(graph: &Graph, samples: &Arrays) -> Vec<String> {
	let odd = |input: &&crate::graph::Input| {
		let first = input.dims.first().copied().flatten();
		let given = samples.get(&input.name).and_then(|array| array.dims.first().copied());
		first.is_some_and(|first| first > 1 && given == Some(first))
			&& input.dims.iter().skip(1).any(Option::is_none)
	};
	let warning = |input: &crate::graph::Input| {
		format!(
			"input `{}`: its first dimension is fixed and another one is open; samples are taken \
			 along the first one. If they are along the other, transpose the model's input",
			short(&input.name)
		)
	};
	graph.inputs.iter().filter(odd).map(warning).collect()
}

/// Reads nothing: cuts samples into batches and runs the passes.
pub fn prepare(mut graph: Graph, samples: &Arrays, options: &Options) -> Result<Prepared> {
	operators::check_model(&graph)?;
	graph.limits = options.limits;
	let names = graph.inputs.iter().map(|input| input.name.as_str());
	let count = sample_count(samples, names)?;
	let fixed = graph.inputs.iter().find_map(|input| input.dims.first().copied().flatten());
	let batch = fixed.or(options.batch).unwrap_or(count.min(BATCH)).max(1);
	let used = count.min(options.most.max(1));
	let mut warnings = axis_warnings(&graph, samples);
	let wanted = wanted(&graph, samples, batch)?;
	// The last batch is filled up.
	let whole: u64 = wanted.values().map(|array| array.bytes() / count.max(1) as u64).sum();
	let held = whole.saturating_mul(used.div_ceil(batch).saturating_mul(batch) as u64);
	if held > options.limits.live {
		return Err(Error::new(
			"too-large",
			format!("{used} samples in batches of {batch} need {held} bytes"),
		)
		.fix("give fewer samples or take a smaller --batch, or raise --max-memory"));
	}
	let batches: Vec<Values> =
		(0..used).step_by(batch).map(|start| values(chunk(&wanted, start, batch))).collect();
	let Some(first) = batches.first() else {
		return Err(Error::new("bad-samples", "there are no samples").fix("give at least one"));
	};
	let read = graph.clone();
	let (changes, work) = passes::run(&mut graph, first)?;
	let found = along::find(&read, &wanted, batch)?;
	warnings.extend(found.warnings);
	operators::check_fused(&graph)?;
	// Twice for the samples, and twice for what the passes made of it.
	let evaluations = batches.len() as u64 + 6;
	if work.saturating_mul(evaluations) > options.limits.total_work {
		return Err(Error::new(
			"too-much-work",
			format!("{used} calibration samples take more work than an import may"),
		)
		.fix(format!(
			"give about {} samples",
			used as u64 * options.limits.total_work / work.saturating_mul(evaluations).max(1)
		)));
	}
	let nodes = graph.nodes.iter().filter(|node| !lower::is_free(&graph, node)).count();
	if nodes > PROGRAM_NODES || graph.nodes.len() > 8 * PROGRAM_NODES {
		return Err(Error::new(
			"too-large",
			format!(
				"after fusing, the model has {nodes} operators; a program has at most \
				 {PROGRAM_NODES} nodes"
			),
		)
		.fix("split it into several models"));
	}
	lower::check(&graph)?;
	let along = found.along;
	Ok(Prepared { graph, batches, batch, changes, samples: used, along, warnings })
}

/// Lowers a prepared graph to a checked model.
pub fn build(prepared: &Prepared, options: &Options) -> Result<(Model, Lowered, Calibration)> {
	let calibration =
		Calibration::new(&prepared.graph, &prepared.batches, options.range, options.precision)?;
	let mut lowered = lower::lower(&prepared.graph, &calibration)?;
	let checked = anchors::place(&mut lowered)?;
	let mut model = Model::new(&lowered, checked, prepared.batch)?;
	for output in &mut model.sidecar.outputs {
		output.samples = prepared.along.get(&output.name).copied();
	}
	Ok((model, lowered, calibration))
}

/// Reads the model in `path` and refuses what cannot be imported, before any sample is read.
pub fn open(path: &Path, limits: Limits) -> Result<Graph> {
	let graph = read::read(path, limits)?;
	operators::check_model(&graph)?;
	Ok(graph)
}

/// Imports a model that [`open`] has read. Without `held_out`, every fifth sample is left out of
/// the calibration and compared on.
pub fn import(
	graph: Graph,
	samples: Arrays,
	held_out: Option<Arrays>,
	options: &Options,
	executor: &mut dyn Executor,
) -> Result<(Model, Report)> {
	let count = sample_count(&samples, graph.inputs.iter().map(|input| input.name.as_str()))?;
	samples::check(&graph.inputs, &samples, true)?;
	if let Some(held_out) = &held_out {
		samples::check(&graph.inputs, held_out, false)?;
	}
	let apart = held_out.is_some() || count >= 10;
	let split = held_out.is_none() && apart;
	let part = |held: bool, most: usize| -> Arrays {
		let at: Vec<usize> = (0..count).filter(|i| (i % 5 == 4) == held).take(most).collect();
		samples.iter().map(|(name, array)| (name.clone(), rows(array, &at))).collect()
	};
	let calibrate = if split { part(false, options.most.max(1)) } else { samples.clone() };
	let compare = match (split, held_out) {
		(true, _) => part(true, count),
		(false, Some(held_out)) => held_out,
		(false, None) => samples.clone(),
	};
	drop(samples);
	let prepared = prepare(graph, &calibrate, options)?;
	drop(calibrate);
	let (mut model, lowered, calibration) = build(&prepared, options)?;
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
	let mut warnings = prepared.warnings;
	warnings.extend(lowered.warnings.iter().cloned());
	warnings.extend(compared.outputs.iter().flat_map(output_warnings));
	model.sidecar.saturated = compared.saturated.clone();
	let report = Report {
		opset: prepared.graph.opset,
		operators,
		passes: prepared.changes,
		batch: prepared.batch,
		calibrated: prepared.samples,
		held_out: compared.count,
		apart,
		products: calibration.widths.len(),
		wide_products: calibration.widths.values().filter(|width| **width == Width::I16).count(),
		layers: layers.into_iter().map(|(layer, _)| layer).collect(),
		outputs: compared.outputs,
		saturated: compared.saturated,
		warnings,
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

/// What the figures of an output hide.
fn output_warnings(output: &Fidelity) -> Vec<String> {
	let name = short(&output.name);
	let mut warnings = Vec::new();
	if output.varying_snr < LOST && output.varying_snr < output.snr - 6.0 {
		warnings.push(format!(
			"output `{name}`: most of it is the same for every sample; what differs between samples has {:.1} dB",
			output.varying_snr
		));
	}
	if output.hidden > 0 {
		warnings.push(format!(
			"output `{name}`: {} elements are infinite or masked in the float model; they are not compared",
			output.hidden
		));
	}
	warnings
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
	saturated: Vec<Saturated>,
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
	let place: HashMap<&str, usize> =
		traces.iter().enumerate().map(|(at, trace)| (trace.name.as_str(), at)).collect();
	let mut reference = Arrays::new();
	let samples = wanted(&prepared.graph, samples, batch)?;
	let integers = model.run_watched(executor, &samples, &keep, |start, run| {
		let inputs = values(chunk(&samples, start, batch));
		let (found, _) =
			eval::run_with(&prepared.graph, &inputs, &HashSet::new(), |node, values| {
				for (name, array) in calibrate::results(node, values) {
					calibrate::numbers(node, array)?;
					let Some(&at) = place.get(name) else { continue };
					let Some((_, tensor)) = run.kept.get(at) else { continue };
					let real = seen(&traces[at].value, tensor);
					let noise = &mut noise[at];
					for (&a, b) in array.float_data().iter().zip(real) {
						if a.abs() < HIDES {
							noise.0 += f64::from(a).powi(2);
							noise.1 += (f64::from(a) - b).powi(2);
						}
					}
				}
				Ok(())
			})?;
		for name in &prepared.graph.outputs {
			if let Some(array) = found.get(name) {
				let array = Array::clone(array);
				let along = prepared.along.get(name).copied();
				append(&mut reference, name, array, (batch.min(count - start), batch), along)?;
			}
		}
		Ok(())
	})?;
	let layers = traces
		.iter()
		.zip(&noise)
		.map(|(trace, &(signal, noise))| {
			let layer = Layer {
				name: trace.node.clone(),
				operator: trace.op.clone(),
				width: None,
				snr8: None,
				snr: decibels(signal, noise),
			};
			(layer, trace.name.clone())
		})
		.collect();
	let outputs = reference
		.iter()
		.filter_map(|(name, a)| integers.outputs.get(name).map(|b| fidelity(name, a, b)))
		.collect();
	Ok(Compared { count, layers, outputs, saturated: integers.saturated })
}

/// What an anchor's elements stand for, in the model's order.
fn seen(value: &lower::Value, tensor: &Tensor) -> Vec<f64> {
	let elements = tensor.elements().unwrap_or_default();
	let own = |list: &[u32]| list.iter().map(|&x| x as usize).collect::<Vec<_>>();
	let at = crate::array::walk(&own(&value.dims), &own(&value.strides), value.offset as usize);
	at.map(|i| f64::from(elements.get(i).copied().unwrap_or(0)) * value.scale).collect()
}

/// How close an output is to the float reference.
pub fn fidelity(name: &str, reference: &Array, found: &Array) -> Fidelity {
	let (mut a, mut b) = (reference.floats(), found.floats());
	let integer = reference.is_int();
	let row = if integer { 1 } else { reference.dims.last().copied().unwrap_or(1).max(1) };
	let best = |row: &[f32]| (1..row.len()).fold(0, |m, i| if row[i] > row[m] { i } else { m });
	let rows = a.chunks(row).zip(b.chunks(row));
	let total = rows.len().max(1) as f64;
	let same = rows.filter(|(a, b)| if row == 1 { a == b } else { best(a) == best(b) }).count();
	// What is hidden is no number to be near to.
	let mut hidden = 0;
	for (a, b) in a.iter_mut().zip(&mut b) {
		if !integer && (a.is_nan() || a.abs() >= HIDES) {
			(*a, *b) = (0.0, 0.0);
			hidden += 1;
		}
	}
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
	let worst = cosines.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
	let worst = worst.map_or((0, 1.0), |(at, cosine)| (at, *cosine));
	let mut means = vec![0.0f64; each];
	for sample in a.chunks(each) {
		means.iter_mut().zip(sample).for_each(|(mean, &x)| *mean += f64::from(x) / samples as f64);
	}
	let (mut signal, mut varying, mut noise) = (0.0, 0.0, 0.0);
	for (at, (&a, &b)) in a.iter().zip(&b).enumerate() {
		signal += f64::from(a).powi(2);
		varying += (f64::from(a) - means[at % each]).powi(2);
		noise += (f64::from(a) - f64::from(b)).powi(2);
	}
	// Where nothing can be compared nothing is known to be right.
	let blind = hidden > 0 && hidden == a.len() as u64;
	let snr = if blind { -CLEAN } else { decibels(signal, noise) };
	Fidelity {
		name: name.into(),
		cosine: match blind {
			true => 0.0,
			false => cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
		},
		worst_cosine: worst.1,
		worst_sample: worst.0,
		snr,
		// Of one sample nothing varies.
		varying_snr: if samples > 1 && varying > 0.0 { decibels(varying, noise) } else { snr },
		top1: same as f64 / total,
		ranked: row > 1,
		integer,
		hidden,
	}
}

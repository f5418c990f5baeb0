//! Imported models against onnxruntime, which runs the same ONNX file in f32.

use crate::{
	measure::{interleave, seconds},
	rival::Library,
	table::Table,
	Benchmark, Context,
};
use anyhow::{anyhow, Context as _, Result};
use assay_exec::CpuExecutor;
use assay_frontend::{
	calibrate::Precision,
	import::{self, import, Options, Report},
	limits::Limits,
	model::Model,
	npz::{self, Arrays},
	samples::chunk,
};
use serde_json::json;
use std::path::Path;

pub const BENCHMARK: Benchmark = Benchmark {
	name: "models",
	about: "imported models, from samples to results, against onnxruntime's f32",
	run,
};

/// Models of `make fidelity`, and samples in a batch.
pub const CASES: [(&str, u32); 6] =
	[("minilm", 1), ("minilm", 32), ("cnn", 1), ("cnn", 32), ("resnet", 1), ("resnet", 8)];

/// Least signal-to-noise ratio in dB of a product in 8 bits: the default and what asks for more.
const SENSITIVITIES: [f64; 2] = [25.0, 30.0];

/// Samples that the cosine is the mean of.
const COMPARED: usize = 64;

/// An imported model, the samples of one run, and what the import reports.
pub struct Imported {
	pub model: Model,
	pub samples: Arrays,
	pub report: Report,
}

/// Imports model `name` of `make fidelity` from folder `models`.
pub fn imported(models: &Path, name: &str, batch: u32, sensitivity: f64) -> Result<Imported> {
	let failed = |error: assay_frontend::Error| anyhow!("{name}: {error}");
	let limits = Limits::default();
	let folder = models.join(name);
	let path = folder.join(format!("{name}.onnx"));
	let graph = import::open(&path, limits).map_err(failed)?;
	let names: Vec<String> = graph.inputs.iter().map(|input| input.name.clone()).collect();
	let names: Vec<&str> = names.iter().map(String::as_str).collect();
	let arrays = |file: &str| npz::read(&folder.join(file), Some(&names), limits).map_err(failed);
	let (calibration, held_out) = (arrays("calibrate.npz")?, arrays("test.npz")?);
	let options = Options {
		batch: Some(batch as usize),
		precision: Precision::Mixed(sensitivity),
		..Options::default()
	};
	let compared = chunk(&held_out, 0, COMPARED);
	let (model, report) =
		import(graph, calibration, Some(compared), &options, &mut CpuExecutor::new())
			.map_err(failed)?;
	Ok(Imported { model, samples: chunk(&held_out, 0, batch as usize), report })
}

fn run(context: &Context) -> Result<Vec<Table>> {
	let columns = [
		"model",
		"batch",
		"16 bits below, dB",
		"16-bit products",
		"cosine to f32",
		"ours, ms",
		"onnxruntime f32, ms",
		"times as fast",
	];
	let title = "Imported models: quantising samples, running, hashing the trace, dequantising";
	let mut table = Table::new(title, &columns);
	let Some(models) = &context.rivals.models else {
		eprintln!("bench: no models; scripts/bench makes them");
		return Ok(vec![table]);
	};
	let cases = if context.quick { &CASES[..1] } else { &CASES[..] };
	for &(name, batch) in cases {
		let folder = models.join(name);
		let mut rival = context.rivals.start(Library::Onnxruntime, context.threads)?;
		if let Some(rival) = &mut rival {
			let path = folder.join(format!("{name}.onnx"));
			rival.load(&path, &folder.join("test.npz"), batch)?;
		}
		for sensitivity in SENSITIVITIES {
			let Imported { model, samples, report } = imported(models, name, batch, sensitivity)?;
			let mut executor = CpuExecutor::new();
			let mut ours = |count| {
				seconds(count, || {
					let results = model.run(&mut executor, &samples, &[], |_, _| {});
					results.map(drop).map_err(|error| anyhow!("{name}: {error}"))
				})
			};
			// Inputs that come again are packed by the third run.
			ours(3)?;
			let (ours, theirs, ratio) = match &mut rival {
				Some(rival) => {
					let pair = interleave(&mut ours, |count| rival.run(count))?;
					(pair.ours, json!(1e3 * pair.theirs), json!(pair.ratio))
				}
				None => (ours(5)?, json!(null), json!(null)),
			};
			let output = report.outputs.first().context("a model without outputs")?;
			table.row(vec![
				json!(name),
				json!(batch.to_string()),
				json!(sensitivity),
				json!(format!("{} of {}", report.wide_products, report.products)),
				json!(format!("{:.4}", output.cosine)),
				json!(1e3 * ours),
				theirs,
				ratio,
			]);
		}
	}
	Ok(vec![table])
}

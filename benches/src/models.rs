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
	import::{import, Options},
	model::chunk,
	npz,
};
use serde_json::json;

pub const BENCHMARK: Benchmark = Benchmark {
	name: "models",
	about: "imported models, from samples to results, against onnxruntime's f32",
	run,
};

/// Models of `make fidelity`, and samples in a batch.
const CASES: [(&str, u32); 6] =
	[("minilm", 1), ("minilm", 32), ("cnn", 1), ("cnn", 32), ("resnet", 1), ("resnet", 8)];

/// Least signal-to-noise ratio in dB of a product in 8 bits: the default and what asks for more.
const SENSITIVITIES: [f64; 2] = [25.0, 30.0];

/// Samples that the cosine is the mean of.
const COMPARED: usize = 64;

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
	let failed = |error: assay_frontend::Error| anyhow!("{error}");
	let cases = if context.quick { &CASES[..1] } else { &CASES[..] };
	for &(name, batch) in cases {
		let folder = models.join(name);
		let path = folder.join(format!("{name}.onnx"));
		let calibration = npz::read(&folder.join("calibrate.npz")).map_err(failed)?;
		let test = folder.join("test.npz");
		let held_out = npz::read(&test).map_err(failed)?;
		let samples = chunk(&held_out, 0, batch as usize);
		let mut rival = context.rivals.start(Library::Onnxruntime, context.threads)?;
		if let Some(rival) = &mut rival {
			rival.load(&path, &test, batch)?;
		}
		for sensitivity in SENSITIVITIES {
			let options = Options {
				batch: Some(batch as usize),
				precision: Precision::Mixed(sensitivity),
				..Options::default()
			};
			let mut executor = CpuExecutor::new();
			let compared = chunk(&held_out, 0, COMPARED);
			let (model, report) =
				import(&path, &calibration, Some(&compared), &options, &mut executor)
					.map_err(failed)?;
			let mut ours = |count| {
				seconds(count, || {
					let results = model.run(&mut executor, &samples, &[], |_, _| {});
					results.map(drop).map_err(failed)
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

//! `assay model`.

use super::{profile, train, Context};
use crate::{
	cli::{ModelCommand, ModelImport, ModelNodeTests, ModelRun, WidthChoice},
	error::{Error, Result},
	output::bytes,
};
use assay_exec::CpuExecutor;
use assay_frontend::{
	calibrate::{Precision, Width},
	import::{import, Options, Report},
	model::Model,
	node_tests::{self, Outcome},
	npz,
};
use serde_json::json;
use std::time::Instant;

pub fn run(context: &Context, command: ModelCommand) -> Result<u8> {
	match command {
		ModelCommand::Import(args) => import_model(context, args),
		ModelCommand::Run(args) => run_model(context, args),
		ModelCommand::Train(args) => train::run(context, args),
		ModelCommand::NodeTests(args) => run_node_tests(context, args),
	}
}

fn import_model(context: &Context, args: ModelImport) -> Result<u8> {
	let ui = &context.ui;
	let samples = npz::read(&args.calibrate)?;
	let held_out = args.evaluate.as_deref().map(npz::read).transpose()?;
	let options = Options {
		batch: args.batch.map(|batch| batch as usize),
		range: args.range,
		precision: match args.width {
			WidthChoice::Eight => Precision::All8,
			WidthChoice::Sixteen => Precision::All16,
			WidthChoice::Mixed => Precision::Mixed(args.sensitivity),
		},
		..Options::default()
	};
	let out = match args.out {
		Some(out) => out,
		None => args.model.file_stem().map(Into::into).ok_or_else(|| {
			Error::new("no-out", "the model has no name to call the folder by")
				.fix("pass --out DIR")
		})?,
	};
	let spinner = ui.spinner(format!("import {}", args.model.display()));
	let mut executor = CpuExecutor::default();
	let (model, report) =
		import(&args.model, &samples, held_out.as_ref(), &options, &mut executor)?;
	model.save(&out)?;
	spinner.done(format!("written to {}", out.display()));
	let mut document = serde_json::to_value(&report)
		.map_err(|e| Error::new("report", e.to_string()).fix("report this model"))?;
	document["out"] = json!(out);
	ui.document(&document);
	print(context, &report);
	Ok(0)
}

fn print(context: &Context, report: &Report) {
	let ui = &context.ui;
	let db = |value: f64| format!("{value:.1}");
	let rows: Vec<Vec<String>> = report
		.layers
		.iter()
		.map(|layer| {
			let width = match layer.width {
				Some(Width::I8) => "8",
				Some(Width::I16) => "16",
				None => "",
			};
			let alone = layer.snr8.map(db).unwrap_or_default();
			vec![layer.name.clone(), layer.operator.clone(), width.into(), alone, db(layer.snr)]
		})
		.collect();
	ui.table(&["layer", "operator", "bits", "8-bit dB", "dB"], &rows);
	ui.line("");
	let rows: Vec<Vec<String>> = report
		.outputs
		.iter()
		.map(|output| {
			vec![
				output.name.clone(),
				format!("{:.5}", output.cosine),
				format!("{:.5}", output.worst_cosine),
				db(output.snr),
				format!("{:.2} %", output.top1 * 100.0),
			]
		})
		.collect();
	ui.table(&["output", "cosine", "worst", "dB", "top-1 agreement"], &rows);
	ui.line("");
	let held_out = if report.apart { "held out" } else { "the calibration samples themselves" };
	ui.fields(&[
		("program", report.program.clone()),
		(
			"samples",
			format!(
				"{} calibrated, compared on {} ({held_out})",
				report.calibrated, report.held_out
			),
		),
		("batch", format!("{} samples in one run", report.batch)),
		(
			"size",
			format!(
				"program {}, weights {}",
				bytes(report.program_bytes as u64),
				bytes(report.weight_bytes)
			),
		),
		("nodes", format!("{} ({} committed)", report.nodes, report.anchors)),
		(
			"products",
			format!("{}, of which {} with 16 bits", report.products, report.wide_products),
		),
		("work units", report.work_units.to_string()),
		("peak memory", bytes(report.peak_memory)),
		(
			"fraud proof",
			format!("at most {} parts of {}", report.proof_parts, bytes(report.proof_bytes)),
		),
	]);
}

fn run_model(context: &Context, args: ModelRun) -> Result<u8> {
	let model = Model::load(&args.model)?;
	let samples = npz::read(&args.input)?;
	let spinner = context.ui.spinner(format!("run {}", args.model.display()));
	let mut executor = CpuExecutor::default();
	if args.profile {
		executor.start_profile();
	}
	let started = Instant::now();
	let results = model.run(&mut executor, &samples, &[], |_, _| {})?;
	let elapsed = started.elapsed();
	npz::write(&args.output, &results)?;
	spinner.done(format!("written to {}", args.output.display()));
	let shapes: serde_json::Map<_, _> =
		results.iter().map(|(name, array)| (name.clone(), json!(array.dims))).collect();
	let lines: Vec<String> =
		results.iter().map(|(name, array)| format!("{name} {:?}", array.dims)).collect();
	let profile = profile::show(context, &executor, elapsed);
	let document = json!({
		"output": args.output,
		"outputs": shapes,
		"seconds": elapsed.as_secs_f64(),
		"profile": profile,
	});
	context.ui.result(&document, lines.join("\n"));
	Ok(0)
}

fn run_node_tests(context: &Context, args: ModelNodeTests) -> Result<u8> {
	let ui = &context.ui;
	let results = node_tests::run(&args.folder, args.only.as_deref(), &mut CpuExecutor::default())?;
	let table = node_tests::summary(&results);
	let mut rows: Vec<Vec<String>> = table
		.iter()
		.map(|(operator, counts)| {
			let mut row = vec![operator.clone()];
			row.extend(counts.iter().map(usize::to_string));
			row
		})
		.collect();
	let all = table.values().fold([0; 3], |all, row| [0, 1, 2].map(|i| all[i] + row[i]));
	rows.push(vec!["all".into(), all[0].to_string(), all[1].to_string(), all[2].to_string()]);
	ui.table(&["operator", "passed", "unsupported", "failed"], &rows);
	for result in &results {
		match &result.outcome {
			Outcome::Fail { reason } => ui.line(format!("failed       {}: {reason}", result.name)),
			Outcome::Unsupported { reason } => {
				ui.line(format!("unsupported  {}: {reason}", result.name));
			}
			Outcome::Pass { .. } => {}
		}
	}
	ui.document(&json!({
		"passed": all[0], "unsupported": all[1], "failed": all[2], "tolerance": node_tests::TOLERANCE,
		"tests": results,
	}));
	Ok(u8::from(all[2] > 0))
}

//! `assay model`.

use super::{
	guard::guarded,
	profile,
	train::{self, Train},
};
use crate::{
	context::{Context, MISSED},
	error::{Error, Result},
	output::bytes,
};
use assay_exec::CpuExecutor;
use assay_frontend::{
	calibrate::{Precision, Range, Width},
	import::{import, open, Options, Report},
	limits::Limits,
	model::{Model, Saturated, Verdict},
	node_tests::{self, Outcome},
	npz::{self, Arrays},
	run::Results,
	target::Target,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{json, Value};
use std::{
	path::{Path, PathBuf},
	time::Instant,
};

const IMPORT_HELP: &str =
	"Writes model.program, weights.safetensors and model.json into DIR and reports how close the
integer program comes to the float model. Samples are a NumPy archive with one array for each input
of the model, samples along the first dimension: numpy.savez('samples.npz', input_name=array).
docs/models.md lists operators and limits.

On the held-out samples every output must reach --target: snr=DB (signal-to-noise ratio), cosine=NUMBER
(mean cosine of a sample), top1=POINTS (most points of accuracy lost: rows with another largest element);
snr=20 unless given. A model that misses it is reported, not written (--keep writes it), and the exit code is 5.
Exit codes: 0 imported, 1 refused or failed, 2 wrong usage, 5 the target is missed, 6 a fault of assay itself.

Examples:
  assay model import mlp.onnx --calibrate samples.npz --out mlp
  assay model import cnn.onnx --calibrate samples.npz --evaluate test.npz --target top1=0.5,cosine=0.99
  assay model run mlp --input test.npz --output results.npz
  assay job post --program mlp/model.program --weights mlp/weights.safetensors …";

const RUN_HELP: &str = "What saturates is counted and named: inputs beyond what the calibration samples showed, and values
inside. Samples that are no finite numbers, and indices outside their table, are refused.
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 6 a fault of assay itself.

Example:
  assay model run mlp --input test.npz --output results.npz";

/// `assay model …`
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
	/// Lower an ONNX model to an integer program and its weights
	#[command(after_help = IMPORT_HELP)]
	Import(ModelImport),
	/// Run an imported model on float samples, on this machine
	#[command(after_help = RUN_HELP)]
	Run(ModelRun),
	/// Train a described network in integers
	Train(Train),
	/// Run ONNX's own tests of each operator (onnx/backend/test/data/node) through the importer
	NodeTests(ModelNodeTests),
}

/// `assay model import`
#[derive(Debug, Args)]
pub struct ModelImport {
	/// The model
	#[arg(value_name = "MODEL.onnx")]
	pub model: PathBuf,
	/// Samples of the inputs, which say how large values are; a few hundred are enough
	#[arg(long, value_name = "FILE.npz")]
	pub calibrate: PathBuf,
	/// Samples to compare on [default: every fifth of the others, left out of the calibration]
	#[arg(long, value_name = "FILE.npz")]
	pub evaluate: Option<PathBuf>,
	/// Folder to write [default: the model's name]
	#[arg(long, value_name = "DIR")]
	pub out: Option<PathBuf>,
	/// Samples in one run, where the model leaves it open [default: those given, at most 16]
	#[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
	pub batch: Option<u32>,
	/// Width of products: 8 bits, 16 bits, or 16 where 8 are too few
	#[arg(long, value_enum, default_value_t = WidthChoice::Mixed)]
	pub width: WidthChoice,
	/// With --width mixed: products with a lower signal-to-noise ratio than this get 16 bits
	#[arg(long, value_name = "DB", default_value_t = 25.0, value_parser = parse_sensitivity)]
	pub sensitivity: f64,
	/// How the range of 8-bit values is chosen: max, mse or a percentile such as 99.99
	#[arg(long, value_name = "RANGE", default_value = "mse", value_parser = parse_range)]
	pub range: Range,
	/// What the held-out result must reach: snr=DB, cosine=NUMBER, top1=POINTS, several with commas
	#[arg(long, value_name = "FIGURE", default_value = "snr=20")]
	pub target: Target,
	/// Write the model even if it misses the target
	#[arg(long)]
	pub keep: bool,
	/// Most memory that the import may take for values, in GiB
	#[arg(long, value_name = "GIB", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4096))]
	pub max_memory: u32,
}

/// `--width`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WidthChoice {
	/// 8 bits everywhere
	#[value(name = "8")]
	Eight,
	/// 16 bits everywhere
	#[value(name = "16")]
	Sixteen,
	/// 16 bits where 8 are too few
	Mixed,
}

/// `assay model run`
#[derive(Debug, Args)]
pub struct ModelRun {
	/// Folder of an imported model
	#[arg(value_name = "DIR")]
	pub model: PathBuf,
	/// Samples: one array for each input of the model
	#[arg(long, value_name = "FILE.npz")]
	pub input: PathBuf,
	/// Where to write the results: one array for each output of the model
	#[arg(long, value_name = "FILE.npz")]
	pub output: PathBuf,
	/// Say what each operator took
	#[arg(long)]
	pub profile: bool,
}

/// `assay model node-tests`
#[derive(Debug, Args)]
pub struct ModelNodeTests {
	/// Folder of the tests
	#[arg(value_name = "DIR")]
	pub folder: PathBuf,
	/// Only tests whose name contains this
	#[arg(long, value_name = "TEXT")]
	pub only: Option<String>,
}

fn parse_sensitivity(text: &str) -> Result<f64> {
	let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
	value.ok_or_else(|| {
		Error::new("bad-sensitivity", format!("`{text}` is no number of dB"))
			.fix("write a number such as 25; higher ones take more 16-bit products")
	})
}

fn parse_range(text: &str) -> Result<Range> {
	match text {
		"max" => Ok(Range::Max),
		"mse" => Ok(Range::Mse),
		_ => match text.parse::<f64>() {
			Ok(percent) if (50.0..=100.0).contains(&percent) => {
				Ok(Range::Percentile(percent / 100.0))
			}
			_ => Err(Error::new("bad-range", format!("`{text}` is no range"))
				.fix("write max, mse, or a percentile from 50 to 100 such as 99.99")),
		},
	}
}

pub fn run(context: &Context, command: ModelCommand) -> Result<u8> {
	guarded(|| match command {
		ModelCommand::Import(args) => import_model(context, args),
		ModelCommand::Run(args) => run_model(context, args),
		ModelCommand::Train(args) => train::run(context, args),
		ModelCommand::NodeTests(args) => run_node_tests(context, args),
	})
}

fn import_model(context: &Context, args: ModelImport) -> Result<u8> {
	let ui = &context.ui;
	let limits = Limits::of_memory(u64::from(args.max_memory) << 30);
	let out = match args.out {
		Some(out) => out,
		None => args.model.file_stem().map(Into::into).ok_or_else(|| {
			Error::new("no-out", "the model has no name to call the folder by")
				.fix("pass --out DIR")
		})?,
	};
	let options = Options {
		batch: args.batch.map(|batch| batch as usize),
		range: args.range,
		precision: match args.width {
			WidthChoice::Eight => Precision::All8,
			WidthChoice::Sixteen => Precision::All16,
			WidthChoice::Mixed => Precision::Mixed(args.sensitivity),
		},
		limits,
		..Options::default()
	};
	let spinner = ui.spinner(format!("import {}", args.model.display()));
	let graph = open(&args.model, limits)?;
	let names: Vec<String> = graph.inputs.iter().map(|input| input.name.clone()).collect();
	let names: Vec<&str> = names.iter().map(String::as_str).collect();
	let read = |path: &Path| -> Result<Arrays> {
		let arrays = npz::read(path, Some(&names), limits)?;
		npz::require(&arrays, &names, path)?;
		Ok(arrays)
	};
	let samples = read(&args.calibrate)?;
	let held_out = args.evaluate.as_deref().map(read).transpose()?;
	let mut executor = CpuExecutor::default();
	let (mut model, report) = import(graph, samples, held_out, &options, &mut executor)?;
	let misses = args.target.misses(&report);
	let met = misses.is_empty();
	model.sidecar.target =
		Some(Verdict { met, misses: misses.iter().map(ToString::to_string).collect() });
	let written = met || args.keep;
	if written {
		model.save(&out)?;
	}
	match met {
		true => spinner.done(format!("written to {}", out.display())),
		false => spinner.clear(),
	}
	let mut document = serde_json::to_value(&report)
		.map_err(|e| Error::new("report", e.to_string()).fix("report this model"))?;
	document["out"] = if written { json!(out.display().to_string()) } else { Value::Null };
	document["target"] = json!({ "wanted": args.target, "met": met, "misses": misses });
	ui.document(&document);
	print(context, &report);
	if met {
		return Ok(0);
	}
	for miss in &misses {
		ui.warn(format!("target missed: {miss}"));
	}
	let kept = out.display();
	ui.warn(match (report.apart, written) {
		(true, false) => "the model misses its target on held-out samples: nothing is written; --keep writes it all the same".into(),
		(false, false) => "the model misses its target on its own calibration samples: nothing is written; --keep writes it all the same".into(),
		(_, true) => format!("the model misses its target; it is in {kept} all the same, as --keep asks"),
	});
	Ok(MISSED)
}

/// Lines for what saturates, the largest part first.
fn saturation_lines(saturated: &[Saturated]) -> Vec<String> {
	const SHOWN: usize = 8;
	let line = |one: &Saturated| {
		format!(
			"saturated: {} of {} elements of {} ({:.2} %)",
			one.count,
			one.of,
			one.place,
			100.0 * one.share()
		)
	};
	let mut lines: Vec<String> = saturated.iter().take(SHOWN).map(line).collect();
	if saturated.len() > SHOWN {
		lines
			.push(format!("saturated: {} more values, to a smaller part", saturated.len() - SHOWN));
	}
	lines
}

/// What saturates, for scripts.
fn saturation_json(saturated: &[Saturated]) -> Value {
	let one = |one: &Saturated| json!({ "place": one.place, "count": one.count, "of": one.of, "share": one.share() });
	saturated.iter().map(one).collect()
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
				match output.ranked || output.integer {
					true => format!("{:.2} %", output.top1 * 100.0),
					false => "–".into(),
				},
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
	// A little is left out of 8-bit ranges on purpose; all of it is in the JSON.
	let notable: Vec<Saturated> =
		report.saturated.iter().filter(|one| one.share() > NOTABLE).cloned().collect();
	for line in saturation_lines(&notable) {
		ui.line(line);
	}
	for warning in &report.warnings {
		ui.note(format!("warning: {warning}"));
	}
}

/// Beyond what the import saw, a part that is worth a word.
const NOTABLE: f64 = 0.001;

fn run_model(context: &Context, args: ModelRun) -> Result<u8> {
	let ui = &context.ui;
	let model = Model::load(&args.model)?;
	let names: Vec<&str> = model.sidecar.inputs.iter().map(|port| port.name.as_str()).collect();
	let samples = npz::read(&args.input, Some(&names), Limits::default())?;
	npz::require(&samples, &names, &args.input)?;
	let spinner = ui.spinner(format!("run {}", args.model.display()));
	let mut executor = CpuExecutor::default();
	if args.profile {
		executor.start_profile();
	}
	let started = Instant::now();
	let Results { outputs: results, saturated } =
		model.run_watched(&mut executor, &samples, &[], |_, _| Ok(()))?;
	let elapsed = started.elapsed();
	npz::write(&args.output, &results)?;
	spinner.done(format!("written to {}", args.output.display()));
	let shapes: serde_json::Map<_, _> =
		results.iter().map(|(name, array)| (name.clone(), json!(array.dims))).collect();
	let mut lines: Vec<String> =
		results.iter().map(|(name, array)| format!("{name} {:?}", array.dims)).collect();
	lines.extend(saturation_lines(&saturated));
	// Ranges of 8 bits leave outliers out on purpose; the import knows how many.
	let expected = |place: &str| {
		let before = model.sidecar.saturated.iter().find(|one| one.place == place);
		before.map_or(0.0, Saturated::share)
	};
	let mut warnings: Vec<String> = saturated
		.iter()
		.filter(|one| one.share() > 2.0 * expected(&one.place) + NOTABLE)
		.map(|one| {
			format!(
				"{}: {:.2} % of its elements are beyond the range that the calibration samples showed, and are cut; import \
				 with samples as large as these",
				one.place,
				100.0 * one.share()
			)
		})
		.collect();
	if let Some(verdict) = model.sidecar.target.as_ref().filter(|verdict| !verdict.met) {
		let misses = verdict.misses.join("; ");
		warnings.push(format!("this model missed its target when it was imported: {misses}"));
	}
	for warning in warnings.iter().take(8) {
		ui.note(format!("warning: {warning}"));
	}
	let profile = profile::show(context, &executor, elapsed);
	let document = json!({
		"output": args.output.display().to_string(),
		"outputs": shapes,
		"seconds": elapsed.as_secs_f64(),
		"saturated": saturation_json(&saturated),
		"warnings": warnings,
		"profile": profile,
	});
	ui.result(&document, lines.join("\n"));
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

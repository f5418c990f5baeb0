//! `assay model train`.

use super::profile;
use crate::{
	context::Context,
	error::{io, Error, Result},
	npz,
	output::hex,
	tensors,
};
use assay_exec::{CpuExecutor, Executor, Progress};
use assay_frontend::files;
use assay_training::{Arrays, Description, Saturation, Trainer};
use clap::Args;
use serde_json::{json, Value};
use std::{
	ops::ControlFlow,
	path::{Path, PathBuf},
	time::Instant,
};

const TRAIN_HELP: &str =
	"Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 6 a fault of assay itself.

Example:
  assay model train mlp.json --data digits.npz --output weights.npz";

/// `assay model train`
#[derive(Debug, Args)]
#[command(after_help = TRAIN_HELP)]
pub struct Train {
	/// Layers, optimizer, learning rate, batch and steps (docs/training.md)
	#[arg(value_name = "DESCRIPTION.json")]
	pub description: PathBuf,
	/// NumPy archive with x and y, or tokens, and perhaps order
	#[arg(long, value_name = "FILE.npz")]
	pub data: PathBuf,
	/// First weights by name [default: at random from the description's seed]
	#[arg(long, value_name = "FILE.npz", conflicts_with = "resume")]
	pub weights: Option<PathBuf>,
	/// How many steps now [default: all that are left]
	#[arg(long, value_name = "N")]
	pub steps: Option<u32>,
	/// Steps between checkpoints and lines of progress
	#[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
	pub every: u32,
	/// Write the newest state there
	#[arg(long, value_name = "DIR")]
	pub checkpoint: Option<PathBuf>,
	/// Go on from the state there
	#[arg(long, value_name = "DIR")]
	pub resume: Option<PathBuf>,
	/// Write weights there
	#[arg(long, value_name = "FILE.npz")]
	pub output: Option<PathBuf>,
	/// Write the loss curve there
	#[arg(long, value_name = "FILE.csv")]
	pub loss: Option<PathBuf>,
	/// Write the training program there
	#[arg(long, value_name = "FILE")]
	pub program: Option<PathBuf>,
	/// Write what the program reads there, for `assay job post --weights`: the job then takes the
	/// same steps. With --steps 0 nothing is run here
	#[arg(long, value_name = "FILE.safetensors")]
	pub inputs: Option<PathBuf>,
	/// Say what each operator took
	#[arg(long)]
	pub profile: bool,
}

fn failed(error: assay_training::Error) -> Error {
	use assay_training::Error::*;
	let code = match &error {
		Json(_) | Field { .. } => "bad-description",
		Array { .. } => "bad-data",
		Samples { .. } => "bad-samples",
		Checkpoint { .. } => "bad-checkpoint",
		Check(_) => "program-refused",
		Program(_) | Tensor(_) => "bad-program",
		Run(_) => "run-failed",
	};
	Error::new(code, error.to_string())
}

/// Longest description in bytes.
const MOST_DESCRIPTION: u64 = 1 << 20;

/// Trains, and writes what was learned.
pub fn run(context: &Context, args: Train) -> Result<u8> {
	let ui = &context.ui;
	let text = files::read(&args.description, MOST_DESCRIPTION)?;
	let text = String::from_utf8(text).map_err(|_| {
		let place = args.description.display();
		Error::new("bad-description", format!("{place} is no text")).fix("pass a JSON file")
	})?;
	let description = Description::from_json(&text).map_err(failed)?;
	let data = npz::read(&args.data, Some(description.arrays()))?;
	let weights = match &args.weights {
		Some(path) => npz::read(path, None)?,
		None => Arrays::new(),
	};
	let mut executor = CpuExecutor::new();
	let mut trainer = match &args.resume {
		Some(dir) => Trainer::resume(&description, &data, dir).map_err(failed)?,
		None => {
			let spinner = ui.spinner("find exponents");
			let trainer =
				Trainer::new(&description, &data, &weights, &mut executor).map_err(failed)?;
			spinner.clear();
			trainer
		}
	};
	if let Some(path) = &args.program {
		std::fs::write(path, trainer.training().program.encode()).map_err(io(path))?;
	}
	if let Some(path) = &args.inputs {
		write_inputs(path, &trainer)?;
	}
	let left = description.steps.saturating_sub(trainer.done());
	let steps = args.steps.unwrap_or(left);
	if steps > left {
		let reason = format!("{steps} steps are more than the {left} that are left");
		return Err(Error::new("too-many-steps", reason).fix(
			"raise `steps` in the description; the schedule and the loss curve are that long",
		));
	}
	let (work, first) = (trainer.training().checked.work_units, trainer.done());
	let bar = ui.bar(steps.into(), "train", false);
	if args.profile {
		executor.start_profile();
	}
	let started = Instant::now();
	while trainer.done() < first + steps {
		let before = trainer.done() - first;
		let chunk = args.every.min(steps - before);
		let mut observer = |progress: Progress| {
			bar.set((before + progress.step).into());
			ControlFlow::Continue(())
		};
		trainer.run(&mut executor, chunk, &mut observer).map_err(failed)?;
		let losses = trainer.losses();
		let recent = &losses[losses.len().saturating_sub(chunk as usize)..];
		let mean = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
		bar.print(format!("step {:6}  loss {mean:.4}", trainer.done()));
		ui.document(&json!({"step": trainer.done(), "loss": mean}));
		if let Some(dir) = &args.checkpoint {
			trainer.checkpoint(dir).map_err(failed)?;
		}
	}
	let elapsed = started.elapsed();
	let seconds = elapsed.as_secs_f64();
	bar.clear();
	let profile = profile::show(context, &executor, elapsed);
	if let Some(path) = &args.output {
		npz::write(path, &trainer.weights())?;
	}
	if let Some(path) = &args.loss {
		write_curve(path, &trainer)?;
	}
	let saturated: Vec<Saturation> =
		trainer.saturations().into_iter().filter(|tensor| tensor.steps > 0).collect();
	let clipped = trainer.clipped();
	let summary = json!({
		"steps": trainer.done(),
		"loss": trainer.losses().last(),
		"runRoot": hex(trainer.run_root()),
		"secondsPerStep": if steps > 0 { seconds / f64::from(steps) } else { 0.0 },
		"workUnitsPerStep": work,
		"nodes": trainer.training().program.nodes.len(),
		"engine": executor.name(),
		"profile": profile,
		"saturated": saturated
			.iter()
			.map(|tensor| (tensor.name.clone(), json!(tensor.steps)))
			.collect::<serde_json::Map<String, Value>>(),
		"clipped": clipped
			.iter()
			.map(|(name, count)| (name.clone(), json!(count)))
			.collect::<serde_json::Map<String, Value>>(),
	});
	ui.document(&summary);
	for (name, count) in &clipped {
		ui.note(format!(
			"warning: parameter `{name}`: {count} elements are at ±32, the end of their range; lower the learning rate"
		));
	}
	let total: u64 = saturated.iter().map(|tensor| u64::from(tensor.steps)).sum();
	ui.fields(&[
		("steps", trainer.done().to_string()),
		("loss", trainer.losses().last().map_or("none".into(), |loss| format!("{loss:.4}"))),
		("run root", hex(trainer.run_root())),
		("time", format!("{:.1} ms per step", 1000.0 * seconds / f64::from(steps.max(1)))),
		("saturated", format!("{total} times, in {} tensors", saturated.len())),
	]);
	let mut most: Vec<&Saturation> = saturated.iter().collect();
	most.sort_by_key(|tensor| std::cmp::Reverse(tensor.steps));
	for tensor in most.iter().take(8) {
		ui.line(format!(
			"saturated: `{}` in {} of {} steps",
			tensor.name,
			tensor.steps,
			trainer.done()
		));
	}
	Ok(0)
}

/// The program's inputs by name.
fn write_inputs(path: &Path, trainer: &Trainer) -> Result<()> {
	let named = trainer.training().program.inputs.iter().zip(trainer.inputs());
	let named: Vec<_> = named
		.map(|(input, tensor)| (input.name.clone(), tensor.ty, tensor.bytes.to_vec()))
		.collect();
	tensors::write(path, &named)
}

/// `step,loss` lines.
fn write_curve(path: &Path, trainer: &Trainer) -> Result<()> {
	let mut text = String::from("step,loss\n");
	for (step, loss) in trainer.losses().iter().enumerate() {
		text += &format!("{step},{loss}\n");
	}
	std::fs::write(path, text).map_err(io(path))
}

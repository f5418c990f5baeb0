//! Steps of training in integers against those of PyTorch in f32.

use crate::{
	measure::interleave,
	rival::{Library, Rival},
	table::Table,
	Benchmark, Context,
};
use anyhow::{anyhow, Result};
use assay_client::npz;
use assay_exec::CpuExecutor;
use assay_training::{Arrays, Description, Trainer};
use serde_json::json;
use std::time::Instant;

pub const BENCHMARK: Benchmark = Benchmark {
	name: "training",
	about: "a step of training (forward, backward, optimizer, trace) against PyTorch's f32",
	run,
};

/// Networks of `make fidelity`.
pub const NETWORKS: [&str; 3] = ["digits-mlp", "digits-cnn", "characters"];

/// A training that the rival does too, and how to begin it again.
pub struct Prepared {
	pub trainer: Trainer,
	description: Description,
	data: Arrays,
	weights: Arrays,
}

impl Prepared {
	/// The same training before its first step.
	fn again(&self, executor: &mut CpuExecutor) -> Result<Trainer> {
		Trainer::new(&self.description, &self.data, &self.weights, executor)
			.map_err(|error| anyhow!("{error}"))
	}
}

/// Has the rival write network `name` with its data and weights, and reads them.
pub fn prepared(rival: &mut Rival, name: &str, executor: &mut CpuExecutor) -> Result<Prepared> {
	let folder = tempfile::tempdir()?;
	rival.train(name, folder.path())?;
	let failed = |error: assay_training::Error| anyhow!("{name}: {error}");
	let text = std::fs::read_to_string(folder.path().join("description.json"))?;
	let description = Description::from_json(&text).map_err(failed)?;
	let read = |file: &str| {
		npz::read(&folder.path().join(file), None).map_err(|error| anyhow!("{name}: {error}"))
	};
	let (data, weights) = (read("data.npz")?, read("weights.npz")?);
	let trainer = Trainer::new(&description, &data, &weights, executor).map_err(failed)?;
	Ok(Prepared { trainer, description, data, weights })
}

fn run(context: &Context) -> Result<Vec<Table>> {
	let columns = ["network", "nodes of a step", "ours, ms", "PyTorch f32, ms", "times as fast"];
	let mut table = Table::new("A step of training, hashing of the trace included", &columns);
	for name in NETWORKS {
		let Some(mut rival) = context.rivals.start(Library::Torch, context.threads)? else {
			eprintln!("bench: no PyTorch; scripts/bench installs it");
			return Ok(vec![table]);
		};
		let mut executor = CpuExecutor::new();
		let mut task = prepared(&mut rival, name, &mut executor)?;
		let nodes = task.trainer.training().program.nodes.len();
		let pair = interleave(
			|count| {
				// The curve of losses has so many places.
				if task.trainer.done() + count as u32 > task.description.steps {
					task.trainer = task.again(&mut executor)?;
				}
				let start = Instant::now();
				let run = task.trainer.run(&mut executor, count as u32, &mut ());
				run.map_err(|error| anyhow!("{name}: {error}"))?;
				Ok(start.elapsed().as_secs_f64() / count as f64)
			},
			|count| rival.run(count),
		)?;
		table.row(vec![
			json!(name),
			json!(nodes.to_string()),
			json!(1e3 * pair.ours),
			json!(1e3 * pair.theirs),
			json!(pair.ratio),
		]);
	}
	Ok(vec![table])
}

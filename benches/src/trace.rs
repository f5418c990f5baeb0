//! What committing to a trace costs: programs with the anchors that the compilers place, against
//! the same programs that commit to nothing but their outputs.

use crate::{
	measure::{interleave, seconds, Pair},
	models::{imported, Imported, CASES},
	rival::Library,
	table::Table,
	training::{prepared, NETWORKS},
	Benchmark, Context,
};
use anyhow::{anyhow, Context as _, Result};
use assay_exec::{CpuExecutor, Executor, Options, Tensor, Work};
use assay_ops::Op;
use assay_program::{Checked, Class, Limits, Program, Source};
use serde_json::json;

pub const BENCHMARK: Benchmark = Benchmark {
	name: "trace",
	about: "committing to the trace as a share of a run, with the anchors that the compilers place",
	run,
};

/// The default of the import.
const SENSITIVITY: f64 = 25.0;

/// Steps of training in a run.
const STEPS: u32 = 10;

/// The program without its anchors, but for outputs, states and what a Gather reads, which cannot
/// be virtual. Nobody could referee it.
fn bare(program: &Program) -> Result<(Program, Checked)> {
	let mut program = program.clone();
	let gathers = program.nodes.iter().filter(|node| node.op == Op::Gather);
	let read = gathers.flat_map(|node| &node.operands).filter_map(|operand| match operand.source {
		Source::Node(at) => Some(at),
		_ => None,
	});
	let kept: Vec<u32> = (program.outputs.iter().map(|output| output.node))
		.chain(program.states.iter().map(|state| state.update))
		.chain(read)
		.collect();
	for (index, node) in (0..).zip(&mut program.nodes) {
		if !kept.contains(&index) {
			node.class = Class::Virtual;
		}
	}
	let limits = Limits {
		part_bytes: u64::MAX,
		parts: u32::MAX,
		scratch: u64::MAX,
		part_nanoseconds: u64::MAX,
		virtual_nodes: u32::MAX,
		analysis_steps: u32::MAX,
		..Limits::default()
	};
	let checked = program.check(&limits).map_err(|error| anyhow!("{error}"))?;
	Ok((program, checked))
}

/// Seconds of a run with the program's anchors, and without.
fn pair(program: &Program, checked: &Checked, inputs: &[Tensor], steps: u32) -> Result<Pair> {
	let (bare, bare_checked) = bare(program)?;
	let (mut one, mut other) = (CpuExecutor::new(), CpuExecutor::new());
	let run = |executor: &mut CpuExecutor, program: &Program, checked: &Checked, count: usize| {
		seconds(count, || {
			Ok(executor
				.run(&Work { program, checked, inputs, steps }, Options::default(), &mut ())
				.map(drop)?)
		})
	};
	// Inputs that come again are packed by the third run.
	run(&mut one, program, checked, 3)?;
	run(&mut other, &bare, &bare_checked, 3)?;
	interleave(
		|count| run(&mut one, program, checked, count),
		|count| run(&mut other, &bare, &bare_checked, count),
	)
}

fn row(table: &mut Table, name: String, (program, checked): (&Program, &Checked), pair: Pair) {
	let bytes: u64 =
		checked.anchors.iter().map(|&node| checked.types[node as usize].canonical_len()).sum();
	table.row(vec![
		json!(name),
		json!(program.nodes.len().to_string()),
		json!(checked.anchors.len().to_string()),
		json!(bytes as f64 / 1024.0),
		json!(1e3 * pair.ours),
		json!(1e3 * pair.theirs),
		json!(100.0 * (1.0 - pair.ratio)),
	]);
}

fn run(context: &Context) -> Result<Vec<Table>> {
	let columns = [
		"program",
		"nodes",
		"anchors",
		"KiB of anchors",
		"ms",
		"ms with outputs alone",
		"committing, % of the run",
	];
	let mut table = Table::new(
		"Committing to the trace: times of a run or of ten steps, anchors of one",
		&columns,
	);
	match &context.rivals.models {
		None => eprintln!("bench: no models; scripts/bench makes them"),
		Some(models) => {
			for &(name, batch) in if context.quick { &CASES[..1] } else { &CASES[..] } {
				let Imported { model, samples, .. } = imported(models, name, batch, SENSITIVITY)?;
				let inputs =
					model.quantize(&samples).map_err(|error| anyhow!("{name}: {error}"))?;
				let (program, checked) = (&model.program, &model.checked);
				let pair = pair(program, checked, &inputs, 1).context(name)?;
				row(&mut table, format!("{name}, batch {batch}"), (program, checked), pair);
			}
		}
	}
	for name in NETWORKS {
		let Some(mut rival) = context.rivals.start(Library::Torch, context.threads)? else {
			eprintln!("bench: no PyTorch, which makes the networks; scripts/bench installs it");
			break;
		};
		let trainer = prepared(&mut rival, name, &mut CpuExecutor::new())?.trainer;
		let (program, checked) = (&trainer.training().program, &trainer.training().checked);
		let pair = pair(program, checked, trainer.inputs(), STEPS).context(name)?;
		row(&mut table, format!("training {name}"), (program, checked), pair);
	}
	Ok(vec![table])
}

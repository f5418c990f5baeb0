//! Benchmarks of the engine against what people use today.
//!
//! One file per benchmark, listed in [`BENCHMARKS`]. What is compared runs in turns on the same
//! machine ([`measure::interleave`]), so that other load hits both sides; reported are medians.
//! Rivals are processes of their own ([`rival`]), since their thread pools and allocators should
//! not meet.
//!
//! `scripts/bench` builds the rivals, makes the Python environment and runs this.

mod elementwise;
mod gemm;
mod gpu;
mod measure;
mod models;
mod rival;
mod table;
mod trace;
mod training;
mod units;

use anyhow::{bail, Result};
use assay_gpu::Choice;
use clap::Parser;
use rival::Rivals;
use std::path::PathBuf;
use table::Table;

/// One thing to measure.
struct Benchmark {
	/// For `--only`.
	name: &'static str,
	/// What is measured, in a line.
	about: &'static str,
	run: fn(&Context) -> Result<Vec<Table>>,
}

/// Add a file and a line here.
const BENCHMARKS: [Benchmark; 7] = [
	gemm::BENCHMARK,
	gpu::BENCHMARK,
	models::BENCHMARK,
	training::BENCHMARK,
	trace::BENCHMARK,
	elementwise::BENCHMARK,
	units::BENCHMARK,
];

/// What benchmarks get.
struct Context {
	rivals: Rivals,
	threads: usize,
	quick: bool,
	/// Whether an adapter was named.
	named: bool,
	/// The only products of the benchmark `gemm`, if not empty.
	shapes: Vec<gemm::Shape>,
	/// The adapter that kernels are measured on.
	adapter: Choice,
	/// What that can do in products of packed bytes, in 10^9 multiplications with an addition a
	/// second.
	peak: Option<f64>,
}

/// Benchmarks of the engine, each against what people use today.
#[derive(Parser)]
#[command(
	name = "scripts/bench",
	after_help = "What is measured against is built below the target folder by scripts/bench, once, and only \
	              for benchmarks that take it: onnxruntime, tract and candle in ten minutes, burn (for gpu) \
	              in longer; PyTorch and the models (for models, training and trace) take 5 GB. \
	              --no-rivals leaves all of it out."
)]
struct Options {
	/// Only these benchmarks (repeat or separate by commas)
	#[arg(long, value_delimiter = ',', value_name = "NAME")]
	only: Vec<String>,
	/// One JSON document instead of Markdown tables
	#[arg(long)]
	json: bool,
	/// Fewer and smaller cases, for a look
	#[arg(long)]
	quick: bool,
	/// Only these matrix products in the benchmark gemm, as M×K by K×N (repeat or separate by
	/// commas)
	#[arg(long, value_delimiter = ',', value_name = "MxKxN")]
	shapes: Vec<gemm::Shape>,
	/// Threads of every side
	#[arg(long, default_value_t = default_threads())]
	threads: usize,
	/// The adapter of the benchmark `gpu`: a number or a part of its name; without one the best
	/// GPU, or else a software adapter
	#[arg(long, value_name = "ADAPTER")]
	adapter: Option<String>,
	/// The peak of that adapter's packed dot product of i8, in 10^9 multiply-adds a second, from
	/// its maker's data sheet: the benchmark `gpu` prints the share of it that products reach
	#[arg(long, value_name = "GMACS")]
	dot_peak: Option<f64>,
	/// List the benchmarks and end
	#[arg(long)]
	list: bool,
	/// The interpreter with onnxruntime (set by scripts/bench)
	#[arg(long, hide = true, env = "ASSAY_BENCH_PYTHON")]
	python: Option<PathBuf>,
	/// The program with other Rust libraries (set by scripts/bench)
	#[arg(long, hide = true, env = "ASSAY_BENCH_RIVALS")]
	rivals: Option<PathBuf>,
	/// The program with burn (set by scripts/bench)
	#[arg(long, hide = true, env = "ASSAY_BENCH_RIVALS_GPU")]
	rivals_gpu: Option<PathBuf>,
	/// The interpreter with PyTorch (set by scripts/bench)
	#[arg(long, hide = true, env = "ASSAY_BENCH_TORCH")]
	torch: Option<PathBuf>,
	/// The models of scripts/fidelity (set by scripts/bench)
	#[arg(long, hide = true, env = "ASSAY_BENCH_MODELS")]
	models: Option<PathBuf>,
}

fn default_threads() -> usize {
	std::thread::available_parallelism().map_or(1, Into::into)
}

fn main() -> Result<()> {
	let options = Options::parse();
	if options.list {
		for benchmark in &BENCHMARKS {
			println!("{:12} {}", benchmark.name, benchmark.about);
		}
		return Ok(());
	}
	if let Some(name) = options
		.only
		.iter()
		.find(|name| !BENCHMARKS.iter().any(|benchmark| benchmark.name == name.as_str()))
	{
		bail!("there is no benchmark {name:?}; --list names them");
	}
	rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
	let context = Context {
		rivals: Rivals {
			python: options.python,
			rust: options.rivals,
			burn: options.rivals_gpu,
			torch: options.torch,
			models: options.models,
		},
		threads: options.threads,
		quick: options.quick,
		named: options.adapter.is_some(),
		shapes: options.shapes,
		adapter: match Choice::select(options.adapter.as_deref()) {
			Choice::Auto | Choice::Cpu => Choice::Gpu,
			named => named,
		},
		peak: options.dot_peak,
	};
	let machine = measure::machine();
	if !options.json {
		println!("{machine}; {} threads\n", options.threads);
	}
	let mut all = Vec::new();
	for benchmark in &BENCHMARKS {
		if !options.only.is_empty() && !options.only.iter().any(|name| name == benchmark.name) {
			continue;
		}
		eprintln!("bench: {} ({}), load {}", benchmark.name, benchmark.about, measure::load());
		for table in (benchmark.run)(&context)? {
			if !options.json {
				println!("{table}");
			}
			all.push(table);
		}
	}
	if options.json {
		let document = serde_json::json!({
			"machine": machine,
			"threads": options.threads,
			"load": measure::load(),
			"tables": all,
		});
		println!("{}", serde_json::to_string_pretty(&document)?);
	}
	Ok(())
}

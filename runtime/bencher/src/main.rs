//! Measures the benchmarks of a runtime's blob that was built with the feature
//! `runtime-benchmarks`, and writes the weights of its pallets. `scripts/benchmark-weights` builds
//! and runs it.
//!
//! It calls the runtime API that `frame-omni-bencher` calls, on the same state of polkadot-sdk's
//! database crate, and reckons with the same analysis of `frame-benchmarking`. It is a program of
//! its own because that one, and the command that it links, take the relay chain's crates along,
//! which change the features of nearly all others: as much to build as a second node. And it writes
//! beside each weight what it was measured for.

mod chain;
mod file;
mod measure;

use anyhow::{ensure, Context, Result};
use assay_bencher::{layout::Layout, source::Benchmarks};
use chain::Chain;
use clap::Parser;
use file::Names;
use measure::{measure, Effort, Room, States};
use std::path::PathBuf;

/// Measure the benchmarks of a pallet.
#[derive(Parser)]
struct Arguments {
	/// The blob.
	#[arg(long)]
	runtime: PathBuf,
	/// The preset of the runtime whose genesis the benchmarks begin with.
	#[arg(long, default_value = "development")]
	preset: String,
	/// The pallet's crate, such as pallet_assay_jobs.
	#[arg(long)]
	pallet: String,
	/// One benchmark instead of all. Those that no weight needs run only by name.
	#[arg(long)]
	benchmark: Option<String>,
	#[command(flatten)]
	effort: Effort,
	/// The checkout that the blob was built from.
	#[arg(long, default_value = ".")]
	root: PathBuf,
	/// Write the weights into this file.
	#[arg(long, conflicts_with_all = ["benchmark", "json"])]
	output: Option<PathBuf>,
	/// How it was measured, for the head of that file.
	#[arg(long, default_value = "")]
	note: String,
	/// Write what was measured into this file instead.
	#[arg(long)]
	json: Option<PathBuf>,
}

fn main() -> Result<()> {
	let arguments = Arguments::parse();
	let pallet = arguments.pallet.as_str();
	let what = || arguments.runtime.display().to_string();
	let chain =
		Chain::new(std::fs::read(&arguments.runtime).with_context(what)?, &arguments.preset)?;
	let (lists, storage) = chain.benchmarks(arguments.benchmark.is_some())?;
	let mut benchmarks: Vec<_> = lists
		.into_iter()
		.filter(|list| list.pallet == pallet.as_bytes())
		.flat_map(|list| {
			let room = Room { pallet: list.pallet, instance: list.instance };
			list.benchmarks.into_iter().map(move |one| (room.clone(), one))
		})
		.filter(|(_, one)| {
			arguments.benchmark.as_ref().is_none_or(|name| name.as_bytes() == one.name)
		})
		.collect();
	benchmarks.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
	ensure!(!benchmarks.is_empty(), "the blob has no such benchmark of {pallet}");
	let layout = Layout::new(chain.metadata()?)?;
	let sources = Benchmarks::read(&arguments.root, pallet)?;
	let names = Names { storage: &storage, layout: &layout, sources: &sources };
	let states = States::new(&chain)?;
	let (mut text, mut all) = (file::head(pallet, &arguments.note), Vec::new());
	let mut failed = 0;
	for (at, (room, benchmark)) in benchmarks.iter().enumerate() {
		let name = String::from_utf8_lossy(&benchmark.name);
		eprintln!("bencher: {pallet}::{name} ({} of {})", at + 1, benchmarks.len());
		match measure(&chain, &states, room, benchmark, &arguments.effort) {
			Ok(measured) => {
				text.push_str(&file::function(pallet, benchmark, &measured, &names)?);
				all.push(measured);
			}
			Err(error) => {
				eprintln!("bencher: {pallet}::{name} failed: {error:#}");
				failed += 1;
			}
		}
	}
	ensure!(failed == 0, "{failed} of {} benchmarks of {pallet} failed", benchmarks.len());
	text.push_str("}\n");
	match (&arguments.json, &arguments.output) {
		(Some(json), _) => std::fs::write(json, serde_json::to_string(&all)?)?,
		(None, Some(output)) => std::fs::write(output, text)?,
		(None, None) => print!("{text}"),
	}
	Ok(())
}

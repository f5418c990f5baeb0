//! Runs a benchmark over the ranges of its components.

use crate::chain::{Chain, State};
use anyhow::{ensure, Context, Result};
use frame_benchmarking::{
	BenchmarkBatchSplitResults, BenchmarkConfig, BenchmarkMetadata, BenchmarkParameter,
	BenchmarkResult,
};
use std::time::{Duration, Instant};

/// How thorough the measuring is.
#[derive(clap::Args, Clone, Debug)]
pub struct Effort {
	/// Values of each component, from its least to its greatest.
	#[arg(long, default_value_t = 20)]
	pub steps: u32,
	/// Runs for each value.
	#[arg(long, default_value_t = 5)]
	pub repeat: u32,
	/// Seconds for which each benchmark is run at least.
	#[arg(long, default_value_t = 5)]
	pub seconds: u64,
}

/// The states on which benchmarks run: what counts accesses takes longer, so that times are taken
/// without it.
pub struct States {
	tracking: State,
	timing: State,
}

impl States {
	/// Two times the genesis.
	pub fn new(chain: &Chain) -> Result<Self> {
		Ok(Self { tracking: chain.state(true)?, timing: chain.state(false)? })
	}
}

/// A pallet, and what the runtime calls it.
#[derive(Clone, Debug)]
pub struct Room {
	/// Its crate.
	pub pallet: Vec<u8>,
	/// Its name in the runtime: without it the runtime runs nothing, and says nothing.
	pub instance: Vec<u8>,
}

/// Runs one benchmark of the pallet: verifies it, counts its accesses and takes its time.
pub fn measure(
	chain: &Chain,
	states: &States,
	room: &Room,
	benchmark: &BenchmarkMetadata,
	effort: &Effort,
) -> Result<BenchmarkBatchSplitResults> {
	ensure!(effort.steps >= 2, "a slope takes at least two steps");
	let points = points(&benchmark.components, effort.steps);
	let run = |state: &State, point: &[_], verify, repeat| -> Result<Vec<BenchmarkResult>> {
		let config = BenchmarkConfig {
			pallet: room.pallet.clone(),
			instance: room.instance.clone(),
			benchmark: benchmark.name.clone(),
			selected_components: point.to_vec(),
			verify,
			internal_repeats: repeat,
		};
		let name = String::from_utf8_lossy(&benchmark.name);
		let batches = chain.run(state, &config).with_context(|| format!("{name} at {point:?}"))?;
		ensure!(!batches.is_empty(), "the runtime knows no such benchmark: {name}");
		Ok(batches.into_iter().flat_map(|batch| batch.results).collect())
	};
	let mut db_results = Vec::new();
	for point in &points {
		run(&states.timing, point, true, 1)?;
		db_results.extend(run(&states.tracking, point, false, 1)?);
	}
	let mut time_results = Vec::new();
	let began = Instant::now();
	loop {
		for point in &points {
			time_results.extend(run(&states.timing, point, false, effort.repeat)?);
		}
		if began.elapsed() >= Duration::from_secs(effort.seconds) {
			break;
		}
	}
	Ok(BenchmarkBatchSplitResults {
		pallet: room.pallet.clone(),
		instance: room.instance.clone(),
		benchmark: benchmark.name.clone(),
		time_results,
		db_results,
	})
}

/// One component after the other goes through its range, while the others are at their greatest.
fn points(
	components: &[(BenchmarkParameter, u32, u32)],
	steps: u32,
) -> Vec<Vec<(BenchmarkParameter, u32)>> {
	if components.is_empty() {
		return vec![Vec::new()];
	}
	let at = |low: u32, high: u32, step: u32| {
		let more = u64::from(high - low) * u64::from(step) / u64::from(steps - 1);
		low + more as u32
	};
	let mut all = Vec::new();
	for (moving, low, high) in components {
		let mut values: Vec<u32> = (0..steps).map(|step| at(*low, *high, step)).collect();
		values.dedup();
		for value in values {
			let others = components.iter();
			let others =
				others.map(|(name, _, high)| (*name, if name == moving { value } else { *high }));
			all.push(others.collect());
		}
	}
	all
}

#[cfg(test)]
mod tests {
	use super::*;
	use BenchmarkParameter::{a, b};

	#[test]
	fn points_should_span_each_range_while_the_others_are_at_their_greatest() {
		assert_eq!(points(&[], 3), [vec![]]);
		let all = points(&[(a, 1, 5), (b, 0, 1)], 3);
		let expected = [
			[(a, 1), (b, 1)],
			[(a, 3), (b, 1)],
			[(a, 5), (b, 1)],
			[(a, 5), (b, 0)],
			[(a, 5), (b, 1)],
		];
		assert_eq!(all, expected);
	}
}

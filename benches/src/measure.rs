//! Timing in turns.

use anyhow::Result;
use std::time::{Duration, Instant};

/// Runs of one side in a turn take at least this long, so that the clock and a message do not
/// count, nor the first runs after a rest: what they read has gone from the last cache meanwhile,
/// which takes them several times as long as those that follow where they read much.
const TURN: f64 = 0.02;

/// Between turns: threads of either side that wait for work spin for a while, on a core that the
/// other side needs. Those of onnxruntime 1.31 do so for 18 to 24 ms (measured as processor time
/// after a run).
const REST: Duration = Duration::from_millis(40);

/// Turns of each side.
const TURNS: usize = 15;

/// No case takes much longer than this, whatever the other numbers are.
const LONGEST: f64 = 8.0;

/// Seconds of one run on both sides.
#[derive(Clone, Copy)]
pub struct Pair {
	pub ours: f64,
	pub theirs: f64,
	/// Median of `theirs / ours` of each turn: above 1, ours is faster.
	pub ratio: f64,
}

fn median(mut values: Vec<f64>) -> f64 {
	values.sort_by(f64::total_cmp);
	values[values.len() / 2]
}

/// Seconds of one of `count` runs.
pub fn seconds(count: usize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
	let start = Instant::now();
	for _ in 0..count {
		run()?;
	}
	Ok(start.elapsed().as_secs_f64() / count as f64)
}

/// Runs in a turn of something that takes `seconds`.
fn count(seconds: f64) -> usize {
	((TURN / seconds.max(1e-9)).ceil() as usize).clamp(1, 10_000)
}

/// Runs in a turn, after as many as it takes to fill one: first runs find memory and threads cold.
fn warm_count(mut run: impl FnMut(usize) -> Result<f64>) -> Result<usize> {
	run(1)?;
	let mut runs = 1;
	loop {
		let seconds = run(runs)?;
		if seconds * runs as f64 > TURN {
			return Ok(count(seconds));
		}
		runs *= 2;
	}
}

/// Medians over turns of both sides, each a function from a number of runs to the seconds of one.
pub fn interleave(
	mut ours: impl FnMut(usize) -> Result<f64>,
	mut theirs: impl FnMut(usize) -> Result<f64>,
) -> Result<Pair> {
	let counts = (warm_count(&mut ours)?, warm_count(&mut theirs)?);
	let start = Instant::now();
	let mut turns = Vec::new();
	while turns.len() < 3 || (turns.len() < TURNS && start.elapsed().as_secs_f64() < LONGEST) {
		std::thread::sleep(REST);
		let first = ours(counts.0)?;
		std::thread::sleep(REST);
		turns.push((first, theirs(counts.1)?));
	}
	Ok(Pair {
		ours: median(turns.iter().map(|turn| turn.0).collect()),
		theirs: median(turns.iter().map(|turn| turn.1).collect()),
		ratio: median(turns.iter().map(|turn| turn.1 / turn.0).collect()),
	})
}

/// Median seconds of one run.
pub fn alone(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
	run()?;
	let count = count(seconds(1, &mut run)?);
	turns(count, |count| seconds(count, &mut run))
}

/// The same of a function from a number of runs to the seconds of one.
pub fn median_of_turns(mut run: impl FnMut(usize) -> Result<f64>) -> Result<f64> {
	let count = warm_count(&mut run)?;
	turns(count, run)
}

fn turns(count: usize, mut run: impl FnMut(usize) -> Result<f64>) -> Result<f64> {
	let start = Instant::now();
	let mut turns = Vec::new();
	while turns.len() < 3 || (turns.len() < TURNS && start.elapsed().as_secs_f64() < LONGEST) {
		turns.push(run(count)?);
	}
	Ok(median(turns))
}

/// The processor, and the instruction set that the engine takes on it.
pub fn machine() -> String {
	let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
	let model = info
		.lines()
		.find_map(|line| line.strip_prefix("model name"))
		.map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
	let path = assay_exec::gemm::Path::best().name();
	format!("{model}, {} cores; engine on {path}", crate::default_threads())
}

/// The load averages, to tell how busy the machine is with other things.
pub fn load() -> String {
	let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
	load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

//! What the verification of a long run costs, as a part of the run: replayed whole, and cut into
//! segments of which each verifier replays one.
//!
//! `cargo run --release -p assay-exec --example segments [-- --json] [--size N] [--steps N]`
//!
//! The program has the shape of training: weights are the state, every step multiplies them and
//! adds a narrowed product. A committee has five members; with an audit probability a, verification
//! costs a · 5 replays of the job, or of one segment. Times are processor times of all threads, the
//! least of three rounds, so that other work on the machine does not count; where the system does
//! not tell them, it is the clock's. A verifier's hashing of the states that it starts from is
//! included.

use assay_commitments::{checkpoint_entry, Segmentation};
use assay_exec::{Checkpoint, Checkpoints, CpuExecutor, Executor, Options, Tensor, Work};
use assay_program::{
	ops::{DType, TensorType},
	Checked, Limits, Program, ProgramBuilder,
};
use std::{num::NonZeroU32, ops::ControlFlow, process::ExitCode, time::Instant};

type Failure = Box<dyn std::error::Error>;

const COMMITTEE: f64 = 5.0;
const AUDITS: [f64; 3] = [0.01, 0.05, 0.20];

/// Rounds of which the least time counts.
const ROUNDS: usize = 3;

/// Processor seconds of all threads so far.
fn processor_seconds() -> Option<f64> {
	let mut nanoseconds = 0u64;
	for task in std::fs::read_dir("/proc/self/task").ok()? {
		let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
		nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
	}
	Some(nanoseconds as f64 / 1e9)
}

/// What `act` gives, and the least time that it took in seconds.
fn timed<T>(mut act: impl FnMut() -> Result<T, Failure>) -> Result<(T, f64), Failure> {
	let mut least = f64::INFINITY;
	let mut last = None;
	for _ in 0..ROUNDS {
		let (before, start) = (processor_seconds(), Instant::now());
		last = Some(act()?);
		let elapsed = start.elapsed().as_secs_f64();
		let busy = before.zip(processor_seconds()).map(|(before, after)| after - before);
		least = least.min(busy.unwrap_or(elapsed));
	}
	Ok((last.ok_or("there is at least one round")?, least))
}

/// `w ← w + requant(w · m)`, with `size` × `size` weights.
fn program(size: u32) -> Result<(Program, Checked, Vec<Tensor>), Failure> {
	let ty = TensorType::new(DType::I8, &[size, size])?;
	let row = |dtype| TensorType::new(dtype, &[size]);
	let mut b = ProgramBuilder::new();
	let (first, mixer) = (b.input("weights", ty), b.input("mixer", ty));
	let weights = b.state(first);
	let product = b.matmul(weights, mixer);
	let multiplier = b.constant_values(row(DType::I16)?, &vec![1 << 14; size as usize]);
	let shift = b.constant_values(row(DType::I8)?, &vec![26; size as usize]);
	let delta = b.requant(product, multiplier, shift, None, DType::I8);
	let next = b.add(weights, delta, DType::I8);
	b.update(weights, next);
	let sum = b.reduce_sum(next, 1, DType::I32);
	b.output("sum", sum);
	let program = b.build()?;
	let checked = program.check(&Limits::default())?;
	let bytes = |seed: u64| -> Vec<u8> {
		let value =
			|at: u64| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(seed) >> 37) as u8;
		(0..ty.canonical_len()).map(value).collect()
	};
	let inputs = vec![Tensor::new(ty, bytes(1)), Tensor::new(ty, bytes(2))];
	Ok((program, checked, inputs))
}

/// One way to cut the run, measured.
struct Row {
	segments: u32,
	/// Steps of a segment.
	length: u32,
	/// Time of the provider's run that keeps checkpoints, over that of a plain run.
	keeping: f64,
	/// Bytes of all checkpoints and of their manifest.
	bytes: u64,
	/// Mean work of a segment, as a part of the run.
	work: f64,
	/// Mean time of a segment, as a part of the run.
	time: f64,
}

fn measure(size: u32, steps: u32) -> Result<(f64, Vec<Row>), Failure> {
	let (program, checked, inputs) = program(size)?;
	let mut executor = CpuExecutor::new();
	// Threads, caches and pages are warm after it.
	executor.run(
		&Work { program: &program, checked: &checked, inputs: &inputs, steps: steps.min(4) },
		Options::default(),
		&mut (),
	)?;
	let (whole, run_time) = timed(|| {
		Ok(executor.run(
			&Work { program: &program, checked: &checked, inputs: &inputs, steps },
			Options::default(),
			&mut (),
		)?)
	})?;
	let mut rows = Vec::new();
	for length in (1..=30).map(|exponent| 1u32 << exponent) {
		let Some(cut) = Segmentation::new(steps, length) else { continue };
		let every = NonZeroU32::new(length).ok_or("a segment has steps")?;
		let ((kept, manifest), keeping) = timed(|| {
			let (mut kept, mut manifest) = (Vec::new(), Vec::new());
			let mut observer = Checkpoints {
				inner: (),
				every,
				take: |checkpoint: Checkpoint<'_>| {
					let entry = checkpoint_entry(checkpoint.anchor_roots, &checked.state_anchors);
					manifest.extend(entry.unwrap_or_default());
					kept.push(checkpoint.states);
					ControlFlow::Continue(())
				},
			};
			executor.run(
				&Work { program: &program, checked: &checked, inputs: &inputs, steps },
				Options::default(),
				&mut observer,
			)?;
			Ok((kept, manifest))
		})?;
		let keeping = keeping / run_time;
		let bytes = kept.iter().flatten().map(|state| state.bytes.len() as u64).sum::<u64>();
		let ((), time) = timed(|| {
			for index in 0..cut.count() {
				let range = cut.range(index).ok_or("a segment that is not there")?;
				let states = index.checked_sub(1).and_then(|at| kept.get(at as usize));
				// What came from a peer is hashed before it is used.
				for state in states.into_iter().flatten() {
					std::hint::black_box(state.root());
				}
				let start = states.map(|states| &states[..]);
				let options = Options { start, ..Options::default() };
				let len = range.len() as u32;
				let run = executor.run(
					&Work { program: &program, checked: &checked, inputs: &inputs, steps: len },
					options,
					&mut (),
				)?;
				let (first, end) = (range.start as usize, range.end as usize);
				if run.trace_roots != whole.trace_roots[first..end] {
					return Err(format!("segment {index} differs from the run").into());
				}
			}
			Ok(())
		})?;
		let segments = cut.count();
		let work = 1.0 / f64::from(segments);
		let time = time / f64::from(segments) / run_time;
		let bytes = bytes + manifest.len() as u64;
		rows.push(Row { segments, length, keeping, bytes, work, time });
	}
	Ok((run_time, rows))
}

fn number(arguments: &[String], name: &str, default: u32) -> Result<u32, String> {
	match arguments.iter().position(|argument| argument == name) {
		None => Ok(default),
		Some(at) => arguments
			.get(at + 1)
			.and_then(|text| text.parse().ok())
			.filter(|number| (2..=65_536).contains(number))
			.ok_or(format!("{name} takes a number from 2 to 65536")),
	}
}

fn main() -> ExitCode {
	let arguments: Vec<String> = std::env::args().skip(1).collect();
	let measure = || -> Result<_, Failure> {
		let size = number(&arguments, "--size", 512)?;
		let steps = number(&arguments, "--steps", 256)?;
		Ok((size, steps, measure(size, steps)?))
	};
	let (size, steps, (run_time, rows)) = match measure() {
		Ok(measured) => measured,
		Err(error) => {
			eprintln!("segments: {error}");
			return ExitCode::FAILURE;
		}
	};
	if arguments.iter().any(|argument| argument == "--json") {
		let rows: Vec<String> = rows
			.iter()
			.map(|row| {
				let costs = AUDITS.map(|audit| {
					let (work, time) = (row.work, row.time);
					format!(
						"{{\"audit\":{audit},\"whole\":{:.6},\"work\":{:.6},\"time\":{:.6}}}",
						audit * COMMITTEE,
						audit * COMMITTEE * work,
						audit * COMMITTEE * time,
					)
				});
				let Row { segments, length, keeping, bytes, work, time } = row;
				format!(
					"{{\"segments\":{segments},\"length\":{length},\"keeping\":{keeping:.4},\
					 \"checkpointBytes\":{bytes},\"segmentWork\":{work:.6},\"segmentTime\":{time:.6},\
					 \"verification\":[{}]}}",
					costs.join(",")
				)
			})
			.collect();
		println!(
			"{{\"size\":{size},\"steps\":{steps},\"runSeconds\":{run_time:.4},\"rows\":[{}]}}",
			rows.join(",")
		);
		return ExitCode::SUCCESS;
	}
	println!("{steps} steps of {size} × {size} weights: {run_time:.2} processor seconds; a committee of five\n");
	println!(
		"| segments | steps of one | provider keeps, of its run | checkpoints | a segment, of the run: \
		 work, time | verification at 1 % audits | at 5 % | at 20 % |\n|---|---|---|---|---|---|---|---|"
	);
	let percent = |part: f64| format!("{:.3} %", part * 100.0);
	let plain = AUDITS.map(|audit| percent(audit * COMMITTEE));
	println!("| none | {steps} | 0 % | – | 100 %, 100 % | {} |", plain.join(" | "));
	for row in rows {
		let costs = AUDITS.map(|audit| percent(audit * COMMITTEE * row.time));
		println!(
			"| {} | {} | {:+.1} % | {:.1} MiB | {}, {} | {} |",
			row.segments,
			row.length,
			(row.keeping - 1.0) * 100.0,
			row.bytes as f64 / f64::from(1 << 20),
			percent(row.work),
			percent(row.time),
			costs.join(" | ")
		);
	}
	ExitCode::SUCCESS
}

use crate::{ExecError, Executor, Options, Tensor, Work};
use assay_ops::{DType, Geometry, Op, TensorType};
use assay_program::{Checked, Limits, Program, ProgramBuilder};
use assay_random::Rng;
use std::time::{Duration, Instant};

/// What a rate is measured with.
struct Probe {
	program: Program,
	checked: Checked,
	inputs: Vec<Tensor>,
	steps: u32,
}

fn fault(error: impl core::fmt::Display) -> ExecError {
	ExecError::Program(error.to_string())
}

impl Probe {
	fn new(builder: ProgramBuilder, steps: u32) -> Result<Self, ExecError> {
		let program = builder.build().map_err(fault)?;
		let checked = program.check(&Limits::default()).map_err(fault)?;
		let mut rng = Rng::new(1);
		let mut input = |ty: TensorType| {
			let bytes: Vec<u8> = (0..ty.canonical_len()).map(|_| rng.bits() as u8).collect();
			Tensor::new(ty, bytes)
		};
		let inputs = program.inputs.iter().map(|declared| input(declared.ty)).collect();
		Ok(Self { program, checked, inputs, steps })
	}

	/// Work units per second of the best of some runs.
	fn rate(&self, executor: &mut dyn Executor, least: Duration) -> Result<u64, ExecError> {
		let Self { program, checked, inputs, steps } = self;
		let mut run = || {
			let start = Instant::now();
			executor
				.run(&Work { program, checked, inputs, steps: *steps }, Options::default(), &mut ())
				.map(|_| start.elapsed())
		};
		// The first run also compiles kernels and wakes threads.
		let mut best = run()?;
		let start = Instant::now();
		while start.elapsed() < least {
			best = best.min(run()?);
		}
		let work = u128::from(checked.work_units) * u128::from(*steps);
		Ok((work * 1_000_000_000 / best.as_nanos().max(1)) as u64)
	}
}

fn ty(dtype: DType, dims: &[u32]) -> Result<TensorType, ExecError> {
	TensorType::new(dtype, dims).map_err(fault)
}

/// What arithmetic, memory, windows and calls take: an engine that is quick in one of them may be
/// slow in another.
fn probes() -> Result<Vec<Probe>, ExecError> {
	let mut dense = ProgramBuilder::new();
	let matrix = ty(DType::I8, &[1024, 1024])?;
	let (a, b) = (dense.input("a", matrix), dense.input("b", matrix));
	let product = dense.matmul(a, b);
	dense.output("c", product);

	let mut memory = ProgramBuilder::new();
	let line = ty(DType::I32, &[2048, 512])?;
	let (a, b) = (memory.input("a", line), memory.input("b", line));
	let sum = memory.add(a, b, DType::I32);
	memory.output("c", sum);

	let mut windows = ProgramBuilder::new();
	let x = windows.input("x", ty(DType::I8, &[8, 32, 32, 64])?);
	let w = windows.input("w", ty(DType::I8, &[64, 3, 3, 1])?);
	let geometry = Geometry { pad: [[1, 1], [1, 1]], groups: 64, ..Geometry::UNIT };
	let depthwise = windows.conv2d(x, w, geometry, None, None);
	windows.output("y", depthwise);

	let mut calls = ProgramBuilder::new();
	let x = calls.input("x", ty(DType::I16, &[1])?);
	let mut value = calls.state(x);
	let state = value;
	for _ in 0..4 {
		let softmax = Op::Softmax { multiplier: 1, shift: 0, to: DType::I16 };
		value = calls.node(softmax, vec![value.into()]);
	}
	calls.update(state, value);
	calls.output("y", value);

	Ok(vec![
		Probe::new(dense, 1)?,
		Probe::new(memory, 1)?,
		Probe::new(windows, 1)?,
		Probe::new(calls, 64)?,
	])
}

/// Work units per second that this engine gets done whatever a program consists of: the least of an
/// i8 product of 1024 × 1024 matrices, a sum of large tensors, a depthwise convolution, and steps
/// that hardly compute anything, moving and hashing of operands and results included. A dense
/// product alone, on which engines differ most, is many times as fast. Takes about half a second,
/// or one run of each on slow devices. Errors: those of a run.
pub fn measure_rate(executor: &mut dyn Executor) -> Result<u64, ExecError> {
	let mut least = u64::MAX;
	for probe in probes()? {
		least = least.min(probe.rate(executor, Duration::from_millis(120))?);
	}
	Ok(least)
}

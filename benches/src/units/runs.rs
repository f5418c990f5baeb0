//! Whole runs, with what they take beside their operators: steps, nodes, anchors.

use super::{best, flag, Plain};
use crate::{table::Table, Context};
use anyhow::{anyhow, Result};
use assay_exec::{gemm::Path, CpuExecutor, Executor, Options, Tensor, Work};
use assay_gpu::GpuExecutor;
use assay_ops::{DType, Op, TensorType};
use assay_program::{Checked, Limits, Program, ProgramBuilder};
use serde_json::{json, Value};

/// A job.
struct Job {
	what: String,
	program: Program,
	checked: Checked,
	inputs: Vec<Tensor>,
	steps: u32,
}

fn ty(dtype: DType, dims: &[u32]) -> Result<TensorType> {
	TensorType::new(dtype, dims).map_err(|error| anyhow!("{dims:?}: {error}"))
}

fn job(what: impl Into<String>, builder: ProgramBuilder, steps: u32) -> Result<Job> {
	let program = builder.build().map_err(|error| anyhow!("{error}"))?;
	// What a referee could do with it is not what is measured.
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
	let inputs = program
		.inputs
		.iter()
		.map(|input| Tensor::new(input.ty, vec![1u8; input.ty.canonical_len() as usize]))
		.collect();
	Ok(Job { what: what.into(), program, checked, inputs, steps })
}

/// `states` tensors of one element that count up, each through `nodes` nodes of which `eager` are
/// anchors.
fn counters(states: u32, nodes: u32, eager: bool, steps: u32) -> Result<Job> {
	let mut b = ProgramBuilder::new();
	let ty = ty(DType::I32, &[1])?;
	let mut last = None;
	for at in 0..states {
		let input = b.input(&format!("x{at}"), ty);
		let state = b.state(input);
		let mut value = state;
		for _ in 0..nodes {
			// No link of a chain, so that every node is a call of its own.
			value = b.node(Op::ReduceSum { axis: 0, to: DType::I32 }, vec![value.into()]);
			let shape = ty.shape;
			let view = assay_ops::View { shape, offset: 0, strides: vec![1] };
			value = b.node(
				Op::Add { to: DType::I32 },
				vec![assay_program::Operand::viewed(value, view), state.into()],
			);
			if eager {
				b.eager(value);
			}
		}
		b.update(state, value);
		last = Some(value);
	}
	if let Some(last) = last {
		b.output("y", last);
	}
	let anchors = if eager { "anchors" } else { "nodes" };
	let what = format!("{states} states of one element, 2 × {nodes} {anchors} each, {steps} steps");
	job(what, b, steps)
}

/// A copy of a state, hashed in every step.
fn hashed(dtype: DType, dims: &[u32], steps: u32) -> Result<Job> {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(dtype, dims)?);
	let state = b.state(x);
	let next = b.node(Op::Copy, vec![state.into()]);
	b.update(state, next);
	b.output("y", next);
	job(format!("a copy of {dtype:?} {dims:?}, {steps} steps"), b, steps)
}

/// Nodes of one element that only an engine's dispatch takes time for.
fn nodes(nodes: u32, steps: u32) -> Result<Job> {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I16, &[1, 1])?);
	let state = b.state(x);
	let mut value = state;
	for _ in 0..nodes {
		let softmax = Op::Softmax { multiplier: 1, shift: 0, to: DType::I16 };
		value = b.node(softmax, vec![value.into()]);
	}
	b.update(state, value);
	b.output("y", value);
	job(format!("a chain of {nodes} rows of one element, {steps} steps"), b, steps)
}

fn dense(steps: u32) -> Result<Job> {
	let mut b = ProgramBuilder::new();
	let (x, w) =
		(b.input("x", ty(DType::I8, &[256, 512])?), b.input("w", ty(DType::I8, &[512, 512])?));
	let state = b.state(x);
	let product = b.matmul(state, w);
	let next = b.node(Op::Shift { by: 12, to: DType::I8 }, vec![product.into()]);
	b.update(state, next);
	b.output("y", next);
	job(format!("a product of 256 × 512 by 512 × 512, {steps} steps"), b, steps)
}

fn jobs(quick: bool) -> Result<Vec<Job>> {
	let many = if quick { 100 } else { 2000 };
	Ok(vec![
		dense(16)?,
		counters(1, 1, false, many)?,
		counters(1, 1, true, many)?,
		counters(1, 32, true, many / 20)?,
		counters(1, 32, false, many / 20)?,
		counters(64, 1, true, many / 20)?,
		nodes(1, many)?,
		nodes(128, many / 50)?,
		nodes(4000, 2)?,
		hashed(DType::I8, &[1], many)?,
		hashed(DType::I8, &[1024], many)?,
		hashed(DType::I8, &[2048, 2048], 4)?,
		hashed(DType::I32, &[1 << 20, 1], 2)?,
		hashed(DType::I8, &[65_536, 33], 2)?,
		hashed(DType::I16, &[1 << 21], 4)?,
	])
}

fn seconds(executor: &mut dyn Executor, job: &Job, quick: bool) -> Result<f64> {
	let Job { program, checked, inputs, steps, .. } = job;
	best(quick, || {
		Ok(executor
			.run(&Work { program, checked, inputs, steps: *steps }, Options::default(), &mut ())
			.map(drop)?)
	})
}

pub fn table(context: &Context, gpu: &mut Option<GpuExecutor>) -> Result<Table> {
	let mut table = Table::new(
		"Nanoseconds of a work unit: whole runs, hashing included",
		&["run", "units of a step", "this processor", "portable path", "GPU", "flag"],
	);
	let (mut own, mut portable) = (CpuExecutor::new(), CpuExecutor::with_path(Path::Portable));
	for job in jobs(context.quick)? {
		let units = job.checked.work_units as f64 * f64::from(job.steps);
		let per_unit = |seconds: f64| seconds * 1e9 / units;
		let quick = per_unit(seconds(&mut own, &job, context.quick)?);
		let plain = {
			let _plain = Plain::new();
			per_unit(seconds(&mut portable, &job, context.quick)?)
		};
		let device = match gpu {
			Some(executor) => json!(per_unit(seconds(executor, &job, true)?)),
			None => Value::Null,
		};
		eprintln!("bench: units {}: {quick:.3}, {plain:.3}, {device} ns", job.what);
		table.row(vec![
			json!(job.what),
			json!(job.checked.work_units),
			json!(quick),
			json!(plain),
			device,
			flag(quick.max(plain)),
		]);
	}
	Ok(table)
}

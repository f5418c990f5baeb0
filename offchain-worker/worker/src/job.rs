//! One job from its request to its answer.

use crate::{inputs, link::Link};
use assay_exec::{Audit, DeviceFault, ExecError, Progress, Tensor};
use assay_gpu::{best_executor, Choice};
use assay_program::{Checked, Limits as ProgramLimits, Program, ProgramError};
use assay_worker_protocol::{
	Done, JobFault, LocalFault, LocalFaultKind, OutputFile, Reply, Run, Stage, MAX_STEPS,
};
use std::{fs, ops::ControlFlow, path::Path, time::Instant};

/// What the command line says about running.
pub struct Limits<'a> {
	/// Bytes of memory.
	pub memory: u64,
	/// Engine or adapter for jobs that name none.
	pub adapter: &'a str,
}

/// Why a job has no result.
pub enum Fault {
	/// Everybody finds so.
	Job(JobFault),
	/// Only this machine, or only this time.
	Local(LocalFault),
}

impl Fault {
	/// A fault of this machine.
	pub fn local(kind: LocalFaultKind, text: impl Into<String>) -> Self {
		Fault::Local(LocalFault { kind, text: text.into() })
	}
}

impl From<Fault> for Reply {
	fn from(fault: Fault) -> Self {
		match fault {
			Fault::Job(fault) => Reply::JobFault(fault),
			Fault::Local(fault) => Reply::LocalFault(fault),
		}
	}
}

/// Runs the job.
pub fn run(request: &Run, dir: &Path, limits: &Limits, link: &Link) -> Result<Done, Fault> {
	let start = Instant::now();
	link.progress(Stage::Checking, 0, 1);
	let (program, checked) = check(request)?;
	if checked.peak_memory > limits.memory {
		let (needed, limit) = (checked.peak_memory, limits.memory);
		let text = format!("the program needs {needed} bytes of memory, the limit is {limit}");
		return Err(Fault::local(LocalFaultKind::Memory, text));
	}
	let inputs = inputs::load(&program, &request.inputs, dir, link)?;

	link.progress(Stage::Preparing, 0, 1);
	let adapter = request.adapter.as_deref().unwrap_or(limits.adapter);
	let (mut executor, report) = best_executor(&Choice::select(Some(adapter)), None);
	eprintln!("assay-worker: job {} on {report}", request.job);
	let audit = Audit::fresh(request.audit_tiles);
	if audit.tiles > 0 {
		eprintln!("assay-worker: {} tiles per step are audited, seed {}", audit.tiles, audit.seed);
		executor.set_audit(Some(audit));
	}
	let mut observer = |progress: Progress| {
		let Progress { step, steps, node, nodes, .. } = progress;
		let total = u64::from(steps) * u64::from(nodes);
		let done = (u64::from(step) * u64::from(nodes) + u64::from(node)).min(total);
		link.progress(Stage::Running, done, total);
		ControlFlow::Continue(())
	};
	let run = executor
		.run(&program, &checked, &inputs, request.steps, &mut observer)
		.map_err(run_fault)?;

	let outputs = write(&run.outputs, &run.output_roots, dir, link)?;
	Ok(Done {
		run_root: run.run_root,
		trace_roots: run.trace_roots,
		last_anchors: run.anchor_roots.last().cloned().unwrap_or_default(),
		outputs,
		device: report.to_string(),
		milliseconds: start.elapsed().as_millis() as u64,
		audited_tiles: u64::from(request.audit_tiles) * u64::from(request.steps),
		audit_seed: audit.seed,
	})
}

/// Decodes and checks the program by the rules of the chain.
fn check(request: &Run) -> Result<(Program, Checked), Fault> {
	if request.steps == 0 || request.steps > MAX_STEPS {
		return Err(Fault::Job(JobFault::Steps(request.steps)));
	}
	let program = Program::decode_bounded(&request.program).map_err(|error| {
		Fault::Job(match error {
			ProgramError::OperatorSet(set) => JobFault::OperatorSet(set),
			other => JobFault::Program(other.to_string()),
		})
	})?;
	let checked = program
		.check(&ProgramLimits::default())
		.map_err(|error| Fault::Job(JobFault::Check(error.to_string())))?;
	Ok((program, checked))
}

/// Faults of a run. Program and inputs are sound by now, so that none of them is the job's.
fn run_fault(error: ExecError) -> Fault {
	let kind = match &error {
		ExecError::Device { fault: DeviceFault::OutOfMemory, .. } => LocalFaultKind::Memory,
		ExecError::Device { .. } => LocalFaultKind::Device,
		ExecError::Audit { .. } => LocalFaultKind::Audit,
		_ => LocalFaultKind::Internal,
	};
	Fault::local(kind, error.to_string())
}

/// Writes the outputs under names made of their roots.
fn write(
	outputs: &[Tensor],
	roots: &[[u8; 32]],
	dir: &Path,
	link: &Link,
) -> Result<Vec<OutputFile>, Fault> {
	let total = outputs.iter().map(|output| output.bytes.len() as u64).sum();
	let mut done = 0;
	let mut files = Vec::with_capacity(outputs.len());
	for (output, root) in outputs.iter().zip(roots) {
		link.progress(Stage::Writing, done, total);
		let name = format!("out-{}", hex::encode(root));
		fs::write(dir.join(&name), &output.bytes)
			.map_err(|error| Fault::local(LocalFaultKind::Disk, format!("{name}: {error}")))?;
		let len = output.bytes.len() as u64;
		files.push(OutputFile { root: *root, name, len });
		done += len;
	}
	Ok(files)
}

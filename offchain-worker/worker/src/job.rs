//! One job from its request to its answer.

use crate::{
	fault::Fault,
	inputs,
	link::Link,
	record::{self, Recorder},
};
use assay_exec::{Audit, DeviceFault, ExecError, Options, Tensor, Work};
use assay_gpu::{best_executor, Choice};
use assay_ops::TensorType;
use assay_program::{Checked, Limits as ProgramLimits, Program, ProgramError};
use assay_worker_protocol::{
	Done, Hash, JobFault, KeptFile, LocalFaultKind, OutputFile, Run, Source, Stage, MAX_STEPS,
};
use std::{collections::BTreeSet, fs, path::Path, time::Instant};

/// What the command line says about running.
pub struct Limits<'a> {
	/// Bytes of memory.
	pub memory: u64,
	/// Engine or adapter for jobs that name none.
	pub adapter: &'a str,
}

/// Runs the job.
pub fn run(request: &Run, dir: &Path, limits: &Limits, link: &Link) -> Result<Done, Fault> {
	let start = Instant::now();
	link.progress(Stage::Checking, 0, 1);
	let (program, checked) = check(request)?;
	let needed = checked.peak_memory.saturating_add(kept_bytes(request, &program, &checked));
	let needed = needed.saturating_add(record::bytes(request, &program, &checked));
	// The inputs lie beside the states that take their place.
	let needed = match request.start {
		Some(_) => needed.saturating_add(inputs::state_bytes(&program)),
		None => needed,
	};
	if needed > limits.memory {
		let limit = limits.memory;
		let text = format!("the program needs {needed} bytes of memory, the limit is {limit}");
		return Err(Fault::local(LocalFaultKind::Memory, text));
	}
	let inputs = inputs::load(&program, &request.inputs, dir, link)?;
	let states = match &request.start {
		Some(files) => Some(inputs::load_states(&program, files, dir)?),
		None => None,
	};

	link.progress(Stage::Preparing, 0, 1);
	let adapter = request.adapter.as_deref().unwrap_or(limits.adapter);
	let (mut executor, report) = best_executor(&Choice::select(Some(adapter)), None);
	eprintln!("assay-worker: job {} on {report}", request.job);
	let audit = Audit::fresh(request.audit_tiles);
	if audit.tiles > 0 {
		eprintln!("assay-worker: {} tiles per step are audited, seed {}", audit.tiles, audit.seed);
		executor.set_audit(Some(audit));
	}
	let mut recorder = Recorder::new(link, dir, request, &checked);
	let trees = request.record.trees.iter().map(|node| Source::Node(*node));
	let keep: Vec<_> = request.keep.iter().copied().chain(trees).collect();
	let options = Options { keep: &keep, start: states.as_deref(), ..Options::default() };
	let run = executor
		.run(
			&Work { program: &program, checked: &checked, inputs: &inputs, steps: request.steps },
			options,
			&mut recorder,
		)
		.map_err(|error| recorder.failure().unwrap_or_else(|| run_fault(error)))?;

	let (kept, trees) = run.kept.split_at(request.keep.len().min(run.kept.len()));
	let recorded = recorder.finish(trees.iter().map(|(_, tensor)| tensor))?;
	let outputs = run.outputs.iter().zip(run.output_roots.iter().copied());
	let tensors = kept.iter().map(|(_, tensor)| (tensor, tensor.root()));
	let files: Vec<_> = outputs.chain(tensors).collect();
	let mut outputs = write(&files, dir, link)?;
	let files = outputs.split_off(run.outputs.len());
	let kept = kept.iter().zip(files).map(|((source, _), file)| KeptFile { source: *source, file });
	Ok(Done {
		run_root: run.run_root,
		trace_roots: run.trace_roots,
		last_anchors: run.anchor_roots.last().cloned().unwrap_or_default(),
		last_lazy: run.lazy_roots,
		outputs,
		kept: kept.collect(),
		recorded,
		device: report.to_string(),
		milliseconds: start.elapsed().as_millis() as u64,
		audited_tiles: u64::from(request.audit_tiles) * u64::from(request.steps),
		audit_seed: audit.seed,
	})
}

/// Most bytes that keeping tensors takes beside the run itself.
fn kept_bytes(request: &Run, program: &Program, checked: &Checked) -> u64 {
	let trees = request.record.trees.iter().map(|node| Source::Node(*node));
	let sources: BTreeSet<_> = request.keep.iter().copied().chain(trees).collect();
	let bytes = sources.into_iter().filter_map(|source| match source {
		Source::Node(node) => checked.types.get(node as usize),
		Source::State(state) => {
			let node = program.states.get(usize::from(state))?.update;
			checked.types.get(node as usize)
		}
		Source::Input(_) | Source::Constant(_) => None,
	});
	bytes.map(TensorType::canonical_len).fold(0, u64::saturating_add)
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
		ExecError::Keep(_) => LocalFaultKind::Protocol,
		_ => LocalFaultKind::Internal,
	};
	Fault::local(kind, error.to_string())
}

/// Writes tensors under names made of their roots, equal ones once.
fn write(files: &[(&Tensor, Hash)], dir: &Path, link: &Link) -> Result<Vec<OutputFile>, Fault> {
	let total = files.iter().map(|(tensor, _)| tensor.bytes.len() as u64).sum();
	let mut done = 0;
	let mut written = BTreeSet::new();
	let mut out = Vec::with_capacity(files.len());
	for (tensor, root) in files {
		link.progress(Stage::Writing, done, total);
		let name = format!("out-{}", hex::encode(root));
		if written.insert(root) {
			fs::write(dir.join(&name), &tensor.bytes)
				.map_err(|error| Fault::local(LocalFaultKind::Disk, format!("{name}: {error}")))?;
		}
		let len = tensor.bytes.len() as u64;
		out.push(OutputFile { root: *root, name, len });
		done += len;
	}
	Ok(out)
}

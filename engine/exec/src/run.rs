//! The run loop that all engines share: steps, state, release of memory, hashing, audits.

use crate::{
	anchors::Anchors, audit, memory::Memory, plan::Plan, Audit, Backend, Buffer, ExecError, Tensor,
};
use assay_commitments::{run_root, trace_root, Hash};
use assay_program::{Checked, Program, Source};
use core::{num::NonZeroU32, ops::ControlFlow};
use std::{
	collections::{HashMap, HashSet},
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc,
	},
};

/// Up to so many steps a run keeps the roots of all anchors.
pub const KEPT_STEPS: u32 = 64;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
	/// Steps that are done.
	pub step: u32,
	/// Steps of the run.
	pub steps: u32,
	/// Nodes of the current step that are done (on a GPU: handed to the device).
	pub node: u32,
	/// Nodes of a step.
	pub nodes: u32,
	/// Work units done. Hashing is not counted, so this differs from the program's price.
	pub work: u64,
	/// Work units of the run.
	pub total_work: u64,
}

/// Watches a run and may stop it.
pub trait Observer {
	/// Called after every node and at the end; `Break` ends the run with [`ExecError::Cancelled`].
	fn progress(&mut self, progress: Progress) -> ControlFlow<()>;

	/// Takes the roots of the eager anchors of a step, in program order. `Break` as above.
	fn anchors(&mut self, step: u32, roots: &[Hash]) -> ControlFlow<()> {
		let _ = (step, roots);
		ControlFlow::Continue(())
	}

	/// After every so many steps [`Self::checkpoint`] is called; `None`, as ever: never.
	fn checkpoint_every(&self) -> Option<NonZeroU32> {
		None
	}

	/// Takes the states between two steps. Not called after the last step. `Break` as above.
	fn checkpoint(&mut self, checkpoint: Checkpoint<'_>) -> ControlFlow<()> {
		let _ = checkpoint;
		ControlFlow::Continue(())
	}
}

/// What another run can start from.
#[derive(Debug)]
pub struct Checkpoint<'a> {
	/// Steps that are done.
	pub step: u32,
	/// Roots of the eager anchors of the last of them, in program order: the states' are among them.
	pub anchor_roots: &'a [Hash],
	/// The states, in program order.
	pub states: Vec<Tensor>,
}

/// Watches through `inner`, and hands the states over after every so many steps.
pub struct Checkpoints<O, F> {
	/// Watches the run.
	pub inner: O,
	/// Steps between two checkpoints.
	pub every: NonZeroU32,
	/// Takes them; `Break` ends the run.
	pub take: F,
}

impl<O: Observer, F: FnMut(Checkpoint<'_>) -> ControlFlow<()>> Observer for Checkpoints<O, F> {
	fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
		self.inner.progress(progress)
	}

	fn anchors(&mut self, step: u32, roots: &[Hash]) -> ControlFlow<()> {
		self.inner.anchors(step, roots)
	}

	fn checkpoint_every(&self) -> Option<NonZeroU32> {
		Some(self.every)
	}

	fn checkpoint(&mut self, checkpoint: Checkpoint<'_>) -> ControlFlow<()> {
		(self.take)(checkpoint)
	}
}

/// Watches nothing.
impl Observer for () {
	fn progress(&mut self, _: Progress) -> ControlFlow<()> {
		ControlFlow::Continue(())
	}
}

impl<F: FnMut(Progress) -> ControlFlow<()>> Observer for F {
	fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
		self(progress)
	}
}

/// Reports progress and stops as soon as the flag is set, which any thread may do.
pub struct Watch<F> {
	/// Set to end the run.
	pub cancelled: Arc<AtomicBool>,
	/// Told of every progress.
	pub report: F,
}

impl<F: FnMut(Progress)> Observer for Watch<F> {
	fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
		if self.cancelled.load(Ordering::Relaxed) {
			return ControlFlow::Break(());
		}
		(self.report)(progress);
		ControlFlow::Continue(())
	}
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
	/// Root over the trace roots: what is committed to.
	pub run_root: Hash,
	/// Trace root of each step.
	pub trace_roots: Vec<Hash>,
	/// Roots of the eager anchors of each step, in program order; of the last step alone for runs
	/// of more than [`KEPT_STEPS`] steps. The last step's open the outputs.
	pub anchor_roots: Vec<Vec<Hash>>,
	/// The program's outputs after the last step.
	pub outputs: Vec<Tensor>,
	/// Their roots.
	pub output_roots: Vec<Hash>,
	/// Roots of the lazy anchors of the last step, in program order, where [`Options::keep`] names
	/// one of them; else none, for they are not hashed.
	pub lazy_roots: Vec<Hash>,
	/// What [`Options::keep`] asked for, in its order.
	pub kept: Vec<(Source, Tensor)>,
}

/// How to run, beside what to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
	/// Recompute random tiles by the definition.
	pub audit: Option<Audit>,
	/// Tensors of the last step to keep. See [`crate::Executor::run_keeping`].
	pub keep: &'a [Source],
	/// The states that the first step begins with, in program order, in place of the inputs that
	/// initialise them: those of a [`Checkpoint`]. An input that a node reads as well is still read as
	/// the job has it. `None`: the inputs.
	pub start: Option<&'a [Tensor]>,
}

/// The states to start from as row-major elements, if they are what the program says.
fn start_buffers(program: &Program, start: &[Tensor]) -> Result<Vec<Arc<Buffer>>, ExecError> {
	if start.len() != program.states.len() {
		let (expected, found) = (program.states.len(), start.len());
		return Err(ExecError::StateCount { expected, found });
	}
	for (index, (tensor, state)) in start.iter().zip(&program.states).enumerate() {
		let ty = program.inputs.get(usize::from(state.input)).map(|input| input.ty);
		if ty != Some(tensor.ty) || tensor.bytes.len() as u64 != tensor.ty.canonical_len() {
			return Err(ExecError::StateType { index });
		}
	}
	Ok(start.iter().map(|s| Arc::new(Buffer::from_canonical(&s.ty, &s.bytes))).collect())
}

/// Refuses inputs that are not what the program says.
fn check_inputs(program: &Program, inputs: &[Tensor]) -> Result<(), ExecError> {
	if inputs.len() != program.inputs.len() {
		let (expected, found) = (program.inputs.len(), inputs.len());
		return Err(ExecError::InputCount { expected, found });
	}
	for (index, (tensor, input)) in inputs.iter().zip(&program.inputs).enumerate() {
		if tensor.ty != input.ty {
			return Err(ExecError::InputType { index });
		}
		let (expected, found) = (input.ty.canonical_len(), tensor.bytes.len() as u64);
		if expected != found {
			return Err(ExecError::InputLength { index, expected, found });
		}
	}
	Ok(())
}

/// Runs `steps` steps of `program` on `backend`. See [`crate::Executor::run`].
pub fn execute<B: Backend>(
	backend: &mut B,
	program: &Program,
	checked: &Checked,
	inputs: &[Tensor],
	steps: u32,
	options: Options<'_>,
	observer: &mut dyn Observer,
) -> Result<Run, ExecError> {
	if steps == 0 {
		return Err(ExecError::NoSteps);
	}
	let plan = Plan::new(program, checked, |op| backend.links(op))?;
	check_inputs(program, inputs)?;
	let start = options.start.map(|start| start_buffers(program, start)).transpose()?;
	let wanted = wanted(program, &plan, options.keep)?;
	let mut memory = Memory::<B>::new(backend, program, &plan, inputs, start)?;
	let mut progress = Progress {
		step: 0,
		steps,
		node: 0,
		nodes: plan.nodes.len() as u32,
		work: 0,
		total_work: plan.work.saturating_mul(steps.into()),
	};
	let mut trace_roots = Vec::with_capacity(steps as usize);
	let mut anchor_roots = Vec::new();
	let mut lazy_roots = Vec::new();
	let mut tensors = HashMap::new();
	let mut states = HashMap::new();
	for step in 0..steps {
		let last_step = step + 1 == steps;
		if last_step {
			states = keep_states(backend, program, &memory, inputs, step, &options)?;
		}
		let kept = if last_step { wanted.clone() } else { HashSet::new() };
		// Lazy anchors are hashed where one of them is asked for, and else cost nothing.
		let lazy = kept.iter().any(|anchor| *anchor >= plan.eager);
		let mut anchors = Anchors::<B>::new(&plan, kept);
		let picks = options.audit.map(|audit| audit.picks(step, plan.types)).unwrap_or_default();
		let mut regions = plan.regions.iter().peekable();
		let mut at = 0;
		while at < plan.nodes.len() {
			let region = regions.next_if(|region| region.nodes.start == at);
			// What is to be looked at must exist.
			let whole =
				region.filter(|region| !region.nodes.clone().any(|at| picks.contains_key(&at)));
			let together = match whole {
				Some(region) => memory.compute_region(backend, &plan, region)?,
				None => false,
			};
			let end = if together { whole.map_or(at, |region| region.nodes.end) } else { at + 1 };
			for at in at..end {
				let audited = picks.get(&at);
				let hashed = plan.nodes[at].anchor.filter(|anchor| lazy || *anchor < plan.eager);
				let fused = plan.nodes[at].fused_into.is_some_and(|requant| {
					audited.is_none() && !picks.contains_key(&requant) && hashed.is_none()
				});
				if !fused {
					if !together {
						memory.nodes[at] = Some(memory.compute(backend, &plan, at)?);
					}
					let value = memory.nodes[at].as_ref();
					if let (Some(anchor), Some(value)) = (hashed, value) {
						anchors.add(backend, anchor, value)?;
					}
					for (&tile, value) in
						audited.into_iter().flatten().zip(value.into_iter().cycle())
					{
						if !audit::holds(backend, &plan, &memory, at, value, tile)? {
							return Err(ExecError::Audit { step, node: at as u32, tile });
						}
					}
					memory.release(&plan, at, last_step);
				}
				progress.node = at as u32 + 1;
				progress.work = progress.work.saturating_add(plan.nodes[at].work);
				if observer.progress(progress).is_break() {
					return Err(ExecError::Cancelled);
				}
			}
			at = end;
		}
		while anchors.finish_one(backend)? {}
		let listed = anchors.roots.split_off(plan.eager);
		if lazy {
			lazy_roots = listed;
		}
		trace_roots.push(trace_root(&anchors.roots));
		if observer.anchors(step, &anchors.roots).is_break() {
			return Err(ExecError::Cancelled);
		}
		memory.next_step(&plan);
		let due = observer.checkpoint_every().is_some_and(|every| (step + 1) % every == 0);
		if due && !last_step {
			let states = memory.read_states(backend, program)?;
			let checkpoint = Checkpoint { step: step + 1, anchor_roots: &anchors.roots, states };
			if observer.checkpoint(checkpoint).is_break() {
				return Err(ExecError::Cancelled);
			}
		}
		if steps <= KEPT_STEPS || last_step {
			anchor_roots.push(anchors.roots);
		}
		if last_step {
			tensors = anchors.tensors;
		}
		progress.step = step + 1;
		if observer.progress(progress).is_break() {
			return Err(ExecError::Cancelled);
		}
	}
	// Every wanted anchor is a node of the last step, and all of its anchors were finished.
	let tensor = |anchor: usize| -> Tensor {
		Tensor::new(plan.types[plan.anchors[anchor]], tensors[&anchor].clone())
	};
	let last_roots = &anchor_roots[anchor_roots.len() - 1];
	let outputs = plan.output_anchors.iter().map(|&anchor| tensor(anchor)).collect();
	let output_roots = plan.output_anchors.iter().map(|&anchor| last_roots[anchor]).collect();
	let kept = options
		.keep
		.iter()
		.map(|&source| match plan.anchor(source) {
			Some(anchor) => (source, tensor(anchor)),
			None => (source, states[&source].clone()),
		})
		.collect();
	let run_root = run_root(&trace_roots);
	Ok(Run { run_root, trace_roots, anchor_roots, outputs, output_roots, lazy_roots, kept })
}

/// The anchors whose canonical bytes are asked for: outputs and nodes to keep. Fails if something is to
/// be kept that is neither an anchor nor a state.
fn wanted(program: &Program, plan: &Plan, keep: &[Source]) -> Result<HashSet<usize>, ExecError> {
	let mut wanted: HashSet<usize> = plan.output_anchors.iter().copied().collect();
	for &source in keep {
		match (source, plan.anchor(source)) {
			(_, Some(anchor)) => drop(wanted.insert(anchor)),
			(Source::State(state), _) if usize::from(state) < program.states.len() => {}
			_ => return Err(ExecError::Keep(source)),
		}
	}
	Ok(wanted)
}

/// The states to keep as they are before step `step`, which no node of that step has run yet.
fn keep_states<B: Backend>(
	backend: &mut B,
	program: &Program,
	memory: &Memory<B>,
	inputs: &[Tensor],
	step: u32,
	options: &Options<'_>,
) -> Result<HashMap<Source, Tensor>, ExecError> {
	let mut states = HashMap::new();
	for &source in options.keep {
		let Source::State(state) = source else { continue };
		let input = usize::from(program.states[usize::from(state)].input);
		let tensor = match options.start.filter(|_| step == 0) {
			Some(start) => start[usize::from(state)].clone(),
			// The input itself, for its root is of its bytes whatever the padding holds.
			None if step == 0 => inputs[input].clone(),
			None if states.contains_key(&source) => continue,
			None => memory.read_state(backend, program, state)?,
		};
		states.insert(source, tensor);
	}
	Ok(states)
}

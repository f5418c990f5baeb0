//! The run loop that all engines share: steps, state, release of memory, hashing, audits.

use crate::{
	anchors::Anchors,
	audit,
	memory::Memory,
	observer::{Checkpoint, Observer, Progress},
	plan::Plan,
	region::FusedRegion,
	work::{check_inputs, start_buffers, Options, Work},
	Backend, ExecError, Tensor,
};
use assay_commitments::{run_root, trace_root, Hash};
use assay_program::{Program, Source};
use core::ops::{ControlFlow, Range};
use std::{
	collections::{HashMap, HashSet},
	sync::Arc,
};

/// Up to so many steps a run keeps the roots of all anchors.
pub const KEPT_STEPS: u32 = 64;

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

/// Does `work` on `backend`. See [`crate::Executor::run`].
pub fn execute<B: Backend>(
	backend: &mut B,
	work: &Work<'_>,
	options: Options<'_>,
	observer: &mut dyn Observer,
) -> Result<Run, ExecError> {
	if work.steps == 0 {
		return Err(ExecError::NoSteps);
	}
	let plan = Plan::new(work.program, work.checked, |op| backend.links(op))?;
	let mut run = RunState::new(backend, &plan, *work, options, observer)?;
	for step in 0..work.steps {
		run.step(step)?;
	}
	Ok(run.finish())
}

/// An error if an observer ends the run.
fn proceed(flow: ControlFlow<()>) -> Result<(), ExecError> {
	if flow.is_break() {
		return Err(ExecError::Cancelled);
	}
	Ok(())
}

/// A run under way.
struct RunState<'a, B: Backend> {
	backend: &'a mut B,
	plan: &'a Plan<'a>,
	work: Work<'a>,
	options: Options<'a>,
	observer: &'a mut dyn Observer,
	memory: Memory<B>,
	progress: Progress,
	/// Anchors whose canonical bytes are asked for.
	wanted: HashSet<usize>,
	/// Their bytes.
	tensors: HashMap<usize, Arc<[u8]>>,
	/// The states that are asked for.
	states: HashMap<Source, Tensor>,
	trace_roots: Vec<Hash>,
	anchor_roots: Vec<Vec<Hash>>,
	lazy_roots: Vec<Hash>,
}

/// A step under way.
struct StepState<'a, B: Backend> {
	number: u32,
	is_last: bool,
	/// Whether lazy anchors are hashed: where one of them is asked for. Else they cost nothing.
	lazy: bool,
	anchors: Anchors<'a, B>,
	/// Tiles to recompute, by node.
	picks: HashMap<usize, Vec<u64>>,
}

impl<B: Backend> StepState<'_, B> {
	/// The anchor that node `at` is, if it is hashed.
	fn hashed(&self, plan: &Plan, at: usize) -> Option<usize> {
		plan.nodes[at].anchor.filter(|anchor| self.lazy || *anchor < plan.eager)
	}

	/// Whether node `at` is a product that its Requant computes: nobody else looks at it.
	fn is_left_out(&self, plan: &Plan, at: usize) -> bool {
		plan.nodes[at].fused_into.is_some_and(|requant| {
			!self.is_audited(at) && !self.is_audited(requant) && self.hashed(plan, at).is_none()
		})
	}

	fn is_audited(&self, at: usize) -> bool {
		self.picks.contains_key(&at)
	}
}

impl<'a, B: Backend> RunState<'a, B> {
	/// Refuses what cannot be run, before anything is computed.
	fn new(
		backend: &'a mut B,
		plan: &'a Plan<'a>,
		work: Work<'a>,
		options: Options<'a>,
		observer: &'a mut dyn Observer,
	) -> Result<Self, ExecError> {
		check_inputs(work.program, work.inputs)?;
		let start = options.start.map(|start| start_buffers(work.program, start)).transpose()?;
		let wanted = wanted(work.program, plan, options.keep)?;
		let memory = Memory::new(backend, plan, work.program, work.inputs, start)?;
		let progress = Progress {
			step: 0,
			steps: work.steps,
			node: 0,
			nodes: plan.nodes.len() as u32,
			work: 0,
			total_work: plan.work.saturating_mul(work.steps.into()),
		};
		Ok(Self {
			backend,
			plan,
			work,
			options,
			observer,
			memory,
			progress,
			wanted,
			tensors: HashMap::new(),
			states: HashMap::new(),
			trace_roots: Vec::with_capacity(work.steps as usize),
			anchor_roots: Vec::new(),
			lazy_roots: Vec::new(),
		})
	}

	/// Runs a step, node by node: computes it, commits to it, audits it, releases what it was the
	/// last to read.
	fn step(&mut self, number: u32) -> Result<(), ExecError> {
		let mut step = self.begin(number)?;
		let mut regions = self.plan.regions.iter().peekable();
		let mut next = 0;
		while next < self.plan.nodes.len() {
			let region = regions.next_if(|region| region.nodes.start == next);
			let together = self.compute_region(&step, region)?;
			let is_computed = together.is_some();
			let nodes = together.unwrap_or(next..next + 1);
			next = nodes.end;
			for at in nodes {
				if !step.is_left_out(self.plan, at) {
					if !is_computed {
						self.memory.compute(self.backend, self.plan, at)?;
					}
					self.commit(&mut step, at)?;
					self.audit(&step, at)?;
					self.memory.release(self.plan, at, step.is_last);
				}
				self.progress.node = at as u32 + 1;
				self.progress.work = self.progress.work.saturating_add(self.plan.nodes[at].work);
				self.report()?;
			}
		}
		self.end(step)
	}

	fn begin(&mut self, number: u32) -> Result<StepState<'a, B>, ExecError> {
		let is_last = number + 1 == self.work.steps;
		let mut wanted = HashSet::new();
		if is_last {
			self.keep_states(number)?;
			wanted = core::mem::take(&mut self.wanted);
		}
		let audit = self.options.audit;
		Ok(StepState {
			number,
			is_last,
			lazy: wanted.iter().any(|anchor| *anchor >= self.plan.eager),
			anchors: Anchors::new(self.plan, wanted),
			picks: audit.map(|audit| audit.picks(number, self.plan.types)).unwrap_or_default(),
		})
	}

	/// Computes the nodes of a region at once. `None`: the engine does not, or one of them is to be
	/// audited, for which it must exist.
	fn compute_region(
		&mut self,
		step: &StepState<'_, B>,
		region: Option<&FusedRegion>,
	) -> Result<Option<Range<usize>>, ExecError> {
		let Some(region) = region else { return Ok(None) };
		if region.nodes.clone().any(|at| step.is_audited(at)) {
			return Ok(None);
		}
		let is_computed = self.memory.compute_region(self.backend, self.plan, region)?;
		Ok(is_computed.then(|| region.nodes.clone()))
	}

	/// Has node `at` hashed if it is an anchor.
	fn commit(&mut self, step: &mut StepState<'_, B>, at: usize) -> Result<(), ExecError> {
		let (Some(anchor), Some(value)) = (step.hashed(self.plan, at), &self.memory.nodes[at])
		else {
			return Ok(());
		};
		step.anchors.add(self.backend, anchor, value)
	}

	/// Compares the tiles of node `at` that were drawn with the definition.
	fn audit(&mut self, step: &StepState<'_, B>, at: usize) -> Result<(), ExecError> {
		let (Some(tiles), Some(value)) = (step.picks.get(&at), &self.memory.nodes[at]) else {
			return Ok(());
		};
		for &tile in tiles {
			if !audit::holds(self.backend, self.plan, &self.memory, at, value, tile)? {
				return Err(ExecError::Audit { step: step.number, node: at as u32, tile });
			}
		}
		Ok(())
	}

	fn report(&mut self) -> Result<(), ExecError> {
		proceed(self.observer.progress(self.progress))
	}

	/// Waits for the roots of a step, and hands the states on to the next one.
	fn end(&mut self, step: StepState<'_, B>) -> Result<(), ExecError> {
		let StepState { number, is_last, lazy, mut anchors, .. } = step;
		while anchors.finish_one(self.backend)? {}
		let listed = anchors.roots.split_off(self.plan.eager);
		if lazy {
			self.lazy_roots = listed;
		}
		self.trace_roots.push(trace_root(&anchors.roots));
		proceed(self.observer.anchors(number, &anchors.roots))?;
		self.memory.next_step(self.plan);
		if !is_last {
			self.checkpoint(number + 1, &anchors.roots)?;
		}
		if self.work.steps <= KEPT_STEPS || is_last {
			self.anchor_roots.push(anchors.roots);
		}
		if is_last {
			self.tensors = anchors.tensors;
		}
		self.progress.step = number + 1;
		self.report()
	}

	/// Hands the states over after `step` steps, if they are asked for.
	fn checkpoint(&mut self, step: u32, anchor_roots: &[Hash]) -> Result<(), ExecError> {
		if self.observer.checkpoint_every().is_none_or(|every| step % every != 0) {
			return Ok(());
		}
		let states = self.memory.read_states(self.backend, self.work.program)?;
		proceed(self.observer.checkpoint(Checkpoint { step, anchor_roots, states }))
	}

	/// Keeps the states that are asked for as they are before step `step`, of which no node has run
	/// yet.
	fn keep_states(&mut self, step: u32) -> Result<(), ExecError> {
		let program = self.work.program;
		for &source in self.options.keep {
			let Source::State(state) = source else { continue };
			let input = usize::from(program.states[usize::from(state)].input);
			let tensor = match self.options.start.filter(|_| step == 0) {
				Some(start) => start[usize::from(state)].clone(),
				// The input itself, for its root is of its bytes whatever the padding holds.
				None if step == 0 => self.work.inputs[input].clone(),
				None if self.states.contains_key(&source) => continue,
				None => self.memory.read_state(self.backend, program, state)?,
			};
			self.states.insert(source, tensor);
		}
		Ok(())
	}

	fn finish(self) -> Run {
		let plan = self.plan;
		// Every wanted anchor is a node of the last step, and all of its anchors were finished.
		let tensor = |anchor: usize| -> Tensor {
			Tensor::new(plan.types[plan.anchors[anchor]], self.tensors[&anchor].clone())
		};
		let kept = |source: Source| match plan.anchor(source) {
			Some(anchor) => tensor(anchor),
			None => self.states[&source].clone(),
		};
		let last_roots = &self.anchor_roots[self.anchor_roots.len() - 1];
		Run {
			run_root: run_root(&self.trace_roots),
			outputs: plan.output_anchors.iter().map(|&anchor| tensor(anchor)).collect(),
			output_roots: plan.output_anchors.iter().map(|&anchor| last_roots[anchor]).collect(),
			kept: self.options.keep.iter().map(|&source| (source, kept(source))).collect(),
			trace_roots: self.trace_roots,
			anchor_roots: self.anchor_roots,
			lazy_roots: self.lazy_roots,
		}
	}
}

/// The anchors whose canonical bytes are asked for: outputs and nodes to keep. Fails if something
/// is to be kept that is neither an anchor nor a state.
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

//! The run loop that all engines share: steps, state, release of memory, hashing, audits.

use crate::{
	anchors::Anchors,
	audit,
	chain::{Chain, Link, Part},
	plan::{Plan, Read},
	stretch::Stretch,
	Affine, Audit, Buffer, ExecError, Tensor,
};
use assay_commitments::{run_root, trace_root, Hash};
use assay_ops::{DType, Op, Shape, TensorType};
use assay_program::{Checked, Program, Source, State};
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

/// An operand of an operator.
pub struct Operand<'a, V> {
	/// The stored tensor.
	pub value: &'a V,
	/// The shape that the operator sees.
	pub shape: Shape,
	/// Where the elements that the operator sees are stored.
	pub affine: Affine,
}

/// What an engine must be able to do; [`execute`] does the rest.
pub trait Backend {
	/// A tensor in the engine's memory, shared by clones, freed with the last one.
	type Value: Clone;
	/// A tensor on its way back.
	type Ticket;

	/// Takes a tensor into the engine's memory.
	fn import(&mut self, buffer: Arc<Buffer>) -> Result<Self::Value, ExecError>;

	/// Takes an input of a run, which may be one of the run before: see [`crate::Resident`].
	fn import_input(&mut self, tensor: &Tensor) -> Result<Self::Value, ExecError> {
		self.import(Arc::new(Buffer::from_canonical(&tensor.ty, &tensor.bytes)))
	}

	/// The result of `op`, of type `dtype` and shape `shape` by [`Op::infer`]. May return before it is
	/// computed.
	fn apply(
		&mut self,
		op: &Op,
		operands: &[Operand<'_, Self::Value>],
		dtype: DType,
		shape: &Shape,
	) -> Result<Self::Value, ExecError>;

	/// The product `op`, whose result is i32, and [`Op::Requant`] of it in one, for engines that gain from
	/// it. `requant` are the operands after the accumulator, `dtype` is the result's type, `shape` that of
	/// the product. `None` has both run apart.
	fn product_requant(
		&mut self,
		op: &Op,
		product: &[Operand<'_, Self::Value>],
		requant: &[Operand<'_, Self::Value>],
		dtype: DType,
		shape: &Shape,
	) -> Result<Option<Self::Value>, ExecError> {
		let _ = (op, product, requant, dtype, shape);
		Ok(None)
	}

	/// Whether nodes of this operator may be links of [`Backend::chains`].
	fn links(&self, op: &Op) -> bool {
		let _ = op;
		false
	}

	/// The results of chains, which do not read each other, for engines that gain from computing many
	/// small nodes at once: for each chain the results of its links, at least of those that are kept.
	/// `None` has the nodes run one by one.
	#[allow(clippy::type_complexity)]
	fn chains(
		&mut self,
		chains: &[Chain<'_, Self::Value>],
	) -> Result<Option<Vec<Vec<Option<Self::Value>>>>, ExecError> {
		let _ = chains;
		Ok(None)
	}

	/// Asks for the elements of a tensor, without waiting.
	fn request(&mut self, value: &Self::Value) -> Result<Self::Ticket, ExecError>;

	/// Whether [`Backend::collect`] would give the elements without waiting. What is ready is hashed while
	/// the next nodes are computed.
	fn is_ready(&self, ticket: &Self::Ticket) -> bool {
		let _ = ticket;
		false
	}

	/// Waits for what was asked for.
	fn collect(&mut self, ticket: Self::Ticket) -> Result<Arc<Buffer>, ExecError>;

	/// Asks for the root of a tensor of type `ty`, without waiting, for engines that hash where the
	/// tensor is. `None` has its elements fetched and hashed here.
	fn request_root(
		&mut self,
		value: &Self::Value,
		ty: &TensorType,
	) -> Result<Option<Self::Ticket>, ExecError> {
		let _ = (value, ty);
		Ok(None)
	}

	/// Waits for a root that [`Backend::request_root`] gave a ticket for.
	fn collect_root(&mut self, ticket: Self::Ticket) -> Result<Hash, ExecError> {
		let _ = ticket;
		Err(ExecError::Program("this engine hashes nothing itself".into()))
	}
}

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
		let mut stretches = plan.stretches.iter().peekable();
		let mut at = 0;
		while at < plan.nodes.len() {
			let stretch = stretches.next_if(|stretch| stretch.nodes.start == at);
			// What is to be looked at must exist.
			let whole =
				stretch.filter(|stretch| !stretch.nodes.clone().any(|at| picks.contains_key(&at)));
			let together = match whole {
				Some(stretch) => memory.compute_stretch(backend, &plan, stretch)?,
				None => false,
			};
			let end = if together { whole.map_or(at, |stretch| stretch.nodes.end) } else { at + 1 };
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

/// The tensors that are alive.
pub(crate) struct Memory<B: Backend> {
	inputs: Vec<Option<B::Value>>,
	constants: Vec<Option<B::Value>>,
	states: Vec<Option<B::Value>>,
	nodes: Vec<Option<B::Value>>,
}

impl<B: Backend> Memory<B> {
	fn new(
		backend: &mut B,
		program: &Program,
		plan: &Plan,
		inputs: &[Tensor],
		start: Option<Vec<Arc<Buffer>>>,
	) -> Result<Self, ExecError> {
		let mut inputs = inputs
			.iter()
			.map(|input| backend.import_input(input).map(Some))
			.collect::<Result<Vec<Option<B::Value>>, ExecError>>()?;
		let states = match start {
			Some(start) => start
				.into_iter()
				.map(|buffer| backend.import(buffer).map(Some))
				.collect::<Result<_, _>>()?,
			None => {
				let first = |state: &State| inputs[usize::from(state.input)].clone();
				program.states.iter().map(first).collect()
			}
		};
		for (input, value) in inputs.iter_mut().enumerate() {
			// What is only a state's first value need not outlive that state.
			if !plan.inputs_read.contains(&input) {
				*value = None;
			}
		}
		let constants = program
			.constants
			.iter()
			.map(|constant| {
				let buffer = Buffer::from_bytes(constant.ty.dtype, &constant.data);
				backend.import(Arc::new(buffer)).map(Some)
			})
			.collect::<Result<_, _>>()?;
		Ok(Self { inputs, constants, states, nodes: vec![None; plan.nodes.len()] })
	}

	/// A state as it is between two steps.
	fn read_state(
		&self,
		backend: &mut B,
		program: &Program,
		state: u16,
	) -> Result<Tensor, ExecError> {
		let value = self
			.slot(Source::State(state))
			.ok_or_else(|| ExecError::Program(format!("state {state} is gone after a step")))?;
		let ticket = backend.request(value)?;
		let buffer = backend.collect(ticket)?;
		let ty = program.inputs[usize::from(program.states[usize::from(state)].input)].ty;
		if (buffer.dtype(), buffer.len()) != (ty.dtype, ty.elements() as usize) {
			return Err(ExecError::Program(format!("state {state} changes its type")));
		}
		Ok(Tensor::new(ty, buffer.to_canonical_shared(&ty)))
	}

	/// All states, in program order.
	fn read_states(&self, backend: &mut B, program: &Program) -> Result<Vec<Tensor>, ExecError> {
		(0..program.states.len() as u16)
			.map(|state| self.read_state(backend, program, state))
			.collect()
	}

	fn slot(&self, source: assay_program::Source) -> Option<&B::Value> {
		use assay_program::Source::*;
		match source {
			Input(at) => self.inputs.get(usize::from(at))?.as_ref(),
			Constant(at) => self.constants.get(usize::from(at))?.as_ref(),
			State(at) => self.states.get(usize::from(at))?.as_ref(),
			Node(at) => self.nodes.get(at as usize)?.as_ref(),
		}
	}

	/// The operands of node `at`, from operand `skip` on.
	pub(crate) fn operands(
		&self,
		plan: &Plan,
		at: usize,
		skip: usize,
	) -> Result<Vec<Operand<'_, B::Value>>, ExecError> {
		plan.nodes[at].reads.iter().skip(skip).map(|read| self.operand(read, at)).collect()
	}

	/// What node `at` reads.
	fn operand(&self, read: &Read, at: usize) -> Result<Operand<'_, B::Value>, ExecError> {
		let value = self
			.slot(read.source)
			.ok_or_else(|| ExecError::Program(format!("node {at} reads what is not there")))?;
		Ok(Operand { value, shape: read.shape, affine: read.affine })
	}

	fn compute(&mut self, backend: &mut B, plan: &Plan, at: usize) -> Result<B::Value, ExecError> {
		let node = &plan.nodes[at];
		let ty = &plan.types[at];
		// A product that was left out so far belongs to this node.
		if let Some(product) = node.fused_from.filter(|product| self.nodes[*product].is_none()) {
			let factors = self.operands(plan, product, 0)?;
			let requant = self.operands(plan, at, 1)?;
			let op = plan.nodes[product].op;
			let product_ty = &plan.types[product];
			let shape = &product_ty.shape;
			let fused = backend.product_requant(op, &factors, &requant, ty.dtype, shape)?;
			if let Some(value) = fused {
				return Ok(value);
			}
			let value = backend.apply(op, &factors, product_ty.dtype, &product_ty.shape)?;
			self.nodes[product] = Some(value);
		}
		let operands = self.operands(plan, at, 0)?;
		backend.apply(node.op, &operands, ty.dtype, &ty.shape)
	}

	/// Computes the nodes of a stretch at once, as many as anyone else reads, if the engine does.
	fn compute_stretch(
		&mut self,
		backend: &mut B,
		plan: &Plan,
		stretch: &Stretch,
	) -> Result<bool, ExecError> {
		let chains = stretch
			.chains
			.iter()
			.map(|nodes| {
				let links = nodes.iter().map(|&at| self.link(plan, stretch, at));
				let elements = plan.chain_elements(nodes[0]);
				Ok(Chain { elements, links: links.collect::<Result<_, ExecError>>()? })
			})
			.collect::<Result<Vec<_>, ExecError>>()?;
		let Some(results) = backend.chains(&chains)? else { return Ok(false) };
		for (nodes, values) in stretch.chains.iter().zip(results) {
			for (&at, value) in nodes.iter().zip(values) {
				self.nodes[at] = value;
			}
		}
		Ok(true)
	}

	fn link<'a>(
		&'a self,
		plan: &'a Plan,
		stretch: &Stretch,
		at: usize,
	) -> Result<Link<'a, B::Value>, ExecError> {
		let (node, ty) = (&plan.nodes[at], &plan.types[at]);
		let part = |read: &Read| match read.source {
			Source::Node(other) if stretch.nodes.contains(&(other as usize)) => {
				Ok(Part::Link(stretch.position(other as usize), plan.types[other as usize].dtype))
			}
			_ => self.operand(read, at).map(Part::Operand),
		};
		Ok(Link {
			op: node.op,
			operands: node.reads.iter().map(part).collect::<Result<_, ExecError>>()?,
			dtype: ty.dtype,
			elements: ty.elements() as usize,
			kept: stretch.is_kept(at),
		})
	}

	/// Drops what node `at` was the last to read.
	fn release(&mut self, plan: &Plan, at: usize, last_step: bool) {
		use assay_program::Source::*;
		for source in &plan.nodes[at].releases {
			match *source {
				Node(node) => self.nodes[node as usize] = None,
				State(state) => self.states[usize::from(state)] = None,
				Input(input) if last_step => self.inputs[usize::from(input)] = None,
				Constant(constant) if last_step => self.constants[usize::from(constant)] = None,
				Input(_) | Constant(_) => {}
			}
		}
	}

	fn next_step(&mut self, plan: &Plan) {
		for (state, update) in self.states.iter_mut().zip(&plan.updates) {
			*state = self.nodes[*update].clone();
		}
		self.nodes.fill(None);
	}
}

//! What a job computes, and runs of it that are written down, so that anything in them can be made
//! wrong.

use assay_commitments::{open_outputs, run_root, tensor_root, trace_root, Hash, OutputsOpening};
use assay_dispute::{BoxError, Job, Replay, Replayed};
use assay_engine_testing::Case;
use assay_exec::Tensor;
use assay_market::SampledChunk;
use assay_ops::{evaluate, Operand, TensorType, Values};
use assay_program::{
	program_id, Checked, Class, Limits, Operand as Read, Program, ProgramBuilder, Source, State,
};
use assay_referee::sample;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// A program with inputs for it, as a requester posts it.
#[derive(Clone, Debug)]
pub struct Work {
	/// The program.
	pub program: Program,
	/// What its check found.
	pub checked: Checked,
	/// Its bytes, as they are registered.
	pub bytes: Vec<u8>,
	/// Its content address.
	pub id: Hash,
	/// Inputs, in program order.
	pub inputs: Vec<Tensor>,
	/// Steps to run.
	pub steps: u32,
}

impl Work {
	/// Of a program that the chain admits; the check's error otherwise.
	///
	/// # Errors
	/// That of the check, in words.
	pub fn new(program: Program, inputs: Vec<Tensor>, steps: u32) -> Result<Self, String> {
		let checked = program.check(&Limits::V1).map_err(|error| error.to_string())?;
		let bytes = program.encode();
		let id = program_id(&bytes);
		Ok(Self { program, checked, bytes, id, inputs, steps })
	}

	/// Of a built program; inputs hold a fixed pattern of all values.
	///
	/// # Panics
	/// When the builder's program is not sound: those are written in this crate.
	pub fn built(builder: ProgramBuilder, steps: u32) -> Self {
		let program = builder.build().expect("the program is well-formed");
		let inputs =
			(0u64..).zip(&program.inputs).map(|(at, input)| pattern(input.ty, at + 1)).collect();
		Self::new(program, inputs, steps).expect("the program is admitted")
	}

	/// A random program as [`Work::new`] takes it.
	///
	/// # Errors
	/// Why the chain refuses it.
	pub fn random(case: &Case) -> Result<Self, String> {
		Self::new(case.program.clone(), case.inputs.clone(), case.steps)
	}

	/// Content addresses of the inputs.
	pub fn input_roots(&self) -> Vec<Hash> {
		self.inputs.iter().map(Tensor::root).collect()
	}

	/// The job as both sides of a dispute see it, with this result.
	pub fn job(&self, run_root: Hash, trace_root: Hash) -> Arc<Job> {
		Arc::new(Job {
			program: self.program.clone(),
			checked: self.checked.clone(),
			input_roots: self.input_roots(),
			steps: self.steps,
			run_root,
			trace_root,
		})
	}

	/// Node of an eager anchor by its place among them.
	pub fn anchor(&self, place: usize) -> u32 {
		self.checked.anchors[place]
	}

	/// Node of a lazy anchor by its place among them.
	pub fn lazy(&self, place: usize) -> u32 {
		self.checked.lazy[place]
	}

	/// How many eager anchors a step has.
	pub fn anchors(&self) -> usize {
		self.checked.anchors.len()
	}

	/// Canonical bytes of a node's result.
	pub fn len_of(&self, node: u32) -> u64 {
		self.checked.types[node as usize].canonical_len()
	}

	/// Offset of the first padding byte of a node's result, where it has one.
	pub fn padding_of(&self, node: u32) -> Option<usize> {
		let ty = self.checked.types[node as usize];
		let mut used = vec![false; ty.canonical_len() as usize];
		for element in 0..u64::from(ty.elements()) {
			let (tile, offset) = ty.position(element);
			let at = tile as usize * assay_ops::TILE_BYTES + offset;
			used[at..at + ty.dtype.size()].fill(true);
		}
		used.iter().position(|used| !used)
	}
}

/// A tensor with a fixed pattern of values.
pub fn pattern(ty: TensorType, seed: u64) -> Tensor {
	let mut rng = assay_engine_testing::Rng::new(seed);
	let elements: Vec<i32> = (0..ty.elements())
		.map(|_| rng.range(ty.dtype.min().into(), ty.dtype.max().into()) as i32)
		.collect();
	Tensor::from_elements(ty, &elements).expect("as many elements as the type has; qed")
}

/// What is done to an anchor's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
	/// Nothing.
	None,
	/// They were changed, and everything later is computed from the change.
	Spreading,
	/// They were changed, and later nodes of the step are computed as if they were not.
	Local,
}

/// One wrong byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
	/// In this step.
	pub step: u32,
	/// In this node's result, an anchor.
	pub node: u32,
	/// At this offset of its canonical bytes.
	pub offset: usize,
	/// These bits are flipped.
	pub mask: u8,
	/// Whether later results are computed from it.
	pub spreading: bool,
}

impl Lie {
	/// Flips the lowest bit of a byte, and goes on from there.
	pub fn at(step: u32, node: u32, offset: usize) -> Self {
		Self { step, node, offset, mask: 1, spreading: true }
	}

	fn tamper(&self, step: u32, node: u32, bytes: &mut [u8]) -> Tampering {
		if (step, node) != (self.step, self.node) {
			return Tampering::None;
		}
		bytes[self.offset] ^= self.mask;
		if self.spreading {
			Tampering::Spreading
		} else {
			Tampering::Local
		}
	}
}

/// The canonical bytes of a step's anchors, by node, and what follows from them.
struct Step {
	anchors: BTreeMap<u32, Vec<u8>>,
	/// Of the eager ones.
	roots: Vec<Hash>,
	/// Of the lazy ones.
	lazy: Vec<Hash>,
	trace: Hash,
	/// Canonical bytes of the states before the step.
	states: Vec<Vec<u8>>,
}

/// A run, written down. It replays itself.
#[derive(Clone)]
pub struct Table(Arc<Written>);

struct Written {
	inputs: Vec<Vec<u8>>,
	steps: Vec<Step>,
}

fn values(ty: TensorType, bytes: &[u8]) -> Values {
	Values::from_canonical(ty, bytes).expect("bytes of the type's length; qed")
}

impl Table {
	/// The run by the definition.
	pub fn honest(work: &Work) -> Self {
		Self::write(work, |_, _, _| Tampering::None)
	}

	/// The run by the definition but for one lie.
	pub fn lying(work: &Work, lie: Lie) -> Self {
		Self::write(work, |step, node, bytes| lie.tamper(step, node, bytes))
	}

	/// The run by the definition but for these lies.
	pub fn lying_twice(work: &Work, lies: [Lie; 2]) -> Self {
		Self::write(work, |step, node, bytes| {
			let told = lies.map(|lie| lie.tamper(step, node, bytes));
			told.into_iter().find(|told| *told != Tampering::None).unwrap_or(Tampering::None)
		})
	}

	/// Runs by the definition; `tamper(step, node, bytes)` may change each anchor's bytes.
	///
	/// # Panics
	/// When the work is not sound.
	pub fn write(work: &Work, mut tamper: impl FnMut(u32, u32, &mut Vec<u8>) -> Tampering) -> Self {
		let program = &work.program;
		let inputs: Vec<Values> = work.inputs.iter().map(|i| values(i.ty, &i.bytes)).collect();
		let constants: Vec<Values> = program
			.constants
			.iter()
			.map(|c| Values::from_row_major(c.ty, &c.data).expect("checked constants; qed"))
			.collect();
		let initial = |state: &State| usize::from(state.input);
		let mut states: Vec<Values> =
			program.states.iter().map(|state| inputs[initial(state)].clone()).collect();
		let mut before: Vec<Vec<u8>> =
			program.states.iter().map(|state| work.inputs[initial(state)].bytes.to_vec()).collect();
		let mut steps = Vec::new();
		for step in 0..work.steps {
			let mut nodes: Vec<Values> = Vec::new();
			let mut anchors = BTreeMap::new();
			for (at, node) in (0u32..).zip(&program.nodes) {
				let read = |read: &Read| match read.source {
					Source::Input(at) => &inputs[usize::from(at)],
					Source::Constant(at) => &constants[usize::from(at)],
					Source::State(at) => &states[usize::from(at)],
					Source::Node(at) => &nodes[at as usize],
				};
				let operands: Vec<Operand> = node
					.operands
					.iter()
					.map(|o| Operand { values: read(o), view: o.view.as_ref() })
					.collect();
				let mut result =
					evaluate(&node.op, &operands, node.split).expect("a checked program; qed");
				if node.class != Class::Virtual {
					let mut bytes = result.to_canonical();
					if tamper(step, at, &mut bytes) == Tampering::Spreading {
						result = values(result.ty(), &bytes);
					}
					anchors.insert(at, bytes);
				}
				nodes.push(result);
			}
			let roots = |nodes: &[u32]| -> Vec<Hash> {
				nodes.iter().map(|node| tensor_root(&anchors[node])).collect()
			};
			let (roots, lazy) = (roots(&work.checked.anchors), roots(&work.checked.lazy));
			let after: Vec<Vec<u8>> =
				program.states.iter().map(|state| anchors[&state.update].clone()).collect();
			states = program
				.states
				.iter()
				.zip(&after)
				.map(|(state, bytes)| values(program.inputs[initial(state)].ty, bytes))
				.collect();
			let trace = trace_root(&roots);
			steps.push(Step {
				anchors,
				roots,
				lazy,
				trace,
				states: std::mem::replace(&mut before, after),
			});
		}
		let inputs = work.inputs.iter().map(|input| input.bytes.to_vec()).collect();
		Self(Arc::new(Written { inputs, steps }))
	}

	/// Trace roots of all steps.
	pub fn traces(&self) -> Vec<Hash> {
		self.0.steps.iter().map(|step| step.trace).collect()
	}

	/// Roots of a step's eager anchors.
	pub fn roots(&self, step: u32) -> &[Hash] {
		&self.0.steps[step as usize].roots
	}

	/// Roots of a step's lazy anchors.
	pub fn lazy(&self, step: u32) -> &[Hash] {
		&self.0.steps[step as usize].lazy
	}

	/// Roots of the last step's eager anchors.
	pub fn last_roots(&self) -> &[Hash] {
		self.roots(self.0.steps.len() as u32 - 1)
	}

	/// The run root.
	pub fn run_root(&self) -> Hash {
		run_root(&self.traces())
	}

	/// Canonical bytes of an anchor of a step.
	pub fn bytes(&self, step: u32, node: u32) -> &[u8] {
		&self.0.steps[step as usize].anchors[&node]
	}

	/// What is read of a step, by source: inputs, states before it and its anchors.
	pub fn tensors(&self, step: u32) -> BTreeMap<Source, Vec<u8>> {
		let Step { anchors, states, .. } = &self.0.steps[step as usize];
		let inputs = (0..).map(Source::Input).zip(self.0.inputs.iter().cloned());
		let states = (0..).map(Source::State).zip(states.iter().cloned());
		let anchors = anchors.iter().map(|(node, bytes)| (Source::Node(*node), bytes.clone()));
		inputs.chain(states).chain(anchors).collect()
	}

	/// What the provider shows of it at its reveal.
	///
	/// # Panics
	/// Never for the work that the run is of.
	pub fn opening(&self, work: &Work) -> OutputsOpening {
		open_outputs(&self.traces(), self.last_roots(), &work.checked.output_anchors)
			.expect("a checked program's outputs are anchors; qed")
	}

	/// The chunks that a verifier shows of it when `seed` was drawn.
	///
	/// # Panics
	/// Never for the work that the run is of.
	pub fn chunks(&self, work: &Work, seed: &Hash, account: &[u8; 32]) -> Vec<SampledChunk> {
		let (job, traces) = (self.job(work), self.traces());
		let anchors = |step| Some(self.roots(step));
		let tensor = |step, anchor| Some(self.bytes(step, work.anchor(anchor as usize)));
		sample::open_all(seed, account, &*job, &traces, anchors, tensor)
			.expect("a run holds all of its chunks; qed")
	}

	/// The run root of a stretch of steps.
	pub fn root_of(&self, steps: Range<u32>) -> Hash {
		run_root(&self.traces()[steps.start as usize..steps.end as usize])
	}

	/// As [`Table::chunks`], of a stretch of steps: what a verifier of that segment shows.
	///
	/// # Panics
	/// Never for the work that the run is of, and steps that it has.
	pub fn chunks_of(
		&self,
		work: &Work,
		steps: Range<u32>,
		seed: &Hash,
		account: &[u8; 32],
	) -> Vec<SampledChunk> {
		let traces = &self.traces()[steps.start as usize..steps.end as usize];
		let work = Work { steps: steps.len() as u32, ..work.clone() };
		let job = work.job(run_root(traces), traces[traces.len() - 1]);
		let first = steps.start;
		let anchors = |step| Some(self.roots(first + step));
		let tensor = |step, anchor| Some(self.bytes(first + step, work.anchor(anchor as usize)));
		sample::open_all(seed, account, &*job, traces, anchors, tensor)
			.expect("a run holds all of its chunks; qed")
	}

	/// The job with this run as its result.
	pub fn job(&self, work: &Work) -> Arc<Job> {
		let traces = self.traces();
		work.job(run_root(&traces), traces[traces.len() - 1])
	}
}

impl Replay for Table {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		let last = self.0.steps.get(steps as usize - 1).ok_or("there is no such step")?;
		let kept = keep.iter().map(|&source| {
			let bytes = match source {
				Source::Node(node) => last.anchors.get(&node),
				Source::State(state) => last.states.get(usize::from(state)),
				Source::Input(_) | Source::Constant(_) => None,
			};
			Ok((source, bytes.ok_or("this cannot be kept")?.clone()))
		});
		Ok(Replayed {
			trace_roots: self.traces()[..steps as usize].to_vec(),
			last_anchors: last.roots.clone(),
			// More than is asked for where no lazy anchor is kept, which nobody looks at.
			last_lazy: last.lazy.clone(),
			kept: kept.collect::<Result<_, BoxError>>()?,
			all_anchors: Vec::new(),
		})
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		Ok(self.0.inputs.get(usize::from(index)).ok_or("there is no such input")?.clone())
	}
}

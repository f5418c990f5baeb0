//! Runs, honest and not, and everybody who takes part in a dispute about them. Everything follows
//! from one seed, which a failing test prints.
#![allow(dead_code)]

use assay_commitments::{
	open_group, run_root, tensor_root, trace_root, Below, Hash, Place, RunShape, Tree,
};
use assay_ops::{evaluate, DType, Narrow, Op, TensorType, Values, View};
use assay_program::{
	interpret_step, CheckError, Checked, Limits, Operand, Program, ProgramBuilder, Source,
};
use assay_referee::{
	judge, prove_all, Accusation, Evidence, LazyList, OpenedTree, ProofError, ProofPart,
	ProveError, Record, Ruling,
};
pub use assay_testing::{programs, Draw, Rng};
use std::collections::BTreeMap;

/// A program with its inputs, as the chain and everybody else knows it.
pub struct Job {
	pub program: Program,
	/// From the check itself.
	pub checked: Checked,
	/// As the chain has it: [`Program::readmit`].
	pub readmitted: Checked,
	pub inputs: Vec<Values>,
	/// With random padding: what the input roots are of.
	pub input_bytes: Vec<Vec<u8>>,
	pub input_roots: Vec<Hash>,
	pub steps: u32,
}

impl Job {
	pub fn new(rng: &mut Rng, program: Program, limits: &Limits, steps: u32) -> Option<Self> {
		let checked = match program.check(limits) {
			Ok(checked) => checked,
			Err(CheckError::Unrefereeable { .. }) if *limits != Limits::V1 => return None,
			Err(error) => panic!("{error} in {program:?}"),
		};
		let readmitted = program.readmit(&checked.plans()).unwrap();
		let step = programs::step(rng, &program, &checked);
		let input_bytes: Vec<_> = (0..program.inputs.len() as u16)
			.map(|at| step.committed[&Source::Input(at)].clone())
			.collect();
		let input_roots = input_bytes.iter().map(|bytes| tensor_root(bytes)).collect();
		let inputs = step.inputs;
		Some(Self { program, checked, readmitted, inputs, input_bytes, input_roots, steps })
	}

	/// A random job over the whole operator set, or with long reductions, which make proofs of
	/// several parts under tight limits.
	pub fn random(rng: &mut Rng, limits: &Limits) -> Option<Self> {
		let program = if rng.below_u32(2) == 0 { programs::program(rng) } else { long(rng) };
		let steps = 1 + rng.below_u32(4);
		Self::new(rng, program, limits, steps)
	}

	pub fn record<'a>(&'a self, run_root: Hash) -> Record<'a> {
		Record {
			program: &self.program,
			checked: &self.readmitted,
			input_roots: &self.input_roots,
			steps: self.steps,
			run_root,
			list: None,
		}
	}

	/// The record of a run whose provider has listed all lazy anchors of `step`: some eager one
	/// comes after each.
	pub fn full_record<'a>(&'a self, run: &Run, step: u32) -> Record<'a> {
		let last = self.checked.anchors.len() as u32 - 1;
		Record { list: run.list(self, step, last), ..self.record(run.root) }
	}

	/// All anchors: the eager ones, then the lazy ones.
	pub fn all(&self) -> Vec<u32> {
		self.checked.anchors.iter().chain(&self.checked.lazy).copied().collect()
	}

	/// `anchor` counts as in [`Job::all`].
	pub fn accusation(&self, step: u32, anchor: usize, tile: u64) -> Accusation {
		Accusation { step, node: self.all()[anchor], tile }
	}

	/// Some tile of some anchor of some step.
	pub fn any(&self, rng: &mut Rng) -> Accusation {
		let node = rng.pick(&self.all());
		let tiles = self.checked.types[node as usize].tiles();
		Accusation { step: rng.below_u32(self.steps), node, tile: rng.bits() % tiles }
	}

	/// All results of one step; `change` may replace the result of a node.
	fn step(&self, states: &[Values], change: &mut dyn FnMut(u32, &mut Values)) -> Vec<Values> {
		let constants: Vec<Values> = self
			.program
			.constants
			.iter()
			.map(|constant| Values::from_row_major(constant.ty, &constant.data).unwrap())
			.collect();
		let mut results: Vec<Values> = vec![];
		for (index, node) in (0u32..).zip(&self.program.nodes) {
			let operands: Vec<assay_ops::Operand> = node
				.operands
				.iter()
				.map(|operand| {
					let values = match operand.source {
						Source::Input(at) => &self.inputs[at as usize],
						Source::Constant(at) => &constants[at as usize],
						Source::State(at) => &states[at as usize],
						Source::Node(at) => &results[at as usize],
					};
					assay_ops::Operand { values, view: operand.view.as_ref() }
				})
				.collect();
			let split = self.checked.types[index as usize].split;
			let mut result = evaluate(&node.op, &operands, Some(split)).unwrap();
			change(index, &mut result);
			results.push(result);
		}
		results
	}

	fn initial(&self) -> Vec<Values> {
		self.program.states.iter().map(|s| self.inputs[s.input as usize].clone()).collect()
	}

	/// The run by the definition.
	pub fn honest(&self) -> Run {
		let mut states = self.initial();
		let mut steps = vec![];
		for _ in 0..self.steps {
			let results =
				interpret_step(&self.program, &self.checked, &self.inputs, &states).unwrap();
			states =
				self.program.states.iter().map(|s| results[s.update as usize].clone()).collect();
			let anchors = self.all().into_iter();
			steps.push(anchors.map(|node| results[node as usize].to_canonical()).collect());
		}
		self.run(steps)
	}

	fn run(&self, steps: Vec<Vec<Vec<u8>>>) -> Run {
		Run::new(self.checked.anchors.len(), steps)
	}

	/// A run in which one bit of one anchor is wrong. What depends on it is as in the honest run,
	/// or computed from the wrong one.
	pub fn dishonest(&self, honest: &Run, fault: &Fault) -> Run {
		let mut steps: Vec<Vec<Vec<u8>>> = honest.anchors.clone();
		let wrong = fault.apply(&honest.anchors[fault.step as usize][fault.anchor]);
		let node = self.all()[fault.anchor];
		let ty = self.checked.types[node as usize];
		if fault.recompute {
			let mut states = match fault.step {
				0 => self.initial(),
				step => (self.checked.state_anchors.iter())
					.map(|&at| {
						let node = self.checked.anchors[at as usize];
						let bytes = &honest.anchors[step as usize - 1][at as usize];
						Values::from_canonical(self.checked.types[node as usize], bytes).unwrap()
					})
					.collect(),
			};
			for step in fault.step..self.steps {
				let results = self.step(&states, &mut |index, values| {
					if step == fault.step && index == node {
						*values = Values::from_canonical(ty, &wrong).unwrap();
					}
				});
				states = self
					.program
					.states
					.iter()
					.map(|s| results[s.update as usize].clone())
					.collect();
				let anchors = self.all().into_iter();
				steps[step as usize] =
					anchors.map(|node| results[node as usize].to_canonical()).collect();
			}
		}
		steps[fault.step as usize][fault.anchor] = wrong;
		self.run(steps)
	}
}

/// One wrong bit.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
	pub step: u32,
	/// Place as in [`Job::all`].
	pub anchor: usize,
	pub byte: usize,
	pub bit: u8,
	/// What depends on it follows from it.
	pub recompute: bool,
}

impl Fault {
	pub fn any(rng: &mut Rng, job: &Job) -> Self {
		let all = job.all();
		let anchor = rng.below_u32(all.len() as u32) as usize;
		let node = all[anchor];
		let bytes = job.checked.types[node as usize].canonical_len() as u32;
		Self {
			step: rng.below_u32(job.steps),
			anchor,
			byte: rng.below_u32(bytes) as usize,
			bit: rng.below_u32(8) as u8,
			recompute: rng.below_u32(2) == 0,
		}
	}

	pub fn tile(&self) -> u64 {
		self.byte as u64 / 1024
	}

	fn apply(&self, bytes: &[u8]) -> Vec<u8> {
		let mut bytes = bytes.to_vec();
		bytes[self.byte] ^= 1 << self.bit;
		bytes
	}
}

/// What somebody who ran a job has: canonical bytes of every anchor of every step, the eager ones
/// first.
#[derive(Clone)]
pub struct Run {
	pub anchors: Vec<Vec<Vec<u8>>>,
	/// Of the eager anchors.
	pub roots: Vec<Vec<Hash>>,
	/// Of the lazy ones.
	pub lazy: Vec<Vec<Hash>>,
	pub traces: Vec<Hash>,
	pub root: Hash,
}

impl Run {
	/// Of steps whose first `eager` anchors are eager.
	pub fn new(eager: usize, anchors: Vec<Vec<Vec<u8>>>) -> Self {
		let split = |step: &Vec<Vec<u8>>| {
			let mut roots: Vec<Hash> = step.iter().map(|bytes| tensor_root(bytes)).collect();
			let lazy = roots.split_off(eager.min(roots.len()));
			(roots, lazy)
		};
		let (roots, lazy): (Vec<Vec<Hash>>, _) = anchors.iter().map(split).unzip();
		let traces: Vec<Hash> = roots.iter().map(|roots| trace_root(roots)).collect();
		let root = run_root(&traces);
		Self { anchors, roots, lazy, traces, root }
	}

	/// What a provider states of the lazy anchors before an eager one.
	pub fn list(&self, job: &Job, step: u32, anchor: u32) -> Option<LazyList> {
		let listed = job.checked.lazy_before(anchor) as usize;
		let root = assay_commitments::root(Tree::Trace, &self.lazy[step as usize][..listed])?;
		Some(LazyList { step, anchor, root })
	}

	/// What a provider answers to a demand.
	pub fn answer(&self, job: &Job, place: &Place) -> Option<Vec<Hash>> {
		match *place {
			Place::Lazy { step, anchor, level, index } => {
				let listed = job.checked.lazy_before(anchor) as usize;
				open_group(Tree::Trace, &self.lazy.get(step as usize)?[..listed], level, index)
			}
			Place::Run { level, index } => open_group(Tree::Run, &self.traces, level, index),
			Place::Trace { step, level, index } => {
				open_group(Tree::Trace, self.roots.get(step as usize)?, level, index)
			}
			Place::Tensor { step, anchor, level, index } => {
				let bytes = self.anchors.get(step as usize)?.get(anchor as usize)?;
				assay_commitments::open_tensor_group(bytes, level, index)
			}
		}
	}

	/// Every tensor that step `step` reads or gives.
	pub fn tensors(&self, job: &Job, step: u32) -> BTreeMap<Source, Vec<u8>> {
		let mut tensors: BTreeMap<Source, Vec<u8>> =
			(0..).map(Source::Input).zip(job.input_bytes.iter().cloned()).collect();
		let anchors = self.anchors[step as usize].iter().cloned();
		tensors.extend(job.all().into_iter().map(Source::Node).zip(anchors));
		if let Some(before) = step.checked_sub(1) {
			let states = job.checked.state_anchors.iter();
			let states = states.map(|&at| self.anchors[before as usize][at as usize].clone());
			tensors.extend((0..).map(Source::State).zip(states));
		}
		tensors
	}
}

/// The counts that the chain knows.
impl RunShape for Job {
	fn steps(&self) -> u32 {
		self.steps
	}
	fn anchors(&self) -> u32 {
		self.checked.anchors.len() as u32
	}
	fn tiles(&self, anchor: u32) -> Option<u64> {
		let node = *self.all().get(anchor as usize)?;
		Some(self.checked.types[node as usize].tiles())
	}
	fn lazy_before(&self, anchor: u32) -> u32 {
		self.checked.lazy_before(anchor)
	}
}

/// What came of a challenge.
#[derive(Debug)]
pub enum Outcome {
	/// The provider could not answer this demand.
	Withheld(Place),
	/// The tile at the end of the descent, what was stated on the way, and the proof.
	Proved(Accusation, Option<LazyList>, Vec<ProofPart>, Ruling),
}

/// A whole challenge: `own` against `provider`, who answers demands by `answer`. `None` where the
/// roots are equal.
pub fn challenge(
	job: &Job,
	own: &Run,
	provider: &Run,
	answer: impl Fn(&Place) -> Option<Vec<Hash>>,
) -> Option<Outcome> {
	if own.root == provider.root {
		return None;
	}
	let mut run = OpenedTree::new(Tree::Run, provider.root, own.traces.clone()).unwrap();
	let (mut trace, mut tensor) = (None::<OpenedTree>, None::<OpenedTree>);
	// What the provider states of the lazy anchors, and the root of the eager one that it leads to.
	let (mut list, mut stated, mut eager) = (None::<OpenedTree>, None, Hash::default());
	let mut place = Place::first(job).unwrap();
	let mut parent = provider.root;
	if job.steps == 1 {
		// What the reveal has shown.
		parent = provider.traces[0];
		assert!(run.add(0, 0, &[parent]));
		trace = OpenedTree::new(Tree::Trace, parent, own.roots[0].clone());
	}
	let (step, anchor, tile) = loop {
		let children = match answer(&place) {
			Some(children) if place.verify(&parent, &children, job) => children,
			_ => return Some(Outcome::Withheld(place)),
		};
		if let (Some(root), Place::Lazy { step, anchor, .. }) =
			(place.stated_root(&children, job), place)
		{
			eager = parent;
			stated = Some(LazyList { step, anchor, root });
			let listed = job.checked.lazy_before(anchor) as usize;
			list = OpenedTree::new(Tree::Trace, root, own.lazy[step as usize][..listed].to_vec());
		}
		let (tree, level, index) = match place {
			Place::Lazy { level, index, .. } => (list.as_mut().unwrap(), level, index),
			Place::Run { level, index } => (&mut run, level, index),
			Place::Trace { level, index, .. } => (trace.as_mut().unwrap(), level, index),
			Place::Tensor { level, index, .. } => (tensor.as_mut().unwrap(), level, index),
		};
		assert!(tree.add(level, index, &children));
		let child = match tree.first_difference(level, index) {
			Some(child) => child,
			None if place.is_stated(job) => children.len() as u32,
			None => panic!("the parents differ"),
		};
		parent = *children.get(child as usize).unwrap_or(&eager);
		match place.below(child, job).unwrap() {
			Below::Group(next) => {
				match next {
					Place::Trace { step, .. } if matches!(place, Place::Run { .. }) => {
						let own = own.roots[step as usize].clone();
						trace = OpenedTree::new(Tree::Trace, parent, own);
					}
					Place::Tensor { step, anchor, .. }
						if !matches!(place, Place::Tensor { .. }) =>
					{
						let own = &own.anchors[step as usize][anchor as usize];
						tensor = OpenedTree::of_tensor(parent, own);
					}
					_ => {}
				}
				place = next;
			}
			Below::Chunk { step, anchor, tile } => {
				if tensor.is_none() {
					let own = &own.anchors[step as usize][anchor as usize];
					tensor = OpenedTree::of_tensor(parent, own);
				}
				break (step, anchor, tile);
			}
		}
	};
	let accusation = job.accusation(step, anchor as usize, tile);
	let record = Record { list: stated, ..job.record(provider.root) };
	// Only what the accusation reads is kept of the replay.
	let mut tensors = own.tensors(job, step);
	let sources = record.sources(accusation).unwrap();
	tensors.retain(|source, _| {
		let initial = |at: &u16| Source::Input(job.program.states[*at as usize].input);
		let of_state = |read: &Source| {
			step == 0 && matches!(read, Source::State(at) if initial(at) == *source)
		};
		sources.contains(source) || sources.iter().any(of_state)
	});
	let evidence = Evidence {
		run: &run,
		trace: trace.as_ref().unwrap(),
		list: list.as_ref(),
		tensor: tensor.as_ref().unwrap(),
		before: step.checked_sub(1).map(|before| &own.roots[before as usize][..]),
		tensors: &tensors,
	};
	let (parts, ruling) = prove_all(&record, &evidence, accusation).unwrap();
	Some(Outcome::Proved(accusation, stated, parts, ruling))
}

/// The proof about any tile, by somebody who has the whole of the provider's run.
pub fn proof(job: &Job, run: &Run, accusation: Accusation) -> (Vec<ProofPart>, Ruling) {
	try_proof(job, run, accusation).unwrap()
}

pub fn try_proof(
	job: &Job,
	run: &Run,
	accusation: Accusation,
) -> Result<(Vec<ProofPart>, Ruling), ProveError> {
	let step = accusation.step;
	let at = job.all().iter().position(|node| *node == accusation.node).unwrap();
	let (roots, bytes) = (&run.roots[step as usize], &run.anchors[step as usize][at]);
	let root = tensor_root(bytes);
	let record = job.full_record(run, step);
	let list = record.list.map(|list| {
		let listed = job.checked.lazy_before(list.anchor) as usize;
		let own = run.lazy[step as usize][..listed].to_vec();
		OpenedTree::new(Tree::Trace, list.root, own).unwrap()
	});
	let tensors = run.tensors(job, step);
	let evidence = Evidence {
		run: &OpenedTree::new(Tree::Run, run.root, run.traces.clone()).unwrap(),
		trace: &OpenedTree::new(Tree::Trace, run.traces[step as usize], roots.clone()).unwrap(),
		list: list.as_ref(),
		tensor: &OpenedTree::of_tensor(root, bytes).unwrap(),
		before: step.checked_sub(1).map(|before| &run.roots[before as usize][..]),
		tensors: &tensors,
	};
	prove_all(&record, &evidence, accusation)
}

/// What the pallet keeps between the parts of a proof, and asks before it lets the referee judge.
#[derive(Default)]
pub struct Chain {
	fold: Option<(Accusation, u32, Vec<i64>)>,
}

/// Why the chain did not take a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
	/// Not the next part of the same accusation.
	Order,
	Proof(ProofError),
}

impl Chain {
	pub fn submit(&mut self, record: &Record, part: &ProofPart) -> Result<Ruling, Refused> {
		let kept = match &self.fold {
			None if part.part == 0 => None,
			Some((accusation, next, kept))
				if *accusation == part.accusation && *next == part.part =>
			{
				Some(kept.clone())
			}
			_ => return Err(Refused::Order),
		};
		let ruling = judge(record, kept, part).map_err(Refused::Proof)?;
		if let Ruling::Continue(kept) = &ruling {
			self.fold = Some((part.accusation, part.part + 1, kept.clone()));
		}
		Ok(ruling)
	}

	/// All parts, one after the other.
	pub fn rule(record: &Record, parts: &[ProofPart]) -> Result<Ruling, Refused> {
		let mut chain = Self::default();
		let mut last = Err(Refused::Order);
		for part in parts {
			last = Ok(chain.submit(record, part)?);
		}
		last
	}
}

/// A random program that is one long reduction with something before and after it.
pub fn long(rng: &mut Rng) -> Program {
	let mut b = ProgramBuilder::new();
	let (m, n, k) = (1 + rng.below_u32(60), 1 + rng.below_u32(60), 300 + rng.below_u32(900));
	let dtype = rng.pick(&[DType::I8, DType::I16]);
	let ty = |dtype: DType, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
	let rows = ty(dtype, &[m, k]);
	let x = b.input("x", rows);
	// What the reduction reads: an input, a state, an anchor, or a virtual node.
	let a = match rng.below_u32(4) {
		0 => x,
		1 => {
			let state = b.state(x);
			let by = b.input("by", rows);
			let next = b.add(state, by, dtype);
			b.update(state, next);
			state
		}
		2 => {
			let copy = b.shift(x, 1, dtype);
			b.eager(copy)
		}
		_ => b.clamp(x, -90, 100),
	};
	let (mut y, shape) = match rng.below_u32(4) {
		0 => (b.reduce_sum(a, 1, DType::I32), vec![m]),
		1 => (b.node(Op::ArgMax { axis: 1 }, vec![a.into()]), vec![m]),
		kind => {
			let w = match kind {
				2 => Operand::from(b.input("w", ty(dtype, &[n, k]))),
				_ => {
					let stored = b.input("w", ty(dtype, &[k, n]));
					let shape = ty(dtype, &[k, n]).shape;
					Operand::viewed(stored, View::transpose(&shape, &[1, 0]).unwrap())
				}
			};
			let y = match dtype {
				DType::I8 => b.matmul(a, w),
				_ => {
					let narrow = Narrow { multiplier: 20_001, shift: 24, to: DType::I32 };
					b.matmul_narrow(a, w, narrow)
				}
			};
			(y, vec![m, n])
		}
	};
	for at in 0..rng.below_u32(4) {
		y = match rng.below_u32(4) {
			0 => b.shift(y, 3, DType::I32),
			1 => b.clamp(y, -4000, 5000),
			2 => {
				let bias = b.input(&format!("bias{at}"), ty(DType::I8, &shape));
				b.add(y, bias, DType::I32)
			}
			_ => b.mul(y, y, DType::I32),
		};
	}
	b.output("y", y);
	b.build().unwrap()
}

/// Default limits, or such that proofs have several parts.
pub fn limits(rng: &mut Rng) -> Limits {
	match rng.below_u32(2) {
		0 => Limits::V1,
		_ => Limits { part_bytes: 8_000 + rng.below_u32(40_000) as u64, ..Limits::V1 },
	}
}

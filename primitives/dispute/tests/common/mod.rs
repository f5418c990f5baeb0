//! Runs whose every anchor is written down, so that anything in them can be made wrong; and the
//! chain's side of a lane.
// Each test binary uses a part of it.
#![allow(dead_code)]

use assay_commitments::{most_openings, run_root, tensor_root, trace_root, Below, Place, RunShape};
use assay_dispute::{Answerer, BoxError, Challenger, Error, Hash, Job, Move, Replay, Replayed};
use assay_engine_testing::{random_case, Case, Rng};
use assay_exec::{CpuExecutor, Tensor};
use assay_ops::{evaluate, Operand, Values};
use assay_program::{Checked, Class, Limits, Program, Source};
use assay_referee::{judge, LazyList, ProofError, ProofPart, Record, Ruling};
use codec::{DecodeAll, Encode};
use std::{
	collections::BTreeMap,
	sync::{
		atomic::{AtomicU32, Ordering},
		Arc,
	},
};

/// The canonical bytes of a step's anchors, by node, and what follows from them.
struct StepTable {
	anchors: BTreeMap<u32, Vec<u8>>,
	/// Of the eager ones.
	roots: Vec<Hash>,
	/// Of the lazy ones.
	lazy: Vec<Hash>,
	trace_root: Hash,
	/// Canonical bytes of the states before the step.
	states: Vec<Vec<u8>>,
}

/// A run, written down. It replays itself.
pub struct Table {
	inputs: Vec<Vec<u8>>,
	steps: Vec<StepTable>,
	/// The lazy anchors.
	lazy: Vec<u32>,
	/// How often it was replayed.
	pub replays: AtomicU32,
}

/// What is done to an anchor's bytes.
pub enum Tampering {
	/// Nothing.
	None,
	/// They were changed, and later nodes read the change.
	Spreading,
	/// They were changed, and later nodes of the step are computed as if they were not.
	Local,
}

impl Table {
	/// Runs a case by the definition; `tamper(step, node, bytes)` may change each anchor's bytes.
	pub fn new(
		case: &Case,
		checked: &Checked,
		mut tamper: impl FnMut(u32, u32, &mut Vec<u8>) -> Tampering,
	) -> Arc<Self> {
		let program = &case.program;
		let values = |ty, bytes: &[u8]| Values::from_canonical(ty, bytes).unwrap();
		let inputs: Vec<Values> = case.inputs.iter().map(|i| values(i.ty, &i.bytes)).collect();
		let constants: Vec<Values> = program
			.constants
			.iter()
			.map(|c| Values::from_row_major(c.ty, &c.data).unwrap())
			.collect();
		let initial = |at: &assay_program::State| usize::from(at.input);
		let mut states: Vec<Values> =
			program.states.iter().map(|state| inputs[initial(state)].clone()).collect();
		let mut before: Vec<Vec<u8>> =
			program.states.iter().map(|state| case.inputs[initial(state)].bytes.to_vec()).collect();
		let mut steps = vec![];
		for step in 0..case.steps {
			let mut nodes: Vec<Values> = vec![];
			let mut anchors = BTreeMap::new();
			for (at, node) in (0u32..).zip(&program.nodes) {
				let operand = |operand: &assay_program::Operand| match operand.source {
					Source::Input(at) => inputs[usize::from(at)].clone(),
					Source::Constant(at) => constants[usize::from(at)].clone(),
					Source::State(at) => states[usize::from(at)].clone(),
					Source::Node(at) => nodes[at as usize].clone(),
				};
				let read: Vec<Values> = node.operands.iter().map(operand).collect();
				let operands: Vec<Operand> = read
					.iter()
					.zip(&node.operands)
					.map(|(values, operand)| Operand { values, view: operand.view.as_ref() })
					.collect();
				let mut result = evaluate(&node.op, &operands, node.split).unwrap();
				if node.class != Class::Virtual {
					let mut bytes = result.to_canonical();
					if let Tampering::Spreading = tamper(step, at, &mut bytes) {
						result = values(result.ty(), &bytes);
					}
					anchors.insert(at, bytes);
				}
				nodes.push(result);
			}
			let roots = |nodes: &[u32]| -> Vec<Hash> {
				nodes.iter().map(|node| tensor_root(&anchors[node])).collect()
			};
			let (roots, lazy) = (roots(&checked.anchors), roots(&checked.lazy));
			let after: Vec<Vec<u8>> =
				program.states.iter().map(|state| anchors[&state.update].clone()).collect();
			states = program
				.states
				.iter()
				.zip(&after)
				.map(|(state, bytes)| values(program.inputs[initial(state)].ty, bytes))
				.collect();
			let trace_root = trace_root(&roots);
			let states = std::mem::replace(&mut before, after);
			steps.push(StepTable { anchors, roots, lazy, trace_root, states });
		}
		let inputs = case.inputs.iter().map(|input| input.bytes.to_vec()).collect();
		let lazy = checked.lazy.clone();
		Arc::new(Self { inputs, steps, lazy, replays: AtomicU32::new(0) })
	}

	pub fn traces(&self) -> Vec<Hash> {
		self.steps.iter().map(|step| step.trace_root).collect()
	}

	pub fn last_anchors(&self) -> Vec<Hash> {
		self.steps.last().unwrap().roots.clone()
	}

	/// The first anchor, as step and node, that differs in the first step whose trace does: what a
	/// dispute must end at. Lazy anchors are in no trace, but come before what they make wrong.
	pub fn first_difference(&self, other: &Self) -> Option<(u32, u32)> {
		let steps = (0u32..).zip(self.steps.iter().zip(&other.steps));
		let (step, (own, its)) = steps.into_iter().find(|(_, (a, b))| a.roots != b.roots)?;
		let (node, _) = own.anchors.iter().find(|(node, bytes)| its.anchors[node] != **bytes)?;
		Some((step, *node))
	}

	/// A job whose result is this run.
	pub fn job(&self, case: &Case, checked: &Checked) -> Arc<Job> {
		Arc::new(Job {
			program: case.program.clone(),
			checked: checked.clone(),
			input_roots: case.inputs.iter().map(Tensor::root).collect(),
			steps: case.steps,
			run_root: run_root(&self.traces()),
			trace_root: self.steps.last().unwrap().trace_root,
		})
	}
}

impl Replay for Table {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		self.replays.fetch_add(1, Ordering::Relaxed);
		let last = &self.steps[steps as usize - 1];
		let lazy =
			|source: &Source| matches!(source, Source::Node(node) if self.lazy.contains(node));
		let kept = keep.iter().map(|&source| {
			let bytes = match source {
				Source::Node(node) => &last.anchors[&node],
				Source::State(state) => &last.states[usize::from(state)],
				Source::Input(_) | Source::Constant(_) => panic!("{source:?} cannot be kept"),
			};
			(source, bytes.clone())
		});
		Ok(Replayed {
			trace_roots: self.traces()[..steps as usize].to_vec(),
			last_anchors: last.roots.clone(),
			last_lazy: if keep.iter().any(lazy) { last.lazy.clone() } else { vec![] },
			kept: kept.collect(),
			all_anchors: self.steps[..steps as usize]
				.iter()
				.flat_map(|s| s.roots.clone())
				.collect(),
		})
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		Ok(self.inputs[usize::from(index)].clone())
	}
}

/// Makes an admissible program of a case, with all anchors that it takes.
pub fn admit(case: &mut Case) -> Option<Checked> {
	let turn = |program: &mut Program, from| {
		let classes = program.nodes.iter_mut().map(|node| &mut node.class);
		classes.filter(|class| **class == from).for_each(|class| *class = Class::EagerAnchor);
	};
	if let Ok(checked) = case.program.check(&Limits::default()) {
		return Some(checked);
	}
	turn(&mut case.program, Class::Virtual);
	case.program.check(&Limits::default()).ok()
}

/// A random admissible program.
pub fn admissible_case(rng: &mut Rng, nodes: usize, largest: u32) -> (Case, Checked) {
	loop {
		let mut case = random_case(rng, nodes, largest);
		if let Some(checked) = admit(&mut case) {
			return (case, checked);
		}
	}
}

/// Flips some bits of one random tile; in every fourth case in its last bytes, which are often
/// padding.
pub fn flip(rng: &mut Rng, bytes: &mut [u8]) -> Tampering {
	let at = if rng.one_in(4) {
		bytes.len() - 1 - rng.below(16) as usize
	} else {
		rng.below(bytes.len() as u64) as usize
	};
	bytes[at] ^= rng.range(1, 255) as u8;
	if rng.one_in(2) {
		Tampering::Spreading
	} else {
		Tampering::Local
	}
}

/// The chain's record of a lane, with the chain's rules.
pub struct Lane {
	job: Arc<Job>,
	pub opened: Vec<(Place, Vec<Hash>)>,
	/// What the provider has stated, and the root of the eager anchor that it leads to.
	pub stated: Option<(LazyList, Hash)>,
}

impl Lane {
	pub fn new(job: &Arc<Job>) -> Self {
		Self { job: job.clone(), opened: vec![], stated: None }
	}

	/// The place that is demanded and the hash that an answer must have.
	pub fn demand(&self, child: Option<u32>) -> (Place, Hash) {
		let job = &*self.job;
		match (self.opened.last(), child) {
			(None, None) => {
				let root = if job.steps == 1 { job.trace_root } else { job.run_root };
				(Place::first(job).unwrap(), root)
			}
			(Some((place, children)), Some(child)) => match place.below(child, job) {
				Some(Below::Group(below)) => {
					let past = || self.stated.map(|(_, eager)| eager);
					(below, children.get(child as usize).copied().or_else(past).unwrap())
				}
				other => panic!("{child} below {place:?} is {other:?}"),
			},
			other => panic!("a demand out of order: {other:?}"),
		}
	}

	pub fn answer(&mut self, place: Place, parent: &Hash, children: Vec<Hash>) {
		assert!(place.verify(parent, &children, &*self.job), "{place:?}");
		if let (Some(root), Place::Lazy { step, anchor, .. }) =
			(place.stated_root(&children, &*self.job), place)
		{
			self.stated = Some((LazyList { step, anchor, root }, *parent));
		}
		self.opened.push((place, children));
	}
}

/// Leads a lane to the move that is no demand. `challenger` is asked for one before every move.
pub fn lead<R: Replay, C: Replay>(
	lane: &mut Lane,
	provider: &mut Answerer<R>,
	mut challenger: impl FnMut() -> Option<Challenger<C>>,
) -> Result<Move, Error> {
	let mut present = challenger().unwrap();
	loop {
		match pollster::block_on(present.next_move(&lane.opened))? {
			Move::Demand { child } => {
				let (place, parent) = lane.demand(child);
				let children = pollster::block_on(provider.answer(place))?;
				lane.answer(place, &parent, children);
			}
			end => return Ok(end),
		}
		if let Some(next) = challenger() {
			present = next;
		}
	}
}

/// What the chain makes of a proof, which it gets as bytes.
pub fn ruling(job: &Job, lane: &Lane, parts: &[ProofPart]) -> Result<Ruling, ProofError> {
	let record = Record {
		program: &job.program,
		checked: &job.checked,
		input_roots: &job.input_roots,
		steps: job.steps,
		run_root: job.run_root,
		list: lane.stated.map(|(list, _)| list),
	};
	let mut accumulators = None;
	for (at, part) in parts.iter().enumerate() {
		let part = ProofPart::decode_all(&mut &part.encode()[..]).unwrap();
		match judge(&record, accumulators.take(), &part)? {
			Ruling::Continue(next) => accumulators = Some(next),
			end => {
				assert_eq!(at + 1, parts.len(), "parts after the ruling");
				return Ok(end);
			}
		}
	}
	panic!("no ruling after {} parts", parts.len());
}

/// Openings that the protocol allows a lane.
pub fn allowed(job: &Job) -> u32 {
	let lazy = job.checked.lazy.len() as u32;
	let most = (0..job.anchors() + lazy).filter_map(|anchor| job.tiles(anchor)).max();
	most_openings(job.steps, job.anchors(), lazy, most.unwrap())
}

/// An honest challenger on the CPU engine.
pub type OnCpu = assay_dispute::local::LocalReplay<CpuExecutor>;

pub fn on_cpu(job: &Arc<Job>, case: &Case) -> OnCpu {
	OnCpu::new(job.clone(), case.inputs.clone(), CpuExecutor::new())
}

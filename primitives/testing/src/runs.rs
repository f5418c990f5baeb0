//! Small programs, runs of them that are true or have a lie in them, and all that their provider
//! keeps.

use assay_commitments::{
	most_openings, open_group, open_tensor_group, run_root, tensor_root, trace_root, Hash, Place,
	RunShape, Tree,
};
use assay_program::{
	interpret_step,
	ops::{DType, TensorType, Values},
	Checked, Limits, Program, ProgramBuilder, Source,
};
use assay_referee::{prove, Accusation, Evidence, LazyList, OpenedTree, ProofPart, Record};
use std::{collections::BTreeMap, sync::LazyLock};

/// A program with its inputs.
pub struct Task {
	pub program: Program,
	pub checked: Checked,
	pub inputs: Vec<Values>,
}

/// Place of the anchors of [`small`] among them.
pub const NEXT: u32 = 0;
pub const TOP: u32 = 1;
pub const WIDE: u32 = 2;

fn filled(ty: TensorType, seed: i32) -> Values {
	let data = (0..ty.elements() as i32).map(|at| at.wrapping_mul(37).wrapping_add(seed) % 251);
	Values::new(ty, data.collect()).expect("as many as the type has")
}

fn task(builder: ProgramBuilder) -> Task {
	let program = builder.build().expect("well-formed");
	let checked = program.check(&Limits::V1).expect("admissible");
	let inputs =
		program.inputs.iter().zip(3..).map(|(input, seed)| filled(input.ty, seed)).collect();
	Task { program, checked, inputs }
}

/// A program with a state: anchors of six tiles behind a virtual node, of one tile, and of 301.
pub fn small() -> &'static Task {
	static TASK: LazyLock<Task> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let ty = TensorType::new(DType::I8, &[40, 70]).expect("a small shape");
		let x = b.input("x", ty);
		let initial = b.input("s", ty);
		let state = b.state(initial);
		let sum = b.add(x, state, DType::I16);
		let next = b.shift(sum, 1, DType::I8);
		b.update(state, next);
		let top = b.reduce_max(next, 1);
		b.output("top", top);
		let long = b.input("w", TensorType::new(DType::I32, &[77_000]).expect("a small shape"));
		let wide = b.clamp(long, -1_000, 200);
		b.output("wide", wide);
		task(b)
	});
	&TASK
}

/// Place of the anchors of [`listing`] among all of them: two eager ones, then three lazy ones.
pub const FIRST: u32 = 0;
pub const SECOND: u32 = 1;
pub const PLAIN: u32 = 2;
pub const SUM: u32 = 3;
pub const PRODUCT: u32 = 4;

/// A program with lazy anchors: `plain` and `sum` lie before the first eager anchor, `product`
/// between the two. The first is computed from `sum`, the second from `product` and the state; all
/// have several tiles.
pub fn listing() -> &'static Task {
	static TASK: LazyLock<Task> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let ty = TensorType::new(DType::I8, &[40, 70]).expect("a small shape");
		let x = b.input("x", ty);
		let initial = b.input("s", ty);
		let state = b.state(initial);
		let plain = b.shift(x, 1, DType::I8);
		b.lazy(plain);
		let sum = b.add(plain, state, DType::I16);
		b.lazy(sum);
		let first = b.shift(sum, 1, DType::I8);
		b.update(state, first);
		let product = b.mul(first, plain, DType::I16);
		b.lazy(product);
		let second = b.sub(product, state, DType::I16);
		b.output("second", second);
		task(b)
	});
	&TASK
}

/// A program whose only tile takes a proof of several parts.
pub fn long() -> &'static Task {
	static TASK: LazyLock<Task> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let ty = TensorType::new(DType::I8, &[1, 16_384]).expect("a small shape");
		let (x, y) = (b.input("x", ty), b.input("y", ty));
		let product = b.matmul(x, y);
		b.output("product", product);
		task(b)
	});
	&TASK
}

/// A tile of an anchor that a provider gets wrong, by the anchor's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
	pub step: u32,
	pub anchor: u32,
	pub tile: u64,
}

/// A run of a program, true or not, with all that its provider keeps.
pub struct Run {
	pub task: &'static Task,
	/// Canonical bytes of each anchor of each step: the eager ones, then the lazy ones.
	pub anchors: Vec<Vec<Vec<u8>>>,
	/// Of the eager ones.
	pub roots: Vec<Vec<Hash>>,
	/// Of the lazy ones.
	pub lazy: Vec<Vec<Hash>>,
	pub traces: Vec<Hash>,
	pub lie: Option<Lie>,
}

impl RunShape for Run {
	fn steps(&self) -> u32 {
		self.traces.len() as u32
	}
	fn anchors(&self) -> u32 {
		self.roots[0].len() as u32
	}
	fn tiles(&self, anchor: u32) -> Option<u64> {
		self.anchors[0].get(anchor as usize).map(|bytes| bytes.len() as u64 / 1024)
	}
	fn lazy_before(&self, anchor: u32) -> u32 {
		self.task.checked.lazy_before(anchor)
	}
}

impl Task {
	/// All anchors: the eager ones, then the lazy ones.
	pub fn all(&self) -> Vec<u32> {
		self.checked.anchors.iter().chain(&self.checked.lazy).copied().collect()
	}
}

impl Run {
	/// Every value by the definition, but for the first byte of the tile that is lied about; later
	/// steps go on from the lie.
	pub fn new(task: &'static Task, steps: u32, lie: Option<Lie>) -> Self {
		let Task { program, checked, inputs } = task;
		let mut states: Vec<Values> =
			program.states.iter().map(|state| inputs[state.input as usize].clone()).collect();
		let mut anchors = Vec::new();
		for step in 0..steps {
			let results = interpret_step(program, checked, inputs, &states).expect("total");
			let mut bytes: Vec<Vec<u8>> =
				task.all().iter().map(|node| results[*node as usize].to_canonical()).collect();
			if let Some(lie) = lie.filter(|lie| lie.step == step) {
				bytes[lie.anchor as usize][lie.tile as usize * 1024] ^= 1;
			}
			states = program
				.states
				.iter()
				.zip(&checked.state_anchors)
				.map(|(state, anchor)| {
					let ty = program.inputs[state.input as usize].ty;
					Values::from_canonical(ty, &bytes[*anchor as usize]).expect("of this type")
				})
				.collect();
			anchors.push(bytes);
		}
		Self::of(task, anchors, lie)
	}

	fn of(task: &'static Task, anchors: Vec<Vec<Vec<u8>>>, lie: Option<Lie>) -> Self {
		let split = |step: &Vec<Vec<u8>>| {
			let mut roots: Vec<Hash> = step.iter().map(|bytes| tensor_root(bytes)).collect();
			let lazy = roots.split_off(task.checked.anchors.len());
			(roots, lazy)
		};
		let (roots, lazy): (Vec<Vec<Hash>>, _) = anchors.iter().map(split).unzip();
		let traces = roots.iter().map(|roots| trace_root(roots)).collect();
		Self { task, anchors, roots, lazy, traces, lie }
	}

	/// The same, with one more lie: in a lazy anchor, of which no trace tells.
	pub fn listing_lie(&self, Lie { step, anchor, tile }: Lie) -> Self {
		let mut anchors = self.anchors.clone();
		anchors[step as usize][anchor as usize][tile as usize * 1024] ^= 1;
		let run = Self::of(self.task, anchors, self.lie);
		assert_eq!(run.root(), self.root(), "lazy anchors are in no trace");
		run
	}

	/// Roots of the lazy anchors before an eager one.
	pub fn listed(&self, step: u32, anchor: u32) -> Vec<Hash> {
		self.lazy[step as usize][..self.task.checked.lazy_before(anchor) as usize].to_vec()
	}

	/// What the chain keeps of them.
	pub fn list(&self, step: u32, anchor: u32) -> LazyList {
		let root = assay_commitments::root(Tree::Trace, &self.listed(step, anchor));
		LazyList { step, anchor, root: root.expect("there are some") }
	}

	pub fn root(&self) -> Hash {
		run_root(&self.traces)
	}

	pub fn input_roots(&self) -> Vec<Hash> {
		self.task.inputs.iter().map(|input| tensor_root(&input.to_canonical())).collect()
	}

	/// The children that the provider has there.
	pub fn children(&self, place: Place) -> Vec<Hash> {
		match place {
			Place::Run { level, index } => open_group(Tree::Run, &self.traces, level, index),
			Place::Trace { step, level, index } => {
				open_group(Tree::Trace, &self.roots[step as usize], level, index)
			}
			Place::Tensor { step, anchor, level, index } => {
				open_tensor_group(&self.anchors[step as usize][anchor as usize], level, index)
			}
			Place::Lazy { step, anchor, level, index } => {
				open_group(Tree::Trace, &self.listed(step, anchor), level, index)
			}
		}
		.expect("a place of this run")
	}

	/// Most openings on the way down.
	pub fn openings(&self) -> u32 {
		let tiles = self.anchors[0].iter().map(|bytes| bytes.len() as u64 / 1024).max();
		let (eager, lazy) = (self.roots[0].len() as u32, self.lazy[0].len() as u32);
		most_openings(self.traces.len() as u32, eager, lazy, tiles.unwrap_or(0))
	}

	/// The tile at a place, as proofs name it.
	pub fn accusation(&self, Lie { step, anchor, tile }: Lie) -> Accusation {
		Accusation { step, node: self.task.all()[anchor as usize], tile }
	}

	/// The true accusation of a lie.
	pub fn lie_accused(&self) -> Accusation {
		self.accusation(self.lie.expect("a run with a lie"))
	}

	/// Every part of a proof about this run, from the provider's own values. It refers to the list
	/// for the accused eager anchor, or for the next one where a lazy one is accused.
	pub fn proof(&self, accusation: Accusation) -> Vec<ProofPart> {
		let eager = &self.task.checked.anchors;
		let next = eager.partition_point(|node| *node < accusation.node) as u32;
		self.proof_by(accusation, Some(next).filter(|next| self.lazy_before(*next) > 0))
	}

	/// The same, referring to the list for the eager anchor at this place.
	pub fn proof_by(&self, accusation: Accusation, list: Option<u32>) -> Vec<ProofPart> {
		let list = list.map(|anchor| self.list(accusation.step, anchor));
		let Task { program, checked, inputs } = self.task;
		let input_roots = self.input_roots();
		let record = Record {
			program,
			checked,
			input_roots: &input_roots,
			steps: self.traces.len() as u32,
			run_root: self.root(),
			list,
		};
		let step = accusation.step as usize;
		let all = self.task.all();
		let anchor = all.iter().position(|node| *node == accusation.node).expect("an anchor");
		let mut tensors: BTreeMap<Source, Vec<u8>> = BTreeMap::new();
		for (at, input) in (0..).zip(inputs) {
			tensors.insert(Source::Input(at), input.to_canonical());
		}
		for (node, bytes) in all.iter().zip(&self.anchors[step]) {
			tensors.insert(Source::Node(*node), bytes.clone());
		}
		for (at, state) in (0..).zip(&program.states) {
			let bytes = match step.checked_sub(1) {
				None => inputs[state.input as usize].to_canonical(),
				Some(before) => {
					self.anchors[before][checked.state_anchors[usize::from(at)] as usize].clone()
				}
			};
			tensors.insert(Source::State(at), bytes);
		}
		let tree = |tree, root, leaves: &Vec<Hash>| {
			OpenedTree::new(tree, root, leaves.clone()).expect("leaves")
		};
		let bytes = &self.anchors[step][anchor];
		let list = list
			.map(|list| tree(Tree::Trace, list.root, &self.listed(accusation.step, list.anchor)));
		let evidence = Evidence {
			run: &tree(Tree::Run, self.root(), &self.traces),
			trace: &tree(Tree::Trace, self.traces[step], &self.roots[step]),
			list: list.as_ref(),
			tensor: &OpenedTree::of_tensor(tensor_root(bytes), bytes).expect("whole tiles"),
			before: step.checked_sub(1).map(|before| &self.roots[before][..]),
			tensors: &tensors,
		};
		let parts = checked.anchor_cost(accusation.node).expect("an anchor").cost.parts;
		(0..parts)
			.map(|part| prove(&record, &evidence, accusation, part).expect("all is known"))
			.collect()
	}
}

/// Three steps of [`small`], true.
pub fn honest() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(small(), 3, None));
	&RUN
}
/// The same with a lie in the second step's state, behind a virtual node.
pub fn lying() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(small(), 3, Some(Lie { step: 1, anchor: NEXT, tile: 4 })));
	&RUN
}
/// The same with a lie that takes the longest way down.
pub fn lying_deep() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(small(), 3, Some(Lie { step: 2, anchor: WIDE, tile: 300 })));
	&RUN
}
/// One step of [`small`], true.
pub fn honest_once() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(small(), 1, None));
	&RUN
}
/// The same with a lie in a tensor of one tile.
pub fn lying_once() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(small(), 1, Some(Lie { step: 0, anchor: TOP, tile: 0 })));
	&RUN
}
/// Two steps of [`listing`], true.
pub fn honest_lists() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(listing(), 2, None));
	&RUN
}
/// The same with a lie in the second step's second eager anchor, and true lists.
pub fn lying_past_list() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(listing(), 2, Some(Lie { step: 1, anchor: SECOND, tile: 3 })));
	&RUN
}
/// The same, whose provider makes up a lazy anchor so that the lie follows from it.
pub fn lying_in_list() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| lying_past_list().listing_lie(Lie { step: 1, anchor: PRODUCT, tile: 3 }));
	&RUN
}
/// [`long`], true.
pub fn honest_long() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(long(), 1, None));
	&RUN
}
/// [`long`] with a lie.
pub fn lying_long() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(long(), 1, Some(Lie { step: 0, anchor: 0, tile: 0 })));
	&RUN
}

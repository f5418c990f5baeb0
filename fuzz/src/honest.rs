//! Honest runs, about which no proof may stand.

use assay_commitments::{run_root, tensor_root, trace_root, Hash, RunShape, Tree, CHUNK_BYTES};
use assay_ops::{DType, TensorType, Values};
use assay_program::{interpret_step, Checked, Limits, Program, ProgramBuilder, Source};
use assay_referee::{
	prove,
	sample::{open_chunk, Position, SampledChunk},
	Accusation, Evidence, OpenedTree, ProofPart, Record,
};
use assay_testing::hard::readers_of_a_table;
use std::{
	collections::BTreeMap,
	sync::{LazyLock, OnceLock},
};

/// A run by the definition, with everything that it commits to.
pub(crate) struct Honest {
	pub(crate) program: Program,
	pub(crate) checked: Checked,
	pub(crate) input_roots: Vec<Hash>,
	inputs: Vec<Values>,
	/// Canonical bytes of each anchor of each step.
	anchors: Vec<Vec<Vec<u8>>>,
	roots: Vec<Vec<Hash>>,
	traces: Vec<Hash>,
	chunks: OnceLock<Vec<(Position, SampledChunk)>>,
}

impl RunShape for Honest {
	fn steps(&self) -> u32 {
		self.traces.len() as u32
	}

	fn anchors(&self) -> u32 {
		self.checked.anchors.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		let node = *self.checked.anchors.get(anchor as usize)?;
		Some(self.checked.types.get(node as usize)?.tiles())
	}
}

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).expect("a small shape")
}

/// Three steps with a state, virtual nodes, and tensors of one tile and of several.
pub(crate) fn stateful() -> &'static Honest {
	static RUN: LazyLock<Honest> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let x = b.input("x", ty(DType::I8, &[40, 70]));
		let initial = b.input("s", ty(DType::I8, &[40, 70]));
		let state = b.state(initial);
		let sum = b.add(x, state, DType::I16);
		let next = b.shift(sum, 1, DType::I8);
		b.update(state, next);
		let top = b.reduce_max(next, 1);
		b.output("top", top);
		Honest::new(b, &Limits::V1, 3)
	});
	&RUN
}

/// One step whose proof takes several parts: under limits of its own, so that the parts are short.
pub(crate) fn folded() -> &'static Honest {
	static RUN: LazyLock<Honest> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let x = b.input("x", ty(DType::I8, &[3, 320]));
		let w = b.input("w", ty(DType::I8, &[2, 320]));
		let product = b.matmul(x, w);
		b.output("product", product);
		Honest::new(b, &Limits { part_bytes: 16 * 1_024, ..Limits::V1 }, 1)
	});
	&RUN
}

/// Two steps that read rows of a state where an anchor says, some of them outside.
pub(crate) fn gathered() -> &'static Honest {
	static RUN: LazyLock<Honest> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let x = b.input("x", ty(DType::I8, &[5]));
		let initial = b.input("table", ty(DType::I16, &[100, 40]));
		let table = b.state(initial);
		let next = b.shift(table, 1, DType::I16);
		b.update(table, next);
		let indices = b.copy(x);
		b.eager(indices);
		let rows = b.gather(table, indices);
		let rows = b.shift(rows, 1, DType::I32);
		b.output("rows", rows);
		Honest::new(b, &Limits::V1, 2)
	});
	&RUN
}

/// One step in which a table that is never committed is read whole by one node after the other.
pub(crate) fn looked_up() -> &'static Honest {
	static RUN: LazyLock<Honest> =
		LazyLock::new(|| Honest::of(readers_of_a_table(12, 257, true), &Limits::V1, 1));
	&RUN
}

impl Honest {
	fn new(builder: ProgramBuilder, limits: &Limits, steps: u32) -> Self {
		Self::of(builder.build().expect("well-formed"), limits, steps)
	}

	fn of(program: Program, limits: &Limits, steps: u32) -> Self {
		let checked = program.check(limits).expect("admissible");
		let value = |at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as i32 % 120;
		let inputs: Vec<Values> = program
			.inputs
			.iter()
			.map(|input| {
				let data = (0..input.ty.elements()).map(value).collect();
				Values::new(input.ty, data).expect("as many as there are")
			})
			.collect();
		let mut states: Vec<Values> =
			program.states.iter().map(|state| inputs[state.input as usize].clone()).collect();
		let mut anchors = Vec::new();
		for _ in 0..steps {
			let results = interpret_step(&program, &checked, &inputs, &states).expect("total");
			states =
				program.states.iter().map(|state| results[state.update as usize].clone()).collect();
			let bytes: Vec<_> =
				checked.anchors.iter().map(|node| results[*node as usize].to_canonical()).collect();
			anchors.push(bytes);
		}
		let root = |bytes: &Vec<u8>| tensor_root(bytes);
		let roots: Vec<Vec<Hash>> =
			anchors.iter().map(|step: &Vec<_>| step.iter().map(root).collect()).collect();
		Self {
			input_roots: inputs.iter().map(|input| root(&input.to_canonical())).collect(),
			traces: roots.iter().map(|roots| trace_root(roots)).collect(),
			roots,
			anchors,
			inputs,
			program,
			checked,
			chunks: OnceLock::new(),
		}
	}

	/// The chunk at a position, as a verifier shows it.
	pub(crate) fn chunk(&self, position: &Position) -> SampledChunk {
		let step = position.step as usize;
		let bytes = &self.anchors[step][position.anchor as usize];
		open_chunk(position, &self.traces, &self.roots[step], bytes).expect("a position of the run")
	}

	/// Every position of the run with its chunk.
	pub(crate) fn all_chunks(&self) -> &[(Position, SampledChunk)] {
		self.chunks.get_or_init(|| {
			let mut all = vec![];
			for (step, anchors) in (0u32..).zip(&self.anchors) {
				for (anchor, bytes) in (0u32..).zip(anchors) {
					for tile in 0..(bytes.len() / CHUNK_BYTES) as u64 {
						let position = Position { step, anchor, tile };
						all.push((position, self.chunk(&position)));
					}
				}
			}
			all
		})
	}

	/// What the chain knows of the run.
	pub(crate) fn record(&self) -> Record<'_> {
		Record {
			program: &self.program,
			checked: &self.checked,
			input_roots: &self.input_roots,
			steps: self.traces.len() as u32,
			run_root: run_root(&self.traces),
			list: None,
		}
	}

	/// A part of a sound proof about a tile of an anchor, by the anchor's place. It rules nothing
	/// but that the tile is right.
	pub(crate) fn part(&self, step: u32, anchor: u32, tile: u64, part: u32) -> ProofPart {
		let (at, place) = (step as usize, anchor as usize);
		let mut tensors: BTreeMap<Source, Vec<u8>> = BTreeMap::new();
		for (input, values) in (0..).zip(&self.inputs) {
			tensors.insert(Source::Input(input), values.to_canonical());
		}
		for (node, bytes) in self.checked.anchors.iter().zip(&self.anchors[at]) {
			tensors.insert(Source::Node(*node), bytes.clone());
		}
		for (state, update) in (0..).zip(&self.checked.state_anchors) {
			if let Some(before) = at.checked_sub(1) {
				let bytes = self.anchors[before][*update as usize].clone();
				tensors.insert(Source::State(state), bytes);
			}
		}
		let tree = |tree, root, leaves: &Vec<Hash>| {
			OpenedTree::new(tree, root, leaves.clone()).expect("leaves")
		};
		let evidence = Evidence {
			run: &tree(Tree::Run, run_root(&self.traces), &self.traces),
			trace: &tree(Tree::Trace, self.traces[at], &self.roots[at]),
			list: None,
			tensor: &OpenedTree::of_tensor(self.roots[at][place], &self.anchors[at][place])
				.expect("whole tiles"),
			before: at.checked_sub(1).map(|before| &self.roots[before][..]),
			tensors: &tensors,
		};
		let accusation = Accusation { step, node: self.checked.anchors[place], tile };
		prove(&self.record(), &evidence, accusation, part).expect("everything is known")
	}
}

//! A run of a program as far as proofs about one tile need it: inputs are noise, and so is every
//! root that no proof looks into. For programs whose accused anchor reads inputs and states alone.

use assay_commitments::{root, run_root, tensor_root, trace_root, Hash, Tree};
use assay_program::{Checked, Program, Source};
use assay_referee::{prove_all, Accusation, Evidence, OpenedTree, ProofPart, Record, Ruling};
use std::collections::BTreeMap;

const SOME_ROOT: Hash = [7; 32];

/// Numbers without a pattern (SplitMix64), the same in every run.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
	let mut state = seed;
	let mut next = || {
		state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		(z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb).to_le_bytes()
	};
	let mut all = Vec::with_capacity(bytes + 8);
	while all.len() < bytes {
		all.extend(next());
	}
	all.truncate(bytes);
	all
}

pub struct Stage {
	pub program: Program,
	/// As the chain has it: [`Program::readmit`].
	pub checked: Checked,
	pub input_roots: Vec<Hash>,
	pub traces: Vec<Hash>,
	pub parts: Vec<ProofPart>,
}

impl Stage {
	/// A run of one step in which tile `tile` of the anchor `node` is claimed to be something that
	/// it is not.
	pub fn new(program: Program, admitted: &Checked, node: u32, tile: u64) -> Self {
		let checked = program.readmit(&admitted.plans()).expect("plans of this program");
		let mut input_roots = vec![];
		let mut tensors: BTreeMap<Source, Vec<u8>> = BTreeMap::new();
		for (at, input) in (0u16..).zip(&program.inputs) {
			let bytes = noise(at.into(), input.ty.canonical_len() as usize);
			input_roots.push(tensor_root(&bytes));
			tensors.insert(Source::Input(at), bytes);
		}
		let tiles = checked.types[node as usize].tiles() as usize;
		let leaves = vec![SOME_ROOT; tiles];
		let anchor = root(Tree::Tensor, &leaves).expect("a tensor has a tile");
		let root_of = |other: &u32| if *other == node { anchor } else { SOME_ROOT };
		let anchors: Vec<Hash> = checked.anchors.iter().map(root_of).collect();
		let traces = vec![trace_root(&anchors)];
		let stage = Self { program, checked, input_roots, traces, parts: vec![] };
		let tree = |tree, root, leaves| OpenedTree::new(tree, root, leaves).expect("leaves");
		let record = stage.record();
		let evidence = Evidence {
			run: &tree(Tree::Run, record.run_root, stage.traces.clone()),
			trace: &tree(Tree::Trace, stage.traces[0], anchors),
			list: None,
			tensor: &tree(Tree::Tensor, anchor, leaves),
			before: None,
			tensors: &tensors,
		};
		let accusation = Accusation { step: 0, node, tile };
		let (parts, ruling) = prove_all(&record, &evidence, accusation).expect("all is known");
		assert_eq!(ruling, Ruling::Fraud);
		Self { parts, ..stage }
	}

	pub fn record(&self) -> Record<'_> {
		Record {
			program: &self.program,
			checked: &self.checked,
			input_roots: &self.input_roots,
			steps: 1,
			run_root: run_root(&self.traces),
			list: None,
		}
	}
}

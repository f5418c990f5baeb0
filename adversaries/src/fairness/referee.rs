//! Proofs about honest runs, opened in every detail.

use crate::{
	offline::Stored,
	work::{Table, Work},
};
use assay_commitments::{tensor_root, Tree};
use assay_engine_testing::Rng;
use assay_referee::{prove, Accusation, Evidence, LazyList, OpenedTree, ProofPart, Record};

/// What an honest provider lists of a step: all lazy anchors, for some eager one comes after each.
pub(super) fn list(work: &Work, run: &Table, step: u32) -> Option<LazyList> {
	let root = assay_commitments::root(Tree::Trace, run.lazy(step))?;
	Some(LazyList { step, anchor: work.anchors() as u32 - 1, root })
}

/// A random tile of a random anchor in a random step.
pub(super) fn any_tile(rng: &mut Rng, work: &Work) -> Accusation {
	let all: Vec<u32> = work.checked.anchors.iter().chain(&work.checked.lazy).copied().collect();
	let node = rng.pick(&all);
	let tile = rng.below(work.len_of(node) / 1024);
	Accusation { step: rng.below(work.steps.into()) as u32, node, tile }
}

/// All parts of the proof that accuses a tile of an honest run, as somebody makes them who has all
/// of it.
pub(super) fn about(
	work: &Work,
	stored: &Stored,
	run: &Table,
	accusation: Accusation,
) -> Result<Vec<ProofPart>, String> {
	let input_roots = work.input_roots();
	let record = Record {
		program: &stored.program,
		checked: &stored.checked,
		input_roots: &input_roots,
		steps: work.steps,
		run_root: run.run_root(),
		list: list(work, run, accusation.step),
	};
	let Accusation { step, node, .. } = accusation;
	let own = run.roots(step).to_vec();
	let no_tree = "a tree without leaves";
	let traces = run.traces();
	let trace_root = traces[step as usize];
	let run_tree = OpenedTree::new(Tree::Run, run.run_root(), traces).ok_or(no_tree)?;
	let trace = OpenedTree::new(Tree::Trace, trace_root, own.clone()).ok_or(no_tree)?;
	let bytes = run.bytes(step, node);
	let tensor = OpenedTree::of_tensor(tensor_root(bytes), bytes).ok_or(no_tree)?;
	let listed = |list: LazyList| {
		OpenedTree::new(Tree::Trace, list.root, run.lazy(step).to_vec()).ok_or(no_tree)
	};
	let listed = record.list.map(listed).transpose()?;
	let tensors = run.tensors(step);
	let evidence = Evidence {
		run: &run_tree,
		trace: &trace,
		list: listed.as_ref(),
		tensor: &tensor,
		before: step.checked_sub(1).map(|before| run.roots(before)),
		tensors: &tensors,
	};
	let parts = work.checked.anchor_cost(node).map_or(1, |cost| cost.cost.parts);
	(0..parts)
		.map(|part| {
			prove(&record, &evidence, accusation, part)
				.map_err(|error| format!("part {part} of a proof about {accusation:?}: {error}"))
		})
		.collect()
}

//! Proofs about honest runs, opened in every detail.

use crate::{
	offline::Stored,
	work::{Table, Work},
};
use assay_commitments::Tree;
use assay_exec::testing::Rng;
use assay_referee::{prove, Accusation, Evidence, OpenedTree, ProofPart, Record};

/// A random tile of a random anchor in a random step.
pub(super) fn any_tile(rng: &mut Rng, work: &Work) -> Accusation {
	let node = rng.pick(&work.checked.anchors);
	let tile = rng.below(work.len_of(node) / 1024);
	Accusation { step: rng.below(work.steps.into()) as u32, node, tile }
}

/// All parts of the proof that accuses a tile of an honest run, as somebody makes them who has all of it.
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
	};
	let Accusation { step, node, .. } = accusation;
	let own = run.roots(step).to_vec();
	let place = work.checked.anchors.binary_search(&node).map_err(|_| "not an anchor")?;
	let no_tree = "a tree without leaves";
	let traces = run.traces();
	let trace_root = traces[step as usize];
	let run_tree = OpenedTree::new(Tree::Run, run.run_root(), traces).ok_or(no_tree)?;
	let trace = OpenedTree::new(Tree::Trace, trace_root, own.clone()).ok_or(no_tree)?;
	let bytes = run.bytes(step, node);
	let tensor = OpenedTree::of_tensor(own[place], bytes).ok_or(no_tree)?;
	let tensors = run.tensors(step);
	let evidence = Evidence {
		run: &run_tree,
		trace: &trace,
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

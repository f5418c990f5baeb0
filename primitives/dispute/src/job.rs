//! What is disputed.

use crate::{Error, Hash};
use assay_commitments::{run_root, RunShape};
use assay_program::{Checked, Class, Program, Source};
use std::collections::BTreeSet;

/// Roots of the anchors of all steps that are remembered together: 64 MiB.
pub(crate) const REMEMBERED_ROOTS: u64 = 1 << 21;

/// A job and the result that its provider stands by, as the chain records them.
#[derive(Clone, Debug)]
pub struct Job {
	/// The program.
	pub program: Program,
	/// What its check found.
	pub checked: Checked,
	/// Roots of the inputs, in the program's order.
	pub input_roots: Vec<Hash>,
	/// Steps of the run, at least one.
	pub steps: u32,
	/// The provider's run root.
	pub run_root: Hash,
	/// The provider's trace root of the last step, which its reveal has shown. What opens this
	/// machine's own run does not look at it.
	pub trace_root: Hash,
}

impl Job {
	/// Fails if the parts do not belong together, so that nothing below has to look again.
	pub(crate) fn validate(&self) -> Result<(), Error> {
		let Self { program, checked, .. } = self;
		let record = |what| Err(Error::Record(what));
		if self.steps == 0 {
			return record("a run has at least one step");
		}
		if checked.types.len() != program.nodes.len() || checked.anchors.is_empty() {
			return record("the check is of another program");
		}
		let nodes = checked.types.len();
		let mut all = checked.anchors.iter().chain(&checked.lazy);
		let anchors = all.all(|&node| (node as usize) < nodes);
		if !anchors || checked.state_anchors.len() != program.states.len() {
			return record("the check is of another program");
		}
		if self.input_roots.len() != program.inputs.len() {
			return record("there is not one root for each input of the program");
		}
		Ok(())
	}

	/// [`Job::validate`] for a result that has been revealed.
	pub(crate) fn validate_result(&self) -> Result<(), Error> {
		self.validate()?;
		if self.steps == 1 && run_root(&[self.trace_root]) != self.run_root {
			return Err(Error::Record("the run root is not that of the one trace root"));
		}
		Ok(())
	}

	/// Whether a replay of so many steps shall hand over the roots of all their anchors: whoever
	/// disputes has then the time of one replay for each of its moves.
	pub fn wants_all_anchors(&self, steps: u32) -> bool {
		let roots = u64::from(steps).saturating_mul(self.checked.anchors.len() as u64);
		steps > 1 && roots <= REMEMBERED_ROOTS
	}

	/// The node of an anchor by its place: first the eager ones, then the lazy ones.
	pub(crate) fn node(&self, anchor: u32) -> Option<u32> {
		let Checked { anchors, lazy, .. } = &self.checked;
		let listed = || lazy.get((anchor as usize).checked_sub(anchors.len())?);
		anchors.get(anchor as usize).or_else(listed).copied()
	}

	/// Whether a tensor is a lazy anchor.
	pub(crate) fn is_lazy(&self, source: Source) -> bool {
		matches!(source, Source::Node(node) if self.checked.lazy.binary_search(&node).is_ok())
	}

	/// Length in bytes of a tensor that a replay can keep.
	pub(crate) fn kept_len(&self, source: Source) -> Option<u64> {
		let node = match source {
			Source::Node(node) => node,
			Source::State(state) => self.program.states.get(usize::from(state))?.update,
			Source::Input(_) | Source::Constant(_) => return None,
		};
		Some(self.checked.types.get(node as usize)?.canonical_len())
	}

	/// The bytes that stand for `source` in a step: those of a job input for a state before the
	/// first one.
	pub(crate) fn origin(&self, step: u32, source: Source) -> Source {
		match source {
			Source::State(at) if step == 0 => match self.program.states.get(usize::from(at)) {
				Some(state) => Source::Input(state.input),
				None => source,
			},
			_ => source,
		}
	}

	/// What a replay has to keep of a step to recompute any tile of anchor `node`: the anchors and
	/// states that it reads, through virtual nodes.
	pub(crate) fn operands(&self, step: u32, node: u32) -> BTreeSet<Source> {
		let mut kept = BTreeSet::new();
		let mut seen = BTreeSet::from([node]);
		let mut open = vec![node];
		while let Some(node) = open.pop() {
			let Some(node) = self.program.nodes.get(node as usize) else { continue };
			for operand in &node.operands {
				match self.origin(step, operand.source) {
					Source::Input(_) | Source::Constant(_) => {}
					state @ Source::State(_) => drop(kept.insert(state)),
					source @ Source::Node(below) => {
						let class = self.program.nodes.get(below as usize).map(|node| node.class);
						if class != Some(Class::Virtual) {
							kept.insert(source);
						} else if seen.insert(below) {
							open.push(below);
						}
					}
				}
			}
		}
		kept
	}
}

impl RunShape for Job {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.checked.anchors.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		Some(self.checked.types.get(self.node(anchor)? as usize)?.tiles())
	}

	fn lazy_before(&self, anchor: u32) -> u32 {
		self.checked.lazy_before(anchor)
	}
}

//! What a provider keeps of a run: checkpoints, the anchors' roots of every step, trees of the last
//! step.
//!
//! With these it opens its result without running the job again, or by running a part of it again.

use crate::{fault::Fault, link::Link};
use assay_commitments::{checkpoint_entry, chunk_value, CHUNK_BYTES};
use assay_exec::{Checkpoint, Observer, Progress, Tensor};
use assay_program::{Checked, Program};
use assay_worker_protocol::{Hash, LocalFaultKind, OutputFile, Record, Recorded, Run, Stage};
use std::{collections::BTreeSet, fs, num::NonZeroU32, ops::ControlFlow, path::Path};

/// Watches a run and writes down what the host has asked for.
pub(crate) struct Recorder<'a> {
	link: &'a Link,
	dir: &'a Path,
	record: &'a Record,
	/// Places of the states' updates among the eager anchors.
	state_anchors: &'a [u32],
	anchors: Vec<u8>,
	manifest: Vec<u8>,
	states: BTreeSet<Hash>,
	/// Why the run was ended.
	failed: Option<Fault>,
}

impl<'a> Recorder<'a> {
	pub(crate) fn new(link: &'a Link, dir: &'a Path, run: &'a Run, checked: &'a Checked) -> Self {
		Self {
			link,
			dir,
			record: &run.record,
			state_anchors: &checked.state_anchors,
			anchors: Vec::new(),
			manifest: Vec::new(),
			states: BTreeSet::new(),
			failed: None,
		}
	}

	/// Why the run was ended by what was to be written, if it was.
	pub(crate) fn failure(&mut self) -> Option<Fault> {
		self.failed.take()
	}

	/// Writes what is left, with these tensors for the trees.
	pub(crate) fn finish<'t>(
		self,
		trees: impl Iterator<Item = &'t Tensor>,
	) -> Result<Recorded, Fault> {
		let mut values = Vec::new();
		for tensor in trees {
			let count = (tensor.bytes.len() / CHUNK_BYTES) as u64;
			for (index, chunk) in (0..).zip(tensor.bytes.chunks(CHUNK_BYTES)) {
				let value = chunk_value(count, index, chunk).ok_or_else(|| {
					Fault::local(LocalFaultKind::Internal, "an anchor is not whole chunks")
				})?;
				values.extend(value);
			}
		}
		let write = |bytes: &[u8]| match bytes {
			[] => Ok(None),
			bytes => write(self.dir, bytes).map(Some),
		};
		Ok(Recorded {
			manifest: write(&self.manifest)?,
			anchors: write(&self.anchors)?,
			trees: write(&values)?,
		})
	}

	fn take(&mut self, checkpoint: Checkpoint<'_>) -> Result<(), Fault> {
		let entry = checkpoint_entry(checkpoint.anchor_roots, self.state_anchors);
		self.manifest.extend(entry.ok_or_else(|| {
			Fault::local(LocalFaultKind::Internal, "the run's anchors do not hold its states")
		})?);
		for state in &checkpoint.states {
			// Equal states are one file.
			if self.states.insert(state.root()) {
				write(self.dir, &state.bytes)?;
			}
		}
		Ok(())
	}
}

impl Observer for Recorder<'_> {
	fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
		let (done, total) = share(&progress);
		self.link.progress(Stage::Running, done, total);
		ControlFlow::Continue(())
	}

	fn anchors(&mut self, _: u32, roots: &[Hash]) -> ControlFlow<()> {
		if self.record.anchors {
			self.anchors.extend(roots.iter().flatten());
		}
		ControlFlow::Continue(())
	}

	fn checkpoint_every(&self) -> Option<NonZeroU32> {
		NonZeroU32::new(self.record.checkpoint_every)
	}

	fn checkpoint(&mut self, checkpoint: Checkpoint<'_>) -> ControlFlow<()> {
		match self.take(checkpoint) {
			Ok(()) => ControlFlow::Continue(()),
			Err(fault) => {
				self.failed = Some(fault);
				ControlFlow::Break(())
			}
		}
	}
}

/// How far a run is, by its work: one node may be nearly all of it.
fn share(progress: &Progress) -> (u64, u64) {
	let Progress { step, steps, node, nodes, work, total_work } = *progress;
	if total_work > 0 {
		return (work.min(total_work), total_work);
	}
	let total = u64::from(steps) * u64::from(nodes);
	((u64::from(step) * u64::from(nodes) + u64::from(node)).min(total), total)
}

/// Most bytes that a record takes in memory beside the run and the tensors of its trees.
pub(crate) fn bytes(run: &Run, program: &Program, checked: &Checked) -> u64 {
	let Record { checkpoint_every, anchors, trees } = &run.record;
	let roots = |count: u64| count.saturating_mul(32);
	let eager = checked.anchors.len() as u64;
	let anchors = match anchors {
		true => roots(eager.saturating_mul(run.steps.into())),
		false => 0,
	};
	let tiles = trees.iter().filter_map(|node| checked.types.get(*node as usize));
	let trees = roots(tiles.map(|ty| ty.tiles()).fold(0, u64::saturating_add));
	let states = match checkpoint_every {
		0 => 0,
		// One checkpoint at a time, and the manifest's entries, each no longer than all roots.
		every => {
			let entries = roots(eager + 1).saturating_mul((run.steps / every).into());
			crate::inputs::state_bytes(program).saturating_add(entries)
		}
	};
	anchors.saturating_add(trees).saturating_add(states)
}

/// Writes bytes under a name made of their root.
fn write(dir: &Path, bytes: &[u8]) -> Result<OutputFile, Fault> {
	let root = assay_commitments::tensor_root(bytes);
	let name = format!("out-{}", hex::encode(root));
	fs::write(dir.join(&name), bytes)
		.map_err(|error| Fault::local(LocalFaultKind::Disk, format!("{name}: {error}")))?;
	Ok(OutputFile { root, name, len: bytes.len() as u64 })
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn progress_should_be_that_of_the_work_when_nodes_differ() {
		let at = |work, total_work| {
			let node = 2;
			share(&Progress { step: 0, steps: 1, node, nodes: 500, work, total_work })
		};
		assert_eq!(at(990, 1000), (990, 1000));
		assert_eq!(at(1001, 1000), (1000, 1000));
		// A program that counts as no work at all.
		assert_eq!(at(0, 0), (2, 500));
	}
}

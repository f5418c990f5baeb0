//! What replays gave, for the chunks that a verdict is opened with and for a dispute that may follow.

use std::{collections::BTreeMap, sync::Arc};

use assay_market::JobId;

use crate::{Hash, Ran};

/// Most runs that are remembered, with 2 MiB of roots each at most.
const RUNS: usize = 32;

/// Most bytes of tensors that are remembered with them, together.
const TENSORS: usize = 64 << 20;

/// This node's replays, in memory: their roots spare a dispute the replay of the whole job, and their
/// tensors a verdict's chunks a replay at all.
#[derive(Default)]
pub(crate) struct Runs(BTreeMap<JobId, (Hash, Arc<Ran>)>);

impl Runs {
	/// Remembers the run of a task; the run of the oldest job makes room, or its tensors do.
	pub(crate) fn put(&mut self, job: JobId, task: Hash, ran: Ran) {
		self.0.insert(job, (task, Arc::new(ran)));
		if self.0.len() > RUNS {
			self.0.pop_first();
		}
		while self.0.values().map(|(_, ran)| tensor_bytes(ran)).sum::<usize>() > TENSORS {
			let mut with_tensors = self.0.iter().filter(|(_, (_, ran))| !ran.kept.is_empty());
			let Some(oldest) = with_tensors.next().map(|(job, _)| *job) else { return };
			self.drop_tensors(oldest);
		}
	}

	/// The run of this task.
	pub(crate) fn get(&self, job: JobId, task: &Hash) -> Option<Arc<Ran>> {
		self.0.get(&job).filter(|(of, _)| of == task).map(|(_, ran)| ran.clone())
	}

	/// The jobs of all runs.
	pub(crate) fn jobs(&self) -> Vec<JobId> {
		self.0.keys().copied().collect()
	}

	/// Forgets the tensors of a run, and keeps its roots.
	pub(crate) fn drop_tensors(&mut self, job: JobId) {
		if let Some((_, ran)) = self.0.get_mut(&job) {
			let Ran { run_root, trace_roots, last_anchors, .. } = &**ran;
			let (trace_roots, last_anchors) = (trace_roots.clone(), last_anchors.clone());
			let run_root = *run_root;
			*ran = Arc::new(Ran { run_root, trace_roots, last_anchors, ..Ran::default() });
		}
	}

	/// Forgets the run of a job.
	pub(crate) fn forget(&mut self, job: JobId) {
		self.0.remove(&job);
	}
}

fn tensor_bytes(ran: &Ran) -> usize {
	ran.kept.values().map(Vec::len).sum()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn run_should_be_found_by_its_task_until_newer_ones_take_its_place() {
		let mut runs = Runs::default();
		let kept = BTreeMap::from([(assay_program::Source::Node(0), vec![0; 1024])]);
		let ran = Ran { run_root: [7; 32], kept, ..Ran::default() };
		runs.put(1, [1; 32], ran.clone());
		assert_eq!(runs.get(1, &[1; 32]).as_deref(), Some(&ran));
		assert_eq!(runs.get(1, &[2; 32]), None);
		runs.drop_tensors(1);
		let roots = Ran { kept: BTreeMap::new(), ..ran.clone() };
		assert_eq!(runs.get(1, &[1; 32]).as_deref(), Some(&roots));
		for job in 2..=RUNS as JobId + 1 {
			runs.put(job, [1; 32], ran.clone());
		}
		assert_eq!(runs.get(1, &[1; 32]), None);
		assert_eq!(runs.jobs().len(), RUNS);
		runs.forget(2);
		assert_eq!(runs.get(2, &[1; 32]), None);
	}

	#[test]
	fn tensors_of_the_oldest_jobs_should_make_room_and_their_roots_stay() {
		let mut runs = Runs::default();
		let kept = BTreeMap::from([(assay_program::Source::Node(0), vec![0; TENSORS / 2])]);
		let ran = Ran { run_root: [7; 32], kept, ..Ran::default() };
		for job in 1..=3 {
			runs.put(job, [1; 32], ran.clone());
		}
		let held = |job| runs.get(job, &[1; 32]).map(|ran| tensor_bytes(&ran));
		assert_eq!([1, 2, 3].map(held), [Some(0), Some(TENSORS / 2), Some(TENSORS / 2)]);
		let kept = BTreeMap::from([(assay_program::Source::Node(0), vec![0; TENSORS + 1])]);
		runs.put(4, [1; 32], Ran { kept, ..Ran::default() });
		assert!((1..=4).all(|job| runs.get(job, &[1; 32]).is_some_and(|ran| ran.kept.is_empty())));
	}
}

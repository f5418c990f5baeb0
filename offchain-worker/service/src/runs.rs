//! What replays gave, for a dispute that may follow.

use std::collections::BTreeMap;

use assay_market::JobId;

use crate::{Hash, Ran};

/// Most runs that are remembered, 2 MiB each at most.
const RUNS: usize = 32;

/// The roots of this node's replays, in memory: they spare a dispute the replay of the whole job.
#[derive(Default)]
pub(crate) struct Runs(BTreeMap<JobId, (Hash, Ran)>);

impl Runs {
	/// Remembers the run of a task; the run of the oldest job makes room.
	pub(crate) fn put(&mut self, job: JobId, task: Hash, ran: Ran) {
		self.0.insert(job, (task, Ran { kept: BTreeMap::new(), ..ran }));
		if self.0.len() > RUNS {
			self.0.pop_first();
		}
	}

	/// The run of this task.
	pub(crate) fn get(&self, job: JobId, task: &Hash) -> Option<Ran> {
		self.0.get(&job).filter(|(of, _)| of == task).map(|(_, ran)| ran.clone())
	}

	/// The jobs of all runs.
	pub(crate) fn jobs(&self) -> Vec<JobId> {
		self.0.keys().copied().collect()
	}

	/// Forgets the run of a job.
	pub(crate) fn forget(&mut self, job: JobId) {
		self.0.remove(&job);
	}
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
		assert_eq!(runs.get(1, &[1; 32]), Some(Ran { kept: BTreeMap::new(), ..ran.clone() }));
		assert_eq!(runs.get(1, &[2; 32]), None);
		for job in 2..=RUNS as JobId + 1 {
			runs.put(job, [1; 32], ran.clone());
		}
		assert_eq!(runs.get(1, &[1; 32]), None);
		assert_eq!(runs.jobs().len(), RUNS);
		runs.forget(2);
		assert_eq!(runs.get(2, &[1; 32]), None);
	}
}

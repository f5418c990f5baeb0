//! What replays gave, for the chunks that a verdict is opened with and for a dispute that may
//! follow.

use crate::{
	runner::Ran,
	types::{Balance, Hash},
};
use assay_market::JobId;
use std::{collections::BTreeMap, sync::Arc};

/// Most runs that are remembered, with 2 MiB of roots each at most.
const RUNS: usize = 32;

/// Most bytes of tensors that are remembered with them, together.
const TENSORS: usize = 64 << 20;

struct Run {
	job: JobId,
	/// Hash of what was run: a segment of another provider's checkpoints is another task.
	task: Hash,
	/// What the verdict brings: the run that brings least makes room first, so that nobody's cheap
	/// jobs push out what others' dear ones need.
	fee: Balance,
	/// Counts the runs.
	number: u64,
	ran: Arc<Ran>,
}

/// This node's replays by the order of their jobs, in memory: their roots spare a dispute the
/// replay of the whole job, and their tensors a verdict's chunks a replay at all.
#[derive(Default)]
pub(crate) struct Runs {
	runs: BTreeMap<Hash, Run>,
	next: u64,
}

impl Runs {
	/// Remembers the run of a task. The run that brings least makes room, of equal ones the oldest,
	/// or its tensors do.
	pub(crate) fn put(&mut self, job: JobId, order: Hash, task: Hash, fee: Balance, ran: Ran) {
		self.next += 1;
		let (number, ran) = (self.next, Arc::new(ran));
		self.runs.insert(order, Run { job, task, fee, number, ran });
		if self.runs.len() > RUNS {
			if let Some(least) = self.least(|_| true) {
				self.runs.remove(&least);
			}
		}
		while self.runs.values().map(|run| tensor_bytes(&run.ran)).sum::<usize>() > TENSORS {
			let Some(least) = self.least(|run| !run.ran.kept.is_empty()) else { return };
			self.drop_tensors(&least);
		}
	}

	fn least(&self, among: impl Fn(&Run) -> bool) -> Option<Hash> {
		let among = self.runs.iter().filter(|(_, run)| among(run));
		among.min_by_key(|(_, run)| (run.fee, run.number)).map(|(order, _)| *order)
	}

	/// The run of this task.
	pub(crate) fn get(&self, order: &Hash, task: &Hash) -> Option<Arc<Ran>> {
		self.runs.get(order).filter(|run| run.task == *task).map(|run| run.ran.clone())
	}

	/// The orders of all runs, and the numbers of their jobs.
	pub(crate) fn orders(&self) -> BTreeMap<Hash, JobId> {
		self.runs.iter().map(|(order, run)| (*order, run.job)).collect()
	}

	/// Forgets the tensors of a run, and keeps its roots.
	pub(crate) fn drop_tensors(&mut self, order: &Hash) {
		if let Some(Run { ran, .. }) = self.runs.get_mut(order) {
			*ran =
				Arc::new(Ran { kept: BTreeMap::new(), last_lazy: Vec::new(), ..(**ran).clone() });
		}
	}

	/// Forgets the run of a job.
	pub(crate) fn forget(&mut self, order: &Hash) {
		self.runs.remove(order);
	}
}

fn tensor_bytes(ran: &Ran) -> usize {
	ran.kept.values().map(Vec::len).sum()
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_program::Source;

	fn order(number: usize) -> Hash {
		[number as u8; 32]
	}

	fn ran(tensors: usize) -> Ran {
		let kept = BTreeMap::from([(Source::Node(0), vec![0; tensors])]);
		Ran { run_root: [7; 32], kept, ..Ran::default() }
	}

	#[test]
	fn run_should_be_found_by_its_order_and_task_until_newer_ones_take_its_place() {
		let mut runs = Runs::default();
		let ran = ran(1024);
		runs.put(1, order(1), [1; 32], 5, ran.clone());
		assert_eq!(runs.get(&order(1), &[1; 32]).as_deref(), Some(&ran));
		assert_eq!(runs.get(&order(1), &[2; 32]), None);
		assert_eq!(runs.get(&order(2), &[1; 32]), None, "another job of the same number");
		runs.drop_tensors(&order(1));
		let roots = Ran { kept: BTreeMap::new(), ..ran.clone() };
		assert_eq!(runs.get(&order(1), &[1; 32]).as_deref(), Some(&roots));
		for job in 2..=RUNS + 1 {
			runs.put(1, order(job), [1; 32], 5, ran.clone());
		}
		assert_eq!(runs.get(&order(1), &[1; 32]), None);
		assert_eq!(runs.runs.len(), RUNS);
		runs.forget(&order(2));
		assert_eq!(runs.get(&order(2), &[1; 32]), None);
	}

	#[test]
	fn tensors_of_the_oldest_jobs_should_make_room_and_their_roots_stay() {
		let mut runs = Runs::default();
		for job in 1..=3 {
			runs.put(1, order(job), [1; 32], 5, ran(TENSORS / 2));
		}
		let held = |job| runs.get(&order(job), &[1; 32]).map(|ran| tensor_bytes(&ran));
		assert_eq!([1, 2, 3].map(held), [Some(0), Some(TENSORS / 2), Some(TENSORS / 2)]);
		runs.put(1, order(4), [1; 32], 5, ran(TENSORS + 1));
		let bare = |job| runs.get(&order(job), &[1; 32]).is_some_and(|ran| ran.kept.is_empty());
		assert!((1..=4).all(bare));
	}

	#[test]
	fn run_of_a_dear_job_should_stay_when_cheap_ones_come_in_their_hundreds() {
		let mut runs = Runs::default();
		runs.put(1, order(255), [1; 32], 1_000, ran(TENSORS / 2));
		for job in 0..250 {
			runs.put(1, order(job), [1; 32], 1, ran(TENSORS / 4));
		}
		let dear = runs.get(&order(255), &[1; 32]).unwrap();
		assert_eq!(tensor_bytes(&dear), TENSORS / 2);
		assert!(runs.runs.len() <= RUNS);
		assert!(runs.runs.values().map(|run| tensor_bytes(&run.ran)).sum::<usize>() <= TENSORS);
	}
}

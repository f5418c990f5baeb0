//! Which results a watcher runs again, and when: the part of `assay watch` that needs neither chain
//! nor engine.

use crate::chain::{
	jobs::{Job, Phase},
	Hash,
};
use std::collections::BTreeMap;

/// Blocks until a job that could not be compared is tried again: its inputs may be on their way to
/// the node, or the device was busy.
pub const RETRY_BLOCKS: u64 = 3;

/// What a watcher wants to look at.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
	/// Only these jobs; all where it is empty.
	pub jobs: Vec<u64>,
	/// Most work units of a job.
	pub max_work: Option<u64>,
	/// The watcher's own account, whose results it takes for right.
	pub account: Option<Hash>,
}

impl Criteria {
	/// Why a job is none of the watcher's, `None` if it is one.
	fn refusal(&self, job: &Job) -> Option<String> {
		if !self.jobs.is_empty() && !self.jobs.contains(&job.id) {
			return Some("it is not one of --jobs".into());
		}
		if job.provider.is_some() && job.provider.as_ref().map(|who| who.0) == self.account {
			return Some("this account is its provider".into());
		}
		match self.max_work {
			Some(most) if job.work_units > most => {
				Some(format!("{} work units are more than --max-work", job.work_units))
			}
			_ => None,
		}
	}
}

/// What is to be done about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
	/// Run it again and compare.
	Compare(u64, Hash),
	/// Nothing, for this reason; said once.
	Pass(u64, String),
}

/// What became of a job so far.
enum Seen {
	/// It is compared or disputed now.
	UnderWay,
	/// Compared, passed over, or fallen.
	Done,
	/// To be tried again at this block.
	Again(u64),
}

/// Follows all jobs.
pub struct Patrol {
	criteria: Criteria,
	/// Jobs below this number are over.
	first: u64,
	/// Of jobs that are not over, with the hash of the order that was seen: after a reorganisation
	/// the number may stand for another one, which has not been.
	seen: BTreeMap<u64, (Hash, Seen)>,
}

impl Patrol {
	/// Nothing is known of the jobs yet.
	pub fn new(criteria: Criteria) -> Self {
		Self { criteria, first: 0, seen: BTreeMap::new() }
	}

	/// What is to be done at block `head`, where the chain has these jobs, all that are open among
	/// them; jobs whose time runs out come first.
	pub fn look(&mut self, jobs: &[Job], head: u64) -> Vec<Task> {
		let alive = jobs.iter().find(|job| !job.phase.is_terminal()).map(|job| job.id);
		if let Some(first) = alive.or_else(|| jobs.last().map(|job| job.id + 1)) {
			self.first = first;
		}
		for job in jobs.iter().filter(|job| job.phase.is_terminal()) {
			// Who is still at it finds out itself.
			if !matches!(self.seen(job), Some(Seen::UnderWay)) {
				self.seen.remove(&job.id);
			}
		}
		let mut due: Vec<&Job> = jobs
			.iter()
			.filter(|job| {
				!job.phase.is_terminal() && job.run_root.is_some() && job.condemned.is_none()
			})
			.filter(|job| match self.seen(job) {
				None => true,
				Some(Seen::Again(block)) => *block <= head,
				Some(Seen::UnderWay | Seen::Done) => false,
			})
			.collect();
		// While results are being revealed, the challenge period is still to come.
		due.sort_by_key(|job| (!job.phase.is(Phase::Challengeable), job.deadline, job.id));
		let mut tasks = Vec::new();
		for job in due {
			match self.criteria.refusal(job) {
				Some(why) => {
					self.seen.insert(job.id, (job.order, Seen::Done));
					tasks.push(Task::Pass(job.id, why));
				}
				None => {
					self.seen.insert(job.id, (job.order, Seen::UnderWay));
					tasks.push(Task::Compare(job.id, job.order));
				}
			}
		}
		tasks
	}

	/// What became of this very order.
	fn seen(&self, job: &Job) -> Option<&Seen> {
		self.seen.get(&job.id).filter(|(order, _)| *order == job.order).map(|(_, seen)| seen)
	}

	fn set(&mut self, job: u64, order: Hash, seen: Seen) {
		// Where another order has taken the number meanwhile, that one stays as it is.
		if self.seen.get(&job).is_none_or(|(known, _)| *known == order) {
			self.seen.insert(job, (order, seen));
		}
	}

	/// A job is done with.
	pub fn done(&mut self, job: u64, order: Hash) {
		self.set(job, order, Seen::Done);
	}

	/// A job could not be compared or challenged at block `head`.
	pub fn failed(&mut self, job: u64, order: Hash, head: u64) {
		self.set(job, order, Seen::Again(head + RETRY_BLOCKS));
	}

	/// Whether every job of `--jobs` is over or done, so that nothing is left to watch.
	pub fn finished(&self) -> bool {
		let open =
			|job: &u64| *job >= self.first && !matches!(self.seen.get(job), Some((_, Seen::Done)));
		!self.criteria.jobs.is_empty() && !self.criteria.jobs.iter().any(open)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::{
		jobs::{tests, ReasonCode},
		scan::{
			tests::{wait, FakeJobs},
			Scan,
		},
	};

	const ME: Hash = [0xee; 32];
	/// Of the view that all jobs are made from.
	const ORDER: Hash = [0xc; 32];

	fn job(id: u64, phase: Phase) -> Job {
		let mut job = tests::job();
		job.id = id;
		job.phase = phase.into();
		job.reason = None;
		job.deadline = Some(100 + id);
		match phase {
			Phase::Settled => job.reason = Some(ReasonCode::Paid.into()),
			Phase::Revealing | Phase::Challengeable => {}
			_ => job.run_root = None,
		}
		job
	}

	fn patrol(change: impl FnOnce(&mut Criteria)) -> Patrol {
		let mut criteria = Criteria { account: Some(ME), ..Default::default() };
		change(&mut criteria);
		Patrol::new(criteria)
	}

	fn compares(tasks: Vec<Task>) -> Vec<u64> {
		let compare = |task| match task {
			Task::Compare(job, _) => Some(job),
			Task::Pass(..) => None,
		};
		tasks.into_iter().filter_map(compare).collect()
	}

	#[test]
	fn results_should_be_compared_once_when_they_are_revealed() {
		let mut patrol = patrol(|_| {});
		assert_eq!(patrol.look(&[job(0, Phase::Posted), job(1, Phase::Verifying)], 1), []);
		let jobs = [job(0, Phase::Revealing), job(1, Phase::Verifying), job(2, Phase::Settled)];
		assert_eq!(patrol.look(&jobs, 2), [Task::Compare(0, ORDER)]);
		let jobs = [job(0, Phase::Challengeable), job(1, Phase::Challengeable)];
		assert_eq!(patrol.look(&jobs, 3), [Task::Compare(1, ORDER)]);
		patrol.done(0, ORDER);
		patrol.done(1, ORDER);
		assert_eq!(patrol.look(&jobs, 100), []);
	}

	#[test]
	fn result_should_be_compared_again_when_its_number_stands_for_another_order() {
		let mut patrol = patrol(|_| {});
		let first = job(0, Phase::Challengeable);
		assert_eq!(compares(patrol.look(std::slice::from_ref(&first), 1)), [0]);
		let other = Job { order: [0xd; 32], ..first.clone() };
		assert_eq!(compares(patrol.look(std::slice::from_ref(&other), 2)), [0]);
		// What comes back about the order that is gone says nothing about the one that is there.
		patrol.failed(0, ORDER, 2);
		patrol.done(0, [0xd; 32]);
		assert_eq!(patrol.look(&[other], 100), []);
		assert_eq!(compares(patrol.look(&[first], 101)), [0]);
	}

	#[test]
	fn result_should_not_be_compared_when_it_has_fallen_or_is_still_hidden() {
		let mut patrol = patrol(|_| {});
		let mut fallen = job(0, Phase::Revealing);
		fallen.condemned = Some(ReasonCode::ProvenFraud.into());
		let mut hidden = job(1, Phase::Revealing);
		hidden.run_root = None;
		assert_eq!(patrol.look(&[fallen, hidden.clone()], 1), []);
		hidden.run_root = Some([1; 32]);
		assert_eq!(patrol.look(&[hidden], 2), [Task::Compare(1, ORDER)]);
	}

	#[test]
	fn jobs_should_come_in_the_order_of_their_time_when_several_are_due() {
		let mut patrol = patrol(|_| {});
		let mut soon = job(5, Phase::Challengeable);
		soon.deadline = Some(10);
		let jobs = [job(3, Phase::Revealing), job(4, Phase::Challengeable), soon];
		assert_eq!(compares(patrol.look(&jobs, 1)), [5, 4, 3]);
	}

	#[test]
	fn job_should_be_tried_again_when_it_failed_but_not_at_once() {
		let mut patrol = patrol(|_| {});
		let jobs = [job(0, Phase::Challengeable)];
		assert_eq!(compares(patrol.look(&jobs, 10)), [0]);
		patrol.failed(0, ORDER, 10);
		for head in 11..10 + RETRY_BLOCKS {
			assert_eq!(patrol.look(&jobs, head), []);
		}
		assert_eq!(compares(patrol.look(&jobs, 10 + RETRY_BLOCKS)), [0]);
	}

	#[test]
	fn jobs_should_be_passed_over_once_when_they_are_not_wanted() {
		let mut patrol = patrol(|criteria| {
			criteria.jobs = vec![1, 2, 3];
			criteria.max_work = Some(1000);
		});
		let mut own = job(1, Phase::Challengeable);
		own.provider = Some(ME.into());
		let mut large = job(2, Phase::Challengeable);
		large.work_units = 1001;
		let jobs = [job(0, Phase::Challengeable), own, large, job(3, Phase::Challengeable)];
		let tasks = patrol.look(&jobs, 1);
		let why = |job: u64| {
			tasks.iter().find_map(|task| match task {
				Task::Pass(id, why) if *id == job => Some(why.as_str()),
				_ => None,
			})
		};
		assert!(why(0).unwrap().contains("--jobs"));
		assert!(why(1).unwrap().contains("provider"));
		assert!(why(2).unwrap().contains("--max-work"));
		assert_eq!(compares(tasks.clone()), [3]);
		assert_eq!(patrol.look(&jobs, 2), []);
	}

	#[test]
	fn patrol_should_forget_jobs_when_they_are_over() {
		let mut patrol = patrol(|criteria| criteria.jobs = vec![0, 1]);
		let jobs = [job(0, Phase::Challengeable), job(1, Phase::Challengeable)];
		assert_eq!(compares(patrol.look(&jobs, 1)), [0, 1]);
		patrol.done(0, ORDER);
		assert!(!patrol.finished());
		patrol.done(1, ORDER);
		assert!(patrol.finished());
		let jobs = [job(0, Phase::Settled), job(1, Phase::Settled)];
		assert_eq!(patrol.look(&jobs, 2), []);
		assert!(patrol.seen.is_empty() && patrol.finished());
		assert_eq!(patrol.first, 2);
		assert_eq!(patrol.look(&[], 3), []);
		assert_eq!(patrol.first, 2);
	}

	#[test]
	fn result_should_be_compared_when_thousands_of_jobs_are_over_since_the_oldest_open_one() {
		let chain = FakeJobs::default();
		chain.post(1, Some(Phase::Open));
		chain.post(5_000, Some(Phase::Settled));
		chain.post(1, Some(Phase::Challengeable));
		let (mut patrol, mut scan) = (patrol(|_| {}), Scan::default());
		let looks = (1..=3)
			.flat_map(|head| compares(patrol.look(&wait(scan.look(&chain, head)).unwrap(), head)));
		// The fake shows results of open jobs as well.
		assert_eq!(looks.collect::<Vec<_>>(), [0, 5_001]);
	}

	#[test]
	fn patrol_should_never_be_finished_when_it_watches_all_jobs() {
		let mut patrol = patrol(|_| {});
		assert!(!patrol.finished());
		patrol.look(&[job(0, Phase::Settled)], 1);
		assert!(!patrol.finished());
	}
}

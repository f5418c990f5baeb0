//! Follows the jobs of the market from look to look.
//!
//! What is over is never asked about again: however many numbers were used since the oldest open
//! job, a look asks for the jobs that were open at the last one and for those that are new.

use super::{
	jobs::{Job, PAGE, SCAN},
	value::Read,
	Node,
};
use crate::error::Result;
use std::collections::BTreeMap;

/// Most questions about new numbers in one look; the next one goes on from there.
const QUESTIONS: u32 = 64;
/// Blocks for which a job that is over is still asked about: a reorganisation may have it open
/// again.
const KEPT_BLOCKS: u64 = 16;

/// Where jobs are read from; a fake one in tests.
#[allow(async_fn_in_trait)] // Only ever used with types of this crate.
pub trait Source {
	/// The number of the next job to be posted.
	async fn next_job(&self) -> Result<u64>;
	/// Up to `limit` jobs with numbers from `from`, in order, of the next 4,096 numbers.
	async fn page(&self, from: u64, limit: u32) -> Result<Vec<Job>>;
}

impl Source for Node {
	async fn next_job(&self) -> Result<u64> {
		self.storage("Jobs", "NextJob", vec![]).await?.map_or(Ok(0), |next| next.u64())
	}

	async fn page(&self, from: u64, limit: u32) -> Result<Vec<Job>> {
		self.page_of_jobs(from, limit).await
	}
}

/// Which jobs are open, and where the search for new ones has come to.
#[derive(Debug, Default)]
pub struct Scan {
	/// Jobs that were open at the last look, and for a while those that are over, with the block of
	/// the first look that has seen so.
	known: BTreeMap<u64, Option<u64>>,
	/// All numbers below have been looked at.
	next: u64,
}

impl Scan {
	/// All jobs that are open as far as the search has come, and those that it finds to be over, in
	/// the order of their numbers. What a failed look has found is not lost.
	///
	/// # Errors
	/// Those of the source.
	pub async fn look(&mut self, source: &impl Source, head: u64) -> Result<Vec<Job>> {
		let next = source.next_job().await?;
		// After a reorganisation the last numbers may not have been used yet.
		self.next = self.next.min(next);
		let mut jobs = self.known(source, head).await?;
		let mut questions = 0;
		while self.next < next && questions < QUESTIONS {
			let page = source.page(self.next, PAGE).await?;
			// A page that is not full covers a whole scan, also where the chain has forgotten jobs.
			let after = match page.last() {
				Some(last) if page.len() >= PAGE as usize => last.id.saturating_add(1),
				_ => self.next.saturating_add(SCAN),
			};
			for job in page.into_iter().filter(|job| job.id < next) {
				if !job.phase.is_terminal() {
					self.known.insert(job.id, None);
				}
				jobs.push(job);
			}
			self.next = after.min(next);
			questions += 1;
		}
		jobs.sort_by_key(|job| job.id);
		jobs.dedup_by_key(|job| job.id);
		Ok(jobs)
	}

	/// The jobs that were open at the last look.
	async fn known(&mut self, source: &impl Source, head: u64) -> Result<Vec<Job>> {
		let numbers: Vec<u64> = self.known.keys().copied().collect();
		let mut jobs = Vec::new();
		let mut rest = &numbers[..];
		while let Some(first) = rest.first().copied() {
			let near = rest.iter().take_while(|id| **id - first < u64::from(PAGE)).count();
			let (asked, after) = rest.split_at(near);
			let last = asked.last().copied().unwrap_or(first);
			let page = source.page(first, (last - first + 1) as u32).await?;
			jobs.extend(page.into_iter().filter(|job| asked.contains(&job.id)));
			rest = after;
		}
		let open = jobs.iter().filter(|job| !job.phase.is_terminal()).map(|job| job.id);
		let open: std::collections::BTreeSet<u64> = open.collect();
		self.known.retain(|id, over| {
			*over = (!open.contains(id)).then(|| over.unwrap_or(head));
			over.is_none_or(|since| head < since.saturating_add(KEPT_BLOCKS))
		});
		Ok(jobs)
	}
}

#[cfg(test)]
pub(crate) mod tests {
	use super::*;
	use crate::{
		chain::jobs::{tests::job, Phase},
		error::Error,
	};
	use std::cell::{Cell, RefCell};

	/// A chain of jobs by number; `None`: forgotten.
	#[derive(Default)]
	pub struct FakeJobs {
		pub phases: RefCell<Vec<Option<Phase>>>,
		pub asked: Cell<u32>,
		/// Questions that are answered before one fails.
		pub fuse: Cell<Option<u32>>,
	}

	impl FakeJobs {
		pub fn set(&self, id: usize, phase: Phase) {
			self.phases.borrow_mut()[id] = Some(phase);
		}

		pub fn post(&self, count: usize, phase: Option<Phase>) {
			let len = self.phases.borrow().len();
			self.phases.borrow_mut().resize(len + count, phase);
		}
	}

	impl Source for FakeJobs {
		async fn next_job(&self) -> Result<u64> {
			Ok(self.phases.borrow().len() as u64)
		}

		async fn page(&self, from: u64, limit: u32) -> Result<Vec<Job>> {
			self.asked.set(self.asked.get() + 1);
			match self.fuse.get() {
				Some(0) => return Err(Error::new("node-lost", "gone")),
				left => self.fuse.set(left.map(|left| left - 1)),
			}
			let phases = self.phases.borrow();
			let numbers = (from as usize)..phases.len().min((from + SCAN) as usize);
			let found = numbers.filter_map(|id| {
				let phase = phases[id]?;
				let blank = Job { id: id as u64, phase: phase.into(), ..job() };
				Some(Job { order: [(id % 251) as u8; 32], reason: None, ..blank })
			});
			Ok(found.take(limit.min(PAGE) as usize).collect())
		}
	}

	pub fn wait<F: std::future::Future>(future: F) -> F::Output {
		tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
	}

	fn open(jobs: &[Job]) -> Vec<u64> {
		jobs.iter().filter(|job| !job.phase.is_terminal()).map(|job| job.id).collect()
	}

	#[test]
	fn new_job_should_be_found_when_thousands_of_numbers_were_used_since_the_oldest_open_one() {
		let chain = FakeJobs::default();
		chain.post(1, Some(Phase::Open));
		chain.post(5_000, Some(Phase::Settled));
		chain.post(10_000, None);
		chain.post(1, Some(Phase::Challengeable));
		let mut scan = Scan::default();
		// The first one comes as far as a look may, the next one goes on.
		assert_eq!(open(&wait(scan.look(&chain, 1)).unwrap()), [0]);
		assert_eq!(open(&wait(scan.look(&chain, 2)).unwrap()), [0, 15_001]);
		chain.post(1, Some(Phase::Open));
		chain.asked.set(0);
		assert_eq!(open(&wait(scan.look(&chain, 3)).unwrap()), [0, 15_001, 15_002]);
		assert_eq!(chain.asked.get(), 3, "nothing that is over is asked about again");
	}

	#[test]
	fn look_should_go_on_where_it_was_when_the_one_before_it_failed() {
		let chain = FakeJobs::default();
		chain.post(200, Some(Phase::Open));
		let mut scan = Scan::default();
		chain.fuse.set(Some(2));
		assert!(wait(scan.look(&chain, 1)).is_err());
		assert_eq!(scan.next, 128);
		chain.fuse.set(None);
		assert_eq!(wait(scan.look(&chain, 2)).unwrap().len(), 200);
	}

	#[test]
	fn job_should_be_followed_when_a_reorganisation_has_it_open_again() {
		let chain = FakeJobs::default();
		chain.post(3, Some(Phase::Open));
		let mut scan = Scan::default();
		wait(scan.look(&chain, 1)).unwrap();
		chain.set(1, Phase::Settled);
		assert_eq!(open(&wait(scan.look(&chain, 2)).unwrap()), [0, 2]);
		chain.set(1, Phase::Challengeable);
		assert_eq!(open(&wait(scan.look(&chain, 3)).unwrap()), [0, 1, 2]);
		// The last number is used anew, by another job.
		chain.phases.borrow_mut().pop();
		assert_eq!(open(&wait(scan.look(&chain, 4)).unwrap()), [0, 1]);
		chain.post(1, Some(Phase::Open));
		assert_eq!(open(&wait(scan.look(&chain, 5)).unwrap()), [0, 1, 2]);
		// What stays over is forgotten.
		chain.set(0, Phase::Settled);
		for head in 6..=6 + KEPT_BLOCKS {
			wait(scan.look(&chain, head)).unwrap();
		}
		assert_eq!(scan.known.keys().copied().collect::<Vec<_>>(), [1, 2]);
	}
}

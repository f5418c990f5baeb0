//! What must not be said yet.
//!
//! Whoever knows which validators verify a job can bribe, threaten or overload them, so a draw is
//! secret until the verifier commits its verdict. Logs are shared: with a provider of monitoring,
//! in a bug report, on a screen. Therefore **no line above the level debug may tell, before its
//! commitment is on chain, that this node replays a job or is going to**: not that it starts, ends,
//! fails or is too slow. Such lines are written at debug as they come, and again at their own level
//! when the chain shows them to everyone.
//!
//! The metrics cannot be that quiet and be of use. They are for the operator alone; Prometheus is
//! served on the loopback interface unless the operator decides otherwise.

use crate::types::{Hash, LOG_TARGET};
use assay_market::JobId;
use log::Level;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// Most lines that wait for one job; further ones stay at debug.
const LINES: usize = 16;

/// Most jobs with lines that wait; the oldest makes room.
const JOBS: usize = 256;

/// Lines of one job.
struct Waiting {
	job: JobId,
	/// Counts the jobs.
	number: u64,
	lines: Vec<(Level, String)>,
}

/// Lines that wait until everyone may read them, by the order of their job.
#[derive(Default)]
pub(crate) struct DeferredLog(Mutex<(u64, BTreeMap<Hash, Waiting>)>);

impl DeferredLog {
	/// Says something about a job: at debug now, and at its own level when it is public.
	pub(crate) fn say(&self, job: JobId, order: Hash, level: Level, text: String) {
		log::debug!(target: LOG_TARGET, "Job {job}: {text}");
		let (next, waiting) = &mut *self.0.lock();
		let of_job = waiting.entry(order).or_insert_with(|| {
			*next += 1;
			Waiting { job, number: *next, lines: Vec::new() }
		});
		if of_job.lines.len() < LINES {
			of_job.lines.push((level, text));
		}
		if waiting.len() > JOBS {
			let oldest = waiting.iter().min_by_key(|(_, of_job)| of_job.number);
			if let Some(oldest) = oldest.map(|(order, _)| *order) {
				waiting.remove(&oldest);
			}
		}
	}

	/// Writes what was said about jobs that are `secret` no longer; says how many lines that were.
	pub(crate) fn publish(&self, secret: &BTreeSet<Hash>) -> usize {
		let (_, waiting) = &mut *self.0.lock();
		let is_public = |order: &&Hash| !secret.contains(*order);
		let public: Vec<_> = waiting.keys().filter(is_public).copied().collect();
		let mut written = 0;
		for Waiting { job, lines, .. } in public.iter().filter_map(|order| waiting.remove(order)) {
			for (level, text) in lines {
				log::log!(target: LOG_TARGET, level, "Job {job}: {text}");
				written += 1;
			}
		}
		written
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn order(job: JobId) -> Hash {
		*blake3::hash(&job.to_le_bytes()).as_bytes()
	}

	#[test]
	fn lines_should_wait_until_their_job_is_public_and_be_bounded() {
		let deferred = DeferredLog::default();
		for _ in 0..2 * LINES {
			deferred.say(1, order(1), Level::Info, "replayed".into());
		}
		deferred.say(2, order(2), Level::Warn, "crashed".into());
		assert_eq!(deferred.publish(&BTreeSet::from([order(1), order(2)])), 0);
		assert_eq!(deferred.publish(&BTreeSet::from([order(1)])), 1);
		assert_eq!(deferred.publish(&BTreeSet::new()), LINES);
		assert_eq!(deferred.publish(&BTreeSet::new()), 0);
		for job in 0..2 * JOBS as JobId {
			deferred.say(job, order(job), Level::Info, "replayed".into());
		}
		let oldest = (0..JOBS as JobId).map(order).collect();
		assert_eq!(deferred.publish(&oldest), JOBS, "the oldest have made room");
		assert_eq!(deferred.publish(&BTreeSet::new()), 0);
	}
}

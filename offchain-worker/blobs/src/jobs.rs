//! What jobs are to the store: whose a blob is, what it is worth, and what is kept for how long.
//!
//! See `claims.rs` for who says so.

use crate::Hash;
use std::{
	cmp::Reverse,
	collections::{BTreeMap, BTreeSet, HashMap},
	time::Instant,
};

/// Number of a job.
pub type Job = u64;

/// Who has a blob here: a requester, by whatever names it uniquely.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner(pub Hash);

/// What the chain says of an open job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
	/// Who pays for it.
	pub owner: Owner,
	/// What is paid for it: among jobs within their share, what is worth less makes way first.
	pub worth: u128,
	/// Block until which something is to be done for it. Of equal worth, the later one makes way
	/// first.
	pub deadline: Option<u64>,
}

/// Order in which claims make way: the smallest first.
pub(crate) type Rank = (u128, Reverse<u64>);

/// Whose a blob is, and what for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
	/// Everyone with an open job that names it; else who had one last. Nobody: it came from this
	/// node's own client.
	pub owners: Vec<Owner>,
	/// Of the best open job.
	pub rank: Rank,
}

impl Default for Standing {
	fn default() -> Self {
		Self { owners: Vec::new(), rank: (0, Reverse(u64::MAX)) }
	}
}

#[derive(Default)]
pub(crate) struct Record {
	pub(crate) claim: Option<Claim>,
	pub(crate) named: BTreeSet<Hash>,
	/// Kept blobs with their lengths, and since when there are any.
	pub(crate) kept: BTreeMap<Hash, u64>,
	pub(crate) since: Option<Instant>,
}

/// All jobs that have to do with blobs.
#[derive(Default)]
pub(crate) struct Jobs {
	pub(crate) records: BTreeMap<Job, Record>,
	/// The jobs that name or keep a blob.
	pub(crate) of: HashMap<Hash, BTreeSet<Job>>,
}

impl Jobs {
	/// Whether an open job names or keeps a blob.
	pub fn is_open(&self, root: &Hash) -> bool {
		self.of.contains_key(root)
	}

	/// Whether this node keeps a blob for a job.
	pub fn is_kept(&self, root: &Hash) -> bool {
		let kept = |job| self.records.get(job).is_some_and(|record| record.kept.contains_key(root));
		self.of.get(root).into_iter().flatten().any(kept)
	}

	/// Whose a blob is by the open jobs; `None` where there is no such job.
	pub fn standing(&self, root: &Hash) -> Option<Standing> {
		let jobs = self.of.get(root)?;
		let claims = jobs.iter().filter_map(|job| self.records.get(job)?.claim);
		let mut standing = Standing::default();
		for Claim { owner, worth, deadline } in claims {
			if !standing.owners.contains(&owner) {
				standing.owners.push(owner);
			}
			standing.rank = standing.rank.max((worth, Reverse(deadline.unwrap_or(u64::MAX))));
		}
		Some(standing)
	}

	pub(crate) fn link(&mut self, job: Job, root: Hash) {
		self.of.entry(root).or_default().insert(job);
	}

	pub(crate) fn unlink(&mut self, job: Job, root: &Hash) {
		if let Some(jobs) = self.of.get_mut(root) {
			jobs.remove(&job);
			if jobs.is_empty() {
				self.of.remove(root);
			}
		}
	}
}

//! Who makes way for whom when the store is full.
//!
//! In this order, and no more than is needed:
//!
//! 1. What nobody has named, pinned or used for a while, the longest unused first.
//! 2. What an owner has beyond the share of an owner, for those who have less: first what is still
//!    on its way, then what is only named, then what is pinned; the cheapest first, the latest
//!    first.
//! 3. What is still on its way and has not moved for a minute.
//! 4. What is on its way, or whole and not pinned, of jobs that are worth less.
//! 5. What is on its way, began later and is worth no more. So the first of two that do not both
//!    fit gets done.
//!
//! An owner beyond its share displaces nothing but what falls under 1, and under 4 and 5 its own.
//! What a client of this node has brought, and no job has ever named, is only under 1.

use crate::{
	jobs::{Owner, Rank, Standing},
	Hash, Options,
};
use std::{
	cmp::Reverse,
	collections::{HashMap, HashSet},
	time::{Duration, Instant},
};

/// An upload without a byte for so long counts as given up by whoever sends it.
const STALE: Duration = Duration::from_secs(60);

/// What is here of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
	Whole,
	/// Part of it. Uploads that began earlier have smaller numbers.
	Upload(u64),
}

/// A blob or upload.
#[derive(Clone, Debug)]
pub(crate) struct Object {
	pub root: Hash,
	pub kind: Kind,
	/// Bytes that are free when it goes.
	pub len: u64,
	pub used: Instant,
	/// When the last job ended that it was for.
	pub released: Option<Instant>,
	/// This node owes it to somebody.
	pub pinned: bool,
	/// An open job has to do with it.
	pub named: bool,
	pub standing: Standing,
}

impl Object {
	fn upload(&self) -> Option<u64> {
		match self.kind {
			Kind::Upload(number) => Some(number),
			Kind::Whole => None,
		}
	}

	/// Nobody would miss it.
	fn is_idle(&self, options: &Options) -> bool {
		let released = |at: Instant| at.elapsed() >= options.retention;
		!self.pinned
			&& !self.named
			&& self.used.elapsed() >= options.grace
			&& self.released.is_none_or(released)
	}

	/// Brought by a client of this node, for which no job pays.
	fn is_own(&self) -> bool {
		!self.pinned && !self.named && self.standing.owners.is_empty()
	}
}

/// Order in which what is beyond a share goes.
type Order = (bool, bool, Rank, Reverse<u64>, Reverse<Instant>);

/// What somebody who needs room is.
struct Asker<'a> {
	root: &'a Hash,
	standing: &'a Standing,
	number: u64,
	/// Has no more than a share, what is needed now included.
	modest: bool,
}

impl Asker<'_> {
	/// Whether this goes before `object`, and what `object` has is not owed to anyone.
	fn precedes(&self, object: &Object) -> bool {
		let shared =
			self.standing.owners.iter().any(|owner| object.standing.owners.contains(owner));
		if object.is_own() || !(self.modest || shared) {
			return false;
		}
		match object.upload() {
			None => !object.pinned && object.standing.rank < self.standing.rank,
			Some(number) => {
				object.standing.rank < self.standing.rank
					|| (object.standing.rank == self.standing.rank && number > self.number)
			}
		}
	}
}

/// Chooses what goes so that `over` bytes are free; `None` where that cannot be.
pub(crate) fn displace(
	objects: &[Object],
	root: &Hash,
	standing: &Standing,
	number: u64,
	needed: u64,
	over: u64,
	options: &Options,
) -> Option<Vec<Hash>> {
	let mut bytes = HashMap::<Owner, u64>::new();
	for object in objects {
		for owner in &object.standing.owners {
			*bytes.entry(*owner).or_default() += object.len;
		}
	}
	let has = |owner: &Owner| bytes.get(owner).copied().unwrap_or(0).saturating_add(needed);
	let modest =
		standing.owners.is_empty() || standing.owners.iter().any(|o| has(o) <= options.share);
	let asker = Asker { root, standing, number, modest };
	let mut choice = Choice { over, freed: 0, gone: Vec::new(), known: HashSet::new() };
	let others = || objects.iter().filter(|object| object.root != *asker.root && object.len > 0);

	let mut idle: Vec<_> = others().filter(|object| object.is_idle(options)).collect();
	idle.sort_by_key(|object| (object.used, object.root));
	choice.take(&idle, |_| true);

	if asker.modest {
		let mut beyond: Vec<_> = others().filter(|object| !object.is_own()).collect();
		beyond.sort_by_key(|object| order(object));
		choice.take(&beyond, |object| {
			let beyond = match object.standing.owners.is_empty() {
				// Pinned for a job that is not known yet.
				true => object.upload().is_some() && object.len > options.share,
				false => {
					let over = |owner| bytes.get(owner).is_some_and(|has| *has > options.share);
					object.standing.owners.iter().all(over)
				}
			};
			if beyond {
				for owner in &object.standing.owners {
					bytes.entry(*owner).and_modify(|has| *has -= object.len);
				}
			}
			beyond
		});
	}

	let stale = |object: &&Object| {
		let still = object.used.elapsed() >= STALE;
		asker.modest && object.upload().is_some() && !object.is_own() && still
	};
	let mut stale: Vec<_> = others().filter(stale).collect();
	stale.sort_by_key(|object| (object.standing.rank, object.used));
	choice.take(&stale, |_| true);

	let mut later: Vec<_> = others().filter(|object| asker.precedes(object)).collect();
	later.sort_by_key(|object| {
		(object.standing.rank, object.upload().is_none(), Reverse(object.upload()), object.used)
	});
	choice.take(&later, |_| true);
	choice.done().then_some(choice.gone)
}

fn order(object: &Object) -> Order {
	let latest = Reverse(object.upload().unwrap_or(0));
	let whole = object.upload().is_none();
	(whole, whole && object.pinned, object.standing.rank, latest, Reverse(object.used))
}

/// What goes.
struct Choice {
	over: u64,
	freed: u64,
	gone: Vec<Hash>,
	known: HashSet<Hash>,
}

impl Choice {
	fn done(&self) -> bool {
		self.freed >= self.over
	}

	/// Takes from `objects`, in order, those that `may` go, until it is enough.
	fn take(&mut self, objects: &[&Object], mut may: impl FnMut(&Object) -> bool) {
		for object in objects {
			if self.done() {
				return;
			}
			if !self.known.contains(&object.root) && may(object) {
				self.known.insert(object.root);
				self.gone.push(object.root);
				self.freed = self.freed.saturating_add(object.len);
			}
		}
	}
}

//! Fairness at scale: random honest runs must stand, random mutations of them must fall.
//!
//! Everything follows from a seed and the number of the case, so that any case can be had again
//! alone.

pub mod honest;
pub mod mutants;
mod referee;

use crate::{models, work::Work};
use assay_engine_testing::{random_case, Rng};
use assay_program::Class;
use std::{
	sync::{
		atomic::{AtomicBool, AtomicU64, Ordering},
		Mutex, PoisonError,
	},
	time::{Duration, Instant},
};

/// How many cases, and which.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
	/// Seed of all cases.
	pub seed: u64,
	/// Number of the first case.
	pub first: u64,
	/// How many.
	pub count: u64,
	/// Threads that share them.
	pub threads: usize,
	/// Print progress.
	pub loud: bool,
}

impl Plan {
	/// Some cases from a seed, for a test.
	pub fn quiet(seed: u64, count: u64) -> Self {
		Self { seed, first: 0, count, threads: 1, loud: false }
	}
}

/// A case that did not go as it must.
#[derive(Clone, Debug)]
pub struct Failure {
	/// Number of the case.
	pub case: u64,
	/// What was found.
	pub what: String,
}

/// The random numbers of one case.
pub fn rng_of(seed: u64, case: u64) -> Rng {
	let mut mixer = Rng::new(seed ^ case.wrapping_mul(0xd134_2543_de82_ef95));
	Rng::new(mixer.bits())
}

/// A seed from the clock.
pub fn random_seed() -> u64 {
	let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
	now.map_or(0, |now| now.as_nanos() as u64)
}

/// A random program that the check admits, and those that it refused before, with what it said.
///
/// Where its anchors are not enough every node is committed to.
pub fn random_work(rng: &mut Rng) -> (Work, Vec<(Vec<u8>, String)>) {
	let mut refused = vec![];
	// Rare in random programs: proofs of several parts, and run trees of two levels of groups.
	match rng.below(150) {
		0 => {
			let (rows, length) = (rng.range(1, 20) as u32, rng.range(12_000, 40_000) as u32);
			return (models::long_product(rows, length), refused);
		}
		1 => return (models::accumulator(rng.range(250, 600) as u32), refused),
		_ => {}
	}
	loop {
		let nodes = rng.range(1, 14) as usize;
		let largest = if rng.one_in(200) {
			300_000
		} else {
			rng.pick(&[1, 40, 300, 300, 2_000, 2_000, 12_000])
		};
		let mut case = random_case(rng, nodes, largest);
		for everywhere in [false, true] {
			let classes = case.program.nodes.iter_mut().map(|node| &mut node.class);
			let hidden = classes.filter(|class| everywhere && **class == Class::Virtual);
			hidden.for_each(|class| *class = Class::EagerAnchor);
			match Work::random(&case) {
				Ok(work) => return (work, refused),
				Err(why) => refused.push((case.program.encode(), why)),
			}
		}
	}
}

/// Hands out cases to threads, counts them, and keeps the first that failed.
pub(crate) struct Share {
	plan: Plan,
	next: AtomicU64,
	done: AtomicU64,
	stopped: AtomicBool,
	failure: Mutex<Option<Failure>>,
	start: Instant,
	told: Mutex<Instant>,
}

impl Share {
	pub(crate) fn new(plan: Plan) -> Self {
		let start = Instant::now();
		Self {
			plan,
			next: AtomicU64::new(0),
			done: AtomicU64::new(0),
			stopped: AtomicBool::new(false),
			failure: Mutex::new(None),
			start,
			told: Mutex::new(start),
		}
	}

	/// The next cases, at most `most` of them; none when all are taken or one has failed.
	pub(crate) fn take(&self, most: u64) -> Vec<u64> {
		if self.stopped.load(Ordering::Relaxed) {
			return vec![];
		}
		let from = self.next.fetch_add(most, Ordering::Relaxed).min(self.plan.count);
		let to = from.saturating_add(most).min(self.plan.count);
		(from..to).map(|at| self.plan.first + at).collect()
	}

	/// These are done.
	pub(crate) fn finish(&self, cases: u64) {
		let done = self.done.fetch_add(cases, Ordering::Relaxed) + cases;
		let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
		if self.plan.loud && told.elapsed() > Duration::from_secs(5) {
			*told = Instant::now();
			let rate = done as f64 / self.start.elapsed().as_secs_f64();
			eprintln!("  {done} of {} ({rate:.0} a second)", self.plan.count);
		}
	}

	/// One of them failed; the others may stop.
	pub(crate) fn fail(&self, failure: Failure) {
		self.stopped.store(true, Ordering::Relaxed);
		let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
		if first.as_ref().is_none_or(|first| failure.case < first.case) {
			*first = Some(failure);
		}
	}

	/// Whether one has failed.
	pub(crate) fn stopped(&self) -> bool {
		self.stopped.load(Ordering::Relaxed)
	}

	/// How long it took, or what failed.
	pub(crate) fn end(self) -> Result<Duration, Failure> {
		match self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
			Some(failure) => Err(failure),
			None => Ok(self.start.elapsed()),
		}
	}
}

/// What a panic said.
pub(crate) fn words(panic: Box<dyn std::any::Any + Send>) -> String {
	let text = panic.downcast_ref::<String>().map(String::as_str);
	let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
	format!("panicked: {}", text.unwrap_or("without a text"))
}

//! How fast this machine is, as it was measured: whoever knows that need not begin what it cannot
//! end.
//!
//! Who writes programs and serves blobs can only make its own slow, so that a measurement says most
//! about its own program, and nothing that is measured makes this node refuse work of others that
//! it could do:
//!
//! * Of a program that ran here its own latest rate counts. Of another one the *best* rate counts
//!   where a duty may be refused, the *median* where duties are compared.
//! * Every program counts once, however often it runs, and for an hour.

use crate::types::{Hash, LOG_TARGET};
use codec::{DecodeAll, Encode};
use parking_lot::Mutex;
use schnellru::{ByLength, LruMap};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use std::time::{Duration, Instant};

/// Programs whose rates are remembered.
const PROGRAMS: u32 = 64;
/// Fetches whose rates are remembered.
const FETCHES: usize = 16;
/// How long a measurement counts.
const VALID: Duration = Duration::from_secs(3600);
/// A worker's start and the loading of inputs take about so long, whatever the work is.
pub(crate) const START: Duration = Duration::from_secs(2);
/// Bytes of a fetch that is long enough to be measured.
const LONG_FETCH: u64 = 8 << 20;
/// Work units a second where nothing is known: what the chain's clocks expect of everybody.
pub(crate) const EXPECTED: u64 = 1_000_000_000 / 3;
/// Version byte in front of what is stored.
const VERSION: u8 = 1;

type Keep = Box<dyn FnMut(Vec<(Hash, u64)>) + Send>;

#[derive(Clone, Copy)]
struct Rate {
	per_second: u64,
	at: Instant,
}

struct Inner {
	work: LruMap<Hash, Rate, ByLength>,
	fetched: Vec<Rate>,
	keep: Option<Keep>,
}

/// What was measured of workers and fetches.
pub(crate) struct Rates(Mutex<Inner>);

impl Default for Rates {
	fn default() -> Self {
		let work = LruMap::new(ByLength::new(PROGRAMS));
		Self(Mutex::new(Inner { work, fetched: Vec::new(), keep: None }))
	}
}

impl Rates {
	/// Takes up what an earlier run of the node has measured, as if it were measured now. Blocks.
	pub(crate) fn open<S: OffchainStorage + 'static>(mut storage: S, genesis: Hash) -> Self {
		let key = (b"assay/verifier/rates/", genesis).encode();
		let stored = storage.get(STORAGE_PREFIX, &key).map(|bytes| decode(&bytes));
		if stored == Some(None) {
			log::warn!(target: LOG_TARGET, "The stored rates are unreadable; measuring anew");
		}
		let rates = Self::default();
		{
			let mut inner = rates.0.lock();
			for (program, per_second) in stored.flatten().unwrap_or_default() {
				inner.work.insert(program, Rate { per_second, at: Instant::now() });
			}
			inner.keep = Some(Box::new(move |rates| {
				storage.set(STORAGE_PREFIX, &key, &(VERSION, rates).encode());
			}));
		}
		rates
	}

	/// A worker took so long for so much work. Blocks on the storage.
	pub(crate) fn worked(&self, program: Hash, work: u64, took: Duration) {
		let per_second = per_second(work, took);
		let mut inner = self.0.lock();
		// Of a short replay most was the worker's start: it shows that the machine is at least so
		// fast.
		if took < 2 * START && inner.own(&program).is_some_and(|known| known >= per_second) {
			return;
		}
		if took < 2 * START && inner.own(&program).is_none() && inner.best() >= Some(per_second) {
			return;
		}
		inner.work.insert(program, Rate { per_second, at: Instant::now() });
		let Inner { work, keep, .. } = &mut *inner;
		if let Some(keep) = keep {
			let mut all: Vec<_> =
				work.iter().map(|(program, rate)| (*program, rate.per_second)).collect();
			// From the oldest, so that they are read back in this order.
			all.reverse();
			keep(all);
		}
	}

	/// A fetch of so many bytes took so long.
	pub(crate) fn fetched(&self, bytes: u64, took: Duration) {
		if bytes < LONG_FETCH {
			return;
		}
		let fetched = &mut self.0.lock().fetched;
		if fetched.len() >= FETCHES {
			fetched.remove(0);
		}
		fetched.push(Rate { per_second: per_second(bytes, took), at: Instant::now() });
	}

	/// How long a replay takes at least, as far as that is known.
	pub(crate) fn at_least(&self, program: &Hash, work: u64) -> Option<Duration> {
		let inner = self.0.lock();
		inner.own(program).or_else(|| inner.best()).map(|rate| time(work, rate))
	}

	/// How long fetching takes at least, as far as that is known.
	pub(crate) fn fetch_at_least(&self, bytes: u64) -> Option<Duration> {
		let inner = self.0.lock();
		let valid = inner.fetched.iter().filter(|rate| rate.at.elapsed() < VALID);
		valid.map(|rate| rate.per_second).max().map(|rate| time(bytes, rate))
	}

	/// How long a replay is likely to take, its worker's start included.
	pub(crate) fn likely(&self, program: &Hash, work: u64) -> Duration {
		let inner = self.0.lock();
		let rate = inner.own(program).or_else(|| inner.median()).unwrap_or(EXPECTED);
		START.saturating_add(time(work, rate))
	}

	/// Work units a second of the median program, for the metrics; 0 where nothing is known.
	pub(crate) fn work(&self) -> u64 {
		self.0.lock().median().unwrap_or_default()
	}
}

impl Inner {
	fn own(&self, program: &Hash) -> Option<u64> {
		let rate = self.work.peek(program).filter(|rate| rate.at.elapsed() < VALID);
		rate.map(|rate| rate.per_second)
	}

	fn valid(&self) -> impl Iterator<Item = u64> + '_ {
		let valid = self.work.iter().filter(|(_, rate)| rate.at.elapsed() < VALID);
		valid.map(|(_, rate)| rate.per_second)
	}

	fn best(&self) -> Option<u64> {
		self.valid().max()
	}

	fn median(&self) -> Option<u64> {
		let mut all: Vec<_> = self.valid().collect();
		all.sort_unstable();
		all.get(all.len() / 2).copied()
	}
}

fn per_second(amount: u64, took: Duration) -> u64 {
	let nanoseconds = took.as_nanos().max(1);
	let rate = u128::from(amount).saturating_mul(1_000_000_000) / nanoseconds;
	u64::try_from(rate).unwrap_or(u64::MAX).max(1)
}

fn time(amount: u64, per_second: u64) -> Duration {
	let milliseconds = u128::from(amount).saturating_mul(1000) / u128::from(per_second.max(1));
	Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

fn decode(bytes: &[u8]) -> Option<Vec<(Hash, u64)>> {
	match bytes.split_first() {
		Some((&VERSION, mut rest)) => Vec::decode_all(&mut rest).ok(),
		_ => None,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::testing::storage::SharedStorage;

	const MINUTE: Duration = Duration::from_secs(60);

	#[test]
	fn replay_should_take_what_its_own_program_took_before() {
		let rates = Rates::default();
		assert_eq!(rates.at_least(&[1; 32], 600), None);
		assert_eq!(rates.likely(&[1; 32], EXPECTED), START + Duration::from_secs(1));
		rates.worked([1; 32], 600, MINUTE);
		rates.worked([2; 32], 6_000, MINUTE);
		assert_eq!(rates.at_least(&[1; 32], 1_200), Some(2 * MINUTE));
		assert_eq!(rates.at_least(&[2; 32], 1_200), Some(Duration::from_secs(12)));
		// Of a third one it is only known that the machine can be that fast.
		assert_eq!(rates.at_least(&[3; 32], 1_200), Some(Duration::from_secs(12)));
		assert_eq!(rates.work(), 100);
	}

	/// Programs that crawl are written by whoever wants this node to refuse the work of others.
	#[test]
	fn slow_programs_should_not_make_others_be_refused_however_many_they_are() {
		let rates = Rates::default();
		rates.worked([255; 32], 6_000_000, MINUTE);
		for program in 0..60 {
			for _ in 0..10 {
				rates.worked([program; 32], 60, MINUTE);
			}
		}
		assert_eq!(rates.at_least(&[100; 32], 6_000_000), Some(MINUTE));
		assert_eq!(rates.at_least(&[5; 32], 60), Some(MINUTE));
		// Nor do peers that serve slowly what they alone have.
		rates.fetched(60 << 20, Duration::from_secs(1));
		for _ in 0..15 {
			rates.fetched(60 << 20, MINUTE);
		}
		assert_eq!(rates.fetch_at_least(60 << 20), Some(Duration::from_secs(1)));
	}

	#[test]
	fn short_replays_should_raise_a_rate_and_never_lower_it() {
		let rates = Rates::default();
		rates.worked([1; 32], 1_000, Duration::from_secs(10));
		rates.worked([1; 32], 1, Duration::from_secs(1));
		rates.worked([2; 32], 1, Duration::from_secs(1));
		assert_eq!(rates.at_least(&[1; 32], 1_000), Some(Duration::from_secs(10)));
		assert_eq!(rates.at_least(&[2; 32], 1_000), Some(Duration::from_secs(10)));
		rates.worked([1; 32], 1_000, Duration::from_secs(1));
		assert_eq!(rates.at_least(&[1; 32], 1_000), Some(Duration::from_secs(1)));
		rates.fetched(1, MINUTE);
		assert_eq!(rates.fetch_at_least(1), None, "too short to say anything");
	}

	#[test]
	fn rates_should_survive_a_restart_and_be_forgotten_when_they_are_unreadable() {
		let storage = SharedStorage::default();
		let rates = Rates::open(storage.clone(), [9; 32]);
		for program in 0..=PROGRAMS as u8 {
			rates.worked([program; 32], 600 + u64::from(program) * 60, MINUTE);
		}
		let restarted = Rates::open(storage.clone(), [9; 32]);
		assert_eq!(restarted.at_least(&[10; 32], 1_200), rates.at_least(&[10; 32], 1_200));
		assert_eq!(Rates::open(storage.clone(), [8; 32]).at_least(&[10; 32], 1), None);
		let key = (b"assay/verifier/rates/", [9u8; 32]).encode();
		storage.clone().set(STORAGE_PREFIX, &key, b"\x01\xff");
		assert_eq!(Rates::open(storage, [9; 32]).at_least(&[10; 32], 1), None);
	}

	#[test]
	fn times_should_saturate_when_numbers_are_extreme() {
		let rates = Rates::default();
		rates.worked([1; 32], u64::MAX, Duration::ZERO);
		rates.worked([2; 32], 0, Duration::MAX);
		assert_eq!(rates.at_least(&[1; 32], u64::MAX), Some(Duration::from_secs(1)));
		assert!(rates.at_least(&[2; 32], u64::MAX) > Some(Duration::from_secs(1 << 40)));
	}
}

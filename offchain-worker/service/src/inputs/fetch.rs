//! Blobs that are missing here come from peers, where the node can fetch.

use crate::{
	config::Config,
	turns::queue::Worth,
	turns::rates::Rates,
	turns::workers::{Bid, Workers},
	types::Hash,
};
use assay_blobs::BlobStore;
use futures::future::BoxFuture;
use std::{
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc, OnceLock,
	},
	time::{Duration, Instant},
};
use tokio::time::timeout;

/// Most jobs whose inputs are fetched at the same time before their replays.
const FETCHING: usize = 4;

/// A turn in which fewer bytes come in a second than these is a slow one: a quarter of what the
/// chain's clocks expect.
const SLOW_FETCH: u64 = 4 << 18;

/// Gets blobs that the node does not hold.
pub trait Fetch: Send + Sync + 'static {
	/// Wants these blobs, each with its length in bytes, from now on for some time. Returns at
	/// once.
	fn want(&self, blobs: &[(Hash, u64)]);

	/// Fetches these blobs. Ends when all are in the node's store, or when no peer gives more of
	/// them.
	fn fetch(&self, blobs: Vec<(Hash, u64)>) -> BoxFuture<'static, ()>;
}

/// Who is asked for blobs, and whose turn it is.
pub(crate) struct Fetching {
	fetch: OnceLock<Arc<dyn Fetch>>,
	blobs: Arc<BlobStore>,
	/// Whose inputs are fetched before their replays.
	pub(crate) turns: Workers,
	/// How long a turn is.
	length: Duration,
	rates: Arc<Rates>,
}

impl Fetching {
	pub(crate) fn new(blobs: Arc<BlobStore>, rates: Arc<Rates>, config: &Config) -> Self {
		let turns = Workers::new(FETCHING, config.block_time);
		Self { fetch: OnceLock::new(), blobs, turns, length: config.fetch_turn, rates }
	}

	/// Asks there, unless somebody is asked already.
	pub(crate) fn from(&self, fetch: Arc<dyn Fetch>) {
		let _ = self.fetch.set(fetch);
	}

	/// Wants those of a job's inputs that are not held.
	pub(crate) fn want_missing(&self, inputs: &[(Hash, u64)]) {
		let missing = self.missing(inputs);
		if let Some(fetch) = self.fetch.get().filter(|_| !missing.is_empty()) {
			fetch.want(&missing);
		}
	}

	/// Fetches blobs for a replay in its turn: what brings most for its time goes first, and what
	/// hardly comes has its next turn later, so that nobody is kept waiting by blobs that nobody
	/// serves. Ends when all are here or no peer gives more. `left` says how many bytes are still
	/// to come.
	pub(crate) async fn fetch(&self, bid: Bid, left: &AtomicU64, missing: Vec<(Hash, u64)>) {
		let Some(fetch) = self.fetch.get().cloned() else { return };
		let (mut missing, mut slow) = (missing, 0u32);
		while !missing.is_empty() {
			let bytes = missing.iter().map(|(_, len)| *len).fold(0, u64::saturating_add);
			left.store(bytes, Ordering::Relaxed);
			let length = self.length;
			let mut bid = Bid { takes: length, ..bid };
			if let Worth::Fee(fee) = &mut bid.worth {
				*fee = fee.checked_shr(8 * slow).unwrap_or_default();
			}
			let turn = self.turns.turn(bid).await;
			let (started, before) = (Instant::now(), self.received(&missing));
			let ended = timeout(length, fetch.fetch(missing.clone())).await;
			drop(turn);
			let came = self.received(&missing).saturating_sub(before);
			if ended.is_ok() {
				self.rates.fetched(came, started.elapsed());
				break;
			}
			if came < SLOW_FETCH.saturating_mul(length.as_secs()).max(1) {
				slow = slow.saturating_add(1);
			}
			missing = self.missing(&missing);
		}
		left.store(0, Ordering::Relaxed);
	}

	/// Bytes of these blobs that are here.
	fn received(&self, blobs: &[(Hash, u64)]) -> u64 {
		blobs.iter().map(|(root, _)| self.blobs.status(root).received).sum()
	}

	/// Those of these blobs that are not here.
	pub(crate) fn missing(&self, blobs: &[(Hash, u64)]) -> Vec<(Hash, u64)> {
		blobs.iter().filter(|(root, _)| !self.blobs.contains(root)).copied().collect()
	}
}

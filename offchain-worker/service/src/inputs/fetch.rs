//! Inputs that are missing here come from peers, where the node can fetch.

use std::{
	sync::{atomic::Ordering, Arc},
	time::Instant,
};

use futures::future::BoxFuture;
use sp_core::offchain::OffchainStorage;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
	chain::Chain, thread::joined, turns::queue::Worth, types::Hash, verify::duty::Shared,
	verify::verifier::Verdict,
};

/// A turn in which fewer bytes come in a second than these is a slow one: a quarter of what the chain's
/// clocks expect.
const SLOW_FETCH: u64 = 4 << 18;

/// Gets blobs that the node does not hold.
pub trait Fetch: Send + Sync + 'static {
	/// Wants these blobs, each with its length in bytes, from now on for some time. Returns at once.
	fn want(&self, blobs: &[(Hash, u64)]);

	/// Fetches these blobs. Ends when all are in the node's store, or when no peer gives more of them.
	fn fetch(&self, blobs: Vec<(Hash, u64)>) -> BoxFuture<'static, ()>;
}

impl<C: Chain, S: OffchainStorage + 'static> Shared<C, S> {
	/// Wants those of a job's inputs that are not held.
	pub(crate) fn want_missing(&self, inputs: &[(Hash, u64)]) {
		let missing = self.missing(inputs);
		if let Some(fetch) = self.fetch.get().filter(|_| !missing.is_empty()) {
			fetch.want(&missing);
		}
	}

	/// Fetches those of a job's inputs that are not held, before a worker is taken up with it. What does not
	/// come is found missing by the attempt.
	pub(crate) async fn gather(self: &Arc<Self>, verdict: &Verdict<'_>) {
		let assignment = verdict.assignment;
		self.gather_checkpoint(verdict).await;
		let (program, roots) = (assignment.program, assignment.input_roots.clone());
		let shared = self.clone();
		let look = spawn_blocking(move || {
			let inputs = shared.examine(program)?.inputs(&roots)?;
			Ok(shared.missing(&inputs))
		});
		if let Ok(missing) = joined(look.await) {
			self.fetch_for(verdict, missing).await;
		}
	}

	/// Fetches blobs for a replay in its turn: what brings most for its time goes first, and what hardly
	/// comes has its next turn later, so that nobody is kept waiting by blobs that nobody serves. Ends when
	/// all are here or no peer gives more.
	pub(crate) async fn fetch_for(
		self: &Arc<Self>,
		verdict: &Verdict<'_>,
		missing: Vec<(Hash, u64)>,
	) {
		let Some(fetch) = self.fetch.get().cloned() else { return };
		let (mut missing, mut slow) = (missing, 0u32);
		while !missing.is_empty() {
			let bytes = missing.iter().map(|(_, len)| *len).fold(0, u64::saturating_add);
			verdict.missing.store(bytes, Ordering::Relaxed);
			let length = self.config.fetch_turn;
			let mut bid = verdict.bid(length);
			if let Worth::Fee(fee) = &mut bid.worth {
				*fee = fee.checked_shr(8 * slow).unwrap_or_default();
			}
			let turn = self.fetching.turn(bid).await;
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
		verdict.missing.store(0, Ordering::Relaxed);
	}

	/// Bytes of these blobs that are here.
	fn received(&self, blobs: &[(Hash, u64)]) -> u64 {
		blobs.iter().map(|(root, _)| self.blobs.status(root).received).sum()
	}

	pub(crate) fn missing(&self, inputs: &[(Hash, u64)]) -> Vec<(Hash, u64)> {
		inputs.iter().filter(|(root, _)| !self.blobs.contains(root)).copied().collect()
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::testing::world::{Act, FakeRunner, World};
	use assay_blobs::BlobStore;
	use assay_market::{
		AbstainReason, MailboxEntry,
		Purpose::{Attest, Verify},
	};
	use futures::FutureExt;
	use parking_lot::Mutex;

	/// Peers that have the input, or nobody.
	struct Peers {
		blobs: Arc<BlobStore>,
		has: Option<Vec<u8>>,
		asked: Mutex<Vec<(Hash, u64)>>,
	}

	impl Fetch for Peers {
		fn want(&self, blobs: &[(Hash, u64)]) {
			self.asked.lock().extend_from_slice(blobs);
			if let Some(blob) = &self.has {
				self.blobs.insert(blob).unwrap();
			}
		}

		fn fetch(&self, blobs: Vec<(Hash, u64)>) -> BoxFuture<'static, ()> {
			self.want(&blobs);
			async {}.boxed()
		}
	}

	fn world(has: bool) -> (World, Arc<Peers>) {
		let mut world = World::new();
		world.blobs.remove(&world.input).unwrap();
		let has = has.then(|| vec![1; 1024]);
		let peers = Arc::new(Peers { blobs: world.blobs.clone(), has, asked: Default::default() });
		world.fetch = Some(peers.clone());
		(world, peers)
	}

	#[tokio::test]
	async fn inputs_should_be_fetched_and_attested_when_a_key_was_drawn_to_attest() {
		let (world, peers) = world(true);
		world.chain.set(vec![world.assignment(1, Attest)]);
		let _node = world.start(FakeRunner::new([]));
		world.settle().await;
		assert_eq!(world.found(1, Attest).await, MailboxEntry::Attested { ok: true });
		assert_eq!(*peers.asked.lock(), [(world.input, 1024)]);
		// Held until the job ends.
		let removed = world.blobs.remove(&world.input);
		assert!(matches!(removed, Err(assay_blobs::BlobError::Pinned(_))));
	}

	#[tokio::test]
	async fn inputs_should_be_fetched_before_the_replay_when_a_key_was_drawn_to_verify() {
		let (world, peers) = world(true);
		world.chain.draw(vec![world.lottery(1)]);
		let runner = FakeRunner::new([Act::Root([4; 32])]);
		let _node = world.start(runner.clone());
		let found = world.found(1, Verify).await;
		assert!(matches!(found, MailboxEntry::Replayed { run_root, .. } if run_root == [4; 32]));
		assert_eq!(*peers.asked.lock(), [(world.input, 1024)]);
		assert_eq!(runner.calls(), 1);
	}

	/// Peers that say they have inputs and give none but one.
	struct Misers {
		blobs: Arc<BlobStore>,
		gives: Vec<u8>,
	}

	impl Fetch for Misers {
		fn want(&self, _: &[(Hash, u64)]) {}

		fn fetch(&self, blobs: Vec<(Hash, u64)>) -> BoxFuture<'static, ()> {
			let root = assay_commitments::tensor_root(&self.gives);
			if blobs.iter().all(|(wanted, _)| *wanted == root) {
				self.blobs.insert(&self.gives).unwrap();
				return async {}.boxed();
			}
			futures::future::pending().boxed()
		}
	}

	/// H6 seen from the duties: jobs whose inputs never come, which all pay more than the one that can
	/// be done.
	#[tokio::test]
	async fn inputs_should_be_fetched_when_better_paid_duties_wait_for_what_nobody_gives() {
		let mut world = World::new();
		let gives = vec![3; 1024];
		let root = assay_commitments::tensor_root(&gives);
		world.fetch = Some(Arc::new(Misers { blobs: world.blobs.clone(), gives }));
		world.config.fetch_turn = std::time::Duration::from_millis(20);
		let mut lotteries: Vec<_> = (2..=20u8)
			.map(|job| {
				let mut lottery = world.lottery(job.into());
				(lottery.input_roots, lottery.duty.fee) = (vec![[job; 32]], 1 << 40);
				lottery
			})
			.collect();
		let mut good = world.lottery(1);
		good.input_roots = vec![root];
		lotteries.push(good);
		world.chain.draw(lotteries);
		let _node = world.start(FakeRunner::new([Act::Root([4; 32])]));
		let found = world.found(1, Verify).await;
		assert!(matches!(found, MailboxEntry::Replayed { run_root, .. } if run_root == [4; 32]));
		// The others are not given up while there is time.
		assert!((2..=20).all(|job| world.entry(job, Verify).is_none()));
	}

	#[tokio::test]
	async fn verifier_should_say_that_inputs_are_missing_when_nobody_has_them() {
		let (world, peers) = world(false);
		world.chain.draw(vec![world.lottery(1)]);
		let runner = FakeRunner::new([]);
		let _node = world.start(runner.clone());
		let found = world.found(1, Verify).await;
		let missing = AbstainReason::InputsMissing;
		assert!(matches!(found, MailboxEntry::Abstain { reason, .. } if reason == missing));
		// Once before each of the two attempts.
		assert_eq!(*peers.asked.lock(), [(world.input, 1024); 2]);
		assert_eq!(runner.calls(), 0);
	}
}

//! Inputs that come from peers, with the service.

use crate::{
	inputs::fetch::Fetch,
	testing::world::{Act, FakeRunner, World},
	types::Hash,
};
use assay_blobs::{BlobError, BlobStore};
use assay_market::{
	AbstainReason, MailboxEntry,
	Purpose::{Attest, Verify},
};
use futures::{future::BoxFuture, FutureExt};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

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
	assert!(matches!(removed, Err(BlobError::Pinned(_))));
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
	world.config.fetch_turn = Duration::from_millis(20);
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

//! Inputs that are missing here come from peers, where the node can fetch.

use std::sync::Arc;

use futures::future::BoxFuture;
use sp_core::offchain::OffchainStorage;
use tokio::task::spawn_blocking;

use crate::{
	duty::{joined, Shared},
	Chain, Hash, JobAssignment,
};

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
	pub(crate) async fn gather(self: &Arc<Self>, assignment: &JobAssignment) {
		self.gather_checkpoint(assignment).await;
		let Some(fetch) = self.fetch.get().cloned() else { return };
		let (program, roots) = (assignment.program, assignment.input_roots.clone());
		let shared = self.clone();
		let look = spawn_blocking(move || {
			let inputs = shared.examine(program)?.inputs(&roots)?;
			Ok(shared.missing(&inputs))
		});
		match joined(look.await) {
			Ok(missing) if !missing.is_empty() => fetch.fetch(missing).await,
			_ => {}
		}
	}

	pub(crate) fn missing(&self, inputs: &[(Hash, u64)]) -> Vec<(Hash, u64)> {
		inputs.iter().filter(|(root, _)| !self.blobs.contains(root)).copied().collect()
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::testing::{Act, FakeRunner, World};
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

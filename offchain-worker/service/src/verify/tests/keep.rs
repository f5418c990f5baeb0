//! Outputs: those that this node keeps as it was drawn to, and those of its own replays.

use crate::{
	chain::{JobAssignment, OpenLottery},
	inputs::fetch::Fetch,
	testing::court::{Lie, JOB},
	testing::world::{compute, eventually, FakeRunner, World},
	types::Hash,
};
use assay_blobs::BlobError;
use assay_market::{MailboxEntry, Phase, Purpose::Keep, Purpose::Verify, SeatStatus};
use futures::{future::BoxFuture, FutureExt};
use parking_lot::Mutex;
use std::sync::Arc;

const HELD: MailboxEntry = MailboxEntry::Attested { ok: true };
const MISSING: MailboxEntry = MailboxEntry::Attested { ok: false };

/// The output of the world's program, as anybody may claim it to be.
const OUTPUT: [u8; 1024] = [9; 1024];

fn output() -> Hash {
	*blake3::hash(&OUTPUT).as_bytes()
}

/// A seat of Alice to keep the outputs of an opened result.
fn seat(world: &World) -> JobAssignment {
	JobAssignment { output_roots: vec![output()], ..world.assignment(JOB, Keep) }
}

/// Peers that note what they are asked for.
#[derive(Default)]
struct Peers(Mutex<Vec<(Hash, u64)>>);

impl Fetch for Peers {
	fn want(&self, blobs: &[(Hash, u64)]) {
		self.0.lock().extend_from_slice(blobs);
	}

	fn fetch(&self, blobs: Vec<(Hash, u64)>) -> BoxFuture<'static, ()> {
		self.want(&blobs);
		async {}.boxed()
	}
}

#[tokio::test]
async fn outputs_should_be_fetched_kept_and_attested_when_a_key_was_drawn_to_keep_them() {
	let mut world = World::new();
	let peers = Arc::new(Peers::default());
	world.fetch = Some(peers.clone());
	// Drawn at the commit: there is nothing to be kept before the reveal.
	world.chain.set(vec![world.assignment(JOB, Keep)]);
	let node = world.start(FakeRunner::new([]));
	world.settle().await;
	assert_eq!((world.entry(JOB, Keep), peers.0.lock().len()), (None, 0));

	world.chain.set(vec![seat(&world)]);
	eventually("the question to peers", || !peers.0.lock().is_empty()).await;
	assert_eq!(peers.0.lock()[0], (output(), 1024), "the length follows from the program");
	world.settle().await;
	assert_eq!(world.entry(JOB, Keep), None, "nothing is said before it is known");
	world.blobs.insert(&OUTPUT).unwrap();
	world.chain.advance(11, 10);
	assert_eq!(world.found(JOB, Keep).await, HELD);
	assert!(matches!(world.blobs.remove(&output()), Err(BlobError::Pinned(_))));
	assert_eq!(node.count("assay_verifier_keeps_total", "held"), 1);
}

#[tokio::test]
async fn keeper_should_say_no_only_when_the_last_clock_is_nearly_over() {
	let world = World::new();
	let revealing = JobAssignment { phase: Phase::Revealing, ..seat(&world) };
	world.chain.set(vec![revealing]);
	let _node = world.start(FakeRunner::new([]));
	// The clock of the reveals is followed by that of the challenges, in which outputs still count.
	world.chain.advance(29, 20);
	world.settle().await;
	assert_eq!(world.entry(JOB, Keep), None);
	world.chain.update(JOB, |seat| {
		seat.phase = Phase::Challengeable;
		seat.commit_deadline = 60;
	});
	let margin = world.config.abstain_margin;
	world.chain.advance(59 - margin, 40);
	world.settle().await;
	assert_eq!(world.entry(JOB, Keep), None);
	world.chain.advance(60 - margin, 40);
	assert_eq!(world.found(JOB, Keep).await, MISSING);
}

#[tokio::test]
async fn keeper_should_not_attest_bytes_of_another_length_than_the_program_gives() {
	let world = World::new();
	let root = world.blobs.insert(&[9; 2048]).unwrap();
	let long = JobAssignment { output_roots: vec![root], ..seat(&world) };
	world.chain.set(vec![long]);
	let _node = world.start(FakeRunner::new([]));
	world.settle().await;
	assert_eq!(world.entry(JOB, Keep), None);
	world.chain.advance(29, 20);
	assert_eq!(world.found(JOB, Keep).await, MISSING);
}

/// What was said in the first round says nothing in the second one, in which the hook would sign
/// it.
#[tokio::test]
async fn answer_should_go_when_it_is_on_chain_and_be_found_anew_when_the_key_is_drawn_again() {
	let world = World::new();
	world.chain.set(vec![seat(&world)]);
	world.chain.advance(29, 20);
	let _node = world.start(FakeRunner::new([]));
	assert_eq!(world.found(JOB, Keep).await, MISSING);
	world.chain.update(JOB, |seat| seat.status = SeatStatus::Attested(false));
	eventually("an empty mailbox", || world.entry(JOB, Keep).is_none()).await;
	world.settle().await;
	assert_eq!(world.entry(JOB, Keep), None, "it has said no already");

	// They come after all: that counts while the job can still be delivered.
	world.blobs.insert(&OUTPUT).unwrap();
	world.chain.advance(30, 20);
	assert_eq!(world.found(JOB, Keep).await, HELD);
	world.chain.update(JOB, |seat| seat.status = SeatStatus::Attested(true));
	eventually("an empty mailbox", || world.entry(JOB, Keep).is_none()).await;
	world.chain.update(JOB, |seat| {
		seat.status = SeatStatus::Pending;
		(seat.draw_block, seat.commit_deadline) = (31, 60);
	});
	assert_eq!(world.found(JOB, Keep).await, HELD);
}

#[tokio::test]
async fn answer_should_be_found_anew_when_it_never_got_into_a_block() {
	let world = World::new();
	world.chain.set(vec![seat(&world)]);
	world.chain.advance(29, 20);
	let _node = world.start(FakeRunner::new([]));
	assert_eq!(world.found(JOB, Keep).await, MISSING);
	world.blobs.insert(&OUTPUT).unwrap();
	world.chain.update(JOB, |seat| (seat.draw_block, seat.commit_deadline) = (31, 60));
	eventually("the other answer", || world.entry(JOB, Keep) == Some(HELD)).await;
}

/// A provider that computes rightly and hands nothing over is of no use to anybody: the verifiers
/// have the outputs before their verdicts are committed.
#[tokio::test]
async fn outputs_of_the_own_replay_should_be_held_before_the_verdict_whatever_the_provider_does() {
	for lie in [Lie::deep(), Lie::long()] {
		let world = World::new();
		let program = lie.program.clone();
		let id = world.chain.register(program.encode());
		let input_roots =
			lie.inputs.iter().map(|bytes| world.blobs.insert(bytes).unwrap()).collect();
		let output = assay_program::Source::Node(program.outputs[0].node);
		let ran = compute(&program, lie.inputs, lie.steps, &[output]).unwrap();
		let root = *blake3::hash(&ran.kept[&output]).as_bytes();
		world.chain.draw(vec![OpenLottery {
			program: id,
			input_roots,
			steps: lie.steps,
			..world.lottery(JOB)
		}]);
		let node = world.start(FakeRunner::computing(&world.blobs, []));
		world.found(JOB, Verify).await;
		assert_eq!(world.blobs.read(&root).unwrap(), ran.kept[&output]);
		assert!(matches!(world.blobs.remove(&root), Err(BlobError::Pinned(_))));
		assert_eq!(node.count("assay_verifier_outputs_total", "held"), 1);

		world.chain.finish(JOB);
		eventually("the end", || world.blobs.remove(&root).is_ok()).await;
	}
}

//! Forks: the number of a job is another job's, at each step of its life. What was found out about
//! the one is never said about the other.

use crate::{
	chain::{JobAssignment, OpenLottery},
	testing::court::{entry, entry_of, Court, Lie},
	testing::world::{eventually, order_of, Act, FakeRunner, World, GENESIS},
	types::Hash,
	verify::salt::derive_salt,
};
use assay_market::{
	MailboxEntry,
	Purpose::{self, Attest, Keep, Verify},
	SeatStatus,
};

const JOB: u64 = 1;
/// The order of the job that has the number on the other fork.
const OTHER: Hash = [0xee; 32];
const ROOT: Hash = [7; 32];

fn entry_of_other(world: &World, purpose: Purpose) -> Option<MailboxEntry> {
	world.entry_at(OTHER, purpose, &world.alice)
}

/// The same number, key and block, and another order: even the program may be the same.
fn other(seat: JobAssignment) -> JobAssignment {
	JobAssignment { order: OTHER, ..seat }
}

#[tokio::test]
async fn attestation_should_be_of_its_own_order() {
	let world = World::new();
	world.chain.set(vec![world.assignment(JOB, Attest)]);
	let _node = world.start(FakeRunner::new([]));
	assert_eq!(world.found(JOB, Attest).await, MailboxEntry::Attested { ok: true });
	assert_eq!(entry_of_other(&world, Attest), None);

	// The other job's inputs are nowhere.
	let missing = JobAssignment { input_roots: vec![[1; 32]], ..world.assignment(JOB, Attest) };
	world.chain.set(vec![other(missing)]);
	world.settle().await;
	assert_eq!(entry_of_other(&world, Attest), None);
	world.chain.advance(29, 10);
	let no = MailboxEntry::Attested { ok: false };
	eventually("the other answer", || entry_of_other(&world, Attest).as_ref() == Some(&no)).await;
	assert_eq!(world.entry(JOB, Attest), Some(MailboxEntry::Attested { ok: true }));
}

#[tokio::test]
async fn replay_should_be_stopped_and_begun_anew_when_its_number_is_another_jobs() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(JOB)]);
	let runner = FakeRunner::new([Act::Hang, Act::Root([8; 32])]);
	let _node = world.start(runner.clone());
	eventually("the replay", || runner.active() == 1).await;
	world.chain.draw(vec![OpenLottery { order: OTHER, ..world.lottery(JOB) }]);
	eventually("the other verdict", || entry_of_other(&world, Verify).is_some()).await;
	assert_eq!((runner.active(), runner.calls(), world.entry(JOB, Verify)), (0, 2, None));
}

#[tokio::test]
async fn verdict_should_have_its_own_root_salt_and_ticket_when_two_jobs_have_one_number() {
	let world = World::new();
	let (first, second) = (world.lottery(JOB), OpenLottery { order: OTHER, ..world.lottery(JOB) });
	world.chain.draw(vec![first.clone()]);
	// The very same task.
	let runner = FakeRunner::new([Act::Root(ROOT), Act::Root([8; 32]), Act::Hang]);
	let _node = world.start(runner.clone());
	world.found(JOB, Verify).await;
	world.chain.draw(vec![second]);
	eventually("the other verdict", || entry_of_other(&world, Verify).is_some()).await;
	let raw = |order| world.raw_entry(order, Verify, &world.alice).unwrap();
	let entries = [order_of(JOB), OTHER].map(|order| match raw(order) {
		MailboxEntry::Replayed { run_root, salt, ticket: Some(ticket), .. } => {
			let own = derive_salt(&*world.keystore, &GENESIS, &order, &world.alice).unwrap();
			assert_eq!(salt, own);
			(run_root, salt, ticket.pre_output)
		}
		entry => panic!("{entry:?}"),
	});
	let [(root, salt, ticket), (other_root, other_salt, other_ticket)] = entries;
	assert_eq!((root, other_root), (ROOT, [8; 32]));
	assert!(salt != other_salt && ticket != other_ticket);
	// Back on the first fork nothing is done again.
	world.chain.draw(vec![first]);
	world.settle().await;
	assert_eq!(runner.calls(), 2);
}

#[tokio::test]
async fn reveal_should_not_be_made_of_another_jobs_replay() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(JOB)]);
	let runner = FakeRunner::new([Act::Root(ROOT), Act::Root([8; 32]), Act::Hang]);
	let _node = world.start(runner.clone());
	world.found(JOB, Verify).await;
	// A fork in which this key has committed a verdict on the other job, and the chain asks for
	// chunks.
	let sampled = JobAssignment { sample: Some([3; 32]), ..world.assignment(JOB, Verify) };
	world.chain.draw(vec![]);
	world.chain.set(vec![other(sampled)]);
	eventually("the other verdict", || entry_of_other(&world, Verify).is_some()).await;
	match (world.entry(JOB, Verify), entry_of_other(&world, Verify)) {
		(
			Some(MailboxEntry::Replayed { run_root, chunks, .. }),
			Some(MailboxEntry::Replayed { run_root: other_root, .. }),
		) => assert_eq!((run_root, chunks, other_root), (ROOT, None, [8; 32])),
		entries => panic!("{entries:?}"),
	}
	// The chunks are looked for by another replay, not in what the first one left.
	eventually("the replay for the chunks", || runner.calls() == 3).await;
}

#[tokio::test]
async fn outputs_should_be_attested_for_their_own_order() {
	let world = World::new();
	let held = world.blobs.insert(&[9; 1024]).unwrap();
	let seat = |root| JobAssignment { output_roots: vec![root], ..world.assignment(JOB, Keep) };
	world.chain.set(vec![seat(held)]);
	let _node = world.start(FakeRunner::new([]));
	assert_eq!(world.found(JOB, Keep).await, MailboxEntry::Attested { ok: true });
	world.chain.set(vec![other(seat([5; 32]))]);
	world.settle().await;
	assert_eq!(entry_of_other(&world, Keep), None);
	world.chain.advance(29, 10);
	eventually("the other answer", || entry_of_other(&world, Keep).is_some()).await;
	assert_eq!(entry_of_other(&world, Keep), Some(MailboxEntry::Attested { ok: false }));
}

#[tokio::test]
async fn move_should_lie_under_its_own_order_and_go_when_the_number_is_another_jobs() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let runner = FakeRunner::computing(&world.blobs, []);
	let node = world.start(runner.clone());
	court.until(&world, "a move", |_| entry(&world, &world.alice).is_some()).await;
	let seen = entry(&world, &world.alice).unwrap();
	let stored = |order: &Hash| entry_of(&world, order, &world.alice);
	assert_eq!(stored(&order_of(JOB)), Some(seen));
	assert_eq!(stored(&OTHER), None);
	// The fork with the other job wins and is final.
	let mut elsewhere = Court::new(&world, Lie::long());
	elsewhere.result.order = OTHER;
	world.chain.finish(JOB);
	elsewhere.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert_eq!(stored(&order_of(JOB)), None);
	node.stop().await;
}

/// The inputs of two jobs of one number are kept until neither needs them.
#[tokio::test]
async fn inputs_should_be_kept_when_only_the_other_job_of_the_number_has_ended() {
	let world = World::new();
	let seat = world.assignment(JOB, Attest);
	world.chain.set(vec![seat.clone()]);
	let _node = world.start(FakeRunner::new([]));
	world.found(JOB, Attest).await;
	world.chain.set(vec![other(seat)]);
	eventually("the other answer", || entry_of_other(&world, Attest).is_some()).await;
	world.chain.finish_order(order_of(JOB));
	eventually("the end", || world.entry(JOB, Attest).is_none()).await;
	assert!(world.blobs.remove(&world.input).is_err());
	world.chain.update(JOB, |seat| seat.status = SeatStatus::Attested(true));
	world.chain.set(vec![]);
	world.chain.finish_order(OTHER);
	eventually("the clean-up", || world.blobs.remove(&world.input).is_ok()).await;
}

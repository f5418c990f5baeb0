//! The service against a chain and a runner that the test controls.

use crate::{
	chain::OpenLottery,
	fault::Fault,
	testing::world::{abstained, eventually, order_of, Act, FakeRunner, World, GENESIS},
	verify::salt::derive_salt,
};
use assay_market::{
	AbstainReason, MailboxEntry,
	Purpose::{Attest, Verify},
	SeatStatus,
};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};

const ROOT: [u8; 32] = [7; 32];
const HELD: MailboxEntry = MailboxEntry::Attested { ok: true };

fn replayed(world: &World, job: u64, run_root: [u8; 32]) -> MailboxEntry {
	let salt = derive_salt(&*world.keystore, &GENESIS, &order_of(job), &world.alice).unwrap();
	MailboxEntry::Replayed { run_root, salt, ticket: None, chunks: None }
}

fn crash() -> Fault {
	Fault::Crashed("signal 9".into())
}

#[tokio::test]
async fn inputs_should_be_attested_when_all_are_held() {
	let world = World::new();
	world.chain.set(vec![world.assignment(1, Attest)]);
	let _node = world.start(FakeRunner::new([]));
	assert_eq!(world.found(1, Attest).await, HELD);
}

#[tokio::test]
async fn inputs_should_be_attested_when_they_arrive_before_the_deadline() {
	let world = World::new();
	world.blobs.remove(&world.input).unwrap();
	world.chain.set(vec![world.assignment(1, Attest)]);
	let _node = world.start(FakeRunner::new([]));
	world.settle().await;
	assert_eq!(world.entry(1, Attest), None);
	world.blobs.insert(&[1; 1024]).unwrap();
	world.chain.advance(11, 10);
	assert_eq!(world.found(1, Attest).await, HELD);
}

#[tokio::test]
async fn inputs_should_be_denied_when_they_are_missing_at_the_deadline() {
	let world = World::new();
	world.blobs.remove(&world.input).unwrap();
	world.chain.set(vec![world.assignment(1, Attest)]);
	let _node = world.start(FakeRunner::new([]));
	world.settle().await;
	world.chain.advance(30 - world.config.abstain_margin, 10);
	assert_eq!(world.found(1, Attest).await, MailboxEntry::Attested { ok: false });
}

#[tokio::test]
async fn inputs_should_be_denied_at_once_when_their_length_or_number_cannot_fit() {
	let world = World::new();
	let long = world.blobs.insert(&[2; 2048]).unwrap();
	let (mut wrong, mut many) = (world.assignment(1, Attest), world.assignment(2, Attest));
	wrong.input_roots = vec![long];
	many.input_roots = vec![world.input, world.input];
	world.chain.set(vec![wrong, many]);
	let _node = world.start(FakeRunner::new([]));
	for job in [1, 2] {
		assert_eq!(world.found(job, Attest).await, MailboxEntry::Attested { ok: false });
	}
}

#[tokio::test]
async fn inputs_should_not_be_attested_when_a_blob_was_damaged_on_disk() {
	let mut world = World::new();
	let path = world.blobs.path(&world.input).unwrap();
	let dir = world.dir.path().join("blobs");
	world.blobs = std::sync::Arc::new(
		assay_blobs::BlobStore::open(world.dir.path().join("other"), 1 << 20).unwrap(),
	);
	let mut bytes = std::fs::read(&path).unwrap();
	bytes[100] ^= 1;
	std::fs::remove_file(&path).unwrap();
	std::fs::write(&path, bytes).unwrap();
	world.blobs = std::sync::Arc::new(assay_blobs::BlobStore::open(dir, 1 << 20).unwrap());
	world.chain.set(vec![world.assignment(1, Attest)]);
	let _node = world.start(FakeRunner::new([]));
	world.settle().await;
	world.chain.advance(29, 10);
	assert_eq!(world.found(1, Attest).await, MailboxEntry::Attested { ok: false });
}

#[tokio::test]
async fn replay_should_wait_when_the_draw_block_is_not_final() {
	let world = World::new();
	world.chain.advance(6, 4);
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let _node = world.start(runner.clone());
	world.settle().await;
	assert_eq!(runner.calls(), 0);
	world.chain.advance(7, 5);
	assert_eq!(world.found(1, Verify).await, replayed(&world, 1, ROOT));
	assert_eq!(runner.calls(), 1);
}

#[tokio::test]
async fn replay_should_begin_when_finality_stands_still_and_the_draw_block_is_far_below_the_best() {
	let world = World::new();
	let mut lottery = world.lottery(1);
	(lottery.draw_block, lottery.commit_deadline) = (500, 800);
	world.chain.draw(vec![lottery]);
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let _node = world.start(runner.clone());
	world.chain.advance(619, 300);
	world.settle().await;
	assert_eq!(runner.calls(), 0);
	world.chain.advance(620, 300);
	assert_eq!(world.found(1, Verify).await, replayed(&world, 1, ROOT));
}

#[tokio::test]
async fn replay_should_be_repeated_once_when_a_local_fault_occurs() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([Act::Fail(crash()), Act::Root(ROOT)]);
	let _node = world.start(runner.clone());
	assert_eq!(world.found(1, Verify).await, replayed(&world, 1, ROOT));
	assert_eq!(runner.calls(), 2);
}

#[tokio::test]
async fn verifier_should_abstain_when_the_second_attempt_fails_too() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let out_of_memory = Fault::MemoryLimit(1);
	let runner = FakeRunner::new([Act::Fail(crash()), Act::Fail(out_of_memory)]);
	let _node = world.start(runner.clone());
	let silent = abstained(AbstainReason::OutOfMemory);
	assert_eq!(world.found(1, Verify).await, silent);
	world.settle().await;
	assert_eq!(runner.calls(), 2);
	assert_eq!(world.entry(1, Verify), Some(silent));
}

#[tokio::test]
async fn verifier_should_abstain_when_the_runner_panics() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let _node = world.start(FakeRunner::new([Act::Panic, Act::Panic]));
	let silent = abstained(AbstainReason::Other);
	assert_eq!(world.found(1, Verify).await, silent);
}

#[tokio::test]
async fn verifier_should_abstain_without_a_worker_when_the_program_or_input_decides_it() {
	let world = World::new();
	let mut newer = world.program.clone();
	// The operator set follows magic and version.
	newer[7..9].copy_from_slice(&u16::MAX.to_le_bytes());
	let mut lotteries = Vec::new();
	for (job, program) in [(1, newer), (2, b"ASSAYP no program".to_vec())] {
		let mut lottery = world.lottery(job);
		lottery.program = world.chain.register(program);
		lotteries.push(lottery);
	}
	let mut long = world.lottery(3);
	long.input_roots = vec![world.blobs.insert(&[2; 2048]).unwrap()];
	lotteries.push(long);
	world.chain.draw(lotteries);
	let runner = FakeRunner::new([]);
	let _node = world.start(runner.clone());
	for (job, reason) in [
		(1, AbstainReason::UnsupportedOperators),
		(2, AbstainReason::Other),
		(3, AbstainReason::InputsMissing),
	] {
		assert_eq!(world.found(job, Verify).await, abstained(reason), "{job}");
	}
	assert_eq!(runner.calls(), 0);
}

#[tokio::test]
async fn verifier_should_abstain_when_an_input_is_not_held() {
	let world = World::new();
	world.blobs.remove(&world.input).unwrap();
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([]);
	let _node = world.start(runner.clone());
	let silent = abstained(AbstainReason::InputsMissing);
	assert_eq!(world.found(1, Verify).await, silent);
	assert_eq!(runner.calls(), 0);
}

#[tokio::test]
async fn verifier_should_abstain_in_good_time_when_the_replay_is_too_slow() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([Act::Hang]);
	let _node = world.start(runner.clone());
	eventually("the replay", || runner.active() == 1).await;
	world.chain.advance(29 - world.config.abstain_margin, 10);
	world.settle().await;
	assert_eq!(world.entry(1, Verify), None);
	world.chain.advance(30 - world.config.abstain_margin, 10);
	assert_eq!(world.found(1, Verify).await, abstained(AbstainReason::TooSlow));
	assert_eq!(runner.active(), 0);
}

#[tokio::test]
async fn verifier_should_abstain_in_good_time_when_its_workers_are_busy() {
	let mut world = World::new();
	world.config.concurrency = 1;
	let mut first = world.lottery(1);
	first.commit_deadline = 1000;
	world.chain.draw(vec![first.clone()]);
	let runner = FakeRunner::new([Act::Hang]);
	let _node = world.start(runner.clone());
	eventually("the first replay", || runner.active() == 1).await;
	world.chain.draw(vec![first, world.lottery(2)]);
	world.settle().await;
	world.chain.advance(29, 10);
	assert_eq!(world.found(2, Verify).await, abstained(AbstainReason::TooSlow));
	assert_eq!((runner.calls(), world.entry(1, Verify)), (1, None));
}

#[tokio::test]
async fn verdict_should_be_the_same_when_the_node_restarts_in_every_phase() {
	let world = World::new();
	let expected = replayed(&world, 1, ROOT);

	// Won, but the lottery is not final yet.
	world.chain.advance(6, 4);
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([]);
	let node = world.start(runner.clone());
	world.settle().await;
	node.stop().await;
	assert_eq!(runner.calls(), 0);

	// While the worker runs.
	world.chain.advance(10, 10);
	let runner = FakeRunner::new([Act::Hang]);
	let node = world.start(runner.clone());
	eventually("the replay", || runner.active() == 1).await;
	node.stop().await;
	assert_eq!((runner.active(), world.entry(1, Verify)), (0, None));

	// Replayed, not committed.
	let node = world.start(FakeRunner::new([Act::Root(ROOT)]));
	assert_eq!(world.found(1, Verify).await, expected);
	node.stop().await;
	let drawn = world.ticket(1).unwrap().pre_output;
	for status in [SeatStatus::Pending, SeatStatus::Committed, SeatStatus::Revealed] {
		// A held verdict is not computed again, whatever the chain has of it.
		if status == SeatStatus::Committed {
			world.chain.commit(world.assignment(1, Verify));
		}
		world.chain.update(1, |assignment| assignment.status = status.clone());
		let runner = FakeRunner::new([]);
		let node = world.start(runner.clone());
		world.settle().await;
		node.stop().await;
		assert_eq!(runner.calls(), 0, "{status:?}");
		assert_eq!(world.entry(1, Verify).as_ref(), Some(&expected), "{status:?}");
		assert_eq!(world.ticket(1).unwrap().pre_output, drawn, "{status:?}");
	}

	// Committed, then the database was lost: recreated equal, past the commit deadline too.
	let mut lost = World { storage: Default::default(), ..world };
	lost.chain.update(1, |assignment| assignment.status = SeatStatus::Committed);
	lost.chain.advance(100, 100);
	let node = lost.start(FakeRunner::new([Act::Root(ROOT)]));
	assert_eq!(lost.found(1, Verify).await, expected);
	node.stop().await;

	// Revealed, and the database lost: nothing is left to do.
	lost.storage = Default::default();
	lost.chain.update(1, |assignment| assignment.status = SeatStatus::Revealed);
	let runner = FakeRunner::new([]);
	let node = lost.start(runner.clone());
	lost.settle().await;
	node.stop().await;
	assert_eq!((runner.calls(), lost.entry(1, Verify)), (0, None));
}

#[tokio::test]
async fn attestation_should_not_be_repeated_when_the_node_restarts() {
	let world = World::new();
	world.chain.set(vec![world.assignment(1, Attest)]);
	let node = world.start(FakeRunner::new([]));
	assert_eq!(world.found(1, Attest).await, HELD);
	node.stop().await;
	let node = world.start(FakeRunner::new([]));
	world.settle().await;
	assert_eq!(world.entry(1, Attest), Some(HELD));
	// The promise to serve the inputs holds after a restart.
	assert!(matches!(world.blobs.remove(&world.input), Err(assay_blobs::BlobError::Pinned(_))));
	node.stop().await;
}

#[tokio::test]
async fn committed_verdict_should_be_recreated_when_the_worker_fails_often() {
	let world = World::new();
	world.chain.set(vec![world.assignment(1, Verify)]);
	world.chain.advance(100, 100);
	let faults = (0..4).map(|_| Act::Fail(crash()));
	let runner = FakeRunner::new(faults.chain([Act::Root(ROOT)]));
	let _node = world.start(runner.clone());
	assert_eq!(world.found(1, Verify).await, replayed(&world, 1, ROOT));
	assert_eq!(runner.calls(), 5);
}

#[tokio::test]
async fn two_jobs_should_be_replayed_at_once_when_two_workers_are_allowed() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1), world.lottery(2)]);
	let runner = FakeRunner::new([Act::Hang, Act::Hang]);
	let node = world.start(runner.clone());
	eventually("both replays", || runner.active() == 2).await;
	node.stop().await;
	assert_eq!(runner.active(), 0);
	let runner = FakeRunner::new([]);
	let _node = world.start(runner.clone());
	let (first, second) = (world.found(1, Verify).await, world.found(2, Verify).await);
	// The same run, hidden by different salts.
	match (first, second) {
		(
			MailboxEntry::Replayed { run_root: a, salt: x, .. },
			MailboxEntry::Replayed { run_root: b, salt: y, .. },
		) => assert!(a == b && x != y),
		other => panic!("{other:?}"),
	}
}

#[tokio::test]
async fn jobs_should_be_replayed_one_after_another_when_one_worker_is_allowed() {
	let mut world = World::new();
	world.config.concurrency = 1;
	world.chain.draw((1..=5).map(|job| world.lottery(job)).collect());
	let runner = FakeRunner::new([]);
	let _node = world.start(runner.clone());
	for job in 1..=5 {
		world.found(job, Verify).await;
	}
	assert_eq!(runner.most_active.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn replay_should_be_stopped_when_the_job_is_cancelled() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([Act::Hang]);
	let _node = world.start(runner.clone());
	eventually("the replay", || runner.active() == 1).await;
	world.chain.finish(1);
	eventually("the stop", || runner.active() == 0).await;
	world.settle().await;
	assert_eq!((runner.calls(), world.entry(1, Verify)), (1, None));
}

#[tokio::test]
async fn entries_and_pins_should_go_when_the_job_has_ended_and_not_before() {
	let world = World::new();
	world.chain.set(vec![world.assignment(1, Attest)]);
	world.chain.draw(vec![world.lottery(1)]);
	let _node = world.start(FakeRunner::new([]));
	world.found(1, Attest).await;
	world.found(1, Verify).await;
	// Not there any more on this fork, but not final: everything stays.
	world.chain.set(vec![]);
	world.chain.draw(vec![]);
	world.settle().await;
	assert_eq!(world.entry(1, Attest), Some(HELD));
	assert!(world.blobs.remove(&world.input).is_err());
	world.chain.finish(1);
	eventually("the clean-up", || {
		world.entry(1, Attest).is_none() && world.entry(1, Verify).is_none()
	})
	.await;
	world.settle().await;
	world.blobs.remove(&world.input).unwrap();
}

#[tokio::test]
async fn job_should_be_replayed_anew_when_its_number_names_another_job_on_another_fork() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let _node = world.start(FakeRunner::new([Act::Root(ROOT), Act::Root([8; 32])]));
	assert_eq!(world.found(1, Verify).await, replayed(&world, 1, ROOT));
	world.chain.redraw(1, |lottery| lottery.steps = 2);
	let other = replayed(&world, 1, [8; 32]);
	eventually("the other job", || world.entry(1, Verify).as_ref() == Some(&other)).await;
}

#[tokio::test]
async fn job_should_be_replayed_once_when_two_local_keys_have_won() {
	let world = World::new();
	let bob = world.another_key("//Bob");
	let second = OpenLottery { key: bob.clone(), ..world.lottery(1) };
	world.chain.draw(vec![world.lottery(1), second]);
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let _node = world.start(runner.clone());
	eventually("both", || world.entry_of(1, Verify, &bob).is_some()).await;
	let salt = derive_salt(&*world.keystore, &GENESIS, &order_of(1), &bob).unwrap();
	assert_eq!(
		world.entry_of(1, Verify, &bob),
		Some(MailboxEntry::Replayed { run_root: ROOT, salt, ticket: None, chunks: None })
	);
	assert_eq!(world.found(1, Verify).await, replayed(&world, 1, ROOT));
	assert_eq!(runner.calls(), 1);
}

#[tokio::test]
async fn nothing_should_be_replayed_when_the_deadline_has_passed() {
	let world = World::new();
	world.chain.advance(31, 31);
	world.chain.draw(vec![world.lottery(1)]);
	world.chain.set(vec![world.assignment(2, Attest)]);
	let runner = FakeRunner::new([]);
	let _node = world.start(runner.clone());
	world.settle().await;
	assert_eq!((runner.calls(), world.entry(1, Verify), world.entry(2, Attest)), (0, None, None));
}

#[tokio::test]
async fn verdict_should_be_recomputed_when_its_stored_entry_is_damaged() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let node = world.start(FakeRunner::new([Act::Root(ROOT)]));
	let expected = world.found(1, Verify).await;
	node.stop().await;
	let key = assay_market::mailbox_key(&GENESIS, &order_of(1), Verify, &world.alice);
	world.storage.clone().set(STORAGE_PREFIX, &key, b"\x01\xff");
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let node = world.start(runner.clone());
	eventually("the second replay", || runner.calls() == 1).await;
	eventually("the entry", || {
		world.storage.get(STORAGE_PREFIX, &key).is_some_and(|b| b[1] != 0xff)
	})
	.await;
	assert_eq!(world.entry(1, Verify), Some(expected));
	node.stop().await;
}

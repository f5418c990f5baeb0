//! Which duties are done, which are refused before they start, and which give way: with the
//! service.

use crate::{
	chain::{Disputed, JobAssignment, OpenLottery},
	config::Config,
	testing::court::{Court, Lie},
	testing::world::{abstained, eventually, Act, FakeRunner, World, GENESIS},
	turns::rates::Rates,
	types::BlockNumber,
};
use assay_market::{AbstainReason, DisputedResult, DutyTerms, MailboxEntry, Purpose::Verify};
use sp_core::offchain::OffchainStorage;
use std::time::Duration;

const ROOT: [u8; 32] = [7; 32];

/// A lottery won, with so much work for such a fee.
fn lottery(world: &World, job: u64, work_units: u64, fee: u128, by: BlockNumber) -> OpenLottery {
	let duty = DutyTerms { work_units, fee, ..world.lottery(job).duty };
	OpenLottery { duty, commit_deadline: by, ..world.lottery(job) }
}

fn is_verdict(entry: &MailboxEntry) -> bool {
	matches!(entry, MailboxEntry::Replayed { run_root, .. } if *run_root == ROOT)
}

/// H5: fifty jobs of a quarter of an hour each for nearly nothing, and one that pays for its work.
#[tokio::test]
async fn well_paid_job_should_be_verified_when_cheap_heavy_ones_come_in_a_flood() {
	let mut world = World::new();
	world.config.concurrency = 1;
	let mut lotteries: Vec<_> =
		(100..150).map(|job| lottery(&world, job, 295_000_000_000, 200, 505)).collect();
	world.chain.draw(lotteries.clone());
	// The first one of them never ends.
	let runner = FakeRunner::new([Act::Hang, Act::Root(ROOT), Act::Hang]);
	let node = world.start(runner.clone());
	eventually("a cheap replay", || runner.active() == 1).await;
	world.settle().await;
	assert_eq!(runner.calls(), 1);
	lotteries.push(lottery(&world, 1, 20_000_000_000, 400_000_000_000, 200));
	world.chain.draw(lotteries);
	assert!(is_verdict(&world.found(1, Verify).await));
	assert_eq!(node.count("assay_verifier_pre_empted_total", ""), 1);
	// Then the worker goes back to the others, of which none was given up for good.
	eventually("another cheap replay", || runner.calls() == 3 && runner.active() == 1).await;
	world.settle().await;
	assert!((100..150).all(|job| world.entry(job, Verify).is_none()));
	assert_eq!(runner.most_active.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn best_paid_should_have_the_worker_first_when_all_wait() {
	let mut world = World::new();
	world.config.concurrency = 1;
	world.chain.draw(vec![lottery(&world, 9, 1, 1, 1000)]);
	let runner = FakeRunner::new([Act::Hang, Act::Root(ROOT), Act::Hang]);
	let _node = world.start(runner.clone());
	eventually("the first replay", || runner.active() == 1).await;
	// None of these can wait for another one.
	let work = 60_000_000_000;
	let mut lotteries = vec![lottery(&world, 9, 1, 1, 1000)];
	lotteries.extend((1..=5).map(|job| lottery(&world, job, work, u128::from(job) * 1000, 80)));
	world.chain.draw(lotteries.clone());
	world.settle().await;
	world.chain.draw(lotteries.split_off(1));
	assert!(is_verdict(&world.found(5, Verify).await));
	assert!((1..=4).all(|job| world.entry(job, Verify).is_none()));
}

/// A machine that was measured to do a million units a second.
fn measured(world: &World, program: [u8; 32]) {
	let rates = Rates::open(world.storage.clone(), GENESIS);
	rates.worked(program, 60_000_000, Duration::from_secs(60));
}

#[tokio::test]
async fn duty_should_be_refused_at_once_when_it_certainly_comes_too_late() {
	let world = World::new();
	let possible = lottery(&world, 2, 30_000_000, 1, 30);
	measured(&world, possible.program);
	// 17 blocks are 51 s; this takes twice as long at the least.
	let late = lottery(&world, 1, 102_000_000, 1, 30);
	world.chain.draw(vec![late.clone()]);
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let node = world.start(runner.clone());
	assert_eq!(world.found(1, Verify).await, abstained(AbstainReason::TooSlow));
	assert!(world.ticket(1).is_some(), "the abstention shows that the key was drawn");
	world.chain.draw(vec![late, possible]);
	assert!(is_verdict(&world.found(2, Verify).await));
	assert_eq!(runner.calls(), 1);
	assert_eq!(node.count("assay_verifier_refused_total", ""), 1);
}

#[tokio::test]
async fn duty_should_be_refused_as_soon_as_waiting_has_made_it_too_late() {
	let mut world = World::new();
	world.config.concurrency = 1;
	let first = lottery(&world, 1, 1, 1_000_000, 1000);
	measured(&world, first.program);
	world.chain.draw(vec![first.clone()]);
	let runner = FakeRunner::new([Act::Hang]);
	let _node = world.start(runner.clone());
	eventually("the first replay", || runner.active() == 1).await;
	// It takes a minute, which are 20 blocks.
	world.chain.draw(vec![first, lottery(&world, 2, 60_000_000, 1, 100)]);
	world.settle().await;
	assert_eq!(world.entry(2, Verify), None);
	world.chain.advance(70, 70);
	world.settle().await;
	assert_eq!(world.entry(2, Verify), None);
	// Fewer than 15 blocks are left: not even a machine that is a quarter faster than it was can do
	// it.
	world.chain.advance(83, 83);
	assert_eq!(world.found(2, Verify).await, abstained(AbstainReason::TooSlow));
	assert_eq!(runner.calls(), 1);
}

#[tokio::test]
async fn nothing_should_be_refused_when_only_other_programs_were_slow() {
	let world = World::new();
	measured(&world, [1; 32]);
	let rates = Rates::open(world.storage.clone(), GENESIS);
	rates.worked([2; 32], 60_000_000_000, Duration::from_secs(60));
	world.chain.draw(vec![lottery(&world, 1, 1_000_000_000, 1, 30)]);
	let _node = world.start(FakeRunner::new([Act::Root(ROOT)]));
	assert!(is_verdict(&world.found(1, Verify).await));
}

/// M7: neither a worker nor a fetch is begun for what this machine has not the memory for.
#[tokio::test]
async fn duty_should_be_refused_before_it_starts_when_the_machine_has_too_little_memory() {
	let mut world = World::new();
	world.config.limits.memory_cap = Some(world.config.limits.memory_overhead);
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([]);
	let node = world.start(runner.clone());
	assert_eq!(world.found(1, Verify).await, abstained(AbstainReason::OutOfMemory));
	assert!(world.ticket(1).is_some());
	assert_eq!(runner.calls(), 0);
	assert_eq!(node.count("assay_verifier_local_faults_total", "too_little_memory"), 1);
	assert_eq!(Config::new("w".into(), world.dir.path()).limits.memory_cap, None);
}

/// Each has a thread, and tensors in memory.
#[tokio::test]
async fn openings_should_be_bounded_and_the_first_due_be_first_when_many_are_asked_for() {
	let mut world = World::new();
	world.config.concurrency = 64;
	let runner =
		FakeRunner::new((0..20).map(|_| Act::Root(ROOT)).chain((0..40).map(|_| Act::Hang)));
	let _node = world.start(runner.clone());
	let seats = |sample: Option<[u8; 32]>| -> Vec<_> {
		let seat = |job: u64| JobAssignment {
			sample,
			reveal_deadline: Some(100 - job as u32),
			..world.assignment(job, Verify)
		};
		(1..=20).map(seat).collect()
	};
	world.chain.set(seats(None));
	for job in 1..=20 {
		world.found(job, Verify).await;
	}
	world.chain.set(seats(Some([3; 32])));
	eventually("eight replays", || runner.active() == 8).await;
	world.settle().await;
	assert_eq!((runner.active(), runner.calls()), (8, 28));
	// One of them ends, since the chain asks for it no more, and makes room.
	world.chain.update(20, |seat| seat.status = assay_market::SeatStatus::Opened);
	eventually("the next one", || runner.calls() == 29).await;
	world.settle().await;
	assert_eq!(runner.active(), 8);
}

/// The same for disputes: a machine that computes wrongly differs from every result.
#[tokio::test]
async fn searches_should_be_bounded_when_this_node_differs_from_many_results() {
	let mut world = World::new();
	world.config.concurrency = 64;
	let court = Court::new(&world, Lie::deep());
	let runner = FakeRunner::new((0..40).map(|_| Act::Hang));
	let _node = world.start(runner.clone());
	let duty = |number: u8| Disputed {
		job: number.into(),
		account: [1; 32].into(),
		key: world.alice.clone(),
		result: DisputedResult { order: [number; 32], ..court.result.clone() },
		lane: None,
	};
	world.chain.dispute((1..=20).map(duty).collect());
	eventually("eight replays", || runner.active() == 8).await;
	world.settle().await;
	assert_eq!((runner.active(), runner.calls()), (8, 8));
}

#[tokio::test]
async fn rate_should_be_measured_and_told() {
	let world = World::new();
	world.chain.draw(vec![world.lottery(1)]);
	let node = world.start(FakeRunner::new([Act::Root(ROOT)]));
	world.found(1, Verify).await;
	assert!(node.metric("assay_verifier_work_rate", "") > 0);
	let key = codec::Encode::encode(&(b"assay/verifier/rates/", GENESIS));
	assert!(world.storage.get(sp_core::offchain::STORAGE_PREFIX, &key).is_some());
}

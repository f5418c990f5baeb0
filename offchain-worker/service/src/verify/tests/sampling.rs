//! The chunks that a committed verdict is opened with.

use crate::{
	chain::{JobAssignment, OpenLottery},
	fault::Fault,
	testing::court::{Lie, JOB},
	testing::world::{compute, eventually, Act, FakeRunner, World},
	types::{AccountId, Hash},
};
use assay_commitments::run_root;
use assay_market::{MailboxEntry, Purpose::Verify, SampledChunk, SeatStatus, VerifierId};
use assay_program::{Limits, Program};
use assay_referee::sample::check_all;

/// A job of several steps, or of one with small tensors, that is verified.
struct Case {
	world: World,
	program: Program,
	lottery: OpenLottery,
	run_root: Hash,
}

impl Case {
	fn new(lie: Lie) -> Self {
		let world = World::new();
		let program = lie.program.clone();
		let id = world.chain.register(program.encode());
		let input_roots =
			lie.inputs.iter().map(|bytes| world.blobs.insert(bytes).unwrap()).collect();
		let lottery =
			OpenLottery { program: id, input_roots, steps: lie.steps, ..world.lottery(JOB) };
		let ran = compute(&program, lie.inputs, lie.steps, &[]).unwrap();
		Self { world, program, lottery, run_root: run_root(&ran.trace_roots) }
	}

	/// The seat of a key after its commitment.
	fn seat(&self, key: &VerifierId, account: u8, sample: Option<Hash>) -> JobAssignment {
		let lottery = self.lottery.clone();
		JobAssignment {
			key: key.clone(),
			account: [account; 32].into(),
			program: lottery.program,
			input_roots: lottery.input_roots,
			steps: lottery.steps,
			sample,
			..self.world.assignment(JOB, Verify)
		}
	}

	fn chunks(&self, key: &VerifierId) -> Option<Vec<SampledChunk>> {
		match self.world.entry_of(JOB, Verify, key)? {
			MailboxEntry::Replayed { chunks, .. } => chunks,
			other => panic!("{other:?}"),
		}
	}

	/// Whether the chain takes the chunks that the hook would send.
	fn fits(&self, key: &VerifierId, account: u8, seed: Hash) -> bool {
		let checked = self.program.check(&Limits::default()).unwrap();
		let shape = Shape { steps: self.lottery.steps, checked };
		let account: AccountId = [account; 32].into();
		self.chunks(key).is_some_and(|chunks| {
			check_all(&self.run_root, &shape, &seed, account.as_ref(), &chunks)
		})
	}

	/// Has the node verify the job, and its commitment taken.
	async fn commit(&self) {
		self.world.chain.draw(vec![self.lottery.clone()]);
		self.world.found(JOB, Verify).await;
		self.world.chain.commit(self.seat(&self.world.alice, 1, None));
	}
}

struct Shape {
	steps: u32,
	checked: assay_program::Checked,
}

impl assay_commitments::RunShape for Shape {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.checked.anchors.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		let node = self.checked.anchors.get(anchor as usize)?;
		Some(self.checked.types[*node as usize].tiles())
	}
}

#[tokio::test]
async fn chunks_should_be_found_when_the_chain_has_drawn_their_positions() {
	let case = Case::new(Lie::deep());
	let (world, alice) = (&case.world, case.world.alice.clone());
	let runner = FakeRunner::computing(&world.blobs, []);
	let node = world.start(runner.clone());
	case.commit().await;
	world.settle().await;
	assert_eq!((runner.calls(), case.chunks(&alice)), (1, None), "nobody has asked yet");
	let ticket = world.ticket(JOB);

	world.chain.update(JOB, |seat| seat.sample = Some([3; 32]));
	eventually("the chunks", || case.fits(&alice, 1, [3; 32])).await;
	let steps: Vec<_> = runner.log.lock()[1..].iter().map(|(steps, _)| *steps).collect();
	assert!((1..=2).contains(&steps.len()) && steps.is_sorted_by(|a, b| a > b), "{steps:?}");
	assert_eq!(world.ticket(JOB), ticket, "the rest of the entry stays");
	assert_eq!(node.metric("assay_verifier_chunks_total", ""), 2);
	let seconds = node.metric("assay_verifier_chunk_replay_seconds", "");
	assert_eq!(seconds, steps.len() as u64);
	assert_eq!(node.count("assay_verifier_chunk_faults_total", ""), 0);

	// Nothing is done twice.
	let calls = runner.calls();
	world.settle().await;
	world.chain.update(JOB, |seat| seat.status = SeatStatus::Revealed);
	world.settle().await;
	assert_eq!(runner.calls(), calls);
}

#[tokio::test]
async fn chunks_should_come_from_the_verdicts_own_run_when_its_tensors_are_few() {
	let case = Case::new(Lie::long());
	let (world, alice) = (&case.world, case.world.alice.clone());
	let runner = FakeRunner::computing(&world.blobs, []);
	let node = world.start(runner.clone());
	case.commit().await;
	world.chain.update(JOB, |seat| seat.sample = Some([3; 32]));
	eventually("the chunks", || case.fits(&alice, 1, [3; 32])).await;
	assert_eq!(runner.calls(), 1);
	assert_eq!(node.count("assay_verifier_chunk_replay_seconds", ""), 0);
}

#[tokio::test]
async fn chunks_should_be_others_when_another_fork_asks_for_others() {
	let case = Case::new(Lie::deep());
	let (world, alice) = (&case.world, case.world.alice.clone());
	let _node = world.start(FakeRunner::computing(&world.blobs, []));
	case.commit().await;
	for seed in [[3; 32], [4; 32], [3; 32]] {
		world.chain.update(JOB, |seat| seat.sample = Some(seed));
		eventually("the chunks", || case.fits(&alice, 1, seed)).await;
	}
	// Back where nothing is asked yet they do no harm.
	world.chain.update(JOB, |seat| seat.sample = None);
	world.settle().await;
	assert!(case.fits(&alice, 1, [3; 32]));
}

#[tokio::test]
async fn chunks_should_be_found_when_the_node_restarts_between_commit_and_reveal() {
	for lie in [Lie::deep(), Lie::long()] {
		let case = Case::new(lie);
		let (world, alice) = (&case.world, case.world.alice.clone());
		let node = world.start(FakeRunner::computing(&world.blobs, []));
		case.commit().await;
		node.stop().await;

		// While the replay for the chunks runs.
		world.chain.update(JOB, |seat| seat.sample = Some([3; 32]));
		let runner = FakeRunner::computing(&world.blobs, [Act::Hang]);
		let node = world.start(runner.clone());
		eventually("the replay", || runner.active() == 1).await;
		node.stop().await;
		eventually("the worker's end", || runner.active() == 0).await;
		assert_eq!(case.chunks(&alice), None);

		let runner = FakeRunner::computing(&world.blobs, []);
		let node = world.start(runner.clone());
		eventually("the chunks", || case.fits(&alice, 1, [3; 32])).await;
		node.stop().await;

		// They are held: nothing is left to do.
		let runner = FakeRunner::computing(&world.blobs, []);
		let node = world.start(runner.clone());
		world.settle().await;
		assert_eq!(runner.calls(), 0);
		node.stop().await;

		// The database is lost: verdict and chunks are found again.
		let mut case = case;
		case.world.storage = Default::default();
		let node = case.world.start(FakeRunner::computing(&case.world.blobs, []));
		eventually("the chunks", || case.fits(&alice, 1, [3; 32])).await;
		node.stop().await;
	}
}

#[tokio::test]
async fn chunks_should_be_found_when_workers_fail_in_between() {
	let case = Case::new(Lie::deep());
	let (world, alice) = (&case.world, case.world.alice.clone());
	let crash = || Act::Fail(Fault::Crashed("signal 9".into()));
	let runner = FakeRunner::computing(&world.blobs, [Act::Compute, crash(), Act::Panic, crash()]);
	let node = world.start(runner.clone());
	case.commit().await;
	world.chain.update(JOB, |seat| seat.sample = Some([3; 32]));
	eventually("the chunks", || case.fits(&alice, 1, [3; 32])).await;
	assert_eq!(node.count("assay_verifier_chunk_faults_total", "crashed"), 2);
	assert_eq!(node.count("assay_verifier_chunk_faults_total", "internal"), 1);
}

#[tokio::test]
async fn search_should_end_when_the_verdict_is_opened_without_chunks() {
	let case = Case::new(Lie::deep());
	let (world, alice) = (&case.world, case.world.alice.clone());
	let runner = FakeRunner::computing(&world.blobs, [Act::Compute, Act::Hang]);
	let _node = world.start(runner.clone());
	case.commit().await;
	world.chain.update(JOB, |seat| seat.sample = Some([3; 32]));
	eventually("the hanging replay", || runner.active() == 1).await;
	// What the hook does shortly before the deadline.
	world.chain.update(JOB, |seat| seat.status = SeatStatus::Opened);
	eventually("the worker's end", || runner.active() == 0).await;
	world.settle().await;
	assert_eq!((runner.calls(), case.chunks(&alice)), (2, None));
}

#[tokio::test]
async fn no_chunks_should_be_given_when_the_device_computes_otherwise_the_second_time() {
	for restart in [false, true] {
		let case = Case::new(Lie::deep());
		let (world, alice) = (&case.world, case.world.alice.clone());
		// The verdict comes from another program, as far as anyone can see.
		let other = case.run_root.map(|byte| !byte);
		let runner = FakeRunner::computing(&world.blobs, [Act::Root(other)]);
		let mut node = world.start(runner.clone());
		case.commit().await;
		if restart {
			node.stop().await;
			node = world.start(runner.clone());
		}
		world.chain.update(JOB, |seat| seat.sample = Some([3; 32]));
		let faults = || node.count("assay_verifier_chunk_faults_total", "other_run");
		eventually("the complaint", || faults() == 2).await;
		let calls = runner.calls();
		world.settle().await;
		world.settle().await;
		assert_eq!((runner.calls(), faults()), (calls, 2), "it is given up");
		assert_eq!(case.chunks(&alice), None);
		// The bare opening stands, and is of the verdict that was committed.
		let entry = world.entry(JOB, Verify);
		assert!(
			matches!(entry, Some(MailboxEntry::Replayed { run_root, .. }) if run_root == other)
		);
		node.stop().await;
	}
}

#[tokio::test]
async fn ten_keys_should_open_their_own_chunks_with_shared_replays() {
	let case = Case::new(Lie::deep());
	let world = &case.world;
	let mut keys: Vec<VerifierId> =
		(0..9).map(|at| world.another_key(&format!("//Key//{at}"))).collect();
	keys.push(world.alice.clone());
	let lotteries = keys.iter().map(|key| OpenLottery { key: key.clone(), ..case.lottery.clone() });
	world.chain.draw(lotteries.collect());
	let runner = FakeRunner::computing(&world.blobs, []);
	let _node = world.start(runner.clone());
	for (key, account) in keys.iter().zip(1..) {
		eventually("a verdict", || world.entry_of(JOB, Verify, key).is_some()).await;
		world.chain.commit(case.seat(key, account, None));
	}
	world.chain.update(JOB, |seat| seat.sample = Some([3; 32]));
	for (key, account) in keys.iter().zip(1..) {
		eventually("its chunks", || case.fits(key, account, [3; 32])).await;
	}
	// One for the verdict, and one for each of the three steps at most.
	assert!(runner.calls() <= 4, "{}", runner.calls());
	// An account's chunks are its own.
	assert!(!case.fits(&keys[0], 2, [3; 32]));
}

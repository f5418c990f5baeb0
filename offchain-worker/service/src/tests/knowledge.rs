//! What a running node gets to know, and when it forgets.

use crate::{
	fault::Fault,
	knowledge::Knowledge,
	testing::court::{Court, Lie, JOB},
	testing::world::{compute, eventually, Act, FakeRunner, World},
	types::Hash,
};
use assay_market::{task_hash, Purpose::Verify};
use assay_program::program_id;

const ROOT: Hash = [7; 32];

/// The task of the world's own jobs.
fn task(world: &World) -> Hash {
	task_hash(&program_id(&world.program), &[world.input], 1)
}

/// The task of the disputed job.
fn disputed(court: &Court) -> Hash {
	task_hash(&court.result.program, &court.result.input_roots, court.result.steps)
}

/// As a restarted node has it.
fn restarted(world: &mut World) -> Knowledge {
	world.config.knowledge = Knowledge::default();
	world.config.knowledge.clone()
}

#[tokio::test]
async fn verdict_should_be_known_when_a_job_was_replayed_and_after_a_restart() {
	let mut world = World::new();
	let known = world.config.knowledge.clone();
	world.chain.draw(vec![world.lottery(1)]);
	let node = world.start(FakeRunner::new([Act::Root(ROOT)]));
	world.found(1, Verify).await;
	assert_eq!(known.verdict(&task(&world)), Some(ROOT));
	node.stop().await;

	let known = restarted(&mut world);
	assert_eq!(known.verdict(&task(&world)), None);
	let _node = world.start(FakeRunner::new([]));
	eventually("the verdict", || known.verdict(&task(&world)) == Some(ROOT)).await;
}

#[tokio::test]
async fn verdict_should_be_unknown_when_the_node_abstains_or_only_attests() {
	let world = World::new();
	let crash = || Act::Fail(Fault::Crashed("signal 9".into()));
	world.chain.draw(vec![world.lottery(1)]);
	world.chain.set(vec![world.assignment(2, assay_market::Purpose::Attest)]);
	let _node = world.start(FakeRunner::new([crash(), crash()]));
	world.found(1, Verify).await;
	world.found(2, assay_market::Purpose::Attest).await;
	assert_eq!(world.config.knowledge.verdict(&task(&world)), None);
}

#[tokio::test]
async fn proof_should_be_known_when_the_nodes_own_referee_accepts_it_and_after_a_restart() {
	for lie in [Lie::deep(), Lie::long()] {
		let mut world = World::new();
		let mut court = Court::new(&world, lie);
		let (known, case) = (world.config.knowledge.clone(), disputed(&court));
		let node = world.start(FakeRunner::computing(&world.blobs, []));
		let before = !known.is_proved_wrong(&case, &court.result.run_root);
		assert!(before, "nothing is known before it is proved");
		court.until(&world, "the proof", |court| court.proved.is_some()).await;
		assert!(known.is_proved_wrong(&case, &court.result.run_root));
		node.stop().await;

		// The dispute is over, on this fork. The proof is not.
		world.chain.finish(JOB);
		let known = restarted(&mut world);
		let _node = world.start(FakeRunner::new([]));
		assert!(known.is_proved_wrong(&case, &court.result.run_root));
	}
}

/// A node that computes what the provider did, after all, has no reason to hold the result.
#[tokio::test]
async fn verdict_should_be_withdrawn_when_this_machine_does_not_stand_by_it() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let ran = compute(&court.lie.program, court.lie.inputs.clone(), 3, &[]).unwrap();
	court.result.run_root = ran.run_root;
	court.result.trace_root = *ran.trace_roots.last().unwrap();
	let known = world.config.knowledge.clone();
	world.chain.draw(vec![court.lottery(&world)]);
	let node = world.start(FakeRunner::computing(&world.blobs, [Act::Root(ROOT)]));
	world.found(JOB, Verify).await;
	assert_eq!(known.verdict(&disputed(&court)), Some(ROOT));
	court.settle(&world).await;
	let faults = || node.count("assay_verifier_dispute_faults_total", "agrees");
	eventually("the complaint", || faults() == 1).await;
	assert_eq!(known.verdict(&disputed(&court)), None);
}

/// The faulty node: its worker is wrong, the same way every time. It opens a lane against an honest
/// result, is shown everything, can prove nothing, and still believes its own verdict. That is all
/// that it may hold votes for, and no proof comes of it.
#[tokio::test]
async fn verdict_should_stay_and_nothing_be_proved_when_the_worker_is_wrong_every_time() {
	for mut honest in [Lie::deep(), Lie::long()] {
		honest.others = honest.inputs.clone();
		let mut world = World::new();
		let mut court = Court::new(&world, honest);
		let (known, case) = (world.config.knowledge.clone(), disputed(&court));
		world.chain.draw(vec![court.lottery(&world)]);
		let node = world.start_worker("misreads").await;
		world.found(JOB, Verify).await;
		let gave_up = || node.count("assay_verifier_dispute_faults_total", "");
		court
			.until(&world, "the end of the lane", |court| !court.moves.is_empty() && gave_up() > 1)
			.await;
		court.settle(&world).await;
		let own = known.verdict(&case).expect("a verdict");
		assert_ne!(own, court.result.run_root);
		assert!(!known.is_proved_wrong(&case, &court.result.run_root));
		assert!(court.kinds().iter().all(|kind| *kind == "demand"), "{:?}", court.kinds());
	}
}

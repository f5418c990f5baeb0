//! Whole disputes: the service, a runner that runs programs, and a provider that lies.

use crate::{
	fault::Fault,
	testing::court::{entry, Court, Lie, JOB},
	testing::world::{eventually, Act, FakeRunner, World},
};
use assay_market::{ChallengeMove, Purpose::Verify, Turn};

const DEEP: [&str; 6] = ["demand", "demand", "demand", "demand", "bind", "prove"];

fn crash() -> Act {
	Act::Fail(Fault::Crashed("signal 9".into()))
}

#[tokio::test]
async fn fraud_should_be_proved_when_a_verdict_differs_from_the_result() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let runner = FakeRunner::computing(&world.blobs, []);
	world.chain.draw(vec![court.lottery(&world)]);
	let node = world.start(runner.clone());
	world.found(JOB, Verify).await;
	assert_eq!(runner.calls(), 1);

	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert_eq!(court.proved, Some((world.alice.clone(), true)));
	assert_eq!(court.kinds(), DEEP);
	// The replay for the verdict is remembered; the tensors come with one more, and the roots of
	// the first wrong step and of the one before with two.
	let log = runner.log.lock().clone();
	assert_eq!(log.len(), 4, "{log:?}");
	assert!(log.iter().any(|(steps, keep)| *steps == 2 && keep.len() == 2), "{log:?}");
	eventually("the end", || node.metric("assay_verifier_disputes", "") == 0).await;
	assert_eq!(node.count("assay_verifier_moves_total", "demand"), 4);
	assert_eq!(node.count("assay_verifier_moves_total", "bind"), 1);
	assert_eq!(node.count("assay_verifier_moves_total", "prove"), 1);
	assert_eq!(node.count("assay_verifier_dispute_faults_total", ""), 0);

	assert!(entry(&world, &world.alice).is_some());
	world.chain.finish(JOB);
	eventually("an empty storage", || entry(&world, &world.alice).is_none()).await;
}

#[tokio::test]
async fn dispute_should_go_on_from_the_chain_alone_when_the_node_restarts_after_every_move() {
	for lie in [Lie::deep(), Lie::long()] {
		let world = World::new();
		let mut court = Court::new(&world, lie);
		let mut moves = 0;
		while court.proved.is_none() {
			let node = world.start(FakeRunner::computing(&world.blobs, []));
			court.until(&world, "another move", |court| court.moves.len() > moves).await;
			moves = court.moves.len();
			node.stop().await;
		}
		assert_eq!(court.proved, Some((world.alice.clone(), true)));
	}
}

#[tokio::test]
async fn long_proof_should_be_sent_part_by_part() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::long());
	let _node = world.start(FakeRunner::computing(&world.blobs, []));
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	let kinds = court.kinds();
	assert_eq!(kinds[..2], ["demand", "bind"]);
	let parts = kinds[2..].iter().filter(|kind| **kind == "prove").count();
	assert!(parts > 1 && parts == kinds.len() - 2, "{kinds:?}");
	assert_eq!(parts as u32, court.job.checked.plans()[0].parts);
}

#[tokio::test]
async fn dispute_should_go_on_when_workers_fail_in_between() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let garbage = Act::Fail(Fault::Garbage("other bytes".into()));
	let runner = FakeRunner::computing(
		&world.blobs,
		// The third is a run without roots, which cannot be.
		[crash(), Act::Panic, Act::Root([1; 32]), Act::Compute, garbage, Act::Compute, crash()],
	);
	let node = world.start(runner.clone());
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert_eq!(court.kinds(), DEEP);
	assert_eq!(node.count("assay_verifier_dispute_faults_total", "crashed"), 2);
	assert_eq!(node.count("assay_verifier_dispute_faults_total", "internal"), 1);
	assert_eq!(node.count("assay_verifier_dispute_faults_total", "unsound"), 1);
	assert_eq!(node.count("assay_verifier_dispute_faults_total", "garbage"), 1);
}

#[tokio::test]
async fn dispute_should_wait_for_an_input_when_it_is_missing() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let root = court.result.input_roots[1];
	world.blobs.remove(&root).unwrap();
	let node = world.start(FakeRunner::computing(&world.blobs, []));
	let faults = || node.count("assay_verifier_dispute_faults_total", "input_missing");
	court.block(&world).await;
	eventually("two faults", || faults() > 1).await;
	assert_eq!(court.moves, []);
	world.blobs.insert(&court.lie.inputs[1]).unwrap();
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
}

#[tokio::test]
async fn worker_should_be_stopped_and_the_move_removed_when_the_job_ends_in_between() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let runner = FakeRunner::computing(&world.blobs, [Act::Compute, Act::Hang]);
	let _node = world.start(runner.clone());
	court.until(&world, "the hanging replay", |court| !court.moves.is_empty()).await;
	court.until(&world, "the hanging replay", |_| runner.calls() == 2).await;
	assert!(entry(&world, &world.alice).is_some());
	assert_eq!(runner.active(), 1);
	world.chain.finish(JOB);
	eventually("the worker's end", || runner.active() == 0).await;
	eventually("an empty storage", || entry(&world, &world.alice).is_none()).await;
}

#[tokio::test]
async fn worker_should_be_stopped_when_the_node_stops_in_a_dispute() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let runner = FakeRunner::computing(&world.blobs, [Act::Hang]);
	let node = world.start(runner.clone());
	court.until(&world, "the replay", |_| runner.active() == 1).await;
	node.stop().await;
	eventually("the worker's end", || runner.active() == 0).await;
}

#[tokio::test]
async fn other_keys_should_be_quiet_until_the_first_cannot_move_any_more() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let (first, second) = court.draw_second(&world);
	let runner = FakeRunner::computing(&world.blobs, []);
	let _node = world.start(runner.clone());
	court.until(&world, "two moves", |court| court.moves.len() == 2).await;
	assert!(court.moves.iter().all(|(key, _)| *key == first));
	assert_eq!(entry(&world, &second), None);
	court.expire(&first);
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert_eq!(court.proved, Some((second.clone(), true)));
	let of_second: Vec<_> =
		court.moves.iter().filter(|(key, _)| *key == second).map(|(_, kind)| *kind).collect();
	assert_eq!(of_second, DEEP);
	assert_eq!(entry(&world, &first), None);
}

#[tokio::test]
async fn lane_should_be_kept_to_when_a_smaller_key_could_begin_another() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let (_, second) = court.draw_second(&world);
	court.lead(&second, None).await;
	let _node = world.start(FakeRunner::computing(&world.blobs, []));
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert!(court.moves.iter().all(|(key, _)| *key == second));
}

#[tokio::test]
async fn second_key_should_lead_when_the_first_ones_lane_went_another_way() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let (first, second) = court.draw_second(&world);
	// Step 2 differs too, but it is not the first that does.
	court.lead(&first, None).await;
	court.lead(&first, Some(2)).await;
	let node = world.start(FakeRunner::computing(&world.blobs, []));
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert_eq!(court.proved, Some((second, true)));
	assert_eq!(court.lane(&first).unwrap().opened.len(), 2);
	assert_eq!(node.count("assay_verifier_dispute_faults_total", "astray"), 1);
}

#[tokio::test]
async fn nothing_should_be_disputed_when_a_hidden_verdict_equals_the_result() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	// The provider has told the truth.
	let ran = crate::testing::world::compute(&court.lie.program, court.lie.inputs.clone(), 3, &[])
		.unwrap();
	court.result.run_root = ran.run_root;
	court.result.trace_root = *ran.trace_roots.last().unwrap();
	let runner = FakeRunner::computing(&world.blobs, []);
	world.chain.draw(vec![court.lottery(&world)]);
	let node = world.start(runner.clone());
	world.found(JOB, Verify).await;
	court.settle(&world).await;
	assert_eq!((court.moves.len(), runner.calls()), (0, 1));
	assert_eq!(node.metric("assay_verifier_disputes", ""), 0);
	node.stop().await;

	// Even where nothing is known of the verdict any more.
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	court.result.run_root = ran.run_root;
	court.result.trace_root = *ran.trace_roots.last().unwrap();
	let runner = FakeRunner::computing(&world.blobs, []);
	let node = world.start(runner.clone());
	court.settle(&world).await;
	eventually("the replay", || node.metric("assay_verifier_disputes", "") == 0).await;
	court.settle(&world).await;
	assert_eq!((court.moves.len(), runner.calls()), (0, 1));
	assert_eq!(node.count("assay_verifier_dispute_faults_total", ""), 0);
}

#[tokio::test]
async fn nothing_should_be_disputed_when_this_machine_does_not_stand_by_its_verdict() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let ran = crate::testing::world::compute(&court.lie.program, court.lie.inputs.clone(), 3, &[])
		.unwrap();
	court.result.run_root = ran.run_root;
	court.result.trace_root = *ran.trace_roots.last().unwrap();
	let runner = FakeRunner::computing(&world.blobs, [Act::Root([7; 32])]);
	world.chain.draw(vec![court.lottery(&world)]);
	let node = world.start(runner.clone());
	world.found(JOB, Verify).await;
	court.settle(&world).await;
	let faults = || node.count("assay_verifier_dispute_faults_total", "agrees");
	eventually("the complaint", || faults() == 1).await;
	court.settle(&world).await;
	// The run of the verdict has no roots that fit, so that it was replayed.
	assert_eq!((court.moves.len(), runner.calls(), faults()), (0, 2, 1));
}

#[tokio::test]
async fn proof_should_be_sent_unbound_when_there_is_no_time_or_room_left_to_bind_it() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::long());
	court.binds = false;
	let node = world.start(FakeRunner::computing(&world.blobs, []));
	let bound = || node.count("assay_verifier_moves_total", "bind") == 1;
	court.until(&world, "the commitment", |_| bound()).await;
	court.settle(&world).await;
	assert_eq!(court.kinds(), ["demand"]);
	let left = entry(&world, &world.alice).unwrap();
	assert!(matches!(left.action, ChallengeMove::CommitProof { .. }));
	// The lane's deadline comes near.
	court.hurry(&world.alice, 12);
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert_eq!(court.proved, Some((world.alice.clone(), false)));
}

#[tokio::test]
async fn nothing_should_be_left_when_an_answer_is_owed() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	court.answers = false;
	let runner = FakeRunner::computing(&world.blobs, []);
	let node = world.start(runner.clone());
	court.until(&world, "the demand", |court| court.moves.len() == 1).await;
	court.settle(&world).await;
	let lane = court.lane(&world.alice).unwrap();
	assert!(matches!(lane.turn, Turn::Answer(_)));
	assert_eq!((court.moves.len(), runner.calls()), (1, 1));
	assert_eq!(node.count("assay_verifier_moves_total", ""), 1);
	// What is left is the demand that was made, should the chain forget it.
	assert_eq!(entry(&world, &world.alice).unwrap().opened, None);
}

#[tokio::test]
async fn search_should_be_given_up_when_the_lanes_time_is_over() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let runner = FakeRunner::computing(&world.blobs, [Act::Compute, Act::Hang]);
	let _node = world.start(runner.clone());
	court.until(&world, "the hanging replay", |_| runner.calls() == 2).await;
	court.hurry(&world.alice, 3);
	court.until(&world, "the worker's end", |_| runner.active() == 0).await;
	assert_eq!(entry(&world, &world.alice), None);
}

#[tokio::test]
async fn dispute_should_begin_anew_when_the_job_is_another_one_on_another_fork() {
	let world = World::new();
	let mut court = Court::new(&world, Lie::deep());
	let runner = FakeRunner::computing(&world.blobs, []);
	let _node = world.start(runner.clone());
	court.until(&world, "two moves", |court| court.moves.len() == 2).await;
	let mut other = Court::new(&world, Lie::long());
	other.until(&world, "the proof", |court| court.proved.is_some()).await;
	court.until(&world, "the proof", |court| court.proved.is_some()).await;
	assert_eq!(court.kinds(), DEEP);
}

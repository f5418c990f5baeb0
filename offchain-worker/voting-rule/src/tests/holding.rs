//! What is held, below which block, and for how long.

use super::*;

#[test]
fn vote_should_go_to_the_target_when_nothing_is_known() {
	let world = World::new();
	let chain = world.tree.chain(8);
	world.tree.settle(&chain[5], result(1));
	assert_eq!(world.vote(&chain[0], &chain[8]), at(&chain[8], None));
	// A replay that gives the result is no reason to hold it.
	world.knowledge.replayed(result(1).task, result(1).run_root);
	world.knowledge.proved(result(1).task, [7; 32]);
	assert_eq!(world.vote(&chain[0], &chain[8]), at(&chain[8], None));
}

#[test]
fn vote_should_be_held_below_the_first_block_that_pays_for_a_result_proved_wrong() {
	let world = World::new();
	let chain = world.tree.chain(9);
	for (block, job) in [(4, 1), (6, 2), (8, 3)] {
		world.tree.settle(&chain[block], result(job));
	}
	world.knowledge.proved(result(2).task, result(2).run_root);
	let own = Some(Cause::OwnProof);
	assert_eq!(world.vote(&chain[0], &chain[9]), at(&chain[5], own));
	world.knowledge.proved(result(3).task, result(3).run_root);
	assert_eq!(world.vote(&chain[0], &chain[9]), at(&chain[5], own));
	world.knowledge.proved(result(1).task, result(1).run_root);
	assert_eq!(world.vote(&chain[0], &chain[9]), at(&chain[3], own));
}

#[test]
fn vote_should_be_held_below_any_result_of_a_block() {
	let world = World::new();
	let chain = world.tree.chain(9);
	for job in 1..=5 {
		world.tree.settle(&chain[6], result(job));
	}
	world.knowledge.replayed(result(4).task, [9; 32]);
	assert_eq!(world.vote(&chain[0], &chain[9]), at(&chain[5], Some(Cause::OwnVerdict)));
	world.knowledge.proved(result(5).task, result(5).run_root);
	assert_eq!(world.vote(&chain[0], &chain[9]), at(&chain[5], Some(Cause::OwnProof)));
}

#[test]
fn vote_should_stay_at_the_base_when_the_next_block_is_wrong() {
	let world = World::new();
	let chain = world.tree.chain(6);
	world.tree.settle(&chain[4], result(1));
	world.knowledge.proved(result(1).task, result(1).run_root);
	assert_eq!(world.vote(&chain[3], &chain[6]), at(&chain[3], Some(Cause::OwnProof)));
	// Others have voted further: nothing below the base can be held any more.
	assert_eq!(world.vote(&chain[4], &chain[6]), at(&chain[6], None));
}

#[test]
fn vote_should_be_the_target_when_base_and_target_are_one_block() {
	let world = World::new();
	let chain = world.tree.chain(3);
	world.tree.settle(&chain[3], result(1));
	world.knowledge.proved(result(1).task, result(1).run_root);
	assert_eq!(world.vote(&chain[3], &chain[3]), at(&chain[3], None));
	assert_eq!(world.vote(&chain[0], &chain[0]), at(&chain[0], None));
	assert_eq!(world.tree.asked(), []);
}

#[test]
fn own_verdict_should_hold_up_to_the_soft_cap_and_a_proof_up_to_the_hard_one() {
	let world = World::new();
	let chain = world.tree.chain(30);
	world.tree.settle(&chain[10], result(1));
	world.knowledge.replayed(result(1).task, [9; 32]);
	let soft = Some(Cause::OwnVerdict);
	for best in 10..=13 {
		assert_eq!(world.vote(&chain[8], &chain[best]), at(&chain[9], soft));
	}
	// Four blocks behind, and from there on with the best block.
	assert_eq!(world.vote(&chain[8], &chain[14]), at(&chain[10], soft));
	assert_eq!(world.vote(&chain[8], &chain[16]), at(&chain[12], soft));
	assert_eq!(world.vote(&chain[10], &chain[16]), at(&chain[16], None));
	world.knowledge.proved(result(1).task, result(1).run_root);
	let hard = Some(Cause::OwnProof);
	assert_eq!(world.vote(&chain[8], &chain[19]), at(&chain[9], hard));
	assert_eq!(
		world.vote(&chain[8], &chain[20]),
		at(&chain[20], None),
		"the block is at the floor"
	);
	assert_eq!(world.vote(&chain[8], &chain[30]), at(&chain[30], None));
}

/// A liar that has many results settled gains no block over one that has a single one settled.
#[test]
fn lag_should_be_bounded_for_all_results_together() {
	let world = World::new();
	let chain = world.tree.chain(60);
	for (block, header) in chain.iter().enumerate().skip(5) {
		world.tree.settle(header, result(block as u8));
		world.knowledge.proved(result(block as u8).task, result(block as u8).run_root);
	}
	let mut last = 0;
	for best in 5..=60 {
		let (_, number, cause) = world.vote(&chain[0], &chain[best]);
		assert_eq!(
			(number, cause),
			((best as u32 - 10.min(best as u32)).max(4), Some(Cause::OwnProof))
		);
		assert!(number >= last, "votes never go back");
		last = number;
	}
}

#[test]
fn soft_evidence_below_should_not_shorten_what_a_proof_above_holds() {
	let world = World::new();
	let chain = world.tree.chain(20);
	world.tree.settle(&chain[11], result(1));
	world.tree.settle(&chain[13], result(2));
	world.knowledge.replayed(result(1).task, [9; 32]);
	world.knowledge.proved(result(2).task, result(2).run_root);
	// The verdict's cap ends at #16; the proof holds at #12.
	assert_eq!(world.vote(&chain[0], &chain[20]), at(&chain[12], Some(Cause::OwnProof)));
	// Here the verdict holds lower than the proof.
	assert_eq!(world.vote(&chain[0], &chain[14]), at(&chain[10], Some(Cause::OwnVerdict)));
}

#[test]
fn evidence_should_count_on_the_fork_that_settles_and_on_no_other() {
	let world = World::new();
	let chain = world.tree.chain(5);
	let left = world.tree.grow(&chain[5], 1, 4);
	let right = world.tree.grow(&chain[5], 2, 5);
	world.tree.settle(&left[1], result(1));
	world.knowledge.proved(result(1).task, result(1).run_root);
	assert_eq!(world.vote(&chain[0], &left[3]), at(&left[0], Some(Cause::OwnProof)));
	assert_eq!(world.vote(&chain[0], &right[4]), at(&right[4], None));
	// The best chain changes back and forth.
	assert_eq!(world.vote(&chain[5], &left[3]), at(&left[0], Some(Cause::OwnProof)));
	assert_eq!(world.vote(&chain[5], &right[4]), at(&right[4], None));
}

/// On another fork, this number is another job.
#[test]
fn evidence_should_be_about_the_task_when_two_forks_give_one_number_to_two_jobs() {
	let world = World::new();
	let chain = world.tree.chain(6);
	let other = assay_market::Settlement { job: 1, ..result(2) };
	world.tree.settle(&chain[3], other);
	world.knowledge.replayed(result(1).task, [9; 32]);
	// The same task under another number.
	world.tree.settle(&chain[5], assay_market::Settlement { job: 77, ..result(1) });
	assert_eq!(world.vote(&chain[0], &chain[4]), at(&chain[4], None));
	assert_eq!(world.vote(&chain[0], &chain[6]), at(&chain[4], Some(Cause::OwnVerdict)));
}

#[test]
fn verdict_should_hold_nothing_when_the_node_no_longer_relies_on_it() {
	let world = World::new();
	let chain = world.tree.chain(6);
	world.tree.settle(&chain[3], result(1));
	world.knowledge.replayed(result(1).task, [9; 32]);
	assert_eq!(world.vote(&chain[0], &chain[6]), at(&chain[2], Some(Cause::OwnVerdict)));
	world.knowledge.withdraw(&result(1).task);
	assert_eq!(world.vote(&chain[0], &chain[6]), at(&chain[6], None));
}

#[test]
fn lane_should_hold_when_another_fork_that_may_win_has_it_open() {
	let world = World::new();
	let chain = world.tree.chain(5);
	let paid = world.tree.grow(&chain[5], 1, 6);
	let open = world.tree.grow(&chain[5], 2, 4);
	world.tree.settle(&paid[1], result(1));
	world.tree.stands(&open[3], result(1), DISPUTED);
	// The other fork is 9 high.
	assert_eq!(world.vote(&chain[0], &paid[4]), at(&paid[0], Some(Cause::OpenLane)));
	// It falls behind by more than the soft cap: it will not win any more.
	let paid = [paid.clone(), world.tree.grow(&paid[5], 1, 4)].concat();
	assert_eq!(world.vote(&chain[0], &paid[7]), at(&paid[0], Some(Cause::OpenLane)));
	assert_eq!(world.vote(&chain[0], &paid[8]), at(&paid[8], None));
}

#[test]
fn lane_should_hold_nothing_when_it_was_closed_before_the_block() {
	let world = World::new();
	let chain = world.tree.chain(8);
	world.tree.stands(&chain[3], result(1), DISPUTED);
	world.tree.settle(&chain[6], result(1));
	assert_eq!(world.vote(&chain[0], &chain[8]), at(&chain[8], None));
}

#[test]
fn proof_on_another_fork_should_hold_even_when_that_fork_is_gone() {
	let world = World::new();
	let chain = world.tree.chain(5);
	let paid = world.tree.grow(&chain[5], 1, 8);
	let proven = world.tree.child(&chain[5], 2);
	world.tree.settle(&paid[0], result(1));
	world.tree.stands(&proven, result(1), PROVEN);
	assert_eq!(world.vote(&chain[0], &paid[7]), at(&chain[5], Some(Cause::ForkProof)));
	world.tree.forget(&proven);
	assert_eq!(world.vote(&chain[0], &paid[7]), at(&chain[5], Some(Cause::OwnProof)));
	assert!(world.knowledge.is_proved_wrong(&result(1).task, &result(1).run_root));
}

#[test]
fn forks_that_are_over_should_not_be_asked() {
	let world = World::new();
	let chain = world.tree.chain(12);
	// Below the base; and so far behind that nothing it says could hold anything.
	let below = world.tree.child(&chain[2], 1);
	let far = world.tree.child(&chain[0], 2);
	world.tree.settle(&chain[11], result(1));
	for fork in [&below, &far] {
		world.tree.stands(fork, result(1), PROVEN);
	}
	assert_eq!(world.vote(&chain[5], &chain[12]), at(&chain[12], None));
	assert!(
		!world.tree.asked().contains(&below.hash()) && !world.tree.asked().contains(&far.hash())
	);
}

#[test]
fn answers_should_be_remembered_when_the_next_vote_asks_again() {
	let world = World::new();
	let chain = world.tree.chain(9);
	let fork = world.tree.grow(&chain[5], 1, 3);
	world.tree.settle(&chain[7], result(1));
	world.vote(&chain[0], &chain[8]);
	let asked = world.tree.asked();
	assert_eq!(asked.len(), 8 + 2, "eight blocks, and the ends of two other forks");
	assert!(asked.contains(&fork[2].hash()));
	world.vote(&chain[0], &chain[8]);
	assert_eq!(world.tree.asked(), asked);
	// One block more is one question more.
	world.vote(&chain[0], &chain[9]);
	assert_eq!(world.tree.asked().len(), asked.len() + 1);
}

#[test]
fn number_of_blocks_looked_at_should_be_bounded_when_finality_is_far_behind() {
	let world = World::new();
	let chain = world.tree.chain(500);
	for (block, header) in chain.iter().enumerate() {
		world.tree.settle(header, result(block as u8));
	}
	assert_eq!(world.vote(&chain[0], &chain[500]), at(&chain[500], None));
	assert_eq!(world.tree.asked().len(), 10);
	assert!(world.tree.headers_read() <= 20, "{}", world.tree.headers_read());
}

#[test]
fn number_of_forks_asked_should_be_bounded() {
	let world = World::new();
	let chain = world.tree.chain(6);
	for tag in 1..=50 {
		world.tree.child(&chain[5], tag);
	}
	world.tree.settle(&chain[6], result(1));
	assert_eq!(world.vote(&chain[0], &chain[6]), at(&chain[6], None));
	assert_eq!(world.tree.asked().len(), 6 + 8);
}

#[test]
fn target_below_the_floor_should_not_be_restricted_further() {
	let world = World::new();
	let chain = world.tree.chain(30);
	world.tree.settle(&chain[15], result(1));
	world.knowledge.proved(result(1).task, result(1).run_root);
	let choice = world.gate.choose(&chain[0], &chain[30], &chain[18]);
	assert_eq!((choice.number, choice.cause), (18, None));
	// Other rules have restricted the target; the lag counts from the best block all the same.
	world.tree.settle(&chain[25], result(2));
	world.knowledge.proved(result(2).task, result(2).run_root);
	let choice = world.gate.choose(&chain[0], &chain[30], &chain[27]);
	assert_eq!((choice.number, choice.cause), (24, Some(Cause::OwnProof)));
	let choice = world.gate.choose(&chain[0], &chain[30], &chain[24]);
	assert_eq!((choice.number, choice.cause), (24, None));
}

#[test]
fn caps_of_zero_should_hold_nothing() {
	let world = World::with_caps(0, 0);
	let chain = world.tree.chain(6);
	world.tree.settle(&chain[6], result(1));
	world.knowledge.proved(result(1).task, result(1).run_root);
	assert_eq!(world.vote(&chain[0], &chain[6]), at(&chain[6], None));
}

//! GRANDPA votes for the full target where a rule fails. This rule never does.

use super::{tree::Trap, *};

const ERROR: Option<Cause> = Some(Cause::Error);

/// Ten blocks; #5 pays for a result. Nothing is known against it.
fn world() -> (World, Vec<Header>) {
	let world = World::new();
	let chain = world.tree.chain(9);
	world.tree.settle(&chain[5], result(1));
	(world, chain)
}

#[test]
fn vote_should_be_the_base_when_a_header_is_missing() {
	let (world, chain) = world();
	world.tree.forget(&chain[4]);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
}

#[test]
fn vote_should_be_the_base_when_the_database_fails() {
	let (world, chain) = world();
	world.tree.trap(&chain[7], "header", Trap::Error);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
	world.tree.disarm();
	world.tree.trap_leaves(Trap::Error);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
	world.tree.disarm();
	assert_eq!(
		world.vote(&chain[1], &chain[9]),
		at(&chain[9], None),
		"nothing is remembered of it"
	);
}

#[test]
fn vote_should_be_the_base_when_a_runtime_call_fails() {
	let (world, chain) = world();
	world.tree.trap(&chain[8], "settlements", Trap::Error);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
	world.tree.disarm();
	let fork = world.tree.child(&chain[6], 1);
	world.tree.trap(&fork, "standings", Trap::Error);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
	world.tree.disarm();
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[9], None));
}

#[test]
fn vote_should_be_the_base_when_something_panics() {
	for question in ["header", "settlements"] {
		let (world, chain) = world();
		world.tree.trap(&chain[8], question, Trap::Panic);
		assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR), "{question}");
		world.tree.disarm();
		assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[9], None), "{question}");
	}
	let (world, chain) = world();
	world.tree.trap_leaves(Trap::Panic);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
	let (world, chain) = self::world();
	let fork = world.tree.child(&chain[6], 1);
	world.tree.trap(&fork, "standings", Trap::Panic);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
}

#[test]
fn vote_should_be_the_base_when_a_block_tells_only_a_part() {
	let (world, chain) = world();
	world.tree.truncate(&chain[5]);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[1], ERROR));
	// What it does tell counts.
	world.knowledge.proved(result(1).task, result(1).run_root);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[4], Some(Cause::OwnProof)));
}

#[test]
fn vote_should_be_the_base_when_the_target_is_not_above_it() {
	let (world, chain) = world();
	let fork = world.tree.grow(&chain[3], 1, 4);
	assert_eq!(world.vote(&fork[2], &chain[9]), at(&fork[2], ERROR));
}

/// A node whose database stays broken must not hold finality up for good either.
#[test]
fn fault_should_hold_up_to_the_hard_cap_only() {
	let world = World::new();
	let chain = world.tree.chain(40);
	world.tree.trap(&chain[30], "settlements", Trap::Error);
	assert_eq!(world.vote(&chain[25], &chain[33]), at(&chain[25], ERROR));
	assert_eq!(world.vote(&chain[25], &chain[39]), at(&chain[29], ERROR));
	assert_eq!(world.vote(&chain[25], &chain[40]), at(&chain[40], None));
}

#[test]
fn fault_should_not_reach_blocks_that_are_not_looked_at() {
	let (world, chain) = world();
	world.tree.forget(&chain[0]);
	world.tree.trap(&chain[1], "settlements", Trap::Panic);
	world.tree.trap(&chain[1], "header", Trap::Panic);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[9], None));
}

#[test]
fn leaf_that_is_gone_when_it_is_looked_at_should_be_passed_over() {
	let (world, chain) = world();
	let fork = world.tree.grow(&chain[6], 1, 2);
	world.tree.stands(&fork[1], result(1), DISPUTED);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[4], Some(Cause::OpenLane)));
	world.tree.forget(&fork[1]);
	assert_eq!(world.vote(&chain[1], &chain[9]), at(&chain[9], None));
}

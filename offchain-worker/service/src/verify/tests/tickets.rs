//! What a key draws.

use crate::{
	fault::Fault,
	testing::world::{World, GENESIS},
	verify::tickets::{Draw, Tickets, Winner},
};
use assay_market::lottery::{draw_output, transcript};
use sp_keystore::testing::MemoryKeystore;

fn winner(draw: Draw) -> (Option<Winner>, bool) {
	match draw {
		Draw::Known { winner, new } => (winner, new),
		Draw::Failed(fault, _) => panic!("{fault}"),
	}
}

#[test]
fn ticket_should_draw_the_same_number_for_everyone_and_after_a_restart() {
	let world = World::new();
	let lottery = world.lottery(1);
	let mut tickets = Tickets::default();
	let (first, new) = winner(tickets.draw(&*world.keystore, &GENESIS, &lottery));
	let first = first.unwrap();
	assert!(new);
	let data = transcript(&GENESIS, &lottery.order, &lottery.seed);
	assert!(draw_output(&lottery.key, &data, &first.ticket).is_some(), "the chain takes it");
	let other = transcript(&GENESIS, &[2; 32], &lottery.seed);
	assert!(draw_output(&lottery.key, &other, &first.ticket).is_none());
	let again = winner(tickets.draw(&*world.keystore, &GENESIS, &lottery));
	assert_eq!(again, (Some(first), false), "a known ticket is not drawn again");

	let (other, new) = winner(Tickets::default().draw(&*world.keystore, &GENESIS, &lottery));
	let other = other.unwrap();
	assert!(new);
	assert_eq!((other.ticket.pre_output, other.tranche), (first.ticket.pre_output, first.tranche));
}

#[test]
fn ticket_should_be_forgotten_when_its_lottery_is_over_and_be_another_for_another_seed() {
	let world = World::new();
	let (lottery, mut fork) = (world.lottery(1), world.lottery(1));
	fork.seed = [8; 32];
	let mut tickets = Tickets::default();
	let (first, _) = winner(tickets.draw(&*world.keystore, &GENESIS, &lottery));
	let (second, new) = winner(tickets.draw(&*world.keystore, &GENESIS, &fork));
	assert!(new && first.unwrap().ticket.pre_output != second.unwrap().ticket.pre_output);
	tickets.retain(std::slice::from_ref(&fork));
	assert!(winner(tickets.draw(&*world.keystore, &GENESIS, &lottery)).1);
	assert!(!winner(tickets.draw(&*world.keystore, &GENESIS, &fork)).1);
}

#[test]
fn ticket_should_be_another_where_the_number_is_another_jobs() {
	let world = World::new();
	let (lottery, mut fork) = (world.lottery(1), world.lottery(1));
	fork.order = [8; 32];
	let mut tickets = Tickets::default();
	let (first, _) = winner(tickets.draw(&*world.keystore, &GENESIS, &lottery));
	let (second, new) = winner(tickets.draw(&*world.keystore, &GENESIS, &fork));
	assert!(new && first.unwrap().ticket.pre_output != second.unwrap().ticket.pre_output);
}

#[test]
fn keystore_fault_should_be_named_and_said_once_when_a_key_cannot_draw() {
	let world = World::new();
	let (lottery, empty) = (world.lottery(1), MemoryKeystore::new());
	let mut tickets = Tickets::default();
	for first in [true, false] {
		let draw = tickets.draw(&empty, &GENESIS, &lottery);
		assert!(matches!(draw, Draw::Failed(Fault::Keystore(_), said) if said == first));
	}
	// It is tried again all the same.
	assert!(winner(tickets.draw(&*world.keystore, &GENESIS, &lottery)).1);
}

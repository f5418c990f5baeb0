//! Whatever the tree, the evidence and the faults are: a vote is on the target's chain, between
//! base and target, and within the caps.

use super::{tree::Trap, *};
use proptest::{collection::vec, prelude::*};

#[derive(Clone, Debug)]
enum Event {
	/// A block pays for the result of a job.
	Settle { block: u8, job: u8 },
	/// The node replays a job and gets another result.
	Differ { job: u8 },
	/// The node proves a result wrong.
	Prove { job: u8 },
	/// A fork of some length leaves the chain.
	Fork { from: u8, length: u8, job: u8, proven: bool },
	/// Something fails.
	Fail { block: u8, question: u8, panics: bool },
}

fn event() -> impl Strategy<Value = Event> {
	prop_oneof![
		6 => (any::<u8>(), 0..6u8).prop_map(|(block, job)| Event::Settle { block, job }),
		2 => (0..6u8).prop_map(|job| Event::Differ { job }),
		2 => (0..6u8).prop_map(|job| Event::Prove { job }),
		2 => (any::<u8>(), 1..20u8, 0..6u8, any::<bool>())
			.prop_map(|(from, length, job, proven)| Event::Fork { from, length, job, proven }),
		1 => (any::<u8>(), 0..4u8, any::<bool>())
			.prop_map(|(block, question, panics)| Event::Fail { block, question, panics }),
	]
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

	#[test]
	fn vote_should_be_on_the_chain_between_base_and_target_and_within_the_caps(
		length in 1..60usize,
		base in 0..60usize,
		cut in 0..20usize,
		soft in 0..12u32,
		more in 0..12u32,
		events in vec(event(), 0..30),
	) {
		let world = World::with_caps(soft, soft + more);
		let chain = world.tree.chain(length as u32);
		let base = base.min(length);
		let target = length.saturating_sub(cut).max(base);
		let pick = |index: u8| &chain[usize::from(index) % chain.len()];
		let (mut faults, mut certain) = (false, false);
		for (tag, event) in events.into_iter().enumerate() {
			match event {
				Event::Settle { block, job } => world.tree.settle(pick(block), result(job)),
				Event::Differ { job } => world.knowledge.replayed(result(job).task, [0xee; 32]),
				Event::Prove { job } => {
					certain = true;
					world.knowledge.proved(result(job).task, result(job).run_root);
				}
				Event::Fork { from, length, job, proven } => {
					certain = true;
					let fork = world.tree.grow(pick(from), 1 + tag as u8, length.into());
					let standing = if proven { PROVEN } else { DISPUTED };
					world.tree.stands(fork.last().unwrap(), result(job), standing);
				}
				Event::Fail { block, question, panics } => {
					faults = true;
					let trap = if panics { Trap::Panic } else { Trap::Error };
					match question {
						0 => world.tree.trap(pick(block), "header", trap),
						1 => world.tree.trap(pick(block), "settlements", trap),
						2 => world.tree.forget(pick(block)),
						_ => world.tree.trap_leaves(trap),
					}
				}
			}
		}
		let best = chain[length].clone();
		let choice = world.gate.choose(&chain[base], &best, &chain[target]);
		let number = choice.number as usize;
		prop_assert!(number >= base && number <= target, "{choice:?}");
		prop_assert_eq!(choice.hash, chain[number].hash());
		prop_assert_eq!(choice.cause.is_none(), number == target, "{:?}", choice);

		let lag = length - number;
		let without = length - target;
		// Only a chain whose headers are lost cannot be walked down to the cap.
		if !faults {
			prop_assert!(lag <= without.max((soft + more) as usize), "{choice:?}");
			if !certain {
				prop_assert!(lag <= without.max(soft as usize), "{choice:?}");
			}
		}
		if number < target && !faults {
			// It stops right below a block that pays for something, or where a cap ends.
			let stops = world.tree.settles(&chain[number + 1]);
			let cap = lag == (soft + more) as usize || lag == soft as usize;
			prop_assert!(stops || cap, "{choice:?}");
		}

		// The next round, with one block more and the same knowledge, goes at least as far.
		let next = world.tree.child(&best, 0);
		let later = world.gate.choose(&chain[base], &next, &chain[target]);
		prop_assert!(faults || later.number >= choice.number, "{choice:?} {later:?}");
	}
}

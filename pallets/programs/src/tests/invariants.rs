//! Random sequences of calls: the invariants hold after each and the issuance never changes.

use crate::{mock::*, *};
use assay_market::Programs as _;
use frame_support::dispatch::DispatchResult;
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
	Register(AccountId, i32),
	/// The byte at this place of the file is changed to this value.
	RegisterSpoiled(AccountId, i32, usize, u8),
	Remove(AccountId, i32),
	Acquire(i32),
	Release(i32),
}

fn step() -> impl Strategy<Value = Step> {
	let account = || ALICE..=POOR;
	let seed = || 0..4i32;
	prop_oneof![
		3 => (account(), seed()).prop_map(|(a, s)| Step::Register(a, s)),
		2 => (account(), seed(), 0..120usize, any::<u8>())
			.prop_map(|(a, s, at, byte)| Step::RegisterSpoiled(a, s, at, byte)),
		3 => (account(), seed()).prop_map(|(a, s)| Step::Remove(a, s)),
		2 => seed().prop_map(Step::Acquire),
		2 => seed().prop_map(Step::Release),
	]
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(128))]

	#[test]
	fn programs_should_keep_their_books_when_calls_come_in_any_order(steps in vec(step(), 1..50)) {
		ExtBuilder::default().build().execute_with(|| {
			let before = Test::money();
			let mut references: BTreeMap<i32, u32> = BTreeMap::new();
			for step in steps {
				let outcome: DispatchResult = match step {
					Step::Register(who, seed) => register(who, &layer_bytes(seed)),
					Step::RegisterSpoiled(who, seed, at, byte) => {
						let mut bytes = layer_bytes(seed);
						if let Some(place) = bytes.get_mut(at) {
							*place = byte;
						}
						register(who, &bytes)
					},
					Step::Remove(who, seed) => remove(who, layer_id(seed)),
					Step::Acquire(seed) => ProgramStore::acquire(&layer_id(seed)),
					Step::Release(seed) => {
						// Jobs release only what they acquired.
						if references.get(&seed).is_some_and(|count| *count > 0) {
							ProgramStore::release(&layer_id(seed));
						}
						Ok(())
					},
				};
				match step {
					Step::Acquire(seed) if outcome.is_ok() =>
						*references.entry(seed).or_default() += 1,
					Step::Release(seed) =>
						if let Some(count) = references.get_mut(&seed) {
							*count = count.saturating_sub(1);
						},
					_ => {},
				}
				for (seed, count) in &references {
					let stored = Programs::<Test>::get(layer_id(*seed)).map(|i| i.references);
					assert_eq!(stored.unwrap_or_default(), *count);
				}
				Test::check(before);
			}
		});
	}
}

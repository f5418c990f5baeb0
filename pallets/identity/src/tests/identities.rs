use crate::{mock::*, *};
use assay_market::{Identities as _, Outcome};
use frame_support::assert_ok;

#[test]
fn is_provider_should_follow_the_role_when_it_changes() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		assert!(Identity::is_provider(&ALICE));
		assert!(!Identity::is_provider(&BOB));
		assert_ok!(Identity::update(RuntimeOrigin::signed(ALICE), REQUESTER, None));
		assert!(!Identity::is_provider(&ALICE));
	});
}

#[test]
fn note_outcome_should_count_each_outcome_apart_when_noted() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		for (times, outcome) in types::OUTCOMES.iter().enumerate() {
			for _ in 0..=times {
				Identity::note_outcome(&ALICE, *outcome);
			}
		}
		let reputation = Reputations::<Test>::get(ALICE);
		for (times, outcome) in types::OUTCOMES.iter().enumerate() {
			assert_eq!(reputation.count(*outcome), times as u32 + 1, "{outcome:?}");
		}
	});
}

#[test]
fn note_outcome_should_saturate_when_the_counter_is_full() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		let full = Reputation { provider_paid: u32::MAX, ..Default::default() };
		Reputations::<Test>::insert(ALICE, full);
		Identity::note_outcome(&ALICE, Outcome::ProviderPaid);
		assert_eq!(Reputations::<Test>::get(ALICE), full);
	});
}

#[test]
fn note_outcome_should_store_nothing_when_the_account_is_unknown() {
	ExtBuilder::default().run(|| {
		Identity::note_outcome(&ALICE, Outcome::ProviderPaid);
		assert!(!Reputations::<Test>::contains_key(ALICE));
	});
}

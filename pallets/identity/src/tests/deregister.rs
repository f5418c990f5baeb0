use crate::{mock::*, *};
use assay_market::{Identities as _, Outcome};
use frame_support::{assert_noop, assert_ok};

#[test]
fn deregister_should_return_the_deposit_when_no_job_refers_to_the_account() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		assert_ok!(Identity::deregister(RuntimeOrigin::signed(ALICE)));
		assert_eq!(Identities::<Test>::get(ALICE), None);
		assert_eq!(PeerKeys::<Test>::iter().count(), 0);
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT);
		assert_eq!(last_event(), Event::Deregistered { who: ALICE, deposit: DEPOSIT });
		assert_ok!(register(BOB, REQUESTER, None, ALICE as u8));
	});
}

#[test]
fn deregister_should_fail_when_a_job_refers_to_the_account() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		EngagedAccounts::set([ALICE].into());
		assert_noop!(
			Identity::deregister(RuntimeOrigin::signed(ALICE)),
			Error::<Test>::EngagedInJob
		);
		EngagedAccounts::set([BOB].into());
		assert_ok!(Identity::deregister(RuntimeOrigin::signed(ALICE)));
	});
}

#[test]
fn deregister_should_fail_when_the_account_is_not_registered() {
	ExtBuilder::default().run(|| {
		assert_noop!(
			Identity::deregister(RuntimeOrigin::signed(ALICE)),
			Error::<Test>::NotRegistered
		);
	});
}

#[test]
fn deregister_should_keep_the_reputation_when_there_is_one() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		Identity::note_outcome(&ALICE, Outcome::ProviderFraud);
		assert_ok!(Identity::deregister(RuntimeOrigin::signed(ALICE)));
		assert_ok!(register(ALICE, PROVIDER, Some(device()), 9));
		assert_eq!(Reputations::<Test>::get(ALICE).provider_fraud, 1);
	});
}

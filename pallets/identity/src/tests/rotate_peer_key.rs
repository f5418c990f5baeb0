use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use sp_core::Pair;

fn rotate(who: AccountId, proven_for: AccountId, seed: u8) -> DispatchResult {
	let (peer_key, proof) = proven(proven_for, seed);
	Identity::rotate_peer_key(RuntimeOrigin::signed(who), peer_key, proof)
}

#[test]
fn rotate_peer_key_should_replace_the_key_when_the_proof_is_right() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		let (old, new) = (key(ALICE as u8).public(), key(9).public());
		assert_ok!(rotate(ALICE, ALICE, 9));
		assert_eq!(Identities::<Test>::get(ALICE).unwrap().peer_key, new);
		assert_eq!(PeerKeys::<Test>::get(old), None);
		assert_eq!(PeerKeys::<Test>::get(new), Some(ALICE));
		assert_eq!(last_event(), Event::PeerKeyRotated { who: ALICE, old, new });
		// The old key is free.
		assert_ok!(register(BOB, REQUESTER, None, ALICE as u8));
	});
}

#[test]
fn rotate_peer_key_should_fail_when_it_is_not_proven_for_the_account() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		assert_noop!(rotate(ALICE, BOB, 9), Error::<Test>::InvalidProof);
	});
}

#[test]
fn rotate_peer_key_should_fail_when_the_key_is_taken_or_unchanged() {
	ExtBuilder::default().registered(ALICE, PROVIDER).registered(BOB, REQUESTER).run(|| {
		assert_noop!(rotate(ALICE, ALICE, BOB as u8), Error::<Test>::PeerKeyTaken);
		assert_noop!(rotate(ALICE, ALICE, ALICE as u8), Error::<Test>::PeerKeyUnchanged);
	});
}

#[test]
fn rotate_peer_key_should_fail_when_the_account_is_not_registered() {
	ExtBuilder::default().run(|| {
		assert_noop!(rotate(ALICE, ALICE, 9), Error::<Test>::NotRegistered);
	});
}

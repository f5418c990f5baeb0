use crate::{mock::*, *};
use codec::Encode;
use frame_support::{assert_noop, assert_ok};
use sp_core::{Pair, H256};
use sp_runtime::{DispatchError, TokenError};

#[test]
fn register_should_store_the_identity_when_the_proof_is_right() {
	ExtBuilder::default().run(|| {
		assert_ok!(register(ALICE, PROVIDER, Some(device()), 1));
		let peer_key = key(1).public();
		assert_eq!(
			Identities::<Test>::get(ALICE),
			Some(IdentityInfo {
				roles: PROVIDER,
				device: Some(device()),
				peer_key,
				registered_at: 1,
				deposit: DEPOSIT,
			})
		);
		assert_eq!(PeerKeys::<Test>::get(peer_key), Some(ALICE));
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - DEPOSIT);
		assert_eq!(
			last_event(),
			Event::Registered { who: ALICE, roles: PROVIDER, peer_key, deposit: DEPOSIT }
		);
	});
}

#[test]
fn payload_should_be_context_genesis_and_account_when_asked() {
	ExtBuilder::default().run(|| {
		let payload = Identity::peer_key_payload(ALICE);
		assert_eq!(&payload[..16], b"assay/peer-key/1");
		assert_eq!(&payload[16..48], &[7; 32]);
		assert_eq!(&payload[48..], &ALICE.encode());
	});
}

#[test]
fn register_should_fail_when_the_account_is_registered() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		assert_noop!(
			register(ALICE, PROVIDER, Some(device()), 9),
			Error::<Test>::AlreadyRegistered
		);
	});
}

#[test]
fn register_should_fail_when_the_proof_is_for_another_account() {
	ExtBuilder::default().run(|| {
		let (peer_key, proof) = proven(BOB, 1);
		assert_noop!(
			Identity::register(RuntimeOrigin::signed(ALICE), REQUESTER, None, peer_key, proof),
			Error::<Test>::InvalidProof
		);
	});
}

#[test]
fn register_should_fail_when_the_proof_is_from_another_chain() {
	ExtBuilder::default().run(|| {
		let (peer_key, proof) = proven(ALICE, 1);
		frame_system::BlockHash::<Test>::insert(0, H256::repeat_byte(8));
		assert_noop!(
			Identity::register(RuntimeOrigin::signed(ALICE), REQUESTER, None, peer_key, proof),
			Error::<Test>::InvalidProof
		);
	});
}

#[test]
fn register_should_fail_when_the_proof_is_by_another_key_or_over_other_bytes() {
	ExtBuilder::default().run(|| {
		let (_, proof) = proven(ALICE, 1);
		assert_noop!(
			Identity::register(
				RuntimeOrigin::signed(ALICE),
				REQUESTER,
				None,
				key(2).public(),
				proof
			),
			Error::<Test>::InvalidProof
		);
		let proof = key(1).sign(&ALICE.encode());
		assert_noop!(
			Identity::register(
				RuntimeOrigin::signed(ALICE),
				REQUESTER,
				None,
				key(1).public(),
				proof
			),
			Error::<Test>::InvalidProof
		);
	});
}

#[test]
fn register_should_fail_when_the_peer_key_is_taken() {
	ExtBuilder::default().registered(BOB, REQUESTER).run(|| {
		assert_noop!(register(ALICE, REQUESTER, None, BOB as u8), Error::<Test>::PeerKeyTaken);
	});
}

#[test]
fn register_should_fail_when_roles_and_device_do_not_go_together() {
	ExtBuilder::default().run(|| {
		assert_noop!(register(ALICE, Roles::default(), None, 1), Error::<Test>::NoRole);
		assert_noop!(register(ALICE, PROVIDER, None, 1), Error::<Test>::DeviceRequired);
		for spoil in [
			|d: &mut DeviceProfile| d.memory_mib = 0,
			|d: &mut DeviceProfile| d.units_per_second = 0,
			|d: &mut DeviceProfile| d.adapter = Default::default(),
			|d: &mut DeviceProfile| d.adapter = vec![0xff].try_into().unwrap(),
			|d: &mut DeviceProfile| d.adapter = b"a\nb".to_vec().try_into().unwrap(),
		] {
			let mut device = device();
			spoil(&mut device);
			assert_noop!(register(ALICE, REQUESTER, Some(device), 1), Error::<Test>::InvalidDevice);
		}
		assert_ok!(register(ALICE, REQUESTER, None, 1));
	});
}

#[test]
fn register_should_fail_when_the_deposit_is_not_there() {
	ExtBuilder::default().run(|| {
		assert_noop!(register(POOR, REQUESTER, None, 1), TokenError::FundsUnavailable);
	});
}

#[test]
fn register_should_fail_when_the_origin_is_not_signed() {
	ExtBuilder::default().run(|| {
		let (peer_key, proof) = proven(ALICE, 1);
		assert_noop!(
			Identity::register(RuntimeOrigin::root(), REQUESTER, None, peer_key, proof),
			DispatchError::BadOrigin
		);
	});
}

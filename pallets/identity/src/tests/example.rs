//! What the docs of the pallet show.

use crate::{mock::*, *};
use frame_support::assert_ok;
use sp_core::Pair;

#[docify::export]
#[test]
fn provider_should_register_when_its_node_signs() {
	ExtBuilder::default().run(|| {
		// The key that the provider's node has in the peer-to-peer network.
		let node = key(1);
		let proof = node.sign(&Identity::peer_key_payload(ALICE));
		let provider = Roles { requester: false, provider: true, verifier: false };
		let alice = RuntimeOrigin::signed(ALICE);
		assert_ok!(Identity::register(alice, provider, Some(device()), node.public(), proof));
		assert_eq!(PeerKeys::<Test>::get(node.public()), Some(ALICE));
	});
}

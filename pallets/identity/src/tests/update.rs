use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};

#[test]
fn update_should_replace_roles_and_device_when_they_go_together() {
	ExtBuilder::default().registered(ALICE, REQUESTER).run(|| {
		let mut faster = device();
		faster.units_per_second *= 2;
		let everything = Roles { requester: true, provider: true, verifier: true };
		assert_ok!(Identity::update(
			RuntimeOrigin::signed(ALICE),
			everything,
			Some(faster.clone())
		));
		let identity = Identities::<Test>::get(ALICE).unwrap();
		assert_eq!((identity.roles, identity.device.as_ref()), (everything, Some(&faster)));
		assert_eq!(
			last_event(),
			Event::Updated { who: ALICE, roles: everything, device: Some(faster) }
		);
	});
}

#[test]
fn update_should_fail_when_the_profile_is_wrong() {
	ExtBuilder::default().registered(ALICE, PROVIDER).run(|| {
		let update = |roles, device| Identity::update(RuntimeOrigin::signed(ALICE), roles, device);
		assert_noop!(update(PROVIDER, None), Error::<Test>::DeviceRequired);
		assert_noop!(update(Roles::default(), Some(device())), Error::<Test>::NoRole);
		let mut broken = device();
		broken.memory_mib = 0;
		assert_noop!(update(PROVIDER, Some(broken)), Error::<Test>::InvalidDevice);
		assert_ok!(update(REQUESTER, None));
	});
}

#[test]
fn update_should_fail_when_the_account_is_not_registered() {
	ExtBuilder::default().run(|| {
		assert_noop!(
			Identity::update(RuntimeOrigin::signed(ALICE), REQUESTER, None),
			Error::<Test>::NotRegistered
		);
	});
}

//! A chain with balances and this pallet, and a builder for its first state.

use crate::{self as pallet_assay_identity, *};
pub use assay_pallet_testing::books::Books;
use assay_pallet_testing::{blocks::endowed, events, node::with_keystore};
use frame_support::{
	derive_impl,
	dispatch::DispatchResult,
	parameter_types,
	traits::{ConstU64, Contains},
};
use sp_core::{ed25519, Pair};
use sp_runtime::TryRuntimeError;
use std::collections::BTreeSet;

pub type AccountId = u64;
pub type Balance = u64;
type Block = frame_system::mocking::MockBlock<Test>;

pub const ALICE: AccountId = 1;
pub const BOB: AccountId = 2;
/// Has less than the deposit.
pub const POOR: AccountId = 3;
pub const ENDOWMENT: Balance = 1_000;
pub const DEPOSIT: Balance = 100;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Identity: pallet_assay_identity,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
}

parameter_types! {
	/// Accounts that open jobs refer to.
	pub static EngagedAccounts: BTreeSet<AccountId> = BTreeSet::new();
}

pub struct Engaged;
impl Contains<AccountId> for Engaged {
	fn contains(who: &AccountId) -> bool {
		EngagedAccounts::get().contains(who)
	}
}

impl Config for Test {
	type Currency = Balances;
	type Deposit = ConstU64<DEPOSIT>;
	type Engaged = Engaged;
	type WeightInfo = ();
}

/// Builds the first state and runs a test in it.
#[derive(Default)]
pub struct ExtBuilder {
	registered: Vec<(AccountId, Roles)>,
}

impl ExtBuilder {
	/// An account that is registered before the test, with the key of its own number.
	pub fn registered(mut self, who: AccountId, roles: Roles) -> Self {
		self.registered.push((who, roles));
		self
	}

	pub fn build(self) -> sp_io::TestExternalities {
		EngagedAccounts::set(BTreeSet::new());
		let balances = [(ALICE, ENDOWMENT), (BOB, ENDOWMENT), (POOR, DEPOSIT)];
		let mut ext = with_keystore(endowed::<Test>(balances).into());
		ext.execute_with(|| {
			System::set_block_number(1);
			frame_system::BlockHash::<Test>::insert(0, sp_core::H256::repeat_byte(7));
			for (who, roles) in self.registered {
				register(who, roles, Some(device()), who as u8).expect("the builder's input");
			}
		});
		ext
	}

	/// Run `test` and check the pallet's invariants and the issuance after it.
	pub fn run(self, test: impl FnOnce()) {
		Test::run(self.build(), test);
	}
}

impl Books for Test {
	fn money() -> u64 {
		Balances::total_issuance()
	}
	fn try_state() -> Result<(), TryRuntimeError> {
		Identity::do_try_state()
	}
}

pub const PROVIDER: Roles = Roles { requester: false, provider: true, verifier: false };
pub const REQUESTER: Roles = Roles { requester: true, provider: false, verifier: false };

pub fn device() -> DeviceProfile {
	DeviceProfile {
		adapter: b"llvmpipe (LLVM 15.0.6, 256 bits)".to_vec().try_into().expect("short"),
		backend: Backend::Vulkan,
		memory_mib: 4_096,
		units_per_second: 1_000_000,
	}
}

/// The peer key of a seed.
pub fn key(seed: u8) -> ed25519::Pair {
	ed25519::Pair::from_seed(&[seed; 32])
}

/// The key of `seed` and its proof for `who` on this chain.
pub fn proven(who: AccountId, seed: u8) -> (ed25519::Public, ed25519::Signature) {
	let key = key(seed);
	(key.public(), key.sign(&Identity::peer_key_payload(who)))
}

pub fn register(
	who: AccountId,
	roles: Roles,
	device: Option<DeviceProfile>,
	seed: u8,
) -> DispatchResult {
	let (peer_key, proof) = proven(who, seed);
	Identity::register(RuntimeOrigin::signed(who), roles, device, peer_key, proof)
}

pub fn last_event() -> Event<Test> {
	events::last::<Test, _>()
}

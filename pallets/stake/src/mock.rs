//! A chain with sessions of five blocks, the session, historical and offences pallets, and a
//! builder for its first state.

use crate::{self as pallet_assay_stake, *};
use assay_market::VerifierId;
pub use assay_pallet_testing::books::Books;
use assay_pallet_testing::{blocks, events};
use frame_support::{derive_impl, parameter_types, traits::ConstU32};
use pallet_session::{historical as pallet_session_historical, PeriodicSessions};
use sp_core::{sr25519, ConstU64};
use sp_runtime::{
	testing::UintAuthorityId, traits::Convert, BuildStorage, Perbill, TryRuntimeError,
};
use sp_staking::{
	offence::{Kind, Offence, ReportOffence},
	SessionIndex,
};

pub type AccountId = u64;
pub type Balance = u64;
type Block = frame_system::mocking::MockBlock<Test>;

pub const SESSION_BLOCKS: u64 = 5;
pub const ALICE: AccountId = 1;
pub const BOB: AccountId = 2;
pub const CHARLIE: AccountId = 3;
pub const DAVE: AccountId = 4;
pub const EVE: AccountId = 5;
/// Has no balance and no keys.
pub const NOBODY: AccountId = 99;
/// What every account but `NOBODY` begins with.
pub const ENDOWMENT: Balance = 10_000;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Stake: pallet_assay_stake,
		Session: pallet_session,
		Historical: pallet_session_historical,
		Offences: pallet_offences,
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
	type ExistentialDeposit = ConstU64<5>;
}

impl pallet_session::Config for Test {
	type RuntimeEvent = RuntimeEvent;
	type ValidatorId = AccountId;
	type ValidatorIdOf = sp_runtime::traits::ConvertInto;
	type ShouldEndSession = PeriodicSessions<ConstU64<SESSION_BLOCKS>, ConstU64<0>>;
	type NextSessionRotation = PeriodicSessions<ConstU64<SESSION_BLOCKS>, ConstU64<0>>;
	type SessionManager = pallet_session_historical::NoteHistoricalRoot<Test, Stake>;
	type SessionHandler = pallet_session::TestSessionHandler;
	type Keys = UintAuthorityId;
	type DisablingStrategy = pallet_session::disabling::UpToLimitDisablingStrategy<2>;
	type WeightInfo = ();
	type Currency = Balances;
	type KeyDeposit = ConstU64<0>;
}

impl pallet_session_historical::Config for Test {
	type RuntimeEvent = RuntimeEvent;
	type FullIdentification = Exposure<Balance>;
	type FullIdentificationOf = ExposureOf<Test>;
}

impl pallet_offences::Config for Test {
	type RuntimeEvent = RuntimeEvent;
	type IdentificationTuple = pallet_session_historical::IdentificationTuple<Test>;
	type OnOffenceHandler = Stake;
}

/// The verifier key of an account with session keys: its number, repeated.
pub struct KeyOf;
impl Convert<AccountId, Option<VerifierId>> for KeyOf {
	fn convert(who: AccountId) -> Option<VerifierId> {
		Session::load_keys(&who).map(|_| verifier_key(who))
	}
}

pub fn verifier_key(who: AccountId) -> VerifierId {
	sr25519::Public::from_raw([who as u8; 32]).into()
}

parameter_types! {
	pub static SlashDefer: SessionIndex = 2;
	pub static MaxCandidates: u32 = 4;
	pub static MaxValidators: u32 = 3;
}

impl Config for Test {
	type Currency = Balances;
	type VerifierKeyOf = KeyOf;
	type MinBond = ConstU64<10>;
	type MinValidatorBond = ConstU64<100>;
	type UnbondingSessions = ConstU32<8>;
	type SlashDeferSessions = SlashDefer;
	type MaxJobSessions = ConstU32<3>;
	type MaxUnbondingChunks = ConstU32<3>;
	type MaxJobHolds = ConstU32<3>;
	type MaxJobLocks = ConstU32<2>;
	type MaxCandidates = MaxCandidates;
	type MaxValidators = MaxValidators;
	type MaxDeferredSlashes = ConstU32<3>;
	type FaultsBeforeSuspension = ConstU32<3>;
	type SuspensionSessions = ConstU32<2>;
	type WeightInfo = ();
}

/// Builds the first state and runs a test in it.
#[derive(Default)]
pub struct ExtBuilder {
	validators: Vec<(AccountId, Balance)>,
	validator_count: u32,
	crowd: AccountId,
}

impl ExtBuilder {
	/// So many accounts with money and keys, and places for all of them.
	pub fn crowd(mut self, accounts: u32) -> Self {
		self.crowd = accounts.into();
		self
	}

	pub fn validators(mut self, validators: &[(AccountId, Balance)]) -> Self {
		self.validators = validators.to_vec();
		self
	}

	pub fn validator_count(mut self, count: u32) -> Self {
		self.validator_count = count;
		self
	}

	pub fn build(self) -> sp_io::TestExternalities {
		SlashDefer::set(2);
		MaxCandidates::set((self.crowd as u32).max(4));
		MaxValidators::set((self.crowd as u32).max(3));
		let people = ALICE..=self.crowd.max(8);
		let storage = RuntimeGenesisConfig {
			balances: pallet_balances::GenesisConfig {
				balances: people.clone().map(|who| (who, ENDOWMENT)).collect(),
				..Default::default()
			},
			stake: GenesisConfig {
				validators: self.validators,
				validator_count: self.validator_count,
			},
			session: pallet_session::GenesisConfig {
				keys: people.map(|who| (who, who, UintAuthorityId(who))).collect(),
				..Default::default()
			},
			..Default::default()
		}
		.build_storage()
		.expect("the mock's genesis is valid");
		let mut ext = sp_io::TestExternalities::new(storage);
		ext.execute_with(|| System::set_block_number(1));
		ext
	}

	/// Run `test` and check the pallet's invariants and the books after it.
	pub fn run(self, test: impl FnOnce()) {
		Test::run(self.build(), test);
	}
}

impl Books for Test {
	/// The issuance, and what events say was burned.
	fn money() -> Balance {
		let burned: Balance = stake_events()
			.into_iter()
			.map(|event| match event {
				Event::JobSlashed { burned, .. } | Event::Slashed { burned, .. } => burned,
				_ => 0,
			})
			.sum();
		Balances::total_issuance() + burned
	}
	fn try_state() -> Result<(), TryRuntimeError> {
		Stake::do_try_state()
	}
}

pub fn stake_events() -> Vec<Event<Test>> {
	System::read_events_for_pallet::<Event<Test>>()
}

pub fn last_event() -> Event<Test> {
	events::last::<Test, _>()
}

/// Build blocks until `session` has begun, and one more for what it makes due.
pub fn roll_to_session(session: SessionIndex) {
	while Session::current_index() < session {
		roll_blocks(1);
	}
	roll_blocks(1);
}

/// Build `count` blocks.
pub fn roll_blocks(count: u64) {
	blocks::roll_to::<Test, AllPalletsWithSystem>(blocks::now::<Test>() + count, || {});
}

pub fn ledger(who: AccountId) -> Ledger<Test> {
	Ledgers::<Test>::get(who).expect("the account is bonded")
}

pub fn free(who: AccountId) -> Balance {
	Balances::free_balance(who)
}

pub fn bond(who: AccountId, amount: Balance) {
	Stake::bond(RuntimeOrigin::signed(who), amount).expect("the account can bond");
}

/// An equivocation by `who` in `session`, at an own slot per `slot`.
pub struct Equivocation {
	pub who: AccountId,
	pub session: SessionIndex,
	pub slot: u64,
	pub fraction: Perbill,
}

impl Offence<pallet_session_historical::IdentificationTuple<Test>> for Equivocation {
	const ID: Kind = *b"test:equivocate_";
	type Slot = u64;

	fn offenders(&self) -> Vec<pallet_session_historical::IdentificationTuple<Test>> {
		Exposures::<Test>::get(self.session, self.who)
			.map(|exposure| (self.who, exposure))
			.into_iter()
			.collect()
	}

	fn session_index(&self) -> SessionIndex {
		self.session
	}

	fn validator_set_count(&self) -> u32 {
		3
	}

	fn slot(&self) -> u64 {
		self.slot
	}

	fn slash_fraction(&self, _offenders_count: u32) -> Perbill {
		self.fraction
	}
}

/// Report that `who` equivocated in `session`.
pub fn report(who: AccountId, session: SessionIndex, slot: u64, percent: u32) {
	let offence = Equivocation { who, session, slot, fraction: Perbill::from_percent(percent) };
	Offences::report_offence(vec![], offence).expect("the report is new");
}

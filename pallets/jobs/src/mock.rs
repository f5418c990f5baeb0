//! A chain of nothing but balances and jobs, with simple stand-ins for the other pallets.

mod calls;
mod life;
mod run;
mod stand_ins;

pub use calls::*;
pub use life::*;
pub use run::*;
pub use stand_ins::*;

use crate as pallet_assay_jobs;
use crate::{
	Answer, Chunks, Config, Event, HoldReason, Job, Jobs, Lotteries, ParametersOf, Sample, Seats,
};
use assay_market::{Hash, JobId, MarketParameters, Outcome, Phase, Purpose, Verifiers};
pub use assay_pallet_testing::{
	accounts::{account, pair, pair_of, seed_of, verifier},
	authorized::{apply, invalid, validate},
	books::Books,
};
use assay_pallet_testing::{authorized_transactions, blocks};
use frame_support::{derive_impl, parameter_types, traits::fungible::InspectHold};
use frame_system::mocking::MockBlock;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage, Permill, TryRuntimeError};

pub type AccountId = AccountId32;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Market: pallet_assay_jobs,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type Block = MockBlock<Test>;
	type AccountData = pallet_balances::AccountData<u64>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type ExistentialDeposit = ExistentialDeposit;
}

authorized_transactions!(Test, crate::Call<Test>);

pub const UNIT: u64 = 1_000_000;

parameter_types! {
	pub const ExistentialDeposit: u64 = 10;
	pub static MaxLifetime: u64 = 1_000;
	pub static MaxAgenda: u32 = 8;
	pub static MaxActiveJobs: u32 = 64;
	pub static MaxJobsPerRequester: u32 = 64;
	pub static MaxOutputBytes: u64 = 1 << 20;
	pub static RandomnessSalt: u64 = 0;
	pub static NoRandomness: bool = false;
	pub DefaultParameters: ParametersOf<Test> = test_parameters();
}

/// The development preset with a committee of three of whom two must agree. The first tranche takes
/// up to twelve, so that everyone wins the lotteries of most tests.
pub fn test_parameters() -> MarketParameters<u64, u64> {
	let mut parameters = MarketParameters::development(UNIT);
	parameters.tranche_width_percent = 400;
	parameters.attest_quorum = 2;
	parameters.quorum = 2;
	// Nothing that would make the sums of most tests uneven.
	parameters.byte_price = 1;
	parameters.abandon_burn = Permill::zero();
	parameters
}

impl Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Identities = Mock;
	type JobBonds = Mock;
	type Programs = Mock;
	type Verifiers = Mock;
	type AuthorRandomness = Mock;
	type Arbitration = Mock;
	type Vouching = Mock;
	type VerifierFaults = Mock;
	type DefaultParameters = DefaultParameters;
	type MaxLifetime = MaxLifetime;
	type FinalityCap = frame_support::traits::ConstU64<100>;
	type SlashDeferral = frame_support::traits::ConstU64<100>;
	type UnbondingPeriod = frame_support::traits::ConstU64<2_000>;
	type Retention = frame_support::traits::ConstU64<50>;
	type MaxActiveJobs = MaxActiveJobs;
	type MaxJobsPerRequester = MaxJobsPerRequester;
	type JobDepositBase = frame_support::traits::ConstU64<1_000>;
	type JobDepositPerByte = frame_support::traits::ConstU64<2>;
	type MaxOutputBytes = MaxOutputBytes;
	type MaxValidators = frame_support::traits::ConstU32<100>;
	type MaxAgenda = MaxAgenda;
	type MaxArchived = frame_support::traits::ConstU32<4>;
	type VerifierPriority = frame_support::traits::ConstU64<1_000>;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Mock;
}

pub fn requester() -> AccountId {
	account(1)
}
pub fn provider() -> AccountId {
	account(2)
}
pub fn second_provider() -> AccountId {
	account(3)
}
pub fn bystander() -> AccountId {
	account(4)
}
pub fn now() -> u64 {
	blocks::now::<Test>()
}
/// Runs blocks up to and including `block`.
pub fn roll_to(block: u64) {
	blocks::roll_to::<Test, AllPalletsWithSystem>(block, || {});
}
pub fn roll(blocks: u64) {
	roll_to(now() + blocks);
}
/// To the block in which the phase's deadline is over.
pub fn roll_past_deadline(id: JobId) {
	roll_to(job(id).deadline + 1);
}

/// What an account has beside its escrows: deposits count as its own.
pub fn free(who: &AccountId) -> u64 {
	Balances::free_balance(who) + deposits(who)
}
pub fn deposits(who: &AccountId) -> u64 {
	Balances::balance_on_hold(&HoldReason::JobDeposit.into(), who)
}
pub fn held(who: &AccountId) -> u64 {
	Balances::balance_on_hold(&HoldReason::JobEscrow.into(), who)
}
/// Balances and stakes and everything burned of stakes.
pub fn all_money() -> u64 {
	Balances::total_issuance()
		+ FreeStake::iter_values().sum::<u64>()
		+ Bonds::iter_values().sum::<u64>()
		+ BurnedStake::get()
}
pub fn outcomes(who: &AccountId) -> Vec<Outcome> {
	Reputation::get(who)
}

pub const BALANCE: u64 = 1_000 * UNIT;
pub const STAKE: u64 = 10_000 * UNIT;

pub struct ExtBuilder {
	verifiers: u8,
	parameters: ParametersOf<Test>,
}
impl Default for ExtBuilder {
	fn default() -> Self {
		Self { verifiers: 5, parameters: test_parameters() }
	}
}
impl ExtBuilder {
	pub fn verifiers(mut self, count: u8) -> Self {
		self.verifiers = count;
		self
	}
	pub fn parameters(mut self, change: impl FnOnce(&mut ParametersOf<Test>)) -> Self {
		change(&mut self.parameters);
		self
	}
	/// Tranches of about four and a half, so that not everybody wins.
	pub fn narrow(self) -> Self {
		self.parameters(|p| p.tranche_width_percent = 150)
	}
	pub fn build(self) -> sp_io::TestExternalities {
		let people = [requester(), provider(), second_provider(), bystander()];
		let mut storage = blocks::endowed::<Test>(people.map(|who| (who, BALANCE)));
		crate::GenesisConfig::<Test> { parameters: Some(self.parameters) }
			.assimilate_storage(&mut storage)
			.expect("parameters build");
		let mut ext = sp_io::TestExternalities::new(storage);
		ext.execute_with(|| {
			for who in [provider(), second_provider()] {
				Providers::insert(&who, ());
				FreeStake::insert(&who, STAKE);
			}
			Validators::put(
				(0..self.verifiers)
					.map(verifier)
					.map(|who| (who.clone(), seed_of(&who), UNIT))
					.collect::<Vec<_>>(),
			);
			roll_to(1);
		});
		ext
	}
	#[cfg(feature = "runtime-benchmarks")]
	pub fn build_with_keystore(self) -> sp_io::TestExternalities {
		assay_pallet_testing::node::with_keystore(self.build())
	}
	/// Runs the test, then checks the invariants of the pallet, and that no money came or went.
	pub fn build_and_execute(self, test: impl FnOnce()) {
		Test::run(self.build(), test);
	}
}

impl Books for Test {
	/// [`all_money`], and what jobs have burned.
	fn money() -> u64 {
		let events = System::read_events_for_pallet::<Event<Test>>().into_iter();
		let burned: u64 = events
			.map(|event| match event {
				Event::JobEnded { burned, .. } => burned,
				Event::DepositBurned { amount, .. } => amount,
				_ => 0,
			})
			.sum();
		all_money() + burned
	}
	fn try_state() -> Result<(), TryRuntimeError> {
		Market::do_try_state()
	}
	fn more() {
		for (id, job) in Jobs::<Test>::iter() {
			if job.phase.is_terminal() {
				assert_eq!(
					job.books.paid + job.books.refunded + job.books.burned,
					job.offer.price_max + job.books.verifier_pot + job.books.data_fee,
					"everything that was held for job {id} went somewhere"
				);
			}
		}
		for id in Lanes::iter_keys() {
			assert!(!phase(id).is_terminal(), "an ended job is disputed no more");
		}
		let locked =
			Locks::iter_keys().map(|(_, id)| id).collect::<std::collections::BTreeSet<_>>();
		for id in locked {
			assert!(!phase(id).is_terminal(), "an ended job locks nobody");
		}
		for ((who, id), bond) in Bonds::iter() {
			let job = job(id);
			assert!(!job.phase.is_terminal(), "an ended job holds no bond");
			let claim = job.claim.map(|claim| (claim.provider, claim.bond));
			assert_eq!(claim, Some((who, bond)));
		}
		let active = crate::ActiveJobs::<Test>::get();
		let uses: u32 = ProgramUses::iter_values().sum();
		assert_eq!(
			uses, active,
			"every unfinished job, and no other, counts as a use of its program"
		);
	}
}

//! A chain of nothing but balances and disputes: real programs and real runs, and a stand-in for
//! the jobs whose money is simple.

mod jobs;
mod moves;

pub use jobs::*;
pub use moves::*;

use crate::{self as pallet_assay_arbitration, Config, Event, HoldReason};
use assay_market::{Arbitration as _, Hash, JobId};
pub use assay_pallet_testing::{
	accounts::{account, pair, seed_of, verifier},
	authorized::{apply, invalid, validate},
	books::Books,
};
use assay_pallet_testing::{authorized_transactions, blocks};
use assay_program::program_id;
pub use assay_testing::runs::*;
use frame_support::{derive_impl, parameter_types, traits::fungible::InspectHold, weights::Weight};
use frame_system::mocking::MockBlock;
use sp_runtime::{
	traits::{Convert, IdentityLookup},
	AccountId32, TryRuntimeError,
};

pub type AccountId = AccountId32;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Arbitration: pallet_assay_arbitration,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type Block = MockBlock<Test>;
	type AccountData = pallet_balances::AccountData<u64>;
	type BlockWeights = BlockWeights;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type ExistentialDeposit = ExistentialDeposit;
}

authorized_transactions!(Test, crate::Call<Test>);

/// A: blocks for an answer.
pub const ANSWER_TIME: u64 = 5;
/// M: blocks for a move.
pub const MOVE_TIME: u64 = 7;
/// K: blocks that a proof commitment gives.
pub const PROOF_TIME: u64 = 11;
/// Blocks for which a job takes new lanes.
pub const CHALLENGE_TIME: u64 = 20;
/// What is held of outsiders; odd, so that halving it rounds.
pub const DEPOSIT: u64 = 1_001;
/// What is held for a lane of a job that has so many with deposits already.
pub fn deposit_after(lanes: u64) -> u64 {
	(DEPOSIT * (8 + lanes).min(32)).div_ceil(8)
}
/// The bond of every job.
pub const BOND: u64 = 10_000;
pub const BALANCE: u64 = 100_000_000;

parameter_types! {
	pub const ExistentialDeposit: u64 = 10;
	pub static MaxAgenda: u32 = 8;
	/// What condemning costs the block.
	pub static CondemnWeight: Weight = Weight::from_parts(1_000_000_000, 0);
	/// Jobs with so few seats that it costs a tenth.
	pub static FewSeats: Vec<JobId> = vec![];
	/// A condemned job ends later, when hidden verdicts had their time.
	pub static EndsLater: bool = false;
	/// A without the time for a replay.
	pub static AnswerBase: u64 = ANSWER_TIME;
	/// M.
	pub static MoveClock: u64 = MOVE_TIME;
	/// Work units of one block of an answer.
	pub static AnswerRate: u64 = 1_000;
	/// By how much the answers of a lane may be later than their own clocks.
	pub static Patience: u64 = 60;
	pub BlockWeights: frame_system::limits::BlockWeights =
		frame_system::limits::BlockWeights::simple_max(Weight::from_parts(2_000_000_000_000, u64::MAX));
}

/// [`CondemnWeight`], or a tenth of it for [`FewSeats`].
pub struct BySeats;

impl Convert<Option<JobId>, Weight> for BySeats {
	fn convert(job: Option<JobId>) -> Weight {
		match job.is_some_and(|job| FewSeats::get().contains(&job)) {
			true => CondemnWeight::get() / 10,
			false => CondemnWeight::get(),
		}
	}
}

impl Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Jobs = Mock;
	type Programs = Mock;
	type CondemnWeight = BySeats;
	type FeeOf = BytesTwice;
	type MaxAgenda = MaxAgenda;
	type VerifierPriority = frame_support::traits::ConstU64<1_000>;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Mock;
}

/// What parts of a proof cost here: two units a byte.
pub struct BytesTwice;

impl Convert<(Weight, u32), u64> for BytesTwice {
	fn convert((_, bytes): (Weight, u32)) -> u64 {
		2 * u64::from(bytes)
	}
}

pub fn requester() -> AccountId {
	account(1)
}
pub fn provider() -> AccountId {
	account(2)
}
pub fn challenger() -> AccountId {
	account(3)
}
pub fn other() -> AccountId {
	account(4)
}
pub fn bystander() -> AccountId {
	account(5)
}
/// Has nothing at all.
pub fn pauper() -> AccountId {
	account(6)
}
pub fn now() -> u64 {
	blocks::now::<Test>()
}
/// Runs blocks up to and including `block`; jobs come before lanes, as in the runtime.
pub fn roll_to(block: u64) {
	blocks::roll_to::<Test, AllPalletsWithSystem>(block, settle_jobs);
}
pub fn roll(blocks: u64) {
	roll_to(now() + blocks);
}
/// To the next block, in which nobody looks at the agenda: as if it had been full.
pub fn skip_to(block: u64) {
	System::set_block_number(block);
}

pub fn free(who: &AccountId) -> u64 {
	Balances::free_balance(who)
}
pub fn held(who: &AccountId) -> u64 {
	Balances::balance_on_hold(&HoldReason::Lane.into(), who)
}
/// Balances and bonds, and everything burned of both.
pub fn all_money() -> u64 {
	let burned: u64 = System::events()
		.into_iter()
		.map(|record| match record.event {
			RuntimeEvent::Arbitration(Event::LaneClosed { burned, .. }) => burned,
			RuntimeEvent::Arbitration(Event::ProofPartCharged { fee, .. }) => fee,
			_ => 0,
		})
		.sum();
	// Bonds are posted from outside of this chain.
	let posted = BOND * NextJob::get();
	Balances::total_issuance() + Bonds::iter_values().sum::<u64>() + BurnedBonds::get() + burned
		- posted
}
/// `returned`, `paid`, `burned` of the last lane of this account that was closed.
pub fn closed(id: JobId, who: &AccountId) -> Option<(u64, u64, u64)> {
	System::events().into_iter().rev().find_map(|record| match record.event {
		RuntimeEvent::Arbitration(Event::LaneClosed {
			job,
			challenger,
			returned,
			paid,
			burned,
		}) if job == id && challenger == *who => Some((returned, paid, burned)),
		_ => None,
	})
}

pub fn new_test_ext() -> sp_io::TestExternalities {
	let mut people = vec![requester(), provider(), challenger(), other(), bystander()];
	people.extend((0..4).map(verifier));
	people.extend((100..250).map(account));
	let storage = blocks::endowed::<Test>(people.into_iter().map(|who| (who, BALANCE)));
	let mut ext = sp_io::TestExternalities::new(storage);
	ext.execute_with(|| {
		for task in [small(), long(), listing()] {
			let bytes = task.program.encode();
			Registered::insert(program_id(&bytes), bytes);
		}
		EndsLater::set(false);
		MaxAgenda::set(8);
		AnswerBase::set(ANSWER_TIME);
		MoveClock::set(MOVE_TIME);
		AnswerRate::set(1_000);
		Patience::set(60);
		CondemnWeight::set(Weight::from_parts(1_000_000_000, 0));
		FewSeats::take();
		roll_to(1);
	});
	ext
}

#[cfg(feature = "runtime-benchmarks")]
pub fn new_bench_ext() -> sp_io::TestExternalities {
	assay_pallet_testing::node::with_keystore(new_test_ext())
}

/// Runs the test, then checks the invariants of the pallet, and that no money came or went.
pub fn execute(test: impl FnOnce()) {
	Test::run(new_test_ext(), test);
}

impl Books for Test {
	fn money() -> u64 {
		all_money()
	}
	fn try_state() -> Result<(), TryRuntimeError> {
		Arbitration::do_try_state()
	}
}

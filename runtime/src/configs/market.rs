//! The market for verified compute: identities, stake, programs and jobs.
//!
//! # How long stake stays slashable
//! A job may take [`MAX_LIFETIME`] blocks from its first draw to the last possible proof, finality
//! may be held back for [`FINALITY_CAP`] blocks, and a slash waits [`SLASH_DEFERRAL_SESSIONS`]
//! sessions. All of it must fit into the [`UNBONDING_SESSIONS`] that stake needs to leave, also on
//! a development network, whose sessions are the shortest. There, that is about 17 hours; on a
//! public network 21 days.

use super::validators::{MaxAuthorities, UNBONDING_SESSIONS};
use crate::{
	constants::{
		currency::{deposit, MICRO, UNIT},
		time::DEVELOPMENT_EPOCH_SLOTS,
	},
	AccountId, Balance, Balances, BlockNumber, Identity, Programs, Runtime, RuntimeHoldReason,
	Session, SessionKeys, Stake,
};
use assay_market::{AuthorRandomness, MarketParameters, VerifierId};
use assay_program::Limits;
use frame_support::{
	parameter_types,
	traits::{ConstU128, ConstU32, ConstU64},
};
use sp_runtime::traits::Convert;
use sp_staking::SessionIndex;

/// Sessions between an offence's report and its slash.
pub const SLASH_DEFERRAL_SESSIONS: SessionIndex = 50;
/// Most blocks from a job's first draw to the last possible proof against it: 14 hours.
pub const MAX_LIFETIME: BlockNumber = 16_800;
/// Most blocks by which finality may be held back: half an hour.
pub const FINALITY_CAP: BlockNumber = 600;
/// Blocks of the shortest session of any network.
const SHORTEST_SESSION: BlockNumber = DEVELOPMENT_EPOCH_SLOTS as BlockNumber;
/// [`MAX_LIFETIME`] and [`FINALITY_CAP`] in sessions, rounded up.
pub const MAX_JOB_SESSIONS: SessionIndex = (MAX_LIFETIME + FINALITY_CAP).div_ceil(SHORTEST_SESSION);

parameter_types! {
	/// What the market starts with where the genesis sets nothing else.
	pub DefaultMarketParameters: MarketParameters<Balance, BlockNumber> =
		MarketParameters::production(UNIT);
	/// What a program may ask of the chain.
	pub const ProgramLimits: Limits = Limits::V1;
}

impl pallet_assay_identity::Config for Runtime {
	type Currency = Balances;
	type Deposit = ConstU128<{ deposit(2, 512) }>;
	type Engaged = pallet_assay_stake::Engaged<Runtime>;
	type WeightInfo = crate::weights::pallet_assay_identity::WeightInfo<Runtime>;
}

/// Jobs that have not ended, at a time. A validator can be locked for all of them: were there fewer
/// locks, a flood of cheap jobs could use up those of every honest verifier and leave the audit of
/// another job without any.
const MAX_ACTIVE_JOBS: u32 = 4_096;

/// Jobs of one requester that have not ended, at a time.
const MAX_JOBS_PER_REQUESTER: u32 = 64;

/// Bytes of the outputs of one job. Drawn validators fetch and keep them while the job is on
/// record.
const MAX_OUTPUT_BYTES: u64 = 4 << 30;

/// What is held for a job's place in the market until it ends, beside [`JOB_DEPOSIT_PER_BYTE`] for
/// about 4 KiB until its record goes: 1.416 ASY for a job with two inputs, and ten times that in a
/// full market.
///
/// # What closing the market costs
/// To post [`MAX_ACTIVE_JOBS`] jobs takes 64 accounts. The first half of the jobs has a deposit of
/// 1.416 ASY each, the second half between that and 14.16, on average 5.5 times as much: 2,048 ·
/// 1.416 · (1 + 5.5) = 18,850 ASY are held while the market is closed, which is 28.5 hours at most
/// for one set of cheap jobs: the longest ramp once, and four open periods with three clocks for a
/// commit between them, where accounts of one's own claim each job late and give it back. A tenth
/// of it is burned where they come to nothing: 1,590 ASY a day. Whoever has all of these jobs
/// claimed, run and paid for by accounts of its own keeps that, and pays their fees and the burned
/// parts instead, about 0.01 ASY a job or some 40 ASY a day, beside the bonds and the capital.
const JOB_DEPOSIT_BASE: Balance = UNIT;
/// What is held for a byte of a job's record.
const JOB_DEPOSIT_PER_BYTE: Balance = 100 * MICRO;

/// The verifier key among an account's session keys.
pub struct VerifierKeyOf;

impl Convert<AccountId, Option<VerifierId>> for VerifierKeyOf {
	fn convert(account: AccountId) -> Option<VerifierId> {
		Session::load_keys(&account).map(|SessionKeys { verifier, .. }| verifier)
	}
}

impl pallet_assay_stake::Config for Runtime {
	type Currency = Balances;
	type VerifierKeyOf = VerifierKeyOf;
	type MinBond = ConstU128<{ 10 * UNIT }>;
	type MinValidatorBond = ConstU128<{ 1_000 * UNIT }>;
	type UnbondingSessions = ConstU32<UNBONDING_SESSIONS>;
	type SlashDeferSessions = ConstU32<SLASH_DEFERRAL_SESSIONS>;
	type MaxJobSessions = ConstU32<MAX_JOB_SESSIONS>;
	type MaxUnbondingChunks = ConstU32<16>;
	type MaxJobHolds = ConstU32<64>;
	type MaxJobLocks = ConstU32<MAX_ACTIVE_JOBS>;
	type MaxCandidates = ConstU32<512>;
	type MaxValidators = MaxAuthorities;
	type MaxDeferredSlashes = ConstU32<512>;
	type FaultsBeforeSuspension = ConstU32<3>;
	type SuspensionSessions = ConstU32<24>;
	type WeightInfo = crate::weights::pallet_assay_stake::WeightInfo<Runtime>;
}

impl pallet_assay_programs::Config for Runtime {
	type Currency = Balances;
	type DepositBase = ConstU128<{ deposit(3, 0) }>;
	type DepositPerByte = ConstU128<{ deposit(0, 1) }>;
	type Limits = ProgramLimits;
	type WeightInfo = crate::weights::pallet_assay_programs::WeightInfo<Runtime>;
}

/// Randomness that BABE's author of the parent block proved to be theirs for its slot.
pub struct BabeAuthorRandomness;

impl AuthorRandomness for BabeAuthorRandomness {
	fn parent() -> Option<[u8; 32]> {
		// BABE replaces the value when a block ends, so it is the parent's during the next. Every
		// slot of this chain, primary or secondary, comes with a VRF.
		pallet_babe::AuthorVrfRandomness::<Runtime>::get()
	}
}

impl pallet_assay_jobs::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Identities = Identity;
	type JobBonds = Stake;
	type Programs = Programs;
	type Verifiers = Stake;
	type AuthorRandomness = BabeAuthorRandomness;
	type Arbitration = crate::Arbitration;
	type Vouching = super::offences::ReportToOffences;
	type VerifierFaults = Stake;
	type DefaultParameters = DefaultMarketParameters;
	type MaxLifetime = ConstU32<MAX_LIFETIME>;
	type FinalityCap = ConstU32<FINALITY_CAP>;
	type SlashDeferral = ConstU32<{ SLASH_DEFERRAL_SESSIONS * SHORTEST_SESSION }>;
	type UnbondingPeriod = ConstU32<{ UNBONDING_SESSIONS * SHORTEST_SESSION }>;
	type Retention = ConstU32<{ crate::constants::time::DAYS }>;
	type MaxActiveJobs = ConstU32<MAX_ACTIVE_JOBS>;
	type MaxJobsPerRequester = ConstU32<MAX_JOBS_PER_REQUESTER>;
	type JobDepositBase = ConstU128<JOB_DEPOSIT_BASE>;
	type JobDepositPerByte = ConstU128<JOB_DEPOSIT_PER_BYTE>;
	type MaxOutputBytes = ConstU64<MAX_OUTPUT_BYTES>;
	type MaxValidators = MaxAuthorities;
	type MaxAgenda = ConstU32<64>;
	type MaxArchived = ConstU32<65_536>;
	type VerifierPriority = ConstU64<{ u64::MAX / 2 }>;
	// Upper bounds, counted by hand: what was measured is older than most of the code.
	type WeightInfo = pallet_assay_jobs::Bounds<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = crate::benchmarks::Stage;
}

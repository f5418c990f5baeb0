//! Block authorship, finality, sessions and offences.

use super::validators::{MaxAuthorities, VerifierKeys, UNBONDING_SESSIONS};
use crate::{
	chain_parameters::EpochDuration,
	constants::{currency::UNIT, time::SLOT_MILLISECONDS},
	AccountId, Babe, Balance, Balances, Grandpa, Historical, Offences, Runtime, RuntimeEvent,
	Session, Stake,
};
use alloc::vec::Vec;
use frame_support::{
	parameter_types,
	traits::{ConstU128, ConstU32, ConstU64, KeyOwnerProofSystem},
};
use pallet_session::{
	disabling::UpToLimitDisablingStrategy, historical::NoteHistoricalRoot,
	FindAccountFromAuthorIndex,
};
use sp_core::crypto::KeyTypeId;
use sp_runtime::{
	impl_opaque_keys,
	traits::{ConvertInto, OpaqueKeys},
};
use sp_session::MembershipProof;

impl_opaque_keys! {
	/// Keys that a validator's node signs with during a session.
	pub struct SessionKeys {
		/// Authors blocks (sr25519).
		pub babe: Babe,
		/// Votes for finality (ed25519).
		pub grandpa: Grandpa,
		/// Signs verdicts about jobs (sr25519).
		pub verifier: VerifierKeys,
	}
}

parameter_types! {
	/// How long a report of an equivocation may wait in the pool, in blocks.
	pub const ReportLongevity: u64 = 2_400;
}

impl pallet_babe::Config for Runtime {
	type EpochDuration = EpochDuration<Runtime>;
	type ExpectedBlockTime = ConstU64<SLOT_MILLISECONDS>;
	type EpochChangeTrigger = pallet_babe::ExternalTrigger;
	type DisabledValidators = Session;
	type WeightInfo = ();
	type MaxAuthorities = MaxAuthorities;
	type MaxNominators = ConstU32<0>;
	type KeyOwnerProof = MembershipProof;
	type EquivocationReportSystem =
		pallet_babe::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_grandpa::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = ();
	type MaxAuthorities = MaxAuthorities;
	type MaxNominators = ConstU32<0>;
	type MaxSetIdSessionEntries = ConstU64<{ UNBONDING_SESSIONS as u64 }>;
	type KeyOwnerProof =
		<Historical as KeyOwnerProofSystem<(KeyTypeId, pallet_grandpa::AuthorityId)>>::Proof;
	type EquivocationReportSystem =
		pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_authorship::Config for Runtime {
	type FindAuthor = FindAccountFromAuthorIndex<Self, Babe>;
	type EventHandler = ();
}

impl pallet_session::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type ValidatorId = AccountId;
	type ValidatorIdOf = ConvertInto;
	type ShouldEndSession = Babe;
	type NextSessionRotation = Babe;
	type SessionManager = NoteHistoricalRoot<Self, Stake>;
	type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
	type Keys = SessionKeys;
	type DisablingStrategy = UpToLimitDisablingStrategy;
	type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
	type Currency = Balances;
	type KeyDeposit = ConstU128<UNIT>;
}

impl pallet_session::historical::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type FullIdentification = pallet_assay_stake::Exposure<Balance>;
	type FullIdentificationOf = pallet_assay_stake::ExposureOf<Runtime>;
}

impl pallet_offences::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type IdentificationTuple = pallet_session::historical::IdentificationTuple<Self>;
	type OnOffenceHandler = Stake;
}

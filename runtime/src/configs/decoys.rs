//! Decoy jobs: what they may cost, and for how long they are sealed.

use crate::{
	constants::{
		currency::{deposit, UNIT},
		time::DAYS,
	},
	Balances, Jobs, Runtime, RuntimeHoldReason, Signature,
};
use frame_support::{
	parameter_types,
	traits::{ConstU128, ConstU32},
	PalletId,
};
use sp_runtime::traits::Verify;

parameter_types! {
	/// The pot that pays whoever proves a decoy wrong.
	pub const DecoyPot: PalletId = PalletId(*b"as/decoy");
}

impl pallet_assay_decoys::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Jobs = Jobs;
	type OffchainSignature = Signature;
	type OffchainPublic = <Signature as Verify>::Signer;
	type PalletId = DecoyPot;
	type SealDeposit = ConstU128<{ deposit(1, 84) + UNIT }>;
	type SealLifetime = ConstU32<{ 14 * DAYS }>;
	type MaxMakers = ConstU32<32>;
	type MaxSeals = ConstU32<64>;
	type WeightInfo = pallet_assay_decoys::weights::Estimate<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = crate::benchmarks::Stage;
}

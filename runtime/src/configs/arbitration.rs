//! Disputes about results: the referee and what it reads.

use crate::{Balances, Jobs, Programs, Runtime, RuntimeHoldReason};
use alloc::vec::Vec;
use assay_market::Hash;
use assay_program::{AnchorPlan, Checked, Program};
use frame_support::{
	parameter_types,
	traits::{ConstU32, ConstU64},
	weights::Weight,
};
use pallet_assay_arbitration::RefereedPrograms;
use pallet_assay_jobs::{WeightInfo, MAX_SEATS};

/// Blocks that the agenda of the jobs pallet is looked through for a place, and what else is read and
/// written where a condemned job waits for hidden verdicts: it is scheduled anew, what the bond lost is
/// noted, and what disputes keep of the job goes.
const SCHEDULING: (u64, u64) = (64 + 8, 12);

parameter_types! {
	/// What it takes to end a job whose result was proved wrong: with as many seats as there can be, all of
	/// whose verifiers are reported, noted and unlocked.
	pub CondemnWeight: Weight =
		crate::weights::pallet_assay_jobs::WeightInfo::<Runtime>::condemn(MAX_SEATS)
			// Reckoned, not measured.
			.saturating_add(
				<Runtime as frame_system::Config>::DbWeight::get()
					.reads_writes(SCHEDULING.0, SCHEDULING.1)
			);
}

/// The programs that are registered on this chain.
pub struct RegisteredPrograms;

impl RefereedPrograms for RegisteredPrograms {
	fn program(id: &Hash) -> Option<(Program, Checked)> {
		Programs::program(id)
	}

	fn plans(id: &Hash) -> Option<Vec<AnchorPlan>> {
		Programs::plans(id)
	}
}

impl pallet_assay_arbitration::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Jobs = Jobs;
	type Programs = RegisteredPrograms;
	type CondemnWeight = CondemnWeight;
	type MaxAgenda = ConstU32<64>;
	// Above verdicts: a dispute has shorter clocks.
	type VerifierPriority = ConstU64<{ u64::MAX / 2 + 1 }>;
	type WeightInfo = pallet_assay_arbitration::weights::Estimate<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = crate::benchmarks::Stage;
}

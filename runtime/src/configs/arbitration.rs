//! Disputes about results: the referee and what it reads.

use crate::{Balance, Balances, Jobs, Programs, Runtime, RuntimeHoldReason, TransactionPayment};
use alloc::vec::Vec;
use assay_market::{Hash, JobId};
use assay_program::{AnchorPlan, Checked, Program};
use frame_support::{
	traits::{ConstU32, ConstU64},
	weights::Weight,
};
use pallet_assay_arbitration::RefereedPrograms;
use pallet_assay_jobs::{WeightInfo, MAX_SEATS};
use sp_runtime::{traits::Convert, FixedPointNumber};

/// What it takes to end a job whose result was proved wrong, by its seats; of any job, by the most.
pub struct CondemnWeight;

impl Convert<Option<JobId>, Weight> for CondemnWeight {
	fn convert(job: Option<JobId>) -> Weight {
		let seats = |job| pallet_assay_jobs::Seats::<Runtime>::decode_len(job).unwrap_or_default();
		let seats = job.map_or(MAX_SEATS, |job| seats(job) as u32);
		<Runtime as pallet_assay_jobs::Config>::WeightInfo::condemn(seats)
	}
}

/// What a transaction costs now: its weight by the multiplier of the block, and its length.
pub struct FeeOf;

impl Convert<(Weight, u32), Balance> for FeeOf {
	fn convert((weight, bytes): (Weight, u32)) -> Balance {
		TransactionPayment::next_fee_multiplier()
			.saturating_mul_int(TransactionPayment::weight_to_fee(weight))
			.saturating_add(TransactionPayment::length_to_fee(bytes))
	}
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
	type FeeOf = FeeOf;
	type MaxAgenda = ConstU32<64>;
	// Above verdicts: a dispute has shorter clocks.
	type VerifierPriority = ConstU64<{ u64::MAX / 2 + 1 }>;
	type WeightInfo = pallet_assay_arbitration::weights::Estimate<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = crate::benchmarks::Stage;
}

//! Weights of the calls of pallet_assay_stake.
//!
//! **Estimates**, for mocks and a first wiring; the runtime uses what the benchmarks in
//! `benchmarking.rs` measured (`runtime/src/weights`, by
//! `frame-omni-bencher v1 benchmark pallet --pallet pallet_assay_stake`): the database part counts
//! the storage items that a call touches in the worst case, at the runtime's `DbWeight`; the
//! compute part is a generous round number above what the calls of comparable pallets of the same
//! release were measured at (15 to 60 µs). A slash in `on_initialize` is counted with 64 job holds
//! to shrink.
//!
//! What other pallets reach through traits is charged by their benchmarks: job holds, locks, and
//! noting a fault or a match of a verifier (one ledger, its count and the list of suspensions).

#![allow(missing_docs)]

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::ParityDbWeight, Weight},
};

/// Candidates among which `validate` looks for the weakest, each with a key and a ledger to read:
/// what the runtime has places for.
const LOOKED_AT: u64 = 512;

/// Weights of the calls of the stake pallet. `n` is the number of slashes carried out.
pub trait WeightInfo {
	fn bond() -> Weight;
	fn bond_extra() -> Weight;
	fn unbond() -> Weight;
	fn rebond() -> Weight;
	fn withdraw() -> Weight;
	fn validate() -> Weight;
	fn chill() -> Weight;
	fn set_validator_count() -> Weight;
	fn cancel_deferred_slash() -> Weight;
	fn on_initialize(n: u32) -> Weight;
}

/// Weights with the database costs of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn bond() -> Weight {
		Weight::from_parts(55_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(3, 3))
	}
	fn bond_extra() -> Weight {
		Weight::from_parts(55_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(3, 3))
	}
	fn unbond() -> Weight {
		Weight::from_parts(40_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(3, 1))
	}
	fn rebond() -> Weight {
		Weight::from_parts(40_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(1, 1))
	}
	fn withdraw() -> Weight {
		Weight::from_parts(60_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(4, 4))
	}
	fn validate() -> Weight {
		Weight::from_parts(50_000_000, 7_528)
			.saturating_add(Weight::from_parts(2_000_000, 5_513).saturating_mul(LOOKED_AT))
			.saturating_add(T::DbWeight::get().reads_writes(6, 4))
			.saturating_add(T::DbWeight::get().reads(2).saturating_mul(LOOKED_AT))
	}
	fn chill() -> Weight {
		Weight::from_parts(30_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(2, 2))
	}
	fn set_validator_count() -> Weight {
		Weight::from_parts(10_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(0, 1))
	}
	fn cancel_deferred_slash() -> Weight {
		Weight::from_parts(35_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(2, 2))
	}
	fn on_initialize(n: u32) -> Weight {
		Weight::from_parts(5_000_000, 1_489)
			.saturating_add(T::DbWeight::get().reads_writes(2, 1))
			.saturating_add(Weight::from_parts(300_000_000, 16_384).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads_writes(70, 70).saturating_mul(n.into()))
	}
}

/// For tests and for the first wiring of a runtime.
impl WeightInfo for () {
	fn bond() -> Weight {
		Weight::from_parts(55_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(3, 3))
	}
	fn bond_extra() -> Weight {
		Weight::from_parts(55_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(3, 3))
	}
	fn unbond() -> Weight {
		Weight::from_parts(40_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(3, 1))
	}
	fn rebond() -> Weight {
		Weight::from_parts(40_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(1, 1))
	}
	fn withdraw() -> Weight {
		Weight::from_parts(60_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(4, 4))
	}
	fn validate() -> Weight {
		Weight::from_parts(50_000_000, 7_528)
			.saturating_add(Weight::from_parts(2_000_000, 5_513).saturating_mul(LOOKED_AT))
			.saturating_add(ParityDbWeight::get().reads_writes(6, 4))
			.saturating_add(ParityDbWeight::get().reads(2).saturating_mul(LOOKED_AT))
	}
	fn chill() -> Weight {
		Weight::from_parts(30_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(2, 2))
	}
	fn set_validator_count() -> Weight {
		Weight::from_parts(10_000_000, 0).saturating_add(ParityDbWeight::get().reads_writes(0, 1))
	}
	fn cancel_deferred_slash() -> Weight {
		Weight::from_parts(35_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(2, 2))
	}
	fn on_initialize(n: u32) -> Weight {
		Weight::from_parts(5_000_000, 1_489)
			.saturating_add(ParityDbWeight::get().reads_writes(2, 1))
			.saturating_add(Weight::from_parts(300_000_000, 16_384).saturating_mul(n.into()))
			.saturating_add(ParityDbWeight::get().reads_writes(70, 70).saturating_mul(n.into()))
	}
}

//! Weights of the calls of pallet_assay_programs.
//!
//! **Estimates**, for mocks and a first wiring; the runtime uses what the benchmarks in
//! `benchmarking.rs` measured (`runtime/src/weights`, by
//! `frame-omni-bencher v1 benchmark pallet --pallet pallet_assay_programs`): the database part
//! counts the storage items that a call touches in the worst case, at the runtime's `DbWeight`; the
//! compute part is a generous round number above what the calls of comparable pallets of the same
//! release were measured at (15 to 60 µs).
//!
//! Measured natively in release mode on one shared core of a server, then tripled for WebAssembly:
//! hashing, decoding and checking take at most 43 ns per byte (4,000 small nodes), and the referee
//! analysis at its step limit takes 70 ms (virtual matrix products that fork through views).

#![allow(missing_docs)]

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::ParityDbWeight, Weight},
};

/// Weights of the calls of the programs pallet. `b` is the length of the program in bytes.
pub trait WeightInfo {
	fn register_program(b: u32) -> Weight;
	fn analysis() -> Weight;
	fn analysis_of_views() -> Weight;
	fn remove_program() -> Weight;
}

/// Weights with the database costs of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn register_program(b: u32) -> Weight {
		Weight::from_parts(250_000_000, 4_764)
			.saturating_add(T::DbWeight::get().reads_writes(3, 6))
			.saturating_add(Weight::from_parts(150_000, 1).saturating_mul(b.into()))
	}
	fn analysis() -> Weight {
		Weight::from_parts(250_000_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(0, 0))
	}
	fn analysis_of_views() -> Weight {
		Weight::from_parts(250_000_000_000, 0)
	}
	fn remove_program() -> Weight {
		Weight::from_parts(80_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(3, 6))
	}
}

/// For tests and for the first wiring of a runtime.
impl WeightInfo for () {
	fn register_program(b: u32) -> Weight {
		Weight::from_parts(250_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(3, 6))
			.saturating_add(Weight::from_parts(150_000, 1).saturating_mul(b.into()))
	}
	fn analysis() -> Weight {
		Weight::from_parts(250_000_000_000, 0)
			.saturating_add(ParityDbWeight::get().reads_writes(0, 0))
	}
	fn analysis_of_views() -> Weight {
		Weight::from_parts(250_000_000_000, 0)
	}
	fn remove_program() -> Weight {
		Weight::from_parts(80_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(3, 6))
	}
}

//! Weights of the calls of pallet_assay_identity.
//!
//! **Estimates**, for mocks and a first wiring; the runtime uses what the benchmarks in
//! `benchmarking.rs` measured (`runtime/src/weights`, by
//! `frame-omni-bencher v1 benchmark pallet --pallet pallet_assay_identity`): the database part
//! counts the storage items that a call touches in the worst case, at the runtime's `DbWeight`; the
//! compute part is a generous round number above what the calls of comparable pallets of the same
//! release were measured at (15 to 60 µs). The verification of one ed25519 signature, about 50 µs,
//! is part of `register` and `rotate_peer_key`.

#![allow(missing_docs)]

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::ParityDbWeight, Weight},
};

/// Weights of the calls of the identity pallet.
pub trait WeightInfo {
	fn register() -> Weight;
	fn rotate_peer_key() -> Weight;
	fn update() -> Weight;
	fn deregister() -> Weight;
}

/// Weights with the database costs of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn register() -> Weight {
		Weight::from_parts(110_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(4, 4))
	}
	fn rotate_peer_key() -> Weight {
		Weight::from_parts(95_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(4, 3))
	}
	fn update() -> Weight {
		Weight::from_parts(30_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(1, 1))
	}
	fn deregister() -> Weight {
		Weight::from_parts(60_000_000, 4_764).saturating_add(T::DbWeight::get().reads_writes(4, 4))
	}
}

/// For tests and for the first wiring of a runtime.
impl WeightInfo for () {
	fn register() -> Weight {
		Weight::from_parts(110_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(4, 4))
	}
	fn rotate_peer_key() -> Weight {
		Weight::from_parts(95_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(4, 3))
	}
	fn update() -> Weight {
		Weight::from_parts(30_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(1, 1))
	}
	fn deregister() -> Weight {
		Weight::from_parts(60_000_000, 4_764)
			.saturating_add(ParityDbWeight::get().reads_writes(4, 4))
	}
}

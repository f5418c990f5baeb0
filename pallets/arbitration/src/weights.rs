//! Weights of the pallet's calls and hooks.
//!
//! [`Estimate`] holds estimates for mocks: database accesses counted from the code, 47 ns to decode a
//! byte of a program, 3 µs to hash a tile with its share of the path. The runtime uses the measured
//! ones of `runtime/src/weights`, which `frame-omni-bencher` wrote from `benchmarking`.

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, Weight},
};

/// What each call and hook may use up.
pub trait WeightInfo {
	/// `demand`, opening a lane.
	fn demand() -> Weight;
	/// `answer` with `c` children.
	fn answer(c: u32) -> Weight;
	/// `list_roots` with `c` children.
	fn list_roots(c: u32) -> Weight;
	/// `commit_proof`, opening a lane.
	fn commit_proof() -> Weight;
	/// `prove_fraud` with a part of `b` bytes against the longest program; without the recomputation
	/// and the end of the job.
	fn prove_fraud(b: u32) -> Weight;
	/// Closing a lane with as many openings as a lane can have.
	fn close_lane() -> Weight;
	/// Checking a verifier's move of `b` bytes.
	fn authorize_move(b: u32) -> Weight;
	/// `on_initialize` with an empty agenda.
	fn on_initialize_base() -> Weight;
}

fn estimate(db: Weight, micros: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), 0).saturating_add(db)
}

/// Documented estimates.
pub struct Estimate<T>(PhantomData<T>);

macro_rules! estimates {
	($db:expr) => {
		fn demand() -> Weight {
			estimate($db.reads_writes(9, 6), 200)
		}
		fn answer(c: u32) -> Weight {
			estimate($db.reads_writes(7, 5), 150 + 2 * u64::from(c))
		}
		fn list_roots(c: u32) -> Weight {
			estimate($db.reads_writes(8, 5), 200 + 2 * u64::from(c))
		}
		fn commit_proof() -> Weight {
			estimate($db.reads_writes(7, 6), 100)
		}
		fn prove_fraud(b: u32) -> Weight {
			estimate($db.reads_writes(11, 6), 13_000 + u64::from(b) * 3 / 1_024)
		}
		fn close_lane() -> Weight {
			estimate($db.reads_writes(8, 22), 110)
		}
		fn authorize_move(b: u32) -> Weight {
			estimate($db.reads(8), 250 + u64::from(b) / 1_024)
		}
		fn on_initialize_base() -> Weight {
			estimate($db.reads_writes(1, 1), 5)
		}
	};
}

impl<T: frame_system::Config> WeightInfo for Estimate<T> {
	estimates!(T::DbWeight::get());
}

impl WeightInfo for () {
	estimates!(RocksDbWeight::get());
}

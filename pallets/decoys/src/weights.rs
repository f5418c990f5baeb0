//! Weights of the pallet's calls.
//!
//! **Reckoned, not measured.** [`Estimate`] is what the runtime uses until the benchmarks of
//! `benchmarking` have run on it. Each value is an upper bound: every access to the database that
//! the code can make on its dearest way, an item that is read twice counted twice, by the costs of
//! `DbWeight`; and microseconds for the rest, at least twice what comparable calls of measured
//! pallets take. A signature is reckoned with 150 µs, more than ECDSA takes.

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, Weight},
};

/// What each call may use up.
pub trait WeightInfo {
	/// `set_maker`.
	fn set_maker() -> Weight;
	/// `seal`.
	fn seal() -> Weight;
	/// `discard`, by which a maker is forgotten.
	fn discard() -> Weight;
	/// `fund`.
	fn fund() -> Weight;
	/// `unseal` of a decoy that was caught.
	fn unseal() -> Weight;
}

fn estimate(db: Weight, micros: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), 0).saturating_add(db)
}

/// Documented estimates.
pub struct Estimate<T>(PhantomData<T>);

macro_rules! estimates {
	($db:expr) => {
		// The maker and the count of them.
		fn set_maker() -> Weight {
			estimate($db.reads_writes(3, 2), 40)
		}
		// The maker, looked up twice, and the count; the seal; the hold: account, holds, locks and
		// freezes.
		fn seal() -> Weight {
			estimate($db.reads_writes(8, 5), 150)
		}
		// The seal; the maker and the count; the account and its holds.
		fn discard() -> Weight {
			estimate($db.reads_writes(8, 5), 150)
		}
		// Both accounts, with locks and freezes.
		fn fund() -> Weight {
			estimate($db.reads_writes(6, 2), 150)
		}
		// The job, its losses and whether it was taken before, for reading and for marking; the
		// seal, the maker twice and the count; minting and paying: provider twice, pot, issuance;
		// the tally; the deposit as in `discard`. Four checks of signatures: two of them, in the
		// wallets' form too.
		fn unseal() -> Weight {
			estimate($db.reads_writes(24, 16), 500 + 4 * 150)
		}
	};
}

impl<T: frame_system::Config> WeightInfo for Estimate<T> {
	estimates!(T::DbWeight::get());
}

impl WeightInfo for () {
	estimates!(RocksDbWeight::get());
}

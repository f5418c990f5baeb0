//! Weights of the pallet's calls.
//!
//! **Not measured.** [`Estimate`] counts database accesses from the code; a signature is reckoned with 150
//! µs, more than ECDSA takes. `frame-omni-bencher` writes measured ones from `benchmarking`.

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
		fn set_maker() -> Weight {
			estimate($db.reads_writes(2, 2), 20)
		}
		fn seal() -> Weight {
			estimate($db.reads_writes(4, 4), 60)
		}
		fn discard() -> Weight {
			estimate($db.reads_writes(5, 5), 60)
		}
		fn fund() -> Weight {
			estimate($db.reads_writes(2, 2), 60)
		}
		// Four checks of two signatures, in the wallets' form too.
		fn unseal() -> Weight {
			estimate($db.reads_writes(11, 9), 150 + 4 * 150)
		}
	};
}

impl<T: frame_system::Config> WeightInfo for Estimate<T> {
	estimates!(T::DbWeight::get());
}

impl WeightInfo for () {
	estimates!(RocksDbWeight::get());
}

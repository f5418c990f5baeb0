//! Weights of the pallet's calls and hooks.
//!
//! [`Estimate`] holds estimates: database accesses counted from the code, and execution times as
//! other pallets measure them for work of this kind (25 µs a call, 45 µs a signature check, 1 µs an
//! opened hash). The runtime uses the measured
//! ones of `runtime/src/weights`, which `frame-omni-bencher` wrote from `benchmarking`.

use assay_market::parameters::MAX_COMMITTEE;
use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, Weight},
};

/// What each call and hook may use up.
pub trait WeightInfo {
	/// `post_job` with `i` inputs.
	fn post_job(i: u32) -> Weight;
	/// `cancel_job`.
	fn cancel_job() -> Weight;
	/// `claim_job`.
	fn claim_job() -> Weight;
	/// `commit_result`.
	fn commit_result() -> Weight;
	/// `reveal_result` with `o` outputs.
	fn reveal_result(o: u32) -> Weight;
	/// Checking segments that are opened with `h` hashes, on top of `reveal_result`.
	fn check_segments(h: u32) -> Weight;
	/// `request_audit`.
	fn request_audit() -> Weight;
	/// `poke`, without the push itself.
	fn poke() -> Weight;
	/// `set_parameters`.
	fn set_parameters() -> Weight;
	/// `attest_inputs`.
	fn attest_inputs() -> Weight;
	/// `commit_verdict`.
	fn commit_verdict() -> Weight;
	/// `abstain`.
	fn abstain() -> Weight;
	/// `reveal_verdict`.
	fn reveal_verdict() -> Weight;
	/// Checking the signature of any verifier call.
	fn authorize_verifier() -> Weight;
	/// Verifying a ticket of a lottery, on top of the signature.
	fn verify_ticket() -> Weight;
	/// Checking the chunks that a verdict is opened with, on top of the signature.
	fn check_chunks() -> Weight;
	/// Pushing a job with `s` seats past any deadline, settling and drawing included.
	fn advance(s: u32) -> Weight;
	/// Condemning a job with `s` seats that all vouched for its result, its end included.
	fn condemn(s: u32) -> Weight;
	/// `on_initialize` with an empty agenda.
	fn on_initialize_base() -> Weight;
}

fn estimate(db: Weight, micros: u64, proof_kib: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), proof_kib.saturating_mul(1024))
		.saturating_add(db)
}

/// Documented estimates.
pub struct Estimate<T>(PhantomData<T>);

macro_rules! estimates {
	($db:expr) => {
		fn post_job(i: u32) -> Weight {
			estimate($db.reads_writes(8, 7), 60 + u64::from(i), 40)
		}
		fn cancel_job() -> Weight {
			// Ends a job in which nobody but attesters can have a seat.
			estimate($db.reads_writes(20, 20), 100, 60).saturating_add(
				estimate($db.reads_writes(5, 5), 20, 1).saturating_mul(MAX_COMMITTEE.into()),
			)
		}
		fn claim_job() -> Weight {
			estimate($db.reads_writes(9, 7), 60, 40)
		}
		fn commit_result() -> Weight {
			estimate($db.reads_writes(4, 4), 30, 30)
		}
		fn reveal_result(o: u32) -> Weight {
			// A path has at most 31 hashes; so has the path of the last step.
			estimate($db.reads_writes(6, 5), 80 + 35 * u64::from(o), 50)
		}
		fn check_segments(h: u32) -> Weight {
			estimate($db.reads_writes(0, 1), 20 + 2 * u64::from(h), 9)
		}
		fn request_audit() -> Weight {
			estimate($db.reads_writes(8, 6), 150, 60)
		}
		fn poke() -> Weight {
			estimate($db.reads_writes(1, 0), 10, 10)
		}
		fn set_parameters() -> Weight {
			estimate($db.reads_writes(0, 1), 15, 2)
		}
		fn attest_inputs() -> Weight {
			// May end the job.
			Self::cancel_job()
		}
		fn commit_verdict() -> Weight {
			// The ticket's output is computed once more.
			estimate($db.reads_writes(14, 10), 400, 60)
		}
		fn abstain() -> Weight {
			estimate($db.reads_writes(14, 10), 400, 60)
		}
		fn reveal_verdict() -> Weight {
			estimate($db.reads_writes(6, 5), 50, 60)
		}
		fn authorize_verifier() -> Weight {
			estimate($db.reads_writes(2, 0), 60, 30)
		}
		fn verify_ticket() -> Weight {
			// Elliptic curves in WebAssembly, without a host function; stake, key and lottery are read.
			estimate($db.reads_writes(5, 0), 1_500, 40)
		}
		fn check_chunks() -> Weight {
			// Two chunks with up to 98 siblings each, and the plans of the largest program.
			estimate($db.reads_writes(3, 0), 400, 200)
		}
		fn advance(s: u32) -> Weight {
			// A draw from a hundred validators; every seat is paid, noted twice and unlocked.
			estimate($db.reads_writes(320, 20), 500, 150)
				.saturating_add(estimate($db.reads_writes(7, 6), 22, 1).saturating_mul(s.into()))
		}
		fn condemn(s: u32) -> Weight {
			// Every seat is reported as an offender, noted and unlocked.
			estimate($db.reads_writes(30, 25), 200, 80)
				.saturating_add(estimate($db.reads_writes(14, 12), 60, 2).saturating_mul(s.into()))
		}
		fn on_initialize_base() -> Weight {
			estimate($db.reads_writes(3, 3), 15, 5)
		}
	};
}

impl<T: frame_system::Config> WeightInfo for Estimate<T> {
	estimates!(T::DbWeight::get());
}

/// For tests.
impl WeightInfo for () {
	estimates!(RocksDbWeight::get());
}

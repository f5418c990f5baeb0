//! Weights of the pallet's calls and hooks.
//!
//! **Reckoned, not measured.** [`Estimate`] is what the runtime uses until the benchmarks of
//! `benchmarking` have run on it. Each value is an upper bound by this count:
//!
//! * *Database*: every access that the code can make on its dearest way, an item that is read twice
//!   counted twice, by the costs of `DbWeight`. Where a lane is put on the agenda that is
//!   [`AGENDA_SPILL`](crate::impls::AGENDA_SPILL) blocks looked at, where one is closed all
//!   openings that a lane can have ([`MAX_OPENINGS`]), and the agenda of the jobs pallet, which
//!   looks at as many.
//! * *Computing*: the constants below. Each is at least twice what the part took in a wasm blob on
//!   a shared virtual machine of two cores, where that was looked at, and says what it stands for.
//!
//! What condemning takes is the jobs pallet's to say, and what recomputing a tile takes the program
//! check's; both are added where a call can come to them.

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, RuntimeDbWeight, Weight},
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
	/// `prove_fraud` with a part of `b` bytes against the longest program; without the
	/// recomputation and the end of the job.
	fn prove_fraud(b: u32) -> Weight;
	/// Putting a lane on the agenda again.
	fn put_lane() -> Weight;
	/// Closing a lane with as many openings as a lane can have, with the fault of a verifier that
	/// had it for nothing.
	fn close_lane() -> Weight;
	/// Checking a verifier's move of `b` bytes.
	fn authorize_move(b: u32) -> Weight;
	/// `on_initialize` with an empty agenda.
	fn on_initialize_base() -> Weight;
}

/// Most openings of a lane: a run of 2^32 steps has four groups of trace roots, a program of 4,096
/// nodes two of anchors and two of lazy ones, a tensor of 64 GiB four of chunks.
pub const MAX_OPENINGS: u64 = 12;

/// Blocks of an agenda that are looked at for a place, in this pallet and in the jobs pallet.
const SPILL: u64 = crate::impls::AGENDA_SPILL as u64;

/// Reads, writes and microseconds of a part of a call.
type Part = (u64, u64, u64);

/// `Disputes::result`: the job, with up to 256 input roots, and the parameters.
const RESULT: Part = (2, 0, 100);
/// The lane, looked at three times; the group that was opened last, of 256 hashes.
const LANE: Part = (4, 0, 40);
/// What a verifier may: the seats of the job, looked at twice, 27 KB of them; the used-up lanes;
/// the fold.
const SEAT: Part = (4, 0, 200);
/// The plans of 4,096 anchors.
const PLANS: Part = (1, 0, 500);
/// Off one agenda, on another: the blocks that are looked at have 64 lanes each. The lane is
/// written.
const PUT: Part = (1 + SPILL, 3, 400);
/// What is owed by the provider and of the job.
const DEBT: Part = (3, 2, 20);
/// A hold: the account, its holds, locks and freezes. The lanes of the job, and those with
/// deposits.
const HOLD: Part = (6, 4, 80);
/// The deposit is paid out and burned: two accounts, the holds, the issuance; the count of
/// deposits.
const SETTLE: Part = (7, 5, 150);
/// The commitments to proofs, 64 of them, of which each may have to be hashed; read twice.
const BOUND: Part = (2, 1, 200);
/// `Disputes::quiet`: the job is put on the agenda of its pallet.
const QUIET: Part = (2 + SPILL, 2, 400);
/// `Disputes::note_rejected` and the used-up lanes: seats, the verifier's conduct, its ledger, its
/// identity; what suspends it is written too.
const FAULT: Part = (12, 8, 250);
/// The seats of a job whose result would be condemned are counted.
const COUNT: Part = (1, 0, 30);
/// Reading, decoding and checking the longest program: 47 ns a byte of 256 KiB.
const PROGRAM: Part = (2, 0, 13_000);
/// A signature of sr25519, and the hash that it is of.
const SIGNATURE: Part = (1, 0, 150);

/// The parts together, and so many microseconds.
fn sum(db: RuntimeDbWeight, parts: &[Part], micros: u64) -> Weight {
	parts.iter().fold(Weight::from_parts(micros.saturating_mul(1_000_000), 0), |all, part| {
		let (reads, writes, micros) = *part;
		all.saturating_add(db.reads_writes(reads, writes))
			.saturating_add(Weight::from_parts(micros.saturating_mul(1_000_000), 0))
	})
}

/// Documented upper bounds.
pub struct Estimate<T>(PhantomData<T>);

macro_rules! estimates {
	($db:expr) => {
		fn demand() -> Weight {
			sum($db, &[RESULT, SEAT, LANE, PLANS, HOLD, DEBT, PUT], 0)
		}
		fn answer(c: u32) -> Weight {
			// A hash takes 0.2 µs; the group is written.
			sum($db, &[RESULT, LANE, PLANS, (0, 1, 20), DEBT, PUT], 2 * u64::from(c))
		}
		fn list_roots(c: u32) -> Weight {
			sum($db, &[RESULT, LANE, PLANS, (0, 1, 20), DEBT, PUT], 2 * u64::from(c))
		}
		fn commit_proof() -> Weight {
			sum($db, &[RESULT, SEAT, LANE, BOUND, HOLD, DEBT, PUT], 0)
		}
		fn prove_fraud(b: u32) -> Weight {
			// The part is hashed as a whole, and tile by tile with the paths: 8 µs a KiB.
			let bytes = u64::from(b) / 128;
			// The fold, and the multiplier that its fee is reckoned with; the account that is
			// charged, the issuance, and the bytes of the block.
			sum($db, &[RESULT, SEAT, LANE, PROGRAM, BOUND, (2, 1, 50), (5, 4, 80), PUT], bytes)
		}
		fn put_lane() -> Weight {
			sum($db, &[RESULT, COUNT, LANE, PUT], 0)
		}
		fn close_lane() -> Weight {
			let openings = (0, MAX_OPENINGS, 100);
			let lane = (2, 4, 40);
			sum($db, &[RESULT, COUNT, LANE, lane, openings, DEBT, SETTLE, QUIET, FAULT], 0)
		}
		fn authorize_move(b: u32) -> Weight {
			sum(
				$db,
				&[RESULT, RESULT, SEAT, SEAT, LANE, PLANS, BOUND, SIGNATURE, (6, 0, 40)],
				u64::from(b) / 128,
			)
		}
		fn on_initialize_base() -> Weight {
			sum($db, &[(1, 2, 20)], 0)
		}
	};
}

impl<T: frame_system::Config> WeightInfo for Estimate<T> {
	estimates!(T::DbWeight::get());
}

impl WeightInfo for () {
	estimates!(RocksDbWeight::get());
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_commitments::most_openings;
	use assay_program::Limits;

	#[test]
	fn openings_should_be_counted_to_the_most_that_a_lane_can_have() {
		let Limits { nodes, peak_memory, .. } = Limits::V1;
		let most = most_openings(u32::MAX, nodes, nodes, peak_memory / 1_024);
		assert_eq!(u64::from(most), MAX_OPENINGS);
	}
}

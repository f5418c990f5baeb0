//! Upper bounds of what calls and hooks take, counted by hand.
//!
//! Nothing here is measured. Database accesses are counted from the code: every key that may be read or
//! written once, since a block keeps what it has touched. So are the bytes of a proof; execution times are what this pallet's benchmarks took for work of
//! the kind on an AMD EPYC (docs/benchmarks.md), rounded up: 1 µs for each 200 bytes of a record that is
//! decoded and encoded, 60 µs for a balance that moves, 100 µs for a signature in WebAssembly. The
//! runtime uses these bounds until its calls are measured again; a benchmark that finds more than a bound
//! has found a mistake in it.
//!
//! Every call is a sum of named parts, so that what changes in one place changes every call that does it.

use crate::{WeightInfo, MAX_SEATS};
use assay_market::parameters::MAX_COMMITTEE;
use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::ParityDbWeight, RuntimeDbWeight, Weight},
};

/// Most validators that a public draw looks at. `integrity_test` holds the runtime's limit to it.
pub const MAX_VALIDATORS: u32 = 256;

/// Blocks of the agenda that are tried for a free place.
const AGENDA_SPILL: u64 = crate::impls::AGENDA_SPILL as u64;

/// Seats that answered to the purposes which a call dismisses or ends at most: one public draw.
const DRAWN: u64 = MAX_COMMITTEE as u64;

/// Seats of verifiers.
const VERIFIERS: u64 = MAX_SEATS as u64 - 2 * DRAWN;

/// Reads, writes, µs and KiB of proof.
#[derive(Clone, Copy)]
struct Part(u64, u64, u64, u64);

impl Part {
	const fn and(self, other: Part) -> Part {
		Part(self.0 + other.0, self.1 + other.1, self.2 + other.2, self.3 + other.3)
	}

	const fn times(self, count: u64) -> Part {
		Part(self.0 * count, self.1 * count, self.2 * count, self.3 * count)
	}

	fn weigh(self, db: RuntimeDbWeight) -> Weight {
		Weight::from_parts(self.2 * 1_000_000, self.3 * 1024)
			.saturating_add(db.reads_writes(self.0, self.1))
	}
}

/// A call's own overhead: origin, parameters of the market, its event.
const CALL: Part = Part(1, 0, 30, 1);

/// A job's record of up to 11 KB is read and written back.
const JOB: Part = Part(1, 1, 60, 14);

/// All seats of a job, up to 168 of 173 bytes.
const SEATS: Part = Part(1, 1, 150, 31);

/// A job leaves the agenda of one block and is put on that of another, which is full for as many blocks
/// as are tried. An entry is up to 64 numbers.
const AGENDA: Part = Part(1 + AGENDA_SPILL, 2, 20 + AGENDA_SPILL / 2, 3 * (1 + AGENDA_SPILL));

/// A balance on hold is moved, burned or released: both accounts, the hold, the issuance.
const MONEY: Part = Part(5, 5, 60, 12);

/// A bond is held, slashed or released: the job's hold, the ledger, the balance.
const BOND: Part = Part(2, 2, 20, 6).and(MONEY);

/// A reputation is read and written.
const OUTCOME: Part = Part(1, 1, 15, 3);

/// The electorate, and whether two parties are members of it: key and exposure each.
const PARTIES: Part = Part(2 + 2 * 2, 0, 30, 12);

/// Key and exposure of somebody who is left out of a lottery, beside the parties: a verifier of an earlier
/// audit.
const LEFT_OUT: Part = Part(2, 0, 2, 5);

/// The public draw: the session's validators, who of them is disabled or suspended, and ledger and keys of
/// each (9.3 µs for both as measured, when they were a hundred); then every seat, with the lock of its
/// stake. The pool is summed up and searched once for each seat, at 10 ns a validator.
const DRAW: Part = Part(3, 0, 100, 20)
	.and(Part(2, 0, 10, 4).times(MAX_VALIDATORS as u64))
	.and(SEAT.times(DRAWN))
	.and(Part(0, 0, 3, 0).times(DRAWN));

/// A seat is taken: the seats are written (counted once, decoded each time), the stake locked, the job
/// noted for the key.
const SEAT: Part = Part(2, 3, 170, 4);

/// A seat is left: the lock of its stake, the reputation, the job that was noted for its key.
const UNSEAT: Part = Part(2, 3, 30, 5).and(OUTCOME);

/// A job ends, without its seats: the bond comes back, the escrow is refunded, a part of the deposit
/// burned, both parties' reputation written; its program, lottery, dispute and counts are let go.
const END: Part = BOND.and(MONEY).and(MONEY).and(OUTCOME).and(OUTCOME).and(Part(8, 8, 60, 20));

/// A fee is paid out of the escrow and a part of it burned: the requester's account, its hold and the
/// issuance are counted with the end of the job, the payee here.
const FEE: Part = Part(1, 1, 120, 3);

/// Whoever holds inputs or outputs is paid, and leaves its seat.
const HOLDER: Part = FEE.and(UNSEAT);

/// A verdict on a result that stood is counted for or against its author: faults and suspensions, and
/// where it is suspended its membership, its exposure and the electorates of three sessions.
const CONDUCT: Part = Part(2 + 3 * 3, 2 + 3 * 2, 40, 20);

/// A voucher is reported as an offender: the offences pallet's three records, what the session says
/// of it, the exposure, chilling, disabling, the electorates of three sessions, and the deferred slash.
const REPORT: Part = Part(22, 18, 120, 40);

/// What is noted of a settlement: the roots of up to 256 inputs are hashed.
const SETTLEMENT: Part = Part(1, 1, 50, 22);

/// What a slashed bond lost is noted, and read when the record goes.
const LOSS: Part = Part(1, 1, 5, 1);

/// A full record is replaced by a summary: archive, seats, segments, deposit.
const PRUNE: Part = Part(3, 5, 40, 60).and(MONEY);

fn micros(micros: u64) -> Part {
	Part(0, 0, micros, 0)
}

/// Segments that are opened with so many hashes are checked, two BLAKE3 nodes of up to 1 µs for each, and
/// their roots written.
fn segments(hashes: u32) -> Part {
	let written = Part(0, 1, 20, 9).times(hashes.min(1).into());
	written.and(micros(2).times(hashes.into()))
}

/// Bounds with the database weights of a runtime.
pub struct Bounds<T>(PhantomData<T>);

macro_rules! bounds {
	($db:expr) => {
		fn post_job(i: u32) -> Weight {
			CALL.and(JOB)
				.and(AGENDA)
				// Escrow and deposit; program; counters, the electorate without the requester.
				.and(MONEY.times(2))
				.and(Part(1, 1, 30, 6))
				.and(Part(3, 3, 20, 4))
				.and(PARTIES)
				// Roots are decoded, hashed into the order and stored.
				.and(micros(u64::from(i)))
				.weigh($db)
		}
		fn cancel_job() -> Weight {
			CALL.and(JOB)
				.and(SEATS)
				.and(AGENDA)
				.and(FEE)
				.and(END)
				.and(HOLDER.times(DRAWN))
				.and(PRUNE)
				.weigh($db)
		}
		fn claim_job() -> Weight {
			CALL.and(JOB).and(AGENDA).and(OUTCOME).and(PARTIES).and(BOND).weigh($db)
		}
		fn commit_result() -> Weight {
			CALL.and(JOB).and(AGENDA).weigh($db)
		}
		fn give_back() -> Weight {
			// Ends the job, or opens it again.
			CALL.and(JOB)
				.and(SEATS)
				.and(AGENDA)
				.and(BOND)
				.and(OUTCOME)
				.and(END)
				.and(HOLDER.times(DRAWN))
				.and(PRUNE)
				.weigh($db)
		}
		fn reveal_result(o: u32, h: u32) -> Weight {
			// The program's summary, the chain's name; a path of up to 31 hashes for each output, and one
			// of the last step. May begin the challenge period.
			CALL.and(JOB)
				.and(SEATS)
				.and(AGENDA)
				.and(Part(2, 0, 80, 8))
				.and(micros(35).times(o.into()))
				.and(segments(h))
				.weigh($db)
		}
		fn request_audit() -> Weight {
			CALL.and(JOB)
				.and(SEATS)
				.and(AGENDA)
				.and(PARTIES)
				.and(LEFT_OUT.times(VERIFIERS))
				.and(MONEY)
				.weigh($db)
		}
		fn poke() -> Weight {
			CALL.and(Part(1, 0, 30, 14)).weigh($db)
		}
		fn set_parameters() -> Weight {
			Part(0, 1, 30, 2).weigh($db)
		}
		fn attest_inputs() -> Weight {
			// Opens the job, or has the agenda end it.
			CALL.and(JOB).and(SEATS.times(2)).and(AGENDA).weigh($db)
		}
		fn attest_outputs() -> Weight {
			CALL.and(JOB).and(SEATS.times(2)).weigh($db)
		}
		fn commit_verdict() -> Weight {
			// The ticket's output is computed once more; member, lottery and the chain's name are read. May
			// end the audit, and with it the reveal phase.
			CALL.and(JOB)
				.and(SEATS.times(4))
				.and(AGENDA.times(2))
				.and(SEAT)
				.and(Part(6, 1, 400, 20))
				.weigh($db)
		}
		fn abstain() -> Weight {
			Self::commit_verdict()
		}
		fn reveal_verdict() -> Weight {
			// The roots of segments are read. May end the reveal phase.
			CALL.and(JOB).and(SEATS.times(3)).and(AGENDA).and(Part(3, 0, 20, 14)).weigh($db)
		}
		fn authorize_verifier() -> Weight {
			CALL.and(JOB).and(SEATS).and(Part(4, 0, 100, 10)).weigh($db)
		}
		fn verify_ticket() -> Weight {
			// Elliptic curves in WebAssembly, without a host function; stake, key and lottery are read.
			Part(5, 0, 1_500, 40).weigh($db)
		}
		fn check_chunks() -> Weight {
			// Two chunks with up to 98 siblings each, and the plans of the largest program.
			Part(4, 0, 500, 220).weigh($db)
		}
		fn draw() -> Weight {
			DRAW.weigh($db)
		}
		fn advance(s: u32) -> Weight {
			// The provider is paid and the settlement noted; every seat is paid, counted, noted and unlocked.
			// Or a lottery is opened; or a record pruned.
			CALL.and(JOB)
				.and(SEATS.times(2))
				.and(AGENDA)
				.and(PARTIES)
				.and(FEE)
				.and(SETTLEMENT)
				.and(END)
				.and(PRUNE)
				.and(FEE.and(CONDUCT).and(UNSEAT).and(LEFT_OUT).times(s.into()))
				.weigh($db)
		}
		fn condemn(s: u32) -> Weight {
			// Both parts of the bond; every seat is noted and unlocked, and either reported or paid, which is
			// less.
			CALL.and(JOB)
				.and(SEATS.times(2))
				.and(AGENDA)
				.and(BOND.times(2))
				.and(LOSS)
				.and(END)
				.and(PRUNE)
				.and(REPORT.and(UNSEAT).times(s.into()))
				.weigh($db)
		}
		fn reschedule() -> Weight {
			JOB.and(AGENDA).weigh($db)
		}
		fn on_initialize_base() -> Weight {
			// Two mixes read, one written and one removed; what the last block settled is forgotten; the
			// author's randomness; the agenda of the block is taken.
			Part(4, 4, 30, 8).weigh($db)
		}
	};
}

impl<T: frame_system::Config> WeightInfo for Bounds<T> {
	bounds!(T::DbWeight::get());
}

/// For tests.
impl WeightInfo for () {
	bounds!(ParityDbWeight::get());
}

#[cfg(test)]
mod tests {
	use super::*;

	/// What was measured when the code did less: no bound is below it.
	#[test]
	fn bounds_should_be_above_what_was_measured_before() {
		let micros = |weight: Weight| weight.ref_time() / 1_000_000;
		// Time without the database, from the benchmarks of 2026-11-21 on an AMD EPYC.
		let db = RuntimeDbWeight { read: 0, write: 0 };
		for (name, part, measured) in [
			("post_job", CALL.and(JOB).and(AGENDA).and(MONEY.times(2)), 90),
			("claim_job", CALL.and(JOB).and(AGENDA).and(BOND), 61),
			("commit_result", CALL.and(JOB).and(AGENDA), 36),
			("attest_inputs", CALL.and(JOB).and(SEATS.times(2)), 142),
			("a draw from a hundred", Part(0, 0, 10, 0).times(100), 932),
		] {
			assert!(micros(part.weigh(db)) >= measured, "{name}: {}", micros(part.weigh(db)));
		}
	}

	#[test]
	fn draw_should_count_ledger_and_keys_of_every_validator_when_it_is_public() {
		let Part(reads, ..) = DRAW;
		assert!(reads >= 2 * u64::from(MAX_VALIDATORS) + 3);
		let Part(reads, ..) = AGENDA;
		assert!(reads > AGENDA_SPILL);
	}
}

//! What a block settles, and what another fork says about it: what a validator looks at before it
//! votes for finality. See `docs/finality.md`.

use crate::{Hash, JobId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Most settlements that a block tells of. A block with more says so, and is held like one that
/// cannot be read.
pub const MAX_SETTLEMENTS: u32 = 256;

/// Hash of what a job has to run: program, inputs and steps.
///
/// A result is an exact function of these. So whoever knows the run root of a task knows it for every
/// job and every fork, while a job's number may stand for another job on another fork.
pub fn task_hash(program: &Hash, input_roots: &[Hash], steps: u32) -> Hash {
	*blake3::hash(&(program, input_roots, steps).encode()).as_bytes()
}

/// A result that a block paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Settlement {
	/// The job.
	pub job: JobId,
	/// Hash of its [`Order`](crate::Order): the number may be another job's on another fork.
	pub order: Hash,
	/// [`task_hash`] of what it ran.
	pub task: Hash,
	/// The result that was paid for.
	pub run_root: Hash,
}

/// Everything that one block paid for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Settlements {
	/// The results, in the order in which they were paid.
	pub settled: alloc::vec::Vec<Settlement>,
	/// There were more of them than are told.
	pub truncated: bool,
}

/// Where a result stands on a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Standing {
	/// Nothing is said against it there.
	#[codec(index = 0)]
	Undisputed,
	/// A challenger's lane keeps it from settling, perhaps bound to a proof; or an opening of it was
	/// withheld.
	#[codec(index = 1)]
	Disputed,
	/// The chain's referee has proved it wrong.
	#[codec(index = 2)]
	ProvenWrong,
}

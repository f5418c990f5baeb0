//! What a verifier owes for a job, and what comes out of it.

use crate::{
	chain::JobAssignment,
	types::{AccountId, Hash},
	verify::mailbox::Chunks,
};
use assay_market::{AbstainReason, Ticket, VerifierId};
use std::collections::BTreeMap;

/// What is to be done for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
	/// To say whether its inputs are held.
	Attest,
	/// To replay it for a verdict.
	Verify,
	/// To find the chunks that the committed verdict is opened with.
	Open,
	/// To say whether its outputs are held.
	Keep,
}

/// Name of a task of the service: the order of a job, which a number under which another fork has
/// another job is not.
pub(crate) type TaskId = (Hash, Kind);

/// What came out of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
	/// Whether every input, or every output, is held.
	Attested(bool),
	/// Not everything is held yet; looked at again with the next block.
	NotHeldYet,
	/// The run root.
	Replayed(Hash),
	/// A local fault, retried once, or a fault of the job.
	Abstain(AbstainReason),
	/// The chunks of the verdict, which is the run root.
	Opened(Hash, Chunks),
	/// This machine cannot give the chunks.
	Unopened,
}

/// One of the local keys that something is done for.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
	pub(crate) account: AccountId,
	/// That it was drawn; `None` where the chain knows that already.
	pub(crate) ticket: Option<Ticket>,
}

/// Local keys with a seat.
pub(crate) type Seats = BTreeMap<VerifierId, Seat>;

/// What the chunks of a verdict are to be found for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
	/// What the chain has drawn.
	pub(crate) seed: Hash,
	/// The committed verdict.
	pub(crate) run_root: Hash,
}

/// Something to do for a job, once for all local keys with a seat.
pub(crate) struct Duty {
	/// One of the seats. That of a key which has won and not spoken yet is not on chain.
	pub(crate) assignment: JobAssignment,
	/// Hash of what is to be done: on another fork the same order may have other checkpoints or
	/// outputs.
	pub(crate) task: Hash,
	pub(crate) seats: Seats,
	/// For [`Kind::Open`].
	pub(crate) opening: Option<Opening>,
}

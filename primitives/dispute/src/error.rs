use crate::Hash;
use assay_commitments::Place;
use assay_program::Source;
use assay_referee::{Accusation, ProveError};

/// Any error, of a [`crate::Replay`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer or no move. None of these says anything about the other side.
#[derive(Debug, thiserror::Error)]
pub enum Error {
	/// The parts of the [`crate::Job`] do not belong together.
	#[error("the job's record is not sound: {0}")]
	Record(&'static str),
	/// The replay failed.
	#[error("replaying {steps} steps: {source}")]
	Replay {
		/// Steps that were to be replayed.
		steps: u32,
		/// Why.
		source: BoxError,
	},
	/// A replay gave something that no run of the program gives.
	#[error("the replay of {steps} steps is not sound: {what}")]
	Replayed {
		/// Steps that were replayed.
		steps: u32,
		/// What does not fit.
		what: &'static str,
	},
	/// A tensor that a replay kept is not the one whose root the replay states.
	#[error("{tensor:?} of step {step} is not what its root is of")]
	Kept {
		/// The step.
		step: u32,
		/// The tensor.
		tensor: Source,
	},
	/// Two replays on this machine differ.
	#[error("two replays differ in step {step}: this machine does not compute reliably")]
	Unstable {
		/// The first step that differs.
		step: u32,
	},
	/// The bytes of an input could not be had.
	#[error("input {index}: {source}")]
	Input {
		/// Position in the program.
		index: u16,
		/// Why.
		source: BoxError,
	},
	/// The bytes of an input are not those that the job's record names.
	#[error("input {index} does not have the root that the job's record names")]
	InputRoot {
		/// Position in the program.
		index: u16,
	},
	/// This machine does not reproduce the run whose openings are demanded.
	#[error(
		"the run root of this machine is {}, so it has no openings of {}",
		hex::encode(.ours),
		hex::encode(.theirs)
	)]
	OtherRun {
		/// Of this machine's replay.
		ours: Hash,
		/// Of the job's record.
		theirs: Hash,
	},
	/// No run of this job has such a group.
	#[error("a run of this job has no group at {0:?}")]
	NoSuchPlace(Place),
	/// A group of the lane does not have the hash that the group above it gives.
	#[error(
		"the lane's group at {0:?} does not have its parent's hash: the record is not the chain's"
	)]
	Unproven(Place),
	/// The lane went another way than this machine's replay leads.
	#[error(
		"the lane's opening {index} is at {found:?}, but the first difference is below {expected:?}: \
		 the lane was led by another replay, and this one cannot prove anything in it"
	)]
	Astray {
		/// Which opening, from 0.
		index: usize,
		/// Where the lane has it.
		found: Place,
		/// Where this replay leads; `None` if there is nothing left to open.
		expected: Option<Place>,
	},
	/// All children equal this machine's although the parents differ: impossible for what the chain
	/// has checked.
	#[error("the lane's group at {0:?} equals this replay's, though what is above it differs")]
	NoDifference(Place),
	/// The proof could not be made, or this machine's referee refuses it.
	#[error(
		"no proof for tile {} of node {} in step {}: {source}",
		.accusation.tile, .accusation.node, .accusation.step
	)]
	Prove {
		/// What was to be proved wrong.
		accusation: Accusation,
		/// Why.
		source: ProveError,
	},
	/// The referee computes what the provider claims: this machine's replay is the wrong one.
	#[error(
		"tile {} of node {} in step {} is right by the referee: this machine computed it wrongly",
		.accusation.tile, .accusation.node, .accusation.step
	)]
	NotFraud {
		/// What was thought wrong.
		accusation: Accusation,
	},
}

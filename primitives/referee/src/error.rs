use assay_program::{RecomputeError, Source};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::fmt;
use scale_info::TypeInfo;

/// Why a proof proves nothing. Says nothing against the run, nor for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum ProofError {
	/// Program, check and input roots of the record are not of one job.
	#[codec(index = 0)]
	Record,
	/// The run has no such step.
	#[codec(index = 1)]
	Step,
	/// The node is not an anchor of the program.
	#[codec(index = 2)]
	NotAnAnchor,
	/// The anchor has no such tile.
	#[codec(index = 3)]
	Tile,
	/// The proof has no such part.
	#[codec(index = 4)]
	Part,
	/// Accumulators belong to every part but the first, as many as the tile has elements.
	#[codec(index = 5)]
	Accumulators,
	/// `trace` is not the trace root of the accused step.
	#[codec(index = 6)]
	Trace,
	/// `before` is not the trace root of the step before, is missing where a state is read, or is
	/// there where none is.
	#[codec(index = 7)]
	Before,
	/// `anchors` are not the roots of the eager ones among the accused anchor and those that are
	/// read.
	#[codec(index = 8)]
	Anchors,
	/// `states` are not the roots of the updates of the states that are read.
	#[codec(index = 9)]
	States,
	/// `claimed` is not the chunk value of the accused tile.
	#[codec(index = 10)]
	Claimed,
	/// There must be one opening for each tensor that is read, and one more for each table that is
	/// read where indices say.
	#[codec(index = 11)]
	OperandCount,
	/// The tiles of this operand are not those that are read, or not those of the run.
	#[codec(index = 12)]
	Operand {
		/// Which of `operands`.
		position: u32,
	},
	/// The program cannot be recomputed as its check says. Cannot happen with the check of this
	/// program.
	#[codec(index = 13)]
	Recompute,
	/// A lazy anchor is accused or read, and the record has no list of the provider's that has it.
	#[codec(index = 14)]
	Unlisted,
	/// `lazy` are not the roots, in the provider's list, of the lazy ones among the accused anchor
	/// and those that are read.
	#[codec(index = 15)]
	Lazy,
}

impl fmt::Display for ProofError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		use ProofError::*;
		match self {
			Record => write!(f, "the record is not of one job"),
			Step => write!(f, "the run has no such step"),
			NotAnAnchor => write!(f, "the accused node is not an anchor"),
			Tile => write!(f, "the accused anchor has no such tile"),
			Part => write!(f, "the proof has no such part"),
			Accumulators => {
				write!(f, "accumulators belong to every part but the first, one for each element")
			}
			Trace => write!(f, "the trace root of the accused step does not lead to the run root"),
			Before => write!(
				f,
				"the trace root of the step before must lead to the run root, and be given exactly \
				 when a state is read"
			),
			Anchors => write!(f, "the roots of the anchors do not lead to the trace root"),
			States => write!(f, "the roots of the states do not lead to the trace root before"),
			Claimed => write!(f, "the claimed chunk value does not lead to the anchor's root"),
			OperandCount => write!(f, "there must be one opening for each tensor that is read"),
			Operand { position } => write!(
				f,
				"the tiles of operand {position} do not lead to its root, or are not those that are \
				 read"
			),
			Recompute => write!(f, "the program cannot be recomputed as its check says"),
			Unlisted => write!(
				f,
				"the provider has listed no roots of lazy anchors that the proof could refer to"
			),
			Lazy => write!(f, "the roots of the lazy anchors do not lead to the provider's list"),
		}
	}
}

impl core::error::Error for ProofError {}

/// Why there is no proof yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProveError {
	/// There can be no such proof, or the evidence contradicts itself: the referee's own refusal.
	Refused(ProofError),
	/// The run tree is not opened far enough to show this step.
	RunUnopened {
		/// The step.
		step: u32,
	},
	/// The trace tree of the accused step is not opened far enough to show what is read.
	TraceUnopened,
	/// The provider's list of lazy anchors' roots is not there, or not opened far enough to show
	/// what is read.
	ListUnopened,
	/// The accused tensor's tree is not opened down to the accused tile.
	TensorUnopened,
	/// A state is read: the anchor roots of the step before are needed.
	BeforeMissing,
	/// The canonical bytes of a tensor that is read are needed.
	TensorMissing {
		/// Which.
		source: Source,
	},
}

impl From<ProofError> for ProveError {
	fn from(error: ProofError) -> Self {
		Self::Refused(error)
	}
}

impl fmt::Display for ProveError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		use ProveError::*;
		match self {
			Refused(error) => error.fmt(f),
			RunUnopened { step } => {
				write!(f, "the run tree must be opened down to step {step} first")
			}
			TraceUnopened => write!(f, "the trace tree must be opened down to the anchor first"),
			ListUnopened => {
				write!(f, "the provider's list of lazy anchors must be opened to the anchor first")
			}
			TensorUnopened => write!(f, "the tensor's tree must be opened down to the tile first"),
			BeforeMissing => write!(f, "the anchor roots of the step before are needed"),
			TensorMissing { source } => write!(f, "the canonical bytes of {source:?} are needed"),
		}
	}
}

impl core::error::Error for ProveError {}

impl From<RecomputeError> for ProofError {
	fn from(error: RecomputeError) -> Self {
		match error {
			RecomputeError::NotAnAnchor { .. } => Self::NotAnAnchor,
			RecomputeError::TileOutOfRange { .. } => Self::Tile,
			RecomputeError::PartOrder { .. } => Self::Part,
			RecomputeError::Accumulators { .. } => Self::Accumulators,
			RecomputeError::MissingTile { .. } | RecomputeError::TooMuch { .. } => Self::Recompute,
			RecomputeError::Arguments | RecomputeError::Mismatch => Self::Record,
		}
	}
}

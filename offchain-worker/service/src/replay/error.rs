//! Why replaying for a dispute or for a verdict's chunks gave nothing, and what to do then.

use crate::fault::Fault;
use assay_dispute::Error;

/// How often in a row an attempt begins with nothing remembered before it is given up.
const FRESH_STARTS: u32 = 1;

/// Why an attempt gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
	#[error(transparent)]
	Fault(#[from] Fault),
	#[error(transparent)]
	Dispute(#[from] Error),
}

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
	/// Another attempt may fare better.
	Again,
	/// Another attempt may, if it starts with nothing remembered: what is remembered may be wrong.
	Afresh,
	/// No attempt will.
	Stop,
}

/// What to do after each of the errors of one search.
#[derive(Debug, Default)]
pub(crate) struct Judge {
	fresh_starts: u32,
}

impl Judge {
	pub(crate) fn after(&mut self, error: &SearchError) -> After {
		match error.after() {
			After::Afresh if self.fresh_starts >= FRESH_STARTS => After::Stop,
			After::Afresh => {
				self.fresh_starts += 1;
				After::Afresh
			}
			after => after,
		}
	}
}

impl SearchError {
	pub(crate) fn after(&self) -> After {
		match self {
			Self::Fault(fault) if fault.is_decidable() => After::Stop,
			Self::Fault(_) => After::Again,
			Self::Dispute(Error::Replay { source, .. }) => match source.downcast_ref::<Fault>() {
				Some(fault) if fault.is_decidable() => After::Stop,
				_ => After::Again,
			},
			Self::Dispute(Error::Input { .. }) => After::Again,
			Self::Dispute(
				Error::Replayed { .. }
				| Error::Kept { .. }
				| Error::Unstable { .. }
				| Error::InputRoot { .. }
				| Error::Prove { .. }
				| Error::NotFraud { .. }
				| Error::OtherRun { .. },
			) => After::Afresh,
			Self::Dispute(
				Error::Record(_)
				| Error::NoSuchPlace(_)
				| Error::Unproven(_)
				| Error::Astray { .. }
				| Error::NoDifference(_),
			) => After::Stop,
		}
	}

	/// Name in the metrics.
	pub(crate) fn kind(&self) -> &'static str {
		match self {
			Self::Fault(fault) => fault.kind(),
			Self::Dispute(Error::Replay { source, .. } | Error::Input { source, .. }) => {
				source.downcast_ref::<Fault>().map_or("replay", Fault::kind)
			}
			Self::Dispute(error) => match error {
				Error::Record(_) => "record",
				Error::Replayed { .. } | Error::Kept { .. } => "unsound",
				Error::Unstable { .. } => "unstable",
				Error::InputRoot { .. } => "input_root",
				Error::OtherRun { .. } => "other_run",
				Error::NoSuchPlace(_) | Error::Unproven(_) => "lane",
				Error::Astray { .. } => "astray",
				Error::NoDifference(_) => "no_difference",
				Error::Prove { .. } => "no_proof",
				Error::NotFraud { .. } => "not_fraud",
				Error::Replay { .. } | Error::Input { .. } => "replay",
			},
		}
	}
}

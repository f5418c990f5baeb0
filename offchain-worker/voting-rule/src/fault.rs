//! Why the rule could not look.

/// Something that the rule needs could not be read. Votes are then held as far back as the cap
/// allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
	/// The database failed.
	#[error("the database failed: {0}")]
	Database(String),
	/// A block has no header here.
	#[error("the header of {0} is missing")]
	MissingHeader(String),
	/// A header is not the one that its child says it is.
	#[error("the chain is broken at {0}")]
	BrokenChain(String),
	/// A runtime call failed.
	#[error("a runtime call failed: {0}")]
	Runtime(String),
	/// A block settles more than it tells.
	#[error("{0} settles more jobs than it tells")]
	Truncated(String),
	/// Something panicked.
	#[error("the voting rule panicked")]
	Panicked,
}

impl Fault {
	/// Name in the metrics.
	pub fn kind(&self) -> &'static str {
		match self {
			Self::Database(_) => "database",
			Self::MissingHeader(_) => "missing_header",
			Self::BrokenChain(_) => "broken_chain",
			Self::Runtime(_) => "runtime",
			Self::Truncated(_) => "truncated",
			Self::Panicked => "panicked",
		}
	}
}

//! What the rule says.

use crate::{BlockNumber, Cause};

/// The block to vote for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<Hash> {
	/// Its hash.
	pub hash: Hash,
	/// Its number.
	pub number: BlockNumber,
	/// Why it is not the target.
	pub cause: Option<Cause>,
}

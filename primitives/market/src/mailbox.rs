//! How the node's verifier service hands its findings to the pallet's offchain hook.
//!
//! The service writes one [`MailboxEntry`] per seat into the node's *persistent* offchain storage
//! under [`mailbox_key`]; the hook reads it, checks what the chain already has, signs and submits.
//! Entries are written once and may be written again with the same content: salts derive from the
//! key, so a lost entry is recreated equal.

use crate::{AbstainReason, ChallengeMove, Hash, Purpose, SampledChunk, Ticket, VerifierId};
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, Encode};

/// Version byte in front of every entry.
pub const MAILBOX_VERSION: u8 = 4;

/// What a verifier found out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MailboxEntry {
	/// For [`Purpose::Attest`]: whether every input is held and well-formed. For [`Purpose::Keep`]:
	/// whether every output is.
	#[codec(index = 0)]
	Attested {
		/// Whether all of them are held.
		ok: bool,
	},
	/// For [`Purpose::Verify`]: the replay finished.
	#[codec(index = 1)]
	Replayed {
		/// The run root of the replay.
		run_root: Hash,
		/// The salt that hides it until the reveal.
		salt: Hash,
		/// That the key was drawn. Needed until the commitment is on chain.
		ticket: Option<Ticket>,
		/// The chunks of the replay's trace that the chain asks for, in order; written when the chain has
		/// drawn their positions ([`crate::Assignment::sample`]).
		chunks: Option<Vec<SampledChunk>>,
	},
	/// For [`Purpose::Verify`]: a local fault, retried once already.
	#[codec(index = 2)]
	Abstain {
		/// Why.
		reason: AbstainReason,
		/// That the key was drawn.
		ticket: Option<Ticket>,
	},
}

/// The next move in a verifier's lane, as the service leaves it for the arbitration pallet's hook.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DisputeEntry {
	/// Groups that were opened in the lane when the move was found; `None`: there was no lane. The
	/// hook submits the move only while this still holds.
	pub opened: Option<u32>,
	/// What the provider had stated in it: [`crate::LaneView::list`].
	pub list: Option<Hash>,
	/// Parts of a proof that the chain had accepted by then.
	pub parts: u32,
	/// The move.
	pub action: ChallengeMove,
}

impl DisputeEntry {
	/// The versioned bytes that are stored.
	pub fn to_bytes(&self) -> Vec<u8> {
		(MAILBOX_VERSION, self).encode()
	}

	/// Reads what [`Self::to_bytes`] wrote.
	pub fn from_bytes(bytes: &[u8]) -> Result<Self, MailboxError> {
		match bytes.split_first() {
			Some((&MAILBOX_VERSION, mut rest)) => {
				Self::decode_all(&mut rest).map_err(|_| MailboxError::Malformed)
			}
			Some((&version, _)) => Err(MailboxError::UnknownVersion(version)),
			None => Err(MailboxError::Malformed),
		}
	}
}

/// The key of a verifier's next move in its lane, in persistent offchain storage.
pub fn dispute_key(genesis: &Hash, order: &Hash, key: &VerifierId) -> Vec<u8> {
	(b"assay/dispute/", genesis, order, key).encode()
}

/// Why the bytes of an entry were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxError {
	/// Written by another version of the node.
	UnknownVersion(u8),
	/// Truncated, empty or followed by other bytes.
	Malformed,
}

impl MailboxEntry {
	/// The versioned bytes that are stored.
	pub fn to_bytes(&self) -> Vec<u8> {
		(MAILBOX_VERSION, self).encode()
	}

	/// Reads what [`Self::to_bytes`] wrote.
	pub fn from_bytes(bytes: &[u8]) -> Result<Self, MailboxError> {
		match bytes.split_first() {
			Some((&MAILBOX_VERSION, mut rest)) => {
				Self::decode_all(&mut rest).map_err(|_| MailboxError::Malformed)
			}
			Some((&version, _)) => Err(MailboxError::UnknownVersion(version)),
			None => Err(MailboxError::Malformed),
		}
	}
}

/// The key of a seat's entry in persistent offchain storage.
pub fn mailbox_key(genesis: &Hash, order: &Hash, purpose: Purpose, key: &VerifierId) -> Vec<u8> {
	(b"assay/mailbox/", genesis, order, purpose, key).encode()
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_commitments::{ChunkOpening, Path};

	const TICKET: Ticket = Ticket { pre_output: [3; 32], proof: [4; 64] };

	fn replayed() -> MailboxEntry {
		let path = Path { siblings: alloc::vec![[5; 32]; 3] };
		let opening = ChunkOpening {
			trace: ([6; 32], path.clone()),
			anchor: ([7; 32], path.clone()),
			tile: path,
		};
		let chunks = alloc::vec![SampledChunk { chunk: [8; 1024], opening }; 2];
		MailboxEntry::Replayed {
			run_root: [1; 32],
			salt: [2; 32],
			ticket: Some(TICKET),
			chunks: Some(chunks),
		}
	}

	#[test]
	fn mailbox_entry_should_survive_when_written_and_read() {
		for entry in [
			MailboxEntry::Attested { ok: true },
			MailboxEntry::Replayed { run_root: [1; 32], salt: [2; 32], ticket: None, chunks: None },
			replayed(),
			MailboxEntry::Abstain { reason: AbstainReason::TooSlow, ticket: Some(TICKET) },
		] {
			assert_eq!(MailboxEntry::from_bytes(&entry.to_bytes()), Ok(entry));
		}
	}

	#[test]
	fn mailbox_entry_should_be_refused_when_truncated_padded_or_of_another_version() {
		let bytes = replayed().to_bytes();
		for length in 0..bytes.len() {
			assert_eq!(
				MailboxEntry::from_bytes(&bytes[..length]),
				Err(MailboxError::Malformed),
				"{length}"
			);
		}
		let mut padded = bytes.clone();
		padded.push(0);
		assert_eq!(MailboxEntry::from_bytes(&padded), Err(MailboxError::Malformed));
		let mut other = bytes;
		other[0] = 1;
		assert_eq!(MailboxEntry::from_bytes(&other), Err(MailboxError::UnknownVersion(1)));
	}
}

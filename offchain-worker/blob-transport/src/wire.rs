//! What nodes say to each other about blobs: SCALE behind a version byte, bounded before it is
//! read.
//!
//! ```text
//! request  = 1 ‖ Have { roots: Vec<[u8; 32]> } | Range { root, total: u64, offset: u64, len: u32 }
//! response = 1 ‖ Have { lengths: Vec<u64> }    | Slice(Vec<u8>) | Refused(Refusal)
//! ```

use crate::tree::{self, Span};
use assay_blobs::Hash;
use codec::{Decode, DecodeAll, Encode};

/// First byte of every message.
pub const VERSION: u8 = 1;

/// Most roots in one question.
pub const MAX_ROOTS: usize = 64;

/// Longest request in bytes: [`MAX_ROOTS`] roots with what stands before them.
pub const MAX_REQUEST: u64 = 2 + 2 + 32 * MAX_ROOTS as u64;

/// Longest response in bytes: a slice with what stands before it.
pub const MAX_RESPONSE: u64 = tree::MAX_SLICE as u64 + 16;

/// A question to another node.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Request {
	/// Which of these blobs does it hold, whole? At most [`MAX_ROOTS`].
	#[codec(index = 0)]
	Have(Vec<Hash>),
	/// Bytes of a blob, with the proof that they belong to it.
	#[codec(index = 1)]
	Range {
		/// The blob.
		root: Hash,
		/// How long the blob is, as far as the asker knows.
		total: u64,
		/// First byte, at the start of a chunk group.
		offset: u64,
		/// How many bytes: up to [`tree::MAX_RANGE`], to the end of a chunk group or of the blob.
		len: u32,
	},
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Response {
	/// The length of every blob asked for, in that order; 0 where it is not held.
	#[codec(index = 0)]
	Have(Vec<u64>),
	/// The bytes asked for, with the tree nodes that prove them (see [`tree`]).
	#[codec(index = 1)]
	Slice(Vec<u8>),
	/// No bytes, and why.
	#[codec(index = 2)]
	Refused(Refusal),
}

/// Why there are no bytes. None of these is held against anyone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Refusal {
	/// The blob is not held, or not whole.
	#[codec(index = 0)]
	Unknown,
	/// The blob has another length, in bytes.
	#[codec(index = 1)]
	Length(u64),
	/// The asker has had its share for now; it may ask again after so many milliseconds.
	#[codec(index = 2)]
	Busy(u32),
}

/// Bytes that are no message of this protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
	/// The first byte is of another version.
	#[error("the message is of another version")]
	Version,
	/// More bytes or more entries than a message may have.
	#[error("the message is too long")]
	TooLong,
	/// The bytes mean nothing.
	#[error("the message cannot be decoded")]
	Garbage,
	/// The range is empty, too long, reaches beyond the blob or starts or ends within a chunk
	/// group.
	#[error("the range is none of this blob")]
	Range,
}

fn open(bytes: &[u8], limit: u64) -> Result<&[u8], WireError> {
	if bytes.len() as u64 > limit {
		return Err(WireError::TooLong);
	}
	match bytes.split_first() {
		Some((&VERSION, rest)) => Ok(rest),
		Some(_) => Err(WireError::Version),
		None => Err(WireError::Garbage),
	}
}

impl Request {
	/// The bytes to send.
	pub fn to_bytes(&self) -> Vec<u8> {
		(VERSION, self).encode()
	}

	/// Reads and checks a request.
	///
	/// # Errors
	/// When another node would never have sent it.
	pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
		// A vector's announced length is never trusted: SCALE allocates as far as bytes are there.
		let mut rest = open(bytes, MAX_REQUEST)?;
		let request = Self::decode_all(&mut rest).map_err(|_| WireError::Garbage)?;
		match &request {
			Self::Have(roots) if roots.len() > MAX_ROOTS => Err(WireError::TooLong),
			Self::Have(_) => Ok(request),
			Self::Range { total, offset, len, .. } => {
				Span::new(*total, *offset, *len).map(|_| request).ok_or(WireError::Range)
			}
		}
	}
}

impl Response {
	/// The bytes to send.
	pub fn to_bytes(&self) -> Vec<u8> {
		(VERSION, self).encode()
	}

	/// Reads a response.
	///
	/// # Errors
	/// When no honest node would have sent it.
	pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
		let mut rest = open(bytes, MAX_RESPONSE)?;
		let response = Self::decode_all(&mut rest).map_err(|_| WireError::Garbage)?;
		match &response {
			Self::Have(lengths) if lengths.len() > MAX_ROOTS => Err(WireError::TooLong),
			_ => Ok(response),
		}
	}
}

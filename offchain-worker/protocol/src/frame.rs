//! Frames, the part that needs no stream.

use crate::{Hello, MAX_FRAME, MAX_HELLO, PACKAGE_VERSION, PROTOCOL_VERSION};
use codec::{DecodeAll, Encode};
use std::io;

/// Why a message could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
	/// The peer closed the connection between two frames.
	#[error("the connection was closed")]
	Closed,
	/// The connection ended within a frame.
	#[error("the connection ended within a frame")]
	Truncated,
	/// The frame is longer than allowed, or empty.
	#[error("a frame of {len} bytes, 1 to {limit} are allowed")]
	Length {
		/// Announced length.
		len: u64,
		/// Longest allowed.
		limit: u32,
	},
	/// The frame does not hold the expected message.
	#[error("malformed message: {0}")]
	Malformed(String),
	/// The peer is not of this version.
	#[error(
		"the peer is version {package:?} with protocol {protocol}, this side {PACKAGE_VERSION:?} with {PROTOCOL_VERSION}"
	)]
	Version {
		/// The peer's protocol version.
		protocol: u32,
		/// The peer's package version.
		package: String,
	},
	/// The operating system's word, such as a time limit that passed.
	#[error("connection: {0}")]
	Io(#[from] io::Error),
}

/// A message as a frame, with its length in front.
pub fn encode(message: &impl Encode) -> Result<Vec<u8>, FrameError> {
	let mut frame = vec![0; 4];
	message.encode_to(&mut frame);
	let len = frame.len() - 4;
	if len == 0 || len > MAX_FRAME as usize {
		return Err(FrameError::Length { len: len as u64, limit: MAX_FRAME });
	}
	frame[..4].copy_from_slice(&(len as u32).to_le_bytes());
	Ok(frame)
}

/// The message of a frame's bytes without the length.
pub fn decode<T: DecodeAll>(mut bytes: &[u8]) -> Result<T, FrameError> {
	T::decode_all(&mut bytes).map_err(|error| FrameError::Malformed(error.to_string()))
}

/// The announced length of a frame, if it is allowed.
pub(crate) fn length(head: [u8; 4], limit: u32) -> Result<usize, FrameError> {
	match u32::from_le_bytes(head) {
		len if (1..=limit).contains(&len) => Ok(len as usize),
		len => Err(FrameError::Length { len: len.into(), limit }),
	}
}

/// Reads a peer's [`Hello`] from a frame's bytes and compares it with this side's.
pub fn check_hello(bytes: &[u8]) -> Result<Hello, FrameError> {
	if bytes.len() > MAX_HELLO as usize {
		return Err(FrameError::Length { len: bytes.len() as u64, limit: MAX_HELLO });
	}
	let theirs: Hello = decode(bytes)?;
	let ours = Hello::ours();
	if theirs.magic != ours.magic {
		return Err(FrameError::Malformed("not a greeting".into()));
	}
	if theirs != ours {
		return Err(FrameError::Version { protocol: theirs.protocol, package: theirs.package });
	}
	Ok(theirs)
}

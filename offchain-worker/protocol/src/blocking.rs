//! Messages over a `std::io` stream.

use crate::{frame, FrameError, Hello, MAX_FRAME, MAX_HELLO};
use codec::{DecodeAll, Encode};
use std::io::{ErrorKind, Read, Write};

/// Sends one message.
pub fn send(stream: &mut impl Write, message: &impl Encode) -> Result<(), FrameError> {
	stream.write_all(&frame::encode(message)?)?;
	Ok(stream.flush()?)
}

/// Receives one message.
pub fn receive<T: DecodeAll>(stream: &mut impl Read) -> Result<T, FrameError> {
	frame::decode(&receive_bytes(stream, MAX_FRAME)?)
}

/// Greets the peer and checks its version. Both sides call this first.
pub fn handshake(stream: &mut (impl Read + Write)) -> Result<Hello, FrameError> {
	send(stream, &Hello::ours())?;
	frame::check_hello(&receive_bytes(stream, MAX_HELLO)?)
}

fn receive_bytes(stream: &mut impl Read, limit: u32) -> Result<Vec<u8>, FrameError> {
	let mut head = [0; 4];
	let mut have = 0;
	while have < head.len() {
		match stream.read(&mut head[have..]) {
			Ok(0) if have == 0 => return Err(FrameError::Closed),
			Ok(0) => return Err(FrameError::Truncated),
			Ok(len) => have += len,
			Err(error) if error.kind() == ErrorKind::Interrupted => {}
			Err(error) => return Err(error.into()),
		}
	}
	let len = frame::length(head, limit)?;
	let mut bytes = Vec::new();
	stream.take(len as u64).read_to_end(&mut bytes)?;
	match bytes.len() == len {
		true => Ok(bytes),
		false => Err(FrameError::Truncated),
	}
}

//! Frames between a node and its worker.

use assay_worker_protocol::{
	blocking, check_hello, decode, encode, FrameError, Reply, Request, MAX_FRAME,
};
use codec::{DecodeAll, Encode};
use std::fmt::Debug;

/// Bytes of one message in either direction, or of a stream of frames.
///
/// Nothing panics; a message that is understood has one encoding; a stream ends with an error or
/// its end; and a peer is greeted only by its equal.
pub fn frames(data: &[u8]) {
	round_trip::<Request>(data);
	round_trip::<Reply>(data);
	if let Ok(hello) = check_hello(data) {
		assert_eq!(hello.encode(), data);
	}
	stream::<Request>(data);
	stream::<Reply>(data);
}

fn round_trip<T: DecodeAll + Encode + PartialEq + Debug>(data: &[u8]) {
	let Ok(message) = decode::<T>(data) else { return };
	assert_eq!(message.encode(), data, "a message has one encoding");
	match encode(&message) {
		Ok(frame) => {
			let received: T =
				blocking::receive(&mut &frame[..]).expect("what was sent is received");
			assert_eq!(received, message);
		}
		Err(FrameError::Length { .. }) => assert!(data.len() > MAX_FRAME as usize),
		Err(error) => panic!("{error}"),
	}
}

fn stream<T: DecodeAll + Encode>(mut data: &[u8]) {
	while !data.is_empty() {
		let before = data.len();
		if blocking::receive::<T>(&mut data).is_err() {
			break;
		}
		assert!(data.len() < before, "a frame takes bytes");
	}
}

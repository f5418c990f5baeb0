//! Messages over a tokio stream.
//!
//! A future that is dropped before it is ready may have sent or received part of a frame: close the
//! connection then.

use crate::{frame, FrameError, Hello, MAX_FRAME, MAX_HELLO};
use codec::{DecodeAll, Encode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Sends one message.
pub async fn send<S>(stream: &mut S, message: &impl Encode) -> Result<(), FrameError>
where
	S: AsyncWrite + Unpin,
{
	stream.write_all(&frame::encode(message)?).await?;
	Ok(stream.flush().await?)
}

/// Receives one message.
pub async fn receive<T: DecodeAll>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T, FrameError> {
	frame::decode(&receive_bytes(stream, MAX_FRAME).await?)
}

/// Greets the peer and checks its version. Both sides call this first.
pub async fn handshake(
	stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Hello, FrameError> {
	send(stream, &Hello::ours()).await?;
	frame::check_hello(&receive_bytes(stream, MAX_HELLO).await?)
}

async fn receive_bytes(
	stream: &mut (impl AsyncRead + Unpin),
	limit: u32,
) -> Result<Vec<u8>, FrameError> {
	let mut head = [0; 4];
	let mut have = 0;
	while have < head.len() {
		match stream.read(&mut head[have..]).await? {
			0 if have == 0 => return Err(FrameError::Closed),
			0 => return Err(FrameError::Truncated),
			len => have += len,
		}
	}
	let len = frame::length(head, limit)?;
	let mut bytes = Vec::new();
	stream.take(len as u64).read_to_end(&mut bytes).await?;
	match bytes.len() == len {
		true => Ok(bytes),
		false => Err(FrameError::Truncated),
	}
}

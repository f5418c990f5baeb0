//! Chunks of a verifier's trace.

use crate::honest::{folded, stateful};
use assay_commitments::{CHUNK_BYTES, MAX_PATH};
use assay_referee::sample::{check, SampledChunk};
use codec::{Decode, DecodeAll, Encode};

/// A chunk, two roots, and three paths with their lengths.
const MAX_CHUNK_BYTES: usize = CHUNK_BYTES + 2 * 32 + 3 * (1 + 32 * MAX_PATH);

/// Bytes of a chunk with its opening, as verdicts are opened with.
///
/// Decoding never panics and reads a bounded number of bytes; what is decoded encodes to the same
/// bytes. At every position of an honest run the one right opening is accepted, and nothing else.
pub fn sample(data: &[u8]) {
	let mut rest = data;
	let Ok(chunk) = SampledChunk::decode(&mut rest) else { return };
	let read = data.len() - rest.len();
	assert!(read <= MAX_CHUNK_BYTES, "{read} bytes were read");
	let bytes = chunk.encode();
	assert_eq!(bytes, data[..read], "a chunk has one encoding");
	assert_eq!(SampledChunk::decode_all(&mut &bytes[..]).as_ref(), Ok(&chunk));
	for run in [stateful(), folded()] {
		let root = run.record().run_root;
		for (position, honest) in run.all_chunks() {
			let accepted = check(&root, run, position, &chunk);
			assert_eq!(accepted, chunk == *honest, "at {position:?}");
		}
	}
}

//! Random bits.

use super::Source;
use crate::{simd::vectorised, Buffer};
use assay_ops::{philox4x32, DType};

/// Blocks that are computed side by side.
const LANES: usize = 16;

/// Words of a block.
const WORDS: usize = 4;

vectorised! {
	/// The blocks with the counters `(first .., 0, stream, step)`, one after the other.
	fn blocks[](key: [u32; 2], first: u32, stream: u32, step: u32, out: &mut [i32; LANES * WORDS]) {
		let mut words = [[0; WORDS]; LANES];
		for (lane, block) in words.iter_mut().enumerate() {
			*block = philox4x32(key, [first.wrapping_add(lane as u32), 0, stream, step]);
		}
		for (out, block) in out.chunks_exact_mut(WORDS).zip(words) {
			for (out, word) in out.iter_mut().zip(block) {
				*out = word as i32;
			}
		}
	}
}

/// [`assay_ops::Op::Philox`].
pub(super) fn philox(seed: &Source, step: &Source, stream: u32, len: usize) -> Buffer {
	let key = seed.numbers();
	let word = |values: &[i32], at: usize| values.get(at).map_or(0, |&value| value as u32);
	let (key, step) = ([word(&key, 0), word(&key, 1)], word(&step.numbers(), 0));
	// Chunks begin with a block: their length is a multiple of four.
	Buffer::fill(DType::I32, len, |start, out| {
		let first = (start / WORDS) as u32;
		let mut scratch = [0; LANES * WORDS];
		for (out, at) in out.chunks_mut(LANES * WORDS).zip((0..).step_by(LANES)) {
			blocks(key, first.wrapping_add(at), stream, step, &mut scratch);
			out.copy_from_slice(&scratch[..out.len()]);
		}
	})
}

//! Random bits.

use super::Source;
use crate::{simd::vectorised, Buffer};
use assay_ops::{philox4x32, DType};

/// Blocks that are computed side by side.
const LANES: usize = 16;

/// Words of a block.
const WORDS: usize = 4;

vectorised! {
	/// The blocks with the counters `(first .., 0, stream, step)`, word by word.
	fn blocks[](key: [u32; 2], first: u32, stream: u32, step: u32) -> [[u32; LANES]; WORDS] {
		let mut counter = [[0; LANES], [0; LANES], [stream; LANES], [step; LANES]];
		for (lane, word) in counter[0].iter_mut().enumerate() {
			*word = first.wrapping_add(lane as u32);
		}
		let mut words = [[0; LANES]; WORDS];
		for lane in 0..LANES {
			let block = philox4x32(key, counter.map(|words| words[lane]));
			for (words, word) in words.iter_mut().zip(block) {
				words[lane] = word;
			}
		}
		words
	}
}

/// Key and step of [`assay_ops::Op::Philox`].
pub(super) struct Generator {
	key: [u32; 2],
	step: u32,
	stream: u32,
}

impl Generator {
	pub(super) fn new(seed: &Source, step: &Source, stream: u32) -> Self {
		let key = seed.numbers();
		let word = |values: &[i32], at: usize| values.get(at).map_or(0, |&value| value as u32);
		Self { key: [word(&key, 0), word(&key, 1)], step: word(&step.numbers(), 0), stream }
	}

	/// The words from `start` on, which is the first one of a block.
	pub(super) fn fill(&self, start: usize, out: &mut [i32]) {
		let first = (start / WORDS) as u32;
		for (out, at) in out.chunks_mut(LANES * WORDS).zip((0..).step_by(LANES)) {
			let words = blocks(self.key, first.wrapping_add(at), self.stream, self.step);
			for (lane, out) in out.chunks_mut(WORDS).enumerate() {
				out.iter_mut().zip(words).for_each(|(out, words)| *out = words[lane] as i32);
			}
		}
	}
}

/// [`assay_ops::Op::Philox`].
pub(super) fn philox(seed: &Source, step: &Source, stream: u32, len: usize) -> Buffer {
	let generator = Generator::new(seed, step, stream);
	// Chunks begin with a block: their length is a multiple of four.
	Buffer::fill(DType::I32, len, |start, out| generator.fill(start, out))
}

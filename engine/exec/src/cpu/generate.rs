//! What follows from positions alone: themselves, and random bits.

use super::{moves::after, Evaluation, Source};
use crate::{simd::vectorised, Buffer, ExecError};
use assay_ops::{DType, Generate, Shape};

pub(super) fn evaluate(op: Generate, call: &Evaluation) -> Result<Buffer, ExecError> {
	match op {
		Generate::Iota { axis, .. } => {
			let [] = call.exactly()?;
			Ok(iota(call.shape, axis))
		}
		Generate::Philox { stream, .. } => {
			let [seed, step] = call.exactly()?;
			Ok(philox(seed, step, stream, call.len()))
		}
	}
}

/// [`assay_ops::Op::Iota`].
fn iota(shape: &Shape, axis: u8) -> Buffer {
	let (inner, dim) = (after(shape, axis), shape.dims()[usize::from(axis)] as usize);
	Buffer::fill(DType::I32, shape.elements() as usize, |start, out| {
		let (mut position, mut left) = (start / inner % dim, inner - start % inner);
		for out in out {
			*out = position as i32;
			left -= 1;
			if left == 0 {
				left = inner;
				position = if position + 1 == dim { 0 } else { position + 1 };
			}
		}
	})
}

/// Blocks that are computed side by side.
const LANES: usize = 16;

/// Words of a block.
const WORDS: usize = 4;

/// Constants of the generator, see [`assay_ops::philox4x32`], whose results these loops must have.
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

vectorised! {
	/// The blocks with the counters `(first .., 0, stream, step)`, one after the other.
	fn blocks[](key: [u32; 2], first: u32, stream: u32, step: u32, out: &mut [i32; LANES * WORDS]) {
		let [mut key0, mut key1] = key;
		let (mut a, mut b, mut c, mut d) = ([0; LANES], [0; LANES], [stream; LANES], [step; LANES]);
		for (lane, a) in a.iter_mut().enumerate() {
			*a = first.wrapping_add(lane as u32);
		}
		for _ in 0..ROUNDS {
			for lane in 0..LANES {
				let product0 = u64::from(MULTIPLIERS[0]) * u64::from(a[lane]);
				let product1 = u64::from(MULTIPLIERS[1]) * u64::from(c[lane]);
				a[lane] = (product1 >> 32) as u32 ^ b[lane] ^ key0;
				b[lane] = product1 as u32;
				c[lane] = (product0 >> 32) as u32 ^ d[lane] ^ key1;
				d[lane] = product0 as u32;
			}
			key0 = key0.wrapping_add(WEYL[0]);
			key1 = key1.wrapping_add(WEYL[1]);
		}
		for lane in 0..LANES {
			out[lane * WORDS] = a[lane] as i32;
			out[lane * WORDS + 1] = b[lane] as i32;
			out[lane * WORDS + 2] = c[lane] as i32;
			out[lane * WORDS + 3] = d[lane] as i32;
		}
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
		let mut scratch = [0; LANES * WORDS];
		for (out, at) in out.chunks_mut(LANES * WORDS).zip((0..).step_by(LANES)) {
			let first = first.wrapping_add(at);
			match out.try_into() {
				Ok(out) => blocks(self.key, first, self.stream, self.step, out),
				Err(_) => {
					blocks(self.key, first, self.stream, self.step, &mut scratch);
					out.copy_from_slice(&scratch[..out.len()]);
				}
			}
		}
	}
}

/// [`assay_ops::Op::Philox`].
fn philox(seed: &Source, step: &Source, stream: u32, len: usize) -> Buffer {
	let generator = Generator::new(seed, step, stream);
	// Chunks begin with a block: their length is a multiple of four.
	Buffer::fill(DType::I32, len, |start, out| generator.fill(start, out))
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_testing::{Draw, Rng};

	#[test]
	fn words_should_equal_the_definition_when_counters_and_keys_are_extreme() {
		let mut rng = Rng::seeded("philox");
		for len in [1, 3, 4, 63, 64, 65, 200] {
			for at in 0..50 {
				let mut word = || match rng.below(3) {
					0 => u32::MAX,
					1 => 0,
					_ => rng.bits() as u32,
				};
				let generator = Generator { key: [word(), word()], step: word(), stream: word() };
				let mut found = vec![0; len];
				let start = at * 1024;
				generator.fill(start, &mut found);
				let Generator { key, step, stream } = generator;
				let expected: Vec<i32> = (start..start + len)
					.map(|at| {
						let block = (at / WORDS) as u32;
						assay_ops::philox4x32(key, [block, 0, stream, step])[at % WORDS] as i32
					})
					.collect();
				assert_eq!(found, expected, "{len} from {start}");
			}
		}
	}
}

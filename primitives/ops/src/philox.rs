//! The counter-based random generator Philox4x32-10.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, and
//! its implementation Random123, whose known answers are in the tests.

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: u32 = 10;

/// The block of four words at `counter` under `key`.
pub fn philox4x32(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
	for _ in 0..ROUNDS {
		let [a, b, c, d] = counter;
		let product = |multiplier: u32, word: u32| {
			let wide = multiplier as u64 * word as u64;
			((wide >> 32) as u32, wide as u32)
		};
		let ((high0, low0), (high1, low1)) =
			(product(MULTIPLIERS[0], a), product(MULTIPLIERS[1], c));
		counter = [high1 ^ b ^ key[0], low1, high0 ^ d ^ key[1], low0];
		key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
	}
	counter
}

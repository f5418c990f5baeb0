//! Mutations of a corpus, all from one seed.

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
	/// The next 64 bits.
	pub fn bits(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
		z ^ (z >> 31)
	}

	/// A number below `bound`, or 0 where that is 0.
	pub fn below(&mut self, bound: usize) -> usize {
		(self.bits() % bound.max(1) as u64) as usize
	}
}

/// Numbers at which things tend to break, as little-endian bytes.
const EDGES: &[&[u8]] = &[
	&[0],
	&[0xff],
	&[0x7f],
	&[0x80],
	&[0xff, 0xff],
	&[0xff, 0xff, 0xff, 0x7f],
	&[0xff, 0xff, 0xff, 0xff],
	// Compact lengths: the largest of two and of four bytes, and one of big-integer mode.
	&[0xfd, 0xff],
	&[0xfe, 0xff, 0xff, 0xff],
	&[0x03, 0xff, 0xff, 0xff, 0xff],
];

/// One to four changes of `seed`, some of them with bytes of `other`.
pub fn mutate(rng: &mut Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
	let mut bytes = seed.to_vec();
	for _ in 0..1 + rng.below(4) {
		let at = rng.below(bytes.len() + 1);
		match rng.below(8) {
			0 if !bytes.is_empty() => {
				let at = rng.below(bytes.len());
				bytes[at] ^= 1 << rng.below(8);
			}
			1 if !bytes.is_empty() => {
				let at = rng.below(bytes.len());
				bytes[at] = rng.bits() as u8;
			}
			2 => bytes.truncate(at),
			3 => {
				let end = (at + 1 + rng.below(16)).min(bytes.len());
				bytes.drain(at.min(end)..end);
			}
			4 => {
				let some: Vec<u8> = (0..1 + rng.below(8)).map(|_| rng.bits() as u8).collect();
				bytes.splice(at..at, some);
			}
			5 => {
				let edge = EDGES[rng.below(EDGES.len())];
				let end = (at + edge.len()).min(bytes.len());
				bytes.splice(at..end, edge.iter().copied());
			}
			6 => {
				let from = rng.below(other.len());
				let to = (from + 1 + rng.below(64)).min(other.len());
				let end = (at + to - from).min(bytes.len());
				bytes.splice(at.min(end)..end, other[from..to].iter().copied());
			}
			_ => {
				let end = (at + 1 + rng.below(32)).min(bytes.len());
				let copy = bytes[at.min(end)..end].to_vec();
				bytes.splice(at..at, copy);
			}
		}
	}
	bytes
}

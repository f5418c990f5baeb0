//! Tests of the parts together; each file has an idea of its own.

mod fetching;
mod hostile;
mod keeping;
mod serving;
mod simulation;
mod starving;

use assay_blobs::{BlobStore, Hash, Options};
use std::{sync::Arc, time::Duration};

/// A small generator of reproducible numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
	/// From `ASSAY_SEED`, or of a seed that differs every time; printed in both cases.
	pub fn new(test: &str) -> Self {
		let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
		let seed = std::env::var("ASSAY_SEED").ok().and_then(|seed| seed.parse().ok());
		let seed = seed.unwrap_or(time.as_nanos() as u64);
		println!("{test}: ASSAY_SEED={seed}");
		Self(seed)
	}

	pub fn next(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let mut z = self.0;
		z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
		z ^ (z >> 31)
	}

	pub fn below(&mut self, limit: usize) -> usize {
		(self.next() % limit.max(1) as u64) as usize
	}

	pub fn bytes(&mut self, len: usize) -> Vec<u8> {
		let mut bytes: Vec<u8> =
			(0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
		bytes.truncate(len);
		bytes
	}
}

/// Reproducible bytes.
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
	Random(seed).bytes(len)
}

pub fn root_of(bytes: &[u8]) -> Hash {
	*blake3::hash(bytes).as_bytes()
}

pub fn store(dir: &tempfile::TempDir) -> Arc<BlobStore> {
	let options = Options { grace: Duration::ZERO, ..Options::with_quota(1 << 30) };
	Arc::new(BlobStore::open_with(dir.path().join("blobs"), options).unwrap())
}

//! What a run of the stand-in's program gives.

use super::{AccountId, ANCHOR_TILES};
use crate::Chunks;
use assay_commitments::{
	open_outputs, run_root, tensor_root, trace_root, OutputsOpening, RunShape, CHUNK_BYTES,
};
use assay_market::Hash;
use assay_referee::sample;

/// A run; runs of different tags differ everywhere.
#[derive(Clone)]
pub struct Run {
	/// Tag and number of every step.
	steps: Vec<(u8, u32)>,
	traces: Vec<Hash>,
	anchors: Vec<Hash>,
}
impl Run {
	pub fn new(tag: u8, steps: u32) -> Self {
		Self::of((0..steps).map(|step| (tag, step)).collect())
	}
	fn of(steps: Vec<(u8, u32)>) -> Self {
		let anchors = |(tag, step)| Self::anchors(tag, step);
		let last = *steps.last().expect("a run has steps");
		Self {
			traces: steps.iter().map(|at| trace_root(&anchors(*at))).collect(),
			anchors: anchors(last),
			steps,
		}
	}
	/// The same with these steps of another tag.
	pub fn with(&self, tag: u8, steps: core::ops::Range<u32>) -> Self {
		let other = |&(own, at): &(u8, u32)| (if steps.contains(&at) { tag } else { own }, at);
		Self::of(self.steps.iter().map(other).collect())
	}
	/// A stretch of it, as its verifier replays it.
	pub fn part(&self, steps: core::ops::Range<u32>) -> Self {
		Self::of(self.steps[steps.start as usize..steps.end as usize].to_vec())
	}
	pub fn traces(&self) -> &[Hash] {
		&self.traces
	}
	fn tensor(tag: u8, step: u32, anchor: u32) -> Vec<u8> {
		let seed = [tag, step as u8, anchor as u8];
		let tiles = 0..ANCHOR_TILES[anchor as usize] as u8;
		tiles
			.flat_map(|tile| sp_io::hashing::blake2_256(&[&seed[..], &[tile]].concat()).repeat(32))
			.collect()
	}
	fn anchors(tag: u8, step: u32) -> Vec<Hash> {
		(0..4).map(|anchor| tensor_root(&Self::tensor(tag, step, anchor))).collect()
	}
	pub fn root(&self) -> Hash {
		run_root(&self.traces)
	}
	pub fn opening(&self) -> OutputsOpening {
		open_outputs(&self.traces, &self.anchors, &[3, 1]).expect("positions exist")
	}
	pub fn outputs(&self) -> Vec<Hash> {
		vec![self.anchors[3], self.anchors[1]]
	}
	/// The chunks of this run at the positions that `seed` gives to an account.
	pub fn chunks(&self, seed: &Hash, who: &AccountId) -> Chunks {
		sample::open_all(
			seed,
			who.as_ref(),
			self,
			&self.traces,
			|step| {
				let (tag, step) = self.steps[step as usize];
				Some(Self::anchors(tag, step))
			},
			|step, anchor| {
				let (tag, step) = self.steps[step as usize];
				Some(Self::tensor(tag, step, anchor))
			},
		)
		.expect("positions exist")
		.try_into()
		.expect("as many as are asked for")
	}
}
impl RunShape for Run {
	fn steps(&self) -> u32 {
		self.traces.len() as u32
	}
	fn anchors(&self) -> u32 {
		4
	}
	fn tiles(&self, anchor: u32) -> Option<u64> {
		ANCHOR_TILES.get(anchor as usize).copied()
	}
}
const _: () = assert!(CHUNK_BYTES == 32 * 32);
/// The right result.
pub fn right() -> Run {
	Run::new(1, 1)
}
/// A wrong one.
pub fn wrong() -> Run {
	Run::new(2, 1)
}
pub const SALT: Hash = [0x5a; 32];

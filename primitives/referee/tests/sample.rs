//! Samples of a verifier's trace: which chunks are asked for, and that no others pass.

use assay_commitments::{run_root, tensor_root, trace_root, Hash, RunShape, CHUNK_BYTES};
use assay_referee::sample::{
	check, check_all, open_all, open_chunk, positions, Position, SampledChunk, SAMPLED_CHUNKS,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A run whose chunks all differ.
#[derive(Clone, Debug)]
struct Run {
	steps: u32,
	tiles: Vec<u64>,
}

impl RunShape for Run {
	fn steps(&self) -> u32 {
		self.steps
	}
	fn anchors(&self) -> u32 {
		self.tiles.len() as u32
	}
	fn tiles(&self, anchor: u32) -> Option<u64> {
		self.tiles.get(anchor as usize).copied()
	}
}

impl Run {
	fn tensor(&self, step: u32, anchor: u32) -> Vec<u8> {
		let mut bytes = vec![0; self.tiles[anchor as usize] as usize * CHUNK_BYTES];
		for (tile, chunk) in bytes.chunks_mut(CHUNK_BYTES).enumerate() {
			chunk[..4].copy_from_slice(&step.to_le_bytes());
			chunk[4..8].copy_from_slice(&anchor.to_le_bytes());
			chunk[8..16].copy_from_slice(&tile.to_le_bytes());
		}
		bytes
	}
	fn anchor_roots(&self, step: u32) -> Vec<Hash> {
		(0..self.anchors()).map(|anchor| tensor_root(&self.tensor(step, anchor))).collect()
	}
	fn traces(&self) -> Vec<Hash> {
		(0..self.steps).map(|step| trace_root(&self.anchor_roots(step))).collect()
	}
	fn open(&self, seed: &Hash, account: &[u8; 32]) -> Vec<SampledChunk> {
		let traces = self.traces();
		open_all(
			seed,
			account,
			self,
			&traces,
			|step| Some(self.anchor_roots(step)),
			|step, anchor| Some(self.tensor(step, anchor)),
		)
		.expect("positions exist")
	}
	fn open_at(&self, at: &Position) -> SampledChunk {
		let tensor = self.tensor(at.step, at.anchor);
		open_chunk(at, &self.traces(), &self.anchor_roots(at.step), &tensor).expect("exists")
	}
}

fn run() -> impl Strategy<Value = Run> {
	(1..5u32, proptest::collection::vec(1..12u64, 1..6))
		.prop_map(|(steps, tiles)| Run { steps, tiles })
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

	#[test]
	fn sampled_chunks_should_pass_when_they_are_the_runs_own(
		run in run(), seed in any::<Hash>(), account in any::<[u8; 32]>()
	) {
		let root = run_root(&run.traces());
		let sampled = run.open(&seed, &account);
		prop_assert!(check_all(&root, &run, &seed, &account, &sampled));
		let at = positions(&seed, &account, &run).expect("a run with steps and anchors");
		for position in at {
			prop_assert!(position.step < run.steps && position.anchor < run.anchors());
			prop_assert!(position.tile < run.tiles[position.anchor as usize]);
		}
		// As few or as many as are asked for, of this run.
		prop_assert!(!check_all(&root, &run, &seed, &account, &sampled[1..]));
		prop_assert!(!check_all(&root, &run, &seed, &account, &[]));
		let more = [&sampled[..], &sampled[..1]].concat();
		prop_assert!(!check_all(&root, &run, &seed, &account, &more));
		prop_assert!(!check_all(&tensor_root(&seed), &run, &seed, &account, &sampled));
	}

	#[test]
	fn sampled_chunk_should_pass_nowhere_else_when_it_is_right(
		run in run(), seed in any::<Hash>(), byte in 0..CHUNK_BYTES, root_byte in 0..32usize
	) {
		let root = run_root(&run.traces());
		let at = positions(&seed, &[1; 32], &run).expect("positions exist")[0];
		let sampled = run.open_at(&at);
		prop_assert!(check(&root, &run, &at, &sampled));
		for step in 0..run.steps + 1 {
			for anchor in 0..run.anchors() + 1 {
				let tiles = run.tiles(anchor).unwrap_or(1);
				for tile in 0..tiles + 1 {
					let other = Position { step, anchor, tile };
					prop_assert_eq!(check(&root, &run, &other, &sampled), other == at);
				}
			}
		}
		let mut forged = [sampled.clone(), sampled.clone(), sampled.clone(), sampled];
		forged[0].chunk[byte] ^= 1;
		forged[1].opening.trace.0[root_byte] ^= 1;
		forged[2].opening.anchor.0[root_byte] ^= 1;
		forged[3].opening.tile.siblings.push([0; 32]);
		for forged in &forged {
			prop_assert!(!check(&root, &run, &at, forged));
		}
	}
}

#[test]
fn positions_should_differ_when_seed_or_account_does() {
	let run = Run { steps: 1_000, tiles: vec![1_000; 100] };
	let at = |seed: u8, account: u8| positions(&[seed; 32], &[account; 32], &run).expect("exist");
	assert_eq!(at(1, 2), at(1, 2));
	let all: BTreeSet<_> = [at(1, 2), at(1, 3), at(2, 2), at(2, 1)]
		.iter()
		.flatten()
		.map(|position| (position.step, position.anchor, position.tile))
		.collect();
	assert_eq!(all.len(), 4 * SAMPLED_CHUNKS);
}

/// Step and anchor are uniform, whatever their sizes; a tile is as likely as another of its anchor.
#[test]
fn positions_should_cover_everything_evenly_when_there_are_many() {
	let run = Run { steps: 3, tiles: vec![1, 4, 16] };
	let (mut steps, mut anchors, mut tiles) = ([0u32; 3], [0u32; 3], [0u32; 16]);
	for index in 0..6_000u32 {
		let mut account = [0; 32];
		account[..4].copy_from_slice(&index.to_le_bytes());
		for at in positions(&[7; 32], &account, &run).expect("exist") {
			steps[at.step as usize] += 1;
			anchors[at.anchor as usize] += 1;
			if at.anchor == 2 {
				tiles[at.tile as usize] += 1;
			}
		}
	}
	for count in steps.iter().chain(&anchors) {
		assert!((3_750..=4_250).contains(count), "{steps:?} {anchors:?}");
	}
	assert!(tiles.iter().all(|count| (185..=315).contains(count)), "{tiles:?}");
}

#[test]
fn positions_should_be_none_when_a_run_has_nothing_to_show() {
	for (steps, tiles) in [(0, vec![1]), (1, vec![]), (1, vec![0])] {
		let run = Run { steps, tiles };
		assert_eq!(positions(&[1; 32], &[2; 32], &run), None);
		assert!(!check_all(&[0; 32], &run, &[1; 32], &[2; 32], &[]));
	}
}

//! Hostile bytes, and the sizes that the program check promises.

mod common;

use assay_commitments::{Path, MAX_PATH};
use assay_ops::{DType, TensorType};
use assay_program::{Limits, ProgramBuilder};
use assay_referee::{
	judge, Accusation, ProofPart, RootsOpening, Ruling, TilesOpening, MAX_OPERANDS, MAX_PART_BYTES,
	MAX_ROOTS, MAX_TILES,
};
use assay_testing::Rng;
use codec::{Compact, Decode, DecodeWithMemLimit, Encode, Error, Input};
use common::*;
use proptest::prelude::*;

fn empty() -> ProofPart {
	let hash = ([0; 32], Path::default());
	ProofPart {
		accusation: Accusation { step: 0, node: 0, tile: 0 },
		part: 0,
		trace: hash.clone(),
		before: None,
		claimed: hash,
		anchors: RootsOpening::default(),
		lazy: RootsOpening::default(),
		states: RootsOpening::default(),
		operands: vec![],
	}
}

/// Bytes without end, that say nothing of their length; counts what is read and what is announced.
struct Endless {
	head: Vec<u8>,
	at: usize,
	announced: usize,
}

impl Input for Endless {
	fn remaining_len(&mut self) -> Result<Option<usize>, Error> {
		Ok(None)
	}

	fn read(&mut self, into: &mut [u8]) -> Result<(), Error> {
		for byte in into {
			*byte = self.head.get(self.at).copied().unwrap_or(0xfc);
			self.at += 1;
		}
		Ok(())
	}

	fn on_before_alloc_mem(&mut self, size: usize) -> Result<(), Error> {
		self.announced += size;
		Ok(())
	}
}

#[test]
fn part_should_be_read_no_further_than_its_bound_when_bytes_never_end() {
	let start = empty().encode();
	// Up to each of the lists, then an endless one.
	for keep in [start.len() - 1, start.len() - 3, start.len() - 5, start.len() - 7, 0, 20, 52] {
		for byte in [1, 2, 0xfc, 0xfe, 0xff] {
			let head = [&start[..keep], &[byte; 4]].concat();
			let mut input = Endless { head, at: 0, announced: 0 };
			let decoded = ProofPart::decode(&mut input);
			assert!(decoded.is_err() || byte < 0xfe, "{keep} {byte:x}");
			assert!(input.at <= MAX_PART_BYTES + 4, "{} bytes were read", input.at);
			assert!(input.announced <= 4 * MAX_PART_BYTES, "{} announced", input.announced);
		}
	}
}

#[test]
fn part_should_be_refused_when_a_list_is_longer_than_it_may_be() {
	let len = |len: usize| Compact(len as u32).encode();
	let hashes = |count: usize| [len(count), vec![7; count * 32]].concat();
	let tiles = |bytes: usize| [len(bytes), vec![1; bytes], len(0)].concat();
	assert!(TilesOpening::decode(&mut &tiles(MAX_TILES * 1024)[..]).is_ok());
	assert!(TilesOpening::decode(&mut &tiles(MAX_TILES * 1024 + 1)[..]).is_err());
	assert!(RootsOpening::decode(&mut &[hashes(MAX_ROOTS), len(0)].concat()[..]).is_ok());
	assert!(RootsOpening::decode(&mut &[hashes(MAX_ROOTS + 1), len(0)].concat()[..]).is_err());
	let mut part = empty();
	part.operands = vec![TilesOpening::default(); MAX_OPERANDS];
	assert!(ProofPart::decode(&mut &part.encode()[..]).is_ok());
	part.operands.push(TilesOpening::default());
	assert!(ProofPart::decode(&mut &part.encode()[..]).is_err());
	part = empty();
	part.trace.1.siblings = vec![[1; 32]; MAX_PATH + 1];
	assert!(ProofPart::decode(&mut &part.encode()[..]).is_err());
	// Every list is short enough, all together are not.
	part = empty();
	part.operands = vec![TilesOpening { tiles: vec![5; 1024], siblings: vec![] }; 590];
	assert!(part.encode().len() < MAX_PART_BYTES);
	assert_eq!(ProofPart::decode(&mut &part.encode()[..]).as_ref(), Ok(&part));
	part.operands.extend(vec![part.operands[0].clone(); 20]);
	assert!(part.encode().len() > MAX_PART_BYTES);
	assert!(ProofPart::decode(&mut &part.encode()[..]).is_err());
}

#[test]
fn part_should_be_decoded_within_a_memory_limit_when_its_length_is_no_lie() {
	let mut part = empty();
	part.operands = vec![TilesOpening { tiles: vec![5; 1024], siblings: vec![[1; 32]; 20] }; 300];
	let bytes = part.encode();
	assert!(ProofPart::decode_with_mem_limit(&mut &bytes[..], 2 * bytes.len()).is_ok());
	assert!(ProofPart::decode_with_mem_limit(&mut &bytes[..], bytes.len() / 2).is_err());
}

#[test]
fn frame_of_the_largest_proof_should_be_within_what_the_check_counts_for_it() {
	// PROOF_BYTES in the program check: all but the operands and what they add.
	let path = |len: usize| Path { siblings: vec![[1; 32]; len] };
	let mut part = empty();
	part.trace.1 = path(32);
	part.before = Some(([0; 32], path(32)));
	part.claimed.1 = path(31);
	part.anchors = RootsOpening { roots: vec![[1; 32]], siblings: vec![[1; 32]; 12] };
	let lengths = 7 * 4;
	assert!(part.encode().len() + lengths <= 4096);
	// ROOT_PATH_BYTES: one operand without its tiles and their siblings.
	let operand = TilesOpening::default().encode().len() + 2 * 4 + 32 + 12 * 32;
	assert!(operand <= 512);
}

#[test]
fn largest_part_should_be_judged_in_a_fraction_of_a_block() {
	// K = 4,096: 256 operand tiles in one part, about as much as the program check admits.
	let mut b = ProgramBuilder::new();
	let ty = TensorType::new(DType::I8, &[32, 4096]).unwrap();
	let (x, w) = (b.input("x", ty), b.input("w", ty));
	let sums = b.matmul(x, w);
	b.output("y", sums);
	let job = Job::new(&mut Rng::new(1), b.build().unwrap(), &Limits::V1, 1).unwrap();
	let run = job.honest();
	let (parts, _) = proof(&job, &run, job.accusation(0, 0, 3));
	assert_eq!((parts.len(), parts[0].operands[0].tiles.len()), (1, 128 * 1024));
	let bytes = parts[0].encode();
	let start = std::time::Instant::now();
	let part = ProofPart::decode(&mut &bytes[..]).unwrap();
	assert_eq!(judge(&job.record(run.root), None, &part), Ok(Ruling::Right));
	let took = start.elapsed();
	println!("{} bytes judged in {took:?}", bytes.len());
	assert!(took.as_millis() < 200, "{took:?}");
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

	#[test]
	fn bytes_should_be_judged_without_panic_when_they_are_noise(
		seed: u64, noise in prop::collection::vec(any::<u8>(), 0..3000), from: prop::sample::Index,
	) {
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { return Ok(()) };
		let run = job.honest();
		let _ = ProofPart::decode(&mut &noise[..]);
		// Noise after a true beginning.
		let true_part = proof(&job, &run, job.any(&mut rng)).0.swap_remove(0);
		let mut bytes = true_part.encode();
		let from = from.index(bytes.len());
		bytes.truncate(from);
		bytes.extend(noise);
		if let Ok(part) = ProofPart::decode(&mut &bytes[..]) {
			for kept in [None, Some(vec![i64::MIN; 1024]), Some(vec![i64::MAX; part.anchors.roots.len()])] {
				let ruling = judge(&job.record(run.root), kept, &part);
				prop_assert!(ruling.is_err() || part == true_part, "{:?}", ruling);
				prop_assert_ne!(ruling, Ok(Ruling::Fraud));
			}
		}
	}

	#[test]
	fn accumulators_should_be_taken_without_panic_when_they_are_extreme(seed: u64, value: i64) {
		// A sound chain keeps only what the referee gave it; nothing overflows all the same.
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { return Ok(()) };
		let run = job.honest();
		for part in &proof(&job, &run, job.any(&mut rng)).0[1..] {
			for value in [value, i64::MIN, i64::MAX] {
				for len in [1, 2, 3, 1024] {
					let _ = judge(&job.record(run.root), Some(vec![value; len]), part);
				}
			}
		}
	}
}

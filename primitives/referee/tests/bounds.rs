//! What the check promises about the referee's heap, and that it does not depend on what a proof
//! says: random programs, and such that are made to be hard, judged under an allocator that counts.
//!
//! The runtime's allocator gives no more than 32 MiB at once. Its lists are never longer than here,
//! where a place takes eight bytes instead of four.

mod common;

use assay_commitments::Path;
use assay_program::{AnchorPlan, Limits, RefereeCost};
use assay_referee::{
	judge, Accusation, ProofError, ProofPart, Record, RootsOpening, Ruling, TilesOpening,
};
use assay_testing::{
	hard::{readers_of_a_table, HARD},
	meter::{taken, Meter, Taken},
	stage::Stage,
};
use codec::Encode;
use common::{limits, proof, Draw, Job, Rng};
use proptest::prelude::*;

#[global_allocator]
static METER: Meter = Meter;

/// Most that the runtime's allocator gives at once.
const LARGEST_ALLOCATION: usize = 1 << 25;

fn judged(
	record: &Record,
	kept: &Option<Vec<i64>>,
	part: &ProofPart,
) -> (Result<Ruling, ProofError>, Taken) {
	let kept = kept.clone();
	taken(|| judge(record, kept, part))
}

fn holds(cost: &RefereeCost, taken: &Taken, what: &str) {
	assert!(taken.peak <= cost.scratch, "{what}: {taken:?} but {cost:?}");
	assert!(taken.largest < LARGEST_ALLOCATION / 8, "{what}: {taken:?}");
}

/// A part in which something is wrong.
fn wrong(rng: &mut Rng, part: &ProofPart) -> ProofPart {
	let mut part = part.clone();
	let flip = |rng: &mut Rng, bytes: &mut [u8]| {
		if !bytes.is_empty() {
			bytes[rng.below_u32(bytes.len() as u32) as usize] ^= 1 << rng.below_u32(8);
		}
	};
	let operands = part.operands.len() as u32;
	let at = rng.below_u32(operands.max(1)) as usize;
	match rng.below_u32(9) {
		0 => flip(rng, &mut part.trace.0),
		1 => flip(rng, &mut part.claimed.0),
		2 => flip(rng, part.anchors.roots.last_mut().unwrap_or(&mut [0; 32])),
		3 => part.anchors.roots.push([3; 32]),
		4 => part.accusation.tile ^= 1,
		5 if operands > 0 => flip(rng, &mut part.operands[at].tiles),
		6 if operands > 0 => drop(part.operands.remove(at)),
		7 if operands > 0 => part.operands[at].tiles.extend([9; 1024]),
		_ => part.operands.push(TilesOpening { tiles: vec![1; 1024], siblings: vec![] }),
	}
	part
}

/// Bytes of a proof of which nothing stands: it names a tile, and that is all.
fn garbage(accusation: Accusation, part: u32) -> ProofPart {
	ProofPart {
		accusation,
		part,
		trace: ([0; 32], Path::default()),
		before: None,
		claimed: ([0; 32], Path::default()),
		anchors: RootsOpening::default(),
		lazy: RootsOpening::default(),
		states: RootsOpening::default(),
		operands: vec![],
	}
}

/// Judges all parts of a proof, wrong ones in their places, and garbage. Gives the largest share of
/// the scratch that one of them took, in percent.
fn parts_hold(rng: &mut Rng, record: &Record, cost: &RefereeCost, parts: &[ProofPart]) -> u64 {
	let mut kept = None;
	let mut most = 0;
	for part in parts {
		for _ in 0..4 {
			let wrong = wrong(rng, part);
			if wrong == *part {
				continue;
			}
			let (ruling, taken) = judged(record, &kept, &wrong);
			assert!(ruling.is_err() || wrong.accusation != part.accusation, "{ruling:?}");
			holds(cost, &taken, "a wrong part");
		}
		let (ruling, taken) = judged(record, &kept, &garbage(part.accusation, part.part));
		assert!(ruling.is_err());
		assert!(taken.peak <= 16 * 1024 + kept.as_ref().map_or(0, |k| 8 * k.len() as u64));
		let (ruling, taken) = judged(record, &kept, part);
		holds(cost, &taken, "a part");
		most = most.max(100 * taken.peak / cost.scratch);
		if let Ok(Ruling::Continue(next)) = ruling {
			kept = Some(next);
		}
	}
	most
}

#[test]
fn hard_programs_should_be_judged_within_their_scratch_or_refused() {
	let seed = std::env::var("ASSAY_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
	println!("ASSAY_SEED={seed}");
	let mut rng = Rng::new(seed);
	for hard in HARD {
		let refused = (hard.make)(hard.most).check(&Limits::V1);
		if let Err(error) = &refused {
			assert!(hard.refusal_is_useful(&(hard.make)(hard.most), error), "{error:?}");
		}
		let Some((size, program)) = hard.largest(&Limits::V1) else {
			println!("{}: refused", hard.name);
			continue;
		};
		for limits in [Limits::V1, Limits { part_bytes: 60_000, ..Limits::V1 }] {
			let Ok(checked) = program.check(&limits) else { continue };
			let node = checked.anchors[checked.output_anchors[0] as usize];
			let cost = checked.anchor_cost(node).unwrap().cost;
			let last = checked.types[node as usize].tiles() - 1;
			for tile in [0, last] {
				let stage = Stage::new(program.clone(), &checked, node, tile);
				let bytes = stage.parts.iter().map(Encode::encoded_size).max().unwrap() as u64;
				assert!(bytes <= cost.part_bytes, "{}: {bytes} > {cost:?}", hard.name);
				let share = parts_hold(&mut rng, &stage.record(), &cost, &stage.parts);
				println!(
					"{}, size {size} of {}: {} parts, {share} % of {} bytes of scratch",
					hard.name, hard.most, cost.parts, cost.scratch,
				);
			}
		}
	}
}

#[test]
fn table_with_many_readers_should_be_refused_or_judged_within_its_scratch() {
	// 253 readers of one virtual table of 16,385 entries once had 33 MB of lists.
	let limits = Limits { part_nanoseconds: u64::MAX, ..Limits::V1 };
	for readers in [1, 20, 125, 252, 253] {
		let program = readers_of_a_table(readers, 16_385, false);
		let checked = program.check(&limits).unwrap();
		let node = checked.anchors[0];
		let cost = checked.anchor_cost(node).unwrap().cost;
		let stage = Stage::new(program, &checked, node, 0);
		let share = parts_hold(&mut Rng::new(1), &stage.record(), &cost, &stage.parts);
		println!("{readers} readers: {share} % of {} bytes", cost.scratch);
	}
}

#[test]
fn check_should_take_bounded_room_when_a_program_is_hard_on_it() {
	for hard in HARD {
		for size in [1, hard.most / 3, hard.most] {
			let program = (hard.make)(size.max(1));
			let ((), taken) = taken(|| drop(program.check(&Limits::V1)));
			assert!(taken.peak < 16 << 20, "{} of size {size}: {taken:?}", hard.name);
			assert!(taken.largest < LARGEST_ALLOCATION / 8, "{}: {taken:?}", hard.name);
		}
	}
}

#[test]
fn walk_should_end_in_an_error_when_plans_are_of_no_check_within_the_limits() {
	// As it would be for a program that an older check admitted.
	let free = Limits { scratch: u64::MAX, part_nanoseconds: u64::MAX, ..Limits::V1 };
	let mut b = assay_program::ProgramBuilder::new();
	let ty = |dims: &[u32]| assay_ops::TensorType::new(assay_ops::DType::I8, dims).unwrap();
	let x = b.input("x", ty(&[300_000]));
	let mut y = b.shift(x, 1, assay_ops::DType::I8);
	for _ in 0..200 {
		y = b.add(y, y, assay_ops::DType::I8);
	}
	let sum = b.reduce_sum(y, 0, assay_ops::DType::I32);
	b.output("y", sum);
	let program = b.build().unwrap();
	let checked = program.check(&free).unwrap();
	assert!(program.check(&Limits::V1).is_err());
	let plans: Vec<AnchorPlan> = checked
		.plans()
		.into_iter()
		.map(|plan| AnchorPlan { parts: 1, slice: 300_000, ..plan })
		.collect();
	let readmitted = program.readmit(&plans).unwrap();
	let node = readmitted.anchors[0];
	let (found, taken) =
		taken(|| assay_program::anchor_needs(&program, &readmitted, node, 0, 0).map(|_| ()));
	assert!(matches!(found, Err(assay_program::RecomputeError::TooMuch { .. })), "{found:?}");
	assert!(taken.peak < 16 << 20, "{taken:?}");
}

#[test]
fn garbage_should_cost_next_to_nothing_whatever_it_accuses() {
	let program = readers_of_a_table(60, 16_385, false);
	let checked = program.check(&Limits { part_nanoseconds: u64::MAX, ..Limits::V1 }).unwrap();
	let node = checked.anchors[0];
	let stage = Stage::new(program, &checked, node, 0);
	let (record, right) = (stage.record(), &stage.parts[0]);
	// One opening after the other is added; all but the operands are seen before anything is
	// derived.
	let empty = garbage(right.accusation, 0);
	assert!(empty.encoded_size() <= 213);
	let trace = ProofPart { trace: right.trace.clone(), ..empty.clone() };
	let root = ProofPart { anchors: right.anchors.clone(), ..trace.clone() };
	let early =
		[(empty, ProofError::Trace), (trace, ProofError::Anchors), (root, ProofError::Claimed)];
	for (part, error) in early {
		let (ruling, taken) = judged(&record, &None, &part);
		assert_eq!(ruling, Err(error));
		assert!(taken.peak <= 4096 && taken.asked < 20, "{taken:?}");
	}
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

	#[test]
	fn random_programs_should_be_judged_within_their_scratch(seed: u64) {
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { return Ok(()) };
		let run = job.honest();
		for _ in 0..4 {
			let accusation = job.any(&mut rng);
			let (parts, _) = proof(&job, &run, accusation);
			let cost = job.checked.anchor_cost(accusation.node).unwrap().cost;
			parts_hold(&mut rng, &job.full_record(&run, accusation.step), &cost, &parts);
		}
	}
}

//! Proofs about a Gather: which rows of the table they open follows from the indices alone.

mod common;

use assay_commitments::{chunk_value, open_many, Hash, Tree};
use assay_ops::{DType, Op, TensorType};
use assay_program::{AnchorFold, CheckError, Limits, ProgramBuilder, Source};
use assay_referee::{judge, Accusation, ProofError, ProofPart, Ruling, TilesOpening};
use common::*;
use std::collections::BTreeMap;

/// What the table is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Table {
	Input,
	State,
	Anchor,
	Constant,
	/// Also read by an operator beside the Gather.
	Shared,
}

const TABLES: [Table; 5] =
	[Table::Input, Table::State, Table::Anchor, Table::Constant, Table::Shared];

/// Three rows of a table of 100 rows of 40, at committed indices of which some are outside; then
/// something elementwise. The last anchor is the result, `inside` whether any index may be inside.
fn job(rng: &mut Rng, table: Table, inside: bool) -> Job {
	let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
	let (rows, picks) = (ty(DType::I16, &[100, 40]), ty(DType::I8, &[3]));
	let mut b = ProgramBuilder::new();
	let x = b.input("x", picks);
	let indices = b.clamp(x, -128, if inside { 127 } else { -1 });
	b.eager(indices);
	let from = match table {
		Table::Constant => {
			let values: Vec<i32> = (0..4000).map(|at| at * 7 - 9000).collect();
			b.constant_values(rows, &values)
		}
		_ => b.input("table", rows),
	};
	let from = match table {
		Table::State => {
			let state = b.state(from);
			let next = b.add(state, state, DType::I16);
			b.update(state, next);
			state
		}
		Table::Anchor => {
			let anchor = b.shift(from, 1, DType::I16);
			b.eager(anchor)
		}
		_ => from,
	};
	let gathered = b.gather(from, indices);
	let mut y = b.shift(gathered, -1, DType::I32);
	if table == Table::Shared {
		let view = assay_ops::View::slice(&rows.shape, &[0..3, 0..40]).unwrap();
		y = b.add(y, assay_program::Operand::viewed(from, view), DType::I32);
	}
	b.output("y", y);
	Job::new(rng, b.build().unwrap(), &Limits::V1, 2).unwrap()
}

/// Tiles of tables, by the referee's own rule, for the first part of a proof.
fn tables(job: &Job, run: &Run, accusation: Accusation) -> BTreeMap<Source, Vec<u64>> {
	let Accusation { step, node, tile } = accusation;
	let mut fold = AnchorFold::new(&job.program, &job.checked, node, tile).unwrap();
	fold.table_needs(0, &run.tensors(job, step)).unwrap()
}

/// A true opening of these tiles of a tensor.
fn opening(bytes: &[u8], tiles: &[u64]) -> Option<TilesOpening> {
	let all = bytes.len() as u64 / 1024;
	let chunk = |tile: u64| &bytes[tile as usize * 1024..][..1024];
	let leaves: Vec<Hash> =
		(0..all).map(|tile| chunk_value(all, tile, chunk(tile)).unwrap()).collect();
	Some(TilesOpening {
		tiles: tiles.iter().flat_map(|tile| chunk(*tile).to_vec()).collect(),
		siblings: open_many(Tree::Tensor, &leaves, tiles)?,
	})
}

fn accusations(job: &Job) -> impl Iterator<Item = Accusation> + '_ {
	let anchor = job.checked.anchors.len() - 1;
	let tiles = job.checked.types[job.checked.anchors[anchor] as usize].tiles();
	(0..job.steps)
		.flat_map(move |step| (0..tiles).map(move |tile| job.accusation(step, anchor, tile)))
}

fn cases() -> impl Iterator<Item = (u64, Table, Job, Run)> {
	(0..36u64).flat_map(|seed| TABLES.map(|table| (seed, table))).map(|(seed, table)| {
		let mut rng = Rng::new(seed);
		let inside = !seed.is_multiple_of(6);
		let job = job(&mut rng, table, inside);
		let run = job.honest();
		(seed, table, job, run)
	})
}

#[test]
fn gather_should_be_ruled_right_when_the_run_is_honest() {
	let (mut opened, mut none) = (0, 0);
	for (seed, table, job, run) in cases() {
		for accusation in accusations(&job) {
			let (parts, ruling) = proof(&job, &run, accusation);
			assert_eq!(ruling, Ruling::Right, "seed {seed}, {table:?}");
			let needs = tables(&job, &run, accusation);
			assert!(needs.len() <= 1 && (table != Table::Constant || needs.is_empty()));
			match needs.is_empty() {
				true => none += 1,
				false => opened += 1,
			}
			// Indices outside read nothing, and then there is nothing to open.
			assert!(!seed.is_multiple_of(6) || needs.is_empty());
			let certain = assay_program::anchor_needs(
				&job.program,
				&job.checked,
				accusation.node,
				accusation.tile,
				0,
			);
			assert_eq!(parts[0].operands.len(), certain.unwrap().tiles.len() + needs.len());
		}
	}
	assert!(opened > 100 && none > 50, "{opened} with rows, {none} without");
}

#[test]
fn gather_should_be_ruled_fraud_when_the_run_has_another_row() {
	for (seed, table, job, honest) in cases() {
		let mut rng = Rng::new(seed + 100);
		let anchor = job.checked.anchors.len() - 1;
		let byte = rng.below_u32(3) as usize * 64 + rng.below_u32(64) as usize;
		let bit = rng.below_u32(8) as u8;
		let fault = Fault { step: rng.below_u32(2), anchor, byte, bit, recompute: false };
		let run = job.dishonest(&honest, &fault);
		let outcome = challenge(&job, &honest, &run, |place| run.answer(&job, place));
		let Some(Outcome::Proved(accusation, _, parts, ruling)) = outcome else {
			panic!("seed {seed}, {table:?}: {outcome:?}");
		};
		assert_eq!(ruling, Ruling::Fraud, "seed {seed}, {table:?}");
		assert_eq!((accusation.step, accusation.tile), (fault.step, fault.tile()));
		assert_eq!(Chain::rule(&job.record(run.root), &parts), Ok(Ruling::Fraud));
		assert!(judge(&job.record(honest.root), None, &parts[0]).is_err());
	}
}

/// Every wrong set of rows that a proof may try, each opened truly.
#[test]
fn rows_that_the_indices_do_not_name_should_be_refused() {
	let (mut others, mut more, mut fewer, mut missing) = (0, 0, 0, 0);
	for (seed, table, job, run) in cases() {
		for accusation in accusations(&job) {
			let (parts, _) = proof(&job, &run, accusation);
			let refused = |part: &ProofPart| {
				let ruling = judge(&job.record(run.root), None, part);
				assert!(
					matches!(ruling, Err(ProofError::Operand { .. } | ProofError::OperandCount)),
					"seed {seed}, {table:?}: {ruling:?}"
				);
			};
			let certain = parts[0].operands.len() - tables(&job, &run, accusation).len();
			let mut tensors = run.tensors(&job, accusation.step);
			for (at, state) in (0..).zip(&job.program.states) {
				let initial = tensors[&Source::Input(state.input)].clone();
				tensors.entry(Source::State(at)).or_insert(initial);
			}
			let Some((source, tiles)) = tables(&job, &run, accusation).into_iter().next() else {
				// Nothing is read: an opening of any table is one too many.
				if let Some(bytes) = tensors.get(&Source::Input(1)) {
					let mut part = parts[0].clone();
					part.operands.push(opening(bytes, &[0]).unwrap());
					refused(&part);
					more += 1;
				}
				continue;
			};
			let bytes = &tensors[&source];
			let all = bytes.len() as u64 / 1024;
			for other in (0..all).filter(|tile| !tiles.contains(tile)) {
				let mut part = parts[0].clone();
				// In the place of one of the true rows.
				for at in 0..tiles.len() {
					let mut wrong = tiles.clone();
					wrong[at] = other;
					wrong.sort_unstable();
					part.operands[certain] = opening(bytes, &wrong).unwrap();
					refused(&part);
					others += 1;
				}
				// Beside them.
				let mut wrong = tiles.clone();
				wrong.push(other);
				wrong.sort_unstable();
				part.operands[certain] = opening(bytes, &wrong).unwrap();
				refused(&part);
				more += 1;
			}
			if tiles.len() > 1 {
				let mut part = parts[0].clone();
				part.operands[certain] = opening(bytes, &tiles[1..]).unwrap();
				refused(&part);
				fewer += 1;
			}
			let mut part = parts[0].clone();
			part.operands.pop();
			refused(&part);
			let mut part = parts[0].clone();
			part.operands[certain] = TilesOpening::default();
			refused(&part);
			missing += 2;
			// Other indices, so that other rows would be right.
			let mut part = parts[0].clone();
			for operand in &mut part.operands[..certain] {
				operand.tiles[0] ^= 1;
			}
			refused(&part);
		}
	}
	let tried = [others, more, fewer, missing];
	assert!(tried.iter().all(|count| *count > 10), "{tried:?}");
}

#[test]
fn gather_should_be_refused_by_the_check_when_it_reads_a_virtual_node() {
	let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
	for operand in [0, 1] {
		let mut b = ProgramBuilder::new();
		let table = b.input("table", ty(DType::I16, &[100, 40]));
		let indices = b.input("indices", ty(DType::I32, &[3]));
		let mut read = [table, indices];
		read[operand] = b.copy(read[operand]);
		let y = b.node(Op::Gather, read.map(Into::into).to_vec());
		b.output("y", y);
		let error = b.build().unwrap().check(&Limits::V1).unwrap_err();
		assert_eq!(error, CheckError::GatherOperand { node: 1, operand: operand as u32 });
		assert!(error.to_string().ends_with("make that node an anchor"), "{error}");
	}
}

//! Programs: decoding, the check, and the referee against the definition.

use assay_ops::{work, Values};
use assay_program::{
	anchor_needs, interpret_step, recompute_anchor_tile, AnchorCost, AnchorSource, Checked, Effort,
	Limits, Program, Source, MAX_PROGRAM_BYTES,
};
use std::collections::BTreeMap;

/// Most work units of a program that is also run, beside those of its step and its nodes.
const RUN_WORK: u64 = 300_000;
/// Most bytes of its tensors.
const RUN_MEMORY: u64 = 1 << 20;

/// Bytes of a program file.
///
/// Decoding and checking never panic; what is decoded encodes to the same bytes; what the check
/// admits is admitted again by its plans with the same result; the check takes no more steps, and a
/// proof reads no more, than the limits say; and in small programs the referee recomputes every
/// tile of every anchor to what the definition gives.
pub fn program(data: &[u8]) {
	let Ok(program) = Program::decode_bounded(data) else { return };
	assert!(data.len() <= MAX_PROGRAM_BYTES, "a program of {} bytes was read", data.len());
	assert_eq!(program.encode(), data, "a program has one encoding");
	let mut effort = Effort::default();
	let result = program.check_counting(&Limits::V1, &mut effort);
	assert!(effort.steps <= Limits::V1.analysis_steps + 1, "{effort:?}");
	assert!(effort.compared <= u64::from(effort.steps) * Effort::WIDTH, "{effort:?}");
	let Ok(checked) = result else { return };
	let again = program.readmit(&checked.plans()).expect("what was admitted is readmitted");
	assert_eq!(again.plans(), checked.plans());
	assert_eq!(again.types, checked.types);
	assert_eq!((again.work_units, &again.anchors), (checked.work_units, &checked.anchors));
	for cost in &checked.anchor_costs {
		let tiles = checked.types[cost.node as usize].tiles();
		for tile in [0, tiles / 2, tiles - 1] {
			bounded(&program, &again, cost, tile);
		}
	}
	let beside = work::STEP + work::NODE * program.nodes.len() as u64;
	if checked.work_units <= RUN_WORK + beside && checked.peak_memory <= RUN_MEMORY {
		run(&program, &checked);
	}
}

/// What the first part of a proof about a tile reads is what the check has counted for it, at most.
fn bounded(program: &Program, checked: &Checked, anchor: &AnchorCost, tile: u64) {
	let needs = anchor_needs(program, checked, anchor.node, tile, 0).expect("admitted");
	let tiles: usize = needs.tiles.values().map(Vec::len).sum();
	assert!(tiles as u64 <= anchor.cost.part_tiles, "{needs:?}, {anchor:?}");
	assert!(needs.elements * 12 <= anchor.cost.scratch, "{needs:?}, {anchor:?}");
}

/// One step by the definition, and every tile of it by the referee.
fn run(program: &Program, checked: &Checked) {
	let noise = |at: usize, ty: assay_ops::TensorType| {
		let value = |element: u32| {
			element.wrapping_mul(0x9e37_79b9).wrapping_add(at as u32).rotate_left(element % 32)
				as i32
		};
		Values::new(ty, (0..ty.elements()).map(value).collect()).expect("as many as there are")
	};
	let inputs: Vec<Values> =
		program.inputs.iter().enumerate().map(|(at, input)| noise(at, input.ty)).collect();
	let states: Vec<Values> = program
		.states
		.iter()
		.enumerate()
		.map(|(at, state)| noise(1_000 + at, program.inputs[state.input as usize].ty))
		.collect();
	let results = interpret_step(program, checked, &inputs, &states).expect("operators are total");
	let committed: BTreeMap<Source, Vec<u8>> = (0..)
		.map(Source::Input)
		.zip(&inputs)
		.chain((0..).map(Source::State).zip(&states))
		.chain((0..).map(Source::Node).zip(&results))
		.map(|(source, values)| (source, values.to_canonical()))
		.collect();
	for cost in &checked.anchor_costs {
		let source = Source::Node(cost.node);
		for tile in 0..checked.types[cost.node as usize].tiles() {
			let refereed = recompute_anchor_tile(program, checked, cost.node, tile, &committed)
				.expect("the check admits what can be recomputed");
			let defined = committed.tile(source, tile).expect("a tile of the result");
			assert_eq!(refereed, defined, "node {}, tile {tile}", cost.node);
		}
	}
}

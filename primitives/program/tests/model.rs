//! The definition, and the referee, against a second implementation of the operator set: `model/`
//! was written in Python from `docs/program-format.md` alone.
//!
//! The committed programs are `model/programs.py --write`. `ASSAY_MODEL=FILE` takes others;
//! `scripts/check-model SEED` makes new ones and runs this.

use assay_ops::{Op, Values};
use assay_program::{
	interpret_step, recompute_anchor_tile, AnchorSource, Checked, Limits, Program, Source,
};
use std::collections::BTreeMap;

/// A program of the model with its inputs and what it gives.
struct Case {
	line: usize,
	bytes: Vec<u8>,
	steps: u32,
	inputs: Vec<Vec<u8>>,
	outputs: Vec<Vec<u8>>,
}

fn cases(text: &str) -> Vec<Case> {
	let mut cases: Vec<Case> = vec![];
	for (line, text) in (1..).zip(text.lines()) {
		let fields: Vec<&str> = text.split(' ').collect();
		let bytes = |text: &str| hex::decode(text).unwrap_or_else(|e| panic!("line {line}: {e}"));
		match fields[..] {
			["#", ..] => println!("{text}"),
			["program", steps, program] => cases.push(Case {
				line,
				bytes: bytes(program),
				steps: steps.parse().unwrap(),
				inputs: vec![],
				outputs: vec![],
			}),
			["in", data] => cases.last_mut().unwrap().inputs.push(bytes(data)),
			["out", data] => cases.last_mut().unwrap().outputs.push(bytes(data)),
			_ => panic!("line {line}: {text}"),
		}
	}
	cases
}

fn row_major(values: &Values) -> Vec<u8> {
	let size = values.ty().dtype.size();
	values.data().iter().flat_map(|value| value.to_le_bytes().into_iter().take(size)).collect()
}

/// Every tile of every anchor of a step as the referee recomputes it.
fn refereed(
	program: &Program,
	checked: &Checked,
	inputs: &[Values],
	states: &[Values],
	results: &[Values],
	line: usize,
) {
	let committed: BTreeMap<Source, Vec<u8>> = (0..)
		.map(Source::Input)
		.zip(inputs)
		.chain((0..).map(Source::State).zip(states))
		.chain((0..).map(Source::Node).zip(results))
		.map(|(source, values)| (source, values.to_canonical()))
		.collect();
	for cost in &checked.anchor_costs {
		for tile in 0..checked.types[cost.node as usize].tiles() {
			let found = recompute_anchor_tile(program, checked, cost.node, tile, &committed);
			let expected = committed.tile(Source::Node(cost.node), tile).unwrap();
			assert_eq!(found.unwrap(), expected, "line {line}, node {}, tile {tile}", cost.node);
		}
	}
}

/// The operator of a node without its parameters, as the first byte of its encoding.
fn tag(op: &Op) -> u8 {
	codec::Encode::encode(op)[0]
}

#[test]
fn programs_should_give_what_the_model_says() {
	let given = std::env::var("ASSAY_MODEL").map(|path| {
		std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
	});
	let committed = given.is_err();
	let text = given.unwrap_or_else(|_| include_str!("model/programs.txt").into());
	let (mut operators, mut ranks, mut tiles) = (BTreeMap::new(), [0u32; 7], 0);
	let cases = cases(&text);
	for Case { line, bytes, steps, inputs, outputs } in &cases {
		let line = *line;
		let program = Program::decode_bounded(bytes).unwrap_or_else(|e| panic!("line {line}: {e}"));
		assert_eq!(&program.encode(), bytes, "line {line}");
		let checked = program.check(&Limits::V1).unwrap_or_else(|e| panic!("line {line}: {e}"));
		assert_eq!((inputs.len(), outputs.len()), (program.inputs.len(), program.outputs.len()));
		let inputs: Vec<Values> = program
			.inputs
			.iter()
			.zip(inputs)
			.map(|(input, data)| Values::from_row_major(input.ty, data).unwrap())
			.collect();
		let mut states: Vec<Values> =
			program.states.iter().map(|state| inputs[state.input as usize].clone()).collect();
		let mut results = vec![];
		for step in 0..*steps {
			results = interpret_step(&program, &checked, &inputs, &states).unwrap();
			if step + 1 == *steps {
				refereed(&program, &checked, &inputs, &states, &results, line);
			}
			states =
				program.states.iter().map(|state| results[state.update as usize].clone()).collect();
		}
		for (output, expected) in program.outputs.iter().zip(outputs) {
			let node = &program.nodes[output.node as usize];
			let found = row_major(&results[output.node as usize]);
			assert_eq!(hex::encode(found), hex::encode(expected), "line {line}, {node:?}");
		}
		for (node, ty) in program.nodes.iter().zip(&checked.types) {
			*operators.entry(tag(&node.op)).or_insert(0u32) += 1;
			ranks[ty.shape.rank()] += 1;
			tiles = tiles.max(ty.tiles());
		}
	}
	println!("{} programs; nodes by operator: {operators:?}; by rank: {ranks:?}", cases.len());
	if committed {
		// Or they would say little.
		assert_eq!(operators.len(), Op::count());
		assert!(operators.values().all(|count| *count >= 6), "{operators:?}");
		assert!(ranks.iter().all(|count| *count >= 8) && tiles > 1, "{ranks:?}, {tiles}");
		assert!(cases.len() >= 100);
	}
}

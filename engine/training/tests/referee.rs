//! Every anchor of a training step can be refereed: its tiles follow from inputs, states and
//! anchors.

mod common;

use assay_exec::{CpuExecutor, Executor, Options, Work};
use assay_program::{recompute_anchor_tile, Source};
use assay_training::{Array, Arrays, Description, Trainer};
use common::Random;
use serde_json::json;
use std::collections::BTreeMap;

fn every_anchor_is_recomputed(description: serde_json::Value, data: Arrays) {
	let description = Description::from_json(&description.to_string()).unwrap();
	let mut executor = CpuExecutor::new();
	let mut trainer = Trainer::new(&description, &data, &Arrays::new(), &mut executor).unwrap();
	// Moments and exponents are something else than zero after a step.
	trainer.run(&mut executor, 1, &mut ()).unwrap();
	let training = trainer.training();
	let (program, checked) = (&training.program, &training.checked);
	let keep: Vec<Source> = checked.anchors.iter().map(|&node| Source::Node(node)).collect();
	let run = executor
		.run(
			&Work { program, checked, inputs: trainer.inputs(), steps: 1 },
			Options { keep: &keep, ..Options::default() },
			&mut (),
		)
		.unwrap();
	let mut tensors: BTreeMap<Source, Vec<u8>> =
		run.kept.into_iter().map(|(source, tensor)| (source, tensor.bytes.to_vec())).collect();
	for (at, input) in (0..).zip(trainer.inputs()) {
		tensors.insert(Source::Input(at), input.bytes.to_vec());
	}
	for (at, state) in (0..).zip(&program.states) {
		let before = tensors[&Source::Input(state.input)].clone();
		tensors.insert(Source::State(at), before);
	}
	for &node in &checked.anchors {
		let tiles = checked.types[node as usize].tiles();
		for tile in [0, tiles / 2, tiles - 1] {
			let found = recompute_anchor_tile(program, checked, node, tile, &tensors).unwrap();
			let at = tile as usize * found.len();
			let op = &program.nodes[node as usize].op;
			assert_eq!(
				found[..],
				tensors[&Source::Node(node)][at..at + found.len()],
				"node {node}, {op:?}, tile {tile}"
			);
		}
	}
}

#[test]
fn anchors_should_be_recomputed_when_network_is_convolutional() {
	let mut random = Random(3);
	let x = (0..20 * 64).map(|_| random.unit()).collect();
	let y = (0..20).map(|_| (random.next() % 4) as f64).collect();
	let data = Arrays::from([
		("x".into(), Array::new(&[20, 8, 8, 1], x).unwrap()),
		("y".into(), Array::new(&[20], y).unwrap()),
	]);
	every_anchor_is_recomputed(
		json!({
			"input": {"dense": {"shape": [8, 8, 1]}},
			"layers": [
				{"conv2d": {"outputs": 4, "kernel": [3, 3], "padding": [1, 1]}}, "relu",
				{"max_pool": {"kernel": [2, 2]}}, {"conv2d": {"outputs": 6, "kernel": [3, 3]}},
				"flatten", {"dropout": {"rate": 0.2}}, {"linear": {"outputs": 4}}
			],
			"optimizer": {"sgd": {"momentum": 0.9, "weight_decay": 0.01}},
			"learning_rate": {"constant": 0.1}, "batch": 6, "steps": 3, "order": "shuffled",
		}),
		data,
	);
}

#[test]
fn anchors_should_be_recomputed_when_network_is_a_transformer() {
	let mut random = Random(4);
	let tokens = (0..100).map(|_| (random.next() % 11) as f64).collect();
	let data = Arrays::from([("tokens".into(), Array::new(&[100], tokens).unwrap())]);
	every_anchor_is_recomputed(
		json!({
			"input": {"tokens": {"length": 8, "vocabulary": 11}},
			"layers": [
				{"embedding": {"width": 16}},
				{"residual": ["layer_norm", {"attention": {"heads": 2}}]},
				{"residual": ["rms_norm", {"linear": {"outputs": 24}}, "gelu", {"linear": {"outputs": 16}}]},
				"layer_norm", {"linear": {"outputs": 11}}
			],
			"optimizer": {"adam": {"weight_decay": 0.1}}, "learning_rate": {"constant": 0.01},
			"batch": 4, "steps": 3,
		}),
		data,
	);
}

//! Gradients of every layer against finite differences of the same network in f64.

mod common;

use assay_exec::CpuExecutor;
use assay_training::{Array, Arrays, Description, Trainer};
use common::{loss, Random};
use serde_json::json;

const SEED: u64 = 20_240_607;

/// Trains one step of plain SGD with rate 1, whose change of weights is the gradient, and compares.
/// With exponents that are calibrated, errors are those of 12 to 14 bits relative to the largest
/// gradient.
fn compare(input: serde_json::Value, layers: serde_json::Value, data: Arrays, examples: usize) {
	let batch = 4;
	let description = json!({
		"input": input, "layers": layers, "optimizer": {"sgd": {}},
		"learning_rate": {"constant": 1.0}, "batch": batch, "steps": 1, "order": "given", "seed": SEED,
	});
	let description = Description::from_json(&description.to_string()).unwrap();
	let mut random = Random(SEED);
	let positions: Vec<usize> =
		(0..batch).map(|_| (random.next() % examples as u64) as usize).collect();
	let order = positions.iter().map(|&at| at as f64).collect();
	let mut data = data;
	data.insert("order".into(), Array::new(&[1, batch], order).unwrap());

	let mut executor = CpuExecutor::new();
	// Norms begin as the identity and embeddings as almost nothing: begin elsewhere.
	let begun = Trainer::new(&description, &data, &Arrays::new(), &mut executor).unwrap();
	let mut weights = begun.weights();
	for (name, array) in &mut weights {
		let level = if name.ends_with("positions") || name == "0.weight" { 0.5 } else { 0.2 };
		array.values.iter_mut().for_each(|value| *value += level * random.unit());
	}
	let mut trainer = Trainer::new(&description, &data, &weights, &mut executor).unwrap();
	let weights = trainer.weights();
	trainer.run(&mut executor, 1, &mut ()).unwrap();
	let after = trainer.weights();

	let expected = loss(&description, &data, &weights, &positions);
	let found = trainer.losses()[0];
	assert!(
		(found - expected).abs() < 2e-3 * expected,
		"seed {SEED}: loss {found}, not {expected}"
	);
	for (name, array) in &weights {
		let gradient: Vec<f64> = (0..array.values.len())
			.map(|at| {
				let h = 1e-5;
				let moved = |by: f64| {
					let mut weights = weights.clone();
					weights.get_mut(name).unwrap().values[at] += by;
					loss(&description, &data, &weights, &positions)
				};
				(moved(h) - moved(-h)) / (2.0 * h)
			})
			.collect();
		let largest = gradient.iter().fold(1e-4f64, |largest, value| largest.max(value.abs()));
		for (at, expected) in gradient.iter().enumerate() {
			let found = array.values[at] - after[name].values[at];
			assert!(
				(found - expected).abs() < 0.01 * largest,
				"seed {SEED}: {name}[{at}]: {found}, not {expected}; largest {largest}"
			);
		}
	}
}

fn dense(shape: &[usize], classes: u64) -> Arrays {
	let mut random = Random(SEED + 1);
	let examples = 10;
	let mut dims = vec![examples];
	dims.extend(shape);
	let values = (0..dims.iter().product()).map(|_| 3.0 * random.unit()).collect();
	let labels = (0..examples).map(|_| (random.next() % classes) as f64).collect();
	Arrays::from([
		("x".into(), Array::new(&dims, values).unwrap()),
		("y".into(), Array::new(&[examples], labels).unwrap()),
	])
}

fn compare_dense(shape: &[usize], layers: serde_json::Value) {
	let input = json!({"dense": {"shape": shape}});
	compare(input, layers, dense(shape, 5), 10);
}

fn compare_tokens(layers: serde_json::Value) {
	let mut random = Random(SEED + 2);
	let tokens = (0..40).map(|_| (random.next() % 7) as f64).collect();
	let data = Arrays::from([("tokens".into(), Array::new(&[40], tokens).unwrap())]);
	compare(json!({"tokens": {"length": 6, "vocabulary": 7}}), layers, data, 34);
}

#[test]
fn gradients_should_match_finite_differences_when_layers_are_linear() {
	compare_dense(&[9], json!([{"linear": {"outputs": 5}}]));
	compare_dense(
		&[9],
		json!([{"linear": {"outputs": 12, "bias": false}}, "relu", {"linear": {"outputs": 5}}]),
	);
}

#[test]
fn gradients_should_match_finite_differences_when_layers_are_gelu() {
	compare_dense(
		&[9],
		json!([{"linear": {"outputs": 12}}, "gelu", {"linear": {"outputs": 8}}, "relu", "gelu",
			{"linear": {"outputs": 5}}]),
	);
}

#[test]
fn gradients_should_match_finite_differences_when_layers_are_convolutions() {
	compare_dense(
		&[6, 8, 2],
		json!([
			{"conv2d": {"outputs": 3, "kernel": [3, 3], "padding": [1, 1]}}, "relu",
			{"max_pool": {"kernel": [2, 2]}},
			{"conv2d": {"outputs": 4, "kernel": [2, 3], "bias": false}}, "flatten",
			{"linear": {"outputs": 5}}
		]),
	);
}

#[test]
fn gradients_should_match_finite_differences_when_convolutions_have_strides() {
	for (stride, padding) in [([2, 2], [0, 0]), ([2, 3], [1, 2]), ([3, 1], [2, 0])] {
		compare_dense(
			&[7, 8, 2],
			json!([
				{"conv2d": {"outputs": 3, "kernel": [3, 3], "stride": [1, 1]}},
				{"conv2d": {"outputs": 3, "kernel": [3, 3], "stride": stride, "padding": padding}},
				"flatten", {"linear": {"outputs": 5}}
			]),
		);
	}
}

#[test]
fn gradients_should_go_to_the_first_of_a_window_when_elements_are_equal() {
	// An empty image: all elements of a window are the bias. Were the gradient given to each, the
	// bias would get four times its own.
	let description = |layers: serde_json::Value| {
		let whole = json!({
			"input": {"dense": {"shape": [2, 2, 1]}}, "layers": layers, "optimizer": {"sgd": {}},
			"learning_rate": {"constant": 1.0}, "batch": 1, "steps": 1,
		});
		Description::from_json(&whole.to_string()).unwrap()
	};
	let data = Arrays::from([
		("x".into(), Array::new(&[1, 2, 2, 1], vec![0.0; 4]).unwrap()),
		("y".into(), Array::new(&[1], vec![0.0]).unwrap()),
	]);
	let weights = Arrays::from([
		("0.weight".into(), Array::new(&[1, 1, 1, 1], vec![0.5]).unwrap()),
		("0.bias".into(), Array::new(&[1], vec![0.25]).unwrap()),
		("3.weight".into(), Array::new(&[2, 1], vec![1.0, -1.0]).unwrap()),
		("3.bias".into(), Array::new(&[2], vec![0.0; 2]).unwrap()),
	]);
	let description = description(json!([
		{"conv2d": {"outputs": 1, "kernel": [1, 1]}}, {"max_pool": {"kernel": [2, 2]}}, "flatten",
		{"linear": {"outputs": 2}}
	]));
	let mut executor = CpuExecutor::new();
	let mut trainer = Trainer::new(&description, &data, &weights, &mut executor).unwrap();
	trainer.run(&mut executor, 1, &mut ()).unwrap();
	let gradient = 0.25 - trainer.weights()["0.bias"].values[0];
	let expected = -2.0 / (1.0 + 0.5f64.exp());
	assert!((gradient - expected).abs() < 1e-3, "{gradient}, not {expected}");
}

#[test]
fn gradients_should_match_finite_differences_when_layers_are_norms() {
	for norm in ["layer_norm", "rms_norm"] {
		compare_dense(
			&[9],
			json!([{"linear": {"outputs": 12}}, norm, "relu", {"linear": {"outputs": 5}}]),
		);
	}
}

#[test]
fn gradients_should_match_finite_differences_when_layers_are_residual() {
	compare_dense(
		&[9],
		json!([
			{"linear": {"outputs": 12}},
			{"residual": [{"linear": {"outputs": 6}}, "relu", {"linear": {"outputs": 12}}]},
			{"linear": {"outputs": 5}}
		]),
	);
}

#[test]
fn gradients_should_match_finite_differences_when_tokens_are_embedded() {
	compare_tokens(json!([{"embedding": {"width": 8}}, {"linear": {"outputs": 7}}]));
	compare_tokens(
		json!([{"embedding": {"width": 8, "positions": false}}, {"linear": {"outputs": 7}}]),
	);
}

#[test]
fn gradients_should_match_finite_differences_when_layers_are_attention() {
	for causal in [true, false] {
		compare_tokens(json!([
			{"embedding": {"width": 8}},
			{"attention": {"heads": 2, "causal": causal}},
			{"linear": {"outputs": 7}}
		]));
	}
}

#[test]
fn gradients_should_match_finite_differences_when_network_is_a_transformer() {
	compare_tokens(json!([
		{"embedding": {"width": 8}},
		{"residual": ["layer_norm", {"attention": {"heads": 2}}]},
		{"residual": ["rms_norm", {"linear": {"outputs": 16}}, "gelu", {"linear": {"outputs": 8}}]},
		"layer_norm",
		{"linear": {"outputs": 7}}
	]));
}

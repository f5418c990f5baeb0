//! Whole trainings: that they learn, repeat, resume, and watch their exponents.

mod common;

use assay_exec::{gemm::Path, CpuExecutor};
use assay_training::{Array, Arrays, Description, Error, Role, Trainer, Training};
use common::Random;
use serde_json::{json, Value};

/// Points of two classes on two interleaved spirals.
fn spirals(examples: usize) -> Arrays {
	let mut random = Random(5);
	let (mut x, mut y) = (vec![], vec![]);
	for at in 0..examples {
		let (class, t) = (at % 2, 0.5 + 2.5 * (0.5 + 0.5 * random.unit()));
		let turn = t + std::f64::consts::PI * class as f64;
		x.extend([t * turn.cos(), t * turn.sin()]);
		y.push(class as f64);
	}
	Arrays::from([
		("x".into(), Array::new(&[examples, 2], x).unwrap()),
		("y".into(), Array::new(&[examples], y).unwrap()),
	])
}

fn description(changes: Value) -> Description {
	let mut whole = json!({
		"input": {"dense": {"shape": [2]}},
		"layers": [{"linear": {"outputs": 32}}, "relu", {"linear": {"outputs": 32}}, "relu",
			{"linear": {"outputs": 2}}],
		"optimizer": {"sgd": {"momentum": 0.9}},
		"learning_rate": {"constant": 0.1},
		"batch": 16, "steps": 120, "seed": 11,
	});
	for (key, value) in changes.as_object().unwrap() {
		whole[key] = value.clone();
	}
	Description::from_json(&whole.to_string()).unwrap()
}

fn begin(description: &Description) -> Trainer {
	let mut executor = CpuExecutor::new();
	Trainer::new(description, &spirals(200), &Arrays::new(), &mut executor).unwrap()
}

fn run(trainer: &mut Trainer, steps: u32) {
	trainer.run(&mut CpuExecutor::new(), steps, &mut ()).unwrap();
}

fn mean(values: &[f64]) -> f64 {
	values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn loss_should_fall_when_training_with_each_optimizer() {
	for changes in [
		json!({}),
		json!({"optimizer": {"adam": {}}, "learning_rate": {"cosine": {"peak": 0.02, "warmup": 5}}}),
	] {
		let mut trainer = begin(&description(changes.clone()));
		run(&mut trainer, 120);
		let losses = trainer.losses();
		let (first, last) = (mean(&losses[..10]), mean(&losses[110..]));
		assert!(last < 0.25 * first, "{changes}: {first} to {last}");
	}
}

#[test]
fn batches_should_be_uniform_when_drawn_at_random() {
	// One example decides nothing: count which rows of a bias-free layer on one-hot examples learn.
	for examples in [7usize, 8] {
		let mut x = vec![0.0; examples * examples];
		(0..examples).for_each(|at| x[at * examples + at] = 1.0);
		let data = Arrays::from([
			("x".into(), Array::new(&[examples, examples], x).unwrap()),
			("y".into(), Array::new(&[examples], vec![0.0; examples]).unwrap()),
		]);
		let description = description(json!({
			"input": {"dense": {"shape": [examples]}},
			"layers": [{"linear": {"outputs": 2, "bias": false}}],
			"optimizer": {"sgd": {}}, "learning_rate": {"constant": 0.001},
			"batch": 1000, "steps": 1,
		}));
		let weights = Arrays::from([(
			"0.weight".into(),
			Array::new(&[2, examples], vec![0.0; 2 * examples]).unwrap(),
		)]);
		let mut trainer =
			Trainer::new(&description, &data, &weights, &mut CpuExecutor::new()).unwrap();
		run(&mut trainer, 1);
		let learned = &trainer.weights()["0.weight"].values;
		// Each example adds 0.5 · rate / batch to its column.
		for (at, weight) in learned.iter().take(examples).enumerate() {
			let count = weight / (0.5 * 0.001 / 1000.0);
			let expected = 1000.0 / examples as f64;
			assert!((count - expected).abs() < 60.0, "{at} of {examples}: {count}");
		}
	}
}

/// A training whose gradient is zero, so that nothing but decay moves the weights: 0.5 and −0.25.
fn decayed(optimizer: Value) -> Vec<f64> {
	let data = Arrays::from([
		("x".into(), Array::new(&[8, 1], vec![0.0; 8]).unwrap()),
		("y".into(), Array::new(&[8], vec![0.0; 8]).unwrap()),
	]);
	let weights =
		Arrays::from([("0.weight".into(), Array::new(&[2, 1], vec![0.5, -0.25]).unwrap())]);
	let description = description(json!({
		"input": {"dense": {"shape": [1]}},
		"layers": [{"linear": {"outputs": 2, "bias": false}}],
		"optimizer": optimizer, "steps": 40, "batch": 4,
		"learning_rate": {"cosine": {"peak": 0.1, "warmup": 5}},
	}));
	let mut trainer = Trainer::new(&description, &data, &weights, &mut CpuExecutor::new()).unwrap();
	run(&mut trainer, 40);
	trainer.weights()["0.weight"].values.clone()
}

#[test]
fn weights_should_decay_as_the_formula_says_when_gradients_are_zero() {
	let rates = description(json!({"learning_rate": {"cosine": {"peak": 0.1, "warmup": 5}}}));
	let rate = |step| rates.learning_rate.at(step, 40);
	let near = |found: Vec<f64>, factor: f64| {
		for (found, first) in found.into_iter().zip([0.5, -0.25]) {
			let expected = first * factor;
			assert!((found - expected).abs() < 1e-5 * expected.abs(), "{found}, not {expected}");
		}
	};
	near(decayed(json!({"adam": {}})), 1.0);
	near(decayed(json!({"sgd": {"momentum": 0.9}})), 1.0);
	let mut weight = 1.0;
	(0..40).for_each(|step| weight -= rate(step) * 0.03 * weight);
	near(decayed(json!({"adam": {"weight_decay": 0.03}})), weight);
	let (mut weight, mut velocity) = (1.0, 0.0);
	for step in 0..40 {
		velocity = 0.9 * velocity + 0.03 * weight;
		weight -= rate(step) * velocity;
	}
	near(decayed(json!({"sgd": {"momentum": 0.9, "weight_decay": 0.03}})), weight);
}

#[test]
fn examples_should_come_once_a_round_when_shuffled() {
	let order = |seed: u64, batch: u32| {
		let description = description(json!({"order": "shuffled", "seed": seed, "batch": batch}));
		let training = Training::compile(&description, 200).unwrap();
		let place = training.roles.iter().position(|role| *role == Role::Order).unwrap();
		begin(&description).inputs()[place].elements().unwrap()
	};
	// 120 batches of 15: nine rounds of 200, whose ends are not ends of batches.
	let drawn = order(11, 15);
	assert_eq!(drawn.len(), 120 * 15);
	let rounds: Vec<&[i32]> = drawn.chunks(200).collect();
	for round in &rounds {
		let mut sorted = round.to_vec();
		sorted.sort_unstable();
		assert!(sorted.into_iter().eq(0..200));
	}
	assert!((1..rounds.len()).all(|at| rounds[at] != rounds[at - 1]));
	assert_eq!(drawn, order(11, 15));
	assert_ne!(drawn, order(12, 15));
	// No example likes a place: where number 0 stands is spread over the round.
	let whole = order(3, 200);
	let mut quarters = [0; 4];
	for round in whole.chunks(200) {
		quarters[round.iter().position(|at| *at == 0).unwrap() / 50] += 1;
	}
	assert!(quarters.iter().all(|count| (12..=52).contains(count)), "{quarters:?}");
}

#[test]
fn roots_and_weights_should_be_equal_on_every_instruction_set() {
	let description = description(json!({"steps": 4, "optimizer": {"adam": {}}}));
	let trainer = begin(&description);
	let mut results = vec![];
	for path in Path::available() {
		let mut trainer = trainer.clone();
		trainer.run(&mut CpuExecutor::with_path(path), 4, &mut ()).unwrap();
		results.push((trainer.run_root(), trainer.weights()));
	}
	assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn roots_and_weights_should_be_equal_when_resumed() {
	for optimizer in [json!({"sgd": {"momentum": 0.9}}), json!({"adam": {}})] {
		let description = description(json!({"steps": 12, "optimizer": optimizer}));
		let mut whole = begin(&description);
		run(&mut whole, 12);

		let dir = tempfile::tempdir().unwrap();
		let mut first = begin(&description);
		run(&mut first, 5);
		first.checkpoint(dir.path()).unwrap();
		let mut second = Trainer::resume(&description, &spirals(200), dir.path()).unwrap();
		run(&mut second, 4);
		second.checkpoint(dir.path()).unwrap();
		let mut third = Trainer::resume(&description, &spirals(200), dir.path()).unwrap();
		run(&mut third, 3);

		assert_eq!(third.done(), 12);
		assert_eq!(third.run_root(), whole.run_root());
		assert_eq!(third.weights(), whole.weights());
		assert_eq!(third.losses(), whole.losses());
	}
}

#[test]
fn checkpoints_should_be_refused_when_they_belong_elsewhere() {
	let dir = tempfile::tempdir().unwrap();
	let description_a = description(json!({"steps": 6}));
	let mut trainer = begin(&description_a);
	run(&mut trainer, 2);
	let path = trainer.checkpoint(dir.path()).unwrap();
	let refused = |description: &Description, data: &Arrays| {
		matches!(Trainer::resume(description, data, dir.path()), Err(Error::Checkpoint { .. }))
	};
	assert!(refused(&description(json!({"steps": 6, "seed": 12})), &spirals(200)));
	assert!(refused(&description(json!({"steps": 6, "batch": 8})), &spirals(200)));
	let mut other = spirals(200);
	other.get_mut("y").unwrap().values[0] = 1.0;
	assert!(refused(&description_a, &other));
	let whole = std::fs::read(&path).unwrap();
	for len in (0..whole.len()).step_by(97) {
		std::fs::write(&path, &whole[..len]).unwrap();
		assert!(refused(&description_a, &spirals(200)), "{len} bytes");
	}
}

#[test]
fn exponents_should_adapt_when_gradients_change_their_size() {
	let description = description(json!({}));
	let mut trainer = begin(&description);
	let before = trainer.saturations();
	run(&mut trainer, 120);
	let after = trainer.saturations();
	let (first, last) = (mean(&trainer.losses()[..10]), mean(&trainer.losses()[110..]));
	assert!(last < 0.2 * first);
	// Gradients became smaller, weights and activations larger.
	let moved = |name: &str| {
		let find = |all: &[assay_training::Saturation]| {
			all.iter().find(|slot| slot.name == name).unwrap().exponent
		};
		find(&after) - find(&before)
	};
	assert!(moved("4.gradient") < 0, "{}", moved("4.gradient"));
	assert!(moved("2") > 0, "{}", moved("2"));
	// Batches of 16 differ much; even so a tensor seldom leaves its headroom.
	let saturated: u32 = after.iter().map(|slot| slot.steps).sum();
	let watched = 120 * after.len() as u32;
	assert!(saturated * 20 < watched, "{saturated} of {watched}");
}

#[test]
fn saturation_should_be_counted_when_a_range_is_fixed() {
	// What goes into GELU has the range ±16, whatever the weights are.
	let description = description(json!({
		"layers": [{"linear": {"outputs": 4}}, "gelu", {"linear": {"outputs": 2}}],
		"steps": 3, "learning_rate": {"constant": 0.0},
	}));
	let weights = |level: f64| {
		Arrays::from([("0.weight".into(), Array::new(&[4, 2], vec![level; 8]).unwrap())])
	};
	for (level, expected) in [(0.5, 0), (30.0, 3)] {
		let mut executor = CpuExecutor::new();
		let data = spirals(200);
		let mut trainer =
			Trainer::new(&description, &data, &weights(level), &mut executor).unwrap();
		run(&mut trainer, 3);
		let counts = trainer.saturations();
		let count = counts.iter().find(|slot| slot.name == "0").unwrap().steps;
		assert_eq!(count, expected, "weights of {level}");
	}
}

#[test]
fn dropout_should_drop_the_same_elements_on_both_ways() {
	let description = description(json!({
		"layers": [{"linear": {"outputs": 64}}, {"dropout": {"rate": 0.5}}, {"linear": {"outputs": 2}}],
		"optimizer": {"sgd": {}}, "learning_rate": {"constant": 1.0}, "batch": 1, "steps": 1,
	}));
	let mut trainer = begin(&description);
	let before = trainer.weights();
	run(&mut trainer, 1);
	let after = trainer.weights();
	let change = |name: &str| -> Vec<f64> {
		before[name].values.iter().zip(&after[name].values).map(|(a, b)| a - b).collect()
	};
	let (into, out) = (change("0.bias"), change("2.weight"));
	let kept: Vec<bool> = out[..64].iter().map(|value| *value != 0.0).collect();
	let count = kept.iter().filter(|kept| **kept).count();
	assert!((16..=48).contains(&count), "{count} of 64 kept");
	for at in 0..64 {
		assert_eq!(into[at] != 0.0, kept[at], "{at}");
		assert_eq!(out[64 + at] != 0.0, kept[at], "{at}");
	}
	// Gradients of what was kept are twice those without dropout.
	let gradient = change("2.bias");
	for at in (0..64).filter(|&at| kept[at]) {
		let through: f64 =
			(0..2).map(|class| gradient[class] * before["2.weight"].values[class * 64 + at]).sum();
		assert!((into[at] - 2.0 * through).abs() < 1e-3, "{at}: {} {through}", into[at]);
	}
}

#[test]
fn descriptions_should_be_refused_with_the_field_when_wrong() {
	let whole = |changes: Value| {
		let mut whole = serde_json::to_value(description(json!({}))).unwrap();
		for (key, value) in changes.as_object().unwrap() {
			whole[key] = value.clone();
		}
		let description = match Description::from_json(&whole.to_string()) {
			Ok(description) => description,
			Err(error) => return error.to_string(),
		};
		let mut executor = CpuExecutor::new();
		match Trainer::new(&description, &spirals(20), &Arrays::new(), &mut executor) {
			Ok(_) => String::new(),
			Err(error) => error.to_string(),
		}
	};
	for (changes, expected) in [
		(json!({"batch": 0}), "`batch`"),
		(json!({"layers": []}), "`layers`"),
		(json!({"layers": ["relu"]}), "`layers[0]`: the last layer must be linear"),
		(json!({"layers": ["attention"]}), "not valid"),
		(
			json!({"layers": [{"conv2d": {"outputs": 3, "kernel": [3, 3]}}, {"linear": {"outputs": 2}}]}),
			"`layers[0]`",
		),
		(
			json!({"layers": [{"residual": [{"linear": {"outputs": 3}}]}, {"linear": {"outputs": 2}}]}),
			"`layers[0]`: the layers turn",
		),
		(
			json!({"layers": [{"dropout": {"rate": 0.9}}, {"linear": {"outputs": 2}}]}),
			"dropout.rate",
		),
		(
			json!({"layers": [{"embedding": {"width": 4}}, {"linear": {"outputs": 2}}]}),
			"takes tokens",
		),
		(json!({"optimizer": {"sgd": {"momentum": 1.0}}}), "momentum"),
		(json!({"optimizer": {"adam": {"weight_decay": 2.0}}}), "optimizer.weight_decay"),
		(json!({"learning_rate": {"constant": -1.0}}), "`learning_rate`"),
		(json!({"layers": [{"linear": {"outputs": 1}}]}), "array `y`: holds 1; must be 0 to 0"),
		(json!({"order": "given"}), "array `order`: is missing"),
		(json!({"input": {"dense": {"shape": [3]}}}), "array `x`: is [20, 2], not [20, 3]"),
	] {
		let found = whole(changes.clone());
		assert!(found.contains(expected), "{changes}: {found}");
	}
}

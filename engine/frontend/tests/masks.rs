//! Attention with masks written in the ways that exporters have, against attention computed here;
//! and constants that are no numbers where no mask is.

mod build;

use assay_exec::CpuExecutor;
use assay_frontend::{
	array::Array,
	calibrate::{snr, Precision},
	import::Options,
	npz::Arrays,
};
use build::{
	floats, import, ints, model, node, noise, value, vectors, weights, Node, Tensor, With,
};

const LENGTH: usize = 6;
const WIDTH: usize = 8;
const INF: f32 = f32::INFINITY;

/// Whether position `row` must not see `column`.
fn hidden(row: usize, column: usize) -> bool {
	column > row
}

/// `LENGTH × LENGTH` values: one where a position is hidden, one where it is seen.
fn mask(seen: f32, not: f32) -> Vec<f32> {
	let at = |i: usize| if hidden(i / LENGTH, i % LENGTH) { not } else { seen };
	(0..LENGTH * LENGTH).map(at).collect()
}

/// Softmax of `scale · x·wq·(x·wk)ᵀ` over what is seen, times x; in f64.
fn attention(x: &Array, hidden: impl Fn(usize, usize) -> bool) -> Vec<f32> {
	let (x, wq, wk) =
		(x.floats(), noise(&[WIDTH, WIDTH], 1).floats(), noise(&[WIDTH, WIDTH], 2).floats());
	let times = |row: &[f32], w: &[f32]| -> Vec<f64> {
		let each =
			|j: usize| (0..WIDTH).map(|k| f64::from(row[k]) * f64::from(w[k * WIDTH + j])).sum();
		(0..WIDTH).map(each).collect()
	};
	let mut out = Vec::new();
	for sample in x.chunks(LENGTH * WIDTH) {
		let rows: Vec<&[f32]> = sample.chunks(WIDTH).collect();
		let (q, k): (Vec<_>, Vec<_>) =
			rows.iter().map(|row| (times(row, &wq), times(row, &wk))).unzip();
		#[allow(clippy::needless_range_loop)]
		for i in 0..LENGTH {
			let score = |j: usize| -> f64 {
				match hidden(i, j) {
					true => f64::NEG_INFINITY,
					false => q[i].iter().zip(&k[j]).map(|(a, b)| a * b).sum(),
				}
			};
			let scores: Vec<f64> = (0..LENGTH).map(score).collect();
			let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
			let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
			let sum: f64 = weights.iter().sum();
			out.extend((0..WIDTH).map(|c| {
				(0..LENGTH).map(|j| weights[j] / sum * f64::from(rows[j][c])).sum::<f64>() as f32
			}));
		}
	}
	out
}

/// Nodes up to the scores `s`, then `mask` from `s` to `m`, then the rest.
fn model_with(
	mask: Vec<Node>,
	constants: Vec<Tensor>,
	more: Vec<(&str, i32, &[i64])>,
) -> assay_frontend::onnx::Model {
	let mut nodes = vec![
		node("MatMul", &["x", "wq"], "q"),
		node("MatMul", &["x", "wk"], "k"),
		node("Transpose", &["k"], "kt").ints("perm", &[0, 2, 1]),
		node("MatMul", &["q", "kt"], "s"),
	];
	nodes.extend(mask);
	nodes.push(node("Softmax", &["m"], "p").int("axis", -1));
	nodes.push(node("MatMul", &["p", "x"], "y"));
	let mut all = vec![weights("wq", &[WIDTH, WIDTH], 1), weights("wk", &[WIDTH, WIDTH], 2)];
	all.extend(constants);
	let mut inputs = vec![value("x", 1, &[0, LENGTH as i64, WIDTH as i64])];
	inputs.extend(more.into_iter().map(|(name, ty, dims)| value(name, ty, dims)));
	model(inputs, nodes, all)
}

fn square(name: &str, values: &[f32]) -> Tensor {
	floats(name, &[LENGTH as i64, LENGTH as i64], values)
}

fn options() -> Options {
	Options { precision: Precision::All16, batch: Some(4), ..Options::default() }
}

#[track_caller]
fn close(what: &str, expected: &[f32], found: &Array) {
	let ratio = snr(expected, &found.floats());
	assert!(ratio > 35.0, "{what}: {ratio:.1} dB");
}

#[test]
fn positions_should_stay_hidden_when_masks_are_infinite() {
	let m = |op: &str, inputs: &[&str]| node(op, inputs, "m");
	let truth: Vec<i64> = mask(1.0, 0.0).into_iter().map(|x| x as i64).collect();
	let condition = Tensor { dims: vec![LENGTH as i64; 2], data_type: 9, ..ints("c", &[]) };
	let condition = Tensor { int32_data: truth.iter().map(|&x| x as i32).collect(), ..condition };
	let double = Tensor {
		data_type: 11,
		raw_data: mask(0.0, -INF).iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect(),
		..square("mask", &[])
	};
	let far = Tensor {
		raw_data: mask(0.0, -1.0)
			.iter()
			.flat_map(|&x| (f64::from(x) * 1e300).to_le_bytes())
			.collect(),
		..double.clone()
	};
	let half = Tensor {
		data_type: 10,
		raw_data: mask(0.0, 1.0)
			.iter()
			.flat_map(|&x| (if x == 1.0 { 0xfc00u16 } else { 0 }).to_le_bytes())
			.collect(),
		..square("mask", &[])
	};
	let zero = || floats("zero", &[], &[0.0]);
	let low = || floats("low", &[], &[-INF]);
	let add = || m("Add", &["s", "mask"]);
	for (what, nodes, constants) in [
		("added", vec![add()], vec![square("mask", &mask(0.0, -INF))]),
		("added first", vec![m("Add", &["mask", "s"])], vec![square("mask", &mask(0.0, -INF))]),
		("the least float", vec![add()], vec![square("mask", &mask(0.0, f32::MIN))]),
		("-1e9", vec![add()], vec![square("mask", &mask(0.0, -1e9))]),
		("subtracted", vec![m("Sub", &["s", "mask"])], vec![square("mask", &mask(0.0, INF))]),
		(
			"double",
			vec![node("Cast", &["mask"], "f").int("to", 1), m("Add", &["s", "f"])],
			vec![double],
		),
		("beyond singles", vec![add()], vec![far]),
		(
			"half",
			vec![node("Cast", &["mask"], "f").int("to", 1), m("Add", &["s", "f"])],
			vec![half],
		),
		("chosen", vec![m("Where", &["c", "s", "low"])], vec![condition.clone(), low()]),
		(
			"chosen of constants, added",
			vec![node("Where", &["c", "zero", "low"], "mask"), add()],
			vec![condition.clone(), zero(), low()],
		),
		(
			"of a shape",
			vec![
				node("ConstantOfShape", &["shape"], "all")
					.tensor("value", floats("", &[1], &[-INF])),
				node("Where", &["c", "zero", "all"], "mask"),
				add(),
			],
			vec![condition, zero(), ints("shape", &[LENGTH as i64, LENGTH as i64])],
		),
		(
			"times -1",
			vec![node("Mul", &["up", "one"], "mask"), add()],
			vec![square("up", &mask(0.0, INF)), floats("one", &[], &[-1.0])],
		),
		(
			"0 minus it",
			vec![node("Sub", &["zero", "up"], "mask"), add()],
			vec![square("up", &mask(0.0, INF)), zero()],
		),
		(
			"twice",
			vec![node("Add", &["s", "mask"], "once"), m("Add", &["once", "mask"])],
			vec![square("mask", &mask(0.0, -INF))],
		),
		(
			"summed of three",
			vec![m("Sum", &["s", "mask", "nothing"])],
			vec![square("mask", &mask(0.0, -INF)), square("nothing", &mask(0.0, 0.0))],
		),
	] {
		let model = model_with(nodes, constants, vec![]);
		let samples = Arrays::from([("x".into(), noise(&[40, LENGTH, WIDTH], 7))]);
		let (imported, report) =
			import(&model, &samples, &options()).unwrap_or_else(|error| panic!("{what}: {error}"));
		assert!(report.outputs[0].snr > 35.0, "{what}: {}", report.outputs[0].snr);
		let test = Arrays::from([("x".into(), noise(&[8, LENGTH, WIDTH], 9))]);
		let found =
			imported.run_watched(&mut CpuExecutor::default(), &test, &[], |_, _| Ok(())).unwrap();
		close(what, &attention(&test["x"], hidden), &found.outputs["y"]);
	}
}

#[test]
fn distances_should_count_when_the_mask_holds_them_too() {
	// ALiBi: what is seen loses a little for each step back.
	let bias = |row: usize, column: usize| -0.5 * (row as f32 - column as f32);
	let values: Vec<f32> = (0..LENGTH * LENGTH)
		.map(|i| (i / LENGTH, i % LENGTH))
		.map(|(row, column)| if hidden(row, column) { -INF } else { bias(row, column) })
		.collect();
	let graph =
		model_with(vec![node("Add", &["s", "mask"], "m")], vec![square("mask", &values)], vec![]);
	let samples = Arrays::from([("x".into(), noise(&[40, LENGTH, WIDTH], 7))]);
	let (_, report) = import(&graph, &samples, &options()).unwrap();
	assert!(report.outputs[0].snr > 35.0, "{}", report.outputs[0].snr);
}

#[test]
fn positions_should_be_hidden_when_no_sample_hid_them() {
	// Padding: an input says what is seen; the calibration samples see everything.
	let seen = |n: usize, last: usize| {
		let at = |i: usize| i64::from(i % LENGTH < last);
		Array::int([n, 1, LENGTH], (0..n * LENGTH).map(at).collect())
	};
	let zero = || floats("zero", &[], &[0.0]);
	let low = || floats("low", &[], &[-INF]);
	let none = || Tensor { dims: vec![], ..ints("none", &[0]) };
	for (what, nodes) in [
		(
			"where",
			vec![node("Equal", &["pad", "none"], "e"), node("Where", &["e", "low", "s"], "m")],
		),
		(
			"added",
			vec![
				node("Equal", &["pad", "none"], "e"),
				node("Where", &["e", "low", "zero"], "mask"),
				node("Add", &["s", "mask"], "m"),
			],
		),
		(
			"added after another",
			vec![
				node("Equal", &["pad", "none"], "e"),
				node("Where", &["e", "low", "zero"], "mask"),
				node("Add", &["mask", "mask"], "both"),
				node("Add", &["s", "both"], "m"),
			],
		),
	] {
		let graph = model_with(
			nodes,
			vec![zero(), low(), none()],
			vec![("pad", 7, &[0, 1, LENGTH as i64])],
		);
		let samples = Arrays::from([
			("x".into(), noise(&[40, LENGTH, WIDTH], 7)),
			("pad".into(), seen(40, LENGTH)),
		]);
		let (imported, _) =
			import(&graph, &samples, &options()).unwrap_or_else(|e| panic!("{what}: {e}"));
		let x = noise(&[8, LENGTH, WIDTH], 9);
		let expected = attention(&x, |_, column| column >= 4);
		let test = Arrays::from([("x".into(), x), ("pad".into(), seen(8, 4))]);
		let found =
			imported.run_watched(&mut CpuExecutor::default(), &test, &[], |_, _| Ok(())).unwrap();
		close(what, &expected, &found.outputs["y"]);
	}
}

#[test]
fn scores_of_a_vocabulary_should_stay_when_some_tokens_are_suppressed() {
	let mut values = vec![0.0; 12];
	(values[3], values[7]) = (-INF, -1e9);
	let graph = vectors(
		vec![node("Gemm", &["x", "w", "b"], "h"), node("Add", &["h", "suppressed"], "y")],
		vec![
			weights("w", &[16, 12], 1),
			weights("b", &[12], 2),
			floats("suppressed", &[12], &values),
		],
	);
	let (_, report) = import(&graph, &build::samples(&[60, 16], 5), &options()).unwrap();
	let y = &report.outputs[0];
	assert!(y.top1 > 0.9 && y.hidden > 0, "{y:?}");
	assert!(
		report.warnings.iter().any(|warning| warning.contains("not compared")),
		"{:?}",
		report.warnings
	);
}

#[test]
fn constants_should_be_refused_by_name_when_they_are_no_numbers() {
	let with = |dims: &[usize], value: f32| -> Tensor {
		let mut data = noise(dims, 3).floats();
		data[dims.iter().product::<usize>() / 2] = value;
		floats("bad", &dims.iter().map(|&dim| dim as i64).collect::<Vec<_>>(), &data)
	};
	let w = || weights("w", &[16, 8], 1);
	let image = |nodes, constants| model(vec![value("x", 1, &[0, 3, 8, 8])], nodes, constants);
	for bad in [f32::NAN, INF, -INF] {
		let cases = vec![
			(
				vectors(vec![node("MatMul", &["x", "bad"], "y")], vec![with(&[16, 8], bad)]),
				"MatMul.y",
			),
			(
				vectors(vec![node("Gemm", &["x", "w", "bad"], "y")], vec![w(), with(&[8], bad)]),
				"Gemm.y",
			),
			(vectors(vec![node("Mul", &["x", "bad"], "y")], vec![with(&[16], bad)]), "Mul.y"),
			(vectors(vec![node("Div", &["x", "bad"], "y")], vec![with(&[16], bad)]), "Div.y"),
			(
				vectors(
					vec![node("LayerNormalization", &["x", "bad"], "y")],
					vec![with(&[16], bad)],
				),
				"LayerNormalization.y",
			),
			(
				vectors(
					vec![node("LayerNormalization", &["x", "g", "bad"], "y")],
					vec![weights("g", &[16], 2), with(&[16], bad)],
				),
				"LayerNormalization.y",
			),
			(
				image(vec![node("Conv", &["x", "bad"], "y")], vec![with(&[4, 3, 3, 3], bad)]),
				"Conv.y",
			),
			(
				image(
					vec![node("Conv", &["x", "k", "bad"], "y")],
					vec![weights("k", &[4, 3, 3, 3], 2), with(&[4], bad)],
				),
				"Conv.y",
			),
			(
				image(
					vec![node("BatchNormalization", &["x", "o", "o", "o", "bad"], "y")],
					vec![weights("o", &[3], 2), with(&[3], bad)],
				),
				"BatchNormalization.y",
			),
		];
		for (graph, reader) in cases {
			let dims: &[usize] = if reader.starts_with('C') || reader.starts_with('B') {
				&[20, 3, 8, 8]
			} else {
				&[20, 16]
			};
			let error = import(&graph, &build::samples(dims, 5), &options()).unwrap_err();
			assert_eq!(error.code, "not-finite", "{reader} {bad}: {error}");
			assert!(error.message.contains("`bad`") && error.message.contains(reader), "{error}");
		}
	}
}

#[test]
fn masks_should_be_refused_when_zero_times_infinity_makes_no_number_of_them() {
	let graph = model_with(
		vec![node("Mul", &["off", "low"], "mask"), node("Add", &["s", "mask"], "m")],
		vec![square("off", &mask(0.0, 1.0)), floats("low", &[], &[-INF])],
		vec![],
	);
	let samples = Arrays::from([("x".into(), noise(&[40, LENGTH, WIDTH], 7))]);
	let error = import(&graph, &samples, &options()).unwrap_err();
	assert_eq!(error.code, "not-finite");
	assert!(error.message.contains("Mul.mask"), "{error}");
	assert!(error.fix.as_ref().is_some_and(|fix| fix.contains("Where")), "{error}");
}

//! What an import and a run say of themselves: targets, saturation, samples, biases far from zero.

mod build;

use assay_exec::CpuExecutor;
use assay_frontend::{
	array::Array,
	calibrate::{snr, Precision},
	import::{self, Options},
	limits::Limits,
	npz::Arrays,
	read,
	target::Target,
};
use build::{floats, import, model, node, noise, samples, value, vectors, weights, With};

fn mlp() -> assay_frontend::onnx::Model {
	vectors(
		vec![
			node("Gemm", &["x", "w", "b"], "h"),
			node("Relu", &["h"], "r"),
			node("MatMul", &["r", "v"], "y"),
		],
		vec![weights("w", &[16, 32], 1), weights("b", &[32], 2), weights("v", &[32, 10], 3)],
	)
}

fn scaled(array: Array, by: f32) -> Array {
	Array::float(array.dims.clone(), array.floats().into_iter().map(|x| x * by).collect())
}

#[test]
fn samples_should_be_refused_by_name_when_they_say_nothing() {
	let refused = |array: Array| {
		let samples = Arrays::from([("x".into(), array)]);
		let error = import(&mlp(), &samples, &Options::default()).unwrap_err();
		assert_eq!(error.code, "bad-samples", "{error}");
		assert!(error.message.contains("`x`"), "{error}");
		error.message
	};
	for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 3.5] {
		refused(Array::float([40, 16], vec![value; 640]));
	}
	let mut one = noise(&[62_500, 16], 1).floats();
	one[777_777] = f32::NAN;
	assert!(refused(Array::float([62_500, 16], one)).contains("1 of 1000000"));
	refused(Array::float([0, 16], vec![]));
	// What it is compared on, too.
	let graph = read::decode(&mlp().to_bytes(), None, Limits::default()).unwrap();
	let bad = Arrays::from([("x".into(), Array::float([2, 16], vec![f32::NAN; 32]))]);
	let mut executor = CpuExecutor::default();
	let good = samples(&[40, 16], 5);
	let error =
		import::import(graph, good, Some(bad), &Options::default(), &mut executor).unwrap_err();
	assert_eq!(error.code, "bad-samples");
}

#[test]
fn scalars_and_empty_caches_should_be_refused_with_a_way_out() {
	let mut graph = mlp();
	graph.graph.as_mut().unwrap().input.push(value("t", 1, &[]));
	let mut given = samples(&[40, 16], 5);
	given.insert("t".into(), Array::float([], vec![0.7]));
	let error = import(&graph, &given, &Options::default()).unwrap_err();
	assert!(
		error.message.contains("`t`")
			&& error.fix.as_ref().is_some_and(|fix| fix.contains("constant")),
		"{error}"
	);
	let cache = model(
		vec![value("x", 1, &[0, 4, 16]), value("past", 1, &[0, 0, 16])],
		vec![node("Concat", &["past", "x"], "y").int("axis", 1)],
		vec![],
	);
	let mut given = samples(&[40, 4, 16], 5);
	given.insert("past".into(), Array::float([40, 0, 16], vec![]));
	let error = import(&cache, &given, &Options::default()).unwrap_err();
	assert!(
		error.message.contains("`past`")
			&& error.fix.as_ref().is_some_and(|fix| fix.contains("cache")),
		"{error}"
	);
}

#[test]
fn targets_should_be_missed_by_name_when_results_are_far_off() {
	let (_, good) = import(&mlp(), &samples(&[60, 16], 5), &Options::default()).unwrap();
	assert!(Target::default().misses(&good).is_empty(), "{:?}", good.outputs);
	let strict: Target = "snr=190,cosine=1,top1=0".parse().unwrap();
	let misses = strict.misses(&good);
	assert!(misses.iter().any(|miss| miss.measure == "snr" && miss.output == "y"), "{misses:?}");
	let text = misses[0].to_string();
	assert!(
		text.contains("`y`") && text.contains("snr=190") && text.contains("worst layer"),
		"{text}"
	);
	assert!(text.contains("--width 16"), "{text}");
	// Income, age and rate in one vector: one scale for all of them.
	let units: Vec<f32> = (0..16).map(|i| 10f32.powi(i % 8)).collect();
	let inverse: Vec<f32> = units.iter().map(|unit| 1.0 / unit).collect();
	let graph = vectors(
		vec![node("Mul", &["x", "inverse"], "a"), node("MatMul", &["a", "w"], "y")],
		vec![floats("inverse", &[16], &inverse), weights("w", &[16, 8], 1)],
	);
	let x = noise(&[60, 16], 5).floats();
	let x = x.iter().enumerate().map(|(i, x)| x * units[i % 16]).collect();
	let given = Arrays::from([("x".into(), Array::float([60, 16], x))]);
	let (_, report) = import(&graph, &given, &Options::default()).unwrap();
	assert!(!Target::default().misses(&report).is_empty(), "{:?}", report.outputs);
}

#[test]
fn saturation_should_be_counted_by_name_when_samples_are_larger_than_at_import() {
	let (model, report) = import(&mlp(), &samples(&[60, 16], 5), &Options::default()).unwrap();
	let run = |x: Array| {
		let given = Arrays::from([("x".into(), x)]);
		model
			.run_watched(&mut CpuExecutor::default(), &given, &[], |_, _| Ok(()))
			.unwrap()
			.saturated
	};
	let far = run(scaled(noise(&[20, 16], 9), 100.0));
	let input = far.iter().find(|one| one.place == "input `x`").expect("the input is named");
	assert!(input.share() > 0.8 && input.of == 320, "{input:?}");
	assert!(far.iter().any(|one| one.place.contains("Gemm")), "{far:?}");
	// Within the range that was seen, next to nothing does.
	let near = run(noise(&[20, 16], 9));
	assert!(near.iter().all(|one| one.share() < 0.05), "{near:?}");
	assert!(report.saturated.iter().all(|one| one.share() < 0.05), "{:?}", report.saturated);
	// Values inside, while the input itself fits.
	let (model, _) = import(
		&vectors(
			vec![
				node("MatMul", &["x", "w"], "h"),
				node("Tanh", &["h"], "t"),
				node("MatMul", &["t", "v"], "y"),
			],
			vec![weights("w", &[16, 8], 1), weights("v", &[8, 4], 2)],
		),
		&samples(&[60, 16], 5),
		&Options { precision: Precision::All16, ..Options::default() },
	)
	.unwrap();
	let signs: Vec<f32> =
		noise(&[16, 8], 1).floats().chunks(8).map(|row| row[0].signum()).collect();
	let given = Arrays::from([("x".into(), Array::float([1, 16], signs))]);
	let inside = model
		.run_watched(&mut CpuExecutor::default(), &given, &[], |_, _| Ok(()))
		.unwrap()
		.saturated;
	assert!(inside.iter().any(|one| one.place.contains("MatMul.h")), "{inside:?}");
	assert!(inside.iter().all(|one| one.place != "input `x`"), "{inside:?}");
}

#[test]
fn runs_should_be_refused_when_their_samples_are_no_numbers() {
	let (model, _) = import(&mlp(), &samples(&[60, 16], 5), &Options::default()).unwrap();
	for bad in [f32::NAN, f32::INFINITY] {
		let mut x = noise(&[20, 16], 9).floats();
		x[77] = bad;
		let given = Arrays::from([("x".into(), Array::float([20, 16], x))]);
		let error =
			model.run_watched(&mut CpuExecutor::default(), &given, &[], |_, _| Ok(())).unwrap_err();
		assert_eq!(error.code, "bad-samples");
		assert!(error.message.contains("`x`"), "{error}");
	}
}

#[test]
fn indices_should_be_refused_when_they_are_outside_their_table() {
	let ids = |last: i64| {
		let at = |i: i64| if i == 37 { last } else { i * 7 % 64 };
		Arrays::from([("x".into(), Array::int([40, 4], (0..160).map(at).collect()))])
	};
	let embedding = model(
		vec![value("x", 7, &[0, 4])],
		vec![node("Gather", &["table", "x"], "e"), node("MatMul", &["e", "w"], "y")],
		vec![weights("table", &[64, 16], 1), weights("w", &[16, 8], 2)],
	);
	let (model_, _) = import(&embedding, &ids(3), &Options::default()).unwrap();
	let run =
		|given: &Arrays| model_.run_watched(&mut CpuExecutor::default(), given, &[], |_, _| Ok(()));
	assert!(run(&ids(63)).is_ok());
	for bad in [64, 99, -1, i64::from(i32::MAX), 1 << 40, i64::MIN] {
		let error = run(&ids(bad)).unwrap_err();
		assert_eq!(error.code, "bad-samples", "{bad}: {error}");
		assert!(error.message.contains("`x`"), "{bad}: {error}");
	}
	let error = import(&embedding, &ids(64), &Options::default()).unwrap_err();
	assert!(error.message.contains("64"), "{error}");
	// An index that is computed: one more than the input says.
	let shifted = model(
		vec![value("x", 7, &[0, 4])],
		vec![
			node("Add", &["x", "one"], "i"),
			node("Gather", &["table", "i"], "e"),
			node("MatMul", &["e", "w"], "y"),
		],
		vec![
			weights("table", &[65, 16], 1),
			weights("w", &[16, 8], 2),
			build::Tensor { dims: vec![], ..build::ints("one", &[1]) },
		],
	);
	let (model, _) = import(&shifted, &ids(3), &Options::default()).unwrap();
	let run =
		|given: &Arrays| model.run_watched(&mut CpuExecutor::default(), given, &[], |_, _| Ok(()));
	assert!(run(&ids(63)).is_ok());
	let error = run(&ids(64)).unwrap_err();
	assert!(error.message.contains("65") && error.message.contains("Gather.e"), "{error}");
}

#[test]
fn biases_should_keep_what_varies_when_they_are_far_from_zero() {
	for precision in [Precision::All8, Precision::All16] {
		for offset in [5e5f32, -3e7, 1e9] {
			let graph = vectors(
				vec![
					node("Gemm", &["x", "w", "b"], "h"),
					node("Relu", &["h"], "r"),
					node("Gemm", &["r", "v", "c"], "y"),
				],
				vec![
					weights("w", &[16, 32], 1),
					weights("b", &[32], 2),
					weights("v", &[32, 10], 3),
					floats("c", &[10], &[offset; 10]),
				],
			);
			let (model, report) = import(
				&graph,
				&samples(&[60, 16], 5),
				&Options { precision, ..Options::default() },
			)
			.unwrap();
			let given = samples(&[20, 16], 9);
			let found =
				model.run_watched(&mut CpuExecutor::default(), &given, &[], |_, _| Ok(())).unwrap();
			let found = found.outputs["y"].floats();
			assert!(snr(&[offset; 200], &found) > 60.0, "{offset}: {:?}", &found[..10]);
			// What is lost of 5e5 ± 10 is not lost in silence; a float itself has steps of 0.03
			// there.
			let varying = report.outputs[0].varying_snr;
			assert!(
				varying > 10.0 || !report.warnings.is_empty(),
				"{offset} {precision:?}: {varying:.1} dB"
			);
			if offset == 5e5 {
				assert!(varying > 25.0, "{precision:?}: {varying:.1} dB");
			}
		}
	}
}

#[test]
fn outputs_should_be_warned_of_when_most_of_them_never_changes() {
	// A constant that is added after all, so that 16 bits hold little else.
	let graph = vectors(
		vec![
			node("MatMul", &["x", "w"], "h"),
			node("Tanh", &["h"], "t"),
			node("Add", &["t", "c"], "y"),
		],
		vec![weights("w", &[16, 10], 1), floats("c", &[1], &[20_000.0])],
	);
	let (_, report) = import(&graph, &samples(&[60, 16], 5), &Options::default()).unwrap();
	let y = &report.outputs[0];
	assert!(y.snr > 40.0, "{y:?}");
	assert!(
		y.varying_snr > 10.0
			|| report.warnings.iter().any(|text| text.contains("same for every sample")),
		"{y:?} {:?}",
		report.warnings
	);
}

#[test]
fn targets_should_be_missed_when_nothing_can_be_compared() {
	let graph = vectors(
		vec![
			node("Add", &["x", "two"], "p"),
			node("Mul", &["p", "up"], "a"),
			node("Mul", &["a", "up"], "y"),
		],
		vec![floats("up", &[], &[1e25]), floats("two", &[], &[2.0])],
	);
	let (_, report) = import(&graph, &samples(&[40, 16], 5), &Options::default()).unwrap();
	let y = &report.outputs[0];
	assert!(y.hidden == 128 && y.snr < 0.0, "{y:?}");
	assert!(!Target::default().misses(&report).is_empty());
}

#[test]
fn softmax_of_old_operator_sets_should_be_imported_when_other_dimensions_are_one() {
	let mut graph = model(
		vec![value("x", 1, &[0, 3, 8, 8])],
		vec![
			node("Conv", &["x", "k"], "c"),
			node("GlobalAveragePool", &["c"], "g"),
			node("Softmax", &["g"], "y"),
		],
		vec![weights("k", &[10, 3, 3, 3], 1)],
	);
	graph.opset_import[0].version = 9;
	let (_, report) = import(&graph, &samples(&[40, 3, 8, 8], 5), &Options::default()).unwrap();
	assert!(report.outputs[0].snr > 20.0, "{:?}", report.outputs);
}

#[test]
fn results_should_be_refused_when_the_float_model_itself_makes_no_numbers() {
	let graph = vectors(
		vec![node("Log", &["x"], "l"), node("MatMul", &["l", "w"], "y")],
		vec![weights("w", &[16, 4], 1)],
	);
	let error = import(&graph, &samples(&[40, 16], 5), &Options::default()).unwrap_err();
	assert_eq!(error.code, "not-finite");
	assert!(error.message.contains("Log.l"), "{error}");
}

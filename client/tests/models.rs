//! `assay model` as a process: exit codes, what is said, what is written.

use assay_frontend::{
	array::Array,
	npz::{self, Arrays},
	onnx::{
		Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type,
		ValueInfo,
	},
};
use serde_json::Value;
use std::{
	path::Path,
	process::{Command, Output},
};

fn assay(folder: &Path, args: &[&str]) -> Output {
	Command::new(env!("CARGO_BIN_EXE_assay"))
		.args(args)
		.current_dir(folder)
		.env_clear()
		.env("HOME", folder)
		.output()
		.expect("the binary is built before its tests")
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

/// Exit code and the JSON document of a command.
fn json(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
	let output = assay(folder, &[args, &["--json"]].concat());
	let stdout = text(&output.stdout);
	let line = stdout.lines().last().unwrap_or_default();
	let document = serde_json::from_str(line)
		.unwrap_or_else(|e| panic!("{args:?}: {e}: {stdout:?} {}", text(&output.stderr)));
	(output.status.code(), document)
}

fn noise(dims: &[usize], seed: u32) -> Array {
	let value = |i: u32| {
		let mixed = (i + 1).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97)) >> 8;
		(mixed % 2_000) as f32 / 1_000.0 - 1.0
	};
	Array::float(dims, (0..dims.iter().product::<usize>() as u32).map(value).collect())
}

fn tensor(name: &str, dims: &[usize], seed: u32) -> Tensor {
	let raw_data = noise(dims, seed).floats().iter().flat_map(|x| x.to_le_bytes()).collect();
	let dims = dims.iter().map(|&dim| dim as i64).collect();
	Tensor { dims, data_type: 1, name: name.into(), raw_data, ..Default::default() }
}

fn node(op: &str, inputs: &[&str], output: &str) -> Node {
	Node {
		input: inputs.iter().map(|name| name.to_string()).collect(),
		output: vec![output.into()],
		name: format!("{op}.{output}"),
		op_type: op.into(),
		..Default::default()
	}
}

fn value(name: &str, dims: &[i64]) -> ValueInfo {
	let dim = dims.iter().map(|&dim_value| Dimension { dim_value }).collect();
	let tensor_type = Some(TensorType { elem_type: 1, shape: Some(Shape { dim }) });
	ValueInfo { name: name.into(), r#type: Some(Type { tensor_type }) }
}

/// Writes `m.onnx` of one input `x` `[n, 16]`, with samples beside it.
fn write(folder: &Path, nodes: Vec<Node>, initializer: Vec<Tensor>) {
	let (input, output) = (vec![value("x", &[0, 16])], vec![value("y", &[])]);
	let model = Model {
		ir_version: 8,
		graph: Some(Graph { node: nodes, initializer, input, output }),
		opset_import: vec![OperatorSet { domain: String::new(), version: 17 }],
		functions: Vec::new(),
	};
	std::fs::write(folder.join("m.onnx"), model.to_bytes()).expect("written");
	let samples = |rows: usize, seed: u32| Arrays::from([("x".into(), noise(&[rows, 16], seed))]);
	npz::write(&folder.join("cal.npz"), &samples(60, 5)).expect("written");
	npz::write(&folder.join("test.npz"), &samples(20, 9)).expect("written");
}

fn mlp(folder: &Path) {
	write(
		folder,
		vec![
			node("Gemm", &["x", "w", "b"], "h"),
			node("Relu", &["h"], "r"),
			node("MatMul", &["r", "v"], "y"),
		],
		vec![tensor("w", &[16, 32], 1), tensor("b", &[32], 2), tensor("v", &[32, 10], 3)],
	);
}

const IMPORT: &[&str] = &["model", "import", "m.onnx", "--calibrate", "cal.npz", "--out", "out"];

#[test]
fn import_should_exit_with_5_and_write_nothing_when_the_target_is_missed() {
	let dir = tempfile::tempdir().expect("a folder");
	let folder = dir.path();
	mlp(folder);
	let strict = [IMPORT, &["--target", "snr=150,cosine=0.5"]].concat();
	let output = assay(folder, &strict);
	assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
	let said = text(&output.stderr);
	for words in ["target missed", "`y`", "snr=150", "worst layer", "--width 16", "--keep"] {
		assert!(said.contains(words), "{words} is not in {said}");
	}
	assert!(!said.contains("written to"), "{said}");
	assert!(!folder.join("out").exists());
	let (code, document) = json(folder, &strict);
	assert_eq!(code, Some(5));
	assert_eq!(document["target"]["met"], false);
	assert_eq!(document["target"]["misses"][0]["measure"], "snr");
	assert_eq!(document["out"], Value::Null);
	assert!(document["layers"].as_array().is_some_and(|layers| !layers.is_empty()));
	// Kept, it says so whenever it runs.
	let kept = assay(folder, &[&strict[..], &["--keep"]].concat());
	assert_eq!(kept.status.code(), Some(5));
	assert!(folder.join("out/model.program").exists());
	let run = ["model", "run", "out", "--input", "test.npz", "--output", "y.npz"];
	let output = assay(folder, &run);
	assert_eq!(output.status.code(), Some(0));
	assert!(text(&output.stderr).contains("missed its target"), "{}", text(&output.stderr));
	let output = assay(folder, IMPORT);
	assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
	assert!(text(&output.stderr).contains("written to"));
	assert!(!text(&assay(folder, &run).stderr).contains("missed"));
	for bad in ["snr", "snr=x", "cosine=2", "speed=1", ""] {
		let output = assay(folder, &[IMPORT, &["--target", bad]].concat());
		assert_eq!(output.status.code(), Some(2), "{bad}");
	}
}

#[test]
fn help_should_say_every_exit_code_when_asked() {
	let help = |args: &[&str]| text(&assay(Path::new("/"), args).stdout);
	let all = help(&["--help"]);
	assert!(all.contains("5 an imported model misses") && all.contains("6 a fault"), "{all}");
	let import = help(&["model", "import", "--help"]);
	for words in
		["--target", "--keep", "--max-memory", "snr=20", "Exit codes: 0 imported", "5 the target"]
	{
		assert!(import.contains(words), "{words} is not in {import}");
	}
	assert!(help(&["model", "run", "--help"]).contains("Exit codes"));
	assert!(help(&["model", "train", "--help"]).contains("Exit codes"));
}

#[test]
fn run_should_name_what_saturates_when_samples_are_larger_than_at_import() {
	let dir = tempfile::tempdir().expect("a folder");
	let folder = dir.path();
	mlp(folder);
	assert_eq!(assay(folder, IMPORT).status.code(), Some(0));
	let run = ["model", "run", "out", "--input", "test.npz", "--output", "y.npz"];
	let output = assay(folder, &run);
	assert!(!text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
	let far = noise(&[20, 16], 9).floats().into_iter().map(|x| x * 50.0).collect();
	let samples = Arrays::from([("x".into(), Array::float([20, 16], far))]);
	npz::write(&folder.join("test.npz"), &samples).expect("written");
	let output = assay(folder, &run);
	assert_eq!(output.status.code(), Some(0));
	let said = text(&output.stderr);
	assert!(said.contains("warning: input `x`"), "{said}");
	assert!(
		text(&output.stdout).contains("of 320 elements of input `x`"),
		"{}",
		text(&output.stdout)
	);
	let (code, document) = json(folder, &run);
	assert_eq!(code, Some(0));
	let saturated = document["saturated"].as_array().expect("a list");
	let input = saturated.iter().find(|one| one["place"] == "input `x`").expect("it is there");
	assert_eq!(input["of"], 320);
	assert!(input["count"].as_u64().is_some_and(|count| count > 250), "{input}");
	assert!(document["warnings"].as_array().is_some_and(|all| !all.is_empty()));
}

#[test]
fn samples_should_be_refused_by_name_when_they_are_no_numbers() {
	let dir = tempfile::tempdir().expect("a folder");
	let folder = dir.path();
	mlp(folder);
	assert_eq!(assay(folder, IMPORT).status.code(), Some(0));
	let mut x = noise(&[60, 16], 5).floats();
	x[100] = f32::NAN;
	let bad = Arrays::from([("x".into(), Array::float([60, 16], x))]);
	npz::write(&folder.join("bad.npz"), &bad).expect("written");
	for args in [
		&["model", "import", "m.onnx", "--calibrate", "bad.npz", "--out", "o"][..],
		&[
			"model",
			"import",
			"m.onnx",
			"--calibrate",
			"cal.npz",
			"--evaluate",
			"bad.npz",
			"--out",
			"o",
		],
		&["model", "run", "out", "--input", "bad.npz", "--output", "y.npz"],
	] {
		let (code, document) = json(folder, args);
		assert_eq!(code, Some(1), "{args:?}: {document}");
		assert_eq!(document["error"]["code"], "bad-samples", "{args:?}");
		let message = document["error"]["message"].as_str().expect("a sentence");
		assert!(message.contains("`x`") && message.contains("[6, 4]"), "{message}");
	}
	assert!(!folder.join("o").exists() && !folder.join("y.npz").exists());
	// Training: x with one that is no number, weights that do not fit.
	let description = r#"{"input":{"dense":{"shape":[16]}},"layers":[{"linear":{"outputs":3}}],"optimizer":{"sgd":{}},"learning_rate":{"constant":0.05},"batch":4,"steps":2}"#;
	std::fs::write(folder.join("d.json"), description).expect("written");
	let train = |x: Array, weights: Option<Array>| {
		let y = Array::int([60], (0..60).map(|i| i % 3).collect());
		let data = Arrays::from([("x".into(), x), ("y".into(), y)]);
		npz::write(&folder.join("data.npz"), &data).expect("written");
		let mut args = vec!["model", "train", "d.json", "--data", "data.npz"];
		if let Some(weights) = weights {
			let weights = Arrays::from([("0.weight".into(), weights)]);
			npz::write(&folder.join("w.npz"), &weights).expect("written");
			args.extend(["--weights", "w.npz"]);
		}
		json(folder, &args)
	};
	let (code, document) = train(noise(&[60, 16], 5), None);
	assert_eq!(code, Some(0), "{document}");
	let (code, document) = train(bad["x"].clone(), None);
	assert_eq!((code, document["error"]["code"].as_str()), (Some(1), Some("bad-samples")));
	assert!(document["error"]["message"].as_str().is_some_and(|text| text.contains("`x`")));
	// Data that are all the same teach nothing, but they are data.
	let (code, document) = train(Array::float([60, 16], vec![0.0; 960]), None);
	assert_eq!(code, Some(0), "{document}");
	for value in [f32::NAN, f32::INFINITY, 40.0] {
		let mut weights = noise(&[3, 16], 7).floats();
		weights[5] = value;
		let (code, document) = train(noise(&[60, 16], 5), Some(Array::float([3, 16], weights)));
		assert_eq!(
			(code, document["error"]["code"].as_str()),
			(Some(1), Some("bad-data")),
			"{value}"
		);
		assert!(document["error"]["message"]
			.as_str()
			.is_some_and(|text| text.contains("0.weight")));
	}
}

#[test]
fn files_should_be_refused_when_they_never_end() {
	let dir = tempfile::tempdir().expect("a folder");
	let folder = dir.path();
	mlp(folder);
	std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).expect("linked");
	for args in [
		&["model", "import", "/dev/zero", "--calibrate", "cal.npz", "--out", "o"][..],
		&["model", "import", "zero", "--calibrate", "cal.npz", "--out", "o"],
		&["model", "import", "m.onnx", "--calibrate", "/dev/zero", "--out", "o"],
		&["model", "import", ".", "--calibrate", "cal.npz", "--out", "o"],
		&["model", "train", "/dev/zero", "--data", "cal.npz"],
		&["model", "run", ".", "--input", "/dev/zero", "--output", "o"],
	] {
		let (code, document) = json(folder, args);
		assert_eq!((code, document["error"]["code"].as_str()), (Some(1), Some("file")), "{args:?}");
	}
}

#[test]
fn refusals_should_be_clean_when_names_are_hostile() {
	let dir = tempfile::tempdir().expect("a folder");
	let folder = dir.path();
	let evil = "\u{1b}[31m\u{202e}evil\r\n";
	write(folder, vec![node(evil, &["x"], "y")], vec![]);
	let output = assay(folder, IMPORT);
	assert_eq!(output.status.code(), Some(1));
	let said = text(&output.stderr);
	assert!(said.contains("evil"), "{said}");
	assert!(!said.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{said:?}");
	// Names that are imported are shown in the report.
	let mut named = node("Gemm", &["x", "w"], "y");
	named.name = evil.into();
	write(folder, vec![named], vec![tensor("w", &[16, 8], 1)]);
	let output = assay(folder, IMPORT);
	assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
	let said = text(&output.stdout);
	assert!(
		said.contains("evil") && !said.contains('\u{1b}') && !said.contains('\u{202e}'),
		"{said:?}"
	);
}

#[test]
fn hostile_models_should_be_refused_within_little_memory() {
	let dir = tempfile::tempdir().expect("a folder");
	let folder = dir.path();
	let shape = Tensor {
		dims: vec![1],
		data_type: 7,
		name: "s".into(),
		int64_data: vec![3 << 30],
		..Default::default()
	};
	let ints = |name: &str, ints: &[i64]| Attribute {
		name: name.into(),
		ints: ints.to_vec(),
		r#type: 7,
		..Default::default()
	};
	let sum = node("ReduceSum", &["c"], "d");
	write(
		folder,
		vec![node("ConstantOfShape", &["s"], "c"), sum, node("Add", &["x", "d"], "y")],
		vec![shape],
	);
	let limited = |code: &str| {
		// Six GiB of addresses: whoever takes them dies.
		let output = Command::new("sh")
			.args(["-c", "ulimit -v 6291456; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_assay")])
			.args(IMPORT)
			.arg("--json")
			.current_dir(folder)
			.output()
			.expect("there is a shell");
		let document: Value = serde_json::from_str(&text(&output.stdout))
			.unwrap_or_else(|e| panic!("{e}: {} {}", text(&output.stdout), text(&output.stderr)));
		assert_eq!(output.status.code(), Some(1), "{document}");
		assert_eq!(document["error"]["code"], code, "{document}");
	};
	limited("too-large");
	let mut nodes: Vec<Node> = Vec::new();
	for k in 0..34 {
		let from = if k == 0 { "x".to_string() } else { format!("v{k}") };
		let mut doubled = node("Concat", &[&from, &from], &format!("v{}", k + 1));
		doubled.attribute.push(Attribute {
			name: "axis".into(),
			i: 1,
			r#type: 2,
			..Default::default()
		});
		nodes.push(doubled);
	}
	nodes.push(node("Neg", &["v34"], "y"));
	write(folder, nodes, vec![]);
	limited("too-large");
	let mut twice = node("Transpose", &["x"], "y");
	twice.attribute.push(ints("perm", &[0, 0]));
	write(folder, vec![twice], vec![]);
	limited("bad-model");
}

//! From graphs to integer results: each kind of layer against the float reference, and what is
//! refused.

use assay_exec::CpuExecutor;
use assay_frontend::{
	array::Array,
	calibrate::{snr, Precision},
	eval,
	graph::{Attribute, Graph, Input, Node},
	import::{build, prepare, Options},
	model::Model,
	npz::Arrays,
};
use assay_ops::Op;
use assay_program::Class;
use std::sync::Arc;

/// Numbers that look random, always the same.
fn noise(dims: &[usize], seed: u32) -> Array {
	let value = |i: u32| {
		let mixed = (i + 1).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97)) >> 8;
		(mixed % 2_000) as f32 / 1_000.0 - 1.0
	};
	Array::float(dims, (0..dims.iter().product::<usize>() as u32).map(value).collect())
}

fn graph(dims: &[usize], nodes: Vec<Node>, constants: Vec<(&str, Array)>) -> (Graph, Arrays) {
	let mut graph = Graph {
		opset: 17,
		inputs: vec![Input {
			name: "x".into(),
			integer: false,
			dims: dims.iter().map(|&dim| Some(dim)).collect(),
		}],
		outputs: vec!["y".into()],
		nodes,
		..Graph::default()
	};
	for (name, array) in constants {
		graph.constants.insert(name.into(), Arc::new(array));
	}
	(graph, Arrays::from([("x".into(), noise(dims, 7))]))
}

/// Imports, runs, and gives the model with its result's signal-to-noise ratio.
fn run(graph: Graph, samples: &Arrays, precision: Precision) -> (Model, f64) {
	let values = samples.iter().map(|(n, a)| (n.clone(), Arc::new(a.clone()))).collect();
	let expected = eval::run(&graph, &values).unwrap()["y"].floats();
	let options = Options { precision, ..Options::default() };
	let prepared = prepare(graph, samples, &options).unwrap();
	let (model, ..) = build(&prepared, &options).unwrap();
	let found = model.run(&mut CpuExecutor::default(), samples, &[], |_, _| {}).unwrap();
	let ratio = snr(&expected, &found["y"].floats());
	(model, ratio)
}

#[track_caller]
fn close(graph: Graph, samples: &Arrays, precision: Precision, least: f64) -> Model {
	let (model, ratio) = run(graph, samples, precision);
	assert!(ratio >= least, "{ratio:.1} dB instead of {least}");
	model
}

#[test]
fn perceptron_should_keep_its_results_when_products_have_8_or_16_bits() {
	let make = || {
		graph(
			&[8, 64],
			vec![
				Node::new("a", "Gemm", &["x", "w1", "b1"], "h").with("transB", Attribute::Int(1)),
				Node::new("r", "Relu", &["h"], "r"),
				Node::new("b", "MatMul", &["r", "w2"], "s"),
				Node::new("c", "Add", &["s", "b2"], "y"),
			],
			vec![
				("w1", noise(&[48, 64], 1)),
				("b1", noise(&[48], 2)),
				("w2", noise(&[48, 10], 3)),
				("b2", noise(&[10], 4)),
			],
		)
	};
	let (g, samples) = make();
	let narrow = close(g, &samples, Precision::All8, 28.0);
	let (g, samples) = make();
	let wide = close(g, &samples, Precision::All16, 60.0);
	assert!(narrow.weight_bytes() < wide.weight_bytes());
	assert!(narrow.checked.work_units < wide.checked.work_units);
	// Two products, two roundings, one clamp: biases and casts cost nothing of their own.
	assert_eq!(narrow.program.nodes.len(), 5);
}

#[test]
fn convolutions_should_keep_their_results_when_strided_padded_grouped_or_on_lines() {
	for (dims, weights, attributes) in [
		(vec![2, 3, 9, 7], vec![8, 3, 3, 3], vec![("pads", vec![1, 1, 1, 1])]),
		(
			vec![2, 4, 8, 8],
			vec![8, 2, 3, 3],
			vec![("strides", vec![2, 2]), ("pads", vec![0, 1, 1, 0])],
		),
		(vec![1, 6, 8, 8], vec![6, 1, 3, 3], vec![("dilations", vec![2, 2])]),
		(vec![2, 3, 12], vec![5, 3, 4], vec![("strides", vec![2])]),
	] {
		let groups = dims[1] / weights[1];
		let mut node = Node::new("c", "Conv", &["x", "w", "b"], "h")
			.with("group", Attribute::Int(groups as i64));
		for (name, values) in attributes {
			node = node.with(name, Attribute::Ints(values));
		}
		let nodes = vec![node, Node::new("r", "Relu", &["h"], "y")];
		let constants = vec![("w", noise(&weights, 1)), ("b", noise(&[weights[0]], 2))];
		let (g, samples) = graph(&dims, nodes, constants);
		close(g, &samples, Precision::All8, 30.0);
	}
}

#[test]
fn images_should_stay_where_they_are_when_layers_follow_each_other() {
	let (g, samples) = graph(
		&[2, 3, 8, 8],
		vec![
			Node::new("a", "Conv", &["x", "w1"], "a").with("pads", Attribute::Ints(vec![1; 4])),
			Node::new("b", "Conv", &["a", "w2"], "b").with("pads", Attribute::Ints(vec![1; 4])),
			Node::new("s", "Add", &["a", "b"], "s"),
			Node::new("r", "Relu", &["s"], "r"),
			Node::new("p", "AveragePool", &["r"], "p")
				.with("kernel_shape", Attribute::Ints(vec![3, 3]))
				.with("pads", Attribute::Ints(vec![1; 4])),
			Node::new("g", "GlobalAveragePool", &["p"], "y"),
		],
		vec![("w1", noise(&[8, 3, 3, 3], 1)), ("w2", noise(&[8, 8, 3, 3], 2))],
	);
	let model = close(g, &samples, Precision::All8, 25.0);
	// From [N, C, H, W] once at the input; never back.
	let copies = model.program.nodes.iter().filter(|node| matches!(node.op, Op::Copy)).count();
	assert!(copies <= 1, "{copies} copies");
}

#[test]
fn attention_should_keep_its_results_when_it_is_written_in_parts() {
	let split = Array::int([4], vec![2, 6, 2, 8]);
	let project = |name: &str, w: &str, to: &str| -> Vec<Node> {
		vec![
			Node::new(&format!("{name}.m"), "MatMul", &["x", w], &format!("{to}.m")),
			Node::new(
				&format!("{name}.s"),
				"Reshape",
				&[&format!("{to}.m"), "split"],
				&format!("{to}.s"),
			),
			Node::new(&format!("{name}.t"), "Transpose", &[&format!("{to}.s")], to)
				.with("perm", Attribute::Ints(vec![0, 2, 1, 3])),
		]
	};
	let mut nodes = project("q", "wq", "q");
	nodes.extend(project("k", "wk", "k"));
	nodes.extend(project("v", "wv", "v"));
	nodes.extend([
		Node::new("kt", "Transpose", &["k"], "kt").with("perm", Attribute::Ints(vec![0, 1, 3, 2])),
		Node::new("qk", "MatMul", &["q", "kt"], "scores"),
		Node::new("scale", "Div", &["scores", "root"], "scaled"),
		Node::new("mask", "Add", &["scaled", "mask"], "masked"),
		Node::new("p", "Softmax", &["masked"], "p").with("axis", Attribute::Int(-1)),
		Node::new("pv", "MatMul", &["p", "v"], "o"),
		Node::new("ot", "Transpose", &["o"], "ot").with("perm", Attribute::Ints(vec![0, 2, 1, 3])),
		Node::new("join", "Reshape", &["ot", "join"], "joined"),
		Node::new("res", "Add", &["joined", "x"], "sum"),
		Node::new("n", "LayerNormalization", &["sum", "gamma", "beta"], "y"),
	]);
	let mask: Vec<f32> = (0..6).map(|i| if i < 4 { 0.0 } else { -3.4e38 }).collect();
	let (g, samples) = graph(
		&[2, 6, 16],
		nodes,
		vec![
			("wq", noise(&[16, 16], 1)),
			("wk", noise(&[16, 16], 2)),
			("wv", noise(&[16, 16], 3)),
			("split", split),
			("join", Array::int([3], vec![2, 6, 16])),
			("root", Array::float([], vec![8f32.sqrt()])),
			("mask", Array::float([1, 1, 1, 6], mask)),
			("gamma", noise(&[16], 5)),
			("beta", noise(&[16], 6)),
		],
	);
	let model = close(g, &samples, Precision::All16, 45.0);
	let anchors =
		model.program.nodes.iter().filter(|node| node.class == Class::EagerAnchor).count();
	// Three projections, scores, probabilities, what they weigh, and the output.
	assert!(anchors <= 7, "{anchors} anchors");
}

#[test]
fn functions_should_keep_their_results_when_they_become_tables() {
	for op in ["Gelu", "Tanh", "Sigmoid", "Exp", "HardSwish", "LeakyRelu", "Softplus", "Abs", "Erf"]
	{
		let (g, samples) = graph(&[4, 32], vec![Node::new("f", op, &["x"], "y")], vec![]);
		let (_, ratio) = run(g, &samples, Precision::All16);
		assert!(ratio > 60.0, "{op}: {ratio:.1} dB");
	}
}

#[test]
fn rows_should_be_reduced_alike_when_they_are_seen_transposed() {
	for (op, least) in [
		("ReduceMean", 60.0),
		("ReduceSum", 60.0),
		("ReduceMax", 60.0),
		("ReduceMin", 60.0),
		("ReduceL2", 50.0),
	] {
		let nodes = vec![
			Node::new("t", "Transpose", &["x"], "t").with("perm", Attribute::Ints(vec![2, 0, 1])),
			Node::new("r", op, &["t"], "y").with("axes", Attribute::Ints(vec![0])),
		];
		let (g, samples) = graph(&[3, 5, 16], nodes, vec![]);
		let (_, ratio) = run(g, &samples, Precision::All16);
		assert!(ratio > least, "{op}: {ratio:.1} dB");
	}
}

#[test]
fn model_should_run_alike_when_it_is_saved_and_loaded() {
	let nodes = vec![Node::new("l", "MatMul", &["x", "w"], "y")];
	let (g, samples) = graph(&[4, 32], nodes, vec![("w", noise(&[32, 8], 1))]);
	let options = Options::default();
	let (model, ..) = build(&prepare(g, &samples, &options).unwrap(), &options).unwrap();
	let folder = tempfile::tempdir().unwrap();
	model.save(folder.path()).unwrap();
	let loaded = Model::load(folder.path()).unwrap();
	assert_eq!(loaded.program, model.program);
	assert_eq!(loaded.sidecar, model.sidecar);
	// Nine samples in batches of four: the last one is filled up and cut again.
	let nine = Arrays::from([("x".to_string(), noise(&[9, 32], 8))]);
	let before = model.run(&mut CpuExecutor::default(), &nine, &[], |_, _| {}).unwrap();
	let after = loaded.run(&mut CpuExecutor::default(), &nine, &[], |_, _| {}).unwrap();
	assert_eq!(before["y"].dims, [9, 8]);
	assert_eq!(before, after);
	let wrong = Arrays::from([("x".to_string(), noise(&[4, 31], 8))]);
	let error = loaded.run(&mut CpuExecutor::default(), &wrong, &[], |_, _| {}).unwrap_err();
	assert_eq!(error.code, "wrong-shape");
	let error =
		loaded.run(&mut CpuExecutor::default(), &Arrays::new(), &[], |_, _| {}).unwrap_err();
	assert_eq!(error.code, "missing-input");
}

#[test]
fn model_should_be_refused_with_every_operator_when_some_are_unknown() {
	let nodes = vec![
		Node::new("a", "Loop", &["x"], "a"),
		Node::new("b", "Einsum", &["a"], "b"),
		Node::new("c", "Einsum", &["b"], "y"),
	];
	let (g, samples) = graph(&[2, 3], nodes, vec![]);
	let error = prepare(g, &samples, &Options::default()).err().unwrap();
	assert_eq!(error.code, "unsupported-operator");
	assert!(error.message.contains("Einsum (2), Loop (1)"), "{error}");
	let fix = error.fix.clone().unwrap_or_default();
	assert!(fix.contains("MatMul") && fix.contains("unroll"), "{error}");
}

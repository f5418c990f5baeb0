//! Models that are invalid or mean harm: each is refused in a sentence that names what is wrong, in
//! bounded time, and nothing panics.

mod build;

use assay_frontend::{import::Options, onnx, read, Error};
use build::{
	floats, import, ints, model, node, samples, value, vectors, weights, Attribute, Entry, Node,
	Tensor, With,
};
use std::time::{Duration, Instant};

/// Longest that any of these may take, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);

fn options() -> Options {
	Options { batch: Some(4), ..Options::default() }
}

#[track_caller]
fn refused(what: &str, model: &onnx::Model, dims: &[usize]) -> Error {
	let started = Instant::now();
	let outcome = import(model, &samples(dims, 5), &options());
	let took = started.elapsed();
	assert!(took < PATIENCE, "{what}: {took:?}");
	let error = match outcome {
		Err(error) => error,
		Ok((_, report)) => panic!("{what}: it is imported, {:?}", report.outputs),
	};
	assert!(error.message.chars().count() < 2_000 && error.fix.is_some(), "{what}: {error}");
	assert_ne!(error.code, "rejected-program", "{what}: {error}");
	error
}

#[track_caller]
fn says(what: &str, model: &onnx::Model, dims: &[usize], words: &[&str]) {
	let error = refused(what, model, dims);
	for word in words {
		assert!(error.message.contains(word), "{what}: `{error}` does not say {word}");
	}
}

fn graph(model: &mut onnx::Model) -> &mut onnx::Graph {
	model.graph.as_mut().expect("it has one")
}

fn mlp() -> onnx::Model {
	vectors(
		vec![
			node("Gemm", &["x", "w", "b"], "h"),
			node("Relu", &["h"], "r"),
			node("MatMul", &["r", "v"], "y"),
		],
		vec![weights("w", &[16, 8], 1), weights("b", &[8], 2), weights("v", &[8, 4], 3)],
	)
}

#[test]
fn model_should_be_imported_when_nothing_is_wrong() {
	assert!(import(&mlp(), &samples(&[40, 16], 5), &options()).is_ok());
}

#[test]
fn names_should_be_refused_when_two_things_have_them() {
	let dims = [40, 16];
	let mut twice = mlp();
	graph(&mut twice).node.push(node("Neg", &["h"], "r"));
	says("two producers", &twice, &dims, &["two nodes make", "`r`"]);
	let mut twice = mlp();
	graph(&mut twice).initializer.push(weights("w", &[16, 8], 9));
	says("two initializers", &twice, &dims, &["two initializers", "`w`"]);
	let mut twice = mlp();
	graph(&mut twice).input.push(value("x", 1, &[0, 16]));
	says("two inputs", &twice, &dims, &["two inputs", "`x`"]);
	let mut twice = mlp();
	graph(&mut twice).output.push(value("y", 1, &[]));
	says("two outputs", &twice, &dims, &["`y`", "twice"]);
	let mut over = mlp();
	graph(&mut over).node.push(node("Neg", &["h"], "w"));
	says("a node that makes an initializer", &over, &dims, &["`w`"]);
	let mut over = mlp();
	graph(&mut over).node.push(node("Neg", &["h"], "x"));
	says("a node that makes an input", &over, &dims, &["`x`"]);
	let mut over = mlp();
	graph(&mut over).node.insert(0, node("Constant", &[], "w").float("value_float", 1.0));
	says("a constant that is an initializer", &over, &dims, &["`w`"]);
	let mut none = mlp();
	graph(&mut none).output.clear();
	says("no output", &none, &dims, &["no output"]);
}

#[test]
fn graphs_should_be_refused_when_they_are_cyclic_or_read_what_is_not_there() {
	let dims = [40, 16];
	for (what, nodes) in [
		(
			"a cycle",
			vec![node("Add", &["x", "b"], "a"), node("Neg", &["a"], "b"), node("Neg", &["b"], "y")],
		),
		("itself", vec![node("Add", &["x", "y"], "y")]),
		("out of order", vec![node("Neg", &["a"], "y"), node("Neg", &["x"], "a")]),
	] {
		says(what, &vectors(nodes, vec![]), &dims, &["which nothing before it makes"]);
	}
	let nothing = vectors(vec![node("Neg", &["x"], "z")], vec![]);
	says("an output that nothing makes", &nothing, &dims, &["output `y`"]);
	let missing = vectors(vec![node("Add", &["x"], "y")], vec![]);
	says("an operand too few", &missing, &dims, &["Add.y", "operand 1"]);
	let many = vectors(vec![node("Sub", &["x", "x", "x"], "y")], vec![]);
	says("an operand too many", &many, &dims, &["Sub.y", "2 operands"]);
}

#[test]
fn operator_sets_should_be_refused_when_they_are_not_known() {
	for version in [0, -1, 29, 99, i64::MAX] {
		let mut unknown = mlp();
		unknown.opset_import[0].version = version;
		says("an operator set", &unknown, &[40, 16], &[&version.to_string()]);
	}
	let mut none = mlp();
	none.opset_import.clear();
	says("no operator set", &none, &[40, 16], &["operator set"]);
	let mut two = mlp();
	two.opset_import.push(onnx::OperatorSet { domain: "ai.onnx".into(), version: 18 });
	says("two operator sets", &two, &[40, 16], &["2 times"]);
}

#[test]
fn attributes_should_be_refused_when_they_do_not_fit_their_operator() {
	let soft = |node: Node| vectors(vec![node], vec![]);
	let softmax = || node("Softmax", &["x"], "y");
	let dims = [40, 16];
	says("another type", &soft(softmax().float("axis", 1.0)), &dims, &["`axis`", "an integer"]);
	says("a list", &soft(softmax().ints("axis", &[1])), &dims, &["`axis`", "an integer"]);
	says("unknown", &soft(softmax().int("axes", 1)), &dims, &["`axes`", "none of this name"]);
	says("twice", &soft(softmax().int("axis", 1).int("axis", 0)), &dims, &["twice"]);
	says("out of range", &soft(softmax().int("axis", 2)), &dims, &["axis 2"]);
	says("far out of range", &soft(softmax().int("axis", i64::MIN)), &dims, &["axis -9"]);
	let leaky = |alpha| soft(node("LeakyRelu", &["x"], "y").float("alpha", alpha));
	for alpha in [f32::NAN, f32::INFINITY] {
		let error = refused("alpha", &leaky(alpha), &dims);
		assert_eq!(error.code, "not-finite", "{error}");
		assert!(error.message.contains("`alpha`"), "{error}");
	}
	let norm = node("LayerNormalization", &["x", "g"], "y").float("epsilon", -1.0);
	says("epsilon", &vectors(vec![norm], vec![weights("g", &[16], 1)]), &dims, &["`epsilon`"]);
	let body = Attribute { name: "then_branch".into(), r#type: 5, ..Default::default() };
	let branch = soft(node("If", &["x"], "y").attribute(body));
	says("a graph", &branch, &dims, &["If (1)", "If.y"]);
	let texts = Attribute { name: "activations".into(), r#type: 8, ..Default::default() };
	let lstm = soft(node("LSTM", &["x"], "y").attribute(texts));
	says("texts", &lstm, &dims, &["LSTM (1)"]);
	let mut other = node("FusedMatMul", &["x", "x"], "a");
	other.domain = "com.microsoft".into();
	let both = vectors(vec![other, node("LSTM", &["a"], "b"), node("Einsum", &["b"], "y")], vec![]);
	says("several", &both, &dims, &["com.microsoft.FusedMatMul (1)", "LSTM (1)", "Einsum (1)"]);
}

#[test]
fn shapes_should_be_refused_when_operands_do_not_fit() {
	let image = |nodes, constants| model(vec![value("x", 1, &[0, 3, 8, 8])], nodes, constants);
	let dims = [20, 3, 8, 8];
	let conv = |inputs: &[&str]| node("Conv", inputs, "y");
	let k = || weights("k", &[4, 3, 3, 3], 1);
	for length in [1, 3, 9] {
		let graph = image(vec![conv(&["x", "k", "b"])], vec![k(), weights("b", &[length], 2)]);
		says("a bias", &graph, &dims, &["Conv.y", "bias"]);
	}
	for group in [0, -1, 2, 5, i64::MAX, i64::MIN] {
		let graph = image(vec![conv(&["x", "k"]).int("group", group)], vec![k()]);
		says("groups", &graph, &dims, &["Conv.y", "group"]);
	}
	for (what, node) in [
		("strides of 0", conv(&["x", "k"]).ints("strides", &[0, 1])),
		("too few strides", conv(&["x", "k"]).ints("strides", &[1])),
		("negative dilations", conv(&["x", "k"]).ints("dilations", &[-1, 1])),
		("negative pads", conv(&["x", "k"]).ints("pads", &[-1; 4])),
		("too many pads", conv(&["x", "k"]).ints("pads", &[1; 6])),
		("another kernel", conv(&["x", "k"]).ints("kernel_shape", &[5, 5])),
		("auto_pad", conv(&["x", "k"]).text("auto_pad", "SAME")),
		("far dilations", conv(&["x", "k"]).ints("dilations", &[i64::MAX; 2])),
		("far strides", conv(&["x", "k"]).ints("strides", &[i64::MAX; 2])),
	] {
		says(what, &image(vec![node], vec![k()]), &dims, &["Conv.y"]);
	}
	let biased = vectors(
		vec![node("Gemm", &["x", "w", "c"], "y")],
		vec![weights("w", &[16, 8], 1), weights("c", &[9], 2)],
	);
	says("C", &biased, &[40, 16], &["Gemm.y", "broadcast"]);
	let gamma =
		vectors(vec![node("LayerNormalization", &["x", "g"], "y")], vec![weights("g", &[4], 1)]);
	says("gamma", &gamma, &[40, 16], &["LayerNormalization.y"]);
	let mean = image(
		vec![node("BatchNormalization", &["x", "p", "p", "p", "q"], "y")],
		vec![weights("p", &[3], 1), weights("q", &[4], 2)],
	);
	says("variances", &mean, &dims, &["BatchNormalization.y"]);
	for perm in [&[0, 0][..], &[0], &[0, 1, 2], &[1, 2], &[-1, 0], &[i64::MAX, 0]] {
		let graph = vectors(vec![node("Transpose", &["x"], "y").ints("perm", perm)], vec![]);
		says("perm", &graph, &[40, 16], &["Transpose.y", "perm"]);
	}
	let pool = |node: Node| image(vec![node], vec![]);
	for op in ["MaxPool", "AveragePool"] {
		let plain = || node(op, &["x"], "y");
		says("no kernel", &pool(plain()), &dims, &["kernel_shape"]);
		says(
			"a kernel of 0",
			&pool(plain().ints("kernel_shape", &[0, 2])),
			&dims,
			&["kernel_shape"],
		);
		let wide = plain().ints("kernel_shape", &[2, 2]).ints("pads", &[2; 4]);
		says("padding", &pool(wide), &dims, &["padding"]);
	}
	let block = |size| {
		model(
			vec![value("x", 1, &[0, 4, 2, 2])],
			vec![node("DepthToSpace", &["x"], "y").int("blocksize", size)],
			vec![],
		)
	};
	for size in [0, -1, 3, 1 << 40, i64::MIN, 1 << 32] {
		says("blocks", &block(size), &[20, 4, 2, 2], &["DepthToSpace.y", "blocksize"]);
	}
}

/// A node over `x` `[n, 16]` whose second operand is a list.
fn listed(op: &str, list: &[i64]) -> onnx::Model {
	vectors(vec![node(op, &["x", "list"], "y")], vec![ints("list", list)])
}

#[test]
fn numbers_should_be_refused_when_they_are_out_of_range() {
	let dims = [40, 16];
	for (op, list) in [
		("Reshape", &[-1, -1][..]),
		("Reshape", &[-2, 16]),
		("Reshape", &[3, 7]),
		("Reshape", &[i64::MAX, i64::MAX]),
		("Reshape", &[i64::MIN]),
		("Reshape", &[0, 0, 0]),
		("Expand", &[-5, 16]),
		("Expand", &[1 << 62, 1, 1]),
		("Expand", &[i64::MAX, i64::MAX, 4, 16]),
		("Expand", &[3, 16]),
		("Unsqueeze", &[0, 0]),
		("Unsqueeze", &[9]),
		("Unsqueeze", &[i64::MIN]),
		("Squeeze", &[0]),
		("Squeeze", &[5]),
		("Pad", &[0, 0]),
		("Pad", &[0, -20, 0, 0]),
		("Pad", &[0, i64::MAX, 0, i64::MAX]),
		("Pad", &[i64::MIN, 0, 0, 0]),
		("Pad", &[0, 3 << 30, 0, 3 << 30]),
		("Gather", &[99]),
		("Gather", &[-99]),
		("Gather", &[i64::MIN]),
		("Gather", &[i64::MAX]),
		("TopK", &[0]),
		("TopK", &[17]),
		("TopK", &[-1]),
		("TopK", &[1, 2]),
	] {
		let error = refused(op, &listed(op, list), &dims);
		assert!(error.message.contains(&format!("{op}.y")), "{op} {list:?}: {error}");
	}
	for shape in [&[-1][..], &[1 << 62, 2], &[1 << 40], &[3 << 30], &[0, i64::MAX, i64::MAX]] {
		let graph = vectors(
			vec![
				node("ConstantOfShape", &["list"], "c"),
				node("ReduceSum", &["c"], "d").int("keepdims", 0),
				node("Add", &["x", "d"], "y"),
			],
			vec![ints("list", shape)],
		);
		says("a shape", &graph, &dims, &["ConstantOfShape.c"]);
	}
	let scalar = |name: &str, value: f32| floats(name, &[], &[value]);
	for (from, to, by) in
		[(0.0, 10.0, 0.0), (0.0, 1e30, 1.0), (f32::INFINITY, 0.0, 1.0), (0.0, 1e9, 1e-9)]
	{
		let graph = vectors(
			vec![node("Range", &["from", "to", "by"], "r"), node("Add", &["x", "r"], "y")],
			vec![scalar("from", from), scalar("to", to), scalar("by", by)],
		);
		says("a range", &graph, &dims, &["Range.r"]);
	}
	for (starts, ends, axes, steps) in [
		(&[0][..], &[4][..], &[5][..], &[1][..]),
		(&[0], &[4], &[1], &[0]),
		(&[0, 1], &[4], &[1], &[1]),
		(&[0, 0], &[4, 4], &[1, 1], &[1, 1]),
		(&[9], &[4], &[1], &[1]),
		(&[i64::MAX], &[i64::MIN], &[1], &[i64::MAX]),
		(&[i64::MIN], &[i64::MAX], &[1], &[i64::MIN]),
	] {
		let graph = vectors(
			vec![node("Slice", &["x", "starts", "ends", "axes", "steps"], "y")],
			vec![
				ints("starts", starts),
				ints("ends", ends),
				ints("axes", axes),
				ints("steps", steps),
			],
		);
		refused("a slice", &graph, &dims);
	}
	let split = |lengths: &[i64]| {
		let mut node = node("Split", &["x", "lengths"], "y").int("axis", 1);
		node.output.push("z".into());
		vectors(vec![node], vec![ints("lengths", lengths)])
	};
	for lengths in [&[8, 9][..], &[-8, 24], &[8], &[8, 4, 4], &[i64::MAX, i64::MAX], &[16, 0]] {
		refused("pieces", &split(lengths), &dims);
	}
	let many = vectors(vec![node("Split", &["x"], "y").int("num_outputs", 1 << 40)], vec![]);
	says("pieces without end", &many, &dims, &["Split.y"]);
}

#[test]
fn memory_should_be_refused_before_it_is_taken() {
	let image = |nodes, constants| model(vec![value("x", 1, &[0, 3, 8, 8])], nodes, constants);
	let dims = [20, 3, 8, 8];
	for pad in [1 << 20, 3 << 30, 1 << 40, 1 << 62, i64::MAX] {
		let conv = node("Conv", &["x", "k"], "y").ints("pads", &[pad; 4]);
		says("Conv", &image(vec![conv], vec![weights("k", &[4, 3, 3, 3], 1)]), &dims, &["Conv.y"]);
		let pool =
			node("AveragePool", &["x"], "y").ints("kernel_shape", &[3, 3]).ints("pads", &[pad; 4]);
		says("AveragePool", &image(vec![pool], vec![]), &dims, &["AveragePool.y"]);
		// As wide as its padding: none of its windows is empty.
		let wide = node("MaxPool", &["x"], "y")
			.ints("kernel_shape", &[pad.saturating_add(1); 2])
			.ints("pads", &[pad; 4]);
		says("MaxPool", &image(vec![wide], vec![]), &dims, &["MaxPool.y"]);
	}
	// Each twice as large as the one before.
	let doubled = |op: &str, constants: Vec<Tensor>| {
		let mut nodes: Vec<Node> = Vec::new();
		for k in 0..34 {
			let (from, to) =
				(if k == 0 { "x".into() } else { format!("v{k}") }, format!("v{}", k + 1));
			nodes.push(match op {
				"Concat" => node("Concat", &[&from, &from], &to).int("axis", 1),
				_ => node("Tile", &[&from, "two"], &to),
			});
		}
		nodes.push(node("Neg", &["v34"], "y"));
		vectors(nodes, constants)
	};
	let error = refused("doubling", &doubled("Concat", vec![]), &[40, 16]);
	assert_eq!(error.code, "too-large", "{error}");
	// Outer products, of which the second is of 17 GB.
	let outer = vectors(
		vec![
			node("MatMul", &["row", "x"], "a"),
			node("MatMul", &["wide", "tall"], "b"),
			node("MatMul", &["b", "b"], "c"),
			node("ReduceSum", &["c"], "d").int("keepdims", 0),
			node("Add", &["a", "d"], "y"),
		],
		vec![
			weights("row", &[4, 4], 1),
			weights("wide", &[66_000, 1], 2),
			weights("tall", &[1, 66_000], 3),
		],
	);
	says("an outer product", &outer, &[40, 16], &["MatMul.b"]);
	// Values that fit by themselves, all at once.
	let mut nodes: Vec<Node> =
		(0..40).map(|k| node("ConstantOfShape", &["shape"], &format!("c{k}"))).collect();
	let names: Vec<String> = (0..40).map(|k| format!("c{k}")).collect();
	let names: Vec<&str> = names.iter().map(String::as_str).collect();
	nodes.push(node("Sum", &names, "s"));
	nodes.push(node("ReduceSum", &["s"], "d").int("keepdims", 0));
	nodes.push(node("Add", &["x", "d"], "y"));
	let all = vectors(nodes, vec![ints("shape", &[40 << 20])]);
	assert_eq!(refused("many at once", &all, &[40, 16]).code, "too-large");
}

#[test]
fn work_should_be_refused_before_it_is_done() {
	// A square of 128 million elements, multiplied with itself.
	let square = vectors(
		vec![
			node("ConstantOfShape", &["shape"], "c"),
			node("MatMul", &["c", "c"], "d"),
			node("ReduceSum", &["d"], "e").int("keepdims", 0),
			node("Add", &["x", "e"], "y"),
		],
		vec![ints("shape", &[11_000, 11_000])],
	);
	let error = refused("a product", &square, &[40, 16]);
	assert_eq!(error.code, "too-much-work", "{error}");
	// As many small ones as it takes.
	let mut nodes = vec![node("ConstantOfShape", &["shape"], "c0")];
	for k in 0..2_000 {
		nodes.push(node("Tanh", &[&format!("c{k}")], &format!("c{}", k + 1)));
	}
	nodes.push(node("ReduceSum", &["c2000"], "e").int("keepdims", 0));
	nodes.push(node("Add", &["x", "e"], "y"));
	let error = refused("a chain", &vectors(nodes, vec![ints("shape", &[1 << 22])]), &[40, 16]);
	assert_eq!(error.code, "too-much-work", "{error}");
}

/// `count` nodes one after the other.
fn chain(
	count: usize,
	each: impl Fn(usize, &str, &str) -> Node,
	constants: Vec<Tensor>,
) -> onnx::Model {
	let name = |k: usize| match k {
		0 => "x".to_string(),
		k if k == count => "y".to_string(),
		k => format!("v{k}"),
	};
	vectors((0..count).map(|k| each(k, &name(k), &name(k + 1))).collect(), constants)
}

#[test]
fn graphs_should_take_linear_time_when_they_are_long() {
	let dims = [8, 16];
	let relu = chain(20_000, |_, from, to| node("Relu", &[from], to), vec![]);
	says("Relu", &relu, &dims, &["20000 operators"]);
	let sigmoid = chain(20_000, |_, from, to| node("Sigmoid", &[from], to), vec![]);
	refused("Sigmoid", &sigmoid, &dims);
	let sums =
		chain(20_000, |_, from, to| node("Add", &[from, "b"], to), vec![weights("b", &[16], 1)]);
	refused("Add", &sums, &dims);
	let p = || {
		let positive = vec![1.0f32; 16];
		vec![floats("p", &[16], &positive)]
	};
	let norms = |_: usize, from: &str, to: &str| {
		node("BatchNormalization", &[from, "p", "p", "p", "p"], to)
	};
	refused("BatchNormalization", &chain(20_000, norms, p()), &dims);
	// What disappears leaves a small program.
	let identity = |k: usize, from: &str, to: &str| match k {
		0 => node("Gemm", &[from, "w"], to),
		_ => node("Identity", &[from], to),
	};
	let started = Instant::now();
	let graph = chain(20_000, identity, vec![weights("w", &[16, 16], 1)]);
	import(&graph, &samples(&dims, 5), &options()).unwrap();
	let biases = |k: usize, from: &str, to: &str| match k {
		0 => node("Gemm", &[from, "w"], to),
		_ => node("Add", &[from, "b"], to),
	};
	let constants = vec![weights("w", &[16, 16], 1), floats("b", &[16], &[1e-4; 16])];
	import(&chain(20_000, biases, constants), &samples(&dims, 5), &options()).unwrap();
	let constants = vec![weights("w", &[16, 16], 1), floats("p", &[16], &[1.0; 16])];
	let folded = |k: usize, from: &str, to: &str| match k {
		0 => node("Gemm", &[from, "w"], to),
		_ => node("BatchNormalization", &[from, "p", "p", "p", "p"], to).float("epsilon", 0.0),
	};
	import(&chain(2_000, folded, constants), &samples(&dims, 5), &options()).unwrap();
	assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

fn external(entries: &[(&str, &str)]) -> onnx::Model {
	let mut model = mlp();
	let tensor = &mut graph(&mut model).initializer[0];
	tensor.raw_data.clear();
	tensor.data_location = 1;
	let entry = |(key, value): &(&str, &str)| Entry { key: (*key).into(), value: (*value).into() };
	tensor.external_data = entries.iter().map(entry).collect();
	model
}

#[test]
fn external_tensors_should_be_refused_when_they_are_not_where_they_are_said_to_be() {
	let dir = tempfile::tempdir().unwrap();
	let bytes = graph(&mut mlp()).initializer[0].raw_data.clone();
	let length = bytes.len().to_string();
	std::fs::write(dir.path().join("data"), [&[0; 64][..], &bytes].concat()).unwrap();
	std::fs::create_dir(dir.path().join("sub")).unwrap();
	std::fs::write(dir.path().join("sub/data"), &bytes).unwrap();
	for (name, to) in [("zero", "/dev/zero"), ("link", "data"), ("up", "..")] {
		std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
	}
	let pipe = dir.path().join("pipe");
	let made = std::process::Command::new("mkfifo").arg(&pipe).status();
	let read = |entries: &[(&str, &str)]| {
		read::decode(&external(entries).to_bytes(), Some(dir.path()), options().limits)
	};
	let here = [("location", "data"), ("offset", "64"), ("length", &length)];
	let expected = read::decode(&mlp().to_bytes(), None, options().limits).unwrap();
	assert_eq!(read(&here).unwrap().constants["w"], expected.constants["w"]);
	for location in ["./data", "././data"] {
		let there = [("location", location), ("offset", "64")];
		assert_eq!(read(&there).unwrap().constants["w"], expected.constants["w"], "{location}");
	}
	assert!(read(&[("location", "sub/data")]).is_ok());
	for offset in
		["-4", "99999999999999999999", "x", "", "1e3", "64 ", "65", "18446744073709551615"]
	{
		let error = read(&[("location", "data"), ("offset", offset)]).unwrap_err();
		assert!(error.message.contains("`w`"), "{offset}: {error}");
	}
	for length in ["-1", "0", "511", "513", "99999999999999999999"] {
		let error = read(&[("location", "data"), ("length", length)]).unwrap_err();
		assert!(error.message.contains("`w`"), "{length}: {error}");
	}
	let mut places = vec![
		"/etc/passwd",
		"../data",
		"sub/../../data",
		"/dev/zero",
		"zero",
		"link",
		"up/data",
		"sub",
		"",
		".",
		"none",
		"~/data",
		"\u{0}",
	];
	if made.is_ok_and(|status| status.success()) {
		places.push("pipe");
	}
	for location in places {
		assert!(read(&[("location", location)]).is_err(), "{location}");
	}
	assert!(read(&[]).is_err());
	let error = read::decode(&external(&here).to_bytes(), None, options().limits).unwrap_err();
	assert!(error.message.contains("`w`"), "{error}");
}

#[test]
fn tensors_should_be_refused_when_their_bytes_do_not_fit() {
	let broken = |change: &dyn Fn(&mut Tensor)| {
		let mut model = mlp();
		change(&mut graph(&mut model).initializer[0]);
		says("a tensor", &model, &[40, 16], &["`w`"]);
	};
	broken(&|w| w.raw_data.truncate(511));
	broken(&|w| w.raw_data.push(0));
	broken(&|w| w.raw_data.clear());
	broken(&|w| w.float_data.push(1.0));
	broken(&|w| w.dims = vec![-16, -8]);
	broken(&|w| w.dims = vec![i64::MAX, i64::MAX]);
	broken(&|w| w.dims = vec![1 << 32, 1 << 32]);
	broken(&|w| w.dims = vec![0, 1 << 62, 1 << 62]);
	broken(&|w| w.dims = vec![1; 1_000]);
	broken(&|w| w.data_type = 0);
	broken(&|w| w.data_type = 17);
	let mut negative = mlp();
	graph(&mut negative).input[0] = value("x", 1, &[0, -16]);
	says("an input", &negative, &[40, 16], &["`x`", "-16"]);
	let mut huge = mlp();
	graph(&mut huge).input[0] = value("x", 1, &[i64::MAX, 16]);
	refused("a batch without end", &huge, &[40, 16]);
}

#[test]
fn names_should_not_reach_a_terminal_as_commands() {
	let harmless = |error: Error| {
		let fix = error.fix.expect("says what to do");
		assert!(!(error.message + &fix).chars().any(char::is_control));
	};
	let evil = "a\u{1b}[31m\u{7}\n".repeat(40_000);
	let mut unknown = vectors(vec![node("Neg", &["x"], "y")], vec![]);
	graph(&mut unknown).node[0].op_type = evil.clone();
	harmless(refused("an operator", &unknown, &[40, 16]));
	let mut named = mlp();
	graph(&mut named).node[0].name = evil;
	graph(&mut named).node[0].input[1] = "b".into();
	harmless(refused("a node", &named, &[40, 16]));
}

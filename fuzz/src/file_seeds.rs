//! Seeds of the files that importing and training read.

use crate::files::wanted;
use assay_frontend::{
	array::Array,
	npz,
	onnx::{
		Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor,
		TensorType as Elements, Type, ValueInfo,
	},
};
use assay_ops::DType;
use safetensors::{tensor::TensorView, Dtype};
use std::io::Cursor;

type Seeds = Vec<(String, Vec<u8>)>;

fn value(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfo {
	let dim = dims.iter().map(|&dim_value| Dimension { dim_value }).collect();
	let tensor_type = Some(Elements { elem_type, shape: Some(Shape { dim }) });
	ValueInfo { name: name.into(), r#type: Some(Type { tensor_type }) }
}

fn floats(name: &str, dims: &[i64]) -> Tensor {
	let len: i64 = dims.iter().product();
	Tensor {
		dims: dims.to_vec(),
		data_type: 1,
		name: name.into(),
		raw_data: (0..len)
			.flat_map(|i| (((i * 29 + 5) % 19) as f32 / 9.0 - 1.0).to_le_bytes())
			.collect(),
		..Default::default()
	}
}

fn integers(name: &str, values: &[i64]) -> Tensor {
	Tensor {
		dims: vec![values.len() as i64],
		data_type: 7,
		name: name.into(),
		int64_data: values.to_vec(),
		..Default::default()
	}
}

fn node(op: &str, inputs: &[&str], output: &str) -> Node {
	Node {
		input: inputs.iter().map(|name| name.to_string()).collect(),
		output: vec![output.into()],
		op_type: op.into(),
		..Default::default()
	}
}

impl With for Node {
	fn ints(mut self, name: &str, ints: &[i64]) -> Self {
		let (name, ints) = (name.into(), ints.to_vec());
		self.attribute.push(Attribute { name, ints, r#type: 7, ..Default::default() });
		self
	}

	fn int(mut self, name: &str, i: i64) -> Self {
		self.attribute.push(Attribute { name: name.into(), i, r#type: 2, ..Default::default() });
		self
	}
}

/// Attributes.
trait With {
	fn ints(self, name: &str, ints: &[i64]) -> Self;
	fn int(self, name: &str, i: i64) -> Self;
}

fn model(input: ValueInfo, node: Vec<Node>, initializer: Vec<Tensor>) -> Vec<u8> {
	let output = vec![value("y", 1, &[])];
	let graph = Some(Graph { node, initializer, input: vec![input], output });
	let opset_import = vec![OperatorSet { domain: String::new(), version: 17 }];
	Model { ir_version: 8, graph, opset_import, functions: Vec::new() }.to_bytes()
}

/// ONNX models.
pub fn onnx() -> Seeds {
	let x = || value("x", 1, &[0, 8]);
	let image = || value("x", 1, &[0, 2, 6, 6]);
	let pads = [1i64; 4];
	[
		(
			"mlp",
			model(
				x(),
				vec![
					node("Gemm", &["x", "w", "b"], "h").int("transB", 1),
					node("Relu", &["h"], "r"),
					node("MatMul", &["r", "v"], "y"),
				],
				vec![floats("w", &[6, 8]), floats("b", &[6]), floats("v", &[6, 3])],
			),
		),
		(
			"convolution",
			model(
				image(),
				vec![
					node("Conv", &["x", "w", "b"], "h").ints("pads", &pads).int("group", 2),
					node("MaxPool", &["h"], "p")
						.ints("kernel_shape", &[2, 2])
						.ints("strides", &[2, 2]),
					node("AveragePool", &["p"], "a")
						.ints("kernel_shape", &[3, 3])
						.ints("pads", &pads),
					node("GlobalAveragePool", &["a"], "y"),
				],
				vec![floats("w", &[4, 1, 3, 3]), floats("b", &[4])],
			),
		),
		(
			"attention",
			model(
				value("x", 1, &[0, 4, 8]),
				vec![
					node("Transpose", &["x"], "t").ints("perm", &[0, 2, 1]),
					node("MatMul", &["x", "t"], "s"),
					node("Add", &["s", "mask"], "m"),
					node("Softmax", &["m"], "p").int("axis", -1),
					node("MatMul", &["p", "x"], "o"),
					node("LayerNormalization", &["o", "g"], "y"),
				],
				vec![
					Tensor {
						raw_data: (0..16)
							.flat_map(|i| {
								let hidden = i % 4 > i / 4;
								(if hidden { f32::NEG_INFINITY } else { 0.0 }).to_le_bytes()
							})
							.collect(),
						..floats("mask", &[4, 4])
					},
					floats("g", &[8]),
				],
			),
		),
		(
			"shapes",
			model(
				x(),
				vec![
					node("Shape", &["x"], "s"),
					node("Gather", &["s", "zero"], "n"),
					node("Concat", &["n", "rest"], "to").int("axis", 0),
					node("Reshape", &["x", "to"], "r"),
					node("Slice", &["r", "from", "until", "axes"], "c"),
					node("Pad", &["c", "pads"], "q"),
					node("Expand", &["q", "wide"], "e"),
					node("ReduceMean", &["e"], "z").ints("axes", &[1]).int("keepdims", 0),
					node("Split", &["z"], "y").int("axis", 1).ints("split", &[4]),
				],
				vec![
					integers("zero", &[0]),
					integers("rest", &[2, -1]),
					integers("from", &[1]),
					integers("until", &[4]),
					integers("axes", &[2]),
					integers("pads", &[0, 0, 0, 0, 0, 1]),
					integers("wide", &[1, 2, 4]),
				],
			),
		),
		(
			"embedding",
			model(
				value("x", 7, &[0, 4]),
				vec![
					node("Gather", &["table", "x"], "e"),
					node("Tanh", &["e"], "t"),
					node("Mul", &["t", "e"], "m"),
					node("TopK", &["m", "k"], "y"),
				],
				vec![floats("table", &[5, 6]), integers("k", &[2])],
			),
		),
	]
	.into_iter()
	.map(|(name, bytes)| (name.into(), bytes))
	.collect()
}

/// NumPy archives.
pub fn npz() -> Seeds {
	let archive = |arrays: &[(&str, Array)]| {
		let arrays: npz::Arrays =
			arrays.iter().map(|(name, array)| (name.to_string(), array.clone())).collect();
		let mut bytes = Cursor::new(Vec::new());
		npz::write_to(&mut bytes, &arrays).expect("memory takes it");
		bytes.into_inner()
	};
	let x = || Array::float([2, 3], vec![1.0, -2.5, 0.0, 4.0, 1e-3, 7.0]);
	vec![
		("one".into(), archive(&[("x", x())])),
		("two".into(), archive(&[("x", x()), ("ids", Array::int([2], vec![-1, 1 << 40]))])),
		("scalar".into(), archive(&[("x", Array::float([], vec![7.0]))])),
		("empty".into(), archive(&[])),
	]
}

/// Files of weights.
pub fn safetensors() -> Seeds {
	let stored: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = wanted()
		.into_iter()
		.map(|(name, ty)| {
			let dtype = match ty.dtype {
				DType::I8 => Dtype::I8,
				DType::I16 => Dtype::I16,
				DType::I32 => Dtype::I32,
			};
			let dims: Vec<usize> = ty.shape.dims().iter().map(|&dim| dim as usize).collect();
			let bytes = (0..ty.elements() as usize * ty.dtype.size()).map(|i| i as u8).collect();
			(name.to_string(), dtype, dims, bytes)
		})
		.collect();
	let file = |tensors: &[(String, Dtype, Vec<usize>, Vec<u8>)]| {
		let views = tensors.iter().map(|(name, dtype, dims, bytes)| {
			(name.as_str(), TensorView::new(*dtype, dims.clone(), bytes).expect("its bytes"))
		});
		safetensors::serialize(views, None).expect("a file")
	};
	vec![
		("all".into(), file(&stored)),
		("one".into(), file(&stored[..1])),
		("none".into(), file(&[])),
	]
}

/// Descriptions of trainings.
pub fn description() -> Seeds {
	[
		(
			"mlp",
			r#"{"input":{"dense":{"shape":[8]}},"layers":[{"linear":{"outputs":6}},"relu",{"linear":{"outputs":3}}],"optimizer":{"sgd":{"momentum":0.9}},"learning_rate":{"constant":0.05},"batch":4,"steps":10,"seed":1}"#,
		),
		(
			"convolution",
			r#"{"input":{"dense":{"shape":[6,6,1]}},"layers":[{"conv2d":{"outputs":2,"kernel":[3,3],"padding":[1,1]}},"relu",{"max_pool":{"kernel":[2,2]}},{"dropout":{"rate":0.1}},"flatten",{"linear":{"outputs":3}}],"optimizer":{"adam":{"weight_decay":0.1}},"learning_rate":{"cosine":{"peak":0.01,"warmup":2}},"batch":4,"steps":8,"order":"shuffled"}"#,
		),
		(
			"characters",
			r#"{"input":{"tokens":{"length":4,"vocabulary":5}},"layers":[{"embedding":{"width":4}},{"residual":["layer_norm",{"attention":{"heads":2}}]},{"residual":["rms_norm",{"linear":{"outputs":8}},"gelu",{"linear":{"outputs":4}}]},{"linear":{"outputs":5,"bias":false}}],"optimizer":{"adam":{}},"learning_rate":{"steps":[0.01,0.001]},"batch":2,"steps":4,"order":"given"}"#,
		),
	]
	.into_iter()
	.map(|(name, text)| (name.into(), text.as_bytes().to_vec()))
	.collect()
}

//! ONNX files built by hand, valid and not.
#![allow(dead_code)]

use assay_exec::CpuExecutor;
use assay_frontend::{
	array::Array,
	import::{self, Options, Report},
	model::Model,
	npz::Arrays,
	onnx, read, Result,
};

#[allow(unused_imports)]
pub use onnx::{Attribute, Entry, Node, Tensor};

/// Numbers that look random, always the same.
pub fn noise(dims: &[usize], seed: u32) -> Array {
	let value = |i: u32| {
		let mixed = (i + 1).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(97)) >> 8;
		(mixed % 2_000) as f32 / 1_000.0 - 1.0
	};
	Array::float(dims, (0..dims.iter().product::<usize>() as u32).map(value).collect())
}

/// A float tensor.
pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
	Tensor {
		dims: dims.to_vec(),
		data_type: 1,
		name: name.into(),
		raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
		..Default::default()
	}
}

/// The same of noise.
pub fn weights(name: &str, dims: &[usize], seed: u32) -> Tensor {
	let dims64: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
	floats(name, &dims64, &noise(dims, seed).floats())
}

/// An int64 tensor of one dimension.
pub fn ints(name: &str, values: &[i64]) -> Tensor {
	Tensor {
		dims: vec![values.len() as i64],
		data_type: 7,
		name: name.into(),
		int64_data: values.to_vec(),
		..Default::default()
	}
}

/// A node called `OP.OUTPUT`.
pub fn node(op: &str, inputs: &[&str], output: &str) -> Node {
	Node {
		input: inputs.iter().map(|name| name.to_string()).collect(),
		output: vec![output.into()],
		name: format!("{op}.{output}"),
		op_type: op.into(),
		..Default::default()
	}
}

/// Attributes of nodes.
pub trait With: Sized {
	fn attribute(self, attribute: Attribute) -> Self;

	fn int(self, name: &str, i: i64) -> Self {
		self.attribute(Attribute { name: name.into(), i, r#type: 2, ..Default::default() })
	}

	fn ints(self, name: &str, ints: &[i64]) -> Self {
		let ints = ints.to_vec();
		self.attribute(Attribute { name: name.into(), ints, r#type: 7, ..Default::default() })
	}

	fn float(self, name: &str, f: f32) -> Self {
		self.attribute(Attribute { name: name.into(), f, r#type: 1, ..Default::default() })
	}

	fn text(self, name: &str, text: &str) -> Self {
		let s = text.as_bytes().to_vec();
		self.attribute(Attribute { name: name.into(), s, r#type: 3, ..Default::default() })
	}

	fn tensor(self, name: &str, t: Tensor) -> Self {
		self.attribute(Attribute { name: name.into(), t: Some(t), r#type: 4, ..Default::default() })
	}
}

impl With for Node {
	fn attribute(mut self, attribute: Attribute) -> Self {
		self.attribute.push(attribute);
		self
	}
}

/// An input or output; a dimension of 0 is left open. Element types as in [`Tensor`].
pub fn value(name: &str, elem_type: i32, dims: &[i64]) -> onnx::ValueInfo {
	let dim = dims.iter().map(|&dim_value| onnx::Dimension { dim_value }).collect();
	let shape = Some(onnx::Shape { dim });
	let tensor_type = Some(onnx::TensorType { elem_type, shape });
	onnx::ValueInfo { name: name.into(), r#type: Some(onnx::Type { tensor_type }) }
}

/// A model with the output `y`, in operator set 17.
pub fn model(
	input: Vec<onnx::ValueInfo>,
	node: Vec<Node>,
	initializer: Vec<Tensor>,
) -> onnx::Model {
	let output = vec![value("y", 1, &[])];
	onnx::Model {
		ir_version: 8,
		graph: Some(onnx::Graph { node, initializer, input, output }),
		opset_import: vec![onnx::OperatorSet { domain: String::new(), version: 17 }],
		functions: Vec::new(),
	}
}

/// A model of one input `x` `[n, 16]`.
pub fn vectors(node: Vec<Node>, initializer: Vec<Tensor>) -> onnx::Model {
	model(vec![value("x", 1, &[0, 16])], node, initializer)
}

/// Samples of one input.
pub fn samples(dims: &[usize], seed: u32) -> Arrays {
	Arrays::from([("x".into(), noise(dims, seed))])
}

/// Reads and imports.
pub fn import(model: &onnx::Model, samples: &Arrays, options: &Options) -> Result<(Model, Report)> {
	let graph = read::decode(&model.to_bytes(), None, options.limits)?;
	assay_frontend::lower::operators::check_model(&graph)?;
	import::import(graph, samples.clone(), None, options, &mut CpuExecutor::default())
}

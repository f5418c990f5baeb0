//! From the bytes of an ONNX file to a [`Graph`].

use crate::{
	array::Array,
	error::{io, Error, Result},
	graph::{Attribute, Graph, Input, Node},
	onnx,
};
use prost::Message;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Reads a model file; tensors in files of their own are looked for beside it.
///
/// Errors: `file`, `bad-onnx`, `bad-model`, `unsupported`.
pub fn read(path: &Path) -> Result<Graph> {
	let bytes = std::fs::read(path).map_err(io(path))?;
	decode(&bytes, path.parent())
}

/// As [`read`], from bytes; `folder` is where tensors in files of their own are, if there is such a place.
pub fn decode(bytes: &[u8], folder: Option<&Path>) -> Result<Graph> {
	let model = onnx::Model::decode(bytes).map_err(|e| {
		Error::new("bad-onnx", format!("this is no ONNX model: {e}"), "pass a complete .onnx file")
	})?;
	if let Some(function) = model.functions.first() {
		return Err(Error::new(
			"unsupported",
			format!("the model has functions of its own, such as `{}`", function.name),
			"inline them: onnx.inliner.inline_local_functions(model)",
		));
	}
	let opset = model
		.opset_import
		.iter()
		.filter(|set| set.domain.is_empty() || set.domain == "ai.onnx")
		.map(|set| set.version)
		.max()
		.unwrap_or(1);
	let Some(proto) = model.graph else {
		return Err(Error::new("bad-onnx", "the file has no graph", "pass a complete .onnx file"));
	};
	let mut graph = Graph { opset, ..Graph::default() };
	for tensor in &proto.initializer {
		let array = array(tensor, folder)?;
		graph.constants.insert(tensor.name.clone(), Arc::new(array));
	}
	for value in &proto.input {
		if !graph.constants.contains_key(&value.name) {
			graph.inputs.push(input(value)?);
		}
	}
	graph.outputs = proto.output.iter().map(|value| value.name.clone()).collect();
	for (at, proto) in proto.node.iter().enumerate() {
		let node = node(proto, at, folder)?;
		match constant(&node) {
			Some(array) => drop(graph.constants.insert(node.output().into(), Arc::new(array))),
			None => graph.nodes.push(node),
		}
	}
	sort(&mut graph)?;
	Ok(graph)
}

/// ONNX asks for nodes in order; this says so clearly where a file does not keep to it.
fn sort(graph: &mut Graph) -> Result<()> {
	let mut known: std::collections::HashSet<&str> =
		graph.constants.keys().map(String::as_str).collect();
	known.extend(graph.inputs.iter().map(|input| input.name.as_str()));
	for node in &graph.nodes {
		if let Some(name) =
			node.inputs.iter().find(|n| !n.is_empty() && !known.contains(n.as_str()))
		{
			return Err(Error::node(
				&node.name,
				format!("reads `{name}`, which nothing before it makes"),
			));
		}
		known.extend(node.outputs.iter().map(String::as_str));
	}
	match graph.outputs.iter().find(|name| !known.contains(name.as_str())) {
		Some(name) => Err(Error::new(
			"bad-model",
			format!("nothing makes output `{name}`"),
			"export it again",
		)),
		None => Ok(()),
	}
}

fn input(value: &onnx::ValueInfo) -> Result<Input> {
	let Some(tensor) = value.r#type.as_ref().and_then(|ty| ty.tensor_type.as_ref()) else {
		return Err(Error::new(
			"unsupported",
			format!("input `{}` is no tensor", value.name),
			"sequences, maps and optional inputs cannot be imported; export without them",
		));
	};
	let dims = tensor.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
	Ok(Input {
		name: value.name.clone(),
		integer: !matches!(tensor.elem_type, 1 | 10 | 11 | 16),
		dims: dims.iter().map(|d| usize::try_from(d.dim_value).ok().filter(|&d| d > 0)).collect(),
	})
}

fn node(proto: &onnx::Node, at: usize, folder: Option<&Path>) -> Result<Node> {
	let name = match proto.name.as_str() {
		"" => format!("{}_{at}", proto.op_type),
		name => name.to_string(),
	};
	if !proto.domain.is_empty() && proto.domain != "ai.onnx" {
		return Err(Error::unsupported(
			&name,
			format!("operator {}.{}", proto.domain, proto.op_type),
			"only operators of ONNX's own domain are read; export without optimised or custom operators",
		));
	}
	let mut attributes = BTreeMap::new();
	for attribute in &proto.attribute {
		let text = || String::from_utf8_lossy(&attribute.s).into_owned();
		let value = match attribute.r#type {
			1 => Attribute::Float(attribute.f),
			2 => Attribute::Int(attribute.i),
			3 => Attribute::Text(text()),
			4 => match &attribute.t {
				Some(tensor) => Attribute::Tensor(array(tensor, folder)?),
				None => continue,
			},
			6 => Attribute::Floats(attribute.floats.clone()),
			7 => Attribute::Ints(attribute.ints.clone()),
			_ => {
				return Err(Error::unsupported(
					&name,
					format!("attribute `{}` of {}", attribute.name, proto.op_type),
					"control flow and sparse tensors cannot be imported; export a plain graph",
				))
			}
		};
		attributes.insert(attribute.name.clone(), value);
	}
	let (inputs, outputs) = (proto.input.clone(), proto.output.clone());
	Ok(Node { name, op: proto.op_type.clone(), inputs, outputs, attributes })
}

/// The value of a `Constant` node.
fn constant(node: &Node) -> Option<Array> {
	if node.op != "Constant" {
		return None;
	}
	let (_, value) = node.attributes.iter().next()?;
	Some(match value {
		Attribute::Int(value) => Array::int([], vec![*value]),
		Attribute::Float(value) => Array::float([], vec![*value]),
		Attribute::Ints(values) => Array::int([values.len()], values.clone()),
		Attribute::Floats(values) => Array::float([values.len()], values.clone()),
		Attribute::Tensor(array) => array.clone(),
		Attribute::Text(_) | Attribute::Body(_) => return None,
	})
}

/// The elements of a tensor. Errors: `bad-model`, `unsupported`, `file`.
pub fn array(tensor: &onnx::Tensor, folder: Option<&Path>) -> Result<Array> {
	let bad = |text: String| {
		Error::new(
			"bad-model",
			format!("tensor `{}`: {text}", tensor.name),
			"check the model with onnx.checker and export it again",
		)
	};
	let dims = tensor
		.dims
		.iter()
		.map(|&dim| usize::try_from(dim).ok())
		.collect::<Option<Vec<usize>>>()
		.ok_or_else(|| bad("a negative dimension".into()))?;
	let len = dims
		.iter()
		.try_fold(1usize, |all, &dim| all.checked_mul(dim))
		.ok_or_else(|| bad("too many elements".into()))?;
	let external;
	let raw = if tensor.data_location == 1 {
		external = external_bytes(tensor, folder)?;
		&external
	} else {
		&tensor.raw_data
	};
	fn floats<const N: usize>(raw: &[u8], element: impl Fn([u8; N]) -> f32) -> Vec<f32> {
		raw.chunks_exact(N).filter_map(|c| c.try_into().ok()).map(element).collect()
	}
	fn ints<const N: usize>(raw: &[u8], element: impl Fn([u8; N]) -> i64) -> Vec<i64> {
		raw.chunks_exact(N).filter_map(|c| c.try_into().ok()).map(element).collect()
	}
	let narrow = || tensor.int32_data.iter().map(|&value| i64::from(value));
	let as_float = |data: Vec<f32>| Array::float(dims.clone(), data);
	let as_int = |data: Vec<i64>| Array::int(dims.clone(), data);
	let typed = raw.is_empty();
	let array = match tensor.data_type {
		1 if typed => as_float(tensor.float_data.clone()),
		1 => as_float(floats(raw, f32::from_le_bytes)),
		10 if typed => as_float(narrow().map(|bits| half(bits as u16)).collect()),
		10 => as_float(floats(raw, |bytes| half(u16::from_le_bytes(bytes)))),
		11 if typed => as_float(tensor.double_data.iter().map(|&value| value as f32).collect()),
		11 => as_float(floats(raw, |bytes| f64::from_le_bytes(bytes) as f32)),
		16 if typed => as_float(narrow().map(|bits| f32::from_bits((bits as u32) << 16)).collect()),
		16 => as_float(floats(raw, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))),
		2 | 9 if !typed => as_int(raw.iter().map(|&value| value.into()).collect()),
		3 if !typed => as_int(raw.iter().map(|&value| (value as i8).into()).collect()),
		4 if !typed => as_int(ints(raw, |bytes| u16::from_le_bytes(bytes).into())),
		5 if !typed => as_int(ints(raw, |bytes| i16::from_le_bytes(bytes).into())),
		6 if !typed => as_int(ints(raw, |bytes| i32::from_le_bytes(bytes).into())),
		2 | 3 | 4 | 5 | 6 | 9 => as_int(narrow().collect()),
		7 if typed => as_int(tensor.int64_data.clone()),
		7 => as_int(ints(raw, i64::from_le_bytes)),
		12 | 13 if typed => as_int(tensor.uint64_data.iter().map(|&value| value as i64).collect()),
		12 => as_int(ints(raw, |bytes| u32::from_le_bytes(bytes).into())),
		13 => as_int(ints(raw, |bytes| u64::from_le_bytes(bytes) as i64)),
		other => {
			return Err(Error::new(
				"unsupported",
				format!("tensor `{}` has element type {other}", tensor.name),
				"texts, complex and 8-bit floats cannot be imported; export as float32",
			))
		}
	};
	let found = match &array.data {
		crate::array::Data::Float(data) => data.len(),
		crate::array::Data::Int(data) => data.len(),
	};
	if found != len {
		return Err(bad(format!("{found} elements where its dimensions say {len}")));
	}
	Ok(array)
}

/// The bytes of a tensor that is in a file of its own, beside the model.
fn external_bytes(tensor: &onnx::Tensor, folder: Option<&Path>) -> Result<Vec<u8>> {
	let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| &e.value);
	let number = |key: &str| entry(key).and_then(|value| value.parse::<usize>().ok());
	let location = Path::new(entry("location").map_or("", String::as_str));
	let plain = location.components().all(|c| matches!(c, std::path::Component::Normal(_)));
	let (Some(folder), true) = (folder, plain) else {
		return Err(Error::new(
			"bad-model",
			format!("tensor `{}` is in the file `{}`", tensor.name, location.display()),
			"save the model as one file: onnx.save(model, path), or keep the data file beside it",
		));
	};
	let path = folder.join(location);
	let bytes = std::fs::read(&path).map_err(io(&path))?;
	let start = number("offset").unwrap_or(0);
	let end = number("length").map_or(bytes.len(), |length| start.saturating_add(length));
	bytes.get(start..end).map(<[u8]>::to_vec).ok_or_else(|| {
		Error::new(
			"file",
			format!("{} ends before tensor `{}`", path.display(), tensor.name),
			"copy it again",
		)
	})
}

/// The value of an IEEE half.
fn half(bits: u16) -> f32 {
	let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
	let magnitude = match exponent {
		0 => fraction * 2f32.powi(-24),
		31 if fraction == 0.0 => f32::INFINITY,
		31 => f32::NAN,
		_ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
	};
	if bits >> 15 == 1 {
		-magnitude
	} else {
		magnitude
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn model() -> onnx::Model {
		let weights = onnx::Tensor {
			dims: vec![2],
			data_type: 1,
			name: "w".into(),
			raw_data: [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
			..Default::default()
		};
		let value = |name: &str| onnx::ValueInfo {
			name: name.into(),
			r#type: Some(onnx::Type {
				tensor_type: Some(onnx::TensorType {
					elem_type: 1,
					shape: Some(onnx::Shape { dim: vec![onnx::Dimension { dim_value: 2 }] }),
				}),
			}),
		};
		onnx::Model {
			ir_version: 8,
			opset_import: vec![onnx::OperatorSet { domain: String::new(), version: 17 }],
			functions: vec![],
			graph: Some(onnx::Graph {
				node: vec![onnx::Node {
					input: vec!["x".into(), "w".into()],
					output: vec!["y".into()],
					op_type: "Mul".into(),
					..Default::default()
				}],
				initializer: vec![weights],
				input: vec![value("x"), value("w")],
				output: vec![value("y")],
			}),
		}
	}

	#[test]
	fn model_should_become_a_graph_when_it_is_read() {
		let graph = decode(&model().encode_to_vec(), None).unwrap();
		assert_eq!(graph.opset, 17);
		assert_eq!(graph.inputs.len(), 1, "what has an initializer is no input");
		assert_eq!(graph.constant("w"), Some(&Array::float([2], vec![1.5, -2.0])));
		assert_eq!(graph.nodes[0].op, "Mul");
	}

	#[test]
	fn bytes_should_be_refused_when_truncated_or_wrong() {
		let whole = model().encode_to_vec();
		let nodes = decode(&whole, None).unwrap().nodes;
		for len in 0..whole.len() {
			// A cut between two fields of the model leaves a model; then its graph is whole.
			if let Ok(graph) = decode(&whole[..len], None) {
				assert_eq!(graph.nodes, nodes, "length {len}");
			}
		}
		let mut bad = model();
		bad.graph.as_mut().unwrap().initializer[0].dims = vec![3];
		let error = decode(&bad.encode_to_vec(), None).unwrap_err();
		assert!(error.message.contains("2 elements where its dimensions say 3"), "{error}");
		let mut bad = model();
		bad.graph.as_mut().unwrap().node[0].input[0] = "z".into();
		assert!(decode(&bad.encode_to_vec(), None).unwrap_err().message.contains("reads `z`"));
	}

	#[test]
	fn halves_should_be_exact_when_they_are_read() {
		for (bits, value) in
			[(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 2f32.powi(-24)), (0x7bff, 65504.0)]
		{
			assert_eq!(half(bits), value, "{bits:#x}");
		}
	}
}

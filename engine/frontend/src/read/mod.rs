//! From the bytes of an ONNX file to a [`Graph`].

mod attributes;
mod external;
mod scan;
mod tensor;

pub(crate) use tensor::{half, single};

use crate::{
	array::Array,
	error::{bad_node, short, unsupported, Error, Result},
	files,
	graph::{Attribute, Graph, Input, Node},
	limits::Limits,
	onnx,
};
use external::Folder;
use prost::Message;
use std::{
	collections::{BTreeMap, HashMap},
	path::Path,
	sync::Arc,
};

/// Longest file of a model; protobuf ends there.
const MOST_BYTES: u64 = 2 << 30;

/// Newest operator set whose operators are known here (onnx 1.23).
const NEWEST: i64 = 28;

/// Most nodes, and most inputs and outputs, of a model. A program has at most 4,096 nodes; what
/// only makes shapes goes.
const MOST_NODES: usize = 200_000;
const MOST_PORTS: usize = 1_024;

/// Reads a model file; tensors in files of their own are looked for beside it.
///
/// Errors: `file`, `too-large`, `bad-onnx`, `bad-model`, `unsupported`, `not-finite`.
pub fn read(path: &Path, limits: Limits) -> Result<Graph> {
	let bytes = files::read(path, MOST_BYTES)?;
	// A file in the working folder has an empty parent.
	let folder = path.parent().map(|folder| match folder.as_os_str().is_empty() {
		true => Path::new("."),
		false => folder,
	});
	decode(&bytes, folder, limits)
}

/// As [`read`], from bytes; `folder` is where tensors in files of their own are, if there is such a
/// place.
pub fn decode(bytes: &[u8], folder: Option<&Path>, limits: Limits) -> Result<Graph> {
	scan::check(bytes)?;
	let model = onnx::Model::decode(bytes).map_err(|e| {
		Error::new("bad-onnx", format!("this is no ONNX model: {e}"))
			.fix("pass a complete .onnx file")
	})?;
	if let Some(function) = model.functions.first() {
		return Err(Error::new(
			"unsupported",
			format!("the model has functions of its own, such as `{}`", short(&function.name)),
		)
		.fix("inline them: onnx.inliner.inline_local_functions(model)"));
	}
	let opset = operator_set(&model)?;
	let Some(proto) = model.graph else {
		return Err(
			Error::new("bad-onnx", "the file has no graph").fix("pass a complete .onnx file")
		);
	};
	if proto.node.len() > MOST_NODES || proto.input.len().max(proto.output.len()) > MOST_PORTS {
		return Err(Error::new(
			"too-large",
			format!(
				"the model has {} nodes, {} inputs and {} outputs; at most {MOST_NODES} and {MOST_PORTS}",
				proto.node.len(),
				proto.input.len(),
				proto.output.len()
			),
		)
		.fix("simplify it first (onnxsim), or export a part of it"));
	}
	let mut graph = Graph { opset, limits, ..Graph::default() };
	let mut folder = Folder::new(folder);
	let mut names = Names::default();
	let mut held = 0;
	for tensor in proto.initializer {
		names.make(&tensor.name, Maker::Initializer)?;
		let array = tensor::array(&tensor, &mut folder, &limits)?;
		held += array.bytes();
		if held > limits.live {
			return Err(Error::new(
				"too-large",
				format!("the model's tensors up to `{}` need {held} bytes", short(&tensor.name)),
			)
			.fix("raise --max-memory"));
		}
		graph.constants.insert(tensor.name, Arc::new(array));
	}
	for value in &proto.input {
		names.input(&value.name)?;
		if !graph.constants.contains_key(&value.name) {
			graph.inputs.push(input(value)?);
		}
	}
	let mut wrong = Vec::new();
	for (at, proto) in proto.node.into_iter().enumerate() {
		let found = node(proto, at, opset, &mut folder, &limits);
		let node = match found {
			Ok(node) => node,
			Err(error) => {
				wrong.push(error);
				continue;
			}
		};
		for name in node.outputs.iter().filter(|name| !name.is_empty()) {
			names.make(name, Maker::Node)?;
		}
		match constant(&node)? {
			Some(array) => drop(graph.constants.insert(node.output().into(), Arc::new(array))),
			None => graph.nodes.push(node),
		}
	}
	refuse(wrong)?;
	graph.outputs = proto.output.into_iter().map(|value| value.name).collect();
	let mut twice = HashMap::new();
	if let Some(name) = graph.outputs.iter().find(|name| twice.insert(name.as_str(), ()).is_some())
	{
		return Err(broken(format!("output `{}` is there twice", short(name))));
	}
	if graph.outputs.is_empty() {
		return Err(broken("the model has no output".into()));
	}
	sorted(&graph)?;
	Ok(graph)
}

/// Tensors of a file of their own, such as those of ONNX's node tests.
pub(crate) fn array(tensor: &onnx::Tensor) -> Result<Array> {
	tensor::array(tensor, &mut Folder::new(None), &Limits::default())
}

fn broken(message: String) -> Error {
	Error::new("bad-model", message).fix("check the model with onnx.checker and export it again")
}

/// One error of all that is wrong with nodes: the first in full, the others by what they say.
fn refuse(wrong: Vec<Error>) -> Result<()> {
	const SHOWN: usize = 8;
	let count = wrong.len();
	let mut wrong = wrong.into_iter();
	let Some(mut first) = wrong.next() else { return Ok(()) };
	for other in wrong.take(SHOWN - 1) {
		first.message += &format!("; {}", other.message);
	}
	if count > SHOWN {
		first.message += &format!("; and {} more", count - SHOWN);
	}
	Err(first)
}

/// The version of ONNX's own operators.
fn operator_set(model: &onnx::Model) -> Result<i64> {
	let own: Vec<i64> = model
		.opset_import
		.iter()
		.filter(|set| set.domain.is_empty() || set.domain == "ai.onnx")
		.map(|set| set.version)
		.collect();
	match own[..] {
		[version] if (1..=NEWEST).contains(&version) => Ok(version),
		[version] => Err(Error::new(
			"unsupported",
			format!("operator set {version} is not known, only 1 to {NEWEST}"),
		)
		.fix("convert the model: onnx.version_converter.convert_version(model, 21)")),
		// The first versions of the format had none.
		[] if (1..3).contains(&model.ir_version) => Ok(1),
		[] => Err(broken("the model does not say which operator set it is written in".into())),
		_ => Err(broken(format!("the model names ONNX's operator set {} times", own.len()))),
	}
}

/// Who makes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
	Initializer,
	Input,
	Node,
}

/// Every name is made once; an input may have an initializer, which is then its value.
#[derive(Default)]
struct Names {
	made: HashMap<String, Maker>,
	inputs: HashMap<String, ()>,
}

impl Names {
	fn make(&mut self, name: &str, maker: Maker) -> Result<()> {
		if name.is_empty() {
			return Err(broken("a tensor or input has no name".into()));
		}
		if let Some(before) = self.made.insert(name.into(), maker) {
			let text = match (before, maker) {
				(Maker::Initializer, Maker::Initializer) => "two initializers have the name",
				(Maker::Node, Maker::Node) => "two nodes make the value",
				_ => "a node makes what is an input or initializer,",
			};
			return Err(broken(format!("{text} `{}`", short(name))));
		}
		Ok(())
	}

	fn input(&mut self, name: &str) -> Result<()> {
		if self.inputs.insert(name.into(), ()).is_some() {
			return Err(broken(format!("two inputs have the name `{}`", short(name))));
		}
		if self.made.get(name) == Some(&Maker::Initializer) {
			return Ok(());
		}
		self.make(name, Maker::Input)
	}
}

/// ONNX asks for nodes in order; this says so clearly where a file does not keep to it.
fn sorted(graph: &Graph) -> Result<()> {
	let mut known: std::collections::HashSet<&str> =
		graph.constants.keys().map(String::as_str).collect();
	known.extend(graph.inputs.iter().map(|input| input.name.as_str()));
	for node in &graph.nodes {
		if let Some(name) =
			node.inputs.iter().find(|n| !n.is_empty() && !known.contains(n.as_str()))
		{
			return Err(bad_node(
				&node.name,
				format!("reads `{}`, which nothing before it makes", short(name)),
			));
		}
		known.extend(node.outputs.iter().map(String::as_str));
	}
	match graph.outputs.iter().find(|name| !known.contains(name.as_str())) {
		Some(name) => Err(broken(format!("nothing makes output `{}`", short(name)))),
		None => Ok(()),
	}
}

fn input(value: &onnx::ValueInfo) -> Result<Input> {
	let Some(tensor) = value.r#type.as_ref().and_then(|ty| ty.tensor_type.as_ref()) else {
		return Err(Error::new(
			"unsupported",
			format!("input `{}` is no tensor", short(&value.name)),
		)
		.fix("sequences, maps and optional inputs cannot be imported; export without them"));
	};
	let dims = tensor.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
	if let Some(dim) = dims.iter().find(|dim| dim.dim_value < 0) {
		let name = short(&value.name);
		return Err(broken(format!("input `{name}` has a dimension of {}", dim.dim_value)));
	}
	let integer = match tensor.elem_type {
		1 | 10 | 11 | 16 => false,
		2..=7 | 9 | 12 | 13 => true,
		other => {
			return Err(Error::new(
				"unsupported",
				format!("input `{}` has element type {other}", short(&value.name)),
			)
			.fix("inputs are floats, integers or bools; export so"))
		}
	};
	Ok(Input {
		name: value.name.clone(),
		integer,
		dims: dims.iter().map(|d| usize::try_from(d.dim_value).ok().filter(|&d| d > 0)).collect(),
	})
}

fn node(
	proto: onnx::Node,
	at: usize,
	opset: i64,
	folder: &mut Folder,
	limits: &Limits,
) -> Result<Node> {
	let name = match proto.name.as_str() {
		"" => format!("{}_{at}", proto.op_type),
		_ => proto.name,
	};
	let own = proto.domain.is_empty() || proto.domain == "ai.onnx";
	// Operators of other domains are refused by name, together with all that are not known.
	let op = if own { proto.op_type } else { format!("{}.{}", proto.domain, proto.op_type) };
	let mut attributes = BTreeMap::new();
	for attribute in proto.attribute {
		let value = match attribute.r#type {
			1 => Attribute::Float(attribute.f),
			2 => Attribute::Int(attribute.i),
			3 => Attribute::Text(String::from_utf8_lossy(&attribute.s).into_owned()),
			4 => match &attribute.t {
				Some(tensor) => Attribute::Tensor(tensor::array(tensor, folder, limits)?),
				None => Attribute::Unread("a tensor that is missing"),
			},
			5 => Attribute::Unread("a graph"),
			6 => Attribute::Floats(attribute.floats),
			7 => Attribute::Ints(attribute.ints),
			8 => Attribute::Unread("texts"),
			_ => Attribute::Unread("of a type that is not read"),
		};
		if attributes.insert(attribute.name.clone(), value).is_some() {
			let text = format!("attribute `{}` is there twice", short(&attribute.name));
			return Err(bad_node(&name, text));
		}
	}
	let node = Node { name, op, inputs: proto.input, outputs: proto.output, attributes };
	if node.outputs.iter().all(String::is_empty) {
		return Err(bad_node(&node.name, "it has no result"));
	}
	attributes::check(&node, opset)?;
	Ok(node)
}

/// The value of a `Constant` node.
fn constant(node: &Node) -> Result<Option<Array>> {
	if node.op != "Constant" {
		return Ok(None);
	}
	let mut values = node.attributes.values();
	let (Some(value), None) = (values.next(), values.next()) else {
		return Err(bad_node(&node.name, "a Constant has one value"));
	};
	Ok(Some(match value {
		Attribute::Int(value) => Array::int([], vec![*value]),
		Attribute::Float(value) => Array::float([], vec![*value]),
		Attribute::Ints(values) => Array::int([values.len()], values.clone()),
		Attribute::Floats(values) => Array::float([values.len()], values.clone()),
		Attribute::Tensor(array) => array.clone(),
		Attribute::Text(_) | Attribute::Body(_) | Attribute::Unread(_) => {
			return Err(unsupported(&node.name, "a constant of texts", "remove it"))
		}
	}))
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
		let graph = decode(&model().encode_to_vec(), None, Limits::default()).unwrap();
		assert_eq!(graph.opset, 17);
		assert_eq!(graph.inputs.len(), 1, "what has an initializer is no input");
		assert_eq!(graph.constant("w"), Some(&Array::float([2], vec![1.5, -2.0])));
		assert_eq!(graph.nodes[0].op, "Mul");
	}

	#[test]
	fn bytes_should_be_refused_when_truncated_or_wrong() {
		let whole = model().encode_to_vec();
		let nodes = decode(&whole, None, Limits::default()).unwrap().nodes;
		for len in 0..whole.len() {
			// A cut between two fields of the model leaves a model; then its graph is whole.
			if let Ok(graph) = decode(&whole[..len], None, Limits::default()) {
				assert_eq!(graph.nodes, nodes, "length {len}");
			}
		}
		let mut bad = model();
		bad.graph.as_mut().unwrap().initializer[0].dims = vec![3];
		let error = decode(&bad.encode_to_vec(), None, Limits::default()).unwrap_err();
		assert!(error.message.contains("2 elements where its dimensions say 3"), "{error}");
		let mut bad = model();
		bad.graph.as_mut().unwrap().node[0].input[0] = "z".into();
		assert!(decode(&bad.encode_to_vec(), None, Limits::default())
			.unwrap_err()
			.message
			.contains("reads `z`"));
	}
}

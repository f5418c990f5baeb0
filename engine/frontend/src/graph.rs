//! The one graph type that every pass reads and writes.

use crate::{
	array::Array,
	error::{Error, Result},
	limits::Limits,
};
use std::{
	collections::{BTreeMap, HashMap, HashSet},
	sync::Arc,
};

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
	/// An integer.
	Int(i64),
	/// A float.
	Float(f32),
	/// A text.
	Text(String),
	/// Integers.
	Ints(Vec<i64>),
	/// Floats.
	Floats(Vec<f32>),
	/// A tensor.
	Tensor(Array),
	/// The graph of a `Function`, from one input to one output.
	Body(Box<Graph>),
	/// Something that is not read, such as a graph or texts, in words.
	Unread(&'static str),
}

/// One operator: an ONNX one by its name in the default domain, or one of two that passes make:
/// `Linear` is `x[.., K] · w[N, K]ᵀ + b[N]` with constant w and b (b may be missing); `Function` is
/// its attribute `body`, an elementwise function of one operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
	/// Name in the model; made up from the operator where the model has none.
	pub name: String,
	/// Operator.
	pub op: String,
	/// Names of operands; an empty one is an operand that is left out.
	pub inputs: Vec<String>,
	/// Names of results.
	pub outputs: Vec<String>,
	/// Attributes by name.
	pub attributes: BTreeMap<String, Attribute>,
}

impl Node {
	/// A node without attributes.
	pub fn new(name: &str, op: &str, inputs: &[&str], output: &str) -> Self {
		Self {
			name: name.into(),
			op: op.into(),
			inputs: inputs.iter().map(|name| name.to_string()).collect(),
			outputs: vec![output.into()],
			attributes: BTreeMap::new(),
		}
	}

	/// With an attribute.
	pub fn with(mut self, name: &str, value: Attribute) -> Self {
		self.attributes.insert(name.into(), value);
		self
	}

	/// Operand `index`, unless it is left out.
	pub fn input(&self, index: usize) -> Option<&str> {
		self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
	}

	/// The first result.
	pub fn output(&self) -> &str {
		self.outputs.first().map_or("", String::as_str)
	}

	/// An integer attribute.
	pub fn int(&self, name: &str, default: i64) -> i64 {
		match self.attributes.get(name) {
			Some(Attribute::Int(value)) => *value,
			_ => default,
		}
	}

	/// A float attribute.
	pub fn float(&self, name: &str, default: f32) -> f32 {
		match self.attributes.get(name) {
			Some(Attribute::Float(value)) => *value,
			_ => default,
		}
	}

	/// A text attribute; empty where there is none.
	pub fn text(&self, name: &str) -> &str {
		match self.attributes.get(name) {
			Some(Attribute::Text(value)) => value,
			_ => "",
		}
	}

	/// A list of integers.
	pub fn ints(&self, name: &str) -> Option<&[i64]> {
		match self.attributes.get(name) {
			Some(Attribute::Ints(values)) => Some(values),
			_ => None,
		}
	}
}

/// What the model takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
	/// Name.
	pub name: String,
	/// Whether its elements are integers or bools.
	pub integer: bool,
	/// Dimensions; `None` where the model leaves one open.
	pub dims: Vec<Option<usize>>,
}

/// A model: nodes in an order in which every operand is there before it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
	/// Version of the default operator set.
	pub opset: i64,
	/// Inputs without initializers.
	pub inputs: Vec<Input>,
	/// Names of results.
	pub outputs: Vec<String>,
	/// Operators.
	pub nodes: Vec<Node>,
	/// Constants by name.
	pub constants: HashMap<String, Arc<Array>>,
	/// Dimensions of every value, once they are inferred.
	pub shapes: HashMap<String, Vec<usize>>,
	/// What evaluating it may take.
	pub limits: Limits,
	/// Names that were made up, so that each is found at once.
	pub made: usize,
}

impl Graph {
	/// The constant of this name.
	pub fn constant(&self, name: &str) -> Option<&Array> {
		self.constants.get(name).map(Arc::as_ref)
	}

	/// The constant of this name if it has one element, and that is a number of f32: of larger
	/// integers not every one is.
	pub fn scalar(&self, name: &str) -> Option<f32> {
		let array = self.constant(name)?;
		let exact = !array.is_int() || array.ints().iter().all(|x| x.unsigned_abs() <= 1 << 24);
		(array.len() == 1 && exact).then(|| array.floats().first().copied()).flatten()
	}

	/// Dimensions of a value.
	pub fn shape(&self, name: &str) -> Result<&[usize]> {
		self.shapes.get(name).map(Vec::as_slice).ok_or_else(|| {
			Error::new("bad-model", format!("value `{name}` has no shape"))
				.fix("infer shapes first")
		})
	}

	/// Position of the node that makes each value.
	pub fn producers(&self) -> HashMap<&str, usize> {
		let mut producers = HashMap::new();
		for (at, node) in self.nodes.iter().enumerate() {
			producers.extend(node.outputs.iter().map(|name| (name.as_str(), at)));
		}
		producers
	}

	/// Positions of the nodes that read each value, once for each operand.
	pub fn consumers(&self) -> HashMap<&str, Vec<usize>> {
		let mut consumers: HashMap<&str, Vec<usize>> = HashMap::new();
		for (at, node) in self.nodes.iter().enumerate() {
			for name in node.inputs.iter().filter(|name| !name.is_empty()) {
				consumers.entry(name).or_default().push(at);
			}
		}
		consumers
	}

	/// A name that no value has yet, derived from `hint`. Every value has a shape by now.
	fn unused(&mut self, hint: &str) -> String {
		let mut name = hint.to_string();
		while self.constants.contains_key(&name) || self.shapes.contains_key(&name) {
			self.made += 1;
			name = format!("{hint}.{}", self.made);
		}
		name
	}

	/// Adds a constant under a name of its own, derived from `hint`.
	pub fn add_constant(&mut self, hint: &str, array: Array) -> String {
		let name = self.unused(hint);
		self.shapes.insert(name.clone(), array.dims.clone());
		self.constants.insert(name.clone(), Arc::new(array));
		name
	}

	/// A name of its own for a value of the shape that `like` has, derived from `hint`.
	pub fn add_value(&mut self, hint: &str, like: &str) -> String {
		let name = self.unused(hint);
		let shape = self.shapes.get(like).cloned().unwrap_or_default();
		self.shapes.insert(name.clone(), shape);
		name
	}

	/// Drops nodes and constants that no output depends on.
	pub fn prune(&mut self) {
		let mut live: HashSet<String> = self.outputs.iter().cloned().collect();
		let mut keep = vec![false; self.nodes.len()];
		for (at, node) in self.nodes.iter().enumerate().rev() {
			if node.outputs.iter().any(|name| live.contains(name)) {
				keep[at] = true;
				live.extend(node.inputs.iter().cloned());
			}
		}
		let mut keep = keep.into_iter();
		self.nodes.retain(|_| keep.next().unwrap_or(false));
		self.constants.retain(|name, _| live.contains(name));
	}
}

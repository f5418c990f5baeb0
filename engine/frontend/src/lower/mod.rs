//! From a fused graph with its calibration to an integer program.
//!
//! Every value is 8, 16 or 32-bit integers times one scale ([`value`]); [`scales`] chooses widths
//! and scales. One file for each kind of operator. What is a constant multiple of a value is the
//! value with another scale, and what only moves elements is a view: neither costs a node.

mod compare;
mod elementwise;
mod emit;
mod linear;
mod moves;
pub mod operators;
mod reduce;
mod rows;
mod scales;
mod table;
pub(crate) mod value;
mod window;

use crate::{
	array::{Array, Data},
	calibrate::Calibration,
	error::{short, unsupported, Error, Result},
	eval::Call,
	graph::{Graph, Node},
};
use assay_ops::{DType, TensorType};
use assay_program::{Program, ProgramBuilder, Source};
use scales::Scales;
use serde::{Deserialize, Serialize};
use std::{
	collections::{BTreeMap, HashMap},
	sync::Arc,
};
pub(crate) use value::Value;

/// A tensor of the weights file.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
	/// Name of the program's input.
	pub name: String,
	/// Type.
	pub ty: TensorType,
	/// Elements, row-major.
	pub data: Vec<i32>,
}

/// An input or output of the model, and what stands for it in the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
	/// Name in the model.
	pub name: String,
	/// Name in the program.
	pub program_name: String,
	/// Element type.
	pub dtype: DType,
	/// Dimensions, equal in both.
	pub dims: Vec<u32>,
	/// What one unit stands for; 1 for integers.
	pub scale: f64,
	/// Whether the model's elements are integers.
	pub integer: bool,
}

/// A value of the model that an anchor holds, for the report.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
	/// Name of the value in the model.
	pub name: String,
	/// The node of the model that makes it.
	pub node: String,
	/// Its operator.
	pub op: String,
	/// Where it is in the program.
	pub value: Value,
}

/// A node of the model that nodes of the program come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
	/// Its name.
	pub name: String,
	/// Its operator.
	pub operator: String,
	/// How many nodes of the program come from it, one after the other.
	pub nodes: u32,
}

/// A lowered model.
#[derive(Clone, Debug)]
pub struct Lowered {
	/// The program; anchors are placed by [`crate::anchors`].
	pub program: Program,
	/// Its constant inputs.
	pub weights: Vec<Weight>,
	/// The model's inputs, in the model's order.
	pub inputs: Vec<Port>,
	/// The model's outputs.
	pub outputs: Vec<Port>,
	/// What should be looked at, in sentences.
	pub warnings: Vec<String>,
	pub(crate) traces: Vec<Trace>,
	/// The node of the model that each node of the program comes from, with its operator.
	pub(crate) made_by: Vec<Arc<(String, String)>>,
}

impl Lowered {
	/// Which nodes of the program come from which of the model.
	pub(crate) fn origins(&self) -> Vec<Origin> {
		let mut origins: Vec<Origin> = Vec::new();
		for made_by in &self.made_by {
			let (name, operator) = &**made_by;
			match origins.last_mut() {
				Some(last) if last.name == *name && last.operator == *operator => last.nodes += 1,
				_ => {
					let (name, operator) = (name.clone(), operator.clone());
					origins.push(Origin { name, operator, nodes: 1 });
				}
			}
		}
		origins
	}
}

/// Whether a node mostly costs none: it moves elements, and is a view.
pub(crate) fn is_free(graph: &Graph, node: &Node) -> bool {
	let fixed = |index: usize| node.input(index).is_some_and(|name| graph.constant(name).is_some());
	match node.op.as_str() {
		"Gather" => fixed(1),
		"Mul" | "Div" => {
			[0, 1].iter().any(|&i| node.input(i).is_some_and(|name| graph.scalar(name).is_some()))
		}
		op => matches!(
			op,
			"Reshape"
				| "Flatten" | "Squeeze"
				| "Unsqueeze"
				| "Transpose"
				| "Slice" | "Split"
				| "Expand" | "Identity"
				| "Dropout" | "Cast"
				| "DepthToSpace"
		),
	}
}

/// Refuses what operators have no counterpart for, as far as shapes and attributes tell, before
/// anything is measured.
pub(crate) fn check(graph: &Graph) -> Result<()> {
	for node in &graph.nodes {
		if node.op.ends_with("Pool") {
			let call = Call {
				node,
				opset: graph.opset,
				operands: node.inputs.iter().map(|name| graph.constant(name)).collect(),
			};
			let dims = graph.shape(node.input(0).unwrap_or_default())?;
			window::check(&call, dims.get(2..).unwrap_or(&[]))?;
		}
	}
	Ok(())
}

/// Lowers a graph that the passes are done with. Errors: `unsupported` and `unsupported-operator`,
/// which name the node.
pub fn lower(graph: &Graph, calibration: &Calibration) -> Result<Lowered> {
	let scales = Scales::new(graph, calibration)?;
	let mut lowering = Lowering {
		graph,
		calibration,
		scales,
		builder: ProgramBuilder::new(),
		names: HashMap::new(),
		inputs: 0,
		weights: Vec::new(),
		values: HashMap::new(),
		converted: HashMap::new(),
		scalars: BTreeMap::new(),
		tables: HashMap::new(),
		warnings: Vec::new(),
		made_by: Vec::new(),
		current: Arc::new(("inputs".into(), "Input".into())),
	};
	let inputs = lowering.take_inputs()?;
	for node in &graph.nodes {
		lowering.current = Arc::new((node.name.clone(), node.op.clone()));
		lowering.node(node)?;
	}
	lowering.current = Arc::new(("outputs".into(), "Output".into()));
	lowering.finish(inputs)
}

pub(crate) struct Lowering<'a> {
	graph: &'a Graph,
	calibration: &'a Calibration,
	scales: Scales,
	builder: ProgramBuilder,
	/// Names that the program has given out.
	names: HashMap<String, usize>,
	inputs: usize,
	weights: Vec<Weight>,
	/// Lowered values by their name in the model.
	values: HashMap<String, Value>,
	/// The same in other widths and scales.
	converted: HashMap<(String, u8, u64), Value>,
	/// Constants of one element.
	scalars: BTreeMap<(DType, i32), Value>,
	/// Tables by what is in them.
	tables: HashMap<Vec<i32>, Source>,
	/// What should be looked at.
	warnings: Vec<String>,
	/// Where each node of the program comes from.
	made_by: Vec<Arc<(String, String)>>,
	/// The node of the model that is lowered, with its operator.
	current: Arc<(String, String)>,
}

impl<'a> Lowering<'a> {
	/// A name that fits the program format and is not taken.
	fn name(&mut self, wanted: &str) -> String {
		let allowed = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
		let clean: String = wanted.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
		let clean = clean.trim_start_matches(['/', '.']);
		let tail = clean.get(clean.len().saturating_sub(48)..).unwrap_or(clean);
		let base = if tail.is_empty() { "value" } else { tail };
		let count = self.names.entry(base.to_string()).or_default();
		*count += 1;
		if *count == 1 {
			base.to_string()
		} else {
			format!("{base}..{count}")
		}
	}

	/// A constant input of the program, kept in the weights file.
	fn weight(
		&mut self,
		name: &str,
		dtype: DType,
		dims: Vec<u32>,
		data: Vec<i32>,
		scale: f64,
	) -> Result<Value> {
		let name = self.name(name);
		let ty = TensorType::of(dtype, value::shape(&dims)?);
		let source = self.builder.input(&name, ty);
		self.inputs += 1;
		self.weights.push(Weight { name, ty, data });
		Ok(Value::whole(source, dtype, dims, scale))
	}

	fn take_inputs(&mut self) -> Result<Vec<Port>> {
		let mut ports = Vec::new();
		for input in &self.graph.inputs {
			let dims = to_dims(self.graph.shape(&input.name)?);
			let (dtype, scale) = if input.integer {
				(DType::I32, 1.0)
			} else if self.scales.only8(&input.name) {
				(DType::I8, self.scales.narrow(&input.name))
			} else {
				(DType::I16, self.scales.wide(&input.name))
			};
			let program_name = self.name(&input.name);
			let source =
				self.builder.input(&program_name, TensorType::of(dtype, value::shape(&dims)?));
			self.inputs += 1;
			let value = Value::whole(source, dtype, dims.clone(), scale);
			self.values.insert(input.name.clone(), value);
			let (name, integer) = (input.name.clone(), input.integer);
			ports.push(Port { name, program_name, dtype, dims, scale, integer });
		}
		Ok(ports)
	}

	fn finish(mut self, inputs: Vec<Port>) -> Result<Lowered> {
		let mut outputs = Vec::new();
		for name in &self.graph.outputs {
			let value = self.operand_value(name)?;
			// An output is a whole node of its own.
			let is_node = matches!(value.source, Source::Node(_));
			let value = if is_node && value.is_dense() && value.dims == value.stored {
				value
			} else {
				self.copy(&value)?
			};
			let program_name = self.name(&format!("out/{name}"));
			self.builder.output(&program_name, value.source);
			outputs.push(Port {
				name: name.clone(),
				program_name,
				dtype: value.dtype,
				dims: value.dims.clone(),
				scale: value.scale,
				integer: self.scales.integer.get(name).copied().unwrap_or(false),
			});
			self.values.insert(name.clone(), value);
		}
		let mut traces = Vec::new();
		for node in &self.graph.nodes {
			for name in &node.outputs {
				if let Some(value) = self.values.get(name) {
					traces.push(Trace {
						name: name.clone(),
						node: node.name.clone(),
						op: node.op.clone(),
						value: value.clone(),
					});
				}
			}
		}
		let program = self.builder.build().map_err(|e| {
			Error::new("bad-program", format!("the lowered program is not well-formed: {e}")).fix(
				"take a smaller model or --batch; if the message names neither, report the model",
			)
		})?;
		let (weights, warnings, made_by) = (self.weights, self.warnings, self.made_by);
		Ok(Lowered { program, weights, inputs, outputs, warnings, traces, made_by })
	}

	/// The value of `name`; a constant becomes a weight with a scale of its own.
	fn operand_value(&mut self, name: &str) -> Result<Value> {
		if let Some(value) = self.values.get(name) {
			return Ok(value.clone());
		}
		let array = self.constant(name)?;
		let integer = array.is_int();
		let magnitude = largest(&array);
		let scale = if integer || magnitude == 0.0 { 1.0 } else { magnitude / 32767.0 };
		let value =
			self.quantized(name, &array, if integer { DType::I32 } else { DType::I16 }, scale)?;
		self.values.insert(name.into(), value.clone());
		Ok(value)
	}

	fn constant(&self, name: &str) -> Result<Array> {
		self.graph.constant(name).cloned().ok_or_else(|| {
			Error::new("bad-model", format!("nothing makes value `{name}`"))
				.fix("export the model again")
		})
	}

	/// A constant as integers of `scale`. What does not fit them is cut, and said.
	fn quantized(&mut self, name: &str, array: &Array, dtype: DType, scale: f64) -> Result<Value> {
		let most = (f64::from(dtype.max()) + 1.0) * scale;
		let beyond = numbers(array).iter().filter(|x| x.abs() > most).count();
		if beyond > 0 && array.is_int() {
			return Err(unsupported(
				&self.current.0,
				format!("{beyond} integers of `{}` are beyond ±{most:.0}", short(name)),
				"the program's integers have at most 32 bits; write the model with smaller ones",
			));
		}
		if beyond > 0 {
			self.warnings.push(format!(
				"node `{}` ({}): {beyond} of {} elements of `{}` are beyond what its integers hold, ±{most:.3e}, and are cut",
				short(&self.current.0),
				self.current.1,
				array.len(),
				short(name)
			));
		}
		self.cut(name, array, dtype, scale)
	}

	/// As [`Lowering::quantized`], of bounds, masks and paddings, which may be cut to the range of
	/// what they stand beside.
	fn cut(&mut self, name: &str, array: &Array, dtype: DType, scale: f64) -> Result<Value> {
		let data: Vec<i32> =
			numbers(array).into_iter().map(|x| quantize(x, scale, dtype)).collect();
		let dims = to_dims(&array.dims);
		if let [only] = data[..] {
			return Ok(Value {
				scale,
				..self.scalar(dtype, only)?.reshaped(&dims).unwrap_or_else(|| {
					Value::whole(Source::Constant(0), dtype, dims.clone(), scale)
				})
			});
		}
		self.weight(name, dtype, dims, data, scale)
	}

	/// A constant of one element, in the program itself.
	fn scalar(&mut self, dtype: DType, number: i32) -> Result<Value> {
		if let Some(value) = self.scalars.get(&(dtype, number)) {
			return Ok(value.clone());
		}
		let source =
			self.builder.constant_values(TensorType::of(dtype, value::shape(&[1])?), &[number]);
		let value = Value::whole(source, dtype, vec![1], 1.0);
		self.scalars.insert((dtype, number), value.clone());
		Ok(value)
	}

	/// The result of `node`.
	fn set(&mut self, node: &Node, value: Value) {
		self.values.insert(node.output().to_string(), value);
	}

	/// A call with the constants among its operands, for rules that the evaluator has already.
	fn call<'b>(&'b self, node: &'b Node) -> Call<'b> {
		let operands = node.inputs.iter().map(|name| self.graph.constant(name)).collect();
		Call { node, opset: self.graph.opset, operands }
	}

	/// The dimensions of the result.
	fn result_dims(&self, node: &Node) -> Result<Vec<u32>> {
		Ok(to_dims(self.graph.shape(node.output())?))
	}

	fn node(&mut self, node: &Node) -> Result<()> {
		let lower = operators::lowering_of(&node.op).ok_or_else(|| operators::unknown(node))?;
		lower(self, node)
	}
}

/// Dimensions of the program. One that does not fit becomes the largest number, of which no tensor
/// can be made.
pub(crate) fn to_dims(dims: &[usize]) -> Vec<u32> {
	dims.iter().map(|&dim| u32::try_from(dim).unwrap_or(u32::MAX)).collect()
}

/// The largest magnitude.
pub(crate) fn largest(array: &Array) -> f64 {
	array.float_data().iter().fold(0f64, |a, &x| a.max(f64::from(x.abs())))
}

/// The nearest integer of `dtype`.
pub(crate) fn quantize(x: f64, scale: f64, dtype: DType) -> i32 {
	let q = (x / scale).round();
	if q.is_nan() {
		0
	} else {
		q.clamp(f64::from(dtype.min()), f64::from(dtype.max())) as i32
	}
}

/// The elements of a constant; integers exactly.
fn numbers(array: &Array) -> Vec<f64> {
	match &array.data {
		Data::Float(data) => data.iter().map(|x| f64::from(*x)).collect(),
		Data::Int(data) => data.iter().map(|x| *x as f64).collect(),
	}
}

//! The messages of `onnx.proto3` that a model for inference has, with the tags that ONNX froze.
//!
//! The reader is [prost], which half of this workspace's network code already uses: a schema of a
//! few messages beside it costs nothing to build. The alternatives were weighed: tract-onnx brings
//! some sixty crates and does not give the intermediate tensors by the model's own names, which
//! calibration and the report need; generated bindings need `protoc` on every machine. Field
//! numbers of a released proto never change.

use prost::Message;

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
	/// Version of the format.
	#[prost(int64, tag = "1")]
	pub ir_version: i64,
	/// The graph.
	#[prost(message, optional, tag = "7")]
	pub graph: Option<Graph>,
	/// Operator sets.
	#[prost(message, repeated, tag = "8")]
	pub opset_import: Vec<OperatorSet>,
	/// Functions of the model's own, of which only the count matters here.
	#[prost(message, repeated, tag = "25")]
	pub functions: Vec<Function>,
}

impl Model {
	/// The bytes of a model file.
	pub fn to_bytes(&self) -> Vec<u8> {
		self.encode_to_vec()
	}
}

/// `FunctionProto`, unread.
#[derive(Clone, PartialEq, Message)]
pub struct Function {
	/// Name.
	#[prost(string, tag = "1")]
	pub name: String,
}

/// `OperatorSetIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
	/// Domain; empty for ONNX's own.
	#[prost(string, tag = "1")]
	pub domain: String,
	/// Version.
	#[prost(int64, tag = "2")]
	pub version: i64,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
	/// Operators.
	#[prost(message, repeated, tag = "1")]
	pub node: Vec<Node>,
	/// Constants.
	#[prost(message, repeated, tag = "5")]
	pub initializer: Vec<Tensor>,
	/// Inputs, in old models with those that have initializers.
	#[prost(message, repeated, tag = "11")]
	pub input: Vec<ValueInfo>,
	/// Results.
	#[prost(message, repeated, tag = "12")]
	pub output: Vec<ValueInfo>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
	/// Operands.
	#[prost(string, repeated, tag = "1")]
	pub input: Vec<String>,
	/// Results.
	#[prost(string, repeated, tag = "2")]
	pub output: Vec<String>,
	/// Name, often empty.
	#[prost(string, tag = "3")]
	pub name: String,
	/// Operator.
	#[prost(string, tag = "4")]
	pub op_type: String,
	/// Attributes.
	#[prost(message, repeated, tag = "5")]
	pub attribute: Vec<Attribute>,
	/// Domain of the operator.
	#[prost(string, tag = "7")]
	pub domain: String,
}

/// `AttributeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
	/// Name.
	#[prost(string, tag = "1")]
	pub name: String,
	/// A float.
	#[prost(float, tag = "2")]
	pub f: f32,
	/// An integer.
	#[prost(int64, tag = "3")]
	pub i: i64,
	/// A text.
	#[prost(bytes = "vec", tag = "4")]
	pub s: Vec<u8>,
	/// A tensor.
	#[prost(message, optional, tag = "5")]
	pub t: Option<Tensor>,
	/// Floats.
	#[prost(float, repeated, tag = "7")]
	pub floats: Vec<f32>,
	/// Integers.
	#[prost(int64, repeated, tag = "8")]
	pub ints: Vec<i64>,
	/// Which of the fields is meant: 1 float, 2 integer, 3 text, 4 tensor, 5 graph, 6 floats, 7
	/// integers.
	#[prost(int32, tag = "20")]
	pub r#type: i32,
}

/// `TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
	/// Dimensions.
	#[prost(int64, repeated, tag = "1")]
	pub dims: Vec<i64>,
	/// Element type: 1 f32, 2 u8, 3 i8, 4 u16, 5 i16, 6 i32, 7 i64, 9 bool, 10 f16, 11 f64, 12 u32,
	/// 13 u64, 16 bf16.
	#[prost(int32, tag = "2")]
	pub data_type: i32,
	/// Elements of f32.
	#[prost(float, repeated, tag = "4")]
	pub float_data: Vec<f32>,
	/// Elements of i32 and everything narrower.
	#[prost(int32, repeated, tag = "5")]
	pub int32_data: Vec<i32>,
	/// Elements of i64.
	#[prost(int64, repeated, tag = "7")]
	pub int64_data: Vec<i64>,
	/// Name.
	#[prost(string, tag = "8")]
	pub name: String,
	/// Elements, little-endian, instead of the typed fields.
	#[prost(bytes = "vec", tag = "9")]
	pub raw_data: Vec<u8>,
	/// Elements of f64.
	#[prost(double, repeated, tag = "10")]
	pub double_data: Vec<f64>,
	/// Elements of u32 and u64.
	#[prost(uint64, repeated, tag = "11")]
	pub uint64_data: Vec<u64>,
	/// Where the elements are, if in a file of their own.
	#[prost(message, repeated, tag = "13")]
	pub external_data: Vec<Entry>,
	/// 1 where they are in a file of their own.
	#[prost(int32, tag = "14")]
	pub data_location: i32,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Entry {
	/// Key.
	#[prost(string, tag = "1")]
	pub key: String,
	/// Value.
	#[prost(string, tag = "2")]
	pub value: String,
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
	/// Name.
	#[prost(string, tag = "1")]
	pub name: String,
	/// Type.
	#[prost(message, optional, tag = "2")]
	pub r#type: Option<Type>,
}

/// `TypeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
	/// The type of a tensor; sequences and maps are other fields.
	#[prost(message, optional, tag = "1")]
	pub tensor_type: Option<TensorType>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
	/// Element type as in [`Tensor`].
	#[prost(int32, tag = "1")]
	pub elem_type: i32,
	/// Dimensions.
	#[prost(message, optional, tag = "2")]
	pub shape: Option<Shape>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
	/// Dimensions.
	#[prost(message, repeated, tag = "1")]
	pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
	/// The number; 0 where it has only a name.
	#[prost(int64, tag = "1")]
	pub dim_value: i64,
}

use crate::{
	Class, Constant, Input, Node, Operand, Output, Program, ProgramError, Source, State,
	FORMAT_VERSION,
};
use alloc::{string::String, vec, vec::Vec};
use assay_ops::{DType, Narrow, Op, TensorType, OPERATOR_SET};

/// Builds a [`Program`] node by node. Nodes are virtual until [`ProgramBuilder::eager`],
/// [`ProgramBuilder::lazy`] or [`ProgramBuilder::output`] makes them anchors.
///
/// Methods never fail: [`ProgramBuilder::build`] says what is not well-formed and
/// [`Program::check`] what does not fit.
#[derive(Clone, Debug)]
pub struct ProgramBuilder {
	program: Program,
}

impl Default for ProgramBuilder {
	fn default() -> Self {
		Self::new()
	}
}

impl ProgramBuilder {
	/// An empty program.
	pub fn new() -> Self {
		Self {
			program: Program {
				version: FORMAT_VERSION,
				operator_set: OPERATOR_SET,
				inputs: Vec::new(),
				states: Vec::new(),
				constants: Vec::new(),
				nodes: Vec::new(),
				outputs: Vec::new(),
			},
		}
	}

	/// A job input.
	pub fn input(&mut self, name: &str, ty: TensorType) -> Source {
		self.program.inputs.push(Input { name: String::from(name), ty });
		Source::Input(self.program.inputs.len().saturating_sub(1) as u16)
	}

	/// A constant from plain row-major little-endian bytes.
	pub fn constant(&mut self, ty: TensorType, data: Vec<u8>) -> Source {
		self.program.constants.push(Constant { ty, data });
		Source::Constant(self.program.constants.len().saturating_sub(1) as u16)
	}

	/// A constant from numbers, row-major; numbers outside the element type saturate.
	pub fn constant_values(&mut self, ty: TensorType, values: &[i32]) -> Source {
		let size = ty.dtype.size();
		let element = |value: &i32| ty.dtype.saturate(*value as i64).to_le_bytes();
		let data = values.iter().flat_map(|v| element(v).into_iter().take(size)).collect();
		self.constant(ty, data)
	}

	/// Step state whose value before the first step is job input `initial`. Its update must be
	/// named by [`ProgramBuilder::update`]; until then [`ProgramBuilder::build`] fails.
	pub fn state(&mut self, initial: Source) -> Source {
		let input = match initial {
			Source::Input(index) => index,
			_ => u16::MAX,
		};
		self.program.states.push(State { input, update: u32::MAX });
		Source::State(self.program.states.len().saturating_sub(1) as u16)
	}

	/// `node` is the value of `state` after the step; makes it an eager anchor.
	pub fn update(&mut self, state: Source, node: Source) {
		self.eager(node);
		if let (Source::State(state), Source::Node(node)) = (state, node) {
			if let Some(state) = self.program.states.get_mut(state as usize) {
				state.update = node;
			}
		}
	}

	/// A virtual node.
	pub fn node(&mut self, op: Op, operands: Vec<Operand>) -> Source {
		self.program.nodes.push(Node { op, operands, split: None, class: Class::Virtual });
		Source::Node(self.program.nodes.len().saturating_sub(1) as u32)
	}

	fn set(&mut self, node: Source, change: impl FnOnce(&mut Node)) -> Source {
		if let Source::Node(index) = node {
			if let Some(node) = self.program.nodes.get_mut(index as usize) {
				change(node);
			}
		}
		node
	}

	/// Make `node` an eager anchor: its root is part of the trace.
	pub fn eager(&mut self, node: Source) -> Source {
		self.set(node, |node| node.class = Class::EagerAnchor)
	}

	/// Make `node` a lazy anchor: its root is published on demand.
	pub fn lazy(&mut self, node: Source) -> Source {
		self.set(node, |node| node.class = Class::LazyAnchor)
	}

	/// Cut the canonical matrix of `node` before dimension `split`.
	pub fn split(&mut self, node: Source, split: u8) -> Source {
		self.set(node, |node| node.split = Some(split))
	}

	/// `node` is a job output; makes it an eager anchor.
	pub fn output(&mut self, name: &str, node: Source) -> Source {
		let index = match node {
			Source::Node(index) => index,
			_ => u32::MAX,
		};
		self.program.outputs.push(Output { name: String::from(name), node: index });
		self.eager(node)
	}

	/// The program, if it is well-formed.
	pub fn build(self) -> Result<Program, ProgramError> {
		self.program.validate()?;
		Ok(self.program)
	}

	/// `a[.., K] · b[N, K]ᵀ` of i8 operands, exact in i32.
	pub fn matmul(&mut self, a: impl Into<Operand>, b: impl Into<Operand>) -> Source {
		self.node(Op::MatMul { narrow: None }, vec![a.into(), b.into()])
	}

	/// `a[.., K] · b[N, K]ᵀ` of i16 operands through the epilogue `narrow`.
	pub fn matmul_narrow(
		&mut self,
		a: impl Into<Operand>,
		b: impl Into<Operand>,
		narrow: Narrow,
	) -> Source {
		self.node(Op::MatMul { narrow: Some(narrow) }, vec![a.into(), b.into()])
	}

	/// Scale i32 accumulators (and a bias) down to `to`, see [`Op::Requant`].
	pub fn requant(
		&mut self,
		accumulators: impl Into<Operand>,
		multiplier: impl Into<Operand>,
		shift: impl Into<Operand>,
		bias: Option<Operand>,
		to: DType,
	) -> Source {
		let mut operands = vec![accumulators.into(), multiplier.into(), shift.into()];
		operands.extend(bias);
		self.node(Op::Requant { to }, operands)
	}

	/// `sat(a + b)`.
	pub fn add(&mut self, a: impl Into<Operand>, b: impl Into<Operand>, to: DType) -> Source {
		self.node(Op::Add { to }, vec![a.into(), b.into()])
	}

	/// `sat(a − b)`.
	pub fn sub(&mut self, a: impl Into<Operand>, b: impl Into<Operand>, to: DType) -> Source {
		self.node(Op::Sub { to }, vec![a.into(), b.into()])
	}

	/// `sat(a · b)`.
	pub fn mul(&mut self, a: impl Into<Operand>, b: impl Into<Operand>, to: DType) -> Source {
		self.node(Op::Mul { to }, vec![a.into(), b.into()])
	}

	/// `min(max(a, lo), hi)`.
	pub fn clamp(&mut self, a: impl Into<Operand>, lo: i32, hi: i32) -> Source {
		self.node(Op::Clamp { lo, hi }, vec![a.into()])
	}

	/// Rounded right shift (negative: saturating left shift).
	pub fn shift(&mut self, a: impl Into<Operand>, by: i8, to: DType) -> Source {
		self.node(Op::Shift { by, to }, vec![a.into()])
	}

	/// `sat(a)`.
	pub fn cast(&mut self, a: impl Into<Operand>, to: DType) -> Source {
		self.node(Op::Cast { to }, vec![a.into()])
	}

	/// `a`, as a node.
	pub fn copy(&mut self, a: impl Into<Operand>) -> Source {
		self.node(Op::Copy, vec![a.into()])
	}

	/// `table[a + 128]`.
	pub fn lut(&mut self, a: impl Into<Operand>, table: impl Into<Operand>) -> Source {
		self.node(Op::Lut, vec![a.into(), table.into()])
	}

	/// `sat(Σ a)` along `axis`.
	pub fn reduce_sum(&mut self, a: impl Into<Operand>, axis: u8, to: DType) -> Source {
		self.node(Op::ReduceSum { axis, to }, vec![a.into()])
	}

	/// The largest along `axis`.
	pub fn reduce_max(&mut self, a: impl Into<Operand>, axis: u8) -> Source {
		self.node(Op::ReduceMax { axis }, vec![a.into()])
	}

	/// Position of the largest along `axis`.
	pub fn arg_max(&mut self, a: impl Into<Operand>, axis: u8) -> Source {
		self.node(Op::ArgMax { axis }, vec![a.into()])
	}
}

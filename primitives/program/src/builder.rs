use crate::{
	Class, Constant, Input, Node, Operand, Output, Program, ProgramError, Source, State,
	FORMAT_VERSION,
};
use alloc::{string::String, vec, vec::Vec};
use assay_ops::{DType, Geometry, Narrow, NormKind, Op, Relation, Shape, TensorType, OPERATOR_SET};

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

	/// `a[B.., M, K] · b[B.., N, K]ᵀ`: of i8 operands exact in i32 without `narrow`, of i16
	/// operands through it. `shift` is added to that of `narrow`.
	pub fn batch_matmul(
		&mut self,
		a: impl Into<Operand>,
		b: impl Into<Operand>,
		narrow: Option<Narrow>,
		shift: Option<Operand>,
	) -> Source {
		let mut operands = vec![a.into(), b.into()];
		operands.extend(shift);
		self.node(Op::BatchMatMul { narrow }, operands)
	}

	/// A convolution of x `[B, H, W, C]` with weights `[O, kh, kw, C / groups]`, as
	/// [`ProgramBuilder::batch_matmul`] otherwise.
	pub fn conv2d(
		&mut self,
		x: impl Into<Operand>,
		weights: impl Into<Operand>,
		geometry: Geometry,
		narrow: Option<Narrow>,
		shift: Option<Operand>,
	) -> Source {
		let mut operands = vec![x.into(), weights.into()];
		operands.extend(shift);
		self.node(Op::Conv2d { geometry, narrow }, operands)
	}

	/// `sat(round_shift(a · b, shift))`.
	pub fn mul_shift(
		&mut self,
		a: impl Into<Operand>,
		b: impl Into<Operand>,
		shift: i8,
		to: DType,
	) -> Source {
		self.node(Op::MulShift { shift, to }, vec![a.into(), b.into()])
	}

	/// 1 where `a relation b`, else 0.
	pub fn compare(
		&mut self,
		a: impl Into<Operand>,
		b: impl Into<Operand>,
		relation: Relation,
	) -> Source {
		self.node(Op::Compare { relation }, vec![a.into(), b.into()])
	}

	/// `a` where `condition` is not 0, else `b`.
	pub fn select(
		&mut self,
		condition: impl Into<Operand>,
		a: impl Into<Operand>,
		b: impl Into<Operand>,
	) -> Source {
		self.node(Op::Select, vec![condition.into(), a.into(), b.into()])
	}

	/// A table of 2^p + 1 points with straight lines between them.
	pub fn lut_interp(&mut self, a: impl Into<Operand>, table: impl Into<Operand>) -> Source {
		self.node(Op::LutInterp, vec![a.into(), table.into()])
	}

	/// `a · 2^shift / b`, rounded.
	pub fn int_div(
		&mut self,
		a: impl Into<Operand>,
		b: impl Into<Operand>,
		shift: u8,
		to: DType,
	) -> Source {
		self.node(Op::IntDiv { shift, to }, vec![a.into(), b.into()])
	}

	/// Rows of `table` at `indices`. Neither may be a virtual node: see
	/// [`crate::CheckError::GatherOperand`].
	pub fn gather(&mut self, table: impl Into<Operand>, indices: impl Into<Operand>) -> Source {
		self.node(Op::Gather, vec![table.into(), indices.into()])
	}

	/// `updates` summed into the rows that `indices` name.
	pub fn scatter_add(
		&mut self,
		updates: impl Into<Operand>,
		indices: impl Into<Operand>,
		rows: u32,
		to: DType,
	) -> Source {
		self.node(Op::ScatterAdd { rows, to }, vec![updates.into(), indices.into()])
	}

	/// Up to 16 operands one after the other along `axis`.
	pub fn concat(&mut self, operands: Vec<Operand>, axis: u8) -> Source {
		self.node(Op::Concat { axis }, operands)
	}

	/// `low` elements `value` before and `high` after `a` along `axis`.
	pub fn pad(
		&mut self,
		a: impl Into<Operand>,
		axis: u8,
		low: u32,
		high: u32,
		value: i32,
	) -> Source {
		self.node(Op::Pad { axis, low, high, value }, vec![a.into()])
	}

	/// The position along `axis`.
	pub fn iota(&mut self, shape: Shape, axis: u8) -> Source {
		self.node(Op::Iota { shape, axis }, vec![])
	}

	/// Random bits; `stream` tells the generators of a program apart.
	pub fn philox(
		&mut self,
		seed: impl Into<Operand>,
		step: impl Into<Operand>,
		shape: Shape,
		stream: u32,
	) -> Source {
		self.node(Op::Philox { shape, stream }, vec![seed.into(), step.into()])
	}

	/// Softmax of the last dimension, see [`Op::Softmax`].
	pub fn softmax(
		&mut self,
		a: impl Into<Operand>,
		multiplier: i16,
		shift: i8,
		to: DType,
	) -> Source {
		self.node(Op::Softmax { multiplier, shift, to }, vec![a.into()])
	}

	/// LayerNorm or RMSNorm of the last dimension with its epsilon, see [`Op::Norm`].
	pub fn norm(
		&mut self,
		x: impl Into<Operand>,
		gamma: impl Into<Operand>,
		beta: impl Into<Operand>,
		(kind, epsilon): (NormKind, u32),
		shift: i8,
		to: DType,
	) -> Source {
		let op = Op::Norm { kind, epsilon, to, shift };
		self.node(op, vec![x.into(), gamma.into(), beta.into()])
	}

	/// `sat(round_shift(Σ a · b, shift))` along `axis`.
	pub fn reduce_sum_product(
		&mut self,
		a: impl Into<Operand>,
		b: impl Into<Operand>,
		axis: u8,
		shift: i8,
		to: DType,
	) -> Source {
		self.node(Op::ReduceSumProduct { axis, shift, to }, vec![a.into(), b.into()])
	}
}

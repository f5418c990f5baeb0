//! Random programs.

use crate::{random_operator, Draw, Rng, OPERATOR_KINDS};
use assay_ops::{DType, Narrow, Op, Shape, TensorType, Values, View};
use assay_program::{interpret_step, Checked, Operand, Program, ProgramBuilder, Source};
use std::collections::BTreeMap;

fn shape_of(rng: &mut Rng) -> Shape {
	let rank = rng.pick(&[0, 1, 2, 2, 2, 3]);
	let most = [1, 1500, 70, 12][rank];
	let dims: Vec<u32> = (0..rank).map(|_| 1 + rng.below_u32(most)).collect();
	Shape::new(&dims).unwrap()
}

/// Values with extremes among them, but few zeros: indices should lead somewhere.
fn values(rng: &mut Rng, ty: TensorType) -> Values {
	let data = (0..ty.elements())
		.map(|_| match rng.below(6) {
			0 => ty.dtype.min(),
			1 => ty.dtype.max(),
			_ => ty.dtype.read(&rng.bits().to_le_bytes(), 0),
		})
		.collect();
	Values::new(ty, data).unwrap()
}

/// Some view of `shape` over a source of `source`.
fn view(rng: &mut Rng, source: Shape, shape: Shape) -> View {
	if source.elements() >= shape.elements() && rng.below_u32(3) == 0 {
		return View::reshape(shape);
	}
	let mut choice = source.strides();
	choice.extend([0, 1, 2]);
	let mut strides: Vec<u32> = shape.dims().iter().map(|_| rng.pick(&choice)).collect();
	let last = |strides: &[u32]| -> u64 {
		shape.dims().iter().zip(strides).map(|(d, s)| (*d as u64 - 1) * *s as u64).sum()
	};
	while last(&strides) >= source.elements() as u64 {
		let at = rng.below_u32(strides.len() as u32) as usize;
		strides[at] = 0;
	}
	let offset = rng.below_u32(source.elements() - last(&strides) as u32);
	View { shape, offset, strides }
}

struct Generator<'a> {
	rng: &'a mut Rng,
	builder: ProgramBuilder,
	available: Vec<(Source, TensorType)>,
	used: Vec<Source>,
	inputs: u32,
}

impl Generator<'_> {
	fn fresh(&mut self, dtype: DType, shape: Shape) -> Source {
		let ty = self.rng.typed(dtype, shape);
		let source = if self.rng.below_u32(3) == 0 {
			let values = values(self.rng, ty);
			self.builder.constant_values(ty, values.data())
		} else {
			self.inputs += 1;
			self.builder.input(&format!("input.{}", self.inputs), ty)
		};
		self.available.push((source, ty));
		source
	}

	/// An operand that looks like `dtype` and `shape`.
	fn operand(&mut self, dtype: DType, shape: Shape) -> Operand {
		let fitting: Vec<_> =
			self.available.iter().copied().filter(|(_, ty)| ty.dtype == dtype).collect();
		if fitting.is_empty() || self.rng.below_u32(5) == 0 {
			return self.fresh(dtype, shape).into();
		}
		// Mostly the latest ones, so that chains become long.
		let from = fitting.len() as u32 - (fitting.len() as u32).min(1 + self.rng.below_u32(4));
		let (source, ty) = fitting[from as usize];
		self.used.push(source);
		if ty.shape == shape && self.rng.below_u32(3) > 0 {
			source.into()
		} else {
			let view = view(self.rng, ty.shape, shape);
			Operand::viewed(source, view)
		}
	}

	fn node(&mut self) {
		let (a, b, to) = (self.rng.dtype(), self.rng.dtype(), self.rng.dtype());
		// Often the shape of something that is there, so that no view is needed.
		let shape = match self.available.last() {
			Some((_, ty)) if self.rng.below_u32(2) == 0 => ty.shape,
			_ => shape_of(self.rng),
		};
		let axis = self.rng.below_u32(shape.rank().max(1) as u32) as u8;
		let kinds = if shape.rank() == 0 { 9 } else { 16 };
		let one = |n: u32| Shape::new(&[n]).unwrap();
		let special = self.rng.below_u32(2) == 0;
		let (op, seen): (Op, Vec<(DType, Shape)>) = match self.rng.below_u32(kinds) {
			_ if special => {
				let kind = self.rng.below_u32(OPERATOR_KINDS);
				random_operator(self.rng, kind)
			}
			0 => (Op::Add { to }, vec![(a, shape), (b, shape)]),
			1 => (Op::Sub { to }, vec![(a, shape), (b, shape)]),
			2 => (Op::Mul { to }, vec![(a, shape), (b, shape)]),
			3 => (self.rng.pick(&[Op::Max, Op::Min]), vec![(a, shape), (a, shape)]),
			4 => (Op::Clamp { lo: -100, hi: 77 }, vec![(a, shape)]),
			5 => (Op::Shift { by: self.rng.pick(&[-3, 0, 1, 9]), to }, vec![(a, shape)]),
			6 => (Op::Cast { to }, vec![(a, shape)]),
			7 => (Op::Copy, vec![(a, shape)]),
			8 => (Op::Lut, vec![(DType::I8, shape), (a, one(256))]),
			9 => (Op::ReduceSum { axis, to }, vec![(a, shape)]),
			10 => (Op::ReduceMax { axis }, vec![(a, shape)]),
			11 => (Op::ArgMax { axis }, vec![(a, shape)]),
			12 => (
				Op::Requant { to: self.rng.pick(&[DType::I8, DType::I16]) },
				vec![
					(DType::I32, shape),
					(DType::I16, one(shape.last())),
					(DType::I8, one(1)),
					(DType::I32, one(shape.last())),
				],
			),
			_ => {
				let weights = Shape::new(&[1 + self.rng.below_u32(40), shape.last()]).unwrap();
				let narrow = Narrow { multiplier: 12_345, shift: 21, to };
				let (dtype, narrow) =
					self.rng.pick(&[(DType::I8, None), (DType::I16, Some(narrow))]);
				(Op::MatMul { narrow }, vec![(dtype, shape), (dtype, weights)])
			}
		};
		let refs: Vec<_> = seen.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		let (dtype, shape) = op.infer(&refs).unwrap();
		let operands: Vec<Operand> =
			seen.iter().map(|(dtype, shape)| self.operand(*dtype, *shape)).collect();
		if op == Op::Gather {
			// What it reads depends on bytes, so these must be committed.
			for operand in &operands {
				if self.rng.below_u32(2) == 0 {
					self.builder.lazy(operand.source);
				} else {
					self.builder.eager(operand.source);
				}
			}
		}
		let node = self.builder.node(op, operands);
		let ty = self.rng.typed(dtype, shape);
		if ty != TensorType::of(dtype, shape) || self.rng.below_u32(4) == 0 {
			self.builder.split(node, ty.split);
		}
		match self.rng.below_u32(6) {
			0 => self.builder.eager(node),
			1 => self.builder.lazy(node),
			_ => node,
		};
		self.available.push((node, ty));
	}
}

/// A random program that passes the check under the default limits.
pub fn program(rng: &mut Rng) -> Program {
	let builder = ProgramBuilder::new();
	let mut g = Generator { rng, builder, available: vec![], used: vec![], inputs: 0 };
	let mut states = vec![];
	for index in 0..g.rng.below_u32(3) {
		let (dtype, shape) = (g.rng.dtype(), shape_of(g.rng));
		let ty = g.rng.typed(dtype, shape);
		let initial = g.builder.input(&format!("state/{index}"), ty);
		let state = g.builder.state(initial);
		g.available.push((state, ty));
		states.push((state, ty));
	}
	for _ in 0..1 + g.rng.below_u32(14) {
		g.node();
	}
	for (state, ty) in states {
		let other = g.operand(ty.dtype, ty.shape);
		let update = g.builder.add(state, other, ty.dtype);
		g.builder.split(update, ty.split);
		g.builder.update(state, update);
		g.used.push(update);
		g.available.push((update, ty));
	}
	// Whatever nothing reads is an output.
	let mut outputs = 0;
	for (source, _) in g.available.clone() {
		if matches!(source, Source::Node(_)) && !g.used.contains(&source) {
			g.builder.output(&format!("output_{outputs}"), source);
			outputs += 1;
		}
	}
	if outputs == 0 {
		let (source, _) = *g.available.last().unwrap();
		g.builder.output("last", source);
	}
	g.builder.build().unwrap()
}

/// Inputs, states and all results of one step, and the canonical bytes of whatever is committed,
/// with random padding.
pub struct Step {
	pub inputs: Vec<Values>,
	pub states: Vec<Values>,
	pub results: Vec<Values>,
	pub committed: BTreeMap<Source, Vec<u8>>,
}

pub fn step(rng: &mut Rng, program: &Program, checked: &Checked) -> Step {
	let inputs: Vec<Values> = program.inputs.iter().map(|input| values(rng, input.ty)).collect();
	let states: Vec<Values> = program
		.states
		.iter()
		.map(|state| values(rng, program.inputs[state.input as usize].ty))
		.collect();
	let results = interpret_step(program, checked, &inputs, &states).unwrap();
	let all = (0..)
		.map(Source::Input)
		.zip(&inputs)
		.chain((0..).map(Source::State).zip(&states))
		.chain((0..).map(Source::Node).zip(&results))
		.map(|(source, values)| (source, poisoned(rng, values)))
		.collect();
	Step { inputs, states, results, committed: all }
}

fn poisoned(rng: &mut Rng, values: &Values) -> Vec<u8> {
	let (ty, clean) = (values.ty(), values.to_canonical());
	let mut bytes: Vec<u8> = clean.iter().map(|_| rng.bits() as u8).collect();
	for element in 0..ty.elements() {
		let (tile, offset) = ty.position(element as u64);
		let at = tile as usize * 1024 + offset;
		bytes[at..at + ty.dtype.size()].copy_from_slice(&clean[at..at + ty.dtype.size()]);
	}
	bytes
}

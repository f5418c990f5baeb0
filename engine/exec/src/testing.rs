//! Random programs and the definition's results, for the tests of every engine.

#[path = "../../../primitives/ops/tests/common/operators.rs"]
mod operators;

mod chains;

pub use crate::rng::Rng;
use crate::{Run, Tensor, KEPT_STEPS};
use assay_commitments::{run_root, tensor_root, trace_root};
use assay_ops::{
	evaluate, DType, Narrow, Op, Operand as Seen, Shape, TensorType, Values, View, OPERATOR_SET,
	TILE_BYTES,
};
use assay_program::{
	interpret_step, Checked, Class, Constant, Input, Limits, Node, Operand, Output, Program,
	Source, State, FORMAT_VERSION,
};
pub use chains::chain_case;
pub use operators::KINDS as OPERATOR_KINDS;

/// A program with inputs for it.
#[derive(Clone, Debug)]
pub struct Case {
	/// The program; see [`Case::check`].
	pub program: Program,
	/// Inputs, with arbitrary bytes in the padding.
	pub inputs: Vec<Tensor>,
	/// Steps to run.
	pub steps: u32,
}

impl Case {
	/// The program as it passes the check. What is too much for the referee gets more anchors and at
	/// last wider limits, which makes no difference to an engine.
	///
	/// # Panics
	/// When the generator made a program that is not sound.
	pub fn check(&mut self) -> Checked {
		if let Ok(checked) = self.program.check(&Limits::default()) {
			return checked;
		}
		for node in &mut self.program.nodes {
			if node.class == Class::Virtual {
				node.class = Class::LazyAnchor;
			}
		}
		let wide = Limits {
			part_bytes: u64::MAX,
			parts: u32::MAX,
			scratch: u64::MAX,
			part_nanoseconds: u64::MAX,
			analysis_steps: u32::MAX,
			..Limits::default()
		};
		match self.program.check(&wide) {
			Ok(checked) => checked,
			Err(error) => panic!("the generator made an unsound program: {error}"),
		}
	}
}

const DTYPES: [DType; 3] = [DType::I8, DType::I16, DType::I32];

/// Builds a program node by node.
struct Growing {
	program: Program,
	inputs: Vec<Tensor>,
	/// Everything that a node may read.
	sources: Vec<(Source, TensorType)>,
	types: Vec<TensorType>,
	largest: u32,
}

fn shape(dims: &[u32]) -> Shape {
	Shape::new(dims).expect("a shape of few small dimensions; qed")
}

impl Growing {
	fn new(largest: u32) -> Self {
		let program = Program {
			version: FORMAT_VERSION,
			operator_set: OPERATOR_SET,
			inputs: vec![],
			states: vec![],
			constants: vec![],
			nodes: vec![],
			outputs: vec![],
		};
		Self { program, inputs: vec![], sources: vec![], types: vec![], largest }
	}

	fn dims(&mut self, rng: &mut Rng, rank: usize) -> Vec<u32> {
		let mut left = self.largest;
		let mut dims: Vec<u32> = (0..rank)
			.map(|_| {
				let edge = rng.pick(&[1, 2, 3, 5, 8, 17, 31, 32, 33, 64, 70]).min(left);
				left /= edge;
				edge
			})
			.collect();
		for at in (1..rank).rev() {
			dims.swap(at, rng.below(at as u64 + 1) as usize);
		}
		dims
	}

	fn any_dims(&mut self, rng: &mut Rng) -> Vec<u32> {
		let rank = rng.pick(&[0, 1, 1, 2, 2, 2, 3, 4, 6]);
		self.dims(rng, rank)
	}

	fn split(rng: &mut Rng, rank: usize) -> Option<u8> {
		(rank > 2 && rng.one_in(2)).then(|| rng.range(1, rank as i64 - 1) as u8)
	}

	fn tensor(rng: &mut Rng, ty: TensorType) -> Tensor {
		let values = rng.values(ty.dtype, ty.elements() as usize);
		// What lies in the padding must not matter.
		let mut bytes: Vec<u8> = (0..ty.canonical_len()).map(|_| rng.bits() as u8).collect();
		for tile in 0..ty.tiles() {
			let chunk = &mut bytes[tile as usize * TILE_BYTES..][..TILE_BYTES];
			for (element, offset) in ty.tile_elements(tile) {
				ty.dtype.write(chunk, offset, values[element as usize]);
			}
		}
		Tensor::new(ty, bytes)
	}

	fn input(&mut self, rng: &mut Rng, dtype: DType, dims: &[u32]) -> usize {
		let mut ty = TensorType::of(dtype, shape(dims));
		if let Some(split) = Self::split(rng, dims.len()) {
			ty = ty.with_split(split).expect("a split inside the shape; qed");
		}
		let index = self.program.inputs.len();
		self.program.inputs.push(Input { name: format!("input-{index}"), ty });
		self.inputs.push(Self::tensor(rng, ty));
		self.sources.push((Source::Input(index as u16), ty));
		index
	}

	fn constant(&mut self, dtype: DType, dims: &[u32], values: &[i32]) -> Source {
		let ty = TensorType::of(dtype, shape(dims));
		let data = values
			.iter()
			.flat_map(|value| value.to_le_bytes().into_iter().take(dtype.size()))
			.collect();
		let source = Source::Constant(self.program.constants.len() as u16);
		self.program.constants.push(Constant { ty, data });
		self.sources.push((source, ty));
		source
	}

	/// An operand of a type and shape: something that is there, through a random view, or something new.
	fn operand(&mut self, rng: &mut Rng, dtype: DType, dims: &[u32]) -> Operand {
		let mut fitting: Vec<_> =
			self.sources.iter().filter(|(_, ty)| ty.dtype == dtype).copied().collect();
		// Later ones are likelier, so that programs are deep.
		let recent = fitting.len().saturating_sub(4);
		if rng.one_in(2) {
			fitting.drain(..recent);
		}
		if fitting.is_empty() || rng.one_in(5) {
			self.input(rng, dtype, dims);
			fitting = self.sources[self.sources.len() - 1..].to_vec();
		}
		let (source, ty) = rng.pick(&fitting);
		if ty.shape.dims() == dims && !rng.one_in(3) {
			return source.into();
		}
		let seen = shape(dims);
		let elements = u64::from(ty.elements());
		if u64::from(seen.elements()) == elements && rng.one_in(2) {
			return Operand::viewed(source, View::reshape(seen));
		}
		let mut left = elements - 1;
		let mut strides = vec![0; dims.len()];
		for at in (0..dims.len()).rev() {
			let most = if dims[at] == 1 { left } else { left / u64::from(dims[at] - 1) };
			let natural = u64::from(seen.strides()[at]);
			let stride = match rng.below(3) {
				0 if natural <= most => natural,
				1 => most.min(1),
				_ => rng.below(most + 1),
			};
			strides[at] = stride as u32;
			left -= stride * u64::from(dims[at] - 1);
		}
		let offset = rng.below(left + 1) as u32;
		Operand::viewed(source, View { shape: seen, offset, strides })
	}

	/// An existing or new operand of any type and shape, and what the operator sees of it.
	fn any(&mut self, rng: &mut Rng) -> (Operand, DType, Vec<u32>) {
		let dtype = rng.pick(&DTYPES);
		let dims = match self.sources.last() {
			Some((_, ty)) if rng.one_in(2) => ty.shape.dims().to_vec(),
			_ => self.any_dims(rng),
		};
		(self.operand(rng, dtype, &dims), dtype, dims)
	}

	fn node(&mut self, rng: &mut Rng) {
		let to = rng.pick(&DTYPES);
		let by =
			rng.pick(&[0, 1, 2, 7, 8, 15, 16, 31, 32, 33, 45, 62, 63, 127, -1, -7, -31, -32, -128]);
		let (op, operands) = match rng.below(32) {
			18.. => self.special(rng),
			0..=2 => {
				let dtype = rng.pick(&[DType::I8, DType::I8, DType::I16]);
				let k = rng.pick(&[1, 2, 3, 4, 5, 16, 31, 32, 33, 64, 100, 257]);
				let n = rng.pick(&[1, 2, 7, 16, 33, 65]);
				let mut a = match rng.below(4) {
					0 => vec![],
					1 => self.dims(rng, 2),
					_ => self.dims(rng, 1),
				};
				a.push(k);
				let operands =
					vec![self.operand(rng, dtype, &a), self.operand(rng, dtype, &[n, k])];
				let multiplier = rng.values(DType::I16, 1)[0] as i16;
				let narrow = (dtype == DType::I16).then_some(Narrow { multiplier, shift: by, to });
				(Op::MatMul { narrow }, operands)
			}
			3..=4 => {
				let dims = match self.sources.last() {
					// Often right behind a product, as real programs have it.
					Some((_, ty)) if ty.dtype == DType::I32 && ty.shape.rank() > 0 => {
						ty.shape.dims().to_vec()
					}
					_ => self.dims(rng, 2),
				};
				let last = dims[dims.len() - 1];
				let acc = match self.sources.last() {
					Some((source, ty)) if ty.dtype == DType::I32 && ty.shape.dims() == dims => {
						Operand::from(*source)
					}
					_ => self.operand(rng, DType::I32, &dims),
				};
				let mut operands = vec![acc];
				for dtype in [DType::I16, DType::I8, DType::I32] {
					if dtype == DType::I32 && rng.one_in(2) {
						break;
					}
					let len = rng.pick(&[1, last]);
					if dtype == DType::I8 && rng.one_in(2) {
						let shifts: Vec<i32> = (0..len).map(|_| rng.range(1, 46) as i32).collect();
						operands.push(self.constant(dtype, &[len], &shifts).into());
					} else {
						operands.push(self.operand(rng, dtype, &[len]));
					}
				}
				let to = rng.pick(&[DType::I8, DType::I16]);
				(Op::Requant { to }, operands)
			}
			at @ 5..=9 => {
				let (a, dtype, dims) = self.any(rng);
				let other = if at < 8 { rng.pick(&DTYPES) } else { dtype };
				let b = self.operand(rng, other, &dims);
				let ops = [Op::Add { to }, Op::Sub { to }, Op::Mul { to }, Op::Max, Op::Min];
				(ops[at as usize - 5], vec![a, b])
			}
			10 => {
				let (a, dtype, _) = self.any(rng);
				let bounds = rng.values(dtype, 2);
				let (lo, hi) = (bounds[0].min(bounds[1]), bounds[0].max(bounds[1]));
				(Op::Clamp { lo, hi }, vec![a])
			}
			11 => (Op::Shift { by, to }, vec![self.any(rng).0]),
			12 => (Op::Cast { to }, vec![self.any(rng).0]),
			13 => (Op::Copy, vec![self.any(rng).0]),
			14 => {
				let dims = self.any_dims(rng);
				let index = self.operand(rng, DType::I8, &dims);
				let table = if rng.one_in(2) {
					let values = rng.values(to, 256);
					self.constant(to, &[256], &values).into()
				} else {
					self.operand(rng, to, &[256])
				};
				(Op::Lut, vec![index, table])
			}
			at => {
				let rank = rng.pick(&[1, 2, 3]);
				let dims = self.dims(rng, rank);
				let dtype = rng.pick(&DTYPES);
				let axis = rng.below(rank as u64) as u8;
				let operand = self.operand(rng, dtype, &dims);
				let ops = [Op::ReduceSum { axis, to }, Op::ReduceMax { axis }, Op::ArgMax { axis }];
				(ops[at as usize - 15], vec![operand])
			}
		};
		self.push(rng, op, operands);
	}

	/// An operator of the rarer kinds.
	fn special(&mut self, rng: &mut Rng) -> (Op, Vec<Operand>) {
		let kind = rng.below(operators::KINDS.into()) as u32;
		self.of_kind(rng, kind)
	}

	/// An operator of a kind below [`OPERATOR_KINDS`].
	fn of_kind(&mut self, rng: &mut Rng, kind: u32) -> (Op, Vec<Operand>) {
		let (op, seen) = random_operator(rng, kind);
		let operands: Vec<Operand> =
			seen.iter().map(|(dtype, shape)| self.operand(rng, *dtype, shape.dims())).collect();
		if op == Op::Gather {
			// What it reads depends on bytes, so these must be committed.
			for operand in &operands {
				if let Source::Node(node) = operand.source {
					let class = &mut self.program.nodes[node as usize].class;
					if *class == Class::Virtual {
						*class = Class::EagerAnchor;
					}
				}
			}
		}
		(op, operands)
	}

	fn push(&mut self, rng: &mut Rng, op: Op, operands: Vec<Operand>) {
		let seen: Vec<(DType, Shape)> = operands
			.iter()
			.filter_map(|operand| {
				let (_, ty) = self.sources.iter().find(|(source, _)| *source == operand.source)?;
				Some((ty.dtype, operand.view.as_ref().map_or(ty.shape, |view| view.shape)))
			})
			.collect();
		let seen: Vec<_> = seen.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		let (dtype, result) = match op.infer(&seen) {
			Ok(inferred) => inferred,
			Err(error) => panic!("the generator made {op:?} of {seen:?}: {error}"),
		};
		let split = Self::split(rng, result.rank());
		let ty = TensorType::of(dtype, result);
		let ty = split.map_or(ty, |split| ty.with_split(split).expect("inside the shape; qed"));
		let class = rng.pick(&[Class::EagerAnchor, Class::LazyAnchor, Class::Virtual]);
		let node = self.program.nodes.len() as u32;
		self.program.nodes.push(Node { op, operands, split, class });
		self.types.push(ty);
		self.sources.push((Source::Node(node), ty));
	}

	/// The program, as a case. Whatever no node reads is an output, and so is one of the others.
	fn finish(mut self, rng: &mut Rng, steps: u32) -> Case {
		let mut read: Vec<u32> = self.program.states.iter().map(|state| state.update).collect();
		let operands = self.program.nodes.iter().flat_map(|node| &node.operands);
		read.extend(operands.filter_map(|operand| match operand.source {
			Source::Node(node) => Some(node),
			_ => None,
		}));
		let chosen = rng.below(self.program.nodes.len() as u64) as u32;
		for node in 0..self.program.nodes.len() as u32 {
			if node == chosen || !read.contains(&node) {
				self.program.nodes[node as usize].class = Class::EagerAnchor;
				let name = format!("output-{node}");
				self.program.outputs.push(Output { name, node });
			}
		}
		Case { program: self.program, inputs: self.inputs, steps }
	}
}

/// A random operator of a kind below [`OPERATOR_KINDS`], with types and shapes of operands.
pub fn random_operator(rng: &mut Rng, kind: u32) -> (Op, Vec<(DType, Shape)>) {
	let mut below = |bound: u32| rng.below(bound.into()) as u32;
	operators::operator(&mut operators::Random(&mut below), kind)
}

/// A program of one such operator, on random values through random views.
pub fn operator_case(rng: &mut Rng, kind: u32) -> Case {
	let mut this = Growing::new(5000);
	let (op, operands) = this.of_kind(rng, kind);
	this.push(rng, op, operands);
	this.finish(rng, 1)
}

/// A program of one operator on given values, which are those of its operands' types.
///
/// # Panics
/// When the operands do not fit the operator or the values the operands.
pub fn given_case(op: Op, operands: &[(DType, &[u32], Vec<i32>)]) -> Case {
	let mut this = Growing::new(0);
	let mut seen: Vec<Operand> = vec![];
	for (index, (dtype, dims, values)) in operands.iter().enumerate() {
		let ty = TensorType::of(*dtype, shape(dims));
		let tensor = Tensor::from_elements(ty, values).expect("as many values as elements");
		let source = Source::Input(index as u16);
		this.program.inputs.push(Input { name: format!("input-{index}"), ty });
		this.inputs.push(tensor);
		this.sources.push((source, ty));
		seen.push(source.into());
	}
	let mut rng = Rng::new(0);
	this.push(&mut rng, op, seen);
	this.finish(&mut rng, 1)
}

/// A random program over the whole operator set: mixed types, ranks 0 to 6, slices, transposes,
/// broadcasts and overlapping views, extreme values, ragged edges, step state.
pub fn random_case(rng: &mut Rng, nodes: usize, largest: u32) -> Case {
	let mut this = Growing::new(largest);
	let states = rng.below(3) as usize;
	for state in 0..states {
		let dims = this.any_dims(rng);
		let dtype = rng.pick(&DTYPES);
		let input = this.input(rng, dtype, &dims);
		let ty = this.program.inputs[input].ty;
		this.program.states.push(State { input: input as u16, update: 0 });
		this.sources.push((Source::State(state as u16), ty));
	}
	for _ in 0..nodes {
		this.node(rng);
	}
	for state in 0..states {
		// The next value has the type of the first, split and all.
		let ty = this.program.inputs[usize::from(this.program.states[state].input)].ty;
		let dims = ty.shape.dims().to_vec();
		let operand = this.operand(rng, ty.dtype, &dims);
		this.push(rng, Op::Copy, vec![operand]);
		let at = this.program.nodes.len() - 1;
		this.program.nodes[at].split = Some(ty.split);
		this.program.nodes[at].class = Class::EagerAnchor;
		this.types[at] = ty;
		this.program.states[state].update = at as u32;
	}
	let steps = if states == 0 { 1 } else { rng.range(1, 3) as u32 };
	this.finish(rng, steps)
}

/// A run by the definition: whole tensors, one thread, nothing fused.
///
/// # Panics
/// When the program is not sound.
pub fn definition(program: &Program, checked: &Checked, inputs: &[Tensor], steps: u32) -> Run {
	let from_canonical = |tensor: &Tensor| {
		Values::from_canonical(tensor.ty, &tensor.bytes)
			.expect("canonical bytes of the right length")
	};
	let inputs: Vec<Values> = inputs.iter().map(from_canonical).collect();
	let constants: Vec<Values> = program
		.constants
		.iter()
		.map(|c| Values::from_row_major(c.ty, &c.data).expect("data of the right length"))
		.collect();
	let mut states: Vec<Values> =
		program.states.iter().map(|state| inputs[usize::from(state.input)].clone()).collect();
	let (mut trace_roots, mut anchor_roots) = (vec![], vec![]);
	let mut nodes: Vec<Values> = vec![];
	for step in 0..steps {
		nodes.clear();
		for node in &program.nodes {
			let operands: Vec<Seen> = node
				.operands
				.iter()
				.map(|operand| {
					let values = match operand.source {
						Source::Input(at) => &inputs[usize::from(at)],
						Source::Constant(at) => &constants[usize::from(at)],
						Source::State(at) => &states[usize::from(at)],
						Source::Node(at) => &nodes[at as usize],
					};
					Seen { values, view: operand.view.as_ref() }
				})
				.collect();
			let values = evaluate(&node.op, &operands, node.split).expect("a sound program");
			nodes.push(values);
		}
		let roots: Vec<_> = checked
			.anchors
			.iter()
			.map(|&node| tensor_root(&nodes[node as usize].to_canonical()))
			.collect();
		trace_roots.push(trace_root(&roots));
		if steps <= KEPT_STEPS || step + 1 == steps {
			anchor_roots.push(roots);
		}
		states = program.states.iter().map(|state| nodes[state.update as usize].clone()).collect();
	}
	let outputs: Vec<Tensor> = program
		.outputs
		.iter()
		.map(|output| {
			let values = &nodes[output.node as usize];
			Tensor::new(values.ty(), values.to_canonical())
		})
		.collect();
	let output_roots = outputs.iter().map(Tensor::root).collect();
	Run {
		run_root: run_root(&trace_roots),
		trace_roots,
		anchor_roots,
		outputs,
		output_roots,
		lazy_roots: vec![],
		kept: vec![],
	}
}

/// Everything that a run of `steps` ≥ 1 steps can keep but the lazy anchors, as [`interpret_step`] has
/// it.
///
/// # Panics
/// When the program is not sound.
pub fn definition_kept(
	program: &Program,
	checked: &Checked,
	inputs: &[Tensor],
	steps: u32,
) -> Vec<(Source, Tensor)> {
	kept_by_definition(program, inputs, steps, checked, &checked.anchors)
}

/// The lazy anchors of the last of `steps` ≥ 1 steps, as [`interpret_step`] has them.
///
/// # Panics
/// When the program is not sound.
pub fn definition_lazy(
	program: &Program,
	checked: &Checked,
	inputs: &[Tensor],
	steps: u32,
) -> Vec<(Source, Tensor)> {
	let mut kept = kept_by_definition(program, inputs, steps, checked, &checked.lazy);
	kept.retain(|(source, _)| matches!(source, Source::Node(_)));
	kept
}

/// The states before the last step, and these nodes of it.
fn kept_by_definition(
	program: &Program,
	inputs: &[Tensor],
	steps: u32,
	checked: &Checked,
	anchors: &[u32],
) -> Vec<(Source, Tensor)> {
	let values: Vec<Values> = inputs
		.iter()
		.map(|input| Values::from_canonical(input.ty, &input.bytes).expect("the right length"))
		.collect();
	let initial = |state: &State| usize::from(state.input);
	let mut states: Vec<Values> =
		program.states.iter().map(|state| values[initial(state)].clone()).collect();
	// An input's bytes count as they are, with what its padding holds.
	let mut before: Vec<Tensor> =
		program.states.iter().map(|state| inputs[initial(state)].clone()).collect();
	let tensor = |values: &Values| Tensor::new(values.ty(), values.to_canonical());
	for step in 0..steps {
		let nodes = interpret_step(program, checked, &values, &states).expect("a sound program");
		if step + 1 == steps {
			let states = (0..).map(Source::State).zip(before);
			let anchor = |&node: &u32| (Source::Node(node), tensor(&nodes[node as usize]));
			return states.chain(anchors.iter().map(anchor)).collect();
		}
		states = program.states.iter().map(|state| nodes[state.update as usize].clone()).collect();
		before = states.iter().map(tensor).collect();
	}
	Vec::new()
}

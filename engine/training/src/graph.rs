//! A program under construction: tensors with exponents, and the shifts between them.

use crate::{
	error::Result,
	exponent::{table, Class, Exponent, Slot, Term, SATURATED},
};
use assay_ops::{DType, Geometry, Narrow, Op, Relation, Shape, TensorType, View};
use assay_program::{Operand, Program, ProgramBuilder, Source};
use std::collections::BTreeMap;

/// Unit in the last place of weights: ±32 at 2^-26.
pub const WEIGHT_EXPONENT: i32 = -26;

/// A node, input, constant or state, under a shape that need not be the stored one. Its elements
/// are in row-major order.
#[derive(Clone, Debug)]
pub struct Tensor {
	/// Where it comes from.
	pub source: Source,
	/// Element type.
	pub dtype: DType,
	/// Shape in use.
	pub shape: Shape,
	/// Numbers stand for `number · 2^exponent`.
	pub exponent: Exponent,
	stored: Shape,
}

/// An operand, with what it is after its view.
#[derive(Clone, Debug)]
pub struct Arg {
	operand: Operand,
	dtype: DType,
	shape: Shape,
}

impl Tensor {
	/// The dimensions in use.
	pub fn dims(&self) -> &[u32] {
		self.shape.dims()
	}

	/// As it is.
	pub fn arg(&self) -> Arg {
		let view = (self.shape != self.stored).then(|| View::reshape(self.shape));
		let operand = Operand { source: self.source, view };
		Arg { operand, dtype: self.dtype, shape: self.shape }
	}

	/// The same elements in the same order, under dimensions of the same product.
	pub fn reshape(&self, dims: &[u32]) -> Result<Self> {
		Ok(Self { shape: Shape::new(dims)?, ..self.clone() })
	}

	/// The dimensions before the last one as one: `[rows, last]`.
	pub fn matrix(&self) -> Result<Self> {
		self.reshape(&[self.shape.elements() / self.shape.last(), self.shape.last()])
	}

	/// The same numbers under another exponent.
	pub fn with(&self, exponent: Exponent) -> Self {
		Self { exponent, ..self.clone() }
	}

	/// The dimensions in the order `order`.
	pub fn permute(&self, order: &[usize]) -> Result<Arg> {
		self.viewed(View::transpose(&self.shape, order)?)
	}

	/// Repeated along dimensions of size 1 and new first ones, as in NumPy.
	pub fn broadcast(&self, to: &Shape) -> Result<Arg> {
		if self.shape == *to {
			return Ok(self.arg());
		}
		self.viewed(View::broadcast(&self.shape, *to)?)
	}

	/// Any view of the elements in their order.
	pub fn viewed(&self, view: View) -> Result<Arg> {
		let shape = view.shape;
		let operand = Operand::viewed(self.source, view);
		Ok(Arg { operand, dtype: self.dtype, shape })
	}
}

/// A product that narrows its sums.
#[derive(Clone, Copy, Debug)]
pub enum Product {
	/// [`Op::MatMul`].
	Matrix,
	/// [`Op::BatchMatMul`].
	Batch,
	/// [`Op::Conv2d`].
	Convolution(Geometry),
}

/// What becomes of the sums of a product.
#[derive(Clone, Debug)]
pub enum Target {
	/// i16 with an exponent that follows the largest element. The caller monitors it.
	Slot(Slot),
	/// i16 or i32 with a fixed exponent.
	Fixed(i32, DType),
	/// i32 that holds every possible sum of so many products.
	Exact(u32),
}

/// First values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
	/// Between −bound and bound.
	Uniform(f64),
	/// Around 0, with this standard deviation.
	Normal(f64),
	/// The same everywhere.
	Constant(f64),
}

/// A tensor that is learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
	/// Path of the layer and its role, such as `0.weight`.
	pub name: String,
	/// Dimensions.
	pub dims: Vec<u32>,
	/// First values where none are given.
	pub init: Init,
}

/// What an input of the program holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
	/// Examples or tokens; the slot of their exponent.
	Data(Slot),
	/// Classes of examples.
	Labels,
	/// Tokens of a text.
	Tokens,
	/// Positions of examples, `[steps, batch]`.
	Order,
	/// Learning rates; the slot of their exponent.
	Rates(Slot),
	/// The share of each weight that goes in each step.
	Decays(Slot),
	/// Key of random numbers.
	Seed,
	/// Number of the next step.
	Step,
	/// Exponents of this step and of the one before.
	Exponents,
	/// Steps in which each slot's tensor saturated.
	Saturations,
	/// The loss of each step so far.
	Losses,
	/// A parameter, by position.
	Parameter(usize),
	/// What the optimizer keeps; zero at first.
	Moment,
}

/// A slot and where its largest element is found.
#[derive(Clone, Debug)]
pub struct SlotInfo {
	/// For people.
	pub name: String,
	/// How it follows.
	pub class: Class,
	/// Its value before anything is known.
	pub initial: i8,
	largest: Option<Tensor>,
}

/// A gradient for the optimizer.
pub(crate) struct Gradient {
	pub parameter: usize,
	pub value: Arg,
	pub exponent: Exponent,
}

/// A training program under construction.
pub struct Graph {
	pub(crate) builder: ProgramBuilder,
	pub(crate) slots: Vec<SlotInfo>,
	pub(crate) roles: Vec<Role>,
	pub(crate) parameters: Vec<Parameter>,
	pub(crate) weights: Vec<Tensor>,
	pub(crate) gradients: Vec<Gradient>,
	/// Number of the step, i32 `[1]`.
	pub step: Tensor,
	/// Key of random numbers, i32 `[2]`.
	pub seed: Tensor,
	narrowed: BTreeMap<usize, Tensor>,
	constants: BTreeMap<(u8, Vec<u32>, Vec<i32>), Tensor>,
	rows: Vec<(BTreeMap<Term, i32>, i32)>,
	shifts: Source,
	exponents: Tensor,
	saturations: Tensor,
	streams: u32,
	/// Number of different tokens; 0 for other inputs.
	pub vocabulary: u32,
}

fn typed(dtype: DType, dims: &[u32]) -> Result<TensorType> {
	Ok(TensorType::new(dtype, dims)?)
}

fn source(source: Source, ty: TensorType) -> Tensor {
	let exponent = Exponent::default();
	Tensor { source, dtype: ty.dtype, shape: ty.shape, stored: ty.shape, exponent }
}

/// `scale ≈ multiplier · 2^-shift` with a multiplier of at most 15 bits; powers of two exactly.
pub(crate) fn fixed_point(scale: f64) -> (i16, i32) {
	let exponent = scale.abs().log2().floor() as i32;
	if scale == 2f64.powi(exponent) {
		return (1, -exponent);
	}
	let mut shift = 14 - exponent;
	let mut multiplier = (scale * 2f64.powi(shift)).round();
	if multiplier.abs() > 32_767.0 {
		shift -= 1;
		multiplier = (scale * 2f64.powi(shift)).round();
	}
	(multiplier as i16, shift)
}

/// Bits so that `2^bits ≥ n`.
pub(crate) fn bits_for(n: u32) -> i32 {
	n.next_power_of_two().trailing_zeros() as i32
}

/// The program, its slots, what each output is, and the parameters that are trained.
type Finished = (Program, Vec<SlotInfo>, Vec<Role>, Vec<Parameter>);

impl Graph {
	/// A program with the state that every training has.
	pub fn new() -> Result<Self> {
		let mut builder = ProgramBuilder::new();
		// Slots and shifts are counted at the end; until then one of each stands for them.
		let one = typed(DType::I32, &[1])?;
		let small = typed(DType::I8, &[1])?;
		let two = typed(DType::I32, &[2])?;
		let seed = source(builder.input("seed", two), two);
		let step = builder.input("step", one);
		let step = source(builder.state(step), one);
		let exponents = builder.input("exponents", small);
		let exponents = source(builder.state(exponents), small);
		let saturations = builder.input("saturations", one);
		let saturations = source(builder.state(saturations), one);
		let indices = builder.constant(typed(DType::I16, &[1, 1])?, vec![0; 2]);
		let counts = builder.constant(typed(DType::I8, &[1, 1])?, vec![0]);
		let fixed = builder.constant(one, vec![0; 4]);
		let gathered = builder.node(Op::Gather, vec![exponents.source.into(), indices.into()]);
		let sums = builder.node(
			Op::ReduceSumProduct { axis: 0, shift: 0, to: DType::I32 },
			vec![gathered.into(), counts.into()],
		);
		let shifts = builder.add(sums, fixed, DType::I8);
		builder.eager(shifts);
		Ok(Self {
			builder,
			slots: Vec::new(),
			roles: vec![Role::Seed, Role::Step, Role::Exponents, Role::Saturations],
			parameters: Vec::new(),
			weights: Vec::new(),
			gradients: Vec::new(),
			step,
			seed,
			narrowed: BTreeMap::new(),
			constants: BTreeMap::new(),
			rows: Vec::new(),
			shifts,
			exponents,
			saturations,
			streams: 0,
			vocabulary: 0,
		})
	}

	/// A job input.
	pub fn input(&mut self, name: &str, dtype: DType, dims: &[u32], role: Role) -> Result<Tensor> {
		let ty = typed(dtype, dims)?;
		self.roles.push(role);
		Ok(source(self.builder.input(name, ty), ty))
	}

	/// Step state, with the input that is its first value.
	pub fn state(&mut self, name: &str, dtype: DType, dims: &[u32], role: Role) -> Result<Tensor> {
		let input = self.input(name, dtype, dims, role)?;
		Ok(Tensor { source: self.builder.state(input.source), ..input })
	}

	/// A new parameter in the order of the description; i32 with [`WEIGHT_EXPONENT`].
	pub fn parameter(&mut self, name: String, dims: &[u32], init: Init) -> Result<usize> {
		let index = self.parameters.len();
		let state = self.state(&name, DType::I32, dims, Role::Parameter(index))?;
		self.weights.push(state.with(Exponent::fixed(WEIGHT_EXPONENT)));
		self.parameters.push(Parameter { name, dims: dims.to_vec(), init });
		Ok(index)
	}

	/// A parameter as it is at the start of the step: i32.
	pub fn master(&self, parameter: usize) -> Tensor {
		self.weights[parameter].clone()
	}

	/// A parameter as i16, with an exponent of its own.
	pub fn weight(&mut self, parameter: usize) -> Result<Tensor> {
		if let Some(weight) = self.narrowed.get(&parameter) {
			return Ok(weight.clone());
		}
		let slot = self.slot(self.parameters[parameter].name.clone(), Class::Wide, -14);
		let weight = self.shifted(&self.master(parameter), Exponent::of(slot), DType::I16)?;
		self.monitor(slot, &weight)?;
		self.narrowed.insert(parameter, weight.clone());
		Ok(weight)
	}

	/// The gradient of a parameter, of its shape.
	pub fn gradient(&mut self, parameter: usize, value: Arg, exponent: Exponent) {
		self.gradients.push(Gradient { parameter, value, exponent });
	}

	/// A constant of given numbers; equal ones are one.
	pub fn constant(&mut self, dtype: DType, dims: &[u32], values: &[i32]) -> Result<Tensor> {
		let key = (dtype as u8, dims.to_vec(), values.to_vec());
		if let Some(constant) = self.constants.get(&key) {
			return Ok(constant.clone());
		}
		let ty = typed(dtype, dims)?;
		let constant = source(self.builder.constant_values(ty, values), ty);
		self.constants.insert(key, constant.clone());
		Ok(constant)
	}

	/// One number under any shape.
	pub fn number(&mut self, dtype: DType, value: i32, shape: &Shape) -> Result<Arg> {
		self.constant(dtype, &[1], &[value])?.broadcast(shape)
	}

	/// A new slot.
	pub fn slot(&mut self, name: impl Into<String>, class: Class, initial: i8) -> Slot {
		self.slots.push(SlotInfo { name: name.into(), class, initial, largest: None });
		Slot((self.slots.len() - 1) as u16)
	}

	/// A virtual node. The result's exponent is 0; see [`Tensor::with`].
	pub fn node(&mut self, op: Op, args: Vec<Arg>) -> Result<Tensor> {
		let operands: Vec<_> = args.iter().map(|arg| (arg.dtype, &arg.shape)).collect();
		let (dtype, shape) = op.infer(&operands)?;
		let node = self.builder.node(op, args.into_iter().map(|arg| arg.operand).collect());
		Ok(source(node, TensorType::of(dtype, shape)))
	}

	/// Makes a tensor an eager anchor.
	pub fn anchor(&mut self, tensor: Tensor) -> Tensor {
		self.builder.eager(tensor.source);
		tensor
	}

	/// The shift by the value of `exponent`, i8 `[1]`.
	pub fn shift(&mut self, exponent: &Exponent) -> Result<Arg> {
		let row = (exponent.terms.clone(), exponent.fixed);
		let at = self.rows.iter().position(|known| *known == row).unwrap_or_else(|| {
			self.rows.push(row);
			self.rows.len() - 1
		});
		let shape = Shape::new(&[1])?;
		let view = View { shape, offset: at as u32, strides: vec![1] };
		Ok(Arg { operand: Operand::viewed(self.shifts, view), dtype: DType::I8, shape })
	}

	/// `a` under another exponent.
	pub fn shifted(&mut self, a: &Tensor, exponent: Exponent, to: DType) -> Result<Tensor> {
		self.shifted_arg(a.arg(), &a.exponent, exponent, to)
	}

	/// As [`Graph::shifted`], of a view.
	pub fn shifted_arg(
		&mut self,
		a: Arg,
		from: &Exponent,
		exponent: Exponent,
		to: DType,
	) -> Result<Tensor> {
		let by = exponent.clone() - from;
		let moved = match by.known() {
			Some(by) => self.node(Op::Shift { by: by.clamp(-31, 62) as i8, to }, vec![a])?,
			None => {
				let by = self.shift(&by)?;
				self.node(Op::ShiftBy { to }, vec![a, by])?
			}
		};
		Ok(moved.with(exponent))
	}

	/// A product of i16, `scale` times; `exponent` is the sum of those of a and b. The result is an
	/// anchor unless it is exact.
	pub fn product(
		&mut self,
		product: Product,
		a: Arg,
		b: Arg,
		exponent: Exponent,
		scale: f64,
		target: Target,
	) -> Result<Tensor> {
		let (multiplier, down) = fixed_point(scale);
		let (to, result) = match &target {
			Target::Slot(slot) => (DType::I16, Exponent::of(*slot)),
			Target::Fixed(fixed, dtype) => (*dtype, Exponent::fixed(*fixed)),
			Target::Exact(length) => (DType::I32, exponent.clone().plus(bits_for(*length) - down)),
		};
		let by = (result.clone() - &exponent).plus(down);
		let mut args = vec![a, b];
		let shift = match by.known() {
			Some(by) => by.clamp(-31, 62) as i8,
			None => {
				args.push(self.shift(&by)?);
				0
			}
		};
		let narrow = Some(Narrow { multiplier, shift, to });
		let op = match product {
			Product::Matrix => Op::MatMul { narrow },
			Product::Batch => Op::BatchMatMul { narrow },
			Product::Convolution(geometry) => Op::Conv2d { geometry, narrow },
		};
		let node = self.node(op, args)?.with(result);
		Ok(match target {
			Target::Exact(_) => node,
			_ => self.anchor(node),
		})
	}

	/// Has `slot` follow the largest element of an i16 or i32 tensor.
	pub fn monitor(&mut self, slot: Slot, tensor: &Tensor) -> Result<()> {
		let elements = tensor.shape.elements();
		let flat = tensor.reshape(&[elements])?.arg();
		let shift = if tensor.dtype == DType::I32 { 32 } else { 0 };
		let square = self.node(Op::MulShift { shift, to: DType::I32 }, vec![flat.clone(), flat])?;
		let mut largest = square;
		// The referee reads a long reduction in parts, but not one of any length.
		const LONGEST: u32 = 1 << 16;
		if elements > LONGEST {
			if let Some(row) = (1..=LONGEST).rev().find(|row| elements.is_multiple_of(*row)) {
				let rows = largest.reshape(&[elements / row, row])?.arg();
				largest = self.node(Op::ReduceMax { axis: 1 }, vec![rows])?;
				largest = self.anchor(largest);
			}
		}
		let largest = self.node(Op::ReduceMax { axis: 0 }, vec![largest.arg()])?;
		let largest = self.anchor(largest).reshape(&[1])?;
		self.slots[usize::from(slot.0)].largest = Some(largest);
		Ok(())
	}

	/// Random bits of a shape, i32; other ones for each call and step.
	pub fn random(&mut self, shape: &Shape) -> Result<Tensor> {
		let stream = self.streams;
		self.streams += 1;
		let args = vec![self.seed.arg(), self.step.arg()];
		self.node(Op::Philox { shape: *shape, stream }, args)
	}

	/// Any number of vectors one after the other.
	pub fn concat(&mut self, mut parts: Vec<Tensor>) -> Result<Tensor> {
		while parts.len() > 1 {
			let groups: Vec<Vec<Tensor>> =
				parts.chunks(assay_ops::MAX_OPERANDS).map(<[Tensor]>::to_vec).collect();
			parts = groups
				.into_iter()
				.map(|group| match &group[..] {
					[single] => Ok(single.clone()),
					_ => self.node(Op::Concat { axis: 0 }, group.iter().map(Tensor::arg).collect()),
				})
				.collect::<Result<_>>()?;
		}
		Ok(parts.remove(0))
	}

	/// The update of a state.
	pub fn update(&mut self, state: &Tensor, node: &Tensor) {
		self.builder.update(state.source, node.source);
	}

	/// Lets slots follow, counts steps, and fixes what was counted on the way.
	pub(crate) fn finish(mut self) -> Result<Finished> {
		let slots = self.slots.len() as u32;
		let vector = Shape::new(&[slots])?;
		let unknown = self.constant(DType::I32, &[1], &[0])?;
		let largest = self
			.slots
			.iter()
			.map(|slot| slot.largest.clone().unwrap_or_else(|| unknown.clone()))
			.collect();
		let largest = self.concat(largest)?;
		let bits = self.node(Op::BitLen, vec![largest.arg()])?;
		let of_slots = |f: &dyn Fn(Class) -> i32| -> Vec<i32> {
			self.slots.iter().map(|slot| f(slot.class)).collect()
		};
		let (offsets, adapts) =
			(of_slots(&Class::offset), of_slots(&|class| i32::from(class.adapts())));
		let offsets = self.constant(DType::I8, &[slots], &offsets)?;
		let adapts = self.constant(DType::I8, &[slots], &adapts)?;
		let table = self.constant(DType::I8, &[256], &table())?;
		let index = self.node(Op::Add { to: DType::I8 }, vec![bits.arg(), offsets.arg()])?;
		let change = self.node(Op::Lut, vec![index.arg(), table.arg()])?;
		let limit = self.number(DType::I32, SATURATED, &vector)?;
		let relation = Relation::LessOrEqual;
		let saturated = self.node(Op::Compare { relation }, vec![limit, largest.arg()])?;
		let more = self.node(Op::Min, vec![saturated.arg(), adapts.arg()])?;
		let change = self.node(Op::Add { to: DType::I8 }, vec![change.arg(), more.arg()])?;
		let exponents = Tensor { stored: Shape::new(&[2 * slots])?, ..self.exponents.clone() };
		let exponents = exponents.reshape(&[2 * slots])?;
		let now = exponents.viewed(View { shape: vector, offset: 0, strides: vec![1] })?;
		let next = self.node(Op::Add { to: DType::I8 }, vec![now.clone(), change.arg()])?;
		let both = self.node(Op::Concat { axis: 0 }, vec![next.arg(), now])?;
		self.update(&exponents, &both);
		let counted = Tensor { stored: vector, shape: vector, ..self.saturations.clone() };
		let sum = self.node(Op::Add { to: DType::I32 }, vec![counted.arg(), saturated.arg()])?;
		self.update(&counted, &sum);
		self.builder.output("saturations", sum.source);
		let one = self.number(DType::I32, 1, &self.step.shape.clone())?;
		let step = self.node(Op::Add { to: DType::I32 }, vec![self.step.arg(), one])?;
		let state = self.step.clone();
		self.update(&state, &step);

		let mut program = self.builder.build()?;
		program.inputs[2].ty = typed(DType::I8, &[2 * slots])?;
		program.inputs[3].ty = typed(DType::I32, &[slots])?;
		let (rows, width) = (
			self.rows.len(),
			self.rows.iter().map(|(terms, _)| terms.len()).max().unwrap_or(1).max(1),
		);
		let (mut indices, mut counts) = (vec![-1; rows * width], vec![0; rows * width]);
		for (row, (terms, _)) in self.rows.iter().enumerate() {
			for (at, (term, &count)) in terms.iter().enumerate() {
				let previous = if term.previous { slots as i32 } else { 0 };
				indices[at * rows + row] = i32::from(term.slot.0) + previous;
				counts[at * rows + row] = count;
			}
		}
		let fixed: Vec<i32> = self.rows.iter().map(|(_, fixed)| *fixed).collect();
		let matrix = [width as u32, rows as u32];
		for (at, dtype, dims, values) in [
			(0, DType::I16, &matrix[..], &indices),
			(1, DType::I8, &matrix[..], &counts),
			(2, DType::I32, &matrix[1..], &fixed),
		] {
			let size = dtype.size();
			let constant = &mut program.constants[at];
			constant.ty = typed(dtype, dims)?;
			constant.data = values
				.iter()
				.flat_map(|value| {
					dtype.saturate(i64::from(*value)).to_le_bytes().into_iter().take(size)
				})
				.collect();
		}
		program.validate()?;
		Ok((program, self.slots, self.roles, self.parameters))
	}
}

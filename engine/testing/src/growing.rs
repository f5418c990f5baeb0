//! Programs that grow node by node.

use crate::Case;
use assay_exec::Tensor;
use assay_ops::{DType, Narrow, Op, Shape, TensorType, View, OPERATOR_SET, TILE_BYTES};
use assay_program::{
	Class, Constant, Input, Node, Operand, Output, Program, Source, FORMAT_VERSION,
};
use assay_testing::{random_operator, Rng, OPERATOR_KINDS};

pub(crate) const DTYPES: [DType; 3] = [DType::I8, DType::I16, DType::I32];

/// Builds a program node by node.
pub(crate) struct Growing {
	pub(crate) program: Program,
	pub(crate) inputs: Vec<Tensor>,
	/// Everything that a node may read.
	pub(crate) sources: Vec<(Source, TensorType)>,
	pub(crate) types: Vec<TensorType>,
	largest: u32,
}

pub(crate) fn shape(dims: &[u32]) -> Shape {
	Shape::new(dims).expect("a shape of few small dimensions; qed")
}

impl Growing {
	pub(crate) fn new(largest: u32) -> Self {
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

	pub(crate) fn any_dims(&mut self, rng: &mut Rng) -> Vec<u32> {
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

	pub(crate) fn input(&mut self, rng: &mut Rng, dtype: DType, dims: &[u32]) -> usize {
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

	/// An operand of a type and shape: something that is there, through a random view, or something
	/// new.
	pub(crate) fn operand(&mut self, rng: &mut Rng, dtype: DType, dims: &[u32]) -> Operand {
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

	pub(crate) fn node(&mut self, rng: &mut Rng) {
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
		let kind = rng.below(OPERATOR_KINDS.into()) as u32;
		self.of_kind(rng, kind)
	}

	/// An operator of a kind below [`OPERATOR_KINDS`].
	pub(crate) fn of_kind(&mut self, rng: &mut Rng, kind: u32) -> (Op, Vec<Operand>) {
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

	pub(crate) fn push(&mut self, rng: &mut Rng, op: Op, operands: Vec<Operand>) {
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
	pub(crate) fn finish(mut self, rng: &mut Rng, steps: u32) -> Case {
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

//! The fixed operators and operands of the self-test.

use super::{Kernel, Outline};
use assay_exec::{Affine, Buffer};
use assay_ops::{DType, Op, Shape, TensorType, View};
use assay_random::{random_operator, Rng, OPERATOR_KINDS};
use std::sync::Arc;

/// One operator on fixed operands.
pub(crate) struct Probe {
	pub(crate) op: Op,
	pub(crate) operands: Vec<(Arc<Buffer>, Shape, Option<View>)>,
}

pub(super) fn shape(dims: &[u32]) -> Shape {
	Shape::new(dims).expect("small fixed dimensions; qed")
}

fn buffer(dtype: DType, values: &[i32]) -> Arc<Buffer> {
	Arc::new(Buffer::fill(dtype, values.len(), |start, out| {
		out.copy_from_slice(&values[start..start + out.len()]);
	}))
}

/// Operands of given values.
pub(super) fn given(
	dtype: DType,
	dims: &[u32],
	values: Vec<i32>,
) -> (Arc<Buffer>, Shape, Option<View>) {
	(buffer(dtype, &values), shape(dims), None)
}

/// The kernels that can compute an operator on operands: see [`super::candidates`].
type Candidates = fn(&Op, &[Outline]) -> Vec<Vec<Kernel>>;

/// Makes the probes of a kernel.
pub(super) struct Probes {
	rng: Rng,
	candidates: Candidates,
	/// Those made so far.
	pub(super) all: Vec<Probe>,
}

/// What the numbers of a kernel's probes begin with: its name, so that the order of kernels is
/// nobody's business.
fn seed(kernel: Kernel, part: u32) -> u64 {
	let mut hasher = ::blake3::Hasher::new();
	hasher.update(kernel.name().as_bytes()).update(&part.to_le_bytes());
	let bytes: [u8; 32] = hasher.finalize().into();
	bytes.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

impl Probes {
	pub(super) fn new(kernel: Kernel, candidates: Candidates) -> Self {
		Self { rng: Rng::new(seed(kernel, 0)), candidates, all: Vec::new() }
	}

	pub(super) fn random(
		&mut self,
		dtype: DType,
		dims: &[u32],
	) -> (Arc<Buffer>, Shape, Option<View>) {
		let values = self.rng.values(dtype, shape(dims).elements() as usize);
		given(dtype, dims, values)
	}

	pub(super) fn telling(dtype: DType) -> Vec<i32> {
		let (min, max) = (dtype.min(), dtype.max());
		let mut values = vec![min, min + 1, min / 2, -3, -2, -1, 0, 1, 2, 3, max / 2, max - 1, max];
		if dtype == DType::I32 {
			values.extend([
				-65537,
				-65536,
				-65535,
				-32769,
				32768,
				65535,
				65536,
				65537,
				0x1234_5678,
			]);
		}
		values
	}

	/// Every pair of telling values.
	fn pairs(dtype: DType) -> (Vec<i32>, Vec<i32>) {
		let values = Self::telling(dtype);
		let first = values.iter().flat_map(|&x| values.iter().map(move |_| x)).collect();
		let second = values.iter().flat_map(|_| values.iter().copied()).collect();
		(first, second)
	}

	pub(super) fn push(&mut self, op: Op, operands: Vec<(Arc<Buffer>, Shape, Option<View>)>) {
		self.all.push(Probe { op, operands });
	}

	pub(super) fn binary(&mut self, op: impl Fn(DType) -> Op, mixed: bool) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let (x, y) = Self::pairs(dtype);
			let dims = [x.len() as u32];
			for to in [DType::I8, DType::I16, DType::I32] {
				let operands = vec![given(dtype, &dims, x.clone()), given(dtype, &dims, y.clone())];
				self.push(op(to), operands);
				let other = if mixed { to } else { dtype };
				let operands = vec![self.random(dtype, &[7, 19]), self.random(other, &[7, 19])];
				self.push(op(to), operands);
			}
		}
	}

	pub(super) fn unary(&mut self, op: impl Fn(DType, DType) -> Op) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let values = Self::pairs(dtype).0;
			for to in [DType::I8, DType::I16, DType::I32] {
				self.push(
					op(dtype, to),
					vec![given(dtype, &[values.len() as u32], values.clone())],
				);
				let operand = self.random(dtype, &[3, 43]);
				self.push(op(dtype, to), vec![operand]);
			}
		}
	}

	pub(super) fn views(&mut self, op: impl Fn(DType) -> Op) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let source = shape(&[5, 6, 7]);
			let transposed = View::transpose(&source, &[2, 0, 1]).expect("a permutation; qed");
			let sliced = View::slice(&source, &[1..4, 0..6, 3..6]).expect("inside; qed");
			let row = View { shape: shape(&[4, 7]), offset: 49, strides: vec![0, 1] };
			for view in [transposed, sliced, row] {
				let (buffer, source, _) = self.random(dtype, &[5, 6, 7]);
				self.push(op(dtype), vec![(buffer, source, Some(view))]);
			}
		}
	}

	/// Along axes of which some are shorter than a workgroup, and of which others are long.
	pub(super) fn long(&mut self, op: impl Fn(u8, DType) -> Op, operands: usize) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			for to in [DType::I8, DType::I16, DType::I32] {
				for (axis, dims) in [(0, [1500, 3]), (1, [5, 1025]), (0, [7, 2]), (1, [2, 65])] {
					let mut seen = vec![self.random(dtype, &dims)];
					if operands == 2 {
						seen.push(self.random(DType::I16, &dims));
					}
					self.push(op(axis, to), seen);
				}
			}
		}
	}

	/// Every distance with every telling value, and one distance for all.
	pub(super) fn shifts(&mut self, op: impl Fn(DType) -> Op, bits: bool) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let values = Self::telling(dtype);
			let all = values.iter().flat_map(|&value| [value; 256]).collect();
			let by: Vec<i32> = values.iter().flat_map(|_| -128..128).collect();
			let dims = [by.len() as u32];
			let a = given(dtype, &dims, all);
			for to in [DType::I8, DType::I16, DType::I32] {
				for by in [given(DType::I8, &dims, by.clone()), given(DType::I8, &[1], vec![7])] {
					let mut operands = vec![a.clone(), by];
					if bits {
						operands.push(self.random(DType::I32, &dims));
					}
					self.push(op(to), operands);
				}
			}
		}
	}

	/// Random operators of every kind, with random types, shapes and parameters, that `kernel` has
	/// a part in and that are wanted.
	pub(super) fn drawn(&mut self, kernel: impl Into<Kernel>, wanted: impl Fn(&Op) -> bool) {
		const TRIES: usize = 64;
		const MOST: usize = 12;
		let kernel = kernel.into();
		for kind in 0..OPERATOR_KINDS {
			// Each kind has numbers of its own, so that a new one leaves what is drawn of the
			// others.
			self.rng = Rng::new(seed(kernel, kind + 1));
			let mut found = 0;
			for _ in 0..TRIES {
				let (op, seen) = random_operator(&mut self.rng, kind);
				let outlines: Vec<_> = seen
					.iter()
					.map(|&(dtype, shape)| Outline {
						dtype,
						shape,
						affine: Affine::new(&shape, None),
					})
					.collect();
				let ways = (self.candidates)(&op, &outlines);
				if !wanted(&op) || !ways.iter().any(|kernels| kernels.contains(&kernel)) {
					continue;
				}
				let operands =
					seen.iter().map(|(dtype, shape)| self.random(*dtype, shape.dims())).collect();
				self.push(op, operands);
				found += 1;
				if found == MOST {
					break;
				}
			}
		}
	}

	pub(super) fn reduce(&mut self, op: impl Fn(u8, DType) -> Op) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			for to in [DType::I8, DType::I16, DType::I32] {
				for axis in 0..3 {
					let operand = self.random(dtype, &[5, 6, 7]);
					self.push(op(axis, to), vec![operand]);
				}
			}
			for value in [dtype.min(), dtype.max()] {
				let operand = given(dtype, &[2, 3000], vec![value; 6000]);
				self.push(op(1, DType::I32), vec![operand]);
			}
		}
	}
}

/// Types whose roots are to be computed of a probe's operand: its shape under every split. For
/// kernels that hash.
pub(crate) fn hashed_types(probe: &Probe) -> Vec<TensorType> {
	let (buffer, shape, _) = &probe.operands[0];
	let ty = TensorType::of(buffer.dtype(), *shape);
	(0..6).filter_map(|split| ty.with_split(split).ok()).collect()
}

/// Type and shape of a probe's result.
pub(crate) fn result(probe: &Probe) -> (DType, Shape) {
	let seen: Vec<(DType, Shape)> = probe
		.operands
		.iter()
		.map(|(buffer, shape, view)| (buffer.dtype(), view.as_ref().map_or(*shape, |v| v.shape)))
		.collect();
	let seen: Vec<_> = seen.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
	probe.op.infer(&seen).expect("the probes are sound, as a test shows; qed")
}

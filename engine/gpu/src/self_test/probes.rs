//! The fixed operators and operands of the self-test.

use crate::kernels::{candidates, Kernel, Outline};
use assay_exec::{
	testing::{random_operator, Rng, OPERATOR_KINDS},
	Affine, Buffer,
};
use assay_ops::{DType, Narrow, Op, Relation, Shape, TensorType, View};
use std::sync::Arc;

/// One operator on fixed operands.
pub(crate) struct Probe {
	pub(crate) op: Op,
	pub(crate) operands: Vec<(Arc<Buffer>, Shape, Option<View>)>,
}

fn shape(dims: &[u32]) -> Shape {
	Shape::new(dims).expect("small fixed dimensions; qed")
}

fn buffer(dtype: DType, values: &[i32]) -> Arc<Buffer> {
	Arc::new(Buffer::fill(dtype, values.len(), |start, out| {
		out.copy_from_slice(&values[start..start + out.len()]);
	}))
}

/// Operands of given values.
fn given(dtype: DType, dims: &[u32], values: Vec<i32>) -> (Arc<Buffer>, Shape, Option<View>) {
	(buffer(dtype, &values), shape(dims), None)
}

struct Probes {
	rng: Rng,
	all: Vec<Probe>,
}

impl Probes {
	fn random(&mut self, dtype: DType, dims: &[u32]) -> (Arc<Buffer>, Shape, Option<View>) {
		let values = self.rng.values(dtype, shape(dims).elements() as usize);
		given(dtype, dims, values)
	}

	fn telling(dtype: DType) -> Vec<i32> {
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

	fn push(&mut self, op: Op, operands: Vec<(Arc<Buffer>, Shape, Option<View>)>) {
		self.all.push(Probe { op, operands });
	}

	fn matmul_i8(&mut self) {
		let op = Op::MatMul { narrow: None };
		// Every byte pair in every lane of the packed dot, alone and among others.
		let bytes: Vec<i32> = (-128..128).collect();
		for lane in 0..4usize {
			for others in [0, -128, 127] {
				let spread = |other: i32| -> Vec<i32> {
					bytes
						.iter()
						.flat_map(|&byte| {
							(0..4).map(move |at| if at == lane { byte } else { other })
						})
						.collect()
				};
				let a = given(DType::I8, &[256, 4], spread(others));
				let b = given(DType::I8, &[256, 4], spread(-128));
				self.push(op, vec![a, b]);
			}
		}
		for (m, n, k) in [(1, 1, 1), (65, 33, 64), (64, 64, 32), (3, 130, 257), (129, 1, 31)] {
			let operands = vec![self.random(DType::I8, &[m, k]), self.random(DType::I8, &[n, k])];
			self.push(op, operands);
		}
		for (x, y) in [(-128, -128), (-128, 127), (127, 127)] {
			let a = given(DType::I8, &[2, 8192], vec![x; 2 * 8192]);
			let b = given(DType::I8, &[3, 8192], vec![y; 3 * 8192]);
			self.push(op, vec![a, b]);
		}
	}

	fn matmul_i16(&mut self) {
		for (to, shift, multiplier) in [
			(DType::I32, 15, 32767),
			(DType::I16, 24, 23170),
			(DType::I8, 31, -32768),
			(DType::I32, -3, 1),
			(DType::I32, 62, -7),
			(DType::I32, 0, 1),
			(DType::I32, -128, -1),
		] {
			let op = Op::MatMul { narrow: Some(Narrow { multiplier, shift, to }) };
			for (m, n, k) in [(65, 33, 64), (2, 70, 31)] {
				let operands =
					vec![self.random(DType::I16, &[m, k]), self.random(DType::I16, &[n, k])];
				self.push(op, operands);
			}
			for (x, y) in [(-32768, -32768), (-32768, 32767), (-1, -1), (-1, 1)] {
				let a = given(DType::I16, &[1, 4096], vec![x; 4096]);
				let b = given(DType::I16, &[1, 4096], vec![y; 4096]);
				self.push(op, vec![a, b]);
			}
		}
	}

	fn requant(&mut self) {
		for to in [DType::I8, DType::I16] {
			for by in -128..128 {
				let acc = self.random(DType::I32, &[5, 8]);
				let multiplier = self.random(DType::I16, &[8]);
				let shift = given(DType::I8, &[1], vec![by]);
				let bias = self.random(DType::I32, &[8]);
				let mut operands = vec![acc, multiplier, shift, bias];
				operands.truncate(if by % 3 == 0 { 3 } else { 4 });
				self.push(Op::Requant { to }, operands);
			}
			let operands = vec![
				self.random(DType::I32, &[9, 33]),
				self.random(DType::I16, &[1]),
				self.random(DType::I8, &[33]),
				self.random(DType::I32, &[1]),
			];
			self.push(Op::Requant { to }, operands);
		}
	}

	fn binary(&mut self, op: impl Fn(DType) -> Op, mixed: bool) {
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

	fn unary(&mut self, op: impl Fn(DType, DType) -> Op) {
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

	fn views(&mut self, op: impl Fn(DType) -> Op) {
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
	fn long(&mut self, op: impl Fn(u8, DType) -> Op, operands: usize) {
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
	fn shifts(&mut self, op: impl Fn(DType) -> Op, bits: bool) {
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

	/// So many random operators that are wanted by what they and a way to compute them are.
	fn drawn(&mut self, count: usize, wanted: impl Fn(&Op, &[Kernel]) -> bool) {
		let mut found = 0;
		while found < count {
			let kind = self.rng.below(OPERATOR_KINDS.into()) as u32;
			let (op, seen) = random_operator(&mut self.rng, kind);
			let outlines: Vec<_> = seen
				.iter()
				.map(|&(dtype, shape)| Outline { dtype, shape, affine: Affine::new(&shape, None) })
				.collect();
			if candidates(&op, &outlines).iter().any(|kernels| wanted(&op, kernels)) {
				let operands =
					seen.iter().map(|(dtype, shape)| self.random(*dtype, shape.dims())).collect();
				self.push(op, operands);
				found += 1;
			}
		}
	}

	fn reduce(&mut self, op: impl Fn(u8, DType) -> Op) {
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

/// Types whose roots are to be computed of a probe's operand: its shape under every split. For kernels
/// that hash.
pub(crate) fn hashed_types(probe: &Probe) -> Vec<TensorType> {
	let (buffer, shape, _) = &probe.operands[0];
	let ty = TensorType::of(buffer.dtype(), *shape);
	(0..6).filter_map(|split| ty.with_split(split).ok()).collect()
}

/// The fixed operators and operands of a kernel.
pub(crate) fn probes(kernel: Kernel) -> Vec<Probe> {
	let mut probes = Probes { rng: Rng::new(0x0a55_a1ed + kernel as u64), all: Vec::new() };
	match kernel {
		Kernel::MatMulPacked | Kernel::MatMulPlain => probes.matmul_i8(),
		Kernel::MatMulI16 => probes.matmul_i16(),
		// Rows of 4 are whole words of every type, so that packed and plain order are the same.
		Kernel::Pack => {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				let (buffer, source, _) = probes.random(dtype, &[8, 12]);
				let view = View::transpose(&source, &[1, 0]).expect("a permutation; qed");
				probes.push(Op::Copy, vec![(buffer.clone(), source, Some(view))]);
				let view = View { shape: shape(&[6, 4]), offset: 3, strides: vec![12, 2] };
				probes.push(Op::Copy, vec![(buffer, source, Some(view))]);
			}
		}
		Kernel::Requant => probes.requant(),
		Kernel::Lut => {
			for to in [DType::I8, DType::I16, DType::I32] {
				let index = given(DType::I8, &[256], (-128..128).collect());
				let table = probes.random(to, &[256]);
				probes.push(Op::Lut, vec![index, table]);
			}
		}
		Kernel::Add => probes.binary(|to| Op::Add { to }, true),
		Kernel::Sub => probes.binary(|to| Op::Sub { to }, true),
		Kernel::Mul => probes.binary(|to| Op::Mul { to }, true),
		Kernel::Max => probes.binary(|_| Op::Max, false),
		Kernel::Min => probes.binary(|_| Op::Min, false),
		Kernel::Clamp => {
			probes.unary(|dtype, _| Op::Clamp { lo: dtype.min() / 2, hi: dtype.max() / 3 });
			probes.unary(|dtype, _| Op::Clamp { lo: dtype.min(), hi: -1 });
		}
		Kernel::Shift => {
			for by in i8::MIN..=i8::MAX {
				// Every distance, with few values each; the first and last ones with many.
				if by % 32 == 0 {
					probes.unary(|_, to| Op::Shift { by, to });
				}
				let operand = given(DType::I32, &[22], Probes::telling(DType::I32));
				probes.push(Op::Shift { by, to: DType::I32 }, vec![operand]);
			}
		}
		Kernel::Cast => {
			probes.unary(|_, to| Op::Cast { to });
			probes.views(|_| Op::Copy);
		}
		Kernel::ReduceSum => probes.reduce(|axis, to| Op::ReduceSum { axis, to }),
		Kernel::ReduceMax => probes.reduce(|axis, _| Op::ReduceMax { axis }),
		Kernel::ArgMax => probes.reduce(|axis, _| Op::ArgMax { axis }),
		Kernel::MulShift => {
			for shift in [-128, -31, -1, 0, 1, 31, 32, 33, 61, 62, 63, 127] {
				probes.binary(|to| Op::MulShift { shift, to }, true);
			}
		}
		Kernel::ShiftBy => probes.shifts(|to| Op::ShiftBy { to }, false),
		Kernel::ShiftRandom => probes.shifts(|to| Op::ShiftRandom { to }, true),
		Kernel::Compare => {
			for relation in [Relation::Equal, Relation::Less, Relation::LessOrEqual] {
				probes.binary(|_| Op::Compare { relation }, true);
			}
		}
		Kernel::BitLen => probes.unary(|_, _| Op::BitLen),
		Kernel::IntDiv => {
			for shift in [0, 1, 15, 30] {
				probes.binary(|to| Op::IntDiv { shift, to }, true);
			}
		}
		Kernel::Rsqrt => {
			for shift in [0, 1, 15, 30] {
				probes.unary(|_, _| Op::Rsqrt { shift });
			}
		}
		Kernel::LutInterp => {
			for dtype in [DType::I16, DType::I32] {
				for points in [3, 513, 16_385] {
					let index = probes.random(DType::I16, &[70, 70]);
					let steep = (0..points).map(|at| [dtype.min(), dtype.max()][at % 2]).collect();
					let table = given(dtype, &[points as u32], steep);
					probes.push(Op::LutInterp, vec![index, table]);
				}
			}
		}
		Kernel::Gather => {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				// Rows on both sides of those that the table has, which are there, but not to be read.
				let index = given(dtype, &[14], (-3..11).collect());
				let (buffer, source, _) = probes.random(DType::I16, &[12, 3]);
				let view = View::slice(&source, &[2..8, 0..3]).expect("inside; qed");
				probes.push(Op::Gather, vec![(buffer, source, Some(view)), index]);
			}
		}
		Kernel::Softmax | Kernel::SoftmaxSums => {
			// Quotients of a half in i8, and of a little less.
			for len in [256, 257] {
				let operand = given(DType::I16, &[1, len], vec![-7; len as usize]);
				let op = Op::Softmax { multiplier: 181, shift: 7, to: DType::I8 };
				probes.push(op, vec![operand]);
			}
		}
		Kernel::LongSum => probes.long(|axis, to| Op::ReduceSum { axis, to }, 1),
		Kernel::LongMax => probes.long(|axis, _| Op::ReduceMax { axis }, 1),
		Kernel::LongArgMax => probes.long(|axis, _| Op::ArgMax { axis }, 1),
		Kernel::LongSumProduct => {
			for shift in [-128, 0, 7, 127] {
				probes.long(|axis, to| Op::ReduceSumProduct { axis, shift, to }, 2);
			}
		}
		Kernel::Blake3Chunks | Kernel::Blake3Parents => {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				for dims in
					[&[1][..], &[257], &[1025], &[3, 5], &[32, 64], &[100, 70], &[9, 11, 13]]
				{
					let operand = probes.random(dtype, dims);
					probes.push(Op::Copy, vec![operand]);
				}
			}
			return probes.all;
		}
		_ => {}
	}
	// Batches and operators that are not tried as a matter of course above, with random types, shapes
	// and parameters.
	match kernel {
		Kernel::MatMulPacked | Kernel::MatMulPlain | Kernel::MatMulI16 => {
			probes.drawn(12, |op, kernels| {
				// Whose patches might be at fault instead.
				kernels.contains(&kernel) && !matches!(op, Op::Conv2d { .. })
			});
		}
		_ if (Kernel::MulShift as usize..=Kernel::TopKRanks as usize)
			.contains(&(kernel as usize)) =>
		{
			probes.drawn(12, |_, kernels| kernels.contains(&kernel));
		}
		_ => {}
	}
	probes.all
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

//! Random operator applications.

use crate::{random_operator, Draw, Rng, OPERATOR_KINDS};
use assay_ops::{DType, Narrow, Op, Operand, Shape, Values, View};

/// A tensor that looks like `shape` through the view (or without one).
pub fn source(rng: &mut Rng, shape: Shape) -> (Shape, Option<View>) {
	let dims = shape.dims();
	let rank = dims.len();
	match rng.below_u32(8) {
		0 | 1 => (shape, None),
		2 => {
			let mut order: Vec<usize> = (0..rank).collect();
			for i in (1..rank).rev() {
				order.swap(i, rng.below_u32(i as u32 + 1) as usize);
			}
			let mut from = vec![1; rank];
			for (seen, &stored) in order.iter().enumerate() {
				from[stored] = dims[seen];
			}
			let from = Shape::new(&from).unwrap();
			let view = View::transpose(&from, &order).unwrap();
			assert_eq!(view.shape, shape);
			(from, Some(view))
		}
		3 => {
			let starts: Vec<u32> = dims.iter().map(|_| rng.below_u32(40)).collect();
			let from: Vec<u32> =
				dims.iter().zip(&starts).map(|(d, s)| d + s + rng.below_u32(9)).collect();
			let ranges: Vec<_> = dims.iter().zip(&starts).map(|(d, s)| *s..s + d).collect();
			match Shape::new(&from) {
				Ok(from) if from.elements() < 1 << 18 => {
					let view = View::slice(&from, &ranges).unwrap();
					(from, Some(view))
				}
				_ => (shape, None),
			}
		}
		4 => {
			let from: Vec<u32> =
				dims.iter().map(|&d| if rng.below_u32(2) == 0 { 1 } else { d }).collect();
			let from = Shape::new(&from).unwrap();
			let view = View::broadcast(&from, shape).unwrap();
			(from, Some(view))
		}
		5 => {
			let from = Shape::new(&[shape.elements()]).unwrap();
			(from, Some(View::reshape(shape)))
		}
		6 => {
			// Every second (third, …) element of a row-major source.
			let step = 1 + rng.below_u32(3);
			let strides: Vec<u32> = shape.strides().iter().map(|stride| stride * step).collect();
			let offset = rng.below_u32(step);
			(Shape::new(&[shape.elements(), step]).unwrap(), Some(View { shape, offset, strides }))
		}
		_ => {
			let strides: Vec<u32> = dims.iter().map(|_| rng.below_u32(20)).collect();
			let offset = rng.below_u32(50);
			let last: u32 =
				offset + dims.iter().zip(&strides).map(|(d, s)| (d - 1) * s).sum::<u32>();
			let cols = 1 + rng.below_u32(60);
			let from = Shape::new(&[last / cols + 1, cols]).unwrap();
			(from, Some(View { shape, offset, strides }))
		}
	}
}

pub struct Case {
	pub op: Op,
	pub operands: Vec<(Values, Option<View>)>,
	pub split: u8,
}

impl Case {
	pub fn operands(&self) -> Vec<Operand<'_>> {
		self.operands.iter().map(|(values, view)| Operand { values, view: view.as_ref() }).collect()
	}

	pub fn types(&self) -> Vec<(DType, Shape)> {
		self.operands().iter().map(|o| (o.values.ty().dtype, o.shape())).collect()
	}
}

/// A random operator with random operands that fit it.
pub fn case(rng: &mut Rng) -> Case {
	if rng.below_u32(3) > 0 {
		let kind = rng.below_u32(OPERATOR_KINDS);
		return special(rng, kind);
	}
	let rank = rng.below_u32(5) as usize;
	let shape = rng.shape(rank);
	let (a, b, to) = (rng.dtype(), rng.dtype(), rng.dtype());
	let axis = rng.below_u32(rank.max(1) as u32) as u8;
	let number = rng.below_u32(if rank == 0 { 9 } else { 15 });
	let (op, seen): (Op, Vec<(DType, Shape)>) = match number {
		0 => (Op::Add { to }, vec![(a, shape), (b, shape)]),
		1 => (Op::Sub { to }, vec![(a, shape), (b, shape)]),
		2 => (Op::Mul { to }, vec![(a, shape), (b, shape)]),
		3 => (rng.pick(&[Op::Max, Op::Min]), vec![(a, shape), (a, shape)]),
		4 => {
			let (x, y) = (rng.value(a), rng.value(a));
			(Op::Clamp { lo: x.min(y), hi: x.max(y) }, vec![(a, shape)])
		}
		5 => (Op::Shift { by: rng.value(DType::I8) as i8, to }, vec![(a, shape)]),
		6 => (Op::Cast { to }, vec![(a, shape)]),
		7 => (Op::Copy, vec![(a, shape)]),
		8 => (Op::Lut, vec![(DType::I8, shape), (a, Shape::new(&[256]).unwrap())]),
		9 => (Op::ReduceSum { axis, to }, vec![(a, shape)]),
		10 => (Op::ReduceMax { axis }, vec![(a, shape)]),
		11 => (Op::ArgMax { axis }, vec![(a, shape)]),
		12 => {
			let parameter = |rng: &mut Rng, dtype| {
				let len = rng.pick(&[1, shape.last()]);
				(dtype, Shape::new(&[len]).unwrap())
			};
			let mut seen = vec![
				(DType::I32, shape),
				parameter(rng, DType::I16),
				parameter(rng, DType::I8),
				parameter(rng, DType::I32),
			];
			seen.truncate(3 + rng.below_u32(2) as usize);
			(Op::Requant { to: rng.pick(&[DType::I8, DType::I16]) }, seen)
		}
		_ => {
			let weights = Shape::new(&[1 + rng.below_u32(70), shape.last()]).unwrap();
			let narrow = Narrow {
				multiplier: rng.value(DType::I16) as i16,
				shift: rng.value(DType::I8) as i8,
				to,
			};
			let (dtype, narrow) =
				rng.pick(&[(DType::I8, None), (DType::I8, None), (DType::I16, Some(narrow))]);
			(Op::MatMul { narrow }, vec![(dtype, shape), (dtype, weights)])
		}
	};
	with_operands(rng, op, seen)
}

/// A random operator of a kind below [`OPERATOR_KINDS`], with random operands that fit it.
pub fn special(rng: &mut Rng, kind: u32) -> Case {
	let (op, seen) = random_operator(rng, kind);
	with_operands(rng, op, seen)
}

fn with_operands(rng: &mut Rng, op: Op, seen: Vec<(DType, Shape)>) -> Case {
	let operands = seen
		.iter()
		.map(|&(dtype, shape)| {
			let (stored, view) = source(rng, shape);
			let ty = rng.typed(dtype, stored);
			(rng.tensor(ty), view)
		})
		.collect();
	let refs: Vec<_> = seen.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
	let (_, output) = op.infer(&refs).unwrap();
	let split = rng.split(output);
	Case { op, operands, split }
}

//! Random operators of every kind that is not a plain elementwise one, with types and shapes that
//! fit them.

use crate::Rng;
use assay_ops::{
	DType, Geometry, Narrow, NormKind, Op, PoolKind, Relation, Shape, MAX_FRACTION_BITS,
};

use DType::{I16, I32, I8};

/// Draws what operators are made of.
struct Draw<'a>(&'a mut Rng);

impl Draw<'_> {
	fn below(&mut self, bound: u32) -> u32 {
		self.0.below(bound.into()) as u32
	}

	/// 1 ..= most.
	fn size(&mut self, most: u32) -> u32 {
		1 + self.below(most)
	}

	fn flip(&mut self) -> bool {
		self.below(2) == 0
	}

	fn pick<T: Copy>(&mut self, from: &[T]) -> T {
		self.0.pick(from)
	}

	fn dtype(&mut self) -> DType {
		self.pick(&[DType::I8, DType::I16, DType::I32])
	}

	fn i8(&mut self) -> i8 {
		self.below(256) as u8 as i8
	}

	fn shape(&mut self, rank: u32) -> Shape {
		let most = [1, 1100, 70, 16, 8][rank as usize];
		let dims: Vec<u32> = (0..rank).map(|_| self.size(most)).collect();
		shape(&dims)
	}

	/// Any shape of rank `least` to 4.
	fn any(&mut self, least: u32) -> Shape {
		let rank = least + self.below(5 - least);
		self.shape(rank)
	}

	fn kind(&mut self) -> NormKind {
		self.pick(&[NormKind::Layer, NormKind::Rms])
	}

	fn epsilon(&mut self) -> u32 {
		self.pick(&[0, 1, 1000, u32::MAX])
	}

	/// Type and epilogue of a product, and its third operand if it has one.
	fn product(&mut self) -> (DType, Option<Narrow>, Option<(DType, Shape)>) {
		if self.flip() {
			return (I8, None, None);
		}
		let multiplier = self.pick(&[i16::MIN, -1, 1, 300, 20_000, i16::MAX]);
		let shift = self.pick(&[-128, -3, 0, 7, 20, 30, 62, 127]);
		let narrow = Narrow { multiplier, shift, to: self.dtype() };
		let third = self.flip().then(|| (DType::I8, shape(&[1])));
		(DType::I16, Some(narrow), third)
	}

	fn axis(&mut self, of: &Shape) -> u8 {
		self.below(of.rank() as u32) as u8
	}
}

fn shape(dims: &[u32]) -> Shape {
	Shape::new(dims).expect("few small dimensions; qed")
}

/// An operator with its operands.
type Drawn = (Op, Vec<(DType, Shape)>);

/// Element types, drawn for every kind alike.
#[derive(Clone, Copy)]
struct Types {
	a: DType,
	b: DType,
	to: DType,
}

/// What draws an operator of each kind.
const ALL: &[fn(&mut Draw, Types) -> Drawn] = &[
	matmul,
	batch_matmul,
	convolution,
	pool,
	mul_shift,
	compare,
	select,
	bit_len,
	lut_interp,
	int_div,
	rsqrt,
	gather,
	scatter_add,
	concat,
	pad,
	iota,
	philox,
	shift_by,
	shift_random,
	top_k,
	softmax,
	norm,
	row_scale,
	reduce_sum_product,
	pointwise,
	cum_sum,
];

/// How many kinds of operators [`random_operator`] knows.
pub const OPERATOR_KINDS: u32 = ALL.len() as u32;

/// A random operator of a kind below [`OPERATOR_KINDS`], with types and shapes of operands.
///
/// # Panics
/// When there is no such kind.
pub fn random_operator(rng: &mut Rng, kind: u32) -> (Op, Vec<(DType, Shape)>) {
	let mut draw = Draw(rng);
	let types = Types { a: draw.dtype(), b: draw.dtype(), to: draw.dtype() };
	ALL[kind as usize](&mut draw, types)
}

fn matmul(r: &mut Draw, Types { to, .. }: Types) -> Drawn {
	let narrow = Narrow { multiplier: 12_345, shift: 21, to };
	let (m, n, k) = (r.size(40), r.size(40), r.size(80));
	let seen = vec![(I16, shape(&[m, k])), (I16, shape(&[n, k])), (I8, shape(&[1]))];
	(Op::MatMul { narrow: Some(narrow) }, seen)
}

fn batch_matmul(r: &mut Draw, _: Types) -> Drawn {
	let (dtype, narrow, third) = r.product();
	let (m, n, k) = (r.size(20), r.size(20), r.size(40));
	let batch: Vec<u32> = (0..r.size(2)).map(|_| r.size(4)).collect();
	let with = |last: [u32; 2]| {
		let dims: Vec<u32> = batch.iter().copied().chain(last).collect();
		(dtype, shape(&dims))
	};
	let mut seen = vec![with([m, k]), with([n, k])];
	seen.extend(third);
	(Op::BatchMatMul { narrow }, seen)
}

fn pool(r: &mut Draw, Types { a, to, .. }: Types) -> Drawn {
	let kernel = [r.size(4), r.size(3)];
	let mut pad = || kernel.map(|size| r.below(size) as u8);
	let ([top, left], [bottom, right]) = (pad(), pad());
	let pad = [[top, bottom], [left, right]];
	let dims = [r.size(2), kernel[0] + r.below(7), kernel[1] + r.below(9), r.size(40)];
	let op = Op::Pool {
		kind: r.pick(&[PoolKind::Max, PoolKind::Sum]),
		kernel: kernel.map(|size| size as u8),
		stride: [r.size(3) as u8, r.size(3) as u8],
		pad,
		to,
	};
	(op, vec![(a, shape(&dims))])
}

fn mul_shift(r: &mut Draw, Types { a, b, to }: Types) -> Drawn {
	let shape = r.any(0);
	(Op::MulShift { shift: r.i8(), to }, vec![(a, shape), (b, shape)])
}

fn compare(r: &mut Draw, Types { a, b, .. }: Types) -> Drawn {
	let shape = r.any(0);
	let relation = r.pick(&[Relation::Equal, Relation::Less, Relation::LessOrEqual]);
	(Op::Compare { relation }, vec![(a, shape), (b, shape)])
}

fn select(r: &mut Draw, Types { a, to, .. }: Types) -> Drawn {
	let shape = r.any(0);
	(Op::Select, vec![(to, shape), (a, shape), (a, shape)])
}

fn bit_len(r: &mut Draw, Types { a, .. }: Types) -> Drawn {
	(Op::BitLen, vec![(a, r.any(0))])
}

fn lut_interp(r: &mut Draw, _: Types) -> Drawn {
	let points = (1u32 << r.size(10)) + 1;
	(Op::LutInterp, vec![(I16, r.any(0)), (r.pick(&[I16, I32]), shape(&[points]))])
}

fn int_div(r: &mut Draw, Types { a, b, to }: Types) -> Drawn {
	let (shape, shift) = (r.any(0), r.below(MAX_FRACTION_BITS as u32 + 1) as u8);
	(Op::IntDiv { shift, to }, vec![(a, shape), (b, shape)])
}

fn rsqrt(r: &mut Draw, Types { a, .. }: Types) -> Drawn {
	let shift = r.below(MAX_FRACTION_BITS as u32 + 1) as u8;
	(Op::Rsqrt { shift }, vec![(a, r.any(0))])
}

fn gather(r: &mut Draw, Types { a, b, .. }: Types) -> Drawn {
	let (table, indices) = (r.any(1), r.pick(&[0, 1, 2]));
	let indices: Vec<u32> = (0..indices).map(|_| r.size(9)).collect();
	(Op::Gather, vec![(a, table), (b, shape(&indices))])
}

fn scatter_add(r: &mut Draw, Types { a, b, to }: Types) -> Drawn {
	let updates = r.any(1);
	let indices = shape(&updates.dims()[..1]);
	(Op::ScatterAdd { rows: r.size(60), to }, vec![(a, updates), (b, indices)])
}

fn concat(r: &mut Draw, Types { a, .. }: Types) -> Drawn {
	let first = r.any(1);
	let axis = r.axis(&first);
	let seen = (0..r.size(4))
		.map(|_| {
			let mut dims = first.dims().to_vec();
			dims[axis as usize] = r.size(9);
			(a, shape(&dims))
		})
		.collect();
	(Op::Concat { axis }, seen)
}

fn pad(r: &mut Draw, Types { a, .. }: Types) -> Drawn {
	let shape = r.any(1);
	let value = r.below(256) as i32 - 128;
	let op = Op::Pad { axis: r.axis(&shape), low: r.below(5), high: r.below(5), value };
	(op, vec![(a, shape)])
}

fn iota(r: &mut Draw, _: Types) -> Drawn {
	let shape = r.any(1);
	(Op::Iota { shape, axis: r.axis(&shape) }, vec![])
}

fn philox(r: &mut Draw, _: Types) -> Drawn {
	let op = Op::Philox { shape: r.any(0), stream: r.below(u32::MAX) };
	(op, vec![(I32, shape(&[2])), (I32, shape(&[1]))])
}

fn shift_by(r: &mut Draw, Types { a, to, .. }: Types) -> Drawn {
	let all = r.any(0);
	let shifts = if r.flip() { all } else { shape(&[1]) };
	(Op::ShiftBy { to }, vec![(a, all), (I8, shifts)])
}

fn shift_random(r: &mut Draw, Types { a, to, .. }: Types) -> Drawn {
	let all = r.any(0);
	let shifts = if r.flip() { all } else { shape(&[1]) };
	(Op::ShiftRandom { to }, vec![(a, all), (I8, shifts), (I32, all)])
}

fn top_k(r: &mut Draw, Types { a, .. }: Types) -> Drawn {
	let shape = r.any(1);
	let op = Op::TopK { k: r.size(shape.last()), values: r.flip() };
	(op, vec![(a, shape)])
}

fn softmax(r: &mut Draw, Types { a, .. }: Types) -> Drawn {
	let shift = r.pick(&[-128, -2, 0, 3, 8, 14, 30, 127]);
	let multiplier = r.pick(&[i16::MIN, 0, 1, 181, 20_000, i16::MAX]);
	(Op::Softmax { multiplier, shift, to: r.pick(&[I8, I16]) }, vec![(a, r.any(1))])
}

fn norm(r: &mut Draw, Types { to, .. }: Types) -> Drawn {
	let x = r.any(1);
	let mut parameter = |dtype| (dtype, shape(&[r.pick(&[1, x.last()])]));
	let seen = vec![(I16, x), parameter(I16), parameter(I32)];
	let shift = r.pick(&[-128, -3, 0, 5, 15, 127]);
	(Op::Norm { kind: r.kind(), epsilon: r.epsilon(), to, shift }, seen)
}

fn row_scale(r: &mut Draw, _: Types) -> Drawn {
	let shift = r.below(MAX_FRACTION_BITS as u32 + 1) as u8;
	(Op::RowScale { kind: r.kind(), epsilon: r.epsilon(), shift }, vec![(I16, r.any(1))])
}

fn reduce_sum_product(r: &mut Draw, Types { a, b, to }: Types) -> Drawn {
	let (a, b) = if (a, b) == (I32, I32) { (I32, I16) } else { (a, b) };
	let shape = r.any(1);
	let op = Op::ReduceSumProduct { axis: r.axis(&shape), shift: r.i8(), to };
	(op, vec![(a, shape), (b, shape)])
}

fn pointwise(r: &mut Draw, _: Types) -> Drawn {
	// A convolution of 1 × 1, as networks have many of.
	let (dims, out) = ([r.size(2), r.size(6), r.size(6), r.size(40)], r.size(40));
	let op = Op::Conv2d { geometry: Geometry::UNIT, narrow: None };
	(op, vec![(I8, shape(&dims)), (I8, shape(&[out, 1, 1, dims[3]]))])
}

/// A convolution of which anything may be odd.
fn convolution(r: &mut Draw, _: Types) -> Drawn {
	let (dtype, narrow, third) = r.product();
	loop {
		let groups = r.pick(&[1, 1, 2, 3]);
		let (channels, out) = (groups * r.size(5), groups * r.size(6));
		let mut pad = || r.below(6) as i16 - 2;
		let geometry = Geometry {
			pad: [[pad(), pad()], [pad(), pad()]],
			stride: [r.size(3) as u8, r.size(3) as u8],
			input_dilation: [r.size(2) as u8, r.size(3) as u8],
			kernel_dilation: [r.size(2) as u8, r.size(2) as u8],
			flip: r.flip(),
			groups: groups as u16,
		};
		let x = shape(&[r.size(2), r.size(9), r.size(9), channels]);
		let w = shape(&[out, r.size(3), r.size(4), channels / groups]);
		let op = Op::Conv2d { geometry, narrow };
		let mut seen = vec![(dtype, x), (dtype, w)];
		seen.extend(third);
		let refs: Vec<_> = seen.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		if op.infer(&refs).is_ok() {
			return (op, seen);
		}
	}
}

fn cum_sum(r: &mut Draw, Types { a, to, .. }: Types) -> Drawn {
	(Op::CumSum { exclusive: r.flip(), reverse: r.flip(), to }, vec![(a, r.any(1))])
}

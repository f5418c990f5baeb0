//! Random programs of operators whose elements do not meet, which engines may compute many at a
//! time.

use crate::{
	growing::{shape, Growing, DTYPES},
	Case,
};
use assay_ops::{DType, Op, Relation, View, MAX_FRACTION_BITS};
use assay_program::{Class, Operand};
use assay_testing::Rng;

/// What the nodes of one program are as large as.
const DIMS: [&[u32]; 9] =
	[&[], &[1], &[7], &[3, 341], &[1024], &[5, 205], &[2, 1030], &[40, 200], &[2, 3, 1000]];

impl Growing {
	/// Mostly all elements of something of this size in their order, else as [`Growing::operand`].
	fn alike(&mut self, rng: &mut Rng, dtype: DType, dims: &[u32]) -> Operand {
		let seen = shape(dims);
		let same: Vec<_> = self
			.sources
			.iter()
			.filter(|(_, ty)| ty.dtype == dtype && ty.elements() == seen.elements())
			.copied()
			.collect();
		if same.is_empty() || rng.one_in(8) {
			return self.operand(rng, dtype, dims);
		}
		let (source, ty) = same[same.len() - 1 - rng.below(same.len().min(4) as u64) as usize];
		if ty.shape == seen {
			source.into()
		} else {
			Operand::viewed(source, View::reshape(seen))
		}
	}

	fn link(&mut self, rng: &mut Rng, dims: &[u32]) -> (Op, Vec<Operand>) {
		// Often the type that the last node has.
		let dtype = match self.sources.last() {
			Some((_, ty)) if rng.one_in(2) => ty.dtype,
			_ => rng.pick(&DTYPES),
		};
		let other = if rng.one_in(3) { rng.pick(&DTYPES) } else { dtype };
		let to = rng.pick(&DTYPES);
		let by = rng.pick(&[0, 1, 2, 7, 15, 16, 30, 31, 32, 45, 62, 127, -1, -7, -31, -128]);
		let fraction = rng.below(u64::from(MAX_FRACTION_BITS) + 1) as u8;
		let relation = rng.pick(&[Relation::Equal, Relation::Less, Relation::LessOrEqual]);
		let mut of = |rng: &mut Rng, dtypes: &[DType]| -> Vec<Operand> {
			dtypes.iter().map(|dtype| self.alike(rng, *dtype, dims)).collect()
		};
		let two = [dtype, other];
		match rng.below(20) {
			0 => (Op::Add { to }, of(rng, &two)),
			1 => (Op::Sub { to }, of(rng, &two)),
			2 => (Op::Mul { to }, of(rng, &two)),
			3 => (Op::Max, of(rng, &[dtype, dtype])),
			4 => (Op::Min, of(rng, &[dtype, dtype])),
			5 => (Op::IntDiv { shift: fraction, to }, of(rng, &two)),
			6 => {
				let bounds = rng.values(dtype, 2);
				let (lo, hi) = (bounds[0].min(bounds[1]), bounds[0].max(bounds[1]));
				(Op::Clamp { lo, hi }, of(rng, &[dtype]))
			}
			7 => (Op::Shift { by, to }, of(rng, &[dtype])),
			8 => (Op::Cast { to }, of(rng, &[dtype])),
			9 => (Op::Copy, of(rng, &[dtype])),
			10 => (Op::BitLen, of(rng, &[dtype])),
			11 => (Op::Rsqrt { shift: fraction }, of(rng, &[dtype])),
			12 => (Op::MulShift { shift: by, to }, of(rng, &two)),
			13 => {
				let factor = self.alike(rng, dtype, dims);
				(Op::MulShift { shift: by, to }, vec![factor.clone(), factor])
			}
			14 => {
				let a = self.alike(rng, dtype, dims);
				let dims = if rng.one_in(4) { dims } else { &[1] };
				(Op::ShiftBy { to }, vec![a, self.operand(rng, DType::I8, dims)])
			}
			15 => {
				let (a, bits) = (self.alike(rng, dtype, dims), self.alike(rng, DType::I32, dims));
				(Op::ShiftRandom { to }, vec![a, self.operand(rng, DType::I8, &[1]), bits])
			}
			16 => (Op::Compare { relation }, of(rng, &two)),
			17 => (Op::Select, of(rng, &[other, dtype, dtype])),
			18 => {
				let a = self.alike(rng, DType::I16, dims);
				let dtype = rng.pick(&[DType::I16, DType::I32]);
				let points = rng.pick(&[3, 17, 513]);
				(Op::LutInterp, vec![a, self.operand(rng, dtype, &[points])])
			}
			_ if rng.one_in(2) => {
				let (seed, step) =
					(self.operand(rng, DType::I32, &[2]), self.operand(rng, DType::I32, &[1]));
				(Op::Philox { shape: shape(dims), stream: rng.below(5) as u32 }, vec![seed, step])
			}
			_ => {
				let elements = shape(dims).elements();
				let (axis, dims) = match rng.below(3) {
					0 if elements.is_multiple_of(2) => (1, vec![2, elements / 2, 1]),
					1 if elements.is_multiple_of(3) => (1, vec![3, elements / 3]),
					_ => (0, vec![elements]),
				};
				(Op::ReduceMax { axis }, vec![self.alike(rng, dtype, &dims)])
			}
		}
	}
}

/// A program of such operators on a few sizes, which read each other more often than not.
pub fn chain_case(rng: &mut Rng, nodes: usize) -> Case {
	let mut this = Growing::new(6000);
	let sizes: Vec<&[u32]> = (0..rng.range(1, 3)).map(|_| rng.pick(&DIMS)).collect();
	for _ in 0..nodes {
		let dims = rng.pick(&sizes);
		let (op, operands) = this.link(rng, dims);
		this.push(rng, op, operands);
		if rng.one_in(2) {
			let last = this.program.nodes.len() - 1;
			this.program.nodes[last].class = Class::Virtual;
		}
	}
	this.finish(rng, 1)
}

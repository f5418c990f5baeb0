//! Operators whose elements do not meet, on a block of elements.

use super::{
	choose::{pick, relate},
	elementwise::{self, Combine},
	fixed_point::{self, amount},
	fixed_point::{multiply, shift_random},
	generate::Generator,
	table::Table,
	Source,
};
use assay_ops::{self as ops, DType, Elementwise, Family, Generate, Op, Reduce};

/// An operator with everything but the elements that it meets.
pub(super) enum Kernel {
	Clamp {
		lo: i32,
		hi: i32,
	},
	ShiftRight {
		by: u32,
		to: DType,
	},
	ShiftLeft {
		by: u32,
		to: DType,
	},
	BitLen,
	Rsqrt {
		shift: u8,
	},
	Combine {
		f: Combine,
		to: DType,
	},
	Divide {
		shift: u8,
		to: DType,
	},
	Multiply {
		shift: i8,
		narrow: bool,
		to: DType,
	},
	ShiftRandom {
		by: u32,
		to: DType,
	},
	Compare(fn(&mut [i32], &[i32])),
	Select,
	Interpolate(Table),
	Random(Generator),
	/// The largest of each row.
	Largest,
}

/// Which operands a kernel takes element by element: the one that it works on, and up to two more.
pub(super) type Taken = [Option<usize>; 3];

impl Kernel {
	/// The kernel of `op` with results of type `to`. `dtype` are the types of operands, `whole`
	/// what is not read element by element. `None` where that is not enough.
	pub(super) fn new<'a>(
		op: &Op,
		to: DType,
		dtype: impl Fn(usize) -> Option<DType>,
		whole: impl Fn(usize) -> Option<Source<'a>>,
	) -> Option<(Self, Taken)> {
		let shift = |by: i8| match amount(by) {
			Ok(by) => Self::ShiftRight { by, to },
			Err(by) => Self::ShiftLeft { by, to },
		};
		let by = || whole(1).map(|by| by.numbers()[0] as i8);
		const ONE: Taken = [Some(0), None, None];
		const TWO: Taken = [Some(0), Some(1), None];
		let combine = |f: Combine| (Self::Combine { f, to }, TWO);
		Some(match op.family() {
			Family::Elementwise(op) => match op {
				// Reads its parameters by columns.
				Elementwise::Requant { .. } => return None,
				Elementwise::Add { .. } => combine(elementwise::add),
				Elementwise::Sub { .. } => combine(elementwise::subtract),
				Elementwise::Mul { .. } => combine(elementwise::multiply_exactly),
				Elementwise::Max => combine(elementwise::larger),
				Elementwise::Min => combine(elementwise::smaller),
				Elementwise::Clamp { lo, hi } => (Self::Clamp { lo, hi }, ONE),
				Elementwise::Cast { .. } | Elementwise::Copy => {
					(Self::Clamp { lo: to.min(), hi: to.max() }, ONE)
				}
				Elementwise::Shift { by, .. } => (shift(by), ONE),
				Elementwise::ShiftBy { .. } => (shift(by()?), ONE),
				Elementwise::ShiftRandom { .. } => match by()? {
					by @ ..=0 => (shift(by), ONE),
					by => {
						let by = u32::from(by.unsigned_abs()).min(31);
						(Self::ShiftRandom { by, to }, [Some(0), Some(2), None])
					}
				},
				Elementwise::BitLen => (Self::BitLen, ONE),
				Elementwise::Rsqrt { shift } => (Self::Rsqrt { shift }, ONE),
				Elementwise::IntDiv { shift, .. } => (Self::Divide { shift, to }, TWO),
				Elementwise::MulShift { shift, .. } => {
					let narrow = dtype(0)? != DType::I32 && dtype(1)? != DType::I32;
					(Self::Multiply { shift, narrow, to }, TWO)
				}
				Elementwise::Compare { relation } => (Self::Compare(relate(relation)), TWO),
				Elementwise::Select => (Self::Select, [Some(0), Some(1), Some(2)]),
			},
			Family::Table(op) => match op {
				ops::Table::Lut => return None,
				ops::Table::LutInterp => (Self::Interpolate(Table::new(&whole(1)?)), ONE),
			},
			Family::Generate(op) => match op {
				Generate::Iota { .. } => return None,
				Generate::Philox { stream, .. } => {
					let generator = Generator::new(&whole(0)?, &whole(1)?, stream);
					(Self::Random(generator), [None; 3])
				}
			},
			Family::Reduce(op) => match op {
				Reduce::ReduceMax { .. } => (Self::Largest, ONE),
				Reduce::ReduceSum { .. }
				| Reduce::ArgMax { .. }
				| Reduce::ReduceSumProduct { .. } => return None,
			},
			Family::Product(_) | Family::Window(_) | Family::Row(_) | Family::Moves(_) => {
				return None
			}
		})
	}

	/// Works on a block that holds elements of the first operand, from element `start` of the
	/// tensor on. [`Kernel::Largest`] leaves them as they are.
	pub(super) fn apply(&self, start: usize, out: &mut [i32], second: &[i32], third: &[i32]) {
		match *self {
			Self::Clamp { lo, hi } => elementwise::clamp(out, lo, hi),
			Self::ShiftRight { by, to } => fixed_point::shift_right(out, by, to),
			Self::ShiftLeft { by, to } => fixed_point::shift_left(out, by, to),
			Self::BitLen => elementwise::bit_lengths(out),
			Self::Rsqrt { shift } => elementwise::reciprocal_roots(out, shift),
			Self::Combine { f, to } => f(out, second, to),
			Self::Divide { shift, to } => elementwise::divide(out, second, shift, to),
			Self::Multiply { shift, narrow, to } => multiply(out, second, shift, narrow, to),
			Self::ShiftRandom { by, to } => shift_random(out, second, by, to),
			Self::Compare(f) => f(out, second),
			Self::Select => pick(out, second, third),
			Self::Interpolate(ref table) => table.apply(out),
			Self::Random(ref generator) => generator.fill(start, out),
			Self::Largest => {}
		}
	}
}

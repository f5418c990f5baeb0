//! Operators whose elements do not meet, on a block of elements.

use super::{
	choose::{pick, relate},
	elementwise::{self, amount, combine, Combine},
	fixed_point::{multiply, shift_random},
	interpolate::Table,
	random::Generator,
	Source,
};
use assay_ops::{DType, Op};

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
	/// Whether there may be a kernel for an operator.
	pub(super) fn is_of(op: &Op) -> bool {
		matches!(
			op,
			Op::Clamp { .. }
				| Op::Shift { .. }
				| Op::ShiftBy { .. }
				| Op::ShiftRandom { .. }
				| Op::Cast { .. }
				| Op::Copy | Op::BitLen
				| Op::Rsqrt { .. }
				| Op::Add { .. }
				| Op::Sub { .. }
				| Op::Mul { .. }
				| Op::Max | Op::Min
				| Op::IntDiv { .. }
				| Op::MulShift { .. }
				| Op::Compare { .. }
				| Op::Select | Op::LutInterp
				| Op::Philox { .. }
				| Op::ReduceMax { .. }
		)
	}

	/// The kernel of `op` with results of type `to`. `dtype` are the types of operands, `whole` what is not
	/// read element by element. `None` where that is not enough.
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
		Some(match *op {
			Op::Clamp { lo, hi } => (Self::Clamp { lo, hi }, ONE),
			Op::Cast { .. } | Op::Copy => (Self::Clamp { lo: to.min(), hi: to.max() }, ONE),
			Op::Shift { by, .. } => (shift(by), ONE),
			Op::ShiftBy { .. } => (shift(by()?), ONE),
			Op::ShiftRandom { .. } => match by()? {
				by @ ..=0 => (shift(by), ONE),
				by => {
					let by = u32::from(by.unsigned_abs()).min(31);
					(Self::ShiftRandom { by, to }, [Some(0), Some(2), None])
				}
			},
			Op::BitLen => (Self::BitLen, ONE),
			Op::Rsqrt { shift } => (Self::Rsqrt { shift }, ONE),
			Op::IntDiv { shift, .. } => (Self::Divide { shift, to }, TWO),
			Op::MulShift { shift, .. } => {
				let narrow = dtype(0)? != DType::I32 && dtype(1)? != DType::I32;
				(Self::Multiply { shift, narrow, to }, TWO)
			}
			Op::Compare { relation } => (Self::Compare(relate(relation)), TWO),
			Op::Select => (Self::Select, [Some(0), Some(1), Some(2)]),
			Op::LutInterp => (Self::Interpolate(Table::new(&whole(1)?)), ONE),
			Op::Philox { stream, .. } => {
				let generator = Generator::new(&whole(0)?, &whole(1)?, stream);
				(Self::Random(generator), [None; 3])
			}
			Op::ReduceMax { .. } => (Self::Largest, ONE),
			_ => (Self::Combine { f: combine(op)?, to }, TWO),
		})
	}

	/// Works on a block that holds elements of the first operand, from element `start` of the tensor on.
	/// [`Kernel::Largest`] leaves them as they are.
	pub(super) fn apply(&self, start: usize, out: &mut [i32], second: &[i32], third: &[i32]) {
		match *self {
			Self::Clamp { lo, hi } => elementwise::clamp(out, lo, hi),
			Self::ShiftRight { by, to } => elementwise::shift_right(out, by, to),
			Self::ShiftLeft { by, to } => elementwise::shift_left(out, by, to),
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

use super::{mismatch, Source};
use crate::{buffer::CHUNK, Buffer, ExecError};
use assay_ops::{saturate_shift, DType, Op};

/// Operators of one operand whose elements do not meet.
pub(super) fn unary(op: &Op, a: &Source, to: DType, len: usize) -> Result<Buffer, ExecError> {
	let map = |f: &(dyn Fn(&mut [i32]) + Sync)| {
		Buffer::fill(to, len, |start, out| {
			a.load(start, out);
			f(out);
		})
	};
	// The loops are inside the closures, so that each is compiled for one operator.
	Ok(match *op {
		Op::Clamp { lo, hi } => map(&|out| out.iter_mut().for_each(|x| *x = (*x).max(lo).min(hi))),
		Op::Shift { by, .. } => {
			map(&|out| out.iter_mut().for_each(|x| *x = saturate_shift((*x).into(), by, to)))
		}
		Op::Cast { .. } | Op::Copy => {
			map(&|out| out.iter_mut().for_each(|x| *x = (*x).clamp(to.min(), to.max())))
		}
		_ => return Err(mismatch(op)),
	})
}

/// Operators of two operands, element by element.
pub(super) fn binary(
	op: &Op,
	a: &Source,
	b: &Source,
	to: DType,
	len: usize,
) -> Result<Buffer, ExecError> {
	fn zip(
		(a, b): (&Source, &Source),
		to: DType,
		len: usize,
		f: impl Fn(i64, i64) -> i64 + Sync,
	) -> Buffer {
		Buffer::fill(to, len, |start, out| {
			let mut second = [0; CHUNK];
			let second = &mut second[..out.len()];
			a.load(start, out);
			b.load(start, second);
			for (x, y) in out.iter_mut().zip(second) {
				*x = to.saturate(f((*x).into(), (*y).into()));
			}
		})
	}
	let both = (a, b);
	Ok(match *op {
		Op::Add { .. } => zip(both, to, len, |x, y| x + y),
		Op::Sub { .. } => zip(both, to, len, |x, y| x - y),
		Op::Mul { .. } => zip(both, to, len, |x, y| x * y),
		Op::Max => zip(both, to, len, |x, y| x.max(y)),
		Op::Min => zip(both, to, len, |x, y| x.min(y)),
		_ => return Err(mismatch(op)),
	})
}

/// `table[index + 128]`.
pub(super) fn lut(index: &Source, table: &Source) -> Result<Buffer, ExecError> {
	let entries: [i32; 256] = table.numbers().try_into().map_err(|_| mismatch(&Op::Lut))?;
	Ok(Buffer::fill(table.dtype(), index.len(), |start, out| {
		index.load(start, out);
		// An i8 plus 128 is within the table.
		out.iter_mut().for_each(|x| *x = entries[(*x + 128) as usize & 255]);
	}))
}

/// What [`Op::Requant`] does to the columns of an accumulator.
pub(super) struct Requant {
	multiplier: Vec<i32>,
	shift: Vec<i32>,
	bias: Vec<i32>,
	to: DType,
}

impl Requant {
	/// `parameters` are multiplier, shift and perhaps bias; `columns` is the last dimension.
	pub(super) fn new(parameters: &[Source], to: DType, columns: usize) -> Result<Self, ExecError> {
		let spread = |at: usize| match parameters.get(at).map(Source::numbers) {
			Some(numbers) if numbers.len() == columns => Ok(numbers),
			Some(numbers) if numbers.len() == 1 => Ok(vec![numbers[0]; columns]),
			None if at == 2 => Ok(vec![0; columns]),
			_ => Err(mismatch(&Op::Requant { to })),
		};
		Ok(Self { multiplier: spread(0)?, shift: spread(1)?, bias: spread(2)?, to })
	}

	/// Sums of the columns from `column` on, in place; they must end with the last column.
	pub(super) fn apply(&self, column: usize, sums: &mut [i32]) {
		let end = column + sums.len();
		let parameters = self.multiplier[column..end]
			.iter()
			.zip(&self.shift[column..end])
			.zip(&self.bias[column..end]);
		for (sum, ((&m, &s), &bias)) in sums.iter_mut().zip(parameters) {
			// 33 bits times 16: far from overflow.
			let product = (i64::from(*sum) + i64::from(bias)) * i64::from(m);
			*sum = saturate_shift(product, s as i8, self.to);
		}
	}
}

/// [`Op::Requant`] as an operator of its own.
pub(super) fn requant(
	acc: &Source,
	parameters: &[Source],
	to: DType,
	columns: u32,
) -> Result<Buffer, ExecError> {
	let columns = columns as usize;
	let requant = Requant::new(parameters, to, columns)?;
	Ok(Buffer::fill(to, acc.len(), |start, out| {
		acc.load(start, out);
		let (mut done, mut column) = (0, start % columns);
		while done < out.len() {
			let run = (columns - column).min(out.len() - done);
			requant.apply(column, &mut out[done..done + run]);
			done += run;
			column = 0;
		}
	}))
}

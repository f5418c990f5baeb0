//! Folds along one axis.

use super::{Evaluation, Source};
use crate::{buffer::CHUNK, segments::threads, simd::vectorised, Buffer, ExecError};
use assay_ops::{saturate_shift, DType, Reduce, Shape};

pub(super) fn evaluate(op: Reduce, call: &Evaluation) -> Result<Buffer, ExecError> {
	Ok(match op {
		Reduce::ReduceSum { axis, to } => {
			let [a] = call.exactly()?;
			sum(a, call.seen(0), axis, to)
		}
		Reduce::ReduceMax { axis } => {
			let [a] = call.exactly()?;
			max(a, call.seen(0), axis)
		}
		Reduce::ArgMax { axis } => {
			let [a] = call.exactly()?;
			arg_max(a, call.seen(0), axis)
		}
		Reduce::ReduceSumProduct { axis, shift, to } => {
			let [a, b] = call.exactly()?;
			sum_product([a, b], call.seen(0), axis, (shift, to))
		}
	})
}

/// Elements of operands that one task folds, at least where there are as many.
const TASK: usize = 1 << 14;

/// Elements of operands that are read row by row.
const WHOLE: usize = 1 << 16;

/// Rows so short that a piece of one takes as long to read as all of it.
const SHORT: usize = 128;

/// A fold along one axis, over operands seen as `[outside, axis, inside]`.
struct Fold {
	axis: usize,
	inside: usize,
	/// Results.
	len: usize,
}

impl Fold {
	fn new(shape: &Shape, axis: u8) -> Self {
		let dims = shape.dims();
		let axis = usize::from(axis);
		let inside: usize = dims[axis + 1..].iter().map(|&dim| dim as usize).product();
		let len = shape.elements() as usize / dims[axis] as usize;
		Self { axis: dims[axis] as usize, inside, len }
	}

	/// Folds N operands of one shape: `absorb(accumulators, first position along the axis, rows)`,
	/// where `rows` holds whole rows of as many elements as there are accumulators. With one
	/// accumulator a row is one element, so a call then sees a stretch of the axis.
	fn run<A: Copy + Sync, const N: usize>(
		&self,
		to: DType,
		sources: [&Source; N],
		initial: A,
		absorb: impl Fn(&mut [A], usize, [&[i32]; N]) + Sync,
		finish: impl Fn(A) -> i32 + Sync,
	) -> Buffer {
		let chunk = match (TASK / self.axis).clamp(1, CHUNK) {
			chunk if self.inside <= SHORT => chunk.next_multiple_of(self.inside),
			// Pieces of a row are dearer to read than whole ones, unless there is work for all
			// threads.
			chunk if chunk < self.inside && self.len * self.axis <= WHOLE => self.inside.min(CHUNK),
			chunk => chunk.max(SHORT),
		};
		let threads = threads(self.len * self.axis);
		let scratch = || (vec![initial; chunk.min(self.len)], [const { Vec::new() }; N]);
		let how = (chunk, threads);
		Buffer::fill_with(to, self.len, how, scratch, |(accumulators, scratch), start, out| {
			let mut done = 0;
			while done < out.len() {
				let at = start + done;
				let (outside, inside) = (at / self.inside, at % self.inside);
				let base = outside * self.axis * self.inside + inside;
				// Short folds that lie together are read in one stretch.
				let together = CHUNK / (self.axis * self.inside);
				let together = together.min((out.len() - done) / self.inside);
				if inside == 0 && together > 1 {
					let (fold, width) = (self.axis * self.inside, self.inside);
					let rows = read(&sources, scratch, base, together * fold);
					for at in 0..together {
						let accumulators = &mut accumulators[..width];
						accumulators.fill(initial);
						absorb(accumulators, 0, rows.map(|rows| &rows[at * fold..][..fold]));
						for (out, accumulator) in out[done..].iter_mut().zip(&*accumulators) {
							*out = finish(*accumulator);
						}
						done += width;
					}
					continue;
				}
				let width = (self.inside - inside).min(out.len() - done);
				let accumulators = &mut accumulators[..width];
				accumulators.fill(initial);
				// Rows that lie together are read in one stretch.
				let rows = if width == self.inside { (CHUNK / width).max(1) } else { 1 };
				for first in (0..self.axis).step_by(rows) {
					let len = rows.min(self.axis - first) * width;
					let rows = read(&sources, scratch, base + first * self.inside, len);
					absorb(accumulators, first, rows);
				}
				for (out, accumulator) in out[done..].iter_mut().zip(&*accumulators) {
					*out = finish(*accumulator);
				}
				done += width;
			}
		})
	}
}

/// The elements from `start` on of each operand.
fn read<'s, const N: usize>(
	sources: &'s [&Source; N],
	scratch: &'s mut [Vec<i32>; N],
	start: usize,
	len: usize,
) -> [&'s [i32]; N] {
	let mut scratch = scratch.iter_mut();
	sources.map(|source| match scratch.next() {
		Some(scratch) => source.chunk(start, len, scratch),
		None => &[],
	})
}

vectorised! {
	fn add[](sums: &mut [i64], rows: &[i32]) {
		if let [sum] = sums {
			return *sum += rows.iter().map(|&x| i64::from(x)).sum::<i64>();
		}
		for row in rows.chunks_exact(sums.len()) {
			sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += i64::from(x));
		}
	}
}

fn sum(source: &Source, shape: &Shape, axis: u8, to: DType) -> Buffer {
	let fold = Fold::new(shape, axis);
	fold.run(to, [source], 0i64, |sums, _, [rows]| add(sums, rows), |sum| to.saturate(sum))
}

vectorised! {
	fn add_products[](sums: &mut [i64], first: &[i32], second: &[i32]) {
		if let [sum] = sums {
			let products = first.iter().zip(second).map(|(&x, &y)| i64::from(x) * i64::from(y));
			return *sum += products.sum::<i64>();
		}
		let rows = first.chunks_exact(sums.len()).zip(second.chunks_exact(sums.len()));
		for (first, second) in rows {
			for ((sum, &x), &y) in sums.iter_mut().zip(first).zip(second) {
				*sum += i64::from(x) * i64::from(y);
			}
		}
	}
}

/// [`assay_ops::Op::ReduceSumProduct`]: the check of a program proves that the sums fit.
fn sum_product(
	operands: [&Source; 2],
	shape: &Shape,
	axis: u8,
	(shift, to): (i8, DType),
) -> Buffer {
	Fold::new(shape, axis).run(
		to,
		operands,
		0i64,
		|sums, _, [first, second]| add_products(sums, first, second),
		|sum| saturate_shift(sum, shift, to),
	)
}

vectorised! {
	pub(super) fn raise[](most: &mut [i32], rows: &[i32]) {
		if let [most] = most {
			return *most = rows.iter().fold(*most, |most, &x| most.max(x));
		}
		for row in rows.chunks_exact(most.len()) {
			most.iter_mut().zip(row).for_each(|(most, &x)| *most = (*most).max(x));
		}
	}
}

fn max(source: &Source, shape: &Shape, axis: u8) -> Buffer {
	let fold = Fold::new(shape, axis);
	let raise = |most: &mut [i32], _, [rows]: [&[i32]; 1]| raise(most, rows);
	fold.run(source.dtype(), [source], i32::MIN, raise, |most| most)
}

/// The largest value and its lowest position; what a fold starts with is below every value.
#[derive(Clone, Copy)]
struct Best {
	value: i64,
	position: usize,
}

fn arg_max(source: &Source, shape: &Shape, axis: u8) -> Buffer {
	let absorb = |bests: &mut [Best], first: usize, [rows]: [&[i32]; 1]| {
		for (position, row) in (first..).zip(rows.chunks_exact(bests.len())) {
			for (best, &value) in bests.iter_mut().zip(row) {
				if i64::from(value) > best.value {
					*best = Best { value: value.into(), position };
				}
			}
		}
	};
	let initial = Best { value: i64::MIN, position: 0 };
	Fold::new(shape, axis).run(DType::I32, [source], initial, absorb, |best| best.position as i32)
}

use super::Source;
use crate::{buffer::CHUNK, Buffer};
use assay_ops::{DType, Shape};

/// A fold along one axis, over operands seen as `[outside, axis, inside]`.
struct Fold {
	axis: usize,
	inside: usize,
}

impl Fold {
	fn new(shape: &Shape, axis: u8) -> (Self, usize) {
		let dims = shape.dims();
		let axis = usize::from(axis);
		let inside: usize = dims[axis + 1..].iter().map(|&dim| dim as usize).product();
		let fold = Self { axis: dims[axis] as usize, inside };
		let len = shape.elements() as usize / fold.axis;
		(fold, len)
	}

	/// Folds the results from `start` on: `absorb(accumulators, first position along the axis, rows)`,
	/// where `rows` holds whole rows of as many elements as there are accumulators. With one
	/// accumulator a row is one element, so a call then sees a stretch of the axis.
	fn run<A: Copy + Default>(
		&self,
		source: &Source,
		start: usize,
		count: usize,
		mut absorb: impl FnMut(&mut [A], usize, &[i32]),
		mut finish: impl FnMut(usize, A),
	) {
		let mut scratch = [0i32; CHUNK];
		let mut accumulators = [A::default(); CHUNK];
		let mut done = 0;
		while done < count {
			let (outside, inside) = ((start + done) / self.inside, (start + done) % self.inside);
			let width = (self.inside - inside).min(count - done);
			let accumulators = &mut accumulators[..width];
			accumulators.fill(A::default());
			let base = outside * self.axis * self.inside + inside;
			// Rows that lie together are read in one stretch.
			let rows = if width == self.inside { (CHUNK / width).max(1) } else { 1 };
			for first in (0..self.axis).step_by(rows) {
				let scratch = &mut scratch[..rows.min(self.axis - first) * width];
				source.load(base + first * self.inside, scratch);
				absorb(accumulators, first, scratch);
			}
			for (at, accumulator) in accumulators.iter().enumerate() {
				finish(done + at, *accumulator);
			}
			done += width;
		}
	}
}

pub(super) fn sum(source: &Source, shape: &Shape, axis: u8, to: DType) -> Buffer {
	let (fold, len) = Fold::new(shape, axis);
	Buffer::fill(to, len, |start, out| {
		let absorb = |sums: &mut [i64], _, rows: &[i32]| match sums {
			[sum] => *sum += rows.iter().map(|&x| i64::from(x)).sum::<i64>(),
			_ => rows.chunks_exact(sums.len()).for_each(|row| {
				sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += i64::from(x));
			}),
		};
		fold.run(source, start, out.len(), absorb, |at, sum| out[at] = to.saturate(sum));
	})
}

/// The largest value and its lowest position; what a fold starts with is below every value.
#[derive(Clone, Copy)]
struct Best {
	value: i64,
	position: usize,
}

impl Default for Best {
	fn default() -> Self {
		Self { value: i64::MIN, position: 0 }
	}
}

fn best(bests: &mut [Best], first: usize, rows: &[i32]) {
	for (position, row) in (first..).zip(rows.chunks_exact(bests.len())) {
		for (best, &value) in bests.iter_mut().zip(row) {
			if i64::from(value) > best.value {
				*best = Best { value: value.into(), position };
			}
		}
	}
}

pub(super) fn max(source: &Source, shape: &Shape, axis: u8) -> Buffer {
	let (fold, len) = Fold::new(shape, axis);
	Buffer::fill(source.dtype(), len, |start, out| {
		fold.run(source, start, out.len(), best, |at, best: Best| out[at] = best.value as i32);
	})
}

pub(super) fn arg_max(source: &Source, shape: &Shape, axis: u8) -> Buffer {
	let (fold, len) = Fold::new(shape, axis);
	Buffer::fill(DType::I32, len, |start, out| {
		fold.run(source, start, out.len(), best, |at, best: Best| out[at] = best.position as i32);
	})
}

//! Operators that move elements.

use super::{mismatch, Evaluation, Source};
use crate::{
	buffer::{truncate, CHUNK},
	segments::{for_chunks, threads},
	Buffer, Element, ExecError,
};
use assay_ops::{DType, Moves, Op, Shape};

pub(super) fn evaluate(op: Moves, call: &Evaluation) -> Result<Buffer, ExecError> {
	match op {
		Moves::Gather => {
			let [table, indices] = call.exactly()?;
			gather(table, call.seen(0), indices)
		}
		Moves::ScatterAdd { to, .. } => {
			let [updates, indices] = call.exactly()?;
			scatter_add(updates, indices, call.shape, to)
		}
		Moves::Concat { axis } => concat(call.sources, &call.shapes(), axis, call.shape),
		Moves::Pad { axis, low, value, .. } => {
			let [a] = call.exactly()?;
			pad(a, call.seen(0), axis, (low, value), call.shape)
		}
	}
}

/// `$function::<T>` for the type of elements.
macro_rules! typed {
	($function:ident, $dtype:expr, $arguments:tt) => {
		match $dtype {
			DType::I8 => $function::<i8> $arguments,
			DType::I16 => $function::<i16> $arguments,
			DType::I32 => $function::<i32> $arguments,
		}
	};
}

pub(super) fn after(shape: &Shape, axis: u8) -> usize {
	shape.dims()[usize::from(axis) + 1..].iter().map(|&dim| dim as usize).product()
}

/// [`Op::Gather`] of rows of `table`, whose shape is `shape`.
fn gather(table: &Source, shape: &Shape, indices: &Source) -> Result<Buffer, ExecError> {
	fn rows<T: Element>(
		table: &Source,
		(rows, width): (usize, usize),
		indices: &Source,
	) -> Result<Buffer, ExecError> {
		let mut values = vec![T::zeroed(); indices.len() * width];
		let task = (CHUNK / width).max(1);
		let threads = threads(values.len());
		// Rows that nobody asks for are not copied: a view can show far more of them than there are
		// indices.
		if table.affine().contiguous_at().is_none() && table.len() > values.len() {
			for_chunks(
				threads,
				&mut values,
				task * width,
				|| (vec![0; task], vec![0; width.min(CHUNK)]),
				|(chosen, piece), at, out| {
					let chosen = &mut chosen[..out.len() / width];
					indices.load(at * task, chosen);
					for (out, row) in out.chunks_exact_mut(width).zip(chosen) {
						let Some(row) = usize::try_from(*row).ok().filter(|row| *row < rows) else {
							continue;
						};
						for (out, first) in
							out.chunks_mut(CHUNK).zip((row * width..).step_by(CHUNK))
						{
							let piece = &mut piece[..out.len()];
							table.load(first, piece);
							truncate(piece, out);
						}
					}
				},
			);
			return Ok(T::wrap(values));
		}
		let elements = table.elements::<T>()?;
		for_chunks(
			threads,
			&mut values,
			task * width,
			|| (),
			|(), at, out| {
				let mut chosen = vec![0; out.len() / width];
				indices.load(at * task, &mut chosen);
				for (out, row) in out.chunks_exact_mut(width).zip(chosen) {
					// A row outside the table is zeros.
					if let Some(row) = usize::try_from(row).ok().filter(|row| *row < rows) {
						out.copy_from_slice(&elements[row * width..][..width]);
					}
				}
			},
		);
		Ok(T::wrap(values))
	}
	let Some(&count) = shape.dims().first() else { return Err(mismatch(&Op::Gather)) };
	let size = (count as usize, after(shape, 0));
	typed!(rows, table.dtype(), (table, size, indices))
}

/// [`Op::Concat`] of operands of given shapes.
fn concat(
	pieces: &[Source],
	shapes: &[Shape],
	axis: u8,
	result: &Shape,
) -> Result<Buffer, ExecError> {
	fn join<T: Element>(
		pieces: &[Source],
		widths: &[usize],
		len: usize,
	) -> Result<Buffer, ExecError> {
		let mut values = vec![T::zeroed(); len];
		let whole: usize = widths.iter().sum();
		let mut first = 0;
		for (piece, &width) in pieces.iter().zip(widths) {
			let elements = piece.elements::<T>()?;
			let to = values.chunks_exact_mut(whole).map(|row| &mut row[first..][..width]);
			to.zip(elements.chunks_exact(width)).for_each(|(to, from)| to.copy_from_slice(from));
			first += width;
		}
		Ok(T::wrap(values))
	}
	let inner = after(result, axis);
	let widths: Vec<usize> =
		shapes.iter().map(|shape| shape.dims()[usize::from(axis)] as usize * inner).collect();
	let Some(dtype) = pieces.first().map(Source::dtype) else {
		return Err(mismatch(&Op::Concat { axis }));
	};
	typed!(join, dtype, (pieces, &widths, result.elements() as usize))
}

/// [`Op::Pad`] along `axis` of a result of shape `result`: `low` times `value`, the elements,
/// `value`.
fn pad(
	a: &Source,
	shape: &Shape,
	axis: u8,
	(low, value): (u32, i32),
	result: &Shape,
) -> Result<Buffer, ExecError> {
	fn padded<T: Element>(
		a: &Source,
		(width, whole): (usize, usize),
		(first, value): (usize, i32),
		len: usize,
	) -> Result<Buffer, ExecError> {
		let elements = a.elements::<T>()?;
		let mut values = vec![T::truncate(value); len];
		let to = values.chunks_exact_mut(whole).map(|row| &mut row[first..][..width]);
		to.zip(elements.chunks_exact(width)).for_each(|(to, from)| to.copy_from_slice(from));
		Ok(T::wrap(values))
	}
	let inner = after(result, axis);
	let along = |shape: &Shape| shape.dims()[usize::from(axis)] as usize * inner;
	let (sizes, start) = ((along(shape), along(result)), (low as usize * inner, value));
	typed!(padded, a.dtype(), (a, sizes, start, result.elements() as usize))
}

/// [`Op::ScatterAdd`] of rows of `updates` into those of `result`.
fn scatter_add(
	updates: &Source,
	indices: &Source,
	result: &Shape,
	to: DType,
) -> Result<Buffer, ExecError> {
	fn rows<T: Element>(
		updates: &Source,
		indices: &Source,
		(width, len): (usize, usize),
		to: DType,
	) -> Result<Buffer, ExecError> {
		let (elements, indices) = (updates.elements::<T>()?, indices.numbers());
		// Whole rows, or pieces of wide ones: what a thread holds beside the result is a task's,
		// not a row's.
		let some = (CHUNK / width).max(1);
		let task = if width > CHUNK { CHUNK } else { some * width };
		let order = Order::new(&indices, len / width, some);
		let how = (task, threads(elements.len() + len));
		let sums = || vec![0i64; task.min(len)];
		Ok(Buffer::fill_with(to, len, how, sums, |sums, start, out| {
			let sums = &mut sums[..out.len()];
			sums.fill(0);
			let (mut at, end) = (start, start + out.len());
			while at < end {
				// As many rows as a task has, or of one row what of it lies in the piece.
				let (first, column) = (at / width, at % width);
				let columns = (end - at).min(width - column);
				for &n in order.of(first / some) {
					let n = n as usize;
					let row = (indices[n] as usize - first) * width + at - start;
					let update = &elements[n * width + column..][..columns];
					let sums = &mut sums[row..][..columns];
					sums.iter_mut().zip(update).for_each(|(sum, &x)| *sum += i64::from(x.into()));
				}
				at += if width > CHUNK { columns } else { task };
			}
			out.iter_mut().zip(sums).for_each(|(out, sum)| *out = to.saturate(*sum));
		}))
	}
	let sizes = (after(result, 0), result.elements() as usize);
	typed!(rows, updates.dtype(), (updates, indices, sizes, to))
}

/// Which indices name the rows of each task, so that no task looks at all of them.
struct Order {
	/// Positions of indices, those of the first task first.
	positions: Vec<u32>,
	/// Where those of each task begin, and where the last ones end.
	starts: Vec<u32>,
}

impl Order {
	/// For a result of `rows` rows, of which each task has `some`. What lies outside is in no task.
	fn new(indices: &[i32], rows: usize, some: usize) -> Self {
		let task = |&index: &i32| {
			usize::try_from(index).ok().filter(|row| *row < rows).map(|row| row / some)
		};
		let mut starts = vec![0u32; rows.div_ceil(some) + 1];
		for task in indices.iter().filter_map(task) {
			starts[task + 1] += 1;
		}
		for at in 1..starts.len() {
			starts[at] += starts[at - 1];
		}
		let mut next = starts.clone();
		let mut positions = vec![0; starts[starts.len() - 1] as usize];
		for (position, index) in (0..).zip(indices) {
			if let Some(task) = task(index) {
				positions[next[task] as usize] = position;
				next[task] += 1;
			}
		}
		Self { positions, starts }
	}

	fn of(&self, task: usize) -> &[u32] {
		&self.positions[self.starts[task] as usize..self.starts[task + 1] as usize]
	}
}

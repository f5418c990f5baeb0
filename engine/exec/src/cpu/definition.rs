//! Any operator by the definition, on all cores: what has no path of its own.

use super::{mismatch, Evaluation, Source};
use crate::{buffer::CHUNK, segments::for_chunks, Buffer, Element, ExecError};
use assay_ops::{Applied, DType, Elements};

/// Elements of operands that are there as a whole.
struct Whole<'a>(&'a [Source<'a>]);

impl Elements for Whole<'_> {
	fn get(&self, operand: usize, index: u32) -> i32 {
		let mut value = [0];
		self.row(operand, index, &mut value);
		value[0]
	}

	fn read(&self, operand: usize, start: u32, out: &mut [i16]) {
		let mut values = [0; 256];
		for (out, start) in out.chunks_mut(256).zip((start..).step_by(256)) {
			let values = &mut values[..out.len()];
			self.row(operand, start, values);
			out.iter_mut().zip(values).for_each(|(to, from)| *to = *from as i16);
		}
	}

	fn row(&self, operand: usize, start: u32, out: &mut [i32]) {
		if let Some(source) = self.0.get(operand) {
			source.load(start as usize, out);
		}
	}
}

pub(super) fn evaluate(call: &Evaluation) -> Result<Buffer, ExecError> {
	fn typed<T: Element>(applied: &Applied, sources: &[Source], len: usize) -> Buffer {
		// Whole rows, so that what their results share is computed once.
		let width = applied.row_width().unwrap_or(1) as usize;
		let chunk = (CHUNK / width).max(1) * width;
		let mut values = vec![T::zeroed(); len];
		let threads = rayon::current_num_threads();
		for_chunks(
			threads,
			&mut values,
			chunk,
			|| (),
			|(), index, out| {
				let first = (index * chunk) as u32;
				let outputs: Vec<u32> = (first..).take(out.len()).collect();
				let elements = Whole(sources);
				let mut accumulators = applied.init(outputs.len());
				applied.absorb(&elements, &outputs, 0..applied.reduction(), &mut accumulators);
				let results = applied.finish(&elements, &outputs, &accumulators);
				out.iter_mut().zip(results).for_each(|(to, from)| *to = T::truncate(from));
			},
		);
		T::wrap(values)
	}
	let (op, sources) = (call.op, call.sources);
	let types: Vec<_> =
		sources.iter().zip(call.shapes()).map(|(source, shape)| (source.dtype(), shape)).collect();
	let applied = Applied::new(*op, &types)
		.map_err(|error| ExecError::Program(format!("{op:?}: {error}")))?;
	if (applied.dtype(), applied.shape()) != (call.dtype, *call.shape) {
		return Err(mismatch(op));
	}
	Ok(match call.dtype {
		DType::I8 => typed::<i8>(&applied, sources, call.len()),
		DType::I16 => typed::<i16>(&applied, sources, call.len()),
		DType::I32 => typed::<i32>(&applied, sources, call.len()),
	})
}

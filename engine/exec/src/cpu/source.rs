use super::transpose;
use crate::{
	buffer::{typed, CHUNK},
	segments::{for_chunks, threads},
	simd::vectorised,
	Affine, Buffer, Element, ExecError, Operand,
};
use assay_ops::DType;
use std::{borrow::Cow, sync::Arc};

/// An operand as an operator sees it: elements in row-major order of the viewed shape.
pub(super) struct Source<'a> {
	/// The stored tensor.
	pub(super) shared: &'a Arc<Buffer>,
	buffer: &'a Buffer,
	affine: Affine,
	len: usize,
	/// The last dimension that the operator sees.
	pub(super) last: usize,
}

impl<'a> Source<'a> {
	pub(super) fn new(operand: &Operand<'a, Arc<Buffer>>) -> Self {
		Self {
			shared: operand.value,
			buffer: operand.value,
			affine: operand.affine,
			len: operand.shape.elements() as usize,
			last: operand.shape.last() as usize,
		}
	}

	pub(super) fn dtype(&self) -> DType {
		self.buffer.dtype()
	}

	/// Where the elements lie in the stored tensor.
	pub(super) fn affine(&self) -> Affine {
		self.affine
	}

	pub(super) fn len(&self) -> usize {
		self.len
	}

	/// Reads the elements from `start` on.
	pub(super) fn load(&self, start: usize, out: &mut [i32]) {
		typed!(self.buffer, values => copy(values, &self.affine, start, out));
	}

	/// The elements from `start` on: where they lie, if they do as numbers in a row, else read into
	/// `scratch`.
	pub(super) fn chunk<'s>(
		&'s self,
		start: usize,
		len: usize,
		scratch: &'s mut Vec<i32>,
	) -> &'s [i32] {
		if let (Buffer::I32(values), Some(at)) = (self.buffer, self.affine.contiguous_at()) {
			return &values[at + start..][..len];
		}
		if scratch.len() < len {
			scratch.resize(len, 0);
		}
		let out = &mut scratch[..len];
		self.load(start, out);
		out
	}

	/// All elements as numbers; for small operands.
	pub(super) fn numbers(&self) -> Vec<i32> {
		let mut out = vec![0; self.len];
		self.load(0, &mut out);
		out
	}

	/// All elements as they are stored, copied only where the view asks for it.
	pub(super) fn elements<T: Element>(&self) -> Result<Cow<'a, [T]>, ExecError> {
		let values = T::slice(self.buffer).ok_or_else(|| {
			ExecError::Program(format!("{:?} where {:?} was promised", self.dtype(), T::DTYPE))
		})?;
		if let Some(at) = self.affine.contiguous_at() {
			return Ok(Cow::Borrowed(&values[at..at + self.len]));
		}
		let mut out = vec![T::zeroed(); self.len];
		if let Some(axis) = transpose::contiguous_axis(&self.affine) {
			let first = self.affine.dims[0] as usize;
			// Whole blocks to a task.
			let length = self.len / first;
			let some = (CHUNK / length).max(1).next_multiple_of(8).min(first);
			for_chunks(
				threads(self.len),
				&mut out,
				some * length,
				|| (),
				|(), task, out| {
					transpose::copy(values, &self.affine, axis, task * some, out);
				},
			);
			return Ok(Cow::Owned(out));
		}
		for_chunks(
			threads(self.len),
			&mut out,
			CHUNK,
			|| (),
			|(), chunk, out| {
				copy::<T, T>(values, &self.affine, chunk * CHUNK, out);
			},
		);
		Ok(Cow::Owned(out))
	}
}

vectorised! {
	fn widen[T: Element + Into<U>, U: Copy](from: &[T], to: &mut [U]) {
		to.iter_mut().zip(from).for_each(|(to, from)| *to = (*from).into());
	}
}

fn copy<T: Element + Into<U>, U: Copy>(values: &[T], affine: &Affine, start: usize, out: &mut [U]) {
	affine.runs(start, out.len(), |at, source, stride, run| {
		let out = &mut out[at..at + run];
		match stride {
			0 => out.fill(values[source].into()),
			1 => widen(&values[source..source + run], out),
			_ => out
				.iter_mut()
				.zip(values[source..].iter().step_by(stride))
				.for_each(|(to, from)| *to = (*from).into()),
		}
	});
}

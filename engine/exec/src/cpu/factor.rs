//! What products are of, and what becomes of their sums.

use super::{elementwise, fused, mismatch, packed, short, small};
use crate::{
	gemm::{gemm_i16, gemm_i8, gemm_i8_into, Path, Right, Sink, Sizes},
	segments::Rows,
	Element, ExecError,
};
use assay_ops::{DType, Narrow, Op};

/// What products are of.
pub(super) trait Factor: packed::Factor {
	/// Exact sums of products.
	type Sum: small::Sum;
	/// What becomes of the sums.
	type Epilogue: Sync;

	fn gemm(path: Path, sizes: Sizes, a: &[Self], b: Right<'_, Self>, sink: impl Sink<Self::Sum>);

	/// The epilogue of an operator; an error where it is not one of this factor.
	fn epilogue(narrow: Option<Narrow>) -> Result<Self::Epilogue, ExecError>;

	/// The results of the operator itself; `scratch` is as long as `sums`.
	fn finish<'a>(
		epilogue: &Self::Epilogue,
		sums: &'a [Self::Sum],
		scratch: &'a mut [i32],
	) -> &'a [i32];

	/// As [`Factor::finish`], as elements.
	fn store<T: Element>(epilogue: &Self::Epilogue, sums: &[Self::Sum], out: &mut [T]);

	/// The product of short rows into `out` on up to so many threads, if there is a quick way.
	fn short<T: Element>(
		_path: Path,
		_sizes: Sizes,
		_operands: (&[Self], &[Self]),
		_epilogue: &Epilogue<'_, Self>,
		_out: &mut [T],
		_threads: usize,
	) -> bool {
		false
	}

	/// The product into `out`, if its sums are the result as they are.
	fn exact<T: Element>(
		_path: Path,
		_sizes: Sizes,
		_a: &[Self],
		_b: Right<'_, Self>,
		_out: &mut [T],
	) -> bool {
		false
	}

	/// The product through a Requant into `out`, if its sums are taken as they are.
	fn requantised<T: Element>(
		_path: Path,
		_sizes: Sizes,
		_operands: (&[Self], Right<'_, Self>),
		_requant: &fused::Epilogue,
		_out: &mut [T],
	) -> bool {
		false
	}
}

impl Factor for i8 {
	type Sum = i32;
	type Epilogue = ();

	fn gemm(path: Path, sizes: Sizes, a: &[Self], b: Right<'_, Self>, sink: impl Sink<i32>) {
		gemm_i8(path, sizes, a, b, sink);
	}

	fn epilogue(narrow: Option<Narrow>) -> Result<(), ExecError> {
		narrow.map_or(Ok(()), |_| Err(mismatch(&Op::MatMul { narrow })))
	}

	fn finish<'a>(_: &(), sums: &'a [i32], _: &'a mut [i32]) -> &'a [i32] {
		sums
	}

	fn store<T: Element>(_: &(), sums: &[i32], out: &mut [T]) {
		out.iter_mut().zip(sums).for_each(|(to, &sum)| *to = T::truncate(sum));
	}

	fn exact<T: Element>(
		path: Path,
		sizes: Sizes,
		a: &[Self],
		b: Right<'_, Self>,
		out: &mut [T],
	) -> bool {
		let Ok(out) = bytemuck::try_cast_slice_mut::<T, i32>(out) else { return false };
		if T::DTYPE == DType::I32 {
			gemm_i8_into(path, sizes, a, b, out);
		}
		T::DTYPE == DType::I32
	}

	fn requantised<T: Element>(
		path: Path,
		sizes: Sizes,
		(a, b): (&[Self], Right<'_, Self>),
		requant: &fused::Epilogue,
		out: &mut [T],
	) -> bool {
		let sink = fused::Narrowed { epilogue: requant, rows: Rows::new(out, sizes.n) };
		gemm_i8(path, sizes, a, b, sink);
		true
	}
}

impl Factor for i16 {
	type Sum = i64;
	type Epilogue = Narrow;

	fn gemm(path: Path, sizes: Sizes, a: &[Self], b: Right<'_, Self>, sink: impl Sink<i64>) {
		gemm_i16(path, sizes, a, b, sink);
	}

	fn epilogue(narrow: Option<Narrow>) -> Result<Narrow, ExecError> {
		narrow.ok_or_else(|| mismatch(&Op::MatMul { narrow }))
	}

	fn finish<'a>(narrow: &Narrow, sums: &'a [i64], scratch: &'a mut [i32]) -> &'a [i32] {
		elementwise::narrow(narrow, sums, scratch);
		scratch
	}

	fn store<T: Element>(narrow: &Narrow, sums: &[i64], out: &mut [T]) {
		elementwise::narrow(narrow, sums, out);
	}

	fn short<T: Element>(
		path: Path,
		sizes: Sizes,
		operands: (&[Self], &[Self]),
		epilogue: &Epilogue<'_, Self>,
		out: &mut [T],
		threads: usize,
	) -> bool {
		let store = |rows: &Rows<'_, T>, row: usize, column: usize, sums: &[i64]| {
			// SAFETY: each sum comes once.
			unsafe { epilogue.store(rows, row, column, sums) };
		};
		short::product(path, sizes, operands, store, out, threads)
	}
}

/// What becomes of exact sums: what the product says, and then perhaps a Requant, before they leave
/// the cache.
pub(super) struct Epilogue<'a, F: Factor> {
	own: F::Epilogue,
	pub(super) requant: Option<&'a fused::Epilogue>,
}

impl<'a, F: Factor> Epilogue<'a, F> {
	pub(super) fn new(
		narrow: Option<Narrow>,
		requant: Option<&'a fused::Epilogue>,
	) -> Result<Self, ExecError> {
		Ok(Self { own: F::epilogue(narrow)?, requant })
	}

	/// Whether sums of bytes stay as they are.
	pub(super) fn is_exact(&self) -> bool {
		self.requant.is_none()
	}

	/// Puts sums in their place.
	///
	/// # Safety
	/// Nobody else may have these sums.
	pub(super) unsafe fn store<T: Element>(
		&self,
		out: &Rows<'_, T>,
		row: usize,
		column: usize,
		sums: &[F::Sum],
	) {
		let Some(requant) = self.requant else {
			// SAFETY: as the caller promises.
			return F::store(&self.own, sums, unsafe { out.segment(row, column, sums.len()) });
		};
		const PIECE: usize = 256;
		let mut scratch = [0; PIECE];
		for (sums, column) in sums.chunks(PIECE).zip((column..).step_by(PIECE)) {
			let sums = F::finish(&self.own, sums, &mut scratch[..sums.len()]);
			// SAFETY: as the caller promises.
			unsafe { requant.store(out, row..row + 1, column..column + sums.len(), (sums, PIECE)) };
		}
	}
}

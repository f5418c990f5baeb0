//! [`Op::Requant`](assay_ops::Op::Requant) on blocks of sums that a product has just made.
//!
//! For shifts of 17 to 46 and multipliers that are not negative, which is what importers choose, 32 bits are
//! enough. With `a = 65536 · hi + lo` the definition's `(a · m + 2^(s−1)) >> s` is
//! `(hi · m + ((lo · m) >> 16) + 2^(s−17)) >> (s − 16)`, since the last 16 bits of `a · m` only matter for a
//! carry that rounding does not need: 2^(s−1) is a multiple of 2^16. `hi · m` is one `vpmaddwd` with m in
//! the upper half of each lane, `(lo · m) >> 16` one `vpmulhuw` with m in the lower half.

use super::{elementwise::Requant, Source};
use crate::{gemm::Sink, segments::Rows, Element, ExecError};
use assay_ops::DType;
use core::ops::Range;

/// What becomes of the sums of a product.
pub(super) enum Epilogue {
	Quick(Quick),
	Any(Requant),
}

impl Epilogue {
	/// `parameters` are those of the operator, `columns` is what C is wide, and no sum is larger than
	/// `largest` in size.
	pub(super) fn new(
		parameters: &[Source],
		to: DType,
		columns: usize,
		largest: i64,
	) -> Result<Self, ExecError> {
		match Quick::new(parameters, columns, largest) {
			Some(quick) => Ok(Self::Quick(quick)),
			None => Requant::new(parameters, to, columns).map(Self::Any),
		}
	}
}

/// Parameters for which 32 bits are enough, each as long as C is wide.
pub(super) struct Quick {
	multiplier: Vec<i32>,
	shift: Vec<i32>,
	bias: Vec<i32>,
}

impl Quick {
	/// Nothing where parameters or processor ask for another way.
	fn new(parameters: &[Source], columns: usize, largest: i64) -> Option<Self> {
		if !available() {
			return None;
		}
		let spread = |at: usize| match parameters.get(at).map(Source::numbers) {
			Some(numbers) if numbers.len() == columns => Some(numbers),
			Some(numbers) if numbers.len() == 1 => Some(vec![numbers[0]; columns]),
			None if at == 2 => Some(vec![0; columns]),
			_ => None,
		};
		// A loop without an early end, which the compiler makes vectors of.
		let within = |values: &[i32], lo: i32, hi: i32| {
			values.iter().fold(true, |within, value| within & (lo <= *value) & (*value <= hi))
		};
		let most = i32::try_from(i64::from(i32::MAX) - largest).ok().filter(|&most| most >= 0)?;
		let (multiplier, shift, bias) = (spread(0)?, spread(1)?, spread(2)?);
		let fits = within(&multiplier, 0, i16::MAX.into())
			&& within(&shift, 17, 46)
			&& within(&bias, -most, most);
		fits.then_some(Self { multiplier, shift, bias })
	}
}

fn available() -> bool {
	#[cfg(target_arch = "x86_64")]
	return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
	#[cfg(not(target_arch = "x86_64"))]
	false
}

/// A result of narrowed sums.
pub(super) struct Narrowed<'a, T> {
	pub(super) epilogue: &'a Epilogue,
	pub(super) rows: Rows<'a, T>,
}

impl<T: Element> Sink<i32> for Narrowed<'_, T> {
	fn row(&self, row: usize, column: usize, sums: &[i32]) {
		self.block(row..row + 1, column..column + sums.len(), sums, sums.len());
	}

	fn block(&self, rows: Range<usize>, columns: Range<usize>, sums: &[i32], stride: usize) {
		// SAFETY: a product emits each sum once.
		unsafe { self.epilogue.store(&self.rows, rows, columns, (sums, stride)) };
	}
}

impl Epilogue {
	/// Puts the results of a block in their place. Its rows of sums are `stride` apart, and only as many
	/// as there are columns count.
	///
	/// # Safety
	/// Nobody else may have these sums.
	pub(super) unsafe fn store<T: Element>(
		&self,
		out: &Rows<'_, T>,
		rows: Range<usize>,
		columns: Range<usize>,
		(sums, stride): (&[i32], usize),
	) {
		let requant = match self {
			#[cfg(target_arch = "x86_64")]
			// SAFETY: `Quick` is only made where the processor has the features.
			Self::Quick(quick) => {
				return unsafe { quick_block(quick, out, rows, columns, (sums, stride)) };
			}
			#[cfg(not(target_arch = "x86_64"))]
			Self::Quick(_) => unreachable!("not available here"),
			Self::Any(requant) => requant,
		};
		for (row, sums) in rows.zip(sums.chunks(stride.max(1))) {
			let sums = &sums[..columns.len()];
			// SAFETY: as the caller promises.
			let out = unsafe { out.segment(row, columns.start, sums.len()) };
			requant.apply(columns.start, sums, out);
		}
	}
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn quick_block<T: Element>(
	quick: &Quick,
	out: &Rows<'_, T>,
	rows: Range<usize>,
	columns: Range<usize>,
	(sums, stride): (&[i32], usize),
) {
	use core::arch::x86_64::*;
	const LANES: usize = 16;
	for start in (0..columns.len()).step_by(LANES) {
		let column = columns.start + start;
		let count = LANES.min(columns.len() - start);
		let mask = (u32::MAX >> (32 - count)) as __mmask16;
		let lanes = column..column + count;
		let load = |values: &[i32]| {
			// SAFETY: `values` has the masked lanes.
			unsafe { _mm512_maskz_loadu_epi32(mask, values.as_ptr()) }
		};
		let m = load(&quick.multiplier[lanes.clone()]);
		let s = _mm512_sub_epi32(load(&quick.shift[lanes.clone()]), _mm512_set1_epi32(16));
		let bias = load(&quick.bias[lanes]);
		let upper = _mm512_slli_epi32::<16>(m);
		let half = _mm512_srli_epi32::<1>(_mm512_sllv_epi32(_mm512_set1_epi32(1), s));
		for (at, row) in rows.clone().enumerate() {
			let sums = &sums[at * stride + start..][..count];
			// SAFETY: a product emits each sum once.
			let out = unsafe { out.segment(row, column, count) };
			let sum = _mm512_add_epi32(load(sums), bias);
			let top = _mm512_madd_epi16(sum, upper);
			let top = _mm512_add_epi32(top, _mm512_mulhi_epu16(sum, m));
			let shifted = _mm512_srav_epi32(_mm512_add_epi32(top, half), s);
			match T::DTYPE {
				DType::I8 => store(out, &_mm512_cvtsepi32_epi8(shifted)),
				DType::I16 => store(out, &_mm512_cvtsepi32_epi16(shifted)),
				DType::I32 => store(out, &shifted),
			}
		}
	}
}

/// The first values of a vector.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn store<T: Element, V>(out: &mut [T], vector: &V) {
	assert!(size_of_val(out) <= size_of::<V>(), "more values than a vector has");
	let to = out.as_mut_ptr();
	// SAFETY: what is read is within the vector, as just asked, and what is written is the slice; a
	// vector's bytes are values of any element.
	unsafe {
		if size_of_val(out) == size_of::<V>() {
			// The compiler knows this length, and makes it one instruction.
			core::ptr::copy_nonoverlapping(
				core::ptr::from_ref(vector).cast(),
				to.cast::<u8>(),
				size_of::<V>(),
			);
		} else {
			core::ptr::copy_nonoverlapping(core::ptr::from_ref(vector).cast(), to, out.len());
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{testing::Rng, Affine, Buffer, Operand};
	use assay_ops::{saturate_shift, Shape};
	use std::sync::Arc;

	fn with_sources<R>(values: [Vec<i32>; 3], run: impl FnOnce(&[Source]) -> R) -> R {
		let shape = Shape::new(&[values[0].len() as u32]).unwrap();
		let buffers = values.map(|values| Arc::new(Buffer::I32(values)));
		let affine = Affine::new(&shape, None);
		let sources: Vec<_> =
			buffers.iter().map(|value| Source::new(&Operand { value, shape, affine })).collect();
		run(&sources)
	}

	fn check<T: Element>(rng: &mut Rng, k: i64, to: DType) -> bool {
		let (rows, columns) = (rng.range(1, 34) as usize, rng.range(1, 70) as usize);
		let largest = k << 14;
		let most = i64::from(i32::MAX) - largest;
		let mut column = |min: i64, max: i64| -> Vec<i32> {
			let mut value = || match rng.below(4) {
				0 => min,
				1 => max,
				_ => rng.range(min, max),
			};
			(0..columns).map(|_| value() as i32).collect()
		};
		let (multiplier, shift, bias) = (column(0, 32767), column(17, 46), column(-most, most));
		let stride = columns + 3;
		let sums: Vec<i32> = (0..rows)
			.flat_map(|_| {
				let mut row = column(-largest, largest);
				row.extend([i32::MAX; 3]);
				row
			})
			.collect();
		let expected: Vec<i32> = sums
			.chunks(stride)
			.flat_map(|sums| {
				let narrow = |at: usize| {
					let sum = i64::from(sums[at]) + i64::from(bias[at]);
					saturate_shift(sum * i64::from(multiplier[at]), shift[at] as i8, to)
				};
				(0..columns).map(narrow).collect::<Vec<_>>()
			})
			.collect();
		let epilogue = with_sources([multiplier, shift, bias], |sources| {
			Epilogue::new(sources, to, columns, largest).unwrap()
		});
		let mut out = vec![T::zeroed(); rows * columns];
		let narrowed = Narrowed { epilogue: &epilogue, rows: Rows::new(&mut out, columns) };
		narrowed.block(0..rows, 0..columns, &sums, stride);
		let found: Vec<i32> = out.iter().map(|&value| value.into()).collect();
		assert_eq!(found, expected, "{rows} × {columns}, k {k}, to {to:?}");
		matches!(epilogue, Epilogue::Quick(_))
	}

	#[test]
	fn blocks_should_equal_the_definition_when_parameters_are_extreme() {
		let mut rng = Rng::seeded("fused");
		for _ in 0..500 {
			for k in [1, 64, 131_071] {
				assert_eq!(check::<i8>(&mut rng, k, DType::I8), available());
				assert_eq!(check::<i16>(&mut rng, k, DType::I16), available());
			}
		}
	}

	#[test]
	fn the_quick_way_should_be_left_when_32_bits_are_not_enough() {
		let quick = |m: i32, s: i32, bias: i32, largest: i64| {
			with_sources([vec![m; 3], vec![s; 3], vec![bias; 3]], |sources| {
				matches!(Epilogue::new(sources, DType::I8, 3, largest), Ok(Epilogue::Quick(_)))
			})
		};
		assert_eq!(quick(1, 17, 0, 1 << 14), available());
		for (m, s, bias, largest) in [
			(-1, 17, 0, 1),
			(1, 16, 0, 1),
			(1, 47, 0, 1),
			(1, 17, i32::MAX, 1),
			(1, 17, i32::MIN, 0),
			(1, 17, 0, 1 << 31),
		] {
			assert!(!quick(m, s, bias, largest), "{m} {s} {bias} {largest}");
		}
	}
}

//! [`Op::Requant`](assay_ops::Op::Requant) on blocks of sums that a product has just made.
//!
//! For shifts of 17 to 46 and multipliers that are not negative, which is what importers choose, 32
//! bits are enough. With `a = 65536 · hi + lo` the definition's `(a · m + 2^(s−1)) >> s` is
//! `(hi · m + ((lo · m) >> 16) + 2^(s−17)) >> (s − 16)`, since the last 16 bits of `a · m` only
//! matter for a carry that rounding does not need: 2^(s−1) is a multiple of 2^16. `hi · m` is one
//! `vpmaddwd` with m in the upper half of each lane, `(lo · m) >> 16` one `vpmulhuw` with m in the
//! lower half.

#[cfg(target_arch = "aarch64")]
mod neon;

use super::{elementwise::Requant, Source};
use crate::{gemm::Sink, segments::Rows, Element, ExecError};
use assay_ops::DType;
use core::ops::Range;

/// What becomes of the sums of a product.
#[cfg_attr(
	not(any(target_arch = "x86_64", target_arch = "aarch64")),
	allow(dead_code, reason = "made for AVX-512 and NEON alone")
)]
pub(super) enum Epilogue {
	Quick(Quick),
	Any(Requant),
}

impl Epilogue {
	/// `parameters` are those of the operator, `columns` is what C is wide, and no sum is larger
	/// than `largest` in size.
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
#[cfg_attr(
	not(any(target_arch = "x86_64", target_arch = "aarch64")),
	allow(dead_code, reason = "made for AVX-512 and NEON alone")
)]
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
	// With NEON, which every such processor has.
	#[cfg(not(target_arch = "x86_64"))]
	cfg!(target_arch = "aarch64")
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
	/// Puts the results of a block in their place. Its rows of sums are `stride` apart, and only as
	/// many as there are columns count.
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
			#[cfg(target_arch = "aarch64")]
			// SAFETY: every processor of the architecture has NEON.
			Self::Quick(quick) => {
				return unsafe { neon::block(quick, out, rows, columns, (sums, stride)) };
			}
			#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
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

/// Columns of a vector.
#[cfg(target_arch = "x86_64")]
const LANES: usize = 16;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn quick_block<T: Element>(
	quick: &Quick,
	out: &Rows<'_, T>,
	rows: Range<usize>,
	columns: Range<usize>,
	(sums, stride): (&[i32], usize),
) {
	if rows.is_empty() || columns.is_empty() {
		return;
	}
	assert!(sums.len() >= (rows.len() - 1) * stride + columns.len(), "fewer sums than a block has");
	let wide = [&quick.multiplier, &quick.shift, &quick.bias].map(|values| values.len());
	assert!(wide.into_iter().all(|len| columns.end <= len), "columns without parameters");
	let (to, apart) = out.block(rows.clone(), columns.clone());
	let mut done = 0;
	while done < columns.len() {
		let lanes = columns.len() - done;
		let parameters = [&quick.multiplier, &quick.shift, &quick.bias]
			.map(|values| values[columns.start + done..].as_ptr());
		// SAFETY: there are so many rows and columns of sums, of the result and of parameters from
		// these places on, as just asked; a product emits each sum once, so that nobody else is at
		// this block.
		unsafe {
			let (from, to) = (sums.as_ptr().add(done), to.add(done));
			let (from, to) = ((from, stride), (to, apart));
			match lanes {
				32.. => quick_lanes::<T, 2>(parameters, rows.len(), u16::MAX, from, to),
				16.. => quick_lanes::<T, 1>(parameters, rows.len(), u16::MAX, from, to),
				_ => quick_lanes::<T, 1>(parameters, rows.len(), (1 << lanes) - 1, from, to),
			}
		}
		done += lanes.min(if lanes >= 2 * LANES { 2 * LANES } else { LANES });
	}
}

/// `V` vectors of columns, or the columns of `mask`, in so many rows; strides are in elements.
///
/// # Safety
/// All of them are there, for reading parameters and sums and for writing results.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn quick_lanes<T: Element, const V: usize>(
	[multiplier, shift, bias]: [*const i32; 3],
	rows: usize,
	mask: u16,
	(from, stride): (*const i32, usize),
	(to, apart): (*mut T, usize),
) {
	use core::arch::x86_64::*;
	let zero = [_mm512_setzero_si512(); V];
	let (mut m, mut upper, mut s, mut half, mut b) = (zero, zero, zero, zero, zero);
	for at in 0..V {
		// SAFETY: the columns of the mask are there by the caller's promise.
		unsafe {
			m[at] = _mm512_maskz_loadu_epi32(mask, multiplier.add(at * LANES));
			s[at] = _mm512_maskz_loadu_epi32(mask, shift.add(at * LANES));
			b[at] = _mm512_maskz_loadu_epi32(mask, bias.add(at * LANES));
		}
		upper[at] = _mm512_slli_epi32::<16>(m[at]);
		// Columns that are not there get a shift by 1, for no reason but to be defined.
		s[at] = _mm512_sub_epi32(s[at], _mm512_set1_epi32(16));
		s[at] = _mm512_max_epi32(s[at], _mm512_set1_epi32(1));
		half[at] = _mm512_srli_epi32::<1>(_mm512_sllv_epi32(_mm512_set1_epi32(1), s[at]));
	}
	for row in 0..rows {
		for at in 0..V {
			// SAFETY: as above.
			let sum = unsafe {
				let from = from.add(row * stride + at * LANES);
				match mask {
					u16::MAX => _mm512_loadu_si512(from.cast()),
					_ => _mm512_maskz_loadu_epi32(mask, from),
				}
			};
			let sum = _mm512_add_epi32(sum, b[at]);
			let top = _mm512_madd_epi16(sum, upper[at]);
			let top = _mm512_add_epi32(top, upper_product(sum, m[at]));
			let narrow = _mm512_srav_epi32(_mm512_add_epi32(top, half[at]), s[at]);
			// SAFETY: as above; the element is of the size that is written.
			unsafe {
				let to = to.add(row * apart + at * LANES);
				match (T::DTYPE, mask) {
					(DType::I8, u16::MAX) => {
						_mm_storeu_si128(to.cast(), _mm512_cvtsepi32_epi8(narrow))
					}
					(DType::I16, u16::MAX) => {
						_mm256_storeu_si256(to.cast(), _mm512_cvtsepi32_epi16(narrow))
					}
					(DType::I8, _) => _mm512_mask_cvtsepi32_storeu_epi8(to.cast(), mask, narrow),
					(DType::I16, _) => _mm512_mask_cvtsepi32_storeu_epi16(to.cast(), mask, narrow),
					(DType::I32, _) => _mm512_mask_storeu_epi32(to.cast(), mask, narrow),
				}
			}
		}
	}
}

/// The upper halves of unsigned products of 16 bits. The compiler makes six instructions of the
/// intrinsic.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn upper_product(
	x: core::arch::x86_64::__m512i,
	y: core::arch::x86_64::__m512i,
) -> core::arch::x86_64::__m512i {
	let product;
	// SAFETY: the function has the feature of this instruction, which only works on registers.
	unsafe {
		core::arch::asm!(
			"vpmulhuw {product}, {x}, {y}",
			product = lateout(zmm_reg) product,
			x = in(zmm_reg) x,
			y = in(zmm_reg) y,
			options(pure, nomem, nostack, preserves_flags),
		);
	}
	product
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{Affine, Buffer, Operand};
	use assay_ops::{saturate_shift, Shape};
	use assay_testing::{Draw, Rng};
	use std::sync::Arc;

	fn with_sources<R>(values: [Vec<i32>; 3], run: impl FnOnce(&[Source]) -> R) -> R {
		let shape = Shape::new(&[values[0].len() as u32]).unwrap();
		let buffers = values.map(|values| Arc::new(Buffer::I32(values.into())));
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

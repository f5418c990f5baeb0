//! Products so small that packing operands for the large kernels would take longer than the
//! products.

use crate::simd::vectorised;

/// Multiplications up to which a product is small.
const PRODUCTS: usize = 1 << 18;

/// Whether a product of these sizes is small.
pub(super) fn is_small(m: usize, n: usize, k: usize) -> bool {
	m.saturating_mul(n).saturating_mul(k) <= PRODUCTS
}

/// Columns come in multiples of this; what is too many is zeros.
const EDGE: usize = 8;

/// Rows of a that are too few to turn b for.
const FEW: usize = 3;

/// What products of elements, widened to i32, are summed in.
pub(super) trait Sum: Copy + Default + From<i32> {
	/// `Σ x · b[i]` into `sums[i]` for every x of `a` and its row of `b`, as many as `sums` long.
	fn row(sums: &mut [Self], a: &[i32], b: &[Self]);

	/// `Σ a[i] · b[i]`.
	fn dot<F: Copy + Into<i32>>(a: &[F], b: &[F]) -> Self;
}

/// [`Sum::row`] for a type and its product of an i32 with what was one.
macro_rules! sum {
	($type:ty, $product:expr) => {
		impl Sum for $type {
			fn row(sums: &mut [Self], a: &[i32], b: &[Self]) {
				/// The sums of LANES columns, which stay in registers.
				#[inline(always)]
				fn block<const LANES: usize>(
					sums: &mut [$type],
					a: &[i32],
					b: &[$type],
					(n, column): (usize, usize),
				) {
					let product: fn(i32, $type) -> $type = $product;
					let mut block = [0; LANES];
					for (&x, row) in a.iter().zip(b.chunks_exact(n)) {
						let row: &[$type; LANES] =
							row[column..][..LANES].try_into().expect("as many as were taken; qed");
						for lane in 0..LANES {
							block[lane] += product(x, row[lane]);
						}
					}
					sums[column..][..LANES].copy_from_slice(&block);
				}
				vectorised! {
					fn run[](sums: &mut [$type], a: &[i32], b: &[$type]) {
						let n = sums.len();
						let mut column = 0;
						while column + 4 * EDGE <= n {
							block::<{ 4 * EDGE }>(sums, a, b, (n, column));
							column += 4 * EDGE;
						}
						if column + 2 * EDGE <= n {
							block::<{ 2 * EDGE }>(sums, a, b, (n, column));
							column += 2 * EDGE;
						}
						if column < n {
							block::<EDGE>(sums, a, b, (n, column));
						}
					}
				}
				debug_assert!(sums.len().is_multiple_of(EDGE));
				run(sums, a, b);
			}

			fn dot<F: Copy + Into<i32>>(a: &[F], b: &[F]) -> Self {
				vectorised! {
					fn run[F: Copy + Into<i32>](a: &[F], b: &[F]) -> $type {
						let product: fn(i32, $type) -> $type = $product;
						let products = a.iter().zip(b).map(|(&x, &y)| {
							let (x, y): (i32, i32) = (x.into(), y.into());
							product(x, <$type>::from(y))
						});
						products.sum()
					}
				}
				run(a, b)
			}
		}
	};
}
sum!(i32, |x, y| x * y);
// The cast says that 32 bits are enough, for which there is a faster instruction.
sum!(i64, |x, y| i64::from(x) * i64::from(y as i32));

/// Memory of products that follow each other.
#[derive(Default)]
pub(super) struct Scratch<S> {
	turned: Vec<S>,
	sums: Vec<S>,
	left: Vec<i32>,
}

/// The exact sums of `a · bᵀ`, row by row: `emit(row, sums)`. Rows of `a` and `b` are `k` long.
pub(super) fn product<S: Sum, F: Copy + Into<i32>>(
	scratch: &mut Scratch<S>,
	(n, k): (usize, usize),
	(a, b): (&[F], &[F]),
	mut emit: impl FnMut(usize, &[S]),
) {
	let width = n.next_multiple_of(EDGE);
	let Scratch { turned, sums, left } = scratch;
	if a.len() / k < FEW {
		// Turning b would take longer than its products.
		sums.resize(n, S::default());
		for (row, a) in a.chunks_exact(k).enumerate() {
			for (sum, b) in sums.iter_mut().zip(b.chunks_exact(k)) {
				*sum = S::dot(a, b);
			}
			emit(row, &sums[..n]);
		}
		return;
	}
	// b turned over, so that a row of results is a sum of rows.
	turned.clear();
	turned.resize(width * k, S::default());
	for (column, row) in b.chunks_exact(k).enumerate() {
		for (to, &from) in turned[column..].iter_mut().step_by(width).zip(row) {
			*to = S::from(from.into());
		}
	}
	sums.resize(width, S::default());
	left.resize(k, 0);
	for (row, a) in a.chunks_exact(k).enumerate() {
		left.iter_mut().zip(a).for_each(|(to, &from)| *to = from.into());
		S::row(sums, left, turned);
		emit(row, &sums[..n]);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_testing::{Draw, Rng};

	fn holds<S: Sum + PartialEq + core::fmt::Debug>(
		most: i64,
		multiply: impl Fn(i32, i32) -> S + Copy,
		add: impl Fn(S, S) -> S + Copy,
	) {
		let mut rng = Rng::seeded("small products");
		let mut scratch = Scratch::default();
		for (m, n, k) in [(1, 1, 1), (3, 8, 5), (2, 12, 32), (5, 33, 7), (4, 64, 12), (7, 57, 3)] {
			let mut values = |count: usize| -> Vec<i32> {
				(0..count)
					.map(|_| match rng.below(4) {
						0 => -most as i32,
						1 => most as i32 - 1,
						_ => rng.range(-most, most - 1) as i32,
					})
					.collect()
			};
			let (a, b) = (values(m * k), values(n * k));
			let mut found = vec![];
			product(&mut scratch, (n, k), (&a, &b), |row, sums: &[S]| {
				assert_eq!(row * n, found.len());
				found.extend_from_slice(sums);
			});
			let expected: Vec<S> = (0..m * n)
				.map(|at| {
					let (row, column) = (at / n, at % n);
					(0..k).fold(S::default(), |sum, i| {
						add(sum, multiply(a[row * k + i], b[column * k + i]))
					})
				})
				.collect();
			assert_eq!(found, expected, "{m} × {n} × {k}");
		}
	}

	#[test]
	fn small_products_should_be_exact_when_widths_are_ragged() {
		holds::<i32>(1 << 7, |x, y| x * y, |x, y| x + y);
		holds::<i64>(1 << 15, |x, y| i64::from(x) * i64::from(y), |x, y| x + y);
	}
}

//! Products so small that packing operands for the large kernels would take longer than the products.

use crate::simd::vectorised;

/// Multiplications up to which a product is small.
const PRODUCTS: usize = 1 << 18;

/// Whether a product of these sizes is small.
pub(super) fn is_small(m: usize, n: usize, k: usize) -> bool {
	m.saturating_mul(n).saturating_mul(k) <= PRODUCTS
}

/// A type of elements, widened to i32, with what their products are summed in.
pub(super) trait Sum: Copy + Default {
	/// Adds `x · b[i]` to `sums[i]` for every x of `a` and its row of `b`, as many as `sums` long.
	fn add_row(sums: &mut [Self], a: &[i32], b: &[i32]);
}

impl Sum for i32 {
	fn add_row(sums: &mut [Self], a: &[i32], b: &[i32]) {
		vectorised! {
			fn run[](sums: &mut [i32], a: &[i32], b: &[i32]) {
				for (&x, b) in a.iter().zip(b.chunks_exact(sums.len())) {
					sums.iter_mut().zip(b).for_each(|(sum, &y)| *sum += x * y);
				}
			}
		}
		run(sums, a, b);
	}
}

impl Sum for i64 {
	fn add_row(sums: &mut [Self], a: &[i32], b: &[i32]) {
		vectorised! {
			fn run[](sums: &mut [i64], a: &[i32], b: &[i32]) {
				for (&x, b) in a.iter().zip(b.chunks_exact(sums.len())) {
					let products = b.iter().map(|&y| i64::from(x) * i64::from(y));
					sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
				}
			}
		}
		run(sums, a, b);
	}
}

/// The exact sums of `a · bᵀ`, row by row: `emit(row, sums)`. Rows of `a` and `b` are `k` long.
pub(super) fn product<S: Sum, F: Copy + Into<i32>>(
	(n, k): (usize, usize),
	a: &[F],
	b: &[F],
	mut emit: impl FnMut(usize, &[S]),
) {
	// b turned over, so that a row of results is a sum of rows.
	let mut turned = vec![0; n * k];
	for (column, row) in b.chunks_exact(k).enumerate() {
		for (to, &from) in turned[column..].iter_mut().step_by(n).zip(row) {
			*to = from.into();
		}
	}
	let (mut sums, mut left) = (vec![S::default(); n], vec![0; k]);
	for (row, a) in a.chunks_exact(k).enumerate() {
		left.iter_mut().zip(a).for_each(|(to, &from)| *to = from.into());
		sums.fill(S::default());
		S::add_row(&mut sums, &left, &turned);
		emit(row, &sums);
	}
}

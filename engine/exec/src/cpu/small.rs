//! Products so small that packing operands for the large kernels would take longer than the products.

use crate::simd::vectorised;

/// Multiplications up to which a product is small.
const PRODUCTS: usize = 1 << 18;

/// Whether a product of these sizes is small.
pub(super) fn is_small(m: usize, n: usize, k: usize) -> bool {
	m.saturating_mul(n).saturating_mul(k) <= PRODUCTS
}

/// Columns whose sums stay in registers.
const LANES: usize = 32;

/// What products of elements, widened to i32, are summed in.
pub(super) trait Sum: Copy + Default + From<i32> {
	/// `Σ x · b[i]` into `sums[i]` for every x of `a` and its row of `b`, as many as `sums` long.
	fn row(sums: &mut [Self], a: &[i32], b: &[Self]);
}

/// [`Sum::row`] for a type and its product of an i32 with what was one.
macro_rules! sum {
	($type:ty, $product:expr) => {
		impl Sum for $type {
			fn row(sums: &mut [Self], a: &[i32], b: &[Self]) {
				vectorised! {
					fn run[](sums: &mut [$type], a: &[i32], b: &[$type]) {
						let product: fn(i32, $type) -> $type = $product;
						let n = sums.len();
						let mut blocks = sums.chunks_exact_mut(LANES);
						let mut column = 0;
						for block in &mut blocks {
							let mut block_sums = [0; LANES];
							for (&x, row) in a.iter().zip(b.chunks_exact(n)) {
								let row: &[$type; LANES] = row[column..][..LANES]
									.try_into()
									.expect("as many as were taken; qed");
								for lane in 0..LANES {
									block_sums[lane] += product(x, row[lane]);
								}
							}
							block.copy_from_slice(&block_sums);
							column += LANES;
						}
						let rest = blocks.into_remainder();
						rest.fill(0);
						for (&x, row) in a.iter().zip(b.chunks_exact(n)) {
							let row = row[column..].iter();
							rest.iter_mut().zip(row).for_each(|(sum, &y)| *sum += product(x, y));
						}
					}
				}
				run(sums, a, b);
			}
		}
	};
}
sum!(i32, |x, y| x * y);
// The cast says that 32 bits are enough, for which there is a faster instruction.
sum!(i64, |x, y| i64::from(x) * i64::from(y as i32));

/// The exact sums of `a · bᵀ`, row by row: `emit(row, sums)`. Rows of `a` and `b` are `k` long.
pub(super) fn product<S: Sum, F: Copy + Into<i32>>(
	(n, k): (usize, usize),
	a: &[F],
	b: &[F],
	mut emit: impl FnMut(usize, &[S]),
) {
	// b turned over, so that a row of results is a sum of rows.
	let mut turned = vec![S::default(); n * k];
	for (column, row) in b.chunks_exact(k).enumerate() {
		for (to, &from) in turned[column..].iter_mut().step_by(n).zip(row) {
			*to = S::from(from.into());
		}
	}
	let (mut sums, mut left) = (vec![S::default(); n], vec![0; k]);
	for (row, a) in a.chunks_exact(k).enumerate() {
		left.iter_mut().zip(a).for_each(|(to, &from)| *to = from.into());
		S::row(&mut sums, &left, &turned);
		emit(row, &sums);
	}
}

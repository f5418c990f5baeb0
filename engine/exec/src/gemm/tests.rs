use super::*;
use crate::testing::Rng;
use std::sync::Mutex;

fn collect<T: Copy + Default + Send>(
	sizes: Sizes,
	run: impl FnOnce(&(dyn Fn(usize, usize, &[T]) + Sync)),
) -> Vec<T> {
	let out = Mutex::new(vec![None; sizes.m * sizes.n]);
	run(&|row, column, sums| {
		let mut out = out.lock().unwrap();
		for (at, sum) in sums.iter().enumerate() {
			let place = &mut out[row * sizes.n + column + at];
			assert!(place.is_none(), "a sum was emitted twice");
			*place = Some(*sum);
		}
	});
	out.into_inner().unwrap().into_iter().map(|sum| sum.expect("a sum is missing")).collect()
}

fn sizes(rng: &mut Rng) -> Sizes {
	let edges = [1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 15, 16, 17, 31, 32, 33, 47, 64, 65, 97, 130];
	let mut edge = || edges[rng.below(edges.len() as u64) as usize];
	Sizes { m: edge(), n: edge(), k: edge() }
}

/// Values of one kind per matrix: all extremes are met, and so are sums of equal signs.
fn fill(rng: &mut Rng, len: usize, min: i32, max: i32) -> Vec<i32> {
	match rng.below(4) {
		0 => vec![min; len],
		1 => vec![max; len],
		2 => (0..len).map(|_| if rng.below(2) == 0 { min } else { max }).collect(),
		_ => (0..len).map(|_| rng.range(min.into(), max.into()) as i32).collect(),
	}
}

#[test]
fn gemm_i8_should_equal_exact_sums_when_run_on_every_path() {
	let mut rng = Rng::seeded("gemm_i8");
	for _ in 0..120 {
		let sizes = sizes(&mut rng);
		let a = fill(&mut rng, sizes.m * sizes.k, -128, 127);
		let b = fill(&mut rng, sizes.n * sizes.k, -128, 127);
		let exact: Vec<i32> = (0..sizes.m * sizes.n)
			.map(|at| {
				let (row, column) = (at / sizes.n * sizes.k, at % sizes.n * sizes.k);
				(0..sizes.k).map(|k| a[row + k] * b[column + k]).sum()
			})
			.collect();
		let a: Vec<i8> = a.iter().map(|&x| x as i8).collect();
		let b: Vec<i8> = b.iter().map(|&x| x as i8).collect();
		for path in Path::available() {
			let got = collect(sizes, |emit| gemm_i8(path, sizes, &a, &b, emit));
			assert!(got == exact, "{} differs at {sizes:?}", path.name());
		}
	}
}

#[test]
fn gemm_i8_should_not_wrap_when_a_long_sum_reaches_the_bound_of_i32() {
	// 131,071 · 16,384 is the largest multiple of (−128)² below 2^31.
	for m in [2, 9] {
		let sizes = Sizes { m, n: 3, k: 131_071 };
		let a = vec![-128i8; sizes.m * sizes.k];
		let b = vec![-128i8; sizes.n * sizes.k];
		for path in Path::available() {
			let got = collect(sizes, |emit| gemm_i8(path, sizes, &a, &b, emit));
			assert_eq!(got, vec![131_071 * 16_384; 3 * m], "{}", path.name());
		}
	}
}

#[test]
fn gemm_i16_should_equal_exact_sums_when_run_on_every_path() {
	let mut rng = Rng::seeded("gemm_i16");
	for _ in 0..120 {
		let sizes = sizes(&mut rng);
		let a = fill(&mut rng, sizes.m * sizes.k, -32768, 32767);
		let b = fill(&mut rng, sizes.n * sizes.k, -32768, 32767);
		let exact: Vec<i64> = (0..sizes.m * sizes.n)
			.map(|at| {
				let (row, column) = (at / sizes.n * sizes.k, at % sizes.n * sizes.k);
				(0..sizes.k).map(|k| i64::from(a[row + k]) * i64::from(b[column + k])).sum()
			})
			.collect();
		let a: Vec<i16> = a.iter().map(|&x| x as i16).collect();
		let b: Vec<i16> = b.iter().map(|&x| x as i16).collect();
		for path in Path::available() {
			let got = collect(sizes, |emit| gemm_i16(path, sizes, &a, &b, emit));
			assert!(got == exact, "{} differs at {sizes:?}", path.name());
		}
	}
}

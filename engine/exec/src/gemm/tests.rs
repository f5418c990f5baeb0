use super::*;
use crate::Elements;
use assay_testing::{Draw, Rng};
use std::sync::Mutex;

/// What runs tests on emulated processors says here which paths they must be found to have, by
/// [`Path::name`], with commas.
const EXPECTED_PATHS: &str = "ASSAY_EXPECTED_PATHS";

#[test]
fn paths_should_be_those_of_the_processor_when_they_are_looked_for() {
	let paths = Path::available();
	let names: Vec<_> = paths.iter().map(|path| path.name()).collect();
	println!("paths: {}", names.join(","));
	assert!(paths.is_sorted_by_key(|path| path.speed()), "the fastest one is the last one");
	assert_eq!(Path::best(), paths[paths.len() - 1]);
	assert_eq!(paths[0], Path::Portable);
	// Every processor of this architecture has NEON.
	assert_eq!(paths.contains(&Path::Neon), cfg!(target_arch = "aarch64"));
	if let Ok(expected) = std::env::var(EXPECTED_PATHS) {
		assert_eq!(names.join(","), expected, "by {EXPECTED_PATHS}");
	}
}

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

fn exact<T: Copy + Into<i64>>(sizes: Sizes, a: &[T], b: &[T]) -> Vec<i64> {
	let Sizes { m, n, k } = sizes;
	let row = |all: &[T], at: usize| -> Vec<i64> {
		all[at * k..][..k].iter().map(|&value| value.into()).collect()
	};
	let (a, b): (Vec<_>, Vec<_>) =
		((0..m).map(|at| row(a, at)).collect(), (0..n).map(|at| row(b, at)).collect());
	let sum = |x: &[i64], y: &[i64]| x.iter().zip(y).map(|(x, y)| x * y).sum();
	a.iter().flat_map(|x| b.iter().map(move |y| sum(x, y))).collect()
}

/// Every path, with B as it lies and packed.
fn check_i8(sizes: Sizes, a: &[i8], b: &[i8]) {
	let exact = exact(sizes, a, b);
	for path in Path::available() {
		let packed = pack_i8(path, sizes.n, sizes.k, b);
		for right in [Some(Right::Rows(b)), packed.as_ref().map(Right::Packed)] {
			let Some(right) = right else { continue };
			let found: Vec<i32> = collect(sizes, |emit| gemm_i8(path, sizes, a, right, emit));
			let same = found.iter().zip(&exact).all(|(&found, &exact)| i64::from(found) == exact);
			let how = if matches!(right, Right::Rows(_)) { "rows" } else { "packed" };
			assert!(same, "{} ({how}) differs at {sizes:?}", path.name());
			// What is there before must not matter, nor what is around it change.
			let mut whole = vec![i32::MIN + 7; sizes.m * sizes.n + 2];
			let out = &mut whole[1..=sizes.m * sizes.n];
			gemm_i8_into(path, sizes, a, right, out);
			assert!(out == found, "{} ({how}) stored differs at {sizes:?}", path.name());
			assert!(whole[0] == i32::MIN + 7 && whole[whole.len() - 1] == i32::MIN + 7);
		}
	}
}

/// As [`check_i8`].
fn check_i16(sizes: Sizes, a: &[i16], b: &[i16]) {
	let exact = exact(sizes, a, b);
	for path in Path::available() {
		let packed = pack_i16(path, sizes.n, sizes.k, b);
		for right in [Some(Right::Rows(b)), packed.as_ref().map(Right::Packed)] {
			let Some(right) = right else { continue };
			let found: Vec<i64> = collect(sizes, |emit| gemm_i16(path, sizes, a, right, emit));
			let how = if matches!(right, Right::Rows(_)) { "rows" } else { "packed" };
			assert!(found == exact, "{} ({how}) differs at {sizes:?}", path.name());
		}
	}
}

fn sizes(rng: &mut Rng) -> Sizes {
	let edges = [
		1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 97, 128, 130, 191,
	];
	let mut edge = || edges[rng.below(edges.len() as u64) as usize];
	Sizes { m: edge(), n: edge(), k: edge() }
}

/// Values of one kind per matrix: all extremes are met, and so are sums of equal signs.
fn fill<T: TryFrom<i64>>(rng: &mut Rng, len: usize, min: i64, max: i64) -> Vec<T> {
	let kind = rng.below(5);
	let mut value = || match kind {
		0 => min,
		1 => max,
		2 => [min, max][rng.below(2) as usize],
		3 => [min, -1, 0, 1, max][rng.below(5) as usize],
		_ => rng.range(min, max),
	};
	let value = |_| T::try_from(value()).unwrap_or_else(|_| unreachable!("within the type"));
	(0..len).map(value).collect()
}

#[test]
fn gemm_i8_should_equal_exact_sums_when_run_on_every_path() {
	let mut rng = Rng::seeded("gemm_i8");
	for _ in 0..300 {
		let sizes = sizes(&mut rng);
		let a = fill(&mut rng, sizes.m * sizes.k, -128, 127);
		let b = fill(&mut rng, sizes.n * sizes.k, -128, 127);
		check_i8(sizes, &a, &b);
	}
}

#[test]
fn gemm_i16_should_equal_exact_sums_when_run_on_every_path() {
	let mut rng = Rng::seeded("gemm_i16");
	for _ in 0..300 {
		let sizes = sizes(&mut rng);
		let a = fill(&mut rng, sizes.m * sizes.k, -32768, 32767);
		let b = fill(&mut rng, sizes.n * sizes.k, -32768, 32767);
		check_i16(sizes, &a, &b);
	}
}

#[test]
fn gemm_should_equal_exact_sums_when_k_is_any_length_near_an_edge() {
	let mut rng = Rng::seeded("gemm-k");
	let lengths = (1..=70).chain([127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1025]);
	for k in lengths {
		for (m, n) in [(1, 19), (5, 3), (9, 35), (35, 9), (17, 17)] {
			let sizes = Sizes { m, n, k };
			let (a, b) = (fill(&mut rng, m * k, -128, 127), fill(&mut rng, n * k, -128, 127));
			check_i8(sizes, &a, &b);
			let a = fill(&mut rng, m * k, -32768, 32767);
			let b = fill(&mut rng, n * k, -32768, 32767);
			check_i16(sizes, &a, &b);
		}
	}
}

#[test]
fn gemm_should_equal_exact_sums_when_large_enough_for_many_tasks() {
	let mut rng = Rng::seeded("gemm-large");
	for (m, n, k) in
		[(300, 500, 130), (1, 3000, 200), (16, 2100, 333), (700, 40, 64), (257, 513, 512)]
			.into_iter()
			.chain([(64, 96, 256), (96, 64, 200), (544, 1056, 64), (33, 64, 4096), (320, 48, 1100)])
	{
		let sizes = Sizes { m, n, k };
		let (a, b) = (fill(&mut rng, m * k, -128, 127), fill(&mut rng, n * k, -128, 127));
		check_i8(sizes, &a, &b);
		let a = fill(&mut rng, m * k, -32768, 32767);
		let b = fill(&mut rng, n * k, -32768, 32767);
		check_i16(sizes, &a, &b);
	}
}

#[test]
fn gemm_i8_should_equal_exact_sums_when_operands_and_results_start_on_lines() {
	let mut rng = Rng::seeded("gemm-lines");
	let few = [1, 15, 16, 17, 31, 32, 33, 48, 64, 100];
	for &m in &few {
		for n in [16, 33, 160] {
			for k in [64, 128, 320, 1088] {
				let sizes = Sizes { m, n, k };
				let a: Vec<i8> = fill(&mut rng, m * k, -128, 127);
				let b: Vec<i8> = fill(&mut rng, n * k, -128, 127);
				let mut lines = Elements::zeroed(m * k);
				lines.copy_from_slice(&a);
				check_i8(sizes, &lines, &b);
			}
		}
	}
}

#[test]
fn gemm_i8_should_equal_plain_loops_when_results_are_larger_than_caches() {
	let mut rng = Rng::seeded("gemm-stored");
	// Results of 2 MiB and of 33 MiB, along k fewer tiles than a block has rows, and more.
	for (m, n, k) in [(517, 1056, 320), (544, 1024, 1152), (2064, 4224, 64), (2056, 4208, 65)] {
		let sizes = Sizes { m, n, k };
		let (mut a, mut b) = (Elements::zeroed(m * k), Elements::zeroed(n * k));
		a.copy_from_slice(&fill::<i8>(&mut rng, m * k, -128, 127));
		b.copy_from_slice(&fill::<i8>(&mut rng, n * k, -128, 127));
		let mut expected = vec![0; m * n];
		gemm_i8_into(Path::Portable, sizes, &a, Right::Rows(&b), &mut expected);
		for path in Path::available() {
			let packed = pack_i8(path, n, k, &b);
			let right = packed.as_ref().map_or(Right::Rows(&b), Right::Packed);
			// On a line, and next to one.
			for before in [0, 1] {
				let mut found = Elements::<i32>::zeroed(m * n + before);
				gemm_i8_into(path, sizes, &a, right, &mut found[before..]);
				let same = found[before..] == *expected && found[..before].iter().all(|&x| x == 0);
				assert!(same, "{} differs at {sizes:?}, {before} from a line", path.name());
			}
		}
	}
}

#[test]
fn gemm_i8_should_equal_exact_products_when_every_pair_of_bytes_is_multiplied() {
	let bytes: Vec<i8> = (i8::MIN..=i8::MAX).collect();
	check_i8(Sizes { m: 256, n: 256, k: 1 }, &bytes, &bytes);
	// And at each of the places that an instruction multiplies together.
	for k in [4, 64] {
		let spread: Vec<i8> = bytes
			.iter()
			.enumerate()
			.flat_map(|(at, &byte)| (0..k).map(move |i| if i == at % k { byte } else { 1 }))
			.collect();
		check_i8(Sizes { m: 256, n: 256, k }, &spread, &spread);
	}
}

#[test]
fn gemm_i16_should_equal_exact_products_when_digits_are_extreme() {
	// Every pair of low bytes with the extremes of the high byte, and every high byte.
	let digits: Vec<i16> = [i16::MIN, -256, 0, 256, 0x7f00]
		.into_iter()
		.flat_map(|high| [0, 1, 127, 128, 129, 255].map(|low: i16| high | low))
		.chain((-128..128).map(|high: i16| high * 256 + 255))
		.collect();
	let len = digits.len();
	check_i16(Sizes { m: len, n: len, k: 1 }, &digits, &digits);
	let pairs: Vec<i16> = digits.iter().flat_map(|&value| [value, value]).collect();
	check_i16(Sizes { m: len, n: len, k: 2 }, &pairs, &pairs);
}

#[test]
fn gemm_i8_should_not_wrap_when_a_long_sum_reaches_the_bound_of_i32() {
	// 131,071 · 16,384 is the largest multiple of (−128)² below 2^31.
	for (m, n) in [(2, 3), (9, 3), (3, 17)] {
		let sizes = Sizes { m, n, k: 131_071 };
		check_i8(sizes, &vec![-128; m * sizes.k], &vec![-128; n * sizes.k]);
		check_i8(sizes, &vec![-128; m * sizes.k], &vec![127; n * sizes.k]);
		check_i8(sizes, &vec![127; m * sizes.k], &vec![-128; n * sizes.k]);
	}
}

#[test]
fn gemm_i16_should_not_wrap_when_sums_are_long_and_extreme() {
	let extremes = [i16::MIN, i16::MAX, -1, 255, -32_513];
	for k in [65_535, 65_536, 65_537, 131_073] {
		for x in extremes {
			for y in extremes {
				// With few rows packing is left out, with more it is not.
				for (m, n) in [(1, 2), (9, 1)] {
					check_i16(Sizes { m, n, k }, &vec![x; m * k], &vec![y; n * k]);
				}
			}
		}
	}
}

#[test]
#[should_panic(expected = "packed for")]
fn gemm_should_refuse_a_packed_operand_when_it_has_other_sizes() {
	let path = Path::best();
	let Some(packed) = pack_i8(path, 4, 8, &[0; 32]) else { panic!("packed for nothing here") };
	gemm_i8(
		path,
		Sizes { m: 1, n: 8, k: 4 },
		&[0; 4],
		Right::Packed(&packed),
		|_, _, _: &[i32]| {},
	);
}

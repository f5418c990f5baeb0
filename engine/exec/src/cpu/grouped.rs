//! Convolutions of several groups. Groups with many results are products of their patches, one
//! group after the other. Depthwise ones and their like would leave the lanes of a product idle:
//! there the lanes are groups, and each of them folds its own window.

use super::{
	factor::{Epilogue, Factor},
	patches::Patches,
	CpuBackend, Source,
};
use crate::{
	buffer::CHUNK,
	gemm::{Right, Sizes},
	pool::POOL,
	segments::{for_chunks, threads, Rows},
	simd::vectorised,
	Buffer, Element, ExecError,
};
use assay_ops::{DType, Shape, Window};
use core::ops::Range;

/// Multiplications of one group from which on patches and packed weights are worth their while.
const WORTH: usize = 1 << 16;

/// Results or channels of a group that fill the lanes of a product, and groups that fill lanes by
/// themselves.
const LANES: usize = 8;

/// Elements of patches of one group that are gathered at a time.
const PATCHES: usize = 1 << 20;

/// A factor whose products are summed one by one.
pub(super) trait Fold: Factor {
	/// The sum with one more product, which fits.
	fn add(sum: Self::Sum, x: Self, w: Self) -> Self::Sum;

	/// The sum with two more products, of which no w is the least of its type.
	fn add_two(sum: Self::Sum, x: [Self; 2], w: [Self; 2]) -> Self::Sum;

	/// Whether w is the least of its type, which has no opposite.
	fn is_least(w: Self) -> bool;

	/// Memory of results that are the sums as they are.
	fn sums<T: Element>(_out: &mut [T]) -> Option<&mut [Self::Sum]> {
		None
	}
}

impl Fold for i8 {
	#[inline(always)]
	fn add(sum: i32, x: i8, w: i8) -> i32 {
		// A product is within 16 bits, of which a vector has twice as many.
		sum.wrapping_add(i32::from(i16::from(x).wrapping_mul(i16::from(w))))
	}

	#[inline(always)]
	fn add_two(sum: i32, x: [i8; 2], w: [i8; 2]) -> i32 {
		// Two products of at most 2^7 · (2^7 − 1) are within 16 bits.
		let product = |at: usize| i16::from(x[at]).wrapping_mul(i16::from(w[at]));
		sum.wrapping_add(i32::from(product(0).wrapping_add(product(1))))
	}

	fn is_least(w: i8) -> bool {
		w == i8::MIN
	}

	fn sums<T: Element>(out: &mut [T]) -> Option<&mut [i32]> {
		(T::DTYPE == DType::I32).then(|| bytemuck::try_cast_slice_mut(out).ok()).flatten()
	}
}

impl Fold for i16 {
	#[inline(always)]
	fn add(sum: i64, x: i16, w: i16) -> i64 {
		sum.wrapping_add(i64::from(i32::from(x).wrapping_mul(i32::from(w))))
	}

	#[inline(always)]
	fn add_two(sum: i64, x: [i16; 2], w: [i16; 2]) -> i64 {
		// Two products of at most 2^15 · (2^15 − 1) are within 32 bits.
		let product = |at: usize| i32::from(x[at]).wrapping_mul(i32::from(w[at]));
		sum.wrapping_add(i64::from(product(0).wrapping_add(product(1))))
	}

	fn is_least(w: i16) -> bool {
		w == i16::MIN
	}
}

/// Sizes of a convolution of groups.
#[derive(Clone, Copy)]
struct Groups {
	groups: usize,
	/// Channels of x that a group reads.
	own: usize,
	/// Results of a group at one position.
	results: usize,
	/// Positions of the kernel.
	taps: usize,
}

/// [`assay_ops::Op::Conv2d`] of more than one group into a tensor of shape `shape`.
pub(super) fn convolution<F: Fold, T: Element>(
	cpu: &CpuBackend,
	(x, w): (&Source, &Source),
	window: &Window,
	epilogue: &Epilogue<'_, F>,
	shape: &Shape,
) -> Result<Buffer, ExecError> {
	let [groups, channels, outputs] =
		[window.groups, window.channels, window.output_channels].map(|size| size as usize);
	let sizes = Groups {
		groups,
		own: channels / groups,
		results: outputs / groups,
		taps: window.kernel[0] as usize * window.kernel[1] as usize,
	};
	let (x, w) = (x.elements::<F>()?, w.elements::<F>()?);
	let mut values = POOL.elements::<T>(shape.elements() as usize);
	let positions = values.len() / outputs;
	let of_a_group = positions * sizes.results * sizes.taps * sizes.own;
	let patches = Patches::new(window);
	let fills = sizes.results >= LANES || groups < LANES && sizes.own >= LANES;
	if fills && of_a_group >= WORTH {
		by_product(cpu, (&x, &w), &patches, sizes, epilogue, &mut values);
	} else {
		let turned = (sizes.own > 1).then(|| by_channel(&x, sizes));
		let x = turned.as_deref().unwrap_or(&x);
		direct((x, &by_tap(&w, sizes)), &patches, sizes, epilogue, &mut values);
	}
	Ok(T::wrap(values))
}

/// The products of each group's patches, some positions at a time.
fn by_product<F: Factor, T: Element>(
	cpu: &CpuBackend,
	(x, w): (&[F], &[F]),
	patches: &Patches,
	Groups { groups, own, results, taps }: Groups,
	epilogue: &Epilogue<'_, F>,
	out: &mut [T],
) {
	let (k, outputs) = (taps * own, groups * results);
	let positions = out.len() / outputs;
	let some = (PATCHES / k).clamp(1, positions);
	let mut gathered = vec![F::zeroed(); some * k];
	let rows = Rows::new(out, outputs);
	for group in 0..groups {
		let w = &w[group * results * k..][..results * k];
		for first in (0..positions).step_by(some) {
			let m = some.min(positions - first);
			let gathered = &mut gathered[..m * k];
			let task = (4 * CHUNK / k).max(1);
			for_chunks(
				threads(m * k),
				gathered,
				task * k,
				|| (),
				|(), at, out| {
					let first = first + at * task;
					patches.gather(x, group, first..first + out.len() / k, out);
				},
			);
			let sizes = Sizes { m, n: results, k };
			let emit = |row: usize, column: usize, sums: &[F::Sum]| {
				// SAFETY: the product emits each sum once, and groups have columns of their own.
				unsafe { epilogue.store(&rows, first + row, group * results + column, sums) };
			};
			F::gemm(cpu.path, sizes, gathered, Right::Rows(w), emit);
		}
	}
}

/// x with the channels of all groups that have the same place in theirs next to each other.
fn by_channel<F: Element>(x: &[F], Groups { groups, own, .. }: Groups) -> Vec<F> {
	let (pixel, mut turned) = (groups * own, vec![F::zeroed(); x.len()]);
	let some = (CHUNK / pixel).max(1) * pixel;
	for_chunks(
		threads(x.len()),
		&mut turned,
		some,
		|| (),
		|(), at, out| {
			let from = &x[at * some..][..out.len()];
			for (out, from) in out.chunks_exact_mut(pixel).zip(from.chunks_exact(pixel)) {
				for (channel, out) in out.chunks_exact_mut(groups).enumerate() {
					let from = from[channel..].iter().step_by(own);
					out.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
				}
			}
		},
	);
	turned
}

/// The weights of each result of a group, for each position of the kernel and channel those of all
/// groups next to each other.
fn by_tap<F: Element>(w: &[F], Groups { groups, own, results, taps }: Groups) -> Vec<F> {
	let k = taps * own;
	let mut turned = vec![F::zeroed(); w.len()];
	for (at, out) in turned.chunks_exact_mut(groups).enumerate() {
		let (result, place) = (at / k, at % k);
		let from = w[result * k + place..].iter().step_by(results * k);
		out.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
	}
	turned
}

/// An element of x that a position meets, and the place of its weight: where the lanes of each
/// begin.
#[derive(Clone, Copy)]
struct Tap {
	x: usize,
	w: usize,
}

vectorised! {
	/// The sums of the groups `block` at some neighbouring positions, of which each meets what the
	/// first one meets, `shift` elements farther for each. `w` are the weights of all results, one
	/// after the other; `paired` says that none of them is the least of its type.
	fn fold[F: Fold](
		taps: &[Tap],
		x: &[F],
		w: &[F],
		sizes: Groups,
		block: Range<usize>,
		shift: usize,
		paired: bool,
		sums: &mut [F::Sum],
	) {
		let kernel = sizes.taps * sizes.own * sizes.groups;
		let positions = sums.chunks_exact_mut(block.len() * sizes.results).enumerate();
		let pairs = if paired { taps } else { &[] };
		for (position, sums) in positions {
			for (result, w) in w.chunks_exact(kernel).enumerate() {
				let from = (&x[position * shift..], w);
				let to = (sizes.results, result);
				let mut at = 0;
				while at + 32 <= block.len() {
					lanes::<F, 32>(taps, pairs, from, (block.start, at), to, sums);
					at += 32;
				}
				while at + 16 <= block.len() {
					lanes::<F, 16>(taps, pairs, from, (block.start, at), to, sums);
					at += 16;
				}
				while at + 8 <= block.len() {
					lanes::<F, 8>(taps, pairs, from, (block.start, at), to, sums);
					at += 8;
				}
				while at < block.len() {
					lanes::<F, 1>(taps, pairs, from, (block.start, at), to, sums);
					at += 1;
				}
			}
		}
	}
}

/// The sums of L groups, the first of which is `at` in a block that begins with group `block`: they
/// stay in registers. Of the taps the first `pairs` are taken two by two.
#[inline(always)]
fn lanes<F: Fold, const L: usize>(
	taps: &[Tap],
	pairs: &[Tap],
	(x, w): (&[F], &[F]),
	(block, at): (usize, usize),
	(results, result): (usize, usize),
	sums: &mut [F::Sum],
) {
	let of = |values: &[F], first: usize| -> [F; L] {
		values[first + block + at..][..L].try_into().expect("L elements; qed")
	};
	let mut folded = [F::Sum::default(); L];
	let two = pairs.chunks_exact(2);
	let done = pairs.len() - two.remainder().len();
	for pair in two {
		let (x, next_x) = (of(x, pair[0].x), of(x, pair[1].x));
		let (w, next_w) = (of(w, pair[0].w), of(w, pair[1].w));
		for lane in 0..L {
			let (x, w) = ([x[lane], next_x[lane]], [w[lane], next_w[lane]]);
			folded[lane] = F::add_two(folded[lane], x, w);
		}
	}
	for tap in &taps[done..] {
		let (x, w) = (of(x, tap.x), of(w, tap.w));
		for lane in 0..L {
			folded[lane] = F::add(folded[lane], x[lane], w[lane]);
		}
	}
	if results == 1 {
		sums[at..at + L].copy_from_slice(&folded);
	} else {
		let out = sums[at * results + result..].iter_mut().step_by(results);
		out.zip(folded).for_each(|(to, sum)| *to = sum);
	}
}

/// Every position by itself, neighbours that meet as much together.
fn direct<F: Fold, T: Element>(
	(x, w): (&[F], &[F]),
	patches: &Patches,
	sizes: Groups,
	epilogue: &Epilogue<'_, F>,
	out: &mut [T],
) {
	let Groups { groups, own, results, taps } = sizes;
	let outputs = groups * results;
	let paired = !w.iter().fold(false, |least, w| least | F::is_least(*w));
	let some = (CHUNK / outputs).max(1);
	// Of very many groups some at a time, so that their sums stay in a cache.
	let block = (CHUNK / results).clamp(1, groups);
	let shift = patches.axes[1].stride() * groups * own;
	// A thread for each of at least so many multiplications.
	let threads = threads(out.len().saturating_mul(taps * own) / 16);
	for_chunks(
		threads,
		out,
		some * outputs,
		|| (Vec::new(), vec![F::Sum::default(); some * block * results]),
		|(taps, sums), task, out| {
			let (first, count) = (task * some, out.len() / outputs);
			if let Some(exact) = F::sums(out).filter(|_| block == groups && epilogue.is_exact()) {
				let mut at = 0;
				while at < count {
					let positions = run(patches, first + at..first + count);
					meet(patches, first + at, sizes, taps);
					let sums = &mut exact[at * outputs..(at + positions) * outputs];
					fold(taps, x, w, sizes, 0..groups, shift, paired, sums);
					at += positions;
				}
				return;
			}
			let rows = Rows::new(out, outputs);
			let mut at = first;
			while at < first + count {
				let positions = run(patches, at..first + count);
				meet(patches, at, sizes, taps);
				for begin in (0..groups).step_by(block) {
					let block = begin..(begin + block).min(groups);
					let (column, width) = (begin * results, block.len() * results);
					let sums = &mut sums[..positions * width];
					fold(taps, x, w, sizes, block, shift, paired, sums);
					for (row, sums) in (at - first..).zip(sums.chunks_exact(width)) {
						// SAFETY: each sum comes once.
						unsafe { epilogue.store(&rows, row, column, sums) };
					}
				}
				at += positions;
			}
		},
	);
}

/// How many of the first of these positions meet as much as the first one, in the same row of x.
fn run(patches: &Patches, positions: Range<usize>) -> usize {
	let axis = &patches.axes[1];
	let (_, column, _) = patches.position(positions.start);
	let most = positions.len().min(axis.output - column);
	(0..most).take_while(|at| axis.is_inside(column + at)).count().max(1)
}

/// What a position meets.
fn meet(patches: &Patches, position: usize, sizes: Groups, taps: &mut Vec<Tap>) {
	let [vertical, horizontal] = &patches.axes;
	let (row, column, image) = patches.position(position);
	let pixel = sizes.groups * sizes.own;
	taps.clear();
	for i in 0..vertical.kernel {
		let Some(y) = vertical.place(row, i) else { continue };
		let from = (image * vertical.input + y) * horizontal.input;
		for j in 0..horizontal.kernel {
			let Some(at) = horizontal.place(column, j) else { continue };
			let (x, w) = ((from + at) * pixel, (i * horizontal.kernel + j) * pixel);
			let channels = (0..pixel).step_by(sizes.groups);
			taps.extend(channels.map(|channel| Tap { x: x + channel, w: w + channel }));
		}
	}
}

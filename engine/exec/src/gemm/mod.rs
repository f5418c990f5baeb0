//! Integer matrix products on the CPU: `C[m, n] = Σ_k A[m, k] · B[n, k]`, both operands row-major
//! and contiguous in `k`.
//!
//! Integer sums are order-free, so every path gives the bytes of the definition as long as no
//! instruction saturates or drops a carry. The traps, and how each path avoids them:
//!
//! * `vpmaddubsw` saturates its 16-bit pair sums: not used at all; AVX2 widens to i16 first.
//! * `vpdpbusd` takes its left operand unsigned: A is stored XOR 0x80 (that is, `a + 128`), and
//!   `128 · Σ B` is taken off each column. The biased sum may wrap, the difference does not.
//! * `pmaddwd` wraps in one single case, four times −32768, where the pair sum is 2^31: see
//!   `avx2::block_i16`.
//!
//! Results reach the caller in row segments, each exactly once and from any thread, so that an
//! epilogue can run on them while they are still in the first cache.

mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use rayon::prelude::*;

/// The instruction set that a product runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
	/// Plain Rust; runs everywhere.
	Portable,
	/// x86-64 with AVX2: i8 widened to i16, `vpmaddwd`.
	Avx2,
	/// x86-64 with AVX-512 F, BW and VNNI: `vpdpbusd`. i16 products use the AVX2 kernel.
	Avx512Vnni,
}

impl Path {
	/// Every path that this processor can run, slowest first. Never empty.
	pub fn available() -> Vec<Self> {
		#[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
		let mut paths = vec![Self::Portable];
		#[cfg(target_arch = "x86_64")]
		{
			if is_x86_feature_detected!("avx2") {
				paths.push(Self::Avx2);
				if is_x86_feature_detected!("avx512f")
					&& is_x86_feature_detected!("avx512bw")
					&& is_x86_feature_detected!("avx512vnni")
				{
					paths.push(Self::Avx512Vnni);
				}
			}
		}
		paths
	}

	/// The fastest path that this processor can run.
	pub fn best() -> Self {
		Self::available().pop().unwrap_or(Self::Portable)
	}

	/// Short name for reports.
	pub fn name(self) -> &'static str {
		match self {
			Self::Portable => "portable",
			Self::Avx2 => "avx2",
			Self::Avx512Vnni => "avx512-vnni",
		}
	}
}

/// From so many rows of A on, packing B pays.
#[cfg(target_arch = "x86_64")]
const PACKED_ROWS: usize = 8;

/// Sizes of a product: A is `m × k`, B is `n × k`, C is `m × n`.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
	/// Rows of A and of C.
	pub m: usize,
	/// Rows of B and columns of C.
	pub n: usize,
	/// The contracted length.
	pub k: usize,
}

impl Sizes {
	fn check(&self, a: usize, b: usize) {
		assert!(
			self.m.checked_mul(self.k) == Some(a) && self.n.checked_mul(self.k) == Some(b),
			"operands of {a} and {b} elements are no {self:?} product"
		);
	}
}

/// Product of i8 matrices. `emit(row, column, sums)` receives each sum of C once; `|C|` must be
/// within i32, which [`assay_ops`] guarantees by bounding `k`.
///
/// # Panics
/// When the lengths of `a` and `b` are not those of `sizes`, or when `path` is not
/// [available](Path::available).
pub fn gemm_i8(
	path: Path,
	sizes: Sizes,
	a: &[i8],
	b: &[i8],
	emit: impl Fn(usize, usize, &[i32]) + Sync,
) {
	sizes.check(a.len(), b.len());
	let Sizes { m, n, k } = sizes;
	match path {
		Path::Portable => drive(m, n, 4, 8, emit, |block, out| {
			portable::block_i8(k, a, b, block, out);
		}),
		#[cfg(target_arch = "x86_64")]
		_ if m < PACKED_ROWS => {
			assert!(is_x86_feature_detected!("avx2"), "no AVX2");
			drive(m, n, 4, 8, emit, |block, out| {
				// SAFETY: AVX2 was detected above.
				unsafe { avx2::thin_i8(k, a, b, block, out) }
			})
		}
		#[cfg(target_arch = "x86_64")]
		Path::Avx2 => {
			assert!(is_x86_feature_detected!("avx2"), "no AVX2");
			let packed = avx2::PackedI8::new(sizes, a, b);
			drive(m, n, avx2::ROWS_I8, avx2::COLUMNS_I8, emit, |block, out| {
				// SAFETY: AVX2 was detected above.
				unsafe { avx2::block_i8(&packed, block, out) }
			})
		}
		#[cfg(target_arch = "x86_64")]
		Path::Avx512Vnni => {
			assert!(Path::available().contains(&path), "no AVX-512 VNNI");
			let packed = avx512::PackedI8::new(sizes, a, b);
			drive(m, n, avx512::ROWS, avx512::COLUMNS, emit, |block, out| {
				// SAFETY: AVX-512 F, BW and VNNI were detected above.
				unsafe { avx512::block_i8(&packed, block, out) }
			})
		}
		#[cfg(not(target_arch = "x86_64"))]
		_ => panic!("{} needs x86-64", path.name()),
	}
}

/// Product of i16 matrices with exact i64 sums; otherwise as [`gemm_i8`].
///
/// # Panics
/// As [`gemm_i8`].
pub fn gemm_i16(
	path: Path,
	sizes: Sizes,
	a: &[i16],
	b: &[i16],
	emit: impl Fn(usize, usize, &[i64]) + Sync,
) {
	sizes.check(a.len(), b.len());
	let Sizes { m, n, k } = sizes;
	match path {
		Path::Portable => drive(m, n, 4, 8, emit, |block, out| {
			portable::block_i16(k, a, b, block, out);
		}),
		#[cfg(target_arch = "x86_64")]
		_ if m < PACKED_ROWS => {
			assert!(is_x86_feature_detected!("avx2"), "no AVX2");
			drive(m, n, 4, 8, emit, |block, out| {
				// SAFETY: AVX2 was detected above.
				unsafe { avx2::thin_i16(k, a, b, block, out) }
			})
		}
		#[cfg(target_arch = "x86_64")]
		Path::Avx2 | Path::Avx512Vnni => {
			assert!(is_x86_feature_detected!("avx2"), "no AVX2");
			let packed = avx2::PackedI16::new(sizes, a, b);
			drive(m, n, avx2::ROWS_I16, avx2::COLUMNS_I16, emit, |block, out| {
				// SAFETY: AVX2 was detected above.
				unsafe { avx2::block_i16(&packed, block, out) }
			})
		}
		#[cfg(not(target_arch = "x86_64"))]
		_ => panic!("{} needs x86-64", path.name()),
	}
}

/// A register block of C: `rows` rows from `row`, the columns of panel `panel`.
#[derive(Clone, Copy)]
struct Block {
	row: usize,
	rows: usize,
	column: usize,
	columns: usize,
	panel: usize,
}

/// Cuts C into tasks for all cores and tasks into register blocks of at most `mr × nr`. `block`
/// fills a scratch of `mr × nr` sums with row stride `nr`.
fn drive<T: Copy + Default>(
	m: usize,
	n: usize,
	mr: usize,
	nr: usize,
	emit: impl Fn(usize, usize, &[T]) + Sync,
	block: impl Fn(Block, &mut [T]) + Sync,
) {
	// Enough tasks to keep the cores level, few enough that a task reuses its operands from cache.
	let threads = rayon::current_num_threads();
	let strips = m.div_ceil(mr);
	let panels = n.div_ceil(nr);
	let mut task_panels = (256 / nr).clamp(1, panels.max(1));
	let mut task_strips = (96 / mr).clamp(1, strips.max(1));
	while panels.div_ceil(task_panels) * strips.div_ceil(task_strips) < 4 * threads {
		if task_panels > 1 {
			task_panels = task_panels.div_ceil(2);
		} else if task_strips > 1 {
			task_strips = task_strips.div_ceil(2);
		} else {
			break;
		}
	}
	let across = panels.div_ceil(task_panels);
	let tasks = across * strips.div_ceil(task_strips);
	(0..tasks).into_par_iter().for_each_init(
		|| vec![T::default(); mr * nr],
		|scratch, task| {
			let first_strip = task / across * task_strips;
			let first_panel = task % across * task_panels;
			for panel in first_panel..(first_panel + task_panels).min(panels) {
				let column = panel * nr;
				let columns = nr.min(n - column);
				for strip in first_strip..(first_strip + task_strips).min(strips) {
					let row = strip * mr;
					let rows = mr.min(m - row);
					block(Block { row, rows, column, columns, panel }, scratch);
					for (at, sums) in scratch.chunks_exact(nr).take(rows).enumerate() {
						emit(row + at, column, &sums[..columns]);
					}
				}
			}
		},
	);
}

#[cfg(test)]
mod tests;

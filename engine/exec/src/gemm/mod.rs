//! Integer matrix products on the CPU: `C[m, n] = Σ_k A[m, k] · B[n, k]`, both operands row-major
//! and contiguous in `k`.
//!
//! Integer sums are order-free, so every path gives the bytes of the definition as long as no
//! instruction saturates or drops a carry. The traps, and how each path avoids them:
//!
//! * `vpmaddubsw` saturates its 16-bit pair sums: not used at all; AVX2 widens to i16 first.
//! * `vpdpbusd` takes one side unsigned, and `vpdpwssd` wraps after a step or two of extreme values: see
//!   `vnni`.
//! * `pmaddwd` wraps in one single case, four times −32768, where the pair sum is 2^31: see
//!   `avx2::block_i16`.
//! * AMX multiplies bytes of either sign and wraps at 2^32, which is exact for i8; for i16 see `amx`.
//! * ARM's `smlal` wraps after two products of −128 in 16 bits: see `neon`.
//!
//! Sums reach the caller's [`Sink`] in blocks or row segments, each exactly once and from any thread, so that
//! an epilogue can run on them while they are still in the first cache. Sums that are the result as they are
//! go right where they belong ([`gemm_i8_into`]).
//!
//! Packing B costs as much as a few rows of a product. What is multiplied again and again is packed once,
//! by [`pack_i8`] and [`pack_i16`].

mod drive;
pub(crate) mod parallel;
mod place;
mod portable;
mod sink;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
pub(crate) mod short;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub use sink::{Sink, Stored};

use drive::{drive, threads};

/// The instruction set that a product runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
	/// Plain Rust; runs everywhere.
	Portable,
	/// x86-64 with AVX2: i8 widened to i16, `vpmaddwd`.
	Avx2,
	/// x86-64 with AVX-VNNI: `vpdpbusd` and `vpdpwssd` on 256 bits.
	AvxVnni,
	/// x86-64 with AVX-512 F, BW and VNNI: the same on 512 bits.
	Avx512Vnni,
	/// x86-64 with AMX for bytes, where the system permits it: `tdpbssd` and its kin.
	Amx,
	/// 64-bit ARM: `smull` and `sadalp`.
	Neon,
	/// 64-bit ARM with dot products (FEAT_DotProd): `sdot`.
	NeonDot,
	/// 64-bit ARM with matrix products of bytes (FEAT_I8MM): `smmla`.
	NeonI8mm,
}

impl Path {
	/// Every path that this processor can run, slowest first. Never empty.
	pub fn available() -> Vec<Self> {
		#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused_mut))]
		let mut paths = vec![Self::Portable];
		#[cfg(target_arch = "x86_64")]
		if is_x86_feature_detected!("avx2") {
			paths.push(Self::Avx2);
			if is_x86_feature_detected!("avxvnni") {
				paths.push(Self::AvxVnni);
			}
			if is_x86_feature_detected!("avx512f")
				&& is_x86_feature_detected!("avx512bw")
				&& is_x86_feature_detected!("avx512vnni")
			{
				paths.push(Self::Avx512Vnni);
				if amx::available() {
					paths.push(Self::Amx);
				}
			}
		}
		#[cfg(target_arch = "aarch64")]
		if std::arch::is_aarch64_feature_detected!("neon") {
			paths.push(Self::Neon);
			if std::arch::is_aarch64_feature_detected!("dotprod") {
				paths.push(Self::NeonDot);
				if std::arch::is_aarch64_feature_detected!("i8mm") {
					paths.push(Self::NeonI8mm);
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
			Self::AvxVnni => "avx-vnni",
			Self::Avx512Vnni => "avx512-vnni",
			Self::Amx => "amx",
			Self::Neon => "neon",
			Self::NeonDot => "neon-dotprod",
			Self::NeonI8mm => "neon-i8mm",
		}
	}

	/// Whoever names a path must have found it available; running another one's instructions would end
	/// the process.
	fn check(self) {
		assert!(self == Self::Portable || Self::available().contains(&self), "no {}", self.name());
	}

	/// Whether products on this path have a use for packed operands.
	pub(crate) fn packs(self) -> bool {
		!matches!(self, Self::Portable | Self::Neon)
	}

	/// How many times as fast as the slowest path, roughly; on ARM by the count of instructions.
	fn speed(self) -> usize {
		match self {
			Self::Portable => 1,
			Self::Avx2 => 2,
			Self::AvxVnni => 3,
			Self::Avx512Vnni => 6,
			Self::Amx => 16,
			Self::Neon => 2,
			Self::NeonDot => 5,
			Self::NeonI8mm => 8,
		}
	}
}

/// From so many rows of A on, packing B pays.
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

/// A right operand in the layout of one path.
pub struct Packed {
	path: Path,
	n: usize,
	k: usize,
	kind: Kind,
}

enum Kind {
	#[cfg(target_arch = "x86_64")]
	Avx2(avx2::Panels),
	#[cfg(target_arch = "x86_64")]
	Vnni(vnni::Panels),
	#[cfg(target_arch = "x86_64")]
	Amx(amx::Panels),
	#[cfg(target_arch = "aarch64")]
	Neon(neon::Panels),
}

impl Packed {
	/// Bytes in memory.
	pub fn bytes(&self) -> usize {
		match &self.kind {
			#[cfg(target_arch = "x86_64")]
			Kind::Avx2(panels) => panels.len(),
			#[cfg(target_arch = "x86_64")]
			Kind::Vnni(panels) => panels.len(),
			#[cfg(target_arch = "x86_64")]
			Kind::Amx(panels) => panels.len(),
			#[cfg(target_arch = "aarch64")]
			Kind::Neon(panels) => panels.len(),
			#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
			_ => 0,
		}
	}
}

/// The right operand of a product.
#[derive(Clone, Copy)]
pub enum Right<'a, T> {
	/// Row-major, `n × k`.
	Rows(&'a [T]),
	/// Packed for the same path and sizes, by [`pack_i8`] if `T` is i8, by [`pack_i16`] if it is i16.
	Packed(&'a Packed),
}

impl<'a, T> Right<'a, T> {
	/// # Panics
	/// When the operands do not fit.
	fn check(&self, path: Path, sizes: Sizes, a: usize) {
		path.check();
		match self {
			Self::Rows(b) => sizes.check(a, b.len()),
			Self::Packed(packed) => {
				sizes.check(a, sizes.n * sizes.k);
				let (expected, found) =
					((path, sizes.n, sizes.k), (packed.path, packed.n, packed.k));
				assert!(expected == found, "packed for {found:?}, not for {expected:?}");
			}
		}
	}
}

/// Packs B of `n × k` for many products on `path`; `None` where the path has no use for it.
///
/// # Panics
/// When `b` has another length, or when `path` is not [available](Path::available).
pub fn pack_i8(path: Path, n: usize, k: usize, b: &[i8]) -> Option<Packed> {
	pack(path, n, k, b, |sizes, threads| {
		Some(match path {
			#[cfg(target_arch = "x86_64")]
			Path::Avx2 => Kind::Avx2(avx2::Panels::new(avx2::COLUMNS_I8, n, k, b)),
			#[cfg(target_arch = "x86_64")]
			Path::AvxVnni => Kind::Vnni(vnni::Panels::bytes(vnni::narrow::LANES, sizes, b, threads)),
			#[cfg(target_arch = "x86_64")]
			Path::Avx512Vnni => Kind::Vnni(vnni::Panels::bytes(vnni::wide::LANES, sizes, b, threads)),
			#[cfg(target_arch = "x86_64")]
			Path::Amx => Kind::Amx(amx::Panels::i8(n, k, b, threads)),
			#[cfg(target_arch = "aarch64")]
			Path::NeonDot | Path::NeonI8mm => Kind::Neon(neon::Panels::i8(path, (n, k), b, threads)),
			_ => return None,
		})
	})
}

/// As [`pack_i8`].
///
/// # Panics
/// As [`pack_i8`].
pub fn pack_i16(path: Path, n: usize, k: usize, b: &[i16]) -> Option<Packed> {
	pack(path, n, k, b, |sizes, threads| {
		Some(match path {
			#[cfg(target_arch = "x86_64")]
			Path::Avx2 => Kind::Avx2(avx2::Panels::new(avx2::COLUMNS_I16, n, k, b)),
			#[cfg(target_arch = "x86_64")]
			Path::AvxVnni => Kind::Vnni(vnni::Panels::words(vnni::narrow::LANES, sizes, b, threads)),
			#[cfg(target_arch = "x86_64")]
			Path::Avx512Vnni => Kind::Vnni(vnni::Panels::words(vnni::wide::LANES, sizes, b, threads)),
			#[cfg(target_arch = "x86_64")]
			Path::Amx => Kind::Amx(amx::Panels::i16(n, k, b, threads)),
			#[cfg(target_arch = "aarch64")]
			Path::NeonDot | Path::NeonI8mm => Kind::Neon(neon::Panels::i16(path, (n, k), b, threads)),
			_ => return None,
		})
	})
}

/// What both packings share; `kind` makes the panels, given the sizes and how many threads to use.
fn pack<T>(
	path: Path,
	n: usize,
	k: usize,
	b: &[T],
	kind: impl FnOnce(Sizes, usize) -> Option<Kind>,
) -> Option<Packed> {
	let sizes = Sizes { m: 0, n, k };
	Right::Rows(b).check(path, sizes, 0);
	if n == 0 || k == 0 {
		return None;
	}
	let kind = kind(sizes, pack_threads(b.len()))?;
	Some(Packed { path, n, k, kind })
}

/// Threads for packing so many values.
fn pack_threads(values: usize) -> usize {
	threads(values * 64, 16)
}

/// Product of i8 matrices. `sink` receives each sum of C once; `|C|` must be
/// within i32, which [`assay_ops`] guarantees by bounding `k`.
///
/// # Panics
/// When the lengths of the operands are not those of `sizes`, or when `path` is not
/// [available](Path::available).
pub fn gemm_i8(path: Path, sizes: Sizes, a: &[i8], b: Right<'_, i8>, sink: impl Sink<i32>) {
	product_i8(path, sizes, a, b, &sink);
}

/// As [`gemm_i8`], to `out`, row-major.
///
/// # Panics
/// As [`gemm_i8`], and when `out` has another length than C.
pub fn gemm_i8_into(path: Path, sizes: Sizes, a: &[i8], b: Right<'_, i8>, out: &mut [i32]) {
	product_i8(path, sizes, a, b, &Stored::new(out, (sizes.m, sizes.n)));
}

fn product_i8(path: Path, sizes: Sizes, a: &[i8], b: Right<'_, i8>, sink: &impl Sink<i32>) {
	b.check(path, sizes, a.len());
	let Sizes { m, n, k } = sizes;
	let threads = threads(m * n * k, path.speed());
	let size = (m, n);
	if m == 0 || n == 0 {
		return;
	}
	match (path, b) {
		(Path::Portable, Right::Rows(b)) => drive(size, (4, 8), threads, sink, |block, out| {
			portable::block_i8(k, a, b, block, out);
		}),
		// Nothing to multiply: all sums are 0, whatever the path.
		(_, Right::Rows(b)) if k == 0 => drive(size, (4, 8), threads, sink, |block, out| {
			portable::block_i8(k, a, b, block, out);
		}),
		#[cfg(target_arch = "aarch64")]
		(_, b) => neon::product_i8((path, threads), sizes, a, b, sink),
		#[cfg(target_arch = "x86_64")]
		(Path::Avx2, Right::Rows(b)) if m < PACKED_ROWS => {
			drive(size, (4, 8), threads, sink, |block, out| {
				// SAFETY: the path is available, as checked above.
				unsafe { avx2::thin_i8(k, a, b, block, out) }
			})
		}
		#[cfg(target_arch = "x86_64")]
		(Path::AvxVnni, Right::Rows(b)) if m < PACKED_ROWS => {
			let bias = vnni::row_bias(k, m, a, threads);
			drive(size, (4, 4), threads, sink, |block, out| {
				// SAFETY: the path is available, as checked above.
				unsafe { vnni::narrow::thin_i8(k, (a, &bias), b, block, out) }
			})
		}
		#[cfg(target_arch = "x86_64")]
		(Path::Avx512Vnni, Right::Rows(b)) if m < PACKED_ROWS => {
			let bias = vnni::row_bias(k, m, a, threads);
			drive(size, (4, 4), threads, sink, |block, out| {
				// SAFETY: the path is available, as checked above.
				unsafe { vnni::wide::thin_i8(k, (a, &bias), b, block, out) }
			})
		}
		#[cfg(target_arch = "x86_64")]
		(Path::Amx, Right::Rows(b)) => {
			// The smaller operand is the one to pack.
			if m < n {
				let right = amx::Panels::i8(m, k, a, pack_threads(a.len()));
				amx::gemm_i8((b, n), (&right, m), k, true, sink);
			} else {
				let right = amx::Panels::i8(n, k, b, pack_threads(b.len()));
				amx::gemm_i8((a, m), (&right, n), k, false, sink);
			}
		}
		#[cfg(not(target_arch = "aarch64"))]
		(_, Right::Rows(b)) => match pack_i8(path, n, k, b) {
			Some(packed) => product_i8(path, sizes, a, Right::Packed(&packed), sink),
			None => unreachable!("{} packs", path.name()),
		},
		#[cfg(target_arch = "x86_64")]
		(_, Right::Packed(packed)) => match &packed.kind {
			Kind::Avx2(panels) => {
				let rows = avx2::pack_rows(k, a);
				let block = (avx2::ROWS_I8, avx2::COLUMNS_I8);
				drive(size, block, threads, sink, |block, out| {
					// SAFETY: the path is available, as checked above.
					unsafe { avx2::block_i8(&rows, panels, block, out) }
				})
			}
			Kind::Vnni(panels) => {
				let bias = vnni::row_bias(k, m, a, threads);
				if path == Path::AvxVnni {
					let block = (vnni::narrow::ROWS, vnni::narrow::COLUMNS);
					return drive(size, block, threads, sink, |block, out| {
						// SAFETY: the path is available, as checked above.
						unsafe { vnni::narrow::block_i8((a, k), &bias, panels, block, out) }
					});
				}
				let block = (vnni::wide::ROWS, vnni::wide::COLUMNS);
				drive(size, block, threads, sink, |block, out| {
					// SAFETY: the path is available, as checked above.
					unsafe { vnni::wide::block_i8((a, k), &bias, panels, block, out) }
				})
			}
			Kind::Amx(panels) => amx::gemm_i8((a, m), (panels, n), k, false, sink),
		},
		#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
		(_, Right::Packed(packed)) => match packed.kind {},
	}
}

/// Product of i16 matrices with exact i64 sums; otherwise as [`gemm_i8`].
///
/// # Panics
/// As [`gemm_i8`].
pub fn gemm_i16(path: Path, sizes: Sizes, a: &[i16], b: Right<'_, i16>, sink: impl Sink<i64>) {
	product_i16(path, sizes, a, b, &sink);
}

fn product_i16(path: Path, sizes: Sizes, a: &[i16], b: Right<'_, i16>, sink: &impl Sink<i64>) {
	b.check(path, sizes, a.len());
	let Sizes { m, n, k } = sizes;
	let threads = threads(m * n * k * 4, path.speed());
	let size = (m, n);
	if m == 0 || n == 0 {
		return;
	}
	match (path, b) {
		(Path::Portable, Right::Rows(b)) => drive(size, (4, 8), threads, sink, |block, out| {
			portable::block_i16(k, a, b, block, out);
		}),
		// Nothing to multiply: all sums are 0, whatever the path.
		(_, Right::Rows(b)) if k == 0 => drive(size, (4, 8), threads, sink, |block, out| {
			portable::block_i16(k, a, b, block, out);
		}),
		#[cfg(target_arch = "aarch64")]
		(_, b) => neon::product_i16((path, threads), sizes, a, b, sink),
		#[cfg(target_arch = "x86_64")]
		(_, Right::Rows(b)) if m < PACKED_ROWS => {
			drive(size, (4, 8), threads, sink, |block, out| {
				// SAFETY: the path is available, as checked above, and all of them have AVX2.
				unsafe { avx2::thin_i16(k, a, b, block, out) }
			})
		}
		#[cfg(not(target_arch = "aarch64"))]
		(_, Right::Rows(b)) => match pack_i16(path, n, k, b) {
			Some(packed) => product_i16(path, sizes, a, Right::Packed(&packed), sink),
			None => unreachable!("{} packs", path.name()),
		},
		#[cfg(target_arch = "x86_64")]
		(_, Right::Packed(packed)) => match &packed.kind {
			Kind::Avx2(panels) => {
				let rows = avx2::pack_rows(k, a);
				let block = (avx2::ROWS_I16, avx2::COLUMNS_I16);
				drive(size, block, threads, sink, |block, out| {
					// SAFETY: the path is available, as checked above.
					unsafe { avx2::block_i16(&rows, panels, block, out) }
				})
			}
			Kind::Vnni(panels) if path == Path::AvxVnni => {
				let block = (vnni::narrow::ROWS, vnni::narrow::COLUMNS / 2);
				drive(size, block, threads, sink, |block, out| {
					// SAFETY: the path is available, as checked above.
					unsafe { vnni::narrow::block_i16((a, k), panels, block, out) }
				})
			}
			Kind::Vnni(panels) => {
				let block = (vnni::wide::ROWS, vnni::wide::COLUMNS / 2);
				drive(size, block, threads, sink, |block, out| {
					// SAFETY: the path is available, as checked above.
					unsafe { vnni::wide::block_i16((a, k), panels, block, out) }
				})
			}
			Kind::Amx(panels) => amx::gemm_i16((a, m), (panels, n), k, sink),
		},
		#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
		(_, Right::Packed(packed)) => match packed.kind {},
	}
}

#[cfg(test)]
mod tests;

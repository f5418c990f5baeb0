//! Products of i16 with short rows, through their epilogue.

use crate::{
	gemm::{Path, Sizes},
	segments::Rows,
	Element,
};

/// Fewer rows of A are not worth packing B.
#[cfg(target_arch = "x86_64")]
const LEAST_ROWS: usize = 8;

/// Rows of A that one task multiplies.
#[cfg(target_arch = "x86_64")]
const TASK_ROWS: usize = 32;

#[cfg(target_arch = "x86_64")]
mod room {
	use crate::gemm::short::{Panels, Scratch};
	use core::cell::Cell;

	thread_local! {
		/// Memory of earlier products of this thread.
		static PANELS: Cell<Panels> = Cell::default();
		static SCRATCH: Cell<Scratch> = Cell::default();
	}

	pub(super) fn with_panels<R>(run: impl FnOnce(&mut Panels) -> R) -> R {
		let mut panels = PANELS.take();
		let result = run(&mut panels);
		PANELS.set(panels);
		result
	}

	pub(super) fn with_scratch<R>(run: impl FnOnce(&mut Scratch) -> R) -> R {
		let mut scratch = SCRATCH.take();
		let result = run(&mut scratch);
		SCRATCH.set(scratch);
		result
	}
}

/// `a · bᵀ` into `out`, row-major, on up to so many threads: `store` gets sums of a row from a
/// column on, each once. Returns whether there is a quick way.
#[cfg(target_arch = "x86_64")]
pub(super) fn product<T: Element>(
	path: Path,
	Sizes { m, n, k }: Sizes,
	(a, b): (&[i16], &[i16]),
	store: impl Fn(&Rows<'_, T>, usize, usize, &[i64]) + Sync,
	out: &mut [T],
	threads: usize,
) -> bool {
	use crate::{gemm::short, segments::for_chunks};
	let is_short = m >= LEAST_ROWS && n > 0 && (1..=short::LONGEST).contains(&k);
	if !is_short || !matches!(path, Path::Avx512Vnni | Path::Amx) || !short::available() {
		return false;
	}
	room::with_panels(|panels| {
		panels.pack(n, k, b);
		let panels = &*panels;
		for_chunks(
			threads,
			out,
			TASK_ROWS * n,
			|| (),
			|(), task, out| {
				let a = &a[task * TASK_ROWS * k..][..out.len() / n * k];
				let rows = Rows::new(out, n);
				room::with_scratch(|scratch| {
					short::product(scratch, a, panels, |row, column, sums| {
						store(&rows, row, column, sums);
					});
				});
			},
		);
	});
	true
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn product<T: Element>(
	_: Path,
	_: Sizes,
	_: (&[i16], &[i16]),
	_: impl Fn(&Rows<'_, T>, usize, usize, &[i64]) + Sync,
	_: &mut [T],
	_: usize,
) -> bool {
	false
}

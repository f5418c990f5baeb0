//! Which kernels an operator needs, and how they are recorded: each family says so.

use super::{
	elementwise, generate, moves, product, reduce, row, table, window, Call, Kernel, Seen,
};
use crate::device::{Device, Result, Storage};
use assay_exec::Affine;
use assay_ops::{DType, Family, Op, Shape};

/// What can be said of an operand before it is on the device.
#[derive(Clone, Copy)]
pub(crate) struct Outline {
	pub(crate) dtype: DType,
	pub(crate) shape: Shape,
	pub(crate) affine: Affine,
}

/// Whether the kernels of `op` leave a word for each element of the result, whatever its type.
pub(crate) fn stored_in_words(op: &Op) -> bool {
	match op.family() {
		Family::Product(_) => true,
		Family::Row(op) => row::stored_in_words(op),
		Family::Elementwise(_)
		| Family::Window(_)
		| Family::Reduce(_)
		| Family::Moves(_)
		| Family::Table(_)
		| Family::Generate(_) => false,
	}
}

/// The kernels that can compute `op`, best first; all of each list are needed.
pub(crate) fn candidates(op: &Op, operands: &[Outline]) -> Vec<Vec<Kernel>> {
	match op.family() {
		Family::Product(op) => product::candidates(op, operands),
		Family::Elementwise(op) => elementwise::candidates(op, operands),
		Family::Window(op) => window::candidates(op, operands),
		Family::Reduce(op) => reduce::candidates(op, operands),
		Family::Row(op) => row::candidates(op, operands),
		Family::Moves(op) => moves::candidates(op, operands),
		Family::Table(op) => table::candidates(op, operands),
		Family::Generate(op) => generate::candidates(op, operands),
	}
}

/// `words`, one for each element of `shape`, as a tensor of `dtype`.
pub(super) fn narrowed(
	device: &mut Device,
	words: Storage,
	dtype: DType,
	shape: &Shape,
) -> Result<Storage> {
	if dtype == DType::I32 {
		return Ok(words);
	}
	let affine = Affine::new(shape, None);
	let wide = Seen { storage: &words, dtype: DType::I32, shape: *shape, affine };
	elementwise::cast(device, &wide, dtype)
}

/// Records `op` with `kernel`, which is the first of one of its [`candidates`] or, for the self-test, any
/// of them. `dtype` and `shape` are the result's.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: &Op,
	seen: &[Seen],
	dtype: DType,
	shape: &Shape,
) -> Result<Storage> {
	let call = Call { op, seen, dtype, shape };
	match op.family() {
		Family::Product(op) => product::record(device, kernel, op, &call),
		Family::Elementwise(op) => elementwise::record(device, kernel, op, &call),
		Family::Window(op) => window::record(device, kernel, op, &call),
		Family::Reduce(op) => reduce::record(device, kernel, op, &call),
		Family::Row(op) => row::record(device, kernel, op, &call),
		Family::Moves(op) => moves::record(device, op, &call),
		Family::Table(op) => table::record(device, kernel, op, &call),
		Family::Generate(op) => generate::record(device, op, &call),
	}
}

//! Which kernels an operator needs, how they are recorded and what they are tried with: each family
//! says so.

use super::{
	blake3, elementwise, generate, moves,
	probes::{Probe, Probes},
	product, reduce, row, table, window, Evaluation, Kernel, Outline, ProductKernel,
};
use crate::device::{Device, DeviceError, Storage};
use assay_ops::{Elementwise, Family, Op};

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

/// Records an operator with `kernel`, which is the first of one of its [`candidates`] or, for the
/// self-test, any of them.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	match call.op.family() {
		Family::Product(op) => product::record(device, kernel, op, call),
		// The self-test of a kernel that no operator has for itself.
		Family::Elementwise(Elementwise::Copy) if kernel == ProductKernel::Pack.into() => {
			product::record_pack(device, call)
		}
		Family::Elementwise(op) => elementwise::record(device, kernel, op, call),
		Family::Window(op) => window::record(device, kernel, op, call),
		Family::Reduce(op) => reduce::record(device, kernel, op, call),
		Family::Row(op) => row::record(device, kernel, op, call),
		Family::Moves(op) => moves::record(device, op, call),
		Family::Table(op) => table::record(device, kernel, op, call),
		Family::Generate(op) => generate::record(device, op, call),
	}
}

/// The fixed operators and operands of a kernel.
pub(crate) fn probes(kernel: Kernel) -> Vec<Probe> {
	let mut probes = Probes::new(kernel, candidates);
	match kernel {
		Kernel::Product(kernel) => product::probes(kernel, &mut probes),
		Kernel::Elementwise(kernel) => elementwise::probes(kernel, &mut probes),
		Kernel::Window(kernel) => window::probes(kernel, &mut probes),
		Kernel::Reduce(kernel) => reduce::probes(kernel, &mut probes),
		Kernel::Row(kernel) => row::probes(kernel, &mut probes),
		Kernel::Moves(kernel) => moves::probes(kernel, &mut probes),
		Kernel::Table(kernel) => table::probes(kernel, &mut probes),
		Kernel::Generate(kernel) => generate::probes(kernel, &mut probes),
		Kernel::Root(kernel) => blake3::probes(kernel, &mut probes),
	}
	probes.all
}

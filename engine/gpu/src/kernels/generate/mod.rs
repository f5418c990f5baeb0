//! What follows from positions alone, or from a seed and them.

mod fill;

use super::{kernels, probes::Probes, Evaluation, Kernel, Outline, BY_WORD};
use crate::device::{Device, DeviceError, Storage};
use assay_ops::Generate;

const IOTA: &str = include_str!("iota.wgsl");
const PHILOX: &str = include_str!("philox.wgsl");

kernels! {
	/// Kernels of what follows from positions.
	GenerateKernel:
	/// Iota.
	Iota = "iota", [BY_WORD, IOTA], None;
	/// Philox.
	Philox = "philox", [PHILOX], None;
}

pub(super) fn candidates(op: Generate, _: &[Outline]) -> Vec<Vec<Kernel>> {
	let kernel = match op {
		Generate::Iota { .. } => GenerateKernel::Iota,
		Generate::Philox { .. } => GenerateKernel::Philox,
	};
	vec![vec![kernel.into()]]
}

pub(super) fn record(
	device: &mut Device,
	op: Generate,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	match op {
		Generate::Iota { axis, .. } => {
			let [] = call.exactly()?;
			fill::iota(device, call.shape, axis)
		}
		Generate::Philox { stream, .. } => {
			let [seed, step] = call.exactly()?;
			fill::philox(device, seed, step, call.shape, stream)
		}
	}
}

pub(super) fn probes(kernel: GenerateKernel, probes: &mut Probes) {
	match kernel {
		GenerateKernel::Iota | GenerateKernel::Philox => probes.drawn(kernel, |_| true),
	}
}

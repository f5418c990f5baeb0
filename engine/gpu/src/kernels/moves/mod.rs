//! Operators that move elements.

mod gather;
mod pieces;
mod scatter;

use super::{
	kernels,
	probes::{given, Probes},
	Evaluation, Kernel, Outline, BY_WORD,
};
use crate::device::{Device, DeviceError, Storage};
use assay_ops::{DType, Moves, Op, View};

const PIECES: &str = include_str!("pieces.wgsl");
const GATHER: &str = include_str!("gather.wgsl");
const SCATTER_SUMS: &str = include_str!("scatter_sums.wgsl");
const SCATTER: &str = include_str!("scatter.wgsl");

kernels! {
	/// Kernels of operators that move elements.
	MovesKernel:
	/// Concat.
	Concat = "concat", [PIECES], Some(0);
	/// Pad.
	Pad = "pad", [PIECES], Some(1);
	/// Gather.
	Gather = "gather", [BY_WORD, GATHER], None;
	/// The sums of ScatterAdd.
	ScatterSums = "scatter-sums", [SCATTER_SUMS], None;
	/// ScatterAdd.
	ScatterAdd = "scatter-add", [BY_WORD, SCATTER], None;
}

pub(super) fn candidates(op: Moves, _: &[Outline]) -> Vec<Vec<Kernel>> {
	match op {
		Moves::Gather => vec![vec![MovesKernel::Gather.into()]],
		Moves::ScatterAdd { .. } => {
			vec![vec![MovesKernel::ScatterAdd.into(), MovesKernel::ScatterSums.into()]]
		}
		Moves::Concat { .. } => vec![vec![MovesKernel::Concat.into()]],
		Moves::Pad { .. } => vec![vec![MovesKernel::Pad.into()]],
	}
}

pub(super) fn record(
	device: &mut Device,
	op: Moves,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	match op {
		Moves::Gather => {
			let [table, index] = call.exactly()?;
			gather::record(device, table, index)
		}
		Moves::ScatterAdd { rows, .. } => {
			let [updates, index] = call.exactly()?;
			scatter::record(device, updates, index, rows, call.dtype)
		}
		Moves::Concat { axis } => pieces::concat(device, call.at_least(1)?, axis, call.shape),
		Moves::Pad { axis, low, value, .. } => {
			let [a] = call.exactly()?;
			pieces::pad(device, a, (axis, low), value, call.shape)
		}
	}
}

pub(super) fn probes(kernel: MovesKernel, probes: &mut Probes) {
	match kernel {
		MovesKernel::Gather => {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				// Rows on both sides of those that the table has, which are there, but not to be
				// read.
				let index = given(dtype, &[14], (-3..11).collect());
				let (buffer, source, _) = probes.random(DType::I16, &[12, 3]);
				let view = View::slice(&source, &[2..8, 0..3]).expect("inside; qed");
				probes.push(Op::Gather, vec![(buffer, source, Some(view)), index]);
			}
		}
		MovesKernel::Concat
		| MovesKernel::Pad
		| MovesKernel::ScatterSums
		| MovesKernel::ScatterAdd => {}
	}
	probes.drawn(kernel, |_| true);
}

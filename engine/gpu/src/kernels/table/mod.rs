//! Tables.

mod lookup;

use super::{
	kernels,
	probes::{given, Probes},
	Evaluation, Kernel, Outline, BY_WORD,
};
use crate::device::{Device, DeviceError, Storage};
use assay_ops::{DType, Op, Table};

const LUT: &str = include_str!("lut.wgsl");
const INTERPOLATE: &str = include_str!("interpolate.wgsl");

kernels! {
	/// Kernels of tables.
	TableKernel:
	/// Lut.
	Lut = "lut", [BY_WORD, LUT], None;
	/// LutInterp.
	LutInterp = "lut-interp", [BY_WORD, INTERPOLATE], None;
}

pub(super) fn candidates(op: Table, _: &[Outline]) -> Vec<Vec<Kernel>> {
	let kernel = match op {
		Table::Lut => TableKernel::Lut,
		Table::LutInterp => TableKernel::LutInterp,
	};
	vec![vec![kernel.into()]]
}

pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: Table,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	match op {
		Table::Lut | Table::LutInterp => {
			let [index, table] = call.exactly()?;
			lookup::record(device, kernel, index, table)
		}
	}
}

pub(super) fn probes(kernel: TableKernel, probes: &mut Probes) {
	match kernel {
		TableKernel::Lut => {
			for to in [DType::I8, DType::I16, DType::I32] {
				let index = given(DType::I8, &[256], (-128..128).collect());
				let table = probes.random(to, &[256]);
				probes.push(Op::Lut, vec![index, table]);
			}
		}
		TableKernel::LutInterp => {
			for dtype in [DType::I16, DType::I32] {
				for points in [3, 513, 16_385] {
					let index = probes.random(DType::I16, &[70, 70]);
					let steep = (0..points).map(|at| [dtype.min(), dtype.max()][at % 2]).collect();
					let table = given(dtype, &[points as u32], steep);
					probes.push(Op::LutInterp, vec![index, table]);
				}
			}
			probes.drawn(kernel, |_| true);
		}
	}
}

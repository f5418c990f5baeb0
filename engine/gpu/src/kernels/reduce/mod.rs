//! Folds along an axis.

mod fold;

use super::{
	elementwise::{narrowed, LOAD},
	kernels,
	probes::Probes,
	Evaluation, Kernel, Outline, BY_WORD, CAST, LANES,
};
use crate::device::{Device, DeviceError, Storage};
use assay_ops::{Op, Reduce};

const SOURCE: &str = include_str!("kernel.wgsl");
const LONG: &str = include_str!("long.wgsl");
const PRODUCTS: &str = include_str!("products.wgsl");

kernels! {
	/// Kernels of folds along an axis.
	ReduceKernel:
	/// ReduceSum.
	ReduceSum = "reduce-sum", [BY_WORD, SOURCE], Some(0);
	/// ReduceMax.
	ReduceMax = "reduce-max", [BY_WORD, SOURCE], Some(1);
	/// ArgMax.
	ArgMax = "arg-max", [BY_WORD, SOURCE], Some(2);
	/// ReduceSumProduct.
	ReduceSumProduct = "reduce-sum-product", [BY_WORD, LOAD, PRODUCTS], None;
	/// ReduceSum along a long axis.
	LongSum = "long-sum", [LOAD, LANES, LONG], Some(0);
	/// ReduceMax along a long axis.
	LongMax = "long-max", [LOAD, LANES, LONG], Some(1);
	/// ArgMax along a long axis.
	LongArgMax = "long-arg-max", [LOAD, LANES, LONG], Some(2);
	/// ReduceSumProduct along a long axis.
	LongSumProduct = "long-sum-product", [LOAD, LANES, LONG], Some(3);
}

/// Best first: the kernel for long axes leaves words, which a cast narrows.
pub(super) fn candidates(op: Reduce, operands: &[Outline]) -> Vec<Vec<Kernel>> {
	let [long, plain] = match op {
		Reduce::ReduceSum { .. } => [ReduceKernel::LongSum, ReduceKernel::ReduceSum],
		Reduce::ReduceMax { .. } => [ReduceKernel::LongMax, ReduceKernel::ReduceMax],
		Reduce::ArgMax { .. } => [ReduceKernel::LongArgMax, ReduceKernel::ArgMax],
		Reduce::ReduceSumProduct { .. } => {
			[ReduceKernel::LongSumProduct, ReduceKernel::ReduceSumProduct]
		}
	};
	let mut ways = vec![vec![plain.into()]];
	if operands.first().is_some_and(|operand| fold::is_long(&operand.shape, op.axis())) {
		ways.insert(0, vec![long.into(), CAST]);
	}
	ways
}

pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: Reduce,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	let Kernel::Reduce(kernel) = kernel else { return Err(call.mismatch()) };
	let (axis, dtype) = (op.axis(), call.dtype);
	let (operands, shift) = match op {
		Reduce::ReduceSum { .. } | Reduce::ReduceMax { .. } | Reduce::ArgMax { .. } => {
			let [a] = call.exactly()?;
			([a, a], 0)
		}
		Reduce::ReduceSumProduct { shift, .. } => {
			let [a, b] = call.exactly()?;
			([a, b], shift)
		}
	};
	match kernel {
		ReduceKernel::LongSum
		| ReduceKernel::LongMax
		| ReduceKernel::LongArgMax
		| ReduceKernel::LongSumProduct => {
			let words = fold::record_long(device, kernel, operands, (axis, shift), dtype)?;
			narrowed(device, words, dtype, call.shape)
		}
		ReduceKernel::ReduceSum | ReduceKernel::ReduceMax | ReduceKernel::ArgMax => {
			fold::record(device, kernel, operands[0], axis, dtype)
		}
		ReduceKernel::ReduceSumProduct => {
			fold::record_products(device, operands, axis, shift, dtype)
		}
	}
}

pub(super) fn probes(kernel: ReduceKernel, probes: &mut Probes) {
	match kernel {
		ReduceKernel::ReduceSum => probes.reduce(|axis, to| Op::ReduceSum { axis, to }),
		ReduceKernel::ReduceMax => probes.reduce(|axis, _| Op::ReduceMax { axis }),
		ReduceKernel::ArgMax => probes.reduce(|axis, _| Op::ArgMax { axis }),
		ReduceKernel::LongSum => probes.long(|axis, to| Op::ReduceSum { axis, to }, 1),
		ReduceKernel::LongMax => probes.long(|axis, _| Op::ReduceMax { axis }, 1),
		ReduceKernel::LongArgMax => probes.long(|axis, _| Op::ArgMax { axis }, 1),
		ReduceKernel::LongSumProduct => {
			for shift in [-128, 0, 7, 127] {
				probes.long(|axis, to| Op::ReduceSumProduct { axis, shift, to }, 2);
			}
		}
		ReduceKernel::ReduceSumProduct => probes.drawn(kernel, |_| true),
	}
}

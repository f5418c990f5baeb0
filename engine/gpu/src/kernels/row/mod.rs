//! Operators on rows.

mod cum_sum;
mod norm;
mod softmax;
mod top_k;

use super::{
	elementwise::{narrowed, ROOT},
	kernels,
	probes::{given, Probes},
	Evaluation, Kernel, Outline, BY_WORD, CAST, LANES,
};
use crate::device::{Device, DeviceError, Storage};
use assay_ops::{DType, Op, Row};
use norm::Spread;

const EXPONENTIAL: &str = include_str!("exponential.wgsl");
const SOFTMAX_SUMS: &str = include_str!("softmax_sums.wgsl");
const SOFTMAX: &str = include_str!("softmax.wgsl");
const MOMENTS: &str = include_str!("moments.wgsl");
const NORM: &str = include_str!("norm.wgsl");
const TOP_K: &str = include_str!("top_k.wgsl");
const RANKS: &str = include_str!("ranks.wgsl");
const CUM_SUM: &str = include_str!("cum_sum.wgsl");

kernels! {
	/// Kernels of operators on rows.
	RowKernel:
	/// What the elements of a row of Softmax share.
	SoftmaxSums = "softmax-sums", [LANES, EXPONENTIAL, SOFTMAX_SUMS], None;
	/// Softmax.
	Softmax = "softmax", [BY_WORD, EXPONENTIAL, SOFTMAX], None;
	/// What the elements of a row of Norm share.
	NormMoments = "norm-moments", [LANES, ROOT, MOMENTS], Some(0);
	/// Norm.
	Norm = "norm", [BY_WORD, NORM], None;
	/// RowScale.
	RowScale = "row-scale", [LANES, ROOT, MOMENTS], Some(1);
	/// TopK of few.
	TopK = "top-k", [LANES, TOP_K], None;
	/// TopK of many.
	TopKRanks = "top-k-ranks", [RANKS], None;
	/// CumSum.
	CumSum = "cum-sum", [CUM_SUM], None;
}

/// Whether the kernels leave a word for each element of the result, whatever its type.
pub(super) fn stored_in_words(op: Row) -> bool {
	match op {
		Row::TopK { .. } | Row::CumSum { .. } => true,
		Row::Softmax { .. } | Row::Norm { .. } | Row::RowScale { .. } => false,
	}
}

pub(super) fn candidates(op: Row, _: &[Outline]) -> Vec<Vec<Kernel>> {
	match op {
		Row::TopK { k, values } => {
			let few = k < top_k::MANY;
			let ways = if few {
				[RowKernel::TopK, RowKernel::TopKRanks]
			} else {
				[RowKernel::TopKRanks, RowKernel::TopK]
			};
			// Values leave them as words; a cast narrows them.
			let cast = if values { &[CAST][..] } else { &[] };
			ways.iter().map(|way| [&[Kernel::from(*way)], cast].concat()).collect()
		}
		Row::Softmax { .. } => vec![vec![RowKernel::Softmax.into(), RowKernel::SoftmaxSums.into()]],
		Row::Norm { .. } => vec![vec![RowKernel::Norm.into(), RowKernel::NormMoments.into()]],
		Row::RowScale { .. } => vec![vec![RowKernel::RowScale.into()]],
		// Words, which a cast narrows.
		Row::CumSum { to: DType::I32, .. } => vec![vec![RowKernel::CumSum.into()]],
		Row::CumSum { .. } => vec![vec![RowKernel::CumSum.into(), CAST]],
	}
}

pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: Row,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	let Kernel::Row(kernel) = kernel else { return Err(call.mismatch()) };
	match op {
		Row::TopK { k, values } => {
			let [a] = call.exactly()?;
			let words = top_k::record(device, kernel, a, k, values)?;
			narrowed(device, words, call.dtype, call.shape)
		}
		Row::Softmax { multiplier, shift, .. } => {
			let [a] = call.exactly()?;
			softmax::record(device, a, multiplier, shift, call.dtype)
		}
		Row::Norm { kind, epsilon, shift, .. } => {
			let [x, gamma, beta] = call.exactly()?;
			norm::record(device, [x, gamma, beta], Spread { kind, epsilon }, shift, call.dtype)
		}
		Row::RowScale { kind, epsilon, shift } => {
			let [x] = call.exactly()?;
			norm::row_scale(device, x, Spread { kind, epsilon }, shift)
		}
		Row::CumSum { exclusive, reverse, .. } => {
			let [a] = call.exactly()?;
			let words = cum_sum::record(device, a, exclusive, reverse, call.dtype)?;
			narrowed(device, words, call.dtype, call.shape)
		}
	}
}

pub(super) fn probes(kernel: RowKernel, probes: &mut Probes) {
	match kernel {
		RowKernel::Softmax | RowKernel::SoftmaxSums => {
			// Quotients of a half in i8, and of a little less.
			for len in [256, 257] {
				let operand = given(DType::I16, &[1, len], vec![-7; len as usize]);
				let op = Op::Softmax { multiplier: 181, shift: 7, to: DType::I8 };
				probes.push(op, vec![operand]);
			}
		}
		RowKernel::CumSum => {
			// Rows that end within, with and after what an invocation sums, and sums beyond every
			// type.
			for dtype in [DType::I8, DType::I16, DType::I32] {
				for (len, value) in
					[(1, -1), (63, dtype.max()), (64, dtype.min()), (1000, dtype.max())]
				{
					for (exclusive, reverse) in [(false, false), (true, true)] {
						let operand = given(dtype, &[2, len], vec![value; 2 * len as usize]);
						probes
							.push(Op::CumSum { exclusive, reverse, to: DType::I32 }, vec![operand]);
					}
				}
			}
		}
		RowKernel::NormMoments
		| RowKernel::Norm
		| RowKernel::RowScale
		| RowKernel::TopK
		| RowKernel::TopKRanks => {}
	}
	probes.drawn(kernel, |_| true);
}
